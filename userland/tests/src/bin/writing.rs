//! Writing files, in a directory that is the argument (`/tmp`): one cache for `write` and mappings, sizes, names, files without names.
//!
//! The last test leaves a file behind and says what is in it (`host file NAME SHA256`): whoever runs this looks for it on the host.

#![cfg_attr(target_os = "none", no_std, no_main)]
#![forbid(unsafe_code)]

extern crate alloc;

use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use bsd_sys::Errno;
use bsd_sys::fcntl::{OpenFlags, SEEK_END, SEEK_SET};
use bsd_sys::signal::Signal;
use libsystem::fs::{self, File};
use libsystem::{env, println};
use sha2::{Digest as _, Sha256};
use tests::child::must_crash;
use tests::random::Random;
use tests::raw::{self, PRIVATE, R, SHARED, UNIX03, W, page};
use tests::{Context as _, Outcome, ensure, ensure_equal};

tests::program! {
    a_file_is_made_written_and_read,
    writes_and_mappings_see_each_other_at_once,
    a_private_mapping_keeps_what_it_showed,
    growing_and_cutting_off_show_in_mappings,
    appending_goes_to_the_end,
    names_are_made_moved_and_removed,
    a_file_without_a_name_lives_while_it_is_open,
    a_file_that_is_forgotten_keeps_its_size_and_bytes,
    what_is_wrong_has_its_errno,
    random_changes_agree_with_a_plain_array,
    what_was_synchronised_is_there_for_everybody,
}

fn path(name: &str) -> String {
    let directory = env::args().get(1).cloned();
    format!("{}/{name}", directory.as_deref().unwrap_or("/tmp"))
}

/// A new file, open for both.
fn fresh(name: &str) -> Result<File, String> {
    let flags = OpenFlags::RDWR | OpenFlags::CREAT | OpenFlags::TRUNC;
    File::open_with(&path(name), flags, 0o644).context(name)
}

fn map(file: &File, length: u64, protection: u64, sharing: u64) -> Result<u64, String> {
    raw::mmap(
        0,
        length,
        protection,
        sharing | UNIX03,
        file.descriptor(),
        0,
    )
    .context("mmap")
}

fn contents(file: &File) -> Result<Vec<u8>, String> {
    let size = file.stat().context("fstat")?.size as usize;
    let mut bytes = vec![0; size + 10];
    let mut done = 0;
    loop {
        match file
            .read_at(&mut bytes[done..], done as u64)
            .context("pread")?
        {
            0 => break,
            count => done += count,
        }
    }
    bytes.truncate(done);
    ensure_equal!(bytes.len(), size, "bytes that are read, and the size");
    Ok(bytes)
}

fn holds(found: &[u8], expected: &[u8], what: &str) -> Outcome {
    ensure_equal!(found, expected, "{what}");
    Ok(())
}

fn write_at(file: &File, bytes: &[u8], position: u64) -> Outcome {
    let count = file.write_at(bytes, position).context("pwrite")?;
    ensure_equal!(count, bytes.len(), "bytes that pwrite took");
    Ok(())
}

fn a_file_is_made_written_and_read() -> Outcome {
    let file = fresh("w-made")?;
    file.write_all(b"hello ").context("write")?;
    file.write_all(b"world").context("write")?;
    holds(&contents(&file)?, b"hello world", "the contents")?;
    ensure_equal!(file.seek(0, SEEK_END), Ok(11), "the end");
    drop(file);
    let again = File::open(&path("w-made")).context("open")?;
    holds(&contents(&again)?, b"hello world", "after opening again")?;
    fs::remove_file(&path("w-made")).context("unlink")?;
    ensure_equal!(
        fs::stat(&path("w-made")).map(drop),
        Err(Errno::ENOENT),
        "after unlink"
    );
    Ok(())
}

fn writes_and_mappings_see_each_other_at_once() -> Outcome {
    let file = fresh("w-both")?;
    let size = 3 * page();
    file.set_size(size).context("ftruncate")?;
    let shared = map(&file, size, R | W, SHARED)?;
    write_at(&file, b"\x11\x22", page() - 1)?;
    ensure_equal!(
        raw::load(shared + page() - 1),
        0x11,
        "the last byte of a page"
    );
    ensure_equal!(raw::load(shared + page()), 0x22, "the first of the next");
    raw::store(shared + 2 * page(), 0x33);
    let mut byte = [0];
    file.read_at(&mut byte, 2 * page()).context("pread")?;
    ensure_equal!(byte[0], 0x33, "a byte stored through the mapping");
    raw::msync(shared, size, 0x10).context("msync")?;
    raw::munmap(shared, size).context("munmap")?;
    fs::remove_file(&path("w-both")).context("unlink")
}

fn a_private_mapping_keeps_what_it_showed() -> Outcome {
    let file = fresh("w-private")?;
    file.write_all(&vec![1; 2 * page() as usize])
        .context("write")?;
    let private = map(&file, 2 * page(), R | W, PRIVATE)?;
    raw::store(private, 7);
    write_at(&file, &[9; 4], 0)?;
    ensure_equal!(raw::load(private), 7, "a byte changed here");
    ensure_equal!(
        raw::load(private + 1),
        1,
        "its neighbour, which was copied with it"
    );
    let mut byte = [0];
    file.read_at(&mut byte, 0).context("pread")?;
    ensure_equal!(byte[0], 9, "the file");
    file.set_size(0).context("ftruncate")?;
    ensure_equal!(
        raw::load(private + page()),
        1,
        "a page of the copy after the file was cut off"
    );
    raw::munmap(private, 2 * page()).context("munmap")?;
    fs::remove_file(&path("w-private")).context("unlink")
}

fn growing_and_cutting_off_show_in_mappings() -> Outcome {
    let file = fresh("w-size")?;
    file.write_all(b"abc").context("write")?;
    let shared = map(&file, 4 * page(), R | W, SHARED)?;
    ensure_equal!(raw::load(shared + 2), b'c', "the last byte");
    ensure_equal!(raw::load(shared + 3), 0, "behind it");
    must_crash(Signal::BUS, "a page behind the end", || {
        raw::touch(shared + page());
    })?;
    // Written behind the end, through the mapping: not part of the file, and gone when it grows.
    raw::store(shared + 100, 5);
    write_at(&file, b"z", 3 * page())?;
    ensure_equal!(raw::load(shared + 100), 0, "what was stored behind the end");
    ensure_equal!(
        raw::load(shared + 3 * page()),
        b'z',
        "the page that came into being"
    );
    ensure_equal!(raw::load(shared + page()), 0, "the hole");
    file.set_size(2).context("ftruncate")?;
    ensure_equal!(
        raw::load(shared + 2),
        0,
        "what was cut off of the first page"
    );
    must_crash(Signal::BUS, "a page that was cut off", || {
        raw::touch(shared + page());
    })?;
    holds(&contents(&file)?, b"ab", "the contents")?;
    file.set_size(5).context("ftruncate")?;
    holds(&contents(&file)?, b"ab\0\0\0", "after growing again")?;
    raw::munmap(shared, 4 * page()).context("munmap")?;
    fs::remove_file(&path("w-size")).context("unlink")
}

fn appending_goes_to_the_end() -> Outcome {
    let file = fresh("w-append")?;
    file.write_all(b"one").context("write")?;
    let appending = File::open_with(&path("w-append"), OpenFlags::WRONLY | OpenFlags::APPEND, 0)
        .context("open to append")?;
    file.write_all(b"two").context("write")?;
    appending.write_all(b"three").context("write")?;
    file.seek(0, SEEK_SET).context("lseek")?;
    holds(&contents(&file)?, b"onetwothree", "the contents")?;
    ensure_equal!(
        appending.read(&mut [0; 1]),
        Err(Errno::EBADF),
        "reading what is only to be written"
    );
    fs::remove_file(&path("w-append")).context("unlink")
}

fn names_are_made_moved_and_removed() -> Outcome {
    fs::make_directory(&path("w-dir"), 0o755).context("mkdir")?;
    let inner = path("w-dir/file");
    File::create(&inner, 0o600)
        .context("create")?
        .write_all(b"x")
        .context("write")?;
    ensure_equal!(
        fs::remove_directory(&path("w-dir")),
        Err(Errno::ENOTEMPTY),
        "rmdir of a full directory"
    );
    fs::hard_link(&inner, &path("w-link")).context("link")?;
    ensure_equal!(fs::stat(&inner).context("stat")?.nlink, 2, "names");
    fs::rename(&inner, &path("w-moved")).context("rename")?;
    ensure_equal!(
        fs::stat(&inner).map(drop),
        Err(Errno::ENOENT),
        "the old name"
    );
    fs::rename(&path("w-moved"), &path("w-link")).context("rename to the same file")?;
    fs::symbolic_link("w-link", &path("w-soft")).context("symlink")?;
    holds(
        &fs::read(&path("w-soft")).context("through the link")?,
        b"x",
        "the contents",
    )?;
    let made = File::open_with(&path("w-soft"), OpenFlags::RDWR | OpenFlags::CREAT, 0o600)
        .context("open through the link")?;
    made.write_all(b"y").context("write")?;
    holds(
        &fs::read(&path("w-link")).context("read")?,
        b"y",
        "what was written through the link",
    )?;
    fs::set_mode(&path("w-link"), 0o640).context("chmod")?;
    ensure_equal!(
        fs::stat(&path("w-link")).context("stat")?.mode & 0o777,
        0o640,
        "the mode"
    );
    for name in ["w-link", "w-soft"] {
        fs::remove_file(&path(name)).context(name)?;
    }
    // On some volumes both names are still there after a rename of one to the other.
    let _ = fs::remove_file(&path("w-moved"));
    fs::remove_directory(&path("w-dir")).context("rmdir")
}

fn a_file_without_a_name_lives_while_it_is_open() -> Outcome {
    let file = fresh("w-gone")?;
    file.write_all(b"still here").context("write")?;
    fs::remove_file(&path("w-gone")).context("unlink")?;
    let names = fs::read_dir(&path("")).context("readdir")?;
    ensure!(
        names
            .iter()
            .all(|entry| !entry.name.contains("pagoda-unlinked") && entry.name != "w-gone"),
        "the name is still shown"
    );
    file.sync().context("fsync")?;
    file.write_all(b", and longer").context("write")?;
    holds(&contents(&file)?, b"still here, and longer", "the contents")?;
    let other = fresh("w-gone")?;
    other.write_all(b"another").context("write")?;
    ensure_equal!(contents(&file)?.len(), 22, "the first file's size");
    // A name that is taken by another file: the one that had it lives on too.
    fresh("w-new")?.write_all(b"new").context("write")?;
    fs::rename(&path("w-new"), &path("w-gone")).context("rename")?;
    holds(
        &contents(&other)?,
        b"another",
        "the file whose name was taken",
    )?;
    holds(
        &fs::read(&path("w-gone")).context("read")?,
        b"new",
        "the one that took it",
    )?;
    fs::remove_file(&path("w-gone")).context("unlink")
}

fn what_is_wrong_has_its_errno() -> Outcome {
    let file = fresh("w-wrong")?;
    let open = |name: &str, flags| File::open_with(&path(name), flags, 0o644).map(drop);
    let make = OpenFlags::WRONLY | OpenFlags::CREAT;
    ensure_equal!(
        open("w-wrong", make | OpenFlags::EXCL),
        Err(Errno::EEXIST),
        "O_EXCL"
    );
    ensure_equal!(open("w-none/x", make), Err(Errno::ENOENT), "no directory");
    ensure_equal!(
        open("w-wrong/x", make),
        Err(Errno::ENOTDIR),
        "a file as a directory"
    );
    ensure_equal!(
        open("", OpenFlags::WRONLY),
        Err(Errno::EISDIR),
        "writing a directory"
    );
    ensure_equal!(
        fs::remove_file(&path("")),
        Err(Errno::EPERM),
        "unlink of a directory"
    );
    ensure_equal!(
        fs::remove_directory(&path("w-wrong")),
        Err(Errno::ENOTDIR),
        "rmdir of a file"
    );
    ensure_equal!(
        fs::make_directory(&path("w-wrong"), 0o755),
        Err(Errno::EEXIST),
        "mkdir of what is there"
    );
    ensure_equal!(
        fs::rename(&path("w-wrong"), "/dev/x"),
        Err(Errno::EXDEV),
        "rename to another file system"
    );
    ensure_equal!(
        fs::remove_directory("/tmp"),
        Err(Errno::EBUSY),
        "rmdir of a mount"
    );
    ensure_equal!(
        raw::write(file.descriptor(), 64, 10),
        Err(Errno::EFAULT),
        "a write from nowhere"
    );
    ensure_equal!(
        file.stat().context("fstat")?.size,
        0,
        "the size after a write that failed"
    );
    let read_only = File::open(&path("w-wrong")).context("open")?;
    ensure_equal!(
        read_only.write_all(b"x"),
        Err(Errno::EBADF),
        "writing what is only to be read"
    );
    ensure_equal!(
        read_only.set_size(1),
        Err(Errno::EINVAL),
        "cutting what is only to be read"
    );
    let shared = raw::mmap(0, page(), R | W, SHARED | UNIX03, read_only.descriptor(), 0);
    ensure_equal!(
        shared,
        Err(Errno::EACCES),
        "a shared writable mapping of it"
    );
    ensure_equal!(
        open("../boot/w-x", make),
        Err(Errno::EROFS),
        "the boot archive"
    );
    fs::remove_file(&path("w-wrong")).context("unlink")
}

fn random_changes_agree_with_a_plain_array() -> Outcome {
    let file = fresh("w-random")?;
    let limit = 6 * page();
    let shared = map(&file, limit, R | W, SHARED)?;
    let mut random = Random::new(11);
    let mut model: Vec<u8> = Vec::new();
    for step in 0..400u32 {
        let at = random.below(limit);
        match random.below(6) {
            0 | 1 => {
                let bytes = vec![step as u8 | 1; random.below(limit - at).min(2 * page()) as usize];
                write_at(&file, &bytes, at)?;
                let end = at as usize + bytes.len();
                if !bytes.is_empty() {
                    model.resize(model.len().max(end), 0);
                    model[at as usize..end].copy_from_slice(&bytes);
                }
            }
            2 if (at as usize) < model.len() => {
                raw::store(shared + at, step as u8);
                model[at as usize] = step as u8;
            }
            3 if random.below(4) == 0 => {
                file.set_size(at).context("ftruncate")?;
                model.resize(at as usize, 0);
            }
            4 if random.below(8) == 0 => file.sync().context("fsync")?,
            _ => {
                let index = (at as usize).min(model.len().saturating_sub(1));
                if let Some(byte) = model.get(index) {
                    ensure_equal!(
                        raw::load(shared + index as u64),
                        *byte,
                        "step {step}, byte {index}"
                    );
                }
            }
        }
    }
    ensure!(
        contents(&file)? == model,
        "the contents differ from the model's"
    );
    drop(file);
    raw::munmap(shared, limit).context("munmap")?;
    ensure!(
        fs::read(&path("w-random")).context("read")? == model,
        "read again they differ"
    );
    fs::remove_file(&path("w-random")).context("unlink")
}

/// What the kernel knew of the file is gone: this is what the file system was told.
fn a_file_that_is_forgotten_keeps_its_size_and_bytes() -> Outcome {
    for size in [5, page() + 1, 3 * page()] {
        let bytes: Vec<u8> = (0..size).map(|at| at as u8 | 1).collect();
        let file = fresh("w-forgotten")?;
        write_at(&file, &bytes, 0)?;
        file.sync().context("fsync")?;
        drop(file);
        fs::purge().context("vfs_purge")?;
        let found = fs::read(&path("w-forgotten")).context("read")?;
        ensure_equal!(found.len(), bytes.len(), "bytes of the file");
        ensure!(found == bytes, "the contents differ");
    }
    fs::remove_file(&path("w-forgotten")).context("unlink")
}

fn what_was_synchronised_is_there_for_everybody() -> Outcome {
    let file = fresh("w-kept")?;
    let mut random = Random::new(3);
    let bytes: Vec<u8> = (0..300_001).map(|_| random.below(256) as u8).collect();
    for (index, piece) in bytes.chunks(70_000).enumerate() {
        write_at(&file, piece, index as u64 * 70_000)?;
    }
    file.sync().context("fsync")?;
    // Not synchronised, but written before the power goes.
    write_at(&file, b"late", 300_001)?;
    let mut sum = Sha256::new();
    sum.update(&bytes);
    sum.update(b"late");
    let digits: String = sum
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    if path("").starts_with("/share") {
        println!("host file w-kept {digits}");
    }
    Ok(())
}

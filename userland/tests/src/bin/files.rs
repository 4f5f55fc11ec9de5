//! Files: mappings, `read` and private copies all show the same pages of one object.

#![cfg_attr(target_os = "none", no_std, no_main)]
#![forbid(unsafe_code)]

extern crate alloc;

use alloc::vec::Vec;

use bsd_sys::signal::Signal;
use libsystem::fs::{self, File};
use tests::child::{must_crash, must_succeed};
use tests::raw::{self, PRIVATE, R, SHARED, UNIX03, W, page};
use tests::{Context as _, Outcome, ensure, ensure_equal, region};

tests::program! {
    a_mapping_shows_what_read_gives,
    nothing_is_read_before_it_is_touched,
    the_tail_of_the_last_page_is_zero,
    a_touch_beyond_the_end_is_a_bus_error,
    two_mappings_show_one_object,
    a_private_write_leaves_the_file_alone,
    a_private_mapping_keeps_its_page_over_a_fork,
    reads_at_odd_places_agree_with_the_mapping,
    directories_links_and_attributes,
}

/// The file that is mapped: this program.
const FILE: &str = "/tests/files";

struct Mapped {
    file: File,
    size: u64,
    base: u64,
    pages: u64,
}

/// The whole file and one page more.
fn mapped(protection: u64, sharing: u64) -> Result<Mapped, alloc::string::String> {
    let file = File::open(FILE).context(FILE)?;
    let size = file.stat().context("fstat")?.size as u64;
    let pages = size.div_ceil(page());
    let length = (pages + 1) * page();
    let base = raw::mmap(
        0,
        length,
        protection,
        sharing | UNIX03,
        file.descriptor(),
        0,
    )
    .context("mmap")?;
    Ok(Mapped {
        file,
        size,
        base,
        pages,
    })
}

impl Drop for Mapped {
    fn drop(&mut self) {
        let _ = raw::munmap(self.base, (self.pages + 1) * page());
    }
}

fn bytes_at(address: u64, count: u64) -> Vec<u8> {
    (0..count).map(|index| raw::load(address + index)).collect()
}

fn a_mapping_shows_what_read_gives() -> Outcome {
    let mapped = mapped(R, SHARED)?;
    let read = fs::read(FILE).context("read")?;
    ensure_equal!(read.len() as u64, mapped.size, "bytes read");
    let seen = bytes_at(mapped.base, mapped.size);
    let wrong = (0..read.len()).find(|&index| read[index] != seen[index]);
    ensure_equal!(wrong, None, "the first byte that differs");
    ensure!(
        read.starts_with(b"\x7fELF"),
        "a program begins with its mark"
    );
    Ok(())
}

fn nothing_is_read_before_it_is_touched() -> Outcome {
    fs::purge().context("vfs_purge")?;
    // This program runs from the file, so some pages of it may be there; a mapping brings in no more.
    let mapped = mapped(R, SHARED)?;
    let before = raw::resident(mapped.base, mapped.pages).context("mincore")?;
    let again = raw::resident(mapped.base, mapped.pages).context("mincore")?;
    ensure_equal!(before, again, "pages after looking");
    let last = mapped.base + (mapped.pages - 1) * page();
    let _ = raw::load(last);
    ensure_equal!(raw::resident(last, 1), Ok(1), "the touched page");
    Ok(())
}

fn the_tail_of_the_last_page_is_zero() -> Outcome {
    let mapped = mapped(R, SHARED)?;
    let end = mapped.base + mapped.pages * page();
    let tail = bytes_at(mapped.base + mapped.size, end - mapped.base - mapped.size);
    ensure!(
        tail.iter().all(|byte| *byte == 0),
        "{} bytes after the end are not all zero",
        tail.len()
    );
    Ok(())
}

fn a_touch_beyond_the_end_is_a_bus_error() -> Outcome {
    let mapped = mapped(R, SHARED)?;
    must_crash(Signal::BUS, "a page past the end", || {
        raw::touch(mapped.base + mapped.pages * page())
    })
}

fn two_mappings_show_one_object() -> Outcome {
    let (one, two) = (mapped(R, SHARED)?, mapped(R, SHARED)?);
    let _ = raw::load(one.base);
    let (first, second) = (region::at(one.base)?.2, region::at(two.base)?.2);
    ensure_equal!(first.object_id_full, second.object_id_full, "objects");
    ensure_equal!(
        raw::resident(two.base, 1),
        Ok(1),
        "the page touched through the other mapping"
    );
    ensure!(first.external_pager != 0, "a file's object has a pager");
    Ok(())
}

fn a_private_write_leaves_the_file_alone() -> Outcome {
    let private = mapped(R | W, PRIVATE)?;
    let shared = mapped(R, SHARED)?;
    raw::store(private.base, b'x');
    ensure_equal!(
        (raw::load(private.base), raw::load(shared.base)),
        (b'x', 0x7f),
        "private and shared byte"
    );
    let mut byte = [0];
    private.file.read_at(&mut byte, 0).context("pread")?;
    ensure_equal!(byte[0], 0x7f, "the byte that `pread` gives");
    ensure_equal!(
        raw::load(private.base + 1),
        b'E',
        "the rest of the private page"
    );
    Ok(())
}

fn a_private_mapping_keeps_its_page_over_a_fork() -> Outcome {
    let private = mapped(R | W, PRIVATE)?;
    raw::store(private.base, 1);
    must_succeed(10_000, || {
        ensure_equal!(raw::load(private.base), 1, "what the child inherits");
        raw::store(private.base, 2);
        raw::store(private.base + page(), 2);
        ensure_equal!(raw::load(private.base), 2, "what the child wrote");
        Ok(())
    })?;
    let mut file = [0];
    private.file.read_at(&mut file, page()).context("pread")?;
    ensure_equal!(
        (raw::load(private.base), raw::load(private.base + page())),
        (1, file[0]),
        "the parent's pages"
    );
    Ok(())
}

fn reads_at_odd_places_agree_with_the_mapping() -> Outcome {
    let mapped = mapped(R, SHARED)?;
    let mut random = tests::random::Random::new(5);
    for _ in 0..100 {
        let offset = random.below(mapped.size);
        let length = random.below(5000).min(mapped.size - offset);
        let mut buffer = alloc::vec![0xaa; length as usize];
        let count = mapped.file.read_at(&mut buffer, offset).context("pread")?;
        ensure_equal!(count as u64, length, "bytes at {offset}");
        ensure!(
            buffer == bytes_at(mapped.base + offset, length),
            "bytes at {offset} differ from the mapping"
        );
    }
    let mut buffer = [0; 16];
    ensure_equal!(
        mapped.file.read_at(&mut buffer, mapped.size),
        Ok(0),
        "at the end"
    );
    ensure_equal!(
        mapped.file.read_at(&mut buffer, mapped.size + 99),
        Ok(0),
        "beyond the end"
    );
    Ok(())
}

fn directories_links_and_attributes() -> Outcome {
    let names = fs::read_dir("/tests").context("/tests")?;
    ensure!(
        names.iter().any(|entry| entry.name == "files"),
        "/tests does not list this program"
    );
    let stat = fs::stat(FILE).context("stat")?;
    ensure!(
        bsd_sys::stat::is_regular(stat.mode),
        "a program is a regular file"
    );
    ensure_equal!(
        fs::stat("/tests/../tests/./files").context("stat")?.ino,
        stat.ino,
        "the same file by another path"
    );
    ensure_equal!(
        fs::stat("/no/such/file").err(),
        Some(bsd_sys::Errno::ENOENT),
        "a missing file"
    );
    ensure_equal!(
        fs::stat("/tests/files/x").err(),
        Some(bsd_sys::Errno::ENOTDIR),
        "below a file"
    );
    Ok(())
}

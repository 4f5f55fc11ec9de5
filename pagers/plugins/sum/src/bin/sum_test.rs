//! `sum` in the guest, over files that another pager serves: good pages show, a bad one is an error, and no other.

#![cfg_attr(target_os = "none", no_std, no_main)]
#![forbid(unsafe_code)]

extern crate alloc;

// What the pager itself takes the sums by; not all of it is needed here.
#[allow(dead_code)]
#[path = "../table.rs"]
mod table;

use alloc::string::String;
use alloc::vec::Vec;

use pager_sdk::libsystem::fs::{self, File};
use pager_sdk::libsystem::process;
use pager_sdk::{Bytes, Errno};
use table::Table;
use tests::child::must_crash;
use tests::pager::Started;
use tests::{
    Context as _, OpenFlags, Outcome, Signal, WaitStatus, counts, ensure, ensure_equal, raw,
};

tests::program! {
    a_good_file_shows_as_it_is,
    a_bad_byte_is_an_error_on_exactly_its_page,
    without_sums_there_is_no_file,
    what_was_written_reaches_the_pager_before_it_stops,
    nothing_is_left_behind,
}

/// Pages of the file; the last one is not whole.
const PAGES: u64 = 12;
/// The page with a bad byte in `bad`.
const BAD: u64 = 5;

fn contents() -> Vec<u8> {
    let size = PAGES * raw::page() - 1000;
    (0..size)
        .map(|at| (at / 11 + at / raw::page()) as u8)
        .collect()
}

/// A pager that serves the files to be checked, and the one under test.
struct Both {
    files: Started,
    sum: Started,
}

/// The sums of a file as it is.
fn sums_of(contents: &[u8]) -> Vec<u8> {
    let mut table = Table::for_size(contents.len() as u64);
    table.announce(0, contents);
    table.settle(0, contents.len());
    table.bytes()
}

impl Both {
    fn start() -> Result<Self, String> {
        let good = contents();
        let sums = sums_of(&good);
        let mut bad = good.clone();
        bad[(BAD * raw::page() + raw::page() / 2 + 1) as usize] ^= 1;
        let files = [
            ("good", good),
            ("good.sum", sums.clone()),
            ("bad", bad),
            ("bad.sum", sums),
            ("alone", alloc::vec![1, 2, 3]),
        ];
        let files = Started::serve("files", || Bytes::new(files))?;
        let sum = Started::start("sum", &[])?;
        Ok(Self { files, sum })
    }

    /// The path of a file through the pager under test.
    fn path(&self, name: &str) -> String {
        let below = self.files.path(name);
        self.sum.path(below.trim_start_matches('/'))
    }
}

fn a_good_file_shows_as_it_is() -> Outcome {
    let both = Both::start()?;
    let whole = fs::read(&both.path("good")).context("read")?;
    ensure!(whole == contents(), "the bytes differ");
    let names = fs::read_dir(&both.path("")).context("the directory")?;
    let names: Vec<&str> = names.iter().map(|entry| entry.name.as_str()).collect();
    ensure_equal!(names, ["bad", "good"], "files with sums");
    Ok(())
}

fn a_bad_byte_is_an_error_on_exactly_its_page() -> Outcome {
    let both = Both::start()?;
    let file = File::open(&both.path("bad")).context("open")?;
    let map = raw::map_file(&file).context("mmap")?;
    let whole = contents();
    for page in 0..PAGES {
        let at = page * raw::page();
        let read = file.read_at(&mut [0], at);
        if page == BAD {
            ensure_equal!(read, Err(Errno::EIO), "reading the bad page");
            must_crash(Signal::BUS, "touching the bad page", || {
                raw::touch(map + at)
            })?;
        } else {
            ensure_equal!(read, Ok(1), "reading page {page}");
            ensure_equal!(raw::load(map + at), whole[at as usize], "page {page}");
        }
    }
    Ok(())
}

fn without_sums_there_is_no_file() -> Outcome {
    let both = Both::start()?;
    let open = File::open(&both.path("alone")).map(drop);
    ensure_equal!(open, Err(Errno::ENOENT), "a file without sums");
    Ok(())
}

fn what_was_written_reaches_the_pager_before_it_stops() -> Outcome {
    let (path, sums) = ("/tmp/summed", "/tmp/summed.sum");
    let mut expected = contents();
    for (path, bytes) in [(path, expected.clone()), (sums, sums_of(&expected))] {
        let flags = OpenFlags::WRONLY | OpenFlags::CREAT | OpenFlags::TRUNC;
        let file = File::open_with(path, flags, 0o644).context("open")?;
        file.write_all(&bytes).context("write")?;
    }
    let pager = Started::start("sum", &["--writable"])?;
    let file = File::open_with(&pager.path("tmp/summed"), OpenFlags::WRONLY, 0).context("open")?;
    for at in [1, 3 * raw::page() + 17] {
        file.write_at(b"new", at).context("write")?;
        expected[at as usize..][..3].copy_from_slice(b"new");
    }
    drop(file);
    let words = ["pager", "stop", pager.name()];
    let stop = process::spawn("/bin/pager", &words).context("pager stop")?;
    let status = process::wait_for(stop).context("wait")?;
    ensure_equal!(status, WaitStatus::Exited(0), "the end of `pager stop`");
    let now = fs::read(path).context("read")?;
    ensure!(now == expected, "the file is not what was written");
    let now = fs::read(sums).context("read")?;
    ensure!(now == sums_of(&expected), "the sums are not the file's");
    for path in [path, sums] {
        fs::remove_file(path).context("unlink")?;
    }
    Ok(())
}

fn nothing_is_left_behind() -> Outcome {
    counts::leaves_nothing(|| {
        tests::child::must_succeed(30_000, || {
            let both = Both::start()?;
            let whole = fs::read(&both.path("good")).context("read")?;
            ensure_equal!(whole.len(), contents().len(), "bytes");
            both.sum.kill()?;
            both.files.kill()
        })?;
        fs::purge().context("vfs_purge")
    })
}

//! `memory_and_file FILE-MIB [MEMORY-MIB]`: a file larger than memory is written through a mapping and verified; with a second number
//! so much anonymous memory is dirtied at the same time, and in the middle the process forks.
//!
//! The file is `/share/m-large`. After power-off the host compares its copy (`host file NAME SHA256`).

#![cfg_attr(target_os = "none", no_std, no_main)]
#![forbid(unsafe_code)]

extern crate alloc;

use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use bsd_sys::fcntl::OpenFlags;
use bsd_sys::mman::{MapFlags, Prot};
use libsystem::fs::File;
use libsystem::memory::Mapping;
use libsystem::{env, println, time};
use sha2::{Digest as _, Sha256};
use tests::model::claim;
use tests::raw::page;
use tests::{Context as _, Outcome, Test, child, ensure, ensure_equal};

libsystem::main!(run);

/// Milliseconds for the test: the machine may be busy.
const LIMIT: u64 = 1_500_000;
/// The file's name, in `/share`.
const NAME: &str = "m-large";
/// What parent and child write into memory of their own.
const PARENT: u64 = 1;
const CHILD: u64 = 2;
/// What is in the file.
const FILE: u64 = 3;

fn run() -> i32 {
    let test: Test = if argument(2).is_some() {
        (
            "memory_and_a_file_do_not_fit_and_a_fork_comes",
            memory_and_a_file_do_not_fit_and_a_fork_comes,
        )
    } else {
        (
            "a_file_larger_than_memory_is_written_through_a_mapping",
            a_file_larger_than_memory_is_written_through_a_mapping,
        )
    };
    tests::run_within(&[test], LIMIT)
}

fn argument(index: usize) -> Option<u64> {
    env::args().get(index)?.parse().ok()
}

/// Pages in so many MiB.
fn pages(mebibytes: u64) -> u64 {
    (mebibytes << 20) / page()
}

/// A page for one writer: no two pages are alike, and no two words of one.
fn contents(index: u64, writer: u64, buffer: &mut [u8]) {
    let mut word = (index << 8 | writer).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    for bytes in buffer.chunks_exact_mut(8) {
        word = word.wrapping_add(0x0123_4567_89ab_cdef);
        bytes.copy_from_slice(&word.to_le_bytes());
    }
}

/// Pages that are written and compared whole.
struct Area {
    name: &'static str,
    mapping: Mapping,
    pages: u64,
    written: Vec<u8>,
    found: Vec<u8>,
}

impl Area {
    fn new(name: &'static str, mapping: Mapping) -> Self {
        let size = page() as usize;
        let pages = mapping.size() as u64 / page();
        Self {
            name,
            mapping,
            pages,
            written: vec![0; size],
            found: vec![0; size],
        }
    }

    /// Memory of one's own.
    fn anonymous(mebibytes: u64) -> Result<Self, String> {
        let size = (pages(mebibytes) * page()) as usize;
        let mapping = Mapping::anonymous(size, Prot::READ | Prot::WRITE).context("mmap")?;
        Ok(Self::new("memory", mapping))
    }

    /// A new file of this size, mapped.
    fn file(mebibytes: u64) -> Result<Self, String> {
        let size = pages(mebibytes) * page();
        let flags = OpenFlags::RDWR | OpenFlags::CREAT | OpenFlags::TRUNC;
        let file = File::open_with(&format!("/share/{NAME}"), flags, 0o644).context(NAME)?;
        file.set_size(size).context("ftruncate")?;
        let both = Prot::READ | Prot::WRITE;
        let mapping = Mapping::of_file(&file, 0, size as usize, both, MapFlags::SHARED);
        Ok(Self::new("file", mapping.context("mmap of the file")?))
    }

    fn write(&mut self, index: u64, writer: u64) {
        contents(index, writer, &mut self.written);
        self.mapping.write((index * page()) as usize, &self.written);
    }

    fn check(&mut self, index: u64, writer: u64) -> Outcome {
        contents(index, writer, &mut self.written);
        self.mapping
            .read((index * page()) as usize, &mut self.found);
        if self.found == self.written {
            return Ok(());
        }
        let mut both = self.found.iter().zip(&self.written);
        match both.position(|(one, two)| one != two) {
            None => Ok(()),
            Some(at) => Err(format!(
                "{}: page {index} of writer {writer}, byte {at} is {}, not {}",
                self.name, self.found[at], self.written[at]
            )),
        }
    }
}

/// Says on the console how far it is; what takes long should be seen to go on.
struct Clock(u64);

impl Clock {
    fn start() -> Self {
        Self(time::now())
    }

    fn tell(&self, what: &str) {
        println!("{what} after {} s", (time::now() - self.0) / 1_000_000_000);
    }
}

/// Starts a process that says what must be in the whole file: this takes as long as the test itself and needs nothing of it.
fn start_to_sum_up(mebibytes: u64) -> Result<i32, String> {
    child::start(|| {
        let mut page = vec![0; page() as usize];
        let mut sum = Sha256::new();
        for index in 0..pages(mebibytes) {
            contents(index, FILE, &mut page);
            sum.update(&page);
        }
        println!("{}", claim(NAME, &sum.finalize()));
        0
    })
}

fn must_end_well(process: i32, what: &str) -> Outcome {
    let status = child::finish(process, LIMIT / 2)?;
    ensure_equal!(status.shell_status(), 0, "{what}");
    Ok(())
}

fn a_file_larger_than_memory_is_written_through_a_mapping() -> Outcome {
    let clock = Clock::start();
    let size = argument(1).ok_or("how large?")?;
    let summing = start_to_sum_up(size)?;
    let mut file = Area::file(size)?;
    (0..file.pages).for_each(|index| file.write(index, FILE));
    clock.tell("written");
    (0..file.pages).try_for_each(|index| file.check(index, FILE))?;
    clock.tell("verified");
    must_end_well(summing, "who sums up")
}

/// The writer of a page of the child's memory: every eighth of those it got, and all that came later.
fn writer_for_child(index: u64, inherited: u64) -> u64 {
    if index >= inherited || index.is_multiple_of(8) {
        CHILD
    } else {
        PARENT
    }
}

fn memory_and_a_file_do_not_fit_and_a_fork_comes() -> Outcome {
    let clock = Clock::start();
    let size = argument(1).ok_or("how large?")?;
    let summing = start_to_sum_up(size)?;
    let mut file = Area::file(size)?;
    let mut memory = Area::anonymous(argument(2).ok_or("how much?")?)?;
    // Both grow side by side.
    let share = |index: u64, file: &Area, memory: &Area| index * memory.pages / file.pages;
    let write = |range: core::ops::Range<u64>, file: &mut Area, memory: &mut Area| {
        for index in range {
            file.write(index, FILE);
            for own in share(index, file, memory)..share(index + 1, file, memory) {
                memory.write(own, PARENT);
            }
        }
    };
    let middle = file.pages / 2;
    write(0..middle, &mut file, &mut memory);
    clock.tell("half of it written");
    let inherited = share(middle, &file, &memory);
    let child = child::start(
        || match as_child(&mut file, middle, &mut memory, inherited) {
            Ok(()) => 0,
            Err(reason) => {
                println!("child: {reason}");
                1
            }
        },
    )?;
    write(middle..file.pages, &mut file, &mut memory);
    clock.tell("written");
    (0..memory.pages).try_for_each(|index| memory.check(index, PARENT))?;
    clock.tell("memory verified");
    (0..file.pages).try_for_each(|index| file.check(index, FILE))?;
    clock.tell("file verified");
    must_end_well(child, "the child")?;
    clock.tell("child done");
    // The child's pages are its own.
    for index in (0..memory.pages).step_by(8) {
        memory.check(index, PARENT)?;
    }
    must_end_well(summing, "who sums up")
}

/// The child writes memory of its own, old and new, and sees what the file had when it was born.
fn as_child(file: &mut Area, written: u64, memory: &mut Area, inherited: u64) -> Outcome {
    ensure!(inherited > 0, "nothing was inherited");
    for index in 0..memory.pages {
        if writer_for_child(index, inherited) == CHILD {
            memory.write(index, CHILD);
        }
    }
    for index in 0..memory.pages {
        memory.check(index, writer_for_child(index, inherited))?;
    }
    (0..written).try_for_each(|index| file.check(index, FILE))
}

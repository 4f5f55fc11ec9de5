//! The steps: each does one thing to the file and tells its story.

use alloc::format;
use alloc::string::{String, ToString};

use bsd_sys::mman::{MapFlags, Prot, advice};
use libsystem::fs::{self, File};
use libsystem::mach_call::{call, task_self};
use libsystem::memory::{Mapping, page_size};
use libsystem::println;
use libsystem::trace::Trace;
use mach::defs::mach_vm::region_recurse;
use mach::vm_region::SubmapInfo64;

use crate::story::Stage;

type Outcome<T = ()> = Result<T, String>;

/// Room for events on each processor.
const RECORDS: u32 = 8192;

fn failed<E: ToString>(what: &'static str) -> impl Fn(E) -> String {
    move |error| format!("{what}: {}", error.to_string())
}

/// The whole demonstration.
pub(crate) fn walk(path: &str, page: usize) -> Outcome {
    let file = File::open(path).map_err(failed("open"))?;
    let size = file.stat().map_err(failed("fstat"))?.size as usize;
    let page_bytes = page_size() as usize;
    let pages = size.div_ceil(page_bytes);
    if page >= pages {
        return Err(format!(
            "{path} has {pages} pages of {page_bytes} bytes: there is no page {page}"
        ));
    }
    println!(
        "{path}: {size} bytes, {pages} pages of {} KiB. One byte of page {page} will be touched.",
        page_bytes >> 10
    );
    // What earlier programs read would hide what there is to see.
    drop(file);
    fs::purge().map_err(failed("vfs_purge"))?;
    let file = File::open(path).map_err(failed("open"))?;
    let trace = Trace::start(RECORDS).map_err(|code| format!("tracing: {code:?}"))?;
    let mut stage = Stage::new(trace);
    let tour = Tour {
        file: &file,
        size,
        byte: page * page_bytes,
        page,
    };
    tour.run(&mut stage)
}

struct Tour<'a> {
    file: &'a File,
    size: usize,
    /// Offset of the byte that is touched.
    byte: usize,
    page: usize,
}

impl Tour<'_> {
    fn run(&self, stage: &mut Stage) -> Outcome {
        let first = stage.act(
            "mmap: the file is mapped, shared and read-only; nothing is read",
            || self.map(Prot::READ, MapFlags::SHARED),
        )?;
        let mut first = first.map_err(failed("mmap"))?;
        self.tell(&first)?;
        // Without this the pages around would come too, which is a story of its own.
        first.advise(advice::RANDOM).map_err(failed("madvise"))?;

        let value = stage.act("The first touch: a fault, and the pager is asked", || {
            first.byte(self.byte)
        })?;
        println!("   The program got the byte {:#04x}.", value.unwrap_or(0));
        self.tell(&first)?;

        stage.act(
            "The second touch of the same page: the hardware does it alone",
            || first.byte(self.byte + 1),
        )?;

        let second = stage.act("A second mapping: the same object", || {
            self.map(Prot::READ, MapFlags::SHARED)
        })?;
        let second = second.map_err(failed("mmap"))?;
        stage.act(
            "The page through the second mapping: in the object, so only a table entry is made",
            || second.byte(self.byte),
        )?;
        let same = object(&first)? == object(&second)?;
        println!(
            "   Both mappings show {} object.",
            if same {
                "one and the same"
            } else {
                "NOT the same"
            }
        );
        self.tell(&second)?;

        let mut byte = [0];
        let read = stage.act(
            "read: the bytes come from the same page; the pager is not asked",
            || self.file.read_at(&mut byte, self.byte as u64),
        )?;
        read.map_err(failed("pread"))?;
        println!(
            "   read gave {:#04x}: {}.",
            byte[0],
            agreement(Some(byte[0]) == value)
        );
        self.tell(&first)?;

        self.private(stage, value)?;

        stage.act("munmap: the mappings go, the object keeps its page", || {
            drop((first, second))
        })?;
        let again = self
            .map(Prot::READ, MapFlags::SHARED)
            .map_err(failed("mmap"))?;
        println!("   A new mapping shows the page that stayed in the cache:");
        self.tell(&again)
    }

    /// A private mapping: its write copies one page and leaves the file's alone.
    fn private(&self, stage: &mut Stage, value: Option<u8>) -> Outcome {
        let private = stage.act("A private mapping of the file", || {
            self.map(Prot::READ | Prot::WRITE, MapFlags::PRIVATE)
        })?;
        let mut private = private.map_err(failed("mmap"))?;
        let fresh = !value.unwrap_or(0);
        stage.act(
            "A write to it: the page is copied into an object in front of the file's",
            || {
                private.set_byte(self.byte, fresh);
            },
        )?;
        let mut byte = [0];
        self.file
            .read_at(&mut byte, self.byte as u64)
            .map_err(failed("pread"))?;
        println!(
            "   The private page holds {:#04x}, the file's page {:#04x}: {}.",
            private.byte(self.byte).unwrap_or(0),
            byte[0],
            if Some(byte[0]) == value {
                "the original is untouched"
            } else {
                "THE ORIGINAL CHANGED"
            }
        );
        let (object, depth) =
            region(&private).map(|info| (info.object_id_full, info.shadow_depth))?;
        println!("   It shows object {object}, with {depth} object(s) below it.");
        stage.act(
            "munmap of the private mapping: its object and the copy go",
            || drop(private),
        )?;
        Ok(())
    }

    fn map(&self, protection: Prot, flags: MapFlags) -> libsystem::io::Result<Mapping> {
        Mapping::of_file(self.file, 0, self.size, protection, flags)
    }

    /// Counts what is in memory around the touched page.
    fn tell(&self, mapping: &Mapping) -> Outcome {
        let states = mapping.resident().map_err(failed("mincore"))?;
        let resident = states.iter().filter(|state| **state & 1 != 0).count();
        let here = states.get(self.page).is_some_and(|state| state & 1 != 0);
        let info = region(mapping)?;
        println!(
            "   Object {}: {resident} of {} pages in memory (mincore); page {} is {}; {} references.",
            info.object_id_full,
            states.len(),
            self.page,
            if here { "there" } else { "not there" },
            info.ref_count,
        );
        Ok(())
    }
}

fn agreement(agree: bool) -> &'static str {
    if agree {
        "the same byte"
    } else {
        "ANOTHER BYTE"
    }
}

fn region(mapping: &Mapping) -> Outcome<SubmapInfo64> {
    let request = region_recurse::Request {
        address: mapping.address(),
        nesting_depth: 0,
        info_cnt: SubmapInfo64::WORDS,
    };
    let reply =
        call(task_self(), request).map_err(|code| format!("mach_vm_region_recurse: {code:?}"))?;
    reply
        .info
        .decode_words()
        .map_err(|code| format!("mach_vm_region_recurse: {code:?}"))
}

fn object(mapping: &Mapping) -> Outcome<u64> {
    region(mapping).map(|info| info.object_id_full)
}

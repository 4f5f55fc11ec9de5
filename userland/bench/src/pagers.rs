//! Pages that come from another task: an external pager's, and the anonymous pager's.

use alloc::format;
use alloc::string::String;
use alloc::vec;
use core::sync::atomic::{AtomicU64, Ordering};

use bsd_sys::mman::advice;
use bsd_sys::signal::Signal;
use bsd_sys::syscall as number;
use libsystem::mach_call;
use libsystem::process::{self, Fork};
use mach::VmProt;
use mach::defs::mach_vm;
use mach::message::UserRight;
use mach::port::PortName;
use pager_sdk::{Attributes, Event, Server};

use crate::messages::{take_right, wait_for_word};
use crate::raw::{
    WRITE, bytes, call, load, map_anonymous, map_common, page, read_each, unmap, write_each,
};
use crate::sample::Series;
use crate::{Outcome, Settings};

/// The pager's process: every page it supplies holds its own number in its first word.
fn page_things(word: &AtomicU64) -> i32 {
    let Ok(mut server) = Server::new() else {
        return 1;
    };
    let Ok(object) = server.create_object() else {
        return 2;
    };
    word.store(u64::from(object.0), Ordering::SeqCst);
    let mut buffer = vec![0x5au8; 1 << 20];
    loop {
        match server.next_event() {
            Ok(Event::Init(init)) => {
                let _ = init.ready(Attributes::default());
            }
            Ok(Event::Read(read)) => {
                let length = (read.length() as usize).min(buffer.len());
                for (index, page) in buffer[..length].chunks_mut(page() as usize).enumerate() {
                    let number = read.offset() / page.len() as u64 + index as u64;
                    page[..8].copy_from_slice(&(number + 1).to_le_bytes());
                }
                let _ = read.supply(&buffer[..length]);
            }
            Ok(_) => {}
            Err(_) => return 3,
        }
    }
}

/// Faults that a pager in another process answers: a page at a time, and in clusters, for each 64 KiB.
pub(crate) fn external(settings: &Settings) -> Outcome {
    let address = map_common(page())?;
    // SAFETY: the page is mapped for good, aligned, and used as atomic words only.
    let word = unsafe { &*(address as *const AtomicU64) };
    let child = match process::fork().map_err(|errno| format!("fork: {errno}"))? {
        Fork::Child => process::exit(page_things(word)),
        Fork::Parent(child) => child,
    };
    let outcome = external_rows(settings, word, child);
    let _ = process::kill(child, Signal::KILL);
    let _ = process::wait_for(child);
    outcome
}

fn external_rows(settings: &Settings, word: &AtomicU64, child: i32) -> Outcome {
    let object = take_right(child, PortName(wait_for_word(word)? as u32))?;
    let page = page();
    let size = (16 << 20) / settings.divisor.next_power_of_two();
    let mut offset = 0;
    for (name, unit, each, advised) in [
        ("external_pager_page", "fault", page, advice::RANDOM),
        ("external_pager_64k", "64 KiB", 64 << 10, advice::NORMAL),
    ] {
        let mut row = Series::new(name, unit);
        for _ in 0..=settings.samples {
            // Each sample looks at another part of the object.
            let address = map_object(object, offset, size)?;
            call(number::MADVISE, address, size, advised as u64).or("madvise")?;
            row.time(size / each, || read_each(address, size, page));
            for at in (0..size).step_by(page as usize) {
                let number = (offset + at) / page + 1;
                if load(address + at) != number as u8
                    || load(address + at + 1) != (number >> 8) as u8
                {
                    return Err(format!("page {} holds something else", number - 1));
                }
            }
            unmap(address, size).or("munmap")?;
            offset += size;
        }
        row.report();
    }
    Ok(())
}

fn map_object(object: PortName, offset: u64, size: u64) -> Result<u64, String> {
    let request = mach_vm::map::Request {
        object: UserRight::copy_send(object),
        address: 0,
        size,
        mask: 0,
        flags: 1,
        offset,
        copy: 0,
        cur_protection: VmProt::READ,
        max_protection: VmProt::READ,
        inheritance: 0,
    };
    mach_call::call(mach_call::task_self(), request)
        .map(|reply| reply.address)
        .map_err(|code| format!("mach_vm_map: {code:?}"))
}

/// Pages pushed out to the anonymous pager's store and read back; half of each is random.
pub(crate) fn swap(settings: &Settings) -> Outcome {
    let page = page();
    let size = (32 << 20) / settings.divisor.next_power_of_two();
    let pages = size / page;
    let mut out = Series::new("swap_out", "page");
    let mut back = Series::new("swap_in", "page");
    let address = map_anonymous(size, WRITE).or("mmap")?;
    for _ in 0..=settings.samples {
        fill(address, size, page);
        out.time(pages, || {
            call(number::MADVISE, address, size, advice::PAGEOUT as u64)
        })
        .or("madvise(MADV_PAGEOUT)")?;
        let mut states = vec![0u8; pages as usize];
        call(number::MINCORE, address, size, states.as_mut_ptr() as u64).or("mincore")?;
        let left = states.iter().filter(|state| **state & 1 != 0).count();
        if left > pages as usize / 100 {
            return Err(format!("{left} of {pages} pages are still in memory"));
        }
        back.time(pages, || read_each(address, size, page));
    }
    write_each(address, size, page);
    out.report();
    back.report();
    Ok(())
}

/// Half of each page random, the other half the same everywhere.
fn fill(address: u64, size: u64, page: u64) {
    // SAFETY: the mapping is this function's while it runs, and holds no other object.
    let memory = unsafe { bytes(address, size) };
    let mut x = 88_172_645_463_325_252u64;
    for (index, word) in memory.chunks_exact_mut(8).enumerate() {
        let random = (index as u64 * 8) % page < page / 2;
        if random {
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
        }
        let value = if random { x } else { 0x0101_0101_0101_0101 };
        word.copy_from_slice(&value.to_le_bytes());
    }
}

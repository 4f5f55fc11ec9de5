//! More memory is wanted than there is, and no disk takes it: the greedy process goes, everything else stays.

#![cfg_attr(target_os = "none", no_std, no_main)]
#![forbid(unsafe_code)]

extern crate alloc;

use bsd_sys::mman::Prot;
use bsd_sys::signal::Signal;
use bsd_sys::wait::WaitStatus;
use libsystem::memory::Mapping;
use libsystem::{mach_call, time};
use mach::defs::mach_host::info;
use mach::host_info::{HOST_BASIC_INFO, HostBasicInfo};
use tests::raw::page;
use tests::{Context as _, Outcome, Test, child, ensure_equal};

libsystem::main!(run);

/// Milliseconds for one test: the machine may be busy.
const LIMIT: u64 = 180_000;

const TESTS: &[Test] = &[
    ("the_greedy_process_is_killed", the_greedy_process_is_killed),
    (
        "a_modest_neighbour_keeps_what_it_has",
        a_modest_neighbour_keeps_what_it_has,
    ),
    ("it_happens_again_and_again", it_happens_again_and_again),
];

fn run() -> i32 {
    tests::run_within(TESTS, LIMIT)
}

/// Bytes of RAM.
fn memory() -> Result<u64, alloc::string::String> {
    let request = info::Request {
        flavor: HOST_BASIC_INFO,
        host_info_out_cnt: HostBasicInfo::WORDS,
    };
    let reply = mach_call::call(mach_call::host_self(), request).context("host_info")?;
    let info: HostBasicInfo = reply.host_info_out.decode_words().context("host_info")?;
    Ok(info.max_mem)
}

/// Different bytes for each page, so that none needs less room than another.
fn fill(memory: &mut Mapping, pages: u64) {
    for index in 0..pages {
        let word = (index + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let at = (index * page()) as usize;
        memory.write(at, &word.to_le_bytes());
        memory.write(at + 16, &(!word).to_le_bytes());
    }
}

fn greedy() -> Outcome {
    let pages = 3 * memory()? / page();
    let end = child::run(LIMIT / 2, || {
        let size = (pages * page()) as usize;
        if let Ok(mut memory) = Mapping::anonymous(size, Prot::READ | Prot::WRITE) {
            fill(&mut memory, pages);
        }
        0
    })?;
    ensure_equal!(end, WaitStatus::Signalled(Signal::KILL), "its end");
    Ok(())
}

fn the_greedy_process_is_killed() -> Outcome {
    greedy()
}

fn a_modest_neighbour_keeps_what_it_has() -> Outcome {
    const PAGES: u64 = 100;
    let mut own =
        Mapping::anonymous((PAGES * page()) as usize, Prot::READ | Prot::WRITE).context("mmap")?;
    fill(&mut own, PAGES);
    let neighbour = child::start(|| {
        time::sleep(2_000);
        0
    })?;
    greedy()?;
    for index in 0..PAGES {
        let mut bytes = [0; 8];
        own.read((index * page()) as usize, &mut bytes);
        let word = (index + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        ensure_equal!(u64::from_le_bytes(bytes), word, "page {index}");
    }
    let end = child::finish(neighbour, LIMIT / 2)?;
    ensure_equal!(end, WaitStatus::Exited(0), "the neighbour");
    Ok(())
}

fn it_happens_again_and_again() -> Outcome {
    (0..3).try_for_each(|_| greedy())
}

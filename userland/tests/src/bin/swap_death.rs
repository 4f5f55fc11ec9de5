//! The pager of anonymous memory is killed while it has most of a program's memory: its successor has every byte.

#![cfg_attr(target_os = "none", no_std, no_main)]
#![forbid(unsafe_code)]

extern crate alloc;

use alloc::string::String;

use bsd_sys::mman::Prot;
use bsd_sys::signal::Signal;
use libsystem::memory::Mapping;
use libsystem::{mach_call, process};
use mach::defs::mach_host::info;
use mach::host_info::{HOST_BASIC_INFO, HostBasicInfo};
use tests::random::Random;
use tests::raw::page;
use tests::{Context as _, Outcome, Test, child, ensure_equal};

libsystem::main!(run);

/// Milliseconds for one test: the machine may be busy.
const LIMIT: u64 = 400_000;
/// How often the pager dies.
const KILLS: u64 = 3;

const TESTS: &[Test] = &[("a_killed_pager_loses_nothing", a_killed_pager_loses_nothing)];

fn run() -> i32 {
    tests::run_within(TESTS, LIMIT)
}

fn memory() -> Result<u64, String> {
    let request = info::Request {
        flavor: HOST_BASIC_INFO,
        host_info_out_cnt: HostBasicInfo::WORDS,
    };
    let reply = mach_call::call(mach_call::host_self(), request).context("host_info")?;
    let info: HostBasicInfo = reply.host_info_out.decode_words().context("host_info")?;
    Ok(info.max_mem)
}

/// The pager's process.
fn pager() -> Result<i32, String> {
    let mut found = None;
    let there = child::eventually(30_000, || {
        found = process::list()
            .ok()
            .and_then(|all| all.into_iter().find(|pid| is_pager(*pid)));
        found.is_some()
    });
    tests::ensure!(there, "there is no anonymous pager");
    found.ok_or_else(String::new)
}

fn is_pager(pid: i32) -> bool {
    let name = b"anon_pager\0";
    process::information(pid).is_ok_and(|information| information.name.starts_with(name))
}

fn word(index: u64, round: u64) -> u64 {
    (index * 64 + round + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

fn a_killed_pager_loses_nothing() -> Outcome {
    let pages = 2 * memory()? / page();
    let size = (pages * page()) as usize;
    let mut memory = Mapping::anonymous(size, Prot::READ | Prot::WRITE).context("mmap")?;
    let mut random = Random::new(9);
    for round in 0..KILLS {
        // In the middle of writing everything anew.
        let moment = random.below(pages);
        for index in 0..pages {
            memory.write((index * page()) as usize, &word(index, round).to_le_bytes());
            memory.write((index * page()) as usize + 64, &index.to_le_bytes());
            if index == moment {
                process::kill(pager()?, Signal::KILL).context("kill")?;
            }
        }
        for index in 0..pages {
            let mut bytes = [0; 8];
            memory.read((index * page()) as usize, &mut bytes);
            ensure_equal!(
                u64::from_le_bytes(bytes),
                word(index, round),
                "page {index} in round {round}"
            );
        }
    }
    Ok(())
}

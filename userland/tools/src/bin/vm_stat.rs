//! `vm_stat [-c COUNT] [SECONDS]`: pages by state, and what virtual memory has done: once, or again and again.

#![cfg_attr(target_os = "none", no_std, no_main)]
#![forbid(unsafe_code)]

libsystem::main!(run);

use libsystem::{mach_call, memory, print, println, time};
use mach::Result;
use mach::defs::mach_host::statistics64;
use mach::vm_statistics::{HOST_VM_HELD, HOST_VM_INFO64, HeldStatistics, VmStatistics64};
use mach::wire::Wire;
use tools::command::{Command, Options};
use tools::{number, statistics};

const COMMAND: Command = Command::new(
    "vm_stat",
    "[-c COUNT] [SECONDS]",
    "Pages by state and what virtual memory has done since the start; with SECONDS: a row each time, of what happened since.",
)
.values("c")
.words(0, 1);

/// Rows under one heading.
const ROWS: u64 = 20;

fn run() -> i32 {
    COMMAND.run(|options| match show(options) {
        Ok(status) => status,
        Err(error) => COMMAND.complain("the host", error),
    })
}

fn ask<T: Wire>(flavor: i32, words: u32) -> Result<T> {
    let request = statistics64::Request {
        flavor,
        host_info64_out_cnt: words,
    };
    let reply = mach_call::call(mach_call::host_self(), request)?;
    reply.host_info64_out.decode_words()
}

fn counts() -> Result<VmStatistics64> {
    ask(HOST_VM_INFO64, VmStatistics64::WORDS)
}

fn title() {
    println!(
        "Mach Virtual Memory Statistics: (page size of {} bytes)",
        memory::page_size()
    );
}

fn show(options: &Options) -> Result<i32> {
    let Some(word) = options.words.first() else {
        title();
        let held: HeldStatistics = ask(HOST_VM_HELD, HeldStatistics::WORDS)?;
        print!("{}", statistics::list(&counts()?, &held));
        return Ok(0);
    };
    let pause = number::milliseconds(word).and_then(|time| u32::try_from(time).ok());
    let Some(pause @ 1..) = pause else {
        return Ok(COMMAND.wrong(&""));
    };
    let left = options.value('c').map_or(Some(u64::MAX), number::count);
    let Some(left) = left else {
        return Ok(COMMAND.wrong(&""));
    };
    let mut before = VmStatistics64::default();
    for row in 0..left {
        if row % ROWS == 0 {
            title();
            println!("{}", statistics::heading());
        }
        if row > 0 {
            time::sleep(pause);
        }
        let now = counts()?;
        println!("{}", statistics::row(&now, &before));
        before = now;
    }
    Ok(0)
}

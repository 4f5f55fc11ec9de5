//! `vmmap [-s] [PID]`: the map of a process (its own, if none is named), region by region, and sums.

#![cfg_attr(target_os = "none", no_std, no_main)]
#![forbid(unsafe_code)]

extern crate alloc;

libsystem::main!(run);

use alloc::vec::Vec;
use core::fmt::Write;
use libsystem::{KernReturn, mach_call, process};
use mach::PortName;
use mach::defs::mach_vm::region_recurse;
use mach::vm_region::SubmapInfo64;
use tools::command::{Command, Options};
use tools::region::{HEADING, Region, Summary};
use tools::text::Output;

const COMMAND: Command = Command::new(
    "vmmap",
    "[-s] [PID]",
    "The regions of a process's memory, and sums by kind; -s: sums only.",
)
.flags("s")
.words(0, 1);

fn run() -> i32 {
    COMMAND.run(show)
}

fn show(options: &Options) -> i32 {
    let (pid, task) = match options.words.first() {
        None => (process::id(), Ok(mach_call::task_self())),
        Some(word) => match word.parse() {
            Ok(pid) => (pid, mach_call::task_for_pid(pid)),
            Err(_) => return COMMAND.wrong(&""),
        },
    };
    let Ok(task) = task else {
        return COMMAND.complain(&alloc::format!("process {pid}"), "no such task");
    };
    let regions = match regions(pid, task) {
        Ok(regions) => regions,
        Err(error) => return COMMAND.complain(&alloc::format!("process {pid}"), error),
    };
    let mut output = Output::default();
    let _ = print(options, pid, &regions, &mut output);
    i32::from(output.finish().is_err())
}

fn regions(pid: i32, task: PortName) -> Result<Vec<Region>, KernReturn> {
    let mut regions = Vec::new();
    let mut address = 0;
    loop {
        let request = region_recurse::Request {
            address,
            nesting_depth: 0,
            info_cnt: SubmapInfo64::WORDS,
        };
        let reply = match mach_call::call(task, request) {
            Ok(reply) => reply,
            Err(KernReturn::INVALID_ADDRESS) => return Ok(regions),
            Err(error) => return Err(error),
        };
        let info: SubmapInfo64 = reply.info.decode_words()?;
        // Also below a copy: a program's text is one.
        let path = process::region_path(pid, reply.address).ok();
        regions.push(Region {
            start: reply.address,
            size: reply.size,
            info,
            path: path.unwrap_or_default(),
        });
        match reply.address.checked_add(reply.size) {
            Some(next) if next > address => address = next,
            _ => return Ok(regions),
        }
    }
}

fn print(
    options: &Options,
    pid: i32,
    regions: &[Region],
    output: &mut Output,
) -> core::fmt::Result {
    let page_size = libsystem::memory::page_size();
    let information = process::information(pid).unwrap_or_default();
    writeln!(output, "Process:         {} [{pid}]", information.name())?;
    if let Some(text) = regions.iter().find(|region| region.kind() == "__TEXT") {
        if !text.path.is_empty() {
            writeln!(output, "Path:            {}", text.path)?;
        }
        writeln!(output, "Load Address:    {:#x}", text.start)?;
    }
    writeln!(output, "Parent Process:  [{}]", information.parent)?;
    writeln!(output, "Page size:       {page_size} bytes\n")?;
    for (title, writable) in [("Non-writable", false), ("Writable", true)] {
        if options.has('s') {
            break;
        }
        writeln!(output, "==== {title} regions for process {pid}\n{HEADING}")?;
        for region in regions
            .iter()
            .filter(|region| region.is_writable() == writable)
        {
            writeln!(output, "{}", region.line(page_size))?;
        }
        writeln!(output)?;
    }
    let mut summary = Summary::default();
    for region in regions {
        summary.add(region, page_size);
    }
    writeln!(output, "==== Legend")?;
    writeln!(output, "SM=sharing mode:")?;
    writeln!(
        output,
        "        COW=copy_on_write PRV=private NUL=empty SHM=shared ALI=aliased"
    )?;
    writeln!(output, "DEPTH=objects below the first one\n")?;
    writeln!(output, "==== Summary for process {pid}")?;
    output.write_str(&summary.table())
}

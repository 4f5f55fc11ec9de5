//! `vmmap [PID]`: the map of a process (its own, if none is named), entry by entry.

#![cfg_attr(target_os = "none", no_std, no_main)]
#![forbid(unsafe_code)]

libsystem::main!(run);

use libsystem::{KernReturn, eprintln, mach_call, println, process};
use mach::PortName;
use mach::defs::mach_vm::region_recurse;
use mach::vm_flags::tag;
use mach::vm_inherit::VmInherit;
use mach::vm_prot::VmProt;
use mach::vm_region::{ShareMode, SubmapInfo64};
use tools::{Arguments, format};

fn run() -> i32 {
    let arguments = Arguments::of_program();
    let task = match arguments.words.first() {
        None => Ok((process::id(), mach_call::task_self())),
        Some(word) => match word.parse() {
            Ok(pid) => mach_call::task_for_pid(pid).map(|task| (pid, task)),
            Err(_) => {
                eprintln!("usage: vmmap [PID]");
                return 2;
            }
        },
    };
    match task.and_then(|(pid, task)| show(pid, task)) {
        Ok(()) => 0,
        Err(error) => {
            eprintln!("vmmap: {error}");
            1
        }
    }
}

#[derive(Default)]
struct Total {
    entries: u64,
    size: u64,
    pages: u64,
    dirty: u64,
}

fn show(pid: i32, task: PortName) -> Result<(), KernReturn> {
    let page_size = mach_call::host_page_size()?;
    println!("process {pid}, pages of {}", format::size(page_size));
    println!(
        "{:<27} {:>8} {:>8} {:>6} {:>4} PRT/MAX MODE INH REFS WHAT",
        "START-END", "SIZE", "RESIDENT", "DIRTY", "SHAD"
    );
    let mut total = Total::default();
    let mut address = 0;
    loop {
        let request = region_recurse::Request {
            address,
            nesting_depth: 0,
            info_cnt: SubmapInfo64::WORDS,
        };
        let reply = match mach_call::call(task, request) {
            Ok(reply) => reply,
            Err(KernReturn::INVALID_ADDRESS) => break,
            Err(error) => return Err(error),
        };
        let info: SubmapInfo64 = reply.info.decode_words()?;
        line(reply.address, reply.size, &info, page_size);
        total.entries += 1;
        total.size += reply.size;
        total.pages += u64::from(info.pages_resident);
        total.dirty += u64::from(info.pages_dirtied);
        match reply.address.checked_add(reply.size) {
            Some(next) if next > address => address = next,
            _ => break,
        }
    }
    let resident = format::size(total.pages * page_size);
    let dirty = format::size(total.dirty * page_size);
    println!(
        "{} entries, {} mapped, {resident} resident, {dirty} dirty",
        total.entries,
        format::size(total.size)
    );
    Ok(())
}

fn line(address: u64, size: u64, info: &SubmapInfo64, page_size: u64) {
    let protection = VmProt::from_bits_retain(info.protection).letters();
    let maximum = VmProt::from_bits_retain(info.max_protection).letters();
    let mode = ShareMode::from_raw(info.share_mode).letters();
    let inheritance = match VmInherit::from_raw(info.inheritance) {
        Some(VmInherit::Share) => "SHR",
        Some(VmInherit::Copy) => "CPY",
        Some(VmInherit::None) => "NON",
        None => "???",
    };
    let resident = format::size(u64::from(info.pages_resident) * page_size);
    let what = match (info.is_submap != 0, info.external_pager != 0) {
        (true, _) => "submap",
        (_, true) => "file",
        _ => tag::describe(info.user_tag as u8).unwrap_or("anonymous"),
    };
    println!(
        "{address:012x}-{:012x}   {:>8} {resident:>8} {:>6} {:>4} {protection}/{maximum} {mode}  {inheritance} {:>4} {what} @{:x}",
        address.saturating_add(size),
        format::size(size),
        info.pages_dirtied,
        info.shadow_depth,
        info.ref_count,
        info.offset,
    );
}

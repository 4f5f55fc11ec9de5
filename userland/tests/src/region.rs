//! What the kernel tells of a mapping: `mach_vm_region_recurse`.

use alloc::string::String;

use libsystem::mach_call;
use libsystem::mach_call::port;
use mach::defs::mach_vm::region_recurse;
use mach::vm_region::SubmapInfo64;
use mach::{KernReturn, PortName};

use crate::Context as _;

/// The entry at or after an address: where it begins, how long it is, what it is.
///
/// # Errors
/// `KERN_INVALID_ADDRESS` if there is none.
pub fn at(address: u64) -> Result<(u64, u64, SubmapInfo64), String> {
    in_task(mach_call::task_self(), address).context("mach_vm_region_recurse")
}

fn in_task(task: PortName, address: u64) -> mach::Result<(u64, u64, SubmapInfo64)> {
    let request = region_recurse::Request {
        address,
        nesting_depth: 0,
        info_cnt: SubmapInfo64::WORDS,
    };
    let reply = mach_call::call(task, request)?;
    Ok((reply.address, reply.size, reply.info.decode_words()?))
}

/// How many entries a process's map has.
///
/// # Errors
/// There is no such process, or it ends.
pub fn count(process: i32) -> Result<u64, String> {
    let task = mach_call::task_for_pid(process).context("task_for_pid")?;
    let (mut address, mut entries) = (0, 0);
    let counted = loop {
        match in_task(task, address) {
            Ok((start, size, _)) => (address, entries) = (start + size, entries + 1),
            Err(KernReturn::INVALID_ADDRESS) => break Ok(entries),
            Err(error) => break Err(error),
        }
    };
    port::deallocate(task).context("mach_port_deallocate")?;
    counted.context("mach_vm_region_recurse")
}

/// How many objects lie below the one that is mapped at an address.
///
/// # Errors
/// As [`at`].
pub fn shadow_depth(address: u64) -> Result<u16, String> {
    Ok(at(address)?.2.shadow_depth)
}

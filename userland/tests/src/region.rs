//! What the kernel tells of a mapping: `mach_vm_region_recurse`.

use alloc::string::String;

use libsystem::mach_call;
use mach::defs::mach_vm::region_recurse;
use mach::vm_region::SubmapInfo64;

use crate::Context as _;

/// The entry at or after an address: where it begins, how long it is, what it is.
///
/// # Errors
/// `KERN_INVALID_ADDRESS` if there is none.
pub fn at(address: u64) -> Result<(u64, u64, SubmapInfo64), String> {
    let request = region_recurse::Request {
        address,
        nesting_depth: 0,
        info_cnt: SubmapInfo64::WORDS,
    };
    let reply =
        mach_call::call(mach_call::task_self(), request).context("mach_vm_region_recurse")?;
    let info = reply
        .info
        .decode_words()
        .context("mach_vm_region_recurse")?;
    Ok((reply.address, reply.size, info))
}

/// How many objects lie below the one that is mapped at an address.
///
/// # Errors
/// As [`at`].
pub fn shadow_depth(address: u64) -> Result<u16, String> {
    Ok(at(address)?.2.shadow_depth)
}

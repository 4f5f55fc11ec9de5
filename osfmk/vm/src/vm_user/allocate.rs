//! `mach_vm_allocate` and `mach_vm_deallocate`.

use super::sanitize::{self, Start, UserAddr, UserSize, ZeroSize};
use crate::vm_map::{EnterFlags, EnterRequest, Placement, VmMap};
use mach::{KernReturn, Result, VmFlags};

/// Where a mapping goes, by the flags of the call.
pub(super) fn placement(map: &VmMap, address: u64, flags: VmFlags) -> Placement {
    if flags.contains(VmFlags::ANYWHERE | VmFlags::RANDOM_ADDR) {
        let room = map.max_offset() - map.min_offset();
        Placement::Anywhere(map.trunc_page(map.min_offset() + prim::random::next_u64() % room))
    } else if flags.contains(VmFlags::ANYWHERE) {
        Placement::Anywhere(map.round_page(address).unwrap_or(u64::MAX))
    } else if flags.contains(VmFlags::OVERWRITE) {
        Placement::Overwrite(map.trunc_page(address))
    } else {
        Placement::Fixed(map.trunc_page(address))
    }
}

/// The flags that reach the entry.
pub(super) fn enter_flags(flags: VmFlags) -> EnterFlags {
    let pairs = [
        (VmFlags::PURGABLE, EnterFlags::EAGER_OBJECT),
        (VmFlags::CHUNK_4GB, EnterFlags::LARGE_CHUNK),
        (VmFlags::NO_CACHE, EnterFlags::NO_CACHE),
        (VmFlags::PERMANENT, EnterFlags::PERMANENT),
        (VmFlags::RESILIENT_CODESIGN, EnterFlags::RESILIENT_CODESIGN),
        (VmFlags::RESILIENT_MEDIA, EnterFlags::RESILIENT_MEDIA),
    ];
    pairs
        .iter()
        .filter(|(given, _)| flags.contains(*given))
        .fold(EnterFlags::empty(), |all, (_, one)| all | *one)
}

/// Zero-filled memory, readable and writable. Size zero gives address zero.
///
/// # Errors
/// `INVALID_ARGUMENT` (flags, size), `INVALID_ADDRESS` (fixed: wrapping or outside the map), `NO_SPACE`,
/// `RESOURCE_SHORTAGE`.
#[doc(alias = "vm_allocate")]
pub fn mach_vm_allocate(map: &VmMap, address: UserAddr, size: UserSize, flags: u32) -> Result<u64> {
    let flags = sanitize::flags(flags, VmFlags::USER_ALLOCATE)?;
    let anywhere = flags.contains(VmFlags::ANYWHERE);
    // With ANYWHERE only the size counts: this call, unlike `mach_vm_map`, does not take a hint.
    let address = if anywhere { UserAddr(0) } else { address };
    let span = sanitize::addr_size(map, address, size, ZeroSize::Succeeds, Start::Anywhere);
    let span = if anywhere {
        span
    } else {
        sanitize::answer_with(span, KernReturn::INVALID_ADDRESS)
    };
    let Some(span) = span? else { return Ok(0) };
    map.enter(EnterRequest {
        flags: enter_flags(flags),
        user_tag: flags.tag(),
        ..EnterRequest::anonymous(placement(map, address.0, flags), span.size())
    })
}

/// Removes every mapping in the range; holes and size zero are no error.
///
/// # Errors
/// `INVALID_ARGUMENT`, `RESOURCE_SHORTAGE`.
#[doc(alias = "vm_deallocate")]
pub fn mach_vm_deallocate(map: &VmMap, address: UserAddr, size: UserSize) -> Result<()> {
    match sanitize::addr_size(map, address, size, ZeroSize::Succeeds, Start::Anywhere)? {
        Some(span) => map.delete(span.start, span.end),
        None => Ok(()),
    }
}

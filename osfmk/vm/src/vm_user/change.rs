//! Calls that change a range: protect, inherit, behavior, msync, wire, purgable control.

use super::sanitize::{self, Start, UserAddr, UserSize, ZeroSize};
use crate::vm_map::{ProtectMode, VmMap, WireOwner};
use mach::vm_purgable::PurgableControl;
use mach::vm_sync::VmSync;
use mach::{KernReturn, Result, VmProt};

/// Sets current or maximum protection.
///
/// # Errors
/// `INVALID_ARGUMENT` (bits), `INVALID_ADDRESS` (hole, wrapping), `PROTECTION_FAILURE`, `RESOURCE_SHORTAGE`.
#[doc(alias = "vm_protect")]
pub fn mach_vm_protect(
    map: &VmMap,
    address: UserAddr,
    size: UserSize,
    mode: ProtectMode,
    protection: u32,
) -> Result<()> {
    let protection = sanitize::protection(protection, VmProt::COPY)?;
    let span = sanitize::addr_size(map, address, size, ZeroSize::Succeeds, Start::Anywhere);
    match sanitize::answer_with(span, KernReturn::INVALID_ADDRESS)? {
        Some(span) => map.protect(span.start, span.end, protection, mode),
        None => Ok(()),
    }
}

/// Sets what a fork does with a range.
///
/// # Errors
/// `INVALID_ARGUMENT`, `RESOURCE_SHORTAGE`.
#[doc(alias = "vm_inherit")]
pub fn mach_vm_inherit(
    map: &VmMap,
    address: UserAddr,
    size: UserSize,
    inheritance: u32,
) -> Result<()> {
    let inheritance = sanitize::inheritance(inheritance)?;
    match sanitize::addr_size(map, address, size, ZeroSize::Succeeds, Start::Anywhere)? {
        Some(span) => map.inherit(span.start, span.end, inheritance),
        None => Ok(()),
    }
}

/// Takes advice.
///
/// # Errors
/// `INVALID_ARGUMENT` (advice), `INVALID_ADDRESS` (hole, wrapping), `PROTECTION_FAILURE`, `RESOURCE_SHORTAGE`.
#[doc(alias = "vm_behavior_set")]
pub fn mach_vm_behavior_set(
    map: &VmMap,
    address: UserAddr,
    size: UserSize,
    behavior: i32,
) -> Result<()> {
    let behavior = sanitize::behavior(behavior)?;
    let span = sanitize::addr_size(map, address, size, ZeroSize::Succeeds, Start::Anywhere);
    match sanitize::answer_with(span, KernReturn::INVALID_ADDRESS)? {
        Some(span) => map.advise(span.start, span.end, behavior),
        None => Ok(()),
    }
}

/// Writes dirty pages of a range back.
///
/// # Errors
/// `INVALID_ARGUMENT` (both ways asked for), `INVALID_ADDRESS` (hole when it matters, wrapping), `ABORTED`.
#[doc(alias = "vm_msync")]
pub fn mach_vm_msync(map: &VmMap, address: UserAddr, size: UserSize, flags: u32) -> Result<()> {
    let flags = VmSync::from_bits_retain(flags);
    if flags.contains(VmSync::ASYNCHRONOUS | VmSync::SYNCHRONOUS) {
        return Err(KernReturn::INVALID_ARGUMENT);
    }
    let span = sanitize::addr_size(map, address, size, ZeroSize::Succeeds, Start::Anywhere);
    match sanitize::answer_with(span, KernReturn::INVALID_ADDRESS)? {
        Some(span) => map.msync(span.start, span.end, flags),
        None => Ok(()),
    }
}

/// Wires a range for its user, or with no access unwires it.
///
/// # Errors
/// `INVALID_ARGUMENT`, `INVALID_ADDRESS` (hole), `PROTECTION_FAILURE`, `RESOURCE_SHORTAGE` (limit).
#[doc(alias = "vm_wire")]
#[doc(alias = "mach_vm_wire_external")]
pub fn mach_vm_wire(map: &VmMap, address: UserAddr, size: UserSize, access: u32) -> Result<()> {
    let access = sanitize::protection(access, VmProt::NONE)?;
    match sanitize::addr_size(map, address, size, ZeroSize::Succeeds, Start::Anywhere)? {
        Some(span) if access.is_empty() => map.unwire(span.start, span.end, WireOwner::User),
        Some(span) => map.wire(span.start, span.end, access, WireOwner::User),
        None => Ok(()),
    }
}

/// Volatile memory. Objects cannot be made volatile yet, so every region answers as one that is not purgable.
///
/// # Errors
/// `INVALID_ADDRESS` (hole), `PROTECTION_FAILURE` (not writable), `INVALID_ARGUMENT` (not purgable).
#[doc(alias = "vm_purgable_control")]
pub fn mach_vm_purgable_control(map: &VmMap, address: UserAddr, control: i32) -> Result<()> {
    match PurgableControl::from_raw(control) {
        None => return Err(KernReturn::INVALID_ARGUMENT),
        Some(PurgableControl::PurgeAll) => return Ok(()),
        Some(_) => {}
    }
    let guard = map.read();
    let entry = guard.entry(address.0).ok_or(KernReturn::INVALID_ADDRESS)?;
    let writable = entry.protection().contains(VmProt::WRITE);
    Err(if writable {
        KernReturn::INVALID_ARGUMENT
    } else {
        KernReturn::PROTECTION_FAILURE
    })
}

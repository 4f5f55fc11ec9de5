//! Calls that move contents: read, write, copy.

use super::sanitize::{UserAddr, UserSize};
use crate::vm_map::{SourceFate, VmMap, VmMapCopy};
use mach::Result;

/// Takes a copy of a range, for a message.
///
/// # Errors
/// As [`VmMap::copyin`].
#[doc(alias = "vm_read")]
pub fn mach_vm_read(map: &VmMap, address: UserAddr, size: UserSize) -> Result<VmMapCopy> {
    map.copyin(address.0, size.0, SourceFate::Keep)
}

/// Copies a range of `map` to `data` in the caller's map; the number of bytes.
///
/// # Errors
/// As [`VmMap::copyin`] and [`VmMap::copy_overwrite`].
#[doc(alias = "vm_read_overwrite")]
pub fn mach_vm_read_overwrite(
    map: &VmMap,
    address: UserAddr,
    size: UserSize,
    caller: &VmMap,
    data: UserAddr,
) -> Result<u64> {
    let copy = map.copyin(address.0, size.0, SourceFate::Keep)?;
    caller.copy_overwrite(data.0, copy)?;
    Ok(size.0)
}

/// Writes what a message carried.
///
/// # Errors
/// As [`VmMap::copy_overwrite`].
#[doc(alias = "vm_write")]
pub fn mach_vm_write(map: &VmMap, address: UserAddr, data: VmMapCopy) -> Result<()> {
    map.copy_overwrite(address.0, data)
}

/// Copies within a map.
///
/// # Errors
/// As [`VmMap::copyin`] and [`VmMap::copy_overwrite`].
#[doc(alias = "vm_copy")]
pub fn mach_vm_copy(
    map: &VmMap,
    source: UserAddr,
    size: UserSize,
    destination: UserAddr,
) -> Result<()> {
    let copy = map.copyin(source.0, size.0, SourceFate::Keep)?;
    map.copy_overwrite(destination.0, copy)
}

//! `mach_make_memory_entry`.

use alloc::sync::Arc;

use super::sanitize::{self, UserAddr, UserSize};
use crate::vm_map::{Hold, MemoryEntry, MemoryEntryRequest, VmMap};
use mach::{KernReturn, Result, VmProt};

/// Makes a memory entry: fresh memory, a snapshot or a share of a range, or part of another entry. `offset` is an
/// address, or with a parent an offset in it; `permission` holds `VM_PROT_*` and `MAP_MEM_*` bits. Gives the entry and
/// its size.
///
/// # Errors
/// `INVALID_ARGUMENT`, `INVALID_ADDRESS`, `PROTECTION_FAILURE`, `RESOURCE_SHORTAGE`.
#[doc(alias = "mach_make_memory_entry_64")]
#[doc(alias = "mach_make_memory_entry_internal")]
pub fn mach_make_memory_entry(
    map: &VmMap,
    size: UserSize,
    offset: UserAddr,
    permission: u32,
    parent: Option<&MemoryEntry>,
) -> Result<(Arc<MemoryEntry>, u64)> {
    let request = MemoryEntryRequest::from_bits_truncate(permission);
    let protection = sanitize::protection(permission & 0xff, VmProt::IS_MASK)?;
    if parent.is_some_and(MemoryEntry::is_copy) || request.contains(MemoryEntryRequest::ONLY) {
        return Err(KernReturn::INVALID_ARGUMENT);
    }
    let entry = if request.contains(MemoryEntryRequest::NAMED_CREATE) {
        let entry = MemoryEntry::create(size.0, protection.access())?;
        if map.is_unpageable()
            && let Some((object, _)) = entry.object()
        {
            object.make_unpageable();
        }
        entry
    } else if request.contains(MemoryEntryRequest::VM_COPY) {
        map.make_memory_entry(offset.0, size.0, protection, Hold::Copy)?
    } else {
        let share =
            request.intersects(MemoryEntryRequest::VM_SHARE | MemoryEntryRequest::NAMED_REUSE);
        match parent {
            Some(parent) if !share => parent.part(offset.0, size.0, protection)?,
            _ => map.make_memory_entry(offset.0, size.0, protection, Hold::Share)?,
        }
    };
    let length = if request.contains(MemoryEntryRequest::USE_DATA_ADDR) {
        size.0
    } else {
        entry.size()
    };
    Ok((entry, length))
}

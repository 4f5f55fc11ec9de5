//! Memory entries: a range of memory with a permission, which a port can name and any map can take in.
//!
//! Main type: [`MemoryEntry`], immutable once made, so it needs no lock. It is a list of pieces: shared ones
//! (`MAP_MEM_VM_SHARE`, a named object) or a copy-on-write snapshot (`MAP_MEM_VM_COPY`).
//! Neighbours: `enter_mem_object` maps one; `kern::kobject` hangs one on a port.
//! XNU counterpart: `struct vm_named_entry`, `vm_memory_entry.c`.

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::VmMap;
use super::attributes::EntryFlags;
use super::entry::{EntryTarget, MapEntry};
use super::extract::{Hold, Piece};
use crate::vm_object::ObjectRef;
use bitflags::bitflags;
use mach::{KernReturn, Result, VmBehavior, VmInherit, VmProt};
use machine::page::PAGE_SIZE;
use prim::zone::{Admission, Zone};

/// Counts memory entries.
static MEMORY_ENTRY_ZONE: Zone = Zone::new("memory entries", size_of::<MemoryEntry>());

bitflags! {
    /// `MAP_MEM_*`: what kind of entry is asked for.
    #[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
    pub struct MemoryEntryRequest: u32 {
        /// Only the cache attributes of a parent change (`MAP_MEM_ONLY`).
        const ONLY = 0x1_0000;
        /// A fresh object (`MAP_MEM_NAMED_CREATE`).
        const NAMED_CREATE = 0x2_0000;
        /// ... which is purgable.
        const PURGABLE = 0x4_0000;
        /// The parent again, if it already says the same.
        const NAMED_REUSE = 0x8_0000;
        /// The exact address matters, not its page.
        const USE_DATA_ADDR = 0x10_0000;
        /// A snapshot of a range.
        const VM_COPY = 0x20_0000;
        /// A share of a range.
        const VM_SHARE = 0x40_0000;
    }
}

/// Memory with a permission (XNU: `vm_named_entry`).
#[doc(alias = "vm_named_entry_t")]
pub struct MemoryEntry {
    pieces: Vec<Piece>,
    /// Whole pages.
    size: u64,
    /// Where in the first page the data starts.
    data_offset: u64,
    /// The most that a mapping may be allowed.
    protection: VmProt,
    /// A snapshot: every mapping copies.
    is_copy: bool,
    _ticket: Admission,
}

impl MemoryEntry {
    fn build(
        pieces: Vec<Piece>,
        data_offset: u64,
        protection: VmProt,
        is_copy: bool,
    ) -> Result<Arc<MemoryEntry>> {
        let ticket = MEMORY_ENTRY_ZONE
            .admit()
            .map_err(|_| KernReturn::RESOURCE_SHORTAGE)?;
        let size = pieces.iter().map(|piece| piece.size).sum();
        Ok(Arc::new(MemoryEntry {
            pieces,
            size,
            data_offset,
            protection,
            is_copy,
            _ticket: ticket,
        }))
    }

    /// Fresh anonymous memory of `size` bytes (`MAP_MEM_NAMED_CREATE`).
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` for size zero or one that overflows, `RESOURCE_SHORTAGE`.
    #[doc(alias = "mach_memory_object_memory_entry_64")]
    pub fn create(size: u64, protection: VmProt) -> Result<Arc<MemoryEntry>> {
        let size = size
            .checked_next_multiple_of(PAGE_SIZE as u64)
            .filter(|size| *size > 0);
        let size = size.ok_or(KernReturn::INVALID_ARGUMENT)?;
        let object = ObjectRef::anonymous(size)?;
        object.make_shareable();
        MemoryEntry::of_object(object, 0, size, protection)
    }

    /// `size` bytes of an object from `offset` on, both page aligned.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` for an empty or overflowing range, `RESOURCE_SHORTAGE`.
    pub fn of_object(
        object: ObjectRef,
        offset: u64,
        size: u64,
        protection: VmProt,
    ) -> Result<Arc<MemoryEntry>> {
        if size == 0
            || !(size | offset).is_multiple_of(PAGE_SIZE as u64)
            || offset.checked_add(size).is_none()
        {
            return Err(KernReturn::INVALID_ARGUMENT);
        }
        object.make_shareable();
        let mut pieces = Vec::new();
        pieces
            .try_reserve_exact(1)
            .map_err(|_| KernReturn::RESOURCE_SHORTAGE)?;
        pieces.push(Piece {
            size,
            target: EntryTarget::Object(object),
            offset,
            protection: protection.access(),
            max_protection: protection.access(),
            inheritance: VmInherit::Share,
            behavior: VmBehavior::Default,
            flags: EntryFlags::IS_SHARED,
            user_tag: 0,
        });
        MemoryEntry::build(pieces, 0, protection.access(), false)
    }

    /// Part of this entry as an entry of its own, with no more permission.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` for a snapshot or a range beyond this entry, `PROTECTION_FAILURE`, `RESOURCE_SHORTAGE`.
    pub fn part(&self, offset: u64, size: u64, protection: VmProt) -> Result<Arc<MemoryEntry>> {
        if self.is_copy {
            return Err(KernReturn::INVALID_ARGUMENT);
        }
        let protection = self.permit(protection, KernReturn::PROTECTION_FAILURE)?;
        let start = self
            .data_offset
            .checked_add(offset)
            .ok_or(KernReturn::INVALID_ARGUMENT)?;
        let pieces = self.slice(start, size)?;
        MemoryEntry::build(pieces, start % PAGE_SIZE as u64, protection, false)
    }

    /// Bytes in whole pages.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Where in the first page the data starts.
    pub fn data_offset(&self) -> u64 {
        self.data_offset
    }

    /// The most that a mapping may be allowed.
    pub fn protection(&self) -> VmProt {
        self.protection
    }

    /// Whether every mapping of it is a copy.
    pub fn is_copy(&self) -> bool {
        self.is_copy
    }

    /// The object, when the entry is of a single one.
    #[doc(alias = "vm_named_entry_to_vm_object")]
    pub fn object(&self) -> Option<(&ObjectRef, u64)> {
        match self.pieces.as_slice() {
            [piece] => Some((piece.target.object()?, piece.offset)),
            _ => None,
        }
    }

    /// What of `wanted` may be had: all of it or `error`; with the mask bit whatever is allowed.
    pub(crate) fn permit(&self, wanted: VmProt, error: KernReturn) -> Result<VmProt> {
        if wanted.contains(VmProt::IS_MASK) {
            return Ok(wanted.access() & self.protection);
        }
        if self.protection.contains(wanted.access()) {
            Ok(wanted.access())
        } else {
            Err(error)
        }
    }

    /// The pieces that cover `start..start + size`, widened to whole pages.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` for an empty range or one beyond the entry, `RESOURCE_SHORTAGE`.
    pub(crate) fn slice(&self, start: u64, size: u64) -> Result<Vec<Piece>> {
        let page = PAGE_SIZE as u64;
        let end = start
            .checked_add(size)
            .and_then(|end| end.checked_next_multiple_of(page));
        let end = end
            .filter(|end| *end <= self.size && size > 0)
            .ok_or(KernReturn::INVALID_ARGUMENT)?;
        let start = start & !(page - 1);
        let mut pieces = Vec::new();
        let mut position = 0;
        for piece in &self.pieces {
            let (from, to) = (position.max(start), (position + piece.size).min(end));
            if from < to {
                pieces
                    .try_reserve(1)
                    .map_err(|_| KernReturn::RESOURCE_SHORTAGE)?;
                pieces.push(piece.part(from - position, to - from));
            }
            position += piece.size;
        }
        Ok(pieces)
    }
}

impl VmMap {
    /// An entry for `size` bytes at `address` of this map: a snapshot or a share.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` (size, overflow), `INVALID_ADDRESS` (hole), `PROTECTION_FAILURE` (more permission than the
    /// memory gives), `RESOURCE_SHORTAGE`.
    #[doc(alias = "mach_make_memory_entry_64")]
    #[doc(alias = "mach_make_memory_entry_internal")]
    pub fn make_memory_entry(
        &self,
        address: u64,
        size: u64,
        protection: VmProt,
        hold: Hold,
    ) -> Result<Arc<MemoryEntry>> {
        let end = address
            .checked_add(size)
            .and_then(|end| self.round_page(end))
            .ok_or(KernReturn::INVALID_ARGUMENT)?;
        let start = self.trunc_page(address);
        if size == 0 {
            return Err(KernReturn::INVALID_ARGUMENT);
        }
        self.check_range(start, end)?;
        let masked = protection.contains(VmProt::IS_MASK);
        let allowed = |entry: &MapEntry| match hold {
            Hold::Copy if !entry.protection.contains(VmProt::READ) => {
                Err(KernReturn::PROTECTION_FAILURE)
            }
            Hold::Share if !masked && !entry.max_protection.contains(protection.access()) => {
                Err(KernReturn::PROTECTION_FAILURE)
            }
            _ => Ok(()),
        };
        let pieces = self.extract(start, end, hold, allowed)?;
        let given = match hold {
            // A snapshot is the caller's own: it may be written whatever the source allows.
            Hold::Copy => VmProt::ALL,
            Hold::Share => pieces
                .iter()
                .fold(VmProt::ALL, |all, piece| all & piece.max_protection),
        };
        MemoryEntry::build(
            pieces,
            address - start,
            protection.access() & given,
            hold == Hold::Copy,
        )
    }
}

//! Mapping what a port names: a memory entry, or an object with a pager.
//!
//! XNU counterpart: `vm_map_enter_mem_object`, `vm_map_enter_mem_object_control`.

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::VmMap;
use super::attributes::EntryFlags;
use super::enter::{EnterFlags, EnterRequest, Placement};
use super::entry::EntryTarget;
use super::extract::{BlockingCopy, Hold, Piece};
use super::locate::PlaceRequest;
use super::memory_entry::MemoryEntry;
use crate::vm_object::ObjectRef;
use mach::{KernReturn, Result, VmInherit, VmProt};

/// What is to be mapped.
#[derive(Clone)]
pub enum Backing {
    /// Fresh zeroes.
    Anonymous,
    /// A memory entry.
    Entry(Arc<MemoryEntry>),
    /// An object: a file's, or any pager's.
    Object(ObjectRef),
}

/// A request to map something.
#[derive(Clone)]
pub struct ObjectMapping {
    /// Where.
    pub placement: Placement,
    /// Bytes, a multiple of the page size.
    pub size: u64,
    /// Address bits that must be zero.
    pub mask: u64,
    /// What.
    pub backing: Backing,
    /// Offset in it, page aligned.
    pub offset: u64,
    /// Shared or copied (`copy` of the call).
    pub hold: Hold,
    /// Current protection.
    pub protection: VmProt,
    /// What it may be raised to.
    pub max_protection: VmProt,
    /// What a fork does with it.
    pub inheritance: VmInherit,
    /// Options.
    pub flags: EnterFlags,
    /// `VM_MEMORY_*`.
    pub user_tag: u8,
}

impl VmMap {
    /// Maps it and returns the address of its first page.
    ///
    /// # Errors
    /// As [`VmMap::enter`]; for a memory entry also `INVALID_RIGHT` (more protection than it gives) and
    /// `INVALID_ARGUMENT` (beyond its end); for a copy of an object what its pager's answer can end with.
    #[doc(alias = "vm_map_enter_mem_object")]
    #[doc(alias = "vm_map_enter_mem_object_control")]
    pub fn enter_mem_object(&self, mut mapping: ObjectMapping) -> Result<u64> {
        if mapping.size == 0 || (mapping.size | mapping.offset) & self.page_mask() != 0 {
            return Err(KernReturn::INVALID_ARGUMENT);
        }
        match mapping.backing.clone() {
            Backing::Anonymous => self.enter(mapping.request(None, 0, EnterFlags::empty())),
            Backing::Object(object) => self.enter_object(&mapping, object),
            Backing::Entry(entry) => {
                mapping.protection = entry.permit(mapping.protection, KernReturn::INVALID_RIGHT)?;
                mapping.max_protection =
                    entry.permit(mapping.max_protection, KernReturn::INVALID_RIGHT)?;
                self.enter_memory_entry(&mapping, &entry)
            }
        }
    }

    fn enter_object(&self, mapping: &ObjectMapping, object: ObjectRef) -> Result<u64> {
        let request = match mapping.hold {
            Hold::Share => {
                object.make_shareable();
                mapping.request(Some(object), mapping.offset, EnterFlags::empty())
            }
            Hold::Copy => {
                let copy = BlockingCopy::of_object(object, mapping.offset, mapping.size);
                let (object, offset, needs_copy) = copy.make()?;
                let flags = if needs_copy {
                    EnterFlags::NEEDS_COPY
                } else {
                    EnterFlags::empty()
                };
                mapping.request(Some(object), offset, flags)
            }
        };
        self.enter(request)
    }

    fn enter_memory_entry(&self, mapping: &ObjectMapping, entry: &MemoryEntry) -> Result<u64> {
        let flags = mapping.request(None, 0, EnterFlags::empty()).entry_flags();
        if !mapping.max_protection.contains(mapping.protection) {
            return Err(KernReturn::PROTECTION_FAILURE);
        }
        let protection = self
            .read()
            .state
            .admit_protection(mapping.protection, flags)?;
        let mut pieces = entry.slice(mapping.offset, mapping.size)?;
        match (mapping.hold, entry.is_copy()) {
            // A snapshot keeps its own reference, so every mapping shadows before it writes.
            (_, true) => pieces.iter_mut().for_each(|piece| {
                piece
                    .flags
                    .set(EntryFlags::NEEDS_COPY, piece.target.object().is_some());
            }),
            (Hold::Copy, false) => copy_pieces(&mut pieces)?,
            (Hold::Share, false) => {}
        }
        let link = PlaceRequest {
            placement: mapping.placement,
            size: mapping.size,
            mask: mapping.mask,
            limit: u64::MAX,
        };
        self.link_pieces(link, &mut pieces, |piece| Piece {
            protection,
            max_protection: mapping.max_protection,
            inheritance: mapping.inheritance,
            user_tag: mapping.user_tag,
            flags: (piece.flags & (EntryFlags::NEEDS_COPY | EntryFlags::IS_SHARED)) | flags,
            ..piece
        })
    }
}

impl ObjectMapping {
    fn request(&self, object: Option<ObjectRef>, offset: u64, more: EnterFlags) -> EnterRequest {
        EnterRequest {
            placement: self.placement,
            size: self.size,
            mask: self.mask,
            object,
            offset,
            protection: self.protection,
            max_protection: self.max_protection,
            inheritance: self.inheritance,
            flags: self.flags | more,
            user_tag: self.user_tag,
        }
    }
}

/// Turns shared pieces into copies of them; no map is locked.
fn copy_pieces(pieces: &mut Vec<Piece>) -> Result<()> {
    for piece in pieces {
        let EntryTarget::Object(object) = &piece.target else {
            continue;
        };
        let copy = BlockingCopy::of_object(object.clone(), piece.offset, piece.size);
        let (object, offset, needs_copy) = copy.make()?;
        piece.target = EntryTarget::Object(object);
        piece.offset = offset;
        piece.flags.remove(EntryFlags::IS_SHARED);
        piece.flags.set(EntryFlags::NEEDS_COPY, needs_copy);
    }
    Ok(())
}

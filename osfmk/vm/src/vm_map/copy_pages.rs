//! Copies as whole pages: what a pager supplies, and what is lent to it.
//!
//! Pages move out of a copy when the copy was their only owner; what somebody else still shows is copied, and counted.
//! XNU counterpart: none since its pagers left user mode; Mach 3's `vm_map_copy_steal_pages`, page lists of copies.

use alloc::vec::Vec;

use super::copy::{Contents, VmMapCopy};
use super::entry::EntryTarget;
use super::extract::Piece;
use crate::vm_fault::{FaultOptions, grab};
use crate::vm_object::ObjectRef;
use crate::vm_statistics;
use mach::{KernReturn, Result, VmBehavior, VmInherit, VmProt};
use machine::page::{PAGE_SHIFT, PAGE_SIZE};
use prim::frames::{OwnedFrame, PinnedFrame};

use super::attributes::EntryFlags;

impl VmMapCopy {
    /// The copy's pages, in order.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` for a loan or a copy that is not whole pages from a page boundary on; what bringing a page in ends with.
    #[doc(alias = "vm_map_copy_steal_pages")]
    pub fn into_pages(self, options: FaultOptions) -> Result<Vec<OwnedFrame>> {
        let size = self.size();
        if !size.is_multiple_of(PAGE_SIZE as u64) || self.page_offset() != 0 || self.is_lent() {
            return Err(KernReturn::INVALID_ARGUMENT);
        }
        match self.contents {
            Contents::Empty => Ok(Vec::new()),
            Contents::PageList(frames) => Ok(frames),
            Contents::KernelBuffer(bytes) => pages_of_bytes(&bytes, options),
            Contents::EntryList(pieces) => pages_of_pieces(pieces, options),
        }
    }

    /// Pins the pages of a copy that is one run of whole pages of an object, all of them resident; waits for none.
    pub(crate) fn pin_resident(&self) -> Option<Vec<PinnedFrame>> {
        let Contents::EntryList(pieces) = &self.contents else {
            return None;
        };
        match &pieces[..] {
            [
                Piece {
                    target: EntryTarget::Object(object),
                    offset,
                    size,
                    ..
                },
            ] if self.page_offset() == 0 => object.pin_resident(*offset, *size),
            _ => None,
        }
    }

    /// A copy that shows `size` bytes of an object from `offset` on, to be read only: what is lent to a pager.
    ///
    /// # Errors
    /// `RESOURCE_SHORTAGE`.
    pub fn lend(object: ObjectRef, offset: u64, size: u64) -> Result<VmMapCopy> {
        let mut pieces = Vec::new();
        pieces
            .try_reserve_exact(1)
            .map_err(|_| KernReturn::RESOURCE_SHORTAGE)?;
        pieces.push(Piece {
            size,
            target: EntryTarget::Object(object),
            offset,
            protection: VmProt::READ,
            max_protection: VmProt::READ,
            inheritance: VmInherit::None,
            behavior: VmBehavior::Default,
            flags: EntryFlags::empty(),
            user_tag: 0,
        });
        VmMapCopy::new(Contents::EntryList(pieces), size, 0).map(VmMapCopy::into_loan)
    }
}

fn pages_of_bytes(bytes: &[u8], options: FaultOptions) -> Result<Vec<OwnedFrame>> {
    let mut pages = Vec::new();
    pages
        .try_reserve_exact(bytes.len() / PAGE_SIZE)
        .map_err(|_| KernReturn::RESOURCE_SHORTAGE)?;
    for chunk in bytes.chunks_exact(PAGE_SIZE) {
        let mut frame = grab(options)?;
        frame.write(0, chunk);
        pages.push(frame);
    }
    vm_statistics::BYTES_COPIED_BY_PAGING.add(bytes.len() as u64);
    Ok(pages)
}

fn pages_of_pieces(pieces: Vec<Piece>, options: FaultOptions) -> Result<Vec<OwnedFrame>> {
    let mut pages = Vec::new();
    for piece in pieces {
        let count = (piece.size >> PAGE_SHIFT) as usize;
        match piece.target {
            EntryTarget::Object(object) => {
                pages.extend(object.take_pages(piece.offset, count, options)?)
            }
            EntryTarget::None => {
                for _ in 0..count {
                    let mut frame = grab(options)?;
                    prim::frames::zero(&mut frame);
                    pages.push(frame);
                }
            }
        }
    }
    Ok(pages)
}

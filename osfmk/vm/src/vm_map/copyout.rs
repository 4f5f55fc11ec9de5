//! Memory out of a copy, into a map.
//!
//! The mapping is read and write, may become anything, and is copied by fork; protections of the source are not
//! carried. A loan is mapped for reading, for good.
//! XNU counterpart: `vm_map_copyout`, `vm_map_copyout_internal`.

use alloc::vec::Vec;

use super::VmMap;
use super::attributes::EntryFlags;
use super::copy::{Contents, VmMapCopy};
use super::enter::{EnterRequest, Placement};
use super::extract::Piece;
use super::locate::PlaceRequest;
use crate::vm_fault::FaultOptions;
use crate::vm_object::{ObjectRef, copyout_from_frame};
use mach::{KernReturn, Result, VmBehavior, VmInherit, VmProt};
use machine::page::PAGE_SIZE;

/// A copy that could not be taken in comes back with the reason: nothing is lost.
pub type CopyoutError = (KernReturn, VmMapCopy);

impl VmMap {
    /// Maps the copy somewhere and returns the address of its first byte; an empty copy gives zero.
    ///
    /// # Errors
    /// `NO_SPACE`, `RESOURCE_SHORTAGE`, what a fault can end with; the copy comes back.
    #[doc(alias = "vm_map_copyout")]
    #[doc(alias = "vm_map_copyout_size")]
    pub fn copyout(&self, mut copy: VmMapCopy) -> core::result::Result<u64, CopyoutError> {
        let Some(size) = copy.mapped_size(self.page_size()) else {
            return Err((KernReturn::NO_SPACE, copy));
        };
        if let Contents::PageList(_) = copy.contents {
            copy = page_list_to_entries(copy)?;
        }
        let adapt = if copy.is_lent() {
            Piece::for_reading
        } else {
            Piece::with_defaults
        };
        let result = match &mut copy.contents {
            Contents::Empty => return Ok(0),
            Contents::KernelBuffer(bytes) => self.copyout_bytes(bytes, size),
            Contents::EntryList(pieces) => {
                let request = PlaceRequest::anywhere(size);
                self.link_pieces(request, pieces, adapt)
            }
            Contents::PageList(_) => Err(KernReturn::INVALID_ARGUMENT),
        };
        match result {
            Ok(address) => Ok(address + copy.page_offset()),
            Err(error) => Err((error, copy)),
        }
    }

    /// Writes the bytes of a copy to the current program's memory, whose map this is, if all of the copy's pages are
    /// resident; says whether it did.
    ///
    /// # Errors
    /// As a fault on the program's memory.
    pub fn copyout_to(&self, copy: &VmMapCopy, address: u64) -> Result<bool> {
        let Some(frames) = copy.pin_resident() else {
            return Ok(false);
        };
        let pages = frames.iter().zip((0..copy.size()).step_by(PAGE_SIZE));
        for (frame, done) in pages {
            let length = (copy.size() - done).min(PAGE_SIZE as u64) as usize;
            copyout_from_frame(self, frame, address + done, length, FaultOptions::USER)?;
        }
        Ok(true)
    }

    fn copyout_bytes(&self, bytes: &[u8], size: u64) -> Result<u64> {
        let address = self.enter(EnterRequest::anonymous(Placement::Anywhere(0), size))?;
        self.write_bytes(address, bytes).inspect_err(|_| {
            // The range was made a moment ago and is whole entries; taking it away needs no memory that it did not have.
            let _ = self.delete(address, address + size);
        })?;
        Ok(address)
    }
}

impl Piece {
    /// Somebody else's memory: only to be looked at, and not passed on by a fork.
    fn for_reading(self) -> Piece {
        Piece {
            protection: VmProt::READ,
            max_protection: VmProt::READ,
            inheritance: VmInherit::None,
            ..self.with_defaults()
        }
    }

    /// The memory alone: everything else as a fresh allocation has it.
    pub(crate) fn with_defaults(self) -> Piece {
        Piece {
            protection: VmProt::DEFAULT,
            max_protection: VmProt::ALL,
            inheritance: VmInherit::Copy,
            behavior: VmBehavior::Default,
            flags: self.flags & (EntryFlags::NEEDS_COPY | EntryFlags::IS_SHARED),
            user_tag: 0,
            ..self
        }
    }
}

/// Moves the frames of a page list into an object, so that any map can take it in. The frames are not copied.
fn page_list_to_entries(copy: VmMapCopy) -> core::result::Result<VmMapCopy, CopyoutError> {
    let (size, page_offset) = (copy.size(), copy.page_offset());
    let mut pieces = Vec::new();
    if pieces.try_reserve_exact(1).is_err() {
        return Err((KernReturn::RESOURCE_SHORTAGE, copy));
    }
    let length = copy.frame_count() as u64 * PAGE_SIZE as u64;
    let object = match ObjectRef::anonymous(length) {
        Ok(object) => object,
        Err(error) => return Err((error, copy)),
    };
    let mut copy = copy;
    let Contents::PageList(frames) = core::mem::replace(&mut copy.contents, Contents::Empty) else {
        return Ok(copy);
    };
    for (page, frame) in frames.into_iter().enumerate() {
        // A fresh object has room for every one of them.
        let inserted = object.insert_page((page * PAGE_SIZE) as u64, frame);
        debug_assert!(inserted.is_ok(), "a fresh object refuses a page");
    }
    pieces.push(Piece::of_object(object, length));
    copy.fill(Contents::EntryList(pieces), size, page_offset);
    Ok(copy)
}

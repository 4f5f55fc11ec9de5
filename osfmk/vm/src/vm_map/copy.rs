//! Memory in transit: what a message carries, what `vm_read` returns.
//!
//! Main types: [`VmMapCopy`], [`CopyKind`].
//! A copy owns its memory. Dropping it lets go of objects (which go to the reaper), bytes or frames; nothing is torn
//! down in the dropper's hands.
//!
//! | kind | holds | made by |
//! |---|---|---|
//! | entry list | pieces of objects, copy-on-write or moved | [`VmMap::copyin`](super::VmMap::copyin) of more than [`SMALL_COPY_LIMIT`] |
//! | kernel buffer | bytes | `copyin` of little |
//! | page list | frames nobody maps | device ports |
//!
//! XNU counterpart: `vm_map_copy_t`. The page list is Mach 3's; XNU dropped it with its drivers' user-level interface.

use alloc::vec::Vec;

use super::extract::Piece;
use mach::{KernReturn, Result};
use machine::page::PAGE_SIZE;
use prim::frames::{OwnedFrame, Reserve};
use prim::zone::{Admission, Zone};

/// Up to this many bytes travel as bytes (`msg_ool_size_small`).
#[doc(alias = "msg_ool_size_small")]
pub const SMALL_COPY_LIMIT: u64 = 32 * 1024;

/// Counts copies in transit.
static COPY_ZONE: Zone = Zone::new("VM map copies", size_of::<VmMapCopy>());

/// What a copy holds; for `ipc` and tests.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CopyKind {
    /// Zero bytes.
    Empty,
    /// Pieces of objects.
    EntryList,
    /// Bytes.
    KernelBuffer,
    /// Frames.
    PageList,
}

pub(crate) enum Contents {
    Empty,
    EntryList(Vec<Piece>),
    KernelBuffer(Vec<u8>),
    PageList(Vec<OwnedFrame>),
}

/// A range of memory on its way between maps.
#[doc(alias = "vm_map_copy_t")]
#[doc(alias = "vm_map_copy")]
#[doc(alias = "vm_map_copy_discard")]
pub struct VmMapCopy {
    pub(crate) contents: Contents,
    /// Bytes in the copy.
    size: u64,
    /// Where in its first page the data starts.
    page_offset: u64,
    /// The memory is still somebody else's: who takes the copy in may read it, and no more.
    lent: bool,
    /// Keeps the count in the zone.
    _ticket: Admission,
}

impl VmMapCopy {
    pub(crate) fn new(contents: Contents, size: u64, page_offset: u64) -> Result<VmMapCopy> {
        let bytes = match &contents {
            Contents::KernelBuffer(bytes) => bytes.len(),
            _ => 0,
        };
        let ticket = COPY_ZONE.admit_sized(size_of::<VmMapCopy>() + bytes, Reserve::Normal);
        let ticket = ticket.map_err(|_| KernReturn::RESOURCE_SHORTAGE)?;
        Ok(VmMapCopy {
            contents,
            size,
            page_offset,
            lent: false,
            _ticket: ticket,
        })
    }

    /// The same, as a loan: [`VmMap::copyout`](super::VmMap::copyout) maps it for reading only.
    pub(crate) fn into_loan(mut self) -> VmMapCopy {
        self.lent = true;
        self
    }

    /// Whether it shows memory that stays somebody else's.
    pub fn is_lent(&self) -> bool {
        self.lent
    }

    /// Gives an empty copy its contents.
    pub(crate) fn fill(&mut self, contents: Contents, size: u64, page_offset: u64) {
        (self.contents, self.size, self.page_offset) = (contents, size, page_offset);
    }

    /// A copy of nothing.
    ///
    /// # Errors
    /// `RESOURCE_SHORTAGE`.
    pub fn empty() -> Result<VmMapCopy> {
        VmMapCopy::new(Contents::Empty, 0, 0)
    }

    /// A copy that holds bytes of the kernel's making.
    ///
    /// # Errors
    /// `RESOURCE_SHORTAGE`.
    pub fn from_bytes(bytes: &[u8]) -> Result<VmMapCopy> {
        let mut own = Vec::new();
        own.try_reserve_exact(bytes.len())
            .map_err(|_| KernReturn::RESOURCE_SHORTAGE)?;
        own.extend_from_slice(bytes);
        VmMapCopy::new(Contents::KernelBuffer(own), bytes.len() as u64, 0)
    }

    /// A copy that takes bytes over.
    ///
    /// # Errors
    /// `RESOURCE_SHORTAGE`.
    pub fn from_buffer(bytes: Vec<u8>) -> Result<VmMapCopy> {
        let size = bytes.len() as u64;
        VmMapCopy::new(Contents::KernelBuffer(bytes), size, 0)
    }

    /// A copy that takes whole frames over: what a device filled. `size` bytes of them count.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` when the frames do not hold `size` bytes, `RESOURCE_SHORTAGE`.
    pub fn from_frames(frames: Vec<OwnedFrame>, size: u64) -> Result<VmMapCopy> {
        if size.div_ceil(PAGE_SIZE as u64) != frames.len() as u64 {
            return Err(KernReturn::INVALID_ARGUMENT);
        }
        VmMapCopy::new(Contents::PageList(frames), size, 0)
    }

    /// Bytes in the copy.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Where in its first page the data starts.
    pub fn page_offset(&self) -> u64 {
        self.page_offset
    }

    /// What it holds.
    pub fn kind(&self) -> CopyKind {
        match self.contents {
            Contents::Empty => CopyKind::Empty,
            Contents::EntryList(_) => CopyKind::EntryList,
            Contents::KernelBuffer(_) => CopyKind::KernelBuffer,
            Contents::PageList(_) => CopyKind::PageList,
        }
    }

    /// The bytes of a kernel buffer.
    pub fn bytes(&self) -> Option<&[u8]> {
        match &self.contents {
            Contents::KernelBuffer(bytes) => Some(bytes),
            Contents::Empty => Some(&[]),
            _ => None,
        }
    }

    /// The frames of a page list, to move them on; otherwise the copy back.
    pub fn into_frames(self) -> core::result::Result<Vec<OwnedFrame>, VmMapCopy> {
        match self.contents {
            Contents::PageList(frames) => Ok(frames),
            contents => Err(VmMapCopy { contents, ..self }),
        }
    }

    pub(crate) fn frame_count(&self) -> usize {
        if let Contents::PageList(frames) = &self.contents {
            frames.len()
        } else {
            0
        }
    }

    /// Bytes of whole pages that a mapping of the copy needs.
    pub(crate) fn mapped_size(&self, page_size: u64) -> Option<u64> {
        self.page_offset
            .checked_add(self.size)?
            .checked_next_multiple_of(page_size)
    }

    /// Checks the copy against itself.
    ///
    /// # Errors
    /// The rule that is broken.
    pub fn validate(&self) -> core::result::Result<(), &'static str> {
        let held = match &self.contents {
            Contents::Empty => {
                return if self.size == 0 {
                    Ok(())
                } else {
                    Err("an empty copy has a size")
                };
            }
            Contents::KernelBuffer(bytes) => bytes.len() as u64,
            Contents::EntryList(pieces) => pieces.iter().map(|piece| piece.size).sum(),
            Contents::PageList(frames) => frames.len() as u64 * PAGE_SIZE as u64,
        };
        if held < self.page_offset + self.size {
            Err("a copy holds less than it says")
        } else {
            Ok(())
        }
    }
}

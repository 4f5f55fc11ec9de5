//! Memory out of a map, into a copy.
//!
//! Little data is read as bytes; more, and whole pages that the caller gives away, become an entry list. Pages that are given
//! away and that nobody else can see are moved: the copy takes over the entry's reference and no copy-on-write is set up.
//! XNU counterpart: `vm_map_copyin`, `vm_map_copyin_internal`.

use alloc::vec::Vec;

use super::VmMap;
use super::clip::CLIP_COST;
use super::copy::{Contents, SMALL_COPY_LIMIT, VmMapCopy};
use super::entry::{EntryTarget, MapEntry};
use super::extract::{Hold, Piece};
use super::lock::MapWriteGuard;
use crate::vm_fault::{FaultOptions, grab};
use crate::vm_object::copyin_to_frame;
use mach::{CopyStrategy, KernReturn, Result, VmProt};
use machine::page::{PAGE_SHIFT, PAGE_SIZE};

/// Up to this many bytes are copied at once for whoever asks for that.
pub const AT_ONCE_LIMIT: u64 = 1024 * 1024;

/// What becomes of the source.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SourceFate {
    /// It stays.
    Keep,
    /// Its pages are removed from the map.
    Destroy,
}

impl VmMap {
    /// Takes `size` bytes at `address` into a copy.
    ///
    /// # Errors
    /// `INVALID_ADDRESS` for a hole or an overflow, `PROTECTION_FAILURE` for memory that may not be read,
    /// `RESOURCE_SHORTAGE`, and what a fault can end with. The source is as it was then.
    #[doc(alias = "vm_map_copyin")]
    #[doc(alias = "vm_map_copyin_internal")]
    pub fn copyin(&self, address: u64, size: u64, fate: SourceFate) -> Result<VmMapCopy> {
        if size == 0 {
            return VmMapCopy::empty();
        }
        let end = address
            .checked_add(size)
            .ok_or(KernReturn::INVALID_ADDRESS)?;
        let (first, last) = (
            self.trunc_page(address),
            self.round_page(end).ok_or(KernReturn::INVALID_ADDRESS)?,
        );
        if first < self.min_offset || last > self.max_offset {
            return Err(KernReturn::INVALID_ADDRESS);
        }
        let gives_pages = fate == SourceFate::Destroy && (first, last) == (address, end);
        if size <= SMALL_COPY_LIMIT && !gives_pages {
            let copy = self.copyin_bytes(address, size)?;
            if fate == SourceFate::Destroy {
                self.delete(first, last)?;
            }
            return Ok(copy);
        }
        // The copy itself is made first: what has left the map must have somewhere to be.
        let mut copy = VmMapCopy::empty()?;
        if fate == SourceFate::Destroy
            && let Some(pieces) = self.move_out(first, last)?
        {
            copy.fill(Contents::EntryList(pieces), size, address - first);
            return Ok(copy);
        }
        let pieces = self.extract(first, last, Hold::Copy, readable)?;
        copy.fill(Contents::EntryList(pieces), size, address - first);
        if fate == SourceFate::Destroy {
            self.delete(first, last)?;
        }
        Ok(copy)
    }

    /// As [`VmMap::copyin`] of memory that stays, for the map of the current program: whole pages are copied into frames at
    /// once, up to [`AT_ONCE_LIMIT`] bytes, whatever the source's alignment. The pages of the copy are nobody else's then.
    ///
    /// # Errors
    /// As [`VmMap::copyin`].
    pub fn copyin_at_once(&self, address: u64, size: u64) -> Result<VmMapCopy> {
        let whole_pages = size > 0 && size.is_multiple_of(PAGE_SIZE as u64);
        if !whole_pages || size > AT_ONCE_LIMIT {
            return self.copyin(address, size, SourceFate::Keep);
        }
        let options = FaultOptions::USER;
        let mut frames = Vec::new();
        frames
            .try_reserve_exact((size >> PAGE_SHIFT) as usize)
            .map_err(|_| KernReturn::RESOURCE_SHORTAGE)?;
        let mut copy = VmMapCopy::empty()?;
        for from in (0..size).step_by(PAGE_SIZE) {
            let from = address
                .checked_add(from)
                .ok_or(KernReturn::INVALID_ADDRESS)?;
            let mut frame = grab(options)?;
            copyin_to_frame(self, from, &mut frame, 0..PAGE_SIZE, options)?;
            frames.push(frame);
        }
        copy.fill(Contents::PageList(frames), size, 0);
        Ok(copy)
    }

    fn copyin_bytes(&self, address: u64, size: u64) -> Result<VmMapCopy> {
        let mut bytes = Vec::new();
        bytes
            .try_reserve_exact(size as usize)
            .map_err(|_| KernReturn::RESOURCE_SHORTAGE)?;
        bytes.resize(size as usize, 0);
        self.read_bytes(address, &mut bytes)?;
        VmMapCopy::from_buffer(bytes)
    }

    /// Takes `start..end` out of the map, memory and all, if nobody else can see it; none when some of it must be
    /// copied.
    fn move_out(&self, start: u64, end: u64) -> Result<Option<Vec<Piece>>> {
        let mut guard = self.write_removable(start, end);
        guard.state.admit_range(start, end, &readable)?;
        let state = &guard.state;
        if !state
            .overlapping(start, end)
            .all(|index| can_move(state.entries.get(index)))
        {
            return Ok(None);
        }
        let count = state.overlapping(start, end).count();
        let mut pieces = Vec::new();
        pieces
            .try_reserve_exact(count)
            .map_err(|_| KernReturn::RESOURCE_SHORTAGE)?;
        guard.state.reserve(CLIP_COST)?;
        let MapWriteGuard { state, .. } = &mut guard;
        state.clip_range(start, end);
        for index in state.overlapping(start, end) {
            pieces.push(Piece::whole(state.entries.get(index)));
        }
        self.clear_range(&mut guard, start, end);
        guard.state.settle();
        Ok(Some(pieces))
    }
}

/// Every entry of the source must be readable.
pub(crate) fn readable(entry: &MapEntry) -> Result<()> {
    if entry.protection.contains(VmProt::READ) {
        Ok(())
    } else {
        Err(KernReturn::PROTECTION_FAILURE)
    }
}

/// Whether the entry's reference may simply change hands.
fn can_move(entry: &MapEntry) -> bool {
    let private = match &entry.target {
        EntryTarget::None => true,
        EntryTarget::Object(object) => object.copy_strategy() == CopyStrategy::Symmetric,
    };
    private && !entry.is_shared() && !entry.is_wired() && !entry.is_permanent()
}

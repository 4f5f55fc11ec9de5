//! [`OwnedFrame`] and [`ContiguousFrames`]: frames as values, freed when dropped; their contents.
//!
//! XNU counterpart: a `vm_page_t` that is in no object; `pmap_zero_page`, `pmap_copy_page`.

use core::mem;

use machine::{FrameNumber, PhysAddr, frame_memory};

use super::record::FrameState;
use super::{PinnedFrame, account, allocate, map, record, release_one};

/// A frame that belongs to whoever holds the value, and to nobody else. Dropping it frees the frame.
///
/// A frame that leaves the world of values for a while, because its number is stored in a page table or in the heap's
/// own links, goes with [`OwnedFrame::into_use`] and comes back with [`OwnedFrame::reclaim`].
#[derive(PartialEq, Eq)]
pub struct OwnedFrame {
    frame: FrameNumber,
}

impl OwnedFrame {
    /// Makes the value for a frame whose record says `Owned` and for which no other value exists.
    pub(super) fn adopt(frame: FrameNumber) -> Self {
        Self { frame }
    }

    /// The frame's number.
    pub fn number(&self) -> FrameNumber {
        self.frame
    }

    /// The frame's physical address.
    pub fn phys(&self) -> PhysAddr {
        self.frame.phys()
    }

    /// Gives the frame over to `state`, where its number is kept by other means. Not for states of free or resident
    /// frames.
    pub fn into_use(self, state: FrameState) -> FrameNumber {
        assert!(
            matches!(
                state,
                FrameState::PageTable | FrameState::Heap | FrameState::Stack | FrameState::Device
            ),
            "{state:?} is not a state that frames are given over to"
        );
        let frame = self.surrender();
        account(record(frame), state);
        frame
    }

    /// Takes back a frame that was given over to `state`; `None` if it is in another state.
    pub fn reclaim(frame: FrameNumber, state: FrameState) -> Option<Self> {
        let record = map().get(frame)?;
        if record.state() != state || account(record, FrameState::Owned) != state {
            return None;
        }
        Some(Self { frame })
    }

    /// Copies bytes out of the frame.
    pub fn read(&self, offset: usize, buffer: &mut [u8]) {
        frame_memory::read(self.frame, offset, buffer);
    }

    /// Copies bytes into the frame.
    pub fn write(&mut self, offset: usize, bytes: &[u8]) {
        frame_memory::write(self.frame, offset, bytes);
    }

    /// Fills a part of the frame with zeroes.
    pub fn zero_part(&mut self, offset: usize, length: usize) {
        frame_memory::zero_part(self.frame, offset, length);
    }

    /// Pins the frame, so that it outlives the value.
    pub fn pin(&self) -> PinnedFrame {
        PinnedFrame::new(self.frame)
    }

    /// The number, without freeing the frame.
    pub(super) fn surrender(self) -> FrameNumber {
        let frame = self.frame;
        mem::forget(self);
        frame
    }
}

impl Drop for OwnedFrame {
    fn drop(&mut self) {
        release_one(self.frame);
    }
}

impl core::fmt::Debug for OwnedFrame {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Owned({:?})", self.frame)
    }
}

/// Something that keeps a frame's contents in place, so that they can be read.
pub trait FrameSource {
    /// The frame.
    fn source_frame(&self) -> FrameNumber;
}

impl FrameSource for OwnedFrame {
    fn source_frame(&self) -> FrameNumber {
        self.frame
    }
}

/// Fills a frame with zeroes.
#[doc(alias = "pmap_zero_page")]
#[doc(alias = "vm_page_zero_fill")]
pub fn zero(frame: &mut OwnedFrame) {
    frame_memory::zero(frame.frame);
}

/// Copies a whole frame.
#[doc(alias = "pmap_copy_page")]
#[doc(alias = "vm_page_copy")]
pub fn copy(destination: &mut OwnedFrame, source: &impl FrameSource) {
    frame_memory::copy(destination.frame, source.source_frame());
}

/// Copies `length` bytes at the same offset.
#[doc(alias = "pmap_copy_part_page")]
pub fn copy_part(
    destination: &mut OwnedFrame,
    source: &impl FrameSource,
    offset: usize,
    length: usize,
) {
    frame_memory::copy_part(
        destination.frame,
        offset,
        source.source_frame(),
        offset,
        length,
    );
}

/// `2^order` frames in a row that belong to whoever holds the value. Dropping it frees them.
pub struct ContiguousFrames {
    first: FrameNumber,
    order: usize,
}

impl ContiguousFrames {
    pub(super) fn new(first: FrameNumber, order: usize) -> Self {
        Self { first, order }
    }

    /// The first frame.
    pub fn number(&self) -> FrameNumber {
        self.first
    }

    /// The physical address of the first byte.
    pub fn phys(&self) -> PhysAddr {
        self.first.phys()
    }

    /// How many frames.
    pub fn count(&self) -> usize {
        1 << self.order
    }

    /// Binary logarithm of the number of frames.
    pub fn order(&self) -> usize {
        self.order
    }

    /// Gives all frames over to `state`; see [`OwnedFrame::into_use`].
    pub fn into_use(self, state: FrameState) -> FrameNumber {
        let (first, count) = (self.first, self.count());
        mem::forget(self);
        for i in 0..count as u32 {
            account(record(FrameNumber(first.0 + i)), state);
        }
        first
    }

    /// Takes back a run that was given over to `state`; `None` if a frame of it is in another state.
    pub fn reclaim(first: FrameNumber, order: usize, state: FrameState) -> Option<Self> {
        let frames = (0..1 << order).map(|i| FrameNumber(first.0 + i));
        if !frames
            .clone()
            .all(|frame| super::state(frame) == Some(state))
        {
            return None;
        }
        frames.for_each(|frame| _ = account(record(frame), FrameState::Owned));
        Some(Self { first, order })
    }

    /// The frames one by one.
    pub fn split(self) -> impl Iterator<Item = OwnedFrame> {
        let (first, count) = (self.first.0, self.count() as u32);
        mem::forget(self);
        (first..first + count).map(|frame| OwnedFrame::adopt(FrameNumber(frame)))
    }
}

impl Drop for ContiguousFrames {
    fn drop(&mut self) {
        allocate::release_block(self.first, self.order);
    }
}

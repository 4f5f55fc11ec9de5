//! [`PinnedFrame`]: keeps a frame from being freed and reused while it is read or written without locks.
//!
//! No page is kept busy across a copy to or from user memory: it is pinned under its object's lock, the lock is
//! dropped, the copy runs. If the object gives the page up meanwhile, the frame lingers until the last pin goes; it
//! is then freed. Pinning says nothing about the page's place in its object.
//!
//! XNU counterpart: `vm_page_wire` around `copyio`, without the queues.

use core::sync::atomic::{AtomicU16, Ordering};

use machine::{FrameNumber, frame_memory};

use super::record::{FrameState, PageRecord};
use super::{FrameSource, account, allocate, record};

/// The owner is gone; the last pin frees the frame.
const LINGER: u16 = 1 << 15;

/// A pinned frame. Dropping it lets go.
pub struct PinnedFrame {
    frame: FrameNumber,
}

impl PinnedFrame {
    /// The caller knows the frame to be owned or resident at this moment.
    pub(super) fn new(frame: FrameNumber) -> Self {
        let before = record(frame).pins.fetch_add(1, Ordering::Acquire);
        assert!(before & !LINGER < LINGER - 1, "too many pins");
        Self { frame }
    }

    /// The frame's number.
    pub fn number(&self) -> FrameNumber {
        self.frame
    }

    /// Copies bytes out of the frame.
    pub fn read(&self, offset: usize, buffer: &mut [u8]) {
        frame_memory::read(self.frame, offset, buffer);
    }

    /// Copies bytes into the frame. Others may look at it or write it at the same time: it is shared memory.
    pub fn write(&self, offset: usize, bytes: &[u8]) {
        frame_memory::write(self.frame, offset, bytes);
    }

    /// Fills a part of the frame with zeroes.
    pub fn zero_part(&self, offset: usize, length: usize) {
        frame_memory::zero_part(self.frame, offset, length);
    }
}

impl FrameSource for PinnedFrame {
    fn source_frame(&self) -> FrameNumber {
        self.frame
    }
}

impl Clone for PinnedFrame {
    fn clone(&self) -> Self {
        Self::new(self.frame)
    }
}

impl Drop for PinnedFrame {
    fn drop(&mut self) {
        let record = record(self.frame);
        if record.pins.fetch_sub(1, Ordering::AcqRel) == LINGER | 1 {
            record.pins.store(0, Ordering::Relaxed);
            allocate::free_now(self.frame, record);
        }
    }
}

pub(super) fn count(record: &PageRecord) -> u32 {
    u32::from(record.pins.load(Ordering::Acquire) & !LINGER)
}

/// Leaves a frame that its owner gave up to its pins; `false` if it has none.
pub(super) fn linger(record: &PageRecord) -> bool {
    let pins: &AtomicU16 = &record.pins;
    if pins.load(Ordering::Acquire) == 0 {
        return false;
    }
    account(record, FrameState::Lingering);
    let mark = |pins: u16| (pins != 0).then_some(pins | LINGER);
    if pins
        .fetch_update(Ordering::AcqRel, Ordering::Acquire, mark)
        .is_err()
    {
        // The last pin went in between: the frame is the caller's again.
        return false;
    }
    true
}

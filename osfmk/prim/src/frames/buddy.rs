//! Free frames by order: a binary buddy over the page records.
//!
//! A free block of `2^k` frames starts at a multiple of `2^k`; its first record is in state `Free` with order `k` and
//! linked in the list of that order, the others are `FreeTail`. Everything is O(orders); nothing is allocated.
//!
//! XNU counterpart: the free queues by colour and `vm_page_find_contiguous`. Guarded by the lock in
//! [`super::allocate`], rank `Frames`.

use core::sync::atomic::Ordering::Relaxed;

use machine::FrameNumber;

use super::boot::FrameMap;
use super::record::{FrameState, NIL, PageRecord};

/// Number of orders: the largest block has `2^(ORDERS - 1)` frames.
pub(super) const ORDERS: usize = 12;

/// Heads of the free lists.
pub(super) struct Buddy {
    heads: [u32; ORDERS],
    /// Free frames in the lists.
    frames: usize,
}

impl Buddy {
    pub(super) const fn new() -> Self {
        Self {
            heads: [NIL; ORDERS],
            frames: 0,
        }
    }

    /// Free frames in the lists.
    pub(super) fn frames(&self) -> usize {
        self.frames
    }

    /// Takes a block of `2^order` frames; the frames keep the state `FreeTail` until the caller sets another.
    pub(super) fn take(&mut self, map: &FrameMap, order: usize) -> Option<u32> {
        let found = (order..ORDERS).find(|&order| self.heads[order] != NIL)?;
        let first = self.heads[found];
        self.unlink(map, first, found);
        for smaller in (order..found).rev() {
            self.link(map, first + (1 << smaller), smaller);
        }
        self.frames -= 1 << order;
        Some(first)
    }

    /// Gives a block back. Its frames are in no list; their records' states are overwritten.
    pub(super) fn give(&mut self, map: &FrameMap, first: u32, order: usize) {
        debug_assert!(first.is_multiple_of(1 << order));
        self.frames += 1 << order;
        for i in 0..1 << order {
            map.record(FrameNumber(first + i))
                .set_state_uncounted(FrameState::FreeTail);
        }
        let (mut first, mut order) = (first, order);
        while order + 1 < ORDERS && is_free_block(map, first ^ (1 << order), order) {
            let other = first ^ (1 << order);
            self.unlink(map, other, order);
            first &= !(1 << order);
            order += 1;
        }
        self.link(map, first, order);
    }

    fn link(&mut self, map: &FrameMap, first: u32, order: usize) {
        let record = map.record(FrameNumber(first));
        record.set_state_uncounted(FrameState::Free);
        record.order.store(order as u8, Relaxed);
        record.queue_previous.store(NIL, Relaxed);
        record.queue_next.store(self.heads[order], Relaxed);
        if self.heads[order] != NIL {
            map.record(FrameNumber(self.heads[order]))
                .queue_previous
                .store(first, Relaxed);
        }
        self.heads[order] = first;
    }

    fn unlink(&mut self, map: &FrameMap, first: u32, order: usize) {
        let record = map.record(FrameNumber(first));
        let (previous, next) = (
            record.queue_previous.load(Relaxed),
            record.queue_next.load(Relaxed),
        );
        match previous {
            NIL => self.heads[order] = next,
            _ => map
                .record(FrameNumber(previous))
                .queue_next
                .store(next, Relaxed),
        }
        if next != NIL {
            map.record(FrameNumber(next))
                .queue_previous
                .store(previous, Relaxed);
        }
        record.queue_next.store(NIL, Relaxed);
        record.queue_previous.store(NIL, Relaxed);
        record.set_state_uncounted(FrameState::FreeTail);
    }

    /// Walks all lists; checks links, alignment, states and that no two neighbours could be merged.
    pub(super) fn validate(&self, map: &FrameMap) {
        let mut frames = 0;
        for order in 0..ORDERS {
            let (mut previous, mut at) = (NIL, self.heads[order]);
            while at != NIL {
                let record = map.record(FrameNumber(at));
                assert_eq!(record.state(), FrameState::Free, "block head {at:#x}");
                assert_eq!(record.order.load(Relaxed) as usize, order);
                assert_eq!(record.queue_previous.load(Relaxed), previous);
                assert!(
                    at.is_multiple_of(1 << order),
                    "alignment of {at:#x}, order {order}"
                );
                let tails = (1..1 << order).map(|i| map.record(FrameNumber(at + i)));
                assert!(
                    tails
                        .map(PageRecord::state)
                        .all(|state| state == FrameState::FreeTail)
                );
                let mergeable = order + 1 < ORDERS && is_free_block(map, at ^ (1 << order), order);
                assert!(
                    !mergeable,
                    "neighbours of order {order} at {at:#x} were not merged"
                );
                frames += 1 << order;
                previous = at;
                at = record.queue_next.load(Relaxed);
            }
        }
        assert_eq!(frames, self.frames, "frames in the free lists");
    }
}

fn is_free_block(map: &FrameMap, first: u32, order: usize) -> bool {
    map.get(FrameNumber(first)).is_some_and(|record| {
        record.state() == FrameState::Free && record.order.load(Relaxed) as usize == order
    })
}

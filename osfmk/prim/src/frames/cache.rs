//! A small cache of free frames for each processor, so that most allocations take no shared lock.
//!
//! XNU counterpart: `vm_page_grab`'s per-CPU free pages.

use machine::FrameNumber;
use machine::cpu::{self, MAX_CPUS};

use super::boot::FrameMap;
use super::buddy::Buddy;
use super::map;
use super::record::FrameState;
use crate::lock::{Rank, SpinLock};

/// Frames a cache can hold, and how many move at once.
const CAPACITY: usize = 32;
const BATCH: usize = CAPACITY / 2;

struct Cache {
    frames: [u32; CAPACITY],
    length: usize,
}

static CACHES: [SpinLock<Cache>; MAX_CPUS] = [const {
    SpinLock::new(
        Rank::FrameCache,
        Cache {
            frames: [0; CAPACITY],
            length: 0,
        },
    )
}; MAX_CPUS];

impl Cache {
    fn push(&mut self, map: &FrameMap, frame: u32) {
        map.record(FrameNumber(frame))
            .set_state_uncounted(FrameState::Cached);
        self.frames[self.length] = frame;
        self.length += 1;
    }

    fn pop(&mut self) -> Option<u32> {
        self.length = self.length.checked_sub(1)?;
        Some(self.frames[self.length])
    }
}

/// A free frame from this processor's cache, filled from `buddy` if it is empty.
pub(super) fn take(buddy: &SpinLock<Buddy>) -> Option<u32> {
    let mut cache = CACHES[cpu::current()].lock();
    if cache.length == 0 {
        let mut buddy = buddy.lock();
        let fill = BATCH.min(buddy.frames());
        for _ in 0..fill {
            if let Some(frame) = buddy.take(map(), 0) {
                cache.push(map(), frame);
            }
        }
    }
    cache.pop()
}

/// Puts a free frame into this processor's cache; a full one gives a batch back to `buddy` first.
pub(super) fn give(buddy: &SpinLock<Buddy>, frame: u32) {
    let mut cache = CACHES[cpu::current()].lock();
    if cache.length == CAPACITY {
        let mut buddy = buddy.lock();
        for _ in 0..BATCH {
            if let Some(frame) = cache.pop() {
                buddy.give(map(), frame, 0);
            }
        }
    }
    cache.push(map(), frame);
}

/// Gives everything that is cached back to `buddy`: before a large allocation, or when frames hide in other caches.
pub(super) fn drain(buddy: &SpinLock<Buddy>) {
    for cache in &CACHES {
        let mut cache = cache.lock();
        while let Some(frame) = cache.pop() {
            buddy.lock().give(map(), frame, 0);
        }
    }
}

/// Frames in all caches.
pub(super) fn frames() -> usize {
    CACHES.iter().map(|cache| cache.lock().length).sum()
}

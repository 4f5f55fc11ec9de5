//! The global hash from (owner, page index) to frame.
//!
//! As many buckets as frames, each a head link with a lock bit, chained through the page records: it never allocates,
//! never grows, and a bucket is held for a few loads. The bucket lock is the innermost lock of all.
//!
//! XNU counterpart: `vm_page_buckets`, `vm_page_hash`, `vm_page_lookup`.

use core::sync::atomic::AtomicU32;
use core::sync::atomic::Ordering::{Acquire, Relaxed, Release};

use machine::FrameNumber;

use super::boot::FrameMap;
use super::record::{NIL, PageRecord, link};
use super::{bit_lock, map};
use crate::thread::preemption;

const LOCKED: u32 = 1 << 31;
/// A bucket's head when it is empty; frame numbers stay below.
const EMPTY: u32 = LOCKED - 1;

pub(super) fn empty_bucket() -> AtomicU32 {
    AtomicU32::new(EMPTY)
}

/// A locked bucket.
struct Bucket {
    word: &'static AtomicU32,
    head: u32,
}

impl Bucket {
    fn lock(map: &FrameMap, owner: u64, index: u64) -> Self {
        Self::lock_slot(map, slot(owner, index, map.buckets.len()))
    }

    fn lock_slot(map: &FrameMap, slot: usize) -> Self {
        preemption::disable();
        let word = &map.buckets[slot];
        bit_lock(word, LOCKED);
        let head = word.load(Relaxed) & !LOCKED;
        Self {
            word,
            head: if head == EMPTY { NIL } else { head },
        }
    }

    fn find(&self, map: &FrameMap, owner: u64, index: u64) -> Option<FrameNumber> {
        let mut at = self.head;
        while let Some(frame) = link(at) {
            let record = map.record(frame);
            if record.index.load(Relaxed) == index && record.owner.load(Relaxed) == owner {
                return Some(frame);
            }
            at = record.hash_next.load(Relaxed);
        }
        None
    }
}

impl Drop for Bucket {
    fn drop(&mut self) {
        self.word
            .store(if self.head == NIL { EMPTY } else { self.head }, Release);
        preemption::enable();
    }
}

/// Fibonacci hashing: neighbours in one object spread evenly over the buckets.
fn slot(owner: u64, index: u64, buckets: usize) -> usize {
    let mixed = index
        .wrapping_add(owner.wrapping_mul(0xd6e8_feb8_6659_fd93))
        .wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> 32) as usize & (buckets - 1)
}

pub(super) fn find(owner: u64, index: u64) -> Option<FrameNumber> {
    let map = map();
    Bucket::lock(map, owner, index).find(map, owner, index)
}

/// Adds a frame that is in no bucket under a key that no frame has. `false` if one has.
pub(super) fn insert(owner: u64, index: u64, frame: FrameNumber, record: &PageRecord) -> bool {
    let map = map();
    let mut bucket = Bucket::lock(map, owner, index);
    if bucket.find(map, owner, index).is_some() {
        return false;
    }
    record.owner.store(owner, Release);
    record.index.store(index, Release);
    record.hash_next.store(bucket.head, Relaxed);
    bucket.head = frame.0;
    true
}

/// Takes a frame out of its bucket and forgets its key.
pub(super) fn remove(frame: FrameNumber, record: &PageRecord) {
    let map = map();
    let (owner, index) = (record.owner.load(Acquire), record.index.load(Acquire));
    let mut bucket = Bucket::lock(map, owner, index);
    let next = record.hash_next.load(Relaxed);
    if bucket.head == frame.0 {
        bucket.head = next;
    } else {
        let mut at = bucket.head;
        while let Some(other) = link(at) {
            let links = &map.record(other).hash_next;
            at = links.load(Relaxed);
            if at == frame.0 {
                links.store(next, Relaxed);
                break;
            }
        }
        assert_eq!(at, frame.0, "{frame:?} is not in its bucket");
    }
    record.hash_next.store(NIL, Relaxed);
    record.owner.store(0, Release);
}

/// Walks all buckets, one lock at a time: every chained frame belongs there. Gives the number of frames found.
pub(super) fn validate() -> usize {
    let map = map();
    let mut found = 0;
    for number in 0..map.buckets.len() {
        let bucket = Bucket::lock_slot(map, number);
        let mut at = bucket.head;
        while let Some(frame) = link(at) {
            let record = map.record(frame);
            let (owner, index) = (record.owner.load(Relaxed), record.index.load(Relaxed));
            assert_eq!(
                slot(owner, index, map.buckets.len()),
                number,
                "{frame:?} in a wrong bucket"
            );
            found += 1;
            at = record.hash_next.load(Relaxed);
        }
    }
    found
}

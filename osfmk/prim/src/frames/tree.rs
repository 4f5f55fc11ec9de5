//! The pages of one object in order: a treap through the page records.
//!
//! Keyed by page index, balanced by a hash of the frame number as priority. It gives what the hash cannot: the first
//! page at or after an index, so that a walk over an object can drop its locks at any page and find its place again,
//! and a walk over a sparse object costs by pages, not by offsets. Expected O(log n), loops only, no allocation.
//! Guarded by the object's lock, which the callers in [`super::page_list`] stand for.
//!
//! XNU counterpart: `memq`, the unordered list of an object's pages.

use core::sync::atomic::Ordering::Relaxed;

use arrayvec::ArrayVec;
use machine::FrameNumber;

use super::boot::FrameMap;
use super::record::{NIL, link};

/// A place where a link to a subtree is kept.
#[derive(Clone, Copy)]
enum Place {
    Root,
    Left(u32),
    Right(u32),
}

impl Place {
    fn get(self, map: &FrameMap, root: u32) -> u32 {
        match self {
            Place::Root => root,
            Place::Left(of) => left(map, of),
            Place::Right(of) => right(map, of),
        }
    }

    fn set(self, map: &FrameMap, root: &mut u32, value: u32) {
        match self {
            Place::Root => *root = value,
            Place::Left(of) => map.record(FrameNumber(of)).left.store(value, Relaxed),
            Place::Right(of) => map.record(FrameNumber(of)).right.store(value, Relaxed),
        }
    }
}

fn left(map: &FrameMap, of: u32) -> u32 {
    map.record(FrameNumber(of)).left.load(Relaxed)
}

fn right(map: &FrameMap, of: u32) -> u32 {
    map.record(FrameNumber(of)).right.load(Relaxed)
}

fn key(map: &FrameMap, of: u32) -> u64 {
    map.record(FrameNumber(of)).index.load(Relaxed)
}

fn priority(of: u32) -> u32 {
    (of ^ (of >> 15))
        .wrapping_mul(0x2c1b_3c6d)
        .rotate_left(13)
        .wrapping_mul(0x297a_2d39)
}

/// Adds a frame whose record's index is set and not in the tree.
pub(super) fn insert(map: &FrameMap, root: &mut u32, new: FrameNumber) {
    let (new, index) = (new.0, key(map, new.0));
    let mut place = Place::Root;
    let mut at = *root;
    while at != NIL && priority(at) >= priority(new) {
        place = if index < key(map, at) {
            Place::Left(at)
        } else {
            Place::Right(at)
        };
        at = place.get(map, *root);
    }
    place.set(map, root, new);
    // Splits what hung there into what is below and above the new key.
    let (mut lower, mut upper) = (Place::Left(new), Place::Right(new));
    while at != NIL {
        if key(map, at) < index {
            lower.set(map, root, at);
            lower = Place::Right(at);
            at = right(map, at);
        } else {
            upper.set(map, root, at);
            upper = Place::Left(at);
            at = left(map, at);
        }
    }
    lower.set(map, root, NIL);
    upper.set(map, root, NIL);
}

/// Takes a frame out, which must be in the tree.
pub(super) fn remove(map: &FrameMap, root: &mut u32, gone: FrameNumber) {
    let index = key(map, gone.0);
    let mut place = Place::Root;
    let mut at = *root;
    while at != gone.0 {
        assert_ne!(at, NIL, "{gone:?} is not in the object's tree");
        place = if index < key(map, at) {
            Place::Left(at)
        } else {
            Place::Right(at)
        };
        at = place.get(map, *root);
    }
    let (mut lower, mut upper) = (left(map, gone.0), right(map, gone.0));
    while lower != NIL && upper != NIL {
        if priority(lower) >= priority(upper) {
            place.set(map, root, lower);
            place = Place::Right(lower);
            lower = right(map, lower);
        } else {
            place.set(map, root, upper);
            place = Place::Left(upper);
            upper = left(map, upper);
        }
    }
    place.set(map, root, if lower == NIL { upper } else { lower });
    let record = map.record(gone);
    record.left.store(NIL, Relaxed);
    record.right.store(NIL, Relaxed);
}

/// The frame with the least index at or after `index`.
pub(super) fn first_from(map: &FrameMap, root: u32, index: u64) -> Option<FrameNumber> {
    let (mut best, mut at) = (NIL, root);
    while at != NIL {
        if key(map, at) < index {
            at = right(map, at);
        } else {
            best = at;
            at = left(map, at);
        }
    }
    link(best)
}

/// The frame with the greatest index before `index`.
pub(super) fn last_before(map: &FrameMap, root: u32, index: u64) -> Option<FrameNumber> {
    let (mut best, mut at) = (NIL, root);
    while at != NIL {
        if key(map, at) < index {
            best = at;
            at = right(map, at);
        } else {
            at = left(map, at);
        }
    }
    link(best)
}

/// A walk over the frames of a tree that does not change meanwhile, in order of index: a few instructions for a step, where
/// [`first_from`] goes down from the root. It remembers the last `N` places that it has to come back to.
pub(super) struct Walk<const N: usize> {
    root: u32,
    /// Where the walk goes on when what is below is done, the next one last.
    pending: ArrayVec<u32, N>,
    /// There were more: what is forgotten comes after all that is remembered.
    forgetful: bool,
}

impl<const N: usize> Walk<N> {
    /// Begins at the frame with the least index at or after `index`.
    pub(super) fn from(map: &FrameMap, root: u32, index: u64) -> Self {
        let mut walk = Self {
            root,
            pending: ArrayVec::new(),
            forgetful: false,
        };
        walk.seek(map, index);
        walk
    }

    fn seek(&mut self, map: &FrameMap, index: u64) {
        let mut at = self.root;
        while at != NIL {
            if key(map, at) < index {
                at = right(map, at);
            } else {
                self.remember(at);
                at = left(map, at);
            }
        }
    }

    #[inline]
    fn remember(&mut self, at: u32) {
        if self.pending.try_push(at).is_err() {
            self.forget_for(at);
        }
    }

    #[cold]
    fn forget_for(&mut self, at: u32) {
        self.pending.remove(0);
        self.pending.push(at);
        self.forgetful = true;
    }

    /// Looks for what was forgotten: it lies behind `index`.
    #[cold]
    fn recall(&mut self, map: &FrameMap, index: u64) {
        self.forgetful = false;
        if let Some(after) = index.checked_add(1) {
            self.seek(map, after);
        }
    }

    /// The next frame, and its index.
    #[inline]
    pub(super) fn next(&mut self, map: &FrameMap) -> Option<(u64, FrameNumber)> {
        let frame = FrameNumber(self.pending.pop()?);
        let record = map.record(frame);
        let index = record.index.load(Relaxed);
        let mut at = record.right.load(Relaxed);
        while at != NIL {
            self.remember(at);
            at = left(map, at);
        }
        if self.forgetful && self.pending.is_empty() {
            self.recall(map, index);
        }
        Some((index, frame))
    }
}

/// Checks order and priorities; gives the number of frames. Tests only: it keeps a stack.
pub(super) fn validate(map: &FrameMap, root: u32) -> usize {
    let mut count = 0;
    let mut stack = alloc::vec![(root, 0u64, u64::MAX)];
    while let Some((at, low, high)) = stack.pop() {
        if at == NIL {
            continue;
        }
        count += 1;
        let index = key(map, at);
        assert!(
            (low..=high).contains(&index),
            "index {index} outside of [{low}, {high}]"
        );
        for child in [left(map, at), right(map, at)] {
            assert!(
                child == NIL || priority(child) <= priority(at),
                "heap order at index {index}"
            );
        }
        if let Some(below) = index.checked_sub(1) {
            stack.push((left(map, at), low, below));
        } else {
            assert_eq!(left(map, at), NIL);
        }
        if let Some(above) = index.checked_add(1) {
            stack.push((right(map, at), above, high));
        } else {
            assert_eq!(right(map, at), NIL);
        }
    }
    count
}

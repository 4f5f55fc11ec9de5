//! The run queue: a list for each priority, and a bitmap of the lists that are not empty.
//!
//! Links are in the queued items, reached through [`Queued`]; the queue counts no references, the scheduler keeps
//! what is queued alive. Everything is O(1). Guarded by the scheduler's lock.
//!
//! XNU counterpart: `struct run_queue`, `run_queue_enqueue`, `run_queue_dequeue`.

use core::cell::Cell;
use core::ptr;

/// Number of priorities.
pub(crate) const LEVELS: usize = crate::thread::Priority::LEVELS;

/// An item's links.
pub(crate) struct Links<T> {
    next: Cell<*const T>,
    previous: Cell<*const T>,
    /// The level whose list it is on, plus one; 0 for none.
    level: Cell<u8>,
}

impl<T> Links<T> {
    pub(crate) const fn new() -> Self {
        Self {
            next: Cell::new(ptr::null()),
            previous: Cell::new(ptr::null()),
            level: Cell::new(0),
        }
    }
}

/// Something that can be queued.
pub(crate) trait Queued: Sized {
    /// Its links.
    fn links(&self) -> &Links<Self>;
}

/// Where in its list an item goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum End {
    /// Runs before its equals: it was preempted.
    Front,
    /// Runs after its equals: it was woken, or its time was up.
    Back,
}

/// The lists. Pointers in it are to items that their owner keeps alive and in place while they are queued.
pub(crate) struct RunQueue<T> {
    heads: [*const T; LEVELS],
    tails: [*const T; LEVELS],
    occupied: u128,
}

impl<T: Queued> RunQueue<T> {
    pub(crate) const fn new() -> Self {
        Self {
            heads: [ptr::null(); LEVELS],
            tails: [ptr::null(); LEVELS],
            occupied: 0,
        }
    }

    /// The highest level with an item.
    pub(crate) fn highest(&self) -> Option<u8> {
        (self.occupied != 0).then(|| 127 - self.occupied.leading_zeros() as u8)
    }

    /// Adds an item that is not queued.
    ///
    /// # Safety
    /// `item` is valid until it is removed or popped, and its links are touched by this queue's holder only.
    pub(crate) unsafe fn push(&mut self, item: *const T, level: u8, end: End) {
        // SAFETY: valid by the caller's promise.
        let links = unsafe { (*item).links() };
        debug_assert_eq!(links.level.get(), 0, "queued twice");
        let at = level as usize;
        links.level.set(level + 1);
        let (head, tail) = (self.heads[at], self.tails[at]);
        if head.is_null() {
            links.previous.set(ptr::null());
            links.next.set(ptr::null());
            (self.heads[at], self.tails[at]) = (item, item);
            self.occupied |= 1 << level;
        } else if end == End::Back {
            links.previous.set(tail);
            links.next.set(ptr::null());
            // SAFETY: queued items are valid.
            unsafe { (*tail).links().next.set(item) };
            self.tails[at] = item;
        } else {
            links.previous.set(ptr::null());
            links.next.set(head);
            // SAFETY: queued items are valid.
            unsafe { (*head).links().previous.set(item) };
            self.heads[at] = item;
        }
    }

    /// Takes the first item of the highest level.
    pub(crate) fn pop(&mut self) -> Option<*const T> {
        let level = self.highest()?;
        let item = self.heads[level as usize];
        self.remove(item);
        Some(item)
    }

    /// Takes an item out; `false` if it is not queued.
    pub(crate) fn remove(&mut self, item: *const T) -> bool {
        // SAFETY: whoever holds the queue's lock passes items that live.
        let links = unsafe { (*item).links() };
        let Some(level) = links.level.replace(0).checked_sub(1) else {
            return false;
        };
        let at = level as usize;
        let (previous, next) = (
            links.previous.replace(ptr::null()),
            links.next.replace(ptr::null()),
        );
        if previous.is_null() {
            self.heads[at] = next;
        } else {
            // SAFETY: a queued neighbour is valid.
            unsafe { (*previous).links().next.set(next) };
        }
        if next.is_null() {
            self.tails[at] = previous;
        } else {
            // SAFETY: a queued neighbour is valid.
            unsafe { (*next).links().previous.set(previous) };
        }
        if self.heads[at].is_null() {
            self.occupied &= !(1 << level);
        }
        true
    }

    /// Checks every list.
    #[cfg_attr(target_os = "none", allow(dead_code))]
    pub(crate) fn validate(&self) {
        for level in 0..LEVELS {
            let (mut previous, mut at) = (ptr::null(), self.heads[level]);
            assert_eq!(
                at.is_null(),
                self.occupied & (1 << level) == 0,
                "bitmap at level {level}"
            );
            while !at.is_null() {
                // SAFETY: queued items are valid.
                let links = unsafe { (*at).links() };
                assert_eq!(
                    (links.level.get() as usize, links.previous.get()),
                    (level + 1, previous)
                );
                previous = at;
                at = links.next.get();
            }
            assert_eq!(self.tails[level], previous, "tail of level {level}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::VecDeque;

    struct Item(Links<Item>);

    impl Queued for Item {
        fn links(&self) -> &Links<Item> {
            &self.0
        }
    }

    #[test]
    fn the_queue_agrees_with_an_array_of_deques_under_random_sequences() {
        let items: Vec<Item> = (0..40).map(|_| Item(Links::new())).collect();
        let mut queue = RunQueue::new();
        let mut model: Vec<VecDeque<usize>> = vec![VecDeque::new(); LEVELS];
        let mut seed = 5u64;
        let mut random = |bound: usize| {
            seed = seed
                .wrapping_mul(6364136223846793005)
                .wrapping_add(1442695040888963407);
            (seed >> 33) as usize % bound
        };
        for step in 0..50_000 {
            let which = random(items.len());
            let queued = model.iter().position(|level| level.contains(&which));
            match (random(4), queued) {
                (0, _) => {
                    let expected = model.iter_mut().rev().find_map(|level| level.pop_front());
                    assert_eq!(queue.pop(), expected.map(|i| ptr::from_ref(&items[i])));
                }
                (1, level) => {
                    assert_eq!(queue.remove(&items[which]), level.is_some());
                    level
                        .into_iter()
                        .for_each(|level| model[level].retain(|other| *other != which));
                }
                (end, None) => {
                    let level = [0, 1, 31, 64, 127][random(5)];
                    let end = if end == 2 { End::Front } else { End::Back };
                    // SAFETY: the items outlive the queue.
                    unsafe { queue.push(&items[which], level as u8, end) };
                    match end {
                        End::Front => model[level].push_front(which),
                        End::Back => model[level].push_back(which),
                    }
                }
                _ => {}
            }
            let highest = model.iter().rposition(|level| !level.is_empty());
            assert_eq!(queue.highest().map(usize::from), highest);
            if step % 100 == 0 {
                queue.validate();
            }
        }
    }
}

//! The ranks a thread holds, and the check of their order.
//!
//! Each thread carries a small stack of held ranks; only the thread itself touches it. An interrupt handler starts
//! with a fresh base (`interrupt_base`), because what it takes has nothing to do with what the interrupted code
//! holds. Without debug assertions all of this compiles to nothing.
//!
//! XNU counterpart: none by rank; `LCK_MTX_ASSERT` and lock-order comments.

use super::{Rank, statistics};

/// How an acquisition may stand to the ranks already held.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Order {
    /// Above all of them.
    Rising,
    /// Above or equal; the caller orders equals by itself.
    Nested,
}

/// What a guard remembers of its entry in the stack.
#[derive(Debug)]
pub(crate) struct Held {
    #[cfg(debug_assertions)]
    rank: Option<Rank>,
}

/// Capacity of a thread's stack of held ranks.
#[cfg(debug_assertions)]
const DEPTH: usize = 32;
#[cfg(debug_assertions)]
const BASE: u8 = 0;

/// A thread's stack of held ranks; all accesses are the owning thread's.
#[derive(Debug)]
pub(crate) struct HeldRanks {
    #[cfg(debug_assertions)]
    ranks: [core::sync::atomic::AtomicU8; DEPTH],
    #[cfg(debug_assertions)]
    length: core::sync::atomic::AtomicU8,
}

impl HeldRanks {
    pub(crate) const fn new() -> Self {
        Self {
            #[cfg(debug_assertions)]
            ranks: [const { core::sync::atomic::AtomicU8::new(0) }; DEPTH],
            #[cfg(debug_assertions)]
            length: core::sync::atomic::AtomicU8::new(0),
        }
    }
}

#[cfg(debug_assertions)]
mod checked {
    use super::{BASE, DEPTH, HeldRanks, Order};
    use crate::lock::Rank;
    use core::sync::atomic::Ordering::{Relaxed, SeqCst};
    use core::sync::atomic::compiler_fence;

    impl HeldRanks {
        /// The greatest rank above the last base, 0 for none.
        fn highest(&self) -> u8 {
            let length = self.length.load(Relaxed) as usize;
            let since_base = self.ranks[..length]
                .iter()
                .rev()
                .map(|r| r.load(Relaxed))
                .take_while(|r| *r != BASE);
            since_base.max().unwrap_or(0)
        }

        #[track_caller]
        pub(super) fn check(&self, rank: Rank, order: Order) {
            let highest = self.highest();
            let allowed = highest < rank as u8 || (order == Order::Nested && highest == rank as u8);
            assert!(
                allowed,
                "lock order: taking {rank:?} ({}) while rank {highest} is held",
                rank as u8
            );
        }

        pub(super) fn push(&self, value: u8) {
            let length = self.length.load(Relaxed) as usize;
            assert!(length < DEPTH, "lock order: more than {DEPTH} locks held");
            // The place is taken before it is filled: an interrupt in between pushes its base above it, not into it.
            self.length.store(length as u8 + 1, Relaxed);
            compiler_fence(SeqCst);
            self.ranks[length].store(value, Relaxed);
        }

        /// Removes the latest entry of this value; guards need not be dropped in order.
        pub(super) fn remove(&self, value: u8) {
            let length = self.length.load(Relaxed) as usize;
            let Some(at) = self.ranks[..length]
                .iter()
                .rposition(|r| r.load(Relaxed) == value)
            else {
                panic!("lock order: rank {value} released but not held by this thread");
            };
            for i in at..length - 1 {
                self.ranks[i].store(self.ranks[i + 1].load(Relaxed), Relaxed);
            }
            self.length.store(length as u8 - 1, Relaxed);
        }

        pub(super) fn holds(&self, rank: Rank) -> bool {
            let length = self.length.load(Relaxed) as usize;
            self.ranks[..length]
                .iter()
                .any(|r| r.load(Relaxed) == rank as u8)
        }
    }
}

/// Checks the order and records the acquisition that is about to be made.
#[track_caller]
pub(crate) fn note(rank: Rank, order: Order) -> Held {
    #[cfg(debug_assertions)]
    {
        statistics::acquired(rank);
        let noted = crate::thread::with_held_ranks(|held| {
            held.check(rank, order);
            held.push(rank as u8);
        });
        Held {
            rank: noted.map(|()| rank),
        }
    }
    #[cfg(not(debug_assertions))]
    {
        let _ = (rank, order, statistics::acquired);
        Held {}
    }
}

/// Records an acquisition by `try_lock`, which no order restricts.
pub(crate) fn note_tried(rank: Rank) -> Held {
    #[cfg(debug_assertions)]
    {
        statistics::acquired(rank);
        let noted = crate::thread::with_held_ranks(|held| held.push(rank as u8));
        Held {
            rank: noted.map(|()| rank),
        }
    }
    #[cfg(not(debug_assertions))]
    {
        let _ = rank;
        Held {}
    }
}

impl Held {
    /// An entry that records nothing, left behind when a guard passes its own on.
    pub(crate) const fn none() -> Self {
        Self {
            #[cfg(debug_assertions)]
            rank: None,
        }
    }

    /// Takes the entry off the stack again.
    pub(crate) fn release(&mut self) {
        #[cfg(debug_assertions)]
        if let Some(rank) = self.rank.take() {
            let _ = crate::thread::with_held_ranks(|held| held.remove(rank as u8));
        }
    }
}

/// Whether the current thread holds a lock of this rank; always true without debug assertions, so that it can stand
/// in assertions only.
pub fn is_held(rank: Rank) -> bool {
    #[cfg(debug_assertions)]
    {
        crate::thread::with_held_ranks(|held| held.holds(rank)).unwrap_or(true)
    }
    #[cfg(not(debug_assertions))]
    {
        let _ = rank;
        true
    }
}

/// Starts a fresh base for an interrupt handler until the value is dropped.
pub(crate) struct InterruptBase(());

/// See [`InterruptBase`].
#[cfg_attr(not(target_os = "none"), allow(dead_code))]
pub(crate) fn interrupt_base() -> InterruptBase {
    #[cfg(debug_assertions)]
    let _ = crate::thread::with_held_ranks(|held| held.push(BASE));
    InterruptBase(())
}

impl Drop for InterruptBase {
    fn drop(&mut self) {
        #[cfg(debug_assertions)]
        let _ = crate::thread::with_held_ranks(|held| held.remove(BASE));
    }
}

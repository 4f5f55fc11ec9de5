//! [`Mutex`]: a lock whose waiters block.
//!
//! The state is one word: free, held, held with waiters. The fast path is one compare-and-swap; a waiter registers on
//! the wait queue *before* it looks at the word again, so the holder's wake-up cannot be lost. Neighbours:
//! [`crate::wait`]. It does not lend the waiter's priority to the holder.
//!
//! XNU counterpart: `lck_mtx_t`.

use core::cell::UnsafeCell;
use core::fmt;
use core::marker::PhantomData;
use core::ops::{Deref, DerefMut};
use core::sync::atomic::{AtomicU32, Ordering};

use super::held::{self, Held};
use super::{Rank, statistics};
use crate::thread::preemption;
use crate::wait::{Interruptible, WaitQueue};

const FREE: u32 = 0;
const HELD: u32 = 1;
const CONTENDED: u32 = 2;

/// A lock whose waiters block; the holder may block too. Never taken under a spinning lock or by a handler.
#[doc(alias = "lck_mtx_t")]
pub struct Mutex<T: ?Sized> {
    rank: Rank,
    state: AtomicU32,
    waiters: WaitQueue,
    value: UnsafeCell<T>,
}

// SAFETY: the lock hands out one reference at a time, so sharing it needs no more than sending the value.
unsafe impl<T: ?Sized + Send> Sync for Mutex<T> {}
// SAFETY: the value is owned by the lock.
unsafe impl<T: ?Sized + Send> Send for Mutex<T> {}

/// Proof that a [`Mutex`] is held by this thread.
#[must_use = "the lock is released at once if the guard is dropped"]
pub struct MutexGuard<'a, T: ?Sized> {
    lock: &'a Mutex<T>,
    held: Held,
    // The rank stack is the thread's: a guard stays with the thread that took it.
    _thread: PhantomData<*const ()>,
}

// SAFETY: sharing the guard shares only `&T`.
unsafe impl<T: ?Sized + Sync> Sync for MutexGuard<'_, T> {}

impl<T> Mutex<T> {
    /// A free lock of rank `rank` around `value`.
    #[doc(alias = "lck_mtx_init")]
    pub const fn new(rank: Rank, value: T) -> Self {
        Self {
            rank,
            state: AtomicU32::new(FREE),
            waiters: WaitQueue::new(),
            value: UnsafeCell::new(value),
        }
    }

    /// The guarded value.
    pub fn into_inner(self) -> T {
        self.value.into_inner()
    }
}

impl<T: ?Sized> Mutex<T> {
    /// Takes the lock, blocking as long as it must; not interruptible.
    #[doc(alias = "lck_mtx_lock")]
    #[track_caller]
    pub fn lock(&self) -> MutexGuard<'_, T> {
        self.acquire(held::Order::Rising)
    }

    /// Takes the lock where a lock of the same rank may be held already; see [`super::SpinLock::lock_nested`].
    #[track_caller]
    pub fn lock_nested(&self) -> MutexGuard<'_, T> {
        self.acquire(held::Order::Nested)
    }

    /// Takes the lock if it is free at this moment. Allowed against the order of ranks.
    #[doc(alias = "lck_mtx_try_lock")]
    pub fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
        self.state
            .compare_exchange(FREE, HELD, Ordering::Acquire, Ordering::Relaxed)
            .ok()?;
        Some(self.guard(held::note_tried(self.rank)))
    }

    /// Exclusive access without locking, for whoever owns the lock itself.
    pub fn get_mut(&mut self) -> &mut T {
        self.value.get_mut()
    }

    /// Whether somebody holds the lock now; for assertions only.
    pub fn is_locked(&self) -> bool {
        self.state.load(Ordering::Relaxed) != FREE
    }

    fn guard(&self, held: Held) -> MutexGuard<'_, T> {
        MutexGuard {
            lock: self,
            held,
            _thread: PhantomData,
        }
    }

    #[track_caller]
    fn acquire(&self, order: held::Order) -> MutexGuard<'_, T> {
        preemption::assert_may_block();
        let held = held::note(self.rank, order);
        if self
            .state
            .compare_exchange(FREE, HELD, Ordering::Acquire, Ordering::Relaxed)
            .is_err()
        {
            statistics::contended(self.rank);
            self.acquire_slowly();
        }
        self.guard(held)
    }

    #[cold]
    fn acquire_slowly(&self) {
        loop {
            let wait = self.waiters.assert_wait(Interruptible::No, None);
            // Taking it as "contended" is conservative: there may be other waiters.
            if self.state.swap(CONTENDED, Ordering::Acquire) == FREE {
                wait.cancel();
                return;
            }
            let _ = wait.block();
        }
    }

    fn release(&self) {
        if self.state.swap(FREE, Ordering::Release) == CONTENDED {
            self.waiters.wake_one();
        }
    }
}

impl<T: ?Sized> Drop for MutexGuard<'_, T> {
    fn drop(&mut self) {
        self.held.release();
        self.lock.release();
    }
}

impl<T: ?Sized> Deref for MutexGuard<'_, T> {
    type Target = T;
    fn deref(&self) -> &T {
        // SAFETY: the guard's existence means this thread holds the lock.
        unsafe { &*self.lock.value.get() }
    }
}

impl<T: ?Sized> DerefMut for MutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as above, and the guard is borrowed exclusively.
        unsafe { &mut *self.lock.value.get() }
    }
}

impl<T: ?Sized> fmt::Debug for Mutex<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Mutex({:?})", self.rank)
    }
}

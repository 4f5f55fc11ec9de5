//! [`RwLock`]: many readers or one writer, whose waiters block.
//!
//! One word holds the count of readers and three flags. A waiting writer keeps new readers out, so writers do not
//! starve; when the last holder leaves, everybody who waits is woken and tries again. It does not lend priority.
//!
//! XNU counterpart: `lck_rw_t`, including the exchange from shared to exclusive (`lck_rw_lock_shared_to_exclusive`)
//! and back.

use core::cell::UnsafeCell;
use core::fmt;
use core::marker::PhantomData;
use core::mem;
use core::ops::{Deref, DerefMut};
use core::sync::atomic::{AtomicU32, Ordering};

use super::held::{self, Held};
use super::{Rank, statistics};
use crate::thread::preemption;
use crate::wait::{Interruptible, WaitQueue};

const WRITER: u32 = 1 << 31;
const WRITER_WAITS: u32 = 1 << 30;
const WAITERS: u32 = 1 << 29;
const READERS: u32 = WAITERS - 1;

/// A readers-writer lock whose waiters block; holders may block too.
#[doc(alias = "lck_rw_t")]
pub struct RwLock<T: ?Sized> {
    rank: Rank,
    state: AtomicU32,
    waiters: WaitQueue,
    value: UnsafeCell<T>,
}

// SAFETY: readers share `&T` across threads (Sync), a writer moves access between them (Send).
unsafe impl<T: ?Sized + Send + Sync> Sync for RwLock<T> {}
// SAFETY: the value is owned by the lock.
unsafe impl<T: ?Sized + Send> Send for RwLock<T> {}

/// Proof of a shared hold.
#[must_use = "the lock is released at once if the guard is dropped"]
pub struct RwLockReadGuard<'a, T: ?Sized> {
    lock: &'a RwLock<T>,
    held: Held,
    _thread: PhantomData<*const ()>,
}

/// Proof of the exclusive hold.
#[must_use = "the lock is released at once if the guard is dropped"]
pub struct RwLockWriteGuard<'a, T: ?Sized> {
    lock: &'a RwLock<T>,
    held: Held,
    _thread: PhantomData<*const ()>,
}

impl<T> RwLock<T> {
    /// A free lock of rank `rank` around `value`.
    #[doc(alias = "lck_rw_init")]
    pub const fn new(rank: Rank, value: T) -> Self {
        Self {
            rank,
            state: AtomicU32::new(0),
            waiters: WaitQueue::new(),
            value: UnsafeCell::new(value),
        }
    }
}

impl<T: ?Sized> RwLock<T> {
    /// Takes a shared hold, blocking while a writer holds the lock or waits for it.
    #[doc(alias = "lck_rw_lock_shared")]
    #[track_caller]
    pub fn read(&self) -> RwLockReadGuard<'_, T> {
        self.read_ordered(held::Order::Rising)
    }

    /// Takes a shared hold where a lock of the same rank may be held already.
    #[track_caller]
    pub fn read_nested(&self) -> RwLockReadGuard<'_, T> {
        self.read_ordered(held::Order::Nested)
    }

    /// Takes the exclusive hold, blocking while anybody holds the lock.
    #[doc(alias = "lck_rw_lock_exclusive")]
    #[track_caller]
    pub fn write(&self) -> RwLockWriteGuard<'_, T> {
        self.write_ordered(held::Order::Rising)
    }

    /// Takes the exclusive hold where a lock of the same rank may be held already.
    #[track_caller]
    pub fn write_nested(&self) -> RwLockWriteGuard<'_, T> {
        self.write_ordered(held::Order::Nested)
    }

    /// A shared hold if it can be had without waiting.
    #[doc(alias = "lck_rw_try_lock_shared")]
    pub fn try_read(&self) -> Option<RwLockReadGuard<'_, T>> {
        self.enter_shared()
            .then(|| self.reader(held::note_tried(self.rank)))
    }

    /// The exclusive hold if it can be had without waiting.
    #[doc(alias = "lck_rw_try_lock_exclusive")]
    pub fn try_write(&self) -> Option<RwLockWriteGuard<'_, T>> {
        self.enter_exclusive()
            .then(|| self.writer(held::note_tried(self.rank)))
    }

    /// Exclusive access without locking, for whoever owns the lock itself.
    pub fn get_mut(&mut self) -> &mut T {
        self.value.get_mut()
    }

    fn reader(&self, held: Held) -> RwLockReadGuard<'_, T> {
        RwLockReadGuard {
            lock: self,
            held,
            _thread: PhantomData,
        }
    }

    fn writer(&self, held: Held) -> RwLockWriteGuard<'_, T> {
        RwLockWriteGuard {
            lock: self,
            held,
            _thread: PhantomData,
        }
    }

    #[track_caller]
    fn read_ordered(&self, order: held::Order) -> RwLockReadGuard<'_, T> {
        preemption::assert_may_block();
        let held = held::note(self.rank, order);
        if !self.enter_shared() {
            statistics::contended(self.rank);
            self.wait_until(WAITERS, Self::enter_shared);
        }
        self.reader(held)
    }

    #[track_caller]
    fn write_ordered(&self, order: held::Order) -> RwLockWriteGuard<'_, T> {
        preemption::assert_may_block();
        let held = held::note(self.rank, order);
        if !self.enter_exclusive() {
            statistics::contended(self.rank);
            self.wait_until(WAITERS | WRITER_WAITS, Self::enter_exclusive);
        }
        self.writer(held)
    }

    fn enter_shared(&self) -> bool {
        let enter = |state: u32| (state & (WRITER | WRITER_WAITS) == 0).then(|| state + 1);
        self.state
            .fetch_update(Ordering::Acquire, Ordering::Relaxed, enter)
            .is_ok()
    }

    fn enter_exclusive(&self) -> bool {
        let enter = |state: u32| (state & (WRITER | READERS) == 0).then_some(state | WRITER);
        self.state
            .fetch_update(Ordering::Acquire, Ordering::Relaxed, enter)
            .is_ok()
    }

    /// Registers, marks the word, tries, blocks; again until `enter` succeeds. The mark is made only while the lock
    /// is held by somebody, who will see it when leaving.
    #[cold]
    fn wait_until(&self, mark: u32, enter: fn(&Self) -> bool) {
        loop {
            let wait = self.waiters.assert_wait(Interruptible::No, None);
            let occupied = |state: u32| (state & (WRITER | READERS) != 0).then_some(state | mark);
            let marked = self
                .state
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, occupied)
                .is_ok();
            if enter(self) {
                wait.cancel();
                return;
            }
            if marked {
                let _ = wait.block();
            } else {
                wait.cancel();
                core::hint::spin_loop();
            }
        }
    }

    fn leave_shared(&self) {
        let before = self.state.fetch_sub(1, Ordering::Release);
        if before & READERS == 1 && before & WAITERS != 0 {
            self.wake_waiters();
        }
    }

    fn leave_exclusive(&self) {
        let before = self.state.fetch_and(!WRITER, Ordering::Release);
        if before & WAITERS != 0 {
            self.wake_waiters();
        }
    }

    #[cold]
    fn wake_waiters(&self) {
        self.state
            .fetch_and(!(WAITERS | WRITER_WAITS), Ordering::Relaxed);
        self.waiters.wake_all();
    }
}

impl<'a, T: ?Sized> RwLockReadGuard<'a, T> {
    /// Exchanges the shared hold for the exclusive one if this is the only reader; otherwise gives the guard back.
    /// Nothing can have changed in between.
    #[doc(alias = "lck_rw_lock_shared_to_exclusive")]
    pub fn try_upgrade(mut self) -> Result<RwLockWriteGuard<'a, T>, Self> {
        let upgrade = |state: u32| (state & READERS == 1).then_some((state - 1) | WRITER);
        if self
            .lock
            .state
            .fetch_update(Ordering::Acquire, Ordering::Relaxed, upgrade)
            .is_err()
        {
            return Err(self);
        }
        let lock = self.lock;
        let held = mem::replace(&mut self.held, Held::none());
        mem::forget(self);
        Ok(lock.writer(held))
    }
}

impl<'a, T: ?Sized> RwLockWriteGuard<'a, T> {
    /// Exchanges the exclusive hold for a shared one; no writer gets in between.
    #[doc(alias = "lck_rw_lock_exclusive_to_shared")]
    pub fn downgrade(mut self) -> RwLockReadGuard<'a, T> {
        let lock = self.lock;
        let held = mem::replace(&mut self.held, Held::none());
        mem::forget(self);
        let shared = |state: u32| Some((state & !(WRITER | WAITERS | WRITER_WAITS)) + 1);
        let before = lock
            .state
            .fetch_update(Ordering::Release, Ordering::Relaxed, shared);
        if before.is_ok_and(|state| state & WAITERS != 0) {
            lock.waiters.wake_all();
        }
        lock.reader(held)
    }
}

impl<T: ?Sized> Drop for RwLockReadGuard<'_, T> {
    fn drop(&mut self) {
        self.held.release();
        self.lock.leave_shared();
    }
}

impl<T: ?Sized> Drop for RwLockWriteGuard<'_, T> {
    fn drop(&mut self) {
        self.held.release();
        self.lock.leave_exclusive();
    }
}

impl<T: ?Sized> Deref for RwLockReadGuard<'_, T> {
    type Target = T;
    fn deref(&self) -> &T {
        // SAFETY: a shared hold excludes writers.
        unsafe { &*self.lock.value.get() }
    }
}

impl<T: ?Sized> Deref for RwLockWriteGuard<'_, T> {
    type Target = T;
    fn deref(&self) -> &T {
        // SAFETY: the exclusive hold excludes everybody else.
        unsafe { &*self.lock.value.get() }
    }
}

impl<T: ?Sized> DerefMut for RwLockWriteGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: the exclusive hold excludes everybody else, and the guard is borrowed exclusively.
        unsafe { &mut *self.lock.value.get() }
    }
}

impl<T: ?Sized> fmt::Debug for RwLock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RwLock({:?})", self.rank)
    }
}

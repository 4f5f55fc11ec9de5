//! Locks that spin: [`SpinLock`] with preemption off, [`InterruptLock`] with interrupts masked.
//!
//! Both wrap `spin`'s test-and-set lock, add the rank check, and keep the processor for as long as they are held, so that a
//! waiter never spins behind a thread that is not running. They do not know anything about who waits.
//!
//! XNU counterpart: `lck_spin_t`, and `simple_lock_t` under `splsched`.

use core::fmt;
use core::mem::ManuallyDrop;
use core::ops::{Deref, DerefMut};

use spin::mutex::{SpinMutex, SpinMutexGuard};

use super::held::{self, Held};
use super::{Rank, statistics};
use crate::thread::preemption;

/// A lock that spins with preemption disabled. Not to be taken by interrupt handlers.
#[doc(alias = "lck_spin_t")]
pub struct SpinLock<T: ?Sized> {
    rank: Rank,
    inner: SpinMutex<T>,
}

/// Proof that a [`SpinLock`] is held. Releases it, then enables preemption.
#[must_use = "the lock is released at once if the guard is dropped"]
pub struct SpinLockGuard<'a, T: ?Sized> {
    // Dropped by hand: the lock must be free before preemption comes back.
    inner: ManuallyDrop<SpinMutexGuard<'a, T>>,
    held: Held,
}

impl<T> SpinLock<T> {
    /// A free lock of rank `rank` around `value`.
    pub const fn new(rank: Rank, value: T) -> Self {
        Self {
            rank,
            inner: SpinMutex::new(value),
        }
    }

    /// The guarded value, when nobody can hold the lock any more.
    pub fn into_inner(self) -> T {
        self.inner.into_inner()
    }
}

impl<T: ?Sized> SpinLock<T> {
    /// Takes the lock; its rank must be above every rank the thread holds.
    #[doc(alias = "lck_spin_lock")]
    #[track_caller]
    pub fn lock(&self) -> SpinLockGuard<'_, T> {
        self.acquire(held::Order::Rising)
    }

    /// Takes the lock where a lock of the same rank may be held already. The caller states, in a comment, the order
    /// within the rank that excludes a deadlock.
    #[track_caller]
    pub fn lock_nested(&self) -> SpinLockGuard<'_, T> {
        self.acquire(held::Order::Nested)
    }

    /// Takes the lock if it is free at this moment. Allowed against the order of ranks.
    #[doc(alias = "lck_spin_try_lock")]
    pub fn try_lock(&self) -> Option<SpinLockGuard<'_, T>> {
        preemption::disable();
        match self.inner.try_lock() {
            Some(inner) => Some(SpinLockGuard {
                inner: ManuallyDrop::new(inner),
                held: held::note_tried(self.rank),
            }),
            None => {
                preemption::enable();
                None
            }
        }
    }

    /// Exclusive access without locking, for whoever owns the lock itself.
    pub fn get_mut(&mut self) -> &mut T {
        self.inner.get_mut()
    }

    /// Whether somebody holds the lock now; for assertions only.
    pub fn is_locked(&self) -> bool {
        self.inner.is_locked()
    }

    #[track_caller]
    fn acquire(&self, order: held::Order) -> SpinLockGuard<'_, T> {
        preemption::disable();
        let held = held::note(self.rank, order);
        let inner = match self.inner.try_lock() {
            Some(inner) => inner,
            None => {
                statistics::contended(self.rank);
                spin_on(&self.inner)
            }
        };
        SpinLockGuard {
            inner: ManuallyDrop::new(inner),
            held,
        }
    }
}

impl<T: ?Sized> Drop for SpinLockGuard<'_, T> {
    fn drop(&mut self) {
        // SAFETY: dropped exactly once, here; `inner` is not touched afterwards.
        unsafe { ManuallyDrop::drop(&mut self.inner) };
        self.held.release();
        preemption::enable();
    }
}

impl<T: ?Sized> Deref for SpinLockGuard<'_, T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.inner
    }
}

impl<T: ?Sized> DerefMut for SpinLockGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.inner
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for SpinLock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SpinLock({:?})", self.rank)
    }
}

/// Waits for a lock in the order of arrival.
#[cfg(target_os = "none")]
fn spin_on<T: ?Sized>(lock: &SpinMutex<T>) -> SpinMutexGuard<'_, T> {
    lock.lock()
}

/// Waits for a lock. The host may have taken the processor from the holder, or from whoever is next in the order of
/// arrival, so waiting gives way and keeps no order.
#[cfg(not(target_os = "none"))]
fn spin_on<T: ?Sized>(lock: &SpinMutex<T>) -> SpinMutexGuard<'_, T> {
    loop {
        if let Some(guard) = lock.try_lock() {
            return guard;
        }
        std::thread::yield_now();
    }
}

/// A lock that spins with interrupts masked, for what interrupt handlers touch too.
#[doc(alias = "simple_lock_t")]
pub struct InterruptLock<T: ?Sized> {
    rank: Rank,
    inner: SpinMutex<T>,
}

/// Proof that an [`InterruptLock`] is held. Releases it, then restores the interrupt mask.
#[must_use = "the lock is released at once if the guard is dropped"]
pub struct InterruptLockGuard<'a, T: ?Sized> {
    inner: ManuallyDrop<SpinMutexGuard<'a, T>>,
    held: Held,
    saved: ManuallyDrop<preemption::Masked>,
}

impl<T> InterruptLock<T> {
    /// A free lock of rank `rank` around `value`.
    pub const fn new(rank: Rank, value: T) -> Self {
        Self {
            rank,
            inner: SpinMutex::new(value),
        }
    }
}

impl<T: ?Sized> InterruptLock<T> {
    /// Masks interrupts on this processor and takes the lock.
    #[doc(alias = "simple_lock")]
    #[track_caller]
    pub fn lock(&self) -> InterruptLockGuard<'_, T> {
        self.acquire(held::Order::Rising)
    }

    /// Takes the lock where a lock of the same rank may be held already; see [`SpinLock::lock_nested`].
    #[track_caller]
    pub fn lock_nested(&self) -> InterruptLockGuard<'_, T> {
        self.acquire(held::Order::Nested)
    }

    /// Takes the lock if it is free at this moment. Allowed against the order of ranks.
    pub fn try_lock(&self) -> Option<InterruptLockGuard<'_, T>> {
        let saved = preemption::mask();
        let inner = self.inner.try_lock()?;
        let held = held::note_tried(self.rank);
        Some(InterruptLockGuard {
            inner: ManuallyDrop::new(inner),
            held,
            saved: ManuallyDrop::new(saved),
        })
    }

    /// Exclusive access without locking, for whoever owns the lock itself.
    pub fn get_mut(&mut self) -> &mut T {
        self.inner.get_mut()
    }

    /// Frees a lock whose guard was forgotten by another thread of this processor: the scheduler's lock is taken by
    /// the thread that switches away and released by the one that comes in.
    ///
    /// # Safety
    /// The lock is held, its guard was forgotten, and the caller is the one who continues in its place.
    #[cfg(target_os = "none")]
    pub(crate) unsafe fn force_unlock(&self) {
        // SAFETY: passed on to the caller.
        unsafe { self.inner.force_unlock() };
    }

    #[track_caller]
    fn acquire(&self, order: held::Order) -> InterruptLockGuard<'_, T> {
        let saved = preemption::mask();
        let held = held::note(self.rank, order);
        let inner = match self.inner.try_lock() {
            Some(inner) => inner,
            None => {
                statistics::contended(self.rank);
                spin_on(&self.inner)
            }
        };
        InterruptLockGuard {
            inner: ManuallyDrop::new(inner),
            held,
            saved: ManuallyDrop::new(saved),
        }
    }
}

#[cfg(target_os = "none")]
impl<T: ?Sized> InterruptLockGuard<'_, T> {
    /// Leaves the lock held for somebody else to free ([`InterruptLock::force_unlock`]), and gives what the caller
    /// undoes when it comes back: the entry in its stack of ranks, and the interrupt mask.
    pub(crate) fn hand_over(mut self) -> (Held, preemption::Masked) {
        let held = core::mem::replace(&mut self.held, Held::none());
        // SAFETY: `self` is forgotten below, so the mask is taken out exactly once.
        let saved = unsafe { ManuallyDrop::take(&mut self.saved) };
        core::mem::forget(self);
        (held, saved)
    }
}

impl<T: ?Sized> Drop for InterruptLockGuard<'_, T> {
    fn drop(&mut self) {
        // SAFETY: dropped exactly once, here; `inner` is not touched afterwards.
        unsafe { ManuallyDrop::drop(&mut self.inner) };
        self.held.release();
        // SAFETY: dropped exactly once, here, after the lock is free.
        unsafe { ManuallyDrop::drop(&mut self.saved) };
    }
}

impl<T: ?Sized> Deref for InterruptLockGuard<'_, T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.inner
    }
}

impl<T: ?Sized> DerefMut for InterruptLockGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.inner
    }
}

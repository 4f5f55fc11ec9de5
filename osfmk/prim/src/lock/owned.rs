//! [`OwnedMutexGuard`]: a held [`Mutex`] together with a counted reference to what it lives in.
//!
//! A walk down a chain of objects locks the next one while it holds the last (hand over hand) and lets go of the
//! last; a guard that borrows from a local reference cannot be passed along such a loop. This one carries its owner.
//! It does not know the order of the chain: the caller states it by choosing `lock_nested_owned`.
//!
//! XNU counterpart: none; C needs no proof that the object outlives its lock.

use alloc::sync::Arc;
use core::mem::ManuallyDrop;
use core::ops::{Deref, DerefMut};

use super::{Mutex, MutexGuard};

/// A held lock inside `O`, and a reference that keeps `O` alive.
#[must_use = "the lock is released at once if the guard is dropped"]
pub struct OwnedMutexGuard<O: 'static, T: 'static> {
    /// Dropped before `owner`; borrows from what `owner` points to.
    guard: ManuallyDrop<MutexGuard<'static, T>>,
    owner: Arc<O>,
}

impl<O, T> OwnedMutexGuard<O, T> {
    /// Takes the lock that `lock_of` finds in `owner`; see [`Mutex::lock`].
    #[track_caller]
    pub fn lock_owned(owner: Arc<O>, lock_of: fn(&O) -> &Mutex<T>) -> Self {
        let guard = ManuallyDrop::new(outlive(lock_of(&owner).lock()));
        Self { guard, owner }
    }

    /// As [`Self::lock_owned`], where a lock of the same rank is held; see [`Mutex::lock_nested`].
    #[track_caller]
    pub fn lock_nested_owned(owner: Arc<O>, lock_of: fn(&O) -> &Mutex<T>) -> Self {
        let guard = ManuallyDrop::new(outlive(lock_of(&owner).lock_nested()));
        Self { guard, owner }
    }

    /// Takes the lock if it is free; see [`Mutex::try_lock`].
    pub fn try_lock_owned(owner: Arc<O>, lock_of: fn(&O) -> &Mutex<T>) -> Option<Self> {
        let guard = ManuallyDrop::new(outlive(lock_of(&owner).try_lock()?));
        Some(Self { guard, owner })
    }

    /// What the lock lives in.
    pub fn owner(&self) -> &Arc<O> {
        &self.owner
    }
}

/// Forgets how long the lock lives. Only for a guard that is stored beside the `Arc` it was borrowed from.
fn outlive<T>(guard: MutexGuard<'_, T>) -> MutexGuard<'static, T> {
    // SAFETY: only the lifetime changes. The mutex was reached through a shared borrow of what the `Arc` beside the
    // guard points to; that memory neither moves nor dies while the `Arc` is held, a shared borrow of it cannot be
    // invalidated by other holders (none can get exclusive access while we hold a count), and `Drop` below releases
    // the guard before the count. The guard is never handed out by value.
    unsafe { core::mem::transmute::<MutexGuard<'_, T>, MutexGuard<'static, T>>(guard) }
}

impl<O, T> Drop for OwnedMutexGuard<O, T> {
    fn drop(&mut self) {
        // SAFETY: dropped once, here; nobody uses it afterwards. `owner` is dropped after this body.
        unsafe { ManuallyDrop::drop(&mut self.guard) }
    }
}

impl<O, T> Deref for OwnedMutexGuard<O, T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.guard
    }
}

impl<O, T> DerefMut for OwnedMutexGuard<O, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.guard
    }
}

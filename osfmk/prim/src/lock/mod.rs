//! Ranked locks.
//!
//! | type | while held | use for |
//! |---|---|---|
//! | [`SpinLock`] | preemption off, interrupts on | short sections never entered from an interrupt handler |
//! | [`InterruptLock`] | interrupts masked | what interrupt handlers touch too |
//! | [`Mutex`] | nothing; the holder may block | long sections |
//! | [`RwLock`] | nothing; the holder may block | long sections with many readers |
//!
//! Every lock has a [`Rank`] from the one table in [`rank`]; a thread takes locks in rising rank. Builds with debug
//! assertions check that on every acquisition, and check that a thread which blocks holds no spinning lock. A caller
//! that needs two locks of one rank says so with `lock_nested`. `try_lock` may be used against the order.
//!
//! The spinning kinds are built over `spin`'s test-and-set lock, the blocking kinds over [`crate::wait`]. Not over its
//! ticket lock: that hands the lock to a processor that the machine below us may not be running just then
//! (`docs/decisions/locks.md` has the figures).
//! What this does not do: priority inheritance; recursive locking.
//!
//! XNU counterpart: `lck_spin_t`, `lck_mtx_t`, `lck_rw_t`, and `lck_ticket_t` with its group checks.

pub mod held;
mod mutex;
mod owned;
pub mod rank;
mod rw;
mod spinning;
pub mod statistics;

pub use mutex::{Mutex, MutexGuard};
pub use owned::OwnedMutexGuard;
pub use rank::Rank;
pub use rw::{RwLock, RwLockReadGuard, RwLockWriteGuard};
pub use spinning::{InterruptLock, InterruptLockGuard, SpinLock, SpinLockGuard};

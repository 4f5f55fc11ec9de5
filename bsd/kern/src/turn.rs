//! [`Turn`]: one at a time, for as long as it takes.
//!
//! Not a lock of the kernel: whoever has the turn may wait for a pager, and whoever waits for the turn can be killed meanwhile.
//! XNU counterpart: `vn_offset_lock`, a vnode's truncate lock.

use core::sync::atomic::{AtomicBool, Ordering};

use prim::wait::{Interruptible, WaitQueue, WaitResult};

use crate::sysent::Failure;

/// Something that one thread does at a time.
#[derive(Default)]
pub struct Turn {
    taken: AtomicBool,
    waiters: WaitQueue,
}

impl Turn {
    /// Nobody's.
    pub const fn new() -> Self {
        Self {
            taken: AtomicBool::new(false),
            waiters: WaitQueue::new(),
        }
    }

    /// Waits until it is the caller's turn.
    ///
    /// # Errors
    /// A restart, when a signal came first.
    pub fn take(&self) -> Result<TurnGuard<'_>, Failure> {
        loop {
            if !self.taken.swap(true, Ordering::Acquire) {
                return Ok(TurnGuard(self));
            }
            let wait = self.waiters.assert_wait(Interruptible::AbortSafe, None);
            if !self.taken.load(Ordering::SeqCst) {
                wait.cancel();
            } else if wait.block() == WaitResult::Interrupted {
                return Err(Failure::Restart);
            }
        }
    }
}

/// The caller's turn; dropping it ends it.
pub struct TurnGuard<'a>(&'a Turn);

impl Drop for TurnGuard<'_> {
    fn drop(&mut self) {
        self.0.taken.store(false, Ordering::SeqCst);
        // All of them: one that was interrupted would not pass the word on.
        self.0.waiters.wake_all();
    }
}

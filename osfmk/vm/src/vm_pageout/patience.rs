//! Waiting for memory in calls that cannot wait in their middle.
//!
//! What makes maps, tasks and their parts fails at once when memory is short, with nothing changed and nothing locked any
//! more. [`patiently`] is for those who may wait: it waits as a fault does, and tries again.
//!
//! XNU counterpart: `Z_WAITOK`, `VM_PAGE_WAIT`.

use mach::KernReturn;
use prim::clock::Deadline;
use prim::frames::{self, Reserve};
use prim::wait::{Interruptible, WaitResult};

use super::{surrenders, waiting_is_in_vain};

/// How long each wait for frames is.
const WAIT_MILLISECONDS: u64 = 50;

/// Surrenders of page-out that a call survives.
const PATIENCE: u64 = 2;

/// How often an attempt may fail although there is memory: then it is something else that is short.
const FAILURES: u32 = 3;

/// An error that may say that memory is short.
pub trait Shortage {
    /// Does it?
    fn is_shortage(&self) -> bool;

    /// The error that says that a signal ended the wait.
    fn interrupted() -> Self;
}

impl Shortage for KernReturn {
    fn is_shortage(&self) -> bool {
        *self == KernReturn::RESOURCE_SHORTAGE
    }

    fn interrupted() -> Self {
        KernReturn::ABORTED
    }
}

/// Makes attempts until one does not fail for want of memory, or page-out gives up. No lock may be held; an attempt that fails must
/// have changed nothing.
///
/// # Errors
/// The attempt's, or that a signal ended the wait.
pub fn patiently<T, E: Shortage>(mut attempt: impl FnMut() -> Result<T, E>) -> Result<T, E> {
    let seen = surrenders();
    let mut failures = 0;
    loop {
        let outcome = attempt();
        if !outcome.as_ref().is_err_and(E::is_shortage) {
            return outcome;
        }
        if frames::available() >= frames::targets().low {
            failures += 1;
            if failures == FAILURES {
                return outcome;
            }
            continue;
        }
        let deadline = Deadline::after_milliseconds(WAIT_MILLISECONDS);
        let wait = frames::wait_for_frames(Reserve::Normal, Interruptible::AbortSafe, deadline);
        if waiting_is_in_vain(seen, PATIENCE) {
            return outcome;
        }
        if let Some(WaitResult::Interrupted) = wait.map(frames::FrameWait::block) {
            return Err(E::interrupted());
        }
    }
}

//! Interruption, abort levels and termination.
//!
//! An abort ends the wait of a thread that allows it ([`crate::wait::Interruptible`]), or the next such wait if it is
//! not waiting. The safe level is used up by that; a hard abort stays until [`Thread::clear_abort`], which the layer
//! above calls on the way to user mode; termination stays for good.
//!
//! XNU counterpart: `thread_abort`, `thread_abort_safely`, `TH_SFLAG_ABORT`, `TH_SFLAG_ABORTSAFELY`.

use core::sync::atomic::Ordering;

use super::{Thread, execution, unpark};
use crate::wait::{self, Interruptible};

/// How strongly a thread is aborted.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum AbortLevel {
    /// Ends waits that can be restarted ([`Interruptible::AbortSafe`]); used up by the first.
    #[doc(alias = "thread_abort_safely")]
    Safely,
    /// Ends every wait that can be interrupted at all; stays until cleared.
    #[doc(alias = "thread_abort")]
    Abort,
}

const SAFELY: u32 = 1;
const ABORT: u32 = 2;
const TERMINATE: u32 = 4;

impl Thread {
    /// Interrupts the thread's wait, or its next one, as a signal does.
    #[doc(alias = "clear_wait")]
    pub fn interrupt(&self) {
        self.abort(AbortLevel::Safely);
    }

    /// Aborts at this level.
    #[doc(alias = "thread_abort")]
    pub fn abort(&self, level: AbortLevel) {
        let bit = if level == AbortLevel::Abort {
            ABORT
        } else {
            SAFELY
        };
        self.aborts.fetch_or(bit, Ordering::AcqRel);
        self.end_wait(level);
    }

    /// Asks the thread to end: every wait that can be interrupted is, from now on, and the layer above ends it on
    /// its way to user mode.
    #[doc(alias = "thread_terminate")]
    pub fn terminate(&self) {
        self.aborts.fetch_or(TERMINATE, Ordering::AcqRel);
        self.end_wait(AbortLevel::Abort);
        execution::nudge(self);
    }

    /// Whether the thread was asked to end.
    pub fn is_terminating(&self) -> bool {
        self.aborts.load(Ordering::Acquire) & TERMINATE != 0
    }

    /// Whether a wait of this kind would be interrupted at once; for loops that do work without waiting.
    #[doc(alias = "thread_should_abort")]
    pub fn should_abort(&self, interruptible: Interruptible) -> bool {
        self.aborts.load(Ordering::Acquire) & mask_of(interruptible) != 0
    }

    /// Forgets aborts, but not termination.
    #[doc(alias = "act_set_state")]
    pub fn clear_abort(&self) {
        self.aborts.fetch_and(TERMINATE, Ordering::AcqRel);
    }

    /// Whether a wait that begins now must not wait; uses up a safe abort. Called under the wait lock.
    pub(crate) fn take_abort(&self, interruptible: Interruptible) -> bool {
        let mask = mask_of(interruptible);
        if mask == 0 || self.aborts.load(Ordering::Acquire) & mask == 0 {
            return false;
        }
        self.aborts.fetch_and(!SAFELY, Ordering::AcqRel);
        true
    }

    fn end_wait(&self, level: AbortLevel) {
        if wait::interrupt(self, level) {
            self.aborts.fetch_and(!SAFELY, Ordering::AcqRel);
            unpark(self);
        }
    }
}

fn mask_of(interruptible: Interruptible) -> u32 {
    match interruptible {
        Interruptible::No => 0,
        Interruptible::Abort => ABORT | TERMINATE,
        Interruptible::AbortSafe => SAFELY | ABORT | TERMINATE,
    }
}

//! A thread's half of signals: its mask, what is pending for it alone, its alternate stack.
//!
//! The words that others read are atomic. All the rest is the thread's own business; its lock is never contended and only
//! makes the sharing safe. XNU counterpart: the signal fields of `struct uthread`.

use alloc::sync::Arc;
use core::any::Any;
use core::sync::atomic::{AtomicU32, Ordering};

use bsd_sys::signal::{CANNOT_MASK, Signal, SignalSet};
use kern::thread::Thread;
use prim::lock::{Mutex, MutexGuard, Rank};
use prim::wait::WaitQueue;

use crate::proc::Proc;

/// What a thread knows of signals.
#[doc(alias = "uthread_t")]
pub(crate) struct ThreadSignals {
    /// Blocked signals; written by the thread itself.
    mask: AtomicU32,
    /// Signals for this thread alone: those that its own instructions caused.
    pending: AtomicU32,
    /// Where it waits in `sigsuspend`. Nobody wakes it: a signal interrupts.
    pub(super) suspended: WaitQueue,
    /// Rank `TaskThread`.
    own: Mutex<Own>,
}

/// What only the thread itself uses.
#[derive(Clone, Default)]
pub(super) struct Own {
    /// The mask to go back to after `sigsuspend`.
    #[doc(alias = "uu_oldmask")]
    pub(super) saved_mask: Option<SignalSet>,
    pub(super) stack: AlternateStack,
    /// What `sigreturn` must bring along; 0 until the first handler.
    #[doc(alias = "uu_sigreturn_token")]
    pub(super) token: u64,
    /// The last exception.
    pub(super) fault: Fault,
    /// The system call that has just been cut short.
    pub(super) interrupted: Option<Interruption>,
}

/// The stack for handlers that ask for one.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct AlternateStack {
    /// Lowest address and bytes; `None` if there is none.
    pub(super) range: Option<(u64, u64)>,
    /// A handler runs on it.
    pub(super) in_use: bool,
}

/// What an exception tells a handler.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Fault {
    /// `si_code`.
    pub(super) code: i32,
    /// `si_addr`.
    pub(super) address: u64,
}

/// How a system call was cut short: whether it starts again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Interruption {
    /// Unless a handler without `SA_RESTART` runs.
    Restartable,
    /// Unless a handler runs.
    EndsWithHandler,
}

/// For whom a signal was pending.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Origin {
    /// The process: somebody sent it.
    Process,
    /// The thread: its own instruction caused it.
    Thread,
}

impl ThreadSignals {
    /// As a thread carries it.
    fn extension(mask: SignalSet, own: Own) -> Arc<dyn Any + Send + Sync> {
        Arc::new(Self {
            mask: AtomicU32::new(mask),
            pending: AtomicU32::new(0),
            suspended: WaitQueue::new(),
            own: Mutex::new(Rank::TaskThread, own),
        })
    }

    /// A thread's half.
    pub(crate) fn of(thread: &Thread) -> &Self {
        thread
            .extension(|| Self::extension(0, Own::default()))
            .downcast_ref()
            .expect("only this crate hangs something into a thread")
    }

    /// Gives a thread that has not run yet what fork inherits: mask and alternate stack.
    pub(crate) fn inherit(child: &Thread, parent: &Thread) {
        let parent = Self::of(parent);
        let own = Own {
            stack: parent.own().stack,
            ..Own::default()
        };
        child.extension(|| Self::extension(parent.mask(), own));
    }

    /// Another program begins: no alternate stack, and tokens of the old one mean nothing.
    pub(crate) fn exec(&self) {
        *self.own() = Own::default();
    }

    pub(super) fn own(&self) -> MutexGuard<'_, Own> {
        self.own.lock()
    }

    /// What is blocked.
    pub(crate) fn mask(&self) -> SignalSet {
        self.mask.load(Ordering::SeqCst)
    }

    /// Blocks these signals and no others. Whoever unblocks looks at what is pending afterwards.
    pub(super) fn set_mask(&self, mask: SignalSet) {
        self.mask.store(mask & !CANNOT_MASK, Ordering::SeqCst);
    }

    /// Makes a signal pending for this thread alone.
    pub(super) fn post(&self, signal: Signal) {
        self.pending.fetch_or(signal.bit(), Ordering::SeqCst);
    }

    /// What is pending for the thread, blocked or not.
    pub(super) fn pending(&self, proc: &Proc) -> SignalSet {
        self.pending.load(Ordering::SeqCst) | proc.pending.load(Ordering::SeqCst)
    }

    /// Whether there is something the thread would act on.
    pub(super) fn has_deliverable(&self, proc: &Proc) -> bool {
        self.pending(proc) & !self.mask() != 0
    }

    /// Forgets what is pending of a signal.
    pub(super) fn forget(&self, signal: Signal) {
        self.pending.fetch_and(!signal.bit(), Ordering::SeqCst);
    }

    /// Takes the lowest signal that is not blocked; of several threads one gets it.
    #[doc(alias = "issignal_locked")]
    pub(super) fn take(&self, proc: &Proc) -> Option<(Signal, Origin)> {
        loop {
            let open = self.pending(proc) & !self.mask();
            let signal = Signal::new(open.trailing_zeros() as i32 + 1)?;
            for (word, origin) in [
                (&self.pending, Origin::Thread),
                (&proc.pending, Origin::Process),
            ] {
                if word.fetch_and(!signal.bit(), Ordering::SeqCst) & signal.bit() != 0 {
                    return Some((signal, origin));
                }
            }
        }
    }
}

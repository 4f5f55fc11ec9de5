//! The reaper: takes things apart with no lock held.
//!
//! Dropping a message, a copy object, a port or an object under somebody's lock must not run their teardown there:
//! [`reap`] puts them on a list, and the reaper's thread calls [`Reap::reap`] later. The list's link is part of what
//! is reaped ([`ReapLink`]), so putting something on it never allocates and never fails.
//!
//! XNU counterpart: `thread_terminate_daemon`, `vm_object_reaper_thread`, deferred deallocation by `thread_call`.

use alloc::boxed::Box;
use core::sync::atomic::{AtomicU64, Ordering};

use crate::lock::{Rank, SpinLock};
use crate::thread::{self, Priority, SpawnError, Thread};
use crate::wait::{Interruptible, WaitQueue};

/// Something to be taken apart.
pub trait Reap: Send {
    /// The link the list uses; a field of the value.
    fn link(&mut self) -> &mut ReapLink;

    /// Takes the value apart, on the reaper's thread, no lock held. It may block shortly, and may put more on the
    /// list.
    fn reap(self: Box<Self>);
}

/// The list's link in something that can be reaped.
#[derive(Default)]
pub struct ReapLink {
    next: Option<Box<dyn Reap>>,
}

impl ReapLink {
    /// A link that is on no list.
    pub const fn new() -> Self {
        Self { next: None }
    }
}

struct List {
    /// Latest first.
    head: Option<Box<dyn Reap>>,
}

static LIST: SpinLock<List> = SpinLock::new(Rank::Reaper, List { head: None });
static WORK: WaitQueue = WaitQueue::new();
static IDLE: WaitQueue = WaitQueue::new();
/// Things put on the list, and things taken apart.
static QUEUED: AtomicU64 = AtomicU64::new(0);
static DONE: AtomicU64 = AtomicU64::new(0);
static THREAD: spin::Once<alloc::sync::Arc<Thread>> = spin::Once::new();

/// Puts something on the reaper's list. Allowed under any lock whose rank is below the reaper's.
#[doc(alias = "vm_object_reap_async")]
pub fn reap(mut what: Box<dyn Reap>) {
    QUEUED.fetch_add(1, Ordering::AcqRel);
    let mut list = LIST.lock();
    what.link().next = list.head.take();
    list.head = Some(what);
    drop(list);
    WORK.wake_one();
}

/// Starts the reaper's thread unless it runs. Part of start-up; what was put on the list before is not lost.
pub fn start() -> Result<(), SpawnError> {
    THREAD
        .try_call_once(|| thread::spawn_kernel("reaper", Priority::KERNEL, serve))
        .map(|_| ())
}

/// Things on the list or being taken apart.
pub fn backlog() -> u64 {
    let done = DONE.load(Ordering::Acquire);
    QUEUED.load(Ordering::Acquire).saturating_sub(done)
}

/// Waits until everything put on the list so far, and what followed from it, is gone. For tests and statistics.
pub fn quiesce() {
    if start().is_err() {
        return;
    }
    while backlog() != 0 {
        let wait = IDLE.assert_wait(Interruptible::No, None);
        if backlog() == 0 {
            wait.cancel();
            return;
        }
        let _ = wait.block();
    }
}

/// Everything on the list, oldest first.
fn take_all() -> Option<Box<dyn Reap>> {
    let mut newest_first = LIST.lock().head.take();
    let mut oldest_first = None;
    while let Some(mut item) = newest_first {
        newest_first = core::mem::replace(&mut item.link().next, oldest_first);
        oldest_first = Some(item);
    }
    oldest_first
}

/// The reaper's thread.
#[doc(alias = "vm_object_reaper_thread")]
fn serve() {
    loop {
        let wait = WORK.assert_wait(Interruptible::No, None);
        let Some(mut first) = take_all() else {
            IDLE.wake_all();
            let _ = wait.block();
            continue;
        };
        wait.cancel();
        loop {
            let next = first.link().next.take();
            first.reap();
            DONE.fetch_add(1, Ordering::AcqRel);
            match next {
                Some(next) => first = next,
                None => break,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::sync::Arc;
    use core::sync::atomic::AtomicUsize;

    struct Counted {
        link: ReapLink,
        gone: Arc<AtomicUsize>,
        children: usize,
    }

    impl Reap for Counted {
        fn link(&mut self) -> &mut ReapLink {
            &mut self.link
        }

        fn reap(self: Box<Self>) {
            assert_eq!(thread::preemption::level(), 0, "no lock is held");
            self.gone.fetch_add(1, Ordering::Relaxed);
            for _ in 0..self.children {
                reap(Box::new(Counted {
                    link: ReapLink::new(),
                    gone: self.gone.clone(),
                    children: 0,
                }));
            }
        }
    }

    #[test]
    fn what_is_reaped_under_a_lock_is_taken_apart_later_with_its_children() {
        static HELD: SpinLock<()> = SpinLock::new(Rank::Object, ());
        let gone = Arc::new(AtomicUsize::new(0));
        let guard = HELD.lock();
        for _ in 0..100 {
            reap(Box::new(Counted {
                link: ReapLink::new(),
                gone: gone.clone(),
                children: 3,
            }));
        }
        drop(guard);
        quiesce();
        assert_eq!(gone.load(Ordering::Relaxed), 400);
    }
}

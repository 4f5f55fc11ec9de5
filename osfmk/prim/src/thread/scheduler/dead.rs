//! Threads that have ended: a kernel thread drops them, because a thread cannot free the stack it stands on.
//!
//! XNU counterpart: `thread_terminate_daemon`, `stack_free_stack`.

use alloc::sync::Arc;

use crate::lock::{InterruptLock, Rank};
use crate::thread::{self, Priority, SpawnError, Thread};
use crate::wait::{Interruptible, WaitQueue};

struct List {
    /// Counted references, linked through the run queue's links, which a dead thread does not need.
    queue: super::run_queue::RunQueue<Thread>,
}

// SAFETY: pointers to threads, which are Send, behind a lock.
unsafe impl Send for List {}

static DEAD: InterruptLock<List> = InterruptLock::new(
    Rank::ThreadFields,
    List {
        queue: super::run_queue::RunQueue::new(),
    },
);
static WORK: WaitQueue = WaitQueue::new();

/// Puts an ended thread on the list; called by its successor on the processor, interrupts masked.
pub(super) fn bury(thread: Arc<Thread>) {
    let thread = Arc::into_raw(thread);
    // SAFETY: the counted reference keeps it alive on the list; it never runs again, so its links are free.
    unsafe {
        DEAD.lock()
            .queue
            .push(thread, 0, super::run_queue::End::Back)
    };
    WORK.wake_one();
}

/// Starts the thread that drops them.
pub(crate) fn start() -> Result<(), SpawnError> {
    thread::spawn_kernel("thread reaper", Priority::KERNEL, serve).map(drop)
}

fn serve() {
    loop {
        let wait = WORK.assert_wait(Interruptible::No, None);
        let next = DEAD.lock().queue.pop().unwrap_or_default();
        if next.is_null() {
            let _ = wait.block();
            continue;
        }
        wait.cancel();
        // SAFETY: takes back the reference that `bury` put on the list.
        drop(unsafe { Arc::from_raw(next) });
    }
}

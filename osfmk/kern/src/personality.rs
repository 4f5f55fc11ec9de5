//! The operating system on top of Mach, as `kern` sees it.
//!
//! Positive system call numbers, exceptions that no exception port took, and what happens at the edges of a task's
//! life belong to the BSD layer, which `kern` cannot name. `bsd` implements [`Personality`] and registers it once, at boot.
//! XNU calls straight up (`unix_syscall`, `ux_exception`, `bsd_ast`).

use alloc::string::String;
use alloc::sync::Arc;
use machine::trap::SavedState;
use spin::Once;

use crate::exception::UserException;
use crate::task::Task;
use crate::thread::Thread;

/// What the layer above does for user tasks. Every method runs on the thread concerned, with no lock held, and may block.
pub trait Personality: Sync {
    /// A system call with a positive number; the answer goes into `state`.
    #[doc(alias = "unix_syscall")]
    fn system_call(&self, thread: &Arc<Thread>, state: &mut SavedState);

    /// An exception nobody handled: make it a signal.
    #[doc(alias = "handle_ux_exception")]
    fn exception(&self, thread: &Arc<Thread>, state: &mut SavedState, exception: &UserException);

    /// Something is pending for the thread (a signal): act on it before it returns to user mode.
    #[doc(alias = "bsd_ast")]
    fn pending(&self, thread: &Arc<Thread>, state: &mut SavedState);

    /// The last thread of the task is gone, and its memory and ports with it. Called once.
    fn task_terminated(&self, task: &Arc<Task>);

    /// The process number of a task, for `pid_for_task`.
    fn pid(&self, task: &Task) -> Option<i32>;

    /// The task of a process, for `task_for_pid`.
    fn task_for_pid(&self, pid: i32) -> Option<Arc<Task>>;

    /// The name of a task's program.
    fn name(&self, task: &Task) -> String;

    /// Whether the task may name the host's privileged ports.
    fn is_privileged(&self, task: &Task) -> bool;

    /// Whether memory comes from the task: it may use the frames' reserve.
    fn serves_memory(&self, task: &Task) -> bool;
}

static PERSONALITY: Once<&'static dyn Personality> = Once::new();

/// Registers the layer above. Only the first call counts.
pub fn register(personality: &'static dyn Personality) {
    PERSONALITY.call_once(|| personality);
}

/// The layer above; `None` before boot has registered it.
#[must_use]
pub fn personality() -> Option<&'static dyn Personality> {
    PERSONALITY.get().copied()
}

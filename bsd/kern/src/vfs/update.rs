//! Dirty files reach their file systems in time: every few seconds, on `sync`, and before the power goes.
//!
//! XNU counterpart: `bsd/vfs/vfs_syscalls.c` (`sync`), the update daemon.

use alloc::sync::Arc;
use core::time::Duration;

use prim::clock::Deadline;
use prim::thread::{Priority, SpawnError, spawn_kernel};
use prim::wait::{Interruptible, WaitQueue};

use super::{cache, content};
use crate::sysent::{Call, DONE, Outcome};

/// How long a page may be dirty before it is written back.
const INTERVAL: Duration = Duration::from_secs(5);

/// Starts the thread that writes back.
///
/// # Errors
/// When the thread cannot be made.
pub fn start() -> Result<(), SpawnError> {
    spawn_kernel("update", Priority::KERNEL, serve).map(drop)
}

fn serve() {
    static NOBODY: WaitQueue = WaitQueue::new();
    loop {
        let deadline = Some(Deadline::after(INTERVAL));
        let _ = NOBODY.assert_wait(Interruptible::No, deadline).block();
        start_write_back();
    }
}

/// Starts to write back everything that is dirty.
fn start_write_back() {
    for vnode in cache::regular_files() {
        content::start_write_back(&vnode);
    }
}

/// Writes everything back and waits until it is durable; what cannot be written is told on the console.
pub(crate) fn finish() {
    start_write_back();
    for vnode in cache::regular_files() {
        if vnode.was_written()
            && let Err(failure) = content::synchronize(&vnode)
        {
            let path = Arc::clone(&vnode).path();
            crate::tty::report(format_args!("{path}: not written back: {failure:?}\n"));
        }
    }
}

/// `sync()`: starts, and does not wait.
pub(crate) fn sync(_call: &mut Call<'_>) -> Outcome {
    start_write_back();
    DONE
}

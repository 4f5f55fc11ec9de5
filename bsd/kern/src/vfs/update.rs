//! Dirty files reach their file systems in time: every few seconds, on `sync`, before a file system goes, and before the
//! power does.
//!
//! XNU counterpart: `bsd/vfs/vfs_syscalls.c` (`sync`), the update daemon.

use alloc::sync::Arc;
use core::time::Duration;

use bsd_sys::errno::Errno;
use bsd_sys::fsctl;
use prim::clock::Deadline;
use prim::thread::{Priority, SpawnError, spawn_kernel};
use prim::wait::{Interruptible, WaitQueue};

use super::lookup::Last;
use super::syscalls::named;
use super::vnode::Vnode;
use super::{FileSystem, cache, content};
use crate::kern_descrip;
use crate::sysent::{Call, DONE, Failure, Outcome};

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
            crate::tty::report(format_args!("{path}: not written back: {failure}\n"));
        }
    }
}

/// `sync()`: starts, and does not wait.
pub(crate) fn sync(_call: &mut Call<'_>) -> Outcome {
    start_write_back();
    DONE
}

/// `fsctl(path, request, argument, options)`.
pub(crate) fn fsctl(call: &mut Call<'_>) -> Outcome {
    let options = call.word(3);
    if options & !fsctl::FSOPT_NOFOLLOW != 0 {
        return Err(Errno::EINVAL.into());
    }
    let last = if options & fsctl::FSOPT_NOFOLLOW != 0 {
        Last::Keep
    } else {
        Last::Follow
    };
    let vnode = named(call, 0, last)?;
    request(call, &vnode)
}

/// `ffsctl(fd, request, argument, options)`.
pub(crate) fn ffsctl(call: &mut Call<'_>) -> Outcome {
    let file = kern_descrip::lookup(call.proc, call.int(0))?;
    request(call, file.vnode().ok_or(Errno::EBADF)?)
}

#[doc(alias = "fsctl_internal")]
fn request(call: &Call<'_>, vnode: &Vnode) -> Outcome {
    match call.word(1) {
        fsctl::FSIOC_SYNC_VOLUME => {
            let how = call.copyin_int(call.long(2))? as u32;
            synchronize_volume(vnode.file_system(), how & fsctl::FSCTL_SYNC_WAIT != 0)?;
            DONE
        }
        _ => Err(Errno::ENOTTY.into()),
    }
}

/// Writes back what has changed in one file system; with `wait`, until it is durable, or the first failure.
fn synchronize_volume(file_system: &Arc<dyn FileSystem>, wait: bool) -> Result<(), Failure> {
    let mut written = cache::of(file_system);
    written.retain(|vnode| vnode.is_regular() && vnode.was_written());
    for vnode in &written {
        content::start_write_back(vnode);
    }
    if !wait {
        return Ok(());
    }
    // All of them, whatever became of the others.
    let outcomes = written.iter().map(|vnode| content::synchronize(vnode));
    outcomes.fold(Ok(()), Result::and)
}

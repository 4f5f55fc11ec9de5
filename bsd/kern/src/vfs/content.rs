//! Changing what is in a file: writing, cutting and growing it, making it durable.
//!
//! All of it goes through the pages of the file's object, which mappings show too. The kernel's size is the truth from the first open
//! on: a write that goes beyond the end grows the object first and takes back what it could not fill. One thread changes a file at a
//! time ([`Turn`](crate::turn::Turn)), so that two that write at its end do not write over each other.
//! XNU counterpart: `bsd/vfs/vfs_cluster.c` (`cluster_write`), `ubc_subr.c` (`ubc_setsize`, `ubc_msync`).

use alloc::sync::Arc;

use bsd_sys::errno::Errno;
use mach::KernReturn;
use machine::page::round_page;
use vm::vm_object::{ObjectRef, SyncFlags};

use super::server;
use super::vnode::Vnode;
use crate::sysent::{Call, Failure};

/// Where to write.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Place {
    /// At a position.
    At(u64),
    /// Behind everything (`O_APPEND`).
    End,
}

/// What was written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Written {
    /// Where it begins.
    pub start: u64,
    /// Bytes.
    pub length: u64,
}

/// The largest size of a file (`off_t`).
const SIZE_MAX: u64 = i64::MAX as u64;

/// Writes what lies at `user` in the calling program.
///
/// # Errors
/// `EFBIG`, `EFAULT`, `EIO`, `ENOMEM`, what the file system says; a restart. What was written before the trouble counts.
#[doc(alias = "cluster_write")]
#[doc(alias = "vn_write")]
pub(crate) fn write(
    call: &Call<'_>,
    vnode: &Arc<Vnode>,
    place: Place,
    user: u64,
    length: u64,
) -> Result<Written, Failure> {
    let object = vnode.object().map_err(Failure::or_restart)?;
    let _turn = vnode.changing().take()?;
    let old = vnode.size();
    let start = match place {
        Place::At(position) => position,
        Place::End => old,
    };
    let end = start
        .checked_add(length)
        .filter(|end| *end <= SIZE_MAX)
        .ok_or(Errno::EFBIG)?;
    if length == 0 {
        return Ok(Written { start, length });
    }
    vnode.note_writing();
    if end > old {
        resize(vnode, &object, end)?;
    }
    // A file that ends in the middle of a page has data in that page; behind it there is nothing to be read.
    let fresh = round_page(old);
    let outcome = object.write_from_user(start, length as usize, call.map, user, fresh);
    let done = match &outcome {
        Ok(done) => *done as u64,
        Err(incomplete) => incomplete.done as u64,
    };
    if done < length && end > old {
        resize(vnode, &object, old.max(start + done))?;
    }
    match outcome {
        Err(incomplete) if done == 0 => Err(failure(incomplete.cause)),
        _ => Ok(Written {
            start,
            length: done,
        }),
    }
}

/// Gives the object another size, and the vnode. The turn is the caller's.
fn resize(vnode: &Vnode, object: &ObjectRef, size: u64) -> Result<(), Failure> {
    let control = object.memory_control().ok_or(Errno::EIO)?;
    control.set_size(size).map_err(failure)?;
    vnode.set_size(size);
    Ok(())
}

/// Cuts a file off, or makes it longer by zeroes.
///
/// # Errors
/// `EFBIG`, `EIO`, what the file system says; a restart.
#[doc(alias = "vnode_setsize")]
#[doc(alias = "ubc_setsize")]
pub(crate) fn truncate(vnode: &Arc<Vnode>, size: u64) -> Result<(), Failure> {
    if size > SIZE_MAX {
        return Err(Errno::EFBIG.into());
    }
    let object = vnode.object().map_err(Failure::or_restart)?;
    let _turn = vnode.changing().take()?;
    vnode.note_writing();
    let old = vnode.size();
    // Pages that are cut off must not be written any more when the file system hears of it; pages that are added must not be
    // written before.
    if size < old {
        resize(vnode, &object, size)?;
    }
    let told = vnode.file_system().set_size(vnode.handle(), size);
    told.map_err(Failure::or_restart)?;
    if size > old {
        resize(vnode, &object, size)?;
    }
    Ok(())
}

/// Writes a file's dirty pages back and waits until they are durable.
///
/// # Errors
/// `EIO`, or what the file system said when it could not write, once; a restart.
#[doc(alias = "ubc_msync")]
pub(crate) fn synchronize(vnode: &Vnode) -> Result<(), Failure> {
    let Some(object) = vnode.known_object() else {
        return Ok(());
    };
    let all = SyncFlags {
        write_back: true,
        wait: true,
        invalidate: false,
    };
    object.sync(0, SIZE_MAX, all).map_err(failure)?;
    vnode.note_written_back();
    Ok(())
}

/// Starts to write a file's dirty pages back, if it was written at all.
pub(super) fn start_write_back(vnode: &Vnode) {
    let dirty = vnode.known_object().filter(|_| vnode.was_written());
    if let Some(object) = dirty {
        let some = SyncFlags {
            write_back: true,
            wait: false,
            invalidate: false,
        };
        // A failure stays with the object, for who asks.
        let _ = object.sync(0, SIZE_MAX, some);
    }
}

/// What a failure of the VM's means to a program.
pub(crate) fn failure(cause: KernReturn) -> Failure {
    match cause {
        KernReturn::ABORTED => Failure::Restart,
        KernReturn::INVALID_ADDRESS | KernReturn::PROTECTION_FAILURE => Errno::EFAULT.into(),
        // What a pager said, as far as it makes sense.
        cause => server::errno(cause).into(),
    }
}

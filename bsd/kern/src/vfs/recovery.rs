//! A file server that was started again takes over the files of the one that has died.
//!
//! Vnodes outlive their server, and so do the pages under them: what was written and not yet saved is held in objects without
//! a pager. The new server knows nothing; [`revive`] finds each file for it again by the path it was last reached by, and has
//! the object adopted, whose unsaved pages are returned then. A file that is not found, or is another one by now, is lost:
//! whoever has it open gets errors, and its name leads to what is there now. Until all is done users are still told that the
//! server is dead, so no name changes meanwhile.
//!
//! XNU has no counterpart; its nearest relative is a remount after `EV_VFS_DEAD`.

use alloc::sync::Arc;

use bsd_sys::errno::Errno;
use mach::file::hidden_name;

use super::vnode::Vnode;
use super::{FileSystem, cache, namespace};

/// What has become of the files that were known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Revived {
    /// Found again.
    pub(super) files: usize,
    /// Not found.
    pub(super) lost: usize,
    /// Pages of lost files that nobody will save.
    pub(super) lost_pages: u64,
}

/// Finds the files of the mount whose top is `root` again with `server`, which will answer the requests of its file system.
///
/// # Errors
/// `EIO` when it has died as well: everything waits for the next.
pub(super) fn revive(root: &Arc<Vnode>, server: &dyn FileSystem) -> Result<Revived, Errno> {
    let mut vnodes = cache::of(root.file_system());
    vnodes.sort_by_cached_key(|vnode| vnode.depth());
    root.restart_answers(1);
    let mut revived = Revived::default();
    for vnode in vnodes {
        match find(&vnode, root, server).and_then(|()| reopen(&vnode, server)) {
            Ok(()) => revived.files += 1,
            // An answer can be lost before the port of a dying server is dead: only one that answers is alive.
            Err(_) if server.attributes(root.handle()).is_err() => return Err(Errno::EIO),
            Err(_) => {
                revived.lost += 1;
                revived.lost_pages += vnode.orphan().map_or(0, |object| object.held_pages());
                cache::remove(&vnode);
            }
        }
    }
    Ok(revived)
}

/// Has the server find the file, so that it knows the handle.
fn find(vnode: &Arc<Vnode>, root: &Arc<Vnode>, server: &dyn FileSystem) -> Result<(), Errno> {
    vnode.restart_answers(0);
    let (parent, name) = vnode.place().ok_or(Errno::ESTALE)?;
    let directory = namespace::covering(&parent).ok_or(Errno::ESTALE)?;
    if !Arc::ptr_eq(directory.file_system(), vnode.file_system()) {
        return Err(Errno::ESTALE);
    }
    let places = [
        (directory.handle(), name),
        // Where a file waits for its last close when its name was taken away.
        (root.handle(), hidden_name(vnode.handle())),
    ];
    for (directory, name) in places {
        match server.lookup(directory, &name) {
            Ok((found, _)) if found == vnode.handle() => {
                vnode.restart_answers(1);
                return Ok(());
            }
            Ok((other, _)) => server.forget(other, 1),
            Err(_) => {}
        }
    }
    Err(Errno::ESTALE)
}

/// Has the server's pager adopt the file's object.
fn reopen(vnode: &Vnode, server: &dyn FileSystem) -> Result<(), Errno> {
    let Some(object) = vnode.orphan() else {
        return Ok(());
    };
    if vnode.was_written() {
        // What the predecessor has written and not made durable is the successor's to make durable.
        server.prepare_writing(vnode.handle())?;
    }
    // What was written here has the kernel's size. Otherwise a file that nobody uses is as the server finds it.
    let ours = object.held_pages() > 0 || vnode.was_written() && vnode.is_in_use(&object);
    let size = ours.then(|| vnode.size());
    let attributes = server.reopen(vnode.handle(), &object, size)?;
    drop(object);
    if ours {
        vnode.note_version(&attributes);
    } else {
        vnode.revalidate(&attributes);
    }
    Ok(())
}

#[cfg(test)]
mod tests;

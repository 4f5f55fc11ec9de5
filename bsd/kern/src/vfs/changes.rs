//! The calls that change names and attributes. XNU counterpart: `bsd/vfs/vfs_syscalls.c`.
//!
//! A file that loses its last name lives on while somebody has it open or mapped: the file system keeps it until it is forgotten. What
//! nobody uses is forgotten first, so that the file system need not keep it.

use alloc::sync::Arc;

use bsd_sys::errno::Errno;
use bsd_sys::limits::PATH_MAX;
use mach::file::{FileAttributes, FileTime, attribute};

use super::lookup::{Last, Parent, lookup_parent};
use super::syscalls::named;
use super::vnode::Vnode;
use super::{Name, Removal, cache, content, namespace};
use crate::kern_descrip;
use crate::sysent::{Call, DONE, Failure, Outcome};

/// Permission bits that a program may set.
const PERMISSIONS: u32 = 0o7777;

/// The directory and the name in it that a path argument means.
fn parent(call: &Call<'_>, argument: usize) -> Result<Parent, Failure> {
    let path = call.copyin_string(call.long(argument), PATH_MAX - 1)?;
    let start = call.proc.state().directory.clone();
    lookup_parent(&start, &path).map_err(Failure::or_restart)
}

/// The directory that really holds the names of `parent`, and the name in it.
///
/// # Errors
/// `EBUSY` for what is mounted there.
fn place(parent: &Parent) -> Result<Arc<Vnode>, Errno> {
    if namespace::mounted(&parent.directory, &parent.name).is_some() {
        return Err(Errno::EBUSY);
    }
    namespace::covering(&parent.directory).ok_or(Errno::EROFS)
}

/// A name that a call is to make: nothing may have it.
fn free_place(parent: &Parent) -> Result<Arc<Vnode>, Failure> {
    match parent.find() {
        Ok(_) => Err(Errno::EEXIST.into()),
        Err(Errno::ENOENT) => Ok(place(parent)?),
        Err(errno) => Err(Failure::or_restart(errno)),
    }
}

fn name<'a>(directory: &Vnode, parent: &'a Parent) -> Name<'a> {
    Name {
        directory: directory.handle(),
        name: &parent.name,
    }
}

/// Makes a regular file that is not there; the vnode of the new file.
///
/// # Errors
/// `EROFS`, `EEXIST`, `ENOSPC`, or what the file system says.
pub(super) fn create(parent: &Parent, mode: u32) -> Result<Arc<Vnode>, Errno> {
    let directory = place(parent)?;
    let file_system = directory.file_system();
    let (handle, attributes) = file_system.create(name(&directory, parent), mode & PERMISSIONS)?;
    let vnode = cache::get(file_system, handle, &attributes)?;
    vnode.set_place(&parent.directory, &parent.name);
    Ok(vnode)
}

/// The mode argument of a call that makes something.
fn mode(call: &Call<'_>, argument: usize) -> u32 {
    call.word(argument) & PERMISSIONS & !u32::from(call.proc.state().umask)
}

/// `mkdir(path, mode)`.
pub(crate) fn mkdir(call: &mut Call<'_>) -> Outcome {
    let parent = parent(call, 0)?;
    let directory = free_place(&parent)?;
    let file_system = directory.file_system();
    let made = file_system.make_directory(name(&directory, &parent), mode(call, 1));
    let (handle, _) = made.map_err(Failure::or_restart)?;
    file_system.forget(handle, 1);
    DONE
}

/// `symlink(target, path)`.
pub(crate) fn symlink(call: &mut Call<'_>) -> Outcome {
    let target = call.copyin_string(call.long(0), PATH_MAX - 1)?;
    let parent = parent(call, 1)?;
    let directory = free_place(&parent)?;
    let file_system = directory.file_system();
    let made = file_system.make_symbolic_link(name(&directory, &parent), &target);
    let (handle, _) = made.map_err(Failure::or_restart)?;
    file_system.forget(handle, 1);
    DONE
}

/// `link(path, new)`: a symbolic link is followed.
pub(crate) fn link(call: &mut Call<'_>) -> Outcome {
    let file = named(call, 0, Last::Follow)?;
    if file.is_directory() {
        return Err(Errno::EPERM.into());
    }
    let parent = parent(call, 1)?;
    let directory = free_place(&parent)?;
    if !Arc::ptr_eq(file.file_system(), directory.file_system()) {
        return Err(Errno::EXDEV.into());
    }
    let linked = directory
        .file_system()
        .link(file.handle(), name(&directory, &parent));
    linked.map_err(Failure::or_restart)?;
    DONE
}

/// `unlink(path)`.
pub(crate) fn unlink(call: &mut Call<'_>) -> Outcome {
    let parent = parent(call, 0)?;
    let file = parent.find().map_err(Failure::or_restart)?;
    if file.is_directory() {
        return Err(Errno::EPERM.into());
    }
    remove(&parent, file, Removal::File)
}

/// `rmdir(path)`.
pub(crate) fn rmdir(call: &mut Call<'_>) -> Outcome {
    let parent = parent(call, 0)?;
    if parent.name == "." {
        return Err(Errno::EINVAL.into());
    }
    let file = parent.find().map_err(Failure::or_restart)?;
    if !file.is_directory() {
        return Err(Errno::ENOTDIR.into());
    }
    remove(&parent, file, Removal::Directory)
}

fn remove(parent: &Parent, file: Arc<Vnode>, kind: Removal) -> Outcome {
    let directory = place(parent)?;
    let used = cache::let_go(file);
    let removed = directory
        .file_system()
        .remove(name(&directory, parent), kind);
    removed.map_err(Failure::or_restart)?;
    if let Some(file) = used {
        file.note_unlinked();
    }
    DONE
}

/// `rename(from, to)`.
pub(crate) fn rename(call: &mut Call<'_>) -> Outcome {
    let (from, to) = (parent(call, 0)?, parent(call, 1)?);
    let moved = from.find().map_err(Failure::or_restart)?;
    let replaced = match to.find() {
        Ok(file) => Some(file),
        Err(Errno::ENOENT) => None,
        Err(errno) => return Err(Failure::or_restart(errno)),
    };
    let (source, target) = (place(&from)?, place(&to)?);
    if !Arc::ptr_eq(source.file_system(), target.file_system()) {
        return Err(Errno::EXDEV.into());
    }
    match &replaced {
        Some(file) if Arc::ptr_eq(file, &moved) => return DONE,
        Some(file) if file.is_directory() && !moved.is_directory() => {
            return Err(Errno::EISDIR.into());
        }
        Some(file) if !file.is_directory() && moved.is_directory() => {
            return Err(Errno::ENOTDIR.into());
        }
        _ => {}
    }
    if moved.is_directory() && moved.is_above(&to.directory) {
        return Err(Errno::EINVAL.into());
    }
    let used = replaced.and_then(cache::let_go);
    let renamed = source
        .file_system()
        .rename(name(&source, &from), name(&target, &to));
    renamed.map_err(Failure::or_restart)?;
    moved.set_place(&to.directory, &to.name);
    if let Some(file) = used {
        file.note_unlinked();
    }
    DONE
}

/// `truncate(path, size)`.
pub(crate) fn truncate(call: &mut Call<'_>) -> Outcome {
    let size = u64::try_from(call.long(1) as i64).map_err(|_| Errno::EINVAL)?;
    let vnode = named(call, 0, Last::Follow)?;
    if vnode.is_directory() {
        return Err(Errno::EISDIR.into());
    }
    vnode.prepare_writing().map_err(Failure::or_restart)?;
    content::truncate(&vnode, size)?;
    DONE
}

/// `ftruncate(fd, size)`.
pub(crate) fn ftruncate(call: &mut Call<'_>) -> Outcome {
    let size = u64::try_from(call.long(1) as i64).map_err(|_| Errno::EINVAL)?;
    let file = kern_descrip::lookup(call.proc, call.int(0))?;
    let vnode = file.vnode().filter(|vnode| vnode.is_regular());
    let vnode = vnode.filter(|_| file.flags().writes());
    content::truncate(vnode.ok_or(Errno::EINVAL)?, size)?;
    DONE
}

/// `fsync(fd)` and `fdatasync(fd)`.
pub(crate) fn fsync(call: &mut Call<'_>) -> Outcome {
    let file = kern_descrip::lookup(call.proc, call.int(0))?;
    content::synchronize(file.vnode().ok_or(Errno::ENOTSUP)?)?;
    DONE
}

/// `chmod(path, mode)`.
pub(crate) fn chmod(call: &mut Call<'_>) -> Outcome {
    let vnode = named(call, 0, Last::Follow)?;
    set_mode(&vnode, call.word(1))
}

/// `fchmod(fd, mode)`.
pub(crate) fn fchmod(call: &mut Call<'_>) -> Outcome {
    let file = kern_descrip::lookup(call.proc, call.int(0))?;
    set_mode(file.vnode().ok_or(Errno::EINVAL)?, call.word(1))
}

fn set_mode(vnode: &Vnode, mode: u32) -> Outcome {
    let attributes = FileAttributes {
        mode: mode & PERMISSIONS,
        ..FileAttributes::default()
    };
    set(vnode, attribute::MODE, &attributes)
}

fn set(vnode: &Vnode, mask: u32, attributes: &FileAttributes) -> Outcome {
    let file_system = vnode.file_system();
    let changed = file_system.set_attributes(vnode.handle(), mask, attributes);
    changed.map_err(Failure::or_restart)?;
    DONE
}

/// `utimes(path, times)`.
pub(crate) fn utimes(call: &mut Call<'_>) -> Outcome {
    let vnode = named(call, 0, Last::Follow)?;
    set_times(call, &vnode)
}

/// `futimes(fd, times)`.
pub(crate) fn futimes(call: &mut Call<'_>) -> Outcome {
    let file = kern_descrip::lookup(call.proc, call.int(0))?;
    set_times(call, file.vnode().ok_or(Errno::EINVAL)?)
}

/// Two times of last access and change, each `tv_sec` and `tv_usec`; none mean now, which the file system knows.
fn set_times(call: &Call<'_>, vnode: &Vnode) -> Outcome {
    let times = attribute::ACCESSED | attribute::MODIFIED;
    if call.long(1) == 0 {
        return set(vnode, times | attribute::NOW, &FileAttributes::default());
    }
    let mut words = [0u64; 4];
    for (index, word) in words.iter_mut().enumerate() {
        *word = call.copyin_word(call.long(1).wrapping_add(8 * index as u64))?;
    }
    let time = |seconds: u64, microseconds: u64| {
        let nanoseconds = (microseconds as u32).checked_mul(1000);
        match nanoseconds.filter(|nanoseconds| *nanoseconds < 1_000_000_000) {
            Some(nanoseconds) => Ok(FileTime {
                seconds: seconds as i64,
                nanoseconds,
            }),
            None => Err(Errno::EINVAL),
        }
    };
    let attributes = FileAttributes {
        accessed: time(words[0], words[1])?,
        modified: time(words[2], words[3])?,
        ..FileAttributes::default()
    };
    set(vnode, times, &attributes)
}

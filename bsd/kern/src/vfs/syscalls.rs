//! The calls that take names. XNU counterpart: `bsd/vfs/vfs_syscalls.c`.

use alloc::sync::Arc;

use bsd_sys::errno::Errno;
use bsd_sys::fcntl::OpenFlags;
use bsd_sys::limits::PATH_MAX;
use bsd_sys::stat::{S_IFMT, STAT_SIZE, Stat};
use bsd_sys::time::Timespec;
use mach::file::{FileAttributes, FileTime};

use super::lookup::{Last, Parent, lookup, lookup_or_place, lookup_parent};
use super::vnode::Vnode;
use super::{cache, changes, content};
use crate::kern_descrip::{self, Kind, OpenFile};
use crate::sysent::{Call, DONE, Failure, Outcome, value};

/// The most bytes of directory records given at a time.
const DIRECTORY_CHUNK: u32 = 8192;

/// Bit of `access`: writing.
const W_OK: i32 = 2;
/// Bit of `access`: executing.
const X_OK: i32 = 1;

/// The file that a path argument names.
pub(crate) fn named(call: &Call<'_>, argument: usize, last: Last) -> Result<Arc<Vnode>, Failure> {
    let path = call.copyin_string(call.long(argument), PATH_MAX - 1)?;
    let start = call.proc.state().directory.clone();
    lookup(&start, &path, last).map_err(Failure::or_restart)
}

/// `open(path, flags, mode)`.
#[doc(alias = "open1")]
pub(crate) fn open(call: &mut Call<'_>) -> Outcome {
    let flags = OpenFlags::from_bits_truncate(call.word(1));
    if flags.contains(OpenFlags::WRONLY | OpenFlags::RDWR)
        || flags.contains(OpenFlags::DIRECTORY | OpenFlags::CREAT)
    {
        return Err(Errno::EINVAL.into());
    }
    let vnode = if flags.contains(OpenFlags::CREAT) {
        found_or_made(call, flags)?
    } else {
        let keep = flags.intersects(OpenFlags::NOFOLLOW | OpenFlags::SYMLINK);
        let vnode = named(call, 0, if keep { Last::Keep } else { Last::Follow })?;
        check_open(&vnode, flags)?;
        vnode
    };
    if vnode.is_regular() {
        // The object now, so that whoever cannot be read says so here.
        vnode.object().map_err(Failure::or_restart)?;
        if flags.writes() || flags.contains(OpenFlags::TRUNC) {
            vnode.prepare_writing().map_err(Failure::or_restart)?;
        }
        if flags.contains(OpenFlags::TRUNC) && vnode.size() > 0 {
            content::truncate(&vnode, 0)?;
        }
    }
    let file = OpenFile::create(vnode, flags)?;
    let close_on_exec = flags.contains(OpenFlags::CLOEXEC);
    // `file` goes after the lock, whatever becomes of its copy.
    let descriptor = call.proc.files.lock().add(file.clone(), close_on_exec, 0)?;
    value(descriptor as u64)
}

/// What `O_CREAT` opens: what is there, or a new file.
fn found_or_made(call: &Call<'_>, flags: OpenFlags) -> Result<Arc<Vnode>, Failure> {
    let path = call.copyin_string(call.long(0), PATH_MAX - 1)?;
    let start = call.proc.state().directory.clone();
    let exclusive = flags.contains(OpenFlags::EXCL);
    if exclusive || flags.contains(OpenFlags::NOFOLLOW) {
        let parent = lookup_parent(&start, &path).map_err(Failure::or_restart)?;
        return match parent.find() {
            Ok(_) if exclusive => Err(Errno::EEXIST.into()),
            Ok(found) => check_open(&found, flags)
                .map(|()| found)
                .map_err(Failure::from),
            Err(Errno::ENOENT) => make(call, &parent, &path),
            Err(errno) => Err(Failure::or_restart(errno)),
        };
    }
    match lookup_or_place(&start, &path).map_err(Failure::or_restart)? {
        Ok(found) => {
            check_open(&found, flags)?;
            Ok(found)
        }
        Err(parent) => make(call, &parent, &path),
    }
}

fn make(call: &Call<'_>, parent: &Parent, path: &str) -> Result<Arc<Vnode>, Failure> {
    if path.ends_with('/') {
        // No regular file can be meant.
        return Err(Errno::EISDIR.into());
    }
    let mode = call.word(2) & !u32::from(call.proc.state().umask);
    changes::create(parent, mode).map_err(Failure::or_restart)
}

fn check_open(vnode: &Vnode, flags: OpenFlags) -> Result<(), Errno> {
    if flags.contains(OpenFlags::DIRECTORY) && !vnode.is_directory() {
        return Err(Errno::ENOTDIR);
    }
    if vnode.is_symbolic_link() && !flags.contains(OpenFlags::SYMLINK) {
        return Err(Errno::ELOOP);
    }
    let changes = flags.writes() || flags.contains(OpenFlags::TRUNC);
    if changes && vnode.is_directory() {
        return Err(Errno::EISDIR);
    }
    Ok(())
}

/// `chdir(path)`.
pub(crate) fn chdir(call: &mut Call<'_>) -> Outcome {
    let vnode = named(call, 0, Last::Follow)?;
    if !vnode.is_directory() {
        return Err(Errno::ENOTDIR.into());
    }
    let old = core::mem::replace(&mut call.proc.state().directory, vnode);
    drop(old);
    DONE
}

/// `access(path, mode)`: everybody is root.
pub(crate) fn access(call: &mut Call<'_>) -> Outcome {
    let mode = call.int(1);
    if !(0..8).contains(&mode) {
        return Err(Errno::EINVAL.into());
    }
    let vnode = named(call, 0, Last::Follow)?;
    if mode & W_OK != 0 && vnode.is_regular() {
        vnode.prepare_writing().map_err(Failure::or_restart)?;
    }
    if mode & X_OK != 0
        && vnode.is_regular()
        && vnode.attributes().map_err(Failure::or_restart)?.mode & 0o111 == 0
    {
        return Err(Errno::EACCES.into());
    }
    DONE
}

/// `readlink(path, buffer, size)`.
pub(crate) fn readlink(call: &mut Call<'_>) -> Outcome {
    let vnode = named(call, 0, Last::Keep)?;
    if !vnode.is_symbolic_link() {
        return Err(Errno::EINVAL.into());
    }
    let text = vnode
        .file_system()
        .read_link(vnode.handle())
        .map_err(Failure::or_restart)?;
    let length = text
        .len()
        .min(usize::try_from(call.long(2)).unwrap_or(usize::MAX));
    call.copyout(&text.as_bytes()[..length], call.long(1))?;
    value(length as u64)
}

/// `stat64(path, buffer)`.
pub(crate) fn stat(call: &mut Call<'_>) -> Outcome {
    let vnode = named(call, 0, Last::Follow)?;
    give_stat(call, &vnode)
}

/// `lstat64(path, buffer)`.
pub(crate) fn lstat(call: &mut Call<'_>) -> Outcome {
    let vnode = named(call, 0, Last::Keep)?;
    give_stat(call, &vnode)
}

/// `fstat64(fd, buffer)`.
pub(crate) fn fstat(call: &mut Call<'_>) -> Outcome {
    let file = kern_descrip::lookup(call.proc, call.int(0))?;
    match file.kind() {
        Kind::Vnode(vnode) => give_stat(call, vnode),
        Kind::Pipe(end) => {
            call.copyout(&end.stat().to_bytes(), call.long(1))?;
            DONE
        }
    }
}

fn give_stat(call: &Call<'_>, vnode: &Vnode) -> Outcome {
    let stat = stat_of(vnode, &vnode.attributes().map_err(Failure::or_restart)?);
    let bytes: [u8; STAT_SIZE] = stat.to_bytes();
    call.copyout(&bytes, call.long(1))?;
    DONE
}

fn stat_of(vnode: &Vnode, attributes: &FileAttributes) -> Stat {
    let time = |time: FileTime| Timespec {
        seconds: time.seconds,
        nanoseconds: i64::from(time.nanoseconds),
    };
    Stat {
        dev: vnode.handle().file_system as i32,
        mode: attributes.mode as u16,
        nlink: u16::try_from(attributes.links).unwrap_or(u16::MAX),
        ino: attributes.inode,
        uid: attributes.uid,
        gid: attributes.gid,
        rdev: if attributes.mode as u16 & S_IFMT == bsd_sys::stat::S_IFCHR {
            attributes.inode as i32
        } else {
            0
        },
        atime: time(attributes.accessed),
        mtime: time(attributes.modified),
        ctime: time(attributes.changed),
        birthtime: time(attributes.created),
        size: i64::try_from(attributes.size).unwrap_or(i64::MAX),
        blocks: i64::try_from(attributes.blocks).unwrap_or(i64::MAX),
        blksize: attributes.block_size as i32,
        flags: 0,
        gen_: vnode.handle().generation,
    }
}

/// `getdirentries64(fd, buffer, size, position)`.
pub(crate) fn getdirentries64(call: &mut Call<'_>) -> Outcome {
    let file = kern_descrip::lookup(call.proc, call.int(0))?;
    let vnode = file.vnode().ok_or(Errno::EINVAL)?;
    if !vnode.is_directory() {
        return Err(Errno::EINVAL.into());
    }
    let mut position = file.position()?;
    let begin = *position;
    let capacity = call.long(2).min(u64::from(DIRECTORY_CHUNK)) as u32;
    let read = vnode
        .file_system()
        .read_directory(vnode.handle(), begin, capacity);
    let records = read.map_err(Failure::or_restart)?;
    let next = last_position(&records);
    if records.len() > capacity as usize || (next.is_none() && !records.is_empty()) {
        // A server that does not keep to what it was asked for.
        return Err(Errno::EIO.into());
    }
    call.copyout(&records, call.long(1))?;
    if call.long(3) != 0 {
        call.copyout(&begin.to_le_bytes(), call.long(3))?;
    }
    if let Some(next) = next {
        *position = next;
    }
    value(records.len() as u64)
}

fn last_position(mut records: &[u8]) -> Option<u64> {
    let mut last = None;
    while let Some(entry) = bsd_sys::dirent::Dirent::take(&mut records) {
        last = Some(entry.seekoff);
    }
    last
}

/// `vfs_purge()`: unused vnodes go, and their pages with them.
pub(crate) fn vfs_purge(_call: &mut Call<'_>) -> Outcome {
    // Mappings that have just ended still hold objects.
    prim::reaper::quiesce();
    cache::purge();
    prim::reaper::quiesce();
    DONE
}

//! Names: vnodes, the namespace, and the file systems under it.
//!
//! | module | what it holds | XNU |
//! |---|---|---|
//! | [`vnode`] | one file as the kernel knows it, its object and size | `vfs_subr.c`, `ubc_subr.c` |
//! | [`cache`] | the vnodes that are known, by handle | `vfs_subr.c` |
//! | [`lookup`] | from a path to a vnode | `vfs_lookup.c` |
//! | [`namespace`] | the root and what is mounted in it | `vfs_init.c` |
//! | [`server`] | files behind a file server: names by RPC, pages by its pager | `vnode_pager.c` |
//! | `recovery` | the files of a server that has died, and its successor | - |
//! | [`boot_archive`] | files that came with the kernel | - |
//! | [`pagers`] | pagers by name, each with its own files | - |
//! | [`devices`] | the console and its like | `bsd/miscfs/devfs` |
//! | `content` | writing, cutting, making durable | `vfs_cluster.c` |
//! | [`update`] | dirty files reach their file systems in time | `vfs_syscalls.c` |
//! | [`syscalls`], `changes` | the calls that take names | `vfs_syscalls.c` |
//!
//! ```text
//!   /            the file server's mount 0, or nothing
//!   /share       its mount 1, the directory that the host shares
//!   /ram         its mount 2, files in its own memory
//!   /boot        the boot archive: needs no server
//!   /dev         console, null, zero
//!   /pagers      one directory for each registered pager, which serves what is in it
//! ```
//!
//! No lock of this layer is held while a file server is asked.

pub mod boot_archive;
pub mod cache;
pub(crate) mod changes;
pub(crate) mod content;
pub mod devices;
pub mod lookup;
pub mod namespace;
pub mod pagers;
mod recovery;
pub mod server;
pub mod syscalls;
#[cfg(test)]
mod tests;
pub mod update;
pub mod vnode;

use alloc::string::String;
use alloc::vec::Vec;

use bsd_sys::dirent::{self, Dirent};
use bsd_sys::errno::Errno;
use mach::file::{FileAttributes, FileHandle};
use vm::vm_object::ObjectRef;

/// A name in a directory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Name<'a> {
    /// The directory.
    pub directory: FileHandle,
    /// The name.
    pub name: &'a str,
}

/// What loses its name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Removal {
    /// A directory, which must be empty.
    Directory,
    /// Anything else.
    File,
}

/// A tree of files. Calls may wait for a server; a signal ends the wait with `EINTR`.
pub trait FileSystem: Send + Sync {
    /// The file that `directory` calls `name`.
    ///
    /// # Errors
    /// `ENOENT`, `ENOTDIR`, `EIO`, or what the file system says.
    fn lookup(
        &self,
        directory: FileHandle,
        name: &str,
    ) -> Result<(FileHandle, FileAttributes), Errno>;

    /// What `stat` shows.
    ///
    /// # Errors
    /// `ESTALE`, `EIO`, or what the file system says.
    fn attributes(&self, file: FileHandle) -> Result<FileAttributes, Errno>;

    /// Directory records from a position on, about `capacity` bytes; none at the end.
    ///
    /// # Errors
    /// `ENOTDIR`, `EIO`, or what the file system says.
    fn read_directory(
        &self,
        directory: FileHandle,
        from: u64,
        capacity: u32,
    ) -> Result<Vec<u8>, Errno>;

    /// The text of a symbolic link.
    ///
    /// # Errors
    /// `EINVAL` for anything else, `EIO`, or what the file system says.
    fn read_link(&self, link: FileHandle) -> Result<String, Errno>;

    /// The object that holds a regular file's pages, and the file's attributes at this moment.
    ///
    /// # Errors
    /// `ENODEV` for what has no pages, `EIO`, `ENOMEM`, or what the file system says.
    fn open(&self, file: FileHandle) -> Result<(ObjectRef, FileAttributes), Errno>;

    /// May a dead pager's files be found again by a successor, so that what is unsaved is worth keeping?
    fn recovers(&self) -> bool {
        false
    }

    /// Has the pager that serves the file now adopt its object, whose pager has died; the file gets the size first, if one
    /// is given. The attributes after that.
    ///
    /// # Errors
    /// `ENOTSUP` where pagers do not die, `EIO`, or what the file system says.
    fn reopen(
        &self,
        _file: FileHandle,
        _orphan: &ObjectRef,
        _size: Option<u64>,
    ) -> Result<FileAttributes, Errno> {
        Err(Errno::ENOTSUP)
    }

    /// The file is going to be written.
    ///
    /// # Errors
    /// `EROFS`, `EACCES`, `EIO`, or what the file system says.
    fn prepare_writing(&self, _file: FileHandle) -> Result<(), Errno> {
        Err(Errno::EROFS)
    }

    /// Makes an empty regular file. The answer counts as one that has named it, as that of a lookup does.
    ///
    /// # Errors
    /// `EEXIST`, `EROFS`, `ENOSPC`, `EIO`, or what the file system says.
    fn create(&self, _at: Name<'_>, _mode: u32) -> Result<(FileHandle, FileAttributes), Errno> {
        Err(Errno::EROFS)
    }

    /// Makes a directory; as [`FileSystem::create`].
    ///
    /// # Errors
    /// As [`FileSystem::create`].
    fn make_directory(
        &self,
        _at: Name<'_>,
        _mode: u32,
    ) -> Result<(FileHandle, FileAttributes), Errno> {
        Err(Errno::EROFS)
    }

    /// Makes a symbolic link; as [`FileSystem::create`].
    ///
    /// # Errors
    /// As [`FileSystem::create`].
    fn make_symbolic_link(
        &self,
        _at: Name<'_>,
        _target: &str,
    ) -> Result<(FileHandle, FileAttributes), Errno> {
        Err(Errno::EROFS)
    }

    /// Gives a file one more name.
    ///
    /// # Errors
    /// As [`FileSystem::create`].
    fn link(&self, _file: FileHandle, _at: Name<'_>) -> Result<(), Errno> {
        Err(Errno::EROFS)
    }

    /// Gives a file another name; a file that had the new name loses it.
    ///
    /// # Errors
    /// `ENOENT`, `ENOTEMPTY`, `EROFS`, `EIO`, or what the file system says.
    fn rename(&self, _from: Name<'_>, _to: Name<'_>) -> Result<(), Errno> {
        Err(Errno::EROFS)
    }

    /// Takes a name away.
    ///
    /// # Errors
    /// `ENOENT`, `ENOTEMPTY`, `EROFS`, `EIO`, or what the file system says.
    fn remove(&self, _at: Name<'_>, _kind: Removal) -> Result<(), Errno> {
        Err(Errno::EROFS)
    }

    /// Sets the attributes named by the bits of [`attribute`](mach::file::attribute).
    ///
    /// # Errors
    /// `EROFS`, `EIO`, or what the file system says.
    fn set_attributes(
        &self,
        _file: FileHandle,
        _mask: u32,
        _attributes: &FileAttributes,
    ) -> Result<(), Errno> {
        Err(Errno::EROFS)
    }

    /// The size is this now.
    ///
    /// # Errors
    /// `EROFS`, `ENOSPC`, `EIO`, or what the file system says.
    fn set_size(&self, _file: FileHandle, _size: u64) -> Result<(), Errno> {
        Err(Errno::EROFS)
    }

    /// The kernel gives back a handle that `answers` answers have named. If there were no others, it knows the file no more.
    fn forget(&self, file: FileHandle, answers: u64);
}

/// Numbers of the file systems the kernel itself serves; servers choose theirs below.
pub mod file_system_number {
    /// The root when nothing is mounted there.
    pub const NAMESPACE: u32 = 0xffff_ff00;
    /// The boot archive.
    pub const BOOT_ARCHIVE: u32 = 0xffff_ff01;
    /// Devices.
    pub const DEVICES: u32 = 0xffff_ff02;
    /// The directory of registered pagers.
    pub const PAGERS: u32 = 0xffff_ff03;
    /// The first number given to a registered pager.
    pub const FIRST_PAGER: u32 = 0x8000_0000;
}

/// Attributes of a file that the kernel itself serves.
#[must_use]
pub fn plain_attributes(inode: u64, mode: u16, size: u64) -> FileAttributes {
    FileAttributes {
        inode,
        mode: u32::from(mode),
        links: 1,
        block_size: machine::page::PAGE_SIZE as u32,
        size,
        blocks: size.div_ceil(512),
        ..FileAttributes::default()
    }
}

/// Directory records for `entries` (inode, `DT_*`, name) from position `from` on, at most `capacity` bytes.
///
/// # Errors
/// `EINVAL` when not even one record fits.
pub fn records<'a>(
    entries: impl Iterator<Item = (u64, u8, &'a str)>,
    from: u64,
    capacity: u32,
) -> Result<Vec<u8>, Errno> {
    let wanted = usize::try_from(from).unwrap_or(usize::MAX);
    let numbered = entries.zip(1..).skip(wanted);
    let entries = numbered.map(|((ino, kind, name), next)| Dirent {
        ino,
        seekoff: next,
        kind,
        name: name.as_bytes(),
    });
    let mut out = alloc::vec![0; capacity as usize];
    let length = dirent::write_all(entries, &mut out).ok_or(Errno::EINVAL)?;
    out.truncate(length);
    Ok(out)
}

//! Files and directories by name: [`File`], attributes, lists of names; what changes them is in `change`.

use crate::io::{self, Result};
use crate::syscall;
use alloc::ffi::CString;
use alloc::string::String;
use alloc::vec::Vec;
use bsd_sys::fcntl::OpenFlags;
use bsd_sys::stat::{STAT_SIZE, Stat};
use bsd_sys::syscall as number;
use bsd_sys::{Errno, dirent, fsctl};

mod change;

pub use change::{
    Times, hard_link, make_directory, remove_directory, remove_file, rename, set_mode, set_size,
    set_times, symbolic_link,
};

/// An open file; dropping closes it.
#[derive(Debug)]
pub struct File(i32);

/// A path as the kernel takes it.
pub(crate) fn c_path(path: &str) -> Result<CString> {
    CString::new(path).map_err(|_| Errno::EINVAL)
}

impl File {
    /// Opens for reading.
    ///
    /// # Errors
    /// The kernel's.
    pub fn open(path: &str) -> Result<Self> {
        Self::open_with(path, OpenFlags::RDONLY, 0)
    }

    /// Opens with these flags; `mode` is for files that are made.
    ///
    /// # Errors
    /// The kernel's.
    #[doc(alias = "open")]
    pub fn open_with(path: &str, flags: OpenFlags, mode: u32) -> Result<Self> {
        let path = c_path(path)?;
        let arguments = [
            path.as_ptr() as u64,
            u64::from(flags.bits()),
            u64::from(mode),
        ];
        // SAFETY: the path ends in NUL and is only read.
        let words = unsafe { syscall::call(number::OPEN, &arguments) }?;
        Ok(Self(words[0] as i32))
    }

    /// The descriptor.
    pub const fn descriptor(&self) -> i32 {
        self.0
    }

    /// Reads at most as many bytes as there is room for; 0 is the end.
    ///
    /// # Errors
    /// The kernel's.
    pub fn read(&self, buffer: &mut [u8]) -> Result<usize> {
        io::read(self.0, buffer)
    }

    /// Reads at a position.
    ///
    /// # Errors
    /// The kernel's.
    pub fn read_at(&self, buffer: &mut [u8], position: u64) -> Result<usize> {
        io::read_at(self.0, buffer, position)
    }

    /// Writes all of the bytes.
    ///
    /// # Errors
    /// The kernel's.
    pub fn write_all(&self, bytes: &[u8]) -> Result<()> {
        io::write_all(self.0, bytes)
    }

    /// Writes some of the bytes at a position and tells how many.
    ///
    /// # Errors
    /// The kernel's.
    pub fn write_at(&self, bytes: &[u8], position: u64) -> Result<usize> {
        io::write_at(self.0, bytes, position)
    }

    /// Waits until what was written would survive.
    ///
    /// # Errors
    /// The kernel's.
    #[doc(alias = "fsync")]
    pub fn sync(&self) -> Result<()> {
        // SAFETY: no memory is named.
        unsafe { syscall::call(number::FSYNC, &[self.0 as u64]) }.map(|_| ())
    }

    /// Moves the position; `whence` is one of `SEEK_*`.
    ///
    /// # Errors
    /// The kernel's.
    #[doc(alias = "lseek")]
    pub fn seek(&self, offset: i64, whence: i32) -> Result<u64> {
        // SAFETY: no memory is named.
        let words = unsafe {
            syscall::call(
                number::LSEEK,
                &[self.0 as u64, offset as u64, whence as u64],
            )
        }?;
        Ok(words[0])
    }

    /// Attributes.
    ///
    /// # Errors
    /// The kernel's.
    #[doc(alias = "fstat")]
    pub fn stat(&self) -> Result<Stat> {
        stat_call(number::FSTAT64, self.0 as u64)
    }

    /// Reads directory records into `buffer`; the records come by [`dirent::entries`].
    ///
    /// # Errors
    /// The kernel's.
    #[doc(alias = "getdirentries64")]
    pub fn read_directory<'a>(&self, buffer: &'a mut [u8]) -> Result<&'a [u8]> {
        let mut position = 0u64;
        let arguments = [
            self.0 as u64,
            buffer.as_mut_ptr() as u64,
            buffer.len() as u64,
            &raw mut position as u64,
        ];
        // SAFETY: the kernel writes into `buffer` and `position` only.
        let words = unsafe { syscall::call(number::GETDIRENTRIES64, &arguments) }?;
        buffer.get(..words[0] as usize).ok_or(Errno::EIO)
    }
}

impl Drop for File {
    fn drop(&mut self) {
        // SAFETY: no memory is named. An error leaves nothing to be done.
        let _ = unsafe { syscall::call(number::CLOSE, &[self.0 as u64]) };
    }
}

fn stat_call(number: u32, file: u64) -> Result<Stat> {
    let mut bytes = [0; STAT_SIZE];
    // SAFETY: the kernel writes into `bytes` only; `file` is a descriptor or a path that ends in NUL.
    unsafe { syscall::call(number, &[file, bytes.as_mut_ptr() as u64]) }?;
    Stat::from_bytes(&bytes).ok_or(Errno::EIO)
}

/// Attributes of a descriptor that is no [`File`].
///
/// # Errors
/// The kernel's.
pub fn stat_of(descriptor: i32) -> Result<Stat> {
    stat_call(number::FSTAT64, descriptor as u64)
}

/// Attributes of what a path names, through symbolic links.
///
/// # Errors
/// The kernel's.
pub fn stat(path: &str) -> Result<Stat> {
    let path = c_path(path)?;
    stat_call(number::STAT64, path.as_ptr() as u64)
}

/// Attributes of what a path names, a symbolic link itself included.
///
/// # Errors
/// The kernel's.
pub fn lstat(path: &str) -> Result<Stat> {
    let path = c_path(path)?;
    stat_call(number::LSTAT64, path.as_ptr() as u64)
}

/// The text of a symbolic link.
///
/// # Errors
/// The kernel's.
#[doc(alias = "readlink")]
pub fn read_link(path: &str) -> Result<String> {
    let path = c_path(path)?;
    let mut buffer = [0; bsd_sys::limits::PATH_MAX];
    let arguments = [
        path.as_ptr() as u64,
        buffer.as_mut_ptr() as u64,
        buffer.len() as u64,
    ];
    // SAFETY: the path ends in NUL; the kernel writes into `buffer` only.
    let words = unsafe { syscall::call(number::READLINK, &arguments) }?;
    let text = buffer.get(..words[0] as usize).ok_or(Errno::EIO)?;
    Ok(String::from_utf8_lossy(text).into_owned())
}

/// One name of a directory.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DirectoryEntry {
    /// The name.
    pub name: String,
    /// File number.
    pub inode: u64,
    /// Type, of [`dirent::kind`].
    pub kind: u8,
}

/// All names of a directory, `.` and `..` excepted, in the order of the alphabet.
///
/// # Errors
/// The kernel's.
pub fn read_dir(path: &str) -> Result<Vec<DirectoryEntry>> {
    let directory = File::open_with(path, OpenFlags::DIRECTORY, 0)?;
    let mut names = Vec::new();
    let mut buffer = alloc::vec![0; 8192];
    loop {
        let records = directory.read_directory(&mut buffer)?;
        if records.is_empty() {
            break;
        }
        let fresh = dirent::entries(records).filter(|entry| !matches!(entry.name, b"." | b".."));
        names.extend(fresh.map(|entry| DirectoryEntry {
            name: String::from_utf8_lossy(entry.name).into_owned(),
            inode: entry.ino,
            kind: entry.kind,
        }));
    }
    names.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(names)
}

/// The path of the current directory.
///
/// # Errors
/// The kernel's.
#[doc(alias = "getcwd")]
pub fn current_directory() -> Result<String> {
    let here = File::open_with(".", OpenFlags::DIRECTORY, 0)?;
    let mut buffer = [0; bsd_sys::limits::PATH_MAX];
    let arguments = [
        here.0 as u64,
        bsd_sys::fcntl::F_GETPATH as u64,
        buffer.as_mut_ptr() as u64,
    ];
    // SAFETY: the kernel writes a path of at most `PATH_MAX` bytes into `buffer`.
    unsafe { syscall::call(number::FCNTL, &arguments) }?;
    let end = buffer
        .iter()
        .position(|byte| *byte == 0)
        .ok_or(Errno::EIO)?;
    Ok(String::from_utf8_lossy(&buffer[..end]).into_owned())
}

/// The whole of a file.
///
/// # Errors
/// The kernel's.
pub fn read(path: &str) -> Result<Vec<u8>> {
    let file = File::open(path)?;
    let mut bytes = Vec::new();
    let mut buffer = alloc::vec![0; 16384];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(bytes),
            count => bytes.extend_from_slice(&buffer[..count]),
        }
    }
}

/// Drops files from the cache that nobody uses.
///
/// # Errors
/// The kernel's.
#[doc(alias = "vfs_purge")]
pub fn purge() -> Result<()> {
    // SAFETY: no memory is named.
    unsafe { syscall::call(number::VFS_PURGE, &[]) }.map(|_| ())
}

/// Starts to write back everything that has changed.
pub fn sync() {
    // SAFETY: no memory is named. The call does not fail.
    let _ = unsafe { syscall::call(number::SYNC, &[]) };
}

/// Waits until everything that has changed in the file system of `path` would survive its end.
///
/// # Errors
/// The kernel's; the first of those that the file system answered.
#[doc(alias = "sync_volume_np")]
pub fn sync_volume(path: &str) -> Result<()> {
    let path = c_path(path)?;
    let how = fsctl::FSCTL_SYNC_FULLSYNC | fsctl::FSCTL_SYNC_WAIT;
    let arguments = [
        path.as_ptr() as u64,
        u64::from(fsctl::FSIOC_SYNC_VOLUME),
        core::ptr::from_ref(&how) as u64,
        0,
    ];
    // SAFETY: the path ends with a zero, and the request reads one word at `how`.
    unsafe { syscall::call(number::FSCTL, &arguments) }.map(|_| ())
}

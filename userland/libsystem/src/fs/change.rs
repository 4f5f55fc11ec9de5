//! Changing what names mean, and attributes of what they name.

use super::{File, c_path};
use crate::io::Result;
use crate::syscall;
use alloc::ffi::CString;
use bsd_sys::fcntl::OpenFlags;
use bsd_sys::syscall as number;
use bsd_sys::time::Timeval;

/// A call whose first argument is a path, and that answers nothing.
fn path_call(call: u32, path: &str, second: u64) -> Result<()> {
    let path = c_path(path)?;
    // SAFETY: the path ends in NUL and is only read; the callers' second argument is a number.
    unsafe { syscall::call(call, &[path.as_ptr() as u64, second]) }.map(|_| ())
}

/// A call with two paths.
fn two_paths(call: u32, first: &str, second: &str) -> Result<()> {
    let paths: [CString; 2] = [c_path(first)?, c_path(second)?];
    let arguments = [paths[0].as_ptr() as u64, paths[1].as_ptr() as u64];
    // SAFETY: both paths end in NUL and are only read.
    unsafe { syscall::call(call, &arguments) }.map(|_| ())
}

/// Removes a name that is no directory's; the file goes with its last name and its last user.
///
/// # Errors
/// The kernel's.
#[doc(alias = "unlink")]
pub fn remove_file(path: &str) -> Result<()> {
    path_call(number::UNLINK, path, 0)
}

/// Gives a file another name, in place of what had that name before.
///
/// # Errors
/// The kernel's; `EXDEV` across file systems.
pub fn rename(from: &str, to: &str) -> Result<()> {
    two_paths(number::RENAME, from, to)
}

/// Makes a directory; `mode` without the process's mask.
///
/// # Errors
/// The kernel's.
#[doc(alias = "mkdir")]
pub fn make_directory(path: &str, mode: u32) -> Result<()> {
    path_call(number::MKDIR, path, u64::from(mode))
}

/// Removes an empty directory.
///
/// # Errors
/// The kernel's.
#[doc(alias = "rmdir")]
pub fn remove_directory(path: &str) -> Result<()> {
    path_call(number::RMDIR, path, 0)
}

/// Gives a file one more name.
///
/// # Errors
/// The kernel's.
#[doc(alias = "link")]
pub fn hard_link(existing: &str, new: &str) -> Result<()> {
    two_paths(number::LINK, existing, new)
}

/// Makes a symbolic link at `path` whose text is `target`.
///
/// # Errors
/// The kernel's.
#[doc(alias = "symlink")]
pub fn symbolic_link(target: &str, path: &str) -> Result<()> {
    two_paths(number::SYMLINK, target, path)
}

/// Sets the permissions of what a path names.
///
/// # Errors
/// The kernel's.
#[doc(alias = "chmod")]
pub fn set_mode(path: &str, mode: u32) -> Result<()> {
    path_call(number::CHMOD, path, u64::from(mode))
}

/// Cuts or extends what a path names to so many bytes.
///
/// # Errors
/// The kernel's.
#[doc(alias = "truncate")]
pub fn set_size(path: &str, size: u64) -> Result<()> {
    path_call(number::TRUNCATE, path, size)
}

/// Times of last access and last change of the data.
pub type Times = [Timeval; 2];

/// Bytes of [`Times`] as the kernel reads them; none for the time of the call.
fn times_bytes(times: Option<Times>) -> Option<[u8; 2 * Timeval::SIZE]> {
    let [access, change] = times?;
    let mut bytes = [0; 2 * Timeval::SIZE];
    let (first, second) = bytes.split_at_mut(Timeval::SIZE);
    first.copy_from_slice(&access.to_bytes());
    second.copy_from_slice(&change.to_bytes());
    Some(bytes)
}

/// Sets the times of what a path names; without times, to now.
///
/// # Errors
/// The kernel's.
#[doc(alias = "utimes")]
pub fn set_times(path: &str, times: Option<Times>) -> Result<()> {
    let path = c_path(path)?;
    let bytes = times_bytes(times);
    let address = bytes.as_ref().map_or(0, |bytes| bytes.as_ptr() as u64);
    // SAFETY: the path ends in NUL; it and the times, two `timeval`s or null, are only read.
    unsafe { syscall::call(number::UTIMES, &[path.as_ptr() as u64, address]) }.map(|_| ())
}

impl File {
    /// Makes a file, or empties the one that has the name, and opens it for writing; `mode` without the process's mask.
    ///
    /// # Errors
    /// The kernel's.
    #[doc(alias = "creat")]
    pub fn create(path: &str, mode: u32) -> Result<Self> {
        let flags = OpenFlags::WRONLY | OpenFlags::CREAT | OpenFlags::TRUNC;
        Self::open_with(path, flags, mode)
    }

    /// Cuts or extends to so many bytes.
    ///
    /// # Errors
    /// The kernel's.
    #[doc(alias = "ftruncate")]
    pub fn set_size(&self, size: u64) -> Result<()> {
        self.number_call(number::FTRUNCATE, size)
    }

    /// Sets the permissions.
    ///
    /// # Errors
    /// The kernel's.
    #[doc(alias = "fchmod")]
    pub fn set_mode(&self, mode: u32) -> Result<()> {
        self.number_call(number::FCHMOD, u64::from(mode))
    }

    /// Sets the times; without times, to now.
    ///
    /// # Errors
    /// The kernel's.
    #[doc(alias = "futimes")]
    pub fn set_times(&self, times: Option<Times>) -> Result<()> {
        let bytes = times_bytes(times);
        let address = bytes.as_ref().map_or(0, |bytes| bytes.as_ptr() as u64);
        // SAFETY: the times, two `timeval`s or null, are only read.
        unsafe { syscall::call(number::FUTIMES, &[self.descriptor() as u64, address]) }.map(|_| ())
    }

    /// A call whose arguments are this descriptor and a number.
    fn number_call(&self, call: u32, second: u64) -> Result<()> {
        // SAFETY: no memory is named.
        unsafe { syscall::call(call, &[self.descriptor() as u64, second]) }.map(|_| ())
    }
}

//! Descriptors as numbers: pipes, copies, what happens to them at exec.

use crate::io::Result;
use crate::syscall;
use bsd_sys::fcntl::{F_GETFD, F_SETFD, FD_CLOEXEC};
use bsd_sys::syscall as number;

/// A pipe: where to read, and where to write.
///
/// # Errors
/// The kernel's.
pub fn pipe() -> Result<(i32, i32)> {
    // SAFETY: no memory is named: Darwin's call answers in two registers.
    let words = unsafe { syscall::call(number::PIPE, &[]) }?;
    Ok((words[0] as i32, words[1] as i32))
}

/// One more descriptor, the lowest that is free, for the same open file.
///
/// # Errors
/// The kernel's.
#[doc(alias = "dup")]
pub fn duplicate(descriptor: i32) -> Result<i32> {
    // SAFETY: no memory is named.
    unsafe { syscall::call(number::DUP, &[descriptor as u64]) }.map(|words| words[0] as i32)
}

/// Makes `to` the same open file as `from`; what it was is closed.
///
/// # Errors
/// The kernel's.
#[doc(alias = "dup2")]
pub fn duplicate_to(from: i32, to: i32) -> Result<()> {
    // SAFETY: no memory is named.
    unsafe { syscall::call(number::DUP2, &[from as u64, to as u64]) }.map(|_| ())
}

/// `fcntl` with a number for its argument.
///
/// # Errors
/// The kernel's.
#[doc(alias = "fcntl")]
pub fn control(descriptor: i32, command: i32, argument: u64) -> Result<i32> {
    let arguments = [descriptor as u64, command as u64, argument];
    // SAFETY: the commands that take an address are not called through this function.
    unsafe { syscall::call(number::FCNTL, &arguments) }.map(|words| words[0] as i32)
}

/// One more descriptor, `lowest` or above, for the same open file; closed at exec.
///
/// # Errors
/// The kernel's.
#[doc(alias = "F_DUPFD_CLOEXEC")]
pub fn duplicate_above(descriptor: i32, lowest: i32) -> Result<i32> {
    use bsd_sys::fcntl::F_DUPFD_CLOEXEC;
    control(descriptor, F_DUPFD_CLOEXEC, lowest as u64)
}

/// Whether the descriptor is closed at exec.
///
/// # Errors
/// The kernel's.
#[doc(alias = "FD_CLOEXEC")]
pub fn set_close_on_exec(descriptor: i32, close: bool) -> Result<()> {
    let flags = if close { FD_CLOEXEC as u64 } else { 0 };
    control(descriptor, F_SETFD, flags).map(|_| ())
}

/// Whether there is such a descriptor.
pub fn is_open(descriptor: i32) -> bool {
    control(descriptor, F_GETFD, 0).is_ok()
}

/// Closes a descriptor.
///
/// # Errors
/// The kernel's.
pub fn close(descriptor: i32) -> Result<()> {
    // SAFETY: no memory is named.
    unsafe { syscall::call(number::CLOSE, &[descriptor as u64]) }.map(|_| ())
}

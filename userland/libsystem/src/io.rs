//! Descriptors: reading, writing, and the printing macros.

use crate::syscall;
use bsd_sys::Errno;
use bsd_sys::syscall as number;
use core::fmt;

/// Standard input.
pub const STDIN: i32 = 0;
/// Standard output.
pub const STDOUT: i32 = 1;
/// Standard error.
pub const STDERR: i32 = 2;

/// What the functions here return.
pub type Result<T> = core::result::Result<T, Errno>;

/// Reads at most as many bytes as there is room for; 0 is the end.
///
/// # Errors
/// The kernel's.
pub fn read(descriptor: i32, buffer: &mut [u8]) -> Result<usize> {
    let arguments = [
        descriptor as u64,
        buffer.as_mut_ptr() as u64,
        buffer.len() as u64,
    ];
    // SAFETY: the kernel writes into `buffer` only.
    unsafe { syscall::call(number::READ, &arguments) }.map(|words| words[0] as usize)
}

/// Reads at a position, without moving the descriptor's own.
///
/// # Errors
/// The kernel's.
pub fn read_at(descriptor: i32, buffer: &mut [u8], position: u64) -> Result<usize> {
    let arguments = [
        descriptor as u64,
        buffer.as_mut_ptr() as u64,
        buffer.len() as u64,
        position,
    ];
    // SAFETY: the kernel writes into `buffer` only.
    unsafe { syscall::call(number::PREAD, &arguments) }.map(|words| words[0] as usize)
}

/// Writes some of the bytes at a position and tells how many.
///
/// # Errors
/// The kernel's.
#[doc(alias = "pwrite")]
pub fn write_at(descriptor: i32, bytes: &[u8], position: u64) -> Result<usize> {
    let arguments = [
        descriptor as u64,
        bytes.as_ptr() as u64,
        bytes.len() as u64,
        position,
    ];
    // SAFETY: the kernel reads `bytes` only.
    unsafe { syscall::call(number::PWRITE, &arguments) }.map(|words| words[0] as usize)
}

/// Writes some of the bytes and tells how many.
///
/// # Errors
/// The kernel's.
pub fn write(descriptor: i32, bytes: &[u8]) -> Result<usize> {
    let arguments = [descriptor as u64, bytes.as_ptr() as u64, bytes.len() as u64];
    // SAFETY: the kernel reads `bytes` only.
    unsafe { syscall::call(number::WRITE, &arguments) }.map(|words| words[0] as usize)
}

/// Writes all of the bytes.
///
/// # Errors
/// The kernel's; `EIO` if it takes none.
pub fn write_all(descriptor: i32, mut bytes: &[u8]) -> Result<()> {
    while !bytes.is_empty() {
        match write(descriptor, bytes) {
            Ok(0) => return Err(Errno::EIO),
            Ok(written) => bytes = bytes.get(written..).unwrap_or_default(),
            Err(Errno::EINTR) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// A descriptor that can be formatted to, a line at a time.
struct Formatter {
    descriptor: i32,
    line: [u8; 256],
    used: usize,
}

impl Formatter {
    fn flush(&mut self) -> fmt::Result {
        let used = core::mem::take(&mut self.used);
        write_all(self.descriptor, &self.line[..used]).map_err(|_| fmt::Error)
    }
}

impl fmt::Write for Formatter {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for &byte in text.as_bytes() {
            if self.used == self.line.len() {
                self.flush()?;
            }
            self.line[self.used] = byte;
            self.used += 1;
        }
        Ok(())
    }
}

/// Formats to a descriptor; errors are not told.
#[doc(hidden)]
pub fn print(descriptor: i32, arguments: fmt::Arguments<'_>) {
    let mut formatter = Formatter {
        descriptor,
        line: [0; 256],
        used: 0,
    };
    let _ = fmt::Write::write_fmt(&mut formatter, arguments);
    let _ = formatter.flush();
}

/// Prints to standard output.
#[macro_export]
macro_rules! print {
    ($($argument:tt)*) => {
        $crate::io::print($crate::io::STDOUT, ::core::format_args!($($argument)*))
    };
}

/// Prints a line to standard output.
#[macro_export]
macro_rules! println {
    () => { $crate::print!("\n") };
    ($format:literal $($argument:tt)*) => {
        $crate::print!("{}\n", ::core::format_args!($format $($argument)*))
    };
}

/// Prints a line to standard error.
#[macro_export]
macro_rules! eprintln {
    ($format:literal $($argument:tt)*) => {
        $crate::io::print(
            $crate::io::STDERR,
            ::core::format_args!("{}\n", ::core::format_args!($format $($argument)*)),
        )
    };
}

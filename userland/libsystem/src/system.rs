//! What the kernel says of itself and the machine: `sysctl`.

use crate::io::Result;
use crate::syscall;
use alloc::string::String;
use alloc::vec::Vec;
use bsd_sys::Errno;
use bsd_sys::syscall as number;

/// Bytes that any value fits into.
const ROOM: usize = 256;

/// The value of this name, e.g. `hw.memsize`.
///
/// # Errors
/// The kernel's; `ENOENT` if there is no such name.
#[doc(alias = "sysctlbyname")]
pub fn value(name: &str) -> Result<Vec<u8>> {
    let mut bytes = alloc::vec![0; ROOM];
    let mut size = bytes.len() as u64;
    let arguments = [
        name.as_ptr() as u64,
        name.len() as u64,
        bytes.as_mut_ptr() as u64,
        &raw mut size as u64,
        0,
        0,
    ];
    // SAFETY: the kernel reads the name, and writes `size` and at most that many bytes of `bytes`.
    unsafe { syscall::call(number::SYSCTLBYNAME, &arguments) }?;
    bytes.truncate(size as usize);
    Ok(bytes)
}

/// The value of a name as text.
///
/// # Errors
/// As [`value`]; `EILSEQ` for what is no text.
pub fn text(name: &str) -> Result<String> {
    let mut bytes = value(name)?;
    if bytes.last() == Some(&0) {
        bytes.pop();
    }
    String::from_utf8(bytes).map_err(|_| Errno::EILSEQ)
}

/// The value of a name as a number, of four bytes or eight.
///
/// # Errors
/// As [`value`]; `EINVAL` for what is no number.
pub fn integer(name: &str) -> Result<u64> {
    let bytes = value(name)?;
    match bytes.len() {
        4 => Ok(u64::from(u32::from_le_bytes([
            bytes[0], bytes[1], bytes[2], bytes[3],
        ]))),
        8 => bytes
            .first_chunk()
            .map(|bytes| u64::from_le_bytes(*bytes))
            .ok_or(Errno::EINVAL),
        _ => Err(Errno::EINVAL),
    }
}

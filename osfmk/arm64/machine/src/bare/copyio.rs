//! Copies between the kernel and user memory by LDTR and STTR, which access with user mode's
//! rights. A fault inside the assembly goes to its fix-up and comes back as [`UserFault`]; it is
//! never resolved here: the caller faults the page in and starts again.

use crate::address::{FrameNumber, phys_to_virt};
use crate::page::PAGE_SIZE;
pub use crate::user_fault::UserFault;
use crate::user_fault::check_range;
use core::arch::global_asm;

global_asm!(include_str!("asm/copyio.S"));

/// What the assembly returns in `x0` and `x1`.
#[repr(C)]
struct Outcome {
    /// Bytes not copied.
    remaining: usize,
    /// The address that faulted, or all ones.
    fault: u64,
}

unsafe extern "C" {
    fn copy_from_user(to: *mut u8, from: u64, length: usize) -> Outcome;
    fn copy_to_user(to: u64, from: *const u8, length: usize) -> Outcome;
    fn copy_string_from_user(to: *mut u8, from: u64, length: usize) -> Outcome;
    static copyio_text_start: u8;
    static copyio_text_end: u8;
    static copyio_fixup: u8;
}

impl Outcome {
    fn into_result(self, length: usize) -> Result<usize, UserFault> {
        let done = length - self.remaining;
        match self.fault {
            u64::MAX => Ok(done),
            address => Err(UserFault { address, done }),
        }
    }
}

/// Where a fault at `pc` continues, when `pc` is in the copy routines. They expect the faulting
/// address in `x9`.
pub(super) fn fixup(pc: u64) -> Option<u64> {
    let (start, end) = (&raw const copyio_text_start, &raw const copyio_text_end);
    (start as u64 <= pc && pc < end as u64).then_some(&raw const copyio_fixup as u64)
}

/// Copies from user memory.
pub fn copyin(user: u64, buffer: &mut [u8]) -> Result<(), UserFault> {
    check_range(user, buffer.len())?;
    // SAFETY: `buffer` is writable for its length; user addresses may fault safely.
    unsafe { copy_from_user(buffer.as_mut_ptr(), user, buffer.len()) }
        .into_result(buffer.len())
        .map(drop)
}

/// Copies to user memory.
pub fn copyout(bytes: &[u8], user: u64) -> Result<(), UserFault> {
    check_range(user, bytes.len())?;
    // SAFETY: `bytes` is readable for its length; user addresses may fault safely.
    unsafe { copy_to_user(user, bytes.as_ptr(), bytes.len()) }
        .into_result(bytes.len())
        .map(drop)
}

fn part(frame: FrameNumber, offset: usize, length: usize) -> *mut u8 {
    assert!(offset <= PAGE_SIZE && length <= PAGE_SIZE - offset);
    phys_to_virt(frame.phys().offset(offset as u64)).as_ptr()
}

/// Copies from user memory into a frame.
pub fn copyin_to_frame(
    user: u64,
    frame: FrameNumber,
    offset: usize,
    length: usize,
) -> Result<(), UserFault> {
    check_range(user, length)?;
    // SAFETY: the span lies in one frame of the direct map (checked by `part`).
    unsafe { copy_from_user(part(frame, offset, length), user, length) }
        .into_result(length)
        .map(drop)
}

/// Copies from a frame to user memory.
pub fn copyout_from_frame(
    frame: FrameNumber,
    offset: usize,
    user: u64,
    length: usize,
) -> Result<(), UserFault> {
    check_range(user, length)?;
    // SAFETY: the span lies in one frame of the direct map (checked by `part`).
    unsafe { copy_to_user(user, part(frame, offset, length), length) }
        .into_result(length)
        .map(drop)
}

/// Copies a string up to and including its NUL; the result is its length without it, or `None`
/// when the buffer was full before a NUL came.
pub fn copyinstr(user: u64, buffer: &mut [u8]) -> Result<Option<usize>, UserFault> {
    let room = crate::address::USER_MAX.saturating_sub(user);
    let length = buffer
        .len()
        .min(usize::try_from(room).unwrap_or(usize::MAX));
    if length == 0 && !buffer.is_empty() {
        return Err(UserFault {
            address: user,
            done: 0,
        });
    }
    // SAFETY: `buffer` is writable for `length`; user addresses may fault safely.
    let outcome = unsafe { copy_string_from_user(buffer.as_mut_ptr(), user, length) };
    let done = outcome.into_result(length)?;
    match done.checked_sub(1).map(|last| (last, buffer[last])) {
        Some((last, 0)) => Ok(Some(last)),
        _ if length < buffer.len() => Err(UserFault {
            address: crate::address::USER_MAX,
            done,
        }),
        _ => Ok(None),
    }
}

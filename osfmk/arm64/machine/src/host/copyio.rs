//! Copies between the kernel and user memory, through this thread's active address space.
//!
//! They never resolve a fault: the caller faults the page in and starts again.

use crate::address::FrameNumber;
use crate::esr::Access;
use crate::host::{mmu, ram};
pub use crate::user_fault::UserFault;
use crate::user_fault::check_range;

/// Calls `body(physical, done, length)` for each page's part of a user range.
fn each_page(
    user: u64,
    length: usize,
    access: Access,
    mut body: impl FnMut(crate::PhysAddr, usize, usize),
) -> Result<(), UserFault> {
    check_range(user, length)?;
    let (root, asid) = mmu::active();
    let mut done = 0;
    while done < length {
        let address = user + done as u64;
        let part = mmu::in_page(address, length - done);
        mmu::access(root, asid, address, access, |physical| {
            body(physical, done, part);
        })
        .map_err(|fault| UserFault {
            address: fault.address,
            done,
        })?;
        done += part;
    }
    Ok(())
}

/// Copies from user memory.
pub fn copyin(user: u64, buffer: &mut [u8]) -> Result<(), UserFault> {
    let length = buffer.len();
    each_page(user, length, Access::Read, |physical, done, part| {
        ram::read(physical, &mut buffer[done..done + part]);
    })
}

/// Copies to user memory.
pub fn copyout(bytes: &[u8], user: u64) -> Result<(), UserFault> {
    each_page(user, bytes.len(), Access::Write, |physical, done, part| {
        ram::write(physical, &bytes[done..done + part]);
    })
}

/// Copies from user memory into a frame.
pub fn copyin_to_frame(
    user: u64,
    frame: FrameNumber,
    offset: usize,
    length: usize,
) -> Result<(), UserFault> {
    each_page(user, length, Access::Read, |physical, done, part| {
        let mut buffer = vec![0; part];
        ram::read(physical, &mut buffer);
        ram::write(frame.phys().offset((offset + done) as u64), &buffer);
    })
}

/// Copies from a frame to user memory.
pub fn copyout_from_frame(
    frame: FrameNumber,
    offset: usize,
    user: u64,
    length: usize,
) -> Result<(), UserFault> {
    each_page(user, length, Access::Write, |physical, done, part| {
        let mut buffer = vec![0; part];
        ram::read(frame.phys().offset((offset + done) as u64), &mut buffer);
        ram::write(physical, &buffer);
    })
}

/// Copies a string up to and including its NUL; the result is its length without it, or `None`
/// when the buffer was full before a NUL came.
pub fn copyinstr(user: u64, buffer: &mut [u8]) -> Result<Option<usize>, UserFault> {
    for done in 0..buffer.len() {
        let at = user.wrapping_add(done as u64);
        copyin(at, &mut buffer[done..=done]).map_err(|fault| UserFault {
            address: fault.address,
            done,
        })?;
        if buffer[done] == 0 {
            return Ok(Some(done));
        }
    }
    Ok(None)
}

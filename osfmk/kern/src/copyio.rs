//! Copies between the kernel and the current task's memory.
//!
//! `machine::copyio` copies with faults disabled: it stops at the first byte that is not there. These wrappers bring that
//! page in by `vm_fault` and go on where the copy stopped, so a caller sees either success or the fault's cause. No lock may
//! be held: the fault may wait for a pager.
//!
//! XNU counterpart: `copyin`, `copyout`, `copyinstr`.

use alloc::string::String;
use alloc::vec::Vec;

use mach::{KernReturn, VmProt};
use machine::copyio::UserFault;
use vm::vm_map::VmMap;

/// Copies `bytes.len()` bytes from `user` in the current task.
///
/// # Errors
/// The fault's cause; `ABORTED` if a signal ended the wait.
pub fn copyin(map: &VmMap, user: u64, bytes: &mut [u8]) -> Result<(), KernReturn> {
    let mut done = 0;
    while done < bytes.len() {
        match machine::copyio::copyin(user + done as u64, &mut bytes[done..]) {
            Ok(()) => return Ok(()),
            Err(fault) => done += bring_in(map, &fault, VmProt::READ)?,
        }
    }
    Ok(())
}

/// Copies `bytes` to `user` in the current task.
///
/// # Errors
/// The fault's cause; `ABORTED` if a signal ended the wait.
pub fn copyout(map: &VmMap, bytes: &[u8], user: u64) -> Result<(), KernReturn> {
    let mut done = 0;
    while done < bytes.len() {
        match machine::copyio::copyout(&bytes[done..], user + done as u64) {
            Ok(()) => return Ok(()),
            Err(fault) => done += bring_in(map, &fault, VmProt::READ | VmProt::WRITE)?,
        }
    }
    Ok(())
}

/// Resolves the fault of a copy; says how far the copy had come.
fn bring_in(map: &VmMap, fault: &UserFault, access: VmProt) -> Result<usize, KernReturn> {
    if !(map.min_offset()..map.max_offset()).contains(&fault.address) {
        return Err(KernReturn::INVALID_ADDRESS);
    }
    if !map.pmap().fast_fault(fault.address, access) {
        vm::vm_fault::fault(map, fault.address, access, true)?;
    }
    Ok(fault.done)
}

/// A 64-bit word at `user`.
///
/// # Errors
/// As [`copyin`].
pub fn copyin_word(map: &VmMap, user: u64) -> Result<u64, KernReturn> {
    let mut bytes = [0; 8];
    copyin(map, user, &mut bytes)?;
    Ok(u64::from_le_bytes(bytes))
}

/// Why a string could not be copied in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StringError {
    /// No end within the allowed length.
    TooLong,
    /// Not UTF-8: no such name can exist here.
    NotText,
    /// Memory could not be read.
    Memory(KernReturn),
}

/// The bytes of a string of at most `limit` bytes, its end not counted.
///
/// # Errors
/// [`StringError::TooLong`] and [`StringError::Memory`].
#[doc(alias = "copyinstr")]
pub fn copyin_bytes_until_nul(
    map: &VmMap,
    user: u64,
    limit: usize,
) -> Result<Vec<u8>, StringError> {
    let mut text = Vec::new();
    let mut chunk = [0; 64];
    while text.len() <= limit {
        let at = user.wrapping_add(text.len() as u64);
        // Stay within 64-byte blocks, hence within a page: the string may end right before memory that is not there.
        let length = chunk.len() - (at as usize & (chunk.len() - 1));
        let piece = &mut chunk[..length];
        copyin(map, at, piece).map_err(StringError::Memory)?;
        if let Some(end) = piece.iter().position(|&byte| byte == 0) {
            text.extend_from_slice(&piece[..end]);
            return if text.len() <= limit {
                Ok(text)
            } else {
                Err(StringError::TooLong)
            };
        }
        text.extend_from_slice(piece);
    }
    Err(StringError::TooLong)
}

/// The text of a string of at most `limit` bytes.
///
/// # Errors
/// [`StringError`].
pub fn copyin_string(map: &VmMap, user: u64, limit: usize) -> Result<String, StringError> {
    String::from_utf8(copyin_bytes_until_nul(map, user, limit)?).map_err(|_| StringError::NotText)
}

//! `csops`: what the kernel knows of a process's code, told to programs.
//!
//! XNU counterpart: `csops_internal` in `bsd/kern/kern_proc.c`.

use bsd_sys::codesign as ops;
use bsd_sys::errno::Errno;
use bsd_sys::signal::Signal;
use codesign::{CDHASH, Flags};

use super::ProcessCode;
use crate::kern_sig;
use crate::proc::{self, Phase};
use crate::sysent::{Call, DONE, Outcome};

/// Bytes before a blob's content: its kind and its length.
const HEADER: usize = 8;

/// `csops(pid, op, address, size)`.
///
/// # Errors
/// `ESRCH` for a process that is not there; `EINVAL` for an operation that is not there, or a process that is not valid; `ENOENT`
/// without a signature; `ERANGE` when the answer does not fit, and then its header tells how long it is; `EFAULT`.
#[doc(alias = "csops_internal")]
pub(crate) fn csops(call: &mut Call<'_>) -> Outcome {
    let (pid, operation) = (call.int(0), call.word(1));
    let (address, size) = (call.long(2), call.long(3));
    let target = match pid {
        0 => call.proc.clone(),
        _ => proc::find(pid).ok_or(Errno::ESRCH)?,
    };
    let code = {
        let state = target.state();
        if state.phase() == Phase::Zombie {
            return Err(Errno::ESRCH.into());
        }
        state.code.clone()
    };
    match operation {
        ops::OPS_STATUS => call.copyout(&code.flags().bits().to_le_bytes(), address)?,
        ops::OPS_MARK_INVALID => {
            if code.invalidate() && code.flags().contains(Flags::KILL) {
                kern_sig::post(&target, Signal::KILL);
            }
        }
        ops::OPS_MARK_HARD => {
            code.set(Flags::HARD);
            if !code.flags().contains(Flags::VALID) {
                return Err(Errno::EINVAL.into());
            }
        }
        ops::OPS_MARK_KILL => {
            code.set(Flags::KILL);
            if !code.flags().contains(Flags::VALID) {
                kern_sig::post(&target, Signal::KILL);
            }
        }
        ops::OPS_CDHASH if size != CDHASH as u64 => return Err(Errno::EINVAL.into()),
        ops::OPS_CDHASH => {
            let file = code.file.as_ref().ok_or(Errno::ENOENT)?;
            call.copyout(&file.signature.cdhash(), address)?;
        }
        ops::OPS_ENTITLEMENTS => {
            let blob = valid(&code)?.and_then(|file| file.signature.entitlements_blob());
            copyout_blob(call, blob.unwrap_or_default(), address, size)?;
        }
        ops::OPS_BLOB => {
            let blob = valid(&code)?.map(|file| file.signature.bytes());
            copyout_blob(call, blob.unwrap_or_default(), address, size)?;
        }
        ops::OPS_IDENTITY => {
            let file = code.file.as_ref().ok_or(Errno::ENOENT)?;
            let mut answer = alloc::vec![0; HEADER];
            answer.extend_from_slice(file.signature.identifier().as_bytes());
            answer.push(0);
            let length = answer.len() as u32;
            answer[4..HEADER].copy_from_slice(&length.to_be_bytes());
            copyout_blob(call, &answer, address, size)?;
        }
        _ => return Err(Errno::EINVAL.into()),
    }
    DONE
}

/// The file of a process that is still valid.
fn valid(code: &ProcessCode) -> Result<Option<&super::SignedFile>, Errno> {
    if code.flags().contains(Flags::VALID) {
        Ok(code.file.as_deref())
    } else {
        Err(Errno::EINVAL)
    }
}

/// Copies a blob out; an empty one is a header of zeroes. What does not fit leaves its header: no kind, and its length.
#[doc(alias = "csops_copy_token")]
fn copyout_blob(call: &Call<'_>, blob: &[u8], address: u64, size: u64) -> Outcome {
    if size < HEADER as u64 {
        return Err(Errno::ERANGE.into());
    }
    let mut header = [0; HEADER];
    if blob.len() < HEADER {
        call.copyout(&header, address)?;
    } else if blob.len() as u64 > size {
        header[4..].copy_from_slice(&(blob.len() as u32).to_be_bytes());
        call.copyout(&header, address)?;
        return Err(Errno::ERANGE.into());
    } else {
        call.copyout(blob, address)?;
    }
    DONE
}

//! Copies between a call and its program's memory, with BSD's errors.
//!
//! `kern::copyio` resolves faults; here their causes become `EFAULT`, or a restart when a signal ended the wait.

use alloc::string::String;
use alloc::vec::Vec;

use bsd_sys::errno::Errno;
use kern::copyio::{self, StringError};
use mach::KernReturn;
use prim::trace::{self, Event};

use crate::sysent::{Call, Failure};

fn failure(cause: KernReturn) -> Failure {
    if cause == KernReturn::ABORTED {
        Failure::Restart
    } else {
        Failure::Errno(Errno::EFAULT)
    }
}

impl Call<'_> {
    /// Copies from the program.
    ///
    /// # Errors
    /// `EFAULT`, or a restart.
    pub fn copyin(&self, user: u64, bytes: &mut [u8]) -> Result<(), Failure> {
        copyio::copyin(self.map, user, bytes).map_err(failure)
    }

    /// Copies to the program.
    ///
    /// # Errors
    /// `EFAULT`, or a restart.
    pub fn copyout(&self, bytes: &[u8], user: u64) -> Result<(), Failure> {
        copyio::copyout(self.map, bytes, user).map_err(failure)
    }

    /// An `int` of the program's.
    ///
    /// # Errors
    /// `EFAULT`, or a restart.
    pub fn copyin_int(&self, user: u64) -> Result<i32, Failure> {
        let mut bytes = [0; 4];
        self.copyin(user, &mut bytes)?;
        Ok(i32::from_le_bytes(bytes))
    }

    /// A 64-bit word of the program's.
    ///
    /// # Errors
    /// `EFAULT`, or a restart.
    pub fn copyin_word(&self, user: u64) -> Result<u64, Failure> {
        copyio::copyin_word(self.map, user).map_err(failure)
    }

    /// The bytes of a string of the program's, at most `limit` of them.
    ///
    /// # Errors
    /// `E2BIG`; `EFAULT`, or a restart.
    pub fn copyin_bytes(&self, user: u64, limit: usize) -> Result<Vec<u8>, Failure> {
        copyio::copyin_bytes_until_nul(self.map, user, limit).map_err(|error| match error {
            StringError::Memory(cause) => failure(cause),
            StringError::TooLong | StringError::NotText => Errno::E2BIG.into(),
        })
    }

    /// A string of the program's, at most `limit` bytes.
    ///
    /// # Errors
    /// `ENAMETOOLONG`; `EILSEQ` for what is not UTF-8; `EFAULT`, or a restart.
    #[doc(alias = "copyinstr")]
    pub fn copyin_string(&self, user: u64, limit: usize) -> Result<String, Failure> {
        let string = copyio::copyin_string(self.map, user, limit).map_err(|error| match error {
            StringError::TooLong => Failure::from(Errno::ENAMETOOLONG),
            StringError::NotText => Errno::EILSEQ.into(),
            StringError::Memory(cause) => failure(cause),
        })?;
        trace::text(Event::SyscallPath, string.as_bytes());
        Ok(string)
    }
}

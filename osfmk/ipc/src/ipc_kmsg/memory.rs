//! What a message needs of a program's address space: [`UserMemory`].
//!
//! `kern` implements it for the current task with its copyio (which retries after faults); for a plain
//! [`VmMap`], which need not be the active one, it is implemented here. Nothing in this crate touches
//! a program's memory in any other way, and no lock is held while it does.

use mach::KernReturn;
use vm::vm_map::{SourceFate, VmMap, VmMapCopy};

/// A program's memory.
pub trait UserMemory {
    /// Reads bytes.
    ///
    /// # Errors
    /// Some part is not readable.
    fn copyin(&self, from: u64, to: &mut [u8]) -> Result<(), KernReturn>;

    /// Writes bytes.
    ///
    /// # Errors
    /// Some part is not writable.
    fn copyout(&self, from: &[u8], to: u64) -> Result<(), KernReturn>;

    /// Takes a virtual copy of a range; with [`SourceFate::Destroy`] the range itself.
    ///
    /// # Errors
    /// What [`VmMap::copyin`] fails with.
    #[doc(alias = "vm_map_copyin")]
    fn take(&self, address: u64, size: u64, fate: SourceFate) -> Result<VmMapCopy, KernReturn>;

    /// Copies a range at once, for the kernel itself, if that is likely to cost less than taking a virtual copy of it.
    ///
    /// # Errors
    /// As [`UserMemory::take`].
    fn copy(&self, address: u64, size: u64) -> Result<VmMapCopy, KernReturn> {
        self.take(address, size, SourceFate::Keep)
    }

    /// Maps a copy somewhere.
    ///
    /// # Errors
    /// What [`VmMap::copyout`] fails with; the copy ends.
    #[doc(alias = "vm_map_copyout")]
    fn give(&self, copy: VmMapCopy) -> Result<u64, KernReturn>;

    /// Writes the bytes of a copy to `address`, if that needs no waiting for pages of the copy; says whether it did.
    ///
    /// # Errors
    /// Some part of the target is not writable.
    fn put(&self, _copy: &VmMapCopy, _address: u64) -> Result<bool, KernReturn> {
        Ok(false)
    }

    /// Unmaps a range.
    ///
    /// # Errors
    /// What `vm_map_remove` fails with.
    #[doc(alias = "vm_map_remove")]
    fn remove(&self, address: u64, size: u64) -> Result<(), KernReturn>;
}

impl UserMemory for VmMap {
    fn copyin(&self, from: u64, to: &mut [u8]) -> Result<(), KernReturn> {
        self.read_bytes(from, to)
    }

    fn copyout(&self, from: &[u8], to: u64) -> Result<(), KernReturn> {
        self.write_bytes(to, from)
    }

    fn take(&self, address: u64, size: u64, fate: SourceFate) -> Result<VmMapCopy, KernReturn> {
        Self::copyin(self, address, size, fate)
    }

    fn give(&self, copy: VmMapCopy) -> Result<u64, KernReturn> {
        Self::copyout(self, copy).map_err(|(code, _)| code)
    }

    fn remove(&self, address: u64, size: u64) -> Result<(), KernReturn> {
        let end = address
            .checked_add(size)
            .ok_or(KernReturn::INVALID_ADDRESS)?;
        let end = self.round_page(end).ok_or(KernReturn::INVALID_ADDRESS)?;
        self.delete(self.trunc_page(address), end)
    }
}

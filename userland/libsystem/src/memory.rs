//! Mappings: [`Mapping`], and the calls on ranges of memory.
//!
//! Pages of a file can change while they are mapped, so a mapping is read by copying
//! ([`Mapping::read`]), not as a slice.

use crate::io::Result;
use crate::{mach_call, syscall};
use bsd_sys::Errno;
use bsd_sys::mman::{MapFlags, MsyncFlags, Prot};
use bsd_sys::syscall as number;
use core::sync::atomic::{AtomicU64, Ordering};
use mach::defs::mach_vm;
use mach::message::{UserMemory, UserRight};
use mach::port::PortName;
use mach::{VmInherit, VmProt};

/// Bytes of a page, as the kernel tells.
#[doc(alias = "getpagesize")]
pub fn page_size() -> u64 {
    static SIZE: AtomicU64 = AtomicU64::new(0);
    match SIZE.load(Ordering::Relaxed) {
        0 => {
            let size = crate::mach_call::host_page_size().unwrap_or(0x4000);
            SIZE.store(size, Ordering::Relaxed);
            size
        }
        size => size,
    }
}

/// The whole of `mmap`.
///
/// # Safety
/// With [`MapFlags::FIXED`] whatever is mapped in the range goes: nothing may refer to it.
///
/// # Errors
/// The kernel's.
#[doc(alias = "mmap")]
pub unsafe fn map(
    address: u64,
    size: usize,
    protection: Prot,
    flags: MapFlags,
    descriptor: i32,
    offset: u64,
) -> Result<u64> {
    let flags = flags | MapFlags::UNIX03;
    let arguments = [
        address,
        size as u64,
        u64::from(protection.bits()),
        u64::from(flags.bits()),
        descriptor as u64,
        offset,
    ];
    // SAFETY: what is lost by a fixed mapping is the caller's promise.
    unsafe { syscall::call(number::MMAP, &arguments) }.map(|words| words[0])
}

/// Fresh memory of zeros, for good.
///
/// # Errors
/// The kernel's.
pub fn map_anonymous(size: usize, protection: Prot) -> Result<usize> {
    let flags = MapFlags::PRIVATE | MapFlags::ANONYMOUS;
    // SAFETY: not fixed.
    unsafe { map(0, size, protection, flags, -1, 0) }.map(|address| address as usize)
}

/// A range of memory that is unmapped when dropped.
#[derive(Debug)]
pub struct Mapping {
    address: u64,
    size: usize,
}

impl Mapping {
    /// Fresh memory of zeros.
    ///
    /// # Errors
    /// The kernel's.
    pub fn anonymous(size: usize, protection: Prot) -> Result<Self> {
        Self::with(
            size,
            protection,
            MapFlags::PRIVATE | MapFlags::ANONYMOUS,
            -1,
            0,
        )
    }

    /// Part of a file.
    ///
    /// # Errors
    /// The kernel's.
    pub fn of_file(
        file: &crate::fs::File,
        offset: u64,
        size: usize,
        protection: Prot,
        flags: MapFlags,
    ) -> Result<Self> {
        Self::with(size, protection, flags, file.descriptor(), offset)
    }

    /// What a memory entry's port names, shared, readable and writable.
    ///
    /// # Errors
    /// The kernel's.
    #[doc(alias = "mach_vm_map")]
    pub fn of_memory_entry(entry: PortName, size: usize) -> mach::Result<Self> {
        const ANYWHERE: i32 = 1;
        let access = VmProt::READ | VmProt::WRITE;
        let request = mach_vm::map::Request {
            object: UserRight::copy_send(entry),
            address: 0,
            size: size as u64,
            mask: 0,
            flags: ANYWHERE,
            offset: 0,
            copy: 0,
            cur_protection: access,
            max_protection: access,
            inheritance: VmInherit::None as u32,
        };
        let address = mach_call::call(mach_call::task_self(), request)?.address;
        Ok(Self { address, size })
    }

    fn with(
        size: usize,
        protection: Prot,
        flags: MapFlags,
        file: i32,
        offset: u64,
    ) -> Result<Self> {
        let flags = flags - MapFlags::FIXED;
        // SAFETY: not fixed.
        let address = unsafe { map(0, size, protection, flags, file, offset) }?;
        Ok(Self { address, size })
    }

    /// First address.
    pub const fn address(&self) -> u64 {
        self.address
    }

    /// Bytes.
    pub const fn size(&self) -> usize {
        self.size
    }

    /// Copies bytes out, as far as the mapping goes, and tells how many. Touching a page past the end
    /// of a file ends the program with `SIGBUS`.
    pub fn read(&self, offset: usize, buffer: &mut [u8]) -> usize {
        let count = buffer.len().min(self.size.saturating_sub(offset));
        let source = (self.address as usize + offset) as *const u8;
        // SAFETY: the range is mapped and ours; `buffer` is somewhere else. Another process may change
        // a shared page meanwhile, which this copy, unlike a slice, tolerates: the bytes come by
        // ordinary loads whose values nothing assumes.
        unsafe { core::ptr::copy_nonoverlapping(source, buffer.as_mut_ptr(), count) };
        count
    }

    /// Copies bytes in, as far as the mapping goes, and tells how many; the mapping must be writable,
    /// otherwise the program ends.
    pub fn write(&mut self, offset: usize, bytes: &[u8]) -> usize {
        let count = bytes.len().min(self.size.saturating_sub(offset));
        let destination = (self.address as usize + offset) as *mut u8;
        // SAFETY: the range is mapped and ours, no reference to it exists, and `bytes` is elsewhere.
        unsafe { core::ptr::copy_nonoverlapping(bytes.as_ptr(), destination, count) };
        count
    }

    /// One byte.
    pub fn byte(&self, offset: usize) -> Option<u8> {
        let address = (self.address as usize + offset) as *const u8;
        // SAFETY: the address is in the mapping, which is ours.
        (offset < self.size).then(|| unsafe { address.read_volatile() })
    }

    /// Writes one byte; the mapping must be writable, otherwise the program ends.
    pub fn set_byte(&mut self, offset: usize, value: u8) {
        let address = (self.address as usize + offset) as *mut u8;
        if offset < self.size {
            // SAFETY: the address is in the mapping, which is ours, and no reference to it exists.
            unsafe { address.write_volatile(value) };
        }
    }

    /// Changes the protection of all of it.
    ///
    /// # Errors
    /// The kernel's.
    #[doc(alias = "mprotect")]
    pub fn protect(&mut self, protection: Prot) -> Result<()> {
        range_call(
            number::MPROTECT,
            self.address,
            self.size,
            u64::from(protection.bits()),
        )
    }

    /// Advises, [`bsd_sys::mman::advice`]. Advice that discards contents is no danger: nothing refers to
    /// them.
    ///
    /// # Errors
    /// The kernel's.
    #[doc(alias = "madvise")]
    pub fn advise(&mut self, advice: i32) -> Result<()> {
        range_call(number::MADVISE, self.address, self.size, advice as u64)
    }

    /// Writes back to the file.
    ///
    /// # Errors
    /// The kernel's.
    #[doc(alias = "msync")]
    pub fn synchronize(&self, flags: MsyncFlags) -> Result<()> {
        range_call(
            number::MSYNC,
            self.address,
            self.size,
            u64::from(flags.bits()),
        )
    }

    /// State of each page, [`bsd_sys::mman::Mincore`].
    ///
    /// # Errors
    /// The kernel's.
    #[doc(alias = "mincore")]
    pub fn resident(&self) -> Result<alloc::vec::Vec<u8>> {
        let mut states = alloc::vec![0; self.size.div_ceil(page_size() as usize)];
        range_call(
            number::MINCORE,
            self.address,
            self.size,
            states.as_mut_ptr() as u64,
        )?;
        Ok(states)
    }

    /// Unmaps, and tells if that failed.
    ///
    /// # Errors
    /// The kernel's.
    #[doc(alias = "munmap")]
    pub fn unmap(self) -> Result<()> {
        let (address, size) = (self.address, self.size);
        core::mem::forget(self);
        range_call(number::MUNMAP, address, size, 0)
    }

    /// Leaves the memory mapped for good and gives its address.
    pub fn leak(self) -> u64 {
        let address = self.address;
        core::mem::forget(self);
        address
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        let _ = range_call(number::MUNMAP, self.address, self.size, 0);
    }
}

/// Bytes as the out-of-line memory of a message, which copies them when it is sent.
#[derive(Debug)]
pub struct Outgoing<'a>(&'a [u8]);

impl<'a> Outgoing<'a> {
    /// Nothing can go wrong here; where a task is only imitated, something may.
    ///
    /// # Errors
    /// None.
    pub const fn new(bytes: &'a [u8]) -> mach::Result<Self> {
        Ok(Self(bytes))
    }

    /// What the message names. It is good as long as the value lives.
    pub fn memory(&self) -> UserMemory {
        UserMemory::copy_at_once(self.0.as_ptr() as u64, self.0.len() as u64)
    }
}

/// A call on a range that is this module's own.
fn range_call(call: u32, address: u64, size: usize, third: u64) -> Result<()> {
    // SAFETY: the range is a `Mapping`'s, of which no references exist; a buffer in the third argument is
    // large enough.
    unsafe { syscall::call(call, &[address, size as u64, third]) }.map(|_| ())
}

/// Copies bytes from an address that another task's message gave us, e.g. out-of-line memory.
///
/// # Safety
/// The range must be mapped readable and stay so.
///
/// # Errors
/// `EFAULT` for the null address.
pub unsafe fn copy_from(address: u64, size: usize) -> Result<alloc::vec::Vec<u8>> {
    if size == 0 {
        return Ok(alloc::vec::Vec::new());
    }
    if address == 0 {
        return Err(Errno::EFAULT);
    }
    let mut bytes = alloc::vec![0; size];
    // SAFETY: the caller's promise; `bytes` is fresh and as large.
    unsafe { core::ptr::copy_nonoverlapping(address as *const u8, bytes.as_mut_ptr(), size) };
    Ok(bytes)
}

//! System calls and memory accesses with nothing around them.
//!
//! A benchmark's addresses are of mappings that hold no Rust object, or where nothing is mapped.

use alloc::format;
use alloc::string::String;

use bsd_sys::Errno;
use bsd_sys::syscall as number;

/// Bytes of a page: the rows are those of the 4 KiB build, and the others follow its sizes.
pub(crate) fn page() -> u64 {
    libsystem::memory::page_size()
}

/// Bytes of the large ranges.
pub(crate) const LARGE: u64 = 64 << 20;

/// `PROT_READ`.
pub(crate) const READ: u64 = 1;
/// `PROT_READ | PROT_WRITE`.
pub(crate) const WRITE: u64 = 3;
/// `MAP_SHARED`.
pub(crate) const SHARED: u64 = 0x1;
/// `MAP_PRIVATE`.
pub(crate) const PRIVATE: u64 = 0x2;
const FIXED: u64 = 0x10;
const ANONYMOUS: u64 = 0x1000;
const UNIX03: u64 = 0x4_0000;

/// What a call leaves: `x0`, `x1`, and whether it failed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Answer {
    pub(crate) first: u64,
    pub(crate) second: u64,
    pub(crate) failed: bool,
}

impl Answer {
    /// The first word, or the error with the call's name.
    pub(crate) fn or(self, what: &str) -> Result<u64, String> {
        if self.failed {
            Err(format!("{what}: {}", Errno::from_raw(self.first as i32)))
        } else {
            Ok(self.first)
        }
    }
}

/// Enters the kernel.
#[inline(always)]
pub(crate) fn enter(number: i64, a: [u64; 7]) -> Answer {
    #[cfg(target_os = "none")]
    {
        let (first, second, carry): (u64, u64, u64);
        // SAFETY: what the kernel changes lies in the benchmark's own ranges; registers that change are declared.
        unsafe {
            core::arch::asm!(
                "svc #0x80", "cset {carry}, cs",
                carry = out(reg) carry,
                inlateout("x0") a[0] => first,
                inlateout("x1") a[1] => second,
                in("x2") a[2], in("x3") a[3], in("x4") a[4], in("x5") a[5], in("x6") a[6],
                in("x16") number, lateout("x17") _,
                options(nostack),
            );
        }
        Answer {
            first,
            second,
            failed: carry != 0,
        }
    }
    #[cfg(not(target_os = "none"))]
    {
        let _ = (number, a);
        Answer {
            first: Errno::ENOSYS.raw() as u64,
            second: 0,
            failed: true,
        }
    }
}

/// A call with up to three arguments.
#[inline(always)]
pub(crate) fn call(number: u32, a: u64, b: u64, c: u64) -> Answer {
    enter(i64::from(number), [a, b, c, 0, 0, 0, 0])
}

/// `mmap`.
#[inline(always)]
pub(crate) fn map(length: u64, protection: u64, flags: u64, file: i32) -> Answer {
    let arguments = [0, length, protection, flags | UNIX03, file as u64, 0, 0];
    enter(i64::from(number::MMAP), arguments)
}

/// Private memory of zeros.
#[inline(always)]
pub(crate) fn map_anonymous(length: u64, protection: u64) -> Answer {
    map(length, protection, PRIVATE | ANONYMOUS, -1)
}

/// Private memory of zeros at this address.
#[inline(always)]
pub(crate) fn map_at(address: u64, length: u64) -> Answer {
    let flags = PRIVATE | ANONYMOUS | FIXED | UNIX03;
    let arguments = [address, length, WRITE, flags, u64::MAX, 0, 0];
    enter(i64::from(number::MMAP), arguments)
}

/// Memory of zeros shared with children.
pub(crate) fn map_common(length: u64) -> Result<u64, String> {
    map(length, WRITE, SHARED | ANONYMOUS, -1).or("mmap")
}

/// `munmap`.
#[inline(always)]
pub(crate) fn unmap(address: u64, length: u64) -> Answer {
    call(number::MUNMAP, address, length, 0)
}

/// `mprotect`.
#[inline(always)]
pub(crate) fn protect(address: u64, length: u64, protection: u64) -> Answer {
    call(number::MPROTECT, address, length, protection)
}

/// Writes a byte.
#[inline(always)]
pub(crate) fn store(address: u64, value: u8) {
    // SAFETY: the benchmark's own mapping, which holds no Rust object.
    unsafe { (address as *mut u8).write_volatile(value) };
}

/// Reads a byte.
#[inline(always)]
pub(crate) fn load(address: u64) -> u8 {
    // SAFETY: as `store`.
    unsafe { (address as *const u8).read_volatile() }
}

/// Writes a byte of each page.
#[inline(always)]
pub(crate) fn write_each(address: u64, length: u64, page: u64) {
    let mut at = address;
    while at != address + length {
        store(at, 1);
        at += page;
    }
}

/// Reads a byte of each page.
#[inline(always)]
pub(crate) fn read_each(address: u64, length: u64, page: u64) {
    let mut at = address;
    while at != address + length {
        load(at);
        at += page;
    }
}

/// The bytes of a mapping.
///
/// # Safety
/// The range must be mapped, stay so, and be used through this slice only.
pub(crate) unsafe fn bytes(address: u64, length: u64) -> &'static mut [u8] {
    // SAFETY: the caller's promise.
    unsafe { core::slice::from_raw_parts_mut(address as *mut u8, length as usize) }
}

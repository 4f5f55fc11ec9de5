//! The way into the kernel: `svc #0x80`, BSD calls with positive numbers, Mach traps with negative.
//!
//! The functions here move words only; the modules above give them types.

use bsd_sys::Errno;

/// What a BSD call gives: two words, or an error.
pub type Words = Result<[u64; 2], Errno>;

/// Makes a BSD call.
///
/// # Safety
/// The arguments must be what the call of this number takes; memory that they name must be valid for
/// what the call does with it.
pub unsafe fn call(number: u32, arguments: &[u64]) -> Words {
    let mut registers = [0; 8];
    let count = arguments.len().min(8);
    registers[..count].copy_from_slice(&arguments[..count]);
    // SAFETY: the caller's promise.
    let (words, failed) = unsafe { entry::enter(i64::from(number), registers) };
    if failed {
        Err(Errno::from_raw(words[0] as i32))
    } else {
        Ok(words)
    }
}

/// Makes a Mach trap.
///
/// # Safety
/// As [`call`].
pub unsafe fn trap(number: i32, arguments: &[u64]) -> u64 {
    let mut registers = [0; 8];
    let count = arguments.len().min(8);
    registers[..count].copy_from_slice(&arguments[..count]);
    // SAFETY: the caller's promise.
    unsafe { entry::enter(i64::from(number), registers).0[0] }
}

#[cfg(target_os = "none")]
mod entry {
    use core::arch::asm;

    /// The instruction itself. The kernel keeps every register but `x0`, `x1` and the flags.
    ///
    /// # Safety
    /// As [`super::call`].
    pub(super) unsafe fn enter(number: i64, arguments: [u64; 8]) -> ([u64; 2], bool) {
        let [a0, a1, a2, a3, a4, a5, a6, a7] = arguments;
        let (first, second, carry): (u64, u64, u64);
        // SAFETY: what the kernel does with memory is the caller's promise; the registers that
        // change are declared.
        unsafe {
            asm!(
                "svc #0x80",
                "cset {carry}, cs",
                carry = out(reg) carry,
                inlateout("x0") a0 => first,
                inlateout("x1") a1 => second,
                in("x2") a2,
                in("x3") a3,
                in("x4") a4,
                in("x5") a5,
                in("x6") a6,
                in("x7") a7,
                in("x16") number,
                lateout("x17") _,
                options(nostack),
            );
        }
        ([first, second], carry != 0)
    }
}

#[cfg(not(target_os = "none"))]
mod entry {
    use bsd_sys::Errno;
    use mach::KernReturn;

    /// There is no kernel here: calls fail with `ENOSYS`, traps with `KERN_NOT_SUPPORTED`.
    ///
    /// # Safety
    /// None is needed.
    pub(super) unsafe fn enter(number: i64, _arguments: [u64; 8]) -> ([u64; 2], bool) {
        if number < 0 {
            ([KernReturn::NOT_SUPPORTED.0 as u64, 0], false)
        } else {
            ([Errno::ENOSYS.raw() as u64, 0], true)
        }
    }
}

//! Clocks.

use crate::io::Result;
use crate::syscall;
use bsd_sys::syscall as number;
use bsd_sys::time::Timeval;
use core::sync::atomic::{AtomicU64, Ordering};
use mach::time::TimebaseInfo;
use mach::traps;
use mach::wire::Wire;

/// Ticks since the machine started.
#[doc(alias = "mach_absolute_time")]
pub fn absolute() -> u64 {
    // SAFETY: no memory is named.
    unsafe { syscall::trap(traps::ABSOLUTE_TIME, &[]) }
}

/// Nanoseconds per tick, as numerator and denominator.
#[doc(alias = "mach_timebase_info")]
fn timebase() -> (u64, u64) {
    static RATIO: AtomicU64 = AtomicU64::new(0);
    let mut ratio = RATIO.load(Ordering::Relaxed);
    if ratio == 0 {
        let mut bytes = [0u8; 8];
        // SAFETY: the kernel writes eight bytes into `bytes`.
        unsafe { syscall::trap(traps::MACH_TIMEBASE_INFO, &[bytes.as_mut_ptr() as u64]) };
        let info = TimebaseInfo::decode(&bytes).unwrap_or_default();
        ratio = (u64::from(info.numer.max(1)) << 32) | u64::from(info.denom.max(1));
        RATIO.store(ratio, Ordering::Relaxed);
    }
    (ratio >> 32, ratio & 0xffff_ffff)
}

/// `value * numer / denom` without overflow on the way.
fn scale(value: u64, numer: u64, denom: u64) -> u64 {
    (u128::from(value) * u128::from(numer) / u128::from(denom)) as u64
}

/// Nanoseconds of a number of ticks.
pub fn nanoseconds(ticks: u64) -> u64 {
    let (numer, denom) = timebase();
    scale(ticks, numer, denom)
}

/// Ticks of a number of nanoseconds.
pub fn ticks(nanoseconds: u64) -> u64 {
    let (numer, denom) = timebase();
    scale(nanoseconds, denom, numer)
}

/// Nanoseconds since the machine started.
pub fn now() -> u64 {
    nanoseconds(absolute())
}

/// Sleeps so many milliseconds, or until a signal.
#[doc(alias = "mach_wait_until")]
pub fn sleep(milliseconds: u32) {
    let deadline = absolute().saturating_add(ticks(u64::from(milliseconds) * 1_000_000));
    // SAFETY: no memory is named.
    unsafe { syscall::trap(traps::MACH_WAIT_UNTIL, &[deadline]) };
}

/// The time of day.
///
/// # Errors
/// The kernel's.
#[doc(alias = "gettimeofday")]
pub fn of_day() -> Result<Timeval> {
    let mut bytes = [0; Timeval::SIZE];
    // SAFETY: the kernel writes a `timeval` into `bytes`.
    unsafe { syscall::call(number::GETTIMEOFDAY, &[bytes.as_mut_ptr() as u64, 0, 0]) }?;
    Timeval::from_bytes(&bytes).ok_or(bsd_sys::Errno::EIO)
}

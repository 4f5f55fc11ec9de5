//! The generic timer: the virtual counter, and its compare register on this CPU.

use super::barrier;
use aarch64_cpu::registers::{CNTFRQ_EL0, CNTKCTL_EL1, CNTV_CTL_EL0, CNTV_CVAL_EL0, CNTVCT_EL0};
use tock_registers::interfaces::{Readable, Writeable};

/// Ticks since power-on; the same on all CPUs.
#[doc(alias = "mach_absolute_time")]
#[inline]
#[must_use]
pub fn counter() -> u64 {
    barrier::instruction();
    CNTVCT_EL0.get()
}

/// Ticks per second.
#[must_use]
pub fn frequency() -> u64 {
    CNTFRQ_EL0.get()
}

/// Asks for a timer interrupt on this CPU once the counter has reached `counter`.
pub fn set_deadline(counter: u64) {
    CNTV_CVAL_EL0.set(counter);
    CNTV_CTL_EL0.write(CNTV_CTL_EL0::ENABLE::SET + CNTV_CTL_EL0::IMASK::CLEAR);
    barrier::instruction();
}

/// Switches this CPU's timer interrupt off.
pub fn mask() {
    CNTV_CTL_EL0.write(CNTV_CTL_EL0::ENABLE::CLEAR + CNTV_CTL_EL0::IMASK::SET);
    barrier::instruction();
}

/// Lets user mode read the virtual counter on this CPU.
pub(super) fn allow_user_counter() {
    CNTKCTL_EL1.write(CNTKCTL_EL1::EL0VCTEN.val(1));
}

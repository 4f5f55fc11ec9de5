//! Interrupt masking on this CPU (PSTATE.I).

use aarch64_cpu::registers::DAIF;
use core::arch::asm;
use tock_registers::interfaces::Readable;

const MASKED: u64 = 1 << 7;

/// Whether interrupts were masked before [`disable`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use = "interrupts stay masked until the state is restored"]
pub struct InterruptState(u64);

/// Masks interrupts.
#[inline]
pub fn disable() -> InterruptState {
    let state = DAIF.get();
    // SAFETY: masking interrupts is always allowed at EL1. Not `nomem`: what follows must not be
    // moved before it.
    unsafe { asm!("msr daifset, #2", options(nostack, preserves_flags)) };
    InterruptState(state & MASKED)
}

/// Goes back to the state before the matching [`disable`].
#[doc(alias = "ml_set_interrupts_enabled")]
#[inline]
pub fn restore(state: InterruptState) {
    if state.0 == 0 {
        enable();
    }
}

/// Unmasks interrupts.
#[inline]
pub fn enable() {
    // SAFETY: handlers are installed before the first call; not `nomem`, as in `disable`.
    unsafe { asm!("msr daifclr, #2", options(nostack, preserves_flags)) };
}

/// Whether interrupts can be taken.
#[doc(alias = "ml_get_interrupts_enabled")]
#[inline]
#[must_use]
pub fn are_enabled() -> bool {
    DAIF.matches_all(DAIF::I::Unmasked)
}

/// Sleeps until an interrupt is pending, masked or not.
#[inline]
pub fn wait_for_interrupt() {
    // SAFETY: WFI only waits; earlier stores are made visible first.
    unsafe { asm!("dsb sy", "wfi", options(nostack, preserves_flags)) };
}

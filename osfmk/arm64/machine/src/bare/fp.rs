//! The floating point and SIMD unit. The kernel is soft-float: the registers only ever hold a
//! user thread's state, and CPACR_EL1 makes the first use by another thread trap.

use super::barrier;
pub use crate::fp_state::FpState;
use aarch64_cpu::registers::CPACR_EL1;
use core::arch::global_asm;
use tock_registers::interfaces::{Readable, Writeable};

global_asm!(include_str!("asm/fp.S"));

unsafe extern "C" {
    fn fp_save(state: *mut FpState);
    fn fp_restore(state: *const FpState);
}

/// Lets user mode use the unit.
pub fn enable() {
    CPACR_EL1.write(CPACR_EL1::FPEN::TrapNothing);
    barrier::instruction();
}

/// Makes the next use from user mode trap.
pub fn disable() {
    CPACR_EL1.write(CPACR_EL1::FPEN::TrapEl0El1);
    barrier::instruction();
}

/// Whether user mode may use the unit on this CPU.
#[must_use]
pub fn is_enabled() -> bool {
    CPACR_EL1.matches_all(CPACR_EL1::FPEN::TrapNothing)
}

/// Copies the registers to `state`. The unit must be enabled.
pub fn save(state: &mut FpState) {
    debug_assert!(is_enabled());
    // SAFETY: `state` is writable and laid out as the assembly expects (asserted below).
    unsafe { fp_save(state) };
}

/// Loads the registers from `state`. The unit must be enabled.
pub fn restore(state: &FpState) {
    debug_assert!(is_enabled());
    // SAFETY: `state` is readable and laid out as the assembly expects.
    unsafe { fp_restore(state) };
}

const _: () = assert!(core::mem::offset_of!(FpState, fpsr) == 512);

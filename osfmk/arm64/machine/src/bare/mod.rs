//! Bare metal: AArch64 EL1.
//!
//! Assembly stands in `asm/` (one file per job) and in one-line `asm!` blocks here. The public
//! modules mirror `host::api`; [`boot`] and [`context`] exist only on this side.

pub mod barrier;
pub mod boot;
pub mod cache;
pub mod clock;
pub mod context;
pub mod copyio;
pub mod cpu;
mod early_message;
pub mod fp;
pub mod frame_memory;
pub mod interrupts;
pub mod mmu;
pub mod table;
pub mod tlb;
mod vectors;

// What the compiler calls to copy and fill memory.
core::arch::global_asm!(include_str!("asm/memory.S"));

/// Reads a system register that `aarch64-cpu` does not know.
macro_rules! read_register {
    ($name:literal) => {{
        let value: u64;
        // SAFETY: reading this register has no effect on memory or on the program.
        unsafe {
            core::arch::asm!(concat!("mrs {}, ", $name), out(reg) value, options(nomem, nostack));
        }
        value
    }};
}
use read_register;

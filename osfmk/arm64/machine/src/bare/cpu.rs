//! CPUs: the block of each, and the running thread's block.
//!
//! TPIDR_EL1 points to this CPU's [`CpuLocal`]. SP_EL0, which the kernel does not use as a stack
//! pointer, points to the running thread's [`ThreadBlock`]: being a register that the context
//! switch changes, it can be read at any time without the danger of migrating in between. The
//! vectors save the user's SP_EL0 and reload it from [`CpuLocal`].

pub use crate::per_cpu::{CpuLocal, SLOTS, ThreadBlock};
use aarch64_cpu::registers::{MIDR_EL1, MPIDR_EL1, TPIDR_EL0, TPIDR_EL1, TPIDRRO_EL0};
use core::arch::asm;
use core::sync::atomic::Ordering;
use tock_registers::interfaces::{Readable, Writeable};

/// Most CPUs the kernel can drive.
pub const MAX_CPUS: usize = 8;

/// Indexed by CPU number. The start-up assembly finds its block here.
pub(super) static LOCALS: [CpuLocal; MAX_CPUS] = [const { CpuLocal::new() }; MAX_CPUS];

/// This CPU's data. Only meaningful while the caller cannot migrate.
#[doc(alias = "getCpuDatap")]
#[inline]
#[must_use]
pub fn local() -> &'static CpuLocal {
    let pointer = TPIDR_EL1.get() as *const CpuLocal;
    // SAFETY: the start-up code points the register to an element of `LOCALS` before any Rust
    // code runs with the MMU on.
    unsafe { &*pointer }
}

/// The data of CPU `number`.
#[doc(alias = "cpu_datap")]
#[must_use]
pub fn of(number: usize) -> Option<&'static CpuLocal> {
    LOCALS.get(number)
}

/// This CPU's index.
#[doc(alias = "cpu_number")]
#[inline]
#[must_use]
pub fn current() -> usize {
    local().number()
}

/// The running thread's block; safe to use at any time.
#[doc(alias = "current_thread")]
#[inline]
#[must_use]
pub fn thread() -> &'static ThreadBlock {
    let pointer: *const ThreadBlock;
    // SAFETY: reads a register. Not `nomem`: a call after a context switch must read anew.
    unsafe { asm!("mrs {}, sp_el0", out(reg) pointer, options(nostack, preserves_flags)) };
    // SAFETY: `set_thread` and the start-up code only store blocks that live while they are set.
    unsafe { &*pointer }
}

/// Makes `block` the running thread's, with interrupts masked, by the context switch.
///
/// # Safety
/// `block` must stay valid until another block is set on this CPU.
pub unsafe fn set_thread(block: *const ThreadBlock) {
    local().thread.store(block.cast_mut(), Ordering::Relaxed);
    // SAFETY: the kernel runs on SP_EL1; SP_EL0 is free for this use.
    unsafe { asm!("msr sp_el0, {}", in(reg) block, options(nostack, preserves_flags)) };
}

/// MPIDR_EL1's affinity fields: how the device tree, PSCI and the GIC name this CPU.
#[must_use]
pub fn hardware_id() -> u64 {
    MPIDR_EL1.get() & 0xFF_00FF_FFFF
}

/// MIDR_EL1: implementer, part and revision.
#[must_use]
pub fn model() -> u64 {
    MIDR_EL1.get()
}

/// The user's thread pointers: TPIDR_EL0 (writable by user mode) and TPIDRRO_EL0 (read-only).
#[must_use]
pub fn user_thread_pointers() -> (u64, u64) {
    (TPIDR_EL0.get(), TPIDRRO_EL0.get())
}

/// Loads the user's thread pointers.
#[doc(alias = "machine_thread_set_tsd_base")]
pub fn set_user_thread_pointers(writable: u64, read_only: u64) {
    TPIDR_EL0.set(writable);
    TPIDRRO_EL0.set(read_only);
}

/// Stops this CPU for good.
pub fn halt() -> ! {
    let _ = super::interrupts::disable();
    loop {
        super::interrupts::wait_for_interrupt();
    }
}

//! The machine layer: every line of assembly, and its twin for `cargo test`.
//!
//! Everything above this crate is written against one API with two implementations, chosen by
//! target and never by `cfg(test)`:
//!
//! | target | where | what it is |
//! |---|---|---|
//! | bare metal (`target_os = "none"`) | `src/bare/` | system registers, vectors, TLBI, LDTR/STTR |
//! | any hosted target | `src/host/` | simulated RAM, a table walker, a TLB that never forgets |
//!
//! The twin is *stricter* than hardware: a translation stays in its TLB until it is flushed, a
//! valid descriptor may not be replaced by a different valid one, and an instruction fetch from a
//! frame that was written and not synchronised fails. See [`host`] (hosted targets only).
//!
//! What is shared by both is pure: [`page`] and [`address`] (sizes and layout), [`descriptor`]
//! (bits of the VMSAv8-64 tables), [`esr`] (exception syndromes), [`trap::SavedState`].
//!
//! XNU's counterpart: `osfmk/arm64/` (`locore.s`, `cswitch.s`, `bcopyin.s`) and `osfmk/arm/`.
#![cfg_attr(target_os = "none", no_std)]

pub mod address;
pub mod backtrace;
pub mod debug_console;
pub mod descriptor;
pub mod esr;
mod fp_state;
pub mod kernel_space;
pub mod page;
mod per_cpu;
mod saved_state;
pub mod trap;
mod user_fault;

#[cfg(target_os = "none")]
mod bare;
#[cfg(target_os = "none")]
pub use bare::{
    barrier, boot, cache, clock, context, copyio, cpu, fp, frame_memory, interrupts, mmu, table,
    tlb,
};

#[cfg(not(target_os = "none"))]
pub mod host;
#[cfg(not(target_os = "none"))]
pub use host::api::{
    barrier, cache, clock, copyio, cpu, fp, frame_memory, interrupts, mmu, table, tlb,
};

pub use address::{FrameNumber, PhysAddr, VirtAddr};
pub use page::{PAGE_MASK, PAGE_SHIFT, PAGE_SIZE};

//! TLB maintenance on all CPUs: inner shareable operations, broadcast by hardware, no IPIs.
//!
//! Each operation orders earlier descriptor writes before itself; [`sync`] waits for completion.

use crate::page::{PAGE_SHIFT, PAGE_SIZE, trunc_page};
use core::arch::asm;

/// Ranges longer than this many pages flush the whole address space.
const RANGE_LIMIT: u64 = 256;

fn operand(asid: u16, address: u64) -> u64 {
    (asid as u64) << 48 | (address >> 12 & 0xFFF_FFFF_FFFF)
}

fn order_writes() {
    // SAFETY: a barrier.
    unsafe { asm!("dsb ishst", options(nostack, preserves_flags)) };
}

fn page(asid: u16, address: u64) {
    // SAFETY: forgetting a translation costs a walk at most.
    unsafe { asm!("tlbi vae1is, {}", in(reg) operand(asid, address), options(nostack)) };
}

/// Forgets one page of one address space.
pub fn invalidate_page(asid: u16, address: u64) {
    order_writes();
    page(asid, address);
}

/// Forgets `[start, end)` of one address space.
#[doc(alias = "flush_mmu_tlb_region_asid_async")]
pub fn invalidate_range(asid: u16, start: u64, end: u64) {
    let start = trunc_page(start);
    if end.saturating_sub(start) >> PAGE_SHIFT > RANGE_LIMIT {
        return invalidate_asid(asid);
    }
    order_writes();
    for address in (start..end).step_by(PAGE_SIZE) {
        page(asid, address);
    }
}

/// Forgets one address space.
#[doc(alias = "flush_mmu_tlb_asid_async")]
pub fn invalidate_asid(asid: u16) {
    order_writes();
    // SAFETY: as in `page`.
    unsafe { asm!("tlbi aside1is, {}", in(reg) (asid as u64) << 48, options(nostack)) };
}

/// Forgets `[start, end)` of the kernel's half.
pub fn invalidate_kernel_range(start: u64, end: u64) {
    let start = trunc_page(start);
    if end.saturating_sub(start) >> PAGE_SHIFT > RANGE_LIMIT {
        return invalidate_all();
    }
    order_writes();
    for address in (start..end).step_by(PAGE_SIZE) {
        // SAFETY: as in `page`.
        unsafe { asm!("tlbi vaae1is, {}", in(reg) operand(0, address), options(nostack)) };
    }
}

/// Forgets everything.
#[doc(alias = "flush_mmu_tlb_async")]
pub fn invalidate_all() {
    order_writes();
    // SAFETY: as in `page`.
    unsafe { asm!("tlbi vmalle1is", options(nostack)) };
}

/// Waits until all CPUs have done what was asked above.
#[doc(alias = "sync_tlb_flush")]
pub fn sync() {
    // SAFETY: barriers.
    unsafe { asm!("dsb ish", "isb", options(nostack, preserves_flags)) };
}

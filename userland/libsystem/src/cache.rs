//! Code that a program writes for itself: what it must do before it runs it.

/// Makes instruction fetches see what was written to `length` bytes at `address`, which must be readable; otherwise the process
/// ends as with any bad access.
#[doc(alias = "sys_icache_invalidate")]
pub fn synchronize_instructions(address: usize, length: usize) {
    #[cfg(target_os = "none")]
    {
        use core::arch::asm;
        let sizes: usize;
        // SAFETY: reading CTR_EL0 has no effect.
        unsafe {
            asm!("mrs {}, ctr_el0", out(reg) sizes, options(nomem, nostack, preserves_flags))
        };
        let data_line = 4usize << ((sizes >> 16) & 0xf);
        let code_line = 4usize << (sizes & 0xf);
        let end = address.saturating_add(length);
        for line in (address & !(data_line - 1)..end).step_by(data_line) {
            // SAFETY: cleaning a line changes no byte.
            unsafe { asm!("dc cvau, {}", in(reg) line, options(nostack, preserves_flags)) };
        }
        // SAFETY: a barrier.
        unsafe { asm!("dsb ish", options(nostack, preserves_flags)) };
        for line in (address & !(code_line - 1)..end).step_by(code_line) {
            // SAFETY: a line that is gone is fetched again.
            unsafe { asm!("ic ivau, {}", in(reg) line, options(nostack, preserves_flags)) };
        }
        // SAFETY: barriers.
        unsafe { asm!("dsb ish", "isb", options(nostack, preserves_flags)) };
    }
    #[cfg(not(target_os = "none"))]
    let _ = (address, length);
}

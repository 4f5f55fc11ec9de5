//! The preemption count, masked interrupts, and "may this code block?".
//!
//! The count is the thread's own (`machine`'s `ThreadBlock`): above zero the scheduler does not take the processor
//! away. Releasing the last hold, or unmasking interrupts, is a point where an outstanding request is honoured.
//!
//! XNU counterpart: `disable_preemption`, `enable_preemption`, `ml_set_interrupts_enabled`.

use core::marker::PhantomData;
use core::sync::atomic::Ordering;

use machine::{cpu, interrupts};

use super::execution;

/// Keeps the current thread on its processor until [`enable`]; nests.
#[doc(alias = "disable_preemption")]
#[inline]
pub fn disable() {
    let count = &cpu::thread().preemption_count;
    // Only the own thread writes it, so no read-modify-write is needed.
    count.store(count.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    core::sync::atomic::compiler_fence(Ordering::SeqCst);
}

/// Ends one [`disable`]; the last one lets a more urgent thread run.
#[doc(alias = "enable_preemption")]
#[inline]
pub fn enable() {
    core::sync::atomic::compiler_fence(Ordering::SeqCst);
    let count = &cpu::thread().preemption_count;
    let left = count.load(Ordering::Relaxed) - 1;
    count.store(left, Ordering::Relaxed);
    if left == 0 {
        execution::preemption_point();
    }
}

/// How many holds the current thread has.
#[doc(alias = "get_preemption_level")]
pub fn level() -> u32 {
    cpu::thread().preemption_count.load(Ordering::Relaxed)
}

/// Masked interrupts; restored when dropped.
pub struct Masked {
    saved: Option<interrupts::InterruptState>,
    _processor: PhantomData<*const ()>,
}

/// Masks interrupts on this processor until the value is dropped; nests.
#[doc(alias = "ml_set_interrupts_enabled")]
#[inline]
pub fn mask() -> Masked {
    Masked {
        saved: Some(interrupts::disable()),
        _processor: PhantomData,
    }
}

impl Drop for Masked {
    #[inline]
    fn drop(&mut self) {
        if let Some(saved) = self.saved.take() {
            interrupts::restore(saved);
            execution::preemption_point();
        }
    }
}

/// Panics, in builds with debug assertions, where blocking would hang the processor or break a spinning lock.
#[inline]
#[track_caller]
pub fn assert_may_block() {
    debug_assert!(
        level() == 0,
        "blocking while a spinning lock is held or preemption is disabled"
    );
    debug_assert!(
        execution::may_block_here(),
        "blocking with interrupts masked or in an interrupt handler"
    );
}

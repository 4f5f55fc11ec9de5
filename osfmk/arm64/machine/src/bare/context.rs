//! Switching between kernel stacks, and leaving for user mode.

use crate::address::KERNEL_STACK_SLOT;
use crate::trap::SavedState;
use core::arch::global_asm;

global_asm!(include_str!("asm/context.S"), SLOT = const KERNEL_STACK_SLOT);

/// What a thread that does not run needs to go on: the registers a call preserves.
#[doc(alias = "arm_kernel_saved_state_t")]
#[repr(C)]
#[derive(Debug, Default)]
pub struct KernelContext {
    /// `x19` to `x28`.
    saved: [u64; 10],
    frame_pointer: u64,
    resume_at: u64,
    stack_pointer: u64,
}

unsafe extern "C" {
    fn context_switch(from: *mut KernelContext, to: *const KernelContext);
    fn context_start();
    fn context_enter_user(state: *const SavedState) -> !;
}

impl KernelContext {
    /// A context that calls `entry(argument)` on an empty stack.
    #[must_use]
    pub fn new(stack_top: u64, entry: extern "C" fn(usize) -> !, argument: usize) -> KernelContext {
        debug_assert!(stack_top & 15 == 0);
        let mut saved = [0; 10];
        saved[0] = entry as usize as u64;
        saved[1] = argument as u64;
        KernelContext {
            saved,
            frame_pointer: 0,
            resume_at: context_start as *const () as u64,
            stack_pointer: stack_top,
        }
    }

    /// Where the thread will resume and its frame pointer, for a backtrace of a blocked thread.
    #[must_use]
    pub fn resume_point(&self) -> (u64, u64) {
        (self.resume_at, self.frame_pointer)
    }
}

/// Saves this context in `from` and continues with `to`; returns when someone switches back.
///
/// # Safety
/// Interrupts must be masked. `from` must be valid until it is switched to, and `to` must be a
/// context that is not running anywhere, whose stack is mapped.
#[doc(alias = "Switch_context")]
pub unsafe fn switch(from: *mut KernelContext, to: *const KernelContext) {
    // SAFETY: the caller's promise.
    unsafe { context_switch(from, to) };
}

/// Leaves for user mode with the registers of `state`; the kernel stack becomes empty.
///
/// The caller must hold nothing that needs dropping: its frames are abandoned. `state` must name
/// EL0 (see `SavedState::sanitise_cpsr`); anything else is a bug of the caller and panics.
#[doc(alias = "thread_exception_return")]
pub fn enter_user(state: &SavedState) -> ! {
    assert!(state.is_user(), "a state for user mode names EL1");
    // SAFETY: registers are loaded from a valid state; the current stack is a kernel stack of the
    // slot layout, whose top the assembly computes.
    unsafe { context_enter_user(state) }
}

const _: () = assert!(size_of::<KernelContext>() == 104);

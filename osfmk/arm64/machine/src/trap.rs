//! What happens when a CPU leaves its program: the registered handlers and the saved registers.
//!
//! The vectors (bare metal) save a [`SavedState`] on the thread's kernel stack and call through
//! this table. Copies to and from user memory that fault never reach a handler: the vectors send
//! them to their fix-up. Nothing here decides anything; `kern::trap` does.

pub use crate::saved_state::{CPSR_CARRY, CPSR_CONDITION_FLAGS, SavedState};

use core::sync::atomic::{AtomicPtr, Ordering};

/// The functions that the vectors call. All are entered with interrupts masked, on the kernel
/// stack of the interrupted thread, and must return with interrupts masked.
#[derive(Clone, Copy, Debug)]
pub struct Handlers {
    /// A synchronous exception from user mode: system call, abort, breakpoint. It may unmask
    /// interrupts and block.
    #[doc(alias = "sleh_synchronous")]
    pub sync_from_user: fn(&mut SavedState),
    /// A synchronous exception from the kernel that is no copyio fault: a bug.
    pub sync_from_kernel: fn(&mut SavedState),
    /// An interrupt, from user mode or from the kernel. It may switch threads before it returns.
    #[doc(alias = "sleh_irq")]
    pub irq: fn(&mut SavedState),
    /// An asynchronous external abort.
    #[doc(alias = "sleh_serror")]
    pub serror: fn(&mut SavedState),
    /// The last call before registers are restored for user mode: deliver what is pending.
    #[doc(alias = "ast_taken_user")]
    pub return_to_user: fn(&mut SavedState),
}

static HANDLERS: AtomicPtr<Handlers> = AtomicPtr::new(core::ptr::null_mut());

/// Registers the handlers of all CPUs. Later calls replace earlier ones.
pub fn set_handlers(handlers: &'static Handlers) {
    HANDLERS.store(core::ptr::from_ref(handlers).cast_mut(), Ordering::Release);
}

/// The handlers registered last.
#[must_use]
pub fn handlers() -> Option<&'static Handlers> {
    // SAFETY: the only non-null values stored come from a `&'static Handlers`, and nothing is
    // ever written through the pointer.
    unsafe { HANDLERS.load(Ordering::Acquire).as_ref() }
}

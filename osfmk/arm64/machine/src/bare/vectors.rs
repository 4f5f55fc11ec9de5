//! The Rust end of the exception vectors.
//!
//! Each function is called by `asm/vectors.S` with interrupts masked and the interrupted registers
//! on the stack. Copyio faults are settled here; everything else goes to the registered handlers.

use super::copyio;
use crate::address::{KERNEL_STACK_SHIFT, KERNEL_STACK_SLOT};
use crate::esr::Exception;
use crate::trap::{Handlers, SavedState, handlers};
use core::arch::global_asm;

global_asm!(
    include_str!("asm/vectors.S"),
    STACK_SHIFT = const KERNEL_STACK_SHIFT,
    SYNC_FROM_USER = sym machine_sync_from_user,
    RETURN_TO_USER = sym machine_return_to_user,
    SYNC_FROM_KERNEL = sym machine_sync_from_kernel,
    IRQ = sym machine_irq,
    SERROR = sym machine_serror,
    UNEXPECTED = sym machine_unexpected,
    STACK_OVERFLOW = sym machine_stack_overflow,
);

const _: () = assert!(KERNEL_STACK_SLOT == 2 << KERNEL_STACK_SHIFT);

fn registered() -> &'static Handlers {
    handlers().expect("an exception before the handlers were registered")
}

extern "C" fn machine_sync_from_user(state: &mut SavedState) {
    (registered().sync_from_user)(state);
}

extern "C" fn machine_return_to_user(state: &mut SavedState) {
    (registered().return_to_user)(state);
}

extern "C" fn machine_sync_from_kernel(state: &mut SavedState) {
    if let (Exception::DataAbort(_), Some(fixup)) = (state.exception(), copyio::fixup(state.pc)) {
        state.x[9] = state.far;
        state.pc = fixup;
        return;
    }
    match handlers() {
        Some(handlers) => (handlers.sync_from_kernel)(state),
        None => panic!("kernel exception before handlers: {state:x?}"),
    }
}

extern "C" fn machine_irq(state: &mut SavedState) {
    (registered().irq)(state);
}

extern "C" fn machine_serror(state: &mut SavedState) {
    (registered().serror)(state);
}

extern "C" fn machine_unexpected(state: &mut SavedState, vector: u64) -> ! {
    panic!("unexpected exception through vector {vector}: {state:x?}");
}

extern "C" fn machine_stack_overflow(state: &mut SavedState) -> ! {
    panic!(
        "kernel stack overflow: sp {:#x} pc {:#x} far {:#x} esr {:#x}",
        state.sp, state.pc, state.far, state.esr
    );
}

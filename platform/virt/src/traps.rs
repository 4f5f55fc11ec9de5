//! The handlers of exceptions until `kern` registers its own, and those it keeps.

use crate::interrupts;
use machine::trap::{Handlers, SavedState, set_handlers};

static HANDLERS: Handlers = Handlers {
    sync_from_user: unexpected,
    sync_from_kernel: kernel_exception,
    irq: interrupts::handle,
    serror: unexpected,
    return_to_user: |_| {},
};

/// Installs the handlers.
pub(crate) fn init() {
    set_handlers(&HANDLERS);
}

/// A synchronous exception in the kernel: a bug, or a power-off that found no semihosting.
pub(crate) fn kernel_exception(state: &mut SavedState) {
    if drivers::power::has_started() {
        crate::panic::off_without_status();
    }
    crate::panic::from_exception("exception in the kernel", state)
}

fn unexpected(state: &mut SavedState) {
    crate::panic::from_exception("unexpected exception", state)
}

//! Power-off with an exit status for the process that runs the emulator.
//!
//! Semihosting carries the status. Without it (`-semihosting-config` missing) the instruction is
//! undefined and comes back as an exception; the board then calls [`off_without_status`].

use crate::psci::Conduit;
use core::sync::atomic::{AtomicBool, Ordering};

static STARTED: AtomicBool = AtomicBool::new(false);

/// Whether a power-off is on its way: an exception now means that there is no semihosting.
#[must_use]
pub fn has_started() -> bool {
    STARTED.load(Ordering::Acquire)
}

/// Ends the emulator with `status`.
pub fn off(status: i32) -> ! {
    let _ = machine::interrupts::disable();
    STARTED.store(true, Ordering::Release);
    semihosting::process::exit(status)
}

/// Switches the machine off without telling why.
pub fn off_without_status(conduit: Conduit) -> ! {
    let _ = conduit.system_off();
    machine::cpu::halt()
}

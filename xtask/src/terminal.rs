//! The user's terminal, kept safe from the emulator.
//!
//! QEMU switches the terminal to raw mode by itself, so that every key reaches the guest, and back when it
//! ends. It does not get to switch back when it is killed or crashes: a [`TerminalGuard`] taken before it starts puts
//! modes and file flags back in every case.

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::stdio;
use rustix::termios::{OptionalActions, Termios, isatty, tcgetattr, tcsetattr};

/// The state of standard input and output at one moment; dropping it restores that state.
pub(crate) struct TerminalGuard {
    modes: Option<Termios>,
    input: Option<OFlags>,
    output: Option<OFlags>,
}

impl TerminalGuard {
    /// Remembers the state as it is now. Without a terminal there is nothing to remember, which is fine.
    pub(crate) fn save() -> Self {
        Self {
            modes: if input_is_terminal() {
                tcgetattr(stdio::stdin()).ok()
            } else {
                None
            },
            input: fcntl_getfl(stdio::stdin()).ok(),
            output: fcntl_getfl(stdio::stdout()).ok(),
        }
    }
}

impl Drop for TerminalGuard {
    fn drop(&mut self) {
        // Best effort throughout: a terminal that is gone needs no restoring.
        if let Some(modes) = &self.modes {
            let _ = tcsetattr(stdio::stdin(), OptionalActions::Now, modes);
        }
        if let Some(flags) = self.input {
            let _ = fcntl_setfl(stdio::stdin(), flags);
        }
        if let Some(flags) = self.output {
            let _ = fcntl_setfl(stdio::stdout(), flags);
        }
    }
}

/// Whether a person sits at standard input.
pub(crate) fn input_is_terminal() -> bool {
    isatty(stdio::stdin())
}

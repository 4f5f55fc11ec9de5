//! Where a panic prints: a hook that must work with interrupts off and every lock held.
//!
//! The board registers a polled writer; before that, output is lost (bare metal) or goes to
//! standard error (host).

use core::fmt;
use core::sync::atomic::{AtomicPtr, Ordering};

/// Writes bytes without waiting for anything but the device.
pub type Output = fn(&[u8]);

static OUTPUT: AtomicPtr<()> = AtomicPtr::new(core::ptr::null_mut());

/// Registers the polled writer.
pub fn set_output(output: Output) {
    OUTPUT.store(output as *mut (), Ordering::Release);
}

/// Writes bytes through the registered writer.
#[doc(alias = "console_write_unbuffered")]
pub fn write_bytes(bytes: &[u8]) {
    let pointer = OUTPUT.load(Ordering::Acquire);
    if pointer.is_null() {
        #[cfg(not(target_os = "none"))]
        eprint!("{}", String::from_utf8_lossy(bytes));
        return;
    }
    // SAFETY: the only non-null values stored are `Output` function pointers, by `set_output`.
    let output = unsafe { core::mem::transmute::<*mut (), Output>(pointer) };
    output(bytes);
}

/// A `core::fmt::Write` over [`write_bytes`].
#[derive(Clone, Copy, Debug)]
pub struct DebugConsole;

impl fmt::Write for DebugConsole {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        write_bytes(text.as_bytes());
        Ok(())
    }
}

//! What the test program `jit` runs: one program, signed in many ways by the build (`victim_*` in `/tests`).
//!
//! The word after its name says what it does; its exit status tells how that went.

#![cfg_attr(target_os = "none", no_std, no_main)]

extern crate alloc;

use bsd_sys::Errno;
use codesign::Flags;
use tests::raw::{self, ANON, JIT, PRIVATE, R, UNIX03, W, X};

libsystem::main!(run);

/// Exit status: the process is not valid any more.
const INVALID: i32 = 3;
/// Exit status: something that cannot be.
const WRONG: i32 = 100;

/// `ret`.
const RETURN: u32 = 0xd65f_03c0;

fn run() -> i32 {
    let words = libsystem::env::args();
    match words.get(1).map(alloc::string::String::as_str) {
        Some("code") => run_code(),
        Some("jit") => status(jit_region()),
        Some("two") => status(jit_region().and_then(|_| jit_region())),
        Some("both") => status(raw::anonymous(1, R | W | X)),
        Some("flip") => flip(),
        _ => WRONG,
    }
}

/// The error of a call, or 0.
fn status(answer: raw::Answer) -> i32 {
    answer.err().map_or(0, Errno::raw)
}

/// Runs code beside text that may have changed after signing, and asks what that made of the process.
fn run_code() -> i32 {
    if marked::answer() != 42 {
        return WRONG;
    }
    match raw::code_status(0) {
        Ok(flags) if flags.contains(Flags::VALID) => 0,
        Ok(_) => INVALID,
        Err(_) => WRONG,
    }
}

fn jit_region() -> raw::Answer {
    let flags = PRIVATE | ANON | UNIX03 | JIT;
    raw::mmap(0, raw::page(), R | W | X, flags, -1, 0)
}

/// Writes code into ordinary memory, makes that executable, and runs it.
fn flip() -> i32 {
    let Ok(code) = raw::anonymous(1, R | W) else {
        return WRONG;
    };
    raw::store_code(code, &[RETURN]);
    if let Err(error) = raw::mprotect(code, raw::page(), R | X) {
        return error.raw();
    }
    raw::jump(code);
    0
}

#[cfg(target_os = "none")]
mod marked {
    // The text is never executed; it shares its page with the function.
    core::arch::global_asm!(
        ".pushsection .text.marked, \"ax\"",
        ".balign 256",
        "victim_marked_code:",
        "mov w0, #42",
        "ret",
        ".ascii \"this text may change after signing\"",
        ".balign 4",
        ".popsection",
    );

    unsafe extern "C" {
        fn victim_marked_code() -> u32;
    }

    pub(super) fn answer() -> u32 {
        // SAFETY: the two instructions above, which keep to the calling convention.
        unsafe { victim_marked_code() }
    }
}

#[cfg(not(target_os = "none"))]
mod marked {
    pub(super) fn answer() -> u32 {
        0
    }
}

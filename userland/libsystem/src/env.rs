//! Arguments and environment of this program.

use alloc::string::String;
use alloc::vec::Vec;
use core::ffi::CStr;
use core::sync::atomic::{AtomicPtr, Ordering};

/// The kernel's stack image: `argc`, `argv`, 0, `envp`, 0, `apple`, 0. Null on a host.
static STACK: AtomicPtr<u64> = AtomicPtr::new(core::ptr::null_mut());

/// Keeps the address of the kernel's stack image.
///
/// # Safety
/// `stack` must be what a program finds at its stack pointer when it starts, and stay unchanged.
#[cfg_attr(not(target_os = "none"), allow(dead_code))]
pub(crate) unsafe fn remember(stack: *const u64) {
    STACK.store(stack.cast_mut(), Ordering::Relaxed);
}

/// The words of list number `which` (0: arguments, 1: environment, 2: apple).
fn list(which: usize) -> Vec<&'static CStr> {
    let stack = STACK.load(Ordering::Relaxed);
    let mut strings = Vec::new();
    if stack.is_null() {
        return strings;
    }
    let mut skipped = 0;
    let mut at = 1;
    while skipped <= which {
        // SAFETY: `remember`'s promise: the lists end with the third null word, and this loop ends
        // no later.
        let word = unsafe { stack.add(at).read() };
        at += 1;
        if word == 0 {
            skipped += 1;
        } else if skipped == which {
            // SAFETY: the words of the lists are addresses of strings that end in NUL and stay.
            strings.push(unsafe { CStr::from_ptr(word as *const _) });
        }
    }
    strings
}

fn text(strings: Vec<&'static CStr>) -> Vec<String> {
    strings
        .into_iter()
        .map(|string| string.to_string_lossy().into_owned())
        .collect()
}

/// The program's arguments, its own name first.
#[cfg(target_os = "none")]
pub fn args() -> Vec<String> {
    text(list(0))
}

/// The program's arguments, its own name first.
#[cfg(not(target_os = "none"))]
pub fn args() -> Vec<String> {
    std::env::args().collect()
}

/// The environment, `NAME=value` each.
pub fn environment() -> Vec<String> {
    text(list(1))
}

/// The value of one variable.
#[doc(alias = "getenv")]
pub fn variable(name: &str) -> Option<String> {
    let of = |entry: String| {
        let (key, value) = entry.split_once('=')?;
        (key == name).then(|| String::from(value))
    };
    environment().into_iter().find_map(of)
}

/// What the kernel tells besides: `executable_path=...` and the like.
pub fn apple() -> Vec<String> {
    text(list(2))
}

/// Last part of the program's name, without allocating.
#[cfg(target_os = "none")]
pub(crate) fn program_name() -> &'static str {
    let stack = STACK.load(Ordering::Relaxed);
    if stack.is_null() {
        return "program";
    }
    // SAFETY: `remember`'s promise; `argv[0]` or the null after an empty list is at word 1.
    let word = unsafe { stack.add(1).read() };
    if word == 0 {
        return "program";
    }
    // SAFETY: a non-null word of the list is the address of a string that ends in NUL and stays.
    let name = unsafe { CStr::from_ptr(word as *const _) };
    name.to_str()
        .ok()
        .and_then(|name| name.rsplit('/').next())
        .unwrap_or("program")
}

//! Deliberate crashes, asked for by the boot argument `crash=KIND`: how a test in QEMU proves that
//! guards, permissions and the panic report work.

use core::hint::black_box;

/// Does what the argument asks for; returns when there is none.
pub(crate) fn if_asked(arguments: &str) {
    let kind = arguments
        .split_ascii_whitespace()
        .find_map(|word| word.strip_prefix("crash="));
    match kind {
        Some("panic") => panic!("asked for by the boot arguments"),
        Some("overflow") => {
            black_box(overflow(1));
        }
        Some("null") => read(0x10),
        Some("write-text") => write(if_asked as *const () as u64),
        Some("write-rodata") => write(arguments_of_nobody().as_ptr() as u64),
        Some("execute-data") => execute(),
        Some(other) => panic!("no crash is called {other}"),
        None => {}
    }
}

fn arguments_of_nobody() -> &'static str {
    "read-only data"
}

/// Uses more stack than there is.
#[inline(never)]
fn overflow(depth: u64) -> u64 {
    let frame = black_box([depth; 64]);
    if depth == 0 {
        return frame[0];
    }
    overflow(depth + 1) + black_box(frame)[1]
}

fn read(address: u64) {
    // SAFETY: none: the access faults, which is what the caller asked for.
    let value = unsafe { (address as *const u64).read_volatile() };
    panic!("read {value:#x} at {address:#x}");
}

fn write(address: u64) {
    // SAFETY: none: the access faults, which is what the caller asked for.
    unsafe { (address as *mut u32).write_volatile(0) };
    panic!("wrote at {address:#x}");
}

/// Jumps to a RET on the stack.
fn execute() {
    let code = black_box([0xD65F_03C0u32; 4]);
    // SAFETY: none: the jump faults, which is what the caller asked for.
    unsafe { core::mem::transmute::<*const u32, extern "C" fn()>(code.as_ptr())() };
    panic!("executed data");
}

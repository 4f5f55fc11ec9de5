//! From the kernel's first instruction to the program's function, and what happens on a panic.
//!
//! At entry the stack pointer is at `argc`, then come `argv[0..argc]`, 0, `envp[..]`, 0, `apple[..]`, 0,
//! as on Darwin's arm64.

use crate::{env, process};
use core::arch::naked_asm;

unsafe extern "Rust" {
    /// The program, named by [`main!`](crate::main).
    safe fn pagoda_main() -> i32;
}

/// The first instruction.
///
/// # Safety
/// Only the kernel comes here, with the stack described above.
#[unsafe(naked)]
#[unsafe(no_mangle)]
#[unsafe(link_section = ".text.start")]
unsafe extern "C" fn _start() -> ! {
    // The frame chain ends here.
    naked_asm!("mov x29, xzr", "mov x30, xzr", "mov x0, sp", "b {begin}", begin = sym begin)
}

/// Remembers the arguments and runs the program.
extern "C" fn begin(stack: *const u64) -> ! {
    // SAFETY: `stack` is what the kernel put there, and nothing else ever changes it.
    unsafe { env::remember(stack) };
    process::exit(pagoda_main())
}

// What the compiler calls to copy and fill memory: the kernel's.
core::arch::global_asm!(include_str!(
    "../../../osfmk/arm64/machine/src/bare/asm/memory.S"
));

#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    crate::eprintln!("{}: {info}", env::program_name());
    process::abort()
}

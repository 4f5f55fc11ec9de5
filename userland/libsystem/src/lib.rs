//! What every program of Pagoda is linked with: start, heap, system calls, Mach messages, files,
//! processes.
//!
//! A program is
//!
//! ```ignore
//! #![cfg_attr(target_os = "none", no_std, no_main)]
//! libsystem::main!(run);
//!
//! fn run() -> i32 {
//!     libsystem::println!("hello");
//!     0
//! }
//! ```
//!
//! with a `build.rs` that passes this crate's linker script on (see `build.rs` here).
//!
//! | module | what |
//! |---|---|
//! | [`mod@env`] | arguments and environment |
//! | [`io`], [`fs`] | descriptors, files, directories; [`print!`], [`println!`], [`eprintln!`] |
//! | [`descriptor`], [`terminal`] | pipes and copies of descriptors; modes and size of a terminal |
//! | [`process`] | fork, exec, wait, exit, kill |
//! | [`signal`] | handlers, masks, alternate stacks |
//! | [`memory`] | mappings |
//! | [`cache`] | running code that was just written |
//! | [`mach_call`] | Mach traps, messages, and calls of any routine of `mach::defs` |
//! | [`time`], [`system`] | clocks; what the kernel says of itself |
//! | [`trace`] | the kernel's trace |
//! | [`syscall`] | the system calls themselves |
//!
//! On any other target than the bare one the same functions exist and every system call fails with
//! `ENOSYS`, so that programs and pagers can be compiled and unit-tested on a host.
//!
//! XNU's counterpart is `libsyscall` with a little of Libc.

#![no_std]

extern crate alloc;
#[cfg(not(target_os = "none"))]
extern crate std;

pub mod cache;
pub mod descriptor;
pub mod env;
pub mod fs;
pub mod io;
pub mod mach_call;
pub mod memory;
pub mod process;
pub mod signal;
pub mod syscall;
pub mod system;
pub mod terminal;
pub mod time;
pub mod trace;

#[cfg(target_os = "none")]
mod heap;
#[cfg(target_os = "none")]
mod start;

pub use bsd_sys::Errno;
pub use mach::KernReturn;

/// Names the function that is the program: `fn() -> i32`, whose result is the exit status.
#[macro_export]
macro_rules! main {
    ($run:path) => {
        #[cfg(target_os = "none")]
        #[unsafe(no_mangle)]
        fn pagoda_main() -> i32 {
            $run()
        }

        #[cfg(not(target_os = "none"))]
        fn main() {
            ::std::process::exit($run())
        }
    };
}

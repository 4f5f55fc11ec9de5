//! `false`: fails.

#![cfg_attr(target_os = "none", no_std, no_main)]
#![forbid(unsafe_code)]

libsystem::main!(run);

fn run() -> i32 {
    1
}

//! `sync`: has changed files written back.

#![cfg_attr(target_os = "none", no_std, no_main)]
#![forbid(unsafe_code)]

libsystem::main!(run);

use libsystem::fs;
use tools::command::Command;

const COMMAND: Command = Command::new(
    "sync",
    "",
    "Has every changed file written back, and does not wait for it.",
)
.words(0, 0);

fn run() -> i32 {
    COMMAND.run(|_| {
        fs::sync();
        0
    })
}

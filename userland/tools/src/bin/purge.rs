//! `purge`: drops files from memory that nobody uses.

#![cfg_attr(target_os = "none", no_std, no_main)]
#![forbid(unsafe_code)]

libsystem::main!(run);

use libsystem::{eprintln, fs};
use tools::command::Command;

const COMMAND: Command =
    Command::new("purge", "", "Drops files from memory that nobody uses.").words(0, 0);

fn run() -> i32 {
    COMMAND.run(|_| match fs::purge() {
        Ok(()) => 0,
        Err(error) => {
            eprintln!("purge: {error}");
            1
        }
    })
}

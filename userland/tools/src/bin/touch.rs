//! `touch [-c] FILE...`: makes files, or sets the times of those that are there.

#![cfg_attr(target_os = "none", no_std, no_main)]
#![forbid(unsafe_code)]

libsystem::main!(run);

use libsystem::{Errno, fs};
use tools::command::Command;
use tools::tree;

const COMMAND: Command = Command::new(
    "touch",
    "[-c] FILE...",
    "Sets the times of files to now, and makes those that are missing unless -c is given.",
)
.flags("c")
.words(1, usize::MAX);

fn run() -> i32 {
    COMMAND.run(|options| {
        options.words.iter().fold(0, |status, word| {
            let result = match fs::set_times(word, None) {
                Err(Errno::ENOENT) if options.has('c') => Ok(()),
                Err(Errno::ENOENT) => tree::make_empty(word),
                other => other,
            };
            status | result.map_or_else(|error| COMMAND.complain(word, error), |()| 0)
        })
    })
}

//! `cat [FILE...]`: copies files (or standard input) to standard output.

#![cfg_attr(target_os = "none", no_std, no_main)]
#![forbid(unsafe_code)]

extern crate alloc;

libsystem::main!(run);

use libsystem::io::{self, Result};
use tools::command::Command;
use tools::text::Source;

const COMMAND: Command = Command::new("cat", "[FILE...]", "Copies files to standard output.");

fn run() -> i32 {
    COMMAND.run(|options| {
        options.words_or_input().iter().fold(0, |status, name| {
            let copied = Source::open(name).and_then(|source| copy(&source));
            status | copied.map_or_else(|error| COMMAND.complain(name, error), |()| 0)
        })
    })
}

fn copy(source: &Source) -> Result<()> {
    let mut buffer = alloc::vec![0; 64 << 10];
    loop {
        match source.read(&mut buffer)? {
            0 => return Ok(()),
            count => io::write_all(io::STDOUT, &buffer[..count])?,
        }
    }
}

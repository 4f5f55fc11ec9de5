//! `uname [-amnrsv]`: what this system is.

#![cfg_attr(target_os = "none", no_std, no_main)]
#![forbid(unsafe_code)]

extern crate alloc;

libsystem::main!(run);

use alloc::string::String;
use alloc::vec::Vec;
use libsystem::{println, system};
use tools::command::{Command, Options};

const COMMAND: Command = Command::new(
    "uname",
    "[-amnrsv]",
    "Says what this system is: -s: its name; -n: this machine's; -r: release; -v: version; -m: kind of machine; -a: all.",
)
.flags("amnrsv")
.words(0, 0);

/// Letters, in the order of what is shown, and what the kernel calls it.
const PARTS: [(char, &str); 5] = [
    ('s', "kern.ostype"),
    ('n', "kern.hostname"),
    ('r', "kern.osrelease"),
    ('v', "kern.version"),
    ('m', "hw.machine"),
];

fn run() -> i32 {
    COMMAND.run(show)
}

fn show(options: &Options) -> i32 {
    let none = options.last_of("amnrsv").is_none();
    let wanted = |letter| options.has('a') || options.has(letter) || (none && letter == 's');
    let mut words: Vec<String> = Vec::new();
    for (letter, name) in PARTS {
        if !wanted(letter) {
            continue;
        }
        match system::text(name) {
            Ok(text) => words.push(text),
            Err(error) => return COMMAND.complain(name, error),
        }
    }
    println!("{}", words.join(" "));
    0
}

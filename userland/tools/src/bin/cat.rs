//! `cat [FILE...]`: copies files (or standard input) to standard output.

#![cfg_attr(target_os = "none", no_std, no_main)]
#![forbid(unsafe_code)]

extern crate alloc;

libsystem::main!(run);

use libsystem::fs::File;
use libsystem::io::{self, Result};
use libsystem::{eprintln, println};
use tools::Arguments;

fn run() -> i32 {
    let arguments = Arguments::of_program();
    if let Some(option) = arguments.unknown(&[]) {
        println!("cat: unknown option {option}; usage: cat [FILE...]");
        return 2;
    }
    if arguments.words.is_empty() {
        return report("standard input", copy(io::STDIN));
    }
    arguments.words.iter().fold(0, |status, name| {
        let result = match name.as_str() {
            "-" => copy(io::STDIN),
            name => File::open(name).and_then(|file| copy(file.descriptor())),
        };
        status | report(name, result)
    })
}

fn copy(descriptor: i32) -> Result<()> {
    let mut buffer = alloc::vec![0; 64 * 1024];
    loop {
        match io::read(descriptor, &mut buffer)? {
            0 => return Ok(()),
            count => io::write_all(io::STDOUT, &buffer[..count])?,
        }
    }
}

fn report(name: &str, result: Result<()>) -> i32 {
    match result {
        Ok(()) => 0,
        Err(error) => {
            eprintln!("cat: {name}: {error}");
            1
        }
    }
}

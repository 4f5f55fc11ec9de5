//! `sha256sum [--read] FILE...`: SHA-256 of files, in the format of the tool of that name.
//!
//! A file is read through a mapping, window by window, so that every page comes by a fault;
//! `--read` uses `read` instead. Standard input (`-`, or no file) is always read.

#![cfg_attr(target_os = "none", no_std, no_main)]
#![forbid(unsafe_code)]

extern crate alloc;

libsystem::main!(run);

use alloc::string::String;
use bsd_sys::mman::{MapFlags, Prot};
use libsystem::fs::File;
use libsystem::io::{self, Result};
use libsystem::memory::Mapping;
use libsystem::{Errno, println};
use sha2::{Digest, Sha256};
use tools::command::Command;
use tools::format;

/// Bytes mapped at a time: a file may be larger than memory and than what is wise to map.
const WINDOW: u64 = 64 << 20;
/// Bytes hashed at a time.
const CHUNK: usize = 64 << 10;

const COMMAND: Command = Command::new(
    "sha256sum",
    "[--read] [FILE...]",
    "SHA-256 of files, read through a mapping; --read: by the system call.",
)
.long(&["read"]);

fn run() -> i32 {
    COMMAND.run(|options| {
        let mapped = !options.has_long("read");
        options
            .words_or_input()
            .iter()
            .fold(0, |status, name| match sum(name, mapped) {
                Ok(sum) => {
                    println!("{sum}  {name}");
                    status
                }
                Err(error) => COMMAND.complain(name, error),
            })
    })
}

fn sum(name: &str, mapped: bool) -> Result<String> {
    let mut hash = Sha256::new();
    if name == "-" {
        read(io::STDIN, &mut hash)?;
    } else {
        let file = File::open(name)?;
        let stat = file.stat()?;
        if bsd_sys::stat::is_directory(stat.mode) {
            return Err(Errno::EISDIR);
        }
        if mapped && bsd_sys::stat::is_regular(stat.mode) {
            map(&file, stat.size as u64, &mut hash)?;
        } else {
            read(file.descriptor(), &mut hash)?;
        }
    }
    Ok(format::hexadecimal(&hash.finalize()))
}

fn map(file: &File, size: u64, hash: &mut Sha256) -> Result<()> {
    let mut buffer = alloc::vec![0; CHUNK];
    let mut offset = 0;
    while offset < size {
        let length = (size - offset).min(WINDOW) as usize;
        let window = Mapping::of_file(file, offset, length, Prot::READ, MapFlags::PRIVATE)?;
        for at in (0..length).step_by(CHUNK) {
            let count = window.read(at, &mut buffer);
            hash.update(&buffer[..count]);
        }
        offset += length as u64;
    }
    Ok(())
}

fn read(descriptor: i32, hash: &mut Sha256) -> Result<()> {
    let mut buffer = alloc::vec![0; CHUNK];
    loop {
        match io::read(descriptor, &mut buffer)? {
            0 => return Ok(()),
            count => hash.update(&buffer[..count]),
        }
    }
}

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
use libsystem::{Errno, eprintln, println};
use sha2::{Digest, Sha256};
use tools::{Arguments, format};

/// Bytes mapped at a time: a file may be larger than memory and than what is wise to map.
const WINDOW: u64 = 64 << 20;
/// Bytes hashed at a time.
const CHUNK: usize = 64 << 10;

fn run() -> i32 {
    let mut arguments = Arguments::of_program();
    if let Some(option) = arguments.unknown(&["--read"]) {
        println!("sha256sum: unknown option {option}; usage: sha256sum [--read] [FILE...]");
        return 2;
    }
    if arguments.words.is_empty() {
        arguments.words.push(String::from("-"));
    }
    let mapped = !arguments.has(&["--read"]);
    let mut status = 0;
    for name in &arguments.words {
        match sum(name, mapped) {
            Ok(sum) => println!("{sum}  {name}"),
            Err(error) => {
                eprintln!("sha256sum: {name}: {error}");
                status = 1;
            }
        }
    }
    status
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

//! `ls [-a] [-l] [PATH...]`: names of directories; `-l` with type, permissions, links and size.

#![cfg_attr(target_os = "none", no_std, no_main)]
#![forbid(unsafe_code)]

extern crate alloc;

libsystem::main!(run);

use alloc::format;
use alloc::string::String;
use libsystem::fs;
use libsystem::io::Result;
use libsystem::{eprintln, println};
use tools::Arguments;

fn run() -> i32 {
    let mut arguments = Arguments::of_program();
    if let Some(option) = arguments.unknown(&["-a", "-l", "-la", "-al"]) {
        println!("ls: unknown option {option}; usage: ls [-a] [-l] [PATH...]");
        return 2;
    }
    if arguments.words.is_empty() {
        arguments.words.push(String::from("."));
    }
    let style = Style {
        hidden: arguments.has(&["-a", "-la", "-al"]),
        long: arguments.has(&["-l", "-la", "-al"]),
    };
    let several = arguments.words.len() > 1;
    let mut status = 0;
    for path in &arguments.words {
        if let Err(error) = show(path, &style, several) {
            eprintln!("ls: {path}: {error}");
            status = 1;
        }
    }
    status
}

struct Style {
    hidden: bool,
    long: bool,
}

fn show(path: &str, style: &Style, heading: bool) -> Result<()> {
    if !bsd_sys::stat::is_directory(fs::stat(path)?.mode) {
        return line(path, path, style);
    }
    if heading {
        println!("{path}:");
    }
    for entry in fs::read_dir(path)? {
        if !style.hidden && entry.name.starts_with('.') {
            continue;
        }
        let whole = format!("{}/{}", path.trim_end_matches('/'), entry.name);
        if let Err(error) = line(&entry.name, &whole, style) {
            eprintln!("ls: {whole}: {error}");
        }
    }
    Ok(())
}

fn line(name: &str, path: &str, style: &Style) -> Result<()> {
    if !style.long {
        println!("{name}");
        return Ok(());
    }
    let stat = fs::lstat(path)?;
    let letters = bsd_sys::stat::letters(stat.mode);
    let letters = core::str::from_utf8(&letters).unwrap_or("?");
    let target = if bsd_sys::stat::is_symbolic_link(stat.mode) {
        fs::read_link(path).map_or(String::new(), |target| format!(" -> {target}"))
    } else {
        String::new()
    };
    println!(
        "{letters} {:>3} {:>5} {:>12} {name}{target}",
        stat.nlink, stat.uid, stat.size
    );
    Ok(())
}

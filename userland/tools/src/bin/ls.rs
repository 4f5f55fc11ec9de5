//! `ls [-adl] [PATH...]`: names of directories; `-l` with type, permissions, links and size.

#![cfg_attr(target_os = "none", no_std, no_main)]
#![forbid(unsafe_code)]

extern crate alloc;

libsystem::main!(run);

use alloc::format;
use alloc::string::String;
use libsystem::fs;
use libsystem::io::Result;
use libsystem::{eprintln, println};
use tools::command::Command;

const COMMAND: Command = Command::new(
    "ls",
    "[-adl] [PATH...]",
    "Names in directories; -a: hidden ones too; -l: with type, permissions, links, owner and size;\n\
     -d: directories themselves.",
)
.flags("1adl");

fn run() -> i32 {
    COMMAND.run(|options| {
        let style = Style {
            hidden: options.has('a'),
            long: options.has('l'),
            itself: options.has('d'),
        };
        let here = [String::from(".")];
        let paths = if options.words.is_empty() {
            &here[..]
        } else {
            &options.words
        };
        paths.iter().fold(0, |status, path| {
            match show(path, &style, paths.len() > 1) {
                Ok(()) => status,
                Err(error) => COMMAND.complain(path, error),
            }
        })
    })
}

struct Style {
    hidden: bool,
    long: bool,
    itself: bool,
}

fn show(path: &str, style: &Style, heading: bool) -> Result<()> {
    // A link that leads nowhere is shown as what it is.
    let stat = fs::stat(path).or_else(|_| fs::lstat(path))?;
    if style.itself || !bsd_sys::stat::is_directory(stat.mode) {
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

//! `mv [-fnv] SOURCE... TARGET`: gives files other names, across file systems by copying.

#![cfg_attr(target_os = "none", no_std, no_main)]
#![forbid(unsafe_code)]

extern crate alloc;

libsystem::main!(run);

use libsystem::{Errno, fs, println};
use tools::command::{Command, Options};
use tools::tree::{self, Copying, Keep, Removing};

const COMMAND: Command = Command::new(
    "mv",
    "[-fnv] SOURCE... TARGET",
    "Moves files into a directory, or one to a new name; -n: not in place of another file.",
)
.flags("fnv")
.words(2, usize::MAX);

fn run() -> i32 {
    COMMAND.run(move_all)
}

fn move_all(options: &Options) -> i32 {
    let Some((target, sources)) = options.words.split_last() else {
        return 0;
    };
    if sources.len() > 1
        && let Err(error) = tree::must_be_directory(target)
    {
        return COMMAND.complain(target, error);
    }
    sources.iter().fold(0, |status, source| {
        status | move_one(options, source, &tree::destination(source, target))
    })
}

fn move_one(options: &Options, from: &str, to: &str) -> i32 {
    if options.last_of("fn") == Some('n') && fs::lstat(to).is_ok() {
        return 0;
    }
    match fs::rename(from, to) {
        Ok(()) if options.has('v') => {
            println!("{from} -> {to}");
            0
        }
        Ok(()) => 0,
        Err(Errno::EXDEV) => across(options, from, to),
        Err(error) => COMMAND.complain(&alloc::format!("rename {from} to {to}"), error),
    }
}

/// To another file system: a copy, and then the original goes.
fn across(options: &Options, from: &str, to: &str) -> i32 {
    let copying = Copying {
        command: COMMAND,
        recursive: true,
        force: true,
        verbose: options.has('v'),
        keep: Keep::All,
    };
    let removing = Removing {
        command: COMMAND,
        recursive: true,
        force: false,
        verbose: false,
    };
    match copying.copy(from, to) {
        0 => removing.remove(from),
        status => status,
    }
}

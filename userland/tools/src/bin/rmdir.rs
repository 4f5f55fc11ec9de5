//! `rmdir [-pv] DIRECTORY...`: removes empty directories, with `-p` those above them too.

#![cfg_attr(target_os = "none", no_std, no_main)]
#![forbid(unsafe_code)]

libsystem::main!(run);

use libsystem::{Errno, fs, println};
use tools::command::{Command, Options};
use tools::path;

const COMMAND: Command = Command::new(
    "rmdir",
    "[-pv] DIRECTORY...",
    "Removes empty directories; -p: those in the path above them too.",
)
.flags("pv")
.words(1, usize::MAX);

fn run() -> i32 {
    COMMAND.run(|options| {
        options.words.iter().fold(0, |status, word| {
            let removed = remove(options, word);
            status | removed.map_or_else(|(path, error)| COMMAND.complain(path, error), |()| 0)
        })
    })
}

fn remove<'a>(options: &Options, path: &'a str) -> Result<(), (&'a str, Errno)> {
    let mut path = path::trimmed(path);
    loop {
        fs::remove_directory(path).map_err(|error| (path, error))?;
        if options.has('v') {
            println!("{path}");
        }
        path = match path::parent(path) {
            above if options.has('p') && !matches!(above, "." | "/") => above,
            _ => return Ok(()),
        };
    }
}

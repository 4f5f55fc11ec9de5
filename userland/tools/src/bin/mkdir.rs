//! `mkdir [-pv] [-m MODE] DIRECTORY...`: makes directories, with `-p` those on the way too.

#![cfg_attr(target_os = "none", no_std, no_main)]
#![forbid(unsafe_code)]

libsystem::main!(run);

use libsystem::{Errno, fs, println};
use tools::command::{Command, Options};
use tools::path;

const COMMAND: Command = Command::new(
    "mkdir",
    "[-pv] [-m MODE] DIRECTORY...",
    "Makes directories; -p: with those on the way, and what is there already is no mistake; MODE is octal.",
)
.flags("pv")
.values("m")
.words(1, usize::MAX);

fn run() -> i32 {
    COMMAND.run(make_all)
}

fn make_all(options: &Options) -> i32 {
    let mode = match options.value('m') {
        None => 0o777,
        Some(text) => match u32::from_str_radix(text, 8) {
            Ok(mode) if mode <= 0o7777 => mode,
            _ => return COMMAND.complain(text, "invalid file mode"),
        },
    };
    options.words.iter().fold(0, |status, word| {
        let result = if options.has('p') {
            make_path(options, word, mode)
        } else {
            make(options, word, mode)
        };
        status | result.map_or_else(|error| COMMAND.complain(word, error), |()| 0)
    })
}

fn make(options: &Options, path: &str, mode: u32) -> Result<(), Errno> {
    fs::make_directory(path, mode)?;
    if options.value('m').is_some() {
        // Whatever the process's mask says.
        fs::set_mode(path, mode)?;
    }
    if options.has('v') {
        println!("{path}");
    }
    Ok(())
}

fn make_path(options: &Options, whole: &str, mode: u32) -> Result<(), Errno> {
    for prefix in path::prefixes(whole) {
        match fs::stat(prefix) {
            Ok(stat) if bsd_sys::stat::is_directory(stat.mode) => {}
            Ok(_) if prefix.len() < path::trimmed(whole).len() => return Err(Errno::ENOTDIR),
            Ok(_) => return Err(Errno::EEXIST),
            Err(_) if prefix.len() < path::trimmed(whole).len() => {
                fs::make_directory(prefix, 0o777)?;
            }
            Err(_) => make(options, prefix, mode)?,
        }
    }
    Ok(())
}

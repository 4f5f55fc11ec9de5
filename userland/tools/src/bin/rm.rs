//! `rm [-dfrv] FILE...`: removes names, with `-r` directories with what is in them.

#![cfg_attr(target_os = "none", no_std, no_main)]
#![forbid(unsafe_code)]

libsystem::main!(run);

use libsystem::{eprintln, fs};
use tools::command::{Command, Options};
use tools::path;
use tools::tree::Removing;

const COMMAND: Command = Command::new(
    "rm",
    "[-dfRrv] FILE...",
    "Removes files; -r: directories with what is in them; -d: empty ones; -f: what is missing is no mistake.",
)
.flags("dfRrv");

fn run() -> i32 {
    COMMAND.run(remove_all)
}

fn remove_all(options: &Options) -> i32 {
    if options.words.is_empty() {
        return if options.has('f') {
            0
        } else {
            COMMAND.wrong(&"")
        };
    }
    let removing = Removing {
        command: COMMAND,
        recursive: options.last_of("Rr").is_some(),
        force: options.has('f'),
        verbose: options.has('v'),
    };
    options.words.iter().fold(0, |status, word| {
        if matches!(path::last(word), "." | "..") {
            eprintln!("rm: \".\" and \"..\" may not be removed");
            return 1;
        }
        if path::last(word) == "/" {
            eprintln!("rm: \"/\" may not be removed");
            return 1;
        }
        if options.has('d') && fs::remove_directory(word).is_ok() {
            return status;
        }
        status | removing.remove(word)
    })
}

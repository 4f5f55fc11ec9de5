//! `cp [-afprv] SOURCE... TARGET`: copies files, with `-r` directories with what is in them.

#![cfg_attr(target_os = "none", no_std, no_main)]
#![forbid(unsafe_code)]

libsystem::main!(run);

use tools::command::{Command, Options};
use tools::tree::{self, Copying, Keep};

const COMMAND: Command = Command::new(
    "cp",
    "[-afpRrv] SOURCE... TARGET",
    "Copies files into a directory, or one file to a new name; -r: directories too; -p: with permissions and times.",
)
.flags("afpRrv")
.words(2, usize::MAX);

fn run() -> i32 {
    COMMAND.run(copy)
}

fn copy(options: &Options) -> i32 {
    let Some((target, sources)) = options.words.split_last() else {
        return 0;
    };
    let all = options.has('a');
    let copying = Copying {
        command: COMMAND,
        recursive: all || options.last_of("Rr").is_some(),
        force: options.has('f'),
        verbose: options.has('v'),
        keep: if all || options.has('p') {
            Keep::All
        } else {
            Keep::Contents
        },
    };
    if sources.len() > 1
        && let Err(error) = tree::must_be_directory(target)
    {
        return COMMAND.complain(target, error);
    }
    sources.iter().fold(0, |status, source| {
        status | copying.copy(source, &tree::destination(source, target))
    })
}

//! `ln [-fsv] SOURCE... [TARGET]`: gives files further names, or makes symbolic links with `-s`.

#![cfg_attr(target_os = "none", no_std, no_main)]
#![forbid(unsafe_code)]

libsystem::main!(run);

use libsystem::io::Result;
use libsystem::{fs, println};
use tools::command::{Command, Options};
use tools::tree;

const COMMAND: Command = Command::new(
    "ln",
    "[-fsv] SOURCE... [TARGET]",
    "Gives files one more name; -s: a symbolic link instead; -f: in place of what has the name.",
)
.flags("fsv")
.words(1, usize::MAX);

fn run() -> i32 {
    COMMAND.run(link_all)
}

fn link_all(options: &Options) -> i32 {
    let (target, sources) = match options.words.as_slice() {
        // A name of its own, here.
        [source] => (".", core::slice::from_ref(source)),
        [sources @ .., target] => (target.as_str(), sources),
        [] => return 0,
    };
    if sources.len() > 1
        && let Err(error) = tree::must_be_directory(target)
    {
        return COMMAND.complain(target, error);
    }
    sources.iter().fold(0, |status, source| {
        let new = tree::destination(source, target);
        match link(options, source, &new) {
            Ok(()) if options.has('v') => {
                println!("{new} => {source}");
                status
            }
            Ok(()) => status,
            Err(error) => COMMAND.complain(&new, error),
        }
    })
}

fn link(options: &Options, source: &str, new: &str) -> Result<()> {
    let symbolic = options.has('s');
    if !symbolic {
        // Before the old name goes.
        fs::stat(source)?;
    }
    if options.has('f') && fs::lstat(new).is_ok() {
        fs::remove_file(new)?;
    }
    if symbolic {
        fs::symbolic_link(source, new)
    } else {
        fs::hard_link(source, new)
    }
}

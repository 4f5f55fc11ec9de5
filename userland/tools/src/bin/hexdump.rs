//! `hexdump [-Cv] [-n LENGTH] [-s SKIP] [FILE...]`: bytes of files.

#![cfg_attr(target_os = "none", no_std, no_main)]
#![forbid(unsafe_code)]

libsystem::main!(run);

use libsystem::Errno;
use tools::command::{Command, Options};
use tools::dump::{Dump, Layout};
use tools::number;
use tools::text::{Output, Source};

const COMMAND: Command = Command::new(
    "hexdump",
    "[-Cv] [-n LENGTH] [-s SKIP] [FILE...]",
    "Shows the bytes of files, one after the other; -C: with text beside them; -v: repeated lines too.",
)
.flags("Cv")
.values("ns");

fn run() -> i32 {
    COMMAND.run(dump_all)
}

fn dump_all(options: &Options) -> i32 {
    let number = |letter, default| match options.value(letter) {
        None => Ok(default),
        Some(text) => number::count(text).ok_or_else(|| COMMAND.complain(text, "illegal count")),
    };
    let (skip, length) = match (number('s', 0), number('n', u64::MAX)) {
        (Ok(skip), Ok(length)) => (skip, length),
        (Err(status), _) | (_, Err(status)) => return status,
    };
    let layout = if options.has('C') {
        Layout::Canonical
    } else {
        Layout::Words
    };
    let mut dump = Dump::new(layout, options.has('v'), skip, length);
    let mut output = Output::default();
    let mut status = 0;
    for name in options.words_or_input() {
        let dumped = Source::open(name).and_then(|source| {
            source.each_chunk(|chunk| {
                let more = dump.add(chunk, &mut output);
                output.flush();
                more && !output.has_failed()
            })
        });
        if let Err(error) = dumped {
            status = COMMAND.complain(name, error);
        }
    }
    dump.finish(&mut output);
    match output.finish() {
        Ok(()) | Err(Errno::EPIPE) => status,
        Err(error) => COMMAND.complain("stdout", error),
    }
}

//! `head [-n LINES | -c BYTES] [FILE...]`: the beginning of files.

#![cfg_attr(target_os = "none", no_std, no_main)]
#![forbid(unsafe_code)]

extern crate alloc;

libsystem::main!(run);

use libsystem::io::Result;
use libsystem::{Errno, env};
use tools::command::{Command, Options, with_count_option};
use tools::number;
use tools::text::{Next, Output, Source, each_line};

const COMMAND: Command = Command::new(
    "head",
    "[-n LINES | -c BYTES] [FILE...]",
    "Shows the first lines (10, unless -n says how many) or bytes of files; -5 stands for -n 5.",
)
.values("nc");

/// How much of a file.
#[derive(Clone, Copy)]
enum Part {
    Lines(u64),
    Bytes(u64),
}

fn run() -> i32 {
    let arguments = env::args().into_iter().skip(1);
    COMMAND.run_with(with_count_option(arguments), show)
}

fn part(options: &Options) -> core::result::Result<Part, i32> {
    let count = |text| match number::count(text) {
        Some(count @ 1..) => Ok(count),
        _ => Err(COMMAND.complain(text, "illegal count")),
    };
    match (options.value('c'), options.value('n')) {
        (Some(text), _) => count(text).map(Part::Bytes),
        (None, Some(text)) => count(text).map(Part::Lines),
        (None, None) => Ok(Part::Lines(10)),
    }
}

fn show(options: &Options) -> i32 {
    let part = match part(options) {
        Ok(part) => part,
        Err(status) => return status,
    };
    let mut output = Output::default();
    let names = options.words_or_input();
    let mut status = 0;
    for (index, name) in names.iter().enumerate() {
        let source = match Source::open(name) {
            Ok(source) => source,
            Err(error) => {
                status = COMMAND.complain(name, error);
                continue;
            }
        };
        if names.len() > 1 {
            let gap = if index > 0 { "\n" } else { "" };
            output.push(alloc::format!("{gap}==> {name} <==\n").as_bytes());
        }
        if let Err(error) = beginning(&source, part, &mut output) {
            status = COMMAND.complain(name, error);
        }
    }
    match output.finish() {
        Ok(()) | Err(Errno::EPIPE) => status,
        Err(error) => COMMAND.complain("stdout", error),
    }
}

fn beginning(source: &Source, part: Part, output: &mut Output) -> Result<()> {
    match part {
        Part::Lines(mut left) => {
            let take = |line: &[u8]| {
                output.push(line);
                left -= 1;
                if left == 0 { Next::Enough } else { Next::More }
            };
            each_line(source, take, || {})
        }
        Part::Bytes(mut left) => source.each_chunk(|chunk| {
            let count = chunk.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            output.push(&chunk[..count]);
            left -= count as u64;
            left > 0
        }),
    }
}

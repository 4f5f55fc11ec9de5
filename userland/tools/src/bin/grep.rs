//! `grep [-chilnqv] TEXT [FILE...]`: lines with this text in them.

#![cfg_attr(target_os = "none", no_std, no_main)]
#![forbid(unsafe_code)]

extern crate alloc;

libsystem::main!(run);

use libsystem::io::Result;
use tools::command::{Command, Options};
use tools::find::Needle;
use tools::text::{Next, Output, Source, each_line};

const COMMAND: Command = Command::new(
    "grep",
    "[-cFhilnqv] [-e TEXT] [TEXT] [FILE...]",
    "Shows the lines that have a text in them (no patterns); -v: the others; -c: how many; -i: whatever the case;\n\
     -n: with numbers; -l: only names of files; -h: no names of files; -q: only the exit status.",
)
.flags("cFhilnqv")
.values("e");

/// Exit statuses.
const FOUND: i32 = 0;
const NOT_FOUND: i32 = 1;
const TROUBLE: i32 = 2;

fn run() -> i32 {
    match COMMAND.run(search_all) {
        tools::command::WRONG_USAGE => TROUBLE,
        status => status,
    }
}

/// What is looked for and what is shown of it.
struct Search<'a> {
    options: &'a Options,
    needle: Needle,
    names: bool,
    output: Output,
}

fn search_all(options: &Options) -> i32 {
    let (text, files) = match (options.value('e'), options.words.split_first()) {
        (Some(text), _) => (text, options.words.as_slice()),
        (None, Some((text, files))) => (text.as_str(), files),
        (None, None) => return COMMAND.wrong(&""),
    };
    let mut search = Search {
        options,
        needle: Needle::new(text.as_bytes(), options.has('i')),
        names: files.len() > 1 && !options.has('h'),
        output: Output::default(),
    };
    let input = [alloc::string::String::from("-")];
    let files = if files.is_empty() { &input } else { files };
    let (mut found, mut trouble) = (false, false);
    for name in files {
        match search.file(name) {
            Ok(some) => found |= some,
            Err(error) => {
                COMMAND.complain(name, error);
                trouble = true;
            }
        }
        if found && options.has('q') {
            return FOUND;
        }
    }
    if let Err(error) = search.output.finish() {
        COMMAND.complain("stdout", error);
        trouble = true;
    }
    match (trouble, found) {
        (true, _) => TROUBLE,
        (_, true) => FOUND,
        (_, false) => NOT_FOUND,
    }
}

impl Search<'_> {
    /// Searches a file, and tells if there was anything.
    fn file(&mut self, name: &str) -> Result<bool> {
        let Self {
            options,
            needle,
            names,
            output,
        } = self;
        let shown = if name == "-" {
            "(standard input)"
        } else {
            name
        };
        let silent = options.last_of("clq").is_some();
        // One line is enough where only the file counts.
        let enough = options.last_of("lq").is_some();
        let (mut number, mut count) = (0u64, 0u64);
        let output = core::cell::RefCell::new(output);
        let take = |line: &[u8]| {
            number += 1;
            let text = line.strip_suffix(b"\n").unwrap_or(line);
            if needle.is_in(text) == options.has('v') {
                return Next::More;
            }
            count += 1;
            if !silent {
                let mut output = output.borrow_mut();
                if *names {
                    output.push(alloc::format!("{shown}:").as_bytes());
                }
                if options.has('n') {
                    output.push(alloc::format!("{number}:").as_bytes());
                }
                output.push(text);
                output.push(b"\n");
            }
            if enough || output.borrow().has_failed() {
                Next::Enough
            } else {
                Next::More
            }
        };
        each_line(&Source::open(name)?, take, || output.borrow_mut().flush())?;
        let output = output.into_inner();
        if options.has('l') {
            if count > 0 && !options.has('q') {
                output.push(alloc::format!("{shown}\n").as_bytes());
            }
        } else if options.has('c') && !options.has('q') {
            if *names {
                output.push(alloc::format!("{shown}:").as_bytes());
            }
            output.push(alloc::format!("{count}\n").as_bytes());
        }
        Ok(count > 0)
    }
}

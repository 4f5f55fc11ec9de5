//! `wc [-clw] [FILE...]`: counts lines, words and bytes.

#![cfg_attr(target_os = "none", no_std, no_main)]
#![forbid(unsafe_code)]

libsystem::main!(run);

use libsystem::println;
use tools::command::{Command, Options};
use tools::count::Counts;
use tools::text::Source;

const COMMAND: Command = Command::new(
    "wc",
    "[-clw] [FILE...]",
    "Counts lines, words and bytes of files.",
)
.flags("clw");

fn run() -> i32 {
    COMMAND.run(count_all)
}

fn count_all(options: &Options) -> i32 {
    let letters = if options.last_of("clw").is_none() {
        [true; 3]
    } else {
        ['l', 'w', 'c'].map(|letter| options.has(letter))
    };
    let names = options.words_or_input();
    let mut total = Counts::default();
    let mut status = 0;
    for name in &names {
        let mut counts = Counts::default();
        let counted = Source::open(name).and_then(|source| {
            source.each_chunk(|chunk| {
                counts.add(chunk);
                true
            })
        });
        if let Err(error) = counted {
            status = COMMAND.complain(name, error);
            continue;
        }
        total.add_counts(&counts);
        let name = if options.words.is_empty() { "" } else { name };
        println!("{}", counts.line(letters, name));
    }
    if names.len() > 1 {
        println!("{}", total.line(letters, "total"));
    }
    status
}

//! `echo WORD...`: prints its arguments; `-n` leaves the newline out.

#![cfg_attr(target_os = "none", no_std, no_main)]
#![forbid(unsafe_code)]

libsystem::main!(run);

use libsystem::{env, print};

fn run() -> i32 {
    let arguments = env::args();
    let words = arguments.get(1..).unwrap_or_default();
    let (words, end) = match words.split_first() {
        Some((first, rest)) if first == "-n" => (rest, ""),
        _ => (words, "\n"),
    };
    for (index, word) in words.iter().enumerate() {
        print!("{}{word}", if index == 0 { "" } else { " " });
    }
    print!("{end}");
    0
}

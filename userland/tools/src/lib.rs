//! What the small programs share: options, messages, tables of numbers.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod format;

use alloc::string::String;
use alloc::vec::Vec;

/// Arguments of a program, taken apart: words that begin with `-` and the others.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Arguments {
    /// Options, as they were written.
    pub options: Vec<String>,
    /// Everything else.
    pub words: Vec<String>,
}

impl Arguments {
    /// Those of this program.
    pub fn of_program() -> Self {
        Self::parse(libsystem::env::args().into_iter().skip(1))
    }

    /// Takes arguments apart; after `--` everything is a word, and `-` alone is one.
    pub fn parse(arguments: impl Iterator<Item = String>) -> Self {
        let mut parsed = Self::default();
        let mut only_words = false;
        for argument in arguments {
            if argument == "--" && !only_words {
                only_words = true;
            } else if argument.len() > 1 && argument.starts_with('-') && !only_words {
                parsed.options.push(argument);
            } else {
                parsed.words.push(argument);
            }
        }
        parsed
    }

    /// True if one of the options is there.
    pub fn has(&self, names: &[&str]) -> bool {
        self.options
            .iter()
            .any(|option| names.contains(&option.as_str()))
    }

    /// The first option that is none of those the program knows.
    pub fn unknown(&self, known: &[&str]) -> Option<&str> {
        self.options
            .iter()
            .map(String::as_str)
            .find(|option| !known.contains(option))
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;

    fn parse(line: &str) -> Arguments {
        Arguments::parse(line.split(' ').map(String::from))
    }

    #[test]
    fn options_and_words_are_told_apart() {
        let parsed = parse("-l a --read - -- -x");
        assert_eq!(parsed.options, ["-l", "--read"]);
        assert_eq!(parsed.words, ["a", "-", "-x"]);
        assert!(parsed.has(&["-l"]) && !parsed.has(&["-x"]));
        assert_eq!(parsed.unknown(&["-l"]), Some("--read"));
    }
}

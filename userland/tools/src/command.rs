//! A program's options, taken apart as `getopt` does, and its usage.
//!
//! Letters may stand together (`-la`), a value may follow its letter (`-n5`, `-n 5`), `--` ends the options, `-` alone is a word.
//! Options stand before words, as everywhere in BSD: what follows the first word is a word. Every program answers `--help`.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Display;
use libsystem::{env, eprintln, println};

/// Exit status after wrong usage.
#[doc(alias = "EX_USAGE")]
pub const WRONG_USAGE: i32 = 64;

/// How a program is called.
#[derive(Clone, Copy, Debug)]
pub struct Command {
    /// Its name.
    pub name: &'static str,
    /// What follows the name in the usage.
    pub usage: &'static str,
    /// One line on what it does.
    pub about: &'static str,
    /// Letters of options without a value.
    pub flags: &'static str,
    /// Letters of options with a value.
    pub values: &'static str,
    /// Options of two dashes, without those.
    pub long: &'static [&'static str],
    /// How many words it takes.
    pub words: (usize, usize),
}

impl Command {
    /// A command with no options and any number of words.
    pub const fn new(name: &'static str, usage: &'static str, about: &'static str) -> Self {
        Self {
            name,
            usage,
            about,
            flags: "",
            values: "",
            long: &[],
            words: (0, usize::MAX),
        }
    }

    /// With these options without a value.
    #[must_use]
    pub const fn flags(self, flags: &'static str) -> Self {
        Self { flags, ..self }
    }

    /// With these options that take a value.
    #[must_use]
    pub const fn values(self, values: &'static str) -> Self {
        Self { values, ..self }
    }

    /// With these options of two dashes.
    #[must_use]
    pub const fn long(self, long: &'static [&'static str]) -> Self {
        Self { long, ..self }
    }

    /// With so many words at least and at most.
    #[must_use]
    pub const fn words(self, least: usize, most: usize) -> Self {
        Self {
            words: (least, most),
            ..self
        }
    }

    /// Takes this program's arguments apart and runs `body` with them.
    pub fn run(&self, body: impl FnOnce(&Options) -> i32) -> i32 {
        self.run_with(env::args().into_iter().skip(1), body)
    }

    /// Takes arguments apart and runs `body` with them.
    pub fn run_with(
        &self,
        arguments: impl Iterator<Item = String>,
        body: impl FnOnce(&Options) -> i32,
    ) -> i32 {
        match self.parse(arguments) {
            Ok(options) => body(&options),
            Err(Refused::Help) => {
                println!("usage: {} {}", self.name, self.usage);
                println!("{}", self.about);
                0
            }
            Err(refused) => self.wrong(&refused),
        }
    }

    /// Complains about the usage.
    pub fn wrong(&self, reason: &dyn Display) -> i32 {
        let reason = format!("{reason}");
        if !reason.is_empty() {
            eprintln!("{}: {reason}", self.name);
        }
        eprintln!("usage: {} {}", self.name, self.usage);
        WRONG_USAGE
    }

    /// Complains that something went wrong with `what`.
    pub fn complain(&self, what: &str, reason: impl Display) -> i32 {
        eprintln!("{}: {what}: {reason}", self.name);
        1
    }

    fn parse(&self, arguments: impl Iterator<Item = String>) -> Result<Options, Refused> {
        let mut options = Options::default();
        let mut arguments = arguments.peekable();
        while let Some(argument) = arguments.next_if(|word| word.len() > 1 && word.starts_with('-'))
        {
            if argument == "--" {
                break;
            }
            match argument.strip_prefix("--") {
                Some("help") => return Err(Refused::Help),
                Some(name) if self.long.contains(&name) => options.long.push(name.to_owned()),
                Some(_) => return Err(Refused::Unknown(argument)),
                None => self.letters(&argument[1..], &mut arguments, &mut options)?,
            }
        }
        options.words.extend(arguments);
        let (least, most) = self.words;
        if (least..=most).contains(&options.words.len()) {
            Ok(options)
        } else {
            Err(Refused::Words)
        }
    }

    fn letters(
        &self,
        letters: &str,
        arguments: &mut impl Iterator<Item = String>,
        options: &mut Options,
    ) -> Result<(), Refused> {
        let mut letters = letters.chars();
        while let Some(letter) = letters.next() {
            if self.flags.contains(letter) {
                options.flags.push(letter);
            } else if self.values.contains(letter) {
                let rest = letters.as_str();
                let value = if rest.is_empty() {
                    arguments.next().ok_or(Refused::NoValue(letter))?
                } else {
                    rest.to_owned()
                };
                options.values.push((letter, value));
                return Ok(());
            } else {
                return Err(Refused::Unknown(format!("-{letter}")));
            }
        }
        Ok(())
    }
}

/// Why a program does not run.
#[derive(PartialEq, Eq, Debug)]
enum Refused {
    /// The usage was asked for.
    Help,
    Unknown(String),
    NoValue(char),
    /// Too many or too few.
    Words,
}

impl Display for Refused {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Help | Self::Words => Ok(()),
            Self::Unknown(option) => write!(f, "illegal option {option}"),
            Self::NoValue(letter) => write!(f, "option -{letter} requires an argument"),
        }
    }
}

/// What a program was called with.
#[derive(PartialEq, Eq, Debug, Default)]
pub struct Options {
    flags: Vec<char>,
    values: Vec<(char, String)>,
    long: Vec<String>,
    /// What is no option.
    pub words: Vec<String>,
}

impl Options {
    /// True if this letter is there.
    pub fn has(&self, letter: char) -> bool {
        self.flags.contains(&letter)
    }

    /// True if this option of two dashes is there.
    pub fn has_long(&self, name: &str) -> bool {
        self.long.iter().any(|option| option == name)
    }

    /// Which of these letters was given last.
    pub fn last_of(&self, letters: &str) -> Option<char> {
        let of_them = |letter: &&char| letters.contains(**letter);
        self.flags.iter().rev().find(of_them).copied()
    }

    /// The last value that was given with this letter.
    pub fn value(&self, letter: char) -> Option<&str> {
        let found = self.values.iter().rev().find(|(key, _)| *key == letter);
        found.map(|(_, value)| value.as_str())
    }

    /// The words, or `-`, standard input, if there are none.
    pub fn words_or_input(&self) -> Vec<&str> {
        if self.words.is_empty() {
            alloc::vec!["-"]
        } else {
            self.words.iter().map(String::as_str).collect()
        }
    }
}

/// `-5` at the beginning stands for `-n 5`, as in `head -5`.
pub fn with_count_option(arguments: impl Iterator<Item = String>) -> impl Iterator<Item = String> {
    let mut first = true;
    arguments.map(move |word| {
        let digits = word.strip_prefix('-').unwrap_or_default();
        let is_count = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        if core::mem::take(&mut first) && is_count {
            format!("-n{digits}")
        } else {
            word
        }
    })
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;

    const COMMAND: Command = Command::new("x", "[-lr] [-n NUMBER] [FILE...]", "Does.")
        .flags("lr")
        .values("n")
        .long(&["read"]);

    fn parse(line: &str) -> Result<Options, Refused> {
        COMMAND.parse(line.split_whitespace().map(String::from))
    }

    #[test]
    fn letters_stand_alone_or_together() {
        let options = parse("-lr -l --read a -r b").unwrap();
        assert!(options.has('l') && options.has('r') && options.has_long("read"));
        assert_eq!(options.last_of("lr"), Some('l'));
        assert_eq!(options.words, ["a", "-r", "b"]);
        let none = parse("").unwrap();
        assert!(!none.has('l') && none.last_of("lr").is_none());
        assert_eq!(none.words_or_input(), ["-"]);
    }

    #[test]
    fn values_follow_their_letter_at_once_or_as_the_next_word() {
        for line in ["-n5 a", "-n 5 a", "-ln5 a", "-n7 -ln 5 a"] {
            let options = parse(line).unwrap();
            assert_eq!(options.value('n'), Some("5"), "{line}");
            assert_eq!(options.words, ["a"]);
        }
    }

    #[test]
    fn two_dashes_end_the_options_and_one_is_a_word() {
        assert_eq!(parse("-- -l -z").unwrap().words, ["-l", "-z"]);
        assert_eq!(parse("- -l").unwrap().words, ["-", "-l"]);
    }

    #[test]
    fn what_nobody_knows_is_refused() {
        assert_eq!(parse("-lz"), Err(Refused::Unknown("-z".into())));
        assert_eq!(parse("--wat"), Err(Refused::Unknown("--wat".into())));
        assert_eq!(parse("-n"), Err(Refused::NoValue('n')));
        assert_eq!(parse("-l --help"), Err(Refused::Help));
        let two = COMMAND.words(2, 2);
        let words = |line: &str| two.parse(line.split_whitespace().map(String::from));
        assert!(words("a b").is_ok());
        assert_eq!(words("a"), Err(Refused::Words));
        assert_eq!(words("a b c"), Err(Refused::Words));
    }

    #[test]
    fn a_number_may_stand_for_the_count() {
        let words = |line: &str| -> Vec<String> {
            with_count_option(line.split_whitespace().map(String::from)).collect()
        };
        assert_eq!(words("-12 a -3"), ["-n12", "a", "-3"]);
        assert_eq!(words("- a"), ["-", "a"]);
        assert_eq!(words("-x1"), ["-x1"]);
    }
}

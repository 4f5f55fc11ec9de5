//! What init decides: the boot arguments it understands.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

use alloc::string::String;
use alloc::vec::Vec;

/// What the boot arguments ask for.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct BootArguments {
    /// `run=HEX`: run this command line, then power off with its status.
    pub command: Option<String>,
    /// `recovery=1`: the recovery shell only, without a file server.
    pub recovery: bool,
    /// `shell=PATH`: this shell instead of the best there is.
    pub shell: Option<String>,
}

impl BootArguments {
    /// Takes the words that the kernel passed on; unknown ones are the kernel's own.
    pub fn parse<'a>(words: impl Iterator<Item = &'a str>) -> Self {
        let mut arguments = Self::default();
        for word in words {
            match word.split_once('=') {
                Some(("run", digits)) => arguments.command = decode(digits),
                Some(("recovery", value)) => arguments.recovery = value != "0",
                Some(("shell", path)) => arguments.shell = Some(String::from(path)),
                _ => {}
            }
        }
        arguments
    }
}

/// The text of hexadecimal digits.
fn decode(digits: &str) -> Option<String> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16).map(|value| value as u8);
    let values: Vec<u8> = digits.as_bytes().iter().map(digit).collect::<Option<_>>()?;
    let pairs = values.chunks_exact(2);
    if !pairs.remainder().is_empty() {
        return None;
    }
    String::from_utf8(pairs.map(|pair| pair[0] << 4 | pair[1]).collect()).ok()
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;

    #[test]
    fn the_command_line_is_decoded() {
        let words = ["console=x", "run=6c73202f62696e", "test=1"];
        let arguments = BootArguments::parse(words.into_iter());
        assert_eq!(arguments.command.as_deref(), Some("ls /bin"));
        assert!(!arguments.recovery);
    }

    #[test]
    fn digits_that_are_none_give_no_command() {
        for word in ["run=6", "run=zz", "run=ff"] {
            assert_eq!(
                BootArguments::parse([word].into_iter()).command,
                None,
                "{word}"
            );
        }
        assert!(BootArguments::parse(["recovery=1"].into_iter()).recovery);
        let chosen = BootArguments::parse(["shell=/boot/bin/recovery"].into_iter());
        assert_eq!(chosen.shell.as_deref(), Some("/boot/bin/recovery"));
    }
}

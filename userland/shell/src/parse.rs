//! From a line to commands: [`parse`].
//!
//! Words are parted by blanks. `'...'` keeps everything, `"..."` everything but `$?` and `\`, a
//! backslash the next character. `#` at the start of a word begins a comment. Commands are joined by
//! `;`, `&&` and `||`.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::iter::Peekable;
use core::str::Chars;

/// When a command runs, given how the one before it ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum When {
    /// In any case.
    #[default]
    Always,
    /// After success (`&&`).
    Success,
    /// After failure (`||`).
    Failure,
}

/// One command.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Command {
    /// When it runs.
    pub when: When,
    /// Its words; `$?` is still a [`Piece::Status`].
    pub words: Vec<Word>,
}

/// A word before `$?` is replaced.
pub type Word = Vec<Piece>;

/// Part of a word.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Piece {
    /// As it stands.
    Text(String),
    /// `$?`: the status of the last command.
    Status,
}

/// What is wrong with a line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SyntaxError {
    /// A quote has no end.
    OpenQuote,
    /// `&` or `|` alone: there are no background jobs and no pipes.
    Unsupported(char),
    /// `&&` or `||` without a command on one side.
    MissingCommand,
}

impl core::fmt::Display for SyntaxError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::OpenQuote => f.write_str("a quote is not closed"),
            Self::Unsupported(character) => write!(f, "`{character}` is not supported"),
            Self::MissingCommand => f.write_str("a command is missing"),
        }
    }
}

/// The word with `$?` replaced.
pub fn expand(word: &Word, status: i32) -> String {
    word.iter()
        .map(|piece| match piece {
            Piece::Text(text) => text.clone(),
            Piece::Status => format!("{status}"),
        })
        .collect()
}

/// Takes a line apart.
///
/// # Errors
/// [`SyntaxError`].
pub fn parse(line: &str) -> Result<Vec<Command>, SyntaxError> {
    let mut parser = Parser {
        rest: line.chars().peekable(),
        commands: Vec::new(),
    };
    let mut command = Command::default();
    while let Some(next) = parser.rest.peek().copied() {
        match next {
            ' ' | '\t' | '\r' | '\n' => {
                parser.rest.next();
            }
            '#' => break,
            ';' | '&' | '|' => {
                let when = parser.joint()?;
                parser.finish(core::mem::take(&mut command), when)?;
                command.when = when;
            }
            _ => command.words.push(parser.word()?),
        }
    }
    parser.finish(command, When::Always)?;
    Ok(parser.commands)
}

struct Parser<'a> {
    rest: Peekable<Chars<'a>>,
    commands: Vec<Command>,
}

impl Parser<'_> {
    /// Ends a command before a joint of this kind.
    fn finish(&mut self, command: Command, joint: When) -> Result<(), SyntaxError> {
        if !command.words.is_empty() {
            self.commands.push(command);
            Ok(())
        } else if joint == When::Always && command.when == When::Always {
            Ok(())
        } else {
            Err(SyntaxError::MissingCommand)
        }
    }

    fn joint(&mut self) -> Result<When, SyntaxError> {
        match self.rest.next() {
            Some(first @ ('&' | '|')) => {
                if self.rest.next_if_eq(&first).is_none() {
                    return Err(SyntaxError::Unsupported(first));
                }
                Ok(if first == '&' {
                    When::Success
                } else {
                    When::Failure
                })
            }
            _ => Ok(When::Always),
        }
    }

    fn word(&mut self) -> Result<Word, SyntaxError> {
        let mut word = Word::new();
        let mut text = String::new();
        while let Some(next) = self.rest.peek().copied() {
            if matches!(next, ' ' | '\t' | '\r' | '\n' | ';' | '&' | '|') {
                break;
            }
            self.rest.next();
            match next {
                '\'' => self.single_quoted(&mut text)?,
                '"' => self.double_quoted(&mut word, &mut text)?,
                '\\' => text.extend(self.rest.next()),
                '$' => self.dollar(&mut word, &mut text),
                other => text.push(other),
            }
        }
        if !text.is_empty() || word.is_empty() {
            word.push(Piece::Text(text));
        }
        Ok(word)
    }

    fn single_quoted(&mut self, text: &mut String) -> Result<(), SyntaxError> {
        loop {
            match self.rest.next() {
                None => return Err(SyntaxError::OpenQuote),
                Some('\'') => return Ok(()),
                Some(other) => text.push(other),
            }
        }
    }

    fn double_quoted(&mut self, word: &mut Word, text: &mut String) -> Result<(), SyntaxError> {
        loop {
            match self.rest.next() {
                None => return Err(SyntaxError::OpenQuote),
                Some('"') => return Ok(()),
                Some('$') => self.dollar(word, text),
                Some('\\') => text.extend(self.rest.next()),
                Some(other) => text.push(other),
            }
        }
    }

    /// `$?`, or a dollar sign.
    fn dollar(&mut self, word: &mut Word, text: &mut String) {
        if self.rest.next_if_eq(&'?').is_some() {
            if !text.is_empty() {
                word.push(Piece::Text(core::mem::take(text)));
            }
            word.push(Piece::Status);
        } else {
            text.push('$');
        }
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::vec;

    fn words(line: &str) -> Vec<(When, Vec<String>)> {
        let commands = parse(line).unwrap();
        let expand_all = |command: &Command| {
            (
                command.when,
                command.words.iter().map(|word| expand(word, 7)).collect(),
            )
        };
        commands.iter().map(expand_all).collect()
    }

    fn one(line: &str) -> Vec<String> {
        words(line).remove(0).1
    }

    #[test]
    fn words_are_parted_by_blanks_and_kept_by_quotes() {
        assert_eq!(one("  ls   -l /bin "), ["ls", "-l", "/bin"]);
        assert_eq!(
            one(r#"echo 'a  b' "c 'd'" e\ f g"h"i '' "#),
            ["echo", "a  b", "c 'd'", "e f", "ghi", ""]
        );
        assert_eq!(one("echo a#b # comment ; x"), ["echo", "a#b"]);
    }

    #[test]
    fn the_status_is_put_in_where_it_stands() {
        assert_eq!(
            one("echo $? x$?y \"$?\" '$?' $HOME"),
            ["echo", "7", "x7y", "7", "$?", "$HOME"]
        );
    }

    #[test]
    fn commands_are_joined() {
        let parsed = words("a 1; b && c||d;");
        let expected = vec![
            (When::Always, vec![String::from("a"), String::from("1")]),
            (When::Always, vec![String::from("b")]),
            (When::Success, vec![String::from("c")]),
            (When::Failure, vec![String::from("d")]),
        ];
        assert_eq!(parsed, expected);
        assert!(parse("  # nothing").unwrap().is_empty());
    }

    #[test]
    fn what_is_wrong_is_named() {
        assert_eq!(parse("echo 'x"), Err(SyntaxError::OpenQuote));
        assert_eq!(parse("a | b"), Err(SyntaxError::Unsupported('|')));
        assert_eq!(parse("a &"), Err(SyntaxError::Unsupported('&')));
        assert_eq!(parse("&& a"), Err(SyntaxError::MissingCommand));
        assert_eq!(parse("a &&"), Err(SyntaxError::MissingCommand));
        assert_eq!(parse("a && ; b"), Err(SyntaxError::MissingCommand));
    }
}

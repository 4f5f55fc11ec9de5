//! From the bytes of a terminal to keys: [`Decoder`].
//!
//! Cursor keys and their relatives come as escape sequences (ECMA-48: `ESC [`, parameters, a final letter), characters as UTF-8.
//! What is not understood is swallowed whole, so that no half of it lands in the line.

use alloc::vec::Vec;

/// A key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Key {
    /// A character.
    Character(char),
    /// A letter with the control key, in lower case.
    Control(char),
    /// A letter with the meta or alt key.
    Meta(char),
    /// Return.
    Enter,
    /// Tabulator.
    Tab,
    /// Erase to the left.
    Backspace,
    /// Erase to the right.
    Delete,
    /// Cursor keys.
    Up,
    /// Cursor keys.
    Down,
    /// Cursor keys.
    Left,
    /// Cursor keys.
    Right,
    /// A word to the left: control or meta with the cursor key.
    WordLeft,
    /// A word to the right.
    WordRight,
    /// The start of the line.
    Home,
    /// The end of the line.
    End,
}

const ESCAPE: u8 = 0x1b;

/// The longest sequence that is remembered.
const SEQUENCE_MAX: usize = 16;

/// What has come of a key so far.
#[derive(Debug, Default)]
enum State {
    #[default]
    Ground,
    /// After the escape character.
    Escape,
    /// After `ESC [` or `ESC O`: parameters.
    Sequence(Vec<u8>),
    /// Inside a character of several bytes.
    Character(Vec<u8>, usize),
}

/// Takes bytes, gives keys.
#[derive(Debug, Default)]
pub struct Decoder {
    state: State,
}

impl Decoder {
    /// A byte has come; the key that it completes.
    pub fn byte(&mut self, byte: u8) -> Option<Key> {
        match core::mem::take(&mut self.state) {
            State::Ground => self.first(byte),
            State::Escape => match byte {
                b'[' | b'O' => {
                    self.state = State::Sequence(Vec::new());
                    None
                }
                b'\r' | b'\n' => Some(Key::Enter),
                0x7f | 8 => Some(Key::Meta('\u{8}')),
                byte if byte.is_ascii_graphic() => Some(Key::Meta(char::from(byte))),
                _ => self.first(byte),
            },
            State::Sequence(parameters) => self.sequence(parameters, byte),
            State::Character(bytes, length) => self.character(bytes, length, byte),
        }
    }

    fn first(&mut self, byte: u8) -> Option<Key> {
        match byte {
            ESCAPE => {
                self.state = State::Escape;
                None
            }
            b'\r' | b'\n' => Some(Key::Enter),
            b'\t' => Some(Key::Tab),
            8 | 0x7f => Some(Key::Backspace),
            0..=0x1f => Some(Key::Control(char::from((byte | 0x40).to_ascii_lowercase()))),
            0x20..=0x7e => Some(Key::Character(char::from(byte))),
            0xc2..=0xf4 => {
                let length = byte.leading_ones() as usize;
                self.state = State::Character(alloc::vec![byte], length);
                None
            }
            _ => None,
        }
    }

    fn sequence(&mut self, mut parameters: Vec<u8>, byte: u8) -> Option<Key> {
        // ECMA-48, 5.4: a final byte is one of 0x40 to 0x7e.
        if !(0x40..=0x7e).contains(&byte) {
            if byte < 0x20 {
                return self.first(byte);
            }
            if parameters.len() < SEQUENCE_MAX {
                parameters.push(byte);
            }
            self.state = State::Sequence(parameters);
            return None;
        }
        let modified = parameters.contains(&b';');
        match (byte, &parameters[..]) {
            (b'A', _) => Some(Key::Up),
            (b'B', _) => Some(Key::Down),
            (b'C', _) if modified => Some(Key::WordRight),
            (b'D', _) if modified => Some(Key::WordLeft),
            (b'C', _) => Some(Key::Right),
            (b'D', _) => Some(Key::Left),
            (b'H', _) | (b'~', b"1" | b"7") => Some(Key::Home),
            (b'F', _) | (b'~', b"4" | b"8") => Some(Key::End),
            (b'~', b"3") => Some(Key::Delete),
            _ => None,
        }
    }

    fn character(&mut self, mut bytes: Vec<u8>, length: usize, byte: u8) -> Option<Key> {
        if byte & 0xc0 != 0x80 {
            // The character was cut short; this byte begins something else.
            return self.first(byte);
        }
        bytes.push(byte);
        if bytes.len() < length {
            self.state = State::Character(bytes, length);
            return None;
        }
        let text = core::str::from_utf8(&bytes).ok()?;
        text.chars().next().map(Key::Character)
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;

    fn keys(bytes: &[u8]) -> Vec<Key> {
        let mut decoder = Decoder::default();
        bytes
            .iter()
            .filter_map(|byte| decoder.byte(*byte))
            .collect()
    }

    #[test]
    fn characters_and_control_letters_are_keys() {
        assert_eq!(
            keys("a\u{e4}\u{20ac}\x01\x7f\t\r".as_bytes()),
            [
                Key::Character('a'),
                Key::Character('\u{e4}'),
                Key::Character('\u{20ac}'),
                Key::Control('a'),
                Key::Backspace,
                Key::Tab,
                Key::Enter
            ]
        );
    }

    #[test]
    fn sequences_are_one_key_each() {
        assert_eq!(
            keys(b"\x1b[A\x1bOB\x1b[1;5C\x1b[3~\x1b[H\x1b[4~\x1bb"),
            [
                Key::Up,
                Key::Down,
                Key::WordRight,
                Key::Delete,
                Key::Home,
                Key::End,
                Key::Meta('b')
            ]
        );
    }

    #[test]
    fn what_is_not_understood_leaves_nothing_behind() {
        assert_eq!(
            keys(b"\x1b[200~x\x1b[99;99;99;99;99;99;99zy"),
            [Key::Character('x'), Key::Character('y')]
        );
        assert_eq!(
            keys(b"\xc3x\xff\x80z"),
            [Key::Character('x'), Key::Character('z')]
        );
        assert_eq!(keys(b"\x1b[\x03"), [Key::Control('c')]);
    }
}

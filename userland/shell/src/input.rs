//! Lines from standard input: [`Lines`].
//!
//! A terminal that hands out whole lines has edited and echoed them. On a raw line the bytes come as
//! they are typed, and [`Editor`] does what the terminal layer does not: echo, backspace, control-U.

use alloc::string::String;
use alloc::vec::Vec;
use libsystem::io;

/// What came of a byte.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Typed {
    /// The line goes on.
    More,
    /// The line is complete.
    Line,
    /// End of input.
    End,
}

/// A line being typed on a raw terminal.
#[derive(Debug, Default)]
pub struct Editor {
    line: Vec<u8>,
}

impl Editor {
    /// Takes a byte; what is to be shown is given to `echo`.
    pub fn typed(&mut self, byte: u8, echo: &mut dyn FnMut(&[u8])) -> Typed {
        match byte {
            b'\r' | b'\n' => {
                echo(b"\r\n");
                return Typed::Line;
            }
            4 if self.line.is_empty() => return Typed::End,
            3 => {
                echo(b"^C\r\n");
                self.line.clear();
                return Typed::Line;
            }
            8 | 0x7f => self.erase(echo),
            0x15 => {
                while !self.line.is_empty() {
                    self.erase(echo);
                }
            }
            byte if byte >= b' ' || byte == b'\t' => {
                self.line.push(byte);
                echo(&[byte]);
            }
            _ => {}
        }
        Typed::More
    }

    /// Takes the last character away, with all its bytes.
    fn erase(&mut self, echo: &mut dyn FnMut(&[u8])) {
        while let Some(byte) = self.line.pop() {
            if byte & 0xc0 != 0x80 {
                echo(b"\x08 \x08");
                return;
            }
        }
    }

    /// The line, leaving an empty one.
    pub fn take(&mut self) -> String {
        let line = core::mem::take(&mut self.line);
        String::from_utf8_lossy(&line).into_owned()
    }
}

/// Whether lines are edited here.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    /// The terminal layer echoes and edits, or this is no terminal.
    Cooked,
    /// Bytes come as they are typed.
    Raw,
}

/// Lines of standard input.
#[derive(Debug)]
pub struct Lines {
    mode: Mode,
    editor: Editor,
    pending: Vec<u8>,
    ended: bool,
}

impl Lines {
    /// Standard input, with the mode that its terminal tells.
    pub fn standard() -> Self {
        let mode = match libsystem::io::terminal_is_canonical(io::STDIN) {
            Ok(false) => Mode::Raw,
            Ok(true) | Err(_) => Mode::Cooked,
        };
        Self {
            mode,
            editor: Editor::default(),
            pending: Vec::new(),
            ended: false,
        }
    }

    /// The next line without its end, or `None` at the end of input.
    pub fn next_line(&mut self) -> Option<String> {
        loop {
            while !self.pending.is_empty() {
                let byte = self.pending.remove(0);
                if self.take_byte(byte) {
                    return Some(self.editor.take());
                }
            }
            if self.ended {
                let last = self.editor.take();
                return (!last.is_empty()).then_some(last);
            }
            self.fill();
        }
    }

    fn take_byte(&mut self, byte: u8) -> bool {
        let mode = self.mode;
        let mut echo = |bytes: &[u8]| {
            if mode == Mode::Raw {
                let _ = io::write_all(io::STDOUT, bytes);
            }
        };
        match self.editor.typed(byte, &mut echo) {
            Typed::More => false,
            Typed::Line => true,
            Typed::End => {
                self.ended = true;
                false
            }
        }
    }

    fn fill(&mut self) {
        let mut buffer = [0; 256];
        match io::read(io::STDIN, &mut buffer) {
            Ok(0) => self.ended = true,
            Ok(count) => self.pending.extend_from_slice(&buffer[..count]),
            // A key that means a signal, for the program that ran: the line begins anew.
            Err(libsystem::Errno::EINTR) => drop(self.editor.take()),
            Err(_) => self.ended = true,
        }
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;

    fn type_in(bytes: &[u8]) -> (String, Vec<u8>, Typed) {
        let mut editor = Editor::default();
        let mut shown = Vec::new();
        let mut last = Typed::More;
        for byte in bytes {
            last = editor.typed(*byte, &mut |bytes| shown.extend_from_slice(bytes));
        }
        (editor.take(), shown, last)
    }

    #[test]
    fn typed_characters_are_echoed_and_erased_whole() {
        let (line, shown, last) = type_in("lx\u{7f}s \u{e4}\u{8}\r".as_bytes());
        assert_eq!((line.as_str(), last), ("ls ", Typed::Line));
        assert_eq!(shown, "lx\u{8} \u{8}s \u{e4}\u{8} \u{8}\r\n".as_bytes());
    }

    #[test]
    fn control_keys_clear_or_end_the_line() {
        assert_eq!(type_in(b"abc\x15d").0, "d");
        assert_eq!(type_in(b"abc\x03").2, Typed::Line);
        assert_eq!(type_in(b"\x04").2, Typed::End);
        assert_eq!(type_in(b"a\x04").2, Typed::More);
        assert_eq!(type_in(b"\x7f\x7fa").0, "a");
    }
}

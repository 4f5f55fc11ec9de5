//! Lines from standard input: [`Lines`]. On a terminal they are edited here, key by key; from anything else they come as they are.

use crate::complete::Names;
use crate::editor::{Editor, Typed};
use crate::history::History;
use crate::keys::Decoder;
use alloc::string::String;
use alloc::vec::Vec;
use bsd_sys::termios::Termios;
use libsystem::{Errno, io, terminal};

/// Columns of a window whose size nobody knows.
const COLUMNS: usize = 80;

/// What came of asking for a line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Input {
    /// A line, without its end.
    Line(String),
    /// The line was given up: there is nothing to run.
    Nothing,
    /// The end of input.
    End,
}

/// Lines of standard input.
#[derive(Debug, Default)]
pub struct Lines {
    /// Bytes that were read and not used.
    pending: Vec<u8>,
    ended: bool,
}

impl Lines {
    /// The next line.
    pub fn next_line(&mut self, prompt: &str, history: &History) -> Input {
        let Ok(modes) = terminal::modes(io::STDIN) else {
            return self.plain_line();
        };
        if terminal::set_modes(io::STDIN, &terminal::raw(modes)).is_err() {
            show(prompt);
            return self.plain_line();
        }
        let input = self.edited_line(prompt, history);
        self.restore(&modes);
        input
    }

    fn restore(&self, modes: &Termios) {
        // A terminal that took its modes a moment ago takes them back.
        let _ = terminal::set_modes(io::STDIN, modes);
    }

    fn edited_line(&mut self, prompt: &str, history: &History) -> Input {
        let columns = terminal::size(io::STDIN).map_or(COLUMNS, |(columns, _)| columns);
        let mut editor = Editor::new(prompt, columns);
        let mut decoder = Decoder::default();
        show(&editor.shown());
        while let Some(byte) = self.byte() {
            let Some(key) = decoder.byte(byte) else {
                continue;
            };
            match editor.key(key, history, &Names) {
                Typed::More(shown) => show(&shown),
                Typed::Line(line) => {
                    show("\n");
                    return Input::Line(line);
                }
                Typed::GivenUp => {
                    show("^C\n");
                    return Input::Nothing;
                }
                Typed::Clear => {
                    show("\x1b[H\x1b[2J");
                    show(&editor.shown());
                }
                Typed::End => break,
            }
        }
        show("\n");
        Input::End
    }

    fn plain_line(&mut self) -> Input {
        let mut line = Vec::new();
        while let Some(byte) = self.byte() {
            if byte == b'\n' {
                return Input::Line(text(&line));
            }
            line.push(byte);
        }
        if line.is_empty() {
            return Input::End;
        }
        Input::Line(text(&line))
    }

    /// The next byte; `None` at the end.
    fn byte(&mut self) -> Option<u8> {
        while self.pending.is_empty() {
            if self.ended {
                return None;
            }
            self.fill();
        }
        Some(self.pending.remove(0))
    }

    fn fill(&mut self) {
        let mut buffer = [0; 256];
        match io::read(io::STDIN, &mut buffer) {
            Ok(0) => self.ended = true,
            Ok(count) => self.pending.extend_from_slice(&buffer[..count]),
            Err(Errno::EINTR) => {}
            Err(_) => self.ended = true,
        }
    }
}

fn text(line: &[u8]) -> String {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    String::from_utf8_lossy(line).into_owned()
}

fn show(text: &str) {
    // Nobody is there to be told that the terminal is gone: the next read ends.
    let _ = io::write_all(io::STDOUT, text.as_bytes());
}

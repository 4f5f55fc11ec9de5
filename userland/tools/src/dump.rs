//! Bytes in lines of sixteen: what `hexdump` shows.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write;

/// Bytes of a line.
const LINE: usize = 16;

/// How a line looks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Layout {
    /// Words of two bytes, the lower one first.
    Words,
    /// Bytes, and the text beside them.
    Canonical,
}

/// A dump that goes on from piece to piece.
#[derive(Debug)]
pub struct Dump {
    layout: Layout,
    /// Repeated lines are shown too.
    all: bool,
    /// Where the line begins.
    offset: u64,
    /// Bytes that are still to be left out.
    skip: u64,
    /// Bytes that are still to be shown.
    left: u64,
    line: Vec<u8>,
    /// The line before.
    previous: Vec<u8>,
    /// A `*` stands for equal lines already.
    starred: bool,
}

impl Dump {
    /// Leaves out `skip` bytes and shows at most `length`; equal lines once, unless `all` are wanted.
    pub const fn new(layout: Layout, all: bool, skip: u64, length: u64) -> Self {
        Self {
            layout,
            all,
            offset: skip,
            skip,
            left: length,
            line: Vec::new(),
            previous: Vec::new(),
            starred: false,
        }
    }

    /// Takes bytes; `false` when no more are wanted.
    pub fn add(&mut self, bytes: &[u8], out: &mut impl Write) -> bool {
        let skipped = bytes
            .len()
            .min(usize::try_from(self.skip).unwrap_or(usize::MAX));
        self.skip -= skipped as u64;
        let wanted = usize::try_from(self.left).unwrap_or(usize::MAX);
        let mut bytes = &bytes[skipped..];
        bytes = &bytes[..bytes.len().min(wanted)];
        self.left -= bytes.len() as u64;
        while !bytes.is_empty() {
            let (taken, rest) = bytes.split_at(bytes.len().min(LINE - self.line.len()));
            self.line.extend_from_slice(taken);
            bytes = rest;
            if self.line.len() == LINE {
                self.whole_line(out);
            }
        }
        self.left > 0
    }

    /// The last line, and where the end is.
    pub fn finish(self, out: &mut impl Write) {
        let end = self.offset + self.line.len() as u64;
        if !self.line.is_empty() {
            self.show(out);
        }
        // Nothing at all leaves nothing at all, unless something was left out before it.
        if end > 0 {
            let _ = match self.layout {
                Layout::Words => writeln!(out, "{end:07x}"),
                Layout::Canonical => writeln!(out, "{end:08x}"),
            };
        }
    }

    fn whole_line(&mut self, out: &mut impl Write) {
        if !self.all && self.line == self.previous {
            if !core::mem::replace(&mut self.starred, true) {
                let _ = out.write_str("*\n");
            }
        } else {
            self.starred = false;
            self.show(out);
        }
        self.previous = core::mem::take(&mut self.line);
        self.offset += LINE as u64;
    }

    fn show(&self, out: &mut impl Write) {
        let text = match self.layout {
            Layout::Words => words(self.offset, &self.line),
            Layout::Canonical => canonical(self.offset, &self.line),
        };
        let _ = out.write_str(&text);
    }
}

fn words(offset: u64, line: &[u8]) -> String {
    let mut text = alloc::format!("{offset:07x}");
    for pair in line.chunks(2) {
        let high = pair.get(1).copied().unwrap_or(0);
        let _ = write!(text, " {high:02x}{:02x}", pair[0]);
    }
    // All lines are of one length, as BSD's.
    for _ in line.len().div_ceil(2)..LINE / 2 {
        text.push_str("     ");
    }
    text.push('\n');
    text
}

fn canonical(offset: u64, line: &[u8]) -> String {
    let mut text = alloc::format!("{offset:08x} ");
    for index in 0..LINE {
        if index % 8 == 0 {
            text.push(' ');
        }
        let _ = match line.get(index) {
            Some(byte) => write!(text, "{byte:02x} "),
            None => write!(text, "   "),
        };
    }
    text.push_str(" |");
    text.extend(line.iter().map(|byte| match byte {
        b' '..=b'~' => char::from(*byte),
        _ => '.',
    }));
    text.push_str("|\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dump(mut dump: Dump, pieces: &[&[u8]]) -> String {
        let mut out = String::new();
        for piece in pieces {
            dump.add(piece, &mut out);
        }
        dump.finish(&mut out);
        out
    }

    #[test]
    fn bytes_and_their_text_stand_side_by_side() {
        let canonical = Dump::new(Layout::Canonical, false, 0, u64::MAX);
        assert_eq!(
            dump(canonical, &[b"hello, ", b"Pagoda!\n", b"\x00\xff~"]),
            "00000000  68 65 6c 6c 6f 2c 20 50  61 67 6f 64 61 21 0a 00  |hello, Pagoda!..|\n\
             00000010  ff 7e                                             |.~|\n\
             00000012\n"
        );
    }

    #[test]
    fn words_have_the_lower_byte_first() {
        let words = Dump::new(Layout::Words, false, 0, u64::MAX);
        assert_eq!(
            dump(words, &[b"abc"]),
            "0000000 6261 0063                              \n0000003\n"
        );
    }

    #[test]
    fn equal_lines_are_shown_once() {
        let zeros = [0; 64];
        let lines = |all| {
            let whole = dump(
                Dump::new(Layout::Canonical, all, 0, u64::MAX),
                &[&zeros, b"x"],
            );
            whole.lines().count()
        };
        assert_eq!((lines(false), lines(true)), (4, 6));
    }

    #[test]
    fn a_part_is_shown_however_it_comes() {
        let bytes: Vec<u8> = (0..=255).collect();
        let whole = dump(Dump::new(Layout::Canonical, false, 20, 40), &[&bytes]);
        assert!(whole.starts_with("00000014  14 15"));
        assert!(whole.ends_with("0000003c\n"));
        let pieces: Vec<&[u8]> = bytes.chunks(7).collect();
        assert_eq!(
            dump(Dump::new(Layout::Canonical, false, 20, 40), &pieces),
            whole
        );
        assert_eq!(dump(Dump::new(Layout::Words, false, 0, 9), &[]), "");
    }
}

//! Reading lines and writing much: [`Output`].

use alloc::vec::Vec;
use core::fmt;
use libsystem::Errno;
use libsystem::fs::File;
use libsystem::io::{self, Result};

/// Bytes read or kept before they are written.
const CHUNK: usize = 32 << 10;

/// A file by name, or standard input for `-`.
#[derive(Debug)]
pub enum Source {
    /// Standard input.
    Input,
    /// A file of this program's own.
    File(File),
}

impl Source {
    /// Opens it.
    ///
    /// # Errors
    /// The kernel's.
    pub fn open(name: &str) -> Result<Self> {
        match name {
            "-" => Ok(Self::Input),
            name => File::open(name).map(Self::File),
        }
    }

    /// Reads at most as many bytes as there is room for; 0 is the end.
    ///
    /// # Errors
    /// The kernel's.
    pub fn read(&self, buffer: &mut [u8]) -> Result<usize> {
        match self {
            Self::Input => io::read(io::STDIN, buffer),
            Self::File(file) => file.read(buffer),
        }
    }

    /// Gives `take` the whole, piece by piece, until it answers `false`.
    ///
    /// # Errors
    /// The kernel's.
    pub fn each_chunk(&self, mut take: impl FnMut(&[u8]) -> bool) -> Result<()> {
        let mut buffer = alloc::vec![0; CHUNK];
        loop {
            match self.read(&mut buffer)? {
                0 => return Ok(()),
                count if take(&buffer[..count]) => {}
                _ => return Ok(()),
            }
        }
    }
}

/// What to do next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Next {
    /// Go on.
    More,
    /// That was enough.
    Enough,
}

/// Gives `take` the lines of `source`, each with its newline (the last may have none). `pause` is called before it is
/// waited for more.
///
/// # Errors
/// The kernel's.
pub fn each_line(
    source: &Source,
    mut take: impl FnMut(&[u8]) -> Next,
    mut pause: impl FnMut(),
) -> Result<()> {
    let mut splitter = Splitter::default();
    let mut enough = false;
    source.each_chunk(|chunk| {
        enough = splitter.add(chunk, &mut take) == Next::Enough;
        pause();
        !enough
    })?;
    if !enough && !splitter.rest.is_empty() {
        take(&splitter.rest);
        pause();
    }
    Ok(())
}

/// Pieces of a text become lines.
#[derive(Default)]
struct Splitter {
    /// The beginning of a line.
    rest: Vec<u8>,
}

impl Splitter {
    fn add(&mut self, chunk: &[u8], take: &mut impl FnMut(&[u8]) -> Next) -> Next {
        for piece in chunk.split_inclusive(|byte| *byte == b'\n') {
            let whole = piece.ends_with(b"\n");
            let next = match (whole, self.rest.is_empty()) {
                (true, true) => take(piece),
                (true, false) => {
                    self.rest.extend_from_slice(piece);
                    let line = core::mem::take(&mut self.rest);
                    take(&line)
                }
                (false, _) => {
                    self.rest.extend_from_slice(piece);
                    Next::More
                }
            };
            if next == Next::Enough {
                return next;
            }
        }
        Next::More
    }
}

/// Standard output, written in large pieces. What it could not write is told by [`Output::finish`].
#[derive(Debug, Default)]
pub struct Output {
    bytes: Vec<u8>,
    failed: Option<Errno>,
}

impl Output {
    /// Adds bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        if self.bytes.len() >= CHUNK {
            self.flush();
        }
    }

    /// Writes what is kept.
    pub fn flush(&mut self) {
        if self.failed.is_none() && !self.bytes.is_empty() {
            self.failed = io::write_all(io::STDOUT, &self.bytes).err();
        }
        self.bytes.clear();
    }

    /// True if nobody takes what is written.
    pub const fn has_failed(&self) -> bool {
        self.failed.is_some()
    }

    /// Writes what is kept, and tells whether all was written.
    ///
    /// # Errors
    /// The kernel's.
    pub fn finish(mut self) -> Result<()> {
        self.flush();
        self.failed.map_or(Ok(()), Err)
    }
}

impl fmt::Write for Output {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.push(text.as_bytes());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;

    fn lines(chunks: &[&str]) -> (Vec<Vec<u8>>, Vec<u8>) {
        let (mut splitter, mut lines) = (Splitter::default(), Vec::new());
        for chunk in chunks {
            splitter.add(chunk.as_bytes(), &mut |line: &[u8]| {
                lines.push(line.to_vec());
                Next::More
            });
        }
        (lines, splitter.rest)
    }

    #[test]
    fn lines_are_whole_however_they_come() {
        for chunks in [
            &["one\ntwo\n\nend"][..],
            &["o", "ne\ntw", "o\n", "\ne", "nd"],
            &["one\n", "two\n", "\n", "end"],
        ] {
            let (lines, rest) = lines(chunks);
            assert_eq!(lines, [&b"one\n"[..], b"two\n", b"\n"], "{chunks:?}");
            assert_eq!(rest, b"end");
        }
    }

    #[test]
    fn enough_is_enough() {
        let mut seen = 0;
        let next = Splitter::default().add(b"a\nb\nc\n", &mut |_: &[u8]| {
            seen += 1;
            if seen == 2 { Next::Enough } else { Next::More }
        });
        assert_eq!((seen, next), (2, Next::Enough));
    }
}

//! Counting lines, words and bytes: what `wc` does.

use alloc::format;
use alloc::string::String;

/// How many there were so far.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counts {
    lines: u64,
    words: u64,
    bytes: u64,
    /// The last byte belonged to a word.
    in_word: bool,
}

impl Counts {
    /// Counts on.
    pub fn add(&mut self, bytes: &[u8]) {
        self.bytes += bytes.len() as u64;
        for byte in bytes {
            self.lines += u64::from(*byte == b'\n');
            // As C's `isspace`, which knows the vertical tab.
            let blank = byte.is_ascii_whitespace() || *byte == 0x0b;
            self.words += u64::from(!blank && !self.in_word);
            self.in_word = !blank;
        }
    }

    /// Adds what was counted elsewhere.
    pub const fn add_counts(&mut self, other: &Self) {
        self.lines += other.lines;
        self.words += other.words;
        self.bytes += other.bytes;
    }

    /// Those that are wanted of lines, words, bytes; then the name.
    pub fn line(&self, wanted: [bool; 3], name: &str) -> String {
        let mut line: String = [self.lines, self.words, self.bytes]
            .iter()
            .zip(wanted)
            .filter(|(_, wanted)| *wanted)
            .map(|(count, _)| format!(" {count:>7}"))
            .collect();
        if !name.is_empty() {
            line.push(' ');
            line.push_str(name);
        }
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_counted_once_however_they_come() {
        let text = b" one two\tthree\n\nfour\x0bfive";
        for size in 1..text.len() {
            let mut counts = Counts::default();
            text.chunks(size).for_each(|chunk| counts.add(chunk));
            assert_eq!((counts.lines, counts.words), (2, 5), "{size}");
            assert_eq!(counts.bytes, text.len() as u64);
        }
    }

    #[test]
    fn the_line_looks_like_that_of_wc() {
        let mut counts = Counts::default();
        counts.add(b"a b\nc\n");
        assert_eq!(counts.line([true; 3], "x"), "       2       3       6 x");
        assert_eq!(counts.line([false, true, false], ""), "       3");
    }
}

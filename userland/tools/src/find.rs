//! A text in a line: what `grep` looks for.

use alloc::vec::Vec;

/// A text that is looked for.
#[derive(Clone, Debug)]
pub struct Needle {
    text: Vec<u8>,
    ignore_case: bool,
}

impl Needle {
    /// Looks for `text`.
    pub fn new(text: &[u8], ignore_case: bool) -> Self {
        Self {
            text: text.to_vec(),
            ignore_case,
        }
    }

    /// Whether the text is in `line`; the empty text is in every line.
    pub fn is_in(&self, line: &[u8]) -> bool {
        let text = &self.text;
        let Some(first) = text.first() else {
            return true;
        };
        let Some(starts) = line.len().checked_sub(text.len()) else {
            return false;
        };
        (0..=starts).any(|start| {
            let part = &line[start..start + text.len()];
            if self.ignore_case {
                part.eq_ignore_ascii_case(text)
            } else {
                part.first() == Some(first) && part == text
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_found_wherever_it_is() {
        let is_in =
            |text: &str, line: &str| Needle::new(text.as_bytes(), false).is_in(line.as_bytes());
        for (text, line, found) in [
            ("b", "abc", true),
            ("abc", "abc", true),
            ("bc", "abc", true),
            ("ac", "abc", false),
            ("abcd", "abc", false),
            ("", "", true),
            ("aab", "aaab", true),
            ("B", "abc", false),
        ] {
            assert_eq!(is_in(text, line), found, "{text} in {line}");
        }
        assert!(Needle::new(b"B", true).is_in(b"abc"));
        assert!(Needle::new("\u{e4}b".as_bytes(), true).is_in("x\u{e4}B".as_bytes()));
    }
}

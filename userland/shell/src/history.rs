//! Lines that were typed: [`History`].

use alloc::collections::VecDeque;
use alloc::string::String;

/// Lines that are remembered.
const LINES_MAX: usize = 500;

/// Lines that were typed, oldest first.
#[derive(Debug, Default)]
pub struct History {
    lines: VecDeque<String>,
    /// Lines that were forgotten: numbers go on.
    forgotten: usize,
}

impl History {
    /// Remembers a line, unless it is blank or the same as the last one.
    pub fn add(&mut self, line: &str) {
        if line.trim().is_empty() || self.lines.back().is_some_and(|last| last == line) {
            return;
        }
        if self.lines.len() == LINES_MAX {
            self.lines.pop_front();
            self.forgotten += 1;
        }
        self.lines.push_back(line.into());
    }

    /// The line so far back; 1 is the last.
    pub fn back(&self, back: usize) -> Option<&str> {
        let at = self.lines.len().checked_sub(back)?;
        self.lines.get(at).map(String::as_str)
    }

    /// All lines with their numbers.
    pub fn numbered(&self) -> impl Iterator<Item = (usize, &str)> {
        let first = self.forgotten + 1;
        (first..).zip(self.lines.iter().map(String::as_str))
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::format;
    use std::vec::Vec;

    #[test]
    fn blank_and_repeated_lines_are_not_kept() {
        let mut history = History::default();
        for line in ["a", "a", "  ", "b", "a"] {
            history.add(line);
        }
        let lines: Vec<_> = history.numbered().collect();
        assert_eq!(lines, [(1, "a"), (2, "b"), (3, "a")]);
        assert_eq!(
            (history.back(1), history.back(3), history.back(4)),
            (Some("a"), Some("a"), None)
        );
        assert_eq!(history.back(0), None);
    }

    #[test]
    fn the_oldest_lines_are_forgotten_and_numbers_go_on() {
        let mut history = History::default();
        for number in 0..LINES_MAX + 2 {
            history.add(&format!("{number}"));
        }
        assert_eq!(history.numbered().next(), Some((3, "2")));
        assert_eq!(history.numbered().count(), LINES_MAX);
    }
}

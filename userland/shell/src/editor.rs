//! The line being typed: [`Editor`], pure. Keys go in; what the terminal is to show comes out.
//!
//! The keys are those of other shells (Emacs style). A line that is longer than the window is shown in part, around the cursor.
//! It does not read or write anything: [`input`](crate::input) does.

use crate::history::History;
use crate::keys::Key;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// What came of a key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Typed {
    /// The line goes on; this is to be shown.
    More(String),
    /// The line is complete.
    Line(String),
    /// The line is given up (control-C).
    GivenUp,
    /// End of input (control-D on an empty line).
    End,
    /// The screen is to be cleared.
    Clear,
}

/// Ends a line on the terminal, which returns the carriage by itself.
const NEW_LINE: &str = "\n";

/// Completes what is being typed.
pub trait Complete {
    /// What may stand in place of the last word of `before`, the text left of the cursor: where that word begins (in characters) and
    /// the candidates, each of them a whole word.
    fn candidates(&self, before: &str) -> (usize, Vec<String>);
}

/// A line being typed.
#[derive(Debug)]
pub struct Editor {
    prompt: String,
    /// Columns of the window.
    columns: usize,
    line: Vec<char>,
    /// Characters left of the cursor.
    cursor: usize,
    /// What control-K and its relatives took away last.
    killed: Vec<char>,
    /// How far back in the history the line is; 0: it is the new one.
    back: usize,
    /// The new line, while an old one is shown.
    fresh: Vec<char>,
}

impl Editor {
    /// An empty line behind a prompt.
    pub fn new(prompt: &str, columns: usize) -> Self {
        Self {
            prompt: prompt.into(),
            // A narrower window is not worth editing in.
            columns: columns.max(prompt.chars().count() + 8),
            line: Vec::new(),
            cursor: 0,
            killed: Vec::new(),
            back: 0,
            fresh: Vec::new(),
        }
    }

    /// The prompt and the line with its cursor, to be shown on a row of its own.
    pub fn shown(&self) -> String {
        let room = self.columns - self.prompt.chars().count() - 1;
        let from = (self.cursor + 1).saturating_sub(room);
        let part: String = self.line.iter().skip(from).take(room).collect();
        let behind = part.chars().count() - (self.cursor - from);
        let back = if behind > 0 {
            format!("\x1b[{behind}D")
        } else {
            String::new()
        };
        format!("\r{}{part}\x1b[K{back}", self.prompt)
    }

    /// A key was typed.
    pub fn key(&mut self, key: Key, history: &History, complete: &dyn Complete) -> Typed {
        match key {
            Key::Enter => return Typed::Line(self.text()),
            Key::Control('c') => return Typed::GivenUp,
            Key::Control('d') if self.line.is_empty() => return Typed::End,
            Key::Control('l') => return Typed::Clear,
            Key::Tab => return self.complete(complete),
            Key::Up | Key::Control('p') => self.recall(self.back + 1, history),
            Key::Down | Key::Control('n') => {
                if self.back > 0 {
                    self.recall(self.back - 1, history);
                }
            }
            _ => self.edit(key),
        }
        Typed::More(self.shown())
    }

    fn edit(&mut self, key: Key) {
        let (left, right) = (self.word_left(), self.word_right());
        match key {
            Key::Character(character) => {
                self.line.insert(self.cursor, character);
                self.cursor += 1;
            }
            Key::Left | Key::Control('b') => self.cursor = self.cursor.saturating_sub(1),
            Key::Right | Key::Control('f') => self.cursor = (self.cursor + 1).min(self.line.len()),
            Key::Home | Key::Control('a') => self.cursor = 0,
            Key::End | Key::Control('e') => self.cursor = self.line.len(),
            Key::WordLeft | Key::Meta('b') => self.cursor = left,
            Key::WordRight | Key::Meta('f') => self.cursor = right,
            Key::Backspace if self.cursor > 0 => {
                self.cursor -= 1;
                self.line.remove(self.cursor);
            }
            Key::Delete | Key::Control('d') if self.cursor < self.line.len() => {
                self.line.remove(self.cursor);
            }
            Key::Control('k') => self.kill(self.cursor, self.line.len()),
            Key::Control('u') => self.kill(0, self.cursor),
            Key::Control('w') => self.kill(self.blank_left(), self.cursor),
            Key::Meta('\u{8}') => self.kill(left, self.cursor),
            Key::Meta('d') => self.kill(self.cursor, right),
            Key::Control('y') => {
                let killed = self.killed.clone();
                self.insert(&killed);
            }
            Key::Control('t') => self.transpose(),
            _ => {}
        }
    }

    fn text(&self) -> String {
        self.line.iter().collect()
    }

    fn insert(&mut self, characters: &[char]) {
        self.line
            .splice(self.cursor..self.cursor, characters.iter().copied());
        self.cursor += characters.len();
    }

    fn kill(&mut self, from: usize, to: usize) {
        if from < to {
            self.killed = self.line.drain(from..to).collect();
            self.cursor = from;
        }
    }

    /// The two characters around the cursor change places.
    fn transpose(&mut self) {
        if self.cursor > 0 && self.line.len() > 1 {
            let second = self.cursor.min(self.line.len() - 1);
            self.line.swap(second - 1, second);
            self.cursor = second + 1;
        }
    }

    /// Where the word left of the cursor begins.
    fn word_left(&self) -> usize {
        let mut at = self.cursor;
        while at > 0 && !self.line[at - 1].is_alphanumeric() {
            at -= 1;
        }
        while at > 0 && self.line[at - 1].is_alphanumeric() {
            at -= 1;
        }
        at
    }

    /// Where the word right of the cursor ends.
    fn word_right(&self) -> usize {
        let word = |character: &char| character.is_alphanumeric();
        let rest = &self.line[self.cursor..];
        let gap = rest.iter().take_while(|character| !word(character)).count();
        let length = rest[gap..]
            .iter()
            .take_while(|character| word(character))
            .count();
        self.cursor + gap + length
    }

    /// Where what stands between blanks left of the cursor begins.
    fn blank_left(&self) -> usize {
        let before = &self.line[..self.cursor];
        let blanks = before
            .iter()
            .rev()
            .take_while(|character| **character == ' ')
            .count();
        let rest = &before[..before.len() - blanks];
        let word = rest
            .iter()
            .rev()
            .take_while(|character| **character != ' ')
            .count();
        rest.len() - word
    }

    /// Shows the line so far back in the history.
    fn recall(&mut self, back: usize, history: &History) {
        let line = match back {
            0 => core::mem::take(&mut self.fresh),
            back => match history.back(back) {
                Some(line) => line.chars().collect(),
                None => return,
            },
        };
        let old = core::mem::replace(&mut self.line, line);
        if self.back == 0 {
            self.fresh = old;
        }
        self.back = back;
        self.cursor = self.line.len();
    }

    /// Completes the word at the cursor as far as all candidates agree; shows them if that is no further.
    fn complete(&mut self, complete: &dyn Complete) -> Typed {
        let before: String = self.line[..self.cursor].iter().collect();
        let (start, candidates) = complete.candidates(&before);
        let Some(common) = common_start(&candidates) else {
            return Typed::More(String::from("\x07"));
        };
        let typed = self.cursor - start;
        let mut addition: Vec<char> = common.chars().skip(typed).collect();
        let only = candidates.len() == 1;
        if only && !common.ends_with('/') {
            addition.push(' ');
        }
        if addition.is_empty() && !only {
            let list = candidates.join("  ");
            return Typed::More(format!("{NEW_LINE}{list}{NEW_LINE}{}", self.shown()));
        }
        self.insert(&addition);
        Typed::More(self.shown())
    }
}

/// What all texts begin with.
fn common_start(texts: &[String]) -> Option<String> {
    let (first, rest) = texts.split_first()?;
    let mut common = first.as_str();
    for text in rest {
        while !text.starts_with(common) {
            let last = common.char_indices().next_back().map_or(0, |(at, _)| at);
            common = &common[..last];
        }
    }
    Some(common.into())
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use crate::keys::Decoder;

    struct Fixed;

    impl Complete for Fixed {
        fn candidates(&self, before: &str) -> (usize, Vec<String>) {
            let start = before.rfind(' ').map_or(0, |at| at + 1);
            let known = ["vmmap", "vm_stat", "ls", "/bin/"];
            let fit = known
                .iter()
                .filter(|name| name.starts_with(&before[start..]));
            (
                before[..start].chars().count(),
                fit.map(|name| String::from(*name)).collect(),
            )
        }
    }

    fn history() -> History {
        let mut history = History::default();
        history.add("first");
        history.add("second");
        history
    }

    fn typed(bytes: &str) -> Typed {
        let mut editor = Editor::new("$ ", 80);
        let mut decoder = Decoder::default();
        let mut last = Typed::End;
        for key in bytes.bytes().filter_map(|byte| decoder.byte(byte)) {
            last = editor.key(key, &history(), &Fixed);
        }
        last
    }

    fn line(bytes: &str) -> String {
        match typed(&format!("{bytes}\r")) {
            Typed::Line(line) => line,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn characters_are_put_in_at_the_cursor() {
        assert_eq!(line("acd\x1b[D\x1b[Db\x05e\x01\u{e4}"), "\u{e4}abcde");
        assert_eq!(line("abc\x02\x02\x7f\x04"), "c");
        assert_eq!(line("abc\x1b[H\x1b[3~\x1b[F!"), "bc!");
    }

    #[test]
    fn words_and_ends_of_the_line_are_killed_and_come_back() {
        assert_eq!(line("one two-three\x17"), "one ");
        assert_eq!(line("one two\x15x"), "x");
        assert_eq!(line("one two\x1bb\x0b\x01\x19"), "twoone ");
        assert_eq!(line("one two\x01\x1bd\x05\x19"), " twoone");
        assert_eq!(line("ab\x14"), "ba");
    }

    #[test]
    fn the_history_is_walked_and_the_new_line_is_kept() {
        assert_eq!(line("ne\x1b[A"), "second");
        assert_eq!(line("ne\x1b[A\x1b[A\x1b[A"), "first");
        assert_eq!(line("ne\x1b[A\x1b[A\x1b[B"), "second");
        assert_eq!(line("ne\x1b[A\x1b[B\x1b[Bw"), "new");
    }

    #[test]
    fn a_tab_completes_what_is_certain_and_lists_the_rest() {
        assert_eq!(line("l\t/b\tx"), "ls /bin/x");
        assert_eq!(line("v\t"), "vm");
        assert!(matches!(typed("vm\t"), Typed::More(shown) if shown.contains("vmmap  vm_stat")));
        assert_eq!(typed("nothing\t"), Typed::More(String::from("\x07")));
    }

    #[test]
    fn control_keys_end_give_up_and_clear() {
        assert_eq!(typed("\x04"), Typed::End);
        assert_eq!(typed("a\x03"), Typed::GivenUp);
        assert_eq!(typed("a\x0c"), Typed::Clear);
        assert_eq!(line("a\x04"), "a");
    }

    #[test]
    fn a_long_line_is_shown_around_the_cursor() {
        let mut editor = Editor::new("$ ", 12);
        for character in "0123456789abc".chars() {
            let _ = editor.key(Key::Character(character), &history(), &Fixed);
        }
        assert_eq!(editor.shown(), "\r$ 56789abc\x1b[K");
        let _ = editor.key(Key::Home, &history(), &Fixed);
        assert_eq!(editor.shown(), "\r$ 012345678\x1b[K\x1b[9D");
    }

    #[test]
    fn any_keys_keep_the_cursor_in_the_line() {
        let mut editor = Editor::new("$ ", 20);
        let mut decoder = Decoder::default();
        let mut state = 3u32;
        for _ in 0..50_000 {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let byte = (state >> 16) as u8 & 0x7f;
            if let Some(key) = decoder.byte(byte) {
                let _ = editor.key(key, &history(), &Fixed);
            }
            assert!(editor.cursor <= editor.line.len());
            let _ = editor.shown();
        }
    }
}

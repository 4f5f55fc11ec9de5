//! Source text with its comments and strings blanked out, so that a scanner sees code and nothing else.
//!
//! Every blanked byte becomes a space and line ends stay, so an offset in the blanked text is an offset in the
//! original. Two languages: Rust for our tree, C for the reader's checkout of XNU.

/// Blanks Rust comments, and what stands between the quotes of strings and characters.
pub(super) fn rust(text: &str) -> String {
    let mut blanker = Blanker::new(text);
    while let Some(byte) = blanker.peek(0) {
        match byte {
            b'/' if blanker.peek(1) == Some(b'/') => blanker.line_comment(),
            b'/' if blanker.peek(1) == Some(b'*') => blanker.block_comment(Nesting::Nested),
            b'r' if !blanker.in_word() && blanker.raw_hashes().is_some() => blanker.raw_string(),
            b'"' => blanker.quoted(b'"'),
            b'\'' if blanker.is_character() => blanker.quoted(b'\''),
            _ => blanker.keep(),
        }
    }
    blanker.finish()
}

/// Blanks C comments, the insides of strings and characters, and preprocessor lines.
pub(super) fn c(text: &str) -> String {
    let mut blanker = Blanker::new(text);
    while let Some(byte) = blanker.peek(0) {
        match byte {
            b'/' if blanker.peek(1) == Some(b'/') => blanker.line_comment(),
            b'/' if blanker.peek(1) == Some(b'*') => blanker.block_comment(Nesting::Flat),
            b'#' if blanker.at_line_start() => blanker.directive(),
            b'"' | b'\'' => blanker.quoted(byte),
            _ => blanker.keep(),
        }
    }
    blanker.finish()
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Nesting {
    Nested,
    Flat,
}

struct Blanker<'a> {
    input: &'a [u8],
    at: usize,
    output: Vec<u8>,
}

impl<'a> Blanker<'a> {
    fn new(text: &'a str) -> Self {
        Self {
            input: text.as_bytes(),
            at: 0,
            output: Vec::with_capacity(text.len()),
        }
    }

    fn peek(&self, ahead: usize) -> Option<u8> {
        self.input.get(self.at + ahead).copied()
    }

    fn keep(&mut self) {
        if let Some(byte) = self.peek(0) {
            // Outside comments and strings only ASCII means anything to the scanners.
            self.output.push(if byte.is_ascii() { byte } else { b' ' });
            self.at += 1;
        }
    }

    fn blank(&mut self) {
        if let Some(byte) = self.peek(0) {
            self.output.push(if byte == b'\n' { byte } else { b' ' });
            self.at += 1;
        }
    }

    fn line_comment(&mut self) {
        while self.peek(0).is_some_and(|byte| byte != b'\n') {
            self.blank();
        }
    }

    fn block_comment(&mut self, nesting: Nesting) {
        let mut depth = 0;
        while let Some(byte) = self.peek(0) {
            let pair = (byte, self.peek(1).unwrap_or_default());
            let opens = pair == (b'/', b'*') && (depth == 0 || nesting == Nesting::Nested);
            let closes = pair == (b'*', b'/');
            self.blank();
            if opens || closes {
                self.blank();
                depth = if opens { depth + 1 } else { depth - 1 };
                if depth == 0 {
                    return;
                }
            }
        }
    }

    /// The quotes stay, what they enclose goes.
    fn quoted(&mut self, quote: u8) {
        self.keep();
        while let Some(byte) = self.peek(0) {
            if byte == quote {
                return self.keep();
            }
            if byte == b'\\' {
                self.blank();
            }
            self.blank();
        }
    }

    /// The number of `#` of a raw string that begins here.
    fn raw_hashes(&self) -> Option<usize> {
        let rest = &self.input[self.at + 1..];
        let hashes = rest.iter().take_while(|byte| **byte == b'#').count();
        (rest.get(hashes) == Some(&b'"')).then_some(hashes)
    }

    fn raw_string(&mut self) {
        let hashes = self.raw_hashes().unwrap_or_default();
        for _ in 0..hashes + 2 {
            self.keep();
        }
        let end = [&b"\""[..], &vec![b'#'; hashes]].concat();
        while self.at < self.input.len() && !self.input[self.at..].starts_with(&end) {
            self.blank();
        }
        for _ in 0..end.len() {
            self.keep();
        }
    }

    /// Whether the byte here continues an identifier; the `b` of `br""` does not count.
    fn in_word(&self) -> bool {
        let before = |back: usize| {
            self.at
                .checked_sub(back)
                .map_or(b' ', |index| self.input[index])
        };
        let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        is_word(before(1)) && (before(1) != b'b' || is_word(before(2)))
    }

    /// A character literal and not a lifetime.
    fn is_character(&self) -> bool {
        match self.peek(1) {
            Some(b'\\') => true,
            Some(first) if first.is_ascii() => self.peek(2) == Some(b'\''),
            Some(_) => true,
            None => false,
        }
    }

    fn at_line_start(&self) -> bool {
        let line = self.output.iter().rev().take_while(|byte| **byte != b'\n');
        line.into_iter().all(|byte| byte.is_ascii_whitespace())
    }

    fn directive(&mut self) {
        while let Some(byte) = self.peek(0) {
            match byte {
                b'\n' => return,
                b'\\' => self.blank(),
                b'/' if self.peek(1) == Some(b'*') => {
                    self.block_comment(Nesting::Flat);
                    continue;
                }
                b'/' if self.peek(1) == Some(b'/') => return self.line_comment(),
                _ => {}
            }
            self.blank();
        }
    }

    fn finish(self) -> String {
        String::from_utf8_lossy(&self.output).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rust_comments_and_strings_leave_no_braces() {
        let text = "fn a<'x>() { // }\n \"}\\\"}\"; '{'; r#\"}\"}\"#; /* } /* } */ } */ b'}' }\n";
        let blanked = rust(text);
        assert_eq!(blanked.len(), text.len());
        assert_eq!(blanked.matches('{').count(), 1);
        assert_eq!(blanked.matches('}').count(), 1);
        assert!(blanked.contains("'x>"));
    }

    #[test]
    fn c_directives_go_with_their_continuations() {
        let text =
            "#define A(x) { \\\n  {\nint a; /* /* { */ char c = '{';\n  # if 0 /* {\n { */\n";
        let blanked = c(text);
        assert!(!blanked.contains('{'), "{blanked}");
        assert!(blanked.contains("int a;"));
        assert_eq!(blanked.matches('\n').count(), text.matches('\n').count());
    }

    #[test]
    fn letters_beyond_ascii_keep_their_width() {
        assert_eq!(rust("é \"é\" x").len(), "é \"é\" x".len());
        assert_eq!(rust("'é' x").trim_end().chars().last(), Some('x'));
    }
}

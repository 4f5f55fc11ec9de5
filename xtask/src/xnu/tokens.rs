//! Words and signs of blanked source text: just enough of a lexer for both scanners.

/// A word or a sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Token<'a> {
    /// The word, or the one sign.
    pub(super) text: &'a str,
    /// Where it begins.
    pub(super) at: usize,
}

impl Token<'_> {
    /// Whether it is a word (a keyword, a name or a number).
    pub(super) fn is_word(&self) -> bool {
        self.text.starts_with(is_word)
    }

    /// The offset behind it.
    pub(super) fn end(&self) -> usize {
        self.at + self.text.len()
    }
}

/// The words and signs of a text without comments.
pub(super) fn tokens(blanked: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(first) = blanked[at..].chars().next() {
        let rest = &blanked[at..];
        let length = if is_word(first) {
            rest.find(|c| !is_word(c)).unwrap_or(rest.len())
        } else {
            first.len_utf8()
        };
        if !first.is_whitespace() {
            let text = &rest[..length];
            tokens.push(Token { text, at });
        }
        at += length;
    }
    tokens
}

/// The index of the sign that closes the bracket at `open`; the last token's when nothing does.
pub(super) fn closing(tokens: &[Token<'_>], open: usize) -> usize {
    let mut depth = 0_usize;
    for (index, token) in tokens.iter().enumerate().skip(open) {
        match token.text {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 {
            return index;
        }
    }
    tokens.len().saturating_sub(1)
}

/// The number of the line that holds an offset, from 1.
pub(super) fn line_of(text: &str, at: usize) -> usize {
    text.as_bytes()[..at]
        .iter()
        .filter(|byte| **byte == b'\n')
        .count()
        + 1
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_signs_come_apart() {
        let text = "fn a_1(b: &[u8; 2]) {}";
        let tokens = tokens(text);
        let texts: Vec<_> = tokens.iter().map(|token| token.text).collect();
        assert_eq!(
            texts.join(" "),
            "fn a_1 ( b : & [ u8 ; 2 ] ) { }",
            "{texts:?}"
        );
        assert_eq!(tokens[closing(&tokens, 2)].text, ")");
        assert_eq!(line_of("a\nb\nc", 4), 3);
    }
}

//! Words with their values: parameters, patterns, the home of `~`.
//!
//! The order is that of other shells: parameters first; what came of an unquoted one is parted at blanks; then a word with an
//! unquoted `*`, `?` or `[...]` becomes the names of files that match it, if any does.

use crate::parse::{Parameter, Piece, Quoting, Word};
use alloc::string::String;
use alloc::vec::Vec;

/// Where values come from.
pub trait Values {
    /// The value of a parameter; `None` if it has none.
    fn value(&self, parameter: &Parameter) -> Option<String>;
    /// The names in a directory (`.` for the current one), in order.
    fn names(&self, directory: &str) -> Vec<String>;
}

/// A character of a word, and whether quotes protect it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Letter {
    character: char,
    quoting: Quoting,
}

/// A word as several, or none at all.
pub fn fields(word: &Word, values: &dyn Values) -> Vec<String> {
    let mut found = Vec::new();
    for field in split(word, values) {
        let matches = if is_pattern(&field) {
            matching(&field, values)
        } else {
            Vec::new()
        };
        if matches.is_empty() {
            found.push(plain(&field));
        } else {
            found.extend(matches);
        }
    }
    found
}

/// A word as exactly one: for the value of an assignment and the file of a redirection.
pub fn single(word: &Word, values: &dyn Values) -> String {
    let mut text = String::new();
    for piece in word {
        match piece {
            Piece::Text(part, _) => text.push_str(part),
            Piece::Parameter(parameter, _) => {
                text.push_str(&values.value(parameter).unwrap_or_default());
            }
        }
    }
    if word
        .first()
        .is_some_and(|piece| matches!(piece, Piece::Text(_, Quoting::Bare)))
    {
        text = with_home(text, values);
    }
    text
}

fn with_home(text: String, values: &dyn Values) -> String {
    let rest = match text.strip_prefix('~') {
        Some(rest) if rest.is_empty() || rest.starts_with('/') => rest,
        _ => return text,
    };
    let home = Parameter::Variable(String::from("HOME"));
    let mut path = values.value(&home).unwrap_or_default();
    path.push_str(rest);
    path
}

/// Puts the values in and parts the word where unquoted ones have blanks.
fn split(word: &Word, values: &dyn Values) -> Vec<Vec<Letter>> {
    let mut fields = Vec::new();
    let mut field: Option<Vec<Letter>> = None;
    for (index, piece) in word.iter().enumerate() {
        let (text, quoting, parted) = match piece {
            Piece::Text(text, Quoting::Bare) if index == 0 => {
                (with_home(text.clone(), values), Quoting::Bare, false)
            }
            Piece::Text(text, quoting) => (text.clone(), *quoting, false),
            Piece::Parameter(parameter, quoting) => {
                let value = values.value(parameter).unwrap_or_default();
                (value, *quoting, *quoting == Quoting::Bare)
            }
        };
        if !parted {
            field.get_or_insert_default();
        }
        for character in text.chars() {
            if parted && character.is_ascii_whitespace() {
                fields.extend(field.take());
            } else {
                let letter = Letter { character, quoting };
                field.get_or_insert_default().push(letter);
            }
        }
    }
    fields.extend(field);
    fields
}

fn plain(field: &[Letter]) -> String {
    field.iter().map(|letter| letter.character).collect()
}

fn is_pattern(field: &[Letter]) -> bool {
    let magic = |letter: &Letter| matches!(letter.character, '*' | '?' | '[');
    field
        .iter()
        .any(|letter| letter.quoting == Quoting::Bare && magic(letter))
}

/// The paths that match a pattern, part by part.
fn matching(pattern: &[Letter], values: &dyn Values) -> Vec<String> {
    let absolute = pattern
        .first()
        .is_some_and(|letter| letter.character == '/');
    let mut paths = alloc::vec![String::from(if absolute { "/" } else { "" })];
    let parts = pattern.split(|letter| letter.character == '/');
    for part in parts.filter(|part| !part.is_empty()) {
        paths = paths
            .iter()
            .flat_map(|path| below(path, part, values))
            .collect();
    }
    paths
}

/// What matches one part of a pattern in a directory.
fn below(directory: &str, part: &[Letter], values: &dyn Values) -> Vec<String> {
    let path = |name: &str| {
        let between = if directory.is_empty() || directory.ends_with('/') {
            ""
        } else {
            "/"
        };
        alloc::format!("{directory}{between}{name}")
    };
    if !is_pattern(part) {
        return alloc::vec![path(&plain(part))];
    }
    let names = values.names(if directory.is_empty() { "." } else { directory });
    let hidden = part.first().is_some_and(|letter| letter.character == '.');
    names
        .iter()
        .filter(|name| hidden || !name.starts_with('.'))
        .filter(|name| matches(part, &name.chars().collect::<Vec<_>>()))
        .map(|name| path(name))
        .collect()
}

/// Whether a name matches: `*` any characters, `?` one, `[a-z]` and `[!a-z]` one of a set.
fn matches(pattern: &[Letter], name: &[char]) -> bool {
    // Where to go on when what follows the last `*` does not fit: one character further.
    let mut retry: Option<(usize, usize)> = None;
    let (mut at, mut position) = (0, 0);
    loop {
        let step = match pattern.get(at) {
            None if position == name.len() => return true,
            Some(letter) if letter.character == '*' && letter.quoting == Quoting::Bare => {
                retry = Some((at + 1, position));
                at += 1;
                continue;
            }
            Some(_) => name
                .get(position)
                .and_then(|character| one(&pattern[at..], *character)),
            None => None,
        };
        match (step, retry) {
            (Some(letters), _) => (at, position) = (at + letters, position + 1),
            (None, Some((after, from))) if from < name.len() => {
                retry = Some((after, from + 1));
                (at, position) = (after, from + 1);
            }
            (None, _) => return false,
        }
    }
}

/// How many letters of the pattern one character fits; `None` if it does not.
fn one(pattern: &[Letter], character: char) -> Option<usize> {
    let first = pattern[0];
    if first.quoting == Quoting::Quoted {
        return (first.character == character).then_some(1);
    }
    match first.character {
        '?' => Some(1),
        '[' => match set(&pattern[1..], character) {
            Some((true, letters)) => Some(letters + 1),
            Some((false, _)) => None,
            // A bracket that is not closed means itself.
            None => (character == '[').then_some(1),
        },
        other => (other == character).then_some(1),
    }
}

/// Whether a set (its bracket is open already) has a character, and how many letters it is long, the bracket included.
fn set(letters: &[Letter], character: char) -> Option<(bool, usize)> {
    let inverted = letters
        .first()
        .is_some_and(|letter| matches!(letter.character, '!' | '^'));
    let start = usize::from(inverted);
    let mut found = false;
    let mut at = start;
    loop {
        let low = letters.get(at)?.character;
        if low == ']' && at > start {
            return Some((found != inverted, at + 1));
        }
        let range = letters
            .get(at + 1)
            .is_some_and(|letter| letter.character == '-');
        let high = letters
            .get(at + 2)
            .filter(|letter| range && letter.character != ']');
        found |= (low..=high.map_or(low, |letter| letter.character)).contains(&character);
        at += if high.is_some() { 3 } else { 1 };
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use crate::parse::parse;

    struct Fixed;

    impl Values for Fixed {
        fn value(&self, parameter: &Parameter) -> Option<String> {
            match parameter {
                Parameter::Status => Some(String::from("7")),
                Parameter::Variable(name) => match name.as_str() {
                    "TWO" => Some(String::from(" a  b ")),
                    "STAR" => Some(String::from("*.rs")),
                    "HOME" => Some(String::from("/root")),
                    _ => None,
                },
                _ => None,
            }
        }

        fn names(&self, directory: &str) -> Vec<String> {
            let names: &[&str] = match directory {
                "." => &[".hidden", "a.rs", "ab.rs", "b.txt"],
                "/" => &["bin", "sbin", "tmp"],
                "/bin" | "/sbin" => &["init", "ls"],
                _ => &[],
            };
            names.iter().copied().map(String::from).collect()
        }
    }

    fn expanded(line: &str) -> Vec<String> {
        let jobs = parse(line).unwrap();
        let words = &jobs[0].steps[0].1.commands[0].words;
        words.iter().flat_map(|word| fields(word, &Fixed)).collect()
    }

    #[test]
    fn values_are_put_in_where_they_stand() {
        assert_eq!(expanded("$? x$?y \"$?\" '$?'"), ["7", "x7y", "7", "$?"]);
    }

    #[test]
    fn blanks_of_an_unquoted_value_part_words() {
        assert_eq!(expanded("$TWO x$TWO'y'"), ["a", "b", "x", "a", "b", "y"]);
        assert_eq!(expanded("\"$TWO\""), [" a  b "]);
    }

    #[test]
    fn an_unquoted_value_that_is_empty_is_no_word() {
        assert_eq!(expanded("echo $NONE \"$NONE\" ''"), ["echo", "", ""]);
    }

    #[test]
    fn patterns_become_the_names_that_match() {
        assert_eq!(
            expanded("*.rs ?.rs [ab].* [!a]* x*"),
            ["a.rs", "ab.rs", "a.rs", "a.rs", "b.txt", "b.txt", "x*"]
        );
        assert_eq!(
            expanded("/*bin/i* .h*"),
            ["/bin/init", "/sbin/init", ".hidden"]
        );
        assert_eq!(
            expanded("'*.rs' \\*.rs \"$STAR\" $STAR"),
            ["*.rs", "*.rs", "*.rs", "a.rs", "ab.rs"]
        );
        assert_eq!(expanded("[ a[b"), ["[", "a[b"]);
    }

    #[test]
    fn a_tilde_at_the_start_is_home() {
        assert_eq!(
            expanded("~ ~/x '~' a~ ~other"),
            ["/root", "/root/x", "~", "a~", "~other"]
        );
    }

    #[test]
    fn matching_agrees_with_a_naive_one() {
        fn naive(pattern: &[char], name: &[char]) -> bool {
            match pattern.split_first() {
                None => name.is_empty(),
                Some(('*', rest)) => (0..=name.len()).any(|skipped| naive(rest, &name[skipped..])),
                Some((first, rest)) => name.split_first().is_some_and(|(head, tail)| {
                    (*first == '?' || first == head) && naive(rest, tail)
                }),
            }
        }
        let mut state = 7u32;
        let mut next = |bound: usize| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 16) as usize % bound
        };
        for _ in 0..20_000 {
            let pattern: Vec<char> = (0..next(6))
                .map(|_| ['a', 'b', '*', '?'][next(4)])
                .collect();
            let name: Vec<char> = (0..next(7)).map(|_| ['a', 'b'][next(2)]).collect();
            let letters: Vec<Letter> = pattern
                .iter()
                .map(|&character| Letter {
                    character,
                    quoting: Quoting::Bare,
                })
                .collect();
            assert_eq!(
                matches(&letters, &name),
                naive(&pattern, &name),
                "{pattern:?} {name:?}"
            );
        }
    }
}

//! The functions that a C file of XNU's defines, found by the shape of their definitions.
//!
//! No preprocessing: both branches of an `#if` are read, so functions of every configuration appear. XNU's layout
//! makes that safe: a body ends with a brace in the first column. Functions made by macros are not seen.

use std::collections::BTreeSet;

use super::blank;
use super::tokens::{Token, closing, line_of, tokens};

/// One definition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Definition {
    /// The function's name.
    pub(super) name: String,
    /// Whether other files can call it.
    pub(super) visible: bool,
    /// Its first line.
    pub(super) line: usize,
    /// From its return type to the end of its body.
    pub(super) text: String,
}

/// Words before a parenthesis that are no function names.
const NOT_FUNCTIONS: [&str; 12] = [
    "__attribute__",
    "__attribute",
    "__printflike",
    "__counted_by",
    "__sized_by",
    "__alloc_size",
    "if",
    "while",
    "for",
    "switch",
    "return",
    "sizeof",
];

/// The definitions of one file, in its order.
pub(super) fn definitions(text: &str) -> Vec<Definition> {
    let blanked = blank::c(text);
    let tokens = tokens(&blanked);
    let mut found = Vec::new();
    let mut declared_static = BTreeSet::new();
    let mut first = 0;
    let mut depth = 0_usize;
    let mut index = 0;
    while let Some(token) = tokens.get(index) {
        let in_first_column = token.at == 0 || blanked.as_bytes()[token.at - 1] == b'\n';
        match token.text {
            "(" => depth += 1,
            ")" => depth = depth.saturating_sub(1),
            ";" if depth == 0 => {
                let statement = &tokens[first..index];
                if is_static(statement) {
                    declared_static.extend(function_name(statement));
                }
                first = index + 1;
            }
            "{" if depth == 0 || in_first_column => {
                let end = body_end(&blanked, &tokens, index);
                let statement = &tokens[first..index];
                if let (Some(name), Some(begin)) = (function_name(statement), statement.first()) {
                    found.push(Definition {
                        name: name.to_owned(),
                        visible: !is_static(statement),
                        line: line_of(text, begin.at),
                        text: text
                            .get(begin.at..tokens[end].end())
                            .unwrap_or_default()
                            .to_owned(),
                    });
                }
                (index, first, depth) = (end, end + 1, 0);
            }
            _ => {}
        }
        index += 1;
    }
    for definition in &mut found {
        definition.visible &= !declared_static.contains(definition.name.as_str());
    }
    found
}

/// The names that other files can call, sorted.
pub(super) fn visible_names(text: &str) -> BTreeSet<String> {
    definitions(text)
        .into_iter()
        .filter(|definition| definition.visible)
        .map(|definition| definition.name)
        .collect()
}

/// The index of the brace that ends a body: on the same line, or the next one in the first column.
fn body_end(blanked: &str, tokens: &[Token<'_>], open: usize) -> usize {
    let balanced = closing(tokens, open);
    let between = &blanked[tokens[open].at..tokens[balanced].at];
    if !between.contains('\n') {
        return balanced;
    }
    let is_end = |token: &Token<'_>| {
        token.text == "}" && blanked.as_bytes().get(token.at.wrapping_sub(1)) == Some(&b'\n')
    };
    let rest = tokens.iter().enumerate().skip(open);
    rest.into_iter()
        .find(|(_, token)| is_end(token))
        .map_or(tokens.len() - 1, |(index, _)| index)
}

/// Where configurations differ (`#if ... extern #else static #endif`), some kernel has it for all to call.
fn is_static(statement: &[Token<'_>]) -> bool {
    let says = |word: &str| statement.iter().any(|token| token.text == word);
    says("static") && !says("extern")
}

/// The last name before a parenthesis that is no attribute; an initialiser is no function.
fn function_name<'a>(statement: &[Token<'a>]) -> Option<&'a str> {
    let mut name = None;
    let mut index = 0;
    while let Some(token) = statement.get(index) {
        match token.text {
            "=" => return None,
            "(" => {
                let before = index.checked_sub(1).map(|before| statement[before]);
                name = before.filter(is_name).map(|token| token.text).or(name);
                index = closing(statement, index);
            }
            _ => {}
        }
        index += 1;
    }
    name
}

/// Names in capitals are macros.
fn is_name(token: &Token<'_>) -> bool {
    token.is_word()
        && token.text.contains(|c: char| c.is_ascii_lowercase())
        && !NOT_FUNCTIONS.contains(&token.text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "\
#include <a.h>
#define X(a) { a
static int hidden(int a);
static const struct s table[] = {
\t{ .f = 1 },
};
LCK_DECLARE(lock, 0);

/* int no(void) { } */
kern_return_t
shown(
\tint a,
\tint (*call)(int))
{
#if A
\tif (a) {
#else
\tif (call(1)) {
#endif
\t\treturn 1;
\t}
}

int
hidden(int a)
{
}

__attribute__((noinline)) static inline int
inside(void)
{
}

MARK_AS_TEXT void
last(int a) __attribute__((cold))
{
\tother(\"}\");
}
int one(void) { return 1; }
__options_decl(opts_t, uint32_t, {
\tA = 1,
});
#if PLATFORM
extern
#else
static
#endif
void after(void);
void after(void)
{
}
";

    #[test]
    fn only_functions_that_other_files_can_call_are_visible() {
        let names: Vec<_> = visible_names(FILE).into_iter().collect();
        assert_eq!(names, ["after", "last", "one", "shown"]);
    }

    #[test]
    fn a_definition_carries_its_text_and_line() {
        let definitions = definitions(FILE);
        let shown = definitions
            .iter()
            .find(|definition| definition.name == "shown")
            .unwrap();
        assert_eq!(shown.line, 10);
        assert!(shown.text.starts_with("kern_return_t"));
        assert!(shown.text.ends_with("return 1;\n\t}\n}"));
    }
}

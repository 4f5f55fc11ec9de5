//! The `#[doc(alias = "...")]` attributes of our tree, each with the item it stands on.
//!
//! A small scanner, not a parser: it reads attributes, the item that follows, and the blocks around it, and so
//! also finds aliases inside macro calls (`bitflags!`, the interface tables), which a parser would not look into.
//! An alias whose text is a macro's parameter is not seen. A function that bears XNU's name itself needs no alias (and
//! must not have one), so free functions count under their own names too.

use std::fs;
use std::path::{Path, PathBuf};

use super::blank;
use super::tokens::{Token, closing, line_of, tokens};

/// The directories whose aliases count: the kernel and the pagers. Programs only call what these provide.
const DIRECTORIES: [&str; 4] = ["osfmk", "bsd", "platform", "pagers"];

/// Directories that are passed over: the host's twin of the machine, and tests.
const PASSED_OVER: [&str; 4] = ["host", "tests", "benches", "target"];

/// Declarations of what programs see: a function of XNU's name is no counterpart there.
const DECLARATIONS: [&str; 2] = ["osfmk/mach", "bsd/sys"];

/// One alias and the item it names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Alias {
    /// The name in XNU (or in Mach 3).
    pub(super) name: String,
    /// Our item, with the type it belongs to: `VmMap::enter`.
    pub(super) item: String,
    /// Whether the item is a function.
    pub(super) is_function: bool,
    /// Whether this is the function's own name.
    pub(super) is_own_name: bool,
    /// The file, relative to the root.
    pub(super) file: PathBuf,
    /// The line of the item's name.
    pub(super) line: usize,
    /// The item's text, its documentation included.
    pub(super) text: String,
}

/// Every alias of the tree, by file and line.
pub(super) fn collect(root: &Path) -> Vec<Alias> {
    let mut files = Vec::new();
    for directory in DIRECTORIES {
        source_files(&root.join(directory), &mut files);
    }
    files.sort();
    let mut aliases = Vec::new();
    for file in files {
        let text = fs::read_to_string(&file).unwrap_or_default();
        let shown = file.strip_prefix(root).unwrap_or(&file);
        aliases.extend(scan(&text, shown));
    }
    aliases
}

fn source_files(directory: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        let passed_over = |name: &str| path.file_name().is_some_and(|last| last == name);
        if path.is_dir() {
            if !PASSED_OVER.into_iter().any(passed_over) {
                source_files(&path, files);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// The aliases of one file.
pub(super) fn scan(text: &str, file: &Path) -> Vec<Alias> {
    let blanked = blank::rust(text);
    let tokens = tokens(&blanked);
    let mut aliases = Vec::new();
    let mut names: Vec<String> = Vec::new();
    let mut start = None;
    // One entry for each open brace: the name of the type or trait it belongs to, if it does.
    let mut blocks: Vec<Option<String>> = Vec::new();
    let mut next_block = None;
    let mut index = 0;
    while let Some(token) = tokens.get(index) {
        if let Some(end) = attribute_end(&tokens, index) {
            if let Some(end) = test_module_end(&tokens, index, end) {
                index = end + 1;
                continue;
            }
            start = start.or(Some(token.at));
            names.extend(alias_names(text, &tokens[index..=end]));
            index = end + 1;
            continue;
        }
        if !names.is_empty() {
            let item = Item::read(&tokens[index..]);
            let owner = blocks.iter().rev().flatten().next();
            let begin = with_documentation(text, start.unwrap_or(token.at));
            let alias = Alias {
                name: String::new(),
                item: owner.map_or(item.name.clone(), |owner| format!("{owner}::{}", item.name)),
                is_function: item.is_function,
                is_own_name: false,
                file: file.to_owned(),
                line: line_of(text, item.at),
                text: text.get(begin..item.end).unwrap_or_default().to_owned(),
            };
            aliases.extend(names.drain(..).map(|name| Alias {
                name,
                ..alias.clone()
            }));
        }
        start = None;
        match token.text {
            "impl" | "trait" if begins_statement(&tokens, index) => {
                next_block = owner_name(&tokens[index..]);
            }
            "fn" if blocks.iter().all(Option::is_none) => {
                aliases.extend(own_name(text, file, &tokens[index..]));
            }
            "{" => blocks.push(next_block.take()),
            "}" => drop(blocks.pop()),
            ";" => next_block = None,
            _ => {}
        }
        index += 1;
    }
    aliases
}

/// A free function as its own alias; function types have no name, and declarations are no counterparts.
fn own_name(text: &str, file: &Path, tokens: &[Token<'_>]) -> Option<Alias> {
    let item = Item::read(tokens);
    let is_declaration = DECLARATIONS
        .iter()
        .any(|directory| file.starts_with(directory));
    if is_declaration || !tokens.get(1)?.is_word() {
        return None;
    }
    let begin = with_documentation(text, tokens[0].at);
    Some(Alias {
        name: item.name.clone(),
        item: item.name,
        is_function: true,
        is_own_name: true,
        file: file.to_owned(),
        line: line_of(text, item.at),
        text: text.get(begin..item.end)?.to_owned(),
    })
}

/// The end of a module of tests, when `#[cfg(test)]` stands from `index` to `end` before one.
fn test_module_end(tokens: &[Token<'_>], index: usize, end: usize) -> Option<usize> {
    let words: String = tokens[index..=end].iter().map(|token| token.text).collect();
    let following = tokens.iter().enumerate().skip(end + 1);
    let (open, before) = following
        .take(6)
        .find(|(_, token)| token.text == "{")
        .map(|(open, _)| (open, &tokens[end + 1..open]))?;
    let is_module = before.iter().any(|token| token.text == "mod");
    (words == "#[cfg(test)]" && is_module).then(|| closing(tokens, open))
}

/// The end of the attribute that begins here, if one does.
fn attribute_end(tokens: &[Token<'_>], index: usize) -> Option<usize> {
    let is = |at: usize, text: &str| tokens.get(at).is_some_and(|token| token.text == text);
    if !is(index, "#") {
        return None;
    }
    let open = if is(index + 1, "!") {
        index + 2
    } else {
        index + 1
    };
    is(open, "[").then(|| closing(tokens, open))
}

/// The strings that an attribute gives as aliases.
fn alias_names(text: &str, attribute: &[Token<'_>]) -> Vec<String> {
    let words: Vec<&str> = attribute.iter().map(|token| token.text).collect();
    let alias = words
        .windows(3)
        .position(|window| window == ["doc", "(", "alias"]);
    let (Some(alias), Some(last)) = (alias, attribute.last()) else {
        return Vec::new();
    };
    let inside = text.get(attribute[alias].at..last.at).unwrap_or_default();
    inside
        .split('"')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect()
}

/// Where the item's text begins: above its documentation and attributes.
fn with_documentation(text: &str, start: usize) -> usize {
    let mut begin = text[..start].rfind('\n').map_or(0, |end| end + 1);
    while begin > 0 {
        let above = text[..begin - 1].rfind('\n').map_or(0, |end| end + 1);
        let line = text[above..begin].trim_start();
        if !line.starts_with("///") && !line.starts_with("#[") {
            break;
        }
        begin = above;
    }
    begin
}

fn begins_statement(tokens: &[Token<'_>], index: usize) -> bool {
    let before = index.checked_sub(1).map(|before| tokens[before].text);
    matches!(
        before,
        None | Some("{" | "}" | ";" | "]" | ")" | "pub" | "unsafe" | "default")
    )
}

/// The type of an `impl`, or the trait's own name.
fn owner_name(tokens: &[Token<'_>]) -> Option<String> {
    let head: Vec<_> = tokens
        .iter()
        .take_while(|token| !matches!(token.text, "{" | ";" | "where"))
        .collect();
    let mut depth = 0_usize;
    let mut name = None;
    let mut finished = false;
    for (at, token) in head.iter().enumerate().skip(1) {
        let is_arrow = at > 0 && head[at - 1].text == "-";
        match token.text {
            "<" => depth += 1,
            ">" if !is_arrow => depth = depth.saturating_sub(1),
            "for" if depth == 0 => (name, finished) = (None, false),
            ":" if depth == 0 && head[0].text == "trait" => finished = true,
            "dyn" | "mut" => {}
            _ if depth == 0 && token.is_word() && !finished => name = Some(token.text.to_owned()),
            _ => {}
        }
    }
    name
}

/// The item behind the attributes.
struct Item {
    name: String,
    is_function: bool,
    /// Where its name stands.
    at: usize,
    /// The offset behind it.
    end: usize,
}

impl Item {
    fn read(tokens: &[Token<'_>]) -> Self {
        let mut index = 0;
        let mut kind = None;
        while let Some(token) = tokens.get(index) {
            match token.text {
                "pub" if tokens.get(index + 1).is_some_and(|next| next.text == "(") => {
                    index = closing(tokens, index + 1);
                }
                "pub" | "default" | "unsafe" | "async" | "extern" | "\"" | "!" | "mut" | "$" => {}
                "fn" | "struct" | "enum" | "union" | "trait" | "type" | "mod" | "const"
                | "static" | "macro_rules" => kind = Some(token.text),
                _ => break,
            }
            index += 1;
        }
        let (name, at) = tokens.get(index).map_or((String::new(), 0), |token| {
            (token.text.to_owned(), token.at)
        });
        Self {
            name,
            is_function: kind == Some("fn"),
            at,
            end: item_end(tokens, index, kind),
        }
    }
}

fn item_end(tokens: &[Token<'_>], name: usize, kind: Option<&str>) -> usize {
    let has_block = !matches!(kind, None | Some("const" | "static" | "type"));
    let mut index = name;
    while let Some(token) = tokens.get(index) {
        match token.text {
            ";" => return token.end(),
            "," if kind.is_none() => return token.end(),
            ")" | "]" | "}" => return token.at,
            "{" if has_block => return tokens[closing(tokens, index)].end(),
            "(" | "[" | "{" => index = closing(tokens, index),
            _ => {}
        }
        index += 1;
    }
    tokens.last().map_or(0, Token::end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<(String, String, usize)> {
        let aliases = scan(text, Path::new("a.rs"));
        aliases
            .into_iter()
            .filter(|alias| !alias.is_own_name)
            .map(|alias| (alias.name, alias.item, alias.line))
            .collect()
    }

    fn entry(name: &str, item: &str, line: usize) -> (String, String, usize) {
        (name.to_owned(), item.to_owned(), line)
    }

    #[test]
    fn a_method_is_named_with_its_type() {
        let text = "impl<T: Into<u8>> Store<T> for VmMap<T> {\n    /// Doc.\n    #[doc(alias = \"vm_map_enter\")]\n    \
                    #[must_use]\n    pub(crate) const unsafe fn enter(&self) -> [u8; 2] {\n        loop { }\n    }\n}\n\
                    #[doc(alias = \"b\", alias = \"c\")]\nfn free() {}\n";
        assert_eq!(
            names(text),
            [
                entry("vm_map_enter", "VmMap::enter", 5),
                entry("b", "free", 10),
                entry("c", "free", 10),
            ]
        );
    }

    #[test]
    fn the_text_of_an_item_runs_from_its_documentation_to_its_end() {
        let text = "struct A;\n/// First.\n/// Second.\n#[doc(alias = \"x\")]\nfn f() { if a { \"}\" } }\nfn g() {}\n";
        let alias = scan(text, Path::new("a.rs")).remove(0);
        assert!(alias.is_function);
        assert!(alias.text.starts_with("/// First."));
        assert!(alias.text.ends_with("{ if a { \"}\" } }"));
    }

    #[test]
    fn fields_constants_and_traits_are_told_from_functions() {
        let text = "trait Pager: Send {\n #[doc(alias = \"init\")]\n fn init(&self);\n}\n\
                    struct P {\n #[doc(alias = \"busy\")]\n busy: u8,\n}\nbitflags! { struct F: u8 {\n\
                    #[doc(alias = \"FL\")]\n const L = 1;\n} }\n";
        let aliases = scan(text, Path::new("a.rs"));
        let found: Vec<_> = aliases
            .iter()
            .map(|alias| (alias.item.as_str(), alias.is_function))
            .collect();
        assert_eq!(
            found,
            [("Pager::init", true), ("busy", false), ("L", false)]
        );
    }

    #[test]
    fn a_free_function_counts_under_its_own_name_outside_tests_and_declarations() {
        let text = "/// Doc.\n#[must_use]\npub(crate) fn mmap(a: fn(u8)) {}\nimpl A { fn b() {} }\n\
                    #[cfg(test)]\nmod tests { fn c() {} }\n";
        let found = scan(text, Path::new("bsd/kern/a.rs"));
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].is_own_name && found[0].name == "mmap" && found[0].line == 3);
        assert!(found[0].text.starts_with("/// Doc."));
        assert!(scan(text, Path::new("bsd/sys/a.rs")).is_empty());
    }

    #[test]
    fn comments_strings_and_impl_in_types_do_not_confuse() {
        let text = "// #[doc(alias = \"no\")]\nfn s() -> impl Iterator { \"#[doc(alias = 'no')]\" }\n\
                    #[doc = \"alias\"]\nfn t() {}\n#[doc(alias = \"yes\")]\nfn u() {}\n";
        assert_eq!(names(text), [entry("yes", "u", 6)]);
    }
}

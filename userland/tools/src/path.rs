//! Parts of paths.

use alloc::format;
use alloc::string::String;

/// A path without the slashes at its end; `/` stays.
pub fn trimmed(path: &str) -> &str {
    match path.trim_end_matches('/') {
        "" if !path.is_empty() => "/",
        trimmed => trimmed,
    }
}

/// The last part.
#[doc(alias = "basename")]
pub fn last(path: &str) -> &str {
    match trimmed(path) {
        "/" => "/",
        path => path.rsplit('/').next().unwrap_or(path),
    }
}

/// What stands before the last part.
#[doc(alias = "dirname")]
pub fn parent(path: &str) -> &str {
    match trimmed(path).rsplit_once('/') {
        None => ".",
        Some(("", _)) => "/",
        Some((parent, _)) => trimmed(parent),
    }
}

/// A name in a directory.
pub fn join(directory: &str, name: &str) -> String {
    if directory.ends_with('/') {
        format!("{directory}{name}")
    } else {
        format!("{directory}/{name}")
    }
}

/// A path and all that lead to it, the shortest first: `a`, `a/b`, `a/b/c`.
pub fn prefixes(path: &str) -> impl Iterator<Item = &str> {
    let path = trimmed(path);
    let ends = path
        .char_indices()
        .filter(|(index, letter)| *letter == '/' && *index > 0)
        .map(|(index, _)| index)
        .chain([path.len()]);
    ends.map(|end| &path[..end])
        .filter(|prefix| !prefix.is_empty() && !prefix.ends_with('/'))
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use alloc::vec::Vec;

    #[test]
    fn paths_come_apart_as_basename_and_dirname_do_it() {
        for (path, before, name) in [
            ("a", ".", "a"),
            ("a/b", "a", "b"),
            ("a/b//", "a", "b"),
            ("/a", "/", "a"),
            ("//a//b", "//a", "b"),
            ("/", ".", "/"),
        ] {
            assert_eq!(last(path), name, "{path}");
            if path != "/" {
                assert_eq!(parent(path), before, "{path}");
            }
        }
    }

    #[test]
    fn names_join_with_one_slash() {
        assert_eq!(join("/", "a"), "/a");
        assert_eq!(join("a", "b"), "a/b");
        assert_eq!(join("a/", "b"), "a/b");
    }

    #[test]
    fn prefixes_grow_by_a_part() {
        let of = |path| -> Vec<&str> { prefixes(path).collect() };
        assert_eq!(of("a/b/c/"), ["a", "a/b", "a/b/c"]);
        assert_eq!(of("/a//b"), ["/a", "/a//b"]);
        assert_eq!(of("a"), ["a"]);
    }
}

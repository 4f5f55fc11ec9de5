//! What a tabulator completes: names of programs where a command begins, paths everywhere else.

use crate::builtin;
use crate::editor::Complete;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use bsd_sys::dirent;
use libsystem::{fs, process};

/// Looks at the directories of the system.
#[derive(Debug)]
pub struct Names;

impl Complete for Names {
    fn candidates(&self, before: &str) -> (usize, Vec<String>) {
        let start = word_start(before);
        let word = &before[start..];
        let mut found = if begins_command(&before[..start]) && !word.contains('/') {
            programs(word)
        } else {
            paths(word)
        };
        found.sort();
        found.dedup();
        (before[..start].chars().count(), found)
    }
}

/// Where the last word begins.
fn word_start(before: &str) -> usize {
    let parts =
        |character: char| matches!(character, ' ' | '\t' | ';' | '&' | '|' | '<' | '>' | '=');
    before.rfind(parts).map_or(0, |at| at + 1)
}

/// Whether a command begins after this text.
fn begins_command(before: &str) -> bool {
    let before = before.trim_end();
    before.is_empty() || before.ends_with([';', '&', '|'])
}

fn programs(word: &str) -> Vec<String> {
    let of_directory = |directory: &&str| fs::read_dir(directory).unwrap_or_default();
    let files = process::PROGRAM_DIRECTORIES.iter().flat_map(of_directory);
    let names = files.map(|entry| entry.name);
    let own = builtin::NAMES.iter().map(|(name, _)| String::from(*name));
    names
        .chain(own)
        .filter(|name| name.starts_with(word))
        .collect()
}

fn paths(word: &str) -> Vec<String> {
    let (directory, start) = match word.rfind('/') {
        Some(at) => (&word[..=at], &word[at + 1..]),
        None => (".", word),
    };
    let shown = if word.contains('/') { directory } else { "" };
    let hidden = start.starts_with('.');
    fs::read_dir(directory)
        .unwrap_or_default()
        .into_iter()
        .filter(|entry| entry.name.starts_with(start) && (hidden || !entry.name.starts_with('.')))
        .map(|entry| {
            let slash = if entry.kind == dirent::kind::DIR {
                "/"
            } else {
                ""
            };
            format!("{shown}{}{slash}", entry.name)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_begins_at_the_start_and_after_joints() {
        let begins = |line: &str| begins_command(&line[..word_start(line)]);
        assert!(begins("l") && begins("a; l") && begins("a | l") && begins("a && "));
        assert!(!begins("ls l") && !begins("a > l"));
    }
}

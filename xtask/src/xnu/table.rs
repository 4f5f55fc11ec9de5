//! What is recorded of XNU: names, and nothing but names.
//!
//! `docs/xnu/functions.tsv` has the functions of the compared files that other files can call;
//! `docs/xnu/names.tsv` has the further names that our aliases use, each with the file that has it in XNU, or with
//! another origin (`mach3`, `libc`, ...) in that place.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, bail};

use crate::layout::write_if_changed;

/// The compared files of XNU, in the order of the report. A `*` stands for any part of a file name.
pub(super) const FILES: [&str; 24] = [
    "osfmk/vm/vm_map.c",
    "osfmk/vm/vm_map_store*.c",
    "osfmk/vm/vm_object.c",
    "osfmk/vm/vm_fault.c",
    "osfmk/vm/vm_pageout.c",
    "osfmk/vm/vm_resident.c",
    "osfmk/vm/memory_object.c",
    "osfmk/vm/vm_user.c",
    "osfmk/vm/vm_sanitize.c",
    "osfmk/vm/vm_memory_entry.c",
    "osfmk/vm/vm_shared_region.c",
    "osfmk/vm/vm_compressor.c",
    "osfmk/arm/pmap/pmap.c",
    "bsd/kern/kern_mman.c",
    "bsd/kern/posix_shm.c",
    "bsd/kern/ubc_subr.c",
    "osfmk/ipc/ipc_*.c",
    "osfmk/ipc/mach_msg.c",
    "osfmk/ipc/mach_port.c",
    "osfmk/kern/task.c",
    "osfmk/kern/thread.c",
    "osfmk/kern/ipc_kobject.c",
    "osfmk/kern/ipc_tt.c",
    "osfmk/kern/ipc_host.c",
];

/// Where the recorded names lie.
const FUNCTIONS: &str = "docs/xnu/functions.tsv";
const NAMES: &str = "docs/xnu/names.tsv";
const RELEASE: &str = "# release\t";

/// The recorded names.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Recorded {
    /// The release of XNU they were taken from.
    pub(super) release: String,
    /// Each compared file with its functions, in the order of the report.
    pub(super) files: Vec<(String, BTreeSet<String>)>,
    /// Further names: where each is from.
    pub(super) names: BTreeMap<String, String>,
}

impl Recorded {
    /// Reads both tables.
    pub(super) fn load(root: &Path) -> Result<Self> {
        let read = |file: &str| {
            fs::read_to_string(root.join(file)).with_context(|| format!("reading {file}"))
        };
        Self::parse(&read(FUNCTIONS)?, &read(NAMES)?)
    }

    fn parse(functions: &str, names: &str) -> Result<Self> {
        let release = functions
            .lines()
            .find_map(|line| line.strip_prefix(RELEASE));
        let mut recorded = Self {
            release: release.unwrap_or_default().to_owned(),
            ..Self::default()
        };
        for row in rows(functions) {
            let [file, name] = row[..] else {
                bail!("{FUNCTIONS}: not `file, function`: {}", row.join(" "));
            };
            match recorded.files.last_mut() {
                Some((last, names)) if last == file => drop(names.insert(name.to_owned())),
                _ => recorded
                    .files
                    .push((file.to_owned(), BTreeSet::from([name.to_owned()]))),
            }
        }
        for row in rows(names) {
            let [name, origin] = row[..] else {
                bail!("{NAMES}: not `name, origin`: {}", row.join(" "));
            };
            recorded.names.insert(name.to_owned(), origin.to_owned());
        }
        Ok(recorded)
    }

    /// Writes both tables.
    pub(super) fn store(&self, root: &Path) -> Result<()> {
        let (functions, names) = self.text();
        write_if_changed(&root.join(FUNCTIONS), functions.as_bytes())?;
        write_if_changed(&root.join(NAMES), names.as_bytes())
    }

    fn text(&self) -> (String, String) {
        let mut functions = format!("{RELEASE}{}\n# file\tfunction\n", self.release);
        for (file, names) in &self.files {
            for name in names {
                // Writing to a string cannot fail.
                let _ = writeln!(functions, "{file}\t{name}");
            }
        }
        let mut names = "# name\twhere it is from\n".to_owned();
        for (name, origin) in &self.names {
            let _ = writeln!(names, "{name}\t{origin}");
        }
        (functions, names)
    }

    /// Whether some compared file has this function.
    pub(super) fn has_function(&self, name: &str) -> bool {
        self.files.iter().any(|(_, names)| names.contains(name))
    }

    /// Whether the name is recorded at all.
    pub(super) fn has(&self, name: &str) -> bool {
        self.has_function(name) || self.names.contains_key(name)
    }
}

/// The rows of a table: not the comments, not the empty lines.
pub(super) fn rows(text: &str) -> impl Iterator<Item = Vec<&str>> {
    text.lines()
        .filter(|line| !line.trim().is_empty() && !line.starts_with('#'))
        .map(|line| line.split('\t').collect())
}

/// Whether a pattern, in which each `*` stands for any text, covers a name.
pub(super) fn covers(pattern: &str, name: &str) -> bool {
    let Some((head, tail)) = pattern.split_once('*') else {
        return pattern == name;
    };
    let Some(rest) = name.strip_prefix(head) else {
        return false;
    };
    (0..=rest.len())
        .filter(|at| rest.is_char_boundary(*at))
        .any(|at| covers(tail, &rest[at..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let recorded = Recorded {
            release: "xnu-1".to_owned(),
            files: vec![
                (
                    "a.c".to_owned(),
                    BTreeSet::from(["f".to_owned(), "g".to_owned()]),
                ),
                ("b.c".to_owned(), BTreeSet::from(["h".to_owned()])),
            ],
            names: BTreeMap::from([("t".to_owned(), "a.h".to_owned())]),
        };
        let (functions, names) = recorded.text();
        assert_eq!(Recorded::parse(&functions, &names).unwrap(), recorded);
        assert!(recorded.has_function("h") && !recorded.has_function("t") && recorded.has("t"));
    }

    #[test]
    fn a_row_of_the_wrong_width_is_an_error() {
        assert!(Recorded::parse("a.c f\n", "").is_err());
        assert!(Recorded::parse("", "a\tb\tc\n").is_err());
    }

    #[test]
    fn a_star_stands_for_any_text() {
        assert!(covers("vm_*_lock*", "vm_map_lock_read"));
        assert!(covers("*", "") && covers("a", "a") && covers("*_x", "a_x"));
        assert!(!covers("a", "ab") && !covers("*_x", "a_xy"));
    }
}

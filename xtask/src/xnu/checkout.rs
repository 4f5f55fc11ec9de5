//! The reader's checkout of XNU: what is in it, and whether what we recorded holds there.
//!
//! Only read. Nothing but names ever goes from here into the project.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use super::aliases::Alias;
use super::functions::{Definition, definitions, visible_names};
use super::table::{FILES, Recorded, covers};
use super::tokens::tokens;

/// Where names that are not in the compared files are looked up, the kernel's own directories first.
const DIRECTORIES: [&str; 7] = [
    "osfmk",
    "bsd",
    "libkern",
    "pexpert",
    "iokit",
    "libsyscall",
    "EXTERNAL_HEADERS",
];
const EXTENSIONS: [&str; 7] = ["c", "h", "cpp", "s", "S", "defs", "master"];

/// A checkout of XNU's source.
pub(super) struct Checkout(PathBuf);

impl Checkout {
    /// Takes a directory that looks like XNU's source.
    pub(super) fn open(directory: &Path) -> Result<Self> {
        if !directory.join("osfmk/vm/vm_map.c").is_file() {
            bail!(
                "{} is no checkout of XNU: it has no osfmk/vm/vm_map.c",
                directory.display()
            );
        }
        Ok(Self(directory.to_owned()))
    }

    /// The compared files that are here, in the order of the report.
    fn files(&self) -> Result<Vec<String>> {
        let mut files: Vec<String> = Vec::new();
        for pattern in FILES {
            let (directory, _) = pattern.rsplit_once('/').unwrap_or_default();
            let mut names = Vec::new();
            for entry in fs::read_dir(self.0.join(directory))? {
                names.push(format!("{directory}/{}", entry?.file_name().display()));
            }
            names.retain(|name| covers(pattern, name) && !files.contains(name));
            names.sort();
            files.extend(names);
        }
        Ok(files)
    }

    fn read(&self, file: &str) -> Result<String> {
        let bytes = fs::read(self.0.join(file)).with_context(|| format!("reading XNU's {file}"))?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// The functions of the compared files.
    pub(super) fn functions(&self) -> Result<Vec<(String, BTreeSet<String>)>> {
        let files = self.files()?.into_iter();
        files
            .map(|file| {
                let names = visible_names(&self.read(&file)?);
                Ok((file, names))
            })
            .collect()
    }

    /// The definitions of one file, by name; of several with one name, the longest.
    pub(super) fn definitions(&self, file: &str) -> BTreeMap<String, Definition> {
        let mut found: BTreeMap<String, Definition> = BTreeMap::new();
        for definition in definitions(&self.read(file).unwrap_or_default()) {
            let longer = found
                .get(&definition.name)
                .is_none_or(|known| known.text.len() < definition.text.len());
            if longer {
                found.insert(definition.name.clone(), definition);
            }
        }
        found
    }

    /// The file in which each of these names stands, for those that stand anywhere; a definition before a mere use.
    pub(super) fn places(&self, names: &BTreeSet<&str>) -> BTreeMap<String, String> {
        let mut files = Vec::new();
        for directory in DIRECTORIES {
            source_files(&self.0.join(directory), &mut files);
        }
        let mut defined = BTreeMap::new();
        let mut used = BTreeMap::new();
        for file in files {
            let Ok(bytes) = fs::read(&file) else { continue };
            let text = String::from_utf8_lossy(&bytes);
            let place = file
                .strip_prefix(&self.0)
                .unwrap_or(&file)
                .display()
                .to_string();
            let words = tokens(&text);
            let here: BTreeSet<_> = words
                .iter()
                .map(|token| token.text)
                .filter(|word| names.contains(word))
                .collect();
            if here.is_empty() {
                continue;
            }
            let is_code = file.extension().is_some_and(|extension| extension == "c");
            let functions = if is_code {
                definitions(&text)
            } else {
                Vec::new()
            };
            for name in here {
                let defines = functions.iter().any(|function| function.name == name)
                    || text.contains(&format!("#define {name}"));
                let list = if defines { &mut defined } else { &mut used };
                list.entry(name.to_owned()).or_insert_with(|| place.clone());
            }
        }
        used.extend(defined);
        used
    }

    /// Recorded names and aliases that are not here.
    pub(super) fn missing(&self, recorded: &Recorded, aliases: &[Alias]) -> Result<Vec<String>> {
        let here: BTreeMap<_, _> = self.functions()?.into_iter().collect();
        let mut missing = Vec::new();
        for (file, names) in &recorded.files {
            let there = here.get(file);
            let gone = names
                .iter()
                .filter(|name| !there.is_some_and(|there| there.contains(*name)));
            missing.extend(gone.map(|name| format!("{name}: no such function in {file}")));
        }
        let claimed: BTreeSet<&str> = aliases
            .iter()
            .filter(|alias| !alias.is_own_name)
            .map(|alias| alias.name.as_str())
            .filter(|name| !recorded.has_function(name) && !is_foreign(recorded, name))
            .collect();
        let places = self.places(&claimed);
        for alias in aliases {
            if claimed.contains(alias.name.as_str()) && !places.contains_key(&alias.name) {
                missing.push(format!(
                    "{}: claimed by {} at {}:{}, nowhere in this source",
                    alias.name,
                    alias.item,
                    alias.file.display(),
                    alias.line
                ));
            }
        }
        Ok(missing)
    }
}

/// Whether a name is recorded as one that XNU does not have.
pub(super) fn is_foreign(recorded: &Recorded, name: &str) -> bool {
    recorded
        .names
        .get(name)
        .is_some_and(|origin| !origin.contains('/'))
}

fn source_files(directory: &Path, files: &mut Vec<PathBuf>) {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let mut paths: Vec<_> = entries.map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        let extension = path.extension().and_then(|extension| extension.to_str());
        if path.is_dir() {
            source_files(&path, files);
        } else if extension.is_some_and(|extension| EXTENSIONS.contains(&extension)) {
            files.push(path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::comparison::tests::alias;
    use super::*;

    /// A directory with the shape of XNU's source and one function in each compared file.
    fn sample() -> (tempfile::TempDir, Checkout) {
        let directory = tempfile::tempdir().unwrap();
        for pattern in FILES {
            let file = directory.path().join(pattern.replace('*', "x"));
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            let name = file.file_stem().unwrap().display().to_string();
            fs::write(&file, format!("int\n{name}_f(void)\n{{\n\tuse();\n}}\n")).unwrap();
        }
        fs::write(directory.path().join("osfmk/kern/a.h"), "#define LIMIT 1\n").unwrap();
        let checkout = Checkout::open(directory.path()).unwrap();
        (directory, checkout)
    }

    #[test]
    fn a_directory_without_the_source_is_refused() {
        assert!(Checkout::open(tempfile::tempdir().unwrap().path()).is_err());
    }

    #[test]
    fn functions_and_further_names_are_found_with_their_files() {
        let (_directory, checkout) = sample();
        let functions = checkout.functions().unwrap();
        assert_eq!(functions.len(), FILES.len());
        assert_eq!(functions[0].0, "osfmk/vm/vm_map.c");
        assert!(functions[0].1.contains("vm_map_f"));
        let places = checkout.places(&BTreeSet::from(["LIMIT", "task_f", "absent"]));
        assert_eq!(places["LIMIT"], "osfmk/kern/a.h");
        assert_eq!(places["task_f"], "osfmk/kern/task.c");
        assert!(!places.contains_key("absent"));
    }

    #[test]
    fn names_that_are_not_in_the_source_are_reported() {
        let (_directory, checkout) = sample();
        let mut recorded = Recorded {
            files: checkout.functions().unwrap(),
            ..Recorded::default()
        };
        recorded.files[0].1.insert("gone".to_owned());
        recorded.names.insert("old".to_owned(), "mach3".to_owned());
        let aliases = ["vm_map_f", "LIMIT", "old", "invented"].map(alias);
        let missing = checkout.missing(&recorded, &aliases).unwrap();
        assert_eq!(missing.len(), 2, "{missing:?}");
        assert!(missing[0].starts_with("gone: no such function in osfmk/vm/vm_map.c"));
        assert!(missing[1].starts_with("invented: claimed by Our::invented"));
    }
}

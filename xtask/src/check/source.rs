//! Rules about the source text: where `unsafe` may be, and that no nightly feature is named.
//!
//! The compiler enforces `forbid(unsafe_code)`; this file enforces that it is there. Anything the compiler can see by
//! itself (missing reasons at unsafe blocks, for instance) is clippy's business.

use std::fs;
use std::path::{Path, PathBuf};

use crate::workspace::{Package, Workspace};

/// The crates that may have unsafe code at all; a name that ends in `/` stands for a directory. Every other crate's root
/// files must forbid it.
const MAY_BE_UNSAFE: [&str; 9] = [
    "machine",
    "pmap",
    "prim",
    "kern",
    "drivers",
    "kernel",
    "libsystem",
    // Measures memory as the hardware sees it.
    "bench",
    "userland/tests/",
];

/// Crates whose root files lack `#![forbid(unsafe_code)]` although they must have it.
pub(crate) fn check_unsafe(workspace: &Workspace) -> Vec<String> {
    let bound = workspace
        .packages
        .iter()
        .filter(|package| !may_be_unsafe(package));
    bound
        .flat_map(roots)
        .filter_map(|root| complaint_about(&root, &workspace.root))
        .collect()
}

fn may_be_unsafe(package: &Package) -> bool {
    MAY_BE_UNSAFE
        .iter()
        .any(|allowed| match allowed.strip_suffix('/') {
            Some(directory) => package.directory.starts_with(directory),
            None => package.name == *allowed,
        })
}

fn roots(package: &Package) -> Vec<PathBuf> {
    package
        .library
        .iter()
        .chain(package.programs.iter().map(|(_, file)| file))
        .cloned()
        .collect()
}

fn complaint_about(root: &Path, base: &Path) -> Option<String> {
    let text = fs::read_to_string(root).unwrap_or_default();
    let shown = root.strip_prefix(base).unwrap_or(root).display();
    (!forbids_unsafe(&text)).then(|| format!("{shown} lacks #![forbid(unsafe_code)]"))
}

fn forbids_unsafe(text: &str) -> bool {
    text.lines()
        .any(|line| line.trim().starts_with("#![forbid(") && line.contains("unsafe_code"))
}

/// Source files that name a nightly feature.
pub(crate) fn check_features(workspace: &Workspace) -> Vec<String> {
    let mut complaints = Vec::new();
    for package in &workspace.packages {
        for file in source_files(&workspace.root.join(&package.directory)) {
            let text = fs::read_to_string(&file).unwrap_or_default();
            for feature in features(&text) {
                let shown = file
                    .strip_prefix(&workspace.root)
                    .unwrap_or(&file)
                    .display();
                complaints.push(format!("{shown} asks for a nightly feature: {feature}"));
            }
        }
    }
    complaints
}

/// The attributes that switch on a feature of the compiler's, conditional ones included.
fn features(text: &str) -> Vec<&str> {
    let attributes = text
        .lines()
        .map(str::trim)
        .filter(|line| line.starts_with("#!["));
    attributes
        .filter(|line| line.starts_with("#![feature(") || line.contains(", feature("))
        .collect()
}

/// Rust files below a directory.
fn source_files(directory: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            files.extend(source_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forbidding_is_recognised_alone_and_among_others() {
        assert!(forbids_unsafe("//! x\n#![forbid(unsafe_code)]\n"));
        assert!(forbids_unsafe("#![forbid(unsafe_code, missing_docs)]"));
        assert!(!forbids_unsafe(
            "// forbid(unsafe_code)\n#![deny(unsafe_code)]"
        ));
    }

    #[test]
    fn nightly_features_are_found_also_behind_a_condition() {
        assert_eq!(features("#![feature(asm_goto)]\n").len(), 1);
        assert_eq!(
            features("#![cfg_attr(target_os = \"none\", feature(x))]\n").len(),
            1
        );
        assert!(features("#![cfg_attr(feature = \"page-4k\", allow(unused))]\n").is_empty());
        assert!(features("#[cfg(feature = \"page-4k\")]\n").is_empty());
    }

    #[test]
    fn only_named_crates_may_be_unsafe() {
        let workspace = crate::workspace::tests::sample();
        let may = |name| may_be_unsafe(workspace.package(name).unwrap());
        assert!(may("machine") && may("kernel"));
        assert!(!may("vm") && !may("shell") && !may("xtask"));
    }
}

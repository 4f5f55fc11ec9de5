//! `cargo xtask new-pager NAME`: a crate of a pager that builds, runs and passes its tests.
//!
//! What it makes is the crate `pagers/plugins/template` under another name. That one is built and tested like every other, so
//! what comes out of here is known to work. The workspace takes up each directory below `pagers/plugins` by itself.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail, ensure};

use crate::graph;
use crate::progress;
use crate::workspace::{PLUGINS, Workspace};

/// Make a crate of a pager that builds, runs and passes its tests.
///
/// The crate is pagers/plugins/NAME; docs/write-a-pager.md goes on from there.
///
/// Example:
///   cargo xtask new-pager demo && cargo xtask test demo
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Arguments {
    /// Name of the crate, the program, and the directory below /pagers
    name: String,
}

/// The files of the crate; `template` stands for the name.
const FILES: [(&str, &str); 4] = [
    (
        "Cargo.toml",
        include_str!("../../pagers/plugins/template/Cargo.toml"),
    ),
    (
        "build.rs",
        include_str!("../../pagers/plugins/template/build.rs"),
    ),
    (
        "src/main.rs",
        include_str!("../../pagers/plugins/template/src/main.rs"),
    ),
    (
        "src/bin/template_test.rs",
        include_str!("../../pagers/plugins/template/src/bin/template_test.rs"),
    ),
];

/// As long as the kernel lets the name of a pager be, and room for `_test`.
const LONGEST: usize = 27;

/// What cargo or the language keeps for itself.
const RESERVED: [&str; 51] = [
    "abstract", "alloc", "as", "async", "await", "become", "box", "break", "build", "const",
    "continue", "core", "crate", "deps", "do", "dyn", "else", "enum", "examples", "extern",
    "final", "fn", "for", "gen", "if", "impl", "in", "let", "loop", "macro", "match", "mod",
    "move", "mut", "override", "priv", "pub", "ref", "return", "self", "static", "std", "struct",
    "super", "test", "trait", "type", "unsafe", "use", "where", "while",
];

/// Runs the subcommand.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let workspace = Workspace::load()?;
    let name = arguments.name.as_str();
    check_name(name)?;
    check_free(name, &workspace)?;
    let directory = generate(name, &workspace.root.join(PLUGINS))?;
    progress::step("Made", &directory.display().to_string());
    // The picture of the crates has one more.
    graph::run(&graph::Arguments {})?;
    let show = format!("cargo xtask qemu --run 'pager start {name}; ls -l /pagers/{name}'");
    println!(
        "\n  {:width$}  runs its tests, here and in the guest\n  {show}  shows what it serves\n\n\
         Begin with {PLUGINS}/{name}/src/main.rs; docs/write-a-pager.md explains it.",
        format!("cargo xtask test {name}"),
        width = show.len(),
    );
    Ok(ExitCode::SUCCESS)
}

/// Refuses what cannot be the name of a crate, a program and a directory at once.
fn check_name(name: &str) -> Result<()> {
    let bad = |byte: u8| !(byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
    ensure!(!name.is_empty(), "a pager needs a name");
    ensure!(
        !name.bytes().any(bad),
        "`{name}` is no name for a pager: small letters, digits and `_` only"
    );
    ensure!(
        name.starts_with(|first: char| first.is_ascii_lowercase()),
        "`{name}` is no name for a pager: it must begin with a letter"
    );
    ensure!(
        name.len() <= LONGEST,
        "`{name}` is too long: {LONGEST} letters at most"
    );
    ensure!(
        !RESERVED.contains(&name),
        "`{name}` means something to Rust or cargo; take another name"
    );
    ensure!(
        !name.ends_with("_test"),
        "names that end in `_test` are those of test programs"
    );
    Ok(())
}

/// Refuses what would be there twice.
fn check_free(name: &str, workspace: &Workspace) -> Result<()> {
    let directory = workspace.root.join(PLUGINS).join(name);
    if directory.exists() {
        bail!("{} is there already", directory.display());
    }
    for package in &workspace.packages {
        let plain = package.name.replace('-', "_");
        let programs = package.programs.iter();
        let taken = |(program, _): &(String, _)| {
            let program = program.replace('-', "_");
            program == name || program == format!("{name}_test")
        };
        if plain == name || programs.clone().any(taken) {
            bail!(
                "`{name}` is a name of the package in {}; take another name",
                package.directory.display()
            );
        }
    }
    Ok(())
}

/// Writes the crate below `plugins`; all of it, or nothing.
fn generate(name: &str, plugins: &Path) -> Result<PathBuf> {
    let directory = plugins.join(name);
    fs::create_dir_all(plugins)?;
    fs::create_dir(&directory).with_context(|| format!("making {}", directory.display()))?;
    let written = write_files(name, &directory);
    if written.is_err() {
        // What is half there is worse than nothing; the first error is the one to tell.
        let _ = fs::remove_dir_all(&directory);
    }
    written.map(|()| directory)
}

fn write_files(name: &str, directory: &Path) -> Result<()> {
    for (path, text) in FILES {
        let file = directory.join(renamed(path, name));
        if let Some(parent) = file.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(&file, renamed(text, name))
            .with_context(|| format!("writing {}", file.display()))?;
    }
    Ok(())
}

/// The template's text for another name.
fn renamed(text: &str, name: &str) -> String {
    text.replace("template", name)
        .replace("Template", &type_name(name))
}

/// `my_pager` as a type: `MyPager`.
fn type_name(name: &str) -> String {
    let capital = |word: &str| {
        let (first, rest) = word.split_at(1.min(word.len()));
        first.to_ascii_uppercase() + rest
    };
    name.split('_').map(capital).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace;

    #[test]
    fn names_are_those_of_crates_programs_and_directories() {
        for good in ["demo", "my_pager", "a1"] {
            assert!(check_name(good).is_ok(), "{good}");
        }
        let long = "x".repeat(28);
        for bad in [
            "", "Demo", "my-pager", "1a", "_a", "a b", "a/b", "..", "fn", "test", "x_test", "ä",
            &long,
        ] {
            let error = check_name(bad).expect_err(bad).to_string();
            assert!(!error.is_empty());
        }
    }

    #[test]
    fn a_name_that_something_else_has_is_refused() {
        let workspace = workspace::tests::sample();
        for taken in ["vm", "kernel", "shell"] {
            let error = check_free(taken, &workspace).expect_err(taken).to_string();
            assert!(error.contains("take another name"), "{error}");
        }
        assert!(check_free("demo", &workspace).is_ok());
    }

    #[test]
    fn the_crate_bears_the_name_everywhere_and_nothing_of_the_template() {
        let directory = tempfile::tempdir().unwrap();
        let made = generate("my_pager", directory.path()).unwrap();
        let read = |path: &str| fs::read_to_string(made.join(path)).unwrap();
        for (path, _) in FILES {
            let text = read(&renamed(path, "my_pager"));
            assert!(!text.to_lowercase().contains("template"), "{path}");
        }
        let manifest = read("Cargo.toml");
        for line in ["name = \"my_pager\"", "path = \"src/bin/my_pager_test.rs\""] {
            assert!(manifest.contains(line), "{line}");
        }
        assert!(read("src/main.rs").contains("pager_main!(MyPager::new)"));
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn an_existing_crate_is_not_touched() {
        let directory = tempfile::tempdir().unwrap();
        let made = generate("demo", directory.path()).unwrap();
        fs::write(made.join("src/main.rs"), "mine").unwrap();
        assert!(generate("demo", directory.path()).is_err());
        assert_eq!(
            fs::read_to_string(made.join("src/main.rs")).unwrap(),
            "mine"
        );
    }

    #[test]
    fn the_template_is_complete() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("..")
            .join(PLUGINS)
            .join("template");
        let mut found = Vec::new();
        let mut waiting = vec![root.clone()];
        while let Some(directory) = waiting.pop() {
            for entry in fs::read_dir(directory).unwrap().flatten() {
                match entry.path() {
                    path if path.is_dir() => waiting.push(path),
                    path => found.push(path.strip_prefix(&root).unwrap().display().to_string()),
                }
            }
        }
        found.sort();
        let mut known = FILES.map(|(path, _)| path.to_owned());
        known.sort();
        assert_eq!(found, known);
    }

    #[test]
    fn types_are_in_capitals() {
        assert_eq!(type_name("my_pager"), "MyPager");
        assert_eq!(type_name("lz4"), "Lz4");
    }
}

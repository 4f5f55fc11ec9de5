//! `cargo xtask sign`: code signatures for programs.
//!
//! The build signs whatever it installs with [`installed`]; the command signs a program that somebody else has linked, or shows
//! what a signed one says. The format is the crate `codesign`'s; `docs/code-signing.md` describes it.

pub(crate) mod variants;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, anyhow, bail};
use codesign::{Error, Flags, Options};

use crate::layout::Program;
use crate::progress;

/// What programs of the build are signed with: a page that is not what was signed ends the process.
const INSTALLED: Flags = Flags::HARD.union(Flags::KILL);

/// Sign an AArch64 program for Pagoda, in place
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The ELF file
    program: PathBuf,
    /// A property list in XML with what the program is entitled to
    #[arg(long, value_name = "FILE")]
    entitlements: Option<PathBuf>,
    /// What happens to a page that is not what was signed: hard, kill, enforcement, runtime, or none
    #[arg(long, value_name = "LIST", default_value = "hard,kill")]
    flags: String,
    /// The program's name in its signature; the file's if not given
    #[arg(long, value_name = "ID")]
    identifier: Option<String>,
    /// Show the signature that the file has, and change nothing
    #[arg(long, conflicts_with_all = ["entitlements", "identifier"])]
    show: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let file = &arguments.program;
    let bytes = fs::read(file).with_context(|| format!("reading {}", file.display()))?;
    if arguments.show {
        show(&bytes)?;
        return Ok(ExitCode::SUCCESS);
    }
    if !bytes.starts_with(b"\x7fELF") {
        bail!("{} is not an ELF file", file.display());
    }
    let flags = Flags::from_names(&arguments.flags)
        .with_context(|| format!("`{}` are not flags", arguments.flags))?;
    let entitlements = match &arguments.entitlements {
        Some(list) => Some(fs::read(list).with_context(|| format!("reading {}", list.display()))?),
        None => None,
    };
    let options = Options {
        identifier: match &arguments.identifier {
            Some(identifier) => identifier.clone(),
            None => file_name(file)?,
        },
        flags,
        entitlements,
    };
    let signed = codesign::sign(&bytes, &options).map_err(describe)?;
    let permissions = fs::metadata(file)?.permissions();
    crate::layout::write_if_changed(file, &signed)?;
    fs::set_permissions(file, permissions)?;
    progress::step(
        "Signed",
        &format!("{} as {}", file.display(), options.identifier),
    );
    Ok(ExitCode::SUCCESS)
}

/// A program of the build as the guest gets it: without sections, and signed.
pub(crate) fn installed(program: &Program, stripped: &[u8]) -> Result<Vec<u8>> {
    let options = Options {
        identifier: program.name.clone(),
        flags: INSTALLED,
        entitlements: program.entitlements.clone(),
    };
    codesign::sign(stripped, &options)
        .map_err(describe)
        .with_context(|| format!("signing {}", program.name))
}

/// What a program of a package is entitled to: `entitlements/PROGRAM.plist` in the package's directory.
pub(crate) fn entitlements_of(package: &Path, program: &str) -> Result<Option<Vec<u8>>> {
    let file = package
        .join("entitlements")
        .join(format!("{program}.plist"));
    if !file.exists() {
        return Ok(None);
    }
    let text = fs::read(&file).with_context(|| format!("reading {}", file.display()))?;
    Ok(Some(text))
}

fn file_name(file: &Path) -> Result<String> {
    let name = file.file_name().context("the program has no name")?;
    Ok(name.to_string_lossy().into_owned())
}

fn describe(error: Error) -> anyhow::Error {
    anyhow!("the signature is bad: {error:?}")
}

fn show(file: &[u8]) -> Result<()> {
    let Some(signature) = codesign::sign::signature_of(file).map_err(describe)? else {
        println!("not signed");
        return Ok(());
    };
    let cdhash: String = signature
        .cdhash()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    println!("Identifier={}", signature.identifier());
    println!("CodeDirectory flags={}", signature.flags());
    println!(
        "Hashes=SHA-256 of {} bytes each, up to {:#x}",
        signature.page_size(),
        signature.code_limit()
    );
    println!("CDHash={cdhash}");
    if let Some(text) = signature.entitlements() {
        println!("{}", String::from_utf8_lossy(text).trim_end());
    }
    let bad: Vec<_> = (0..signature.code_limit())
        .step_by(signature.page_size() as usize)
        .filter(|offset| !is_as_signed(&signature, file, *offset))
        .collect();
    if !bad.is_empty() {
        println!("changed after signing: pages at {bad:#x?}");
    }
    Ok(())
}

fn is_as_signed(signature: &codesign::Signature, file: &[u8], offset: u64) -> bool {
    signature.covers(offset, signature.page_size(), &mut |at, part| {
        for (index, byte) in part.iter_mut().enumerate() {
            let place = (offset + at) as usize + index;
            *byte = file.get(place).copied().unwrap_or(0);
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::tests::elf_file;

    #[test]
    fn the_command_signs_in_place_and_twice_is_once() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("prog");
        let list = directory.path().join("list.plist");
        fs::write(&file, elf_file(&[(0x10000, b"text")])).unwrap();
        fs::write(&list, "<plist><dict><key>k</key><true/></dict></plist>").unwrap();
        let arguments = Arguments {
            program: file.clone(),
            entitlements: Some(list),
            flags: "kill".to_owned(),
            identifier: None,
            show: false,
        };
        run(&arguments).unwrap();
        let once = fs::read(&file).unwrap();
        let signature = codesign::sign::signature_of(&once).unwrap().unwrap();
        assert_eq!(signature.identifier(), "prog");
        assert_eq!(signature.flags(), Flags::ADHOC | Flags::KILL);
        assert!(signature.entitlements().is_some());
        run(&arguments).unwrap();
        assert_eq!(fs::read(&file).unwrap(), once);
    }

    #[test]
    fn only_elf_files_and_known_flags_are_taken() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("script");
        fs::write(&file, "#!/bin/sh\n").unwrap();
        let mut arguments = Arguments {
            program: file.clone(),
            entitlements: None,
            flags: "hard".to_owned(),
            identifier: None,
            show: false,
        };
        assert!(run(&arguments).is_err());
        fs::write(&file, elf_file(&[(0x10000, b"text")])).unwrap();
        arguments.flags = "soft".to_owned();
        assert!(run(&arguments).is_err());
    }

    #[test]
    fn entitlements_lie_beside_the_package() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(entitlements_of(directory.path(), "jit").unwrap(), None);
        fs::create_dir(directory.path().join("entitlements")).unwrap();
        fs::write(directory.path().join("entitlements/jit.plist"), "x").unwrap();
        assert_eq!(
            entitlements_of(directory.path(), "jit").unwrap(),
            Some(b"x".to_vec())
        );
    }
}

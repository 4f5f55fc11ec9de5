//! What the guest finds in its file systems: the root directory, and the boot archive.
//!
//! The root directory is a directory of the host's that the guest reads over virtio-9p: `/bin`, `/sbin`, `/tests`,
//! `/etc`, and directories to mount on. The boot archive is a ustar file that the kernel gets as its initial RAM
//! disk: what must run before there is a file server, and when there is none any more.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::image;
use crate::sign::{self, variants};
use crate::workspace::PLUGINS;

/// A program as it comes from the compiler.
#[derive(Debug, Clone)]
pub(crate) struct Program {
    /// Its name.
    pub(crate) name: String,
    /// Its package's directory, relative to the workspace.
    pub(crate) package: PathBuf,
    /// The ELF file.
    pub(crate) file: PathBuf,
    /// Whether its package asks for it to be in the boot archive.
    pub(crate) archived: bool,
    /// What it is entitled to: a property list in XML.
    pub(crate) entitlements: Option<Vec<u8>>,
}

/// Directories that are there even when nothing is in them.
const DIRECTORIES: [&str; 10] = [
    "bin", "boot", "dev", "etc", "pagers", "ram", "sbin", "share", "tests", "tmp",
];

/// Whether a program tests the system: those of `userland/tests`, and a plugin's whose name ends in `_test`.
pub(crate) fn is_test_program(name: &str, package: &Path) -> bool {
    package.starts_with("userland/tests")
        || (package.starts_with(PLUGINS) && name.ends_with("_test"))
}

/// Where a program lies in the root directory.
pub(crate) fn root_path(name: &str, package: &Path) -> String {
    let directory = if is_test_program(name, package) {
        "tests"
    } else if package.starts_with("pagers") || package.starts_with("userland/init") {
        "sbin"
    } else {
        "bin"
    };
    // The shell is what everybody calls it; file names have underscores, as the kernel looks for them.
    let name = if name == "shell" { "sh" } else { name };
    format!("{directory}/{}", name.replace('-', "_"))
}

/// Where a program lies in the boot archive, if it is one of those that must always be there.
fn archive_paths(program: &Program) -> Vec<String> {
    match program.name.as_str() {
        "init" => vec!["sbin/init".to_owned()],
        "vnode-pager" | "vnode_pager" => vec!["sbin/vnode_pager".to_owned()],
        "recovery" => vec!["bin/recovery".to_owned()],
        "shell" | "sh" => vec!["bin/recovery".to_owned(), "bin/sh".to_owned()],
        _ if program.archived => vec![root_path(&program.name, &program.package)],
        _ => Vec::new(),
    }
}

/// The files of the boot archive, by path: the programs that belong there.
pub(crate) fn archive_files(programs: &[Program]) -> Result<BTreeMap<String, Vec<u8>>> {
    let mut files = BTreeMap::new();
    let has_recovery = programs.iter().any(|program| program.name == "recovery");
    for program in programs {
        for path in archive_paths(program) {
            // A recovery shell of its own is preferred to the ordinary shell under its name.
            if path == "bin/recovery" && has_recovery && program.name != "recovery" {
                continue;
            }
            files.insert(path, installed(program)?);
        }
    }
    Ok(files)
}

/// Writes the boot archive, if its content has changed.
pub(crate) fn write_archive(file: &Path, files: &BTreeMap<String, Vec<u8>>) -> Result<()> {
    write_if_changed(file, &archive(files)?)
}

/// A ustar archive; the same files always give the same bytes.
fn archive(files: &BTreeMap<String, Vec<u8>>) -> Result<Vec<u8>> {
    let mut builder = tar::Builder::new(Vec::new());
    for (path, bytes) in files {
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o755);
        header.set_entry_type(tar::EntryType::Regular);
        builder
            .append_data(&mut header, path, &bytes[..])
            .with_context(|| format!("archiving {path}"))?;
    }
    Ok(builder.into_inner()?)
}

/// Brings the root directory up to date: programs, the tree `files` as it stands, and nothing that no longer belongs there.
pub(crate) fn lay_out_root(root: &Path, programs: &[Program], files: &Path) -> Result<()> {
    let mut wanted = BTreeMap::new();
    if files.is_dir() {
        collect(files, files, &mut wanted)?;
    }
    for program in programs {
        let path = root_path(&program.name, &program.package);
        if program.name == variants::PROGRAM {
            for (name, bytes) in variants::of(&stripped(program)?)? {
                wanted.insert(root_path(name, &program.package), bytes);
            }
        }
        wanted.insert(path, installed(program)?);
    }
    for directory in DIRECTORIES {
        fs::create_dir_all(root.join(directory))?;
    }
    for directory in ["bin", "sbin", "tests"] {
        for old in fs::read_dir(root.join(directory))?.flatten() {
            let path = format!("{directory}/{}", old.file_name().to_string_lossy());
            if !wanted.contains_key(&path) && old.path().is_file() {
                fs::remove_file(old.path())?;
            }
        }
    }
    for (path, bytes) in &wanted {
        let file = root.join(path);
        write_if_changed(&file, bytes)?;
        use std::os::unix::fs::PermissionsExt as _;
        let program = bytes.starts_with(b"\x7fELF") || bytes.starts_with(b"#!");
        fs::set_permissions(
            &file,
            fs::Permissions::from_mode(if program { 0o755 } else { 0o644 }),
        )?;
    }
    Ok(())
}

fn collect(base: &Path, directory: &Path, files: &mut BTreeMap<String, Vec<u8>>) -> Result<()> {
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(base, &path, files)?;
        } else {
            let name = path.strip_prefix(base)?.to_string_lossy().into_owned();
            files.insert(name, fs::read(&path)?);
        }
    }
    Ok(())
}

/// What the guest gets of a program.
fn installed(program: &Program) -> Result<Vec<u8>> {
    sign::installed(program, &stripped(program)?)
}

fn stripped(program: &Program) -> Result<Vec<u8>> {
    let bytes =
        fs::read(&program.file).with_context(|| format!("reading {}", program.file.display()))?;
    image::strip(&bytes).with_context(|| format!("stripping {}", program.name))
}

/// Writes a file unless it already holds these bytes, so that time stamps tell what is stale.
pub(crate) fn write_if_changed(file: &Path, bytes: &[u8]) -> Result<()> {
    if fs::read(file).is_ok_and(|old| old == bytes) {
        return Ok(());
    }
    if let Some(directory) = file.parent() {
        fs::create_dir_all(directory)?;
    }
    // Beside it first, then moved: a guest that is running keeps the file it has open.
    let fresh = file.with_extension("new");
    fs::write(&fresh, bytes).with_context(|| format!("writing {}", fresh.display()))?;
    fs::rename(&fresh, file).with_context(|| format!("writing {}", file.display()))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::tests::elf_file;

    fn program(directory: &Path, package: &str, name: &str, archived: bool) -> Program {
        let file = directory.join(format!("{name}.elf"));
        fs::write(&file, elf_file(&[(0x10000, name.as_bytes())])).unwrap();
        Program {
            name: name.to_owned(),
            package: package.into(),
            file,
            archived,
            entitlements: None,
        }
    }

    #[test]
    fn programs_lie_where_their_package_says() {
        assert_eq!(root_path("ls", Path::new("userland/tools")), "bin/ls");
        assert_eq!(root_path("shell", Path::new("userland/shell")), "bin/sh");
        assert_eq!(root_path("init", Path::new("userland/init")), "sbin/init");
        assert_eq!(
            root_path("fork-chain", Path::new("userland/tests")),
            "tests/fork_chain"
        );
        assert_eq!(
            root_path("ram-pager", Path::new("pagers/plugins/ram")),
            "sbin/ram_pager"
        );
    }

    #[test]
    fn the_archive_holds_init_the_file_server_the_recovery_shell_and_what_asks_for_it() {
        let directory = tempfile::tempdir().unwrap();
        let programs = [
            program(directory.path(), "userland/init", "init", false),
            program(directory.path(), "userland/shell", "shell", false),
            program(directory.path(), "pagers/vnode", "vnode-pager", false),
            program(directory.path(), "userland/tools", "ls", false),
            program(directory.path(), "userland/tools", "ps", true),
        ];
        let files = archive_files(&programs).unwrap();
        let names: Vec<_> = files.keys().map(String::as_str).collect();
        assert_eq!(
            names,
            [
                "bin/ps",
                "bin/recovery",
                "bin/sh",
                "sbin/init",
                "sbin/vnode_pager"
            ]
        );
    }

    #[test]
    fn the_archive_is_ustar_and_reads_back() {
        let files = BTreeMap::from([("sbin/init".to_owned(), b"hello".to_vec())]);
        let bytes = archive(&files).unwrap();
        assert_eq!(&bytes[257..263], b"ustar\0");
        let mut reader = tar::Archive::new(&bytes[..]);
        let entry = reader.entries().unwrap().next().unwrap().unwrap();
        assert_eq!(entry.path().unwrap(), Path::new("sbin/init"));
        assert_eq!(entry.size(), 5);
        assert_eq!(
            archive(&files).unwrap(),
            bytes,
            "no clock and no owner in it"
        );
    }

    #[test]
    fn the_root_directory_follows_the_programs_and_forgets_old_ones() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().join("root");
        let files = directory.path().join("files");
        fs::create_dir_all(files.join("etc")).unwrap();
        fs::write(files.join("etc/motd"), "welcome\n").unwrap();
        let ls = program(directory.path(), "userland/tools", "ls", false);
        let cat = program(directory.path(), "userland/tools", "cat", false);
        lay_out_root(&root, &[ls, cat.clone()], &files).unwrap();
        assert!(root.join("bin/ls").is_file() && root.join("share").is_dir());
        assert_eq!(
            fs::read_to_string(root.join("etc/motd")).unwrap(),
            "welcome\n"
        );
        lay_out_root(&root, &[cat], &files).unwrap();
        assert!(!root.join("bin/ls").exists() && root.join("bin/cat").is_file());
    }

    #[test]
    fn an_unchanged_file_is_not_written_again() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("x");
        write_if_changed(&file, b"1").unwrap();
        let before = file.metadata().unwrap().modified().unwrap();
        std::thread::sleep(std::time::Duration::from_millis(20));
        write_if_changed(&file, b"1").unwrap();
        assert_eq!(file.metadata().unwrap().modified().unwrap(), before);
        write_if_changed(&file, b"2").unwrap();
        assert_eq!(fs::read(&file).unwrap(), b"2");
    }
}

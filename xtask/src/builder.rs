//! From source to the files a boot needs.
//!
//! Cargo decides what is stale. Kernel and programs are two builds with one target directory, so that features
//! of the kernel's dependencies do not leak into programs; the kernels of both page sizes share it as well, and
//! each is copied aside as soon as it is linked.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::image;
use crate::layout::{self, Program};
use crate::machine::{BootFiles, PageSize};
use crate::progress::{self, Stopwatch};
use crate::sign;
use crate::symbols;
use crate::toolchain::Toolchain;
use crate::workspace::{Role, Workspace};

/// The cargo profile to build the guest in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Profile {
    /// Optimised, with every assertion on.
    Checked,
    /// Optimised, without assertions: for measuring.
    Release,
}

impl Profile {
    fn name(self) -> &'static str {
        match self {
            Self::Checked => "checked",
            Self::Release => "release",
        }
    }

    /// The cargo profile of the kernel.
    fn kernel(self) -> &'static str {
        match self {
            Self::Checked => "checked",
            Self::Release => "measured",
        }
    }
}

/// Builds guests from one workspace with one toolchain.
pub(crate) struct Builder<'a> {
    workspace: &'a Workspace,
    toolchain: &'a Toolchain,
    profile: Profile,
    /// Programs that go into the boot archive though their package does not ask for it.
    archiving: Vec<&'static str>,
    /// More files for the boot archive.
    extra: BTreeMap<String, Vec<u8>>,
}

impl<'a> Builder<'a> {
    /// A builder; nothing is built yet.
    pub(crate) fn new(
        workspace: &'a Workspace,
        toolchain: &'a Toolchain,
        profile: Profile,
    ) -> Self {
        Self {
            workspace,
            toolchain,
            profile,
            archiving: Vec::new(),
            extra: BTreeMap::new(),
        }
    }

    /// Puts one more program into the boot archive.
    pub(crate) fn archiving(mut self, program: &'static str) -> Self {
        self.archiving.push(program);
        self
    }

    /// Puts one more file into the boot archive.
    pub(crate) fn with_file(mut self, path: &str, bytes: Vec<u8>) -> Self {
        self.extra.insert(path.to_owned(), bytes);
        self
    }

    /// Builds what is stale and lays out everything that the guests boot from, for each of the page sizes.
    pub(crate) fn boot_files(&self, page_sizes: &[PageSize]) -> Result<Vec<(PageSize, BootFiles)>> {
        let clock = Stopwatch::start();
        progress::step(
            "Building",
            &format!("for the guest with {}", self.toolchain.describe()),
        );
        let output = self.workspace.target.join("boot").join(self.profile.name());
        let programs = self.programs()?;
        let mut archived = layout::archive_files(&programs)?;
        archived.extend(self.extra.clone());
        let root = self.workspace.target.join("root");
        layout::lay_out_root(&root, &programs, &self.workspace.root.join("userland/root"))?;
        let mut built = Vec::new();
        for &page_size in page_sizes {
            let directory = output.join(page_size.name());
            let files = BootFiles {
                kernel: directory.join("kernel.elf"),
                image: directory.join("Image"),
                archive: directory.join("boot.tar"),
                root: root.clone(),
            };
            let functions = self.kernel(page_size, &files)?;
            let mut archived = archived.clone();
            archived.insert(symbols::TABLE_FILE.to_owned(), functions.into_bytes());
            layout::write_archive(&files.archive, &archived)?;
            built.push((page_size, files));
        }
        progress::step("Built", &format!("kernel and programs in {}", clock.text()));
        Ok(built)
    }

    /// Builds the kernel, writes its ELF file and its flat image, and gives the table of its functions.
    fn kernel(&self, page_size: PageSize, files: &BootFiles) -> Result<String> {
        let names = self
            .workspace
            .names(|package| package.role() == Role::Kernel);
        let [name] = &names[..] else {
            bail!("the workspace has {} kernels", names.len())
        };
        progress::step(
            "Building",
            &format!("the kernel for {} pages", page_size.name()),
        );
        let mut command = self.cargo_build(self.profile.kernel());
        command.args(["-p", name]);
        if let Some(feature) = page_size.feature() {
            // A feature of another package is named by selecting that package too.
            command.args(["-p", "machine", "--features", feature]);
        }
        let binaries = build(&mut command)?;
        let (_, file) = binaries
            .into_iter()
            .next()
            .context("cargo built no kernel")?;
        let elf = fs::read(&file).with_context(|| format!("reading {}", file.display()))?;
        let flat = image::flatten(&elf).context("making the flat image of the kernel")?;
        layout::write_if_changed(&files.kernel, &elf)?;
        layout::write_if_changed(&files.image, &flat)?;
        symbols::table(&elf)
    }

    /// Builds every program of the guest.
    fn programs(&self) -> Result<Vec<Program>> {
        let names = self.workspace.names(|package| package.has_guest_programs());
        if names.is_empty() {
            return Ok(Vec::new());
        }
        progress::step("Building", &format!("programs: {}", names.join(", ")));
        let mut command = self.cargo_build(self.profile.name());
        command.arg("--bins");
        for name in &names {
            command.args(["-p", name]);
        }
        let built = build(&mut command)?;
        let program = |(name, file): (String, PathBuf)| {
            let owner = self.workspace.packages.iter().find(|package| {
                package.has_guest_programs()
                    && package.programs.iter().any(|(program, _)| *program == name)
            })?;
            let archived =
                owner.archived.contains(&name) || self.archiving.contains(&name.as_str());
            let directory = self.workspace.root.join(&owner.directory);
            let program = |entitlements| Program {
                name: name.clone(),
                package: owner.directory.clone(),
                file,
                archived,
                entitlements,
            };
            Some(sign::entitlements_of(&directory, &name).map(program))
        };
        built.into_iter().filter_map(program).collect()
    }

    fn cargo_build(&self, profile: &str) -> Command {
        let mut command =
            self.toolchain
                .cargo(&self.workspace.root, &self.workspace.target, "build");
        command.args(["--profile", profile]);
        command
    }
}

/// Runs a cargo build; its messages reach the user, and its programs come back by name.
fn build(command: &mut Command) -> Result<Vec<(String, PathBuf)>> {
    command
        .arg("--message-format=json-render-diagnostics")
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    let mut child = command.spawn().context("cannot start cargo")?;
    let output = child.stdout.take().context("cargo has no output")?;
    let mut binaries = Vec::new();
    for line in BufReader::new(output).lines() {
        binaries.extend(executable(&line?));
    }
    if !child.wait()?.success() {
        bail!("the build failed; the compiler's messages are above");
    }
    binaries.sort();
    Ok(binaries)
}

/// A program that one line of cargo's JSON output announces: its name and file.
pub(crate) fn executable(line: &str) -> Option<(String, PathBuf)> {
    let message: Value = serde_json::from_str(line).ok()?;
    let file = message["executable"].as_str()?;
    Some((
        message["target"]["name"].as_str()?.to_owned(),
        PathBuf::from(file),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_messages_with_an_executable_announce_a_program() {
        let line = r#"{"reason":"compiler-artifact","target":{"name":"ls"},"executable":"/t/ls"}"#;
        assert_eq!(executable(line), Some(("ls".to_owned(), "/t/ls".into())));
        assert_eq!(
            executable(r#"{"reason":"compiler-artifact","executable":null}"#),
            None
        );
        assert_eq!(executable("not JSON"), None);
    }
}

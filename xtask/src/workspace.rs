//! Where things lie: the workspace, its packages as `cargo metadata` tells them, and the target directories.
//!
//! Which packages are kernel, programs or host-testable follows from where they lie and what targets they
//! have; nothing else in xtask keeps a list of crates, except the import rules that exist to be a list.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::process;

/// Where pagers lie that are not part of the system; each directory is a member of the workspace.
pub(crate) const PLUGINS: &str = "pagers/plugins";

/// The workspace: its root, its target directory and its packages.
pub(crate) struct Workspace {
    /// The directory of the root `Cargo.toml`.
    pub(crate) root: PathBuf,
    /// `target/`, or what `CARGO_TARGET_DIR` says.
    pub(crate) target: PathBuf,
    /// The members, sorted by name.
    pub(crate) packages: Vec<Package>,
}

/// One member of the workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Package {
    /// Its name for `-p`.
    pub(crate) name: String,
    /// Its directory, relative to the root.
    pub(crate) directory: PathBuf,
    /// Its manifest's one-line description, if it has one.
    pub(crate) description: Option<String>,
    /// The root file of its library, if it has one.
    pub(crate) library: Option<PathBuf>,
    /// Its programs: name and root file.
    pub(crate) programs: Vec<(String, PathBuf)>,
    /// Whether one of its programs has tests of its own.
    pub(crate) programs_are_tested: bool,
    /// What it imports from the workspace.
    pub(crate) imports: Vec<Import>,
    /// Names of its programs that the boot archive carries as well
    /// (`[package.metadata.pagoda] archive = [...]`).
    pub(crate) archived: Vec<String>,
}

/// An edge of the crate graph.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Import {
    /// The imported package.
    pub(crate) name: String,
    /// Whether only tests import it.
    pub(crate) only_tests: bool,
}

/// What a package is to the build.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// A library: built for the guest as somebody's dependency, and tested on the host.
    Library,
    /// The kernel itself.
    Kernel,
    /// A package of programs that run in the guest.
    Programs,
    /// xtask.
    HostTool,
}

impl Package {
    /// What this package is to the build.
    pub(crate) fn role(&self) -> Role {
        if self.name == "xtask" {
            Role::HostTool
        } else if self.directory.starts_with("platform") && !self.programs.is_empty() {
            Role::Kernel
        } else if self.library.is_none() && !self.programs.is_empty() {
            Role::Programs
        } else {
            Role::Library
        }
    }

    /// What the package is, in one line: its manifest's description, or the first line of its documentation.
    pub(crate) fn summary(&self) -> String {
        let root = self
            .library
            .as_ref()
            .or(self.programs.first().map(|(_, file)| file));
        let documentation = || {
            let text = std::fs::read_to_string(root?).ok()?;
            Some(
                text.lines()
                    .find_map(|line| line.strip_prefix("//! "))?
                    .to_owned(),
            )
        };
        self.description
            .clone()
            .or_else(documentation)
            .unwrap_or_default()
    }

    /// Whether the package has programs that belong into the guest's file systems.
    pub(crate) fn has_guest_programs(&self) -> bool {
        let outside_kernel =
            self.directory.starts_with("userland") || self.directory.starts_with("pagers");
        outside_kernel && !self.programs.is_empty()
    }

    /// Whether `cargo test` on the host can build it.
    pub(crate) fn is_host_testable(&self) -> bool {
        match self.role() {
            Role::Library | Role::HostTool => true,
            Role::Programs => self.programs_are_tested,
            Role::Kernel => false,
        }
    }
}

impl Workspace {
    /// Reads the workspace that xtask itself belongs to.
    pub(crate) fn load() -> Result<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"))
            .parent()
            .context("xtask lies in no workspace")?;
        let mut command = host_cargo(root);
        command.args(["metadata", "--format-version", "1", "--no-deps"]);
        let text = process::output(&mut command)?;
        let metadata: Value =
            serde_json::from_str(&text).context("cargo metadata printed no JSON")?;
        Self::from_metadata(&metadata)
    }

    /// Reads what `cargo metadata --no-deps` printed.
    pub(crate) fn from_metadata(metadata: &Value) -> Result<Self> {
        let root = PathBuf::from(text_of(metadata, "workspace_root")?);
        let target = PathBuf::from(text_of(metadata, "target_directory")?);
        let listed = metadata["packages"]
            .as_array()
            .context("cargo metadata without packages")?;
        let mut packages = listed
            .iter()
            .map(|package| read_package(package, &root))
            .collect::<Result<Vec<_>>>()?;
        packages.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(Self {
            root,
            target,
            packages,
        })
    }

    /// The names of the packages that a condition selects.
    pub(crate) fn names(&self, condition: impl Fn(&Package) -> bool) -> Vec<String> {
        self.packages
            .iter()
            .filter(|package| condition(package))
            .map(|package| package.name.clone())
            .collect()
    }

    /// The package of this name.
    pub(crate) fn package(&self, name: &str) -> Option<&Package> {
        self.packages.iter().find(|package| package.name == name)
    }

    /// Whether `package` or its tests import `wanted`, directly or through other packages' libraries.
    pub(crate) fn reaches(&self, package: &Package, wanted: &str) -> bool {
        package.name == wanted
            || package.imports.iter().any(|import| {
                self.package(&import.name)
                    .is_some_and(|next| self.is_built_with(next, wanted))
            })
    }

    /// Does what the package is built with, its tests apart, lead to that package?
    pub(crate) fn is_built_with(&self, package: &Package, wanted: &str) -> bool {
        let imports = package.imports.iter().filter(|import| !import.only_tests);
        package.name == wanted
            || imports
                .filter_map(|import| self.package(&import.name))
                .any(|next| self.is_built_with(next, wanted))
    }

    /// The compiler that runs on this machine, as a cargo call in the root directory.
    pub(crate) fn host_cargo(&self) -> Command {
        host_cargo(&self.root)
    }
}

/// Cargo with the toolchain that runs xtask. What the outer cargo left in the environment goes away, so that
/// the inner call decides everything again by itself, and no nightly feature slips in.
fn host_cargo(root: &Path) -> Command {
    let mut command = Command::new("cargo");
    command.current_dir(root);
    for variable in ["CARGO", "RUSTC", "RUSTDOC", "RUSTC_BOOTSTRAP"] {
        command.env_remove(variable);
    }
    command
}

fn read_package(package: &Value, root: &Path) -> Result<Package> {
    let manifest = PathBuf::from(text_of(package, "manifest_path")?);
    let directory = manifest
        .parent()
        .context("a manifest without a directory")?;
    let mut read = Package {
        name: text_of(package, "name")?.to_owned(),
        directory: directory.strip_prefix(root).unwrap_or(directory).to_owned(),
        description: package["description"].as_str().map(str::to_owned),
        library: None,
        programs: Vec::new(),
        programs_are_tested: false,
        imports: Vec::new(),
        archived: strings(&package["metadata"]["pagoda"]["archive"]),
    };
    for target in package["targets"].as_array().into_iter().flatten() {
        let file = PathBuf::from(text_of(target, "src_path")?);
        match strings(&target["kind"]).first().map(String::as_str) {
            Some("lib" | "rlib" | "proc-macro" | "staticlib") => read.library = Some(file),
            Some("bin") => {
                read.programs_are_tested |= target["test"] == true;
                read.programs
                    .push((text_of(target, "name")?.to_owned(), file));
            }
            _ => {}
        }
    }
    for dependency in package["dependencies"].as_array().into_iter().flatten() {
        // Only members of the workspace are named by a path.
        if dependency["path"].is_string() && dependency["kind"].as_str() != Some("build") {
            read.imports.push(Import {
                name: text_of(dependency, "name")?.to_owned(),
                only_tests: dependency["kind"].as_str() == Some("dev"),
            });
        }
    }
    read.imports.sort();
    read.imports
        .dedup_by(|later, earlier| later.name == earlier.name);
    Ok(read)
}

fn text_of<'a>(value: &'a Value, key: &str) -> Result<&'a str> {
    value[key]
        .as_str()
        .with_context(|| format!("cargo metadata lacks `{key}`"))
}

fn strings(value: &Value) -> Vec<String> {
    value
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|item| item.as_str().map(str::to_owned))
        .collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use serde_json::json;

    /// A small workspace in the shape of the real one.
    pub(crate) fn sample() -> Workspace {
        let package = |name: &str, directory: &str, kind: &str, imports: &[&str]| {
            json!({
                "name": name,
                "manifest_path": format!("/w/{directory}/Cargo.toml"),
                "targets": [{ "name": name, "kind": [kind], "src_path": format!("/w/{directory}/src/x.rs") }],
                "dependencies": imports.iter().map(|import| match import.strip_prefix("dev:") {
                    Some(name) => json!({ "name": name, "path": "/w/somewhere", "kind": "dev" }),
                    None => json!({ "name": import, "path": "/w/somewhere", "kind": null }),
                }).collect::<Vec<_>>(),
            })
        };
        Workspace::from_metadata(&json!({
            "workspace_root": "/w",
            "target_directory": "/w/target",
            "packages": [
                package("kernel", "platform/virt", "bin", &["vm", "machine"]),
                package("vm", "osfmk/vm", "lib", &["machine"]),
                package("machine", "osfmk/arm64/machine", "lib", &["mach"]),
                package("mach", "osfmk/mach", "lib", &["dev:machine"]),
                package("shell", "userland/shell", "bin", &["mach"]),
                package("xtask", "xtask", "bin", &[]),
            ],
        }))
        .unwrap()
    }

    #[test]
    fn roles_follow_from_place_and_targets() {
        let workspace = sample();
        let role = |name| workspace.package(name).unwrap().role();
        assert_eq!(role("kernel"), Role::Kernel);
        assert_eq!(role("vm"), Role::Library);
        assert_eq!(role("shell"), Role::Programs);
        assert_eq!(role("xtask"), Role::HostTool);
        assert!(workspace.package("shell").unwrap().has_guest_programs());
        assert!(!workspace.package("kernel").unwrap().has_guest_programs());
    }

    #[test]
    fn imports_are_followed_through_libraries_but_not_through_tests() {
        let workspace = sample();
        assert!(workspace.reaches(workspace.package("kernel").unwrap(), "mach"));
        assert!(!workspace.reaches(workspace.package("shell").unwrap(), "machine"));
    }

    #[test]
    fn packages_come_sorted_with_directories_relative_to_the_root() {
        let workspace = sample();
        let names = workspace.names(|_| true);
        assert!(names.is_sorted());
        assert_eq!(
            workspace.package("vm").unwrap().directory,
            Path::new("osfmk/vm")
        );
    }
}

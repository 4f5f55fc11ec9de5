//! `cargo xtask setup`: install what building and booting need, where that can be done without asking.
//!
//! Two things are needed beside the toolchain that runs xtask: a toolchain for the guest (see `toolchain`) and
//! QEMU. `qemu` and `test` call [`ensure`] by themselves. With apt, as root or by a sudo that asks nothing, and
//! with rustup, it installs; anywhere else it prints the exact commands and stops.

use std::path::PathBuf;
use std::process::{Command, ExitCode};

use anyhow::{Result, bail};

use crate::machine;
use crate::process;
use crate::progress;
use crate::toolchain::{self, TARGET, Toolchain};
use crate::workspace::Workspace;

/// Debian's packages with a compiler and its own library source, kept as new as Firefox needs them.
const DEBIAN_RUST: [&str; 5] = [
    "rustc-web",
    "cargo-web",
    "rust-web-src",
    "rust-web-clippy",
    "rustfmt-web",
];
/// A linker for it, which it does not bring itself: the newest that there is.
const DEBIAN_LINKERS: [&str; 6] = ["lld-22", "lld-21", "lld-20", "lld-19", "lld-18", "lld"];
/// QEMU for the guest's machine.
const DEBIAN_QEMU: &str = "qemu-system-arm";

/// Install what building and booting need, or print the commands that do.
///
/// Needed are QEMU for AArch64 and a Rust toolchain that can build for bare-metal AArch64. On Debian and
/// Ubuntu (as root, or where sudo asks for no password) and with rustup both are installed for you.
#[derive(clap::Args)]
pub(crate) struct Arguments {}

/// What building and booting need.
pub(crate) struct Tools {
    /// Builds for the guest.
    pub(crate) toolchain: Toolchain,
    /// Runs it.
    pub(crate) qemu: PathBuf,
}

/// Runs the subcommand.
pub(crate) fn run(_: &Arguments) -> Result<ExitCode> {
    let tools = ensure(&Workspace::load()?)?;
    progress::step("Toolchain", &tools.toolchain.describe());
    progress::step("Emulator", &tools.qemu.display().to_string());
    Ok(ExitCode::SUCCESS)
}

/// The tools, installed first if need be.
pub(crate) fn ensure(workspace: &Workspace) -> Result<Tools> {
    let toolchain = ensure_toolchain(workspace)?;
    if machine::find_qemu().is_none() {
        progress::note("QEMU for AArch64 is missing");
        install_with_apt(&[DEBIAN_QEMU]);
    }
    let Some(qemu) = machine::find_qemu() else {
        bail!(
            "qemu-system-aarch64 is missing, and could not be installed. Please run\n\n{}",
            help(Need::Qemu)
        );
    };
    Ok(Tools { toolchain, qemu })
}

/// The toolchain alone, which is all that checking needs.
pub(crate) fn ensure_toolchain(workspace: &Workspace) -> Result<Toolchain> {
    let first = toolchain::detect(&workspace.root);
    let Err(reasons) = first else { return first };
    if std::env::var_os("PAGODA_TOOLCHAIN").is_some() {
        return Err(reasons.context("PAGODA_TOOLCHAIN names a toolchain that will not do"));
    }
    progress::note("no toolchain here can build for the guest yet");
    let attempts: [fn() -> bool; 2] = [add_target, install_debians];
    for attempt in attempts {
        if attempt()
            && let Ok(toolchain) = toolchain::detect(&workspace.root)
        {
            return Ok(toolchain);
        }
    }
    bail!(
        "{reasons:#}\n\nNothing could be installed. Please run\n\n{}",
        help(Need::Toolchain)
    );
}

/// Adds the target to the active toolchain of rustup's. Whether it worked.
fn add_target() -> bool {
    if process::find_program("rustup").is_none() {
        return false;
    }
    let mut command = Command::new("rustup");
    command.args(["target", "add", TARGET]);
    attempt(&mut command)
}

/// Installs Debian's compiler and a linker for it. Whether it worked.
fn install_debians() -> bool {
    let compiler = install_with_apt(&DEBIAN_RUST);
    let linker = DEBIAN_LINKERS.iter().find(|package| apt_knows(package));
    compiler && linker.is_some_and(|linker| install_with_apt(&[linker]))
}

/// Installs packages with apt, as far as it knows them. Whether it worked.
fn install_with_apt(packages: &[&str]) -> bool {
    let Some(mut update) = apt(&["update"]) else {
        return false;
    };
    if !attempt(&mut update) {
        return false;
    }
    let known: Vec<_> = packages
        .iter()
        .copied()
        .filter(|package| apt_knows(package))
        .collect();
    // Without the first of them the others are of no use.
    if known.first() != packages.first() {
        return false;
    }
    let arguments = ["install", "--yes", "--no-install-recommends"];
    let Some(mut install) = apt(&[&arguments[..], &known].concat()) else {
        return false;
    };
    attempt(&mut install)
}

fn apt_knows(package: &str) -> bool {
    process::output(Command::new("apt-cache").args(["show", package]))
        .is_ok_and(|text| !text.is_empty())
}

/// `apt-get` with the rights to install, or `None` where there is no such thing without a question.
fn apt(arguments: &[&str]) -> Option<Command> {
    process::find_program("apt-get")?;
    let mut command = if rustix::process::geteuid().is_root() {
        Command::new("apt-get")
    } else if process::succeeds(Command::new("sudo").args(["-n", "true"])) {
        let mut command = Command::new("sudo");
        command.args(["-n", "apt-get"]);
        command
    } else {
        return None;
    };
    // Someone else may be installing at this moment: wait for them.
    command
        .args(["-q", "-o", "DPkg::Lock::Timeout=300"])
        .args(arguments);
    command.env("DEBIAN_FRONTEND", "noninteractive");
    Some(command)
}

/// Runs an installer where the user sees it. Whether it worked.
fn attempt(command: &mut Command) -> bool {
    progress::step("Running", &process::text(command));
    match process::run(command) {
        Ok(()) => true,
        Err(error) => {
            progress::note(&format!("{error:#}"));
            false
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Need {
    Toolchain,
    Qemu,
}

/// The installers whose commands are printed when nothing could be installed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Installer {
    Apt,
    Dnf,
    Brew,
}

/// The commands for this system, or for all of them where it is not known.
fn help(need: Need) -> String {
    let all = [
        (Installer::Apt, "apt-get"),
        (Installer::Dnf, "dnf"),
        (Installer::Brew, "brew"),
    ];
    let here: Vec<_> = all
        .iter()
        .filter(|(_, program)| process::find_program(program).is_some())
        .map(|(kind, _)| *kind)
        .collect();
    let shown = if here.is_empty() {
        all.map(|(kind, _)| kind).to_vec()
    } else {
        here
    };
    let with_rustup = process::find_program("rustup").is_some();
    commands(need, &shown, with_rustup).join("\n")
}

fn commands(need: Need, installers: &[Installer], with_rustup: bool) -> Vec<String> {
    let mut lines = Vec::new();
    if need == Need::Toolchain {
        if !with_rustup {
            lines.push("    # install rustup from https://rustup.rs, then".to_owned());
        }
        lines.push(format!("    rustup target add {TARGET}"));
    }
    for installer in installers {
        let line = match (need, installer) {
            (Need::Qemu, Installer::Apt) => format!("    sudo apt-get install {DEBIAN_QEMU}"),
            (Need::Qemu, Installer::Dnf) => "    sudo dnf install qemu-system-aarch64".to_owned(),
            (Need::Qemu, Installer::Brew) => "    brew install qemu".to_owned(),
            (Need::Toolchain, Installer::Apt) => {
                format!(
                    "    # or, on Debian:  sudo apt-get install {} lld",
                    DEBIAN_RUST.join(" ")
                )
            }
            (Need::Toolchain, Installer::Dnf) => {
                "    # or, on Fedora:  sudo dnf install cargo rust rust-src lld".to_owned()
            }
            (Need::Toolchain, Installer::Brew) => {
                "    # (rustup itself:  brew install rustup)".to_owned()
            }
        };
        lines.push(line);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_system_gets_its_own_command_for_qemu() {
        let text = commands(
            Need::Qemu,
            &[Installer::Apt, Installer::Dnf, Installer::Brew],
            true,
        )
        .join("\n");
        assert!(text.contains("apt-get install qemu-system-arm"), "{text}");
        assert!(text.contains("dnf install qemu-system-aarch64"), "{text}");
        assert!(text.contains("brew install qemu"), "{text}");
    }

    #[test]
    fn the_target_is_offered_by_rustup_first() {
        let lines = commands(Need::Toolchain, &[Installer::Apt], true);
        assert_eq!(lines[0].trim(), format!("rustup target add {TARGET}"));
        assert!(lines[1].contains("rustc-web"));
        assert!(commands(Need::Toolchain, &[], false)[0].contains("rustup.rs"));
    }
}

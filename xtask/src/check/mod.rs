//! `cargo xtask check`: what can be said about the source without running it.
//!
//! All steps run, even when one fails, and the list at the end says which did.

mod imports;
mod links;
mod source;

use std::process::{Command, ExitCode};

use anyhow::{Result, bail};

use crate::graph;
use crate::machine::PageSize;
use crate::process;
use crate::progress::{self, Stopwatch};
use crate::setup;
use crate::toolchain::Toolchain;
use crate::workspace::{Package, Role, Workspace};
use crate::xnu;

/// Check formatting, lints, documentation, the import order and the use of unsafe code.
///
/// Host crates are checked by the toolchain that runs cargo, without any nightly feature; what runs in the guest
/// is checked for the guest's target, for both page sizes.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Only steps whose name contains this
    only: Option<String>,
}

type Step<'a> = (&'static str, Box<dyn Fn() -> Result<()> + 'a>);

/// Runs the subcommand.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let workspace = Workspace::load()?;
    let mut failed = Vec::new();
    let mut passed = 0;
    process::catch_interrupts();
    for (name, step) in steps(&workspace) {
        if arguments
            .only
            .as_ref()
            .is_some_and(|only| !name.contains(only.as_str()))
        {
            continue;
        }
        if process::interrupted() {
            bail!("interrupted");
        }
        let clock = Stopwatch::start();
        progress::step("Checking", name);
        match step() {
            Ok(()) => {
                println!("  {name:<48} ok      {:>9}", clock.text());
                passed += 1;
            }
            Err(error) => {
                println!("  {name:<48} FAILED  {:>9}", clock.text());
                for line in format!("{error:#}").lines() {
                    println!("    {line}");
                }
                failed.push(name);
            }
        }
    }
    let names = if failed.is_empty() {
        String::new()
    } else {
        format!(": {}", failed.join(", "))
    };
    println!("check: {passed} passed, {} failed{names}", failed.len());
    Ok(if failed.is_empty() && passed > 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// All steps, those that need no compiler first.
fn steps(workspace: &Workspace) -> Vec<Step<'_>> {
    vec![
        (
            "import order",
            Box::new(|| complaints(imports::check(workspace))),
        ),
        (
            "unsafe code only where it may be",
            Box::new(|| complaints(source::check_unsafe(workspace))),
        ),
        (
            "no nightly features",
            Box::new(|| complaints(source::check_features(workspace))),
        ),
        (
            "links between documents",
            Box::new(|| complaints(links::check(&workspace.root))),
        ),
        (
            "crate graph is up to date",
            Box::new(|| check_graph(workspace)),
        ),
        (
            "references to XNU hold",
            Box::new(|| complaints(xnu::stale(workspace)?)),
        ),
        (
            "formatting",
            Box::new(|| process::run(workspace.host_cargo().args(["fmt", "--all", "--check"]))),
        ),
        (
            "clippy, host, 16k pages",
            Box::new(|| host_clippy(workspace, PageSize::Size16K)),
        ),
        (
            "clippy, host, 4k pages",
            Box::new(|| host_clippy(workspace, PageSize::Size4K)),
        ),
        (
            "documentation, host",
            Box::new(|| host_documentation(workspace)),
        ),
        (
            "clippy, guest, 16k pages",
            Box::new(|| guest_clippy(workspace, PageSize::Size16K)),
        ),
        (
            "clippy, guest, 4k pages",
            Box::new(|| guest_clippy(workspace, PageSize::Size4K)),
        ),
        (
            "documentation, guest",
            Box::new(|| guest_documentation(workspace)),
        ),
    ]
}

fn complaints(list: Vec<String>) -> Result<()> {
    if list.is_empty() {
        Ok(())
    } else {
        bail!("{}", list.join("\n"))
    }
}

fn check_graph(workspace: &Workspace) -> Result<()> {
    let stale = graph::stale(workspace);
    complaints(
        stale
            .iter()
            .map(|file| format!("{} is stale: run `cargo xtask graph`", file.display()))
            .collect(),
    )
}

/// A stable compiler lints what builds on the host: with `RUSTC_BOOTSTRAP` unset, a nightly feature is an error here.
///
/// Libraries with their tests, and xtask whole; the kernel and the programs do not build here.
fn host_clippy(workspace: &Workspace, page_size: PageSize) -> Result<()> {
    let has_other_size = |package: &Package| {
        package.role() == Role::Library && workspace.reaches(package, "machine")
    };
    let names = match page_size {
        PageSize::Size16K => workspace.names(|package| package.role() == Role::Library),
        PageSize::Size4K => workspace.names(has_other_size),
    };
    let mut command = stable_cargo(workspace)?;
    command.args(["clippy", "--lib", "--tests"]);
    select(&mut command, &names, page_size);
    process::run(command.args(["--", "-D", "warnings"]))?;
    if page_size == PageSize::Size4K {
        return Ok(());
    }
    let mut command = stable_cargo(workspace)?;
    process::run(command.args([
        "clippy",
        "-p",
        "xtask",
        "--all-targets",
        "--",
        "-D",
        "warnings",
    ]))
}

fn host_documentation(workspace: &Workspace) -> Result<()> {
    let mut command = stable_cargo(workspace)?;
    command
        .args(["doc", "--no-deps"])
        .env("RUSTDOCFLAGS", "-D warnings");
    let names = workspace.names(|package| package.role() == Role::Library);
    select(&mut command, &names, PageSize::Size16K);
    process::run(&mut command)
}

/// Everything for the guest's target, as the kernel and the programs select it.
fn guest_clippy(workspace: &Workspace, page_size: PageSize) -> Result<()> {
    let toolchain = setup::ensure_toolchain(workspace)?;
    // A library that nothing in the guest is built with is the host's alone.
    let runs = |package: &Package| package.role() == Role::Kernel || package.has_guest_programs();
    let used = |library: &Package| {
        let users = workspace.packages.iter().filter(|user| runs(user));
        users
            .into_iter()
            .any(|user| workspace.is_built_with(user, &library.name))
    };
    let libraries_and_kernel = workspace.names(|package| match package.role() {
        Role::Kernel => true,
        Role::Library => !package.has_guest_programs() && used(package),
        Role::Programs | Role::HostTool => false,
    });
    let mut command = guest_cargo(workspace, &toolchain, "clippy");
    select(&mut command, &libraries_and_kernel, page_size);
    process::run(command.args(["--", "-D", "warnings"]))?;
    let programs = workspace.names(|package| package.has_guest_programs());
    if page_size.feature().is_some() || programs.is_empty() {
        // Programs learn the page size when they run.
        return Ok(());
    }
    let mut command = guest_cargo(workspace, &toolchain, "clippy");
    select(&mut command, &programs, PageSize::Size16K);
    process::run(command.args(["--", "-D", "warnings"]))
}

/// The kernel and the programs; libraries are documented on the host.
fn guest_documentation(workspace: &Workspace) -> Result<()> {
    let toolchain = setup::ensure_toolchain(workspace)?;
    let names =
        workspace.names(|package| package.role() == Role::Kernel || package.has_guest_programs());
    let mut command = guest_cargo(workspace, &toolchain, "doc");
    command.args(["--no-deps", "--bins", "--document-private-items"]);
    command.env("RUSTDOCFLAGS", "-D warnings");
    select(&mut command, &names, PageSize::Size16K);
    process::run(&mut command)
}

fn guest_cargo(workspace: &Workspace, toolchain: &Toolchain, subcommand: &str) -> Command {
    let mut command = toolchain.cargo(&workspace.root, &workspace.target, subcommand);
    command.args(["--profile", "checked"]);
    command
}

fn select(command: &mut Command, packages: &[String], page_size: PageSize) {
    for package in packages {
        command.args(["-p", package]);
    }
    if let Some(feature) = page_size.feature() {
        command.args(["--features", feature]);
    }
}

/// Cargo with a stable compiler: the active one, or rustup's `stable` where the active one is a nightly.
fn stable_cargo(workspace: &Workspace) -> Result<Command> {
    let mut command = workspace.host_cargo();
    let mut rustc = Command::new("rustc");
    rustc
        .current_dir(&workspace.root)
        .env_remove("RUSTC_BOOTSTRAP")
        .arg("-vV");
    if process::output(&mut rustc)?.contains("nightly") {
        command.env("RUSTUP_TOOLCHAIN", "stable");
    }
    Ok(command)
}

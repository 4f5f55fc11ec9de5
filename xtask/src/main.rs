//! `cargo xtask`: the one command that builds, boots, tests and checks Pagoda.
//!
//! Each subcommand is a file of its own (`qemu`, `setup`, `test`, `bench`, `check`, `new_pager`, `sign`, `graph`, `xnu`); the other modules are the
//! parts they share:
//!
//! | module | what it knows |
//! |---|---|
//! | `workspace` | where things lie, and the packages as `cargo metadata` tells them |
//! | `toolchain` | which compiler builds for the guest, and how |
//! | `builder` | kernel and programs from source to boot files |
//! | `image`, `layout` | the flat kernel image; the guest's root directory and boot archive |
//! | `machine` | QEMU's command line |
//! | `console`, `symbols`, `monitor` | reading what the guest prints, and asking the emulator when it hangs |
//! | `terminal`, `process`, `progress` | the host's side: terminal modes, child processes, what the user sees |
//!
//! It does not know how the kernel works: what both sides agree on is written in `docs/testing.md`.

#![forbid(unsafe_code)]

mod bench;
mod builder;
mod check;
mod console;
mod graph;
mod image;
mod layout;
mod machine;
mod monitor;
mod new_pager;
mod process;
mod progress;
mod qemu;
mod setup;
mod sign;
mod symbols;
mod terminal;
mod test;
mod toolchain;
mod workspace;
mod xnu;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Builds, boots, tests and checks Pagoda, a Mach-style virtual-memory kernel for AArch64.
///
/// Start with `cargo xtask qemu`: it installs what is missing where it can, builds everything and boots
/// the kernel in QEMU. Leave the emulator with Ctrl-A, then X.
#[derive(Parser)]
#[command(
    name = "cargo xtask",
    bin_name = "cargo xtask",
    disable_help_subcommand = true
)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Build what is stale, boot the kernel in QEMU and give its shell
    Qemu(qemu::Arguments),
    /// Run the host tests, then the tests inside QEMU
    Test(test::Arguments),
    /// Measure operations in guest instructions, beside Linux on the same machine
    Bench(bench::Arguments),
    /// Check formatting, lints, documentation, the import order and the use of unsafe code
    Check(check::Arguments),
    /// Make a crate of a pager that builds, runs and passes its tests
    NewPager(new_pager::Arguments),
    /// Sign a program, so that the guest runs it, or show its signature
    Sign(sign::Arguments),
    /// Draw the crate graph into docs/
    Graph(graph::Arguments),
    /// Show which of XNU's functions have a counterpart here
    Xnu(xnu::Arguments),
    /// Install what building and booting need, or print the commands that do
    Setup(setup::Arguments),
}

fn main() -> ExitCode {
    let outcome = match CommandLine::parse().command {
        Command::Qemu(arguments) => qemu::run(&arguments),
        Command::Test(arguments) => test::run(&arguments),
        Command::Bench(arguments) => bench::run(&arguments),
        Command::Check(arguments) => check::run(&arguments),
        Command::NewPager(arguments) => new_pager::run(&arguments),
        Command::Sign(arguments) => sign::run(&arguments),
        Command::Graph(arguments) => graph::run(&arguments),
        Command::Xnu(arguments) => xnu::run(&arguments),
        Command::Setup(arguments) => setup::run(&arguments),
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}

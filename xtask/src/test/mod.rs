//! `cargo xtask test`: the host tests, then whole-system tests in QEMU, and one line of totals.

mod files;
mod fresh;
mod guest;
mod host;
mod table;
mod verdict;

use std::process::ExitCode;

use anyhow::Result;

use crate::process;
use crate::progress::{self, Stopwatch};
use crate::setup;
use crate::workspace::Workspace;

/// Run the host tests, then the tests inside QEMU.
///
/// Host tests are the crates' own tests, for both page sizes. QEMU tests boot the kernel, for both page
/// sizes and for 1, 2 and 4 processors, and run one test program each. The last line says
/// how many passed and failed; the exit status is 1 if any failed or none ran.
///
/// Examples:
///   cargo xtask test
///   cargo xtask test --quick
///   cargo xtask test vm_map --host-only
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Arguments {
    /// Run only tests whose name contains this
    filter: Option<String>,

    /// Leave out the tests inside QEMU
    #[arg(long, conflicts_with = "qemu_only")]
    host_only: bool,

    /// Leave out the host tests
    #[arg(long)]
    qemu_only: bool,

    /// One page size and two processors only, and no test that takes long
    #[arg(long)]
    quick: bool,
}

/// How many tests passed and failed.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Totals {
    /// Tests that did what they should.
    pub(crate) passed: usize,
    /// Tests that did not; a panic, a hang, a missing verdict and a failed build each count as one.
    pub(crate) failed: usize,
}

impl Totals {
    /// One failure.
    const FAILURE: Self = Self {
        passed: 0,
        failed: 1,
    };
}

impl std::ops::AddAssign for Totals {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
    }
}

/// Which tests to run.
#[derive(Debug, Clone, Default)]
pub(crate) struct Selection {
    /// Part of the name.
    pub(crate) filter: Option<String>,
    /// Only what is quick.
    pub(crate) quick: bool,
}

impl Selection {
    /// Whether a test of this name is wanted.
    fn wants(&self, name: &str) -> bool {
        self.filter
            .as_ref()
            .is_none_or(|filter| name.contains(filter.as_str()))
    }
}

/// Runs the subcommand.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let clock = Stopwatch::start();
    let workspace = Workspace::load()?;
    let selection = Selection {
        filter: arguments.filter.clone(),
        quick: arguments.quick,
    };
    process::catch_interrupts();
    let mut totals = Totals::default();
    if !arguments.qemu_only {
        totals += host::run(&workspace, &selection)?;
    }
    if !arguments.host_only && !process::interrupted() {
        // What keeps the guest from booting at all must not hide what the host tests said.
        totals += guest(&workspace, &selection).unwrap_or_else(|error| {
            println!("  QEMU tests: FAILED  {error:#}");
            Totals::FAILURE
        });
    }
    if process::interrupted() {
        println!("interrupted");
        totals += Totals::FAILURE;
    }
    progress::step("Finished", &format!("testing in {}", clock.text()));
    if totals == Totals::default() {
        println!("no test ran");
    }
    println!("{} passed, {} failed", totals.passed, totals.failed);
    Ok(if totals.failed == 0 && totals.passed > 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn guest(workspace: &Workspace, selection: &Selection) -> Result<Totals> {
    let tools = setup::ensure(workspace)?;
    guest::run(workspace, &tools, selection)
}

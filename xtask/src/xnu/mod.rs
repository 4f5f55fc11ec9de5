//! `cargo xtask xnu`: our functions beside XNU's.
//!
//! What we claim stands in the source, as `#[doc(alias = "...")]` on each counterpart; what XNU has stands in
//! `docs/xnu/` as recorded names. This subcommand joins the two and, given a checkout of XNU, verifies every name and
//! writes a page with both sides. `docs/xnu/README.md` explains how to read and keep the tables.
//!
//! | module | what it knows |
//! |---|---|
//! | `blank`, `tokens` | source text without comments, in words and signs |
//! | `aliases` | our attributes and the items they stand on |
//! | `functions`, `checkout` | XNU's functions, in the reader's checkout |
//! | `table`, `verdicts` | the recorded names, and which of them do not apply |
//! | `comparison` | the join, and what is stale in it |
//! | `report`, `html` | how it is shown |

mod aliases;
mod blank;
mod checkout;
mod comparison;
mod functions;
mod html;
mod report;
mod table;
mod tokens;
mod verdicts;

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result, bail};

use crate::layout::write_if_changed;
use crate::process;
use crate::progress;
use crate::workspace::Workspace;

use aliases::Alias;
use checkout::Checkout;
use comparison::File;
use table::Recorded;
use verdicts::Verdicts;

/// Show which of XNU's functions have a counterpart here.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Only files of XNU whose path contains this: `vm_map`, `ipc/`
    only: Option<String>,
    /// A checkout of XNU: verify every name there, and write target/xnu/index.html with both sides
    #[arg(long, value_name = "DIR")]
    source: Option<PathBuf>,
    /// Open the page
    #[arg(long, requires = "source")]
    open: bool,
    /// Write the comparison as JSON, too
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Record the names of the checkout under this release: `xnu-11417.101.15`
    #[arg(long, value_name = "RELEASE", requires = "source")]
    record: Option<String>,
}

/// Runs the subcommand.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let workspace = Workspace::load()?;
    let aliases = aliases::collect(&workspace.root);
    let checkout = arguments
        .source
        .as_deref()
        .map(Checkout::open)
        .transpose()?;
    if let (Some(release), Some(checkout)) = (&arguments.record, &checkout) {
        record(&workspace.root, release, checkout, &aliases)?;
    }
    let recorded = Recorded::load(&workspace.root)?;
    let verdicts = Verdicts::load(&workspace.root)?;
    let files = comparison::compare(&recorded, &verdicts, &aliases, arguments.only.as_deref());
    if files.is_empty() {
        bail!("no compared file matches; `cargo xtask xnu` lists them all");
    }
    print(&report::text(&recorded.release, &files))?;
    if let Some(file) = &arguments.json {
        let json = serde_json::to_string_pretty(&report::json(&recorded.release, &files))?;
        fs::write(file, json + "\n").with_context(|| format!("writing {}", file.display()))?;
    }
    let Some(checkout) = checkout else {
        return Ok(ExitCode::SUCCESS);
    };
    let page = write_page(&workspace, &recorded.release, &files, &checkout)?;
    if arguments.open {
        open(&page)?;
    }
    verify(&recorded, &aliases, &checkout)
}

/// References of the tree that no longer hold: for `cargo xtask check`.
pub(crate) fn stale(workspace: &Workspace) -> Result<Vec<String>> {
    let recorded = Recorded::load(&workspace.root)?;
    let verdicts = Verdicts::load(&workspace.root)?;
    let aliases = aliases::collect(&workspace.root);
    Ok(comparison::stale(&recorded, &verdicts, &aliases))
}

/// Prints; a reader that has seen enough (`| head`) is no failure.
fn print(text: &str) -> Result<()> {
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        other => Ok(other?),
    }
}

/// Takes the names from a checkout; names of other origin stay as they were written by hand.
fn record(root: &Path, release: &str, checkout: &Checkout, aliases: &[Alias]) -> Result<()> {
    let mut recorded = Recorded::load(root).unwrap_or_default();
    release.clone_into(&mut recorded.release);
    recorded.files = checkout.functions()?;
    recorded.names.retain(|_, origin| !origin.contains('/'));
    let further: BTreeSet<&str> = aliases
        .iter()
        .filter(|alias| !alias.is_own_name)
        .map(|alias| alias.name.as_str())
        .filter(|name| !recorded.has(name))
        .collect();
    recorded.names.extend(checkout.places(&further));
    recorded.store(root)?;
    progress::step("Recorded", &format!("the names of {release} in docs/xnu"));
    Ok(())
}

fn write_page(
    workspace: &Workspace,
    release: &str,
    files: &[File<'_>],
    checkout: &Checkout,
) -> Result<PathBuf> {
    let page = workspace.target.join("xnu/index.html");
    write_if_changed(&page, html::page(release, files, checkout).as_bytes())?;
    progress::step("Wrote", &page.display().to_string());
    Ok(page)
}

fn open(page: &Path) -> Result<()> {
    let opener = ["xdg-open", "open"]
        .into_iter()
        .find_map(process::find_program)
        .context("found neither xdg-open nor open; open the page in a browser")?;
    process::run(Command::new(opener).arg(page))
}

fn verify(recorded: &Recorded, aliases: &[Alias], checkout: &Checkout) -> Result<ExitCode> {
    let elsewhere: BTreeSet<&str> = aliases
        .iter()
        .map(|alias| alias.name.as_str())
        .filter(|name| checkout::is_foreign(recorded, name))
        .collect();
    for name in elsewhere {
        println!("not in this release: {name} ({})", recorded.names[name]);
    }
    let claims = aliases.iter().filter(|alias| !alias.is_own_name).count();
    let missing = checkout.missing(recorded, aliases)?;
    for complaint in &missing {
        println!("missing: {complaint}");
    }
    let functions = recorded.files.iter().map(|(_, names)| names.len()).sum();
    println!(
        "xnu: {} and {claims} doc aliases looked up, {} missing",
        progress::counted(functions, "function"),
        missing.len()
    );
    Ok(if missing.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

//! `cargo xtask bench`: what the kernel's operations cost, in guest instructions, beside Linux and seL4.
//!
//! The guest's half is `userland/bench`, which prints one line a row; this half builds, boots, and tells. One processor counts
//! instructions instead of time (`-icount shift=0,sleep=off`), so a figure does not depend on the host. Method and
//! figures compared with are in `docs/bench/`.
//!
//! | file | what |
//! |---|---|
//! | `rows` | the rows there are, and what each is compared with |
//! | `peers` | the figures of other systems, from `docs/bench/` |
//! | `parse` | the guest's lines |
//! | `report` | the table, and the JSON |
//! | `compare` | the change against an earlier JSON |

mod compare;
mod parse;
mod peers;
mod report;
pub(crate) mod rows;

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{ExitCode, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use crate::builder::{Builder, Profile};
use crate::console;
use crate::machine::{BootFiles, Console, Machine, PageSize};
use crate::monitor::MonitorSocket;
use crate::process::{self, Ending};
use crate::progress::{self, Stopwatch};
use crate::setup::{self, Tools};
use crate::symbols::Symbols;
use crate::workspace::Workspace;

/// Seconds until the guest counts as hanging.
const LIMIT: Duration = Duration::from_secs(1800);
/// The guest's program.
const PROGRAM: &str = "/boot/bin/bench";
/// The file that the rows of files use, in the boot archive and so on the RAM volume.
const DATA: &str = "bench.data";
/// Its size.
const DATA_SIZE: usize = 32 << 20;
/// The swap disk, in memory: no device's time is in a figure.
const SWAP_MEBIBYTES: u32 = 96;

/// Measure what the kernel's operations cost, in guest instructions, beside Linux on the same machine.
///
/// Builds the 4 KiB kernel without assertions and boots it on one cortex-a72 that counts instructions.
/// A row that is slower than Linux by more than half is marked. The exit status is 1 if a row could not be
/// measured, and with --compare if one has become slower by more than 1.5 %.
///
/// Examples:
///   cargo xtask bench
///   cargo xtask bench --json before.json
///   cargo xtask bench --compare before.json
///   cargo xtask bench --only fork --only cow
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Arguments {
    /// Save the figures: an array with one object for each row, of name, unit, ours and linux
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,

    /// Show the change against figures saved earlier
    #[arg(long, value_name = "FILE")]
    compare: Option<PathBuf>,

    /// Measure this group of rows only; may be given several times
    #[arg(long, value_name = "GROUP", value_parser = clap::builder::PossibleValuesParser::new(rows::groups()))]
    only: Vec<String>,
}

/// Runs the subcommand.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    // What cannot be read later is better said now.
    let before = arguments
        .compare
        .as_deref()
        .map(compare::load)
        .transpose()?;
    let workspace = Workspace::load()?;
    let tools = setup::ensure(&workspace)?;
    let files = build(&workspace, &tools)?;
    process::catch_interrupts();
    let clock = Stopwatch::start();
    progress::step("Measuring", "in QEMU; this takes a few minutes");
    let text = boot(&workspace, &tools, &files, &arguments.only)?;
    progress::step("Measured", &format!("in {}", clock.text()));

    let mut measured = parse::read(&text);
    rows::derive(&mut measured);
    let results = report::results(&measured, &arguments.only);
    println!("{}", report::table(&results));
    if let Some(file) = &arguments.json {
        report::save(&results, file)?;
        progress::step("Saved", &file.display().to_string());
    }
    let mut good = results.iter().all(|result| result.ours.is_ok());
    if let Some(before) = &before {
        let comparison = compare::compare(before, &results);
        println!("{}", comparison.text);
        good &= comparison.regressions == 0;
    }
    Ok(if good {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn build(workspace: &Workspace, tools: &Tools) -> Result<BootFiles> {
    let built = Builder::new(workspace, &tools.toolchain, Profile::Release)
        .archiving("bench")
        .with_file(DATA, data())
        .boot_files(&[PageSize::Size4K])?;
    let (_, files) = built.into_iter().next().context("nothing was built")?;
    Ok(files)
}

/// Bytes in which no two pages are alike.
fn data() -> Vec<u8> {
    let mut word = 0x9e37_79b9_7f4a_7c15u64;
    let words = std::iter::repeat_with(|| {
        word ^= word << 13;
        word ^= word >> 7;
        word ^= word << 17;
        word.to_le_bytes()
    });
    words.take(DATA_SIZE / 8).flatten().collect()
}

/// Boots, and gives what the guest printed.
fn boot(
    workspace: &Workspace,
    tools: &Tools,
    files: &BootFiles,
    only: &[String],
) -> Result<String> {
    let monitor = MonitorSocket::new()?;
    let mut machine = Machine {
        cpus: 1,
        cpu: "cortex-a72".to_owned(),
        root_read_only: true,
        // No program comes from the host while the clock runs.
        bootargs: vec![
            "shell=/boot/bin/recovery".to_owned(),
            format!("ram-swap={SWAP_MEBIBYTES}"),
        ],
        console: Console::Output,
        monitor: Some(monitor.path()),
        icount: true,
        ..Machine::default()
    };
    machine.run_command(&format!("{PROGRAM} --file /ram/{DATA} {}", only.join(" ")));
    let log = workspace.target.join("bench.log");
    let output = File::create(&log).with_context(|| format!("creating {}", log.display()))?;
    let mut child = machine
        .command(&tools.qemu, files)
        .stdin(Stdio::null())
        .stdout(output.try_clone()?)
        .stderr(output)
        .spawn()
        .with_context(|| format!("cannot start {}", tools.qemu.display()))?;
    let (ending, processors) = match process::wait_for(&mut child, Some(LIMIT))? {
        Some(ending) => (ending, Vec::new()),
        None => monitor.end(&mut child)?,
    };
    let text = String::from_utf8_lossy(&fs::read(&log)?).into_owned();
    let complete = parse::is_complete(&text);
    match ending {
        Ending::Exited(status) if status.success() && complete => return Ok(text),
        Ending::Exited(status) => explain(
            &text,
            &processors,
            files,
            &format!("the guest ended with {status}"),
        ),
        Ending::TimedOut => explain(
            &text,
            &processors,
            files,
            &format!("no end within {} seconds", LIMIT.as_secs()),
        ),
        Ending::Interrupted => bail!("interrupted"),
    }
    bail!(
        "the guest did not finish its measurements; all it printed is in {}",
        log.display()
    )
}

/// Shows how a guest ended that did not finish: the panic or the last lines, with names.
fn explain(text: &str, processors: &[String], files: &BootFiles, what: &str) {
    const TAIL_LINES: usize = 15;
    progress::note(what);
    let lines = console::from_panic(text).unwrap_or_else(|| console::tail(text, TAIL_LINES));
    let lines: Vec<&str> = lines
        .into_iter()
        .chain(processors.iter().map(String::as_str))
        .collect();
    let named = match Symbols::load(&files.kernel) {
        Ok(symbols) => symbols.annotate(lines.iter().copied()),
        Err(_) => lines.iter().map(|&line| line.to_owned()).collect(),
    };
    named.iter().for_each(|line| eprintln!("    | {line}"));
}

/// What is wrong with a guest's console as the result of all groups: rows that are not there, those of the groups `not_yet`
/// excepted, and a clock that does not count instructions.
pub(crate) fn missing(text: &str, not_yet: &[&str]) -> Vec<String> {
    let mut measured = parse::read(text);
    rows::derive(&mut measured);
    let known = |group: &str| measured.failures.contains_key(group) && not_yet.contains(&group);
    let mut complaints: Vec<_> = report::results(&measured, &[])
        .into_iter()
        .filter(|result| !known(result.row.group))
        .filter_map(|result| Some(format!("{}: {}", result.row.name, result.ours.err()?)))
        .collect();
    let loop_cost = measured.rows.get("calibration").map(|row| row.median);
    if loop_cost.is_some_and(|cost| !(0.99..1.02).contains(&cost)) {
        complaints.push(format!(
            "an instruction of the calibration takes {loop_cost:?}"
        ));
    }
    if !parse::is_complete(text) {
        complaints.push("the program did not come to its end".to_owned());
    }
    complaints
}

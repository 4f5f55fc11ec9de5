//! The tests inside QEMU: which boots there are, and running them two at a time.

use std::collections::{BTreeMap, VecDeque};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use super::files::PreparedFiles;
use super::fresh::FreshShare;
use super::table::{GuestTest, SharedDirectory, TABLE};
use super::{Selection, Totals, verdict};
use crate::builder::{Builder, Profile};
use crate::console;
use crate::layout;
use crate::machine::{BootFiles, Console, Machine, PageSize, Share, SwapDisk};
use crate::monitor::MonitorSocket;
use crate::process::{self, Ending};
use crate::progress::{self, Stopwatch};
use crate::setup::Tools;
use crate::workspace::Workspace;

/// How many emulators run at once: on more, they only take each other's time.
const AT_ONCE: usize = 2;
/// How often a console is looked at for a panic.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// A kernel that has panicked gets this long to print its backtrace and power off.
const PANIC_GRACE: Duration = Duration::from_secs(3);

/// One test on one machine.
#[derive(Debug, Clone)]
struct Boot {
    name: String,
    command: String,
    page_size: PageSize,
    cpus: u32,
    test: GuestTest,
}

impl Boot {
    /// `fork_chain, 16k, 2 cpus`.
    fn title(&self) -> String {
        let cpus = if self.cpus == 1 {
            "1 cpu".to_owned()
        } else {
            format!("{} cpus", self.cpus)
        };
        format!("{:<36} {:>3} {cpus:>6}", self.name, self.page_size.name())
    }

    /// A name for its console's file.
    fn log_name(&self) -> String {
        let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
        let name: String = self.name.chars().map(plain).collect();
        format!("qemu-{name}-{}-{}.log", self.page_size.name(), self.cpus)
    }
}

/// What all boots share.
struct Bench<'a> {
    tools: &'a Tools,
    files: BTreeMap<PageSize, BootFiles>,
    share: PreparedFiles,
    logs: PathBuf,
}

/// Runs the tests inside QEMU.
pub(crate) fn run(workspace: &Workspace, tools: &Tools, selection: &Selection) -> Result<Totals> {
    let boots = boots(&test_programs(workspace), selection);
    if boots.is_empty() {
        return Ok(Totals::default());
    }
    let mut page_sizes: Vec<_> = boots.iter().map(|boot| boot.page_size).collect();
    page_sizes.sort();
    page_sizes.dedup();
    // The benchmark's rows are tested without the host's files, see there.
    let files = Builder::new(workspace, &tools.toolchain, Profile::Checked)
        .archiving("bench")
        .boot_files(&page_sizes)?;
    let bench = Bench {
        tools,
        files: files.into_iter().collect(),
        share: PreparedFiles::open(&workspace.target)?,
        logs: workspace.target.join("test-logs"),
    };
    fs::create_dir_all(&bench.logs)?;
    for file in boots.iter().flat_map(|boot| boot.test.files) {
        bench.share.prepare(file)?;
    }
    progress::step(
        "Testing",
        &format!(
            "in QEMU: {}, {AT_ONCE} at a time",
            progress::counted(boots.len(), "boot")
        ),
    );
    Ok(run_all(&bench, boots))
}

/// The programs that test the system, by name.
fn test_programs(workspace: &Workspace) -> Vec<String> {
    let mut programs = Vec::new();
    for package in &workspace.packages {
        let directory = &package.directory;
        let tests = package
            .programs
            .iter()
            .filter(|(name, _)| layout::is_test_program(name, directory));
        programs.extend(tests.map(|(name, _)| format!("/{}", layout::root_path(name, directory))));
    }
    programs.sort();
    programs
}

/// All boots that are wanted: the table's rows, and every test program that has none.
fn boots(programs: &[String], selection: &Selection) -> Vec<Boot> {
    let has_row = |program: &str| {
        TABLE
            .iter()
            .flat_map(|test| test.command.split(' '))
            // The boot archive's copy is the same program.
            .any(|word| word.strip_prefix("/boot").unwrap_or(word) == program)
    };
    let own_rows = programs
        .iter()
        .filter(|program| !has_row(program))
        .map(|program| {
            let name = program.rsplit('/').next().unwrap_or(program).to_owned();
            (name, program.clone(), GuestTest::PROGRAM)
        });
    let table = TABLE
        .iter()
        .map(|test| (test.name.to_owned(), test.command.to_owned(), test.clone()));
    own_rows
        .chain(table)
        .filter(|(name, command, _)| selection.wants(name) || selection.wants(command))
        .filter(|(_, _, test)| !(selection.quick && test.slow))
        .flat_map(|(name, command, test)| {
            machines(&test, selection.quick)
                .into_iter()
                .map(move |(page_size, cpus)| Boot {
                    name: name.clone(),
                    command: command.clone(),
                    page_size,
                    cpus,
                    test: test.clone(),
                })
        })
        .collect()
}

/// The machines of a test: all of them, or for quick runs the one nearest to 16 KiB pages and two processors.
fn machines(test: &GuestTest, quick: bool) -> Vec<(PageSize, u32)> {
    let all = test
        .page_sizes
        .iter()
        .flat_map(|&size| test.cpus.iter().map(move |&cpus| (size, cpus)));
    if quick {
        all.min_by_key(|(size, cpus)| (*size, cpus.abs_diff(2)))
            .into_iter()
            .collect()
    } else {
        all.collect()
    }
}

/// Runs the boots, each printing its line of the table as it ends.
fn run_all(bench: &Bench<'_>, boots: Vec<Boot>) -> Totals {
    let waiting = Mutex::new(VecDeque::from(boots));
    let totals = Mutex::new(Totals::default());
    let next = || waiting.lock().ok()?.pop_front();
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(boot) = next() {
                    if process::interrupted() {
                        break;
                    }
                    let (counted, text) = run_boot(bench, &boot);
                    // One call, so that lines of two boots never mix.
                    println!("{text}");
                    if let Ok(mut totals) = totals.lock() {
                        *totals += counted;
                    }
                }
            });
        }
    });
    totals.into_inner().unwrap_or(Totals::FAILURE)
}

/// Runs one boot; gives what it counts for, and its part of the table.
fn run_boot(bench: &Bench<'_>, boot: &Boot) -> (Totals, String) {
    let clock = Stopwatch::start();
    let (counted, complaints, text) = match boot_once(bench, boot) {
        Ok((ending, text, untrue)) => {
            let (mut counted, mut complaints) =
                verdict::judge(&boot.test, &bench.share, ending, &text);
            counted.failed += usize::from(!untrue.is_empty());
            complaints.extend(untrue);
            (counted, complaints, text)
        }
        Err(error) => (Totals::FAILURE, vec![format!("{error:#}")], String::new()),
    };
    let verdict = if counted.failed == 0 { "" } else { "  FAILED" };
    let mut lines = vec![format!(
        "  {} {:>5} passed {:>4} failed {:>9}{verdict}",
        boot.title(),
        counted.passed,
        counted.failed,
        clock.text()
    )];
    if counted.failed > 0 {
        lines.extend(
            complaints
                .iter()
                .map(|complaint| format!("    {complaint}")),
        );
        lines.extend(verdict::shown(&text, bench.files.get(&boot.page_size)));
        lines.push(format!(
            "    (all of it: {})",
            bench.logs.join(boot.log_name()).display()
        ));
    }
    (counted, lines.join("\n"))
}

/// Boots; how it ended, the console, and what the guest claims of files and the host does not find so.
fn boot_once(bench: &Bench<'_>, boot: &Boot) -> Result<(Ending, String, Vec<String>)> {
    let files = bench
        .files
        .get(&boot.page_size)
        .context("no kernel for this page size")?;
    let test = &boot.test;
    let monitor = MonitorSocket::new()?;
    let size = test.swap.parse().map_err(anyhow::Error::msg)?;
    let swap = SwapDisk::create(&size, &bench.logs)?;
    let fresh = match test.share {
        SharedDirectory::Prepared => None,
        SharedDirectory::Fresh => Some(FreshShare::create()?),
    };
    let mut machine = Machine {
        swap: swap.as_ref().map(SwapDisk::path),
        cpus: boot.cpus,
        memory: test.memory.parse().map_err(anyhow::Error::msg)?,
        cpu: test.cpu.to_owned(),
        gic: test.gic,
        share: Some(Share {
            directory: fresh
                .as_ref()
                .map_or(bench.share.share.as_path(), FreshShare::path)
                .to_owned(),
            read_only: fresh.is_none(),
        }),
        // Two guests run from the same directory.
        root_read_only: true,
        bootargs: test.bootargs.iter().map(|&word| word.to_owned()).collect(),
        console: Console::Output,
        monitor: Some(monitor.path()),
        gdb: false,
        icount: test.icount,
    };
    machine.run_command(&boot.command);
    let log = bench.logs.join(boot.log_name());
    let output = File::create(&log).with_context(|| format!("creating {}", log.display()))?;
    let mut child = machine
        .command(&bench.tools.qemu, files)
        .stdin(Stdio::null())
        .stdout(output.try_clone()?)
        .stderr(output)
        .spawn()
        .with_context(|| format!("cannot start {}", bench.tools.qemu.display()))?;
    let limit = Duration::from_secs(test.timeout);
    let (ending, processors) = watch(&mut child, &log, &monitor, limit)?;
    let mut text = read(&log)?;
    if !processors.is_empty() {
        text.push_str(
            "
-- ended from outside; the processors were
",
        );
        text.push_str(&processors.join(
            "
",
        ));
    }
    let untrue = fresh.map_or(Vec::new(), |fresh| fresh.complaints(&text));
    Ok((ending, text, untrue))
}

/// Waits for a guest, to its limit at most; one that has panicked and does not power off gets a short while only. Beside
/// the ending: where the processors of a guest were that did not end by itself.
fn watch(
    child: &mut Child,
    log: &Path,
    monitor: &MonitorSocket,
    limit: Duration,
) -> Result<(Ending, Vec<String>)> {
    let mut until = Instant::now() + limit;
    let mut has_panicked = false;
    loop {
        let left = until.saturating_duration_since(Instant::now());
        if let Some(ending) = process::wait_for(child, Some(LOOK_AGAIN.min(left)))? {
            return Ok((ending, Vec::new()));
        }
        if Instant::now() >= until {
            return monitor.end(child);
        }
        if !has_panicked && console::read(&read(log)?).panic.is_some() {
            has_panicked = true;
            until = until.min(Instant::now() + PANIC_GRACE);
        }
    }
}

/// What the console holds, whatever bytes the guest sent.
fn read(log: &Path) -> Result<String> {
    Ok(String::from_utf8_lossy(&fs::read(log)?).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_test_program_runs_on_all_machines_and_quickly_on_one() {
        let programs = ["/tests/fork_chain".to_owned()];
        let only = Selection {
            filter: Some("fork_chain".to_owned()),
            quick: false,
        };
        let boots_of = |selection: &Selection| boots(&programs, selection);
        assert_eq!(boots_of(&only).len(), 6);
        let quick = Selection {
            quick: true,
            ..only
        };
        let quick = boots_of(&quick);
        assert_eq!(
            (quick.len(), quick[0].cpus, quick[0].page_size),
            (1, 2, PageSize::Size16K)
        );
    }

    #[test]
    fn a_filter_looks_at_names_and_commands() {
        let selection = Selection {
            filter: Some("--read".to_owned()),
            quick: false,
        };
        let found = boots(&[], &selection);
        assert!(!found.is_empty() && found.iter().all(|boot| boot.command.contains("--read")));
    }
}

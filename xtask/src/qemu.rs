//! `cargo xtask qemu`: build what is stale, boot, and give the guest's shell.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{ExitCode, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::builder::{Builder, Profile};
use crate::console;
use crate::machine::{
    BootFiles, Console, Gic, MAX_CPUS, Machine, Memory, PageSize, Share, SwapDisk, SwapSize,
};
use crate::monitor::MonitorSocket;
use crate::process::{self, Ending};
use crate::progress;
use crate::setup;
use crate::symbols::Symbols;
use crate::terminal::{self, TerminalGuard};
use crate::workspace::Workspace;

/// What the shell of this machine gives when a time limit ends a command.
const STATUS_TIMED_OUT: u8 = 124;
/// ... and when the user does.
const STATUS_INTERRUPTED: u8 = 130;

/// Build what is stale, boot the kernel in QEMU and give its shell.
///
/// Every key reaches the guest. Leave with Ctrl-A, then X; Ctrl-A C switches to QEMU's monitor and back.
///
/// Examples:
///   cargo xtask qemu
///   cargo xtask qemu --share /usr/share/dict --run 'sha256sum /share/words'
///   cargo xtask qemu --smp 4 --memory 256M --page-size 4k
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Arguments {
    /// Number of processors, 1 to 8
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_CPUS)))]
    smp: u32,

    /// RAM of the machine, such as 256M or 2G
    #[arg(long, value_name = "SIZE", default_value = "1G")]
    memory: Memory,

    /// Page size the kernel is built for
    #[arg(long, value_name = "SIZE", value_enum, default_value_t = PageSize::Size16K)]
    page_size: PageSize,

    /// Processor model, as QEMU names it (max, cortex-a72, cortex-a76, neoverse-n1 ...)
    #[arg(long, value_name = "MODEL", default_value = "max")]
    cpu: String,

    /// Version of the interrupt controller
    #[arg(long, value_name = "VERSION", value_enum, default_value_t = Gic::V3)]
    gic: Gic,

    /// A directory of this machine that the guest sees, live, as /share; with :ro behind it, read-only
    #[arg(long, value_name = "DIR[:ro]")]
    share: Option<Share>,

    /// Size of the disk that anonymous memory is paged out to, such as 512M or 4G; `none` for no such disk
    #[arg(long, value_name = "SIZE", default_value = "2G")]
    swap: SwapSize,

    /// Run one command line instead of the shell, and end with its exit status
    #[arg(long, value_name = "COMMAND")]
    run: Option<String>,

    /// Wait for a debugger on port 1234 before the first instruction
    #[arg(long)]
    gdb: bool,

    /// Record the kernel's trace events and save them to FILE when the guest powers off
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,

    /// Give up after this many seconds, with status 124
    #[arg(long, value_name = "SECONDS")]
    timeout: Option<u64>,

    /// How to build: with every assertion on, or for measuring
    #[arg(long, value_enum, default_value_t = Profile::Checked)]
    profile: Profile,
}

/// Runs the subcommand.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let workspace = Workspace::load()?;
    let tools = setup::ensure(&workspace)?;
    let built = Builder::new(&workspace, &tools.toolchain, arguments.profile)
        .boot_files(&[arguments.page_size])?;
    let (_, files) = built.into_iter().next().context("nothing was built")?;
    let log = tempfile::NamedTempFile::new()?;
    let monitor = MonitorSocket::new()?;
    let mut machine = machine(arguments, log.path());
    let swap = SwapDisk::create(&arguments.swap, &workspace.target)?;
    machine.swap = swap.as_ref().map(SwapDisk::path);
    machine.monitor = Some(monitor.path());
    if arguments.gdb {
        progress::note("waiting for a debugger; in another terminal:");
        eprintln!(
            "    gdb-multiarch {} -ex 'target remote :1234'",
            files.kernel.display()
        );
    } else if arguments.run.is_none() && terminal::input_is_terminal() {
        progress::note("leave the emulator with Ctrl-A, then X");
    }

    process::catch_interrupts();
    let guard = TerminalGuard::save();
    let mut child = machine
        .command(&tools.qemu, &files)
        .stdin(Stdio::inherit())
        .spawn()
        .with_context(|| format!("cannot start {}", tools.qemu.display()))?;
    let limit = arguments.timeout.map(Duration::from_secs);
    let (ending, processors) = match process::wait_for(&mut child, limit)? {
        Some(ending) => (ending, Vec::new()),
        None => monitor.end(&mut child)?,
    };
    drop(guard);

    let text = fs::read(log.path())
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        .unwrap_or_default();
    explain_end(&text, &processors, &files);
    if let Some(file) = &arguments.trace {
        save_trace(&text, file)?;
    }
    Ok(ExitCode::from(status(ending, arguments.timeout)))
}

fn machine(arguments: &Arguments, log: &Path) -> Machine {
    let mut machine = Machine {
        cpus: arguments.smp,
        memory: arguments.memory.clone(),
        cpu: arguments.cpu.clone(),
        gic: arguments.gic,
        share: arguments.share.clone(),
        console: Console::Terminal {
            log: log.to_owned(),
        },
        gdb: arguments.gdb,
        ..Machine::default()
    };
    if let Some(command) = &arguments.run {
        machine.run_command(command);
    }
    if arguments.trace.is_some() {
        machine.bootargs.push("trace=1".to_owned());
    }
    machine
}

/// The status to end with: the guest's own, wherever it had the chance to give one.
fn status(ending: Ending, limit: Option<u64>) -> u8 {
    match ending {
        // A QEMU that a signal ended gives no status; nothing good can be said of that.
        Ending::Exited(status) => status
            .code()
            .map_or(1, |code| u8::try_from(code).unwrap_or(1)),
        Ending::TimedOut => {
            eprintln!();
            progress::note(&format!(
                "ended after {} seconds, as --timeout asks",
                limit.unwrap_or_default()
            ));
            STATUS_TIMED_OUT
        }
        Ending::Interrupted => STATUS_INTERRUPTED,
    }
}

/// Shows what needs the kernel's symbols: a panic's backtrace, and where a guest was whose time was up.
fn explain_end(text: &str, processors: &[String], files: &BootFiles) {
    let panic = console::from_panic(text);
    if panic.is_none() && processors.is_empty() {
        return;
    }
    let Ok(symbols) = Symbols::load(&files.kernel) else {
        return;
    };
    if let Some(lines) = panic {
        eprintln!();
        progress::note("the kernel panicked; with source lines from its symbols:");
        symbols
            .annotate(lines)
            .iter()
            .for_each(|line| eprintln!("    {line}"));
    }
    if !processors.is_empty() {
        eprintln!();
        progress::note("when its time was up, the guest was here:");
        let lines = processors.iter().map(String::as_str);
        symbols
            .annotate(lines)
            .iter()
            .for_each(|line| eprintln!("    {line}"));
    }
}

fn save_trace(text: &str, file: &Path) -> Result<()> {
    let events = console::trace(text);
    let mut content = events.join("\n");
    content.push('\n');
    fs::write(file, content).with_context(|| format!("writing {}", file.display()))?;
    progress::step(
        "Saved",
        &format!(
            "{} in {}",
            progress::counted(events.len(), "event"),
            file.display()
        ),
    );
    Ok(())
}

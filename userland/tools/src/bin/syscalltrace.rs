//! `syscalltrace COMMAND [ARGUMENT...]`: every call that a program and its children make.
//!
//! The calls come from the kernel's trace, which other programs share: what is recorded faster than it is read is lost, and said so.

#![cfg_attr(target_os = "none", no_std, no_main)]
#![forbid(unsafe_code)]

libsystem::main!(run);

use bsd_sys::signal::{ActionFlags, Signal};
use bsd_sys::wait::WNOHANG;
use libsystem::process::{self, Fork};
use libsystem::signal::{Disposition, set_action};
use libsystem::trace::{self, Trace};
use libsystem::{Errno, eprintln, time};
use tools::command::{Command, Options};
use tools::tracer::{HEADING, Tracer};

const COMMAND: Command = Command::new(
    "syscalltrace",
    "COMMAND [ARGUMENT...]",
    "Shows every BSD call and Mach trap of a program and its children on standard error: when, how long, what it gave.",
)
.words(1, usize::MAX);

/// Records kept for each processor.
const ROOM: u32 = 1 << 15;
/// What the traced process says before it becomes the program.
const MARK: u64 = 0x7379_7363_616c_6c00;
/// Milliseconds between two looks.
const PAUSE: u32 = 5;

fn run() -> i32 {
    COMMAND.run(|options| {
        if let Err(reason) = trace::become_privileged("/bin/syscalltrace") {
            return COMMAND.complain("the kernel's trace cannot be read", reason);
        }
        match follow(options) {
            Ok(status) => status,
            Err(reason) => COMMAND.complain("the kernel's trace", reason),
        }
    })
}

/// The program; comes back only if it cannot be started.
fn begin(options: &Options, path: &str) -> ! {
    trace::mark(MARK);
    let error = process::exec(path, &options.words);
    eprintln!("syscalltrace: {path}: {error}");
    process::exit(if error == Errno::ENOENT { 127 } else { 126 })
}

fn follow(options: &Options) -> mach::Result<i32> {
    let Some(path) = options.words.first() else {
        return Ok(0);
    };
    let Some(path) = process::find_program(path) else {
        COMMAND.complain(path, Errno::ENOENT);
        return Ok(127);
    };
    let trace = Trace::start(ROOM)?;
    let child = match process::fork() {
        Ok(Fork::Child) => begin(options, &path),
        Ok(Fork::Parent(child)) => child,
        Err(error) => return Ok(COMMAND.complain("fork", error)),
    };
    // Keys that end the program do not end the telling.
    for signal in [Signal::INT, Signal::QUIT] {
        let _ = set_action(signal, Disposition::Ignore, ActionFlags::empty(), 0);
    }
    let mark = (u64::from(bsd_sys::syscall::GETPID), MARK);
    let mut tracer = Tracer::new(mark, child);
    let microseconds = |ticks| time::nanoseconds(ticks) / 1000;
    eprintln!("{HEADING}");
    let (mut ended, mut lost) = (None, 0);
    loop {
        let (records, overwritten) = trace.take_counting()?;
        lost += overwritten;
        let idle = records.is_empty();
        for line in tracer.add(records, microseconds) {
            eprintln!("{line}");
        }
        if ended.is_some() {
            break;
        }
        match process::wait(child, WNOHANG) {
            Ok(Some((_, status))) => ended = Some(status.shell_status()),
            Ok(None) if idle => time::sleep(PAUSE),
            Ok(None) => {}
            Err(_) => ended = Some(1),
        }
    }
    drop(trace);
    for line in tracer.finish(microseconds) {
        eprintln!("{line}");
    }
    if lost > 0 {
        eprintln!("syscalltrace: {lost} records were lost: some calls are missing");
    }
    Ok(ended.unwrap_or(1))
}

//! `time [-p] COMMAND [ARGUMENT...]`: how long a program takes.

#![cfg_attr(target_os = "none", no_std, no_main)]
#![forbid(unsafe_code)]

libsystem::main!(run);

use bsd_sys::resource::Rusage;
use bsd_sys::time::Timeval;
use bsd_sys::wait::WaitStatus;
use libsystem::process;
use libsystem::{eprintln, time};
use tools::command::{Command, Options};
use tools::format;

const COMMAND: Command = Command::new(
    "time",
    "[-lp] COMMAND [ARGUMENT...]",
    "Says how long a program took in all, in its own code and in the kernel; -p: on three lines; -l: what else it used.",
)
.flags("lp")
.words(1, usize::MAX);

fn run() -> i32 {
    COMMAND.run(timed)
}

fn timed(options: &Options) -> i32 {
    let Some(name) = options.words.first() else {
        return 0;
    };
    let Some(path) = process::find_program(name) else {
        eprintln!("time: {name}: No such file or directory");
        return 127;
    };
    let start = time::now();
    let ended = process::spawn(&path, &options.words).and_then(process::wait_with_usage);
    let real = time::now().saturating_sub(start);
    match ended {
        Ok((status, spent)) => {
            report(options, real, &spent);
            if let WaitStatus::Signalled(signal) = status {
                eprintln!("time: command terminated by {}", signal.name());
            }
            status.shell_status()
        }
        Err(error) => COMMAND.complain(name, error),
    }
}

fn microseconds(time: Timeval) -> u64 {
    time.seconds as u64 * 1_000_000 + time.microseconds as u64
}

/// `real` in nanoseconds.
fn report(options: &Options, real: u64, spent: &Rusage) {
    let (user, system) = (
        microseconds(spent.user_time),
        microseconds(spent.system_time),
    );
    let [real, user, system] = [real / 1000, user, system].map(format::seconds);
    if options.has('p') {
        eprintln!("real {real}\nuser {user}\nsys {system}");
    } else {
        eprintln!("{real:>12} real {user:>12} user {system:>12} sys");
    }
    if options.has('l') {
        for (count, what) in [
            (spent.max_resident, "maximum resident set size"),
            (spent.minor_faults, "page reclaims"),
            (spent.major_faults, "page faults"),
        ] {
            eprintln!("{count:>20}  {what}");
        }
    }
}

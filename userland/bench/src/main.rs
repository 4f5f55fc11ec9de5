//! What the kernel's operations cost, in instructions: the guest's half of `cargo xtask bench`.
//!
//! `bench [--quick] [--samples N] [--file PATH] [GROUP...]`. Each group of measurements runs in a forked child and prints one line a row:
//!
//!     row NAME UNIT MEDIAN MINIMUM MAXIMUM SAMPLES
//!     group NAME failed: REASON
//!
//! Figures are thousandths of an instruction for one UNIT. They are differences of the virtual counter around loops; under
//! `-icount shift=0,sleep=off` one instruction is one nanosecond of virtual time, kernel and program together. The first
//! sample of a series warms up and is dropped; the loop's own two to five instructions stay in, and so do copying,
//! checking and teardown. The shapes are those of the Linux benchmark in `docs/bench/`.
//!
//! | module | rows |
//! |---|---|
//! | `calls` | calibration, null calls, signal handler |
//! | `maps` | mmap and munmap, mprotect, many entries |
//! | `memory` | anonymous faults, munmap of much, mincore |
//! | `forks` | fork, and the copies after it |
//! | `files` | faults, read, write, page-in, msync |
//! | `messages` | Mach RPC, pipe |
//! | `pagers` | external pager, swap |

#![cfg_attr(target_os = "none", no_std, no_main)]

extern crate alloc;

mod calls;
mod files;
mod forks;
mod maps;
mod memory;
mod messages;
mod pagers;
mod raw;
mod sample;

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use bsd_sys::signal::Signal;
use bsd_sys::wait::WaitStatus;
use libsystem::process::Fork;
use libsystem::{env, println, process, time};

/// What a group gives: nothing, or why it could not be measured.
type Outcome = Result<(), String>;

/// What all groups know.
#[derive(Clone, Debug)]
struct Settings {
    /// Samples of a series, the dropped one not counted.
    samples: usize,
    /// Divides the number of repetitions and the size of large ranges.
    divisor: u64,
    /// A file of several megabytes, served by the file server.
    file: String,
}

impl Settings {
    /// So many repetitions, less when it has to be quick.
    fn times(&self, count: u64) -> u64 {
        (count / self.divisor).max(2)
    }
}

/// A group of measurements.
struct Group {
    name: &'static str,
    run: fn(&Settings) -> Outcome,
}

const GROUPS: &[Group] = &[
    Group {
        name: "calibration",
        run: calls::calibration,
    },
    Group {
        name: "null",
        run: calls::null,
    },
    Group {
        name: "mmap",
        run: maps::one_page,
    },
    Group {
        name: "anonymous",
        run: memory::anonymous,
    },
    Group {
        name: "mincore",
        run: memory::mincore_page,
    },
    Group {
        name: "fork",
        run: forks::small,
    },
    Group {
        name: "fork64",
        run: forks::large,
    },
    Group {
        name: "forkread",
        run: forks::child_reads,
    },
    Group {
        name: "cow",
        run: forks::copy_on_write,
    },
    Group {
        name: "mprotect",
        run: maps::protection,
    },
    Group {
        name: "entries10",
        run: |settings| maps::many(settings, 10),
    },
    Group {
        name: "entries1000",
        run: |settings| maps::many(settings, 1000),
    },
    Group {
        name: "entries100000",
        run: |settings| maps::many(settings, 100_000),
    },
    Group {
        name: "rpc",
        run: messages::rpc,
    },
    Group {
        name: "pipe",
        run: messages::pipe,
    },
    Group {
        name: "sigsegv",
        run: calls::handler,
    },
    Group {
        name: "files",
        run: files::faults,
    },
    Group {
        name: "read",
        run: files::read,
    },
    Group {
        name: "pagein",
        run: files::page_in,
    },
    Group {
        name: "sharedwrite",
        run: files::shared_write,
    },
    Group {
        name: "write",
        run: files::write,
    },
    Group {
        name: "msync",
        run: files::msync,
    },
    Group {
        name: "pager",
        run: pagers::external,
    },
    Group {
        name: "swap",
        run: pagers::swap,
    },
];

libsystem::main!(run);

fn run() -> i32 {
    let mut settings = Settings {
        samples: 2,
        divisor: 1,
        file: String::from("/ram/bench.data"),
    };
    let mut wanted = Vec::new();
    let mut words = env::args().into_iter().skip(1);
    while let Some(word) = words.next() {
        match word.as_str() {
            "--quick" => (settings.samples, settings.divisor) = (1, 50),
            "--samples" => match words.next().and_then(|word| word.parse().ok()) {
                Some(count) => settings.samples = count,
                None => return usage("--samples wants a number"),
            },
            "--file" => match words.next() {
                Some(path) => settings.file = path,
                None => return usage("--file wants a path"),
            },
            name if GROUPS.iter().any(|group| group.name == name) => wanted.push(word),
            other => return usage(other),
        }
    }
    for group in GROUPS {
        if wanted.is_empty() || wanted.iter().any(|name| name == group.name) {
            measure(group, &settings);
        }
    }
    println!("bench done");
    0
}

fn usage(word: &str) -> i32 {
    libsystem::eprintln!("bench: {word}: not an option or a group");
    libsystem::eprintln!("usage: bench [--quick] [--samples N] [--file PATH] [GROUP...]");
    64
}

/// Runs a group in a child of its own, which keeps its mappings apart and survives its crash.
fn measure(group: &Group, settings: &Settings) {
    // What the group before left to be done is done meanwhile.
    time::sleep(20);
    let failure = match process::fork() {
        Err(errno) => Some(format!("fork: {errno}")),
        Ok(Fork::Child) => {
            let outcome = (group.run)(settings);
            if let Err(reason) = outcome {
                println!("group {} failed: {reason}", group.name);
            }
            process::exit(0)
        }
        Ok(Fork::Parent(child)) => match process::wait_for(child) {
            Ok(WaitStatus::Exited(0)) => None,
            Ok(WaitStatus::Signalled(Signal::SYS)) => Some(String::from("the call does not exist")),
            Ok(status) => Some(format!("ended by {status:?}")),
            Err(errno) => Some(format!("wait4: {errno}")),
        },
    };
    if let Some(reason) = failure {
        println!("group {} failed: {reason}", group.name);
    }
}

//! `ps`: every process with its parent, state, memory and name.

#![cfg_attr(target_os = "none", no_std, no_main)]
#![forbid(unsafe_code)]

libsystem::main!(run);

use bsd_sys::proc_info::{BsdInfo, SRUN, SSTOP, SZOMB};
use libsystem::{Errno, eprintln, println, process};
use tools::format;

fn run() -> i32 {
    let pids = match process::list() {
        Ok(pids) => pids,
        Err(error) => {
            eprintln!("ps: {error}");
            return 1;
        }
    };
    println!(
        "{:>6} {:>6} S {:>8} {:>8} {:>8} {:>3} NAME",
        "PID", "PPID", "VIRTUAL", "RESIDENT", "FAULTS", "THR"
    );
    let mut status = 0;
    for pid in pids {
        match process::information(pid) {
            Ok(information) => line(pid, &information),
            // It has ended meanwhile.
            Err(Errno::ESRCH) => {}
            Err(error) => {
                eprintln!("ps: {pid}: {error}");
                status = 1;
            }
        }
    }
    status
}

fn line(pid: i32, information: &BsdInfo) {
    let task = process::task_information(pid).unwrap_or_default();
    let state = match information.status {
        SRUN => 'R',
        SSTOP => 'T',
        SZOMB => 'Z',
        _ => 'S',
    };
    let (size, resident) = (
        format::size(task.virtual_size),
        format::size(task.resident_size),
    );
    println!(
        "{pid:>6} {:>6} {state} {size:>8} {resident:>8} {:>8} {:>3} {}",
        information.parent,
        task.faults,
        task.threads,
        information.name()
    );
}

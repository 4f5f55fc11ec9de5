//! `ps`: every process with its parent, state, memory, time and name.

#![cfg_attr(target_os = "none", no_std, no_main)]
#![forbid(unsafe_code)]

libsystem::main!(run);

use libsystem::{io, println, terminal};
use tools::command::Command;
use tools::processes::{self, HEADING};

const COMMAND: Command = Command::new(
    "ps",
    "[-p PID]",
    "Every process: state (R running, S sleeping, T stopped, Z ended; + in the foreground), kilobytes in memory\n\
     and mapped, processor time, name. -p: only this one.",
)
.flags("Aaefluvwx")
.values("p");

fn run() -> i32 {
    COMMAND.run(|options| {
        let only = match options.value('p').map(str::parse::<i32>) {
            None => None,
            Some(Ok(pid)) => Some(pid),
            Some(Err(_)) => return COMMAND.wrong(&""),
        };
        let processes = match processes::all() {
            Ok(processes) => processes,
            Err(error) => return COMMAND.complain("list of processes", error),
        };
        println!("{HEADING}");
        let foreground = terminal::foreground(io::STDIN).ok();
        let mut found = only.is_none();
        for process in &processes {
            if only.is_none_or(|pid| pid == process.pid) {
                found = true;
                println!("{}", process.line(foreground));
            }
        }
        i32::from(!found)
    })
}

//! `kill [-SIGNAL] PID...`, `kill -l [STATUS...]`: sends a signal; names of signals.

#![cfg_attr(target_os = "none", no_std, no_main)]
#![forbid(unsafe_code)]

extern crate alloc;

libsystem::main!(run);

use alloc::string::String;
use libsystem::{env, eprintln, print, println, process};
use tools::command::WRONG_USAGE;
use tools::signal;

use bsd_sys::signal::{NSIG, Signal};

fn run() -> i32 {
    let arguments = env::args();
    let words = arguments.get(1..).unwrap_or_default();
    let (first, rest) = match words.split_first() {
        None => return usage(),
        Some((first, rest)) => (first.as_str(), rest),
    };
    match first {
        "--help" => {
            let _ = usage();
            println!(
                "Sends a signal (TERM, if none is named) to processes; a negative PID is a group."
            );
            0
        }
        "-l" => list(rest),
        "-s" => match rest.split_first() {
            Some((name, pids)) => named(name, pids),
            None => usage(),
        },
        "--" => send_all(Some(Signal::TERM), rest),
        option if option.starts_with('-') && option.len() > 1 => named(&option[1..], rest),
        _ => send_all(Some(Signal::TERM), words),
    }
}

fn usage() -> i32 {
    eprintln!("usage: kill [-s SIGNAL | -SIGNAL] PID...\n       kill -l [STATUS...]");
    WRONG_USAGE
}

fn named(name: &str, pids: &[String]) -> i32 {
    match signal::parse(name) {
        Some(signal) => send_all(signal, pids),
        None => {
            eprintln!("kill: unknown signal {name}; valid signals:");
            list(&[]);
            1
        }
    }
}

/// Without a signal it is only looked whether the process is there.
fn send_all(signal: Option<Signal>, pids: &[String]) -> i32 {
    let pids = match pids.split_first() {
        Some((first, rest)) if first == "--" => rest,
        _ => pids,
    };
    if pids.is_empty() {
        return usage();
    }
    pids.iter().fold(0, |status, word| {
        let Ok(pid) = word.parse() else {
            eprintln!("kill: illegal process id: {word}");
            return 1;
        };
        let sent = match signal {
            Some(signal) => process::kill(pid, signal),
            None => process::exists(pid),
        };
        match sent {
            Ok(()) => status,
            Err(error) => {
                eprintln!("kill: {word}: {error}");
                1
            }
        }
    })
}

/// All names, or those of numbers, which may be a shell's status.
fn list(words: &[String]) -> i32 {
    if words.is_empty() {
        for number in 1..NSIG {
            let name = Signal::new(number).map_or("", signal::short_name);
            let end = if number == NSIG - 1 || number % 16 == 0 {
                "\n"
            } else {
                " "
            };
            print!("{name}{end}");
        }
        return 0;
    }
    words.iter().fold(0, |status, word| {
        let number = word.parse().ok().map(|number: i32| number & 0x7f);
        match number.and_then(Signal::new) {
            Some(signal) => {
                println!("{}", signal::short_name(signal));
                status
            }
            None => {
                eprintln!("kill: {word}: no such signal");
                1
            }
        }
    })
}

//! Commands that the shell carries out itself, because they are about the shell.

use crate::jobs::State;
use crate::parse;
use crate::run::Shell;
use alloc::string::String;
use alloc::vec::Vec;
use bsd_sys::signal::Signal;
use libsystem::{eprintln, fs, println, process};

/// Their names, each with a line for `help`.
pub const NAMES: [(&str, &str); 14] = [
    ("bg", "bg [%N]: lets a stopped job go on in the background"),
    ("cd", "cd [DIRECTORY]: changes the current directory"),
    ("exec", "exec PROGRAM [ARGUMENT...]: becomes that program"),
    ("exit", "exit [STATUS]: ends the shell"),
    (
        "export",
        "export NAME[=VALUE]...: gives variables to programs",
    ),
    ("fg", "fg [%N]: gives a job the terminal and waits for it"),
    ("help", "help: shows this"),
    ("history", "history: lines that were typed"),
    ("jobs", "jobs: what runs in the background or is stopped"),
    ("pwd", "pwd: the current directory"),
    ("set", "set: shows the variables"),
    (
        "source",
        "source FILE: runs the lines of a file in this shell",
    ),
    ("unset", "unset NAME...: forgets variables"),
    ("wait", "wait [%N]: until background jobs have ended"),
];

/// Programs with a line each for `help`, in groups.
const PROGRAMS: [(&str, &[(&str, &str)]); 3] = [
    (
        "Files",
        &[
            ("cat head wc grep", "show, count and search"),
            ("cp mv rm ln touch", "copy, rename, remove, link, make"),
            ("hexdump", "bytes of a file"),
            ("ls mkdir rmdir", "directories"),
            ("sha256sum", "checksums, by mapping or `--read`"),
            ("sync", "has changed files written back"),
        ],
    ),
    (
        "Processes",
        &[
            (
                "env sleep time uname echo true false",
                "what they are called everywhere",
            ),
            ("kill", "kill [-SIGNAL] PID...: sends a signal"),
            ("portsummary", "portsummary PID: the ports of a task"),
            (
                "ps top",
                "every process, with memory and time; again and again",
            ),
            ("syscalltrace", "syscalltrace COMMAND: every call it makes"),
        ],
    ),
    (
        "Virtual memory",
        &[
            (
                "mmapwalk",
                "mmapwalk FILE [PAGE]: one mmap through every layer",
            ),
            ("purge", "throws clean cached pages out"),
            ("vm_stat", "vm_stat [SECONDS]: pages, faults, paging"),
            ("vmmap", "vmmap PID: the map of a process, region by region"),
            ("zprint", "kernel memory by kind"),
        ],
    ),
];

/// Carries a command out; `None` if it is none of these.
pub fn run(shell: &mut Shell, words: &[String]) -> Option<i32> {
    let name = words.first()?;
    let arguments = &words[1..];
    let status = match name.as_str() {
        "bg" => background(shell, arguments),
        "cd" => directory(shell, arguments),
        "exec" => replace(shell, arguments),
        "exit" => exit(shell, arguments),
        "export" => export(shell, arguments),
        "fg" => foreground(shell, arguments),
        "help" => help(),
        "history" => history(shell),
        "jobs" => jobs(shell),
        "pwd" => here(),
        "set" => variables(shell),
        "source" | "." => source(shell, arguments),
        "unset" => unset(shell, arguments),
        "wait" => wait(shell, arguments),
        _ => return None,
    };
    Some(status)
}

/// Whether this is the name of one of them.
pub fn is_builtin(name: &str) -> bool {
    name == "." || NAMES.iter().any(|(known, _)| *known == name)
}

fn complain(what: &str) -> i32 {
    eprintln!("sh: {what}");
    1
}

fn help() -> i32 {
    println!("Commands of the shell:");
    for (name, text) in NAMES {
        println!("  {name:<12} {text}");
    }
    for (title, programs) in PROGRAMS {
        println!("{title}:");
        for (names, text) in programs {
            println!("  {names:<32} {text}");
        }
    }
    println!("Each program says more with --help; `ls /bin /sbin /tests` shows what there is.");
    println!(
        "Joints: ; && || | & and newlines. Redirections: < > >> 2> 2>&1. Patterns: * ? [a-z]."
    );
    println!("Keys: arrows, Tab completes, Ctrl-A/E/K/U/W/Y edit, Ctrl-C gives up, Ctrl-D ends.");
    0
}

fn directory(shell: &Shell, arguments: &[String]) -> i32 {
    let home = shell.variable("HOME").unwrap_or_else(|| String::from("/"));
    let path = arguments.first().unwrap_or(&home);
    match process::set_directory(path) {
        Ok(()) => 0,
        Err(error) => complain(&alloc::format!("cd: {path}: {error}")),
    }
}

fn here() -> i32 {
    match fs::current_directory() {
        Ok(path) => {
            println!("{path}");
            0
        }
        Err(error) => complain(&alloc::format!("pwd: {error}")),
    }
}

fn exit(shell: &mut Shell, arguments: &[String]) -> i32 {
    shell.finished = true;
    match arguments.first().map(|word| word.parse::<i32>()) {
        None => shell.status,
        Some(Ok(status)) => status & 0xff,
        Some(Err(_)) => 2,
    }
}

fn replace(shell: &mut Shell, arguments: &[String]) -> i32 {
    // Redirections alone: they stay, and there is nothing to become.
    let Some(name) = arguments.first() else {
        return 0;
    };
    let Some(path) = process::find_program(name) else {
        eprintln!("sh: {name}: not found");
        return 127;
    };
    let error = process::exec_with(&path, arguments, &shell.environment());
    eprintln!("sh: {name}: {error}");
    126
}

fn export(shell: &mut Shell, arguments: &[String]) -> i32 {
    let mut status = 0;
    for argument in arguments {
        let (name, value) = match argument.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (argument.as_str(), None),
        };
        if parse::is_name(name) {
            shell.export(name, value);
        } else {
            status = complain(&alloc::format!("export: {name}: not a name"));
        }
    }
    if arguments.is_empty() {
        for entry in shell.environment() {
            println!("{entry}");
        }
    }
    status
}

fn unset(shell: &mut Shell, arguments: &[String]) -> i32 {
    for name in arguments {
        shell.unset(name);
    }
    0
}

fn variables(shell: &Shell) -> i32 {
    for (name, value) in shell.variables() {
        println!("{name}={value}");
    }
    0
}

fn history(shell: &Shell) -> i32 {
    for (number, line) in shell.history.numbered() {
        println!("{number:>5}  {line}");
    }
    0
}

fn source(shell: &mut Shell, arguments: &[String]) -> i32 {
    let Some(path) = arguments.first() else {
        return complain("source: which file?");
    };
    match fs::read(path) {
        Ok(bytes) => {
            shell.text(&String::from_utf8_lossy(&bytes));
            shell.status
        }
        Err(error) => complain(&alloc::format!("{path}: {error}")),
    }
}

fn jobs(shell: &mut Shell) -> i32 {
    shell.reap();
    for job in shell.jobs.iter() {
        println!("{}", job.line());
    }
    let _ = shell.jobs.report();
    0
}

/// The job that a word names.
fn named(shell: &mut Shell, arguments: &[String]) -> Option<usize> {
    shell.reap();
    let word = arguments.first().map(String::as_str);
    let number = shell.jobs.named(word);
    if number.is_none() {
        eprintln!("sh: {}: no such job", word.unwrap_or("current"));
    }
    number
}

/// Lets a job go on.
fn carry_on(shell: &mut Shell, number: usize) {
    if let Some(job) = shell.jobs.get_mut(number)
        && job.state() == State::Stopped
    {
        job.continued();
        // One that has ended meanwhile will be reaped.
        let _ = process::kill(-job.group, Signal::CONT);
    }
}

fn foreground(shell: &mut Shell, arguments: &[String]) -> i32 {
    let Some(number) = named(shell, arguments) else {
        return 1;
    };
    if let Some(job) = shell.jobs.get_mut(number) {
        println!("{}", job.text);
        let group = job.group;
        shell.give_terminal(group);
    }
    carry_on(shell, number);
    shell.wait_in_foreground(number)
}

fn background(shell: &mut Shell, arguments: &[String]) -> i32 {
    let Some(number) = named(shell, arguments) else {
        return 1;
    };
    carry_on(shell, number);
    if let Some(job) = shell.jobs.get_mut(number) {
        println!("[{number}]  {} &", job.text);
    }
    0
}

fn wait(shell: &mut Shell, arguments: &[String]) -> i32 {
    if !arguments.is_empty() {
        let Some(number) = named(shell, arguments) else {
            return 127;
        };
        return shell.wait_for_job(number);
    }
    let numbers: Vec<usize> = shell.jobs.iter().map(|job| job.number).collect();
    for number in numbers {
        shell.wait_for_job(number);
    }
    0
}

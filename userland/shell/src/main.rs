//! `sh`: the shell.
//!
//! `sh` reads commands from standard input, `sh -c TEXT [NAME [ARGUMENT...]]` takes them from its arguments, `sh FILE [ARGUMENT...]`
//! from a file.

#![cfg_attr(target_os = "none", no_std, no_main)]
#![forbid(unsafe_code)]

extern crate alloc;

libsystem::main!(run);

use alloc::string::String;
use alloc::vec::Vec;
use libsystem::{env, eprintln, fs, io, process, terminal};
use shell_lib::input::{Input, Lines};
use shell_lib::run::{JobControl, Shell};

const PROMPT: &str = "pagoda# ";

fn run() -> i32 {
    let arguments = env::args();
    match arguments.get(1).map(String::as_str) {
        Some("-c") => match arguments.get(2) {
            Some(text) => script(text, arguments.get(3..).unwrap_or_default().to_vec()),
            None => usage(),
        },
        Some(word) if word.starts_with('-') && word.len() > 1 => usage(),
        Some(path) => match fs::read(path) {
            Ok(bytes) => script(&String::from_utf8_lossy(&bytes), arguments[1..].to_vec()),
            Err(error) => {
                eprintln!("sh: {path}: {error}");
                127
            }
        },
        None => interactive(arguments),
    }
}

fn usage() -> i32 {
    eprintln!("usage: sh [-c TEXT | FILE] [ARGUMENT...]");
    2
}

/// Whether nobody else has the terminal.
fn job_control() -> JobControl {
    match terminal::foreground(io::STDIN) {
        Ok(group) if group <= 1 || group == process::group() => JobControl::Own,
        _ => JobControl::None,
    }
}

fn script(text: &str, mut arguments: Vec<String>) -> i32 {
    if arguments.is_empty() {
        arguments.push(String::from("sh"));
    }
    let mut shell = Shell::new(arguments, job_control());
    shell.text(text);
    shell.status
}

fn interactive(arguments: Vec<String>) -> i32 {
    let control = job_control();
    if control == JobControl::Own && process::set_group(0, 0).is_ok() {
        let _ = terminal::set_foreground(io::STDIN, process::group());
    }
    let mut shell = Shell::new(arguments, control);
    shell.ignore_keys();
    let mut lines = Lines::default();
    while !shell.finished {
        shell.report_jobs();
        match lines.next_line(PROMPT, &shell.history) {
            Input::Line(line) => {
                shell.history.add(&line);
                shell.text(&line);
            }
            Input::Nothing => shell.status = 130,
            Input::End => break,
        }
    }
    shell.status
}

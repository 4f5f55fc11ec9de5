//! `sh`: the shell. `sh -c COMMAND` runs one line; without arguments lines come from standard input.

#![cfg_attr(target_os = "none", no_std, no_main)]
#![forbid(unsafe_code)]

libsystem::main!(run);

use libsystem::{env, io, print, println, process};
use shell_lib::input::Lines;
use shell_lib::run::Shell;

fn run() -> i32 {
    let arguments = env::args();
    let mut shell = Shell::default();
    match arguments.get(1..) {
        Some([option, line, ..]) if option == "-c" => shell.line(line),
        Some([word, ..]) => {
            println!("sh: {word}? usage: sh [-c COMMAND]");
            return 2;
        }
        _ => interactive(&mut shell),
    }
    shell.status
}

fn interactive(shell: &mut Shell) {
    let own = process::id();
    if process::set_group(0, 0).is_ok() {
        let _ = process::set_foreground(io::STDIN, own);
    }
    let mut lines = Lines::standard();
    while !shell.finished {
        print!("pagoda# ");
        let Some(line) = lines.next_line() else {
            println!();
            break;
        };
        shell.line(&line);
    }
}

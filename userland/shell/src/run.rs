//! Running commands: [`Shell`].

use crate::parse::{self, Command, When};
use alloc::string::String;
use alloc::vec::Vec;
use bsd_sys::wait::WaitStatus;
use libsystem::io::{self, Result};
use libsystem::process::{self, Fork};
use libsystem::{Errno, eprintln, println};

/// What the shell remembers between commands.
#[derive(Debug, Default)]
pub struct Shell {
    /// Status of the last command, `$?`.
    pub status: i32,
    /// Set by `exit`.
    pub finished: bool,
}

impl Shell {
    /// Runs the commands of one line.
    pub fn line(&mut self, line: &str) {
        let commands = match parse::parse(line) {
            Ok(commands) => commands,
            Err(error) => {
                eprintln!("sh: {error}");
                self.status = 2;
                return;
            }
        };
        for command in &commands {
            let runs = match command.when {
                When::Always => true,
                When::Success => self.status == 0,
                When::Failure => self.status != 0,
            };
            if runs && !self.finished {
                self.status = self.command(command);
            }
        }
    }

    fn command(&mut self, command: &Command) -> i32 {
        let words: Vec<String> = command
            .words
            .iter()
            .map(|word| parse::expand(word, self.status))
            .collect();
        let Some(name) = words.first() else { return 0 };
        match name.as_str() {
            "exit" => self.exit(&words),
            "help" => help(),
            "cd" => directory(&words),
            _ => external(&words),
        }
    }

    fn exit(&mut self, words: &[String]) -> i32 {
        self.finished = true;
        words
            .get(1)
            .and_then(|word| word.parse().ok())
            .unwrap_or(self.status)
    }
}

fn help() -> i32 {
    println!("Type the name of a program with its arguments: `ls /bin` shows which there are.");
    println!(
        "Commands may be joined by `;`, `&&` and `||`; words may be quoted; $? is the last status."
    );
    println!("Built in: cd DIRECTORY, exit [STATUS] (ends the shell), help.");
    0
}

fn directory(words: &[String]) -> i32 {
    let path = words.get(1).map_or("/", String::as_str);
    match process::set_directory(path) {
        Ok(()) => 0,
        Err(error) => {
            eprintln!("cd: {path}: {error}");
            1
        }
    }
}

fn external(words: &[String]) -> i32 {
    let name = &words[0];
    let Some(path) = process::find_program(name) else {
        eprintln!("sh: {name}: not found; `ls /bin` shows what there is");
        return 127;
    };
    match run(&path, words) {
        Ok(status) => {
            report(name, status);
            status.shell_status()
        }
        Err(error) => {
            eprintln!("sh: {name}: {error}");
            126
        }
    }
}

/// Runs a program in its own process group, with the terminal, and waits for it.
fn run(path: &str, words: &[String]) -> Result<WaitStatus> {
    let own = process::id();
    let child = match process::fork()? {
        Fork::Parent(child) => child,
        Fork::Child => {
            let _ = process::set_group(0, 0);
            let error = process::exec(path, words);
            eprintln!("sh: {path}: {error}");
            process::exit(if error == Errno::ENOENT { 127 } else { 126 })
        }
    };
    // On both sides, so that it is done whoever runs first. Failure means no job control here.
    let _ = process::set_group(child, child);
    let given = process::set_foreground(io::STDIN, child).is_ok();
    let status = process::wait_for(child);
    if given {
        let _ = process::set_foreground(io::STDIN, own);
    }
    status
}

fn report(name: &str, status: WaitStatus) {
    match status {
        WaitStatus::Signalled(signal) => {
            eprintln!("{name}: {}: {}", signal.text(), signal.number());
        }
        WaitStatus::Stopped(signal) => eprintln!("{name}: {}", signal.text()),
        WaitStatus::Exited(_) => {}
    }
}

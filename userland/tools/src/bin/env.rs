//! `env [-i] [NAME=VALUE...] [COMMAND [ARGUMENT...]]`: runs a program with a changed environment, or shows it.

#![cfg_attr(target_os = "none", no_std, no_main)]
#![forbid(unsafe_code)]

extern crate alloc;

libsystem::main!(run);

use alloc::string::String;
use alloc::vec::Vec;
use libsystem::{Errno, env, eprintln, println, process};
use tools::command::{Command, Options};

const COMMAND: Command = Command::new(
    "env",
    "[-i] [-u NAME] [NAME=VALUE...] [COMMAND [ARGUMENT...]]",
    "Runs a program with a changed environment, or shows it; -i: begin with an empty one; -u: without this variable.",
)
.flags("i")
.values("u");

fn run() -> i32 {
    COMMAND.run(in_environment)
}

fn in_environment(options: &Options) -> i32 {
    let mut variables = if options.has('i') {
        Vec::new()
    } else {
        env::environment()
    };
    if let Some(name) = options.value('u') {
        unset(&mut variables, name);
    }
    let mut words = options.words.iter().peekable();
    while let Some(word) = words.next_if(|word| word.contains('=')) {
        let name = word.split('=').next().unwrap_or_default();
        unset(&mut variables, name);
        variables.push(word.clone());
    }
    let command: Vec<&String> = words.collect();
    let Some(name) = command.first() else {
        for variable in variables {
            println!("{variable}");
        }
        return 0;
    };
    let Some(path) = process::find_program(name) else {
        eprintln!("env: {name}: {}", Errno::ENOENT);
        return 127;
    };
    let error = process::exec_with(&path, &command, &variables);
    eprintln!("env: {name}: {error}");
    if error == Errno::ENOENT { 127 } else { 126 }
}

fn unset(variables: &mut Vec<String>, name: &str) {
    variables.retain(|variable| variable.split('=').next() != Some(name));
}

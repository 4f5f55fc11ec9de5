//! `mmapwalk FILE [PAGE]`: one `mmap` followed through every layer, live.
//!
//! It maps the file, touches one byte, and prints what the kernel's trace recorded, step by step; then a second touch, a
//! second mapping, a `read`, a private write and the unmapping. Between the steps it counts pages.
//!
//! | module | what |
//! |---|---|
//! | [`walk`] | the steps |
//! | [`story`] | which records belong to a step, and how they are laid out |
//! | [`describe`] | one record in words |

#![cfg_attr(target_os = "none", no_std, no_main)]
#![forbid(unsafe_code)]

extern crate alloc;

mod describe;
mod story;
mod walk;

libsystem::main!(run);

use libsystem::{env, eprintln, println, trace};

fn run() -> i32 {
    let arguments = env::args();
    let page = match arguments.get(2).map(|word| word.parse()) {
        None => 0,
        Some(Ok(page)) => page,
        Some(Err(_)) => return usage(),
    };
    let Some(path) = arguments.get(1) else {
        return usage();
    };
    if arguments.len() > 3 {
        return usage();
    }
    if let Err(reason) = trace::become_privileged("/bin/mmapwalk") {
        eprintln!("mmapwalk: the kernel's trace cannot be read: {reason}");
        return 1;
    }
    match walk::walk(path, page) {
        Ok(()) => 0,
        Err(reason) => {
            eprintln!("mmapwalk: {reason}");
            1
        }
    }
}

fn usage() -> i32 {
    println!("usage: mmapwalk FILE [PAGE]");
    println!(
        "Maps FILE, touches one byte of page PAGE (0 if not given), and shows what the kernel did."
    );
    2
}

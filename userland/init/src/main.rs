//! `init`: the first process.
//!
//! It starts the file server from the boot archive, waits until there is a root, runs the shell (or one
//! command), reaps whatever it inherits, and powers the machine off with the status of what it ran.
//! A file server that has died is started again, and gets its files back from the kernel; when that does not help, the recovery
//! shell of the boot archive takes over.

#![cfg_attr(target_os = "none", no_std, no_main)]
#![forbid(unsafe_code)]

extern crate alloc;

libsystem::main!(run);

use alloc::string::String;
use bsd_sys::wait::{WNOHANG, WaitStatus};
use core::sync::atomic::{AtomicI32, AtomicU32, AtomicU64, Ordering};
use init_lib::BootArguments;
use libsystem::{Errno, env, eprintln, fs, process, time};

/// The file server, in the boot archive.
const FILE_SERVER: &str = "/boot/sbin/vnode_pager";
/// The pager of anonymous memory, in the boot archive.
const ANON_PAGER: &str = "/boot/sbin/anon_pager";
/// How often in a row its start may fail.
const ANON_PAGER_ATTEMPTS: u32 = 100;
/// Milliseconds until the next attempt.
const ANON_PAGER_PAUSE: u32 = 100;
/// The shell of the root directory, and the one of the boot archive.
const SHELLS: [&str; 2] = ["/bin/sh", "/boot/bin/recovery"];
/// Which pagers to start, one a line; there need not be any.
const PAGERS: &str = "/etc/pagers";
/// What starts them.
const PAGER_COMMAND: &str = "/bin/pager";
/// How long the file server may take until there is a root, in nanoseconds.
const PATIENCE: u64 = 30_000_000_000;
/// What says that there is a root directory.
const ROOT_SIGN: &str = "/bin";
/// How many file servers in a row may end without having shown a root.
const ATTEMPTS: usize = 5;

fn run() -> i32 {
    let words = env::args();
    let arguments = BootArguments::parse(words.iter().skip(1).map(String::as_str));
    start_anon_pager();
    let server = if arguments.recovery {
        None
    } else {
        start_file_server()
    };
    start_pagers();
    let mut children = Children { server };
    let status = match &arguments.command {
        Some(command) => children.run_command(command, arguments.shell.as_deref()),
        None => children.run_shell(),
    };
    let error = process::power_off(status);
    eprintln!("init: cannot power off: {error}");
    1
}

/// The process of the pager of anonymous memory; 0 for none.
static ANON_PAGER_PROCESS: AtomicI32 = AtomicI32::new(0);

/// When it was started, by the clock.
static ANON_PAGER_STARTED: AtomicU64 = AtomicU64::new(0);
/// How many in a row have ended at once.
static ANON_PAGER_FAILURES: AtomicU32 = AtomicU32::new(0);

/// Starts the pager of anonymous memory. Without a swap disk it ends at once, and anonymous memory stays in memory. When there
/// is no memory for it, this waits until there is: nobody else brings any back.
fn start_anon_pager() {
    for attempt in 1.. {
        match process::spawn(ANON_PAGER, &[ANON_PAGER]) {
            Ok(process) => {
                ANON_PAGER_PROCESS.store(process, Ordering::Relaxed);
                ANON_PAGER_STARTED.store(time::now(), Ordering::Relaxed);
                return;
            }
            Err(Errno::ENOMEM | Errno::EAGAIN) if attempt < ANON_PAGER_ATTEMPTS => {
                time::sleep(ANON_PAGER_PAUSE);
            }
            Err(error) => {
                eprintln!("init: cannot start {ANON_PAGER}: {error}");
                return;
            }
        }
    }
}

/// Starts the pager of anonymous memory again if it is `ended` and has not ended by itself: what it has stored is still
/// there, and programs wait for it.
fn restart_anon_pager(ended: i32, status: WaitStatus) {
    if ended != ANON_PAGER_PROCESS.load(Ordering::Relaxed) || status == WaitStatus::Exited(0) {
        return;
    }
    eprintln!("init: the anonymous pager has ended: {}", describe(status));
    let lived = time::now().saturating_sub(ANON_PAGER_STARTED.load(Ordering::Relaxed));
    if lived > u64::from(ANON_PAGER_PAUSE) * 1_000_000 {
        ANON_PAGER_FAILURES.store(0, Ordering::Relaxed);
    } else {
        let failures = ANON_PAGER_FAILURES.fetch_add(1, Ordering::Relaxed);
        if failures >= ANON_PAGER_ATTEMPTS {
            eprintln!("init: it is not started again");
            return;
        }
        time::sleep(ANON_PAGER_PAUSE);
    }
    start_anon_pager();
}

/// Starts the file server and waits for the root; its process, or `None` if there will be no files.
fn start_file_server() -> Option<i32> {
    let server = match process::spawn(FILE_SERVER, &[FILE_SERVER]) {
        Ok(server) => server,
        Err(error) => {
            eprintln!("init: cannot start the file server: {error}");
            return None;
        }
    };
    let begin = time::now();
    while fs::stat(ROOT_SIGN).is_err() {
        match process::wait(server, WNOHANG) {
            Ok(Some((_, status))) => {
                eprintln!("init: the file server has ended: {}", describe(status));
                return None;
            }
            _ if time::now().saturating_sub(begin) > PATIENCE => {
                eprintln!("init: there is no root directory after 30 seconds");
                return Some(server);
            }
            _ => time::sleep(5),
        }
    }
    Some(server)
}

/// Starts the pagers that the root directory's configuration names, before anybody else can take their names.
fn start_pagers() {
    if fs::stat(PAGERS).is_err() {
        return;
    }
    match process::spawn(PAGER_COMMAND, &[PAGER_COMMAND, "boot"]) {
        // It says itself what does not start.
        Ok(child) => drop(process::wait(child, 0)),
        Err(error) => eprintln!("init: cannot start the pagers of {PAGERS}: {error}"),
    }
}

/// What init looks after besides the shell.
struct Children {
    /// The file server, unless there is none to be had.
    server: Option<i32>,
}

impl Children {
    /// Runs one command line by a shell; its status.
    fn run_command(&mut self, command: &str, chosen: Option<&str>) -> u8 {
        let shell = chosen.unwrap_or_else(|| shell());
        match process::spawn(shell, &[shell, "-c", command]) {
            Ok(child) => self.wait_for(child).shell_status() as u8,
            Err(error) => {
                eprintln!("init: cannot start {shell}: {error}");
                126
            }
        }
    }

    /// Runs shells until one ends by itself; its status.
    fn run_shell(&mut self) -> u8 {
        loop {
            let shell = shell();
            eprintln!("init: starting {shell}; `exit` powers off, `help` tells what there is");
            let child = match process::spawn(shell, &[shell]) {
                Ok(child) => child,
                Err(error) => {
                    eprintln!("init: cannot start {shell}: {error}");
                    return 126;
                }
            };
            match self.wait_for(child) {
                WaitStatus::Exited(status) => return status,
                // Such as SIGBUS, when the file server died and the shell needed a page of itself.
                status => eprintln!("init: the shell has ended: {}", describe(status)),
            }
        }
    }

    /// Waits for one child, reaping all others and starting the file server again when it has ended.
    fn wait_for(&mut self, child: i32) -> WaitStatus {
        loop {
            match process::wait(-1, 0) {
                Ok(Some((ended, status))) if ended == child => return status,
                Ok(Some((ended, status))) if Some(ended) == self.server => {
                    eprintln!("init: the file server has ended: {}", describe(status));
                    self.server = (0..ATTEMPTS).find_map(|_| start_file_server());
                }
                Ok(Some((ended, status))) => restart_anon_pager(ended, status),
                Ok(None) => {}
                Err(Errno::ECHILD) => return WaitStatus::Exited(0),
                Err(error) => {
                    eprintln!("init: waiting: {error}");
                    return WaitStatus::Exited(125);
                }
            }
        }
    }
}

/// The best shell there is now.
fn shell() -> &'static str {
    let exists = |path: &&str| fs::stat(path).is_ok();
    SHELLS.into_iter().find(exists).unwrap_or(SHELLS[1])
}

fn describe(status: WaitStatus) -> String {
    match status {
        WaitStatus::Exited(code) => alloc::format!("exit status {code}"),
        WaitStatus::Signalled(signal) => alloc::format!("{:?}, {}", signal, signal.text()),
        WaitStatus::Stopped(signal) => alloc::format!("stopped by {signal:?}"),
    }
}

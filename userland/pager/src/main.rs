//! `pager`: starts, lists and stops pagers.
//!
//! `pager start NAME` runs `/sbin/NAME` and waits until `/pagers/NAME` is there. `pager boot` starts those that `/etc/pagers`
//! names, one a line with its arguments; init calls it.

#![cfg_attr(target_os = "none", no_std, no_main)]
#![forbid(unsafe_code)]

extern crate alloc;

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use bsd_sys::signal::Signal;
use bsd_sys::wait::{WNOHANG, WaitStatus};
use libsystem::{Errno, KernReturn, env, eprintln, fs, println, process, time};
use pager_sdk::registry::client;

libsystem::main!(run);

/// How long a pager may take until it shows, and until it is gone, in milliseconds.
const PATIENCE: u64 = 10_000;
/// How often is looked, in milliseconds.
const PAUSE: u32 = 10;
/// The pagers to start at boot.
const CONFIGURATION: &str = "/etc/pagers";

const USAGE: &str = "\
usage: pager start NAME [ARGUMENT ...]   run /sbin/NAME as /pagers/NAME
       pager stop NAME                   write back and end it; its files are errors from then on
       pager list                        what runs, and what it has done
       pager boot                        start what /etc/pagers names";

fn run() -> i32 {
    let arguments = env::args();
    let words: Vec<&str> = arguments.iter().skip(1).map(String::as_str).collect();
    let outcome = match words[..] {
        ["start", name, ref rest @ ..] => start(name, rest),
        ["stop", name] => stop(name),
        ["list"] => list(),
        ["boot"] => boot(),
        _ => {
            eprintln!("{USAGE}");
            return 2;
        }
    };
    match outcome {
        Ok(()) => 0,
        Err(reason) => {
            eprintln!("pager: {reason}");
            1
        }
    }
}

/// Runs a pager and waits until it shows.
fn start(name: &str, arguments: &[&str]) -> Result<(), String> {
    if client::look_up(name).is_ok() {
        return Err(format!("{name} is running already"));
    }
    let path = format!("/sbin/{name}");
    fs::stat(&path).map_err(|error| format!("{path}: {error}"))?;
    let mut words = alloc::vec![path.as_str()];
    words.extend_from_slice(arguments);
    let child = process::spawn(&path, &words).map_err(|error| format!("{path}: {error}"))?;
    // Of its own group, so that the terminal's keys do not mean it. One that has ended already has none.
    let _ = process::set_group(child, child);
    let shows = || fs::stat(&format!("/pagers/{name}")).is_ok();
    let begin = time::now();
    while !shows() {
        if let Ok(Some((_, status))) = process::wait(child, WNOHANG) {
            return Err(format!("{name} has ended: {}", describe(status)));
        }
        if time::now() - begin > PATIENCE * 1_000_000 {
            return Err(format!("{name} (process {child}) does not register"));
        }
        time::sleep(PAUSE);
    }
    Ok(())
}

/// Ends a pager and waits until it is gone. What was written through it reaches it before, or it stays.
fn stop(name: &str) -> Result<(), String> {
    let (_, pid) = client::look_up(name).map_err(|error| explain(name, error))?;
    fs::sync_volume(&format!("/pagers/{name}")).map_err(|error| {
        format!("{name} keeps running, it did not take everything: {error} (`kill {pid}` ends it)")
    })?;
    process::kill(pid, Signal::TERM).map_err(|error| format!("process {pid}: {error}"))?;
    let begin = time::now();
    while matches!(client::look_up(name), Ok((_, found)) if found == pid) {
        if time::now() - begin > PATIENCE * 1_000_000 {
            return Err(format!("{name} (process {pid}) does not end"));
        }
        time::sleep(PAUSE);
    }
    Ok(())
}

fn list() -> Result<(), String> {
    let names = fs::read_dir("/pagers").map_err(|error| format!("/pagers: {error}"))?;
    println!(
        "{:<20} {:>6} {:>6} {:>9} {:>9} {:>8} {:>8}",
        "NAME", "PID", "FILES", "REQUESTS", "PAGES", "RETURNS", "REFUSED"
    );
    for entry in names {
        let name = &entry.name;
        // One that ends at this moment is left out.
        let Ok((_, pid)) = client::look_up(name) else {
            continue;
        };
        match client::describe(name) {
            Ok(done) => println!(
                "{name:<20} {pid:>6} {:>6} {:>9} {:>9} {:>8} {:>8}",
                done.objects, done.reads, done.pages, done.returns, done.refusals
            ),
            Err(error) => println!("{name:<20} {pid:>6} {}", explain(name, error)),
        }
    }
    Ok(())
}

/// Starts what the configuration names. One that fails does not keep the others from starting.
fn boot() -> Result<(), String> {
    let text = match fs::read(CONFIGURATION) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(Errno::ENOENT) => return Ok(()),
        Err(error) => return Err(format!("{CONFIGURATION}: {error}")),
    };
    let mut failed = 0;
    for words in lines(&text) {
        if let Err(reason) = start(words[0], &words[1..]) {
            eprintln!("pager: {reason}");
            failed += 1;
        }
    }
    match failed {
        0 => Ok(()),
        failed => Err(format!("{failed} of {CONFIGURATION} did not start")),
    }
}

/// The words of each line that has some; `#` begins a comment.
fn lines(text: &str) -> Vec<Vec<&str>> {
    text.lines()
        .map(|line| line.split('#').next().unwrap_or_default())
        .map(|line| line.split_whitespace().collect::<Vec<_>>())
        .filter(|words| !words.is_empty())
        .collect()
}

fn explain(name: &str, error: KernReturn) -> String {
    match error {
        KernReturn::INVALID_NAME => format!("there is no pager {name}"),
        KernReturn::RCV_TIMED_OUT => format!("{name} does not answer"),
        error => format!("{name}: {error}"),
    }
}

fn describe(status: WaitStatus) -> String {
    match status {
        WaitStatus::Exited(code) => format!("exit status {code}"),
        WaitStatus::Signalled(signal) => format!("{signal:?}"),
        WaitStatus::Stopped(signal) => format!("stopped by {signal:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_of_the_configuration_is_a_pager_with_its_arguments() {
        let text = "# pagers\nlz4\n\nsum --writable  # both\n";
        assert_eq!(
            lines(text),
            [alloc::vec!["lz4"], alloc::vec!["sum", "--writable"]]
        );
    }
}

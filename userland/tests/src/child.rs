//! Children: run something in one and look at how it ended. Nothing waits for ever.

use alloc::format;
use alloc::string::String;

use bsd_sys::signal::Signal;
use bsd_sys::wait::{WNOHANG, WaitStatus};
use libsystem::process::{self, Fork};
use libsystem::time;

use crate::Context as _;

/// Milliseconds that a child which only has to crash may take.
const SHORT: u64 = 20_000;

/// Forks; the child does `work` and exits with its value.
///
/// # Errors
/// The fork's.
pub fn start(work: impl FnOnce() -> i32) -> Result<i32, String> {
    match process::fork().context("fork")? {
        Fork::Parent(child) => Ok(child),
        Fork::Child => process::exit(work()),
    }
}

/// Waits for a child, at most so many milliseconds; one that takes longer is killed.
///
/// # Errors
/// `wait4`'s, or that it took too long.
pub fn finish(child: i32, limit: u64) -> Result<WaitStatus, String> {
    let end = time::now().saturating_add(limit * 1_000_000);
    let mut pause = 0;
    loop {
        if let Some((_, status)) = process::wait(child, WNOHANG).context("wait4")? {
            return Ok(status);
        }
        if time::now() > end {
            process::kill(child, Signal::KILL).context("kill")?;
            // One that cannot even be killed is left behind.
            for _ in 0..500 {
                if process::wait(child, WNOHANG).context("wait4")?.is_some() {
                    return Err(format!("no end within {limit} ms"));
                }
                time::sleep(10);
            }
            return Err(format!("no end within {limit} ms, and it cannot be killed"));
        }
        // Soon at first, for what takes no time; a sleeping parent costs the child nothing.
        pause = (pause + 1).min(10);
        time::sleep(pause);
    }
}

/// Starts a child and waits for its end.
///
/// # Errors
/// As [`start`] and [`finish`].
pub fn run(limit: u64, work: impl FnOnce() -> i32) -> Result<WaitStatus, String> {
    finish(start(work)?, limit)
}

/// How a child ended that did this and then exited with status 0.
///
/// # Errors
/// As [`run`].
pub fn end_of(work: impl FnOnce()) -> Result<WaitStatus, String> {
    run(SHORT, || {
        work();
        0
    })
}

/// Fails unless doing this ends a child with that signal.
///
/// # Errors
/// As [`run`], or another end.
pub fn must_crash(signal: Signal, what: &str, work: impl FnOnce()) -> crate::Outcome {
    let status = end_of(work)?;
    crate::ensure_equal!(status, WaitStatus::Signalled(signal), "{what}");
    Ok(())
}

/// Fails unless doing this succeeds in a child.
///
/// # Errors
/// The child's own reason.
pub fn must_succeed(limit: u64, work: impl FnOnce() -> crate::Outcome) -> crate::Outcome {
    let note = crate::shared::Note::new()?;
    let status = run(limit, || match work() {
        Ok(()) => 0,
        Err(reason) => {
            note.write(&reason);
            1
        }
    })?;
    match status {
        WaitStatus::Exited(0) => Ok(()),
        WaitStatus::Exited(1) => Err(note.read()),
        status => Err(format!("the child ended with {status:?}")),
    }
}

/// Waits until a condition holds; false if it does not within so many milliseconds.
pub fn eventually(limit: u64, mut condition: impl FnMut() -> bool) -> bool {
    let end = time::now().saturating_add(limit * 1_000_000);
    loop {
        if condition() {
            return true;
        }
        if time::now() > end {
            return false;
        }
        time::sleep(2);
    }
}

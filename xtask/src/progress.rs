//! What the user sees while something takes its time: one line per step, in cargo's own manner.
//!
//! Everything here goes to standard error, so that `cargo xtask qemu --run ... > file` holds the guest's
//! output and nothing else.

use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

/// Prints one step: a right-aligned verb and what it is done to.
pub(crate) fn step(verb: &str, what: &str) {
    if std::io::stderr().is_terminal() {
        eprintln!("\x1b[1;32m{verb:>12}\x1b[0m {what}");
    } else {
        eprintln!("{verb:>12} {what}");
    }
}

/// Prints something the user should notice, without ending anything.
pub(crate) fn note(what: &str) {
    step("Note", what);
}

/// A wall clock for the lines that say how long a step took.
pub(crate) struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts counting.
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    /// Time since the start.
    pub(crate) fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }

    /// Time since the start, as a person reads it: `3.2 s`, `4 min 10 s`.
    pub(crate) fn text(&self) -> String {
        duration_text(self.elapsed())
    }
}

/// A duration as a person reads it.
pub(crate) fn duration_text(duration: Duration) -> String {
    let seconds = duration.as_secs();
    if seconds < 60 {
        format!("{:.1} s", duration.as_secs_f64())
    } else {
        format!("{} min {:02} s", seconds / 60, seconds % 60)
    }
}

/// `1 boot`, `2 boots`: a count with its noun.
pub(crate) fn counted(count: usize, noun: &str) -> String {
    if count == 1 {
        format!("1 {noun}")
    } else {
        format!("{count} {noun}s")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_and_long_durations_read_well() {
        assert_eq!(duration_text(Duration::from_millis(3210)), "3.2 s");
        assert_eq!(duration_text(Duration::from_secs(250)), "4 min 10 s");
    }

    #[test]
    fn nouns_agree_with_their_count() {
        assert_eq!(counted(1, "boot"), "1 boot");
        assert_eq!(counted(0, "test"), "0 tests");
    }
}

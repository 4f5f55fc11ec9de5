//! Child processes: running them to the end, finding programs, and time limits.
//!
//! A child is only ever ended by its own handle. Interrupting xtask (Ctrl-C, SIGTERM, a closed terminal) ends
//! the emulators it started: see [`interrupted`].

use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

/// How often a waiting loop looks again.
const POLL: Duration = Duration::from_millis(20);

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// From here on an interrupt sets a flag that [`wait`] obeys, instead of ending xtask on the spot; the
/// terminal's modes and the emulators are then cleaned up on the ordinary way out.
pub(crate) fn catch_interrupts() {
    // A second call finds the handler in place, which is just as good.
    let _ = ctrlc::set_handler(|| INTERRUPTED.store(true, Ordering::SeqCst));
}

/// Whether the user asked xtask to stop.
pub(crate) fn interrupted() -> bool {
    INTERRUPTED.load(Ordering::SeqCst)
}

/// How a child with a time limit came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// By itself, with this status.
    Exited(ExitStatus),
    /// It was killed when its time was up.
    TimedOut,
    /// It was killed because the user interrupted xtask.
    Interrupted,
}

/// Waits for a child; kills it at the limit or when the user interrupts.
pub(crate) fn wait(child: &mut Child, limit: Option<Duration>) -> Result<Ending> {
    if let Some(ending) = wait_for(child, limit)? {
        return Ok(ending);
    }
    child.kill().ok();
    child.wait()?;
    Ok(Ending::TimedOut)
}

/// Waits for a child; kills it when the user interrupts, and gives `None` when it still runs at the limit.
pub(crate) fn wait_for(child: &mut Child, limit: Option<Duration>) -> Result<Option<Ending>> {
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(Ending::Exited(status)));
        }
        if interrupted() {
            child.kill().ok();
            child.wait()?;
            return Ok(Some(Ending::Interrupted));
        }
        if limit.is_some_and(|limit| start.elapsed() >= limit) {
            return Ok(None);
        }
        std::thread::sleep(POLL);
    }
}

/// Runs a command whose output the user sees; a failure is an error that names the command.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status = command
        .status()
        .with_context(|| format!("cannot start `{}`", text(command)))?;
    if !status.success() {
        bail!("`{}` failed ({status})", text(command));
    }
    Ok(())
}

/// Runs a command quietly and gives what it printed; a failure is an error that carries its complaint.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot start `{}`", text(command)))?;
    if !output.status.success() {
        let complaint = String::from_utf8_lossy(&output.stderr);
        bail!(
            "`{}` failed ({}): {}",
            text(command),
            output.status,
            complaint.trim()
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Whether a command can be started and succeeds; what it prints is dropped.
pub(crate) fn succeeds(command: &mut Command) -> bool {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// A command as a person would type it.
pub(crate) fn text(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words
        .map(|word| quoted(&word.to_string_lossy()))
        .collect::<Vec<_>>()
        .join(" ")
}

fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_=+./:,@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// Finds a program in `PATH`.
pub(crate) fn find_program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|directory| directory.join(name))
        .find(|file| is_program(file))
}

/// Whether a file exists and may be executed.
pub(crate) fn is_program(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    file.metadata()
        .is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_shown_as_it_would_be_typed() {
        let mut command = Command::new("qemu");
        command.args(["-append", "run=1 test=1", "it's"]);
        assert_eq!(text(&command), r"qemu -append 'run=1 test=1' 'it'\''s'");
    }

    #[test]
    fn a_child_is_killed_at_its_limit() {
        let mut child = Command::new("sleep").arg("30").spawn().unwrap();
        let ending = wait(&mut child, Some(Duration::from_millis(50))).unwrap();
        assert_eq!(ending, Ending::TimedOut);
    }

    #[test]
    fn a_failing_command_reports_its_complaint() {
        let error = output(Command::new("sh").args(["-c", "echo broken >&2; exit 3"])).unwrap_err();
        assert!(error.to_string().contains("broken"), "{error}");
    }
}

//! QEMU's monitor, asked where the processors of a hanging guest are.
//!
//! A guest that hangs says nothing; the emulator knows each processor's program counter and link register. They are
//! given as lines for the console's end, where `symbols` finds the addresses in them.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::Duration;

use anyhow::Result;

use crate::process::{self, Ending};

/// A monitor that has nothing more to say is silent for this long.
const SILENCE: Duration = Duration::from_millis(300);

/// A place for a monitor's socket. The path is short, because a socket's name is limited to about 100 bytes.
pub(crate) struct MonitorSocket(tempfile::TempDir);

impl MonitorSocket {
    /// A fresh place, removed when this value goes.
    pub(crate) fn new() -> Result<Self> {
        Ok(Self(tempfile::Builder::new().prefix("pagoda-").tempdir()?))
    }

    /// Where QEMU is to listen.
    pub(crate) fn path(&self) -> PathBuf {
        self.0.path().join("monitor")
    }

    /// Ends an emulator whose time is up; gives what it was doing, one line for each processor.
    pub(crate) fn end(&self, child: &mut Child) -> Result<(Ending, Vec<String>)> {
        let registers = ask(&self.path(), "info registers -a").unwrap_or_default();
        let ending = process::wait(child, Some(Duration::ZERO))?;
        Ok((ending, processors(&registers)))
    }
}

/// Gives a command to a monitor and takes what it answers.
fn ask(socket: &Path, command: &str) -> std::io::Result<String> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(SILENCE))?;
    stream.write_all(format!("{command}\n").as_bytes())?;
    let mut answer = Vec::new();
    let mut part = [0; 4096];
    // The monitor does not close the connection: its answer ends with silence.
    while let Ok(length @ 1..) = stream.read(&mut part) {
        answer.extend(&part[..length]);
    }
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// One line for each processor, from what `info registers -a` prints.
fn processors(registers: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in registers.split_whitespace() {
        if let Some(number) = word.strip_prefix("CPU#") {
            lines.push(format!("  CPU {number}:"));
        } else if let Some(line) = lines.last_mut() {
            if let Some(counter) = word.strip_prefix("PC=") {
                line.push_str(&format!(" at {counter}"));
            } else if let Some(link) = word.strip_prefix("X30=") {
                line.push_str(&format!(" called from {link}"));
            }
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_processor_is_one_line_with_its_addresses() {
        let text = "(qemu) info registers -a\r\n\r\nCPU#0\r\n PC=ffffffffc0001234 X00=0 X01=1\r\nX29=0 X30=ffffffffc0005678 SP=0\r\n\
                    CPU#1\r\n PC=0000000000000000 X00=0\r\nX30=00000000000000aa\r\n(qemu) ";
        assert_eq!(
            processors(text),
            [
                "  CPU 0: at ffffffffc0001234 called from ffffffffc0005678",
                "  CPU 1: at 0000000000000000 called from 00000000000000aa"
            ]
        );
        assert!(processors("").is_empty());
    }

    #[test]
    fn the_sockets_path_is_short_enough_for_a_socket() {
        let socket = MonitorSocket::new().unwrap();
        assert!(socket.path().to_string_lossy().len() < 100);
    }

    #[test]
    fn a_monitor_that_is_not_there_is_no_obstacle() {
        let socket = MonitorSocket::new().unwrap();
        let mut child = std::process::Command::new("sleep")
            .arg("30")
            .spawn()
            .unwrap();
        let (ending, lines) = socket.end(&mut child).unwrap();
        assert_eq!(ending, Ending::TimedOut);
        assert!(lines.is_empty());
    }
}

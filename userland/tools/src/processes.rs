//! Processes, as `ps` and `top` show them.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use bsd_sys::proc_info::{BsdInfo, SRUN, SSTOP, SZOMB, TaskInfo};
use libsystem::io::Result;
use libsystem::{Errno, process};

/// What is known of a process.
#[derive(Clone, Copy, Debug, Default)]
pub struct Process {
    /// Its number.
    pub pid: i32,
    /// Who it is.
    pub bsd: BsdInfo,
    /// What it uses; nothing for one that has ended.
    pub task: TaskInfo,
}

/// Every process, by rising number. One that ends meanwhile is left out.
///
/// # Errors
/// The kernel's.
pub fn all() -> Result<Vec<Process>> {
    let mut processes = Vec::new();
    for pid in process::list()? {
        match process::information(pid) {
            Ok(bsd) => processes.push(Process {
                pid,
                bsd,
                task: process::task_information(pid).unwrap_or_default(),
            }),
            Err(Errno::ESRCH) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(processes)
}

impl Process {
    /// Nanoseconds of processor time.
    pub const fn time(&self) -> u64 {
        self.task.total_user.saturating_add(self.task.total_system)
    }

    /// The letter of its state.
    pub const fn letter(&self) -> char {
        match self.bsd.status {
            SSTOP => 'T',
            SZOMB => 'Z',
            SRUN if self.task.running > 0 => 'R',
            _ => 'S',
        }
    }

    /// The state in a word.
    pub const fn state(&self) -> &'static str {
        match self.letter() {
            'T' => "stopped",
            'Z' => "zombie",
            'R' => "running",
            _ => "sleeping",
        }
    }

    /// Its line in `ps`; `+` marks the group that has the terminal.
    pub fn line(&self, foreground: Option<i32>) -> String {
        let mark = if foreground == Some(self.bsd.group as i32) {
            '+'
        } else {
            ' '
        };
        let command = match self.letter() {
            'Z' => format!("<defunct> {}", self.bsd.name()),
            _ => String::from(self.bsd.name()),
        };
        format!(
            "{:>5} {:>5} {:>5} {}{mark}   {:>8} {:>9} {:>9} {command}",
            self.pid,
            self.bsd.parent,
            self.bsd.group,
            self.letter(),
            self.task.resident_size / 1024,
            self.task.virtual_size / 1024,
            minutes(self.time()),
        )
    }
}

/// Above the lines of `ps`.
pub const HEADING: &str = "  PID  PPID  PGID STAT      RSS       VSZ      TIME COMMAND";

/// Processor time: `0:01.25`.
pub fn minutes(nanoseconds: u64) -> String {
    let hundredths = nanoseconds / 10_000_000;
    let (minutes, seconds) = (hundredths / 6000, hundredths / 100 % 60);
    format!("{minutes}:{seconds:02}.{:02}", hundredths % 100)
}

/// Tenths of a percent that `spent` is of `passed`.
pub fn permille(spent: u64, passed: u64) -> u64 {
    match passed {
        0 => 0,
        passed => (u128::from(spent) * 1000 / u128::from(passed)) as u64,
    }
}

/// A number of tenths with its point.
pub fn tenths(value: u64) -> String {
    format!("{}.{}", value / 10, value % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(status: u32, running: i32) -> Process {
        Process {
            pid: 7,
            bsd: BsdInfo::new(status, 7, 1, 7, 3, "sh"),
            task: TaskInfo {
                virtual_size: 64 << 20,
                resident_size: 1 << 20,
                total_user: 61_250_000_000,
                running,
                ..TaskInfo::default()
            },
        }
    }

    #[test]
    fn lines_stand_under_their_heading() {
        let line = process(SRUN, 0).line(Some(7));
        assert_eq!(
            line,
            "    7     1     7 S+       1024     65536   1:01.25 sh"
        );
        for (word, name) in [("1024", "RSS"), ("65536", "VSZ"), ("1:01.25", "TIME")] {
            let end = |text: &str, part: &str| text.find(part).unwrap() + part.len();
            assert_eq!(end(&line, word), end(HEADING, name));
        }
        assert_eq!(line.find("sh"), HEADING.find("COMMAND"));
    }

    #[test]
    fn states_have_a_letter() {
        assert_eq!(process(SRUN, 1).letter(), 'R');
        assert_eq!(process(SRUN, 0).state(), "sleeping");
        assert_eq!(process(SSTOP, 0).letter(), 'T');
        assert!(process(SZOMB, 0).line(None).ends_with("<defunct> sh"));
    }

    #[test]
    fn shares_are_of_the_time_that_passed() {
        assert_eq!(tenths(permille(1, 3)), "33.3");
        assert_eq!(permille(5, 0), 0);
        assert_eq!(permille(u64::MAX, u64::MAX), 1000);
    }
}

//! Processes by what they use: a screen of `top`.

use crate::format::size;
use crate::processes::{Process, minutes, permille, tenths};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use mach::vm_statistics::VmStatistics64;

/// What comes first.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Key {
    /// What used the processors most since the sample before.
    Cpu,
    /// What has most memory.
    Memory,
    /// The newest.
    Pid,
    /// What used the processors most since it began.
    Time,
}

impl Key {
    /// The key that a word names.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "cpu" => Some(Self::Cpu),
            "mem" | "rsize" => Some(Self::Memory),
            "pid" => Some(Self::Pid),
            "time" => Some(Self::Time),
            _ => None,
        }
    }
}

/// The processes at a time.
#[derive(Clone, Debug, Default)]
pub struct Sample {
    /// Nanoseconds since the machine started.
    pub time: u64,
    /// All of them.
    pub processes: Vec<Process>,
}

impl Sample {
    /// Processor time that a process has used since the sample `before`: all of it, if it was not there then.
    fn spent(process: &Process, before: &Self) -> u64 {
        let old = before.processes.iter().find(|old| old.pid == process.pid);
        process.time().saturating_sub(old.map_or(0, Process::time))
    }
}

/// The whole screen.
pub fn screen(
    now: &Sample,
    before: &Sample,
    counts: &VmStatistics64,
    key: Key,
    limit: usize,
) -> String {
    let passed = now.time.saturating_sub(before.time);
    let mut rows: Vec<(u64, &Process)> = now
        .processes
        .iter()
        .map(|process| (Sample::spent(process, before), process))
        .collect();
    rows.sort_by_key(|(spent, process)| {
        core::cmp::Reverse(match key {
            Key::Cpu => *spent,
            Key::Memory => process.task.resident_size,
            Key::Pid => process.pid as u64,
            Key::Time => process.time(),
        })
    });
    let used: u64 = rows.iter().map(|row| row.0).sum();
    let mut text = heading(now, counts, permille(used, passed));
    text.push_str(
        "  PID COMMAND            %CPU      TIME  #TH     MEM   VSIZE   FAULTS  PPID STATE\n",
    );
    for (spent, process) in rows.into_iter().take(limit) {
        text.push_str(&row(process, permille(spent, passed)));
    }
    text.push('\n');
    text
}

fn heading(now: &Sample, counts: &VmStatistics64, used: u64) -> String {
    let count = |state: &str| {
        let of = now
            .processes
            .iter()
            .filter(|process| process.state() == state);
        of.count()
    };
    let threads: i32 = now
        .processes
        .iter()
        .map(|process| process.task.threads)
        .sum();
    let seconds = now.time / 1_000_000_000;
    let page = libsystem::memory::page_size();
    let bytes = |pages: u32| size(u64::from(pages) * page);
    let held = counts.active_count + counts.inactive_count + counts.wire_count;
    format!(
        "Processes: {} total, {} running, {} sleeping, {} stopped, {} zombie, {threads} threads   up {}:{:02}:{:02}\n\
         CPU usage: {}% in all processes\n\
         PhysMem: {} used ({} wired, {} file-backed, {} anonymous), {} unused.\n\
         VM: {} faults, {} pageins, {} pageouts. Swap: {} swapins, {} swapouts.\n\n",
        now.processes.len(),
        count("running"),
        count("sleeping"),
        count("stopped"),
        count("zombie"),
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60,
        tenths(used),
        bytes(held),
        bytes(counts.wire_count),
        bytes(counts.external_page_count),
        bytes(counts.internal_page_count),
        bytes(counts.free_count),
        counts.faults,
        counts.pageins,
        counts.pageouts,
        counts.swapins,
        counts.swapouts,
    )
}

fn row(process: &Process, share: u64) -> String {
    let name: String = process.bsd.name().chars().take(16).collect();
    format!(
        "{:>5} {name:<16} {:>6} {:>9} {:>4} {:>7} {:>7} {:>8} {:>5} {}\n",
        process.pid,
        tenths(share),
        minutes(process.time()),
        process.task.threads,
        size(process.task.resident_size),
        size(process.task.virtual_size),
        process.task.faults,
        process.bsd.parent,
        process.state(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use bsd_sys::proc_info::{BsdInfo, SRUN, TaskInfo};

    fn process(pid: i32, time: u64, resident: u64) -> Process {
        Process {
            pid,
            bsd: BsdInfo::new(SRUN, pid as u32, 1, 1, 3, "program"),
            task: TaskInfo {
                total_user: time,
                resident_size: resident,
                threads: 1,
                ..TaskInfo::default()
            },
        }
    }

    fn order(key: Key) -> Vec<i32> {
        let before = Sample {
            time: 0,
            processes: vec![process(1, 900, 5), process(2, 0, 7)],
        };
        let now = Sample {
            time: 1000,
            processes: vec![process(1, 1000, 5), process(2, 500, 7), process(3, 200, 1)],
        };
        let text = screen(&now, &before, &VmStatistics64::default(), key, 3);
        let rows = text.lines().skip(6);
        rows.filter_map(|row| row.split_whitespace().next()?.parse().ok())
            .collect()
    }

    #[test]
    fn what_uses_most_comes_first() {
        assert_eq!(order(Key::Cpu), [2, 3, 1]);
        assert_eq!(order(Key::Memory), [2, 1, 3]);
        assert_eq!(order(Key::Pid), [3, 2, 1]);
        assert_eq!(order(Key::Time), [1, 2, 3]);
        assert_eq!(Key::parse("size"), None);
    }
}

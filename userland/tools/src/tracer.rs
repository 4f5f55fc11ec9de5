//! From trace records to calls: who made which call, with what, and how it ended.

use crate::calls;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use mach::trace::{Event, Record};

/// A call that has begun.
#[derive(Debug, Default)]
struct Pending {
    number: i32,
    words: Vec<u64>,
    time: u64,
    /// Bytes of paths, each with zeros at its end.
    text: Vec<u8>,
    /// Messages that went out or came in.
    messages: Vec<String>,
}

/// A thread that is followed.
#[derive(Debug, Default)]
struct Followed {
    pid: u64,
    pending: Option<Pending>,
}

/// Follows some threads through the trace.
#[derive(Debug, Default)]
pub struct Tracer {
    threads: BTreeMap<u64, Followed>,
    /// Nobody is followed before a call like this: number and first argument.
    mark: (u64, u64),
    /// The process that the mark's thread belongs to.
    root: u64,
    begin: Option<u64>,
    /// Read, and not yet looked at: who made a thread may stand in a later piece than the thread's first call.
    held: Vec<Record>,
}

/// Above the lines.
pub const HEADING: &str = "  PID        us  ELAPSED  CALL(arguments) = result";

impl Tracer {
    /// Follows the thread that makes this call, from then on; it is of process `pid`.
    pub fn new(mark: (u64, u64), pid: i32) -> Self {
        Self {
            mark,
            root: pid as u64,
            ..Self::default()
        }
    }

    /// Takes records in the order of time, and gives lines for what has ended. `microseconds` turns ticks into them.
    pub fn add(&mut self, records: Vec<Record>, microseconds: impl Fn(u64) -> u64) -> Vec<String> {
        for record in &records {
            self.learn(record);
        }
        let held = core::mem::replace(&mut self.held, records);
        self.look(&held, &microseconds)
    }

    /// What is left, calls that have not ended among it.
    pub fn finish(mut self, microseconds: impl Fn(u64) -> u64) -> Vec<String> {
        let mut lines = self.add(Vec::new(), &microseconds);
        for followed in self.threads.values() {
            if let Some(pending) = &followed.pending {
                lines.push(self.line(followed.pid, pending, None, "?", &microseconds));
            }
        }
        lines
    }

    /// Who follows from a record: the thread of the mark, and those of new processes.
    fn learn(&mut self, record: &Record) {
        let [first, second, third, _] = record.arguments;
        let is = |event: Event| record.event == event as u32;
        if is(Event::SyscallEntry) && (first, second) == self.mark && self.begin.is_none() {
            self.begin = Some(record.time);
            self.follow(record.thread, self.root);
        } else if is(Event::ProcessCreate)
            && self.threads.values().any(|followed| followed.pid == second)
        {
            self.follow(third, first);
        }
    }

    fn follow(&mut self, thread: u64, pid: u64) {
        let followed = Followed { pid, pending: None };
        self.threads.insert(thread, followed);
    }

    fn look(&mut self, records: &[Record], microseconds: &impl Fn(u64) -> u64) -> Vec<String> {
        let mut lines = Vec::new();
        for record in records {
            let Some(event) = Event::from_number(record.event) else {
                continue;
            };
            let Some(followed) = self.threads.get_mut(&record.thread) else {
                continue;
            };
            let pid = followed.pid;
            let arguments = record.arguments;
            match event {
                Event::SyscallEntry => {
                    let is_mark = (arguments[0], arguments[1]) == self.mark;
                    let before = Some(record.time) < self.begin;
                    followed.pending = (!is_mark && !before).then(|| Pending {
                        number: arguments[0] as i32,
                        words: arguments[1..].to_vec(),
                        time: record.time,
                        ..Pending::default()
                    });
                }
                Event::SyscallReturn => {
                    if let Some(pending) = followed.pending.take() {
                        let [_, first, code, second] = arguments;
                        let result = calls::result(pending.number, first, code, second);
                        let end = Some(record.time);
                        lines.push(self.line(pid, &pending, end, &result, microseconds));
                    }
                }
                other => {
                    if let Some(pending) = &mut followed.pending {
                        pending.note(other, arguments);
                    }
                }
            }
        }
        lines
    }

    fn line(
        &self,
        pid: u64,
        pending: &Pending,
        end: Option<u64>,
        result: &str,
        microseconds: &impl Fn(u64) -> u64,
    ) -> String {
        let since = |from: u64, to: u64| microseconds(to.saturating_sub(from));
        let start = since(self.begin.unwrap_or(pending.time), pending.time);
        let elapsed = end.map_or_else(
            || String::from("-"),
            |end| format!("{}", since(pending.time, end)),
        );
        let mut line = format!(
            "{pid:>5} {start:>9} {elapsed:>8}  {}({}) = {result}",
            calls::name(pending.number),
            calls::arguments(pending.number, &pending.words, &pending.paths()),
        );
        for message in &pending.messages {
            line.push_str(message);
        }
        line
    }
}

impl Pending {
    fn note(&mut self, event: Event, arguments: [u64; 4]) {
        let message = |arrow: &str| {
            let id = arguments[1] as i32;
            match calls::message(id) {
                Some(name) => format!("  {arrow} {name} ({id})"),
                None => format!("  {arrow} message {id}"),
            }
        };
        match event {
            Event::SyscallArguments => self.words.extend(arguments),
            Event::SyscallPath => self
                .text
                .extend(arguments.iter().flat_map(|word| word.to_le_bytes())),
            Event::MachMsgSend => self.messages.push(message("->")),
            Event::MachMsgReceive => self.messages.push(message("<-")),
            _ => {}
        }
    }

    /// The paths in the records' text. Each begins with a record of its own, 32 bytes, and ends with a zero.
    fn paths(&self) -> Vec<String> {
        let mut paths = Vec::new();
        let mut path: Vec<u8> = Vec::new();
        for piece in self.text.chunks(32) {
            match piece.iter().position(|byte| *byte == 0) {
                Some(end) => {
                    path.extend_from_slice(&piece[..end]);
                    paths.push(String::from_utf8_lossy(&path).into_owned());
                    path.clear();
                }
                None => path.extend_from_slice(piece),
            }
        }
        paths
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use bsd_sys::syscall;

    fn record(time: u64, thread: u64, event: Event, arguments: [u64; 4]) -> Record {
        Record {
            time,
            thread,
            cpu: 0,
            event: event as u32,
            arguments,
        }
    }

    fn text(bytes: &[u8; 32]) -> [u64; 4] {
        core::array::from_fn(|index| {
            u64::from_le_bytes(bytes[index * 8..index * 8 + 8].try_into().unwrap())
        })
    }

    fn tracer() -> Tracer {
        let mut tracer = Tracer::new((u64::from(syscall::GETPID), 99), 7);
        let mark = [u64::from(syscall::GETPID), 99, 0, 0];
        tracer.add(vec![record(10, 3, Event::SyscallEntry, mark)], |ticks| {
            ticks
        });
        tracer
    }

    #[test]
    fn a_call_and_its_end_are_one_line() {
        let mut tracer = tracer();
        let (mut first, mut second) = ([b'a'; 32], [0; 32]);
        first[0] = b'/';
        second[0] = b'b';
        let number = u64::from(syscall::OPEN);
        let records = vec![
            record(20, 3, Event::SyscallEntry, [number, 0x1000, 0, 0]),
            record(20, 4, Event::SyscallEntry, [number, 1, 2, 3]),
            record(21, 3, Event::SyscallPath, text(&first)),
            record(22, 3, Event::SyscallPath, text(&second)),
            record(25, 3, Event::SyscallReturn, [number, 5, 0, 0]),
        ];
        assert_eq!(tracer.add(records, |ticks| ticks).len(), 0);
        let lines = tracer.finish(|ticks| ticks);
        let path = format!("/{}b", "a".repeat(31));
        assert_eq!(
            lines,
            [format!(
                "    7        10        5  open({path:?}, O_RDONLY) = 5"
            )]
        );
    }

    #[test]
    fn children_are_followed_though_they_are_known_late() {
        let mut tracer = tracer();
        let number = u64::from(syscall::GETPPID);
        let child = record(30, 8, Event::SyscallEntry, [number, 0, 0, 0]);
        let fork = record(31, 3, Event::ProcessCreate, [9, 7, 8, 0]);
        let end = record(35, 8, Event::SyscallReturn, [number, 7, 0, 0]);
        tracer.add(vec![child], |ticks| ticks);
        let mut lines = tracer.add(vec![fork, end], |ticks| ticks);
        lines.extend(tracer.finish(|ticks| ticks));
        assert_eq!(lines, ["    9        20        5  getppid() = 7"]);
    }

    #[test]
    fn a_call_that_does_not_end_is_shown_at_the_end() {
        let mut tracer = tracer();
        let exit = record(
            20,
            3,
            Event::SyscallEntry,
            [u64::from(syscall::EXIT), 3, 0, 0],
        );
        tracer.add(vec![exit], |ticks| ticks);
        assert_eq!(
            tracer.finish(|ticks| ticks),
            ["    7        10        -  exit(3) = ?"]
        );
    }

    #[test]
    fn any_records_are_survived() {
        let mut tracer = tracer();
        let mut state = 1u64;
        let mut next = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            state >> 33
        };
        let records = (0..5000)
            .map(|time| Record {
                time,
                thread: next() % 4,
                cpu: 0,
                event: 0x100 + (next() % 8) as u32,
                arguments: core::array::from_fn(|_| next() % 600),
            })
            .collect();
        tracer.add(records, |ticks| ticks);
        tracer.finish(|ticks| ticks);
    }
}

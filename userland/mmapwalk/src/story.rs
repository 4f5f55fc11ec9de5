//! From records to a story: which of them belong to what was done, who did them, and their layout.
//!
//! A step is framed by two marks in the trace. What this thread did between them belongs to it; of other threads, what the
//! pager did for it: everything on the way of a message. The rest of the machine is left out.

use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use libsystem::println;
use libsystem::time;
use libsystem::trace::{Trace, mark, position};
use mach::trace::{Event, Record};

use crate::describe::{self, Line};

/// Numbers of the marks around a step.
const BEGIN: u64 = 0x6d6d_6170_0001;
const END: u64 = 0x6d6d_6170_0002;

/// Where the steps are performed.
pub(crate) struct Stage {
    trace: Trace,
    step: u32,
}

impl Stage {
    /// An empty stage; the trace is on.
    pub(crate) fn new(trace: Trace) -> Self {
        Self { trace, step: 0 }
    }

    /// Does something and tells what happened in the kernel meanwhile.
    pub(crate) fn act<T>(&mut self, title: &str, action: impl FnOnce() -> T) -> Result<T, String> {
        let failed = |code| format!("reading the trace: {code:?}");
        self.trace.take().map_err(failed)?;
        mark(BEGIN);
        let result = action();
        mark(END);
        let (records, lost) = self.trace.take_counting().map_err(failed)?;
        self.step += 1;
        println!();
        println!("{}. {title}", self.step);
        match frame(&records) {
            Some((thread, records)) => tell(thread, records),
            None => println!("   (the trace has lost this step: {lost} records were overwritten)"),
        }
        Ok(result)
    }
}

/// The records between the marks, and the thread that made them.
fn frame(records: &[Record]) -> Option<(u64, &[Record])> {
    let begin = position(records, BEGIN)?;
    let end = position(records, END)?;
    let thread = records[begin].thread;
    // The mark's own return is not part of the story.
    let returned =
        |record: &&Record| record.thread == thread && record.event == Event::SyscallReturn as u32;
    let start = begin
        + 1
        + usize::from(
            records[begin + 1..end]
                .first()
                .as_ref()
                .is_some_and(returned),
        );
    Some((thread, records.get(start..end)?))
}

/// Threads that worked for this one: those that received what it sent, and those that supplied its objects.
fn helpers(thread: u64, records: &[Record]) -> BTreeSet<u64> {
    let sent: BTreeSet<u64> = of(thread, records, Event::KernelMessage)
        .map(|record| record.arguments[0])
        .collect();
    let receives = |record: &&Record| {
        record.event == Event::MachMsgReceive as u32 && sent.contains(&record.arguments[0])
    };
    records
        .iter()
        .filter(receives)
        .map(|record| record.thread)
        .filter(|other| *other != thread)
        .collect()
}

fn of(thread: u64, records: &[Record], event: Event) -> impl Iterator<Item = &Record> {
    records
        .iter()
        .filter(move |record| record.thread == thread && record.event == event as u32)
}

/// Who did it, for the column: `None` if it is no part of the story.
fn actor(
    record: &Record,
    event: Event,
    thread: u64,
    helpers: &BTreeSet<u64>,
) -> Option<&'static str> {
    if matches!(
        event,
        Event::ThreadSwitch
            | Event::ThreadWake
            | Event::Interrupt
            | Event::SyscallArguments
            | Event::SyscallPath
    ) {
        return None;
    }
    if record.thread == thread {
        Some("program")
    } else if helpers.contains(&record.thread) {
        let shown = !matches!(event, Event::SyscallEntry | Event::SyscallReturn);
        shown.then_some("pager")
    } else if event == Event::DeviceReply && !helpers.is_empty() {
        Some("device")
    } else {
        None
    }
}

fn tell(thread: u64, records: &[Record]) {
    let helpers = helpers(thread, records);
    let mut lines: Vec<(u64, &'static str, Event, Line)> = Vec::new();
    let mut inserted = 0u64;
    for record in records {
        let Some(event) = Event::from_number(record.event) else {
            continue;
        };
        let Some(who) = actor(record, event, thread, &helpers) else {
            continue;
        };
        // A run of pages is one line.
        if event == Event::VmPageInsert
            && lines
                .last()
                .is_some_and(|line| line.2 == Event::VmPageInsert)
        {
            inserted += 1;
            if let Some(last) = lines.last_mut() {
                last.3.details = format!(
                    "{} more pages, the last {}",
                    inserted,
                    describe::line(record, event).details
                );
            }
            continue;
        }
        inserted = 0;
        lines.push((record.time, who, event, describe::line(record, event)));
    }
    let Some(begin) = lines.first().map(|line| line.0) else {
        println!("   Nothing: the kernel was not entered.");
        return;
    };
    println!(
        "   {:>7}  {:<8}{:<27}{:<44}{}",
        "us", "who", "what XNU calls it", "our function", "details"
    );
    for (at, who, _, line) in &lines {
        let microseconds = time::nanoseconds(at - begin) / 1000;
        println!(
            "   {microseconds:>7}  {who:<8}{:<27}{:<44}{}",
            line.xnu, line.ours, line.details
        );
    }
}

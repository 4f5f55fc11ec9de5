//! The page `docs/fault.md` against the trace of a real fault: every event it names must come, in its order.
//!
//! The page's table of events is the specification: this program is compiled with it.

#![cfg_attr(target_os = "none", no_std, no_main)]
#![forbid(unsafe_code)]

extern crate alloc;

use alloc::vec::Vec;

use bsd_sys::mman::advice;
use libsystem::fs::{self, File};
use libsystem::println;
use libsystem::trace::{Trace, become_privileged, mark, position};
use mach::trace::{Event, Record};
use tests::raw::{self, PRIVATE, R, SHARED, UNIX03, W, page};
use tests::{Context as _, Outcome, ensure, ensure_equal};

libsystem::main!(run);

fn run() -> i32 {
    if let Err(reason) = become_privileged("/tests/fault_walk") {
        println!("test tracing ... FAILED: {reason}");
        println!("verdict: 0 passed, 1 failed");
        return 1;
    }
    tests::run(&[
        ("the_page_lists_known_events", the_page_lists_known_events),
        (
            "a_fault_goes_the_way_the_page_says",
            a_fault_goes_the_way_the_page_says,
        ),
        (
            "a_second_touch_causes_no_event",
            a_second_touch_causes_no_event,
        ),
        (
            "a_private_write_copies_one_page",
            a_private_write_copies_one_page,
        ),
    ])
}

const PAGE: &str = include_str!("../../../../docs/fault.md");

/// Rows of the table of events: `| event | who | function |`.
fn rows() -> Vec<(&'static str, &'static str)> {
    let table = PAGE
        .split("<!-- events -->")
        .nth(1)
        .and_then(|rest| rest.split("<!-- /events -->").next());
    let cells = table.unwrap_or("").lines().filter_map(|line| {
        let mut cells = line.trim().strip_prefix('|')?.split('|').map(str::trim);
        let event = cells.next()?.strip_prefix('`')?.strip_suffix('`')?;
        Some((event, cells.next()?))
    });
    cells.collect()
}

fn the_page_lists_known_events() -> Outcome {
    let rows = rows();
    ensure!(
        rows.len() >= 10,
        "the page lists only {} events",
        rows.len()
    );
    for (name, who) in rows {
        ensure!(
            mach::trace::TABLE.iter().any(|row| row.1 == name),
            "there is no event `{name}`"
        );
        ensure!(
            ["program", "server"].contains(&who),
            "`{name}` is done by `{who}`"
        );
    }
    Ok(())
}

/// Numbers of the marks before and after.
const BEFORE: u64 = 0x6265_666f_7265;
const AFTER: u64 = 0x6166_7465_7200;

/// The trace of what `work` does, and the thread that did it.
fn traced(work: impl FnOnce()) -> Result<(Vec<Record>, u64), alloc::string::String> {
    let trace = Trace::start(8192).context("tracing")?;
    mark(BEFORE);
    work();
    mark(AFTER);
    let records = trace.take().context("reading the trace")?;
    let begin = position(&records, BEFORE).ok_or("the first mark is not in the trace")?;
    let end = position(&records, AFTER).ok_or("the last mark is not in the trace")?;
    let thread = records[begin].thread;
    Ok((records[begin..end].to_vec(), thread))
}

struct Mapped {
    _file: File,
    base: u64,
}

/// A page that is in no memory yet.
fn fresh(protection: u64, sharing: u64) -> Result<Mapped, alloc::string::String> {
    fs::purge().context("vfs_purge")?;
    // A program nobody runs now.
    let file = File::open("/bin/vmmap").context("open")?;
    let base = raw::mmap(
        0,
        4 * page(),
        protection,
        sharing | UNIX03,
        file.descriptor(),
        0,
    )
    .context("mmap")?;
    raw::madvise(base, 4 * page(), advice::RANDOM).context("madvise")?;
    ensure_equal!(raw::resident(base, 4), Ok(0), "resident pages before");
    Ok(Mapped { _file: file, base })
}

fn a_fault_goes_the_way_the_page_says() -> Outcome {
    let mapped = fresh(R, SHARED)?;
    let (records, thread) = traced(|| raw::touch(mapped.base + page()))?;
    let mut at = 0;
    for (index, (name, who)) in rows().into_iter().enumerate() {
        let wanted = |record: &Record| {
            let event = Event::from_number(record.event).map_or("?", Event::name);
            event == name && (record.thread == thread) == (who == "program")
        };
        let Some(found) = records[at..].iter().position(wanted) else {
            let seen: Vec<&str> = records[at..]
                .iter()
                .filter_map(|r| Event::from_number(r.event))
                .map(Event::name)
                .collect();
            return Err(alloc::format!(
                "row {index}, `{name}` ({who}), does not come; after the row before it: {seen:?}"
            ));
        };
        at += found + 1;
    }
    // And nothing of importance happened that the page does not tell.
    let rows = rows();
    for record in records.iter().filter(|record| record.thread == thread) {
        let Some(event) = Event::from_number(record.event) else {
            continue;
        };
        let told = rows.iter().any(|row| row.0 == event.name());
        let beside = matches!(
            event,
            Event::ThreadSwitch | Event::Interrupt | Event::ThreadWake | Event::VmPageWait
        ) || (Event::SyscallEntry as u32..=Event::SyscallPath as u32)
            .contains(&record.event);
        ensure!(
            told || beside,
            "the page does not mention `{}`",
            event.name()
        );
    }
    Ok(())
}

fn a_second_touch_causes_no_event() -> Outcome {
    let mapped = fresh(R, SHARED)?;
    let _ = raw::load(mapped.base + page());
    let (records, thread) = traced(|| raw::touch(mapped.base + page() + 1))?;
    let faults = records
        .iter()
        .filter(|record| record.thread == thread && record.event == Event::TrapEntry as u32);
    ensure_equal!(faults.count(), 0, "traps");
    Ok(())
}

fn a_private_write_copies_one_page() -> Outcome {
    let mapped = fresh(R | W, PRIVATE)?;
    let (records, thread) = traced(|| raw::store(mapped.base + page(), 1))?;
    let count = |event: Event| {
        records
            .iter()
            .filter(|record| record.thread == thread && record.event == event as u32)
            .count()
    };
    ensure_equal!(count(Event::VmPageCopy), 1, "pages copied");
    ensure_equal!(count(Event::DataRequest), 1, "requests to the pager");
    Ok(())
}

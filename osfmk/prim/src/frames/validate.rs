//! Walks everything and recounts.
//!
//! A frame changes its state and is counted there in two steps, without a lock that would hold both together, and a
//! walk takes its time. So a recount may differ from the counts while other threads use frames: a thread that has just
//! ended gives its stack and its part of the heap back on another processor. Such a difference goes away by itself; a
//! frame that is counted wrongly stays wrong. [`validate`] therefore looks again before it complains.

use super::record::{FrameState, STATES};
use super::{COUNTS, allocate, map, queues, residency};
use crate::clock::Deadline;
use crate::thread;
use core::fmt;
use core::sync::atomic::Ordering;
use core::time::Duration;

/// How old a difference must be to count as one, and the time between looks, in which whoever is at it can finish.
const PATIENCE: Duration = Duration::from_secs(20);
const BETWEEN_LOOKS: Duration = Duration::from_millis(1);

/// What was counted.
enum Subject {
    State(FrameState),
    Other(&'static str),
}

/// Two numbers that should be the same.
struct Difference {
    subject: Subject,
    counted: usize,
    found: usize,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.subject {
            Subject::State(state) => write!(f, "frames in {state:?}: ")?,
            Subject::Other(what) => write!(f, "{what}: ")?,
        }
        write!(f, "{} counted, {} found", self.counted, self.found)
    }
}

/// Checks free lists, caches, residency, page queues and every count. For tests. Others may use frames meanwhile, as
/// long as they come to rest for the time of a walk now and then. No lock may be held.
pub fn validate() {
    let limit = Deadline::after(PATIENCE);
    while let Err(difference) = recount() {
        assert!(!limit.has_passed(), "{difference}");
        let _ = thread::sleep(BETWEEN_LOOKS);
    }
    let guard = queues::lock();
    guard.validate();
    let queued: usize = queues::PageQueue::ALL.into_iter().map(queues::length).sum();
    assert_eq!(queued, queues::marked(), "frames on page queues");
    drop(guard);
}

/// Compares every count with what a walk finds.
fn recount() -> Result<(), Difference> {
    let map = map();
    let mut seen = [0usize; STATES];
    for frame in map.frames() {
        seen[map.record(frame).state() as usize] += 1;
    }
    for state in FrameState::ALL.into_iter().filter(|state| !state.is_free()) {
        let counted = COUNTS[state as usize].load(Ordering::Relaxed);
        compare(Subject::State(state), counted, seen[state as usize])?;
    }
    let free: usize = FrameState::ALL
        .into_iter()
        .filter(|state| state.is_free())
        .map(|state| seen[state as usize])
        .sum();
    let available = super::available();
    compare(Subject::Other("free frames"), available, free)?;
    compare(
        Subject::Other("frames in free lists and caches"),
        available,
        allocate::validate(),
    )?;
    let resident = seen[FrameState::Resident as usize] + seen[FrameState::Wired as usize];
    compare(
        Subject::Other("frames in the residency hash"),
        resident,
        residency::validate(),
    )
}

fn compare(subject: Subject, counted: usize, found: usize) -> Result<(), Difference> {
    if counted == found {
        return Ok(());
    }
    Err(Difference {
        subject,
        counted,
        found,
    })
}

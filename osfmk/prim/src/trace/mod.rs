//! The trace: what the kernel did, event by event.
//!
//! [`point`] records an event with four arguments, the time and the thread; when tracing is off it costs one load and
//! a branch. Records go to a ring per processor without locks; [`drain`] gives them in the order of time. When a ring
//! runs over, the oldest records are gone and [`Drained::lost`] counts them.
//!
//! ```
//! use prim::trace::{self, Event};
//! trace::enable(1024).unwrap();
//! trace::point(Event::VmFault, 0x4000, 1, 0, 0);
//! trace::disable();
//! let mut seen = 0;
//! trace::drain(|record| seen += usize::from(record.event == Event::VmFault));
//! assert_eq!(seen, 1);
//! ```
//!
//! Other crates add their events to the table in [`events`].
//!
//! XNU counterpart: `kdebug`, `KERNEL_DEBUG_CONSTANT`.

pub mod events;
mod ring;

use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, Ordering};

use machine::cpu::{self, MAX_CPUS};

pub use events::Event;
use ring::Ring;

use crate::clock::{self, Instant64};
use crate::lock::{Mutex, Rank};
use crate::thread;

/// One recorded event.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Record {
    /// When.
    pub time: Instant64,
    /// Which thread ([`thread::Thread::id`]); 0 before there were threads.
    pub thread: u64,
    /// On which processor.
    pub cpu: u32,
    /// What.
    pub event: Event,
    /// The event's arguments, as its entry in the table names them.
    pub arguments: [u64; 4],
}

/// What [`drain`] did.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Drained {
    /// Records given.
    pub records: usize,
    /// Records that were overwritten before they were drained.
    pub lost: u64,
}

/// No memory for the rings.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NoMemory;

static ENABLED: AtomicBool = AtomicBool::new(false);
static RINGS: [spin::Once<Ring>; MAX_CPUS] = [const { spin::Once::new() }; MAX_CPUS];
/// One drain at a time; blocking, because the receiver may be slow.
static DRAIN: Mutex<()> = Mutex::new(Rank::Trace, ());

/// Records an event if tracing is on.
#[doc(alias = "KERNEL_DEBUG_CONSTANT")]
#[inline]
pub fn point(event: Event, a: u64, b: u64, c: u64, d: u64) {
    if ENABLED.load(Ordering::Relaxed) {
        record(event, [a, b, c, d]);
    }
}

/// Records the beginning of a call: its number and, of as many arguments as `count` says, the first seven.
#[inline]
pub fn call(number: u64, count: impl FnOnce() -> u8, arguments: &[u64; 8]) {
    if ENABLED.load(Ordering::Relaxed) {
        let [a, b, c, d, e, f, g, _] = *arguments;
        record(Event::SyscallEntry, [number, a, b, c]);
        if count() > 3 {
            record(Event::SyscallArguments, [d, e, f, g]);
        }
    }
}

/// Records a text that a call was given, 32 bytes to an event; zeros, one at least, fill the last one.
pub fn text(event: Event, text: &[u8]) {
    if !ENABLED.load(Ordering::Relaxed) {
        return;
    }
    for begin in (0..=text.len()).step_by(32) {
        let piece = &text[begin..text.len().min(begin + 32)];
        let mut words = [0; 4];
        for (word, bytes) in words.iter_mut().zip(piece.chunks(8)) {
            let mut filled = [0; 8];
            filled[..bytes.len()].copy_from_slice(bytes);
            *word = u64::from_le_bytes(filled);
        }
        record(event, words);
    }
}

#[cold]
fn record(event: Event, arguments: [u64; 4]) {
    let thread = thread::try_current().map_or(0, |thread| thread.id());
    let cpu = cpu::current();
    if let Some(ring) = RINGS[cpu].get() {
        ring.push(clock::now().0, thread, event as u32, arguments);
    }
}

/// Switches tracing on with room for about `records` events on each processor. The room of the first call stays.
pub fn enable(records: usize) -> Result<(), NoMemory> {
    for ring in &RINGS {
        ring.try_call_once(|| Ring::new(records))?;
    }
    ENABLED.store(true, Ordering::Release);
    Ok(())
}

/// Switches tracing off; what was recorded stays until it is drained.
pub fn disable() {
    ENABLED.store(false, Ordering::Release);
}

/// Whether tracing is on.
pub fn is_enabled() -> bool {
    ENABLED.load(Ordering::Relaxed)
}

/// Takes what was recorded since the last drain, in the order of time.
pub fn drain(mut receive: impl FnMut(Record)) -> Drained {
    drain_while(|record| {
        receive(record);
        true
    })
}

/// As [`drain`], but stops when `receive` says `false`; that record is taken, later ones stay.
pub fn drain_while(mut receive: impl FnMut(Record) -> bool) -> Drained {
    let _one_at_a_time = DRAIN.lock();
    let mut drained = Drained::default();
    // Only what is there now: events that the receiver causes belong to the next drain.
    let mut heads: Vec<(usize, &Ring, u64, Option<Record>)> = RINGS
        .iter()
        .enumerate()
        .filter_map(|(cpu, ring)| ring.get().map(|ring| (cpu, ring, ring.written(), None)))
        .collect();
    loop {
        for (cpu, ring, end, head) in &mut heads {
            while head.is_none() {
                let Some(slot) = ring.pop(*end, &mut drained.lost) else {
                    break;
                };
                *head = slot.decode(*cpu as u32);
            }
        }
        let earliest = heads
            .iter_mut()
            .filter(|entry| entry.3.is_some())
            .min_by_key(|entry| entry.3.map(|r| r.time));
        let Some((_, ring, _, head)) = earliest else {
            return drained;
        };
        let Some(record) = head.take() else {
            return drained;
        };
        ring.consume();
        drained.records += 1;
        if !receive(record) {
            return drained;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_of_many_threads_come_out_in_order_of_time() {
        enable(8192).unwrap();
        drain(|_| ());
        let threads: Vec<_> = (0..4u64)
            .map(|t| {
                std::thread::spawn(move || {
                    for i in 0..500 {
                        point(Event::Test, t, i, 3, 4);
                    }
                })
            })
            .collect();
        threads
            .into_iter()
            .for_each(|thread| thread.join().unwrap());
        let mut records = Vec::new();
        drain(|record| records.push(record));
        assert!(records.is_sorted_by_key(|record| record.time));
        let mut next = [0; 4];
        for record in records.iter().filter(|record| record.event == Event::Test) {
            let t = record.arguments[0] as usize;
            assert_eq!(record.arguments[1], next[t], "thread {t} in its own order");
            next[t] += 1;
        }
        assert_eq!(next, [500; 4]);
        disable();
    }
}

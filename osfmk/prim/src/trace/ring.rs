//! One processor's ring of trace records.
//!
//! A writer takes a number, fills the slot of that number and marks it complete; a reader that finds a slot
//! incomplete or overwritten knows by the slot's own number. All fields are atomics: a writer may be interrupted by
//! another one on the same processor at any point.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU64, Ordering};

use super::{Event, NoMemory, Record};
use crate::clock::Instant64;

const WORDS: usize = 7;

/// A record in the ring. `number` is one more than the record's number once it is complete, 0 while it is written.
struct Slot {
    number: AtomicU64,
    words: [AtomicU64; WORDS],
}

pub(super) struct Ring {
    slots: Box<[Slot]>,
    /// Numbers given to writers.
    next: AtomicU64,
    /// Number of the next record to read; under the drain lock.
    read: AtomicU64,
}

/// A record's words, read whole.
pub(super) struct Words([u64; WORDS]);

impl Words {
    pub(super) fn decode(&self, cpu: u32) -> Option<Record> {
        let [time, thread, event, arguments @ ..] = self.0;
        Some(Record {
            time: Instant64(time),
            thread,
            cpu,
            event: Event::from_number(event as u32)?,
            arguments,
        })
    }
}

impl Ring {
    pub(super) fn new(records: usize) -> Result<Self, NoMemory> {
        let count = records.max(16).next_power_of_two();
        let mut slots = Vec::new();
        slots.try_reserve_exact(count).map_err(|_| NoMemory)?;
        slots.extend((0..count).map(|_| Slot {
            number: AtomicU64::new(0),
            words: [const { AtomicU64::new(0) }; WORDS],
        }));
        Ok(Self {
            slots: slots.into_boxed_slice(),
            next: AtomicU64::new(0),
            read: AtomicU64::new(0),
        })
    }

    fn slot(&self, number: u64) -> &Slot {
        &self.slots[number as usize & (self.slots.len() - 1)]
    }

    pub(super) fn push(&self, time: u64, thread: u64, event: u32, arguments: [u64; 4]) {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let slot = self.slot(number);
        slot.number.store(0, Ordering::Relaxed);
        core::sync::atomic::fence(Ordering::Release);
        let [a, b, c, d] = arguments;
        for (word, value) in slot
            .words
            .iter()
            .zip([time, thread, u64::from(event), a, b, c, d])
        {
            word.store(value, Ordering::Relaxed);
        }
        slot.number.store(number + 1, Ordering::Release);
    }

    /// Records written so far.
    pub(super) fn written(&self) -> u64 {
        self.next.load(Ordering::Acquire)
    }

    /// The next record before number `end`, which stays next until [`Ring::consume`]. Counts what was overwritten.
    pub(super) fn pop(&self, end: u64, lost: &mut u64) -> Option<Words> {
        loop {
            let mut number = self.read.load(Ordering::Relaxed);
            let oldest = self.written().saturating_sub(self.slots.len() as u64);
            if number < oldest {
                *lost += oldest - number;
                number = oldest;
                self.read.store(number, Ordering::Relaxed);
            }
            if number >= end {
                return None;
            }
            let slot = self.slot(number);
            let before = slot.number.load(Ordering::Acquire);
            let words = core::array::from_fn(|i| slot.words[i].load(Ordering::Relaxed));
            core::sync::atomic::fence(Ordering::Acquire);
            let after = slot.number.load(Ordering::Relaxed);
            if before == number + 1 && after == before {
                return Some(Words(words));
            }
            // Half written or just overwritten.
            *lost += 1;
            self.consume();
        }
    }

    pub(super) fn consume(&self) {
        self.read.fetch_add(1, Ordering::Relaxed);
    }
}

//! The timer of each processor.
//!
//! One hardware timer serves three purposes, each with a word in the processor's block that says when it is due:
//!
//! - the running thread's *turn* ends (equals take turns);
//! - a *callout* is due that was armed on this processor, or whose successor the callout thread left to it;
//! - work that was queued here has waited long enough for an *idle processor* to be called ([`share_later`]).
//!
//! A fourth word says what the hardware is set to. It is set only to come earlier; when it comes too early it is set
//! again. An idle processor without callouts of its own sleeps until it is called.
//!
//! XNU counterpart: `rtclock_intr`, `quantum_timer_set_deadline`, `timer_call` queues of a processor.

use core::sync::atomic::Ordering;

use machine::cpu::{self, CpuLocal};
use machine::{clock as hardware, interrupts};

use super::state::{self, SCHEDULER};
use crate::clock::{self, Instant64};

/// A turn among equals: 10 ms.
const TURNS_PER_SECOND: u64 = 100;
/// How long work waits for its own processor before an idle one is called: 100 microseconds.
const SHARES_PER_SECOND: u64 = 10_000;

/// Slots in the processor's block.
const TURN: usize = 0;
const CALLOUT: usize = 1;
const SHARE: usize = 2;
const HARDWARE: usize = 3;

const NEVER: u64 = u64::MAX;

fn read(local: &CpuLocal, slot: usize) -> u64 {
    match local.slots[slot].load(Ordering::Relaxed) as u64 {
        // A processor's block starts as zeroes.
        0 => NEVER,
        value => value,
    }
}

fn write(local: &CpuLocal, slot: usize, value: u64) {
    local.slots[slot].store(value as usize, Ordering::Relaxed);
}

/// Whether the running thread has had its turn. Interrupts are masked.
pub(super) fn turn_is_over() -> bool {
    clock::now().0 >= read(cpu::local(), TURN)
}

/// Starts the turn of the thread that comes in. Interrupts are masked.
pub(super) fn begin_turn(is_idle: bool) {
    let local = cpu::local();
    let end = if is_idle {
        NEVER
    } else {
        clock::now().0 + clock::frequency() / TURNS_PER_SECOND
    };
    write(local, TURN, end);
    set_hardware(local, end);
}

/// Calls an idle processor a little later, unless the queue is empty by then: whoever wakes another thread and blocks
/// at once, as in a call by message, keeps both on one processor. Interrupts are masked.
pub(super) fn share_later() {
    let local = cpu::local();
    if read(local, SHARE) == NEVER {
        let due = clock::now().0 + clock::frequency() / SHARES_PER_SECOND;
        write(local, SHARE, due);
        set_hardware(local, due);
    }
}

/// Sets the hardware unless it comes earlier already.
fn set_hardware(local: &CpuLocal, deadline: u64) {
    if deadline < read(local, HARDWARE) {
        write(local, HARDWARE, deadline);
        hardware::set_deadline(deadline);
    }
}

/// Makes this processor responsible for a callout at `deadline`.
#[doc(alias = "setPop")]
pub(crate) fn program_timer(deadline: Instant64) {
    let masked = interrupts::disable();
    let local = cpu::local();
    if deadline.0 < read(local, CALLOUT) {
        write(local, CALLOUT, deadline.0);
    }
    set_hardware(local, deadline.0);
    interrupts::restore(masked);
}

/// The timer's interrupt: the board calls this from its handler, with interrupts masked.
#[doc(alias = "rtclock_intr")]
pub fn timer_interrupt() {
    let local = cpu::local();
    write(local, HARDWARE, NEVER);
    hardware::mask();
    let now = clock::now().0;
    if read(local, CALLOUT) <= now {
        write(local, CALLOUT, clock::timer_interrupt());
    }
    if read(local, SHARE) <= now {
        write(local, SHARE, NEVER);
        SCHEDULER.lock().call_idle_processor();
    }
    let mut turn = read(local, TURN);
    if turn <= now {
        state::request(cpu::current());
        // Nobody may be waiting for the turn: it stays over, and is looked at again a turn later.
        turn = now + clock::frequency() / TURNS_PER_SECOND;
    }
    set_hardware(
        local,
        turn.min(read(local, CALLOUT)).min(read(local, SHARE)),
    );
}

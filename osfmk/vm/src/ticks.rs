//! Deadlines as plain numbers of clock ticks, so that tables of them need no allocation and no clock to be tested.

use prim::clock::{self, Deadline, Instant64};

use crate::memory_object::requests::NEVER;

/// The clock, in ticks.
pub(crate) fn now() -> u64 {
    clock::now().0
}

/// The tick that is `nanoseconds` away; `None`: never.
pub(crate) fn after(nanoseconds: Option<u64>) -> u64 {
    nanoseconds.map_or(NEVER, |nanoseconds| {
        now().saturating_add(clock::nanoseconds_to_ticks(nanoseconds))
    })
}

/// Nanoseconds from a tick until now; 0 if it is yet to come.
pub(crate) fn nanoseconds_since(tick: u64) -> u64 {
    clock::ticks_to_nanoseconds(now().saturating_sub(tick))
}

/// The deadline for a wait.
pub(crate) fn deadline(ticks: u64) -> Option<Deadline> {
    (ticks != NEVER).then_some(Deadline(Instant64(ticks)))
}

//! Time: the counter, deadlines, and callouts.
//!
//! Time is counted in ticks of the machine's counter ([`Instant64`]); conversions go through its frequency. A
//! [`Deadline`] is a moment. [`Callout`] calls a function on the callout thread when its moment comes
//! (`timers`); a thread's waits use the same queue.
//!
//! XNU counterpart: `mach_absolute_time`, `clock_interval_to_deadline`, `thread_call`, `timer_call`.

mod timers;

use core::ops::Add;
use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;

#[cfg(target_os = "none")]
pub(crate) use timers::interrupt as timer_interrupt;
pub(crate) use timers::start_callout_thread;
pub use timers::{Callout, validate};
pub(crate) use timers::{Slot as TimerSlot, ThreadTimer};

/// A moment, in ticks of the machine's counter since it started.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub struct Instant64(pub u64);

/// Now.
#[doc(alias = "mach_absolute_time")]
#[inline]
pub fn now() -> Instant64 {
    Instant64(machine::clock::counter())
}

/// Ticks per second.
#[doc(alias = "mach_timebase_info")]
pub fn frequency() -> u64 {
    machine::clock::frequency()
}

/// Ticks as nanoseconds.
#[doc(alias = "absolutetime_to_nanoseconds")]
pub fn ticks_to_nanoseconds(ticks: u64) -> u64 {
    scale(ticks, 1_000_000_000, frequency())
}

/// Nanoseconds as ticks; at the end of the range it stays there.
#[doc(alias = "nanoseconds_to_absolutetime")]
pub fn nanoseconds_to_ticks(nanoseconds: u64) -> u64 {
    scale(nanoseconds, frequency(), 1_000_000_000)
}

fn scale(value: u64, numerator: u64, denominator: u64) -> u64 {
    let scaled = u128::from(value) * u128::from(numerator) / u128::from(denominator.max(1));
    u64::try_from(scaled).unwrap_or(u64::MAX)
}

impl Instant64 {
    /// Time since `earlier`; zero if that is later.
    pub fn since(self, earlier: Instant64) -> Duration {
        Duration::from_nanos(ticks_to_nanoseconds(self.0.saturating_sub(earlier.0)))
    }
}

impl Add<Duration> for Instant64 {
    type Output = Instant64;
    fn add(self, duration: Duration) -> Instant64 {
        let nanoseconds = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        Instant64(self.0.saturating_add(nanoseconds_to_ticks(nanoseconds)))
    }
}

/// The moment at which something gives up or happens.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Deadline(pub Instant64);

impl Deadline {
    /// A time from now.
    #[doc(alias = "clock_interval_to_deadline")]
    pub fn after(duration: Duration) -> Self {
        Self(now() + duration)
    }

    /// A number of milliseconds from now, as Mach's timeouts are given.
    pub fn after_milliseconds(milliseconds: u64) -> Self {
        Self::after(Duration::from_millis(milliseconds))
    }

    /// Whether it has come.
    pub fn has_passed(self) -> bool {
        now() >= self.0
    }

    /// Time left.
    pub fn remaining(self) -> Duration {
        self.0.since(now())
    }
}

/// Nanoseconds between the epoch and the counter's zero.
static WALL_BASE: AtomicU64 = AtomicU64::new(0);

/// Sets the time of day: nanoseconds since 1970 at this moment.
#[doc(alias = "clock_set_calendar_microtime")]
pub fn set_wall_time(nanoseconds_since_epoch: u64) {
    let running = ticks_to_nanoseconds(now().0);
    WALL_BASE.store(
        nanoseconds_since_epoch.saturating_sub(running),
        Ordering::Relaxed,
    );
}

/// The time of day: nanoseconds since 1970.
#[doc(alias = "clock_get_calendar_nanotime")]
pub fn wall_time() -> u64 {
    WALL_BASE
        .load(Ordering::Relaxed)
        .saturating_add(ticks_to_nanoseconds(now().0))
}

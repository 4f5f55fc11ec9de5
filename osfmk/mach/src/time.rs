//! Times of the Mach calls. XNU: `mach/time_value.h`, `mach/clock_types.h`, `mach/mach_time.h`.

use crate::wire::wire_struct;

wire_struct! {
    /// Seconds and microseconds.
    #[doc(alias = "time_value_t")]
    pub struct TimeValue {
        /// Seconds.
        pub seconds: i32,
        /// Microseconds.
        pub microseconds: i32,
    }
}

wire_struct! {
    /// Seconds and nanoseconds.
    #[doc(alias = "mach_timespec_t")]
    pub struct MachTimespec {
        /// Seconds.
        pub seconds: u32,
        /// Nanoseconds.
        pub nanoseconds: i32,
    }
}

wire_struct! {
    /// Nanoseconds are `mach_absolute_time * numer / denom`.
    #[doc(alias = "mach_timebase_info_data_t")]
    pub struct TimebaseInfo {
        /// Numerator.
        pub numer: u32,
        /// Denominator.
        pub denom: u32,
    }
}

impl TimeValue {
    /// The value of a number of microseconds.
    pub const fn from_microseconds(microseconds: u64) -> Self {
        Self {
            seconds: (microseconds / 1_000_000) as i32,
            microseconds: (microseconds % 1_000_000) as i32,
        }
    }
}

/// Clock: time since boot.
pub const SYSTEM_CLOCK: i32 = 0;
/// Clock: time of day.
pub const CALENDAR_CLOCK: i32 = 1;

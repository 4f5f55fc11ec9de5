//! Times. XNU: `bsd/sys/_types`.

use crate::layout::abi_struct;

abi_struct! {
    /// Seconds and nanoseconds.
    #[doc(alias = "timespec")]
    pub struct Timespec {
        /// Seconds.
        pub seconds: i64,
        /// Nanoseconds.
        pub nanoseconds: i64,
    }
}

abi_struct! {
    /// Seconds and microseconds.
    #[doc(alias = "timeval")]
    pub struct Timeval {
        /// Seconds.
        pub seconds: i64,
        /// Microseconds.
        pub microseconds: i32,
        /// Padding.
        pub pad: i32,
    }
}

impl Timeval {
    /// The time of a number of microseconds.
    pub const fn from_microseconds(total: u64) -> Self {
        Self {
            seconds: (total / 1_000_000) as i64,
            microseconds: (total % 1_000_000) as i32,
            pad: 0,
        }
    }
}

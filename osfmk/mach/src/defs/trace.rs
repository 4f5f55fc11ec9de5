//! The kernel's trace for programs. Own interface, subsystem 2950, on the privileged host port.
//!
//! [`Record`](crate::trace::Record)s come as memory, in the order of time; reading takes them.

use super::prelude::*;

interface! {
    subsystem trace = 2950;

    /// Switches tracing on (with room for about so many records on each CPU) or, with 0, off.
    routine 2950 "trace_enable" enable [] { records: u32 } -> [] {};

    /// The oldest records, at most so many; `lost` were overwritten before anybody read them.
    routine 2951 "trace_read" read [] { maximum: u32 }
    -> [records: Memory] { records_cnt: u32, lost: u64 };
}

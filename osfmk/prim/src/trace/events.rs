//! The table of trace events. It stands in `mach`, because programs that read the trace need it too.

pub use mach::trace::{Event, TABLE};

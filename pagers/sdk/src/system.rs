//! What the SDK needs of the system: the task itself, or on a host the [`Machine`](crate::host::Machine) that a test gives.
//!
//! Both have the same functions, so everything above is one code, and a test of a pager runs what the guest runs.

#[cfg(target_os = "none")]
pub(crate) use libsystem::{mach_call, memory};

#[cfg(not(target_os = "none"))]
pub(crate) use crate::host::{mach_call, memory};

/// Tells the author of a pager what the protocol forgives: in a test, of which this is a part.
#[cfg(not(target_os = "none"))]
pub(crate) use crate::host::remark;

/// Nobody is there to be told.
#[cfg(target_os = "none")]
pub(crate) fn remark(_: core::fmt::Arguments<'_>) {}

//! [`KernelStack`]: a guarded kernel stack from a preallocated window of addresses.
//!
//! The window is cut into slots; the lower half of each is never mapped, so running off a stack faults instead of
//! overwriting a neighbour. Frames are mapped when a slot is first used, and a few free stacks stay mapped for the
//! next threads. On the host a stack is only counted: threads there bring their own.
//!
//! XNU counterpart: `stack_alloc`, `stack_free`, `kernel_stack_size`.

#[cfg(target_os = "none")]
use machine::VirtAddr;

use crate::frames::OutOfFrames;
use crate::zone::{Admission, ResourceShortage, Zone};

/// Most kernel stacks at a time.
pub const STACKS_MAX: usize = 2048;

/// Free stacks that stay mapped for the next threads.
pub const KEPT: usize = 16;

static STACKS: Zone = Zone::with_limit(
    "kernel stacks",
    machine::address::KERNEL_STACK_SIZE as usize,
    STACKS_MAX,
);

/// A kernel stack, given back when dropped.
#[doc(alias = "kernel_stack")]
pub struct KernelStack {
    #[cfg(target_os = "none")]
    slot: mapped::Slot,
    _admission: Admission,
}

impl KernelStack {
    /// A stack, if one is left and there are frames for it.
    #[doc(alias = "stack_alloc")]
    pub fn new() -> Result<Self, ResourceShortage> {
        let admission = STACKS.admit()?;
        Ok(Self {
            #[cfg(target_os = "none")]
            slot: mapped::Slot::take().map_err(|OutOfFrames| ResourceShortage::OutOfMemory)?,
            _admission: admission,
        })
    }

    /// The address just above the stack.
    #[cfg(target_os = "none")]
    pub fn top(&self) -> VirtAddr {
        self.slot.top()
    }
}

#[cfg(not(target_os = "none"))]
const _: fn(OutOfFrames) = |_| ();

#[cfg(target_os = "none")]
#[path = "stack_window.rs"]
mod mapped;

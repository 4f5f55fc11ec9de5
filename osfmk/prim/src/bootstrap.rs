//! Start-up on the board, step by step.
//!
//! On the boot processor, interrupts masked, in this order:
//!
//! 1. the direct map covers all RAM; exceptions have handlers;
//! 2. [`memory`]: page records and the kernel heap. From here on `alloc` works without a limit, frames can be
//!    allocated, zones admit. (Before, the heap serves from a small region in the image.)
//! 3. [`crate::random::seed`] with what the device tree gives;
//! 4. the interrupt controller; its vector calls [`crate::thread::scheduler::interrupt`] around the handlers, the
//!    timer's handler is [`crate::thread::scheduler::timer_interrupt`] (the EL1 virtual timer, enabled on every
//!    processor), the reschedule signal's handler [`crate::thread::scheduler::reschedule_interrupt`];
//! 5. [`threads`] with the function that sends that signal: the flow becomes the boot thread, the kernel's own threads
//!    start. It may block from here on;
//! 6. interrupts are unmasked;
//! 7. the other processors are started; each prepares its part of the interrupt controller and calls [`processor`],
//!    which does not return;
//! 8. the rest of start-up, in the boot thread, which ends with [`crate::thread::exit`].
//!
//! XNU counterpart: `kernel_bootstrap`, `kernel_bootstrap_thread`, `slave_main`.

use crate::frames::{self, MemoryRange};
use crate::thread::{SpawnError, scheduler};
use crate::{clock, reaper};

/// Step 2: sets up frames and heap.
///
/// `memory` is all RAM; `reserved` what is in use of it: the image, the device tree, the boot archive, firmware. Ranges
/// may overlap and need not be aligned.
///
/// # Safety
/// Everything in `memory` is RAM that the direct map maps; what is not in `reserved` is used by nobody.
#[doc(alias = "vm_mem_bootstrap")]
pub unsafe fn memory(memory: &[MemoryRange], reserved: &[MemoryRange]) {
    // SAFETY: the caller's promise.
    unsafe { frames::install(memory, reserved) };
}

/// Step 5: makes the running flow the boot thread and starts the kernel's own threads. `signal` interrupts another
/// processor.
#[doc(alias = "kernel_bootstrap")]
pub fn threads(signal: fn(cpu: usize)) -> Result<(), SpawnError> {
    scheduler::set_reschedule_signal(signal);
    scheduler::start_boot_thread()?;
    scheduler::start_undertaker()?;
    clock::start_callout_thread()?;
    reaper::start()
}

/// Step 7: joins the calling processor to the scheduler.
#[doc(alias = "slave_main")]
pub fn processor() -> ! {
    scheduler::join_processor()
}

//! CPUs: each host thread pretends to be one.
//!
//! Numbers repeat when there are more threads than [`MAX_CPUS`], so whatever is indexed by CPU
//! must tolerate two threads with one number (as it must tolerate interrupt handlers).

pub use crate::per_cpu::{CpuLocal, SLOTS, ThreadBlock};
use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Most CPUs the kernel can drive.
pub const MAX_CPUS: usize = 8;

static NEXT: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static LOCAL: &'static CpuLocal = create();
    static THREAD: Cell<Option<&'static ThreadBlock>> = const { Cell::new(None) };
}

/// One small leak per host thread: the block may be looked at by other threads at any time.
fn create() -> &'static CpuLocal {
    let local = Box::leak(Box::new(CpuLocal::new()));
    let number = NEXT.fetch_add(1, Ordering::Relaxed) % MAX_CPUS;
    local.number.store(number, Ordering::Relaxed);
    local
}

/// This CPU's data. Only meaningful while the caller cannot migrate.
#[doc(alias = "getCpuDatap")]
#[must_use]
pub fn local() -> &'static CpuLocal {
    LOCAL.with(|local| *local)
}

/// This CPU's index.
#[doc(alias = "cpu_number")]
#[must_use]
pub fn current() -> usize {
    local().number()
}

/// The running thread's block; safe to use at any time.
#[doc(alias = "current_thread")]
#[must_use]
pub fn thread() -> &'static ThreadBlock {
    THREAD.get().unwrap_or_else(|| &local().boot_thread)
}

/// Makes `block` the running thread's, with interrupts masked, by the context switch.
///
/// # Safety
/// `block` must stay valid until another block is set on this CPU.
pub unsafe fn set_thread(block: *const ThreadBlock) {
    // SAFETY: the caller keeps the block alive while it is set.
    THREAD.set(unsafe { block.as_ref() });
}

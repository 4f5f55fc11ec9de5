//! What every CPU and every thread of execution has, whatever the target.
//!
//! [`CpuLocal`] belongs to a CPU and may only be used while the caller cannot migrate (interrupts
//! or preemption disabled). [`ThreadBlock`] belongs to a thread and is reached by a register that
//! the context switch changes, so it is safe to use at any time: that is why the preemption count
//! lives there.

use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicU64, AtomicUsize};

/// The part of a thread that the lowest layer reads.
#[derive(Debug)]
#[repr(C)]
pub struct ThreadBlock {
    /// Above zero: the scheduler may not switch away. Only its own thread changes it.
    pub preemption_count: AtomicU32,
    /// Requests to be looked at on the way to user mode (XNU's ASTs). Any CPU may set bits.
    pub pending: AtomicU32,
    /// Whatever the owner of threads wants to find here: a pointer to its own thread.
    pub owner: AtomicUsize,
}

impl ThreadBlock {
    /// A block for a thread that may be preempted.
    #[must_use]
    pub const fn new() -> ThreadBlock {
        ThreadBlock {
            preemption_count: AtomicU32::new(0),
            pending: AtomicU32::new(0),
            owner: AtomicUsize::new(0),
        }
    }
}

impl Default for ThreadBlock {
    fn default() -> ThreadBlock {
        ThreadBlock::new()
    }
}

/// Free words in [`CpuLocal`] for the scheduler.
pub const SLOTS: usize = 8;

/// Data of one CPU. All fields are atomics: an interrupt handler on the same CPU is the usual
/// second party. The vectors know the offsets of the first two fields.
#[doc(alias = "cpu_data_t")]
#[derive(Debug)]
#[repr(C, align(64))]
pub struct CpuLocal {
    /// The running thread's block; the vectors reload it when a trap comes from user mode.
    pub(crate) thread: AtomicPtr<ThreadBlock>,
    /// Top of the stack on which an overflow of the normal one is reported.
    pub(crate) emergency_stack: AtomicU64,
    /// The CPU's index, 0 for the boot CPU.
    pub(crate) number: AtomicUsize,
    /// Nesting depth of interrupt handlers.
    pub interrupt_depth: AtomicU32,
    /// The scheduler wants to run before the CPU returns from its interrupt.
    pub reschedule: AtomicBool,
    /// Words for the layers above: pointer to a run queue, to the idle thread, and the like.
    pub slots: [AtomicUsize; SLOTS],
    /// The block of whatever runs before the first thread.
    pub(crate) boot_thread: ThreadBlock,
}

impl CpuLocal {
    /// The block of a CPU that has not started.
    pub(crate) const fn new() -> CpuLocal {
        CpuLocal {
            thread: AtomicPtr::new(core::ptr::null_mut()),
            emergency_stack: AtomicU64::new(0),
            number: AtomicUsize::new(0),
            interrupt_depth: AtomicU32::new(0),
            reschedule: AtomicBool::new(false),
            slots: [const { AtomicUsize::new(0) }; SLOTS],
            boot_thread: ThreadBlock::new(),
        }
    }

    /// This CPU's index, below `MAX_CPUS`.
    #[doc(alias = "cpu_number")]
    #[must_use]
    pub fn number(&self) -> usize {
        self.number.load(core::sync::atomic::Ordering::Relaxed)
    }
}

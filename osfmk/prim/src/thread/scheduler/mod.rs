//! The scheduler of the board: preemptive, by priority, on all processors.
//!
//! One run queue for all processors under one lock, which is held across the context switch: the thread that switches
//! away takes it, the one that comes in releases it. So a thread's registers are saved before anybody else can pick
//! it, and no "still on a processor" state is needed.
//!
//! ```text
//!              start                 picked                    exit
//!   Created ─────────► Runnable ───────────────► Running ───────────► Exited
//!                        ▲   ▲      preempted,     │
//!                        │   └─────────────────────┤ yield
//!                        │ unpark                  │ park (no token)
//!                        └────────── Waiting ◄─────┘
//! ```
//!
//! `unpark` of a thread that is not waiting leaves a token, which its next `park` uses up.
//!
//! A thread that becomes runnable preempts its waker's processor if it is more urgent than what runs there, otherwise
//! the processor that runs the least urgent thread, if that is less urgent. An *idle* processor is called a little
//! later only (`tick::share_later`): who wakes another thread and blocks at once, as every call by message does, keeps
//! both on one processor and pays no interrupt; work that is still queued then, or when its processor blocks and takes
//! something else, gets the idle one. Processors are called by the `reschedule` flag in their block and an interrupt
//! ([`set_reschedule_signal`]). The flag is honoured on the way out of an interrupt ([`interrupt`]), when preemption comes back, and when interrupts
//! are unmasked. Equals take turns by the tick ([`timer_interrupt`]).
//!
//! | file | what |
//! |---|---|
//! | `run_queue` | the lists by priority |
//! | `state` | what the lock guards: run queue, who runs where, idle processors |
//! | `switch` | leaving and entering a thread |
//! | `tick` | the timer: turns, callouts, sharing work |
//! | `idle` | the idle threads, and processors that join |
//! | `dead` | threads that have ended, taken apart by a thread of their own |
//!
//! XNU counterpart: `osfmk/kern/sched_prim.c`, `osfmk/arm64/cswitch.s`, `osfmk/kern/ast.c`.

mod dead;
mod idle;
pub(crate) mod run_queue;
mod state;
mod switch;
mod tick;

use alloc::sync::Arc;
use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering};

use machine::context::KernelContext;
use machine::{cpu, interrupts};

use super::{Entry, KernelStack, Priority, RunState, Thread, preemption};
use crate::clock::{self, Instant64};
use crate::lock::held::{self, HeldRanks};
use crate::lock::{Rank, SpinLock};
use run_queue::{End, Links, Queued};
use state::SCHEDULER;

pub(crate) use dead::start as start_undertaker;
pub use idle::join_processor;
pub(crate) use idle::{start, start_boot_thread};
pub(crate) use tick::program_timer;
pub use tick::timer_interrupt;

/// The scheduler's part of a thread.
pub(super) struct Execution {
    /// Registers while it does not run; written by the switch, under the scheduler's lock.
    context: UnsafeCell<KernelContext>,
    /// [`RunState`] as a number; scheduler's lock.
    state: AtomicU8,
    /// A wake-up came while it was not waiting; scheduler's lock.
    token: AtomicBool,
    /// Where it runs or ran last; scheduler's lock.
    processor: AtomicUsize,
    /// When it was switched in; its own processor.
    since: AtomicU64,
    /// Links in the run queue, or in the list of dead threads; scheduler's lock.
    links: Links<Thread>,
    /// Ranks held; touched by the thread itself only.
    held: HeldRanks,
    /// Given up when the thread is freed.
    stack: Option<KernelStack>,
    entry: SpinLock<Option<Entry>>,
}

// SAFETY: `context` and `links` are touched under the scheduler's lock only.
unsafe impl Sync for Execution {}
// SAFETY: the pointers in `links` are to threads, which are Send.
unsafe impl Send for Execution {}

impl Queued for Thread {
    fn links(&self) -> &Links<Thread> {
        &self.execution.links
    }
}

impl Execution {
    pub(super) fn new(stack: KernelStack, entry: Entry) -> Self {
        Self::make(Some(stack), Some(entry), RunState::Created)
    }

    /// For code that runs already, on a stack of its own.
    fn running() -> Self {
        Self::make(None, None, RunState::Running)
    }

    fn make(stack: Option<KernelStack>, entry: Option<Entry>, state: RunState) -> Self {
        Self {
            context: UnsafeCell::new(KernelContext::default()),
            state: AtomicU8::new(state as u8),
            token: AtomicBool::new(false),
            processor: AtomicUsize::new(0),
            since: AtomicU64::new(0),
            links: Links::new(),
            held: HeldRanks::new(),
            stack,
            entry: SpinLock::new(Rank::ThreadFields, entry),
        }
    }

    fn state(&self) -> RunState {
        match self.state.load(Ordering::Acquire) {
            0 => RunState::Created,
            1 => RunState::Running,
            2 => RunState::Runnable,
            3 => RunState::Waiting,
            _ => RunState::Exited,
        }
    }

    fn set_state(&self, state: RunState) {
        self.state.store(state as u8, Ordering::Release);
    }
}

/// Gives a new thread its first context.
pub(super) fn prepare(thread: &Arc<Thread>) {
    let Some(stack) = &thread.execution.stack else {
        return;
    };
    let context = KernelContext::new(
        stack.top().0,
        switch::first_entry,
        Arc::as_ptr(thread) as usize,
    );
    // SAFETY: the thread is not started, so nobody else touches its context.
    unsafe { *thread.execution.context.get() = context };
}

pub(super) fn try_current() -> Option<*const Thread> {
    let owner = cpu::thread().owner.load(Ordering::Relaxed);
    (owner != 0).then_some(owner as *const Thread)
}

pub(super) fn current() -> *const Thread {
    try_current().expect("threads are started before anybody asks for the current one")
}

pub(super) fn with_held_ranks<R>(f: impl FnOnce(&HeldRanks) -> R) -> Option<R> {
    // SAFETY: the running thread lives.
    try_current().map(|thread| f(unsafe { &(*thread).execution.held }))
}

pub(super) fn park() {
    let scheduler = SCHEDULER.lock();
    let current = super::current();
    if !current.execution.token.swap(false, Ordering::Relaxed) {
        switch::leave(scheduler, RunState::Waiting, None);
    }
}

pub(super) fn park_until(deadline: Instant64) {
    if deadline.0 != u64::MAX {
        program_timer(deadline);
    }
    park();
}

pub(super) fn park_handing_off(next: Arc<Thread>) {
    let mut scheduler = SCHEDULER.lock();
    let current = super::current();
    if next.execution.state() != RunState::Waiting
        || current.execution.token.load(Ordering::Relaxed)
    {
        scheduler.wake(&next);
        drop(scheduler);
        return park();
    }
    switch::leave(scheduler, RunState::Waiting, Some(Arc::as_ptr(&next)));
}

pub(super) fn unpark(thread: &Thread) {
    SCHEDULER.lock().wake(thread);
}

pub(super) fn yield_now() {
    let scheduler = SCHEDULER.lock();
    if scheduler.has_work_for(super::current().priority()) {
        switch::leave(scheduler, RunState::Runnable, None);
    }
}

pub(super) fn yield_to(next: &Arc<Thread>) {
    let mut scheduler = SCHEDULER.lock();
    if scheduler.take_runnable(next) {
        switch::leave(scheduler, RunState::Runnable, Some(Arc::as_ptr(next)));
    }
}

pub(super) fn exit() -> ! {
    let current = super::current();
    debug_assert_eq!(
        preemption::level(),
        0,
        "a thread ends with a spinning lock held"
    );
    current.note_exit();
    switch::leave(SCHEDULER.lock(), RunState::Exited, None);
    unreachable!("a thread that ended runs");
}

pub(super) fn set_priority(thread: &Thread, priority: Priority) {
    let mut scheduler = SCHEDULER.lock();
    if scheduler.take_runnable(thread) {
        thread.priority.store(priority.0, Ordering::Relaxed);
        scheduler.make_runnable(thread, End::Back);
    } else {
        thread.priority.store(priority.0, Ordering::Relaxed);
        if thread.execution.state() == RunState::Running {
            state::request(thread.execution.processor.load(Ordering::Relaxed));
        }
    }
}

/// Makes a thread that runs on another processor enter the kernel.
pub(super) fn nudge(thread: &Thread) {
    let _scheduler = SCHEDULER.lock();
    if thread.execution.state() == RunState::Running {
        state::request(thread.execution.processor.load(Ordering::Relaxed));
    }
}

/// Honours an outstanding request to reschedule, where that is allowed.
#[inline]
pub(super) fn preemption_point() {
    // Whose flag this is may be stale by the time it is read; `preempt` looks again with interrupts masked.
    if cpu::local().reschedule.load(Ordering::Relaxed)
        && interrupts::are_enabled()
        && preemption::level() == 0
    {
        preempt();
    }
}

/// Gives the processor to a thread that deserves it more, if there is one.
#[doc(alias = "thread_preempted")]
#[cold]
fn preempt() {
    let masked = interrupts::disable();
    let local = cpu::local();
    if try_current().is_some() && local.interrupt_depth.load(Ordering::Relaxed) == 0 {
        local.reschedule.store(false, Ordering::Relaxed);
        let scheduler = SCHEDULER.lock();
        let current = super::current();
        if scheduler.should_preempt(&current) {
            switch::leave(scheduler, RunState::Runnable, None);
        }
    }
    interrupts::restore(masked);
}

/// Runs an interrupt's handlers: to be called by the board's interrupt vector with interrupts masked. May switch
/// threads before it returns.
#[doc(alias = "sleh_irq")]
pub fn interrupt(handlers: impl FnOnce()) {
    let local = cpu::local();
    local.interrupt_depth.fetch_add(1, Ordering::Relaxed);
    let base = held::interrupt_base();
    handlers();
    drop(base);
    local.interrupt_depth.fetch_sub(1, Ordering::Relaxed);
    if local.reschedule.load(Ordering::Relaxed) && preemption::level() == 0 {
        preempt();
    }
}

/// The other end of the reschedule signal: the board calls this from its handler.
#[doc(alias = "cpu_signal_handler")]
pub fn reschedule_interrupt() {
    cpu::local().reschedule.store(true, Ordering::Relaxed);
}

/// Says how another processor is interrupted; part of start-up, before the second processor joins.
pub fn set_reschedule_signal(signal: fn(cpu: usize)) {
    state::SIGNAL.call_once(|| signal);
}

pub(super) fn may_block_here() -> bool {
    // Handlers run with interrupts masked.
    interrupts::are_enabled()
}

/// Installs the current thread's address space.
pub(super) fn activate(thread: &Thread) {
    match thread.address_space() {
        Some(space) => space.activate(),
        None => machine::mmu::switch_to_no_user(),
    }
}

pub(super) fn running_time(thread: &Thread) -> u64 {
    match thread.execution.state() {
        RunState::Running => clock::now()
            .0
            .saturating_sub(thread.execution.since.load(Ordering::Relaxed)),
        _ => 0,
    }
}

pub(super) fn run_state(thread: &Thread) -> RunState {
    thread.execution.state()
}

//! Threads on the host: each [`Thread`] is one of the process's own threads.
//!
//! The same functions as the scheduler's, over park and unpark. A thread that the test harness started becomes a
//! [`Thread`] at its first call. Priorities are only remembered; hand-off is a wake-up followed by blocking.

use std::cell::OnceCell;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::thread as host;
use std::time::{Duration, Instant};

use alloc::sync::Arc;

use machine::interrupts;

use super::{Entry, KernelStack, Name, Priority, RunState, SpawnError, Thread};
use crate::clock::{self, Instant64};
use crate::lock::held::HeldRanks;

const CREATED: u8 = 0;
const RUNNING: u8 = 1;
const PARKED: u8 = 2;

/// The host's part of a thread.
pub(super) struct Execution {
    /// The entry and stack of a thread that was created and not started.
    pending: Mutex<Option<(KernelStack, Entry)>>,
    handle: OnceLockHandle,
    /// A wake-up came since the last park.
    token: AtomicBool,
    phase: AtomicU8,
    born: Instant,
}

type OnceLockHandle = std::sync::OnceLock<host::Thread>;

impl Execution {
    pub(super) fn new(stack: KernelStack, entry: Entry) -> Self {
        Self::make(Some((stack, entry)), CREATED)
    }

    fn make(pending: Option<(KernelStack, Entry)>, phase: u8) -> Self {
        Self {
            pending: Mutex::new(pending),
            handle: OnceLockHandle::new(),
            token: AtomicBool::new(false),
            phase: AtomicU8::new(phase),
            born: Instant::now(),
        }
    }
}

thread_local! {
    static CURRENT: OnceCell<Arc<Thread>> = const { OnceCell::new() };
    /// Not in the thread: locks are taken while a `Thread` is being made for one that the harness started.
    static HELD: HeldRanks = const { HeldRanks::new() };
}

pub(super) fn with_held_ranks<R>(f: impl FnOnce(&HeldRanks) -> R) -> Option<R> {
    HELD.try_with(f).ok()
}

/// What unwinds a thread that calls `exit`.
struct Exit;

pub(super) fn prepare(_thread: &Arc<Thread>) {}

pub(super) fn start(thread: &Arc<Thread>) -> Result<(), SpawnError> {
    let pending = thread
        .execution
        .pending
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner())
        .take();
    let (stack, entry) = pending.ok_or(SpawnError::AlreadyStarted)?;
    let body = {
        let thread = thread.clone();
        move || {
            CURRENT.with(|current| _ = current.set(thread.clone()));
            let _ = thread.execution.handle.set(host::current());
            thread.execution.phase.store(RUNNING, Ordering::Release);
            let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(entry));
            drop(stack);
            thread.note_exit();
            if let Err(cause) = outcome
                && !cause.is::<Exit>()
            {
                // A failed assertion on a thread nobody joins through the harness must not go unseen.
                std::process::abort();
            }
        }
    };
    host::Builder::new()
        .name(thread.name().as_str().into())
        .spawn(body)
        .map(drop)
        .map_err(|_| SpawnError::NoMemory)
}

/// Makes the calling thread of the process a [`Thread`].
fn adopt() -> Arc<Thread> {
    let execution = Execution::make(None, RUNNING);
    let _ = execution.handle.set(host::current());
    let name = Name::new(host::current().name().unwrap_or("host"));
    Thread::assemble(name, Priority::DEFAULT, None, execution).expect("memory for a thread")
}

pub(super) fn try_current() -> Option<*const Thread> {
    CURRENT
        .try_with(|current| current.get().map(Arc::as_ptr))
        .ok()
        .flatten()
}

pub(super) fn current() -> *const Thread {
    CURRENT.with(|current| Arc::as_ptr(current.get_or_init(adopt)))
}

fn with_current<R>(f: impl FnOnce(&Thread) -> R) -> R {
    f(&super::current())
}

pub(super) fn park() {
    park_until(Instant64(u64::MAX));
}

pub(super) fn park_until(deadline: Instant64) {
    with_current(|current| {
        let execution = &current.execution;
        execution.phase.store(PARKED, Ordering::Release);
        if !execution.token.swap(false, Ordering::AcqRel) {
            match deadline.0 {
                u64::MAX => host::park(),
                _ => host::park_timeout(deadline.since(clock::now()).max(Duration::from_nanos(1))),
            }
            execution.token.store(false, Ordering::Release);
        }
        execution.phase.store(RUNNING, Ordering::Release);
    });
}

pub(super) fn park_handing_off(next: Arc<Thread>) {
    unpark(&next);
    park();
}

pub(super) fn unpark(thread: &Thread) {
    thread.execution.token.store(true, Ordering::Release);
    if let Some(handle) = thread.execution.handle.get() {
        handle.unpark();
    }
}

pub(super) fn yield_now() {
    host::yield_now();
}

pub(super) fn yield_to(_next: &Arc<Thread>) {
    host::yield_now();
}

pub(super) fn exit() -> ! {
    std::panic::resume_unwind(Box::new(Exit))
}

pub(super) fn set_priority(thread: &Thread, priority: Priority) {
    thread.priority.store(priority.0, Ordering::Relaxed);
}

pub(super) fn nudge(_thread: &Thread) {}

pub(super) fn program_timer(_deadline: Instant64) {}

pub(super) fn preemption_point() {}

pub(super) fn may_block_here() -> bool {
    interrupts::are_enabled()
}

pub(super) fn activate(thread: &Thread) {
    match thread.address_space() {
        Some(space) => space.activate(),
        None => machine::mmu::switch_to_no_user(),
    }
}

pub(super) fn running_time(thread: &Thread) -> u64 {
    clock::nanoseconds_to_ticks(thread.execution.born.elapsed().as_nanos() as u64)
}

pub(super) fn run_state(thread: &Thread) -> RunState {
    match thread.execution.phase.load(Ordering::Acquire) {
        CREATED => RunState::Created,
        PARKED => RunState::Waiting,
        _ => RunState::Running,
    }
}

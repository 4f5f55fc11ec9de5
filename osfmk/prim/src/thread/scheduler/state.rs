//! What the scheduler's lock guards, and the decisions made under it.

use core::ptr;
use core::sync::atomic::Ordering;

use machine::cpu::{self, MAX_CPUS};

use super::run_queue::{End, RunQueue};
use crate::lock::{InterruptLock, Rank};
use crate::thread::{Priority, RunState, Thread};

/// How the board interrupts another processor.
pub(super) static SIGNAL: spin::Once<fn(usize)> = spin::Once::new();

/// One lock for all processors; held across context switches.
pub(super) static SCHEDULER: InterruptLock<Scheduler> =
    InterruptLock::new(Rank::RunQueue, Scheduler::new());

/// Every started thread that has not ended is kept alive by one reference that [`super::start`] counts.
pub(super) struct Scheduler {
    queue: RunQueue<Thread>,
    /// Who runs on each processor; null for a processor that has not joined.
    pub(super) running: [*const Thread; MAX_CPUS],
    /// Each processor's idle thread, never queued.
    pub(super) idle: [*const Thread; MAX_CPUS],
    /// Processors whose idle thread runs and that nobody has called yet.
    pub(super) idle_processors: u32,
}

// SAFETY: the pointers are to threads kept alive as said above.
unsafe impl Send for Scheduler {}

impl Scheduler {
    const fn new() -> Self {
        Self {
            queue: RunQueue::new(),
            running: [ptr::null(); MAX_CPUS],
            idle: [ptr::null(); MAX_CPUS],
            idle_processors: 0,
        }
    }

    /// Makes a waiting thread runnable; leaves a token with any other.
    #[doc(alias = "thread_go")]
    pub(super) fn wake(&mut self, thread: &Thread) {
        if thread.execution.state() == RunState::Waiting {
            self.make_runnable(thread, End::Back);
        } else {
            thread.execution.token.store(true, Ordering::Relaxed);
        }
    }

    /// Queues a thread and calls a processor for it.
    #[doc(alias = "thread_setrun")]
    pub(super) fn make_runnable(&mut self, thread: &Thread, end: End) {
        self.enqueue(thread, end);
        self.call_processor(thread.priority());
    }

    /// Queues a thread.
    pub(super) fn enqueue(&mut self, thread: &Thread, end: End) {
        thread.execution.set_state(RunState::Runnable);
        // SAFETY: a started thread is kept alive, and its links are guarded by the lock `self` is behind.
        unsafe {
            self.queue.push(
                thread,
                thread
                    .priority()
                    .0
                    .clamp(Priority::LOWEST.0, Priority::HIGHEST.0),
                end,
            )
        };
    }

    /// Takes a thread out of the queue, if it is in it.
    pub(super) fn take_runnable(&mut self, thread: &Thread) -> bool {
        thread.execution.state() == RunState::Runnable && self.queue.remove(thread)
    }

    /// The thread that processor `this` should run: the most urgent one, or its idle thread.
    #[doc(alias = "choose_thread")]
    pub(super) fn choose(&mut self, this: usize) -> *const Thread {
        self.queue.pop().unwrap_or(self.idle[this])
    }

    /// Whether a thread of at least this priority is queued.
    pub(super) fn has_work_for(&self, priority: Priority) -> bool {
        self.queue
            .highest()
            .is_some_and(|highest| highest >= priority.0)
    }

    /// Whether the queue holds anything.
    pub(super) fn has_work(&self) -> bool {
        self.queue.highest().is_some()
    }

    /// Whether the current thread must let another one run: a more urgent one, or an equal one when its time is up.
    #[doc(alias = "csw_check")]
    pub(super) fn should_preempt(&self, current: &Thread) -> bool {
        let own = current.priority().0;
        let turn_is_over = super::tick::turn_is_over();
        self.queue
            .highest()
            .is_some_and(|highest| highest > own || (highest == own && turn_is_over))
    }

    /// Finds a processor for a thread of this priority that was just queued: this one, if it idles or runs something
    /// less urgent; another one that runs something less urgent; an idle one, a little later.
    fn call_processor(&mut self, priority: Priority) {
        let this = cpu::current();
        if self.idle_processors & (1 << this) != 0 {
            self.idle_processors &= !(1 << this);
            return request(this);
        }
        if self.urgency(this).is_some_and(|urgency| urgency < priority) {
            return request(this);
        }
        if self.idle_processors != 0 {
            return super::tick::share_later();
        }
        let least = (0..MAX_CPUS)
            .filter_map(|cpu| Some((self.urgency(cpu)?, cpu)))
            .min();
        if let Some((least_urgent, cpu)) = least
            && least_urgent < priority
        {
            request(cpu);
        }
    }

    /// Calls an idle processor if the queue holds work.
    pub(super) fn call_idle_processor(&mut self) {
        if self.idle_processors != 0 && self.has_work() {
            let chosen = self.idle_processors.trailing_zeros() as usize;
            self.idle_processors &= !(1 << chosen);
            request(chosen);
        }
    }

    /// The priority of what runs on a processor.
    fn urgency(&self, processor: usize) -> Option<Priority> {
        // SAFETY: null or a thread that runs, which is kept alive.
        unsafe { self.running[processor].as_ref() }.map(Thread::priority)
    }
}

/// Asks a processor to look at the queue.
pub(super) fn request(processor: usize) {
    let Some(block) = cpu::of(processor) else {
        return;
    };
    block.reschedule.store(true, Ordering::Release);
    if processor != cpu::current()
        && let Some(signal) = SIGNAL.get()
    {
        signal(processor);
    }
}

//! Wait queues: register, drop your locks, block.
//!
//! ```text
//! let wait = queue.assert_wait(Interruptible::AbortSafe, Some(deadline));   // under the lock that guards the condition
//! drop(guard);                                                             // drop every lock
//! match wait.block() { Awakened => .., Interrupted => .., TimedOut => .. } // look at the condition again
//! ```
//!
//! A wake-up after `assert_wait` is never lost: it completes the [`Wait`] whether or not the thread has blocked yet.
//! A thread waits for one thing at a time. One queue may serve several conditions, told apart by an event number
//! ([`WaitQueue::assert_wait_event`]); [`event`] gives a queue from a fixed table for any event number, for conditions
//! that have no place for a queue of their own (a page, for instance). Waking an event never wakes another's waiters.
//!
//! A queue may be dropped while threads wait on it: they are awakened. Queues are first come, first served.
//!
//! Lock order: a queue's lock, then a thread's wait lock, then the scheduler. Whoever starts from the thread (a
//! deadline, an interruption) finds the queue under the thread's lock and may only *try* the queue's.
//!
//! ```text
//!            assert_wait                 wake / deadline / interrupt / queue dropped
//!   Idle ───────────────► Waiting ──────────────────────────────────────────────────► Done(result)
//!     ▲                                                                                    │
//!     └──────────────────────────── Wait::block returns, Wait::cancel ◄────────────────────┘
//! ```
//!
//! XNU counterpart: `waitq_t`, `assert_wait`, `thread_block`, `thread_wakeup`, `clear_wait`.

use alloc::sync::Arc;
use core::marker::PhantomData;
use core::ptr;

use crate::clock::Deadline;
use crate::lock::{InterruptLock, Rank};
use crate::thread::{self, AbortLevel, Handoff, Thread};

/// Whether and how an abort of the thread ends a wait.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Interruptible {
    /// Nothing but a wake-up or the deadline ends it.
    #[doc(alias = "THREAD_UNINT")]
    No,
    /// A hard abort ends it: the operation cannot be restarted.
    #[doc(alias = "THREAD_INTERRUPTIBLE")]
    Abort,
    /// Any abort ends it: the operation can be restarted or returns `interrupted`.
    #[doc(alias = "THREAD_ABORTSAFE")]
    AbortSafe,
}

/// How a wait ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub enum WaitResult {
    /// Somebody woke the queue (or dropped it).
    #[doc(alias = "THREAD_AWAKENED")]
    Awakened,
    /// The thread was interrupted, aborted or is to terminate.
    #[doc(alias = "THREAD_INTERRUPTED")]
    Interrupted,
    /// The deadline passed.
    #[doc(alias = "THREAD_TIMED_OUT")]
    TimedOut,
}

/// A queue of waiting threads.
#[doc(alias = "waitq_t")]
pub struct WaitQueue {
    list: InterruptLock<List>,
}

/// Intrusive list through the threads' [`WaitLinks`]; every thread in it is kept alive by one counted reference.
struct List {
    head: *const Thread,
    tail: *const Thread,
}

// SAFETY: the pointers are counted references to `Thread`, which is Send and Sync; the list is behind a lock.
unsafe impl Send for List {}

/// A thread's links in the queue it waits on. Guarded by that queue's lock.
pub(crate) struct WaitLinks {
    next: core::cell::Cell<*const Thread>,
    previous: core::cell::Cell<*const Thread>,
    event: core::cell::Cell<u64>,
}

// SAFETY: only touched under the lock of the queue that the thread is on, or by nobody.
unsafe impl Sync for WaitLinks {}
// SAFETY: see above; the pointers refer to `Thread`s, which are Send.
unsafe impl Send for WaitLinks {}

impl WaitLinks {
    pub(crate) const fn new() -> Self {
        Self {
            next: core::cell::Cell::new(ptr::null()),
            previous: core::cell::Cell::new(ptr::null()),
            event: core::cell::Cell::new(0),
        }
    }
}

/// What a thread waits for. Guarded by the thread's wait lock.
pub(crate) struct WaitState {
    /// The queue the thread is linked on; null when on none.
    queue: *const WaitQueue,
    phase: Phase,
    interruptible: Interruptible,
    /// Counts waits, so that a late deadline of an earlier wait is recognised.
    generation: u64,
}

// SAFETY: the pointer is only followed under the protocol described at `detach`.
unsafe impl Send for WaitState {}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    Idle,
    Waiting,
    Done(WaitResult),
}

impl WaitState {
    pub(crate) const fn new() -> Self {
        Self {
            queue: ptr::null(),
            phase: Phase::Idle,
            interruptible: Interruptible::No,
            generation: 0,
        }
    }
}

/// A wait that has been registered; consumed by [`Wait::block`] or [`Wait::cancel`]. Dropping it cancels.
#[must_use = "a registered wait must be blocked on or cancelled"]
pub struct Wait {
    deadline: Option<Deadline>,
    finished: bool,
    // The registration is the current thread's: the value stays with it.
    _thread: PhantomData<*const ()>,
}

impl WaitQueue {
    /// An empty queue.
    #[doc(alias = "waitq_init")]
    pub const fn new() -> Self {
        Self {
            list: InterruptLock::new(
                Rank::WaitQueue,
                List {
                    head: ptr::null(),
                    tail: ptr::null(),
                },
            ),
        }
    }

    /// Registers the current thread as a waiter.
    #[doc(alias = "waitq_assert_wait64")]
    pub fn assert_wait(&self, interruptible: Interruptible, deadline: Option<Deadline>) -> Wait {
        self.assert_wait_event(0, interruptible, deadline)
    }

    /// Registers the current thread as a waiter for `event` among the events of this queue.
    #[doc(alias = "assert_wait_deadline")]
    pub fn assert_wait_event(
        &self,
        event: u64,
        interruptible: Interruptible,
        deadline: Option<Deadline>,
    ) -> Wait {
        let current = thread::current();
        let mut list = self.list.lock();
        let mut state = current.wait_state.lock();
        assert!(
            state.phase == Phase::Idle,
            "a thread waits for one thing at a time"
        );
        state.generation += 1;
        state.interruptible = interruptible;
        if current.take_abort(interruptible) {
            state.phase = Phase::Done(WaitResult::Interrupted);
        } else {
            state.phase = Phase::Waiting;
            state.queue = self;
            current.wait_links.event.set(event);
            list.push(current.arc());
        }
        Wait {
            deadline,
            finished: false,
            _thread: PhantomData,
        }
    }

    /// Wakes the thread that has waited longest; says whether there was one.
    #[doc(alias = "thread_wakeup_one")]
    #[doc(alias = "waitq_wakeup64_one")]
    pub fn wake_one(&self) -> bool {
        self.wake_one_event(0)
    }

    /// Wakes the thread that has waited longest for `event`.
    pub fn wake_one_event(&self, event: u64) -> bool {
        self.take_one(event, WaitResult::Awakened)
            .map(|thread| thread::unpark(&thread))
            .is_some()
    }

    /// Completes the wait of the thread that has waited longest, but lets the caller choose when it runs: blocking
    /// with [`Wait::block_handing_off`] gives it this processor, dropping the value makes it runnable.
    #[doc(alias = "waitq_wakeup64_identify")]
    pub fn wake_one_handoff(&self) -> Option<Handoff> {
        self.take_one(0, WaitResult::Awakened).map(Handoff::new)
    }

    /// Wakes every waiter; says how many there were.
    #[doc(alias = "thread_wakeup")]
    #[doc(alias = "waitq_wakeup64_all")]
    pub fn wake_all(&self) -> usize {
        self.wake_all_event(0)
    }

    /// Wakes every waiter for `event`.
    pub fn wake_all_event(&self, event: u64) -> usize {
        let mut count = 0;
        // Only those that wait now: a woken thread may come back to the queue while we go on.
        let mut remaining = self.count_event(event);
        while remaining > 0 && self.wake_one_event(event) {
            count += 1;
            remaining -= 1;
        }
        count
    }

    /// Wakes every waiter whose event is meant, with one look at the queue; says how many there were.
    pub fn wake_where(&self, meant: impl Fn(u64) -> bool) -> usize {
        let is_meant = |thread: &&Thread| meant(thread.wait_links.event.get());
        let mut list = self.list.lock();
        // Only those that wait now: a woken thread may come back to the queue while we go on.
        let waiting = list.iter().filter(is_meant).count();
        for count in 0..waiting {
            let Some(found) = list.iter().find(is_meant).map(ptr::from_ref) else {
                return count;
            };
            let thread = list.complete(found, WaitResult::Awakened);
            drop(list);
            thread::unpark(&thread);
            if count + 1 == waiting {
                break;
            }
            list = self.list.lock();
        }
        waiting
    }

    /// Wakes every waiter, whatever it waits for; says how many there were.
    pub fn wake_everything(&self) -> usize {
        let mut count = 0;
        let mut remaining = self.len();
        while remaining > 0 {
            let mut list = self.list.lock();
            let head = list.head;
            if head.is_null() {
                break;
            }
            let thread = list.complete(head, WaitResult::Awakened);
            drop(list);
            thread::unpark(&thread);
            count += 1;
            remaining -= 1;
        }
        count
    }

    /// Whether nobody waits; a hint unless the caller excludes new waiters.
    #[doc(alias = "waitq_empty")]
    pub fn is_empty(&self) -> bool {
        self.list.lock().head.is_null()
    }

    /// How many threads wait.
    pub fn len(&self) -> usize {
        self.list.lock().iter().count()
    }

    fn count_event(&self, event: u64) -> usize {
        self.list
            .lock()
            .iter()
            .filter(|thread| thread.wait_links.event.get() == event)
            .count()
    }

    fn take_one(&self, event: u64, result: WaitResult) -> Option<Arc<Thread>> {
        let mut list = self.list.lock();
        let found = list
            .iter()
            .find(|thread| thread.wait_links.event.get() == event)
            .map(ptr::from_ref)?;
        Some(list.complete(found, result))
    }

    /// Walks the list and checks its links and every member's state.
    pub fn validate(&self) {
        let list = self.list.lock();
        let mut previous: *const Thread = ptr::null();
        for thread in list.iter() {
            assert_eq!(thread.wait_links.previous.get(), previous, "back link");
            let state = thread.wait_state.lock();
            assert!(
                ptr::eq(state.queue, self) && state.phase == Phase::Waiting,
                "a queued thread waits here"
            );
            previous = thread;
        }
        assert_eq!(list.tail, previous, "tail");
    }
}

impl Default for WaitQueue {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for WaitQueue {
    fn drop(&mut self) {
        loop {
            let mut list = self.list.lock();
            if list.head.is_null() {
                return;
            }
            let head = list.head;
            let thread = list.complete(head, WaitResult::Awakened);
            drop(list);
            thread::unpark(&thread);
        }
    }
}

impl List {
    fn push(&mut self, thread: Arc<Thread>) {
        let thread = Arc::into_raw(thread);
        // SAFETY: the reference just counted keeps the thread alive while it is on the list.
        let links = unsafe { &(*thread).wait_links };
        links.next.set(ptr::null());
        links.previous.set(self.tail);
        if self.tail.is_null() {
            self.head = thread;
        } else {
            // SAFETY: list members are alive, see `List`.
            unsafe { (*self.tail).wait_links.next.set(thread) };
        }
        self.tail = thread;
    }

    /// Unlinks a member and gives back its counted reference.
    fn unlink(&mut self, thread: *const Thread) -> Arc<Thread> {
        // SAFETY: the caller found the thread on this list, whose members are alive.
        let links = unsafe { &(*thread).wait_links };
        let (previous, next) = (links.previous.get(), links.next.get());
        if previous.is_null() {
            self.head = next;
        } else {
            // SAFETY: a neighbour on the list is alive.
            unsafe { (*previous).wait_links.next.set(next) };
        }
        if next.is_null() {
            self.tail = previous;
        } else {
            // SAFETY: a neighbour on the list is alive.
            unsafe { (*next).wait_links.previous.set(previous) };
        }
        links.next.set(ptr::null());
        links.previous.set(ptr::null());
        // SAFETY: takes back the reference that `push` turned into a pointer, exactly once: it is unlinked now.
        unsafe { Arc::from_raw(thread) }
    }

    /// Unlinks a member and completes its wait. The caller makes it run.
    fn complete(&mut self, thread: *const Thread, result: WaitResult) -> Arc<Thread> {
        let thread = self.unlink(thread);
        let mut state = thread.wait_state.lock();
        state.queue = ptr::null();
        state.phase = Phase::Done(result);
        drop(state);
        thread
    }

    fn iter(&self) -> impl Iterator<Item = &Thread> {
        let mut next = self.head;
        core::iter::from_fn(move || {
            // SAFETY: null or a member, alive while the list's lock is held, which `&self` stands for.
            let thread = unsafe { next.as_ref() }?;
            next = thread.wait_links.next.get();
            Some(thread)
        })
    }
}

impl Wait {
    /// Blocks until the wait is completed. Every spinning lock must have been dropped.
    #[doc(alias = "thread_block")]
    pub fn block(self) -> WaitResult {
        self.block_with(None)
    }

    /// Blocks, giving the processor directly to the thread that was just woken.
    #[doc(alias = "thread_handoff_parameter")]
    pub fn block_handing_off(self, next: Handoff) -> WaitResult {
        self.block_with(Some(next))
    }

    /// Gives the wait up. A wake-up that came first is consumed, as with `clear_wait`.
    #[doc(alias = "clear_wait")]
    pub fn cancel(self) {
        drop(self);
    }

    /// Whether the wait is completed already, so that blocking would return at once.
    pub fn is_complete(&self) -> bool {
        thread::current().wait_state.lock().phase != Phase::Waiting
    }

    fn block_with(mut self, mut next: Option<Handoff>) -> WaitResult {
        let current = thread::current();
        thread::preemption::assert_may_block();
        let generation = current.wait_state.lock().generation;
        let armed = self
            .deadline
            .is_some_and(|deadline| current.arm_wait_timer(deadline, generation));
        let result = loop {
            let phase = current.wait_state.lock().phase;
            match phase {
                Phase::Done(result) => break result,
                Phase::Waiting => match next.take() {
                    Some(handoff) => thread::park_handing_off(handoff),
                    None => thread::park(),
                },
                Phase::Idle => unreachable!("blocked without a registration"),
            }
        };
        if armed {
            current.disarm_wait_timer();
        }
        current.wait_state.lock().phase = Phase::Idle;
        self.finished = true;
        result
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        if self.finished {
            return;
        }
        let current = thread::current();
        let _ = detach(&current, WaitResult::Awakened, |_| true);
        current.wait_state.lock().phase = Phase::Idle;
    }
}

/// Takes `thread` off whatever queue it waits on and completes its wait with `result`, if `allowed` agrees. Says
/// whether it did; the caller then makes the thread run.
///
/// The order is queue before thread, but here the thread is the starting point: the queue's lock is only tried while
/// the thread's is held. That lock is also what makes following the pointer sound: a queue that is being dropped
/// must take each member's wait lock to complete it, so it cannot go away before we let go.
fn detach(thread: &Thread, result: WaitResult, allowed: impl Fn(&WaitState) -> bool) -> bool {
    loop {
        let mut state = thread.wait_state.lock();
        if state.phase != Phase::Waiting || !allowed(&state) {
            return false;
        }
        // SAFETY: a waiting thread is linked on `queue`, which stays alive while we hold the wait lock (see above).
        let queue = unsafe { &*state.queue };
        if let Some(mut list) = queue.list.try_lock() {
            state.queue = ptr::null();
            state.phase = Phase::Done(result);
            let unlinked = list.unlink(thread);
            drop(list);
            drop(state);
            drop(unlinked);
            return true;
        }
        drop(state);
        core::hint::spin_loop();
    }
}

/// Ends the wait of `thread` because of an abort of this level, if the wait allows it.
#[doc(alias = "clear_wait_internal")]
pub(crate) fn interrupt(thread: &Thread, level: AbortLevel) -> bool {
    let allowed = |state: &WaitState| match state.interruptible {
        Interruptible::No => false,
        Interruptible::Abort => level == AbortLevel::Abort,
        Interruptible::AbortSafe => true,
    };
    detach(thread, WaitResult::Interrupted, allowed)
}

/// Ends the wait number `generation` of `thread` because its deadline has passed.
#[doc(alias = "thread_timer_expire")]
pub(crate) fn time_out(thread: &Thread, generation: u64) {
    if detach(thread, WaitResult::TimedOut, |state| {
        state.generation == generation
    }) {
        thread::unpark(thread);
    }
}

/// Number of queues in the table behind [`event`].
const EVENT_QUEUES: usize = 128;
static EVENTS: [WaitQueue; EVENT_QUEUES] = [const { WaitQueue::new() }; EVENT_QUEUES];

/// A condition named by a number, waited for on a queue of the fixed table.
#[derive(Clone, Copy)]
pub struct Event {
    queue: &'static WaitQueue,
    number: u64,
}

/// The event of this number. Numbers from different kinds of things must not meet: callers put a tag in the upper bits.
#[doc(alias = "event_t")]
#[doc(alias = "global_eventq")]
pub fn event(number: u64) -> Event {
    let slot = (number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 57) as usize % EVENT_QUEUES;
    Event {
        queue: &EVENTS[slot],
        number,
    }
}

impl Event {
    /// Registers the current thread as a waiter.
    pub fn assert_wait(self, interruptible: Interruptible, deadline: Option<Deadline>) -> Wait {
        self.queue
            .assert_wait_event(self.number, interruptible, deadline)
    }

    /// Wakes the thread that has waited longest.
    pub fn wake_one(self) -> bool {
        self.queue.wake_one_event(self.number)
    }

    /// Wakes every waiter.
    pub fn wake_all(self) -> usize {
        self.queue.wake_all_event(self.number)
    }
}

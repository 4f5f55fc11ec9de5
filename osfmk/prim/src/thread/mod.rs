//! The execution half of threads: what runs, blocks, is preempted and switched.
//!
//! A [`Thread`] knows nothing of tasks or ports: the layer above hangs its own half into the *extension* slot. A
//! thread is created by [`Thread::create`] (or [`spawn`], which starts it too), ends when its entry returns or by
//! [`exit`], and is freed when the last `Arc` goes. [`current`] is the running thread.
//!
//! | file | what |
//! |---|---|
//! | [`abort`] | interruption, abort levels, termination |
//! | [`preemption`] | the preemption count, masked interrupts, "may this code block" |
//! | `scheduler/` (bare metal) | run queue, context switch, idle, ticks, reschedule requests |
//! | `hosted` (elsewhere) | the same API over the host's own threads |
//! | [`privilege`] | how deep into the frames' reserves a thread may go |
//! | [`stack`] | guarded kernel stacks |
//! | `user_registers` | floating point and thread pointers, switched lazily |
//! | [`parameters`] | priorities, names, what a new thread is made of |
//!
//! Neighbours: [`crate::wait`] blocks threads, `machine::context` switches them. What this does not do: time-sharing
//! decay of priorities; priorities are what the owner says, equals take turns.
//!
//! XNU counterpart: `struct thread`'s scheduling half, `osfmk/kern/sched_prim.c`, `osfmk/kern/thread.c`.

pub mod abort;
pub mod injection;
pub mod parameters;
pub mod preemption;
pub mod privilege;
pub mod stack;

#[cfg(not(target_os = "none"))]
mod hosted;
#[cfg(all(test, not(target_os = "none")))]
#[path = "scheduler/run_queue.rs"]
mod run_queue;
#[cfg(target_os = "none")]
pub mod scheduler;
mod user_registers;

#[cfg(not(target_os = "none"))]
use hosted as execution;
#[cfg(target_os = "none")]
use scheduler as execution;

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::any::Any;
use core::fmt;
use core::marker::PhantomData;
use core::ops::Deref;
use core::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering};

use machine::cpu::ThreadBlock;

use crate::clock::{self, Deadline};
use crate::lock::held::HeldRanks;
use crate::lock::{InterruptLock, Rank};
use crate::wait::{Interruptible, WaitLinks, WaitQueue, WaitResult, WaitState};

pub use abort::AbortLevel;
pub use parameters::{Name, Priority, SpawnError, ThreadParameters};
pub use privilege::{with_only_reserve, with_reserve};
pub use stack::KernelStack;
pub use user_registers::UserRegisters;

/// A hardware address space, as far as the scheduler must know it.
pub trait AddressSpace: Send + Sync {
    /// Makes this the user address space of the calling processor. Called with interrupts masked.
    #[doc(alias = "pmap_switch")]
    fn activate(&self);
}

/// What runs on a thread.
pub type Entry = Box<dyn FnOnce() + Send>;

/// One thread of execution.
#[doc(alias = "thread_t")]
pub struct Thread {
    /// What `machine` reads: preemption count (own thread only), pending requests (atomic), pointer back to `self`.
    block: ThreadBlock,
    id: u64,
    /// Guarded by its lock.
    name: InterruptLock<Name>,
    priority: AtomicU8,
    /// What the thread waits for. Rank [`Rank::ThreadWait`].
    pub(crate) wait_state: InterruptLock<WaitState>,
    /// Links in the wait queue; guarded by that queue's lock.
    pub(crate) wait_links: WaitLinks,
    /// Deadline of the current wait.
    wait_timer: clock::ThreadTimer,
    /// Bits of [`abort`]; atomic.
    aborts: AtomicU32,
    /// Rank [`Rank::ThreadFields`].
    address_space: InterruptLock<Option<Arc<dyn AddressSpace>>>,
    /// What a trap does not save, while the thread does not run. Rank [`Rank::ThreadFields`].
    user_registers: InterruptLock<UserRegisters>,
    /// Set once by the layer above, before the thread starts.
    extension: spin::Once<Arc<dyn Any + Send + Sync>>,
    /// Ticks spent running, up to the last switch away.
    cpu_time: AtomicU64,
    exited: AtomicBool,
    /// Who waits for the thread's end.
    exit_waiters: WaitQueue,
    /// Planned failures of allocations, for tests.
    /// Number of the [`crate::frames::Reserve`] class; see [`privilege`].
    reserve: AtomicU8,
    pub(crate) injection: injection::Injection,
    execution: execution::Execution,
}

impl Thread {
    /// Makes a thread that does not run yet; [`Thread::start`] lets it.
    #[doc(alias = "thread_create_internal")]
    pub fn create(parameters: ThreadParameters) -> Result<Arc<Thread>, SpawnError> {
        let ThreadParameters {
            name,
            priority,
            stack,
            address_space,
            entry,
        } = parameters;
        let thread = Self::assemble(
            name,
            priority,
            address_space,
            execution::Execution::new(stack, entry),
        )?;
        execution::prepare(&thread);
        Ok(thread)
    }

    /// Lets a created thread run. To be called once.
    #[doc(alias = "thread_start")]
    pub fn start(self: &Arc<Self>) -> Result<(), SpawnError> {
        execution::start(self)
    }

    fn assemble(
        name: Name,
        priority: Priority,
        address_space: Option<Arc<dyn AddressSpace>>,
        execution: execution::Execution,
    ) -> Result<Arc<Thread>, SpawnError> {
        static NEXT_ID: AtomicU64 = AtomicU64::new(1);
        let slot = clock::TimerSlot::reserve()?;
        let thread = Arc::new_cyclic(|weak| Thread {
            block: ThreadBlock::new(),
            id: NEXT_ID.fetch_add(1, Ordering::Relaxed),
            name: InterruptLock::new(Rank::ThreadFields, name),
            priority: AtomicU8::new(priority.0),
            wait_state: InterruptLock::new(Rank::ThreadWait, WaitState::new()),
            wait_links: WaitLinks::new(),
            wait_timer: clock::ThreadTimer::new(weak.clone(), slot),
            aborts: AtomicU32::new(0),
            address_space: InterruptLock::new(Rank::ThreadFields, address_space),
            user_registers: InterruptLock::new(Rank::ThreadFields, UserRegisters::new()),
            extension: spin::Once::new(),
            cpu_time: AtomicU64::new(0),
            exited: AtomicBool::new(false),
            exit_waiters: WaitQueue::new(),
            reserve: AtomicU8::new(0),
            injection: injection::Injection::new(),
            execution,
        });
        thread
            .block
            .owner
            .store(Arc::as_ptr(&thread) as usize, Ordering::Release);
        Ok(thread)
    }

    /// A number that no other thread ever had.
    #[doc(alias = "thread_tid")]
    pub fn id(&self) -> u64 {
        self.id
    }

    /// The thread's name.
    pub fn name(&self) -> Name {
        *self.name.lock()
    }

    /// Renames the thread.
    #[doc(alias = "thread_set_thread_name")]
    pub fn set_name(&self, name: Name) {
        *self.name.lock() = name;
    }

    /// The priority it is scheduled at.
    pub fn priority(&self) -> Priority {
        Priority(self.priority.load(Ordering::Relaxed))
    }

    /// Changes the priority; takes effect at once.
    #[doc(alias = "sched_set_thread_base_priority")]
    pub fn set_priority(&self, priority: Priority) {
        execution::set_priority(self, priority);
    }

    /// The layer above's half of the thread.
    pub fn extension(&self) -> Option<&Arc<dyn Any + Send + Sync>> {
        self.extension.get()
    }

    /// Hangs in the layer above's half; only the first call counts, and says so.
    pub fn set_extension(&self, extension: Arc<dyn Any + Send + Sync>) -> bool {
        let mut set = false;
        self.extension.call_once(|| {
            set = true;
            extension
        });
        set
    }

    /// The user address space this thread runs in.
    pub fn address_space(&self) -> Option<Arc<dyn AddressSpace>> {
        self.address_space.lock().clone()
    }

    /// Exchanges the user address space (exec); active at once if the thread is the current one. Gives the old one
    /// back, so that it is dropped where the caller wants it.
    pub fn set_address_space(
        &self,
        new: Option<Arc<dyn AddressSpace>>,
    ) -> Option<Arc<dyn AddressSpace>> {
        let masked = preemption::mask();
        let old = core::mem::replace(&mut *self.address_space.lock(), new);
        if try_current().is_some_and(|current| current.id == self.id) {
            execution::activate(self);
        }
        drop(masked);
        old
    }

    /// Time spent running, in counter ticks.
    #[doc(alias = "thread_timer_delta")]
    pub fn cpu_time(&self) -> u64 {
        self.cpu_time.load(Ordering::Relaxed) + execution::running_time(self)
    }

    /// Requests of the layer above, to be looked at on the way to user mode (XNU's ASTs).
    pub fn pending(&self) -> u32 {
        self.block.pending.load(Ordering::Acquire)
    }

    /// Sets request bits; a thread that runs in user mode on another processor is made to come and look.
    #[doc(alias = "thread_ast_set")]
    pub fn post_pending(&self, bits: u32) {
        self.block.pending.fetch_or(bits, Ordering::AcqRel);
        execution::nudge(self);
    }

    /// Takes and clears the request bits among `bits`.
    #[doc(alias = "thread_ast_clear")]
    pub fn take_pending(&self, bits: u32) -> u32 {
        self.block.pending.fetch_and(!bits, Ordering::AcqRel) & bits
    }

    /// Whether the thread has ended.
    pub fn has_exited(&self) -> bool {
        self.exited.load(Ordering::Acquire)
    }

    /// Waits for the thread's end.
    pub fn join(&self, deadline: Option<Deadline>) -> WaitResult {
        loop {
            let wait = self.exit_waiters.assert_wait(Interruptible::No, deadline);
            if self.has_exited() {
                wait.cancel();
                return WaitResult::Awakened;
            }
            match wait.block() {
                WaitResult::Awakened => {}
                other => return other,
            }
        }
    }

    /// What the thread is doing, for `ps`.
    pub fn state(&self) -> RunState {
        if self.has_exited() {
            RunState::Exited
        } else {
            execution::run_state(self)
        }
    }

    pub(crate) fn arm_wait_timer(&self, deadline: Deadline, generation: u64) -> bool {
        self.wait_timer.arm(deadline, generation)
    }

    pub(crate) fn disarm_wait_timer(&self) {
        self.wait_timer.disarm();
    }

    /// Everything of a thread's end that both targets share.
    fn note_exit(&self) {
        self.exited.store(true, Ordering::Release);
        self.exit_waiters.wake_all();
    }
}

/// What a thread is doing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RunState {
    /// Created, not started.
    Created,
    /// On a processor.
    Running,
    /// Would run if a processor were free.
    Runnable,
    /// Blocked.
    Waiting,
    /// Ended.
    Exited,
}

impl fmt::Debug for Thread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "thread {} {:?}", self.id, self.name().as_str())
    }
}

/// The running thread, for as long as it runs: the value cannot leave it.
#[derive(Clone, Copy)]
pub struct CurrentThread {
    thread: *const Thread,
    _stays: PhantomData<*const ()>,
}

impl CurrentThread {
    /// A counted reference.
    pub fn arc(self) -> Arc<Thread> {
        // SAFETY: every running thread was made by `assemble` in an `Arc` that lives while the thread runs.
        unsafe {
            Arc::increment_strong_count(self.thread);
            Arc::from_raw(self.thread)
        }
    }
}

impl Deref for CurrentThread {
    type Target = Thread;
    fn deref(&self) -> &Thread {
        // SAFETY: a thread lives while it runs, and this value cannot leave the running thread.
        unsafe { &*self.thread }
    }
}

/// The running thread. On the host any thread of the process becomes one at its first call.
#[doc(alias = "current_thread")]
pub fn current() -> CurrentThread {
    CurrentThread {
        thread: execution::current(),
        _stays: PhantomData,
    }
}

/// The running thread, if there is one yet: not so during early boot.
pub fn try_current() -> Option<CurrentThread> {
    execution::try_current().map(|thread| CurrentThread {
        thread,
        _stays: PhantomData,
    })
}

/// Makes a thread and lets it run.
#[doc(alias = "kernel_thread_start_priority")]
pub fn spawn(parameters: ThreadParameters) -> Result<Arc<Thread>, SpawnError> {
    let thread = Thread::create(parameters)?;
    thread.start()?;
    Ok(thread)
}

/// Makes and starts a kernel thread with a stack of its own.
#[doc(alias = "kernel_thread_start")]
pub fn spawn_kernel(
    name: &str,
    priority: Priority,
    entry: impl FnOnce() + Send + 'static,
) -> Result<Arc<Thread>, SpawnError> {
    let stack = KernelStack::new().map_err(|_| SpawnError::NoStack)?;
    spawn(ThreadParameters {
        name: Name::new(name),
        priority,
        stack,
        address_space: None,
        entry: Box::new(entry),
    })
}

/// Lets other threads of the same or a higher priority run.
#[doc(alias = "thread_block")]
pub fn yield_now() {
    preemption::assert_may_block();
    execution::yield_now();
}

/// Gives the processor to `next` if it is ready to run; the current thread stays runnable.
#[doc(alias = "thread_run")]
pub fn handoff(next: &Arc<Thread>) {
    preemption::assert_may_block();
    execution::yield_to(next);
}

/// Blocks for a time; only a hard abort ends it earlier.
#[doc(alias = "delay")]
pub fn sleep(duration: core::time::Duration) -> WaitResult {
    static NEVER_WOKEN: WaitQueue = WaitQueue::new();
    NEVER_WOKEN
        .assert_wait(Interruptible::Abort, Some(Deadline::after(duration)))
        .block()
}

/// Ends the current thread. Values on its stack are not dropped on bare metal: the caller holds nothing any more.
#[doc(alias = "thread_terminate_self")]
pub fn exit() -> ! {
    execution::exit()
}

/// A thread whose wait is completed and that the owner of this value lets run: by handing the processor over, or just
/// by dropping the value.
#[must_use = "dropping it makes the thread runnable at once"]
pub struct Handoff {
    thread: Option<Arc<Thread>>,
}

impl Handoff {
    pub(crate) fn new(thread: Arc<Thread>) -> Self {
        Self {
            thread: Some(thread),
        }
    }

    /// The thread that will run.
    pub fn thread(&self) -> &Arc<Thread> {
        self.thread.as_ref().expect("present until consumed")
    }

    fn take(mut self) -> Arc<Thread> {
        self.thread.take().expect("present until consumed")
    }
}

impl Drop for Handoff {
    fn drop(&mut self) {
        if let Some(thread) = self.thread.take() {
            unpark(&thread);
        }
    }
}

/// Blocks until [`unpark`], or returns at once if one came since the last time. May return for no reason.
pub(crate) fn park() {
    execution::park();
}

/// Blocks as [`park`] does and runs `next` on this processor.
pub(crate) fn park_handing_off(next: Handoff) {
    execution::park_handing_off(next.take());
}

/// Blocks until [`unpark`] or `deadline`, whichever comes first. May return for no reason.
pub(crate) fn park_until(deadline: clock::Instant64) {
    execution::park_until(deadline);
}

/// Asks this processor's timer to interrupt no later than `deadline`.
pub(crate) fn program_timer(deadline: clock::Instant64) {
    execution::program_timer(deadline);
}

/// Ends the thread's present or next [`park`].
#[doc(alias = "thread_go")]
pub(crate) fn unpark(thread: &Thread) {
    execution::unpark(thread);
}

/// Calls `f` with the current thread's held ranks, if there is a current thread.
#[cfg_attr(not(debug_assertions), allow(dead_code))]
pub(crate) fn with_held_ranks<R>(f: impl FnOnce(&HeldRanks) -> R) -> Option<R> {
    execution::with_held_ranks(f)
}

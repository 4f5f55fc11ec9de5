//! Threads of user tasks: Mach's half of a thread.
//!
//! `prim::thread` executes; a [`Thread`] adds the task, the port, and what is pending on the way to user mode. It hangs in the
//! execution thread's extension slot, so [`current`] finds it without a table.
//!
//! A thread never unwinds: it ends in `leave`, called on the way to user mode with nothing on the stack that
//! needs dropping. XNU counterpart: `osfmk/kern/thread.c`, `thread_act.c`, `ast.c`.

use alloc::boxed::Box;
use alloc::sync::{Arc, Weak};
use core::any::Any;
use core::sync::atomic::{AtomicU32, Ordering};

use ipc::{Port, ReceiveRight, SendRight, ThreadIpc};
use mach::KernReturn;
use machine::trap::SavedState;
use prim::frames::Reserve;
use prim::lock::{Mutex, Rank};
use prim::thread::{KernelStack, Name, Priority, ThreadParameters, UserRegisters};
use prim::wait::{Interruptible, WaitResult};
use prim::zone::{Admission, Zone};
use spin::Once;

use crate::personality::personality;
use crate::task::Task;

static THREADS: Zone = Zone::new("threads", size_of::<Thread>());

/// Pending: the personality has something for the thread (a signal).
#[doc(alias = "AST_BSD")]
pub const PENDING_PERSONALITY: u32 = 1;
/// Pending: the thread or its task was suspended.
#[doc(alias = "AST_APC")]
pub const PENDING_SUSPEND: u32 = 2;

/// Mach's half of a user thread.
#[doc(alias = "thread_t")]
pub struct Thread {
    task: Arc<Task>,
    /// Set right after creation.
    execution: Once<Weak<prim::thread::Thread>>,
    /// Registers to enter user mode with; taken at the start. Rank [`Rank::TaskThread`].
    start_state: Mutex<Option<SavedState>>,
    /// The receive right behind the thread's port; `None` once it has left. Rank [`Rank::TaskThread`].
    port: Mutex<Option<ReceiveRight>>,
    suspend_count: AtomicU32,
    /// Where it waits for messages.
    ipc: ThreadIpc,
    /// The personality's half; set once.
    extension: Once<Arc<dyn Any + Send + Sync>>,
    _admission: Admission,
}

impl Thread {
    /// A thread of `task` that has not started.
    pub(crate) fn create(task: &Arc<Task>, state: SavedState) -> Result<Arc<Self>, KernReturn> {
        let admission = THREADS.admit().map_err(|_| KernReturn::RESOURCE_SHORTAGE)?;
        let thread = Arc::new(Self {
            task: task.clone(),
            execution: Once::new(),
            start_state: Mutex::new(Rank::TaskThread, Some(state)),
            port: Mutex::new(Rank::TaskThread, None),
            suspend_count: AtomicU32::new(0),
            ipc: ThreadIpc::new(),
            extension: Once::new(),
            _admission: admission,
        });
        let object: Weak<Self> = Arc::downgrade(&thread);
        *thread.port.lock() = Some(Port::for_weak_kernel_object(object)?);
        Ok(thread)
    }

    /// Lets the thread enter user mode. To be called once, and not for a thread whose task has been told to end.
    ///
    /// # Errors
    /// `RESOURCE_SHORTAGE` when there is no kernel stack; the thread has then left its task.
    #[doc(alias = "thread_start_in_assert_wait")]
    pub fn start(self: &Arc<Self>) -> Result<(), KernReturn> {
        self.start_with(None)
    }

    fn start_with(self: &Arc<Self>, registers: Option<UserRegisters>) -> Result<(), KernReturn> {
        let started = self.execute(registers);
        if started.is_err() {
            self.task.thread_left(self);
        }
        started
    }

    fn execute(self: &Arc<Self>, registers: Option<UserRegisters>) -> Result<(), KernReturn> {
        let shortage = |_| KernReturn::RESOURCE_SHORTAGE;
        let parameters = ThreadParameters {
            name: Name::new("user"),
            priority: Priority::DEFAULT,
            stack: KernelStack::new().map_err(|_| KernReturn::RESOURCE_SHORTAGE)?,
            address_space: Some(self.task.map().pmap().clone()),
            // Captures nothing, so that nothing is left behind by a thread that never returns here.
            entry: Box::new(enter_user_mode),
        };
        let execution = prim::thread::Thread::create(parameters).map_err(shortage)?;
        self.execution.call_once(|| Arc::downgrade(&execution));
        execution.set_extension(self.clone());
        if let Some(registers) = registers {
            execution.with_user_registers(|own| *own = registers);
        }
        if personality().is_some_and(|personality| personality.serves_memory(&self.task)) {
            execution.set_reserve(Reserve::Pager);
        }
        // What was posted before there was anything to post it to: the thread looks before it enters user mode.
        execution.post_pending(PENDING_PERSONALITY | PENDING_SUSPEND);
        if self.task.note_started() {
            execution.terminate();
        }
        execution.start().map_err(shortage)
    }

    /// The task it belongs to.
    #[must_use]
    pub fn task(&self) -> &Arc<Task> {
        &self.task
    }

    /// The personality's half of the thread: its signals, say. `make` makes it, unless it has been made.
    #[doc(alias = "get_bsdthread_info")]
    pub fn extension(
        &self,
        make: impl FnOnce() -> Arc<dyn Any + Send + Sync>,
    ) -> &Arc<dyn Any + Send + Sync> {
        self.extension.call_once(make)
    }

    /// Its place to wait for messages.
    pub(crate) fn ipc(&self) -> &ThreadIpc {
        &self.ipc
    }

    /// The executing half, while it exists.
    #[must_use]
    pub fn execution(&self) -> Option<Arc<prim::thread::Thread>> {
        self.execution.get()?.upgrade()
    }

    /// A send right to the thread's port; `None` once it has left.
    #[doc(alias = "convert_thread_to_port")]
    #[must_use]
    pub fn send_right(&self) -> Option<SendRight> {
        self.port.lock().as_ref().map(ReceiveRight::make_send)
    }

    /// Makes the thread look at `bits` on its way to user mode, soon.
    pub fn post(&self, bits: u32) {
        if let Some(execution) = self.execution() {
            execution.post_pending(bits);
        }
    }

    /// Ends a wait that a signal may end, or the next one.
    #[doc(alias = "act_abort")]
    pub fn interrupt(&self) {
        if let Some(execution) = self.execution() {
            execution.interrupt();
        }
    }

    /// Asks the thread to leave; it does so at its next chance.
    #[doc(alias = "thread_terminate_internal")]
    pub fn terminate(&self) {
        if let Some(execution) = self.execution() {
            execution.terminate();
        }
    }

    /// Keeps the thread out of user mode until [`Thread::resume`] has been called as often.
    #[doc(alias = "thread_suspend")]
    pub fn suspend(&self) {
        self.suspend_count.fetch_add(1, Ordering::AcqRel);
        self.post(PENDING_SUSPEND);
    }

    /// Takes one [`Thread::suspend`] back.
    ///
    /// # Errors
    /// `FAILURE` when the thread is not suspended.
    #[doc(alias = "thread_resume")]
    pub fn resume(&self) -> Result<(), KernReturn> {
        let count = self
            .suspend_count
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |count| {
                count.checked_sub(1)
            });
        if count.map_err(|_| KernReturn::FAILURE)? == 1 {
            self.task.resumed.wake_all();
        }
        Ok(())
    }

    fn is_suspended(&self) -> bool {
        self.suspend_count.load(Ordering::Acquire) > 0 || self.task.suspend_count() > 0
    }

    /// Waits until nothing keeps the thread suspended, or it is told to end.
    #[doc(alias = "thread_suspended")]
    fn wait_until_resumed(&self) {
        while self.is_suspended() {
            let wait = self.task.resumed.assert_wait(Interruptible::Abort, None);
            if !self.is_suspended() {
                wait.cancel();
            } else if wait.block() == WaitResult::Interrupted {
                return;
            }
        }
    }

    /// As [`Thread::start`], with the floating point registers and thread pointers of the running thread (fork).
    ///
    /// # Errors
    /// As [`Thread::start`].
    #[doc(alias = "thread_dup")]
    pub fn start_like_current(self: &Arc<Self>) -> Result<(), KernReturn> {
        self.start_with(prim::thread::current().with_user_registers(|registers| registers.clone()))
    }

    /// The running thread works for a pager from now on, or no more: how deep it may go into the frames' reserves.
    #[doc(alias = "thread_wire")]
    pub fn set_memory_privilege(privileged: bool) {
        let reserve = if privileged {
            Reserve::Pager
        } else {
            Reserve::Normal
        };
        prim::thread::current().set_reserve(reserve);
    }

    /// The running thread begins another program: its floating point registers and thread pointers are zero again.
    #[doc(alias = "machine_thread_state_initialize")]
    pub fn reset_user_registers() {
        prim::thread::current()
            .with_user_registers(|registers| *registers = UserRegisters::default());
    }

    /// Gives up everything that belongs to the thread alone.
    fn dismantle(self: &Arc<Self>) {
        let port = self.port.lock().take();
        if let Some(port) = port {
            port.destroy();
        }
        if let Some(execution) = self.execution() {
            let time = execution.cpu_time();
            self.task.ended_time.fetch_add(time, Ordering::Relaxed);
        }
        self.task.thread_left(self);
    }
}

/// The running user thread; `None` on a kernel thread.
#[doc(alias = "current_thread")]
#[must_use]
pub fn current() -> Option<Arc<Thread>> {
    prim::thread::current().extension()?.clone().downcast().ok()
}

/// Acts on everything that is pending for the running thread, until nothing is.
///
/// Called with interrupts masked, returns so; does not return for a thread that was told to end.
#[doc(alias = "ast_taken_user")]
pub(crate) fn settle_pending(state: &mut SavedState) {
    loop {
        let execution = prim::thread::current();
        if execution.is_terminating() {
            machine::interrupts::enable();
            leave();
        }
        let pending = execution.take_pending(PENDING_PERSONALITY | PENDING_SUSPEND);
        if pending == 0 {
            return;
        }
        machine::interrupts::enable();
        execution.clear_abort();
        if let Some(thread) = current() {
            if pending & PENDING_SUSPEND != 0 {
                thread.wait_until_resumed();
            }
            if pending & PENDING_PERSONALITY != 0
                && let Some(personality) = personality()
            {
                personality.pending(&thread, state);
            }
        }
        let _masked = machine::interrupts::disable();
    }
}

/// Ends the running thread. Nothing that needs dropping may be on its stack.
#[doc(alias = "thread_terminate_self")]
fn leave() -> ! {
    if let Some(thread) = current() {
        thread.dismantle();
        // The tables go with the map; run on without them.
        drop(prim::thread::current().set_address_space(None));
    }
    prim::thread::exit()
}

/// The entry of every user thread.
#[cfg(target_os = "none")]
fn enter_user_mode() {
    let state = current().and_then(|thread| thread.start_state.lock().take());
    if let Some(mut state) = state {
        let _masked = machine::interrupts::disable();
        settle_pending(&mut state);
        machine::context::enter_user(&state);
    }
}

/// There is no user mode on the host: the thread consumes its state and leaves, as a program that ends at once.
#[cfg(not(target_os = "none"))]
fn enter_user_mode() {
    if let Some(thread) = current() {
        let _state = thread.start_state.lock().take();
        thread.dismantle();
    }
}

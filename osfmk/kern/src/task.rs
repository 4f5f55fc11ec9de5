//! Tasks: an address map, a port space and the threads that run in them.
//!
//! A [`Task`] owns no policy. It begins with no thread, lives as long as one of its threads does, and gives back its memory and
//! its ports when the last thread leaves; whoever still holds the `Arc` then holds a shell that says *terminated*.
//!
//! Neighbours: [`crate::thread`], `vm::VmMap`, `ipc::IpcSpace`, [`crate::kobject`] (the task as a port).
//! What it does not do: names, credentials, files. Those are the personality's, behind [`Task::set_extension`].
//! XNU counterpart: `osfmk/kern/task.c`.

use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::any::Any;
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use ipc::{IpcSpace, Port, ReceiveRight, SendRight};
use mach::KernReturn;
use machine::trap::SavedState;
use prim::lock::{Mutex, Rank, SpinLock};
use prim::wait::WaitQueue;
use prim::zone::{Admission, Zone};
use spin::Once;
use vm::vm_map::VmMap;

use crate::personality::personality;
use crate::thread::Thread;

static TASKS: Zone = Zone::new("tasks", size_of::<Task>());

/// Every task that has not terminated, for `ps` and the tests.
static ALL: SpinLock<Vec<Weak<Task>>> = SpinLock::new(Rank::KernelObject, Vec::new());

/// A unit of ownership: memory, ports, threads.
#[doc(alias = "task_t")]
pub struct Task {
    id: u64,
    /// Replaced by exec only. Rank [`Rank::KernelObject`], held for a clone.
    map: SpinLock<Arc<VmMap>>,
    space: Arc<IpcSpace>,
    /// The receive right behind the task's port; `None` once terminated. Rank [`Rank::Task`].
    port: Mutex<Option<ReceiveRight>>,
    /// Rank [`Rank::Task`].
    threads: Mutex<Threads>,
    suspend_count: AtomicU32,
    /// Threads of a suspended task wait here on their way to user mode.
    pub(crate) resumed: WaitQueue,
    terminating: AtomicBool,
    /// Memory and ports are given back once, whoever comes first.
    torn_down: AtomicBool,
    /// The personality's half; set once, before the first thread starts.
    extension: Once<Arc<dyn Any + Send + Sync>>,
    /// Faults taken, for `task_info`.
    pub(crate) faults: AtomicU64,
    /// Ticks that threads which have left had run.
    pub(crate) ended_time: AtomicU64,
    _admission: Admission,
}

/// The threads of a task.
#[derive(Default)]
struct Threads {
    list: Vec<Arc<Thread>>,
    /// No thread may be added: the last one has left, or termination has begun.
    closed: bool,
}

impl Task {
    /// A task without threads.
    ///
    /// # Errors
    /// `RESOURCE_SHORTAGE`.
    #[doc(alias = "task_create_internal")]
    pub fn create(map: Arc<VmMap>) -> Result<Arc<Self>, KernReturn> {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let admission = TASKS.admit().map_err(|_| KernReturn::RESOURCE_SHORTAGE)?;
        let space = IpcSpace::create()?;
        let task = Arc::new(Self {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            map: SpinLock::new(Rank::KernelObject, map),
            space,
            port: Mutex::new(Rank::Task, None),
            threads: Mutex::new(Rank::Task, Threads::default()),
            suspend_count: AtomicU32::new(0),
            resumed: WaitQueue::new(),
            terminating: AtomicBool::new(false),
            torn_down: AtomicBool::new(false),
            extension: Once::new(),
            faults: AtomicU64::new(0),
            ended_time: AtomicU64::new(0),
            _admission: admission,
        });
        let object: Weak<Self> = Arc::downgrade(&task);
        *task.port.lock() = Some(Port::for_weak_kernel_object(object)?);
        let mut all = ALL.lock();
        all.retain(|task| task.strong_count() > 0);
        all.push(Arc::downgrade(&task));
        drop(all);
        Ok(task)
    }

    /// A number no other task ever had.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.id
    }

    /// The address map.
    #[doc(alias = "get_task_map")]
    #[must_use]
    pub fn map(&self) -> Arc<VmMap> {
        self.map.lock().clone()
    }

    /// Exchanges the map (exec); the caller is the task's only thread. Gives the old one back, to be torn down by the caller.
    #[doc(alias = "swap_task_map")]
    pub fn replace_map(&self, map: Arc<VmMap>) -> Arc<VmMap> {
        core::mem::replace(&mut *self.map.lock(), map)
    }

    /// The port space.
    #[must_use]
    pub fn space(&self) -> &Arc<IpcSpace> {
        &self.space
    }

    /// A send right to the task's port; `None` once it has terminated.
    #[doc(alias = "convert_task_to_port")]
    #[must_use]
    pub fn send_right(&self) -> Option<SendRight> {
        self.port.lock().as_ref().map(ReceiveRight::make_send)
    }

    /// Hangs in the personality's half; only the first call counts.
    pub fn set_extension(&self, extension: Arc<dyn Any + Send + Sync>) {
        self.extension.call_once(|| extension);
    }

    /// The personality's half.
    #[doc(alias = "get_bsdtask_info")]
    #[must_use]
    pub fn extension(&self) -> Option<&Arc<dyn Any + Send + Sync>> {
        self.extension.get()
    }

    /// Adds a thread that will enter user mode with `state` once it is started.
    ///
    /// # Errors
    /// `RESOURCE_SHORTAGE`; `TERMINATED` when the task is ending.
    #[doc(alias = "thread_create")]
    pub fn create_thread(self: &Arc<Self>, state: SavedState) -> Result<Arc<Thread>, KernReturn> {
        let thread = Thread::create(self, state)?;
        let mut threads = self.threads.lock();
        if threads.closed {
            return Err(KernReturn::TERMINATED);
        }
        threads.list.push(thread.clone());
        Ok(thread)
    }

    /// Faults taken so far.
    #[must_use]
    pub fn faults(&self) -> u64 {
        self.faults.load(Ordering::Relaxed)
    }

    /// Time that its threads have run, those that have left included, in ticks.
    #[must_use]
    pub fn cpu_time(&self) -> u64 {
        let running = self.threads();
        let running = running.iter().filter_map(|thread| thread.execution());
        self.ended_time.load(Ordering::Relaxed)
            + running.map(|thread| thread.cpu_time()).sum::<u64>()
    }

    /// The threads that have not left.
    #[doc(alias = "task_threads")]
    #[must_use]
    pub fn threads(&self) -> Vec<Arc<Thread>> {
        self.threads.lock().list.clone()
    }

    /// Ends the task: its threads leave at their next chance, and the last one takes memory and ports down.
    #[doc(alias = "task_terminate_internal")]
    pub fn terminate(self: &Arc<Self>) {
        // Either this finds a thread's executing half, or the thread's start finds this (`note_started`).
        self.terminating.swap(true, Ordering::AcqRel);
        let threads = {
            let mut threads = self.threads.lock();
            threads.closed = true;
            threads.list.clone()
        };
        for thread in &threads {
            thread.terminate();
        }
        self.resumed.wake_all();
        if threads.is_empty() {
            self.tear_down();
        }
    }

    /// Whether the task is ending or has ended.
    #[must_use]
    pub fn is_terminating(&self) -> bool {
        self.terminating.load(Ordering::Acquire)
    }

    /// A thread has got its executing half; says whether it must leave at once.
    pub(crate) fn note_started(&self) -> bool {
        // A read-modify-write, as in `terminate`: one of the two comes second and sees what the first did before.
        self.terminating.fetch_or(false, Ordering::AcqRel)
    }

    /// Keeps the task's threads out of user mode until [`Task::resume`] has been called as often.
    #[doc(alias = "task_suspend_internal")]
    pub fn suspend(&self) {
        self.suspend_count.fetch_add(1, Ordering::AcqRel);
        for thread in self.threads() {
            thread.post(crate::thread::PENDING_SUSPEND);
        }
    }

    /// Takes one [`Task::suspend`] back.
    ///
    /// # Errors
    /// `FAILURE` when the task is not suspended.
    #[doc(alias = "task_resume_internal")]
    pub fn resume(&self) -> Result<(), KernReturn> {
        let count = self
            .suspend_count
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |count| {
                count.checked_sub(1)
            });
        if count.map_err(|_| KernReturn::FAILURE)? == 1 {
            self.resumed.wake_all();
        }
        Ok(())
    }

    /// How often the task is suspended.
    #[must_use]
    pub fn suspend_count(&self) -> u32 {
        self.suspend_count.load(Ordering::Acquire)
    }

    /// Takes a thread off the list; the last one takes the task down.
    pub(crate) fn thread_left(self: &Arc<Self>, thread: &Arc<Thread>) {
        let last = {
            let mut threads = self.threads.lock();
            threads.list.retain(|other| !Arc::ptr_eq(other, thread));
            if threads.list.is_empty() {
                threads.closed = true;
            }
            threads.list.is_empty()
        };
        if last {
            self.tear_down();
        }
    }

    /// Gives everything back, then tells the personality: whoever waits for the end finds the memory free.
    #[doc(alias = "task_terminate")]
    fn tear_down(self: &Arc<Self>) {
        self.terminating.store(true, Ordering::Release);
        if self.torn_down.swap(true, Ordering::AcqRel) {
            return;
        }
        let port = self.port.lock().take();
        if let Some(port) = port {
            port.destroy();
        }
        self.space.destroy();
        self.map().terminate();
        if let Some(personality) = personality() {
            personality.task_terminated(self);
        }
    }
}

/// Every task there is.
#[doc(alias = "processor_set_tasks")]
#[must_use]
pub fn all() -> Vec<Arc<Task>> {
    let tasks: Vec<Weak<Task>> = ALL.lock().clone();
    tasks.iter().filter_map(Weak::upgrade).collect()
}

/// The task of the running thread; `None` on a kernel thread.
#[doc(alias = "current_task")]
#[must_use]
pub fn current() -> Option<Arc<Task>> {
    crate::thread::current().map(|thread| thread.task().clone())
}

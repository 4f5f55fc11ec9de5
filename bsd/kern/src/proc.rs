//! Processes: the BSD half of a task.
//!
//! A [`Proc`] is made by fork (or at boot, for init), becomes a *zombie* when its task has ended, and goes when its parent
//! has waited for it. Its task refers to it by the extension slot; it refers to its task until the task ends, which is
//! what takes the cycle apart.
//!
//! ```text
//!   running ──last thread gone──▶ zombie(status) ──wait4──▶ gone
//! ```
//!
//! Locks: the table's (rank `ProcessTable`), then one process's (`Process`), then its descriptors' (`FileTable`).
//! XNU counterpart: `bsd/kern/kern_proc.c`, `struct proc`.

use alloc::string::String;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use bsd_sys::errno::Errno;
use bsd_sys::wait::WaitStatus;
use hashbrown::HashMap;
use kern::task::Task;
use prim::lock::{Mutex, Rank};
use prim::wait::WaitQueue;
use prim::zone::{Admission, Zone};
use spin::Once;

use crate::kern_cs::{Code, ProcessCode};
use crate::kern_descrip::FileTable;
use crate::kern_resource::Usage;
use crate::kern_sig::Actions;
use crate::vfs::vnode::Vnode;

static PROCS: Zone = Zone::new("proc", size_of::<Proc>());

/// The most processes at a time (`kern.maxproc`).
pub const MAX_PROCS: usize = 512;

/// Process number of init.
pub const INIT: i32 = 1;

/// The BSD half of a task.
#[doc(alias = "proc_t")]
pub struct Proc {
    pid: i32,
    /// Rank `Process`.
    state: Mutex<ProcState>,
    /// Rank `FileTable`.
    pub files: Mutex<FileTable>,
    /// Signals that wait for any thread to act on them, a bit each.
    pub(crate) pending: AtomicU32,
    /// Woken when a child ends or stops.
    pub(crate) child_changed: WaitQueue,
    /// How often that happened: whoever looks at the children notes it first, so that no change is missed.
    child_changes: AtomicU64,
    _admission: Admission,
}

/// What a process's lock guards.
pub struct ProcState {
    /// `None` once the task has ended.
    task: Option<Arc<Task>>,
    parent: Weak<Proc>,
    children: Vec<Arc<Proc>>,
    phase: Phase,
    /// How the process will have ended, once somebody has decided.
    pub(crate) status: Option<WaitStatus>,
    /// What it used, once it has ended; of its children that were waited for.
    pub(crate) usage: Usage,
    pub(crate) children_usage: Usage,
    /// A stop that no `wait4` has told of yet; forgotten when the process goes on.
    pub(crate) stop_report: Option<bsd_sys::signal::Signal>,
    /// The signal that keeps it stopped.
    pub(crate) stopped: Option<bsd_sys::signal::Signal>,
    /// The directory relative names start from.
    pub directory: Arc<Vnode>,
    /// Name of the program.
    pub name: String,
    /// Process group.
    pub group: i32,
    /// Bits that new files do not get.
    pub umask: u16,
    /// What is known of its code.
    pub(crate) code: Arc<ProcessCode>,
    /// What it may, by where its program came from.
    pub trust: Trust,
    /// What it does with signals.
    pub(crate) actions: Actions,
}

/// What a process may, by where its program came from.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Trust {
    /// Nothing special.
    Ordinary,
    /// It came with the kernel: it may name the host's privileged ports.
    Privileged,
    /// It is one of those that memory comes from, the archive's `sbin`: besides, it may use the frames' reserve, its memory stays in
    /// memory, and it is not killed when memory runs out.
    Service,
}

/// Where in its life a process is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Phase {
    /// Its task lives.
    Running,
    /// Its task has ended; the parent has not waited for it.
    Zombie,
}

impl ProcState {
    /// Where in its life the process is.
    #[must_use]
    pub fn phase(&self) -> Phase {
        self.phase
    }
}

/// What a new process is made from.
pub struct ProcParameters {
    /// Its task, which has no thread yet.
    pub task: Arc<Task>,
    /// Who made it; `None` for init.
    pub parent: Option<Arc<Proc>>,
    /// Where relative names start.
    pub directory: Arc<Vnode>,
    /// Its descriptors.
    pub files: FileTable,
}

#[derive(Default)]
struct Table {
    procs: HashMap<i32, Arc<Proc>>,
    last: i32,
}

fn table() -> &'static Mutex<Table> {
    static TABLE: Once<Mutex<Table>> = Once::new();
    TABLE.call_once(|| Mutex::new(Rank::ProcessTable, Table::default()))
}

impl Table {
    /// A number nobody has, going round.
    fn free_pid(&mut self) -> i32 {
        loop {
            self.last = if self.last >= 99_999 {
                INIT + 1
            } else {
                self.last + 1
            };
            if !self.procs.contains_key(&self.last) {
                return self.last;
            }
        }
    }
}

impl Proc {
    /// Makes a process and puts it into the table; the first one is init.
    ///
    /// # Errors
    /// `EAGAIN` when there are too many, `ENOMEM`.
    #[doc(alias = "forkproc")]
    pub fn create(parameters: ProcParameters) -> Result<Arc<Self>, Errno> {
        let admission = PROCS.admit().map_err(|_| Errno::ENOMEM)?;
        let ProcParameters {
            task,
            parent,
            directory,
            files,
        } = parameters;
        let inherited = parent.as_ref().map(|parent| {
            let state = parent.state.lock();
            (
                state.name.clone(),
                state.group,
                state.umask,
                state.code.code(),
                state.trust,
                state.actions.fork(),
            )
        });
        let (name, group, umask, code, trust, actions) = inherited.unwrap_or_else(|| {
            (
                String::new(),
                INIT,
                0o022,
                Code::default(),
                Trust::Service,
                Actions::default(),
            )
        });
        let mut table = table().lock();
        if table.procs.len() >= MAX_PROCS {
            return Err(Errno::EAGAIN);
        }
        table.procs.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
        let pid = table.free_pid();
        let code = ProcessCode::create(pid, &code);
        let proc = Arc::new(Self {
            pid,
            state: Mutex::new(
                Rank::Process,
                ProcState {
                    task: Some(task.clone()),
                    parent: parent.as_ref().map(Arc::downgrade).unwrap_or_default(),
                    children: Vec::new(),
                    phase: Phase::Running,
                    status: None,
                    usage: Usage::default(),
                    children_usage: Usage::default(),
                    stop_report: None,
                    stopped: None,
                    directory,
                    name,
                    group,
                    umask,
                    code: code.clone(),
                    trust,
                    actions,
                },
            ),
            files: Mutex::new(Rank::FileTable, files),
            pending: AtomicU32::new(0),
            child_changed: WaitQueue::new(),
            child_changes: AtomicU64::new(0),
            _admission: admission,
        });
        // Before anybody can find and kill it: the end of the task must find the process.
        task.set_extension(proc.clone());
        table.procs.insert(pid, proc.clone());
        if let Some(parent) = parent {
            parent.state.lock().children.push(proc.clone());
        }
        drop(table);
        // Its map has come with its parent's, or has none.
        task.map().set_code_policy(code);
        Ok(proc)
    }

    /// The process number.
    #[must_use]
    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// What the lock guards.
    pub fn state(&self) -> prim::lock::MutexGuard<'_, ProcState> {
        self.state.lock()
    }

    /// The task, while it lives.
    #[must_use]
    pub fn task(&self) -> Option<Arc<Task>> {
        self.state.lock().task.clone()
    }

    /// The parent's number; 0 for init.
    #[must_use]
    pub fn parent_pid(&self) -> i32 {
        self.parent().map_or(0, |parent| parent.pid)
    }

    /// The parent.
    #[must_use]
    pub fn parent(&self) -> Option<Arc<Self>> {
        self.state.lock().parent.upgrade()
    }

    /// Where in its life the process is.
    #[must_use]
    pub fn phase(&self) -> Phase {
        self.state.lock().phase
    }

    /// The children, ended ones included.
    #[must_use]
    pub fn children(&self) -> Vec<Arc<Self>> {
        self.state.lock().children.clone()
    }

    /// The task has ended: close everything, hand the children to init, and wait to be waited for.
    #[doc(alias = "proc_exit")]
    pub(crate) fn become_zombie(self: &Arc<Self>) {
        let files = core::mem::take(&mut *self.files.lock());
        drop(files);
        self.give_children_away();
        let (task, parent, status) = {
            let mut state = self.state.lock();
            state.phase = Phase::Zombie;
            let killed = WaitStatus::Signalled(bsd_sys::signal::Signal::KILL);
            let status = *state.status.get_or_insert(killed);
            if let Some(task) = &state.task {
                state.usage = Usage::of(task);
            }
            (state.task.take(), state.parent.upgrade(), status)
        };
        drop(task);
        match parent {
            Some(parent) => {
                if crate::kern_sig::child_ended(&parent, self.pid, status) {
                    parent.reap(self);
                }
                parent.note_child_change();
            }
            None => crate::startup::init_ended(self),
        }
    }

    /// Orphans go to init, which waits for anybody.
    #[doc(alias = "proc_reparentlocked")]
    fn give_children_away(self: &Arc<Self>) {
        let children = core::mem::take(&mut self.state.lock().children);
        let Some(init) = find(INIT).filter(|init| init.pid != self.pid) else {
            return;
        };
        for child in children {
            child.state.lock().parent = Arc::downgrade(&init);
            init.state.lock().children.push(child);
        }
        init.note_child_change();
    }

    /// How often a child has ended or stopped.
    pub(crate) fn child_changes(&self) -> u64 {
        self.child_changes.load(Ordering::SeqCst)
    }

    /// A child has ended or stopped, or has come from a parent that ended.
    pub(crate) fn note_child_change(&self) {
        self.child_changes.fetch_add(1, Ordering::SeqCst);
        self.child_changed.wake_all();
    }

    /// Forgets an ended child; its number is free again. Says whether it was there: of several threads that wait, one
    /// gets it.
    #[doc(alias = "reap_child_locked")]
    pub(crate) fn reap(&self, child: &Arc<Self>) -> bool {
        let mut state = self.state.lock();
        let position = state
            .children
            .iter()
            .position(|other| Arc::ptr_eq(other, child));
        let found = position.map(|position| state.children.swap_remove(position));
        drop(state);
        if found.is_none() {
            return false;
        }
        let removed = table().lock().procs.remove(&child.pid);
        drop(removed);
        true
    }

    /// Takes back the making of a process whose thread could not be made.
    pub(crate) fn unmake(self: &Arc<Self>) {
        if let Some(parent) = self.parent() {
            parent.reap(self);
        }
        let task = self.state.lock().task.take();
        drop(task);
    }
}

/// The process with this number, zombies included.
#[doc(alias = "proc_find")]
#[must_use]
pub fn find(pid: i32) -> Option<Arc<Proc>> {
    table().lock().procs.get(&pid).cloned()
}

/// Every process, by rising number.
#[doc(alias = "proc_iterate")]
#[must_use]
pub fn all() -> Vec<Arc<Proc>> {
    let mut procs: Vec<Arc<Proc>> = table().lock().procs.values().cloned().collect();
    procs.sort_unstable_by_key(|proc| proc.pid);
    procs
}

/// The process of a task.
#[doc(alias = "get_bsdtask_info")]
#[must_use]
pub fn of_task(task: &Task) -> Option<Arc<Proc>> {
    task.extension()?.clone().downcast().ok()
}

/// How many signals a process has pending, as a word of bits.
#[must_use]
pub fn pending_signals(proc: &Proc) -> u32 {
    proc.pending.load(Ordering::Acquire)
}

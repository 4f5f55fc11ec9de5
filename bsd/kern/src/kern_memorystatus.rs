//! When memory runs out: the process that goes.
//!
//! Page-out calls when it can get no more memory: there is no swap disk, or it is full. The process whose end gives most of it
//! back is killed, with a line on the console that says why; never init, the file server or the pager of anonymous memory. A
//! registered pager goes only when there is nobody else, and so does what init has started (the shell in charge), unless it
//! has much of the memory itself. Until the victim's memory is free no other process is chosen; that it gets there, its
//! threads may go into the reserve.
//!
//! XNU counterpart: `bsd/kern/kern_memorystatus.c`, whose bands and limits have none here.

use alloc::sync::Arc;
use core::sync::atomic::{AtomicI32, AtomicU64, Ordering};

use bsd_sys::signal::Signal;
use prim::clock;
use prim::frames::{self, Reserve};
use prim::thread::with_reserve;
use vm::vm_pageout::{PressureListener, set_pressure_listener};
use vm::vm_statistics::OUT_OF_MEMORY_KILLS;

use crate::proc::{self, INIT, Phase, Proc, Trust};
use crate::{kern_sig, tty, vfs};

/// How long a killed process may take to give its memory back before another one is chosen.
const PATIENCE_SECONDS: u64 = 10;

/// How long the frames of a process that has ended may take to come back: its objects end after it.
const REAPING_SECONDS: u64 = 2;

/// A process with fewer pages is not worth killing: the memory is elsewhere.
const MODEST_PAGES: u64 = 32;

/// What init has started is no shell in charge if it has this part of memory.
const GREEDY_DIVISOR: u64 = 4;

/// The last process killed, and when (clock ticks).
static VICTIM: AtomicI32 = AtomicI32::new(0);
static KILLED_AT: AtomicU64 = AtomicU64::new(0);

struct Memorystatus;

/// Begins to listen. Part of start-up.
#[doc(alias = "memorystatus_init")]
pub(crate) fn start() {
    set_pressure_listener(&Memorystatus);
}

impl PressureListener for Memorystatus {
    #[doc(alias = "memorystatus_kill_on_VM_page_shortage")]
    fn nothing_to_reclaim(&self, _free: usize, _target: usize) -> bool {
        // What this needs is little, and frees much.
        with_reserve(Reserve::Kernel, kill_largest)
    }
}

fn kill_largest() -> bool {
    if is_ending(VICTIM.load(Ordering::Relaxed)) {
        return true;
    }
    let Some((victim, pages)) = choose(&proc::all()) else {
        return false;
    };
    VICTIM.store(victim.pid(), Ordering::Relaxed);
    KILLED_AT.store(clock::now().0, Ordering::Relaxed);
    OUT_OF_MEMORY_KILLS.add(1);
    let name = victim.state().name.clone();
    let pid = victim.pid();
    tty::report(format_args!(
        "{name} ({pid}) killed: out of memory, {pages} pages\n"
    ));
    kern_sig::end(&victim, Signal::KILL);
    let task = victim.task();
    for thread in task.iter().flat_map(|task| task.threads()) {
        if let Some(execution) = thread.execution() {
            execution.set_reserve(Reserve::Pager);
        }
    }
    true
}

/// Is memory of an earlier victim still to come?
fn is_ending(pid: i32) -> bool {
    let running = proc::find(pid).is_some_and(|proc| proc.phase() == Phase::Running);
    let since = clock::now()
        .0
        .saturating_sub(KILLED_AT.load(Ordering::Relaxed));
    let patience = if running {
        PATIENCE_SECONDS
    } else {
        REAPING_SECONDS
    };
    pid != 0 && since < patience * machine::clock::frequency()
}

/// The process that goes, and how many pages it has.
#[doc(alias = "memorystatus_kill_top_process")]
fn choose(procs: &[Arc<Proc>]) -> Option<(Arc<Proc>, u64)> {
    let candidates = procs.iter().filter(|proc| is_expendable(proc));
    let sized = candidates.filter_map(|proc| {
        let pages = proc.task()?.map().footprint();
        (pages >= MODEST_PAGES).then(|| (proc.clone(), pages))
    });
    sized.max_by_key(|(proc, pages)| (!is_needed(proc, *pages), *pages))
}

fn is_expendable(proc: &Proc) -> bool {
    let state = proc.state();
    proc.pid() != INIT
        && state.trust != Trust::Service
        && state.status.is_none()
        && state.phase() == Phase::Running
}

/// Would others be the worse for its end?
fn is_needed(proc: &Proc, pages: u64) -> bool {
    let is_in_charge = proc.parent_pid() == INIT && pages < frames::total() as u64 / GREEDY_DIVISOR;
    is_in_charge || vfs::pagers::is_served_by(proc.pid())
}

//! When memory runs out: the process that goes.
//!
//! Page-out calls when ordinary requests for memory fail and nothing has come back for a while: there is no swap disk, or
//! it is full. The process with the most private memory is killed, with a line on the console that says why; not init, not
//! a program of the boot archive (pagers are), and not what init has started (the shell in charge) as long as there is
//! another. Until its memory is free no other process is chosen.
//!
//! XNU counterpart: `bsd/kern/kern_memorystatus.c`, whose bands and limits have none here.

use alloc::sync::Arc;
use core::sync::atomic::{AtomicI32, AtomicU64, Ordering};

use bsd_sys::signal::Signal;
use prim::clock;
use prim::frames::Reserve;
use prim::thread::with_reserve;
use vm::vm_pageout::{PressureListener, set_pressure_listener};
use vm::vm_statistics::OUT_OF_MEMORY_KILLS;

use crate::proc::{self, INIT, Phase, Proc};
use crate::{kern_sig, tty};

/// How long a killed process may take to give its memory back before another one is chosen.
const PATIENCE_SECONDS: u64 = 10;

/// How long the frames of a process that has ended may take to come back: its objects end after it.
const REAPING_SECONDS: u64 = 2;

/// A process with fewer pages for itself is not worth killing: the memory is elsewhere.
const MODEST_PAGES: u64 = 32;

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

/// The process that goes, and how many pages it has for itself.
#[doc(alias = "memorystatus_kill_top_process")]
fn choose(procs: &[Arc<Proc>]) -> Option<(Arc<Proc>, u64)> {
    let largest = |may_go: &dyn Fn(&Proc) -> bool| {
        let candidates = procs.iter().filter(|proc| may_go(proc));
        let sized = candidates.filter_map(|proc| Some((proc.clone(), private_pages(proc)?)));
        sized.max_by_key(|(_, pages)| *pages)
    };
    let expendable = |proc: &Proc| {
        let state = proc.state();
        proc.pid() != INIT
            && !state.privileged
            && state.status.is_none()
            && state.phase() == Phase::Running
    };
    let is_in_charge = |proc: &Proc| proc.parent_pid() == INIT;
    largest(&|proc| expendable(proc) && !is_in_charge(proc)).or_else(|| largest(&expendable))
}

/// Pages that only this process has, in memory and on the swap disk.
fn private_pages(proc: &Proc) -> Option<u64> {
    let pages = proc.task()?.map().private_pages();
    (pages >= MODEST_PAGES).then_some(pages)
}

//! Getting frames back.
//!
//! ```text
//!             balance                       scan                                   laundry
//!   active ───────────▶ inactive ──┬─ referenced ─────────▶ active
//!   (file, anonymous)   (file,     ├─ clean ──────────────▶ freed
//!                        anonymous,├─ dirty, of a file ───▶ lent to its pager ────┬─ written, unused ─▶ freed
//!                        read      └─ dirty, anonymous ───▶ lent to the default ──┤
//!                        ahead)                             pager                 └─ refused, used ──▶ active
//! ```
//!
//! The page-out thread is woken when free frames fall below the minimum and works until the target is reached. Whoever is
//! out of frames helps itself to clean pages ([`reclaim`]) and waits for the rest. Nothing here waits for a pager: dirty
//! pages are *lent* in runs, at most so many at a time (`Loads`), and the scan goes on; their frames come when the pager
//! says that the data are safe. Busy, lent, pinned and wired pages stay, and so do those of unpageable objects.
//!
//! When that leads nowhere (`shortage` says when), the registered [`PressureListener`] hears of it: it ends a process. Until that
//! helps, whoever wants memory waits.
//!
//! | file | what |
//! |---|---|
//! | `scan` | which pages are looked at, and for how long |
//! | `victim` | file or anonymous next; how many pages should be inactive |
//! | `page` | what happens to one page, and the run around it |
//! | `push` | paging out a range because somebody says so |
//! | `laundry` | what is with pagers, and its end |
//! | `patience` | waiting for memory in calls that cannot wait in their middle |
//! | `shortage` | when a process must go, and when waiting for memory is in vain |
//!
//! XNU counterpart: `vm_pageout.c`. The compressor and its thread have none here: the default pager is a task.

#[cfg(test)]
pub(crate) mod fake_swap;
mod laundry;
mod page;
mod patience;
mod push;
mod scan;
mod shortage;
#[cfg(test)]
mod tests;
mod victim;

use core::sync::atomic::{AtomicBool, Ordering};

use mach::KernReturn;
use prim::clock::Deadline;
use prim::frames::{self, Reserve};
use prim::thread::{self, Priority};
use prim::wait::{Interruptible, WaitQueue};

use crate::{vm_statistics, vm_trace};
use scan::{Effort, Scan};
use shortage::Watch;

pub use patience::{Shortage, patiently};

pub(crate) use laundry::{Loads, begin_with_default_pager, end_of_laundry};
pub(crate) use push::push_out;
pub(crate) use shortage::surrenders;

/// Frames the page-out thread asks for in one scan.
const BATCH: usize = 64;

/// One request of a pager may take this part of the frames that are left to pagers.
const CLUSTER_DIVISOR: usize = 4;

/// How long the page-out thread rests when a scan brought nothing.
const REST_MILLISECONDS: u64 = 50;

/// Hears that memory is short (implemented by the BSD side: pressure events, termination).
pub trait PressureListener: Send + Sync {
    /// Page-out can get no more memory. Called on the page-out thread, with no lock held, and again and again until there is
    /// enough; must not wait for memory. Says whether memory will become free because of the call, or of an earlier one.
    #[doc(alias = "memorystatus_kill_on_VM_page_shortage")]
    fn nothing_to_reclaim(&self, free: usize, target: usize) -> bool;
}

static LISTENER: spin::Once<&'static dyn PressureListener> = spin::Once::new();
static REST: WaitQueue = WaitQueue::new();
/// The page-out thread is there.
static IS_RUNNING: AtomicBool = AtomicBool::new(false);

/// Registers the listener; the first one stays.
pub fn set_pressure_listener(listener: &'static dyn PressureListener) {
    LISTENER.call_once(|| listener);
}

/// Starts the page-out thread.
///
/// # Errors
/// `RESOURCE_SHORTAGE` when no thread can be had.
#[doc(alias = "vm_pageout")]
pub fn start() -> Result<(), KernReturn> {
    thread::spawn_kernel("pageout", Priority::KERNEL, serve)
        .map(drop)
        .map_err(|_| KernReturn::RESOURCE_SHORTAGE)
}

#[doc(alias = "vm_pageout_continue")]
fn serve() {
    thread::current().set_reserve(Reserve::Pageout);
    IS_RUNNING.store(true, Ordering::Relaxed);
    loop {
        let _ = frames::wait_for_shortage(Interruptible::No, None).block();
        restore_target();
    }
}

/// Scans until enough frames are free, and has a process ended when that is the only way.
fn restore_target() {
    let mut scan = Scan::new();
    let mut watch = Watch::begin();
    while frames::frames_below_target() > 0 {
        if watch.must_somebody_go() {
            if call_for_help() {
                // What is left of files is spared meanwhile: whoever is to go needs it to get there.
                watch.note(1);
                rest(laundry::outstanding() > 0);
                continue;
            }
            shortage::surrender();
        }
        let freed = scan.run(frames::frames_below_target().min(BATCH), Effort::Everything);
        watch.note(freed);
        if freed == 0 {
            rest(laundry::outstanding() > 0);
        }
    }
}

/// Whether memory will come back because somebody heard that it is needed.
fn call_for_help() -> bool {
    let (free, target) = (frames::available(), frames::targets().target);
    LISTENER
        .get()
        .is_some_and(|listener| listener.nothing_to_reclaim(free, target))
}

/// Waits a while: for the end of a load, if one is out.
fn rest(pending: bool) {
    let queue = if pending { laundry::ended() } else { &REST };
    let deadline = Deadline::after_milliseconds(REST_MILLISECONDS);
    let wait = queue.assert_wait(Interruptible::No, Some(deadline));
    if pending && laundry::outstanding() == 0 {
        wait.cancel();
    } else {
        let _ = wait.block();
    }
}

/// Are frames short?
pub(crate) fn memory_is_short() -> bool {
    frames::available() < frames::targets().low
}

/// Pages that a pager may be asked for at once: when frames are short, a part of what is left to pagers.
pub(crate) fn most_at_once() -> u64 {
    let (free, targets) = (frames::available(), frames::targets());
    if free >= targets.low {
        return u64::MAX;
    }
    (free.saturating_sub(targets.pager) / CLUSTER_DIVISOR) as u64
}

/// Is it in vain to wait for memory any longer, for somebody who saw `seen` [`surrenders`] when the wait began and whose
/// patience is as many more?
pub(crate) fn waiting_is_in_vain(seen: u64, patience: u64) -> bool {
    !IS_RUNNING.load(Ordering::Relaxed) || surrenders().wrapping_sub(seen) >= patience
}

/// Frees up to `wanted` frames that hold nothing but copies of what a pager has; how many it freed. No lock may be held.
#[doc(alias = "vm_pageout_scan")]
pub fn reclaim(wanted: usize) -> usize {
    if scan::file_cache_is_small() {
        // It is what programs run from. The page-out thread knows what else can go.
        return 0;
    }
    vm_trace::scan(frames::available(), frames::targets().target);
    Scan::new().run(wanted, Effort::CleanOnly)
}

/// Frees every page of files that can be freed without loss, used lately or not; how many. No lock may be held.
#[doc(alias = "vm_purge_filebacked_pagers")]
pub fn purge() -> usize {
    scan::purge()
}

/// One scan as the page-out thread makes it, for tests: up to `wanted` frames at once, and dirty pages on their way.
#[cfg(test)]
pub(crate) fn scan_once(wanted: usize) -> usize {
    Scan::new().run(wanted, Effort::Everything)
}

/// Waits until every pager has acknowledged what it was given, for tests.
#[cfg(test)]
pub(crate) fn wait_for_pagers() {
    while laundry::outstanding() > 0 {
        std::thread::sleep(std::time::Duration::from_micros(50));
    }
}

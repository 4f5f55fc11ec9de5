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
//! When nothing has come back for a while and ordinary requests for memory fail, the registered [`PressureListener`] hears
//! of it: it ends a process. Until that helps, whoever wants memory waits.
//!
//! | file | what |
//! |---|---|
//! | `scan` | which pages are looked at, and for how long |
//! | `victim` | file or anonymous next; how many pages should be inactive |
//! | `page` | what happens to one page, and the run around it |
//! | `laundry` | what is with pagers, and its end |
//!
//! XNU counterpart: `vm_pageout.c`. The compressor and its thread have none here: the default pager is a task.

#[cfg(test)]
pub(crate) mod fake_swap;
mod laundry;
mod page;
mod scan;
#[cfg(test)]
mod tests;
mod victim;

use mach::KernReturn;
use prim::clock::Deadline;
use prim::frames::{self, Reserve};
use prim::thread::{self, Priority};
use prim::wait::{Interruptible, WaitQueue};

use crate::{ticks, vm_statistics, vm_trace};
use scan::{Effort, Scan};

pub(crate) use laundry::{Loads, end_of_laundry};

/// Frames the page-out thread asks for in one scan.
const BATCH: usize = 64;

/// How long the page-out thread rests when a scan brought nothing.
const REST_MILLISECONDS: u64 = 50;

/// Nanoseconds without anything good after which a process must go: nothing is on its way ...
const QUIET_LIMIT: u64 = 1_000_000_000;

/// ... or something is, and its pager is silent.
const SILENT_PAGER_LIMIT: u64 = 10_000_000_000;

/// Hears that memory is short (implemented by the BSD side: pressure events, termination).
pub trait PressureListener: Send + Sync {
    /// Ordinary requests for memory fail, and nothing has come back for a while. Called on the page-out thread, with no
    /// lock held; must not wait for memory. Says whether memory will become free because of the call.
    #[doc(alias = "memorystatus_kill_on_VM_page_shortage")]
    fn nothing_to_reclaim(&self, free: usize, target: usize) -> bool;
}

static LISTENER: spin::Once<&'static dyn PressureListener> = spin::Once::new();
static REST: WaitQueue = WaitQueue::new();

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
    loop {
        let _ = frames::wait_for_shortage(Interruptible::No, None).block();
        restore_target();
    }
}

/// Scans until enough frames are free. What is good: a pager has taken pages, or a file cache that is not small gave some.
/// Programs whose own code is evicted only to be read again free frames all the time, and get nowhere.
fn restore_target() {
    let mut scan = Scan::new();
    let mut good_at = ticks::now();
    let mut ended = laundry::progress();
    while frames::frames_below_target() > 0 {
        let freed = scan.run(frames::frames_below_target().min(BATCH), Effort::Everything);
        let progress = laundry::progress();
        let is_good = progress != ended || (freed > 0 && !scan::file_cache_is_small());
        ended = progress;
        if is_good || crate::memory_object::default_pager_is_expected() {
            good_at = ticks::now();
        }
        let pending = laundry::outstanding() > 0;
        let limit = if pending {
            SILENT_PAGER_LIMIT
        } else {
            QUIET_LIMIT
        };
        let patience = ticks::after(Some(limit)).saturating_sub(ticks::now());
        if ticks::now().saturating_sub(good_at) > patience && call_for_help() {
            good_at = ticks::now();
        }
        if freed == 0 {
            rest(pending);
        }
    }
}

fn call_for_help() -> bool {
    let (free, target) = (frames::available(), frames::targets().target);
    let helped = LISTENER
        .get()
        .is_some_and(|listener| listener.nothing_to_reclaim(free, target));
    if helped {
        laundry::note_progress();
    }
    helped
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

/// Are frames short enough to be modest with read-ahead?
pub(crate) fn memory_is_short() -> bool {
    frames::available() < frames::targets().low
}

/// Changes whenever page-out has brought something: whoever waits for frames waits on.
pub(crate) fn progress() -> u64 {
    laundry::progress()
        .wrapping_add(vm_statistics::RECLAIMED.get())
        .wrapping_add(vm_statistics::SWAPOUTS.get())
}

/// Frees up to `wanted` frames that hold nothing but copies of what a pager has; how many it freed. No lock may be held.
#[doc(alias = "vm_pageout_scan")]
pub fn reclaim(wanted: usize) -> usize {
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

//! What page-out has given to pagers: [`Loads`] of one object, and the sums over all.
//!
//! At most [`LIMIT`] pages of each kind are out at a time, so that a slow pager holds few frames and a fast one always has
//! some to work on. A load ends with the pager's acknowledgement, its death or the object's. How the default pager answers
//! tells whether anonymous pages have a way out ([`default_pager_works`]).
//!
//! XNU counterpart: `vm_pageout_throttle_up`, `pgo_laundry`, `pgo_maxlaundry`.

use core::sync::atomic::{AtomicU64, Ordering};

use arrayvec::ArrayVec;
use mach::KernReturn;
use prim::frames::queues;
use prim::frames::{self, FrameNumber, PageFlags, PageKind, PageList};
use prim::wait::WaitQueue;

use super::shortage::SILENT_PAGER_LIMIT;
use crate::{ticks, vm_page, vm_statistics, vm_trace};

/// Pages of one kind that may be with pagers at a time (XNU: `VM_PAGE_LAUNDRY_MAX`, 128, which its pagers make runs of).
pub(super) const LIMIT: u64 = 256;

/// Loads that one object may have out.
const LOADS: usize = 32;

/// A pager that refused pages is not offered any from the same object for so long.
const REFUSAL_NANOSECONDS: u64 = 1_000_000_000;

/// When pages could not be offered at all, for a reason of the kernel's, they are again after so long.
const PAUSE_NANOSECONDS: u64 = 10_000_000;

/// A default pager that has refused everything for so long, and so often, is full.
const FULL_NANOSECONDS: u64 = 500_000_000;
const FULL_REFUSALS: u64 = 3;

static OUTSTANDING: [AtomicU64; 2] = [const { AtomicU64::new(0) }; 2];
/// Loads that have ended well.
static PROGRESS: AtomicU64 = AtomicU64::new(0);
static ENDED: WaitQueue = WaitQueue::new();
/// Since when the default pager has refused every load, in clock ticks; 0 while it takes them.
static REFUSING_SINCE: AtomicU64 = AtomicU64::new(0);
/// Refusals since then.
static REFUSALS: AtomicU64 = AtomicU64::new(0);
/// When the default pager last answered, or was given a load while it had none, in clock ticks.
static HEARD_AT: AtomicU64 = AtomicU64::new(0);

fn counter(kind: PageKind) -> &'static AtomicU64 {
    &OUTSTANDING[usize::from(kind == PageKind::Anonymous)]
}

/// Pages with pagers.
pub(super) fn outstanding() -> u64 {
    OUTSTANDING
        .iter()
        .map(|count| count.load(Ordering::Relaxed))
        .sum()
}

/// How many more pages of this kind may be given to pagers.
pub(super) fn room(kind: PageKind) -> u64 {
    LIMIT.saturating_sub(counter(kind).load(Ordering::Relaxed))
}

/// Does the default pager answer, and take pages?
pub(super) fn default_pager_works() -> bool {
    let refusing = REFUSING_SINCE.load(Ordering::Relaxed);
    let is_full = refusing != 0
        && ticks::nanoseconds_since(refusing) > FULL_NANOSECONDS
        && REFUSALS.load(Ordering::Relaxed) >= FULL_REFUSALS;
    let has_some = counter(PageKind::Anonymous).load(Ordering::Relaxed) > 0;
    let heard = ticks::nanoseconds_since(HEARD_AT.load(Ordering::Relaxed));
    let is_silent = has_some && heard > SILENT_PAGER_LIMIT;
    !is_full && !is_silent
}

/// Another default pager has a disk of its own.
pub(crate) fn begin_with_default_pager() {
    note_answer(KernReturn::SUCCESS);
}

fn note_answer(result: KernReturn) {
    let now = ticks::now().max(1);
    HEARD_AT.store(now, Ordering::Relaxed);
    match result {
        KernReturn::SUCCESS => {
            REFUSING_SINCE.store(0, Ordering::Relaxed);
            REFUSALS.store(0, Ordering::Relaxed);
        }
        // The pager has not seen the pages.
        KernReturn::ABORTED => {}
        _ => {
            let order = Ordering::Relaxed;
            // Since the first of them.
            let _ = REFUSING_SINCE.compare_exchange(0, now, order, order);
            REFUSALS.fetch_add(1, order);
        }
    }
}

/// Where to wait for the end of a load.
pub(super) fn ended() -> &'static WaitQueue {
    &ENDED
}

/// Changes with every load that ends well.
pub(super) fn progress() -> u64 {
    PROGRESS.load(Ordering::Relaxed)
}

/// What one object has out. Guarded by the object's lock.
#[derive(Debug)]
pub(crate) struct Loads {
    /// Generation, pages not acknowledged, kind.
    out: ArrayVec<(u64, u64, PageKind), LOADS>,
    /// Clock ticks before which nothing more is offered.
    not_before: u64,
}

impl Loads {
    /// Nothing is out.
    pub(crate) fn new() -> Loads {
        Loads {
            out: ArrayVec::new(),
            not_before: 0,
        }
    }

    /// Are as many loads out as there may be?
    pub(super) fn is_full(&self) -> bool {
        self.out.is_full()
    }

    /// Has the pager refused pages lately?
    pub(super) fn refuses(&self, now: u64) -> bool {
        now < self.not_before
    }

    /// A load goes out.
    pub(super) fn put(&mut self, generation: u64, pages: u64, kind: PageKind) {
        if self.out.try_push((generation, pages, kind)).is_ok() {
            let before = counter(kind).fetch_add(pages, Ordering::Relaxed);
            if kind == PageKind::Anonymous && before == 0 {
                HEARD_AT.store(ticks::now(), Ordering::Relaxed);
            }
        }
    }

    /// `pages` pages of the load of this generation (`None`: every load) have come to an end.
    pub(crate) fn take(&mut self, generation: Option<u64>, pages: u64, result: KernReturn) {
        let mut ended = false;
        for (number, left, kind) in &mut self.out {
            if generation.is_some_and(|generation| generation != *number) {
                continue;
            }
            let done = pages.min(*left);
            *left -= done;
            counter(*kind).fetch_sub(done, Ordering::Relaxed);
            if *kind == PageKind::Anonymous {
                note_answer(result);
            }
            ended = true;
        }
        if !ended {
            return;
        }
        self.out.retain(|load| load.1 > 0);
        if result == KernReturn::SUCCESS {
            PROGRESS.fetch_add(1, Ordering::Relaxed);
        } else if result == KernReturn::ABORTED {
            self.not_before = ticks::after(Some(PAUSE_NANOSECONDS));
        } else {
            self.not_before = ticks::after(Some(REFUSAL_NANOSECONDS));
        }
        ENDED.wake_all();
    }

    /// The object ends.
    pub(crate) fn give_up(&mut self) {
        self.take(None, u64::MAX, KernReturn::SUCCESS);
    }
}

/// A page of a load has come back: it is freed if its data are safe and nobody has used it meanwhile.
pub(crate) fn end_of_laundry(pages: &mut PageList, page: u64, frame: FrameNumber) {
    let used = vm_page::was_referenced(pages, frame);
    // Only after the mappings are gone is it known whether the page was written.
    pmap::disconnect(frame);
    let keep = PageFlags::BUSY | PageFlags::PRECIOUS;
    let needed = used
        || pages.flags(frame).intersects(keep)
        || frames::wire_count(frame) > 0
        || vm_page::is_dirty(pages, frame);
    if needed {
        queues::lock().enqueue(frame, vm_page::active_queue(pages));
        return;
    }
    vm_trace::evict(
        pages.owner().get(),
        page << machine::page::PAGE_SHIFT,
        frame,
    );
    // A device may still look at it: the frame stays until that lets go.
    vm_page::discard(pages, page);
    vm_statistics::RECLAIMED.add(1);
}

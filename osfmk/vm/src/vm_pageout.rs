//! Getting frames back: clean pages of objects with pagers, read-ahead first.
//!
//! [`reclaim`] is called by whoever is out of frames, with no lock held, and by the page-out thread, which keeps
//! some frames free. Nothing here waits for a pager: dirty, precious, lent, pinned and wired pages stay, and so does
//! anonymous memory, which has nowhere to go. When nothing can be reclaimed the registered [`PressureListener`] hears
//! of it, and whoever wants memory waits a while and is refused.
//!
//! Ageing: an active page that was not referenced since it was last looked at becomes inactive; an inactive one that
//! was referenced becomes active again; an inactive one that was not is reclaimed.
//!
//! XNU counterpart: `vm_pageout_scan`, `vm_page_balance_inactive`; laundry, the compressor and jetsam have none here.

use mach::KernReturn;
use pmap::RefMod;
use prim::clock::Deadline;
use prim::frames::queues::{self, PageQueue};
use prim::frames::{self, FrameNumber, PageFlags};
use prim::thread::{self, Priority};
use prim::wait::{Interruptible, WaitQueue};

use crate::vm_object::{Locked, find, try_lock};
use crate::{vm_page, vm_statistics, vm_trace};

/// Active pages looked at for each frame wanted, when the inactive queues are short.
const AGE_FACTOR: usize = 4;

/// Frames the page-out thread asks for in one scan.
const BATCH: usize = 64;

/// How long the page-out thread rests when a scan found nothing.
const REST_MILLISECONDS: u64 = 50;

/// Hears that memory is short (implemented by the BSD side: pressure events, termination).
pub trait PressureListener: Send + Sync {
    /// Fewer than `target` frames are free, and nothing could be reclaimed.
    #[doc(alias = "memorystatus_kill_on_VM_page_shortage")]
    fn nothing_to_reclaim(&self, free: usize, target: usize);
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

fn serve() {
    loop {
        let _ = frames::wait_for_shortage(Interruptible::No, None).block();
        while frames::frames_below_target() > 0 {
            if reclaim(BATCH) > 0 {
                continue;
            }
            if let Some(listener) = LISTENER.get() {
                listener.nothing_to_reclaim(frames::available(), frames::targets().target);
            }
            let _ = REST
                .assert_wait(
                    Interruptible::No,
                    Some(Deadline::after_milliseconds(REST_MILLISECONDS)),
                )
                .block();
        }
    }
}

/// Are frames short enough to be modest with read-ahead?
pub(crate) fn memory_is_short() -> bool {
    frames::available() < frames::targets().low
}

/// Frees up to `wanted` frames; how many it freed. No lock may be held.
#[doc(alias = "vm_pageout_scan")]
pub fn reclaim(wanted: usize) -> usize {
    vm_trace::scan(frames::available(), frames::targets().target);
    let mut freed = scan(PageQueue::Speculative, wanted);
    freed += scan(PageQueue::InactiveFile, wanted.saturating_sub(freed));
    if freed < wanted {
        age(wanted.saturating_mul(AGE_FACTOR));
        freed += scan(PageQueue::InactiveFile, wanted - freed);
    }
    if freed == 0 {
        // Everything was referenced lately: ageing has cleared that now.
        age(queues::length(PageQueue::Active));
        freed += scan(PageQueue::InactiveFile, wanted);
    }
    vm_statistics::RECLAIMED.add(freed as u64);
    freed
}

/// Frees every page that can be freed without loss, used lately or not; how many. No lock may be held.
#[doc(alias = "vm_purge_filebacked_pagers")]
pub fn purge() -> usize {
    let mut freed = 0;
    loop {
        match reclaim(usize::MAX) {
            0 => return freed,
            some => freed += some,
        }
    }
}

/// Goes once around a queue until `wanted` frames are free.
fn scan(queue: PageQueue, wanted: usize) -> usize {
    let mut freed = 0;
    for _ in 0..queues::length(queue) {
        if freed >= wanted {
            break;
        }
        let Some(frame) = rotate(queue) else { break };
        freed += usize::from(try_reclaim(frame));
    }
    freed
}

/// The page that has been on a queue longest; it goes to the end.
fn rotate(queue: PageQueue) -> Option<FrameNumber> {
    let mut queues = queues::lock();
    let frame = queues.first(queue)?;
    queues.enqueue(frame, queue);
    Some(frame)
}

/// The locked object that has this frame as a page, and the page; `None` if it is busy or just moving.
fn lock_owner(frame: FrameNumber) -> Option<(Locked, u64)> {
    let (owner, index) = frames::owner(frame)?;
    let state = try_lock(find(owner.get())?)?;
    (state.alive && state.pages.lookup(index) == Some(frame)).then_some((state, index.0))
}

/// Frees the page in `frame` if it is clean, unused and not needed.
fn try_reclaim(frame: FrameNumber) -> bool {
    let Some((mut state, page)) = lock_owner(frame) else {
        return false;
    };
    if state.pager.is_none() {
        queues::lock().enqueue(frame, PageQueue::InactiveAnonymous);
        return false;
    }
    let speculative = state.pages.flags(frame).contains(PageFlags::SPECULATIVE);
    if !speculative && was_referenced(&mut state, frame) {
        vm_statistics::REACTIVATIONS.add(1);
        queues::lock().enqueue(frame, PageQueue::Active);
        return false;
    }
    // Only after the mappings are gone is it known whether the page was written.
    pmap::disconnect(frame);
    if !vm_page::is_reclaimable(&state.pages, frame) {
        queues::lock().enqueue(frame, PageQueue::Active);
        return false;
    }
    vm_trace::evict(
        state.owner().number(),
        page << machine::page::PAGE_SHIFT,
        frame,
    );
    vm_page::discard(&mut state.pages, page);
    true
}

/// Was the page used since this was last asked?
fn was_referenced(state: &mut Locked, frame: FrameNumber) -> bool {
    let by_kernel = state
        .pages
        .clear_flags(frame, PageFlags::REFERENCED)
        .contains(PageFlags::REFERENCED);
    let by_hardware = pmap::refmod(frame).contains(RefMod::REFERENCED);
    if by_hardware {
        pmap::clear_refmod(frame, RefMod::REFERENCED);
    }
    by_kernel || by_hardware
}

/// Looks at up to `count` active pages; the unused ones become inactive.
#[doc(alias = "vm_page_balance_inactive")]
fn age(count: usize) {
    for _ in 0..count.min(queues::length(PageQueue::Active)) {
        let Some(frame) = rotate(PageQueue::Active) else {
            return;
        };
        let Some((mut state, _)) = lock_owner(frame) else {
            continue;
        };
        if !was_referenced(&mut state, frame) {
            let internal = state.owner().is_internal();
            queues::lock().enqueue(frame, vm_page::inactive_queue(internal));
        }
    }
}

//! What happens to one page that the scan has come to, and the run of neighbours that goes with it.
//!
//! The object's lock is only tried: whoever has it uses the pages. Everything that needs memory or posts a message happens
//! with no lock held.
//!
//! XNU counterpart: the body of `vm_pageout_scan`; `vm_pageout_cluster`.

use alloc::sync::Arc;
use core::ops::Range;

use prim::frames::queues::{self, PageQueue};
use prim::frames::{self, FrameNumber, PageFlags, PageKind};

use super::laundry;
use super::scan::{Effort, Scan};
use crate::memory_object::requests::MAX_RUN_PAGES;
use crate::memory_object::{
    Afterwards, DataReturn, Pager, ReturnKind, give_default_pager, lend_run, post,
};
use crate::vm_object::paged_out::Room;
use crate::vm_object::state::{ObjectState, Phase};
use crate::vm_object::{Locked, ObjectRef, find, try_lock};
use crate::{ticks, vm_page, vm_statistics, vm_trace};

/// What became of a page.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Verdict {
    /// Its frame is free.
    Freed,
    /// It is with its pager.
    Lent,
    /// It is in use, or cannot go now.
    Stays,
    /// It could go if somebody took pages of this kind.
    NobodyTakes(PageKind),
}

/// What stands between a dirty page and its pager.
pub(super) enum Obstacle {
    /// The object has no pager yet.
    NoPager,
    /// Noting what the pager has needs memory.
    NoRoom,
    /// Not now.
    Stays,
    /// The laundry is full, or the pager takes nothing.
    NobodyTakes,
}

/// The locked object that has this frame as a page, and the page; `None` if it is busy or just moving.
pub(super) fn lock_owner(frame: FrameNumber) -> Option<(Locked, u64)> {
    let (owner, index) = frames::owner(frame)?;
    let state = try_lock(find(owner.get())?)?;
    (state.alive && state.pages.lookup(index) == Some(frame)).then_some((state, index.0))
}

/// Frees the page in `frame`, has it written, or leaves it where it belongs.
pub(super) fn consider(frame: FrameNumber, effort: Effort, scan: &mut Scan) -> Verdict {
    let Some((mut state, page)) = lock_owner(frame) else {
        return Verdict::Stays;
    };
    if let Some(verdict) = free_or_keep(&mut state, page, frame, effort) {
        return verdict;
    }
    let Some(object) = ObjectRef::try_from_object(state.owner()) else {
        return Verdict::Stays;
    };
    drop(state);
    page_out(&object, page, frame, scan)
}

/// Deals with a page that need not be written; `None` for one that must be, and may.
fn free_or_keep(
    state: &mut Locked,
    page: u64,
    frame: FrameNumber,
    effort: Effort,
) -> Option<Verdict> {
    if state.unpageable {
        queues::lock().remove(frame);
        return Some(Verdict::Stays);
    }
    if !is_idle(state, frame) {
        // Not at the end of this queue, or the scan would come to nothing else.
        queues::lock().enqueue(frame, vm_page::active_queue(&state.pages));
        return Some(Verdict::Stays);
    }
    let ahead = state.pages.flags(frame).contains(PageFlags::SPECULATIVE);
    if !ahead && vm_page::was_referenced(&mut state.pages, frame) {
        vm_statistics::REACTIVATIONS.add(1);
        queues::lock().enqueue(frame, vm_page::active_queue(&state.pages));
        return Some(Verdict::Stays);
    }
    if effort == Effort::CleanOnly && must_be_written(state, page, frame) {
        return Some(Verdict::Stays);
    }
    // Only after the mappings are gone is it known whether the page was written.
    pmap::disconnect(frame);
    if must_be_written(state, page, frame) {
        return (effort == Effort::CleanOnly).then_some(Verdict::Stays);
    }
    vm_trace::evict(
        state.owner().number(),
        page << machine::page::PAGE_SHIFT,
        frame,
    );
    vm_page::discard(&mut state.pages, page);
    Some(Verdict::Freed)
}

/// Nobody works on the page or needs it where it is.
pub(super) fn is_idle(state: &ObjectState, frame: FrameNumber) -> bool {
    let busy = PageFlags::BUSY | PageFlags::CLEANING;
    !state.pages.flags(frame).intersects(busy)
        && frames::wire_count(frame) == 0
        && frames::pin_count(frame) == 0
}

/// Would something be lost with the page? Of anonymous memory it is all that the pager has no copy of.
pub(super) fn must_be_written(state: &ObjectState, page: u64, frame: FrameNumber) -> bool {
    let unsaved = state.owner_is_internal() && !state.paged_out.contains(page);
    unsaved || vm_page::is_unsaved(&state.pages, frame)
}

/// Gives a dirty page to its pager, and with it the neighbours that are to go too. No lock may be held.
#[doc(alias = "vm_pageout_cluster")]
fn page_out(object: &ObjectRef, page: u64, frame: FrameNumber, scan: &mut Scan) -> Verdict {
    // Twice at most: once without a pager, once without room.
    for _ in 0..3 {
        let obstacle = match lend_around(object, page, frame, scan) {
            Ok((pager, run)) => {
                return match post(object, &pager, run) {
                    Ok(()) => Verdict::Lent,
                    Err(_) => Verdict::Stays,
                };
            }
            Err(obstacle) => obstacle,
        };
        let helped = match obstacle {
            Obstacle::Stays => return Verdict::Stays,
            Obstacle::NobodyTakes => false,
            Obstacle::NoPager => give_default_pager(object).is_ok(),
            Obstacle::NoRoom => scan.room.prepare().is_ok(),
        };
        if !helped {
            return Verdict::NobodyTakes(kind_of(object));
        }
    }
    Verdict::Stays
}

fn kind_of(object: &ObjectRef) -> PageKind {
    if object.is_internal() {
        PageKind::Anonymous
    } else {
        PageKind::File
    }
}

/// Marks the run around a page lent.
fn lend_around(
    object: &ObjectRef,
    page: u64,
    frame: FrameNumber,
    scan: &mut Scan,
) -> Result<(Arc<dyn Pager>, DataReturn), Obstacle> {
    let mut state = try_lock(object.object().clone()).ok_or(Obstacle::Stays)?;
    let same = state.alive && state.pages.lookup(vm_page::index(page)) == Some(frame);
    if !same || !is_idle(&state, frame) || !must_be_written(&state, page, frame) {
        return Err(Obstacle::Stays);
    }
    match most_to_lend(&state)? {
        Offer::Refused | Offer::Full => {
            // This object's pages stay for now; others' may go.
            queues::lock().enqueue(frame, vm_page::active_queue(&state.pages));
            Err(Obstacle::Stays)
        }
        Offer::Pages(0) => Err(Obstacle::NobodyTakes),
        Offer::Pages(most) => {
            let run = run_around(&state, page, most);
            lend(object, &mut state, run, &mut scan.room)
        }
    }
}

/// What the pager of an object takes now.
pub(super) enum Offer {
    /// So many pages of its kind, at most.
    Pages(u64),
    /// Nothing before something of this object has come back.
    Full,
    /// Nothing for a while.
    Refused,
}

/// How many pages of the object its pager may be given at once.
pub(super) fn most_to_lend(state: &ObjectState) -> Result<Offer, Obstacle> {
    let pager = state.pager.as_ref().ok_or(Obstacle::NoPager)?;
    if pager.phase != Phase::Ready || pager.laundry.refuses(ticks::now()) {
        return Ok(Offer::Refused);
    }
    if pager.laundry.is_full() {
        return Ok(Offer::Full);
    }
    let most = laundry::room(state.pages.kind()).min(u64::from(MAX_RUN_PAGES));
    Ok(Offer::Pages(most))
}

/// Marks the pages of a run lent, all of which are there, idle, and to be written.
pub(super) fn lend(
    object: &ObjectRef,
    state: &mut Locked,
    run: Range<u64>,
    room: &mut Room,
) -> Result<(Arc<dyn Pager>, DataReturn), Obstacle> {
    let kind = state.pages.kind();
    if kind == PageKind::Anonymous {
        let made = state.paged_out.make_room(run.start, run.end, room);
        made.map_err(|_| Obstacle::NoRoom)?;
        run.clone().for_each(|page| state.paged_out.insert(page));
    }
    let ObjectState { pages, pager, .. } = &mut **state;
    let pager = pager.as_mut().ok_or(Obstacle::NoPager)?;
    for page in run.clone() {
        let Some(frame) = pages.lookup(vm_page::index(page)) else {
            continue;
        };
        pages.clear_flags(frame, PageFlags::SPECULATIVE | PageFlags::REFERENCED);
        pmap::disconnect(frame);
        pmap::clear_refmod(frame, pmap::RefMod::REFERENCED);
        queues::lock().enqueue(frame, PageQueue::Laundry);
    }
    let length = run.end - run.start;
    let lent = lend_run(
        object,
        pages,
        pager,
        run,
        ReturnKind::Dirty,
        Afterwards::Free,
    );
    pager.laundry.put(lent.generation, length, kind);
    Ok((pager.pager.clone(), lent))
}

/// The run of at most `most` pages around `page` that must be written and that nobody has used lately.
fn run_around(state: &ObjectState, page: u64, most: u64) -> Range<u64> {
    let (mut start, mut end) = (page, page + 1);
    while end - start < most && goes_too(state, end) {
        end += 1;
    }
    while end - start < most && start > 0 && goes_too(state, start - 1) {
        start -= 1;
    }
    start..end
}

fn goes_too(state: &ObjectState, page: u64) -> bool {
    let Some(frame) = state.pages.lookup(vm_page::index(page)) else {
        return false;
    };
    let referenced = state.pages.flags(frame).contains(PageFlags::REFERENCED)
        || pmap::refmod(frame).contains(pmap::RefMod::REFERENCED);
    queues::queue_of(frame) == Some(vm_page::inactive_queue(&state.pages))
        && !referenced
        && is_idle(state, frame)
        && must_be_written(state, page, frame)
}

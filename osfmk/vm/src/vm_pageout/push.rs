//! Paging out because somebody says so, not because frames are short: the anonymous pages of a range.
//!
//! The pages go as they would after a scan: what the default pager has a good copy of is freed, the rest is lent to it in
//! runs and freed when it says that the data are safe, unless somebody uses it meanwhile. The laundry has its limits here
//! too; who pushes waits for room, and in the end for the last load. Pages that are wired, pinned or lent already stay,
//! and so does everything when nobody takes it: this is advice.
//!
//! XNU counterpart: `vm_object_pageout`, which queues all pages of the object and waits for none.

#[cfg(test)]
mod tests;

use alloc::sync::Arc;
use core::ops::Range;

use mach::KernReturn;
use prim::clock::Deadline;
use prim::wait::{Interruptible, WaitResult};

use super::laundry;
use super::page::{self, Obstacle, Offer};
use crate::memory_object::requests::MAX_RUN_PAGES;
use crate::memory_object::{DataReturn, Pager, give_default_pager, post};
use crate::vm_object::paged_out::Room;
use crate::vm_object::{Locked, ObjectRef};
use crate::{vm_page, vm_statistics, vm_trace};

/// Looks again so often whether the laundry has room, should nobody say so.
const LOOK_MILLISECONDS: u64 = 50;

/// How far one section under the object's lock has come.
enum Section {
    /// This run was marked lent and is to be posted; whatever comes before its end is dealt with.
    Lent(Arc<dyn Pager>, DataReturn),
    /// Everything before this page is dealt with.
    Upto(u64),
    /// Nothing can be lent before something comes back.
    NoRoom,
    /// Whoever might take the pages does not.
    Stop,
}

/// Pages `first..end` of an anonymous object out, as far as they are there and can go; waits until its pager has them. No
/// lock may be held.
///
/// # Errors
/// `ABORTED` when a wait was interrupted.
#[doc(alias = "vm_object_pageout")]
pub(crate) fn push_out(object: &ObjectRef, first: u64, end: u64) -> Result<(), KernReturn> {
    if !object.is_internal() {
        return Ok(());
    }
    let mut room = Room::default();
    let mut next = first;
    while next < end {
        match section(object, next..end, &mut room) {
            Ok(Section::Upto(page)) => next = page,
            Ok(Section::Lent(pager, run)) => {
                next = (run.offset + run.length) >> machine::page::PAGE_SHIFT;
                if post(object, &pager, run).is_err() {
                    break;
                }
            }
            Ok(Section::NoRoom) => wait_for_laundry()?,
            Err(Obstacle::NoPager) if give_default_pager(object).is_ok() => {}
            Err(Obstacle::NoRoom) if room.prepare().is_ok() => {}
            Ok(Section::Stop) | Err(_) => break,
        }
    }
    match object.wait_until_cleaned(first, end) {
        Err(KernReturn::ABORTED) => Err(KernReturn::ABORTED),
        // A pager that has died leaves the pages where they are.
        _ => Ok(()),
    }
}

/// Frees what is clean until a page must be written, and lends the run that begins there.
fn section(object: &ObjectRef, range: Range<u64>, room: &mut Room) -> Result<Section, Obstacle> {
    let mut state = object.lock();
    if !state.alive || state.unpageable {
        return Ok(Section::Stop);
    }
    let mut next = range.start;
    for _ in 0..MAX_RUN_PAGES {
        let Some((page, frame)) = vm_page::next(&state.pages, next, range.end) else {
            return Ok(Section::Upto(range.end));
        };
        next = page + 1;
        if !page::is_idle(&state, frame) {
            continue;
        }
        // Only after the mappings are gone is it known whether the page was written.
        pmap::disconnect(frame);
        if page::must_be_written(&state, page, frame) {
            return lend_from(object, &mut state, page..range.end, room);
        }
        vm_trace::evict(
            state.owner().number(),
            page << machine::page::PAGE_SHIFT,
            frame,
        );
        vm_page::discard(&mut state.pages, page);
        vm_statistics::RECLAIMED.add(1);
    }
    Ok(Section::Upto(next))
}

/// Lends the longest run from the first page of the range on.
fn lend_from(
    object: &ObjectRef,
    state: &mut Locked,
    range: Range<u64>,
    room: &mut Room,
) -> Result<Section, Obstacle> {
    let most = match page::most_to_lend(state)? {
        Offer::Pages(0) | Offer::Full => return Ok(Section::NoRoom),
        Offer::Refused => return Ok(Section::Stop),
        Offer::Pages(most) => most,
    };
    let last = range.end.min(range.start + most);
    let mut end = range.start + 1;
    for (page, frame) in vm_page::pages_in(&state.pages, end, last) {
        let goes =
            page == end && page::is_idle(state, frame) && page::must_be_written(state, page, frame);
        if !goes {
            break;
        }
        end += 1;
    }
    let (pager, run) = page::lend(object, state, range.start..end, room)?;
    Ok(Section::Lent(pager, run))
}

/// Waits until pages of a load have come back.
fn wait_for_laundry() -> Result<(), KernReturn> {
    let deadline = Deadline::after_milliseconds(LOOK_MILLISECONDS);
    let before = laundry::outstanding();
    let wait = laundry::ended().assert_wait(Interruptible::AbortSafe, Some(deadline));
    if laundry::outstanding() < before {
        wait.cancel();
        return Ok(());
    }
    match wait.block() {
        WaitResult::Interrupted => Err(KernReturn::ABORTED),
        WaitResult::Awakened | WaitResult::TimedOut => Ok(()),
    }
}

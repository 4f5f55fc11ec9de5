//! The single steps, carried out under the locks that the decision was made under.
//!
//! Each does one thing to the objects of a locked [`Chain`], or says what it lacks; none waits.
//! A frame comes from the spares that were filled before anything was locked.
//! XNU counterpart: the bodies of `vm_fault_page` and `vm_fault_internal`.

use mach::KernReturn;
use machine::page::{PAGE_SHIFT, PAGE_SIZE};
use prim::frames::{self, FrameNumber, OwnedFrame};

use super::resolve::{Blocked, Demand, Purpose, window_pages};
use super::spares::Spares;
use crate::memory_object::requests::MAX_RUN_PAGES;
use crate::memory_object::{DataRequest, FaultInfo, GaveUp, give_up};
use crate::vm_object::step::Awaited;
use crate::vm_object::{Chain, Locked, cluster, try_lock};
use crate::{code_signing, ticks, vm_page, vm_pageout, vm_statistics, vm_trace};

/// Copies a page of the object at hand into the top object.
pub(super) fn copy_up(
    chain: &mut Chain,
    source: FrameNumber,
    purpose: Purpose,
    spares: &mut Spares,
) -> Result<(), Blocked> {
    let mut frame = spares.take()?;
    frames::copy(&mut frame, &chain.current().pages.source(source));
    vm_trace::copy_page(
        source,
        frame.number(),
        chain.top.owner().number(),
        chain.top_page << PAGE_SHIFT,
    );
    vm_statistics::COW_FAULTS.add(1);
    // Whoever else sees the top object may still be shown the old page through it. The entry that faults and the
    // lookup have a reference each.
    if purpose == Purpose::Io || chain.top.owner().references() > 2 {
        pmap::disconnect(source);
    }
    let page = chain.top_page;
    insert(&mut chain.top, page, frame)
}

/// Puts a page of zeros into the top object.
pub(super) fn zero_fill_top(chain: &mut Chain, spares: &mut Spares) -> Result<(), Blocked> {
    let frame = zeroed(spares)?;
    let page = chain.top_page;
    vm_trace::zero_fill(
        chain.top.owner().number(),
        page << PAGE_SHIFT,
        frame.number(),
    );
    insert(&mut chain.top, page, frame)
}

/// Puts a page of zeros into the object at hand, whose pager has no data for it.
pub(super) fn zero_fill_here(chain: &mut Chain, spares: &mut Spares) -> Result<(), Blocked> {
    let frame = zeroed(spares)?;
    let page = chain.page();
    vm_trace::zero_fill(
        chain.current().owner().number(),
        page << PAGE_SHIFT,
        frame.number(),
    );
    let current = chain.current_mut();
    insert(current, page, frame)?;
    if let Some(pager) = current.pager.as_mut() {
        // Whoever waited for the same answer must not take it for one about what this page becomes.
        pager.requests.forget_absence(page, 1);
    }
    Ok(())
}

fn zeroed(spares: &mut Spares) -> Result<OwnedFrame, Blocked> {
    let mut frame = spares.take()?;
    frames::zero(&mut frame);
    vm_statistics::ZERO_FILLS.add(1);
    Ok(frame)
}

fn insert(object: &mut Locked, page: u64, frame: OwnedFrame) -> Result<(), Blocked> {
    vm_trace::insert(object.owner().number(), page << PAGE_SHIFT, frame.number());
    match object.pages.insert(vm_page::index(page), frame) {
        Ok(_) => Ok(()),
        // Unreachable while the lock is held: the page was just found missing. The frame is freed, the fault retried.
        Err(_) => Err(Blocked::Contended),
    }
}

/// Gives the copy object of the top object the old contents of a page that is about to be written, unless it has
/// a page of its own there. Goes up, so the copy object's lock is only tried.
#[doc(alias = "vm_fault_page")]
pub(super) fn push_to_copy(
    chain: &mut Chain,
    source: FrameNumber,
    spares: &mut Spares,
) -> Result<(), Blocked> {
    let Some(copy) = chain.top.copy_object() else {
        return Ok(());
    };
    let mut copy = try_lock(copy).ok_or(Blocked::Contended)?;
    let page = chain.top_page;
    if copy.has_page(page) || !copy.alive {
        return Ok(());
    }
    let mut frame = spares.take()?;
    frames::copy(&mut frame, &chain.top.pages.source(source));
    let judged = code_signing::flags_for_copy(&mut chain.top, page, source);
    // Whoever sees the old page through the copy object must come back and find the pushed one.
    pmap::disconnect(source);
    vm_trace::copy_page(
        source,
        frame.number(),
        copy.owner().number(),
        page << PAGE_SHIFT,
    );
    vm_statistics::COPY_PUSHES.add(1);
    let number = frame.number();
    insert(&mut copy, page, frame)?;
    copy.pages.set_flags(number, judged);
    Ok(())
}

/// Takes a credit and makes the request; it is posted when every lock has been dropped.
pub(super) fn ask(chain: &mut Chain, demand: &Demand<'_>, spares: &mut Spares) -> Blocked {
    let page = chain.page();
    let number = chain.current().owner().number();
    let situation = cluster::Situation {
        page,
        behavior: demand.behavior,
        window: window_pages(demand, page),
        object_pages: chain.current().page_count(),
        most: vm_pageout::most_at_once(),
    };
    let object = chain.current().owner().clone();
    let internal = object.is_internal();
    if (internal || vm_pageout::memory_is_short()) && !spares.has_frame() {
        // What a pager brings takes a frame of its reserve: whoever wants it has shown that there is another.
        return Blocked::Frame;
    }
    let state = &mut **chain.current_mut();
    let Some(pager) = state.pager.as_mut() else {
        return Blocked::Fail(KernReturn::FAILURE);
    };
    let mut read_ahead = state.read_ahead;
    let pages = &state.pages;
    let (requests, paged_out) = (&pager.requests, &state.paged_out);
    let run = cluster::decide(&mut read_ahead, &situation, |page| {
        pages.lookup(vm_page::index(page)).is_some()
            || requests.expected(page).is_some()
            || (internal && !paged_out.contains(page))
    });
    state.read_ahead = read_ahead;
    debug_assert!(run.end - run.start <= u64::from(MAX_RUN_PAGES));
    let deadline = ticks::after(pager.attributes.deadline);
    let Ok(generation) = pager
        .requests
        .begin(run.start, (run.end - run.start) as u32, deadline)
    else {
        // `examine` saw a credit, under the same lock.
        return Blocked::Contended;
    };
    spares.awaited = Some(Awaited {
        object: number,
        page,
        generation,
    });
    let window = situation.window.start << PAGE_SHIFT..situation.window.end << PAGE_SHIFT;
    let request = DataRequest {
        offset: run.start << PAGE_SHIFT,
        length: (run.end - run.start) * PAGE_SIZE as u64,
        access: demand.access,
        info: FaultInfo {
            behavior: demand.behavior,
            window,
            generation,
        },
    };
    Blocked::Ask {
        object,
        pager: pager.pager.clone(),
        request,
    }
}

/// The pager of the object at hand is late: what its owner wished for that case happens.
pub(super) fn give_up_on_pager(chain: &mut Chain, now: u64) -> Result<(), Blocked> {
    let current = chain.current_mut();
    let gave_up = give_up(current, now);
    current.owner().wake_everyone();
    match gave_up {
        GaveUp::Settled => Ok(()),
        GaveUp::TakenOver { pager, control } => Err(Blocked::TakeOver { pager, control }),
    }
}

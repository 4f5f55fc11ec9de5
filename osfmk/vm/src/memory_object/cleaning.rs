//! Giving pages back: `lock_request`, `data_return`, `clean_completed`, and `vm_object_sync` on top of them.
//!
//! A returned page is *lent*: it stays in the object, flagged CLEANING with the generation of this return, pinned,
//! its mappings made clean so that a write meanwhile shows. `clean_completed` with that generation ends it: on
//! success the page is clean unless it was written meanwhile, on failure it is dirty again. The death of the pager
//! counts as failure. A page is lent once at a time.
//! XNU counterpart: `memory_object_lock_request`, `vm_object_update`, `vm_object_sync`.

use alloc::sync::Arc;
use core::ops::Range;

use mach::{KernReturn, VmProt};
use machine::page::{PAGE_MASK, PAGE_SHIFT, PAGE_SIZE};
use prim::frames::{PageFlags, PageList};

use super::attributes::Reply;
use super::requests::MAX_RUN_PAGES;
use super::{DataReturn, MemoryControl, Pager, ReturnKind, post_failed};
use crate::vm_object::state::{ObjectState, PagerState, Phase};
use crate::vm_object::{OBJECT_EVENT, ObjectRef};
use crate::{ticks, vm_page, vm_pageout, vm_statistics, vm_trace};

/// Which resident pages a request returns to the pager.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShouldReturn {
    /// None.
    None,
    /// Dirty ones.
    Dirty,
    /// Dirty and precious ones.
    All,
    /// All that are resident.
    Anything,
}

/// A pager's wish about pages of its object. Carried out per page in this order: return, restrict, flush.
#[derive(Clone, Copy, Debug)]
pub struct LockRequest {
    /// First byte.
    pub offset: u64,
    /// How many.
    pub length: u64,
    /// What to return.
    pub should_return: ShouldReturn,
    /// Throw the pages out afterwards (those being returned: when they are acknowledged).
    pub flush: bool,
    /// Existing mappings keep at most this; `None`: no change. Later faults are not restricted.
    pub protection: Option<VmProt>,
    /// Is `lock_completed` wanted?
    pub reply: Reply,
}

impl MemoryControl {
    /// Carries out a [`LockRequest`]. Never waits for a page: what is lent or pinned is left to its end.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` when the object is gone.
    #[doc(alias = "memory_object_lock_request")]
    #[doc(alias = "vm_object_update")]
    pub fn lock_request(&self, request: LockRequest) -> Result<(), KernReturn> {
        let pager = self.pager()?;
        let object = self.object().ok_or(KernReturn::INVALID_ARGUMENT)?;
        let first = request.offset >> PAGE_SHIFT;
        let end = request
            .offset
            .saturating_add(request.length)
            .div_ceil(PAGE_SIZE as u64);
        let returned = return_pages(
            &object,
            first,
            end,
            request.should_return,
            Afterwards::of(request.flush),
        );
        if let Some(protection) = request.protection {
            object.protect_range(
                request.offset & !PAGE_MASK,
                (end - first) << PAGE_SHIFT,
                protection,
            );
        }
        if request.flush {
            object.flush(first, end);
        }
        if let (Reply::Wanted, Some(pager), Ok(_)) = (request.reply, pager, returned) {
            pager.lock_completed(request.offset, request.length);
        }
        Ok(())
    }

    /// The pager has dealt with what it was lent. `result`: SUCCESS when the data is safe.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` when the object is gone or nothing in the range was lent under this generation.
    pub fn clean_completed(
        &self,
        offset: u64,
        length: u64,
        generation: u64,
        result: KernReturn,
    ) -> Result<(), KernReturn> {
        let first = offset >> PAGE_SHIFT;
        let end = offset.saturating_add(length).div_ceil(PAGE_SIZE as u64);
        let taken = self.with_state(|object, state| {
            vm_trace::cleaned(object.number(), offset, length, generation);
            let ObjectState { pages, pager, .. } = state;
            let taken = pager.as_mut().map_or(0, |pager| {
                let taken = take_back(pages, pager, first, end, Some(generation), result);
                if taken > 0 && result != KernReturn::SUCCESS {
                    pager.durability.failure.get_or_insert(result);
                }
                taken
            });
            object.waiters().wake_all_event(OBJECT_EVENT);
            taken
        })?;
        if taken == 0 {
            Err(KernReturn::INVALID_ARGUMENT)
        } else {
            Ok(())
        }
    }
}

impl ObjectRef {
    /// Writes dirty pages of an object with a pager back, and waits until they are durable if `flags` say so; nothing to do for
    /// internal objects.
    ///
    /// # Errors
    /// `MEMORY_ERROR` when the pager is dead or late, `ABORTED` when the wait was interrupted; what the pager said when it could not
    /// write, once.
    #[doc(alias = "vm_object_sync")]
    pub fn sync(&self, offset: u64, size: u64, flags: SyncFlags) -> Result<(), KernReturn> {
        if self.is_internal() {
            return Ok(());
        }
        let first = offset >> PAGE_SHIFT;
        let end = offset.saturating_add(size).div_ceil(PAGE_SIZE as u64);
        let mut result = Ok(());
        if flags.write_back {
            let epoch = self.epoch_when_open()?;
            result = return_pages(self, first, end, ShouldReturn::All, Afterwards::Keep).map(drop);
            if flags.wait && result.is_ok() {
                result = self
                    .wait_until_cleaned(first, end)
                    .and_then(|()| self.make_durable(offset, size));
            }
            // What a pager that has died since had not saved is dirty again.
            if self.epoch_when_open()? != epoch {
                result = Err(KernReturn::MEMORY_ERROR);
            }
        }
        if flags.invalidate {
            self.flush(first, end);
        }
        result
    }

    /// Waits until no page of the range is lent.
    pub(crate) fn wait_until_cleaned(&self, first: u64, end: u64) -> Result<(), KernReturn> {
        let options = crate::vm_fault::FaultOptions::USER;
        let mut deadline = None;
        loop {
            let wait = {
                let state = self.lock();
                let is_lent = |(_, frame)| state.pages.flags(frame).contains(PageFlags::CLEANING);
                let lent = |pager: &&PagerState| {
                    pager.pages_cleaning > 0
                        && vm_page::pages_in(&state.pages, first, end).any(is_lent)
                };
                let Some(pager) = state.pager.as_deref().filter(lent) else {
                    return Ok(());
                };
                let until =
                    *deadline.get_or_insert_with(|| ticks::after(pager.attributes.deadline));
                if until <= ticks::now() || pager.phase == Phase::Dead {
                    return Err(KernReturn::MEMORY_ERROR);
                }
                let interruptible = crate::vm_fault::resolve::interruptible(options);
                self.object().waiters().assert_wait_event(
                    OBJECT_EVENT,
                    interruptible,
                    ticks::deadline(until),
                )
            };
            if wait.block() == prim::wait::WaitResult::Interrupted {
                return Err(KernReturn::ABORTED);
            }
        }
    }
}

/// What becomes of returned pages when the pager has dealt with them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Afterwards {
    /// They stay.
    Keep,
    /// They are thrown out, unless they were written meanwhile.
    Flush,
    /// They are freed unless they were used meanwhile: page-out.
    Free,
}

impl Afterwards {
    fn of(flush: bool) -> Afterwards {
        if flush {
            Afterwards::Flush
        } else {
            Afterwards::Keep
        }
    }

    fn flags(self) -> PageFlags {
        match self {
            Afterwards::Keep => PageFlags::empty(),
            Afterwards::Flush => PageFlags::FREE_WHEN_DONE,
            Afterwards::Free => PageFlags::LAUNDRY,
        }
    }
}

/// What `msync` asks of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SyncFlags {
    /// Return dirty and precious pages to the pager.
    pub write_back: bool,
    /// Wait until it has dealt with them.
    pub wait: bool,
    /// Then throw out what is clean.
    pub invalidate: bool,
}

/// Lends the pages of `first..end` that `which` names to the pager, in runs; how many there were. No lock may be held.
pub(crate) fn return_pages(
    object: &ObjectRef,
    first: u64,
    end: u64,
    which: ShouldReturn,
    after: Afterwards,
) -> Result<u32, KernReturn> {
    let mut next = first;
    let mut returned = 0;
    while let Some((pager, run)) = lend_next_run(object, next, end, which, after) {
        next = (run.offset + run.length) >> PAGE_SHIFT;
        let pages = (run.length >> PAGE_SHIFT) as u32;
        post(object, &pager, run)?;
        returned += pages;
    }
    Ok(returned)
}

/// Posts a return. No lock may be held.
pub(crate) fn post(
    object: &ObjectRef,
    pager: &Arc<dyn Pager>,
    run: DataReturn,
) -> Result<(), KernReturn> {
    let pages = run.length >> PAGE_SHIFT;
    vm_trace::data_return(object.id(), run.offset, run.length, run.generation);
    if pager.data_return(run).is_err() {
        post_failed(object.object(), pager);
        return Err(KernReturn::MEMORY_ERROR);
    }
    if object.is_internal() {
        vm_statistics::SWAPOUTS.add(pages);
    } else {
        vm_statistics::PAGEOUTS.add(pages);
    }
    Ok(())
}

/// Finds the next run of pages to return and marks them lent.
fn lend_next_run(
    object: &ObjectRef,
    first: u64,
    end: u64,
    which: ShouldReturn,
    after: Afterwards,
) -> Option<(Arc<dyn Pager>, DataReturn)> {
    let mut state = object.lock();
    let ObjectState { pages, pager, .. } = &mut *state;
    let pager = pager
        .as_mut()
        .filter(|pager| pager.phase == Phase::Ready && which != ShouldReturn::None)?;
    let mut run: Option<(u64, u64, ReturnKind)> = None;
    for (page, frame) in vm_page::pages_in(pages, first, end) {
        let kind = kind_of_return(pages, frame, which);
        match (&mut run, kind) {
            (None, None) => {}
            (None, Some(kind)) => run = Some((page, page + 1, kind)),
            (Some((start, stop, so_far)), Some(kind))
                if page == *stop
                    && kind == *so_far
                    && *stop - *start < u64::from(MAX_RUN_PAGES) =>
            {
                *stop += 1;
            }
            (Some(_), _) => break,
        }
    }
    let (start, stop, kind) = run?;
    let lent = lend_run(object, pages, pager, start..stop, kind, after);
    Some((pager.pager.clone(), lent))
}

/// Marks the pages of a run lent, under the object's lock; what is to be posted.
pub(crate) fn lend_run(
    object: &ObjectRef,
    pages: &mut PageList,
    pager: &mut PagerState,
    run: Range<u64>,
    kind: ReturnKind,
    after: Afterwards,
) -> DataReturn {
    pager.cleaning += 1;
    for page in run.clone() {
        lend(pages, page, pager.cleaning, after);
        pager.pages_cleaning += 1;
    }
    DataReturn {
        offset: run.start << PAGE_SHIFT,
        length: (run.end - run.start) << PAGE_SHIFT,
        kind,
        kernel_copy: after == Afterwards::Keep,
        generation: pager.cleaning,
        pages: object.clone(),
    }
}

/// Is this page to be returned, and as what?
fn kind_of_return(
    pages: &PageList,
    frame: prim::frames::FrameNumber,
    which: ShouldReturn,
) -> Option<ReturnKind> {
    let flags = pages.flags(frame);
    if flags.contains(PageFlags::CLEANING) {
        return None;
    }
    if vm_page::is_dirty(pages, frame) {
        return Some(ReturnKind::Dirty);
    }
    let clean_too = match which {
        ShouldReturn::None | ShouldReturn::Dirty => false,
        ShouldReturn::All => flags.contains(PageFlags::PRECIOUS),
        ShouldReturn::Anything => true,
    };
    clean_too.then_some(ReturnKind::Precious)
}

/// Marks one page lent: a write from now on makes it dirty anew.
fn lend(pages: &mut PageList, page: u64, generation: u64, after: Afterwards) {
    let Some(frame) = pages.lookup(vm_page::index(page)) else {
        return;
    };
    pmap::clear_refmod(frame, pmap::RefMod::MODIFIED);
    pages.clear_flags(frame, PageFlags::DIRTY | PageFlags::PRECIOUS);
    pages.set_flags(frame, PageFlags::CLEANING | after.flags());
    pages.set_generation(frame, generation as u32);
}

/// Ends the loan of the pages in `first..end` that were lent under `generation` (`None`: any); how many there were.
fn take_back(
    pages: &mut PageList,
    pager: &mut PagerState,
    first: u64,
    end: u64,
    generation: Option<u64>,
    result: KernReturn,
) -> u32 {
    let mut taken = 0;
    let mut next = first;
    while let Some((page, frame)) = vm_page::next(pages, next, end) {
        next = page + 1;
        let mine = generation.is_none_or(|generation| pages.generation(frame) == generation as u32);
        if !mine || !pages.flags(frame).contains(PageFlags::CLEANING) {
            continue;
        }
        taken += 1;
        pager.pages_cleaning = pager.pages_cleaning.saturating_sub(1);
        let marks = PageFlags::CLEANING | PageFlags::FREE_WHEN_DONE | PageFlags::LAUNDRY;
        let flags = pages.clear_flags(frame, marks);
        if result != KernReturn::SUCCESS {
            pages.set_flags(frame, PageFlags::DIRTY);
        }
        if flags.contains(PageFlags::LAUNDRY) {
            vm_pageout::end_of_laundry(pages, page, frame);
        } else if flags.contains(PageFlags::FREE_WHEN_DONE) && vm_page::is_reclaimable(pages, frame)
        {
            vm_page::discard(pages, page);
        }
    }
    pager
        .laundry
        .take(generation, end.saturating_sub(first), result);
    taken
}

/// The pager is gone: everything it was lent is dirty again.
pub(super) fn take_back_everything(pages: &mut PageList, pager: &mut PagerState) {
    if pager.pages_cleaning > 0 {
        take_back(pages, pager, 0, u64::MAX, None, KernReturn::FAILURE);
    }
}

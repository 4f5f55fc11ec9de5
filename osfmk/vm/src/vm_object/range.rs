//! Operations on a range of an object's pages.
//!
//! None waits. Ranges are in bytes, start aligned; the end is rounded up. XNU counterpart: `vm_object_coalesce`,
//! `vm_object_pmap_protect`, `vm_object_deactivate_pages`, `vm_map_page_range_info_internal`, `vm_object_page_remove`.

use mach::page_info::PageDisposition;
use mach::{KernReturn, VmBehavior, VmProt};
use machine::page::{PAGE_SHIFT, PAGE_SIZE};
use prim::frames::{self, PageFlags};

use super::state::ObjectState;
use super::step::Level;
use super::{Chain, ObjectRef, chain};
use crate::memory_object::requests::Settlement;
use crate::vm_fault::{FaultOptions, grab, resolve};
use crate::{code_signing, vm_page};

/// The pages of a byte range.
fn page_range(offset: u64, size: u64) -> (u64, u64) {
    (
        offset >> PAGE_SHIFT,
        offset.saturating_add(size).div_ceil(PAGE_SIZE as u64),
    )
}

impl ObjectRef {
    /// May the entry that ends at `offset + previous_size` of this object grow by `next_size`? If so the object covers
    /// the new range, and nothing stale is in it.
    #[doc(alias = "vm_object_coalesce")]
    pub fn coalesce(&self, offset: u64, previous_size: u64, next_size: u64) -> bool {
        let Some(end) = offset.checked_add(previous_size) else {
            return false;
        };
        let Some(new_end) = end.checked_add(next_size) else {
            return false;
        };
        let mut state = self.lock();
        let alone = self.is_internal() && self.reference_count() == 1;
        if !alone
            || state.shadow.is_some()
            || state.has_copy()
            || state.true_share
            || state.shadow_severed
        {
            return false;
        }
        let (first, last) = page_range(end, next_size);
        while let Some((page, _)) = vm_page::next(&state.pages, first, last) {
            vm_page::discard(&mut state.pages, page);
        }
        state.size = state.size.max(new_end);
        forget(state, first, last);
        true
    }

    /// Lowers every mapping of the resident pages in the range to `prot` at most.
    #[doc(alias = "vm_object_pmap_protect")]
    pub fn protect_range(&self, offset: u64, size: u64, prot: VmProt) {
        let (first, end) = page_range(offset, size);
        let state = self.lock();
        for (_, frame) in vm_page::pages_in(&state.pages, first, end) {
            pmap::page_protect(frame, prot);
        }
    }

    /// How many pages of the range the pager of this anonymous object has and memory has not, at most: pages that are in
    /// both places count.
    pub fn paged_out_count(&self, offset: u64, size: u64) -> u64 {
        let (first, end) = page_range(offset, size);
        self.lock().paged_out.count_in(first, end)
    }

    /// Pages of anonymous memory in this object and those below it, here and with the pager; of an object that several refer
    /// to, a part. Each object counts as `most` pages at most.
    pub fn anonymous_share(&self, most: u64) -> u64 {
        let mut chain = Chain::begin(self.object().clone(), 0);
        let mut share = 0;
        loop {
            let current = chain.current();
            if !current.owner_is_internal() {
                return share;
            }
            // Pages that are here and with the pager count twice.
            let held = current.pages.len() as u64 + current.paged_out.count_in(0, u64::MAX);
            share += held.min(most) / u64::from(current.owner().references().max(1));
            if !chain.descend() {
                return share;
            }
        }
    }

    /// What is known of one page, seen through the chain.
    #[doc(alias = "vm_page_info")]
    pub fn page_disposition(&self, offset: u64) -> PageDisposition {
        let mut page = [PageDisposition::empty()];
        self.page_dispositions(offset, &mut page);
        page[0]
    }

    /// What is known of the pages from `offset` on, seen through the chain: fills in those that are empty. Pages that nobody
    /// knows anything of stay empty. Each object is locked once, and costs by what is resident in the range.
    #[doc(alias = "vm_map_page_range_info_internal")]
    pub fn page_dispositions(&self, offset: u64, pages: &mut [PageDisposition]) {
        let mut chain = Chain::begin(self.object().clone(), offset >> PAGE_SHIFT);
        loop {
            let first = chain.page();
            let end = first.saturating_add(pages.len() as u64);
            let current = chain.current();
            let here = Self::origin(current, chain.level());
            for (page, frame) in vm_page::pages_in(&current.pages, first, end) {
                let known = &mut pages[(page - first) as usize];
                if known.is_empty() {
                    *known = here | describe(&current.pages, frame);
                }
            }
            let mut next = first;
            while let Some(page) = current.paged_out.next(next, end) {
                let known = &mut pages[(page - first) as usize];
                if known.is_empty() {
                    *known = PageDisposition::PAGED_OUT;
                }
                next = page + 1;
            }
            if !current.owner_is_internal() {
                let contents = current.page_count().saturating_sub(first);
                for (page, known) in (0..).zip(pages).filter(|(_, known)| known.is_empty()) {
                    *known = PageDisposition::EXTERNAL;
                    known.set(PageDisposition::PAGED_OUT, page < contents);
                }
                return;
            }
            if !pages.iter().any(PageDisposition::is_empty) || !chain.descend() {
                return;
            }
        }
    }

    /// What is known of a page of this object that a mapping of it lets writes through to: it is here, used and changed.
    pub(crate) fn written_disposition(&self) -> PageDisposition {
        PageDisposition::PRESENT
            | PageDisposition::REFERENCED
            | PageDisposition::DIRTY
            | Self::origin(&self.lock(), Level::Top)
    }

    /// What is known of every page that is in the locked object.
    fn origin(state: &ObjectState, level: Level) -> PageDisposition {
        let mut origin = PageDisposition::empty();
        origin.set(PageDisposition::EXTERNAL, !state.owner_is_internal());
        let copied = level == Level::Top && state.shadow.is_some();
        origin.set(PageDisposition::COPIED, copied);
        origin
    }

    /// Throws the pages of anonymous memory away that nobody else can see; otherwise does nothing.
    #[doc(alias = "vm_object_deactivate_pages")]
    pub fn discard(&self, offset: u64, size: u64) {
        let mut state = self.lock();
        let alone = self.is_internal()
            && self.reference_count() == 1
            && state.shadow.is_none()
            && !state.has_copy();
        if !alone {
            return;
        }
        let (first, end) = page_range(offset, size);
        let mut next = first;
        while let Some((page, frame)) = vm_page::next(&state.pages, next, end) {
            next = page + 1;
            if frames::wire_count(frame) == 0 {
                vm_page::discard(&mut state.pages, page);
            }
        }
        forget(state, first, end);
    }

    /// The resident pages of the range go first when frames run short; their data is kept.
    #[doc(alias = "vm_object_deactivate_pages")]
    pub fn deactivate(&self, offset: u64, size: u64) {
        let (mut next, end) = page_range(offset, size);
        let mut state = self.lock();
        while let Some((page, frame)) = vm_page::next(&state.pages, next, end) {
            next = page + 1;
            vm_page::deactivate(&mut state.pages, frame);
        }
    }

    /// Throws out what can be thrown out without loss: clean, unpinned, unwired pages of an object with a pager.
    /// How many there were.
    #[doc(alias = "vm_object_update")]
    pub fn flush(&self, first: u64, end: u64) -> usize {
        if self.is_internal() {
            return 0;
        }
        let mut state = self.lock();
        let mut next = first;
        let mut flushed = 0;
        while let Some((page, frame)) = vm_page::next(&state.pages, next, end) {
            next = page + 1;
            // Only after the mappings are gone is it known whether the page was written.
            pmap::disconnect(frame);
            if vm_page::is_reclaimable(&state.pages, frame) {
                vm_page::discard(&mut state.pages, page);
                flushed += 1;
            }
        }
        flushed
    }

    /// Would anything be lost with the object's pages?
    pub fn has_unsaved_pages(&self) -> bool {
        let state = self.lock();
        vm_page::pages(&state.pages).any(|(_, frame)| vm_page::is_unsaved(&state.pages, frame))
    }

    /// Throws out every clean page: what the `purge` command asks for. How many there were.
    pub fn purge(&self) -> usize {
        self.flush(0, u64::MAX)
    }

    /// Starts requests for absent pages of an object with a pager; waits for nothing.
    pub fn will_need(&self, offset: u64, size: u64) {
        let (first, end) = page_range(offset, size);
        let mut page = first;
        while page < end {
            let demand = resolve::Demand {
                object: self,
                offset: page << PAGE_SHIFT,
                access: VmProt::READ,
                protection: VmProt::READ,
                behavior: VmBehavior::Sequential,
                window: offset..end << PAGE_SHIFT,
                purpose: resolve::Purpose::Io,
            };
            match resolve::start(&demand, FaultOptions::USER) {
                resolve::Started::Asked { end } => page = end.max(page + 1),
                resolve::Started::There => page += 1,
                resolve::Started::Stopped => return,
            }
        }
    }

    /// New size of the contents; see `MemoryControl::set_size`. Waits for pages that are lent and would go.
    pub(crate) fn set_size(&self, size: u64) -> Result<(), KernReturn> {
        self.save_for_copy(size)?;
        loop {
            let frame = grab(FaultOptions::UNINTERRUPTIBLE)?;
            let mut state = self.lock();
            match truncate(&mut state, size, frame) {
                Ok(()) => {
                    drop(state);
                    self.object().wake_everyone();
                    return Ok(());
                }
                Err(NotNow::Contended) => {
                    drop(state);
                    prim::thread::yield_now();
                }
                Err(NotNow::Lent) => {
                    drop(state);
                    self.wait_until_cleaned(size >> PAGE_SHIFT, u64::MAX)?;
                }
            }
        }
    }

    /// Brings in what the copy object still shows of the pages beyond `size`, so that cutting them off can move them there.
    fn save_for_copy(&self, size: u64) -> Result<(), KernReturn> {
        let (first, end) = {
            let state = self.lock();
            if !state.has_copy() || size >= state.size {
                return Ok(());
            }
            (size >> PAGE_SHIFT, state.page_count().min(state.copy_pages))
        };
        for page in first..end {
            self.pin_page(
                page << PAGE_SHIFT,
                VmBehavior::Sequential,
                FaultOptions::USER,
            )?;
        }
        Ok(())
    }
}

/// The pager's copies of pages of anonymous memory are not wanted any more: waiters look again, and the pager hears of it
/// when the lock is dropped.
fn forget(mut state: super::Locked, first: u64, end: u64) {
    if !state.forget_paged_out(first, end) {
        return;
    }
    let object = state.owner().clone();
    let pager = state.pager.as_ref().map(|pager| pager.pager.clone());
    drop(state);
    object.wake_everyone();
    if let Some(pager) = pager {
        pager.data_discard(first << PAGE_SHIFT, (end - first) << PAGE_SHIFT);
    }
}

/// Why a size cannot be set at this moment.
enum NotNow {
    /// The copy object was locked.
    Contended,
    /// The pager is writing pages that would go.
    Lent,
}

/// Sets the size of a locked object; drops or pushes what lies beyond it. `spare` is for pushing the last page.
fn truncate(
    state: &mut super::Locked,
    size: u64,
    mut spare: frames::OwnedFrame,
) -> Result<(), NotNow> {
    let old_size = state.size;
    if size > old_size {
        clear_tail(state, old_size);
    }
    if size < old_size {
        let lent = |(_, frame)| state.pages.flags(frame).contains(PageFlags::CLEANING);
        if vm_page::pages_in(&state.pages, size >> PAGE_SHIFT, u64::MAX).any(lent) {
            return Err(NotNow::Lent);
        }
        let mut copy = match state.copy_object() {
            Some(copy) => Some(chain::try_lock(copy).ok_or(NotNow::Contended)?),
            None => None,
        };
        let covered = state.copy_pages;
        let first = size.div_ceil(PAGE_SIZE as u64);
        while let Some((page, _)) = vm_page::next(&state.pages, first, u64::MAX) {
            let Some(owned) = vm_page::take(&mut state.pages, page) else {
                break;
            };
            // The copy object goes on showing the old page: it moves there.
            if let Some(copy) = copy
                .as_mut()
                .filter(|copy| page < covered && !copy.paged_out.contains(page))
                && let Ok(frame) = copy.pages.insert(vm_page::index(page), owned)
            {
                // Its place was on a queue for pages of files.
                vm_page::note_used(&mut copy.pages, frame);
            }
        }
        let (last, valid) = (size >> PAGE_SHIFT, (size % PAGE_SIZE as u64) as usize);
        let partial = state
            .pages
            .lookup(vm_page::index(last))
            .filter(|_| valid != 0);
        if let Some(frame) = partial {
            if let Some(copy) = copy
                .as_mut()
                .filter(|copy| last < covered && !copy.has_page(last))
            {
                frames::copy(&mut spare, &state.pages.source(frame));
                let judged = code_signing::flags_for_copy(state, last, frame);
                pmap::disconnect(frame);
                if let Ok(frame) = copy.pages.insert(vm_page::index(last), spare) {
                    copy.pages.set_flags(frame, judged);
                    vm_page::note_used(&mut copy.pages, frame);
                }
            }
            code_signing::forget_signed(state, frame);
            state.pages.pin(frame).zero_part(valid, PAGE_SIZE - valid);
        }
    }
    state.size = size;
    if let Some(pager) = state.pager.as_mut() {
        let pages = size.div_ceil(PAGE_SIZE as u64);
        pager.requests.settle_range(
            pages,
            u64::MAX,
            Settlement::Failed(KernReturn::MEMORY_ERROR),
        );
    }
    Ok(())
}

/// What was written behind the end of the contents must not become part of them.
fn clear_tail(state: &mut super::Locked, size: u64) {
    let valid = (size % PAGE_SIZE as u64) as usize;
    let last = state.pages.lookup(vm_page::index(size >> PAGE_SHIFT));
    if let Some(frame) = last.filter(|_| valid != 0) {
        code_signing::forget_signed(state, frame);
        state.pages.pin(frame).zero_part(valid, PAGE_SIZE - valid);
    }
}

fn describe(pages: &frames::PageList, frame: frames::FrameNumber) -> PageDisposition {
    let mut disposition = PageDisposition::PRESENT;
    let flags = pages.flags(frame);
    if flags.contains(PageFlags::REFERENCED)
        || pmap::refmod(frame).contains(pmap::RefMod::REFERENCED)
    {
        disposition |= PageDisposition::REFERENCED;
    }
    if vm_page::is_dirty(pages, frame) {
        disposition |= PageDisposition::DIRTY;
    }
    if flags.contains(PageFlags::SPECULATIVE) {
        disposition |= PageDisposition::SPECULATIVE;
    }
    if flags.contains(PageFlags::CS_VALIDATED) {
        disposition |= PageDisposition::CS_VALIDATED;
    }
    if flags.contains(PageFlags::CS_TAINTED) {
        disposition |= PageDisposition::CS_TAINTED;
    }
    disposition
}

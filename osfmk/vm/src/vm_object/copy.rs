//! Asymmetric copying: a copy object into which old pages are pushed; and copying at once.
//!
//! A copy object shows the source as it was. It is empty at first and looks through to the source; whoever is about
//! to change a page of the source gives it the old one first (`vm_fault::perform`). A later copy of an unchanged
//! stretch reuses the copy object as long as it has no page; otherwise a new one is put between the source and it.
//! Locks: copy object above source in the chain; from the source up by try-lock only.
//! XNU counterpart: `vm_object_copy_strategically`, `vm_object_copy_delayed`, `vm_object_copy_slowly`.

use alloc::sync::Arc;

use mach::{CopyStrategy, KernReturn, VmBehavior, VmProt};
use machine::page::{PAGE_SHIFT, PAGE_SIZE, checked_round_page};
use prim::frames;
use prim::thread;
use prim::wait::WaitResult;

use super::chain::try_lock;
use super::shadow::{add_child, remove_child};
use super::state::Phase;
use super::step::{Want, decide, examine};
use super::{Locked, OBJECT_EVENT, ObjectRef, VmObject};
use crate::memory_object::{GaveUp, give_up};
use crate::vm_fault::resolve::{self, Demand, Purpose};
use crate::vm_fault::{FaultOptions, grab, with_page};
use crate::{ticks, vm_page};

/// What an entry for a copy must look like.
#[derive(Debug)]
pub struct CopyOutcome {
    /// The object to be mapped.
    pub object: ObjectRef,
    /// At this offset.
    pub offset: u64,
    /// The entry must shadow it before it writes.
    pub needs_copy: bool,
}

/// How far an attempt at a delayed copy has come.
enum Attempt {
    Done(ObjectRef),
    /// The copy object was locked by somebody who goes down.
    Contended,
    /// A new copy object is needed.
    NeedsObject,
    /// Pages are wired: they must not become copy-on-write.
    Wired,
}

impl ObjectRef {
    /// A copy of `size` bytes from `offset`, the way this object is copied. Waits until the pager has opened the
    /// object; no lock may be held, the map's included.
    ///
    /// # Errors
    /// `MEMORY_RESTART_COPY` for an object that copies symmetrically: use [`ObjectRef::copy_quickly`].
    /// `MEMORY_ERROR`, `RESOURCE_SHORTAGE`, `ABORTED`.
    #[doc(alias = "vm_object_copy_strategically")]
    pub fn copy_strategically(
        &self,
        offset: u64,
        size: u64,
        interruptible: bool,
    ) -> Result<CopyOutcome, KernReturn> {
        match self.wait_until_open(interruptible)? {
            CopyStrategy::Symmetric => Err(KernReturn::MEMORY_RESTART_COPY),
            CopyStrategy::Delay => self.copy_delayed(offset, size, interruptible),
            _ => self.copy_at_once(offset, size, interruptible),
        }
    }

    fn copy_at_once(
        &self,
        offset: u64,
        size: u64,
        interruptible: bool,
    ) -> Result<CopyOutcome, KernReturn> {
        let object = self.copy_slowly(offset, size, interruptible)?;
        Ok(CopyOutcome {
            object,
            offset: 0,
            needs_copy: false,
        })
    }

    /// Waits for the pager's `ready`; gives the copy strategy.
    fn wait_until_open(&self, interruptible: bool) -> Result<CopyStrategy, KernReturn> {
        loop {
            let mut state = self.lock();
            let now = ticks::now();
            let strategy = state.copy_strategy;
            let Some(pager) = state.pager.as_ref().filter(|_| !self.is_internal()) else {
                return Ok(strategy);
            };
            match pager.phase {
                Phase::Ready => return Ok(strategy),
                Phase::Dead => return Err(KernReturn::MEMORY_ERROR),
                Phase::Created => {}
            }
            let deadline = pager.opening_deadline;
            if deadline <= now {
                let gave_up = give_up(&mut state, now);
                drop(state);
                self.object().wake_everyone();
                if let GaveUp::TakenOver { pager, control } = gave_up {
                    let _ = pager.init(control, PAGE_SIZE as u64);
                }
                continue;
            }
            let interruptible = resolve::interruptible(FaultOptions {
                interruptible,
                ..FaultOptions::USER
            });
            let wait = self.object().waiters().assert_wait_event(
                OBJECT_EVENT,
                interruptible,
                ticks::deadline(deadline),
            );
            drop(state);
            if wait.block() == WaitResult::Interrupted {
                return Err(KernReturn::ABORTED);
            }
        }
    }

    #[doc(alias = "vm_object_copy_delayed")]
    fn copy_delayed(
        &self,
        offset: u64,
        size: u64,
        interruptible: bool,
    ) -> Result<CopyOutcome, KernReturn> {
        let end = offset
            .checked_add(size)
            .and_then(checked_round_page)
            .ok_or(KernReturn::INVALID_ARGUMENT)?;
        let mut fresh = None;
        loop {
            match self.attempt_delayed(end, &mut fresh) {
                Attempt::Done(object) => {
                    return Ok(CopyOutcome {
                        object,
                        offset,
                        needs_copy: true,
                    });
                }
                Attempt::Contended => thread::yield_now(),
                Attempt::NeedsObject => fresh = Some(ObjectRef::anonymous(end)?),
                Attempt::Wired => return self.copy_at_once(offset, size, interruptible),
            }
        }
    }

    /// One attempt to provide a copy object that shows the first `end` bytes. A fresh object is consumed if used.
    fn attempt_delayed(&self, end: u64, fresh: &mut Option<ObjectRef>) -> Attempt {
        let pages = end >> PAGE_SHIFT;
        let mut source = self.lock();
        if vm_page::pages_in(&source.pages, 0, pages)
            .any(|(_, frame)| frames::wire_count(frame) > 0)
        {
            return Attempt::Wired;
        }
        let old = source.copy_object();
        if let Some(old) = &old {
            let Some(mut copy) = try_lock(old.clone()) else {
                return Attempt::Contended;
            };
            if copy.has_nothing()
                && let Some(reference) = ObjectRef::try_from_object(old)
            {
                write_protect(&source, source.copy_pages, pages);
                source.copy_pages = source.copy_pages.max(pages);
                copy.size = copy.size.max(end);
                return Attempt::Done(reference);
            }
        }
        let Some(new) = fresh.take() else {
            return Attempt::NeedsObject;
        };
        // The old copy object shows at least what the new one covers through it. All of that is protected, also what the
        // old one has its own page of: a later copy may take the new one over as it is.
        let pages = if old.is_some() {
            pages.max(source.copy_pages)
        } else {
            pages
        };
        write_protect(&source, 0, pages);
        match interpose(&mut source, self, &new, old, pages) {
            Ok(()) => Attempt::Done(new),
            Err(()) => {
                *fresh = Some(new);
                Attempt::Contended
            }
        }
    }

    /// A copy at once, page by page; what is nowhere stays absent. No lock may be held.
    ///
    /// # Errors
    /// As a fault; nothing is left behind.
    #[doc(alias = "vm_object_copy_slowly")]
    pub fn copy_slowly(
        &self,
        offset: u64,
        size: u64,
        interruptible: bool,
    ) -> Result<ObjectRef, KernReturn> {
        let copy = ObjectRef::anonymous(size)?;
        let options = FaultOptions {
            interruptible,
            ..FaultOptions::USER
        };
        let end = offset
            .checked_add(size)
            .and_then(checked_round_page)
            .ok_or(KernReturn::INVALID_ARGUMENT)?;
        for source in (offset..end).step_by(PAGE_SIZE) {
            if self.is_nowhere(source) {
                continue;
            }
            let demand = Demand {
                object: self,
                offset: source,
                access: VmProt::READ,
                protection: VmProt::READ,
                behavior: VmBehavior::Sequential,
                window: offset..end,
                purpose: Purpose::Io,
            };
            let mut frame = grab(options)?;
            with_page(&demand, options, |resolved| {
                frames::copy(
                    &mut frame,
                    &resolved.chain.current().pages.source(resolved.frame),
                );
            })?;
            // Nobody else knows the copy: the place is free.
            let _ = copy.insert_page(source - offset, frame);
        }
        Ok(copy)
    }

    /// Would the page read as zeros because nothing in the chain has it?
    fn is_nowhere(&self, offset: u64) -> bool {
        let mut chain = super::Chain::begin(self.object().clone(), offset >> PAGE_SHIFT);
        let want = Want {
            access: VmProt::READ,
            protection: VmProt::READ,
            awaited: None,
            pushed: false,
            now: 0,
        };
        loop {
            let current = chain.current();
            let finding = examine(current, current.owner().number(), chain.page(), &want);
            if decide(finding, chain.level(), false, &want).is_some() {
                return finding == super::step::Finding::Bottom;
            }
            if !chain.descend() {
                return false;
            }
        }
    }
}

/// Takes write permission from every mapping of the source's pages `first..end`.
fn write_protect(source: &Locked, first: u64, end: u64) {
    for (_, frame) in vm_page::pages_in(&source.pages, first, end) {
        pmap::page_protect(frame, VmProt::READ | VmProt::EXECUTE);
    }
}

/// Makes `new` the copy object of the locked source, between it and the copy object it had.
fn interpose(
    source: &mut Locked,
    reference: &ObjectRef,
    new: &ObjectRef,
    old: Option<Arc<VmObject>>,
    pages: u64,
) -> Result<(), ()> {
    // Both lie above the source in the chain: try only. The new one is nobody else's yet.
    let mut upper = try_lock(new.object().clone()).ok_or(())?;
    let number = new.object().number();
    upper.size = pages << PAGE_SHIFT;
    match old {
        None => upper.shadow = Some(reference.clone()),
        Some(old) => {
            let mut old = try_lock(old).ok_or(())?;
            // The old copy object's link to the source becomes the new one's; it gets one to the new one.
            upper.shadow = old.shadow.replace(new.clone());
            remove_child(source, old.owner().number());
            add_child(&mut upper, old.owner().number());
        }
    }
    add_child(source, number);
    source.copy = Arc::downgrade(new.object());
    source.copy_pages = pages;
    Ok(())
}

//! A successor takes over what a dead pager has left.
//!
//! The pages of an *orphan*, an object whose pager has died, stay: dirty, lent and precious ones are the only copy of what was
//! written ([`held`] counts them). [`ObjectRef::adopt`] gives the orphan to another pager under a new control; the old one is
//! refused from then on. When the successor opens the object, everything that is unsaved is returned to it.
//!
//! ```text
//!   ready ──death──▶ dead (orphan) ──adopt──▶ created, epoch + 1 ──change_attributes──▶ ready, unsaved pages returned
//! ```
//!
//! Neighbours: `death` makes orphans; `default_pager` takes over anonymous objects by the same step.
//! XNU counterpart: none; Mach 3 lost such pages.

use alloc::sync::Arc;

use mach::KernReturn;
use machine::page::PAGE_SIZE;
use prim::wait::WaitResult;

use super::attributes::set_opening_deadline;
use super::{Afterwards, MemoryControl, Pager, ShouldReturn, pager_died, return_pages};
use crate::vm_fault::FaultOptions;
use crate::vm_fault::resolve::interruptible;
use crate::vm_object::state::{PagerState, Phase};
use crate::vm_object::{OBJECT_EVENT, ObjectRef, VmObject, find, numbers};
use crate::{ticks, vm_page, vm_trace};

/// What waits for successors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// Objects whose pager has died and that hold unsaved pages.
    pub objects: u64,
    /// Those pages.
    pub pages: u64,
}

/// Counts what the orphans hold, by a walk through all objects.
///
/// # Errors
/// `RESOURCE_SHORTAGE` when there is no memory to list the objects.
pub fn held() -> Result<Held, KernReturn> {
    let mut held = Held::default();
    for number in numbers()? {
        let object = find(number).and_then(|object| ObjectRef::try_from_object(&object));
        let pages = object.map_or(0, |object| object.held_pages());
        held.objects += u64::from(pages > 0);
        held.pages += pages;
    }
    Ok(held)
}

impl PagerState {
    /// The object is `pager`'s from now on; its `init` is to be posted with the new control. The one before.
    pub(super) fn succeed(
        &mut self,
        object: &Arc<VmObject>,
        pager: Arc<dyn Pager>,
    ) -> Arc<dyn Pager> {
        self.epoch += 1;
        self.control = MemoryControl::new(object, self.epoch);
        self.phase = Phase::Created;
        self.requests.forget_all();
        core::mem::replace(&mut self.pager, pager)
    }
}

impl ObjectRef {
    /// Gives an object whose pager has died to `pager`, which gets `init` and must answer as for a new object; what is
    /// unsaved is returned to it then.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` when the object is no orphan, or `pager` is dead as well.
    pub fn adopt(&self, pager: Arc<dyn Pager>) -> Result<(), KernReturn> {
        let (control, before) = {
            let mut state = self.lock();
            let alive = state.alive;
            let link = state
                .pager
                .as_deref_mut()
                .filter(|link| alive && link.phase == Phase::Dead)
                .ok_or(KernReturn::INVALID_ARGUMENT)?;
            let before = link.succeed(self.object(), pager.clone());
            link.returns_due = true;
            set_opening_deadline(link);
            (link.control.clone(), before)
        };
        before.terminate();
        vm_trace::pager_init(self.id());
        if pager.init(control, PAGE_SIZE as u64).is_err() {
            pager_died(self.object());
            return Err(KernReturn::INVALID_ARGUMENT);
        }
        Ok(())
    }

    /// Which of its successive pagers the object has, once that has opened it. Two equal answers: what was returned in
    /// between was not taken back by a death.
    ///
    /// # Errors
    /// `MEMORY_ERROR` when it is dead or late, `ABORTED` when the wait was interrupted.
    pub(super) fn epoch_when_open(&self) -> Result<u64, KernReturn> {
        loop {
            let wait = {
                let state = self.lock();
                let Some(pager) = &state.pager else {
                    return Err(KernReturn::MEMORY_ERROR);
                };
                let late = pager.opening_deadline <= ticks::now();
                match pager.phase {
                    Phase::Ready => return Ok(pager.epoch),
                    Phase::Created if !late => {}
                    Phase::Created | Phase::Dead => return Err(KernReturn::MEMORY_ERROR),
                }
                self.object().waiters().assert_wait_event(
                    OBJECT_EVENT,
                    interruptible(FaultOptions::USER),
                    ticks::deadline(pager.opening_deadline),
                )
            };
            if wait.block() == WaitResult::Interrupted {
                return Err(KernReturn::ABORTED);
            }
        }
    }

    /// The unsaved pages of an orphan; of any other object none.
    pub fn held_pages(&self) -> u64 {
        let state = self.lock();
        if self.is_internal() || !matches!(&state.pager, Some(pager) if pager.phase != Phase::Ready)
        {
            return 0;
        }
        let unsaved = |(_, frame): &(u64, _)| vm_page::is_unsaved(&state.pages, *frame);
        vm_page::pages(&state.pages).filter(unsaved).count() as u64
    }

    /// A successor has opened the object: it gets what its predecessor did not save. No lock may be held.
    pub(super) fn return_what_is_held(&self) {
        // A failure is the successor's death, which has been dealt with by then.
        let _ = return_pages(self, 0, u64::MAX, ShouldReturn::All, Afterwards::Keep);
    }
}

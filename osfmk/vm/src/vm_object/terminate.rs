//! The end of an object.
//!
//! The last reference only posts the object to the reaper; the reaper works with no lock held: it has dirty pages
//! of an object with a pager written back once more, frees the pages, lets go of the shadow (which may post that in
//! turn, so chains are taken down by the reaper's loop, never by recursion) and tells the pager.
//! XNU counterpart: `vm_object_terminate`, `vm_object_reap`, `vm_object_reaper_thread`.

use alloc::boxed::Box;
use alloc::sync::Arc;

use prim::lock::{Rank, SpinLock};
use prim::reaper::{self, Reap, ReapLink};

use super::chain::{lock, lock_below};
use super::shadow::remove_child;
use super::state::{ObjectState, Phase};
use super::{ObjectRef, VmObject};
use crate::memory_object::{Afterwards, ShouldReturn, return_pages};
use crate::{vm_page, vm_trace};

/// How often termination has dirty pages written before it gives them up.
const ATTEMPTS: u8 = 2;

/// The reaper's work order, made with the object so that its end allocates nothing.
pub(super) struct Ticket(SpinLock<Option<Box<ObjectEnd>>>);

/// An object on its way out.
struct ObjectEnd {
    link: ReapLink,
    object: Option<Arc<VmObject>>,
}

impl Ticket {
    pub(super) fn new() -> Ticket {
        Ticket(SpinLock::new(
            Rank::ObjectTable,
            Some(Box::new(ObjectEnd {
                link: ReapLink::new(),
                object: None,
            })),
        ))
    }
}

/// Hands an object without references to the reaper.
#[doc(alias = "vm_object_reap_async")]
pub(super) fn post(object: &Arc<VmObject>) {
    let ticket = object.end.0.lock().take();
    // The count reaches zero once per ticket: `revive` follows the return of the ticket.
    if let Some(mut end) = ticket {
        end.object = Some(object.clone());
        reaper::reap(end);
    }
}

impl Reap for ObjectEnd {
    fn link(&mut self) -> &mut ReapLink {
        &mut self.link
    }

    fn reap(mut self: Box<Self>) {
        let Some(object) = self.object.take() else {
            return;
        };
        if let Some(revived) = revive_if_dirty(&object, self) {
            // Lent pages hold references of their own; the pager's acknowledgement, or its silence, brings the
            // object back here.
            let _ = return_pages(&revived, 0, u64::MAX, ShouldReturn::All, Afterwards::Flush);
            return;
        }
        terminate(&object);
    }
}

/// If pages are left to be written and the pager lives, gives the object another life to have that done.
fn revive_if_dirty(object: &Arc<VmObject>, ticket: Box<ObjectEnd>) -> Option<ObjectRef> {
    let mut state = lock(object.clone());
    // What the pager of anonymous memory has goes with the object.
    let ready = state
        .pager
        .as_ref()
        .is_some_and(|pager| pager.phase == Phase::Ready && !object.is_internal());
    if !ready || state.closing >= ATTEMPTS {
        return None;
    }
    let dirty =
        vm_page::pages(&state.pages).any(|(_, frame)| vm_page::is_unsaved(&state.pages, frame));
    if !dirty {
        return None;
    }
    state.closing += 1;
    *object.end.0.lock() = Some(ticket);
    Some(ObjectRef::revive(object))
}

/// Takes everything from an object that nobody refers to.
#[doc(alias = "vm_object_terminate")]
#[doc(alias = "vm_object_reap")]
fn terminate(object: &Arc<VmObject>) {
    let mut state = lock(object.clone());
    state.alive = false;
    let ObjectState {
        pages,
        pager,
        shadow,
        ..
    } = &mut *state;
    vm_trace::terminated(object.number(), pages.len() as u64);
    vm_page::discard_all(pages);
    let pager = pager.take();
    let shadow = shadow.take();
    if let Some(shadow) = &shadow {
        let mut below = lock_below(shadow.object().clone());
        remove_child(&mut below, object.number());
        let is_copy = below
            .copy
            .upgrade()
            .is_some_and(|copy| Arc::ptr_eq(&copy, object));
        if is_copy {
            below.copy = alloc::sync::Weak::new();
        }
    }
    drop(state);
    object.wake_everyone();
    if let Some(mut pager) = pager {
        pager.laundry.give_up();
        pager.pager.terminate();
    }
    drop(shadow);
}

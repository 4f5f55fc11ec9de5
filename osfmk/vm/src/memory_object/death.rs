//! When a pager is late or dies.
//!
//! [`give_up`] applies the object's fallback to what is overdue; whoever waits enforces the deadline by calling
//! it through the fault loop, so there is no timer that could be forgotten. [`pager_died`] fails what is asked for
//! and keeps every page that is there: dirty, cleaning and precious ones stay in the orphaned object.
//! XNU counterpart: `memory_object_destroy`; deadlines have none.

use alloc::sync::Arc;

use mach::KernReturn;

use super::attributes::{Fallback, set_opening_deadline};
use super::default_pager::SUCCESSION_NANOSECONDS;
use super::requests::NEVER;
use super::{MemoryControl, Pager, cleaning};
use crate::vm_object::VmObject;
use crate::vm_object::state::{ObjectState, PagerState, Phase};
use crate::{vm_statistics, vm_trace};

/// What giving up has led to.
pub(crate) enum GaveUp {
    /// Overdue pages failed, or wait on: look again.
    Settled,
    /// A stand-in has the object now; post its `init` when no lock is held, then look again.
    TakenOver {
        /// The stand-in.
        pager: Arc<dyn Pager>,
        /// Its control.
        control: Arc<MemoryControl>,
    },
}

/// Applies the fallback of a locked object to everything that is overdue at `now`. The caller wakes the waiters.
pub(crate) fn give_up(state: &mut ObjectState, now: u64) -> GaveUp {
    let Some(pager) = state.pager.as_mut() else {
        return GaveUp::Settled;
    };
    vm_statistics::LATE_REQUESTS.add(1);
    match pager.attributes.fallback.clone() {
        Fallback::KeepWaiting => postpone(pager, now),
        Fallback::Error => fail_overdue(pager, now),
        Fallback::StandIn(stand_in) => {
            take_over(pager, stand_in.pager.clone(), stand_in.control.clone());
            return GaveUp::TakenOver {
                pager: stand_in.pager,
                control: stand_in.control,
            };
        }
    }
    GaveUp::Settled
}

fn postpone(pager: &mut PagerState, now: u64) {
    if pager.opening_deadline <= now {
        pager.opening_deadline = NEVER;
    }
    pager.requests.postpone(now);
}

fn fail_overdue(pager: &mut PagerState, now: u64) {
    if pager.phase == Phase::Created && pager.opening_deadline <= now {
        pager.phase = Phase::Dead;
    }
    pager.requests.expire(now, KernReturn::MEMORY_ERROR);
}

fn take_over(pager: &mut PagerState, stand_in: Arc<dyn Pager>, control: Arc<MemoryControl>) {
    pager.pager = stand_in;
    pager.epoch = control.epoch();
    pager.control = control;
    pager.phase = Phase::Created;
    pager.requests.forget_all();
    // The stand-in gets one chance only.
    pager.attributes.fallback = Fallback::Error;
    set_opening_deadline(pager);
}

/// The pager of `object` is gone: what it was asked for fails, what it was lent is dirty again, everything that is
/// resident stays.
#[doc(alias = "memory_object_destroy")]
pub(crate) fn pager_died(object: &Arc<VmObject>) {
    end_of_pager(object, |_| true);
}

/// A post to `pager` has failed: its death, unless `object` has a successor already.
pub(crate) fn post_failed(object: &Arc<VmObject>, pager: &Arc<dyn Pager>) {
    end_of_pager(object, |present| Arc::ptr_eq(present, pager));
    if object.is_internal() {
        // The post may have been on its way to a manager that has a successor by now, which knows the object already.
        super::default_pager::tell_again(object);
    }
}

fn end_of_pager(object: &Arc<VmObject>, is_meant: impl FnOnce(&Arc<dyn Pager>) -> bool) {
    let mut state = object.state_lock().lock();
    let state = &mut *state;
    let Some(pager) = state.pager.as_mut() else {
        return;
    };
    if !is_meant(&pager.pager) {
        return;
    }
    vm_trace::pager_dead(object.number());
    if object.is_internal() {
        // Its supervisor starts it again, and its store has survived: whoever waits for a page waits for the successor.
        pager.phase = Phase::Created;
        pager.opening_deadline = crate::ticks::after(Some(SUCCESSION_NANOSECONDS));
        pager.requests.forget_all();
    } else {
        pager.phase = Phase::Dead;
        pager.requests.fail_all(KernReturn::MEMORY_ERROR);
    }
    pager.durability.end(KernReturn::MEMORY_ERROR);
    cleaning::take_back_everything(&mut state.pages, pager);
    object.wake_everyone();
}

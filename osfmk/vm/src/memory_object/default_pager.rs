//! The pager of anonymous memory: who it is, which objects it has, and what happens when another one takes its place.
//!
//! An anonymous object has no pager until its first page is to go ([`give_default_pager`]); then the registered
//! [`DefaultPager`] makes one for it, which is told of the object by [`Pager::init`] and counts as open at once: nothing is
//! awaited from it. When the default pager dies its objects wait for a successor (`death`), and
//! [`register_default_pager`] gives each of them to it under a new control; pages that were lent are dirty again by then.
//!
//! XNU counterpart: `host_default_memory_manager`, `memory_manager_default_reference`, `memory_object_create`;
//! Mach 3's `memory_object_create`.

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::sync::atomic::{AtomicU64, Ordering};

use mach::{CopyStrategy, KernReturn};
use machine::page::PAGE_SIZE;
use prim::clock::{Deadline, Instant64};
use prim::frames;
use prim::lock::{Rank, SpinLock};

use super::{Attributes, Fallback, MemoryControl, Pager, pager_died};
use crate::vm_object::state::{PagerState, Phase};
use crate::vm_object::{OBJECT_EVENT, ObjectRef, VmObject, find, numbers};
use crate::{ticks, vm_pageout, vm_trace};

/// Makes pagers for anonymous objects. The calls are made with no lock held and do not wait.
pub trait DefaultPager: Send + Sync {
    /// A pager for one more object.
    ///
    /// # Errors
    /// `RESOURCE_SHORTAGE`; any failure means that the object keeps its pages for now.
    #[doc(alias = "memory_object_create")]
    fn pager_for(&self, size: u64) -> Result<Arc<dyn Pager>, KernReturn>;

    /// Could it take pages now?
    fn has_room(&self) -> bool;
}

/// Rank `Pager`.
static DEFAULT: SpinLock<Option<Arc<dyn DefaultPager>>> = SpinLock::new(Rank::Pager, None);

/// When the last default pager was lost, in clock ticks; 0 while there is one, or never was.
static LOST_AT: AtomicU64 = AtomicU64::new(0);

/// How long a successor is waited for.
pub(super) const SUCCESSION_NANOSECONDS: u64 = 60_000_000_000;

/// Is there no default pager now, but one to be expected? Its supervisor starts it again.
pub(crate) fn default_pager_is_expected() -> bool {
    let lost_at = LOST_AT.load(Ordering::Relaxed);
    let patience = ticks::after(Some(SUCCESSION_NANOSECONDS)).saturating_sub(ticks::now());
    lost_at != 0 && ticks::now().saturating_sub(lost_at) < patience
}

/// The pager of anonymous memory, if there is one.
pub(crate) fn default_pager() -> Option<Arc<dyn DefaultPager>> {
    DEFAULT.lock().clone()
}

/// Is there a pager of anonymous memory that takes pages?
pub(crate) fn default_pager_has_room() -> bool {
    default_pager().is_some_and(|pager| pager.has_room())
}

/// The pager of anonymous memory has died. A successor is expected, and until it comes ordinary requests for memory wait:
/// its start needs some.
pub fn default_pager_died() {
    let before = DEFAULT.lock().take();
    if before.is_none() {
        return;
    }
    drop(before);
    let now = ticks::now().max(1);
    LOST_AT.store(now, Ordering::Relaxed);
    let end = ticks::after(Some(SUCCESSION_NANOSECONDS));
    frames::hold_ordinary_requests_back(Deadline(Instant64(end)));
}

/// Makes `pager` the pager of anonymous memory and gives it the objects of the one before, whose pagers' `init` is called again
/// with a new control each. How many there were.
///
/// # Errors
/// `RESOURCE_SHORTAGE` when there is no memory to list the objects.
#[doc(alias = "host_default_memory_manager")]
pub fn register_default_pager(pager: Arc<dyn DefaultPager>) -> Result<usize, KernReturn> {
    let before = DEFAULT.lock().replace(pager);
    drop(before);
    LOST_AT.store(0, Ordering::Relaxed);
    vm_pageout::begin_with_default_pager();
    frames::release_ordinary_requests();
    let mut adopted = 0;
    for number in numbers()? {
        let object = find(number).and_then(|object| ObjectRef::try_from_object(&object));
        if let Some(object) = object.filter(|object| object.is_internal()) {
            adopted += usize::from(adopt(&object));
        }
    }
    Ok(adopted)
}

/// There is no pager of anonymous memory any more, and none is expected, for tests.
#[cfg(test)]
pub(crate) fn forget_default_pager() {
    let before = DEFAULT.lock().take();
    drop(before);
    LOST_AT.store(0, Ordering::Relaxed);
}

/// Tells the present default pager of an object that has just lost its connection, if there is one.
pub(super) fn tell_again(object: &Arc<VmObject>) {
    if default_pager_has_room()
        && let Some(object) = ObjectRef::try_from_object(object)
    {
        adopt(&object);
    }
}

/// Gives an orphaned anonymous object to the present default pager; whether it was one.
fn adopt(object: &ObjectRef) -> bool {
    let (pager, control) = {
        let mut state = object.lock();
        let Some(link) = state
            .pager
            .as_mut()
            .filter(|pager| pager.phase != Phase::Ready)
        else {
            return false;
        };
        // Each object keeps its pager: behind all of them is whoever is registered.
        let pager = link.pager.clone();
        let _same = link.succeed(object.object(), pager.clone());
        (pager, link.control.clone())
    };
    open(object, &pager, &control);
    true
}

/// Tells the pager of the object and opens it. No lock may be held.
fn open(object: &ObjectRef, pager: &Arc<dyn Pager>, control: &Arc<MemoryControl>) {
    vm_trace::pager_init(object.id());
    if pager.init(control.clone(), PAGE_SIZE as u64).is_err() {
        pager_died(object.object());
        return;
    }
    let _ = control.with_state(|object, state| {
        if let Some(link) = state
            .pager
            .as_mut()
            .filter(|link| link.phase == Phase::Created)
        {
            link.phase = Phase::Ready;
            vm_trace::pager_ready(object.number());
        }
        object.waiters().wake_all_event(OBJECT_EVENT);
    });
}

/// Gives an anonymous object its pager, if it has none. No lock may be held.
///
/// # Errors
/// `NOT_SUPPORTED` when there is no default pager; `RESOURCE_SHORTAGE`.
#[doc(alias = "vm_object_compressor_pager_create")]
pub(crate) fn give_default_pager(object: &ObjectRef) -> Result<(), KernReturn> {
    let default = default_pager().ok_or(KernReturn::NOT_SUPPORTED)?;
    let pager = default.pager_for(object.size())?;
    let control = MemoryControl::new(object.object(), 1);
    let attributes = Attributes {
        may_cache: false,
        copy_strategy: CopyStrategy::Symmetric,
        deadline: None,
        fallback: Fallback::Error,
    };
    let link = Box::new(PagerState::created(
        pager.clone(),
        control.clone(),
        attributes,
    ));
    {
        let mut state = object.lock();
        if state.pager.is_some() || !state.alive {
            return Ok(());
        }
        state.pager = Some(link);
    }
    open(object, &pager, &control);
    Ok(())
}

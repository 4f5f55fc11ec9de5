//! [`MemoryControl`]: the pager's handle on an object, and opening an object for a pager.
//!
//! The control names the object weakly: a pager keeps no object alive. It is refused once the object has ended
//! or another pager has taken over. Every routine returns without waiting for a page.
//! XNU counterpart: `memory_object_control_t`, `vm_object_memory_object_associate`.

use alloc::boxed::Box;
use alloc::sync::{Arc, Weak};

use mach::{CopyStrategy, KernReturn};
use machine::page::PAGE_SIZE;

use super::attributes::set_opening_deadline;
use super::requests::{NEVER, RequestTable};
use super::{Attributes, Pager, pager_died};
use crate::vm_object::state::{Durability, ObjectState, PagerState, Phase};
use crate::vm_object::{ObjectRef, VmObject};
use crate::vm_pageout::Loads;
use crate::vm_trace;

/// A pager's handle on one object.
#[doc(alias = "memory_object_control_t")]
pub struct MemoryControl {
    object: Weak<VmObject>,
    /// Must equal the object's, or another pager has taken over.
    epoch: u64,
}

impl MemoryControl {
    pub(crate) fn new(object: &Arc<VmObject>, epoch: u64) -> Arc<MemoryControl> {
        Arc::new(MemoryControl {
            object: Arc::downgrade(object),
            epoch,
        })
    }

    /// The control that a stand-in will use after this one.
    pub(super) fn successor(&self, object: &ObjectRef) -> Arc<MemoryControl> {
        MemoryControl::new(object.object(), self.epoch + 1)
    }

    pub(super) fn epoch(&self) -> u64 {
        self.epoch
    }

    /// A counted reference to the object, if it still lives.
    #[doc(alias = "memory_object_control_to_vm_object")]
    pub fn object(&self) -> Option<ObjectRef> {
        ObjectRef::try_from_object(&self.object.upgrade()?)
    }

    /// The object, to be locked; not counted, so it may be ending.
    pub(super) fn target(&self) -> Result<Arc<VmObject>, KernReturn> {
        self.object.upgrade().ok_or(KernReturn::INVALID_ARGUMENT)
    }

    /// Runs `action` under the object's lock, if this control still speaks for it.
    pub(super) fn with_state<R>(
        &self,
        action: impl FnOnce(&Arc<VmObject>, &mut ObjectState) -> R,
    ) -> Result<R, KernReturn> {
        let object = self.target()?;
        let mut state = object.state_lock().lock();
        let mine = state.alive
            && state
                .pager
                .as_ref()
                .is_some_and(|pager| pager.epoch == self.epoch);
        if !mine {
            return Err(KernReturn::INVALID_ARGUMENT);
        }
        Ok(action(&object, &mut state))
    }

    /// The contents are `size` bytes long from now on. Growing makes more pages askable; shrinking drops the pages
    /// beyond, into the copy object where one shows them, and clears the rest of the last page.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` when the object is gone, `RESOURCE_SHORTAGE` when the last page cannot be pushed.
    #[doc(alias = "ubc_setsize")]
    pub fn set_size(&self, size: u64) -> Result<(), KernReturn> {
        self.with_state(|_, _| ())?;
        let object = self.object().ok_or(KernReturn::INVALID_ARGUMENT)?;
        object.set_size(size)
    }

    /// The pager ends the object: waiters and later faults on absent pages fail.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` when the object is gone.
    #[doc(alias = "memory_object_destroy")]
    pub fn destroy(&self, _reason: KernReturn) -> Result<(), KernReturn> {
        self.with_state(|_, _| ())?;
        pager_died(&self.target()?);
        Ok(())
    }

    /// The pager's port is gone.
    pub fn pager_died(&self) {
        if self.with_state(|_, _| ()).is_ok()
            && let Ok(object) = self.target()
        {
            pager_died(&object);
        }
    }
}

impl PagerState {
    /// A pager that has not opened the object yet, under its first control.
    pub(super) fn created(
        pager: Arc<dyn Pager>,
        control: Arc<MemoryControl>,
        attributes: Attributes,
    ) -> PagerState {
        PagerState {
            pager,
            epoch: control.epoch,
            control,
            phase: Phase::Created,
            opening_deadline: NEVER,
            returns_due: false,
            attributes,
            requests: RequestTable::new(),
            cleaning: 0,
            pages_cleaning: 0,
            laundry: Loads::new(),
            durability: Durability::NONE,
        }
    }
}

impl ObjectRef {
    /// An object filled by `pager`, `size` bytes long (exactly: the last page's rest is zeros). The pager gets `init`
    /// and must answer with `change_attributes`; until then faults wait.
    ///
    /// # Errors
    /// `RESOURCE_SHORTAGE` when no object can be had.
    #[doc(alias = "vm_object_memory_object_associate")]
    #[doc(alias = "vm_object_enter")]
    pub fn with_pager(pager: Arc<dyn Pager>, size: u64) -> Result<ObjectRef, KernReturn> {
        ObjectRef::with_pager_and_attributes(pager, size, Attributes::default())
    }

    /// As [`ObjectRef::with_pager`], with the owner's choice of deadline and fallback.
    ///
    /// # Errors
    /// `RESOURCE_SHORTAGE` when no object can be had.
    pub fn with_pager_and_attributes(
        pager: Arc<dyn Pager>,
        size: u64,
        attributes: Attributes,
    ) -> Result<ObjectRef, KernReturn> {
        let object = VmObject::create(false, size, |state| {
            state.copy_strategy = CopyStrategy::Invalid;
        })?;
        let control = MemoryControl::new(object.object(), 1);
        let mut link = Box::new(PagerState::created(
            pager.clone(),
            control.clone(),
            attributes,
        ));
        set_opening_deadline(&mut link);
        object.lock().pager = Some(link);
        vm_trace::pager_init(object.id());
        if pager.init(control, PAGE_SIZE as u64).is_err() {
            pager_died(object.object());
        }
        Ok(object)
    }

    /// Has the object's pager died, or been given up? What is not resident cannot be had any more.
    pub fn pager_is_dead(&self) -> bool {
        let state = self.lock();
        state
            .pager
            .as_ref()
            .is_some_and(|pager| pager.phase == Phase::Dead)
    }

    /// The control of an object with a pager.
    pub fn memory_control(&self) -> Option<Arc<MemoryControl>> {
        self.lock()
            .pager
            .as_ref()
            .map(|pager| pager.control.clone())
    }
}

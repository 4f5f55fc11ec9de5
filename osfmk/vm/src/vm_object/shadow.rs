//! Symmetric copying: both sides go on with a shadow of the original.
//!
//! Neighbours: the map side sets `needs_copy` on both entries and write-protects what is mapped; at the first
//! write its lookup calls [`ObjectRef::shadow`]. It copies no page. XNU counterpart: `vm_object_shadow`,
//! `vm_object_copy_quickly`.

use core::sync::atomic::Ordering;

use mach::{CopyStrategy, KernReturn};
use machine::page::round_page;

use super::chain::{lock, lock_below};
use super::{Locked, ObjectRef, VmObject};
use crate::vm_trace;

impl ObjectRef {
    /// What an entry that shows `size` bytes of this object from `offset` must hold from now on, before its
    /// first write. Consumes the entry's reference; gives the same object when nobody else can see it.
    ///
    /// # Errors
    /// `RESOURCE_SHORTAGE` with the reference handed back.
    #[doc(alias = "vm_object_shadow")]
    pub fn shadow(
        self,
        offset: u64,
        size: u64,
    ) -> Result<(ObjectRef, u64), (ObjectRef, KernReturn)> {
        if self.is_private(round_page(size)) {
            return Ok((self, offset));
        }
        match ObjectRef::anonymous(size) {
            Ok(shadow) => {
                link(&shadow, self, offset);
                Ok((shadow, 0))
            }
            Err(cause) => Err((self, cause)),
        }
    }

    /// Is the caller's reference the only way to this object's pages? Needs no wait: who holds the only
    /// reference can only be joined through it.
    fn is_private(&self, size: u64) -> bool {
        if !self.is_internal() || self.reference_count() != 1 {
            return false;
        }
        let state = self.lock();
        // A copy object into which pages are still pushed may be given to others too.
        let in_copy_relation = state.has_copy() || shadow_has_copy(&state);
        state.size == size && !in_copy_relation
    }

    /// A second reference for a symmetric copy, if this object copies that way. The caller sets `needs_copy` on
    /// both entries and write-protects the mappings of the source.
    #[doc(alias = "vm_object_copy_quickly")]
    pub fn copy_quickly(&self) -> Option<ObjectRef> {
        let symmetric = {
            let state = self.lock();
            state.copy_strategy == CopyStrategy::Symmetric && !state.true_share
        };
        symmetric.then(|| self.clone())
    }

    /// Makes an internal object fit to be shared between maps: from now on it is copied by a copy object.
    /// The caller has shadowed it first where an entry still had `needs_copy`.
    pub fn make_shareable(&self) {
        let mut state = self.lock();
        state.true_share = true;
        if state.copy_strategy == CopyStrategy::Symmetric {
            state.copy_strategy = CopyStrategy::Delay;
        }
    }
}

fn shadow_has_copy(state: &Locked) -> bool {
    state
        .shadow
        .as_ref()
        .is_some_and(|shadow| lock_below(shadow.object().clone()).has_copy())
}

/// Puts the fresh, empty object `upper` on top of `shadow` at `offset`.
pub(super) fn link(upper: &ObjectRef, shadow: ObjectRef, offset: u64) {
    vm_trace::shadow(shadow.id(), upper.id(), offset);
    let mut child = lock(upper.object().clone());
    let mut parent = lock_below(shadow.object().clone());
    add_child(&mut parent, upper.object().number());
    drop(parent);
    child.shadow_offset = offset;
    child.shadow = Some(shadow);
}

/// Notes a new child of a locked object.
pub(super) fn add_child(parent: &mut Locked, child: u64) {
    parent.children.add(child);
    publish_children(parent);
}

/// Notes that a child of a locked object is gone.
pub(super) fn remove_child(parent: &mut Locked, child: u64) {
    parent.children.remove(child);
    publish_children(parent);
}

fn publish_children(parent: &Locked) {
    let object: &VmObject = parent.owner();
    object
        .children
        .store(parent.children.count(), Ordering::Relaxed);
}

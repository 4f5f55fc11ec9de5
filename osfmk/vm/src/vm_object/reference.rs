//! Counting references to objects.
//!
//! The count is one atomic word. Letting go takes no lock unless it leaves an internal object with a single
//! reference and a single child, which can then swallow it (`collapse`). Zero is final and goes to the
//! reaper ([`super::terminate`]).
//! XNU counterpart: `vm_object_reference`, `vm_object_deallocate`.

use alloc::sync::Arc;
use core::sync::atomic::Ordering;

use super::{ObjectRef, VmObject, collapse, registry, terminate};

impl ObjectRef {
    /// A new reference to an object that may be about to end: fails once the count has reached zero.
    #[doc(alias = "vm_object_reference")]
    pub(crate) fn try_from_object(object: &Arc<VmObject>) -> Option<ObjectRef> {
        let mut count = object.references.load(Ordering::Relaxed);
        loop {
            if count == 0 {
                return None;
            }
            match object.references.compare_exchange_weak(
                count,
                count + 1,
                Ordering::Acquire,
                Ordering::Relaxed,
            ) {
                Ok(_) => return Some(ObjectRef(object.clone())),
                Err(now) => count = now,
            }
        }
    }

    /// Takes back to life an object whose last reference is gone; only the reaper may, which alone knows it.
    pub(super) fn revive(object: &Arc<VmObject>) -> ObjectRef {
        let before = object.references.fetch_add(1, Ordering::AcqRel);
        debug_assert_eq!(before, 0);
        ObjectRef(object.clone())
    }
}

impl Clone for ObjectRef {
    fn clone(&self) -> Self {
        let before = self.0.references.fetch_add(1, Ordering::Relaxed);
        debug_assert!(before > 0, "a counted reference to a dead object");
        ObjectRef(self.0.clone())
    }
}

impl ObjectRef {
    /// Lets go without shortening anybody's chain: the object is returned when its only child could take it over.
    pub(super) fn release(self) -> Option<Arc<VmObject>> {
        let object = self.0.clone();
        // Two more, so that dropping `self` is neither the last reference nor the last but one.
        object.references.fetch_add(2, Ordering::Relaxed);
        drop(self);
        let before = object.references.fetch_sub(2, Ordering::AcqRel);
        let left_to_child = after_release(&object, before - 2);
        left_to_child.then_some(object)
    }
}

impl Drop for ObjectRef {
    fn drop(&mut self) {
        let before = self.0.references.fetch_sub(1, Ordering::AcqRel);
        if after_release(&self.0, before - 1) {
            collapse::swallow_into_child(&self.0);
        }
    }
}

/// Posts an object without references to the reaper; says whether its only child could take it over.
fn after_release(object: &Arc<VmObject>, left: u32) -> bool {
    if left == 0 {
        terminate::post(object);
    }
    left == 1 && object.internal && object.children.load(Ordering::Relaxed) == 1
}

impl Drop for VmObject {
    fn drop(&mut self) {
        registry::withdraw(self.number);
    }
}

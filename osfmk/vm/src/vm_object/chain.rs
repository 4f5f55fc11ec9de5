//! Walking a shadow chain hand over hand.
//!
//! Main type: [`Chain`], the lock of the object on top, kept for the whole walk, and the lock of the object
//! under examination. Keeping the top locked means that nobody else can put a page there meanwhile, so no
//! placeholder page is needed.
//! It decides nothing. XNU counterpart: the `object`/`cur_object` loops of `vm_fault.c`.

use alloc::sync::Arc;
use core::ops::Range;

use prim::frames::{PageIndex, PageMut};
use prim::lock::OwnedMutexGuard;

use super::VmObject;
use super::collapse::is_hopeless;
use super::state::ObjectState;
use super::step::Level;
use crate::vm_page;

/// A locked object that keeps itself alive.
pub(crate) type Locked = OwnedMutexGuard<VmObject, ObjectState>;

/// Locks an object. No other object's lock may be held.
#[track_caller]
pub(crate) fn lock(object: Arc<VmObject>) -> Locked {
    OwnedMutexGuard::lock_owned(object, VmObject::state_lock)
}

/// Locks an object that lies below a locked one in its chain.
#[track_caller]
pub(crate) fn lock_below(object: Arc<VmObject>) -> Locked {
    OwnedMutexGuard::lock_nested_owned(object, VmObject::state_lock)
}

/// Locks an object against the order, if it is free.
pub(crate) fn try_lock(object: Arc<VmObject>) -> Option<Locked> {
    OwnedMutexGuard::try_lock_owned(object, VmObject::state_lock)
}

/// A place in a shadow chain.
pub(crate) struct Chain {
    /// The object that the walk began at.
    pub(crate) top: Locked,
    /// The page looked for, in `top`.
    pub(crate) top_page: u64,
    /// The object at hand, when it is not `top`.
    lower: Option<Locked>,
    /// The page looked for, in the object at hand.
    page: u64,
}

impl Chain {
    /// Begins a walk. Locks `object`.
    pub(crate) fn begin(object: Arc<VmObject>, page: u64) -> Chain {
        Chain {
            top: lock(object),
            top_page: page,
            lower: None,
            page,
        }
    }

    /// Is the object at hand the one on top?
    pub(crate) fn is_top(&self) -> bool {
        self.lower.is_none()
    }

    /// Is the object at hand the one on top or its direct shadow?
    pub(crate) fn is_direct(&self) -> bool {
        self.lower
            .as_ref()
            .is_none_or(|lower| self.is_shadow_of_top(lower))
    }

    fn is_shadow_of_top(&self, lower: &Locked) -> bool {
        let shadow = self.top.shadow.as_ref();
        shadow.is_some_and(|shadow| Arc::ptr_eq(shadow.object(), lower.owner()))
    }

    /// Calls `visit` for the resident pages whose distance from the one at hand lies in `distances`, in order, except for
    /// that one and those that the object on top hides. For a direct chain.
    pub(crate) fn for_each_neighbour(
        &mut self,
        distances: Range<i64>,
        mut visit: impl FnMut(i64, PageMut<'_>),
    ) {
        let at_hand = self.page;
        let first = vm_page::index(at_hand.saturating_add_signed(distances.start));
        let end = vm_page::index(at_hand.saturating_add_signed(distances.end));
        let Chain {
            top,
            top_page,
            lower,
            ..
        } = self;
        let distance_of = |index: PageIndex| index.0.wrapping_sub(at_hand) as i64;
        match lower {
            None => top.pages.update_range(first, end, |index, page| {
                if index.0 != at_hand {
                    visit(distance_of(index), page);
                }
            }),
            Some(lower) => lower.pages.update_range(first, end, |index, page| {
                let distance = distance_of(index);
                let above = top_page.checked_add_signed(distance);
                let hidden = above.is_none_or(|page| top.has_page(page));
                if distance != 0 && !hidden {
                    visit(distance, page);
                }
            }),
        }
    }

    /// Back to the top.
    pub(crate) fn rewind(&mut self) {
        self.lower = None;
        self.page = self.top_page;
    }

    /// The object at hand.
    pub(crate) fn current(&self) -> &Locked {
        self.lower.as_ref().unwrap_or(&self.top)
    }

    /// The object at hand, to be changed.
    pub(crate) fn current_mut(&mut self) -> &mut Locked {
        self.lower.as_mut().unwrap_or(&mut self.top)
    }

    /// The page looked for, in the object at hand.
    pub(crate) fn page(&self) -> u64 {
        self.page
    }

    /// Where the walk stands.
    pub(crate) fn level(&self) -> Level {
        if self.lower.is_some() {
            Level::Lower
        } else {
            Level::Top
        }
    }

    /// May one page more in the top object make a link of the chain superfluous? Only a direct shadow is looked at.
    pub(crate) fn may_shrink(&self) -> bool {
        let hopeless =
            |lower: &Locked| self.is_shadow_of_top(lower) && is_hopeless(&self.top, lower);
        !self.lower.as_ref().is_some_and(hopeless)
    }

    /// Goes on to the shadow of the object at hand; `false` at the bottom. Locks the shadow, then lets go of
    /// the object above unless it is the top.
    pub(crate) fn descend(&mut self) -> bool {
        let current = self.current();
        let Some(shadow) = &current.shadow else {
            return false;
        };
        let page = self.page + (current.shadow_offset >> machine::page::PAGE_SHIFT);
        let next = lock_below(shadow.object().clone());
        self.lower = Some(next);
        self.page = page;
        true
    }
}

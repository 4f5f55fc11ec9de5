//! Shortening shadow chains.
//!
//! * **Collapse**: the only reference to a shadow is its child's link: the child takes the shadow's pages and
//!   the shadow's own link; the shadow is gone.
//! * **Bypass**: everything the shadow could show through the child is hidden by the child's own pages: the
//!   child links to the shadow's shadow instead.
//!
//! Tried after a page was copied up, and when letting go of a reference leaves a shadow with one child only.
//! Neither touches objects with a pager, sources of a live copy object, or copy objects of their shadow; but a source
//! that only its copy object still refers to has no writer left who would push pages, and is taken over like any other.
//! Pages move between objects without leaving their frames; hidden pages are disconnected and freed.
//! A chain is walked by a loop, two or three locks at a time; references are let go with no lock held.
//!
//! XNU counterpart: `vm_object_collapse`, `vm_object_do_collapse`, `vm_object_do_bypass`.

use alloc::sync::Arc;

use arrayvec::ArrayVec;
use machine::page::PAGE_SHIFT;

use super::chain::{lock, lock_below};
use super::shadow::{add_child, remove_child};
use super::{Locked, ObjectRef, VmObject, registry};
use crate::{vm_page, vm_statistics, vm_trace};

/// Objects still to be looked at in one call; more than this are left to their next fault.
const PENDING: usize = 32;

/// What one look at an object and its shadow has done.
enum Attempt {
    /// Nothing below.
    Bottom,
    /// The link stays; go on below it.
    Kept(Arc<VmObject>),
    /// The chain is shorter; this reference to the former shadow remains to be let go.
    Shortened(ObjectRef),
}

/// What can be done with the link between a locked object and its locked shadow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Plan {
    Keep,
    Collapse,
    Bypass,
}

/// Removes every link of the chain below `object` that can be removed. No object's lock may be held.
#[doc(alias = "vm_object_collapse")]
pub(crate) fn collapse(object: &Arc<VmObject>) {
    let mut pending: ArrayVec<Arc<VmObject>, PENDING> = ArrayVec::new();
    pending.push(object.clone());
    while let Some(place) = pending.pop() {
        match attempt(&place) {
            Attempt::Bottom => {}
            Attempt::Kept(next) => pending.push(next),
            Attempt::Shortened(former) => {
                pending.push(place.clone());
                // A copy object whose source is gone is an ordinary shadow now: its own child may swallow it.
                if let Some(child) = left_to_only_child(&place) {
                    let _ = pending.try_push(child);
                }
                // The former shadow may be left to one other child, which can swallow it now.
                if let Some(child) = former.release().as_ref().and_then(only_child) {
                    let _ = pending.try_push(child);
                }
            }
        }
    }
}

/// Lets the only child of an object whose only reference is that child's take it over.
pub(super) fn swallow_into_child(object: &Arc<VmObject>) {
    if let Some(child) = only_child(object) {
        collapse(&child);
    }
}

/// The only child of an object that nobody but that child refers to.
fn left_to_only_child(object: &Arc<VmObject>) -> Option<Arc<VmObject>> {
    if object.references() == 1 {
        only_child(object)
    } else {
        None
    }
}

fn only_child(object: &Arc<VmObject>) -> Option<Arc<VmObject>> {
    let child = lock(object.clone()).children.only();
    registry::find(child?)
}

fn attempt(place: &Arc<VmObject>) -> Attempt {
    let mut upper = lock(place.clone());
    let Some(shadow) = upper.shadow.as_ref().map(|shadow| shadow.object().clone()) else {
        return Attempt::Bottom;
    };
    let mut lower = lock_below(shadow.clone());
    let plan = plan(&mut upper, &lower);
    let former = match plan {
        Plan::Keep => None,
        Plan::Collapse => take_over(&mut upper, &mut lower),
        Plan::Bypass => link_past(&mut upper, &mut lower),
    };
    match former {
        None => Attempt::Kept(shadow),
        Some(former) => Attempt::Shortened(former),
    }
}

/// Pure but for the hint it leaves in `upper`.
fn plan(upper: &mut Locked, lower: &Locked) -> Plan {
    let copy = lower.copy_object();
    let has_other_copy = copy
        .as_ref()
        .is_some_and(|copy| !Arc::ptr_eq(copy, upper.owner()));
    let unsuitable = !upper.alive
        || !lower.alive
        || !lower.owner_is_internal()
        || has_other_copy
        || is_copy_of_its_shadow(lower);
    if unsuitable {
        Plan::Keep
    } else if lower.owner().references() == 1 && lower.pager.is_none() {
        Plan::Collapse
    } else if copy.is_none() && hides_everything(upper, lower) {
        Plan::Bypass
    } else {
        Plan::Keep
    }
}

/// Is `lower` the copy object of its shadow? Then the shadow's writers push into it, and it must stay.
fn is_copy_of_its_shadow(lower: &Locked) -> bool {
    let Some(shadow) = &lower.shadow else {
        return false;
    };
    let source = lock_below(shadow.object().clone());
    source
        .copy_object()
        .is_some_and(|copy| Arc::ptr_eq(&copy, lower.owner()))
}

/// Will nothing be gained by [`collapse`] at the link between a locked object and its locked shadow when the object gets one
/// page more? Costs a few loads, so that a fault which copies one page of many need not try.
pub(crate) fn is_hopeless(upper: &Locked, lower: &Locked) -> bool {
    lower.owner().references() > 1 && shows_by_count(upper, lower, 1)
}

/// With `more` pages more above, are there still more below, and none of them outside of what is shown? Then one shows
/// through.
fn shows_by_count(upper: &Locked, lower: &Locked, more: usize) -> bool {
    upper.shadow_offset == 0
        && upper.page_count() >= lower.page_count()
        && upper.paged_out.is_empty()
        && lower.pages.len() > upper.pages.len() + more
}

/// Does `upper` have a page of its own wherever `lower` would show one through it?
fn hides_everything(upper: &mut Locked, lower: &Locked) -> bool {
    if shows_by_count(upper, lower, 0) {
        return false;
    }
    let shift = upper.shadow_offset >> PAGE_SHIFT;
    let window = shift..shift + upper.page_count();
    let shows = |page: u64| window.contains(&page) && !upper.has_page(page - shift);
    // What defeated the last attempt probably defeats this one.
    if lower.has_page(upper.cow_hint) && shows(upper.cow_hint) {
        return false;
    }
    // From there on first: whoever copies page after page has hidden all before it.
    let hint = upper.cow_hint;
    let mut found = vm_page::pages_in(&lower.pages, hint, u64::MAX)
        .chain(vm_page::pages_in(&lower.pages, 0, hint))
        .map(|(page, _)| page)
        .chain(paged_out(lower, &window));
    match found.find(|page| shows(*page)) {
        Some(page) => {
            upper.cow_hint = page;
            false
        }
        None => true,
    }
}

/// The pages in `window` that the pager of `lower` has.
fn paged_out<'a>(
    lower: &'a Locked,
    window: &core::ops::Range<u64>,
) -> impl Iterator<Item = u64> + 'a {
    let (mut from, end) = (window.start, window.end);
    core::iter::from_fn(move || {
        let page = lower.paged_out.next(from, end)?;
        from = page + 1;
        Some(page)
    })
}

/// Collapse: moves what `lower` shows through `upper` into `upper`, frees the rest, splices `lower` out.
fn take_over(upper: &mut Locked, lower: &mut Locked) -> Option<ObjectRef> {
    let shift = upper.shadow_offset >> PAGE_SHIFT;
    let pages = upper.page_count();
    let mut moved = 0;
    while let Some((page, _)) = vm_page::next(&lower.pages, 0, u64::MAX) {
        let target = page.checked_sub(shift).filter(|target| *target < pages);
        let state = &mut **upper;
        match target.filter(|target| !state.has_page(*target)) {
            Some(target) => {
                vm_page::transfer(&mut lower.pages, page, &mut state.pages, target);
                if lower.unpageable && !state.unpageable {
                    vm_page::requeue(&state.pages, target);
                }
                moved += 1;
            }
            None => vm_page::discard(&mut lower.pages, page),
        }
    }
    vm_trace::collapse(upper.owner().number(), lower.owner().number(), moved);
    vm_statistics::COLLAPSES.add(1);
    let below = lower.shadow.take();
    if let Some(below) = &below {
        let mut bottom = lock_below(below.object().clone());
        remove_child(&mut bottom, lower.owner().number());
        add_child(&mut bottom, upper.owner().number());
    }
    remove_child(lower, upper.owner().number());
    // If `upper` was the copy object, there is nothing left to be pushed.
    lower.copy = alloc::sync::Weak::new();
    upper.shadow_severed |= lower.shadow_severed;
    upper.shadow_offset = if below.is_some() {
        upper.shadow_offset + lower.shadow_offset
    } else {
        0
    };
    core::mem::replace(&mut upper.shadow, below)
}

/// Bypass: links `upper` to the shadow of `lower`.
fn link_past(upper: &mut Locked, lower: &mut Locked) -> Option<ObjectRef> {
    vm_trace::bypass(upper.owner().number(), lower.owner().number());
    vm_statistics::BYPASSES.add(1);
    let below = lower.shadow.clone();
    if let Some(below) = &below {
        add_child(
            &mut lock_below(below.object().clone()),
            upper.owner().number(),
        );
    }
    remove_child(lower, upper.owner().number());
    upper.shadow_severed |= lower.shadow_severed;
    upper.shadow_offset = if below.is_some() {
        upper.shadow_offset + lower.shadow_offset
    } else {
        0
    };
    core::mem::replace(&mut upper.shadow, below)
}

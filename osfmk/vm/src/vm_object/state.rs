//! What an object's lock guards.
//!
//! Main types: [`ObjectState`], [`Children`], [`PagerState`]. Neighbours: everything in this directory.
//! It decides nothing; invariants are stated here and checked in [`super::validate`].
//! XNU counterpart: the fields of `struct vm_object`.

use alloc::boxed::Box;
use alloc::sync::{Arc, Weak};

use mach::{CopyStrategy, KernReturn};
use machine::page::PAGE_SHIFT;
use prim::frames::{PageKind, PageList};

use super::cluster::ReadAhead;
use super::paged_out::PagedOut;
use super::{ObjectRef, VmObject};
use crate::code_signing::CodeSignature;
use crate::memory_object::requests::{RequestTable, Settlement};
use crate::memory_object::{Attributes, MemoryControl, Pager};
use crate::vm_pageout::Loads;

/// The mutable part of an object. Every field is guarded by the object's lock.
pub(crate) struct ObjectState {
    /// Resident pages, by page index in the object. A page is in at most one object at one index.
    pub(crate) pages: PageList,
    /// Internal objects: the pages that the pager has. See [`super::paged_out`].
    pub(crate) paged_out: PagedOut,
    /// Never paged out: the memory of a pager, or of what must work without one.
    pub(crate) unpageable: bool,
    /// Internal objects: a multiple of the page size. Objects with a pager: the exact size of the contents.
    pub(crate) size: u64,
    /// Where absent pages of an internal object are looked for; it holds a counted reference.
    pub(crate) shadow: Option<ObjectRef>,
    /// What to add to an offset here to get the offset in `shadow`. Page aligned.
    pub(crate) shadow_offset: u64,
    /// The objects whose `shadow` this is.
    pub(crate) children: Children,
    /// The latest copy object (XNU: `vo_copy`): one of the children, into which old pages are pushed before a
    /// write. It holds the reference, so this is weak.
    pub(crate) copy: Weak<VmObject>,
    /// Pages that `copy` shows. Only grows while that copy object is the latest.
    pub(crate) copy_pages: u64,
    /// How this object is copied.
    pub(crate) copy_strategy: CopyStrategy,
    /// False once termination has begun.
    pub(crate) alive: bool,
    /// Shared between maps or wired: never copied symmetrically again.
    pub(crate) true_share: bool,
    /// Its shadow was cut off by a purge: what is absent is lost, not zero.
    pub(crate) shadow_severed: bool,
    /// Page that defeated the last attempt to bypass this object's shadow; a hint.
    pub(crate) cow_hint: u64,
    /// How often termination has tried to have dirty pages written.
    pub(crate) closing: u8,
    /// Pattern of the requests made so far.
    pub(crate) read_ahead: ReadAhead,
    /// Hashes of the pages, if the object is a signed file.
    pub(crate) signature: Option<Arc<dyn CodeSignature>>,
    /// The pager's side. An internal object gets one when its first page is to go.
    pub(crate) pager: Option<Box<PagerState>>,
}

/// The children of an object: how many, and the exclusive-or of their numbers. With one child left the
/// latter *is* the child's number, which is all that collapse needs; no list, no allocation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Children {
    count: u32,
    mix: u64,
}

impl Children {
    pub(crate) fn add(&mut self, child: u64) {
        self.count += 1;
        self.mix ^= child;
    }

    pub(crate) fn remove(&mut self, child: u64) {
        debug_assert!(self.count > 0, "a child leaves a childless object");
        self.count -= 1;
        self.mix ^= child;
    }

    pub(crate) fn count(&self) -> u32 {
        self.count
    }

    /// The number of the only child.
    pub(crate) fn only(&self) -> Option<u64> {
        (self.count == 1).then_some(self.mix)
    }
}

/// How far the protocol with the pager has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// `init` is posted; faults wait.
    Created,
    /// The pager has set the attributes.
    Ready,
    /// The pager died, refused, destroyed the object or timed out while opening it.
    Dead,
}

/// What an object with a pager has besides.
pub(crate) struct PagerState {
    /// Where to post; replaced when a stand-in takes over.
    pub(crate) pager: Arc<dyn Pager>,
    /// The object's control, as the pager knows it.
    pub(crate) control: Arc<MemoryControl>,
    /// Changes when the pager is replaced: an older control is refused.
    pub(crate) epoch: u64,
    /// Where the protocol stands.
    pub(crate) phase: Phase,
    /// When waiting for `Ready` is over, in clock ticks.
    pub(crate) opening_deadline: u64,
    /// A successor has the object: what is unsaved goes to it as soon as it is ready.
    pub(crate) returns_due: bool,
    /// What the pager and the owner have set.
    pub(crate) attributes: Attributes,
    /// Outstanding requests.
    pub(crate) requests: RequestTable,
    /// The generation of the latest cleaning.
    pub(crate) cleaning: u64,
    /// Pages lent to the pager and not acknowledged.
    pub(crate) pages_cleaning: u32,
    /// What of that was given by page-out.
    pub(crate) laundry: Loads,
    /// Making durable what was returned.
    pub(crate) durability: Durability,
}

/// How far a pager has made durable what was returned to it. One request is outstanding at a time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Durability {
    /// Times it was asked.
    pub(crate) asked: u64,
    /// Times it has answered, or was given up.
    pub(crate) answered: u64,
    /// The latest answer.
    pub(crate) result: KernReturn,
    /// The first failure of a return that nobody has been told of yet.
    pub(crate) failure: Option<KernReturn>,
}

impl Durability {
    /// Nothing asked, nothing failed.
    pub(crate) const NONE: Durability = Durability {
        asked: 0,
        answered: 0,
        result: KernReturn::SUCCESS,
        failure: None,
    };

    /// What was asked is answered: nothing is outstanding.
    pub(crate) fn end(&mut self, result: KernReturn) {
        self.answered = self.asked;
        self.result = result;
    }
}

impl ObjectState {
    /// Does this internal object have data for the page, here or with its pager?
    pub(crate) fn has_page(&self, page: u64) -> bool {
        self.pages.lookup(crate::vm_page::index(page)).is_some() || self.paged_out.contains(page)
    }

    /// Neither here nor with the pager is there a page.
    pub(crate) fn has_nothing(&self) -> bool {
        self.pages.is_empty() && self.paged_out.is_empty()
    }

    /// The pager's copies of `first..end` are not wanted any more; what is asked for there is not expected either. Says
    /// whether there is anything to tell the pager.
    pub(crate) fn forget_paged_out(&mut self, first: u64, end: u64) -> bool {
        let any = self.paged_out.remove_range(first, end);
        if any && let Some(pager) = self.pager.as_mut() {
            pager
                .requests
                .settle_range(first, end - first, Settlement::Supplied);
        }
        any
    }

    /// Anonymous memory?
    pub(crate) fn owner_is_internal(&self) -> bool {
        self.pages.kind() == PageKind::Anonymous
    }

    /// Pages that the object covers: the last one may be partly past the end of the contents.
    pub(crate) fn page_count(&self) -> u64 {
        self.size.div_ceil(1 << PAGE_SHIFT)
    }

    /// The copy object, if it still lives.
    pub(crate) fn copy_object(&self) -> Option<Arc<VmObject>> {
        self.copy.upgrade().filter(|copy| copy.references() > 0)
    }

    /// Is some copy object alive that must see old contents?
    pub(crate) fn has_copy(&self) -> bool {
        self.copy_object().is_some()
    }
}

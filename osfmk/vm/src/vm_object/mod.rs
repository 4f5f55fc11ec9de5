//! Memory objects: the pages that back ranges of address spaces.
//!
//! Main types: [`VmObject`], and [`ObjectRef`], the counted reference that map entries, copies and shadow links
//! hold. An *internal* object is anonymous memory; an object *with a pager* is filled on demand by it.
//!
//! | file | what it does | XNU |
//! |---|---|---|
//! | `state` | what the lock guards | `struct vm_object` |
//! | `registry` | from a page's owner number back to its object | `VM_PAGE_OBJECT` |
//! | `reference`, `terminate` | counting, and the end | `vm_object_deallocate`, `vm_object_terminate` |
//! | `chain` | walking a shadow chain hand over hand | loops in `vm_fault.c` |
//! | `step` | the decision of a fault, as a value | `vm_fault_page` |
//! | `paged_out` | which pages an anonymous object's pager has | `vm_external_map_t` |
//! | `cluster` | how much to ask a pager for | `vm_object_cluster_size` |
//! | `shadow`, `copy` | the two ways to copy lazily, and the slow one | `vm_object_shadow`, `vm_object_copy_delayed` |
//! | `collapse` | shortening chains | `vm_object_collapse` |
//! | `range` | operations on a range of pages | `vm_object_coalesce`, `vm_object_deactivate_pages` ... |
//! | `io` | reading and writing through the cache | `memory_object_control_uiomove` |
//! | `validate` | every promise below, checked | - |
//!
//! Two ways of copying lazily:
//!
//! ```text
//! symmetric (internal objects)                 asymmetric (objects with a pager, shared internal ones)
//!
//!   entry A ──▶ shadow A ──┐                     entry, shared ──▶ source ◀──────────────┐ shadow
//!                          ▼                                         │ copy (weak)       │
//!                       original                                     └────────────▶ copy object
//!                          ▲                                                             ▲ shadow
//!   entry B ──▶ shadow B ──┘                     entry, private ──▶ its own shadow ──────┘
//!   both sides write into their shadows          a writer of the source first pushes the old page into the
//!                                                copy object; the private side writes into its own shadow
//! ```
//!
//! Promises: a page is in at most one object at one index; a chain keeps no link that collapse or bypass could
//! remove; chains are walked by loops, never by recursion; nothing is torn down under a lock.
//!
//! Locks: an object's lock (rank `Object`) is taken down the shadow chain, child before shadow, and up to a copy
//! object by try-lock only. Waits happen with no lock held.

mod chain;
pub mod cluster;
mod collapse;
mod copy;
mod io;
pub(crate) mod paged_out;
mod range;
mod reference;
mod registry;
mod shadow;
pub(crate) mod state;
pub(crate) mod step;
mod terminate;
#[cfg(test)]
pub(crate) mod tests;
mod validate;

use alloc::sync::{Arc, Weak};
use core::ops::Range;
use core::sync::atomic::{AtomicU32, Ordering};

use mach::KernReturn;
use machine::page::checked_round_page;
use prim::frames::{PageKind, PageList};
use prim::lock::{Mutex, Rank};
use prim::wait::WaitQueue;
use prim::zone::{Admission, Zone};

use crate::vm_trace;

pub use crate::memory_object::SyncFlags;
pub(crate) use chain::try_lock;
pub(crate) use chain::{Chain, Locked};
pub(crate) use collapse::collapse;
pub use copy::CopyOutcome;
pub use io::{Incomplete, PinnedPage};
pub(crate) use io::{copyin_to_frame, copyout_from_frame};
pub use mach::CopyStrategy;
pub use registry::object_count;
pub(crate) use registry::{find, numbers};
use state::{Children, ObjectState};

/// Objects in use, for `zprint`.
pub static OBJECT_ZONE: Zone = Zone::new("vm objects", core::mem::size_of::<VmObject>());

/// One memory object.
#[doc(alias = "vm_object_t")]
pub struct VmObject {
    /// Unique among live objects; the owner number of its pages. Never changes.
    number: u64,
    /// References by entries, copies, shadows, names. No lock; zero is final.
    references: AtomicU32,
    /// Copy of `state.children.count()`, so that letting go of a childless object takes no lock.
    children: AtomicU32,
    /// Anonymous memory? Never changes.
    internal: bool,
    /// Everything else.
    state: Mutex<ObjectState>,
    /// Threads that wait for a page (event: page index + 1), or for the pager to open the object or to
    /// return a credit (event: 0).
    waiters: WaitQueue,
    /// This object's place in the zone.
    _admission: Admission,
    /// Prepared at creation, so that termination allocates nothing.
    end: terminate::Ticket,
}

/// A counted reference to an object: what a map entry, a copy or a shadow link holds.
///
/// Clone counts up; drop counts down; the last one hands the object to the reaper. Dropping one may shorten the
/// chain of whoever else still uses the object, for which it takes objects' locks: never drop one while an
/// object's lock or a spinning lock is held. The map's lock is fine.
#[doc(alias = "vm_object_reference")]
#[doc(alias = "vm_object_deallocate")]
pub struct ObjectRef(Arc<VmObject>);

/// The event that waiters for `page` sleep on.
pub(crate) const fn page_event(page: u64) -> u64 {
    page + 1
}

/// The event of everything that is not about one page.
pub(crate) const OBJECT_EVENT: u64 = 0;

fn kind_of(internal: bool) -> PageKind {
    if internal {
        PageKind::Anonymous
    } else {
        PageKind::File
    }
}

impl VmObject {
    /// Makes an object; `build` completes the state of a fresh internal one.
    pub(crate) fn create(
        internal: bool,
        size: u64,
        build: impl FnOnce(&mut ObjectState),
    ) -> Result<ObjectRef, KernReturn> {
        let admission = OBJECT_ZONE
            .admit()
            .map_err(|_| KernReturn::RESOURCE_SHORTAGE)?;
        let number = registry::reserve()?;
        let mut state = ObjectState {
            pages: PageList::of_kind(registry::owner(number), kind_of(internal)),
            paged_out: paged_out::PagedOut::default(),
            unpageable: false,
            size,
            shadow: None,
            shadow_offset: 0,
            children: Children::default(),
            copy: Weak::new(),
            copy_pages: 0,
            copy_strategy: CopyStrategy::Symmetric,
            alive: true,
            true_share: false,
            shadow_severed: false,
            cow_hint: 0,
            closing: 0,
            read_ahead: cluster::ReadAhead::default(),
            signature: None,
            pager: None,
        };
        build(&mut state);
        let object = Arc::new(VmObject {
            number,
            references: AtomicU32::new(1),
            children: AtomicU32::new(0),
            internal,
            state: Mutex::new(Rank::Object, state),
            waiters: WaitQueue::new(),
            _admission: admission,
            end: terminate::Ticket::new(),
        });
        registry::publish(number, &object);
        vm_trace::object_created(number, size, !internal);
        Ok(ObjectRef(object))
    }

    /// Unique number among live objects.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Counted references at this moment.
    pub(crate) fn references(&self) -> u32 {
        self.references.load(Ordering::Acquire)
    }

    /// Anonymous memory?
    pub fn is_internal(&self) -> bool {
        self.internal
    }

    pub(crate) fn state_lock(&self) -> &Mutex<ObjectState> {
        &self.state
    }

    pub(crate) fn waiters(&self) -> &WaitQueue {
        &self.waiters
    }

    /// Wakes everyone who waits for something of this object.
    pub(crate) fn wake_everyone(&self) {
        self.waiters.wake_everything();
    }

    /// Something was decided about these pages: wakes who waits for one of them, or for anything about the object.
    pub(crate) fn wake_for_pages(&self, pages: Range<u64>) {
        let events = page_event(pages.start)..page_event(pages.end);
        self.waiters
            .wake_where(|event| event == OBJECT_EVENT || events.contains(&event));
    }
}

impl ObjectRef {
    /// Anonymous memory of `size` bytes, rounded up to pages; nothing is resident.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` when the size overflows, `RESOURCE_SHORTAGE` when no object can be had.
    #[doc(alias = "vm_object_allocate")]
    pub fn anonymous(size: u64) -> Result<ObjectRef, KernReturn> {
        let size = checked_round_page(size).ok_or(KernReturn::INVALID_ARGUMENT)?;
        VmObject::create(true, size, |_| {})
    }

    pub(crate) fn object(&self) -> &Arc<VmObject> {
        &self.0
    }

    /// Locks the object. Rank `Object`.
    pub(crate) fn lock(&self) -> Locked {
        chain::lock(self.0.clone())
    }

    /// Anonymous memory? No lock.
    pub fn is_internal(&self) -> bool {
        self.0.internal
    }

    /// How the object is copied.
    pub fn copy_strategy(&self) -> CopyStrategy {
        self.lock().copy_strategy
    }

    /// References counted now; a hint unless the caller excludes others.
    pub fn reference_count(&self) -> u32 {
        self.0.references()
    }

    /// Pages resident in this object itself.
    pub fn resident_count(&self) -> u64 {
        self.lock().pages.len() as u64
    }

    /// Keeps the pages of anonymous memory in memory for good: it belongs to those who page others out.
    pub fn make_unpageable(&self) {
        self.lock().unpageable = true;
    }

    /// Does it have a shadow?
    pub fn has_shadow(&self) -> bool {
        self.lock().shadow.is_some()
    }

    /// Internal: size in whole pages. With a pager: exact size of the contents.
    pub fn size(&self) -> u64 {
        self.lock().size
    }

    /// Identity for `vm_region` and tests.
    pub fn id(&self) -> u64 {
        self.0.number
    }

    /// The same object?
    pub fn same_object(&self, other: &ObjectRef) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl core::fmt::Debug for ObjectRef {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(
            f,
            "object {} ({} references)",
            self.0.number,
            self.0.references()
        )
    }
}

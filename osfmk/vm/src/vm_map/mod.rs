//! Address maps: which object, at which offset, with which protection, lies at which address.
//!
//! Purpose: one [`VmMap`] describes one address space. It is the truth; the `pmap` below is a cache of it.
//! Main types: [`VmMap`], [`MapEntry`], [`VmMapCopy`] (memory in transit), [`EnterRequest`], [`LookupResult`].
//!
//! | file | operation | XNU |
//! |---|---|---|
//! | `store/` | the sorted tree of entries, hole search | `vm_map_store*.c` |
//! | `entry`, `attributes` | one entry; what must be equal to merge | `struct vm_map_entry` |
//! | `lock` | shared and exclusive sections, version, deferred frees | `vm_map_lock` |
//! | `policy` | W^X, JIT, size limits | `vm_map_policy*` |
//! | `enter`, `locate`, `enter_mem_object` | new mappings | `vm_map_enter`, `vm_map_enter_mem_object` |
//! | `lookup` | an address to (object, offset) for a fault | `vm_map_lookup_and_lock_object` |
//! | `clip`, `simplify` | splitting and merging entries | `vm_map_clip_start`, `vm_map_simplify_entry` |
//! | `delete`, `protect`, `inherit`, `behavior`, `msync`, `wire` | changing a range | same names |
//! | `fork`, `extract`, `copy`, `copyin`, `copyout`, `copy_overwrite`, `remap` | moving memory between maps | same names |
//! | `region`, `page_info` | looking without touching | `vm_map_region`, `vm_map_page_range_info_internal` |
//! | `user_io` | the kernel reads and writes a map's memory | `vm_map_read_user` |
//! | `validate` | every promise below, checked | - |
//!
//! Promises: entries are sorted, disjoint, aligned to the map's page size and inside its bounds; current protection is
//! within maximum; an operation that changes the map checks the whole range and reserves memory first and then cannot
//! fail half-way; objects are let go only after the lock is dropped; no lock is held across anything a pager can delay.
//!
//! Lock order: map, then object. Two maps are never locked at once: what goes from one to the other travels as a list.
//!
//! Submaps are not built; [`EntryTarget`] leaves room for them.
//! XNU counterpart: `osfmk/vm/vm_map.c`.

mod attributes;
mod behavior;
mod clip;
mod copy;
mod copy_overwrite;
mod copy_pages;
mod copyin;
mod copyout;
mod delete;
mod enter;
mod enter_mem_object;
mod entry;
mod extract;
mod fork;
mod inherit;
mod link;
mod locate;
mod lock;
mod lookup;
mod memory_entry;
mod msync;
mod page_info;
mod policy;
mod protect;
mod region;
mod remap;
mod simplify;
mod statistics;
pub mod store;
mod user_io;
mod validate;
mod wire;

use alloc::sync::Arc;
use core::sync::atomic::AtomicU64;

use lock::MapState;
use mach::{KernReturn, Result};
use machine::page::PAGE_SHIFT;
use pmap::Pmap;
use prim::lock::{Rank, RwLock};
use prim::wait::WaitQueue;

pub use attributes::EntryFlags;
pub use copy::{CopyKind, SMALL_COPY_LIMIT, VmMapCopy};
pub use copyin::{AT_ONCE_LIMIT, SourceFate};
pub use copyout::CopyoutError;
pub use enter::{EnterFlags, EnterRequest, Placement};
pub use enter_mem_object::{Backing, ObjectMapping};
pub use entry::{EntryTarget, MapEntry};
pub use extract::Hold;
pub use lock::{MapReadGuard, MapVersion};
pub(crate) use lookup::FaultLookup;
pub use lookup::LookupResult;
pub use memory_entry::{MemoryEntry, MemoryEntryRequest};
pub use policy::{ExecutePolicy, JitPolicy, MapLimits};
pub use protect::ProtectMode;
pub use region::{Region, RegionPages};
pub use remap::{RemapRequest, Remapped};
pub use statistics::MapStatistics;
pub use wire::WireOwner;

/// An address space (XNU: `struct _vm_map`).
#[doc(alias = "_vm_map")]
#[doc(alias = "vm_map_t")]
pub struct VmMap {
    /// The hardware's view. Never replaced.
    pmap: Arc<Pmap>,
    /// Lowest mappable address, page aligned. Never changes.
    min_offset: u64,
    /// First address above the mappable range, page aligned. Never changes.
    max_offset: u64,
    /// log2 of the map's page size. Never changes.
    page_shift: u32,
    /// The entries and all that goes with them.
    state: RwLock<MapState>,
    /// Woken when an entry leaves its transition.
    transitions: WaitQueue,
    /// Lookups made (statistics; no lock).
    lookups: AtomicU64,
}

impl VmMap {
    /// An empty map over `pmap` that may hold `min..max`.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` when the bounds are empty after rounding inwards.
    #[doc(alias = "vm_map_create")]
    #[doc(alias = "vm_map_create_options")]
    pub fn create(pmap: Arc<Pmap>, min: u64, max: u64) -> Result<Arc<VmMap>> {
        VmMap::with_state(pmap, min, max, MapState::new())
    }

    pub(crate) fn with_state(
        pmap: Arc<Pmap>,
        min: u64,
        max: u64,
        state: MapState,
    ) -> Result<Arc<VmMap>> {
        let page = 1u64 << PAGE_SHIFT;
        let min_offset = min
            .checked_next_multiple_of(page)
            .ok_or(KernReturn::INVALID_ARGUMENT)?;
        let max_offset = max & !(page - 1);
        if min_offset >= max_offset {
            return Err(KernReturn::INVALID_ARGUMENT);
        }
        Ok(Arc::new(VmMap {
            pmap,
            min_offset,
            max_offset,
            page_shift: PAGE_SHIFT,
            state: RwLock::new(Rank::Map, state),
            transitions: WaitQueue::new(),
            lookups: AtomicU64::new(0),
        }))
    }

    /// The page tables below this map.
    #[doc(alias = "vm_map_pmap")]
    pub fn pmap(&self) -> &Arc<Pmap> {
        &self.pmap
    }

    /// Lowest mappable address.
    #[doc(alias = "vm_map_min")]
    pub fn min_offset(&self) -> u64 {
        self.min_offset
    }

    /// First address above the mappable range.
    #[doc(alias = "vm_map_max")]
    pub fn max_offset(&self) -> u64 {
        self.max_offset
    }

    /// Size of a page of this map.
    #[doc(alias = "VM_MAP_PAGE_SIZE")]
    pub fn page_size(&self) -> u64 {
        1 << self.page_shift
    }

    /// Low address bits within a page.
    #[doc(alias = "VM_MAP_PAGE_MASK")]
    pub fn page_mask(&self) -> u64 {
        self.page_size() - 1
    }

    /// `address` rounded down to a page of this map.
    #[doc(alias = "vm_map_trunc_page")]
    pub fn trunc_page(&self, address: u64) -> u64 {
        address & !self.page_mask()
    }

    /// `address` rounded up to a page of this map, unless that overflows.
    #[doc(alias = "vm_map_round_page")]
    pub fn round_page(&self, address: u64) -> Option<u64> {
        Some(address.checked_add(self.page_mask())? & !self.page_mask())
    }

    /// Anonymous memory that is made for this map from now on stays in memory: the program works for those who page out.
    #[doc(alias = "wiring_required")]
    pub fn make_unpageable(&self) {
        self.write().state.unpageable = true;
    }

    /// Whether it does.
    pub fn is_unpageable(&self) -> bool {
        self.read().state.unpageable
    }

    /// Whether `start..end` is page aligned, not empty and not reversed.
    fn is_page_range(&self, start: u64, end: u64) -> bool {
        (start | end) & self.page_mask() == 0 && start < end
    }

    /// Checks that `start..end` is a page range within the bounds.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` for a range that is no page range, `INVALID_ADDRESS` for one outside the map.
    fn check_range(&self, start: u64, end: u64) -> Result<()> {
        if !self.is_page_range(start, end) {
            return Err(KernReturn::INVALID_ARGUMENT);
        }
        if start < self.min_offset || end > self.max_offset {
            return Err(KernReturn::INVALID_ADDRESS);
        }
        Ok(())
    }
}

impl Drop for VmMap {
    /// Whoever let the last reference go may block; wirings end and objects go to the reaper.
    fn drop(&mut self) {
        if !self.state.get_mut().terminated {
            self.terminate();
        }
    }
}

//! What lies at an address, for people and tools.
//!
//! An address in a hole gives the next entry. Page counts are exact for entries of moderate size and otherwise bounded by
//! what the object holds, so that a question about a huge mapping stays cheap.
//! XNU counterpart: `vm_map_region`, `vm_map_region_recurse_64`, `vm_map_region_walk`.

use super::VmMap;
use super::entry::MapEntry;
use super::lock::MapState;
use mach::page_info::PageDisposition;
use mach::vm_region::ShareMode;
use mach::{KernReturn, Result, VmBehavior, VmInherit, VmProt};

/// Up to so many pages of an entry are looked at one by one.
const EXACT_PAGES: u64 = 4096;

/// Of these, so many at a time.
const CHUNK: usize = 64;

/// One entry, described.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Region {
    /// First address.
    pub start: u64,
    /// Bytes.
    pub size: u64,
    /// Current protection.
    pub protection: VmProt,
    /// What it may be raised to.
    pub max_protection: VmProt,
    /// What a fork does with it.
    pub inheritance: VmInherit,
    /// Expected access pattern.
    pub behavior: VmBehavior,
    /// Offset in the object.
    pub offset: u64,
    /// `VM_MEMORY_*`.
    pub user_tag: u8,
    /// Wirings by the user.
    pub user_wired_count: u16,
    /// Shared with another map.
    pub shared: bool,
    /// Copy-on-write not yet resolved.
    pub needs_copy: bool,
    /// How the memory is shared.
    pub share_mode: ShareMode,
    /// Identity of the object; zero without one.
    pub object_id: u64,
    /// References to the object.
    pub reference_count: u32,
    /// Objects below the top one.
    pub shadow_depth: u32,
    /// Filled by an external pager.
    pub external_pager: bool,
}

/// Pages of an entry by state.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct RegionPages {
    /// In memory.
    pub resident: u64,
    /// In memory and changed.
    pub dirty: u64,
    /// With the pager of anonymous memory.
    pub paged_out: u64,
    /// In memory, in the top object of a chain: were shared once.
    pub shared_now_private: u64,
}

impl RegionPages {
    fn add(&mut self, state: PageDisposition) {
        let present = state.contains(PageDisposition::PRESENT);
        self.resident += u64::from(present);
        self.dirty += u64::from(present && state.contains(PageDisposition::DIRTY));
        // A file's page that is not here is where it belongs.
        let out = state.contains(PageDisposition::PAGED_OUT)
            && !state.contains(PageDisposition::EXTERNAL);
        self.paged_out += u64::from(out);
        self.shared_now_private += u64::from(present && state.contains(PageDisposition::COPIED));
    }
}

impl VmMap {
    /// The entry at `address` or the first one above it.
    ///
    /// # Errors
    /// `INVALID_ADDRESS` when there is none.
    #[doc(alias = "vm_map_region")]
    #[doc(alias = "vm_map_region_recurse_64")]
    pub fn region(&self, address: u64) -> Result<Region> {
        let guard = self.read();
        let index = guard
            .state
            .entries
            .at_or_after(address)
            .ok_or(KernReturn::INVALID_ADDRESS)?;
        Ok(describe(&guard.state, guard.state.entries.get(index)))
    }

    /// The same, with the states of its pages.
    ///
    /// # Errors
    /// `INVALID_ADDRESS` when there is none.
    #[doc(alias = "vm_map_region_walk")]
    pub fn region_pages(&self, address: u64) -> Result<(Region, RegionPages)> {
        let guard = self.read();
        let index = guard
            .state
            .entries
            .at_or_after(address)
            .ok_or(KernReturn::INVALID_ADDRESS)?;
        let entry = guard.state.entries.get(index);
        Ok((describe(&guard.state, entry), self.count_pages(entry)))
    }

    /// The object that the memory at an address comes from in the end, by its number, if a pager of a program's fills it.
    ///
    /// # Errors
    /// `INVALID_ADDRESS` when nothing is mapped there.
    #[doc(alias = "fill_vnodeinfoforaddr")]
    pub fn external_source(&self, address: u64) -> Result<Option<u64>> {
        let guard = self.read();
        let entries = &guard.state.entries;
        let index = entries
            .at_or_after(address)
            .filter(|index| entries.get(*index).start <= address)
            .ok_or(KernReturn::INVALID_ADDRESS)?;
        let object = entries.get(index).object();
        Ok(object.and_then(|object| object.external_source()))
    }

    fn count_pages(&self, entry: &MapEntry) -> RegionPages {
        let Some(object) = entry.object() else {
            return RegionPages::default();
        };
        let pages = entry.size() >> self.page_shift;
        if pages > EXACT_PAGES {
            let resident = object.resident_count().min(pages);
            let paged_out = object.paged_out_count(entry.offset, entry.size());
            return RegionPages {
                resident,
                paged_out: paged_out.min(pages - resident),
                ..RegionPages::default()
            };
        }
        let mut counts = RegionPages::default();
        let mut states = [PageDisposition::empty(); CHUNK];
        for first in (0..pages).step_by(CHUNK) {
            let part = &mut states[..CHUNK.min((pages - first) as usize)];
            part.fill(PageDisposition::empty());
            object.page_dispositions(entry.offset + (first << self.page_shift), part);
            part.iter().for_each(|state| counts.add(*state));
        }
        counts
    }
}

fn describe(state: &MapState, entry: &MapEntry) -> Region {
    let object = entry.object();
    Region {
        start: entry.start,
        size: entry.size(),
        protection: entry.protection,
        max_protection: entry.max_protection,
        inheritance: entry.inheritance,
        behavior: entry.behavior,
        offset: entry.offset,
        user_tag: entry.user_tag,
        user_wired_count: entry.user_wired_count,
        shared: entry.is_shared(),
        needs_copy: entry.needs_copy(),
        share_mode: share_mode(state, entry),
        object_id: object.map_or(0, |object| object.id()),
        reference_count: object.map_or(0, |object| object.reference_count()),
        shadow_depth: object.map_or(0, |object| object.shadow_depth()),
        external_pager: object.is_some_and(|object| !object.is_internal()),
    }
}

fn share_mode(state: &MapState, entry: &MapEntry) -> ShareMode {
    let Some(object) = entry.object() else {
        return ShareMode::Empty;
    };
    if entry.needs_copy() || object.has_shadow() {
        return ShareMode::CopyOnWrite;
    }
    let references = object.reference_count();
    if references == 1 {
        return ShareMode::Private;
    }
    // Neighbours are where several entries of one object usually lie; looking at all entries would cost too much.
    let own = own_references(state, entry);
    match (own == references, own > 1) {
        (true, _) => ShareMode::PrivateAliased,
        (false, true) => ShareMode::SharedAliased,
        (false, false) => ShareMode::Shared,
    }
}

/// References to the entry's object by this entry and the run of neighbours on both sides.
fn own_references(state: &MapState, entry: &MapEntry) -> u32 {
    let same = |other: &MapEntry| entry.target.same(&other.target);
    let Some(index) = state.entries.containing(entry.start) else {
        return 1;
    };
    let walk = |step: &dyn Fn(_) -> Option<_>| {
        core::iter::successors(step(index), |&next| step(next))
            .take_while(|&next| same(state.entries.get(next)))
            .count()
    };
    let before = walk(&|index| state.entries.prev(index));
    let after = walk(&|index| state.entries.next(index));
    (1 + before + after) as u32
}

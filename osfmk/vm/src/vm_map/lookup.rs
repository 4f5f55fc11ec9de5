//! From an address to (object, offset), ready for a fault.
//!
//! A lookup that finds everything in place needs the shared lock only. One that must make the object of untouched
//! anonymous memory, or shadow an object before a write, takes the exclusive lock and looks again.
//! XNU counterpart: `vm_map_lookup_and_lock_object` (older: `vm_map_lookup_locked`).

use core::ops::Range;
use core::sync::atomic::Ordering;

use super::VmMap;
use super::attributes::EntryFlags;
use super::entry::{EntryTarget, MapEntry};
use super::lock::{MapReadGuard, MapState, MapVersion};
use super::store::EntryIndex;
use crate::vm_object::ObjectRef;
use mach::{KernReturn, Result, VmBehavior, VmProt};
use pmap::Pmap;

/// What a fault learns from the map.
pub struct LookupResult {
    /// The object, with a reference of the result's own.
    pub object: ObjectRef,
    /// Offset of the page in the object.
    pub offset: u64,
    /// What may be granted: write is missing when the object must be shadowed first, even if the program may write.
    pub protection: VmProt,
    /// The pages are wired: resolve with the full protection of the entry.
    pub wired: bool,
    /// Expected access pattern.
    pub behavior: VmBehavior,
    /// The part of the object that this entry shows: read-ahead stays inside.
    pub window: Range<u64>,
    /// Pages should go first.
    pub no_cache: bool,
    /// Code signing is not to be checked (JIT, resilient).
    pub cs_bypass: bool,
    /// Media errors read as zeroes.
    pub resilient_media: bool,
    /// `VM_MEMORY_*` of the entry.
    pub user_tag: u8,
    /// When this was true.
    pub version: MapVersion,
}

/// What stands between an entry and its use.
enum Obstacle {
    /// No object yet.
    NoObject,
    /// The object must be shadowed.
    NeedsShadow,
}

/// What becomes of anonymous memory without an object when it is looked up.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Untouched {
    GetsObject,
    ReadsAsZero,
}

/// What a fault finds. The map's shared lock is held.
pub(crate) enum FaultLookup<'a> {
    /// A page of an object.
    Page(MapReadGuard<'a>, LookupResult),
    /// Memory nobody has touched, in these bounds: while the lock is held, the zero page may be shown there.
    Zeros(MapReadGuard<'a>, Range<u64>),
}

impl VmMap {
    /// Looks up the page at `address` for `access`; no lock is left held.
    ///
    /// # Errors
    /// `INVALID_ADDRESS` for a hole, `PROTECTION_FAILURE`, `RESOURCE_SHORTAGE` when an object cannot be made.
    pub fn lookup(&self, address: u64, access: VmProt) -> Result<LookupResult> {
        self.lookup_and_lock(address, access)
            .map(|(_, result)| result)
    }

    /// The same, and the map's shared lock stays held.
    ///
    /// # Errors
    /// As [`VmMap::lookup`].
    #[doc(alias = "vm_map_lookup_and_lock_object")]
    #[doc(alias = "vm_map_lookup_locked")]
    pub fn lookup_and_lock(
        &self,
        address: u64,
        access: VmProt,
    ) -> Result<(MapReadGuard<'_>, LookupResult)> {
        match self.lookup_with(address, access, Untouched::GetsObject)? {
            FaultLookup::Page(guard, result) => Ok((guard, result)),
            FaultLookup::Zeros(..) => unreachable!("untouched memory got its object"),
        }
    }

    /// The same for a fault: memory that is only read and that nobody has touched needs no object.
    ///
    /// # Errors
    /// As [`VmMap::lookup`].
    pub(crate) fn lookup_for_fault(&self, address: u64, access: VmProt) -> Result<FaultLookup<'_>> {
        let untouched = if access == VmProt::READ {
            Untouched::ReadsAsZero
        } else {
            Untouched::GetsObject
        };
        self.lookup_with(address, access, untouched)
    }

    fn lookup_with(
        &self,
        address: u64,
        access: VmProt,
        untouched: Untouched,
    ) -> Result<FaultLookup<'_>> {
        self.lookups.fetch_add(1, Ordering::Relaxed);
        let guard = self.read();
        let (_, entry) = guard
            .state
            .entry_at(address)
            .ok_or(KernReturn::INVALID_ADDRESS)?;
        check_access(entry, access)?;
        match obstacle(entry, access) {
            None => {
                let result = self.describe(entry, address, guard.version());
                return Ok(FaultLookup::Page(guard, result));
            }
            Some(Obstacle::NoObject)
                if untouched == Untouched::ReadsAsZero
                    && entry.flags.contains(EntryFlags::SHOWS_ZERO_PAGE) =>
            {
                let bounds = entry.start..entry.end;
                return Ok(FaultLookup::Zeros(guard, bounds));
            }
            Some(_) => {}
        }
        drop(guard);
        let mut guard = self.write();
        let (index, entry) = guard
            .state
            .entry_at(address)
            .ok_or(KernReturn::INVALID_ADDRESS)?;
        check_access(entry, access)?;
        let reads_as_zero = untouched == Untouched::ReadsAsZero && !entry.is_wired();
        match obstacle(entry, access) {
            Some(Obstacle::NoObject) if reads_as_zero => {
                let entry = guard.state.entries.get_mut(index);
                entry.flags.insert(EntryFlags::SHOWS_ZERO_PAGE);
                let bounds = entry.start..entry.end;
                return Ok(FaultLookup::Zeros(guard.into_shared(), bounds));
            }
            Some(obstacle) => guard.state.overcome(index, obstacle, &self.pmap)?,
            None => {}
        }
        let result = self.describe(
            guard.state.entries.get(index),
            address,
            guard.state.version(),
        );
        Ok(FaultLookup::Page(guard.into_shared(), result))
    }

    fn describe(&self, entry: &MapEntry, address: u64, version: MapVersion) -> LookupResult {
        let EntryTarget::Object(object) = &entry.target else {
            unreachable!("a lookup overcame the lack of an object before describing it")
        };
        let withheld = if entry.needs_copy() {
            VmProt::WRITE
        } else {
            VmProt::NONE
        };
        LookupResult {
            object: object.clone(),
            offset: entry.offset_of(self.trunc_page(address)),
            protection: entry.protection.difference(withheld),
            wired: entry.is_wired(),
            behavior: entry.behavior,
            window: entry.offset..entry.offset + entry.size(),
            no_cache: entry.flags.contains(EntryFlags::NO_CACHE),
            cs_bypass: entry
                .flags
                .intersects(EntryFlags::USED_FOR_JIT | EntryFlags::RESILIENT_CODESIGN),
            resilient_media: entry.flags.contains(EntryFlags::RESILIENT_MEDIA),
            user_tag: entry.user_tag,
            version,
        }
    }
}

fn check_access(entry: &MapEntry, access: VmProt) -> Result<()> {
    if entry.protection.contains(access.access()) {
        Ok(())
    } else {
        Err(KernReturn::PROTECTION_FAILURE)
    }
}

fn obstacle(entry: &MapEntry, access: VmProt) -> Option<Obstacle> {
    let writes = access.intersects(VmProt::WRITE | VmProt::COPY)
        || (entry.is_wired() && entry.protection.contains(VmProt::WRITE));
    match entry.target {
        EntryTarget::None => Some(Obstacle::NoObject),
        EntryTarget::Object(_) if entry.needs_copy() && writes => Some(Obstacle::NeedsShadow),
        EntryTarget::Object(_) => None,
    }
}

impl MapState {
    fn overcome(&mut self, index: EntryIndex, obstacle: Obstacle, pmap: &Pmap) -> Result<()> {
        match obstacle {
            Obstacle::NoObject => self.make_object(index, pmap),
            Obstacle::NeedsShadow => self.shadow_object(index),
        }
    }

    /// Gives untouched anonymous memory its object. Zero pages that `pmap` shows there go: pages of the object are to be seen
    /// from now on, whoever puts them in.
    pub(crate) fn make_object(&mut self, index: EntryIndex, pmap: &Pmap) -> Result<()> {
        let entry = self.entries.get_mut(index);
        if matches!(entry.target, EntryTarget::None) {
            let object = ObjectRef::anonymous(entry.end - entry.start)?;
            if self.unpageable {
                object.make_unpageable();
            }
            entry.target = EntryTarget::Object(object);
            entry.offset = 0;
            entry.flags.remove(EntryFlags::NEEDS_COPY);
            if entry.flags.contains(EntryFlags::SHOWS_ZERO_PAGE) {
                entry.flags.remove(EntryFlags::SHOWS_ZERO_PAGE);
                pmap.remove(entry.start, entry.end);
            }
        }
        Ok(())
    }

    /// Puts a fresh object in front of the entry's, which takes the writes from now on.
    #[doc(alias = "VME_OBJECT_SHADOW")]
    pub(crate) fn shadow_object(&mut self, index: EntryIndex) -> Result<()> {
        let entry = self.entries.get_mut(index);
        let (offset, size) = (entry.offset, entry.end - entry.start);
        let EntryTarget::Object(object) = core::mem::replace(&mut entry.target, EntryTarget::None)
        else {
            return Ok(());
        };
        match object.shadow(offset, size) {
            Ok((object, offset)) => {
                if self.unpageable {
                    object.make_unpageable();
                }
                entry.target = EntryTarget::Object(object);
                entry.offset = offset;
                entry.flags.remove(EntryFlags::NEEDS_COPY);
                Ok(())
            }
            Err((object, error)) => {
                entry.target = EntryTarget::Object(object);
                Err(error)
            }
        }
    }
}

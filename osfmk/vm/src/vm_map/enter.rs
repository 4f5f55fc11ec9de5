//! Making a mapping.
//!
//! Order of work: check the request against policy, make an object where one is needed at once, lock, find the place,
//! reserve; up to here nothing has changed. Then, without a way to fail: take away what is there (fixed with
//! overwrite), grow the predecessor or insert entries.
//! XNU counterpart: `vm_map_enter`. The difference: XNU unmaps first and puts entries back when a later step fails; here
//! every step that can fail comes first.

use super::VmMap;
use super::attributes::EntryFlags;
use super::clip::CLIP_COST;
use super::entry::{EntryTarget, MapEntry};
use super::locate::PlaceRequest;
use super::lock::{MapState, MapWriteGuard};
use super::store::EntryIndex;
use crate::vm_object::ObjectRef;
use crate::vm_trace;
use bitflags::bitflags;
use mach::vm_flags::tag;
use mach::{KernReturn, Result, VmBehavior, VmInherit, VmProt};

/// An anonymous mapping grows its predecessor only while both together stay below this (XNU on macOS: 128 KiB - 1).
#[doc(alias = "NO_COALESCE_LIMIT")]
pub(crate) const COALESCE_LIMIT: u64 = 128 * 1024 - 1;

/// Anonymous memory is cut into entries of this size, so that one object never becomes huge.
#[doc(alias = "ANON_CHUNK_SIZE")]
pub(crate) const ANONYMOUS_CHUNK: u64 = 128 << 20;

/// Chunk size for `EnterFlags::LARGE_CHUNK`.
const LARGE_CHUNK: u64 = 4 << 30;

/// A single request makes at most about this many entries; beyond it the chunks grow.
const CHUNKS_MAX: u64 = 1024;

bitflags! {
    /// Options of [`VmMap::enter`].
    #[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
    pub struct EnterFlags: u32 {
        /// Pages go first when memory is short.
        const NO_CACHE = 1;
        /// The mapping never leaves.
        const PERMANENT = 2;
        /// May be writable and executable at once.
        const JIT = 4;
        /// Code-signing violations are tolerated.
        const RESILIENT_CODESIGN = 8;
        /// Errors of the backing store read as zeroes.
        const RESILIENT_MEDIA = 0x10;
        /// Cut at 4 GiB instead of 128 MiB.
        const LARGE_CHUNK = 0x20;
        /// The object must be made at once (purgable memory).
        const EAGER_OBJECT = 0x40;
        /// The object is to be shadowed before the first write.
        const NEEDS_COPY = 0x80;
        /// Only below 4 GiB.
        const BELOW_4G = 0x100;
    }
}

/// Where a mapping goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Placement {
    /// First fit at or above the hint; zero for anywhere.
    Anywhere(u64),
    /// Exactly there, which must be free.
    Fixed(u64),
    /// Exactly there, in place of whatever is mapped.
    Overwrite(u64),
}

/// A request for a mapping.
#[derive(Clone)]
pub struct EnterRequest {
    /// Where.
    pub placement: Placement,
    /// Bytes, a multiple of the page size.
    pub size: u64,
    /// Address bits that must be zero.
    pub mask: u64,
    /// What to map; none is anonymous memory.
    pub object: Option<ObjectRef>,
    /// Offset in the object, page aligned.
    pub offset: u64,
    /// Current protection.
    pub protection: VmProt,
    /// What it may be raised to; contains `protection`.
    pub max_protection: VmProt,
    /// What a fork does with it.
    pub inheritance: VmInherit,
    /// Options.
    pub flags: EnterFlags,
    /// `VM_MEMORY_*`.
    pub user_tag: u8,
}

impl EnterRequest {
    /// Anonymous memory as `vm_allocate` makes it: read and write, copied by fork.
    pub fn anonymous(placement: Placement, size: u64) -> EnterRequest {
        EnterRequest {
            placement,
            size,
            mask: 0,
            object: None,
            offset: 0,
            protection: VmProt::DEFAULT,
            max_protection: VmProt::ALL,
            inheritance: VmInherit::Copy,
            flags: EnterFlags::empty(),
            user_tag: 0,
        }
    }

    /// An object from `offset` on.
    pub fn of_object(
        placement: Placement,
        size: u64,
        object: ObjectRef,
        offset: u64,
    ) -> EnterRequest {
        EnterRequest {
            object: Some(object),
            offset,
            ..EnterRequest::anonymous(placement, size)
        }
    }

    /// The same with another protection.
    #[must_use]
    pub fn protected(mut self, protection: VmProt, max_protection: VmProt) -> EnterRequest {
        (self.protection, self.max_protection) = (protection, max_protection);
        self
    }

    pub(crate) fn entry_flags(&self) -> EntryFlags {
        let pairs = [
            (EnterFlags::NO_CACHE, EntryFlags::NO_CACHE),
            (EnterFlags::PERMANENT, EntryFlags::PERMANENT),
            (EnterFlags::JIT, EntryFlags::USED_FOR_JIT),
            (
                EnterFlags::RESILIENT_CODESIGN,
                EntryFlags::RESILIENT_CODESIGN,
            ),
            (EnterFlags::RESILIENT_MEDIA, EntryFlags::RESILIENT_MEDIA),
            (EnterFlags::NEEDS_COPY, EntryFlags::NEEDS_COPY),
        ];
        pairs
            .iter()
            .filter(|(asked, _)| self.flags.contains(*asked))
            .fold(EntryFlags::empty(), |all, (_, one)| all | *one)
    }

    fn place(&self) -> PlaceRequest {
        let limit = if self.flags.contains(EnterFlags::BELOW_4G) {
            1 << 32
        } else {
            u64::MAX
        };
        PlaceRequest {
            placement: self.placement,
            size: self.size,
            mask: self.mask,
            limit,
        }
    }

    /// Length of the entries the request becomes.
    fn chunk(&self) -> u64 {
        if self.object.is_some() || self.max_protection.access().is_empty() {
            return self.size;
        }
        let usual = if self.flags.contains(EnterFlags::LARGE_CHUNK) {
            LARGE_CHUNK
        } else {
            ANONYMOUS_CHUNK
        };
        let needed = (self.size / CHUNKS_MAX)
            .checked_next_power_of_two()
            .unwrap_or(u64::MAX);
        usual.max(needed)
    }
}

impl VmMap {
    /// Makes a mapping and returns its address.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` (size, alignment, JIT policy), `PROTECTION_FAILURE` (W^X, maximum below current), `NO_SPACE`
    /// (limits, occupied, no hole), `INVALID_ADDRESS` (fixed, outside the map), `RESOURCE_SHORTAGE`. The map is as it was
    /// then.
    ///
    /// Locks: the map's, exclusive.
    #[doc(alias = "vm_map_enter")]
    pub fn enter(&self, mut request: EnterRequest) -> Result<u64> {
        self.check_request(&request)?;
        let flags = request.entry_flags();
        if request.object.is_none()
            && request
                .flags
                .intersects(EnterFlags::JIT | EnterFlags::EAGER_OBJECT)
        {
            // Memory that may never be copied symmetrically gets its object at once.
            request.object = Some(ObjectRef::anonymous(request.size)?);
            if let Some(object) = &request.object {
                object.make_shareable();
            }
        }
        let (size, offset) = (request.size, request.offset);
        let object = request.object.as_ref().map_or(0, ObjectRef::id);
        let mut guard = self.write_for(request.placement, request.size);
        let result = self.enter_locked(&mut guard, request, flags);
        guard.state.settle();
        if let Ok(address) = result {
            vm_trace::map_entered(address, size, object, offset);
        }
        result
    }

    fn check_request(&self, request: &EnterRequest) -> Result<()> {
        if request.size == 0 || (request.size | request.offset) & self.page_mask() != 0 {
            return Err(KernReturn::INVALID_ARGUMENT);
        }
        if request.offset.checked_add(request.size).is_none() {
            return Err(KernReturn::INVALID_ARGUMENT);
        }
        if !request.max_protection.contains(request.protection.access()) {
            return Err(KernReturn::PROTECTION_FAILURE);
        }
        Ok(())
    }

    /// Under the lock: the checks that need the map, the reservations, then the change.
    pub(crate) fn enter_locked(
        &self,
        guard: &mut MapWriteGuard<'_>,
        mut request: EnterRequest,
        flags: EntryFlags,
    ) -> Result<u64> {
        if guard.state.terminated {
            return Err(KernReturn::INVALID_ADDRESS);
        }
        request.protection = guard
            .state
            .admit_protection(request.protection.access(), flags)?;
        request.max_protection = request.max_protection.access();
        if flags.contains(EntryFlags::USED_FOR_JIT) {
            guard.state.admit_jit()?;
        }
        let (address, replaced) = self.place(&guard.state, request.place())?;
        let end = address + request.size;
        guard.state.admit_size(request.size, replaced)?;
        let chunks = request.size.div_ceil(request.chunk()) as usize;
        guard.state.reserve(chunks + CLIP_COST)?;
        if matches!(request.placement, Placement::Overwrite(_)) {
            self.clear_range(guard, address, end);
        }
        if !guard.state.grow_predecessor(&request, flags, address) {
            let last = guard.state.insert_chunks(&request, flags, address);
            if request.object.is_some() {
                let MapWriteGuard { state, graveyard } = guard;
                state.simplify_entry(last, graveyard);
            }
        }
        Ok(address)
    }
}

impl MapState {
    /// Lets the predecessor of `address` grow over the new anonymous range, if XNU would.
    #[doc(alias = "vm_object_coalesce")]
    fn grow_predecessor(
        &mut self,
        request: &EnterRequest,
        flags: EntryFlags,
        address: u64,
    ) -> bool {
        if request.object.is_some()
            || request
                .flags
                .intersects(EnterFlags::JIT | EnterFlags::EAGER_OBJECT)
        {
            return false;
        }
        let Some(prev) = self.entry_before(address) else {
            return false;
        };
        let entry = self.entries.get(prev);
        let alike = entry.end == address
            && entry.flags == flags
            && entry.wired_count == 0
            && entry.behavior == VmBehavior::Default
            && entry.protection == request.protection
            && entry.max_protection == request.max_protection
            && entry.inheritance == request.inheritance
            && entry.user_tag == request.user_tag;
        let limit = if request.user_tag == tag::REALLOC {
            ANONYMOUS_CHUNK
        } else {
            COALESCE_LIMIT
        };
        if !alike || entry.size().saturating_add(request.size) > limit {
            return false;
        }
        if let EntryTarget::Object(object) = &entry.target
            && !object.coalesce(entry.offset, entry.size(), request.size)
        {
            return false;
        }
        let start = entry.start;
        self.entries.set_bounds(prev, start, address + request.size);
        self.size += request.size;
        true
    }

    /// Inserts the range as entries of the request's chunk size; the last of them.
    fn insert_chunks(
        &mut self,
        request: &EnterRequest,
        flags: EntryFlags,
        address: u64,
    ) -> EntryIndex {
        let (chunk, end) = (request.chunk(), address + request.size);
        let mut start = address;
        loop {
            let stop = start.checked_add(chunk).map_or(end, |stop| stop.min(end));
            let ticket = self.ticket();
            let last = self.insert(MapEntry {
                start,
                end: stop,
                target: request
                    .object
                    .clone()
                    .map_or(EntryTarget::None, EntryTarget::Object),
                offset: request.offset
                    + if request.object.is_some() {
                        start - address
                    } else {
                        0
                    },
                protection: request.protection,
                max_protection: request.max_protection,
                inheritance: request.inheritance,
                behavior: VmBehavior::Default,
                flags,
                user_tag: request.user_tag,
                wired_count: 0,
                user_wired_count: 0,
                _ticket: ticket,
            });
            if stop == end {
                return last;
            }
            start = stop;
        }
    }
}

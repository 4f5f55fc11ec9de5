//! One entry of a map.
//!
//! Every field is guarded by the map's lock: read under the shared lock, changed under the exclusive one.
//! XNU counterpart: `struct vm_map_entry`.

use super::attributes::EntryFlags;
use super::store::Span;
use crate::vm_object::ObjectRef;
use mach::{VmBehavior, VmInherit, VmProt};
use prim::zone::Admission;

/// What an entry maps. A submap variant has its place here once nested maps are built.
#[derive(Clone)]
pub enum EntryTarget {
    /// Anonymous memory nobody has touched: the first fault makes the object.
    None,
    /// An object, from [`MapEntry::offset`] on.
    Object(ObjectRef),
}

impl EntryTarget {
    /// The object, if there is one.
    pub fn object(&self) -> Option<&ObjectRef> {
        match self {
            EntryTarget::None => None,
            EntryTarget::Object(object) => Some(object),
        }
    }

    /// Same object, or both none.
    pub(crate) fn same(&self, other: &EntryTarget) -> bool {
        match (self, other) {
            (EntryTarget::None, EntryTarget::None) => true,
            (EntryTarget::Object(one), EntryTarget::Object(two)) => one.same_object(two),
            _ => false,
        }
    }
}

/// A run of pages of an address space that share every attribute.
///
/// Invariants: `start < end`, both page aligned; `offset` page aligned; `protection` within `max_protection`;
/// `user_wired_count > 0` implies `wired_count > 0` (all user wirings together count once).
#[doc(alias = "vm_map_entry")]
pub struct MapEntry {
    pub(crate) start: u64,
    pub(crate) end: u64,
    pub(crate) target: EntryTarget,
    /// Offset of `start` in the object.
    pub(crate) offset: u64,
    pub(crate) protection: VmProt,
    pub(crate) max_protection: VmProt,
    pub(crate) inheritance: VmInherit,
    pub(crate) behavior: VmBehavior,
    pub(crate) flags: EntryFlags,
    /// `VM_MEMORY_*`: what the program says the memory is for.
    pub(crate) user_tag: u8,
    /// Kernel wirings, plus one for all user wirings together.
    pub(crate) wired_count: u16,
    /// User wirings.
    pub(crate) user_wired_count: u16,
    /// Keeps the count in the zone `VM map entries`.
    pub(crate) _ticket: Admission,
}

impl MapEntry {
    /// First address.
    pub fn start(&self) -> u64 {
        self.start
    }

    /// First address after the entry.
    pub fn end(&self) -> u64 {
        self.end
    }

    /// Length in bytes.
    pub fn size(&self) -> u64 {
        self.end - self.start
    }

    /// What it maps.
    pub fn target(&self) -> &EntryTarget {
        &self.target
    }

    /// The object, if one exists yet.
    pub fn object(&self) -> Option<&ObjectRef> {
        self.target.object()
    }

    /// Offset of the entry's first byte in its object.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Current protection.
    pub fn protection(&self) -> VmProt {
        self.protection
    }

    /// What the protection may be raised to.
    pub fn max_protection(&self) -> VmProt {
        self.max_protection
    }

    /// What a fork does with it.
    pub fn inheritance(&self) -> VmInherit {
        self.inheritance
    }

    /// Expected access pattern.
    pub fn behavior(&self) -> VmBehavior {
        self.behavior
    }

    /// Yes/no attributes.
    pub fn flags(&self) -> EntryFlags {
        self.flags
    }

    /// `VM_MEMORY_*` tag.
    pub fn user_tag(&self) -> u8 {
        self.user_tag
    }

    /// Whether any wiring holds its pages.
    pub fn is_wired(&self) -> bool {
        self.wired_count > 0
    }

    /// Wirings by the kernel alone.
    pub(crate) fn kernel_wirings(&self) -> u16 {
        self.wired_count - u16::from(self.user_wired_count > 0)
    }

    pub(crate) fn needs_copy(&self) -> bool {
        self.flags.contains(EntryFlags::NEEDS_COPY)
    }

    pub(crate) fn is_shared(&self) -> bool {
        self.flags.contains(EntryFlags::IS_SHARED)
    }

    pub(crate) fn is_permanent(&self) -> bool {
        self.flags.contains(EntryFlags::PERMANENT)
    }

    pub(crate) fn in_transition(&self) -> bool {
        self.flags.contains(EntryFlags::IN_TRANSITION)
    }

    /// Offset in the object of an address inside the entry.
    pub(crate) fn offset_of(&self, address: u64) -> u64 {
        self.offset + (address - self.start)
    }

    /// A second entry for the part from `start` to `end`, with its own object reference. The wirings go along: this is
    /// how a split works.
    pub(crate) fn piece(&self, start: u64, end: u64, ticket: Admission) -> MapEntry {
        debug_assert!(self.start <= start && start < end && end <= self.end);
        MapEntry {
            start,
            end,
            target: self.target.clone(),
            offset: self.offset_of(start),
            protection: self.protection,
            max_protection: self.max_protection,
            inheritance: self.inheritance,
            behavior: self.behavior,
            flags: self.flags,
            user_tag: self.user_tag,
            wired_count: self.wired_count,
            user_wired_count: self.user_wired_count,
            _ticket: ticket,
        }
    }

    /// Whether `self`, which ends where `next` starts, may become one entry with it: every attribute is equal and the
    /// offsets run on.
    pub(crate) fn continues_in(&self, next: &MapEntry) -> bool {
        self.end == next.start
            && self.offset.wrapping_add(self.size()) == next.offset
            && self.target.same(&next.target)
            && self.protection == next.protection
            && self.max_protection == next.max_protection
            && self.inheritance == next.inheritance
            && self.behavior == next.behavior
            && self.user_tag == next.user_tag
            && self.wired_count == next.wired_count
            && self.user_wired_count == next.user_wired_count
            && self.flags == next.flags
            && self.flags.mergeable()
    }
}

impl Span for MapEntry {
    fn start(&self) -> u64 {
        self.start
    }

    fn end(&self) -> u64 {
        self.end
    }

    fn set_bounds(&mut self, start: u64, end: u64) {
        // The first byte moved, so its place in the object moved with it.
        self.offset = self.offset.wrapping_add(start).wrapping_sub(self.start);
        (self.start, self.end) = (start, end);
    }
}

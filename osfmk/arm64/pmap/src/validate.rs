//! Everything against everything: tables, pv lists, attributes, counters.
//!
//! [`Pmap::validate`] walks all tables of one pmap, [`validate_frame`] one frame's list; called for all pmaps and
//! all frames they prove that each mapping is known from both sides. They panic with what they found. For tests
//! and debug commands; nothing else may be going on in the pmap.

use core::sync::atomic::Ordering;

use machine::address::FrameNumber;

use crate::descriptor::Descriptor;
use crate::geometry::{ENTRIES, LEAF_LEVEL, ROOT_LEVEL, descriptor_span};
use crate::pv::{Attributes, PvList};
use crate::slot::Slot;
use crate::{Pmap, table};

/// What one walk of a whole tree counts.
#[derive(Default)]
struct Counts {
    tables: u64,
    resident: u64,
    wired: u64,
}

impl Pmap {
    /// Checks this pmap's tables, the pv lists of all frames it maps, and its counters.
    pub fn validate(&self) {
        let tree = self.tree.lock();
        let mut counts = Counts::default();
        let (start, end) = self.window();
        let mut va = start;
        while va < end {
            let slot = Slot::of(tree.root, va, ROOT_LEVEL);
            self.validate_below(slot, va, ROOT_LEVEL, &mut counts);
            va = va.saturating_add(descriptor_span(ROOT_LEVEL));
        }
        assert_eq!(counts.tables, tree.count, "tables");
        assert_eq!(
            counts.resident,
            self.resident.load(Ordering::Relaxed),
            "resident pages"
        );
        assert_eq!(
            counts.wired,
            self.wired.load(Ordering::Relaxed),
            "wired pages"
        );
    }

    /// Checks what a descriptor of an upper level leads to.
    fn validate_below(&self, slot: Slot, va: u64, level: u32, counts: &mut Counts) {
        let descriptor = slot.read();
        if descriptor.is_absent() {
            return;
        }
        assert!(
            descriptor.is_table(),
            "{descriptor:?} at level {level} for {va:#x}"
        );
        let table = descriptor.frame();
        counts.tables += 1;
        assert_eq!(
            table::base(table),
            va,
            "a table's record names another address"
        );
        assert_eq!(
            table::live(table),
            table::count_live(table),
            "live count of the table at {va:#x}"
        );
        let below = level + 1;
        for index in 0..ENTRIES {
            let (slot, va) = (
                Slot::nth(table, index),
                va + index as u64 * descriptor_span(below),
            );
            if below < LEAF_LEVEL {
                self.validate_below(slot, va, below, counts);
            } else {
                self.validate_leaf(slot, va, counts);
            }
        }
    }

    fn validate_leaf(&self, slot: Slot, va: u64, counts: &mut Counts) {
        let descriptor = slot.read();
        if descriptor.is_absent() {
            return;
        }
        assert!(descriptor.is_valid(), "{descriptor:?} left at {va:#x}");
        assert_eq!(
            descriptor.is_user(),
            !self.is_kernel(),
            "{descriptor:?} at {va:#x}"
        );
        assert_eq!(table::address_of(slot), va);
        assert!(
            core::ptr::eq(table::owner_of(slot), self),
            "the table's record names another pmap"
        );
        counts.resident += 1;
        counts.wired += u64::from(descriptor.is_wired());
        if let Some(list) = PvList::lock(descriptor.frame()) {
            assert!(
                list.contains(slot),
                "{descriptor:?} at {va:#x} is not on its frame's list"
            );
        }
    }
}

/// Checks that every mapping on the frame's list maps it, and that the attributes admit what the mappings allow.
pub fn validate_frame(frame: FrameNumber) {
    let Some(list) = PvList::lock(frame) else {
        return;
    };
    let known = list.attributes();
    list.for_each(|slot| {
        let descriptor: Descriptor = slot.read();
        assert!(descriptor.is_valid(), "{descriptor:?} is on a list");
        assert_eq!(
            descriptor.frame(),
            frame,
            "{descriptor:?} is on another frame's list"
        );
        if descriptor.is_user() {
            let writable = descriptor.is_writable_now();
            assert!(
                !descriptor.is_referenced() || known.contains(Attributes::REFERENCED),
                "{descriptor:?}"
            );
            assert!(
                !writable || known.contains(Attributes::MODIFIED),
                "{descriptor:?}"
            );
            assert!(
                !writable || !known.contains(Attributes::SYNCHRONISED),
                "{descriptor:?}"
            );
        }
    });
}

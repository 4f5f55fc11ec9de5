//! One descriptor's place in memory: a [`Slot`].
//!
//! A slot is the physical address of a descriptor. It is also what a pv list stores for a mapping: the table
//! it lies in tells the pmap and the address (see `table`), so eight bytes say everything.
//!
//! Rules for changing a leaf's slot, which the whole crate keeps:
//!
//! | change | by whom | how |
//! |---|---|---|
//! | absent -> valid | holder of the pmap's lock *and* the frame's pv lock | store |
//! | valid -> valid, fewer rights | holder of either lock | compare-exchange |
//! | valid -> valid, access or write let through | holder of both locks | compare-exchange |
//! | valid -> dying | holder of either lock | compare-exchange |
//! | dying -> absent | holder of the frame's pv lock, after the flush | store |
//!
//! Slots of upper levels and of frames without a pv head (device memory) change only under the pmap's lock.
//! XNU counterpart: `pt_entry_t *` and `WRITE_PTE`.

use machine::address::{FrameNumber, PhysAddr};
use machine::table;

use crate::descriptor::Descriptor;
use crate::geometry;

/// The place of one descriptor.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Slot(PhysAddr);

impl Slot {
    /// The slot of `va` in a table of `level`.
    pub(crate) fn of(table: FrameNumber, va: u64, level: u32) -> Self {
        Self::nth(table, geometry::index(va, level))
    }

    /// The `index`th slot of a table.
    pub(crate) fn nth(table: FrameNumber, index: usize) -> Self {
        Self(table.phys().offset(index as u64 * 8))
    }

    /// The slot so many behind this one, in the same table.
    pub(crate) const fn ahead(self, count: usize) -> Self {
        Self(self.0.offset(count as u64 * 8))
    }

    /// From the physical address that a pv list holds.
    pub(crate) const fn from_address(address: u64) -> Self {
        Self(PhysAddr(address))
    }

    /// What a pv list stores.
    pub(crate) const fn address(self) -> u64 {
        self.0.0
    }

    /// The table it lies in.
    pub(crate) const fn table(self) -> FrameNumber {
        self.0.frame()
    }

    /// Its place in the table.
    pub(crate) const fn index(self) -> usize {
        (self.0.page_offset() / 8) as usize
    }

    /// What stands there now.
    pub(crate) fn read(self) -> Descriptor {
        Descriptor(table::read_descriptor(self.0))
    }

    /// Stores, whatever stands there.
    pub(crate) fn write(self, descriptor: Descriptor) {
        table::write_descriptor(self.0, descriptor.0);
    }

    /// Applies `change` until no other CPU interferes, or until it returns `None`. Returns old and new.
    pub(crate) fn update(
        self,
        change: impl Fn(Descriptor) -> Option<Descriptor>,
    ) -> Option<(Descriptor, Descriptor)> {
        self.update_from(self.read(), change)
    }

    /// The same, beginning with what was just read.
    pub(crate) fn update_from(
        self,
        mut old: Descriptor,
        change: impl Fn(Descriptor) -> Option<Descriptor>,
    ) -> Option<(Descriptor, Descriptor)> {
        loop {
            let new = change(old)?;
            if new == old {
                return Some((old, new));
            }
            match table::compare_exchange_descriptor(self.0, old.0, new.0) {
                Ok(()) => return Some((old, new)),
                Err(seen) => old = Descriptor(seen),
            }
        }
    }

    /// Takes a valid descriptor from the hardware, leaving it to be found by its frame's pv list. Returns what
    /// stood there if it was valid.
    pub(crate) fn make_dying(self) -> Option<Descriptor> {
        self.make_dying_from(self.read())
    }

    /// The same, beginning with what was just read.
    pub(crate) fn make_dying_from(self, seen: Descriptor) -> Option<Descriptor> {
        self.update_from(seen, |old| old.is_valid().then(|| old.dying()))
            .map(|(old, _)| old)
    }
}

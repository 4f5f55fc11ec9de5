//! Physical to virtual: the list of all mappings of one frame.
//!
//! ```text
//! PvHead.word
//!   0                        nobody maps the frame
//!   slot        | 1          one mapping: the address of its descriptor
//!   entry       | 2          several: a chain of pv entries
//!   ...         | 3          the frame is a page table, see `table`
//!
//!   pv entry (64 bytes)      word 0: next entry | number of slots << 1;   words 1..=7: slots
//! ```
//!
//! Only the first entry of a chain may be partly filled: adding goes to the first, removing fills the hole from
//! the first. Most frames have one mapping and no entry. The list's order means nothing.
//!
//! `PvHead.attributes` holds what is known of the page itself, see [`Attributes`]. Both are guarded by the
//! head's lock bit, held as a [`PvList`]; attributes may be *read* without.
//!
//! Invariants, checked by `validate`: a slot is on the list of frame F exactly while its descriptor names F and
//! is not absent; a valid descriptor with the access flag means `REFERENCED`, one that lets writes through means
//! `MODIFIED`. So reading the two attributes needs no walk.
//!
//! XNU counterpart: `pv_head_table`, `pv_entry_t`, `pp_attr_table`.

use bitflags::bitflags;
use machine::address::{FrameNumber, PhysAddr};
use prim::frames::{self, PvGuard};

use crate::pv_slab::{self, PvEntry};
use crate::slot::Slot;

const TAG_MASK: u64 = 3;
const TAG_SLOT: u64 = 1;
const TAG_ENTRY: u64 = 2;
pub(crate) const TAG_TABLE: u64 = 3;

/// Slots in one entry.
pub(crate) const SLOTS: u64 = 7;
const COUNT_SHIFT: u32 = 1;
const COUNT_MASK: u64 = 7 << COUNT_SHIFT;

bitflags! {
    /// What is known of a page, whoever maps it.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) struct Attributes: u32 {
        /// Accessed since it was last cleared.
        const REFERENCED = 1 << 0;
        /// Written, or writable without a fault, since it was last cleared.
        const MODIFIED = 1 << 1;
        /// Instruction fetches see the page's contents: it has not been written since the last synchronisation.
        const SYNCHRONISED = 1 << 2;
    }
}

/// A pv entry is missing.
pub(crate) struct NeedsEntry;

/// A frame's list of mappings, locked.
pub(crate) struct PvList(PvGuard<'static>);

impl PvList {
    /// Locks the list of a frame; `None` if the frame is not RAM that the kernel manages, or the zero page, whose mappings
    /// nobody has to find.
    ///
    /// A frame that a descriptor named a moment ago may have been taken from the mapping, freed and become a page table
    /// since. So whoever has it from there looks at the descriptor again under this lock, and changes nothing if it differs.
    pub(crate) fn lock(frame: FrameNumber) -> Option<Self> {
        if frames::is_zero_page(frame) {
            return None;
        }
        Some(Self(frames::try_pv(frame)?.lock()))
    }

    fn word(&self) -> u64 {
        self.0.word()
    }

    fn set_word(&mut self, word: u64) {
        debug_assert_ne!(self.word() & TAG_MASK, TAG_TABLE, "a page table's");
        self.0.set_word(word);
    }

    /// Adds a slot. Takes a fresh entry from `spare` if that needs one.
    ///
    /// # Errors
    /// [`NeedsEntry`]: `spare` has none; nothing has changed.
    #[inline]
    pub(crate) fn push(
        &mut self,
        slot: Slot,
        spare: impl FnOnce() -> Option<PvEntry>,
    ) -> Result<(), NeedsEntry> {
        debug_assert!(!self.contains(slot));
        let word = self.word();
        match word & TAG_MASK {
            TAG_SLOT => {
                let entry = spare().ok_or(NeedsEntry)?;
                let chain = Chain::start(entry, 0, &[word & !TAG_MASK, slot.address()]);
                self.set_word(chain.word());
            }
            TAG_ENTRY => {
                let first = Chain::at(word);
                let count = first.count();
                if count < SLOTS {
                    first.set_slot(count, slot.address());
                    first.set_count(count + 1);
                } else {
                    let entry = spare().ok_or(NeedsEntry)?;
                    let chain = Chain::start(entry, first.0.0, &[slot.address()]);
                    self.set_word(chain.word());
                }
            }
            _ => self.set_word(slot.address() | TAG_SLOT),
        }
        Ok(())
    }

    /// Takes a slot off the list; it must be there. Gives back the entry that this leaves without use.
    #[must_use = "an entry that is dropped goes back alone"]
    #[inline(always)]
    pub(crate) fn remove(&mut self, slot: Slot) -> Option<PvEntry> {
        let word = self.word();
        if word & TAG_MASK == TAG_SLOT {
            assert_eq!(
                word & !TAG_MASK,
                slot.address(),
                "the one mapping is another's"
            );
            self.set_word(0);
            return None;
        }
        assert_eq!(word & TAG_MASK, TAG_ENTRY, "{slot:?} is on no list");
        let first = Chain::at(word);
        if let Some(other) = first.other_of_two(slot.address()) {
            self.set_word(other | TAG_SLOT);
            return Some(PvEntry::from_address(first.0));
        }
        self.remove_from_chain(first, slot)
    }

    fn remove_from_chain(&mut self, first: Chain, slot: Slot) -> Option<PvEntry> {
        let (holder, index) = first
            .find(slot.address())
            .expect("the slot is on its frame's list");
        holder.set_slot(index, first.slot(first.count() - 1));
        self.shrink(first)
    }

    /// Drops the last slot of the first entry, then the entry if that was its last, and the chain if one mapping
    /// is left.
    fn shrink(&mut self, first: Chain) -> Option<PvEntry> {
        let count = first.count() - 1;
        if count == 0 {
            self.set_word(first.next().map_or(0, Chain::word));
        } else if count == 1 && first.next().is_none() {
            self.set_word(first.slot(0) | TAG_SLOT);
        } else {
            first.set_count(count);
            return None;
        }
        Some(PvEntry::from_address(first.0))
    }

    /// Some slot of the list.
    pub(crate) fn first(&self) -> Option<Slot> {
        let word = self.word();
        match word & TAG_MASK {
            TAG_SLOT => Some(Slot::from_address(word & !TAG_MASK)),
            TAG_ENTRY => Some(Slot::from_address(Chain::at(word).slot(0))),
            _ => None,
        }
    }

    /// Calls `visit` for every slot.
    pub(crate) fn for_each(&self, mut visit: impl FnMut(Slot)) {
        let word = self.word();
        match word & TAG_MASK {
            TAG_SLOT => visit(Slot::from_address(word & !TAG_MASK)),
            TAG_ENTRY => {
                let mut next = Some(Chain::at(word));
                while let Some(entry) = next {
                    (0..entry.count())
                        .for_each(|index| visit(Slot::from_address(entry.slot(index))));
                    next = entry.next();
                }
            }
            _ => {}
        }
    }

    /// Whether the slot is on the list.
    pub(crate) fn contains(&self, slot: Slot) -> bool {
        let mut found = false;
        self.for_each(|other| found |= other == slot);
        found
    }

    pub(crate) fn attributes(&self) -> Attributes {
        Attributes::from_bits_retain(self.0.head().attributes())
    }

    pub(crate) fn insert(&mut self, attributes: Attributes) {
        self.0.head().set_attributes(attributes.bits());
    }

    pub(crate) fn clear(&mut self, attributes: Attributes) {
        self.0.head().clear_attributes(attributes.bits());
    }

    /// Records an access, and with `write` a modification, which also outdates what instruction fetches see.
    pub(crate) fn record_access(&mut self, write: bool) {
        if !write {
            self.insert(Attributes::REFERENCED);
            return;
        }
        self.insert(Attributes::REFERENCED | Attributes::MODIFIED);
        self.clear(Attributes::SYNCHRONISED);
    }
}

/// One entry of a chain, by its physical address.
#[derive(Clone, Copy)]
struct Chain(PhysAddr);

impl Chain {
    const fn at(word: u64) -> Self {
        Self(PhysAddr(word & !(pv_slab::ENTRY_SIZE - 1)))
    }

    /// An entry with these slots before the entry at `next` (0 = none).
    fn start(entry: PvEntry, next: u64, slots: &[u64]) -> Self {
        let chain = Self(entry.into_address());
        pv_slab::store(chain.0, next | (slots.len() as u64) << COUNT_SHIFT);
        for (index, slot) in (0..).zip(slots) {
            chain.set_slot(index, *slot);
        }
        chain
    }

    /// What the head stores.
    fn word(self) -> u64 {
        self.0.0 | TAG_ENTRY
    }

    fn header(self) -> u64 {
        pv_slab::load(self.0)
    }

    fn next(self) -> Option<Self> {
        let next = self.header() & !(pv_slab::ENTRY_SIZE - 1);
        (next != 0).then_some(Self(PhysAddr(next)))
    }

    fn count(self) -> u64 {
        (self.header() & COUNT_MASK) >> COUNT_SHIFT
    }

    fn set_count(self, count: u64) {
        pv_slab::store(self.0, (self.header() & !COUNT_MASK) | count << COUNT_SHIFT);
    }

    fn slot(self, index: u64) -> u64 {
        pv_slab::load(self.0.offset(8 + index * 8))
    }

    fn set_slot(self, index: u64, slot: u64) {
        pv_slab::store(self.0.offset(8 + index * 8), slot);
    }

    /// If this is the only entry and holds two slots, one of which is `slot`: the other one. Parent and child after a fork
    /// share most frames this way.
    fn other_of_two(self, slot: u64) -> Option<u64> {
        if self.header() != 2 << COUNT_SHIFT {
            return None;
        }
        let (one, two) = (self.slot(0), self.slot(1));
        (one == slot || two == slot).then_some(one ^ two ^ slot)
    }

    /// The entry and index that hold `slot`, from this entry on.
    fn find(self, slot: u64) -> Option<(Self, u64)> {
        let mut next = Some(self);
        while let Some(entry) = next {
            if let Some(index) = (0..entry.count()).find(|&index| entry.slot(index) == slot) {
                return Some((entry, index));
            }
            next = entry.next();
        }
        None
    }
}

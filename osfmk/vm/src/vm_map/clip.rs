//! Splitting entries so that a range has entries of its own.
//!
//! A split needs one entry; the caller has [reserved](MapState::reserve) it, so a split cannot fail.

use super::entry::MapEntry;
use super::lock::MapState;
use super::store::EntryIndex;

/// Entries that clipping both ends of a range can cost.
pub(crate) const CLIP_COST: usize = 2;

impl MapState {
    /// Makes the entry start at `address` or later: the part before becomes an entry of its own.
    #[doc(alias = "vm_map_clip_start")]
    pub(crate) fn clip_start(&mut self, index: EntryIndex, address: u64) {
        let (start, end) = self.bounds(index);
        if start >= address || address >= end {
            return;
        }
        let ticket = self.ticket();
        let front = self.entries.get(index).piece(start, address, ticket);
        self.entries.set_bounds(index, address, end);
        self.entries.insert(front);
    }

    /// Makes the entry end at `address` or earlier: the part behind becomes an entry of its own.
    #[doc(alias = "vm_map_clip_end")]
    pub(crate) fn clip_end(&mut self, index: EntryIndex, address: u64) {
        let (start, end) = self.bounds(index);
        if start >= address || address >= end {
            return;
        }
        let ticket = self.ticket();
        let back = self.entries.get(index).piece(address, end, ticket);
        self.entries.set_bounds(index, start, address);
        self.entries.insert(back);
    }

    /// Splits at both ends of `start..end`; no entry crosses them afterwards.
    pub(crate) fn clip_range(&mut self, start: u64, end: u64) {
        if let Some(index) = self.entries.containing(start) {
            self.clip_start(index, start);
        }
        if let Some(index) = self.entries.containing(end) {
            self.clip_end(index, end);
        }
    }

    /// Calls `change` for every entry that starts in `start..end`; bounds must be left alone.
    pub(crate) fn for_range(
        &mut self,
        start: u64,
        end: u64,
        mut change: impl FnMut(&mut MapEntry),
    ) {
        let mut next = self.entries.at_or_after(start);
        while let Some(index) = next {
            let entry = self.entries.get_mut(index);
            if entry.start >= end {
                return;
            }
            change(entry);
            next = self.entries.next(index);
        }
    }

    pub(crate) fn bounds(&self, index: EntryIndex) -> (u64, u64) {
        let entry = self.entries.get(index);
        (entry.start, entry.end)
    }
}

//! Merging neighbours that have become equal in everything.

use super::lock::{Graveyard, MapState};
use super::store::EntryIndex;

impl MapState {
    /// Merges the entry with its predecessor if nothing tells them apart; one object reference goes.
    #[doc(alias = "vm_map_simplify_entry")]
    pub(crate) fn simplify_entry(&mut self, index: EntryIndex, graveyard: &mut Graveyard) {
        let Some(prev) = self.entries.prev(index) else {
            return;
        };
        if !self.entries.get(prev).continues_in(self.entries.get(index)) {
            return;
        }
        let (_, end) = self.bounds(index);
        let before = self.entries.remove(prev);
        self.entries.set_bounds(index, before.start, end);
        graveyard.bury(before.target);
    }

    /// Merges what can be merged in `start..end` and across both its ends.
    #[doc(alias = "vm_map_simplify_range")]
    pub(crate) fn simplify_range(&mut self, start: u64, end: u64, graveyard: &mut Graveyard) {
        let mut next = self.entries.at_or_after(start);
        while let Some(index) = next {
            if self.entries.get(index).start > end {
                return;
            }
            next = self.entries.next(index);
            self.simplify_entry(index, graveyard);
        }
    }
}

//! Checking every promise of a map.

use super::VmMap;
use super::entry::MapEntry;

impl VmMap {
    /// Checks all invariants; for tests and debug commands, O(n).
    ///
    /// # Errors
    /// The rule that is broken.
    pub fn validate(&self) -> Result<(), &'static str> {
        let guard = self.read();
        guard.state.entries.validate()?;
        let (mut size, mut wired) = (0, 0);
        for entry in guard.state.entries.iter() {
            self.validate_entry(entry)?;
            size += entry.size();
            wired += if entry.user_wired_count > 0 {
                entry.size()
            } else {
                0
            };
        }
        if size != guard.state.size {
            return Err("the map's size is not the sum of its entries");
        }
        if wired != guard.state.user_wired {
            return Err("the map's count of wired bytes is wrong");
        }
        Ok(())
    }

    fn validate_entry(&self, entry: &MapEntry) -> Result<(), &'static str> {
        if (entry.start | entry.end | entry.offset) & self.page_mask() != 0 {
            return Err("an entry is not page aligned");
        }
        if entry.start < self.min_offset || entry.end > self.max_offset {
            return Err("an entry is outside the map");
        }
        if !entry.max_protection.contains(entry.protection) {
            return Err("an entry allows more than its maximum");
        }
        if entry.offset.checked_add(entry.size()).is_none() {
            return Err("an entry's part of its object overflows");
        }
        if entry.user_wired_count > 0 && entry.wired_count == 0 {
            return Err("an entry is wired by its user but not wired");
        }
        if entry.needs_copy() && entry.object().is_none() {
            return Err("an entry without an object must be shadowed");
        }
        Ok(())
    }
}

//! Counters of a map, for `vmmap`, `ps` and tests.

use core::sync::atomic::Ordering;

use super::VmMap;

/// What a map holds at a moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct MapStatistics {
    /// Entries.
    pub entries: u64,
    /// Bytes mapped.
    pub size: u64,
    /// Bytes wired by users.
    pub user_wired: u64,
    /// Pages in the page tables.
    pub resident_pages: u64,
    /// Lookups by faults since the map was made.
    pub lookups: u64,
}

impl VmMap {
    /// Counts as they are now.
    pub fn statistics(&self) -> MapStatistics {
        let guard = self.read();
        MapStatistics {
            entries: guard.state.entries.len() as u64,
            size: guard.state.size,
            user_wired: guard.state.user_wired,
            resident_pages: self.pmap.resident_count(),
            lookups: self.lookups.load(Ordering::Relaxed),
        }
    }

    /// About how many pages of anonymous memory its end gives back, here and with the pager: all of what nobody else refers
    /// to, and its part of what it shares.
    #[doc(alias = "get_task_phys_footprint")]
    pub fn footprint(&self) -> u64 {
        let guard = self.read();
        let mut pages = 0;
        let mut at = guard.state.entries.at_or_after(self.min_offset);
        while let Some(index) = at {
            let entry = guard.state.entries.get(index);
            let size = entry.size() >> self.page_shift;
            pages += entry
                .object()
                .map_or(0, |object| object.anonymous_share(size));
            at = guard.state.entries.next(index);
        }
        pages
    }

    /// Bytes mapped.
    #[doc(alias = "vm_map_adjusted_size")]
    pub fn size(&self) -> u64 {
        self.read().state.size
    }
}

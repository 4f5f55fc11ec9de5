//! Taking mappings away.
//!
//! Holes are no error. The page tables are told once for the whole range; objects are let go after the lock is dropped.
//! A permanent entry stays and loses all access. User wirings are undone; a kernel wiring (transfer in progress) is
//! waited for.
//! XNU counterpart: `vm_map_delete`, `vm_map_remove`.

use super::VmMap;
use super::attributes::EntryFlags;
use super::clip::CLIP_COST;
use super::lock::{MapState, MapWriteGuard};
use super::store::EntryIndex;
use crate::vm_trace;
use mach::{KernReturn, Result, VmProt};

impl VmMap {
    /// Removes every mapping in `start..end` (page aligned; clamped to the map).
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` for a misaligned or reversed range, `RESOURCE_SHORTAGE` when an entry must be split and memory
    /// for it is missing; nothing has changed then.
    ///
    /// Locks: the map's, exclusive; then the pmap's.
    #[doc(alias = "vm_map_remove")]
    #[doc(alias = "vm_map_delete")]
    pub fn delete(&self, start: u64, end: u64) -> Result<()> {
        if (start | end) & self.page_mask() != 0 || start > end {
            return Err(KernReturn::INVALID_ARGUMENT);
        }
        let (start, end) = (start.max(self.min_offset), end.min(self.max_offset));
        if start >= end {
            return Ok(());
        }
        let mut guard = self.write_removable(start, end);
        guard.state.reserve(CLIP_COST)?;
        self.clear_range(&mut guard, start, end);
        guard.state.settle();
        vm_trace::map_removed(start, end);
        Ok(())
    }

    /// Removes everything, permanent entries too, and refuses new entries from now on: the owner is gone.
    #[doc(alias = "vm_map_terminate")]
    #[doc(alias = "vm_map_destroy")]
    pub fn terminate(&self) {
        let mut guard = self.write_removable(self.min_offset, self.max_offset);
        guard.state.terminated = true;
        guard.state.clear_flag_everywhere(EntryFlags::PERMANENT);
        self.clear_range(&mut guard, self.min_offset, self.max_offset);
        guard.state.settle();
    }

    /// Starts an exclusive section in which everything in `start..end` may go: nothing is in transition, nothing is
    /// wired by the kernel.
    pub(crate) fn write_removable(&self, start: u64, end: u64) -> MapWriteGuard<'_> {
        loop {
            let mut guard = self.write_settled(start, end);
            let busy = |&index: &EntryIndex| guard.state.entries.get(index).kernel_wirings() > 0;
            let Some(index) = guard.state.overlapping(start, end).find(busy) else {
                return guard;
            };
            let wait = self.wait_for_entry(&mut guard, index);
            drop(guard);
            let _ = wait.block();
        }
    }

    /// Empties `start..end`. The caller reserved [`CLIP_COST`] and started the section with `write_removable`; cannot
    /// fail.
    pub(crate) fn clear_range(&self, guard: &mut MapWriteGuard<'_>, start: u64, end: u64) {
        let MapWriteGuard { state, graveyard } = guard;
        let Some(mut index) = state.entries.at_or_after(start) else {
            return;
        };
        if state.entries.get(index).start >= end {
            return;
        }
        state.clip_range(start, end);
        self.pmap.remove(start, end);
        loop {
            let entry = state.entries.get(index);
            if entry.start >= end {
                return;
            }
            let next = state.entries.next(index);
            if entry.user_wired_count > 0 {
                self.strip_user_wirings(state, index);
            }
            if state.entries.get(index).is_permanent() {
                let entry = state.entries.get_mut(index);
                (entry.protection, entry.max_protection) = (VmProt::NONE, VmProt::NONE);
            } else {
                state.remove(index, graveyard);
            }
            let Some(following) = next else { return };
            index = following;
        }
    }
}

impl MapState {
    fn clear_flag_everywhere(&mut self, flag: EntryFlags) {
        let mut next = self.entries.first();
        while let Some(index) = next {
            self.entries.get_mut(index).flags.remove(flag);
            next = self.entries.next(index);
        }
    }
}

//! Advice about a range.
//!
//! The four patterns are remembered in the entries; everything else is done at once to the pages that are there.
//! `DONTNEED` keeps the data (it only makes pages first in line for reclaim), `FREE` throws pages away only where nobody
//! else can see them.
//! XNU counterpart: `vm_map_behavior_set`.

use super::VmMap;
use super::attributes::EntryFlags;
use super::clip::CLIP_COST;
use super::entry::MapEntry;
use super::lock::MapWriteGuard;
use crate::vm_object::ObjectRef;
use crate::vm_pageout;
use mach::{KernReturn, Result, VmBehavior, VmProt};

impl VmMap {
    /// Takes advice about `start..end`, page aligned.
    ///
    /// # Errors
    /// `INVALID_ADDRESS` for a hole, `INVALID_ARGUMENT` for a bad range, `PROTECTION_FAILURE` (zeroing what may not be
    /// written), `RESOURCE_SHORTAGE`, `ABORTED` (paging out was interrupted).
    #[doc(alias = "vm_map_behavior_set")]
    pub fn advise(&self, start: u64, end: u64, advice: VmBehavior) -> Result<()> {
        if start == end {
            return Ok(());
        }
        self.check_range(start, end)?;
        match advice {
            VmBehavior::Default
            | VmBehavior::Random
            | VmBehavior::Sequential
            | VmBehavior::ReverseSequential => {
                self.remember(start, end, |entry| entry.behavior = advice)
            }
            VmBehavior::ZeroWiredPages => self.remember(start, end, |entry| {
                entry.flags.insert(EntryFlags::ZERO_WIRED_PAGES)
            }),
            VmBehavior::WillNeed => self.will_need(start, end),
            VmBehavior::DontNeed => self.with_objects(start, end, |_, object, offset, size| {
                object.deactivate(offset, size)
            }),
            VmBehavior::Free => self.with_objects(start, end, |entry, object, offset, size| {
                if !entry.is_wired() && !entry.needs_copy() {
                    object.discard(offset, size);
                }
            }),
            VmBehavior::Reusable => self.reusable(start, end),
            VmBehavior::Reuse => self.with_objects(start, end, |_, _, _, _| ()),
            VmBehavior::CanReuse => self.check_reusable(start, end),
            VmBehavior::Zero => self.zero(start, end),
            VmBehavior::PageOut => self.page_out(start, end),
        }
    }

    /// Changes an attribute of every entry of a range without holes.
    fn remember(&self, start: u64, end: u64, change: impl FnMut(&mut MapEntry)) -> Result<()> {
        let mut guard = self.write_settled(start, end);
        guard
            .state
            .admit_range(start, end, &|_: &MapEntry| Ok(()))?;
        guard.state.reserve(CLIP_COST)?;
        let MapWriteGuard { state, graveyard } = &mut guard;
        state.clip_range(start, end);
        state.for_range(start, end, change);
        state.simplify_range(start, end, graveyard);
        state.settle();
        Ok(())
    }

    /// Calls `act` for the part of each object that the range shows, under the shared lock: for what does not wait.
    fn with_objects(
        &self,
        start: u64,
        end: u64,
        mut act: impl FnMut(&MapEntry, &ObjectRef, u64, u64),
    ) -> Result<()> {
        let guard = self.read();
        guard
            .state
            .admit_range(start, end, &|_: &MapEntry| Ok(()))?;
        for index in guard.state.overlapping(start, end) {
            let entry = guard.state.entries.get(index);
            let (from, to) = (entry.start.max(start), entry.end.min(end));
            if let Some(object) = entry.object() {
                act(entry, object, entry.offset_of(from), to - from);
            }
        }
        Ok(())
    }

    /// Starts bringing pages in. The pagers are asked with the map unlocked.
    #[doc(alias = "vm_map_willneed")]
    fn will_need(&self, start: u64, end: u64) -> Result<()> {
        self.with_objects_unlocked(start, end, |object, offset, size| {
            if !object.is_internal() {
                object.will_need(offset, size);
            }
            Ok(())
        })
    }

    /// Gives anonymous memory to its pager, with the map unlocked, and waits until that has it. Pages of files stay.
    #[doc(alias = "vm_map_pageout")]
    fn page_out(&self, start: u64, end: u64) -> Result<()> {
        self.read()
            .state
            .admit_range(start, end, &|_: &MapEntry| Ok(()))?;
        self.with_objects_unlocked(start, end, |object, offset, size| {
            let first = offset >> self.page_shift;
            vm_pageout::push_out(object, first, first + (size >> self.page_shift))
        })
    }

    /// Calls `act` for the part of each object that the range shows, with the map unlocked: for what takes long.
    fn with_objects_unlocked(
        &self,
        start: u64,
        end: u64,
        mut act: impl FnMut(&ObjectRef, u64, u64) -> Result<()>,
    ) -> Result<()> {
        let mut position = start;
        while position < end {
            let guard = self.read();
            let (_, entry) = guard
                .state
                .entry_at(position)
                .ok_or(KernReturn::INVALID_ADDRESS)?;
            let stop = entry.end.min(end);
            let offset = entry.offset_of(position);
            let object = entry.object().cloned();
            drop(guard);
            if let Some(object) = object {
                act(&object, offset, stop - position)?;
            }
            position = stop;
        }
        Ok(())
    }

    fn check_reusable(&self, start: u64, end: u64) -> Result<()> {
        let private = |entry: &MapEntry| {
            let anonymous = entry.object().is_none_or(|object| object.is_internal());
            if anonymous && !entry.is_shared() && !entry.is_wired() {
                Ok(())
            } else {
                Err(KernReturn::INVALID_ARGUMENT)
            }
        };
        self.read().state.admit_range(start, end, &private)
    }

    /// Contents may go, and need not: the pages become first in line for reclaim.
    fn reusable(&self, start: u64, end: u64) -> Result<()> {
        self.check_reusable(start, end)?;
        self.with_objects(start, end, |_, object, offset, size| {
            object.deactivate(offset, size)
        })
    }

    /// Makes the range read as zeroes. Untouched memory stays untouched.
    #[doc(alias = "vm_map_zero")]
    fn zero(&self, start: u64, end: u64) -> Result<()> {
        static ZEROES: [u8; 1024] = [0; 1024];
        let writable = |entry: &MapEntry| {
            let allowed = entry.protection.contains(VmProt::WRITE);
            if allowed {
                Ok(())
            } else {
                Err(KernReturn::PROTECTION_FAILURE)
            }
        };
        self.read().state.admit_range(start, end, &writable)?;
        let mut position = start;
        while position < end {
            let (stop, untouched) = {
                let guard = self.read();
                let (_, entry) = guard
                    .state
                    .entry_at(position)
                    .ok_or(KernReturn::INVALID_ADDRESS)?;
                (entry.end.min(end), entry.object().is_none())
            };
            while position < stop && !untouched {
                let length = (stop - position).min(ZEROES.len() as u64);
                self.write_bytes(position, &ZEROES[..length as usize])?;
                position += length;
            }
            position = stop;
        }
        Ok(())
    }
}

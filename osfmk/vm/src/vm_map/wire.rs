//! Holding a range's pages in memory.
//!
//! Copy-on-write is resolved when the range is wired, not at some later write. The counts are per entry; all wirings by
//! users together hold one wiring of the pages. While the pages are brought in the map is unlocked and the entries are in
//! transition: whoever wants to change them waits.
//! XNU counterpart: `vm_map_wire_nested`, `vm_map_unwire_nested`.

use alloc::vec::Vec;

use super::VmMap;
use super::attributes::EntryFlags;
use super::clip::CLIP_COST;
use super::entry::{EntryTarget, MapEntry};
use super::lock::{MapState, MapWriteGuard};
use super::store::EntryIndex;
use crate::vm_fault::{self, FaultOptions};
use mach::{KernReturn, Result, VmProt};
use pmap::Pmap;

/// Most wirings of one kind that an entry counts.
#[doc(alias = "MAX_WIRE_COUNT")]
const WIRE_COUNT_MAX: u16 = u16::MAX - 1;

/// Who wires.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum WireOwner {
    /// A program; counts against its limit, and ends with the mapping.
    User,
    /// The kernel, for a transfer; a mapping does not go before it ends.
    Kernel,
}

impl VmMap {
    /// Brings `start..end` into memory and keeps it there. With no access asked for, what the entries allow counts.
    ///
    /// # Errors
    /// `INVALID_ADDRESS` (hole), `PROTECTION_FAILURE`, `RESOURCE_SHORTAGE` (limit, frames), and what a fault can end
    /// with; no wiring is left then.
    #[doc(alias = "vm_map_wire")]
    #[doc(alias = "vm_map_wire_nested")]
    pub fn wire(&self, start: u64, end: u64, access: VmProt, owner: WireOwner) -> Result<()> {
        if start == end {
            return Ok(());
        }
        self.check_range(start, end)?;
        let mut guard = self.write_settled(start, end);
        let fresh = guard
            .state
            .begin_wiring(start, end, access, owner, &self.pmap);
        let fresh = match fresh {
            Ok(fresh) => fresh,
            Err(error) => {
                guard.state.settle();
                return Err(error);
            }
        };
        guard.state.settle();
        drop(guard);
        let (done, result) = self.wire_ranges(&fresh);
        let mut guard = self.write();
        let MapWriteGuard { state, graveyard } = &mut guard;
        if result.is_err() {
            unwire_up_to(self, state, &fresh, done);
            drop_wirings(self, state, start, end, owner, Pages::Leave);
        }
        self.end_transition(state, start, end);
        state.simplify_range(start, end, graveyard);
        // Whoever waits for a wiring to end looks again.
        self.transitions.wake_all();
        result
    }

    /// Takes one wiring of each entry in `start..end` back; entries that have none are skipped.
    ///
    /// # Errors
    /// `INVALID_ADDRESS` (hole), `RESOURCE_SHORTAGE` (an entry must be split); nothing has changed then.
    #[doc(alias = "vm_map_unwire")]
    #[doc(alias = "vm_map_unwire_nested")]
    pub fn unwire(&self, start: u64, end: u64, owner: WireOwner) -> Result<()> {
        if start == end {
            return Ok(());
        }
        self.check_range(start, end)?;
        let mut guard = self.write_settled(start, end);
        guard
            .state
            .admit_range(start, end, &|_: &MapEntry| Ok(()))?;
        guard.state.reserve(CLIP_COST)?;
        let MapWriteGuard { state, graveyard } = &mut guard;
        state.clip_range(start, end);
        drop_wirings(self, state, start, end, owner, Pages::Unwire);
        state.simplify_range(start, end, graveyard);
        state.settle();
        self.transitions.wake_all();
        Ok(())
    }

    /// Brings the pages of fresh wirings in, with the map unlocked; how far it came.
    fn wire_ranges(&self, ranges: &[Fresh]) -> (u64, Result<()>) {
        let mut done = 0;
        for &Fresh { start, end, access } in ranges {
            done = start;
            while done < end {
                if let Err(error) = vm_fault::wire_page(self, done, access, FaultOptions::USER) {
                    return (done, Err(error));
                }
                done += self.page_size();
            }
        }
        (done, Ok(()))
    }

    /// Undoes the user's wirings of an entry that is about to go.
    pub(crate) fn strip_user_wirings(&self, state: &mut MapState, index: EntryIndex) {
        let entry = state.entries.get_mut(index);
        let size = entry.size();
        entry.user_wired_count = 0;
        entry.wired_count -= 1;
        state.user_wired -= size;
        let entry = state.entries.get(index);
        if entry.wired_count == 0 {
            unwire_pages(self, entry, entry.start, entry.end);
        }
    }
}

/// A part of an entry that was not wired before. Its pages are brought in for all that the entry allows, so that no later
/// access needs another page.
#[derive(Clone, Copy)]
struct Fresh {
    start: u64,
    end: u64,
    access: VmProt,
}

/// What happens to pages whose last wiring goes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Pages {
    Unwire,
    /// They were never all wired; the caller sees to those that were.
    Leave,
}

impl MapState {
    /// Checks the range, resolves copy-on-write, and counts the wiring. The parts whose pages must now be wired; they
    /// are in transition.
    fn begin_wiring(
        &mut self,
        start: u64,
        end: u64,
        access: VmProt,
        owner: WireOwner,
        pmap: &Pmap,
    ) -> Result<Vec<Fresh>> {
        self.admit_wiring(start, end, access, owner)?;
        let mut fresh = Vec::new();
        let entries = self.overlapping(start, end).count();
        fresh
            .try_reserve_exact(entries)
            .map_err(|_| KernReturn::RESOURCE_SHORTAGE)?;
        self.reserve(CLIP_COST)?;
        self.clip_range(start, end);
        self.resolve_copies(start, end, pmap)?;
        let mut next = self.entries.at_or_after(start);
        while let Some(index) = next {
            let entry = self.entries.get_mut(index);
            if entry.start >= end {
                break;
            }
            if entry.wired_count == 0 {
                fresh.push(Fresh {
                    start: entry.start,
                    end: entry.end,
                    access: entry.protection,
                });
            }
            entry.flags.insert(EntryFlags::IN_TRANSITION);
            match owner {
                WireOwner::Kernel => entry.wired_count += 1,
                WireOwner::User => {
                    if entry.user_wired_count == 0 {
                        entry.wired_count += 1;
                        self.user_wired += entry.end - entry.start;
                    }
                    entry.user_wired_count += 1;
                }
            }
            next = self.entries.next(index);
        }
        Ok(fresh)
    }

    fn admit_wiring(&self, start: u64, end: u64, access: VmProt, owner: WireOwner) -> Result<()> {
        let admit = |entry: &MapEntry| {
            if !entry.protection.contains(access.access()) || entry.protection.is_empty() {
                return Err(KernReturn::PROTECTION_FAILURE);
            }
            let full =
                entry.wired_count >= WIRE_COUNT_MAX || entry.user_wired_count >= WIRE_COUNT_MAX;
            if full {
                Err(KernReturn::RESOURCE_SHORTAGE)
            } else {
                Ok(())
            }
        };
        self.admit_range(start, end, &admit)?;
        if owner == WireOwner::User {
            let part = |entry: &MapEntry| entry.end.min(end) - entry.start.max(start);
            let entries = self
                .overlapping(start, end)
                .map(|index| self.entries.get(index));
            let added: u64 = entries
                .filter(|entry| entry.user_wired_count == 0)
                .map(part)
                .sum();
            if self.user_wired.saturating_add(added) > self.limits.user_wire {
                return Err(KernReturn::RESOURCE_SHORTAGE);
            }
        }
        Ok(())
    }

    /// Wired memory is never copy-on-write: objects are made and shadowed now, and copied by a copy object from now on.
    fn resolve_copies(&mut self, start: u64, end: u64, pmap: &Pmap) -> Result<()> {
        let mut next = self.entries.at_or_after(start);
        while let Some(index) = next {
            if self.entries.get(index).start >= end {
                break;
            }
            self.make_object(index, pmap)?;
            if self.entries.get(index).needs_copy() {
                self.shadow_object(index)?;
            }
            if let EntryTarget::Object(object) = &self.entries.get(index).target {
                object.make_shareable();
            }
            next = self.entries.next(index);
        }
        Ok(())
    }
}

/// Takes one wiring of every entry in the range back.
fn drop_wirings(
    map: &VmMap,
    state: &mut MapState,
    start: u64,
    end: u64,
    owner: WireOwner,
    pages: Pages,
) {
    let mut next = state.entries.at_or_after(start);
    while let Some(index) = next {
        let entry = state.entries.get_mut(index);
        if entry.start >= end {
            return;
        }
        let before = entry.wired_count;
        match owner {
            WireOwner::Kernel => entry.wired_count -= u16::from(entry.kernel_wirings() > 0),
            WireOwner::User if entry.user_wired_count == 0 => {}
            WireOwner::User => {
                entry.user_wired_count -= 1;
                if entry.user_wired_count == 0 {
                    entry.wired_count -= 1;
                    state.user_wired -= entry.end - entry.start;
                }
            }
        }
        if before > 0 && entry.wired_count == 0 && pages == Pages::Unwire {
            unwire_pages(map, entry, entry.start, entry.end);
        }
        next = state.entries.next(index);
    }
}

/// Undoes the wiring of the pages in `ranges` that lie before `done`.
fn unwire_up_to(map: &VmMap, state: &MapState, ranges: &[Fresh], done: u64) {
    for &Fresh { start, end, .. } in ranges.iter().take_while(|range| range.start < done) {
        if let Some((_, entry)) = state.entry_at(start) {
            unwire_pages(map, entry, start, end.min(done));
        }
    }
}

/// Lets the pages of `start..end` of an entry be reclaimed again.
fn unwire_pages(map: &VmMap, entry: &MapEntry, start: u64, end: u64) {
    if let EntryTarget::Object(object) = &entry.target {
        vm_fault::unwire_range(map, start, end, object, entry.offset_of(start));
    }
}

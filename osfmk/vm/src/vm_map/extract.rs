//! Taking a second hold on the memory of a range, as a list that any map can take in.
//!
//! Purpose: the one place that decides how memory is copied or shared between maps. `fork`, `copyin`, `remap` and
//! memory entries are all built on it.
//! Main types: [`Piece`] (memory without an address), [`Hold`] (share or copy), `ProtectRun` (write protection of the
//! source, told to the page tables in runs).
//!
//! A copy is made, in this order of preference: of nothing (untouched anonymous memory), symmetrically (the object is
//! referenced again and both entries shadow it before writing), or through a copy object, which may have to wait for a
//! pager and is therefore made with the map unlocked and looked at again afterwards.
//! XNU counterpart: `vm_map_copyin_internal`, `vm_map_fork_share`, `vm_map_remap_extract`.

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::VmMap;
use super::attributes::EntryFlags;
use super::entry::{EntryTarget, MapEntry};
use super::lock::{MapState, MapWriteGuard};
use super::store::EntryIndex;
use crate::vm_object::ObjectRef;
use mach::{CopyStrategy, KernReturn, Result, VmBehavior, VmInherit, VmProt};
use pmap::Pmap;
use prim::zone::Admission;

/// How the second holder sees the memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Hold {
    /// Both see each other's writes.
    Share,
    /// Neither does.
    Copy,
}

/// A run of memory without an address: what a map entry would say about it.
#[derive(Clone)]
pub(crate) struct Piece {
    pub(crate) size: u64,
    pub(crate) target: EntryTarget,
    pub(crate) offset: u64,
    pub(crate) protection: VmProt,
    pub(crate) max_protection: VmProt,
    pub(crate) inheritance: VmInherit,
    pub(crate) behavior: VmBehavior,
    pub(crate) flags: EntryFlags,
    pub(crate) user_tag: u8,
}

impl Piece {
    /// The memory `target` as the entry shows it in `start..end`; wirings and transitions stay behind.
    fn of(entry: &MapEntry, start: u64, end: u64, target: EntryTarget, offset: u64) -> Piece {
        Piece {
            size: end - start,
            target,
            offset,
            protection: entry.protection,
            max_protection: entry.max_protection,
            inheritance: entry.inheritance,
            behavior: entry.behavior,
            flags: entry
                .flags
                .difference(EntryFlags::TRANSIENT.union(EntryFlags::NEEDS_COPY)),
            user_tag: entry.user_tag,
        }
    }

    /// All that the entry shows, as it is: for a move.
    pub(crate) fn whole(entry: &MapEntry) -> Piece {
        let mut piece = Piece::of(
            entry,
            entry.start,
            entry.end,
            entry.target.clone(),
            entry.offset,
        );
        piece.flags.set(EntryFlags::NEEDS_COPY, entry.needs_copy());
        piece
    }

    /// All of a fresh object.
    pub(crate) fn of_object(object: ObjectRef, size: u64) -> Piece {
        Piece {
            size,
            target: EntryTarget::Object(object),
            offset: 0,
            protection: VmProt::DEFAULT,
            max_protection: VmProt::ALL,
            inheritance: VmInherit::Copy,
            behavior: VmBehavior::Default,
            flags: EntryFlags::empty(),
            user_tag: 0,
        }
    }

    /// The part from `start` on, `size` bytes long, counted from the start of the piece.
    pub(crate) fn part(&self, start: u64, size: u64) -> Piece {
        debug_assert!(start + size <= self.size);
        let offset = if self.target.object().is_some() {
            self.offset + start
        } else {
            self.offset
        };
        Piece {
            size,
            offset,
            ..self.clone()
        }
    }

    /// The piece as an entry at `start`.
    pub(crate) fn at(self, start: u64, ticket: Admission) -> MapEntry {
        MapEntry {
            start,
            end: start + self.size,
            target: self.target,
            offset: self.offset,
            protection: self.protection,
            max_protection: self.max_protection,
            inheritance: self.inheritance,
            behavior: self.behavior,
            flags: self.flags,
            user_tag: self.user_tag,
            wired_count: 0,
            user_wired_count: 0,
            _ticket: ticket,
        }
    }
}

/// What became of the attempt to take a hold under the lock.
pub(crate) enum Attempt {
    Done(Piece),
    /// The copy may wait: unlock, make it, look again.
    Blocking(BlockingCopy),
}

/// A copy to be made with the map unlocked.
pub(crate) struct BlockingCopy {
    object: ObjectRef,
    offset: u64,
    size: u64,
    wired: bool,
}

impl BlockingCopy {
    /// A copy of part of an object that no map entry stands for.
    pub(crate) fn of_object(object: ObjectRef, offset: u64, size: u64) -> BlockingCopy {
        BlockingCopy {
            object,
            offset,
            size,
            wired: false,
        }
    }

    /// Makes the copy: object, offset, and whether it must be shadowed before writing. No lock is held.
    pub(crate) fn make(&self) -> Result<(ObjectRef, u64, bool)> {
        if self.wired {
            // Wired pages cannot be write-protected behind the back of whoever wired them.
            return self.slowly();
        }
        match self.object.copy_strategically(self.offset, self.size, true) {
            Ok(outcome) => Ok((outcome.object, outcome.offset, outcome.needs_copy)),
            Err(KernReturn::MEMORY_RESTART_COPY) => self.slowly(),
            Err(error) => Err(error),
        }
    }

    fn slowly(&self) -> Result<(ObjectRef, u64, bool)> {
        Ok((
            self.object.copy_slowly(self.offset, self.size, true)?,
            0,
            false,
        ))
    }

    /// Whether the entry still shows the memory that was copied.
    fn still_of(&self, entry: &MapEntry, address: u64) -> bool {
        entry
            .object()
            .is_some_and(|object| object.same_object(&self.object))
            && entry.offset_of(address) == self.offset
            && address + self.size <= entry.end
    }
}

/// Bytes between two entries that cost less to look at than another flush. What lies there was write-protected by an earlier
/// copy, and may be large.
const RUN_GAP: u64 = 1 << 20;

/// Write protection of source mappings, gathered over neighbouring entries with the same protection.
pub(crate) struct ProtectRun<'a> {
    pmap: &'a Arc<Pmap>,
    run: Option<(u64, u64, VmProt)>,
}

impl<'a> ProtectRun<'a> {
    pub(crate) fn new(map: &'a VmMap) -> ProtectRun<'a> {
        ProtectRun {
            pmap: &map.pmap,
            run: None,
        }
    }

    /// Adds a range. Between it and the run there must be no entry that keeps write permission.
    fn add(&mut self, start: u64, end: u64, protection: VmProt) {
        match &mut self.run {
            Some((_, last, told))
                if *told == protection && start.saturating_sub(*last) <= RUN_GAP =>
            {
                *last = end
            }
            _ => {
                self.flush();
                self.run = Some((start, end, protection));
            }
        }
    }

    /// Tells the page tables; before the lock is dropped, and before an entry that is left alone.
    pub(crate) fn flush(&mut self) {
        if let Some((start, end, protection)) = self.run.take() {
            self.pmap.protect(start, end, protection);
        }
    }
}

impl Drop for ProtectRun<'_> {
    fn drop(&mut self) {
        self.flush();
    }
}

impl MapState {
    /// Tries to take a hold on `start..end`, which lies within the entry, without unlocking the map.
    pub(crate) fn attempt(
        &mut self,
        index: EntryIndex,
        start: u64,
        end: u64,
        hold: Hold,
        run: &mut ProtectRun<'_>,
    ) -> Result<Attempt> {
        match hold {
            Hold::Share => self.share(index, start, end, run).map(Attempt::Done),
            Hold::Copy => Ok(self.copy(index, start, end, run)),
        }
    }

    fn copy(
        &mut self,
        index: EntryIndex,
        start: u64,
        end: u64,
        run: &mut ProtectRun<'_>,
    ) -> Attempt {
        let entry = self.entries.get_mut(index);
        let offset = entry.offset_of(start);
        let done = |entry: &MapEntry, target, needs_copy| {
            let mut piece = Piece::of(entry, start, end, target, offset);
            piece.flags.remove(EntryFlags::IS_SHARED);
            piece.flags.set(EntryFlags::NEEDS_COPY, needs_copy);
            Attempt::Done(piece)
        };
        let EntryTarget::Object(object) = &entry.target else {
            return done(entry, EntryTarget::None, false);
        };
        if !entry.is_wired()
            && let Some(second) = object.copy_quickly()
        {
            if !entry.needs_copy() {
                run.add(
                    entry.start,
                    entry.end,
                    entry.protection.difference(VmProt::WRITE),
                );
                entry.flags.insert(EntryFlags::NEEDS_COPY);
            }
            return done(entry, EntryTarget::Object(second), true);
        }
        run.flush();
        Attempt::Blocking(BlockingCopy {
            object: object.clone(),
            offset,
            size: end - start,
            wired: entry.is_wired(),
        })
    }

    /// Makes the entry's object one that several maps may share, and takes a second reference.
    #[doc(alias = "vm_map_fork_share")]
    fn share(
        &mut self,
        index: EntryIndex,
        start: u64,
        end: u64,
        run: &mut ProtectRun<'_>,
    ) -> Result<Piece> {
        run.flush();
        self.make_object(index, run.pmap)?;
        let entry = self.entries.get(index);
        if entry.needs_copy() || entry.shows_part_of_private_object() {
            let writable = !entry.needs_copy() && entry.protection.contains(VmProt::WRITE);
            let (from, to, told) = (
                entry.start,
                entry.end,
                entry.protection.difference(VmProt::WRITE),
            );
            self.shadow_object(index)?;
            if writable {
                run.add(from, to, told);
                run.flush();
            }
        }
        let entry = self.entries.get_mut(index);
        entry.flags.insert(EntryFlags::IS_SHARED);
        if let EntryTarget::Object(object) = &entry.target {
            object.make_shareable();
        }
        Ok(Piece::of(
            entry,
            start,
            end,
            entry.target.clone(),
            entry.offset_of(start),
        ))
    }
}

impl MapEntry {
    /// Whether the object is private to this map and larger than what the entry shows of it: then the rest must not be
    /// shared along.
    fn shows_part_of_private_object(&self) -> bool {
        let symmetric = |object: &ObjectRef| object.copy_strategy() == CopyStrategy::Symmetric;
        !self.is_shared()
            && self
                .object()
                .is_some_and(|object| symmetric(object) && object.size() > self.size())
    }
}

impl VmMap {
    /// Takes a hold on all of `start..end`. `admit` decides about each entry, before anything changes and again after
    /// each wait.
    ///
    /// # Errors
    /// `INVALID_ADDRESS` for a hole, what `admit` says, `RESOURCE_SHORTAGE`, and what a pager's copy can end with. The
    /// source keeps its contents and protections in every case.
    #[doc(alias = "vm_map_remap_extract")]
    pub(crate) fn extract(
        &self,
        start: u64,
        end: u64,
        hold: Hold,
        admit: impl Fn(&MapEntry) -> Result<()>,
    ) -> Result<Vec<Piece>> {
        let mut pieces = Vec::new();
        let mut guard = self.write_settled(start, end);
        guard.state.admit_range(start, end, &admit)?;
        let mut position = start;
        while position < end {
            pieces
                .try_reserve(1)
                .map_err(|_| KernReturn::RESOURCE_SHORTAGE)?;
            let piece;
            (guard, piece) = self.extract_one(guard, position, end, hold, &admit)?;
            position += piece.size;
            pieces.push(piece);
        }
        Ok(pieces)
    }

    /// Takes a hold on what lies at `position`, up to `end` at most. The lock may be dropped and retaken.
    pub(crate) fn extract_one<'a>(
        &'a self,
        mut guard: MapWriteGuard<'a>,
        position: u64,
        end: u64,
        hold: Hold,
        admit: &impl Fn(&MapEntry) -> Result<()>,
    ) -> Result<(MapWriteGuard<'a>, Piece)> {
        loop {
            let (index, entry) = guard
                .state
                .entry_at(position)
                .ok_or(KernReturn::INVALID_ADDRESS)?;
            admit(entry)?;
            let stop = entry.end.min(end);
            let mut run = ProtectRun::new(self);
            let attempt = guard.state.attempt(index, position, stop, hold, &mut run)?;
            drop(run);
            let copy = match attempt {
                Attempt::Done(piece) => return Ok((guard, piece)),
                Attempt::Blocking(copy) => copy,
            };
            let piece;
            (guard, piece) = self.copy_unlocked(guard, &copy, position)?;
            if let Some(piece) = piece {
                return Ok((guard, piece));
            }
        }
    }

    /// Makes a blocking copy with the map unlocked; none when the map changed meanwhile and the copy is worthless.
    pub(crate) fn copy_unlocked<'a>(
        &'a self,
        guard: MapWriteGuard<'a>,
        copy: &BlockingCopy,
        position: u64,
    ) -> Result<(MapWriteGuard<'a>, Option<Piece>)> {
        drop(guard);
        let (object, offset, needs_copy) = copy.make()?;
        let end = position + copy.size;
        let guard = self.write_settled(position, end);
        let piece = guard.state.entry_at(position).and_then(|(_, entry)| {
            copy.still_of(entry, position).then(|| {
                let mut piece =
                    Piece::of(entry, position, end, EntryTarget::Object(object), offset);
                piece.flags.remove(EntryFlags::IS_SHARED);
                piece.flags.set(EntryFlags::NEEDS_COPY, needs_copy);
                piece
            })
        });
        Ok((guard, piece))
    }
}

impl MapState {
    /// Checks that `start..end` has no hole and that `admit` accepts every entry.
    pub(crate) fn admit_range(
        &self,
        start: u64,
        end: u64,
        admit: &impl Fn(&MapEntry) -> Result<()>,
    ) -> Result<()> {
        let mut covered = start;
        for index in self.overlapping(start, end) {
            let entry = self.entries.get(index);
            if entry.start > covered {
                break;
            }
            admit(entry)?;
            covered = entry.end;
        }
        if covered < end {
            Err(KernReturn::INVALID_ADDRESS)
        } else {
            Ok(())
        }
    }
}

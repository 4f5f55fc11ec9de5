//! A child's map from its parent's.
//!
//! Each entry goes by its inheritance: nothing, a share, or a copy. The parent's page tables are write-protected once
//! per run of neighbouring entries, and not at all for entries that were already copy-on-write. Wirings and transitions
//! are not inherited.
//! XNU counterpart: `vm_map_fork`, `vm_map_fork_share`, `vm_map_fork_copy`.

use alloc::sync::Arc;

use super::VmMap;
use super::extract::{Attempt, Hold, Piece, ProtectRun};
use super::lock::{MapState, MapWriteGuard};
use mach::{Result, VmInherit};
use pmap::Pmap;

impl VmMap {
    /// A map over `pmap` (empty so far) with what a child inherits of this one.
    ///
    /// # Errors
    /// `RESOURCE_SHORTAGE`, or what copying an object with a pager ends with. The parent's memory is untouched then;
    /// some of it may have become copy-on-write.
    ///
    /// Locks: this map's, exclusive; dropped around copies that may wait for a pager.
    #[doc(alias = "vm_map_fork")]
    pub fn fork(&self, pmap: Arc<Pmap>) -> Result<Arc<VmMap>> {
        let mut child = MapState::new();
        let mut guard = self.write_settled(self.min_offset, self.max_offset);
        child.inherit_policy(&guard.state);
        let mut position = self.min_offset;
        while position < self.max_offset {
            // Everything that can be done without unlocking, in one go.
            let (stop, blocking) = self.fork_quickly(&mut guard, &mut child, position)?;
            position = stop;
            let Some(copy) = blocking else { break };
            let piece;
            (guard, piece) = self.copy_unlocked(guard, &copy, position)?;
            if let Some(piece) = piece {
                position = child.take_in(piece, position)?;
            }
        }
        drop(guard);
        child.settle();
        VmMap::with_state(pmap, self.min_offset, self.max_offset, child)
    }

    /// Forks entries from `position` on until one needs a blocking copy; where that is, and the copy.
    fn fork_quickly(
        &self,
        guard: &mut MapWriteGuard<'_>,
        child: &mut MapState,
        mut position: u64,
    ) -> Result<(u64, Option<super::extract::BlockingCopy>)> {
        let mut run = ProtectRun::new(self);
        let mut next = guard.state.entries.at_or_after(position);
        while let Some(index) = next {
            let entry = guard.state.entries.get(index);
            let (start, end) = (entry.start.max(position), entry.end);
            let hold = match entry.inheritance {
                VmInherit::None => None,
                VmInherit::Share => Some(Hold::Share),
                VmInherit::Copy => Some(Hold::Copy),
            };
            position = match hold {
                None => {
                    run.flush();
                    end
                }
                Some(hold) => match guard.state.attempt(index, start, end, hold, &mut run)? {
                    Attempt::Done(piece) => child.take_in(piece, start)?,
                    Attempt::Blocking(copy) => return Ok((start, Some(copy))),
                },
            };
            next = guard.state.entries.next(index);
        }
        Ok((self.max_offset, None))
    }
}

impl MapState {
    /// A child's rules are its parent's.
    fn inherit_policy(&mut self, parent: &MapState) {
        self.limits = parent.limits;
        self.execute_policy = parent.execute_policy;
        self.jit_policy = parent.jit_policy;
        self.code_policy = parent.code_policy.clone();
        self.exec_lockdown = parent.exec_lockdown;
    }

    /// Makes a piece an entry at `start`; the address after it.
    fn take_in(&mut self, piece: Piece, start: u64) -> Result<u64> {
        self.reserve(1)?;
        let ticket = self.ticket();
        let entry = piece.at(start, ticket);
        let end = entry.end;
        self.insert(entry);
        Ok(end)
    }
}

//! Changing protection.
//!
//! Two passes: the first looks at the whole range and changes nothing, the second changes and cannot fail. The page
//! tables are told the new protection *minus write*: permission to write comes back by a fault, which is where
//! copy-on-write is decided.
//! XNU counterpart: `vm_map_protect`.

use super::VmMap;
use super::attributes::EntryFlags;
use super::clip::CLIP_COST;
use super::lock::MapState;
use mach::{KernReturn, Result, VmProt};

/// Which protection is set.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ProtectMode {
    /// The current one, within the maximum.
    Current,
    /// The maximum; the current one is reduced to it.
    Maximum,
}

impl VmMap {
    /// Sets the protection of `start..end`, all of which must be mapped.
    ///
    /// # Errors
    /// `INVALID_ADDRESS` for a hole, `PROTECTION_FAILURE` beyond the maximum or against W^X, `RESOURCE_SHORTAGE`,
    /// `INVALID_ARGUMENT` for a bad range. Nothing has changed then.
    ///
    /// Locks: the map's, exclusive; then the pmap's.
    #[doc(alias = "vm_map_protect")]
    pub fn protect(
        &self,
        start: u64,
        end: u64,
        protection: VmProt,
        mode: ProtectMode,
    ) -> Result<()> {
        if start == end {
            return Ok(());
        }
        self.check_range(start, end)?;
        if protection.contains(VmProt::COPY) {
            // Whoever asks for a private writable copy gets the range copied over itself first.
            if protection.contains(VmProt::EXECUTE) {
                return Err(KernReturn::PROTECTION_FAILURE);
            }
            self.copy_over_itself(start, end)?;
        }
        let wanted = protection.access();
        let mut guard = self.write_settled(start, end);
        guard.state.check_protection(start, end, wanted, mode)?;
        guard.state.reserve(CLIP_COST)?;
        guard.state.clip_range(start, end);
        self.apply_protection(&mut guard.state, start, end, wanted, mode);
        let super::lock::MapWriteGuard { state, graveyard } = &mut guard;
        state.simplify_range(start, end, graveyard);
        state.settle();
        Ok(())
    }

    /// Second pass. Runs of entries that end up with the same protection are told to the page tables together.
    fn apply_protection(
        &self,
        state: &mut MapState,
        start: u64,
        end: u64,
        wanted: VmProt,
        mode: ProtectMode,
    ) {
        let mut run: Option<(u64, u64, VmProt)> = None;
        let mut next = state.entries.at_or_after(start);
        while let Some(index) = next {
            let entry = state.entries.get(index);
            if entry.start >= end {
                break;
            }
            let (old, flags) = (entry.protection, entry.flags);
            let new = match mode {
                ProtectMode::Current if wanted == old => old,
                ProtectMode::Current => state
                    .admit_protection(wanted, flags)
                    .unwrap_or(VmProt::NONE),
                ProtectMode::Maximum => old & wanted,
            };
            let entry = state.entries.get_mut(index);
            entry.protection = new;
            if mode == ProtectMode::Maximum {
                entry.max_protection = wanted;
            }
            let (from, to) = (entry.start, entry.end);
            if old != new {
                let told = new.difference(VmProt::WRITE);
                run = match run {
                    Some((first, last, prot)) if last == from && prot == told => {
                        Some((first, to, prot))
                    }
                    other => {
                        self.lower(other);
                        Some((from, to, told))
                    }
                };
            }
            next = state.entries.next(index);
        }
        self.lower(run);
    }

    pub(crate) fn lower(&self, run: Option<(u64, u64, VmProt)>) {
        if let Some((start, end, protection)) = run {
            self.pmap.protect(start, end, protection);
        }
    }
}

impl MapState {
    /// First pass: may all of `start..end` get `wanted`?
    fn check_protection(
        &self,
        start: u64,
        end: u64,
        wanted: VmProt,
        mode: ProtectMode,
    ) -> Result<()> {
        let mut covered = start;
        for index in self.overlapping(start, end) {
            let entry = self.entries.get(index);
            if entry.start > covered {
                break;
            }
            if !entry.max_protection.contains(wanted) {
                return Err(KernReturn::PROTECTION_FAILURE);
            }
            if mode == ProtectMode::Current && wanted != entry.protection {
                self.admit_protection(wanted, entry.flags & EntryFlags::USED_FOR_JIT)?;
            }
            covered = entry.end;
        }
        if covered < end {
            Err(KernReturn::INVALID_ADDRESS)
        } else {
            Ok(())
        }
    }
}

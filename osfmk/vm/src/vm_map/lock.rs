//! Shared and exclusive sections of a map.
//!
//! Purpose: one place where the version is bumped, where memory for entries is reserved, and where objects that an
//! operation let go are kept until the lock is dropped.
//! Main types: [`MapState`] (all that the lock guards), [`MapReadGuard`], `MapWriteGuard`, `Graveyard`.
//! XNU counterpart: `vm_map_lock`, `vm_map_lock_read`, `vm_map_verify`, and the zap lists of `vm_map_delete`.

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::VmMap;
use super::attributes::EntryFlags;
use super::entry::{EntryTarget, MapEntry};
use super::policy::{ExecutePolicy, JitPolicy, MapLimits};
use super::store::{EntryIndex, EntryStore, Found};
use crate::code_signing::CodePolicy;
use crate::vm_object::ObjectRef;
use mach::{KernReturn, Result};
use prim::lock::{RwLockReadGuard, RwLockWriteGuard};
use prim::wait::{Interruptible, Wait};
use prim::zone::{Admission, Zone};

/// Counts live map entries of all maps.
static ENTRY_ZONE: Zone = Zone::new("VM map entries", size_of::<MapEntry>());

/// A point in the life of a map; another one means that the map may have changed in between.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MapVersion(u64);

/// Everything the map's lock guards.
pub(crate) struct MapState {
    pub(crate) entries: EntryStore<MapEntry>,
    /// Admissions for entries that are about to be made.
    tickets: Vec<Admission>,
    /// Bumped by every exclusive section.
    version: u64,
    /// Sum of the lengths of all entries.
    pub(crate) size: u64,
    /// Bytes wired by users.
    pub(crate) user_wired: u64,
    pub(crate) limits: MapLimits,
    pub(crate) execute_policy: ExecutePolicy,
    pub(crate) jit_policy: JitPolicy,
    /// Whoever decides about code that is not what was signed; nobody looks without.
    pub(crate) code_policy: Option<Arc<dyn CodePolicy>>,
    /// New executable mappings are refused from now on.
    pub(crate) exec_lockdown: bool,
    /// The owner is gone: nothing may be entered any more.
    pub(crate) terminated: bool,
    /// What is made for this map stays in memory.
    pub(crate) unpageable: bool,
}

impl MapState {
    pub(crate) const fn new() -> MapState {
        MapState {
            entries: EntryStore::new(),
            tickets: Vec::new(),
            version: 0,
            size: 0,
            user_wired: 0,
            limits: MapLimits::NONE,
            execute_policy: ExecutePolicy::FailWriteExecute,
            jit_policy: JitPolicy::Multiple,
            code_policy: None,
            exec_lockdown: false,
            terminated: false,
            unpageable: false,
        }
    }

    /// Makes sure that `count` entries can be made without asking anybody.
    ///
    /// # Errors
    /// `RESOURCE_SHORTAGE`; nothing has changed then.
    pub(crate) fn reserve(&mut self, count: usize) -> Result<()> {
        self.entries
            .reserve(count)
            .map_err(|_| KernReturn::RESOURCE_SHORTAGE)?;
        let missing = count.saturating_sub(self.tickets.len());
        self.tickets
            .try_reserve(missing)
            .map_err(|_| KernReturn::RESOURCE_SHORTAGE)?;
        for _ in 0..missing {
            let Ok(ticket) = ENTRY_ZONE.admit() else {
                self.settle();
                return Err(KernReturn::RESOURCE_SHORTAGE);
            };
            self.tickets.push(ticket);
        }
        Ok(())
    }

    /// One of the reserved admissions.
    pub(crate) fn ticket(&mut self) -> Admission {
        self.tickets
            .pop()
            .expect("a map entry is made without a reservation")
    }

    /// Gives back what a reservation left over and what removed entries used.
    pub(crate) fn settle(&mut self) {
        self.tickets.clear();
        self.entries.trim();
    }

    /// Inserts an entry and counts its bytes.
    pub(crate) fn insert(&mut self, entry: MapEntry) -> EntryIndex {
        self.size += entry.size();
        self.entries.insert(entry)
    }

    /// Takes an entry out; its object goes to the graveyard.
    pub(crate) fn remove(&mut self, index: EntryIndex, graveyard: &mut Graveyard) {
        let entry = self.entries.remove(index);
        self.size -= entry.size();
        graveyard.bury(entry.target);
    }

    /// The entries that overlap `start..end`, in order.
    pub(crate) fn overlapping(
        &self,
        start: u64,
        end: u64,
    ) -> impl Iterator<Item = EntryIndex> + '_ {
        core::iter::successors(self.entries.at_or_after(start), |&index| {
            self.entries.next(index)
        })
        .take_while(move |&index| self.entries.get(index).start < end)
    }

    /// The entry that contains `address`.
    pub(crate) fn entry_at(&self, address: u64) -> Option<(EntryIndex, &MapEntry)> {
        let index = self.entries.containing(address)?;
        Some((index, self.entries.get(index)))
    }

    /// The entry before `address` that does not contain it.
    pub(crate) fn entry_before(&self, address: u64) -> Option<EntryIndex> {
        match self.entries.lookup(address) {
            Found::Inside(index) => self.entries.prev(index),
            Found::After(before) => before,
        }
    }

    pub(crate) fn version(&self) -> MapVersion {
        MapVersion(self.version)
    }

    /// An entry in `start..end` that somebody works on with the map unlocked.
    fn find_transition(&self, start: u64, end: u64) -> Option<EntryIndex> {
        self.overlapping(start, end)
            .find(|&index| self.entries.get(index).in_transition())
    }
}

/// Object references on their way out: dropped after the map's lock.
pub(crate) struct Graveyard {
    objects: Vec<ObjectRef>,
}

impl Graveyard {
    const fn new() -> Graveyard {
        Graveyard {
            objects: Vec::new(),
        }
    }

    /// Keeps the reference until the lock is dropped. Without room for it, it goes at once: safe, only slower.
    pub(crate) fn bury(&mut self, target: EntryTarget) {
        let EntryTarget::Object(object) = target else {
            return;
        };
        if self.objects.len() < self.objects.capacity() || self.objects.try_reserve(1).is_ok() {
            self.objects.push(object);
        }
    }
}

/// A shared section: the map cannot change while it lasts.
pub struct MapReadGuard<'a> {
    pub(crate) state: RwLockReadGuard<'a, MapState>,
}

impl MapReadGuard<'_> {
    /// Whoever decides about code in this map.
    pub(crate) fn code_policy(&self) -> Option<&Arc<dyn CodePolicy>> {
        self.state.code_policy.as_ref()
    }

    /// The version this section sees.
    pub fn version(&self) -> MapVersion {
        self.state.version()
    }

    /// The entry at `address`.
    pub fn entry(&self, address: u64) -> Option<&MapEntry> {
        self.state.entry_at(address).map(|(_, entry)| entry)
    }

    /// All entries in address order.
    pub fn entries(&self) -> impl Iterator<Item = &MapEntry> + '_ {
        self.state.entries.iter()
    }
}

/// An exclusive section. The graveyard is declared after the lock, so it is emptied after the lock is dropped.
pub(crate) struct MapWriteGuard<'a> {
    pub(crate) state: RwLockWriteGuard<'a, MapState>,
    pub(crate) graveyard: Graveyard,
}

impl<'a> MapWriteGuard<'a> {
    /// Goes on as a shared section.
    pub(crate) fn into_shared(self) -> MapReadGuard<'a> {
        MapReadGuard {
            state: self.state.downgrade(),
        }
    }
}

impl VmMap {
    /// Starts a shared section.
    #[doc(alias = "vm_map_lock_read")]
    pub fn read(&self) -> MapReadGuard<'_> {
        MapReadGuard {
            state: self.state.read(),
        }
    }

    /// Starts a shared section if nothing has changed since `version`.
    #[doc(alias = "vm_map_verify")]
    pub fn verify(&self, version: MapVersion) -> Option<MapReadGuard<'_>> {
        let guard = self.read();
        (guard.version() == version).then_some(guard)
    }

    /// Starts an exclusive section; earlier versions are stale from here on.
    #[doc(alias = "vm_map_lock")]
    pub(crate) fn write(&self) -> MapWriteGuard<'_> {
        let mut state = self.state.write();
        state.version += 1;
        MapWriteGuard {
            state,
            graveyard: Graveyard::new(),
        }
    }

    /// Starts an exclusive section in which no entry of `start..end` is in transition.
    #[doc(alias = "vm_map_entry_wait")]
    pub(crate) fn write_settled(&self, start: u64, end: u64) -> MapWriteGuard<'_> {
        loop {
            let mut guard = self.write();
            let Some(index) = guard.state.find_transition(start, end) else {
                return guard;
            };
            let wait = self.wait_for_entry(&mut guard, index);
            drop(guard);
            let _ = wait.block();
        }
    }

    /// Registers as a waiter for the end of an entry's transition; the caller unlocks, then blocks.
    pub(crate) fn wait_for_entry(&self, guard: &mut MapWriteGuard<'_>, index: EntryIndex) -> Wait {
        guard
            .state
            .entries
            .get_mut(index)
            .flags
            .insert(EntryFlags::NEEDS_WAKEUP);
        self.transitions.assert_wait(Interruptible::No, None)
    }

    /// Ends the transition of every entry in `start..end` that the caller had put in transition.
    #[doc(alias = "vm_map_entry_wakeup")]
    pub(crate) fn end_transition(&self, state: &mut MapState, start: u64, end: u64) {
        let mut wake = false;
        let mut next = state.entries.at_or_after(start);
        while let Some(index) = next {
            let entry = state.entries.get_mut(index);
            if entry.start >= end {
                break;
            }
            wake |= entry.flags.contains(EntryFlags::NEEDS_WAKEUP);
            entry.flags.remove(EntryFlags::TRANSIENT);
            next = state.entries.next(index);
        }
        if wake {
            self.transitions.wake_all();
        }
    }
}

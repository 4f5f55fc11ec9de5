//! Spaces: a task's names for rights. [`IpcSpace`].
//!
//! A space has *one* name for a port's receive right, its send rights and the dead name they become;
//! each send-once right has a name of its own. Names of receive rights are found through the port
//! itself, names of pure send rights through a hash table in the space.
//!
//! The table only grows while the lock is free: whoever will need free entries takes the lock with
//! `IpcSpace::lock_with_free`. The hash table is kept at twice the size of the entry table, so that
//! it never grows under the lock either.
//!
//! What the rights behind the names can do is `crate::ipc_right`; the calls that programs make are
//! in [`crate::mach_port`]. XNU's counterpart: `ipc/ipc_space.c`, `ipc/ipc_hash.c`.

use crate::ipc_entry::{CHUNK, Capability, EntryTable, Growth, MAX_ENTRIES};
use crate::ipc_port::{Port, Right};
use crate::ipc_right::After;
use crate::zones::{self, Admission};
use alloc::sync::Arc;
use core::fmt;
use core::hash::{BuildHasherDefault, Hasher};
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
use hashbrown::HashMap;
use mach::message::Carried;
use mach::{Disposition, KernReturn, PortName};
use prim::lock::{Rank, SpinLock, SpinLockGuard};

/// A space.
#[doc(alias = "ipc_space")]
pub struct IpcSpace {
    /// Never reused, so that a port can tell whose it is without keeping the space alive.
    id: u64,
    pub(crate) state: SpinLock<SpaceState>,
    _admission: Admission,
}

/// What a space's lock guards.
pub(crate) struct SpaceState {
    pub(crate) active: bool,
    pub(crate) table: EntryTable,
    /// Index of the entry that has a port's send right but not its receive right, by [`Port::id`].
    pub(crate) sends: SendTable,
    sends_admission: Option<Admission>,
}

pub(crate) type SendTable = HashMap<usize, u32, BuildHasherDefault<PortHasher>>;

/// A cheap hash for addresses of ports, which no program chooses.
#[derive(Default)]
pub(crate) struct PortHasher(u64);

impl Hasher for PortHasher {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u64(u64::from(byte));
        }
    }
    fn write_usize(&mut self, value: usize) {
        self.write_u64(value as u64);
    }
    fn write_u64(&mut self, value: u64) {
        let product = (self.0 ^ value).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = product ^ (product >> 29);
    }
}

static NEXT_ID: AtomicU64 = AtomicU64::new(1);

impl IpcSpace {
    /// An empty space.
    ///
    /// # Errors
    /// `KERN_RESOURCE_SHORTAGE`.
    #[doc(alias = "ipc_space_create")]
    pub fn create() -> Result<Arc<Self>, KernReturn> {
        let admission = zones::ALL.admit_space()?;
        let state = SpaceState {
            active: true,
            table: EntryTable::new(),
            sends: SendTable::default(),
            sends_admission: None,
        };
        Ok(Arc::new(Self {
            id: NEXT_ID.fetch_add(1, Relaxed),
            state: SpinLock::new(Rank::IpcSpace, state),
            _admission: admission,
        }))
    }

    /// Ends the space: every name in it is destroyed. No lock held.
    #[doc(alias = "ipc_space_terminate")]
    pub fn destroy(&self) {
        let (mut table, sends) = {
            let mut state = self.state.lock();
            if !state.active {
                return;
            }
            state.active = false;
            state.sends_admission = None;
            (state.table.take_all(), core::mem::take(&mut state.sends))
        };
        drop(sends);
        let mut index = 0;
        while let Some(used) = table.next_used(index) {
            let name = table.name(used);
            let mut after = After::default();
            after.cancel(table.at_mut(used), name);
            after.release_capability(table.release(used));
            after.run();
            index = used + 1;
        }
    }

    /// Whether the space has not been ended.
    pub fn is_active(&self) -> bool {
        self.state.lock().active
    }

    /// The identity that ports remember their receiver by.
    pub fn id(&self) -> u64 {
        self.id
    }

    pub(crate) fn lock(&self) -> SpinLockGuard<'_, SpaceState> {
        self.state.lock()
    }

    /// Takes the lock when at least `wanted` entries are free, growing the table first if need be.
    #[doc(alias = "ipc_entry_grow_table")]
    pub(crate) fn lock_with_free(
        &self,
        wanted: usize,
    ) -> Result<SpinLockGuard<'_, SpaceState>, KernReturn> {
        loop {
            let state = self.state.lock();
            if state.table.free_count() >= wanted || !state.active {
                return Ok(state);
            }
            let chunks = state.table.chunk_count();
            let needed = EntryTable::chunks_for(state.table.used_count() + wanted);
            drop(state);
            self.grow(chunks, needed.max(chunks + chunks / 2 + 1))?;
        }
    }

    /// Takes the lock when the table has an entry of this index, in use or not.
    pub(crate) fn lock_with_index(
        &self,
        index: u32,
    ) -> Result<SpinLockGuard<'_, SpaceState>, KernReturn> {
        let needed = EntryTable::chunks_for(index as usize);
        loop {
            let state = self.state.lock();
            let chunks = state.table.chunk_count();
            if chunks >= needed || !state.active {
                return Ok(state);
            }
            drop(state);
            self.grow(chunks, needed)?;
        }
    }

    fn grow(&self, chunks: usize, wanted: usize) -> Result<(), KernReturn> {
        let limit = EntryTable::chunks_for(MAX_ENTRIES - 1);
        if chunks >= limit || wanted > limit * 2 {
            return Err(KernReturn::NO_SPACE);
        }
        let wanted = wanted.min(limit);
        let growth = Growth::allocate(chunks, wanted)?;
        // A slot of the hash is a key, a value and a byte; tables are at most 7/8 full.
        let mut admission = Some(zones::ALL.admit_table(2 * wanted * CHUNK * 20)?);
        let mut sends = SendTable::default();
        let capacity = 2 * wanted * CHUNK;
        sends
            .try_reserve(capacity)
            .map_err(|_| KernReturn::RESOURCE_SHORTAGE)?;
        let mut state = self.state.lock();
        let spare = state.table.adopt(growth, chunks);
        if sends.capacity() > state.sends.capacity() && state.active {
            sends.extend(state.sends.drain());
            core::mem::swap(&mut state.sends, &mut sends);
            core::mem::swap(&mut state.sends_admission, &mut admission);
        }
        drop(state);
        drop((spare, sends, admission));
        Ok(())
    }

    /// Puts a right into the space.
    ///
    /// # Errors
    /// The right comes back with `KERN_INVALID_TASK`, `KERN_NO_SPACE` or `KERN_RESOURCE_SHORTAGE`.
    #[doc(alias = "ipc_object_copyout")]
    pub fn copyout(&self, right: impl Into<Right>) -> Result<PortName, (KernReturn, Right)> {
        let right = right.into();
        let mut after = After::default();
        let name = match self.lock_with_free(1) {
            Ok(mut state) if state.active => {
                let name = state.copyout(self.id, right, &mut after);
                drop(state);
                name.map_err(|right| (KernReturn::NO_SPACE, right))
            }
            Ok(state) => {
                drop(state);
                Err((KernReturn::INVALID_TASK, right))
            }
            Err(code) => Err((code, right)),
        };
        after.run();
        name
    }

    /// Takes or makes a right from a name. Null and dead names give null and dead rights.
    ///
    /// # Errors
    /// `KERN_INVALID_TASK`, `KERN_INVALID_NAME`, `KERN_INVALID_RIGHT`.
    #[doc(alias = "ipc_object_copyin")]
    pub fn copyin(
        &self,
        name: PortName,
        disposition: Disposition,
    ) -> Result<Carried<Right>, KernReturn> {
        let mut after = After::default();
        let right = self.lock().copyin(name, disposition, &mut after);
        after.run();
        right
    }

    /// The living port that a name may send to. Nothing is consumed: this is how a trap turns its
    /// argument into a task, a thread or a memory entry.
    ///
    /// # Errors
    /// `KERN_INVALID_TASK`, `KERN_INVALID_NAME`, `KERN_INVALID_RIGHT`.
    #[doc(alias = "ipc_port_translate_send")]
    #[doc(alias = "port_name_to_task")]
    pub fn send_port(&self, name: PortName) -> Result<Arc<Port>, KernReturn> {
        self.lock().send_port(name).cloned()
    }

    /// The port whose receive right has this name.
    ///
    /// # Errors
    /// `KERN_INVALID_TASK`, `KERN_INVALID_NAME`, `KERN_INVALID_RIGHT`.
    #[doc(alias = "ipc_port_translate_receive")]
    pub fn receive_port(&self, name: PortName) -> Result<Arc<Port>, KernReturn> {
        self.lock().receive_port(name).cloned()
    }

    /// The name that the space has for a port's send or receive right.
    #[doc(alias = "ipc_right_reverse")]
    pub fn name_of(&self, port: &Arc<Port>) -> Option<PortName> {
        let state = self.lock();
        state
            .reverse(self.id, port)
            .map(|index| state.table.name(index))
    }

    /// Names in use.
    pub fn names_in_use(&self) -> usize {
        self.state.lock().table.used_count()
    }

    /// Every invariant of the space: names, counts and the reverse lookup agree.
    pub fn validate(&self) {
        self.state.lock().validate(self.id);
    }
}

impl SpaceState {
    /// The index of a name, or why there is none.
    pub(crate) fn find(&self, name: PortName) -> Result<u32, KernReturn> {
        if !self.active {
            return Err(KernReturn::INVALID_TASK);
        }
        self.table.find(name).ok_or(KernReturn::INVALID_NAME)
    }

    /// The index of the entry for a port's receive or send right.
    #[doc(alias = "ipc_right_reverse")]
    #[doc(alias = "ipc_hash_lookup")]
    pub(crate) fn reverse(&self, space: u64, port: &Arc<Port>) -> Option<u32> {
        match port.receive_name(space) {
            Some(name) => self.table.find(name),
            None => self.sends.get(&port.id()).copied(),
        }
    }

    /// Names, counts and the reverse lookup agree.
    fn validate(&self, space: u64) {
        self.table.validate();
        let mut pure_sends = 0;
        for (index, entry) in self.table.iter() {
            match &entry.capability {
                Capability::Send(right) => {
                    pure_sends += 1;
                    assert!(entry.urefs > 0, "space: a send right has references");
                    assert_eq!(
                        self.sends.get(&right.port().id()),
                        Some(&index),
                        "space: send right in the hash"
                    );
                    assert!(
                        right.port().send_rights() > 0,
                        "space: the right is counted"
                    );
                }
                Capability::Receive(right, send) => {
                    let name = right.port().receive_name(space);
                    assert_eq!(
                        name,
                        Some(self.table.name(index)),
                        "space: the port knows its name"
                    );
                    assert!(
                        right.port().is_active(),
                        "space: a receive right keeps its port alive"
                    );
                    assert!(
                        !self.sends.contains_key(&right.port().id()),
                        "space: receive rights are not hashed"
                    );
                    assert_eq!(
                        send.is_some(),
                        entry.urefs > 0,
                        "space: references of the send right"
                    );
                    if let Some(send) = send {
                        assert!(
                            Arc::ptr_eq(send.port(), right.port()),
                            "space: one port, one name"
                        );
                    }
                }
                Capability::SendOnce(_) => {
                    assert_eq!(entry.urefs, 1, "space: a send-once right is one")
                }
                Capability::Dead => assert!(entry.urefs > 0, "space: a dead name has references"),
                Capability::Set(_) => assert_eq!(entry.urefs, 0, "space: sets have no references"),
                Capability::Free => unreachable!("only used entries are listed"),
            }
        }
        assert_eq!(
            pure_sends,
            self.sends.len(),
            "space: the hash has the send rights and nothing else"
        );
        assert!(
            self.sends.len() * 2 <= self.sends.capacity().max(1),
            "space: the hash never grows under the lock"
        );
    }
}

impl Drop for IpcSpace {
    fn drop(&mut self) {
        // A space that nobody ended: its rights end by their own drop.
        let state = self.state.get_mut();
        state.active = false;
    }
}

impl fmt::Debug for IpcSpace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IpcSpace({})", self.id)
    }
}

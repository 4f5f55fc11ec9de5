//! The table behind a space: [`EntryTable`], its [`Entry`]s and how names are made of them.
//!
//! A name is the index of an entry and the entry's generation. Each time an entry is freed its
//! generation goes on by four; the two low bits are always set. Where the generations start again is
//! drawn anew every time round, so that a stale name is not valid again after a number of uses that
//! anybody could count.
//!
//! The table is a list of chunks. It grows by whole chunks that are allocated beforehand: nothing here
//! allocates under the space's lock.
//!
//! XNU's counterpart: `ipc/ipc_entry.c`.

use crate::ipc_port::{ReceiveRight, SendOnceRight, SendRight};
use crate::ipc_pset::PortSet;
use crate::zones::{self, Admission};
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use mach::{KernReturn, PortName, PortType};

/// Entries of one chunk.
pub(crate) const CHUNK: usize = 64;
/// The most entries a space may have.
pub(crate) const MAX_ENTRIES: usize = 1 << 18;
const NONE: u32 = u32::MAX;

/// What a name stands for.
#[derive(Debug)]
pub(crate) enum Capability {
    /// Nothing: the entry is free.
    Free,
    /// A send right; its user references are counted by the entry.
    Send(SendRight),
    /// The receive right, perhaps with a send right, whose user references the entry counts.
    Receive(ReceiveRight, Option<SendRight>),
    /// A send-once right.
    SendOnce(SendOnceRight),
    /// A port set.
    Set(Arc<PortSet>),
    /// A dead name; the entry counts its user references.
    Dead,
}

impl Capability {
    /// The type bits, requests left out.
    pub(crate) const fn port_type(&self) -> PortType {
        match self {
            Self::Free => PortType::NONE,
            Self::Send(_) => PortType::SEND,
            Self::Receive(_, None) => PortType::RECEIVE,
            Self::Receive(_, Some(_)) => PortType::SEND_RECEIVE,
            Self::SendOnce(_) => PortType::SEND_ONCE,
            Self::Set(_) => PortType::PORT_SET,
            Self::Dead => PortType::DEAD_NAME,
        }
    }

    /// Takes it, leaving the entry free.
    pub(crate) fn take(&mut self) -> Self {
        core::mem::replace(self, Self::Free)
    }
}

/// One entry.
#[doc(alias = "ipc_entry")]
pub(crate) struct Entry {
    pub(crate) capability: Capability,
    /// User references of a send right or dead name; 1 for a send-once right.
    pub(crate) urefs: u16,
    /// Low byte of the name.
    generation: u8,
    /// Generation at which to start again.
    rollover: u8,
    /// Number of the request at the port, plus one; zero is none.
    request: u32,
    /// Next on the free list.
    next: u32,
    /// Whether it stands on the free list; an entry allocated by name may, while it is in use.
    listed: bool,
}

const FIRST_GENERATION: u8 = 3;

impl Entry {
    const fn free(next: u32) -> Self {
        Self {
            capability: Capability::Free,
            urefs: 0,
            generation: FIRST_GENERATION,
            rollover: u8::MAX,
            request: 0,
            next,
            listed: true,
        }
    }

    pub(crate) const fn request(&self) -> Option<u32> {
        self.request.checked_sub(1)
    }

    pub(crate) fn set_request(&mut self, request: Option<u32>) {
        self.request = request.map_or(0, |index| index + 1);
    }

    /// Takes the request's number.
    pub(crate) fn take_request(&mut self) -> Option<u32> {
        let request = self.request();
        self.request = 0;
        request
    }

    pub(crate) fn is_free(&self) -> bool {
        matches!(self.capability, Capability::Free)
    }

    /// The next generation (`IE_BITS_NEW_GEN`).
    fn age(&mut self) {
        if self.generation == self.rollover {
            self.generation = FIRST_GENERATION;
            // One of the four ends 0x3f, 0x7f, 0xbf, 0xff.
            self.rollover = ((prim::random::next_u64() as u8 & 3) << 6) | 0x3f;
        } else {
            self.generation = self.generation.wrapping_add(4);
        }
    }

    /// One more user reference, unless there are as many as can be counted: then the count stays there
    /// for good.
    pub(crate) fn add_reference(&mut self) {
        self.urefs = self.urefs.saturating_add(1);
    }

    /// One user reference less; true if that was the last. A full count stays full.
    pub(crate) fn drop_reference(&mut self) -> bool {
        match self.urefs {
            u16::MAX => false,
            0 | 1 => true,
            _ => {
                self.urefs -= 1;
                false
            }
        }
    }
}

/// The entries of a space. Index 0 is never used.
pub(crate) struct EntryTable {
    chunks: Vec<Chunk>,
    free_head: u32,
    /// Entries that are free, wherever they stand.
    free: usize,
    used: usize,
}

struct Chunk {
    entries: Box<[Entry]>,
    _admission: Admission,
}

/// Memory for a larger table, allocated beforehand.
pub(crate) struct Growth {
    chunks: Vec<Chunk>,
    added: usize,
}

impl Growth {
    /// Memory to go from `chunks` chunks to `wanted`.
    pub(crate) fn allocate(chunks: usize, wanted: usize) -> Result<Self, KernReturn> {
        let mut list = Vec::new();
        list.try_reserve_exact(wanted.next_power_of_two())
            .map_err(|_| KernReturn::RESOURCE_SHORTAGE)?;
        for _ in chunks..wanted {
            list.push(Chunk::allocate()?);
        }
        Ok(Self {
            added: list.len(),
            chunks: list,
        })
    }
}

impl Chunk {
    fn allocate() -> Result<Self, KernReturn> {
        let admission = zones::ALL.admit_entries()?;
        let mut entries = Vec::new();
        entries
            .try_reserve_exact(CHUNK)
            .map_err(|_| KernReturn::RESOURCE_SHORTAGE)?;
        entries.resize_with(CHUNK, || Entry::free(NONE));
        Ok(Self {
            entries: entries.into_boxed_slice(),
            _admission: admission,
        })
    }
}

impl EntryTable {
    pub(crate) const fn new() -> Self {
        Self {
            chunks: Vec::new(),
            free_head: NONE,
            free: 0,
            used: 0,
        }
    }

    pub(crate) const fn free_count(&self) -> usize {
        self.free
    }

    pub(crate) const fn used_count(&self) -> usize {
        self.used
    }

    pub(crate) fn chunk_count(&self) -> usize {
        self.chunks.len()
    }

    /// Entries, used and free.
    pub(crate) fn len(&self) -> usize {
        self.chunks.len() * CHUNK
    }

    /// How many chunks the table needs to have entry `index`.
    pub(crate) const fn chunks_for(index: usize) -> usize {
        index / CHUNK + 1
    }

    /// Takes new chunks over; the rest comes back to be freed without a lock. Nothing happens if the
    /// table has grown meanwhile.
    pub(crate) fn adopt(&mut self, mut growth: Growth, expected: usize) -> Growth {
        if self.chunks.len() != expected {
            return growth;
        }
        // The new chunks go behind the old ones, in the larger list.
        let mut list = core::mem::take(&mut growth.chunks);
        let new = list.len();
        list.append(&mut self.chunks);
        list.rotate_left(new);
        core::mem::swap(&mut self.chunks, &mut list);
        debug_assert_eq!(growth.added, new);
        for index in (expected * CHUNK..self.len()).rev() {
            // Index 0 stays unused, so that no name is null.
            if index != 0 {
                self.put_on_free_list(index as u32);
                self.free += 1;
            }
        }
        growth.chunks = list;
        growth
    }

    fn put_on_free_list(&mut self, index: u32) {
        let head = self.free_head;
        let entry = self.raw(index);
        entry.next = head;
        entry.listed = true;
        self.free_head = index;
    }

    fn raw(&mut self, index: u32) -> &mut Entry {
        let index = index as usize;
        &mut self.chunks[index / CHUNK].entries[index % CHUNK]
    }

    /// The name of an entry.
    pub(crate) fn name(&self, index: u32) -> PortName {
        PortName((index << 8) | u32::from(self.at(index).generation))
    }

    pub(crate) fn at(&self, index: u32) -> &Entry {
        let index = index as usize;
        &self.chunks[index / CHUNK].entries[index % CHUNK]
    }

    pub(crate) fn at_mut(&mut self, index: u32) -> &mut Entry {
        self.raw(index)
    }

    /// The index of the entry with this name, if it is in use.
    #[doc(alias = "ipc_entry_lookup")]
    pub(crate) fn find(&self, name: PortName) -> Option<u32> {
        let index = name.index();
        let chunk = self.chunks.get(index as usize / CHUNK)?;
        let entry = &chunk.entries[index as usize % CHUNK];
        (!entry.is_free() && entry.generation == name.0 as u8).then_some(index)
    }

    /// Takes a free entry and gives it a capability. The caller has made sure that there is one.
    #[doc(alias = "ipc_entry_claim")]
    pub(crate) fn claim(&mut self, capability: Capability, urefs: u16) -> Option<u32> {
        loop {
            let index = self.free_head;
            if index == NONE {
                return None;
            }
            let entry = self.raw(index);
            entry.listed = false;
            let next = entry.next;
            let free = entry.is_free();
            self.free_head = next;
            if free {
                self.fill(index, capability, urefs);
                return Some(index);
            }
        }
    }

    /// Takes the free entry that `name` says and lets it have that name.
    #[doc(alias = "ipc_entry_alloc_name")]
    pub(crate) fn claim_name(&mut self, name: PortName, capability: Capability, urefs: u16) {
        let index = name.index();
        debug_assert!(self.at(index).is_free());
        self.raw(index).generation = name.0 as u8 | 3;
        self.fill(index, capability, urefs);
    }

    fn fill(&mut self, index: u32, capability: Capability, urefs: u16) {
        let entry = self.raw(index);
        entry.capability = capability;
        entry.urefs = urefs;
        self.free -= 1;
        self.used += 1;
    }

    /// Frees an entry and gives back what it stood for. Its request must have been taken.
    #[doc(alias = "ipc_entry_dealloc")]
    pub(crate) fn release(&mut self, index: u32) -> Capability {
        let entry = self.raw(index);
        debug_assert!(entry.request == 0 && !entry.is_free());
        let capability = entry.capability.take();
        entry.urefs = 0;
        entry.age();
        let listed = entry.listed;
        if !listed {
            self.put_on_free_list(index);
        }
        self.free += 1;
        self.used -= 1;
        capability
    }

    /// Entries in use.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &Entry)> {
        self.chunks
            .iter()
            .flat_map(|chunk| chunk.entries.iter())
            .enumerate()
            .filter(|(_, entry)| !entry.is_free())
            .map(|(index, entry)| (index as u32, entry))
    }

    /// Takes everything out of a space that has ended.
    pub(crate) fn take_all(&mut self) -> Self {
        core::mem::replace(self, Self::new())
    }

    /// The next entry in use at or after `index`.
    pub(crate) fn next_used(&self, index: u32) -> Option<u32> {
        (index as usize..self.len())
            .find(|&index| !self.at(index as u32).is_free())
            .map(|index| index as u32)
    }

    /// Counts, free list and names agree.
    pub(crate) fn validate(&self) {
        let used = self.iter().count();
        assert_eq!(used, self.used, "table: count of used entries");
        let unused = usize::from(!self.chunks.is_empty());
        assert_eq!(
            used + self.free + unused,
            self.len(),
            "table: count of free entries"
        );
        let mut listed = 0;
        let mut at = self.free_head;
        while at != NONE {
            listed += 1;
            assert!(listed <= self.len(), "table: the free list is a cycle");
            let entry = self.at(at);
            assert!(
                entry.listed,
                "table: entry {at} is on the free list without knowing"
            );
            at = entry.next;
        }
        for index in 1..self.len() as u32 {
            let entry = self.at(index);
            assert_eq!(entry.generation & 3, 3, "table: names end in binary 11");
            if entry.is_free() {
                assert!(
                    entry.listed && entry.urefs == 0 && entry.request == 0,
                    "table: free entry {index}"
                );
            }
        }
    }
}

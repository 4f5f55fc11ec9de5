//! Memory entries as ports. XNU counterpart: `vm_memory_entry.c`, the `IKOT_NAMED_ENTRY` port.

use alloc::sync::Arc;

use ipc::{KernelCarrier, KernelObject, Kmsg, Port, SendRight};
use mach::KernReturn;
use mach::defs::memory_entry;
use prim::zone::{Admission, Zone};
use vm::vm_map::MemoryEntry;

use super::answer;
use super::own_port::OwnPort;

static ENTRIES: Zone = Zone::new("memory entry ports", size_of::<EntryPort>());

/// The kernel object behind a memory entry's port.
#[doc(alias = "vm_named_entry_t")]
pub struct EntryPort {
    entry: Arc<MemoryEntry>,
    port: OwnPort,
    _admission: Admission,
}

impl EntryPort {
    /// A port that names `entry`; it goes with its last send right.
    ///
    /// # Errors
    /// `RESOURCE_SHORTAGE`.
    #[doc(alias = "mach_memory_entry_allocate")]
    pub fn name(entry: Arc<MemoryEntry>) -> Result<SendRight, KernReturn> {
        let admission = ENTRIES.admit().map_err(|_| KernReturn::RESOURCE_SHORTAGE)?;
        let named = Arc::new(Self {
            entry,
            port: OwnPort::new(),
            _admission: admission,
        });
        named.port.open(named.clone())
    }

    /// The entry.
    #[must_use]
    pub fn entry(&self) -> &Arc<MemoryEntry> {
        &self.entry
    }
}

/// Serves a memory entry: nothing of the interface is built.
struct EntryServer;

impl memory_entry::Server<KernelCarrier> for EntryServer {}

impl KernelObject for EntryPort {
    fn message(self: Arc<Self>, request: Kmsg, _port: &Arc<Port>) -> Option<Kmsg> {
        answer(memory_entry::demux(
            &mut EntryServer,
            request.into_message(),
        ))
    }

    fn no_senders(self: Arc<Self>, _port: &Arc<Port>, _make_send_count: u32) {
        self.port.close();
    }
}

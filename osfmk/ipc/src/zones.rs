//! The zones of this crate: every port, set, space, table chunk and message is counted in one.
//!
//! An [`Admission`] is kept in the thing it counts and gives the place back when that is freed.
//! `zprint` shows the counts; [`crate::census`] compares them.
//!
//! XNU's counterpart: `ipc_object_zones`, `ipc_kmsg_zone`, `ipc_space_zone`.

use mach::KernReturn;
use prim::frames::Reserve;
pub(crate) use prim::zone::Admission;
use prim::zone::Zone;

static PORTS: Zone = Zone::new("ipc ports", size_of::<crate::ipc_port::Port>());
static SETS: Zone = Zone::new("ipc port sets", size_of::<crate::ipc_pset::PortSet>());
static SPACES: Zone = Zone::new("ipc spaces", size_of::<crate::ipc_space::IpcSpace>());
static ENTRIES: Zone = Zone::new("ipc entries", 64 * size_of::<crate::ipc_entry::Entry>());
static MESSAGES: Zone = Zone::new("ipc kmsgs", 512);

static TABLES: Zone = Zone::new("ipc hash tables", 4096);

/// All of them.
pub(crate) struct Zones;

/// All of them.
pub(crate) static ALL: Zones = Zones;

fn admit(zone: &'static Zone) -> Result<Admission, KernReturn> {
    zone.admit().map_err(|_| KernReturn::RESOURCE_SHORTAGE)
}

impl Zones {
    pub(crate) fn admit_port(&self) -> Result<Admission, KernReturn> {
        admit(&PORTS)
    }
    pub(crate) fn admit_set(&self) -> Result<Admission, KernReturn> {
        admit(&SETS)
    }
    pub(crate) fn admit_space(&self) -> Result<Admission, KernReturn> {
        admit(&SPACES)
    }
    pub(crate) fn admit_entries(&self) -> Result<Admission, KernReturn> {
        admit(&ENTRIES)
    }
    /// A message of this many bytes besides what every message takes.
    pub(crate) fn admit_message(&self, bytes: usize) -> Result<Admission, KernReturn> {
        MESSAGES
            .admit_sized(512 + bytes, Reserve::Normal)
            .map_err(|_| KernReturn::RESOURCE_SHORTAGE)
    }
    /// A hash table, or for a moment any other piece of memory whose size a program chose.
    pub(crate) fn admit_table(&self, bytes: usize) -> Result<Admission, KernReturn> {
        TABLES
            .admit_sized(bytes, Reserve::Normal)
            .map_err(|_| KernReturn::RESOURCE_SHORTAGE)
    }
    pub(crate) fn ports(&self) -> u64 {
        PORTS.in_use() as u64
    }
    pub(crate) fn sets(&self) -> u64 {
        SETS.in_use() as u64
    }
    pub(crate) fn spaces(&self) -> u64 {
        SPACES.in_use() as u64
    }
    pub(crate) fn messages(&self) -> u64 {
        MESSAGES.in_use() as u64
    }
}

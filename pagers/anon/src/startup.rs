//! Start-up: the disk, the table that may be a former pager's, and telling the kernel.

use libsystem::mach_call::{self, Receiver, port};
use libsystem::memory::{Mapping, page_size};
use mach::defs::{host_priv, mach_vm};
use mach::host_info::special_port;
use mach::message::{Carried, UserRight};
use mach::{KernReturn, PortName, PortRight, Result, VmProt};
use swap::store::{Store, table_size};
use swap::table::Memory;

use crate::disk::Disk;
use crate::pager::Pager;

/// `MAP_MEM_NAMED_CREATE` with read and write.
const FRESH_MEMORY: u32 = 0x2_0003;

/// Most slots that are used of a disk: numbers of entries fit in a word.
const MOST_SLOTS: u64 = 1 << 24;

/// The table's memory, with what of it was ever touched when it was mapped.
#[derive(Debug)]
pub(crate) struct TableMemory {
    mapping: Mapping,
    /// A byte for each page; empty when nothing was.
    touched: alloc::vec::Vec<u8>,
}

impl Memory for TableMemory {
    fn read(&self, offset: usize, bytes: &mut [u8]) {
        self.mapping.read(offset, bytes);
    }

    fn write(&mut self, offset: usize, bytes: &[u8]) {
        self.mapping.write(offset, bytes);
    }

    fn is_touched(&self, offset: usize) -> bool {
        let page = offset / page_size() as usize;
        self.touched.get(page).is_some_and(|state| *state & 1 != 0)
    }
}

/// Everything up to the first request; `None` without a disk.
pub(crate) fn start() -> Result<Option<Pager>> {
    let host = mach_call::host_self();
    let master =
        get_special_port(host, special_port::DEVICE_MASTER)?.ok_or(KernReturn::INVALID_RIGHT)?;
    let set = port::allocate(PortRight::PortSet)?;
    let Some(disk) = Disk::open(master, set)? else {
        return Ok(None);
    };
    let slots = (disk.capacity / page_size()).min(MOST_SLOTS) as u32;
    let (memory, inherited) = table_memory(host, table_size(slots))?;
    let store = Store::rebuild(memory, slots);
    let manager = port::allocate(PortRight::Receive)?;
    port::add_to_set(manager, set)?;
    let mut pager = Pager::new(Receiver::new(set), manager, disk, store);
    let registration = host_priv::default_memory_manager::Request {
        default_manager: UserRight::make_send(manager),
        cluster_size: 0,
    };
    mach_call::call(host, registration)?;
    if inherited {
        // The kernel has told of every object that lives before it answered.
        pager.adopt()?;
    }
    Ok(Some(pager))
}

fn get_special_port(host: PortName, which: i32) -> Result<Option<PortName>> {
    let request = host_priv::get_special_port::Request { node: -1, which };
    let port = mach_call::call(host, request)?.port;
    Ok(match port {
        Carried::Right(right) => Some(right.name),
        Carried::Null | Carried::Dead => None,
    })
}

/// The memory of the table: what a former pager has left, or fresh memory that the kernel keeps for the next one.
fn table_memory(host: PortName, size: usize) -> Result<(TableMemory, bool)> {
    let former = get_special_port(host, special_port::SWAP_STORE)?;
    let inherited = former.is_some();
    let entry = match former {
        Some(entry) => entry,
        None => {
            let request = mach_vm::make_memory_entry::Request {
                parent_handle: Carried::Null,
                size: size as u64,
                offset: 0,
                permission: VmProt::from_bits_retain(FRESH_MEMORY),
            };
            let entry = mach_call::call(mach_call::task_self(), request)?
                .object_handle
                .name();
            let request = host_priv::set_special_port::Request {
                port: UserRight::copy_send(entry),
                which: special_port::SWAP_STORE,
            };
            mach_call::call(host, request)?;
            entry
        }
    };
    let mapping = Mapping::of_memory_entry(entry, size)?;
    let touched = if inherited {
        mapping.resident().map_err(|_| KernReturn::FAILURE)?
    } else {
        alloc::vec::Vec::new()
    };
    Ok((TableMemory { mapping, touched }, inherited))
}

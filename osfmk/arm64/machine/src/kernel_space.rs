//! The kernel's own early mappings: direct map, devices, kernel stacks.
//!
//! A small mapper over [`crate::table`], used by the start-up code and for kernel stacks, before
//! and beside `pmap`'s kernel map (which takes over its own window). Only ever adds, or removes
//! whole pages; never changes a mapping in place. Callers serialise: start-up runs on one CPU,
//! later users hold their own lock.

use crate::address::{PhysAddr, VirtAddr};
use crate::descriptor::{self as bits, Kind};
use crate::page::{PAGE_SIZE, is_page_aligned};
use crate::{barrier, table, tlb};

/// What a mapping allows; nothing is both writable and executable.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Permission {
    /// Data that nobody changes.
    ReadOnly,
    /// Data.
    ReadWrite,
    /// Kernel text.
    Execute,
}

/// What is behind the address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Memory {
    /// RAM, write-back cached.
    Normal,
    /// Device registers (nGnRE).
    Device,
}

/// A range to map. Addresses and size are page-aligned.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Mapping {
    /// Where it appears.
    pub virt: VirtAddr,
    /// What appears there.
    pub phys: PhysAddr,
    /// Bytes.
    pub size: u64,
    /// Kind of memory.
    pub memory: Memory,
    /// Permission.
    pub permission: Permission,
}

/// Why a mapping was refused. Mappings made before the failure stay.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MapError {
    /// An address or the size is not page-aligned.
    Misaligned,
    /// Something is mapped at this address.
    Occupied(VirtAddr),
    /// No frame for a table.
    OutOfTables,
}

/// Maps a range under `root`, with blocks where alignment allows. `tables` gives zeroed pages.
pub fn map(
    root: PhysAddr,
    mapping: Mapping,
    tables: &mut dyn FnMut() -> Option<PhysAddr>,
) -> Result<(), MapError> {
    let (virt, phys, size) = (mapping.virt.0, mapping.phys.0, mapping.size);
    if !is_page_aligned(virt | phys | size) {
        return Err(MapError::Misaligned);
    }
    let attributes = attributes(mapping.memory, mapping.permission);
    let mut done = 0;
    while done < size {
        let level = leaf_level(virt + done, phys + done, size - done);
        let slot = descend(root, virt + done, level, tables)?;
        if bits::kind(table::read_descriptor(slot), level) != Kind::Invalid {
            return Err(MapError::Occupied(VirtAddr(virt + done)));
        }
        let page = if level == bits::LAST_LEVEL {
            bits::TABLE_OR_PAGE
        } else {
            0
        };
        table::write_descriptor(slot, (phys + done) | attributes | page);
        done += 1 << bits::level_shift(level);
    }
    barrier::publish_tables();
    Ok(())
}

/// Removes the pages of `[virt, virt + size)` and flushes them. Blocks are not split: the range
/// must have been mapped by pages.
pub fn unmap(root: PhysAddr, virt: VirtAddr, size: u64) {
    let mut at = virt.0;
    while at < virt.0 + size {
        if let Some((slot, level)) = find(root, VirtAddr(at)) {
            debug_assert_eq!(level, bits::LAST_LEVEL, "a block cannot lose one page");
            table::write_descriptor(slot, 0);
        }
        at += PAGE_SIZE as u64;
    }
    tlb::invalidate_kernel_range(virt.0, virt.0 + size);
    tlb::sync();
}

/// The physical address behind `virt`.
#[must_use]
pub fn translate(root: PhysAddr, virt: VirtAddr) -> Option<PhysAddr> {
    let (slot, level) = find(root, virt)?;
    let output = bits::output(table::read_descriptor(slot), level);
    let within = virt.0 & ((1 << bits::level_shift(level)) - 1);
    Some(PhysAddr(output + within))
}

/// The leaf descriptor that maps `virt`, and its level.
fn find(root: PhysAddr, virt: VirtAddr) -> Option<(PhysAddr, u32)> {
    let mut table = root;
    for level in bits::START_LEVEL..=bits::LAST_LEVEL {
        let slot = slot(table, virt.0, level);
        let value = table::read_descriptor(slot);
        match bits::kind(value, level) {
            Kind::Invalid => return None,
            Kind::Leaf => return Some((slot, level)),
            Kind::Table => table = PhysAddr(bits::output(value, level)),
        }
    }
    None
}

fn slot(table: PhysAddr, virt: u64, level: u32) -> PhysAddr {
    table.offset(bits::index(virt, level) as u64 * 8)
}

/// The highest level whose leaf fits the alignment and the rest of the range.
fn leaf_level(virt: u64, phys: u64, rest: u64) -> u32 {
    let fits = |level: u32| {
        let size = 1u64 << bits::level_shift(level);
        bits::may_hold_blocks(level) && (virt | phys) & (size - 1) == 0 && size <= rest
    };
    (bits::START_LEVEL..bits::LAST_LEVEL)
        .find(|&level| fits(level))
        .unwrap_or(bits::LAST_LEVEL)
}

/// The slot for `virt` in its table of `level`, with missing tables added on the way.
fn descend(
    root: PhysAddr,
    virt: u64,
    level: u32,
    tables: &mut dyn FnMut() -> Option<PhysAddr>,
) -> Result<PhysAddr, MapError> {
    let mut table = root;
    for above in bits::START_LEVEL..level {
        let slot = slot(table, virt, above);
        let value = table::read_descriptor(slot);
        table = match bits::kind(value, above) {
            Kind::Table => PhysAddr(bits::output(value, above)),
            Kind::Leaf => return Err(MapError::Occupied(VirtAddr(virt))),
            Kind::Invalid => {
                let new = tables().ok_or(MapError::OutOfTables)?;
                barrier::publish_tables();
                table::write_descriptor(slot, new.0 | bits::TYPE_MASK);
                new
            }
        };
    }
    Ok(slot(table, virt, level))
}

/// Leaf bits of a kernel mapping: global, never for EL0.
fn attributes(memory: Memory, permission: Permission) -> u64 {
    let memory = match memory {
        Memory::Normal => bits::ATTR_NORMAL | bits::SHARE_INNER,
        Memory::Device => bits::ATTR_DEVICE,
    };
    let permission = match permission {
        Permission::ReadOnly => bits::AP_READ_ONLY | bits::PXN | bits::UXN,
        Permission::ReadWrite => bits::PXN | bits::UXN,
        Permission::Execute => bits::AP_READ_ONLY | bits::UXN,
    };
    bits::VALID | bits::ACCESS_FLAG | memory | permission
}

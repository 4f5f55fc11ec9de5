//! Indirect descriptor tables: which memory a request reads and writes, by physical address.
//!
//! All tables of a device are allocated when it starts, so that a request allocates nothing.

use machine::address::{VirtAddr, phys_to_virt};
use machine::page::PAGE_MASK;
use machine::{PAGE_SIZE, PhysAddr};
use prim::frames::{self, FrameState, Reserve};

const DESCRIPTOR: usize = 16;
const NEXT: u16 = 1;
const WRITE: u16 = 2;

/// Entries of a table. A 4 KiB page holds one table, a 16 KiB page four.
pub const ENTRIES: usize = 256;
const TABLE: usize = ENTRIES * DESCRIPTOR;

/// Tables for the slots of one device.
#[derive(Debug)]
pub struct Tables {
    first: PhysAddr,
    count: u16,
}

/// A table being filled.
#[derive(Debug)]
pub struct Builder {
    table: PhysAddr,
    filled: usize,
}

/// The request needs more entries than a table has, or memory the device cannot reach.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DoesNotFit;

/// Who accesses a piece of memory, seen from the device.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Access {
    /// The device reads it.
    Reads,
    /// The device writes it.
    Writes,
}

impl Tables {
    /// Tables for `count` slots; `None` without memory.
    #[must_use]
    pub fn new(count: u16) -> Option<Tables> {
        let pages = (usize::from(count) * TABLE).div_ceil(PAGE_SIZE);
        let order = pages.next_power_of_two().trailing_zeros() as usize;
        let run = frames::allocate_contiguous(order, Reserve::Kernel).ok()?;
        let first = run.into_use(FrameState::Device).phys();
        Some(Tables { first, count })
    }

    /// Starts the table of `slot` anew; its request must not be in flight.
    #[must_use]
    pub fn build(&mut self, slot: u16) -> Builder {
        assert!(slot < self.count);
        Builder {
            table: self.first.offset(u64::from(slot) * TABLE as u64),
            filled: 0,
        }
    }
}

impl Builder {
    /// Adds a physical piece.
    pub fn add(&mut self, at: PhysAddr, length: usize, access: Access) -> Result<(), DoesNotFit> {
        if self.filled == ENTRIES {
            return Err(DoesNotFit);
        }
        if self.filled > 0 {
            self.link(self.filled - 1);
        }
        let flags = match access {
            Access::Reads => 0,
            Access::Writes => WRITE,
        };
        let entry = self.entry(self.filled);
        // SAFETY: an entry of a table that this device owns and that is not in flight.
        unsafe {
            entry.cast::<u64>().write_volatile(at.0.to_le());
            entry
                .add(8)
                .cast::<u32>()
                .write_volatile((length as u32).to_le());
            entry.add(12).cast::<u16>().write_volatile(flags);
            entry.add(14).cast::<u16>().write_volatile(0);
        }
        self.filled += 1;
        Ok(())
    }

    /// Adds kernel memory, page by page.
    pub fn add_kernel(&mut self, bytes: *const [u8], access: Access) -> Result<(), DoesNotFit> {
        let mut at = bytes.cast::<u8>() as u64;
        let end = at + bytes.len() as u64;
        while at < end {
            let part = (end - at).min(PAGE_SIZE as u64 - (at & PAGE_MASK));
            let physical = physical(VirtAddr(at)).ok_or(DoesNotFit)?;
            self.add(physical, part as usize, access)?;
            at += part;
        }
        Ok(())
    }

    /// The table and its length in bytes, for the ring.
    #[must_use]
    pub fn finish(self) -> (PhysAddr, usize) {
        (self.table, self.filled * DESCRIPTOR)
    }

    fn link(&mut self, index: usize) {
        let entry = self.entry(index);
        // SAFETY: as in `add`.
        unsafe {
            let flags = entry.add(12).cast::<u16>();
            flags.write_volatile(flags.read_volatile() | NEXT);
            entry
                .add(14)
                .cast::<u16>()
                .write_volatile((index as u16 + 1).to_le());
        }
    }

    fn entry(&self, index: usize) -> *mut u8 {
        phys_to_virt(self.table.offset((index * DESCRIPTOR) as u64)).as_ptr()
    }
}

/// The physical address of kernel memory.
fn physical(address: VirtAddr) -> Option<PhysAddr> {
    machine::kernel_space::translate(machine::mmu::kernel_root(), address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_chained_and_the_last_one_ends_the_chain() {
        prim::host::boot();
        let mut tables = Tables::new(3).expect("memory");
        let mut builder = tables.build(2);
        builder.add(PhysAddr(0x1000), 7, Access::Reads).unwrap();
        builder.add(PhysAddr(0x8000), 9, Access::Writes).unwrap();
        let (table, bytes) = builder.finish();
        assert_eq!(bytes, 32);
        let word = |offset| machine::table::read_descriptor(table.offset(offset));
        assert_eq!(word(0), 0x1000);
        assert_eq!(word(8), 7 | u64::from(NEXT) << 32 | 1 << 48);
        assert_eq!(word(16), 0x8000);
        assert_eq!(word(24), 9 | u64::from(WRITE) << 32);
    }

    #[test]
    fn a_table_refuses_more_than_it_holds() {
        prim::host::boot();
        let mut tables = Tables::new(1).expect("memory");
        let mut builder = tables.build(0);
        for _ in 0..ENTRIES {
            builder.add(PhysAddr(0x1000), 1, Access::Reads).unwrap();
        }
        assert_eq!(builder.add(PhysAddr(0), 1, Access::Reads), Err(DoesNotFit));
    }
}

//! The twin must be stricter than hardware: these tests prove that it sees what hardware may hide.
//!
//! They share one simulated RAM, so each takes its own frames and its own ASID.
#![cfg(not(target_os = "none"))]

use machine::address::{KERNEL_STACKS, VirtAddr};
use machine::descriptor as bits;
use machine::host::{
    mmu::{self, Fault},
    ram, tlb as host_tlb,
};
use machine::kernel_space::{self, MapError, Mapping, Memory, Permission};
use machine::{FrameNumber, PAGE_SIZE, PhysAddr, copyio, frame_memory, page, table, tlb};
use std::sync::atomic::{AtomicU32, Ordering};

fn take() -> FrameNumber {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let index = NEXT.fetch_add(1, Ordering::Relaxed);
    let range = ram::range();
    assert!(index < range.count);
    FrameNumber(range.start.0 + index)
}

struct Space {
    root: PhysAddr,
    asid: u16,
}

const USER: u64 = bits::VALID
    | bits::TABLE_OR_PAGE
    | bits::ACCESS_FLAG
    | bits::AP_USER
    | bits::NOT_GLOBAL
    | bits::SHARE_INNER
    | bits::PXN;

impl Space {
    fn new(asid: u16) -> Space {
        Space {
            root: take().phys(),
            asid,
        }
    }

    fn slot(&self, address: u64) -> PhysAddr {
        let mut at = self.root;
        for level in bits::START_LEVEL..bits::LAST_LEVEL {
            let slot = at.offset(bits::index(address, level) as u64 * 8);
            if table::read_descriptor(slot) == 0 {
                table::write_descriptor(slot, take().phys().0 | bits::TYPE_MASK);
            }
            at = PhysAddr(bits::output(table::read_descriptor(slot), level));
        }
        at.offset(bits::index(address, bits::LAST_LEVEL) as u64 * 8)
    }

    fn map(&self, address: u64, frame: FrameNumber, more: u64) {
        table::write_descriptor(self.slot(address), frame.phys().0 | USER | more);
    }

    fn load(&self, address: u64) -> Result<u8, Fault> {
        let mut byte = [0];
        mmu::load(self.root, self.asid, address, &mut byte)
            .map(|()| byte[0])
            .map_err(|fault| fault.fault)
    }

    fn store(&self, address: u64, byte: u8) -> Result<(), Fault> {
        mmu::store(self.root, self.asid, address, &[byte]).map_err(|fault| fault.fault)
    }
}

const AT: u64 = 0x4000_0000;

#[test]
fn a_mapped_page_reads_what_was_written() {
    let space = Space::new(1);
    let frame = take();
    assert!(matches!(space.load(AT), Err(Fault::Translation(_))));
    space.map(AT, frame, 0);
    space.store(AT + 5, 9).unwrap();
    assert_eq!(space.load(AT + 5), Ok(9));
    let mut byte = [0];
    frame_memory::read(frame, 5, &mut byte);
    assert_eq!(byte, [9]);
}

#[test]
fn an_unmapped_page_stays_reachable_until_flush_and_sync() {
    let space = Space::new(2);
    space.map(AT, take(), 0);
    assert_eq!(space.load(AT), Ok(0));
    table::write_descriptor(space.slot(AT), 0);
    assert_eq!(space.load(AT), Ok(0));
    tlb::invalidate_page(2, AT);
    assert_eq!(space.load(AT), Ok(0));
    tlb::sync();
    assert_eq!(space.load(AT), Err(Fault::Translation(3)));
    assert_eq!(host_tlb::count(2), 0);
}

#[test]
fn a_lowered_permission_holds_only_after_the_flush() {
    let space = Space::new(3);
    let frame = take();
    space.map(AT, frame, 0);
    space.store(AT, 1).unwrap();
    space.map(AT, frame, bits::AP_READ_ONLY);
    assert_eq!(space.store(AT, 2), Ok(()));
    tlb::invalidate_range(3, AT, AT + 1);
    tlb::sync();
    assert_eq!(space.store(AT, 3), Err(Fault::Permission(3)));
    assert_eq!(space.load(AT), Ok(2));
}

#[test]
#[should_panic(expected = "break-before-make")]
fn replacing_a_valid_descriptor_is_refused() {
    let space = Space::new(4);
    space.map(AT, take(), 0);
    space.map(AT, take(), 0);
}

#[test]
#[should_panic(expected = "still holds")]
fn making_a_descriptor_before_the_flush_is_refused() {
    let space = Space::new(5);
    space.map(AT, take(), 0);
    space.load(AT).unwrap();
    table::write_descriptor(space.slot(AT), 0);
    space.map(AT, take(), 0);
}

#[test]
#[should_panic(expected = "is reused")]
fn zeroing_a_frame_that_is_still_reachable_is_refused() {
    let space = Space::new(6);
    let frame = take();
    space.map(AT, frame, 0);
    space.load(AT).unwrap();
    table::write_descriptor(space.slot(AT), 0);
    frame_memory::zero(frame);
}

#[test]
fn a_leaf_without_access_flag_faults_and_is_not_cached() {
    let space = Space::new(7);
    let frame = take();
    let value = (frame.phys().0 | USER) & !bits::ACCESS_FLAG;
    table::write_descriptor(space.slot(AT), value);
    assert_eq!(space.load(AT), Err(Fault::AccessFlag(3)));
    table::write_descriptor(space.slot(AT), value | bits::ACCESS_FLAG);
    assert_eq!(space.load(AT), Ok(0));
}

#[test]
fn a_fetch_sees_code_only_after_synchronisation() {
    let space = Space::new(8);
    let frame = take();
    frame_memory::write(frame, 0, &0xD503_201Fu32.to_le_bytes());
    space.map(AT, frame, bits::AP_READ_ONLY);
    let fetch = || mmu::fetch(space.root, 8, AT).map_err(|fault| fault.fault);
    assert_eq!(fetch(), Err(Fault::StaleInstruction(frame)));
    machine::cache::synchronise_instructions(frame);
    assert_eq!(fetch(), Ok(0xD503_201F));
}

#[test]
fn copyio_stops_at_the_first_page_that_faults() {
    let space = Space::new(9);
    space.map(AT, take(), 0);
    machine::mmu::switch_user(space.root, 9);
    let bytes = vec![7; PAGE_SIZE + 10];
    let fault = copyio::copyout(&bytes, AT + 4).unwrap_err();
    assert_eq!(fault.address, AT + PAGE_SIZE as u64);
    assert_eq!(fault.done, PAGE_SIZE - 4);
    let mut back = [0; 8];
    copyio::copyin(AT, &mut back).unwrap();
    assert_eq!(back, [0, 0, 0, 0, 7, 7, 7, 7]);
}

#[test]
fn copyio_refuses_kernel_addresses_and_ranges_that_wrap() {
    let mut byte = [0];
    for address in [
        machine::address::DIRECT_MAP,
        u64::MAX,
        machine::address::USER_MAX,
    ] {
        let fault = copyio::copyin(address, &mut byte).unwrap_err();
        assert_eq!((fault.address, fault.done), (address, 0));
    }
}

#[test]
fn copyinstr_tells_a_full_buffer_from_an_end() {
    let space = Space::new(10);
    space.map(AT, take(), 0);
    machine::mmu::switch_user(space.root, 10);
    copyio::copyout(b"name\0", AT).unwrap();
    let mut buffer = [0; 8];
    assert_eq!(copyio::copyinstr(AT, &mut buffer), Ok(Some(4)));
    assert_eq!(copyio::copyinstr(AT, &mut buffer[..4]), Ok(None));
    copyio::copyout(b"xy", AT + PAGE_SIZE as u64 - 2).unwrap();
    let fault = copyio::copyinstr(AT + PAGE_SIZE as u64 - 2, &mut buffer).unwrap_err();
    assert_eq!(fault.done, 2);
}

#[test]
fn kernel_space_maps_blocks_and_pages_and_finds_them_again() {
    let root = take().phys();
    let mut tables = || Some(take().phys());
    let block = 1u64 << bits::level_shift(2);
    let mapping = Mapping {
        virt: VirtAddr(KERNEL_STACKS + block),
        phys: PhysAddr(4 * block),
        size: block + 3 * PAGE_SIZE as u64,
        memory: Memory::Normal,
        permission: Permission::ReadWrite,
    };
    kernel_space::map(root, mapping, &mut tables).unwrap();
    for offset in [0, 5, block - 1, block, block + 2 * PAGE_SIZE as u64 + 7] {
        let found = kernel_space::translate(root, VirtAddr(mapping.virt.0 + offset));
        assert_eq!(found, Some(PhysAddr(mapping.phys.0 + offset)));
    }
    let end = VirtAddr(mapping.virt.0 + mapping.size);
    assert_eq!(kernel_space::translate(root, end), None);
    let again = kernel_space::map(root, mapping, &mut tables);
    assert_eq!(again, Err(MapError::Occupied(mapping.virt)));
    kernel_space::unmap(root, VirtAddr(mapping.virt.0 + block), PAGE_SIZE as u64);
    assert_eq!(
        kernel_space::translate(root, VirtAddr(mapping.virt.0 + block)),
        None
    );
    assert!(page::is_page_aligned(mapping.size));
}

#[test]
fn kernel_space_refuses_misaligned_ranges_and_reports_missing_tables() {
    let root = take().phys();
    let mut mapping = Mapping {
        virt: VirtAddr(KERNEL_STACKS),
        phys: PhysAddr(1),
        size: PAGE_SIZE as u64,
        memory: Memory::Device,
        permission: Permission::ReadWrite,
    };
    let mut none = || None;
    assert_eq!(
        kernel_space::map(root, mapping, &mut none),
        Err(MapError::Misaligned)
    );
    mapping.phys = PhysAddr(0);
    assert_eq!(
        kernel_space::map(root, mapping, &mut none),
        Err(MapError::OutOfTables)
    );
}

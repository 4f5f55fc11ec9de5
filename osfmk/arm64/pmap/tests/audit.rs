//! The kernel half's rules, on tables made by the start-up code's own mapper.

mod support;

use machine::PhysAddr;
use machine::address::{
    DEVICES, DIRECT_MAP, KERNEL_IMAGE, KERNEL_MAP, KERNEL_STACK_SIZE, KERNEL_STACK_SLOT,
    KERNEL_STACKS, VirtAddr,
};
use machine::kernel_space::{self, Mapping, Memory, Permission};
use pmap::audit::{Audit, Violation, audit_tables};
use prim::frames::{self, OwnedFrame, Reserve};
use support::*;

/// A kernel half under construction; its tables are ordinary frames, freed at the end.
struct Half {
    root: OwnedFrame,
    tables: Vec<OwnedFrame>,
}

const TEXT: u64 = 0x4200_0000;

impl Half {
    /// An image of three parts and the direct map's view of the same memory.
    fn with_image() -> Self {
        let mut half = Self {
            root: frame(),
            tables: Vec::new(),
        };
        half.map(KERNEL_IMAGE, TEXT, 4, Permission::Execute);
        half.map(
            KERNEL_IMAGE + 4 * PAGE,
            TEXT + 4 * PAGE,
            2,
            Permission::ReadOnly,
        );
        half.map(
            KERNEL_IMAGE + 6 * PAGE,
            TEXT + 6 * PAGE,
            3,
            Permission::ReadWrite,
        );
        half.map(DIRECT_MAP + TEXT, TEXT, 6, Permission::ReadOnly);
        half.map(
            DIRECT_MAP + TEXT + 6 * PAGE,
            TEXT + 6 * PAGE,
            10,
            Permission::ReadWrite,
        );
        half
    }

    fn map(&mut self, virt: u64, phys: u64, pages: u64, permission: Permission) {
        self.map_as(virt, phys, pages, permission, Memory::Normal);
    }

    fn map_as(&mut self, virt: u64, phys: u64, pages: u64, permission: Permission, memory: Memory) {
        let (virt, phys, size) = (VirtAddr(virt), PhysAddr(phys), pages * PAGE);
        let mapping = Mapping {
            virt,
            phys,
            size,
            memory,
            permission,
        };
        let mut table = || {
            self.tables
                .push(frames::allocate_zeroed(Reserve::Kernel).ok()?);
            self.tables.last().map(|table| table.phys())
        };
        kernel_space::map(self.root.phys(), mapping, &mut table).expect("the range is free");
    }

    fn audit(&self) -> Result<Audit, Violation> {
        audit_tables(self.root.number())
    }
}

#[test]
fn an_image_and_its_view_in_the_direct_map_pass_and_are_counted() {
    let _machine = Machine::boot();
    let mut half = Half::with_image();
    half.map_as(
        DEVICES,
        0x900_0000,
        1,
        Permission::ReadWrite,
        Memory::Device,
    );
    let audit = half.audit().expect("no rule is broken");
    assert_eq!((audit.execute, audit.read_only), (4 * PAGE, 8 * PAGE));
    assert_eq!((audit.read_write, audit.device), (13 * PAGE, PAGE));
    assert_eq!(audit.tables, 1 + half.tables.len() as u64);
}

#[test]
fn a_writable_view_of_text_is_found_wherever_it_is() {
    let _machine = Machine::boot();
    let mut half = Half::with_image();
    half.map(KERNEL_MAP, TEXT + PAGE, 1, Permission::ReadWrite);
    assert_eq!(half.audit(), Err(Violation::WritableAlias(KERNEL_MAP)));
}

#[test]
fn a_stack_passes_and_a_mapped_guard_is_found() {
    let _machine = Machine::boot();
    let mut half = Half::with_image();
    let stack = KERNEL_STACKS + 3 * KERNEL_STACK_SLOT + KERNEL_STACK_SIZE;
    half.map(
        stack,
        0x4300_0000,
        KERNEL_STACK_SIZE / PAGE,
        Permission::ReadWrite,
    );
    assert!(half.audit().is_ok());
    half.map(stack - PAGE, 0x4400_0000, 1, Permission::ReadWrite);
    assert_eq!(half.audit(), Err(Violation::MappedGuard(stack - PAGE)));
}

#[test]
fn executable_device_registers_are_found() {
    let _machine = Machine::boot();
    let mut half = Half::with_image();
    half.map_as(DEVICES, 0x900_0000, 1, Permission::Execute, Memory::Device);
    assert_eq!(half.audit(), Err(Violation::ExecutableDevice(DEVICES)));
}

#[test]
fn the_machines_own_kernel_half_passes_with_mappings_of_the_kernel_pmap() {
    let _machine = Machine::boot();
    let frames = some_frames(3);
    let va = pmap::kernel::WINDOW.start;
    pmap::kernel::map(va, &numbers(&frames), READ_WRITE).unwrap();
    let audit = pmap::audit::audit().expect("no rule is broken");
    assert_eq!((audit.read_write, audit.execute), (3 * PAGE, 0));
    pmap::kernel::unmap(va, 3 * PAGE);
}

//! The device window: registers named by the device tree, mapped one after the other.

use core::ops::Range;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicU64, Ordering};
use machine::address::{DEVICES, DEVICES_END};
use machine::kernel_space::{Mapping, Memory, Permission};
use machine::page::{round_page, trunc_page};
use machine::{PAGE_SIZE, PhysAddr, VirtAddr, boot};

/// Where the next device goes; a page is left out between two.
static NEXT: AtomicU64 = AtomicU64::new(DEVICES);

/// Maps the registers at `range` for good. Start-up only: a failure ends the boot.
pub(crate) fn map(range: &Range<PhysAddr>) -> NonNull<u8> {
    let start = trunc_page(range.start.0);
    let size = round_page(range.end.0) - start;
    let virt = NEXT.fetch_add(size + PAGE_SIZE as u64, Ordering::Relaxed);
    assert!(virt + size <= DEVICES_END, "the device window is full");
    let mapping = Mapping {
        virt: VirtAddr(virt),
        phys: PhysAddr(start),
        size,
        memory: Memory::Device,
        permission: Permission::ReadWrite,
    };
    if let Err(error) = boot::map(mapping) {
        panic!("cannot map the device at {range:?}: {error:?}");
    }
    let pointer = (virt + range.start.0 - start) as *mut u8;
    NonNull::new(pointer).expect("the device window is not at address 0")
}

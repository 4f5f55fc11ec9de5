//! Addresses as types, and the layout of the two halves of the address space.
//!
//! ```text
//! 0x0000_0000_0000_4000  USER_MIN            user space, TTBR0, 47 bits
//! 0x0000_7FFF_FE00_0000  USER_MAX            (exclusive; XNU's MACH_VM_MAX_ADDRESS)
//!
//! 0xFFFF_8000_0000_0000  DIRECT_MAP          all RAM, read-write, never executable
//! 0xFFFF_C000_0000_0000  KERNEL_STACKS       one slot per kernel stack, lower half is the guard
//! 0xFFFF_D000_0000_0000  DEVICES             device registers
//! 0xFFFF_E000_0000_0000  KERNEL_MAP          what the kernel maps later (pmap's kernel map)
//! 0xFFFF_FFFF_C000_0000  KERNEL_IMAGE        text RX, rodata RO, data RW
//! ```
//!
//! Both halves have 47 bits: with 16 KiB pages that is exactly three levels of tables, with 4 KiB
//! pages four levels, the first one half used.

use crate::page::{PAGE_MASK, PAGE_SHIFT};
use core::fmt;

/// Width of either half of the address space.
pub const VA_BITS: u32 = 47;

/// Lowest address a user mapping may have: the null page of the largest granule is never mapped.
#[doc(alias = "MACH_VM_MIN_ADDRESS")]
pub const USER_MIN: u64 = 0x4000;
/// End (exclusive) of user space.
#[doc(alias = "MACH_VM_MAX_ADDRESS")]
pub const USER_MAX: u64 = 0x7FFF_FE00_0000;

/// Start of the direct map: physical address 0 appears here.
pub const DIRECT_MAP: u64 = 0xFFFF_8000_0000_0000;
/// End (exclusive) of the direct map.
pub const DIRECT_MAP_END: u64 = 0xFFFF_C000_0000_0000;
/// Start of the window for kernel stacks.
pub const KERNEL_STACKS: u64 = 0xFFFF_C000_0000_0000;
/// End (exclusive) of the window for kernel stacks.
pub const KERNEL_STACKS_END: u64 = 0xFFFF_D000_0000_0000;
/// Start of the window for device registers.
pub const DEVICES: u64 = 0xFFFF_D000_0000_0000;
/// End (exclusive) of the window for device registers.
pub const DEVICES_END: u64 = 0xFFFF_E000_0000_0000;
/// Start of the window that the kernel's own map allocates from.
#[doc(alias = "VM_MIN_KERNEL_ADDRESS")]
pub const KERNEL_MAP: u64 = 0xFFFF_E000_0000_0000;
/// End (exclusive) of the kernel map's window.
#[doc(alias = "VM_MAX_KERNEL_ADDRESS")]
pub const KERNEL_MAP_END: u64 = 0xFFFF_FFFF_0000_0000;
/// Address at which the kernel image is linked.
pub const KERNEL_IMAGE: u64 = 0xFFFF_FFFF_C000_0000;
/// Bytes that the image may take.
pub const KERNEL_IMAGE_MAX: u64 = 0x200_0000;

/// Binary logarithm of [`KERNEL_STACK_SIZE`].
pub const KERNEL_STACK_SHIFT: u32 = 15;
/// Bytes of a kernel stack.
pub const KERNEL_STACK_SIZE: u64 = 1 << KERNEL_STACK_SHIFT;
/// Distance between kernel stacks. A slot is aligned to its size and its lower half is never
/// mapped, so one bit of the stack pointer tells the vectors that a stack has overflowed, and the
/// top of the current stack can be computed from any address in it.
pub const KERNEL_STACK_SLOT: u64 = 2 * KERNEL_STACK_SIZE;

/// A physical address.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[repr(transparent)]
pub struct PhysAddr(pub u64);

/// A kernel virtual address.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[repr(transparent)]
pub struct VirtAddr(pub u64);

/// A physical page: the physical address without its page offset.
#[doc(alias = "ppnum_t")]
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[repr(transparent)]
pub struct FrameNumber(pub u32);

impl PhysAddr {
    /// The frame that holds this address.
    #[doc(alias = "atop")]
    #[must_use]
    pub const fn frame(self) -> FrameNumber {
        FrameNumber((self.0 >> PAGE_SHIFT) as u32)
    }

    /// The offset within its frame.
    #[must_use]
    pub const fn page_offset(self) -> u64 {
        self.0 & PAGE_MASK
    }

    /// This address plus `bytes`.
    #[must_use]
    pub const fn offset(self, bytes: u64) -> PhysAddr {
        PhysAddr(self.0 + bytes)
    }
}

impl VirtAddr {
    /// As a pointer.
    #[must_use]
    pub const fn as_ptr<T>(self) -> *mut T {
        self.0 as *mut T
    }
}

impl FrameNumber {
    /// The physical address of the frame's first byte.
    #[doc(alias = "ptoa")]
    #[must_use]
    pub const fn phys(self) -> PhysAddr {
        PhysAddr((self.0 as u64) << PAGE_SHIFT)
    }
}

/// The address of `physical` in the direct map. `physical` must be RAM.
#[doc(alias = "phystokv")]
#[cfg(target_os = "none")]
#[must_use]
pub const fn phys_to_virt(physical: PhysAddr) -> VirtAddr {
    VirtAddr(DIRECT_MAP + physical.0)
}

/// The address at which this process sees simulated RAM's `physical`.
#[cfg(not(target_os = "none"))]
#[must_use]
pub fn phys_to_virt(physical: PhysAddr) -> VirtAddr {
    VirtAddr(crate::host::ram::pointer(physical) as u64)
}

/// The physical address behind an address of the direct map.
#[doc(alias = "kvtophys")]
#[cfg(target_os = "none")]
#[must_use]
pub const fn virt_to_phys(direct: VirtAddr) -> PhysAddr {
    debug_assert!(direct.0 >= DIRECT_MAP && direct.0 < DIRECT_MAP_END);
    PhysAddr(direct.0 - DIRECT_MAP)
}

/// The physical address of a byte of simulated RAM.
#[cfg(not(target_os = "none"))]
#[must_use]
pub fn virt_to_phys(direct: VirtAddr) -> PhysAddr {
    crate::host::ram::physical(direct.0 as *const u8)
}

impl fmt::Debug for PhysAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "pa:{:#x}", self.0)
    }
}

impl fmt::Debug for VirtAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "va:{:#x}", self.0)
    }
}

impl fmt::Debug for FrameNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "frame:{:#x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_number_and_its_address_are_inverse() {
        let frame = FrameNumber(0x1_0001);
        assert_eq!(frame.phys().frame(), frame);
        assert_eq!(frame.phys().offset(5).page_offset(), 5);
    }

    #[test]
    fn the_windows_of_the_upper_half_do_not_overlap() {
        let edges = [
            DIRECT_MAP,
            DIRECT_MAP_END,
            KERNEL_STACKS_END,
            DEVICES_END,
            KERNEL_MAP_END,
            KERNEL_IMAGE,
        ];
        assert!(edges.windows(2).all(|pair| pair[0] < pair[1]));
        assert_eq!(DIRECT_MAP, (1u64 << VA_BITS).wrapping_neg());
    }
}

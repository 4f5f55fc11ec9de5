//! The kernel's own pmap: mappings of the upper half that are made after start-up.
//!
//! What the boot code maps (image, direct map, device registers, kernel stacks: `machine::kernel_space`) stays as it
//! is. This pmap works on the same root table, but only inside [`WINDOW`], which shares no table below the root with
//! anything else. Its mappings are global, never accessible to user mode, never fault, and are never both writable
//! and executable.
//!
//! [`map`], [`map_device`] and [`unmap`] fetch the tables they need themselves; [`Pmap::enter`] on the kernel pmap
//! works as on any other. The ranges of the window are handed out by the VM layer's kernel map.
//!
//! XNU counterpart: `kernel_pmap`, `pmap_map`, `pmap_map_bd`.

use alloc::sync::Arc;
use core::ops::Range;

use mach::VmProt;
use machine::address::{FrameNumber, KERNEL_MAP, KERNEL_MAP_END, USER_MAX};
use machine::page::{PAGE_SIZE, is_page_aligned};
use machine::{PhysAddr, mmu};
use prim::frames::{OutOfFrames, Reserve};
use spin::Once;

use crate::descriptor::{Privilege, Rights};
use crate::geometry::{ROOT_LEVEL, descriptor_base};
use crate::{NeedsTables, Pmap, TableReserve, Wiring};

/// The addresses the kernel pmap works on: the kernel map's window, up to the last root descriptor that belongs to
/// it alone.
pub const WINDOW: Range<u64> = KERNEL_MAP..descriptor_base(KERNEL_MAP_END, ROOT_LEVEL);

const _: () = assert!(descriptor_base(KERNEL_MAP, ROOT_LEVEL) == KERNEL_MAP);

static KERNEL: Once<Arc<Pmap>> = Once::new();

impl Pmap {
    /// The kernel's.
    #[doc(alias = "kernel_pmap")]
    pub fn kernel() -> &'static Arc<Pmap> {
        KERNEL.call_once(|| {
            crate::asids().set_bits(mmu::asid_bits());
            Arc::new(Pmap::with_root(
                Privilege::Kernel,
                mmu::kernel_root().frame(),
            ))
        })
    }

    /// The addresses this pmap may map.
    pub(crate) fn window(&self) -> (u64, u64) {
        match self.privilege {
            Privilege::User => (0, USER_MAX),
            Privilege::Kernel => (WINDOW.start, WINDOW.end),
        }
    }

    /// Whether `va` is one of them.
    pub(crate) fn covers(&self, va: u64) -> bool {
        let (start, end) = self.window();
        (start..end).contains(&va)
    }

    /// Our caller's mistake, never a user's: the VM layer has checked addresses before it comes here.
    #[track_caller]
    pub(crate) fn check_address(&self, va: u64) {
        assert!(self.covers(va), "{va:#x} is not in this half");
    }

    /// As [`Pmap::check_address`] for a range of whole pages.
    #[track_caller]
    pub(crate) fn check_range(&self, start: u64, end: u64) {
        let (first, last) = self.window();
        assert!(
            is_page_aligned(start | end),
            "{start:#x}..{end:#x} is not made of pages"
        );
        assert!(
            first <= start && start <= end && end <= last,
            "{start:#x}..{end:#x} is not in this half"
        );
    }
}

/// Prepares the kernel's pmap and the ASIDs; once, before the first user address space.
#[doc(alias = "pmap_bootstrap")]
pub fn initialise() {
    Pmap::kernel();
}

/// Maps frames for the kernel at consecutive addresses from `va` on, wired. A failure leaves nothing mapped.
#[doc(alias = "pmap_map")]
pub fn map(va: u64, frames: &[FrameNumber], prot: VmProt) -> Result<(), OutOfFrames> {
    assert!(
        !prot.contains(VmProt::WRITE | VmProt::EXECUTE),
        "kernel memory is writable or executable, not both"
    );
    let mut reserve = TableReserve::new();
    let mut done = 0;
    while done < frames.len() {
        let at = va + (done * PAGE_SIZE) as u64;
        let entered = Pmap::kernel().enter_pages(
            at,
            &frames[done..],
            prot,
            VmProt::NONE,
            Wiring::Wired,
            &mut reserve,
        );
        match entered {
            Ok(()) => return Ok(()),
            Err(NeedsTables { entered }) => done += entered,
        }
        if let Err(out) = reserve.fill(Reserve::Kernel) {
            Pmap::kernel().remove(va, va + (done * PAGE_SIZE) as u64);
            return Err(out);
        }
    }
    Ok(())
}

/// Maps device registers for the kernel: not cached, not reordered, never executable. A failure leaves nothing
/// mapped.
#[doc(alias = "pmap_map_bd")]
#[doc(alias = "ml_io_map")]
pub fn map_device(va: u64, registers: PhysAddr, size: u64) -> Result<(), OutOfFrames> {
    assert!(is_page_aligned(registers.0 | size));
    let rights = Rights {
        write: true,
        execute: false,
    };
    let mut reserve = TableReserve::new();
    let (mut done, count) = (0, size as usize / PAGE_SIZE);
    while done < count {
        let at = va + (done * PAGE_SIZE) as u64;
        let first = FrameNumber(registers.frame().0 + done as u32);
        match Pmap::kernel().enter_device(at, first, count - done, rights, &mut reserve) {
            Ok(()) => return Ok(()),
            Err(NeedsTables { entered }) => done += entered,
        }
        if let Err(out) = reserve.fill(Reserve::Kernel) {
            Pmap::kernel().remove(va, va + (done * PAGE_SIZE) as u64);
            return Err(out);
        }
    }
    Ok(())
}

/// Removes what [`map`] or [`map_device`] mapped.
pub fn unmap(va: u64, size: u64) {
    Pmap::kernel().remove(va, va + size);
}

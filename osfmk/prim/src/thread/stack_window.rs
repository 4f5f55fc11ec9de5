//! The board's side of kernel stacks: slots of the window, their frames, the few that stay mapped.
//!
//! The first slots belong to the stacks on which the other processors start. Page tables of the window come from the
//! frames and stay.

use machine::address::{KERNEL_STACK_SIZE, KERNEL_STACK_SLOT, KERNEL_STACKS};
use machine::cpu::MAX_CPUS;
use machine::kernel_space::{self, Mapping, Memory, Permission};
use machine::{PAGE_SIZE, PhysAddr, VirtAddr, mmu};

use super::{KEPT, STACKS_MAX};
use crate::frames::{self, FrameState, OutOfFrames, OwnedFrame, Reserve};
use crate::lock::{Rank, SpinLock};

/// Slots that the board uses by itself.
const FIRST: usize = 2 * MAX_CPUS;

struct Window {
    /// Bit set: in use, or free and mapped.
    taken: [u64; STACKS_MAX.div_ceil(64)],
    /// Free slots that are mapped.
    kept: [u16; KEPT],
    kept_count: usize,
}

static WINDOW: SpinLock<Window> = SpinLock::new(
    Rank::Stacks,
    Window {
        taken: [0; STACKS_MAX.div_ceil(64)],
        kept: [0; KEPT],
        kept_count: 0,
    },
);

/// A mapped slot.
pub(super) struct Slot(u16);

impl Slot {
    pub(super) fn take() -> Result<Self, OutOfFrames> {
        let mut window = WINDOW.lock();
        if window.kept_count > 0 {
            window.kept_count -= 1;
            return Ok(Self(window.kept[window.kept_count]));
        }
        let number = window.reserve().ok_or(OutOfFrames)?;
        map(number).inspect_err(|OutOfFrames| {
            unmap(number);
            window.release(number);
        })?;
        Ok(Self(number))
    }

    /// The address just above the stack.
    pub(super) fn top(&self) -> VirtAddr {
        VirtAddr(bottom(self.0) + KERNEL_STACK_SIZE)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut window = WINDOW.lock();
        if window.kept_count < KEPT {
            let at = window.kept_count;
            window.kept[at] = self.0;
            window.kept_count += 1;
        } else {
            unmap(self.0);
            window.release(self.0);
        }
    }
}

impl Window {
    fn reserve(&mut self) -> Option<u16> {
        let (word, bits) = self
            .taken
            .iter_mut()
            .enumerate()
            .find(|(_, bits)| **bits != u64::MAX)?;
        let bit = bits.trailing_ones();
        *bits |= 1 << bit;
        let number = word * 64 + bit as usize;
        (number < STACKS_MAX).then_some(number as u16)
    }

    fn release(&mut self, number: u16) {
        self.taken[number as usize / 64] &= !(1 << (number % 64));
    }
}

/// The lowest address of a slot's stack; the guard lies below.
fn bottom(number: u16) -> u64 {
    KERNEL_STACKS + (FIRST as u64 + u64::from(number)) * KERNEL_STACK_SLOT + KERNEL_STACK_SIZE
}

fn pages(number: u16) -> impl Iterator<Item = VirtAddr> {
    (0..KERNEL_STACK_SIZE)
        .step_by(PAGE_SIZE)
        .map(move |offset| VirtAddr(bottom(number) + offset))
}

/// Maps a slot's pages. On failure some may be mapped.
fn map(number: u16) -> Result<(), OutOfFrames> {
    for virt in pages(number) {
        let frame = frames::allocate_zeroed(Reserve::Normal)?;
        let mapping = Mapping {
            virt,
            phys: frame.phys(),
            size: PAGE_SIZE as u64,
            memory: Memory::Normal,
            permission: Permission::ReadWrite,
        };
        kernel_space::map(mmu::kernel_root(), mapping, &mut table).map_err(|_| OutOfFrames)?;
        frame.into_use(FrameState::Stack);
    }
    Ok(())
}

/// A page for a table of the window.
fn table() -> Option<PhysAddr> {
    let frame = frames::allocate_zeroed(Reserve::Kernel).ok()?;
    Some(frame.into_use(FrameState::PageTable).phys())
}

/// Unmaps what is mapped of a slot, flushes, and frees the frames.
fn unmap(number: u16) {
    for virt in pages(number) {
        if let Some(phys) = kernel_space::translate(mmu::kernel_root(), virt) {
            kernel_space::unmap(mmu::kernel_root(), virt, PAGE_SIZE as u64);
            drop(OwnedFrame::reclaim(phys.frame(), FrameState::Stack));
        }
    }
}

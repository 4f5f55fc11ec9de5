//! Walking frame pointers, so that a panic can say how it came about.
//!
//! Frames are the AAPCS64 records `{ previous x29, return address }`. The walk is pure over a
//! reader, and stops at the first record that is misaligned, unreadable or its own predecessor. A
//! chain may lead from an emergency stack back to the overflowed one, so addresses need not rise.

/// Longest chain that is followed.
pub const MAX_FRAMES: usize = 48;

/// Calls `visit` with each return address of the chain that starts at record `frame`, innermost
/// first. `read` returns the two words of a record, or `None` where the stack ends.
pub fn walk(
    mut frame: u64,
    mut read: impl FnMut(u64) -> Option<(u64, u64)>,
    mut visit: impl FnMut(u64),
) {
    for _ in 0..MAX_FRAMES {
        if frame == 0 || frame & 7 != 0 {
            return;
        }
        let Some((previous, return_address)) = read(frame) else {
            return;
        };
        if return_address == 0 {
            return;
        }
        visit(return_address);
        if previous == frame {
            return;
        }
        frame = previous;
    }
}

/// Walks the kernel stack from `frame` (the interrupted `x29`, or [`frame_pointer`]).
#[cfg(target_os = "none")]
pub fn walk_kernel(frame: u64, visit: impl FnMut(u64)) {
    use crate::{VirtAddr, kernel_space, mmu};
    let root = mmu::kernel_root();
    let is_mapped = |address: u64| {
        address >> 47 == 0x1_FFFF && kernel_space::translate(root, VirtAddr(address)).is_some()
    };
    walk(
        frame,
        |record| {
            let pointer = record as *const u64;
            // SAFETY: both words are mapped kernel memory and aligned (checked by `walk`); a word
            // that is no frame record gives a wrong line in the report, nothing worse.
            (is_mapped(record) && is_mapped(record + 8))
                .then(|| unsafe { (pointer.read_volatile(), pointer.add(1).read_volatile()) })
        },
        visit,
    );
}

/// The frame record of the caller.
#[cfg(target_os = "none")]
#[inline(always)]
#[must_use]
pub fn frame_pointer() -> u64 {
    let frame;
    // SAFETY: reads a register.
    unsafe { core::arch::asm!("mov {}, x29", out(reg) frame, options(nomem, nostack)) };
    frame
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_is_followed_to_its_end() {
        let records = [(0x100, (0x200, 1)), (0x200, (0x300, 2)), (0x300, (0, 3))];
        let mut seen = Vec::new();
        let read = |at| records.iter().find(|r| r.0 == at).map(|r| r.1);
        walk(0x100, read, |address| seen.push(address));
        assert_eq!(seen, [1, 2, 3]);
    }

    #[test]
    fn a_chain_that_goes_in_circles_ends() {
        let mut count = 0;
        walk(0x100, |_| Some((0x100, 7)), |_| count += 1);
        assert_eq!(count, 1);
        walk(0x100, |at| Some((at ^ 0x300, 7)), |_| count += 1);
        assert_eq!(count, 1 + MAX_FRAMES);
        count = 1;
        walk(0x101, |_| Some((0x200, 7)), |_| count += 1);
        assert_eq!(count, 1);
    }
}

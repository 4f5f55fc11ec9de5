//! Every allocation fails once, one after the other: nothing is lost, nothing half done.

mod support;

use mach::VmProt;
use pmap::{NeedsTables, Pmap, TableReserve, Wiring};
use prim::frames::{FrameNumber, OutOfFrames, Reserve};
use prim::thread::injection::{self, Site};
use support::*;

const VA: u64 = 0x2_0000_0000;

/// Makes two spaces, maps frames into both, and gives up at the first failure.
fn scenario(frames: &[FrameNumber]) -> Result<(), OutOfFrames> {
    let first = Pmap::create(Reserve::Normal)?;
    let second = Pmap::create(Reserve::Normal)?;
    map(&first, VA, frames)?;
    map(&second, VA, frames)?;
    map(&second, VA + (1 << 40), frames)?;
    first.validate();
    second.validate();
    pmap::kernel::map(pmap::kernel::WINDOW.start, frames, VmProt::DEFAULT)?;
    pmap::kernel::unmap(pmap::kernel::WINDOW.start, frames.len() as u64 * PAGE);
    Ok(())
}

fn map(pmap: &Pmap, va: u64, frames: &[FrameNumber]) -> Result<(), OutOfFrames> {
    let mut reserve = TableReserve::new();
    let mut done = 0;
    while let Err(NeedsTables { entered }) = pmap.enter_pages(
        va + done as u64 * PAGE,
        &frames[done..],
        READ_WRITE,
        READ,
        Wiring::Pageable,
        &mut reserve,
    ) {
        done += entered;
        pmap.validate();
        reserve.fill(Reserve::Normal)?;
    }
    Ok(())
}

#[test]
fn a_failure_of_any_allocation_leaves_nothing_behind() {
    let _machine = Machine::boot();
    // Enough for more pv entries than the page that is always kept can give.
    let frames = some_frames(300);
    let numbers = numbers(&frames);
    for nth in 1.. {
        injection::fail_nth(Site::Frames, nth);
        let result = scenario(&numbers);
        let struck = injection::remaining(Site::Frames) == 0;
        injection::fail_nth(Site::Frames, 0);
        assert_eq!(result.is_err(), struck, "allocation {nth}");
        assert!(numbers.iter().all(|&frame| !pmap::is_mapped(frame)));
        assert_eq!(
            pmap::pv_slab::statistics().entries_in_use,
            0,
            "allocation {nth}"
        );
        assert_eq!(Pmap::kernel().table_count(), 0, "allocation {nth}");
        if !struck {
            assert!(nth > 8, "the scenario allocates more often than that");
            return;
        }
    }
}

//! Fault-around: a read fault maps what lies in memory around its page, too.
//!
//! Whoever reads a page that is resident will most probably read its neighbours; entering those costs a tenth of a fault of
//! their own. Only pages that are there are entered, never for a write, never executable (each page of code is checked by
//! itself), and not where the program has said that it reads at random. A page that is mapped this way counts as read.
//!
//! Memory that was never written is shown as the zero page, in runs of the same length, until something needs its object.
//!
//! Who reads on from one window into the next is given several of them at once.
//!
//! Nothing here waits or fails: what is left out will fault. XNU has no counterpart; Linux calls it `fault_around_bytes`.

use core::ops::Range;

use mach::{VmBehavior, VmProt};
use machine::page::{PAGE_SHIFT, PAGE_SIZE};
use pmap::Wiring;
use prim::frames;

use super::resolve::{Blocked, Resolved};
use super::spares::Spares;
use crate::vm_map::{LookupResult, VmMap};
use crate::{code_signing, vm_page};

/// Bytes of the aligned window around the page.
const WINDOW_BYTES: u64 = 64 * 1024;
/// A program that reads on from the window before gets so many at once.
const SEQUENTIAL_WINDOWS: u64 = 4;
/// Pages of these.
const WINDOW_PAGES: usize = ((SEQUENTIAL_WINDOWS * WINDOW_BYTES) >> PAGE_SHIFT) as usize;

/// The part of the window around `addr` that lies within `bounds`.
fn window(map: &VmMap, addr: u64, bounds: &Range<u64>) -> Range<u64> {
    let start = (addr & !(WINDOW_BYTES - 1)).max(bounds.start);
    let reads_on = start > bounds.start && map.pmap().extract(start - PAGE_SIZE as u64).is_some();
    let windows = if reads_on { SEQUENTIAL_WINDOWS } else { 1 };
    let end = (addr & !(WINDOW_BYTES - 1)) + windows * WINDOW_BYTES;
    start..end.min(bounds.end)
}

/// Enters the resident neighbours of a page that was just entered at `addr` for reading. The page's objects are locked.
pub(super) fn enter_resident(
    map: &VmMap,
    addr: u64,
    found: &LookupResult,
    resolved: &mut Resolved,
    spares: &mut Spares,
) {
    let unfit = found.wired
        || found.protection.contains(VmProt::EXECUTE)
        || found.behavior == VmBehavior::Random
        || !resolved.chain.is_direct();
    if unfit {
        return;
    }
    let entry_start = addr - (found.offset - found.window.start);
    let bounds = entry_start..entry_start + (found.window.end - found.window.start);
    let window = window(map, addr, &bounds);
    let chain = &mut resolved.chain;
    let protection = if chain.is_top() && !chain.top.has_copy() {
        resolved.protection
    } else {
        resolved.protection - VmProt::WRITE
    };
    let distance = |at: u64| (at as i64 - addr as i64) >> PAGE_SHIFT;
    let first = distance(window.start);
    let mut run = [None; WINDOW_PAGES];
    let run = &mut run[..((window.end - window.start) >> PAGE_SHIFT) as usize];
    let active = vm_page::active_queue(&chain.current().pages);
    let flags = vm_page::flags_of_mapping(protection, VmProt::READ);
    let (mut found_any, mut shared) = (false, 0);
    chain.for_each_neighbour(first..distance(window.end), |distance, mut page| {
        if protection.contains(VmProt::WRITE) && code_signing::is_judged(page.flags()) {
            // Its executable mappings would have to go first.
            return;
        }
        found_any = true;
        shared += usize::from(pmap::is_mapped_by(page.pv()));
        vm_page::use_page(&mut page, active, flags);
        run[(distance - first) as usize] = Some(page.frame());
    });
    if !found_any {
        return;
    }
    spares.tables.top_up(shared, spares.options.reserve);
    map.pmap()
        .enter_around(window.start, run, protection, &mut spares.tables);
}

/// Shows zeros at `addr`, and around it, in memory nobody has touched. The map's shared lock is held.
pub(super) fn show_zeros(
    map: &VmMap,
    addr: u64,
    bounds: &Range<u64>,
    spares: &mut Spares,
) -> Result<(), Blocked> {
    let zeros = frames::zero_page();
    let (pmap, tables) = (map.pmap(), &mut spares.tables);
    pmap.enter(
        addr,
        zeros,
        VmProt::READ,
        VmProt::READ,
        Wiring::Pageable,
        tables,
    )
    .map_err(|_| Blocked::Tables)?;
    let window = window(map, addr, bounds);
    let count = ((window.end - window.start) >> PAGE_SHIFT) as usize;
    let run = [Some(zeros); WINDOW_PAGES];
    pmap.enter_around(window.start, &run[..count], VmProt::READ, tables);
    Ok(())
}

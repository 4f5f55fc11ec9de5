//! The fault: a loop of steps.
//!
//! ```text
//!   ┌─▶
//!   │   VmMap::lookup_and_lock   object, offset, protection                   (map lock, shared, kept)
//!   │   Chain::begin             the object on top                            (map, object)
//!   │   step::examine, decide    what must happen, as a value
//!   │      map          ──▶ code_signing::admit, Pmap::enter, done
//!   │      copy up, push, zero-fill ──▶ done under the same locks, decide again
//!   │      no frame, no table, contended ──▶ drop every lock, get it ───────────┐
//!   │      ask ──▶ take a credit, drop every lock, Pager::data_request, wait ───┤
//!   │      wait ──▶ register, drop every lock, block (interruptible, deadline) ─┤
//!   │      code that is not what was signed ──▶ drop every lock, CodePolicy ────┤
//!   │      fail ──▶ drop every lock, KernReturn                                 │
//!   └───────────────────────────────────────────────────────────────────────────┘
//! ```
//!
//! Nothing learned before a wait is used after it: the map's lock is held from the lookup to the page table or
//! dropped together with everything that was looked up. Write permission reaches a page table only for a write.
//! Outcomes: INVALID_ADDRESS nothing mapped there; PROTECTION_FAILURE not with this access; MEMORY_ERROR past
//! the end, or the pager failed; RESOURCE_SHORTAGE no frames; CODESIGN_ERROR not what was signed;
//! ABORTED interrupted.
//!
//! Files: `around` maps neighbours, `resolve` walks and carries steps out, `perform` holds the single steps, `spares` the reserves,
//! `block` everything done without locks. XNU counterpart: `vm_fault.c`.

mod around;
mod block;
mod map_page;
mod object_page;
mod perform;
pub(crate) mod resolve;
mod spares;
#[cfg(test)]
mod tests;
mod wire;

use mach::{KernReturn, VmProt};
use machine::page::trunc_page;
use pmap::Wiring;
use prim::frames::Reserve;

use crate::vm_map::{FaultLookup, LookupResult, MapReadGuard, VmMap};
use crate::vm_object::collapse;
use crate::{code_signing, vm_page, vm_statistics, vm_trace};
use block::settle;
use resolve::{Demand, Progress, Resolved, advance};
use spares::Spares;

pub(crate) use map_page::with_map_page;
pub use object_page::grab;
pub(crate) use object_page::{pin_page, with_page};
pub use wire::{unwire_range, wire_page};

/// How patient a fault is and what it may use up.
#[derive(Clone, Copy, Debug)]
pub struct FaultOptions {
    /// May a signal or the end of the thread break waits off?
    pub interruptible: bool,
    /// How deep into the frames' reserves it may go.
    pub reserve: Reserve,
}

impl FaultOptions {
    /// An ordinary fault of a user thread.
    pub const USER: FaultOptions = FaultOptions {
        interruptible: true,
        reserve: Reserve::Normal,
    };
    /// Work that must run to its end.
    pub const UNINTERRUPTIBLE: FaultOptions = FaultOptions {
        interruptible: false,
        reserve: Reserve::Normal,
    };
}

/// Resolves a fault at `addr` of `map`, so that `access` succeeds when it is tried again. No lock may be held.
///
/// # Errors
/// See the module's outcomes.
#[doc(alias = "vm_fault")]
#[doc(alias = "vm_fault_internal")]
pub fn fault(
    map: &VmMap,
    addr: u64,
    access: VmProt,
    interruptible: bool,
) -> Result<(), KernReturn> {
    fault_with(
        map,
        addr,
        access,
        FaultOptions {
            interruptible,
            reserve: Reserve::Normal,
        },
    )
}

/// As [`fault`], with all options.
///
/// # Errors
/// See the module's outcomes.
pub fn fault_with(
    map: &VmMap,
    addr: u64,
    access: VmProt,
    options: FaultOptions,
) -> Result<(), KernReturn> {
    let page_address = trunc_page(addr);
    vm_statistics::FAULTS.add(1);
    vm_trace::fault(addr, access, core::ptr::from_ref(map).addr() as u64);
    let result = run(map, page_address, access, options);
    vm_trace::fault_done(addr, &result);
    result
}

fn run(map: &VmMap, addr: u64, access: VmProt, options: FaultOptions) -> Result<(), KernReturn> {
    let mut spares = Spares::new(options);
    loop {
        let lookup = match map.lookup_for_fault(addr, access) {
            // Untouched memory gets its object, and a copy its shadow, by the lookup.
            Err(KernReturn::RESOURCE_SHORTAGE) => {
                spares.wait_for_memory()?;
                continue;
            }
            outcome => outcome?,
        };
        let (guard, found) = match lookup {
            FaultLookup::Page(guard, found) => (guard, found),
            FaultLookup::Zeros(guard, bounds) => {
                match around::show_zeros(map, addr, &bounds, &mut spares) {
                    Ok(()) => return Ok(()),
                    Err(missing) => {
                        drop(guard);
                        settle(missing, &mut spares)?;
                        continue;
                    }
                }
            }
        };
        vm_trace::lookup(addr, found.object.id(), found.offset, found.protection);
        let demand = Demand::of_lookup(&found, access).for_mapping();
        let blocked = match advance(&demand, &mut spares) {
            Progress::Ready(resolved) => {
                let copied = resolved.copied;
                match enter(map, &guard, addr, access, &found, resolved, &mut spares) {
                    Ok(()) => {
                        finish(guard, &found, copied);
                        return Ok(());
                    }
                    Err(needs) => needs,
                }
            }
            Progress::Blocked(blocked) => blocked,
        };
        drop(guard);
        // While it waits it is not counted as one more that refers to the object.
        drop(found);
        vm_trace::retry(addr, blocked.code());
        settle(blocked, &mut spares)?;
    }
}

/// Enters the page into the page tables, under the object's locks.
fn enter(
    map: &VmMap,
    guard: &MapReadGuard<'_>,
    addr: u64,
    access: VmProt,
    found: &LookupResult,
    mut resolved: Resolved,
    spares: &mut Spares,
) -> Result<(), resolve::Blocked> {
    let wiring = if found.wired {
        Wiring::Wired
    } else {
        Wiring::Pageable
    };
    code_signing::admit(guard, addr, access, found, &mut resolved, spares.pardoned)?;
    let frame = resolved.frame;
    let protection = resolved.protection;
    let access = access & protection;
    map.pmap()
        .enter(addr, frame, protection, access, wiring, &mut spares.tables)
        .map_err(|_| resolve::Blocked::Tables)?;
    vm_page::note_mapped(
        &mut resolved.chain.current_mut().pages,
        frame,
        protection,
        access,
    );
    if access == VmProt::READ {
        around::enter_resident(map, addr, found, &mut resolved, spares);
    }
    Ok(())
}

/// After success: locks are dropped, and a copied page may have made a link of the chain superfluous.
fn finish(guard: MapReadGuard<'_>, found: &LookupResult, copied: bool) {
    drop(guard);
    if copied {
        collapse(found.object.object());
    }
}

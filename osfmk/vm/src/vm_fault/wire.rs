//! Wiring: a page that is mapped, resident, and stays so until it is unwired as often.
//!
//! Neighbours: the map side counts per entry and calls these per page, once for the first wiring of an entry and once
//! when the last one ends. XNU counterpart: `vm_fault_wire`, `vm_fault_unwire`.

use mach::{KernReturn, VmProt};
use machine::page::{PAGE_SHIFT, PAGE_SIZE};
use pmap::Wiring;
use prim::frames::queues;

use super::FaultOptions;
use super::block::settle;
use super::resolve::{Blocked, Demand, Progress, advance};
use super::spares::Spares;
use crate::vm_map::VmMap;
use crate::vm_object::{Chain, ObjectRef};
use crate::{code_signing, vm_page};

/// Makes the page at `addr` resident and mapped for `access`, and wires it.
///
/// # Errors
/// As a fault; `RESOURCE_SHORTAGE` too when the page is wired as often as can be counted.
#[doc(alias = "vm_fault_wire")]
pub fn wire_page(
    map: &VmMap,
    addr: u64,
    access: VmProt,
    options: FaultOptions,
) -> Result<(), KernReturn> {
    let mut spares = Spares::new(options);
    loop {
        let (guard, found) = map.lookup_and_lock(addr, access)?;
        let demand = Demand::of_lookup(&found, access).for_mapping();
        let blocked = match advance(&demand, &mut spares) {
            Progress::Ready(mut resolved) => {
                let pardoned = spares.pardoned;
                let admitted =
                    code_signing::admit(&guard, addr, access, &found, &mut resolved, pardoned);
                if let Err(invalid) = admitted {
                    drop(resolved);
                    drop(guard);
                    settle(invalid, &mut spares)?;
                    continue;
                }
                let (frame, protection) = (resolved.frame, resolved.protection);
                let entered = map.pmap().enter(
                    addr,
                    frame,
                    protection,
                    access & protection,
                    Wiring::Wired,
                    &mut spares.tables,
                );
                if entered.is_ok() {
                    vm_page::note_mapped(
                        &mut resolved.chain.current_mut().pages,
                        frame,
                        protection,
                        access & protection,
                    );
                    let wired = queues::lock().wire(frame);
                    return if wired {
                        Ok(())
                    } else {
                        Err(KernReturn::RESOURCE_SHORTAGE)
                    };
                }
                Blocked::Tables
            }
            Progress::Blocked(blocked) => blocked,
        };
        drop(guard);
        settle(blocked, &mut spares)?;
    }
}

/// Undoes one wiring of the page that is seen at `offset` through the chain of `object`; one that is gone is passed over.
fn unwire_page(object: &ObjectRef, offset: u64) {
    let mut chain = Chain::begin(object.object().clone(), offset >> PAGE_SHIFT);
    loop {
        let current = chain.current();
        if let Some(frame) = current.pages.lookup(vm_page::index(chain.page())) {
            let mut queues = queues::lock();
            if queues.wire_count(frame) > 0 && queues.unwire(frame) {
                queues.enqueue(frame, vm_page::active_queue(&current.pages));
            }
            return;
        }
        if !chain.descend() {
            return;
        }
    }
}

/// Undoes one [`wire_page`] of every page of `start..end`, which an entry maps to `object` from `offset`.
#[doc(alias = "vm_fault_unwire")]
pub fn unwire_range(map: &VmMap, start: u64, end: u64, object: &ObjectRef, offset: u64) {
    for addr in (start..end).step_by(PAGE_SIZE) {
        map.pmap().change_wiring(addr, Wiring::Pageable);
        unwire_page(object, offset + (addr - start));
    }
}

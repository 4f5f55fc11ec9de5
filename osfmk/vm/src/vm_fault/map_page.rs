//! Using a page of a map from the kernel: for I/O on a task's memory, whichever address space is active.
//!
//! The same loop of steps as a fault, except that nothing is entered into the page tables: the caller gets the page while
//! map and objects are locked. So no fork can turn the page copy-on-write between the lookup and a write.
//! XNU counterpart: `vm_fault_page` with `copyio` in `vm_map_read_user`, `vm_map_write_user`.

use mach::{KernReturn, VmProt};

use super::FaultOptions;
use super::block::settle;
use super::object_page::finish;
use super::resolve::{Demand, Progress, Resolved, advance};
use super::spares::Spares;
use crate::vm_map::VmMap;
use crate::vm_object::collapse;

/// Makes the page at `address` usable for `access` and hands it over. No lock may be held; `use_page` must not wait.
///
/// # Errors
/// As a fault.
pub(crate) fn with_map_page<R>(
    map: &VmMap,
    address: u64,
    access: VmProt,
    options: FaultOptions,
    use_page: impl FnOnce(&mut Resolved) -> R,
) -> Result<R, KernReturn> {
    let mut spares = Spares::new(options);
    loop {
        let (guard, found) = map.lookup_and_lock(address, access)?;
        let demand = Demand::of_lookup(&found, access);
        let blocked = match advance(&demand, &mut spares) {
            Progress::Ready(mut resolved) => {
                let result = finish(&mut resolved, access, use_page);
                let copied = resolved.copied;
                drop(resolved);
                drop(guard);
                if copied {
                    collapse(found.object.object());
                }
                return Ok(result);
            }
            Progress::Blocked(blocked) => blocked,
        };
        drop(guard);
        settle(blocked, &mut spares)?;
    }
}

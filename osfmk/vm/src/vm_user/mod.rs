//! The calls of the user-visible interface, below the message or trap that carried them.
//!
//! Purpose: take what a program passed, unchecked ([`UserAddr`], [`UserSize`], raw words), sanitise it in XNU's order,
//! and call the map. The kernel return codes are XNU's, including the ones that history explains.
//! Neighbours: `kern` decodes messages and calls these; `bsd` uses [`sanitize`] and the map directly, since its checks
//! and errors differ from call to call.
//! It does not: look up ports. Where a call names one, the caller has turned it into a
//! [`Backing`](crate::vm_map::Backing).
//! XNU counterpart: `vm_user.c`, `vm_sanitize.c`, `vm_memory_entry.c`.

mod allocate;
mod change;
mod inspect;
mod map;
mod memory_entry;
pub mod sanitize;
mod transfer;

pub use allocate::{mach_vm_allocate, mach_vm_deallocate};
pub use change::{
    mach_vm_behavior_set, mach_vm_inherit, mach_vm_msync, mach_vm_protect,
    mach_vm_purgable_control, mach_vm_wire,
};
pub use inspect::{
    MAX_PAGE_RANGE_QUERY, RegionAnswer, mach_vm_page_info, mach_vm_page_query,
    mach_vm_page_range_query, mach_vm_region, mach_vm_region_recurse,
};
pub use map::{MapArguments, RemapArguments, mach_vm_map, mach_vm_remap};
pub use memory_entry::mach_make_memory_entry;
pub use sanitize::{UserAddr, UserSize};
pub use transfer::{mach_vm_copy, mach_vm_read, mach_vm_read_overwrite, mach_vm_write};

//! The virtual-memory server: address maps, memory objects, the fault loop and the pager protocol.
//!
//! | module | what it holds | XNU counterpart |
//! |---|---|---|
//! | [`vm_map`] | entries of an address space, copies carried by messages | `vm_map.c` |
//! | [`vm_user`] | the calls of the user-visible interface | `vm_user.c` |
//! | [`vm_object`] | objects, shadow chains, copy objects, collapse, I/O through the page cache | `vm_object.c` |
//! | [`vm_page`] | the few things `vm` says about single pages | `vm_resident.c` |
//! | [`code_signing`] | what is looked at before a page becomes executable | the `_cs` parts of `vm_fault.c` |
//! | [`vm_fault`] | the loop of steps that resolves one fault | `vm_fault.c` |
//! | [`memory_object`] | the pager protocol as a typed state machine | `memory_object.c` |
//! | [`vm_pageout`] | getting frames back | `vm_pageout.c` |
//!
//! Lock order inside this crate: map, then object (down the shadow chain; up to a copy object only by
//! try-lock), then page queues, then frames. No lock is held across anything a pager can delay.
#![cfg_attr(target_os = "none", no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod code_signing;
pub mod memory_object;
mod ticks;
pub mod vm_fault;
pub mod vm_map;
pub mod vm_object;
pub mod vm_page;
pub mod vm_pageout;
pub mod vm_statistics;
mod vm_trace;
pub mod vm_user;

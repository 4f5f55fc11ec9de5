//! The Mach ABI of Pagoda: every number, type and message layout that crosses the line between the
//! kernel and a program, written once and compiled into both.
//!
//! | module | what it fixes |
//! |---|---|
//! | [`kern_return`] | the result codes of every call, `mach_msg` included |
//! | [`vm_prot`], [`vm_inherit`], [`vm_behavior`], [`vm_flags`], [`vm_purgable`], [`vm_sync`] | arguments of the VM calls |
//! | [`vm_region`], [`vm_statistics`], [`page_info`], [`task_info`], [`host_info`] | what the kernel tells about itself |
//! | [`memory_object`] | words of the pager protocol |
//! | [`port`] | names, rights, dispositions |
//! | [`message`] | header, descriptors, options, trailers, and the carrier-generic [`message::Message`] |
//! | [`defs`] | one file per interface: ids, layouts, client stubs, server demultiplexer |
//! | [`exception`], [`thread_status`], [`time`], [`traps`], [`trace`] | the rest of the boundary |
//!
//! The numbers are XNU's, so that a client whose stubs were generated from XNU's interface files
//! works unchanged; the tests compare every interface with tables measured from those files.
//!
//! What this crate does not do: it holds no policy and calls nothing. The kernel's rights and
//! memory enter through [`message::Carrier`].
//!
//! XNU's counterpart is the directory `osfmk/mach` with its `.h` and `.defs` files.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod defs;
pub mod exception;
pub mod file;
pub mod host_info;
pub mod kern_return;
pub mod memory_object;
pub mod message;
pub mod page_info;
pub mod port;
pub mod task_info;
pub mod thread_status;
pub mod time;
pub mod trace;
pub mod traps;
pub mod vm_behavior;
pub mod vm_flags;
pub mod vm_inherit;
pub mod vm_prot;
pub mod vm_purgable;
pub mod vm_region;
pub mod vm_statistics;
pub mod vm_sync;
pub mod wire;

pub use kern_return::{KernReturn, Result};
pub use memory_object::{CopyStrategy, ReturnKind};
pub use port::{Disposition, PortName, PortRight, PortType};
pub use vm_behavior::VmBehavior;
pub use vm_flags::VmFlags;
pub use vm_inherit::VmInherit;
pub use vm_prot::VmProt;

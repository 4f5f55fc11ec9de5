//! Mach IPC: spaces, names, rights, ports, port sets, messages, notifications, `mach_msg`.
//!
//! | module | what | XNU |
//! |---|---|---|
//! | [`ipc_space`], `ipc_entry` | a task's names | `ipc_space.c`, `ipc_entry.c`, `ipc_hash.c` |
//! | `ipc_right` | what one name can do | `ipc_right.c` |
//! | [`mach_port`] | the calls programs make on names | `mach_port.c` |
//! | [`ipc_port`] | ports, and rights as counted values | `ipc_port.c` |
//! | [`ipc_pset`] | port sets | `ipc_pset.c` |
//! | [`ipc_kmsg`] | messages: copied in, owned, copied out | `ipc_kmsg.c` |
//! | [`ipc_mqueue`] | sending, receiving, waiting for either | `ipc_mqueue.c` |
//! | [`ipc_notify`] | what the kernel tells of ports and rights | `ipc_notify.c` |
//! | [`ipc_kobject`] | ports that name kernel objects | `ipc_kobject.c` |
//! | [`mod@mach_msg`], [`mach_msg2`] | the trap | `mach_msg.c` |
//! | [`mod@rpc`] | the kernel as a client | `ipc_mig.c` |
//! | [`deferred`] | what the end of a right leaves to the reaper | `ipc_kmsg_delayed_destroy` |
//! | [`census`] | counting everything, for tests | - |
//!
//! # Ownership
//! A right is a value. A space's entry, a message, a part of the kernel *has* a right by holding the
//! value, and the port's counts are the number of values. So a message that fails half-way cannot leak
//! a right: what it has got ends with it. Dropping any of these is legal under any lock; the methods
//! that act at once (`release`, `destroy`) send notifications and want none held.
//!
//! # Locks
//! Space, then the path of receive rights in transit, then port, then one set, then a waiter's slot
//! (`prim::lock::Rank`: `IpcSpace`, `PortTransit`, `Port`, `PortSet`, `Message`). Two locks of one of
//! these ranks are never held together. All of them spin; what may grow grows
//! while they are free.
//!
//! # What is not here
//! What a message to a kernel object means (`kern`), priorities and importance inheritance, vouchers,
//! filters, labels; guards are kept but only `mach_port_destruct` checks them.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod census;
pub mod deferred;
mod ipc_entry;
pub mod ipc_kmsg;
pub mod ipc_kobject;
pub mod ipc_mqueue;
pub mod ipc_notify;
pub mod ipc_port;
pub mod ipc_pset;
mod ipc_right;
pub mod ipc_space;
pub mod mach_msg;
pub mod mach_msg2;
pub mod mach_port;
#[cfg(test)]
mod model_tests;
pub mod rpc;
mod slab;
#[cfg(test)]
mod testing;
mod zones;

pub use ipc_kmsg::{
    KernelCarrier, KernelMemory, KernelMessage, KernelPorts, Kmsg, Placement, Sender, UserMemory,
};
pub use ipc_kobject::KernelObject;
pub use ipc_mqueue::send::from_kernel as send_from_kernel;
pub use ipc_mqueue::{Patience, ThreadIpc};
pub use ipc_port::request::PortDeathWatcher;
pub use ipc_port::{Port, ReceiveRight, Right, SendOnceRight, SendRight};
pub use ipc_space::IpcSpace;
pub use mach_msg::{Caller, MsgArguments};
pub use rpc::{receive_in_kernel, rpc};

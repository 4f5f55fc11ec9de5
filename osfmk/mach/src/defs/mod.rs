//! The interfaces: each routine's id, messages, client stub and server entry, declared once.
//!
//! | file | base | who serves |
//! |---|---|---|
//! | [`mach_host`] | 200 | kernel, on the host port |
//! | [`host_priv`] | 400 | kernel, on the privileged host port |
//! | [`mach_port`] | 3200 | kernel, on a task port |
//! | [`task`] | 3400 | kernel, on a task port |
//! | [`thread_act`] | 3600 | kernel, on a thread port |
//! | [`vm_map`] | 3800 | kernel, on a task port |
//! | [`mach_vm`] | 4800 | kernel, on a task port |
//! | [`memory_entry`] | 4900 | kernel, on a memory entry |
//! | [`exc`], [`mach_exc`] | 2401, 2405 | whoever handles exceptions |
//! | [`notify`] | 64 | whoever asked to be notified |
//! | [`memory_object`] | 2200 | a pager; XNU's shapes |
//! | [`memory_object_control`] | 2000 | kernel; XNU's shapes |
//! | [`pager`] | 2260 | a pager: what the kernel tells it (own interface) |
//! | [`pager_control`] | 2060 | kernel: what a pager tells it (own interface) |
//! | [`device`] | 2800 | kernel: devices and requests to them (own interface) |
//! | [`page_list`] | 2850 | kernel, on a page list (own interface) |
//! | [`file_server`] | 2900 | the file server (own interface) |
//! | [`trace`] | 2950 | kernel, on the privileged host port: what happened (own interface) |
//! | [`pager_registry`] | 2970 | kernel, on the host port: pagers by name (own interface) |
//! | [`pager_service`] | 2980 | a registered pager: what any program may ask it (own interface) |
//!
//! Every routine is a module with a `Request` and, if it is answered, a `Reply`:
//!
//! ```
//! use mach::defs::{mach_vm, RequestBody, ReplyBody};
//! use mach::message::{Carried, Message, UserCarrier, UserRight};
//! use mach::port::PortName;
//!
//! let task = UserRight::copy_send(PortName(0x203));
//! let reply = UserRight::make_send_once(PortName(0x307));
//! let request = mach_vm::allocate::Request { address: 0, size: 0x4000, flags: 1 };
//! let message: Message<UserCarrier> = request.into_message(task, reply);
//! assert_eq!((message.id, message.wire_size()), (4800, 52));
//!
//! // The server's side of the same definition:
//! let answer = mach_vm::allocate::Reply { address: 0x1_0000_0000 };
//! let message: Message<UserCarrier> = answer.into_message(Carried::Null);
//! let reply = mach_vm::allocate::Reply::from_message(message)?;
//! assert_eq!(reply.address, 0x1_0000_0000);
//! # Ok::<(), mach::KernReturn>(())
//! ```
//!
//! A server implements the interface's `Server` trait (what it leaves out answers `MIG_BAD_ID`) and
//! hands messages to `demux`. The machinery is in [`rpc`] (traits), [`field`] and [`descriptor`]
//! (layout rules), `interface` (the macro), [`layout`] (tables for tests and tools).
//!
//! The rules of layout are those of Apple's MIG for LP64: header; if complex, the descriptor count
//! and the descriptors in argument order; then, if there is inline data, the 8-byte NDR record and
//! the arguments packed to four bytes. A simple reply always has the NDR record and the return code;
//! a complex one has no return code; a failure is always the 36-byte simple reply. XNU's
//! counterparts are the `.defs` files and the code generated from them.

pub mod descriptor;
pub mod field;
pub mod layout;
pub mod rpc;

mod interface;

pub mod device;
pub mod exc;
pub mod file_server;
pub mod host_priv;
pub mod mach_exc;
pub mod mach_host;
pub mod mach_port;
pub mod mach_vm;
pub mod memory_entry;
pub mod memory_object;
pub mod memory_object_control;
pub mod notify;
pub mod page_list;
pub mod pager;
pub mod pager_control;
pub mod pager_registry;
pub mod pager_service;
pub mod task;
pub mod thread_act;
pub mod trace;
pub mod vm_map;

pub use field::{Array, CString, ExceptionPorts};
pub use rpc::{Call, Outcome, ReplyBody, RequestBody, Routine, error_reply};

/// What the modules made by the `interface` macro see.
pub(crate) mod prelude {
    pub(crate) use super::descriptor::Kind;
    pub(crate) use super::descriptor::kind::*;
    pub(crate) use super::field::{Array, CString, ExceptionPorts, Field};
    pub(crate) use super::interface::interface;
    pub(crate) use super::layout::{FieldLayout, MessageLayout, part_descriptor};
    pub(crate) use super::rpc::{self, ReplyBody, RequestBody, Routine};
    pub(crate) use crate::file::{FileAttributes, FileHandle, FileSystemInfo};
    pub(crate) use crate::host_info::{ZONE_NAME_SIZE, ZoneInfo};
    pub(crate) use crate::kern_return::{KernReturn, Result};
    pub(crate) use crate::memory_object::FaultInfo;
    pub(crate) use crate::message::{Carried, Carrier, Message};
    pub(crate) use crate::port::PortName;
    pub(crate) use crate::vm_prot::VmProt;
    pub(crate) use crate::wire::{ByteSink, Gathered};
}

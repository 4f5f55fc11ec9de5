//! Ports that name kernel objects, and the servers behind them.
//!
//! | port of | object | interfaces |
//! |---|---|---|
//! | a task | [`Task`] | `mach_vm`, `vm_map`, `mach_port`, `task` |
//! | a thread | [`Thread`] | `thread_act` |
//! | the host | [`Host`] | `mach_host`, and `host_priv` on the privileged one |
//! | an object's pager | [`memory_control::Control`] | `pager_control` |
//! | a memory entry | [`memory_entry::EntryPort`] | `memory_entry` |
//! | frames on their way | [`page_list::PageList`] | `page_list` |
//! | devices | [`device`], `block_device` | `device` |
//!
//! A message arrives in the sender's thread with no lock held. Each object passes it through the `demux` of its interfaces; what
//! none of them knows is answered `MIG_BAD_ID`. XNU counterpart: `ipc_kobject.c`, `ipc_tt.c`, `ipc_host.c`, `mach_loader`'s MIG
//! tables.

pub(crate) mod block_device;
pub mod device;
mod host;
pub mod memory_control;
pub mod memory_entry;
mod own_port;
pub mod page_list;
pub(crate) mod task_ports;
mod task_server;
mod task_vm;
mod task_vm_old;
mod thread_server;

use ipc::{KernelCarrier, Kmsg, Port, Right, SendRight};
use mach::KernReturn;
use mach::defs::Outcome;
use mach::message::Carried;
use mach::port::ObjectKind;

use crate::host::Host;
use crate::task::Task;
use crate::thread::Thread;

/// The answer to a message that went through one or several `demux`.
pub(crate) fn answer(outcome: Outcome<KernelCarrier>) -> Option<Kmsg> {
    // Without memory for an answer the reply right ends, and the client hears that.
    outcome
        .or_bad_id()
        .and_then(|message| Kmsg::from_message(message).ok())
}

/// What kernel object a port names.
#[doc(alias = "ip_kotype")]
fn kind(port: &Port) -> ObjectKind {
    if !port.is_kernel_object() {
        ObjectKind::None
    } else if port.kobject::<Task>().is_some() {
        ObjectKind::Task
    } else if port.kobject::<Thread>().is_some() {
        ObjectKind::Thread
    } else if port.kobject::<Host>().is_some() {
        ObjectKind::Host
    } else if port.kobject::<device::Master>().is_some() {
        ObjectKind::DeviceMaster
    } else if port.kobject::<memory_entry::EntryPort>().is_some() {
        ObjectKind::MemoryEntry
    } else if port.kobject::<memory_control::Control>().is_some() {
        ObjectKind::MemoryControl
    } else {
        ObjectKind::Unknown
    }
}

/// A send right for a reply.
pub(crate) fn carried(right: Option<SendRight>) -> Carried<Right> {
    right.map_or(Carried::Dead, |right| Carried::Right(Right::Send(right)))
}

/// The send right in an argument.
///
/// # Errors
/// `INVALID_ARGUMENT` for no port, a dead one, or another kind of right.
pub(crate) fn send_right(argument: Carried<Right>) -> Result<SendRight, KernReturn> {
    match argument {
        Carried::Right(Right::Send(right)) => Ok(right),
        _ => Err(KernReturn::INVALID_ARGUMENT),
    }
}

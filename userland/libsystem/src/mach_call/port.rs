//! Names and rights of this task, by trap.

use super::{result_of, task_self};
use mach::Result;
use mach::port::{Disposition, PortName, PortRight};
use mach::traps;

fn task() -> u64 {
    u64::from(task_self().0)
}

/// Makes a receive right or a port set.
///
/// # Errors
/// The kernel's.
#[doc(alias = "mach_port_allocate")]
pub fn allocate(right: PortRight) -> Result<PortName> {
    let mut name = 0u32;
    let arguments = [task(), right as u64, &raw mut name as u64];
    // SAFETY: the kernel writes into `name` only.
    unsafe { result_of(traps::MACH_PORT_ALLOCATE, &arguments) }?;
    Ok(PortName(name))
}

/// A receive right with one send right under the same name.
///
/// # Errors
/// The kernel's.
pub fn allocate_with_send() -> Result<PortName> {
    let name = allocate(PortRight::Receive)?;
    insert(name, name, Disposition::MakeSend)?;
    Ok(name)
}

/// Gives up one reference of a send, send-once or dead name.
///
/// # Errors
/// The kernel's.
#[doc(alias = "mach_port_deallocate")]
pub fn deallocate(name: PortName) -> Result<()> {
    // SAFETY: no memory is named.
    unsafe { result_of(traps::MACH_PORT_DEALLOCATE, &[task(), u64::from(name.0)]) }
}

/// Changes the references of a right; -1 on a receive right destroys the port.
///
/// # Errors
/// The kernel's.
#[doc(alias = "mach_port_mod_refs")]
pub fn change_references(name: PortName, right: PortRight, delta: i32) -> Result<()> {
    let arguments = [task(), u64::from(name.0), right as u64, delta as u64];
    // SAFETY: no memory is named.
    unsafe { result_of(traps::MACH_PORT_MOD_REFS, &arguments) }
}

/// Gives this task a right under a name.
///
/// # Errors
/// The kernel's.
#[doc(alias = "mach_port_insert_right")]
pub fn insert(name: PortName, right: PortName, disposition: Disposition) -> Result<()> {
    let arguments = [
        task(),
        u64::from(name.0),
        u64::from(right.0),
        u64::from(disposition.raw()),
    ];
    // SAFETY: no memory is named.
    unsafe { result_of(traps::MACH_PORT_INSERT_RIGHT, &arguments) }
}

/// Adds a receive right to a port set.
///
/// # Errors
/// The kernel's.
#[doc(alias = "mach_port_insert_member")]
pub fn add_to_set(name: PortName, set: PortName) -> Result<()> {
    let arguments = [task(), u64::from(name.0), u64::from(set.0)];
    // SAFETY: no memory is named.
    unsafe { result_of(traps::MACH_PORT_INSERT_MEMBER, &arguments) }
}

/// Takes a receive right out of a port set.
///
/// # Errors
/// The kernel's.
#[doc(alias = "mach_port_extract_member")]
pub fn remove_from_set(name: PortName, set: PortName) -> Result<()> {
    let arguments = [task(), u64::from(name.0), u64::from(set.0)];
    // SAFETY: no memory is named.
    unsafe { result_of(traps::MACH_PORT_EXTRACT_MEMBER, &arguments) }
}

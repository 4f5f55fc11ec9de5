//! The descriptors of a message that is copied in: rights, memory, arrays of rights.
//!
//! What can be seen without the space is checked for all of them first; then they are taken one after
//! the other. XNU's counterpart: `ipc_kmsg_copyin_body`.

use crate::ipc_kmsg::carrier::{KernelMemory, KernelPorts, Placement};
use crate::ipc_kmsg::{Kmsg, UserMemory};
use crate::ipc_port::Right;
use crate::ipc_right::After;
use crate::ipc_space::IpcSpace;
use crate::zones;
use alloc::vec::Vec;
use mach::message::{Carried, CopyOption, Descriptor, MAX_RIGHTS, RawDescriptor};
use mach::wire::Wire;
use mach::{Disposition, KernReturn, PortName};
use vm::vm_map::SourceFate;

/// Copies the descriptors in, one after the other.
#[doc(alias = "ipc_kmsg_copyin_body")]
pub(super) fn copyin_body(
    space: &IpcSpace,
    memory: &dyn UserMemory,
    descriptors: &[RawDescriptor],
    kmsg: &mut Kmsg,
) -> Result<(), KernReturn> {
    check_descriptors(descriptors)?;
    kmsg.descriptors
        .try_reserve(descriptors.len())
        .map_err(|_| KernReturn::SEND_NO_BUFFER)?;
    // Frames in a queue could not be paged out: only the kernel, which takes the message at once, gets them.
    let to_kernel = kmsg
        .destination_port()
        .is_some_and(|port| port.is_kernel_object());
    for descriptor in descriptors {
        let descriptor = match *descriptor {
            RawDescriptor::Port { name, disposition } => {
                Descriptor::Port(copyin_port(space, name, disposition)?)
            }
            RawDescriptor::Memory {
                address,
                size,
                deallocate,
                copy,
                ..
            } => {
                let fate = fate(deallocate);
                let memory = (size != 0)
                    .then(|| match (copy, fate) {
                        (CopyOption::Physical, SourceFate::Keep) if to_kernel => {
                            memory.copy(address, u64::from(size))
                        }
                        _ => memory.take(address, u64::from(size), fate),
                    })
                    .transpose();
                let copied = memory.map_err(memory_code)?;
                Descriptor::Memory(copied.map(|pages| KernelMemory {
                    copy: pages,
                    size: u64::from(size),
                    option: copy,
                    placement: Placement::Mapped,
                }))
            }
            RawDescriptor::Ports {
                address,
                count,
                disposition,
                deallocate,
                copy,
            } => {
                let names = read_names(memory, address, count, fate(deallocate))?;
                let disposition = Disposition::from_raw(u32::from(disposition));
                let disposition = disposition.ok_or(KernReturn::SEND_INVALID_TYPE)?;
                let rights = copyin_ports(space, &names, disposition)?;
                let disposition = disposition.received();
                let ports = KernelPorts {
                    rights,
                    disposition,
                    option: copy,
                };
                Descriptor::Ports((count != 0).then_some(ports))
            }
            RawDescriptor::GuardedPort { .. } => return Err(KernReturn::SEND_INVALID_TYPE),
        };
        kmsg.descriptors.push(descriptor);
    }
    Ok(())
}

/// What can be seen without the space: kinds, dispositions, the number of rights.
fn check_descriptors(descriptors: &[RawDescriptor]) -> Result<(), KernReturn> {
    let mut rights = 0;
    for descriptor in descriptors {
        match *descriptor {
            RawDescriptor::Port { .. } => rights += 1,
            RawDescriptor::Ports {
                count, disposition, ..
            } => {
                rights += count as usize;
                check_disposition(disposition)?;
            }
            RawDescriptor::Memory { .. } => {}
            RawDescriptor::GuardedPort { .. } => return Err(KernReturn::SEND_INVALID_TYPE),
        }
        if rights > MAX_RIGHTS {
            return Err(KernReturn::SEND_TOO_LARGE);
        }
    }
    Ok(())
}

fn check_disposition(disposition: u8) -> Result<Disposition, KernReturn> {
    match Disposition::from_raw(u32::from(disposition)) {
        Some(Disposition::CopyReceive) | None => Err(KernReturn::SEND_INVALID_TYPE),
        Some(disposition) => Ok(disposition),
    }
}

const fn fate(deallocate: bool) -> SourceFate {
    if deallocate {
        SourceFate::Destroy
    } else {
        SourceFate::Keep
    }
}

fn memory_code(code: KernReturn) -> KernReturn {
    match code {
        KernReturn::RESOURCE_SHORTAGE => KernReturn(KernReturn::MSG_VM_KERNEL),
        _ => KernReturn::SEND_INVALID_MEMORY,
    }
}

#[doc(alias = "ipc_kmsg_copyin_port_descriptor")]
fn copyin_port(
    space: &IpcSpace,
    name: PortName,
    disposition: u8,
) -> Result<Carried<Right>, KernReturn> {
    match name {
        PortName::NULL => return Ok(Carried::Null),
        PortName::DEAD => return Ok(Carried::Dead),
        _ => {}
    }
    let disposition = check_disposition(disposition)?;
    let mut after = After::default();
    let right = space.lock().copyin(name, disposition, &mut after);
    after.run();
    right.map_err(|_| KernReturn::SEND_INVALID_RIGHT)
}

/// Names copied in per hold of the space's lock.
const BATCH: usize = 64;

#[doc(alias = "ipc_kmsg_copyin_ool_ports_descriptor")]
fn copyin_ports(
    space: &IpcSpace,
    names: &[u8],
    disposition: Disposition,
) -> Result<Vec<Carried<Right>>, KernReturn> {
    let mut rights = Vec::new();
    rights
        .try_reserve_exact(names.len() / 4)
        .map_err(|_| KernReturn::SEND_NO_BUFFER)?;
    for batch in names.chunks(4 * BATCH) {
        let mut after = After::default();
        let mut failed = false;
        {
            let mut state = space.lock();
            for mut name in batch.chunks(4) {
                let name = PortName::get(&mut name).unwrap_or_default();
                match state.copyin(name, disposition, &mut after) {
                    Ok(right) => rights.push(right),
                    Err(_) => {
                        failed = true;
                        break;
                    }
                }
            }
        }
        after.run();
        if failed {
            return Err(KernReturn::SEND_INVALID_RIGHT);
        }
    }
    Ok(rights)
}

/// Reads an array of names.
fn read_names(
    memory: &dyn UserMemory,
    address: u64,
    count: u32,
    fate: SourceFate,
) -> Result<Vec<u8>, KernReturn> {
    let mut names = Vec::new();
    let size = 4 * count as usize;
    if size == 0 {
        return Ok(names);
    }
    // For the names and for the rights that they will be; only whether there is room.
    drop(
        zones::ALL
            .admit_table(5 * size)
            .map_err(|_| KernReturn::SEND_NO_BUFFER)?,
    );
    names
        .try_reserve_exact(size)
        .map_err(|_| KernReturn::SEND_NO_BUFFER)?;
    names.resize(size, 0);
    memory
        .copyin(address, &mut names)
        .map_err(|_| KernReturn::SEND_INVALID_MEMORY)?;
    if fate == SourceFate::Destroy {
        memory
            .remove(address, size as u64)
            .map_err(|_| KernReturn::SEND_INVALID_MEMORY)?;
    }
    Ok(names)
}

//! Members of port sets: insert, extract, move, list.
//!
//! A receive right may be in several sets. What has to grow for a membership grows while no lock is
//! held. XNU's counterpart: the calls of the same names in `ipc/mach_port.c`.

use super::check_valid;
use crate::ipc_entry::Capability;
use crate::ipc_port::Port;
use crate::ipc_pset::{self, NotAdded};
use crate::ipc_space::{IpcSpace, SpaceState};
use alloc::sync::Arc;
use alloc::vec::Vec;
use mach::{KernReturn, PortName};

impl IpcSpace {
    /// The members of a set.
    ///
    /// # Errors
    /// `KERN_INVALID_NAME`, `KERN_INVALID_RIGHT`, `KERN_RESOURCE_SHORTAGE`.
    #[doc(alias = "mach_port_get_set_status")]
    pub fn get_set_status(&self, name: PortName) -> Result<Vec<PortName>, KernReturn> {
        let mut members = Vec::new();
        loop {
            let state = self.lock();
            let set = Arc::clone(state.set(name)?);
            let count = set.members();
            if members.capacity() < count {
                drop(state);
                members
                    .try_reserve(count + 4)
                    .map_err(|_| KernReturn::RESOURCE_SHORTAGE)?;
                continue;
            }
            for (index, entry) in state.table.iter() {
                if let Capability::Receive(right, _) = &entry.capability
                    && members.len() < members.capacity()
                    && ipc_pset::is_member(&right.port().state.lock(), &set)
                {
                    members.push(state.table.name(index));
                }
            }
            return Ok(members);
        }
    }

    /// Takes a receive right out of all sets and puts it into `set`, or into none if that is null.
    ///
    /// # Errors
    /// `KERN_INVALID_RIGHT`, `KERN_INVALID_NAME`, `KERN_NOT_IN_SET`, `KERN_RESOURCE_SHORTAGE`.
    #[doc(alias = "mach_port_move_member")]
    pub fn move_member(&self, member: PortName, set: PortName) -> Result<(), KernReturn> {
        if set == PortName::NULL {
            let state = self.lock();
            let port = member_port(&state, member)?;
            return if ipc_pset::remove_all(port) == 0 {
                Err(KernReturn::NOT_IN_SET)
            } else {
                Ok(())
            };
        }
        loop {
            let (port, target) = {
                let state = self.lock();
                let port = member_port(&state, member)?;
                let target = state.set(set)?;
                // Room first: the port must not be without a set when there is none.
                match ipc_pset::move_to(port, target) {
                    Ok(()) => return Ok(()),
                    Err(NotAdded::NoRoom) => (Arc::clone(port), Arc::clone(target)),
                    Err(_) => return Err(KernReturn::INVALID_NAME),
                }
            };
            ipc_pset::grow_for(&port, &target)?;
        }
    }

    /// Puts a receive right into a set, besides those it is in.
    ///
    /// # Errors
    /// `KERN_ALREADY_IN_SET`, `KERN_INVALID_RIGHT`, `KERN_INVALID_NAME`, `KERN_RESOURCE_SHORTAGE`.
    #[doc(alias = "mach_port_insert_member")]
    pub fn insert_member(&self, member: PortName, set: PortName) -> Result<(), KernReturn> {
        loop {
            let (port, target) = {
                let state = self.lock();
                let port = member_port(&state, member)?;
                let target = state.set(set)?;
                match ipc_pset::add(port, target) {
                    Ok(()) => return Ok(()),
                    Err(NotAdded::AlreadyIn) => return Err(KernReturn::ALREADY_IN_SET),
                    Err(NotAdded::Dead) => return Err(KernReturn::INVALID_NAME),
                    Err(NotAdded::NoRoom) => (Arc::clone(port), Arc::clone(target)),
                }
            };
            ipc_pset::grow_for(&port, &target)?;
        }
    }

    /// Takes a receive right out of one set.
    ///
    /// # Errors
    /// `KERN_NOT_IN_SET`, `KERN_INVALID_RIGHT`, `KERN_INVALID_NAME`.
    #[doc(alias = "mach_port_extract_member")]
    pub fn extract_member(&self, member: PortName, set: PortName) -> Result<(), KernReturn> {
        let state = self.lock();
        let port = member_port(&state, member)?;
        let target = state.set(set)?;
        if ipc_pset::remove(port, target) {
            Ok(())
        } else {
            Err(KernReturn::NOT_IN_SET)
        }
    }
}

/// The port of a receive right that is to enter or leave a set.
fn member_port(state: &SpaceState, name: PortName) -> Result<&Arc<Port>, KernReturn> {
    check_valid(name, KernReturn::INVALID_RIGHT)?;
    state.receive_port(name)
}

//! What a name is: its type, its references, the port or set behind it.
//!
//! XNU's counterpart: `ipc_right_info`, `ipc_object_translate`, `ipc_port_translate_receive`.

use super::port_of;
use crate::ipc_entry::Capability;
use crate::ipc_port::Port;
use crate::ipc_pset::PortSet;
use crate::ipc_space::SpaceState;
use alloc::sync::Arc;
use mach::{KernReturn, PortName, PortRight, PortType};

impl SpaceState {
    /// The type bits and the user references of a name.
    ///
    /// # Errors
    /// `KERN_INVALID_NAME`.
    #[doc(alias = "ipc_right_info")]
    pub(crate) fn info(&mut self, name: PortName) -> Result<(PortType, u32), KernReturn> {
        let index = self.find(name)?;
        self.check(index);
        Ok(self.info_of(index))
    }

    /// As [`SpaceState::info`], for an entry that was checked.
    pub(crate) fn info_of(&self, index: u32) -> (PortType, u32) {
        let entry = self.table.at(index);
        let mut bits = entry.capability.port_type();
        if let (Some(port), Some(request)) = (port_of(&entry.capability), entry.request()) {
            bits |= port.state.lock().request_type(request);
        }
        (bits, u32::from(entry.urefs))
    }

    /// The number of references of one kind that a name has.
    ///
    /// # Errors
    /// `KERN_INVALID_NAME`.
    #[doc(alias = "mach_port_get_refs")]
    pub(crate) fn references(
        &mut self,
        name: PortName,
        right: PortRight,
    ) -> Result<u32, KernReturn> {
        let (bits, urefs) = self.info(name)?;
        Ok(match right {
            _ if !bits.intersects(right.port_type()) => 0,
            PortRight::Send | PortRight::DeadName => urefs,
            PortRight::Receive | PortRight::SendOnce | PortRight::PortSet => 1,
        })
    }

    /// The port whose receive right has this name.
    ///
    /// # Errors
    /// `KERN_INVALID_NAME`, `KERN_INVALID_RIGHT`.
    #[doc(alias = "ipc_port_translate_receive")]
    pub(crate) fn receive_port(&self, name: PortName) -> Result<&Arc<Port>, KernReturn> {
        match &self.table.at(self.find(name)?).capability {
            Capability::Receive(right, _) => Ok(right.port()),
            _ => Err(KernReturn::INVALID_RIGHT),
        }
    }

    /// The set with this name.
    ///
    /// # Errors
    /// `KERN_INVALID_NAME`, `KERN_INVALID_RIGHT`.
    #[doc(alias = "ipc_object_translate")]
    pub(crate) fn set(&self, name: PortName) -> Result<&Arc<PortSet>, KernReturn> {
        match &self.table.at(self.find(name)?).capability {
            Capability::Set(set) => Ok(set),
            _ => Err(KernReturn::INVALID_RIGHT),
        }
    }

    /// The living port that this name may send to; nothing is consumed.
    ///
    /// # Errors
    /// `KERN_INVALID_NAME`, `KERN_INVALID_RIGHT`.
    #[doc(alias = "ipc_port_translate_send")]
    pub(crate) fn send_port(&self, name: PortName) -> Result<&Arc<Port>, KernReturn> {
        let port = match &self.table.at(self.find(name)?).capability {
            Capability::Send(right) | Capability::Receive(_, Some(right)) => right.port(),
            _ => return Err(KernReturn::INVALID_RIGHT),
        };
        if port.is_active() {
            Ok(port)
        } else {
            Err(KernReturn::INVALID_RIGHT)
        }
    }
}

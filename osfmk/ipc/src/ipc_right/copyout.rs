//! From a right to a name: [`SpaceState::copyout`].
//!
//! A send or receive right joins the name that the space has for its port already; a send-once right
//! always gets a name of its own. A right whose port has died meanwhile becomes the name
//! `MACH_PORT_DEAD`.
//!
//! XNU's counterpart: `ipc_right_copyout`, `ipc_object_copyout`.

use super::After;
use crate::ipc_entry::Capability;
use crate::ipc_port::{ReceiveRight, Right, SendOnceRight, SendRight, transit};
use crate::ipc_space::SpaceState;
use mach::message::Carried;
use mach::{KernReturn, PortName};

impl SpaceState {
    /// Puts a right into the space and returns its name. A free entry must be there
    /// ([`crate::ipc_space::IpcSpace::lock_with_free`]).
    ///
    /// # Errors
    /// The right comes back when the space has ended or no entry is free.
    #[doc(alias = "ipc_object_copyout")]
    #[doc(alias = "ipc_right_copyout")]
    pub(crate) fn copyout(
        &mut self,
        space: u64,
        right: Right,
        after: &mut After,
    ) -> Result<PortName, Right> {
        if !self.active || self.table.free_count() == 0 {
            return Err(right);
        }
        if !right.port().is_active() {
            after.release(right);
            return Ok(PortName::DEAD);
        }
        let index = match right {
            Right::Send(right) => self.copyout_send(space, right, after),
            Right::SendOnce(right) => self.copyout_send_once(right),
            Right::Receive(right) => self.copyout_receive(space, right),
        };
        Ok(index.map_or(PortName::DEAD, |index| self.table.name(index)))
    }

    fn copyout_send(&mut self, space: u64, right: SendRight, after: &mut After) -> Option<u32> {
        let Some(index) = self.reverse(space, right.port()) else {
            let id = right.port().id();
            let index = self.table.claim(Capability::Send(right), 1)?;
            self.sends.insert(id, index);
            return Some(index);
        };
        let entry = self.table.at_mut(index);
        match &mut entry.capability {
            Capability::Receive(_, send @ None) => *send = Some(right),
            // The entry holds one right, however many references there are.
            _ => after.release(right),
        }
        entry.add_reference();
        Some(index)
    }

    fn copyout_send_once(&mut self, right: SendOnceRight) -> Option<u32> {
        self.table.claim(Capability::SendOnce(right), 1)
    }

    fn copyout_receive(&mut self, space: u64, right: ReceiveRight) -> Option<u32> {
        transit::arrived(right.port());
        let port = right.port().clone();
        let index = match self.sends.remove(&port.id()) {
            Some(index) => {
                let entry = self.table.at_mut(index);
                let Capability::Send(send) = entry.capability.take() else {
                    unreachable!("only send rights are in the hash");
                };
                entry.capability = Capability::Receive(right, Some(send));
                index
            }
            None => self.table.claim(Capability::Receive(right, None), 0)?,
        };
        port.set_receiver(space, self.table.name(index));
        Some(index)
    }

    /// Puts a right into the space under a name that the caller chose. The table must have the entry
    /// ([`crate::ipc_space::IpcSpace::lock_with_index`]).
    ///
    /// # Errors
    /// The right comes back with `KERN_NAME_EXISTS` (the name stands for something else),
    /// `KERN_RIGHT_EXISTS` (the port has another name already), `KERN_INVALID_CAPABILITY` (the port is
    /// dead), `KERN_UREFS_OVERFLOW`.
    #[doc(alias = "ipc_object_copyout_name")]
    pub(crate) fn copyout_name(
        &mut self,
        space: u64,
        right: Right,
        name: PortName,
        after: &mut After,
    ) -> Result<(), (KernReturn, Right)> {
        if !self.active {
            return Err((KernReturn::INVALID_TASK, right));
        }
        if !right.port().is_active() {
            return Err((KernReturn::INVALID_CAPABILITY, right));
        }
        let existing = match &right {
            Right::SendOnce(_) => None,
            _ => self.reverse(space, right.port()),
        };
        let named = self.table.find(name);
        match (existing, named) {
            (Some(existing), Some(named)) if existing == named => {
                // The same port: the right joins the name.
                match self.copyout(space, right, after) {
                    Ok(_) => Ok(()),
                    Err(right) => Err((KernReturn::RESOURCE_SHORTAGE, right)),
                }
            }
            (_, Some(_)) => Err((KernReturn::NAME_EXISTS, right)),
            (Some(_), None) => Err((KernReturn::RIGHT_EXISTS, right)),
            (None, None) => {
                if let Err(code) = self.may_claim_name(name) {
                    return Err((code, right));
                }
                self.copyout_new_name(space, right, name);
                Ok(())
            }
        }
    }

    /// Whether a free entry can take `name`.
    ///
    /// # Errors
    /// `KERN_NAME_EXISTS` if the entry is in use, `KERN_NO_SPACE` if there is no such entry.
    pub(crate) fn may_claim_name(&self, name: PortName) -> Result<(), KernReturn> {
        let index = name.index();
        if index == 0 || index as usize >= self.table.len() {
            return Err(KernReturn::NO_SPACE);
        }
        if self.table.at(index).is_free() {
            Ok(())
        } else {
            Err(KernReturn::NAME_EXISTS)
        }
    }

    fn copyout_new_name(&mut self, space: u64, right: Right, name: PortName) {
        match right {
            Right::Send(right) => {
                self.sends.insert(right.port().id(), name.index());
                self.table.claim_name(name, Capability::Send(right), 1);
            }
            Right::SendOnce(right) => self.table.claim_name(name, Capability::SendOnce(right), 1),
            Right::Receive(right) => {
                transit::arrived(right.port());
                let port = right.port().clone();
                self.table
                    .claim_name(name, Capability::Receive(right, None), 0);
                port.set_receiver(space, self.table.name(name.index()));
            }
        }
    }

    /// As [`SpaceState::copyout`] for what a message carries: null and dead stay so.
    pub(crate) fn copyout_carried(
        &mut self,
        space: u64,
        right: Carried<Right>,
        after: &mut After,
    ) -> Result<PortName, Right> {
        match right {
            Carried::Null => Ok(PortName::NULL),
            Carried::Dead => Ok(PortName::DEAD),
            Carried::Right(right) => self.copyout(space, right, after),
        }
    }
}

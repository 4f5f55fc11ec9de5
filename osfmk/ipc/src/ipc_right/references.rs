//! Giving names up: deallocate, destroy, and changing user references.
//!
//! User references of a name stop counting at their maximum and stay there, so that a name cannot be
//! made to vanish by an overflow; only dropping all of them at once, or destroying the name, ends it.
//!
//! XNU's counterpart: `ipc_right_dealloc`, `ipc_right_delta`, `ipc_right_destroy`.

use super::After;
use crate::ipc_entry::Capability;
use crate::ipc_space::SpaceState;
use mach::port::UREFS_MAX;
use mach::{KernReturn, PortName, PortRight};

/// Which references to change.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Reference {
    pub(crate) right: PortRight,
    pub(crate) delta: i32,
}

/// What becomes of user references.
enum Counted {
    Unchanged,
    Now(u16),
    None,
}

/// Adds `delta` to `urefs`.
fn count(urefs: u16, delta: i32) -> Result<Counted, KernReturn> {
    let most = UREFS_MAX as i32;
    let urefs = i32::from(urefs);
    if urefs == most && delta != -most {
        return Ok(Counted::Unchanged);
    }
    match urefs.saturating_add(delta) {
        sum if sum < 0 => Err(KernReturn::INVALID_VALUE),
        0 => Ok(Counted::None),
        sum => Ok(Counted::Now(sum.min(most) as u16)),
    }
}

impl SpaceState {
    /// Gives up one user reference of a send, send-once or dead name.
    ///
    /// # Errors
    /// `KERN_INVALID_NAME`, `KERN_INVALID_RIGHT` for a receive right or a set.
    #[doc(alias = "ipc_right_dealloc")]
    pub(crate) fn deallocate(
        &mut self,
        name: PortName,
        after: &mut After,
    ) -> Result<(), KernReturn> {
        let index = self.find(name)?;
        self.check(index);
        let right = match self.table.at(index).capability {
            Capability::Send(_) | Capability::Receive(_, Some(_)) => PortRight::Send,
            Capability::SendOnce(_) => PortRight::SendOnce,
            Capability::Dead => PortRight::DeadName,
            _ => return Err(KernReturn::INVALID_RIGHT),
        };
        self.change(index, Reference { right, delta: -1 }, after)
    }

    /// Changes the user references of one kind of right.
    ///
    /// # Errors
    /// `KERN_INVALID_NAME`, `KERN_INVALID_RIGHT`, `KERN_INVALID_VALUE`.
    #[doc(alias = "ipc_right_delta")]
    pub(crate) fn modify(
        &mut self,
        name: PortName,
        reference: Reference,
        after: &mut After,
    ) -> Result<(), KernReturn> {
        let index = self.find(name)?;
        self.check(index);
        self.change(index, reference, after)
    }

    fn change(
        &mut self,
        index: u32,
        reference: Reference,
        after: &mut After,
    ) -> Result<(), KernReturn> {
        let Reference { right, delta } = reference;
        match (right, &self.table.at(index).capability) {
            (PortRight::Send, Capability::Send(_)) | (PortRight::DeadName, Capability::Dead) => {
                self.change_counted(index, delta, after)
            }
            (PortRight::Send, Capability::Receive(_, Some(_))) => {
                self.change_send_of_receive(index, delta, after)
            }
            (PortRight::SendOnce, Capability::SendOnce(_))
            | (PortRight::Receive, Capability::Receive(..))
            | (PortRight::PortSet, Capability::Set(_)) => match delta {
                0 => Ok(()),
                -1 if right == PortRight::Receive => {
                    self.end_receive(index, after);
                    Ok(())
                }
                -1 => {
                    self.end(index, after);
                    Ok(())
                }
                _ => Err(KernReturn::INVALID_VALUE),
            },
            _ => Err(KernReturn::INVALID_RIGHT),
        }
    }

    fn change_counted(
        &mut self,
        index: u32,
        delta: i32,
        after: &mut After,
    ) -> Result<(), KernReturn> {
        match count(self.table.at(index).urefs, delta)? {
            Counted::Unchanged => {}
            Counted::Now(urefs) => self.table.at_mut(index).urefs = urefs,
            Counted::None => self.end(index, after),
        }
        Ok(())
    }

    fn change_send_of_receive(
        &mut self,
        index: u32,
        delta: i32,
        after: &mut After,
    ) -> Result<(), KernReturn> {
        let entry = self.table.at_mut(index);
        match count(entry.urefs, delta)? {
            Counted::Unchanged => {}
            Counted::Now(urefs) => entry.urefs = urefs,
            Counted::None => {
                entry.urefs = 0;
                if let Capability::Receive(_, send) = &mut entry.capability
                    && let Some(send) = send.take()
                {
                    after.release(send);
                }
            }
        }
        Ok(())
    }

    /// Ends everything that a name stands for.
    ///
    /// # Errors
    /// `KERN_INVALID_NAME`.
    #[doc(alias = "ipc_right_destroy")]
    pub(crate) fn destroy(&mut self, name: PortName, after: &mut After) -> Result<(), KernReturn> {
        let index = self.find(name)?;
        self.check(index);
        self.end(index, after);
        Ok(())
    }

    /// Frees an entry; what it stood for ends.
    fn end(&mut self, index: u32, after: &mut After) {
        let name = self.table.name(index);
        let entry = self.table.at_mut(index);
        after.cancel(entry, name);
        let capability = self.table.release(index);
        if let Capability::Send(right) = &capability {
            self.sends.remove(&right.port().id());
        }
        if let Capability::Receive(right, _) = &capability {
            right.port().set_receiver(0, PortName::NULL);
        }
        after.release_capability(capability);
    }

    /// Ends a receive right. A send right beside it becomes a dead name; but if somebody asked for the
    /// receive right's return, the port lives on and so does the send right.
    fn end_receive(&mut self, index: u32, after: &mut After) {
        let name = self.table.name(index);
        let entry = self.table.at_mut(index);
        let Capability::Receive(receive, send) = entry.capability.take() else {
            unreachable!("the caller looked");
        };
        let port = receive.port().clone();
        port.set_receiver(0, PortName::NULL);
        let Some(send) = send else {
            entry.capability = Capability::Receive(receive, None);
            self.end(index, after);
            return;
        };
        // Both are now separate: the send right is looked at again when the port is dead.
        self.sends.insert(port.id(), index);
        entry.capability = Capability::Send(send);
        let _ = name;
        after.release(receive);
    }
}

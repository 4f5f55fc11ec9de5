//! From a name to a right: [`SpaceState::copyin`].
//!
//! What each disposition does to an entry:
//!
//! | disposition | send | receive | send-once | dead name |
//! |---|---|---|---|---|
//! | `MakeSend`, `MakeSendOnce` | - | a new right | - | - |
//! | `CopySend` | another right | if it has a send right | - | a dead right |
//! | `MoveSend` | one reference | if it has a send right | - | a dead right, one reference |
//! | `MoveSendOnce` | - | - | the right | a dead right, one reference |
//! | `MoveReceive` | - | the right | - | - |
//!
//! XNU's counterpart: `ipc_right_copyin`, `ipc_right_copyin_check_reply`, `ipc_right_copyin_two`.

use super::After;
use crate::ipc_entry::Capability;
use crate::ipc_mqueue::waiter::Gone;
use crate::ipc_port::{Right, death};
use crate::ipc_space::SpaceState;
use mach::message::Carried;
use mach::{Disposition, KernReturn, PortName};

/// A right that was copied in, or a dead one.
pub(crate) type Copyin = Result<Carried<Right>, KernReturn>;

impl SpaceState {
    /// Takes or makes the right that `disposition` asks of `name`. Null and dead names give null and
    /// dead rights.
    ///
    /// # Errors
    /// `KERN_INVALID_TASK`, `KERN_INVALID_NAME`, `KERN_INVALID_RIGHT`; nothing has changed then.
    #[doc(alias = "ipc_object_copyin")]
    #[doc(alias = "ipc_right_copyin")]
    pub(crate) fn copyin(
        &mut self,
        name: PortName,
        disposition: Disposition,
        after: &mut After,
    ) -> Copyin {
        match name {
            PortName::NULL => return Ok(Carried::Null),
            PortName::DEAD => return Ok(Carried::Dead),
            _ => {}
        }
        let index = self.find(name)?;
        self.check(index);
        self.copyin_entry(index, disposition, after)
    }

    /// As [`SpaceState::copyin`], for an entry that was found and checked.
    pub(crate) fn copyin_entry(
        &mut self,
        index: u32,
        disposition: Disposition,
        after: &mut After,
    ) -> Copyin {
        match disposition {
            Disposition::MakeSend | Disposition::MakeSendOnce => self.make(index, disposition),
            Disposition::CopySend => self.copy_send(index),
            Disposition::MoveSend => self.move_send(index, after),
            Disposition::MoveSendOnce => self.move_send_once(index, after),
            Disposition::MoveReceive => self.move_receive(index, after),
            Disposition::CopyReceive => Err(KernReturn::INVALID_RIGHT),
        }
    }

    /// Whether [`SpaceState::copyin_entry`] would succeed; for a right that need not be taken yet.
    #[doc(alias = "ipc_right_copyin_check_reply")]
    pub(crate) fn can_copyin(&self, index: u32, disposition: Disposition) -> bool {
        use Capability::{Dead, Receive, Send, SendOnce};
        let capability = &self.table.at(index).capability;
        match disposition {
            Disposition::MakeSend | Disposition::MakeSendOnce | Disposition::MoveReceive => {
                matches!(capability, Receive(..))
            }
            Disposition::CopySend | Disposition::MoveSend => {
                matches!(capability, Send(_) | Receive(_, Some(_)) | Dead)
            }
            Disposition::MoveSendOnce => matches!(capability, SendOnce(_) | Dead),
            Disposition::CopyReceive => false,
        }
    }

    /// Whether a checked entry is a dead name.
    pub(crate) fn is_dead_name(&self, index: u32) -> bool {
        matches!(self.table.at(index).capability, Capability::Dead)
    }

    fn make(&self, index: u32, disposition: Disposition) -> Copyin {
        let Capability::Receive(receive, _) = &self.table.at(index).capability else {
            return Err(KernReturn::INVALID_RIGHT);
        };
        Ok(Carried::Right(match disposition {
            Disposition::MakeSend => Right::Send(receive.make_send()),
            _ => Right::SendOnce(receive.make_send_once()),
        }))
    }

    fn copy_send(&self, index: u32) -> Copyin {
        match &self.table.at(index).capability {
            Capability::Send(right) | Capability::Receive(_, Some(right)) => {
                Ok(Carried::Right(Right::Send(right.clone())))
            }
            Capability::Dead => Ok(Carried::Dead),
            _ => Err(KernReturn::INVALID_RIGHT),
        }
    }

    fn move_send(&mut self, index: u32, after: &mut After) -> Copyin {
        let name = self.table.name(index);
        let entry = self.table.at_mut(index);
        match &mut entry.capability {
            Capability::Dead => Ok(self.move_dead(index)),
            Capability::Send(right) => {
                let right = right.clone();
                if entry.drop_reference() {
                    after.cancel(entry, name);
                    self.sends.remove(&right.port().id());
                    drop(self.table.release(index));
                }
                Ok(Carried::Right(Right::Send(right)))
            }
            Capability::Receive(_, send @ Some(_)) => {
                // The copy first: the port never seems to be without senders in between.
                let right = send.clone();
                let own = if entry.urefs <= 1 { send.take() } else { None };
                if own.is_some() {
                    entry.urefs = 0;
                } else {
                    let _ = entry.drop_reference();
                }
                drop(own);
                Ok(right.map_or(Carried::Null, |right| Carried::Right(Right::Send(right))))
            }
            _ => Err(KernReturn::INVALID_RIGHT),
        }
    }

    fn move_send_once(&mut self, index: u32, after: &mut After) -> Copyin {
        let name = self.table.name(index);
        let entry = self.table.at_mut(index);
        match &entry.capability {
            Capability::Dead => Ok(self.move_dead(index)),
            Capability::SendOnce(_) => {
                after.cancel(entry, name);
                match self.table.release(index) {
                    Capability::SendOnce(right) => Ok(Carried::Right(Right::SendOnce(right))),
                    _ => unreachable!("looked at above"),
                }
            }
            _ => Err(KernReturn::INVALID_RIGHT),
        }
    }

    /// A dead name gives a reference away: the receiver gets a dead right.
    fn move_dead(&mut self, index: u32) -> Carried<Right> {
        let entry = self.table.at_mut(index);
        if entry.drop_reference() {
            drop(self.table.release(index));
        }
        Carried::Dead
    }

    fn move_receive(&mut self, index: u32, after: &mut After) -> Copyin {
        let name = self.table.name(index);
        let entry = self.table.at_mut(index);
        if !matches!(entry.capability, Capability::Receive(..)) {
            return Err(KernReturn::INVALID_RIGHT);
        }
        let has_send = matches!(entry.capability, Capability::Receive(_, Some(_)));
        if !has_send {
            after.cancel(entry, name);
        }
        let taken = if has_send {
            entry.capability.take()
        } else {
            self.table.release(index)
        };
        let Capability::Receive(receive, send) = taken else {
            unreachable!("looked at above")
        };
        {
            let port = receive.port();
            let mut state = port.state.lock();
            death::clear_receiver(port, &mut state, Gone::Changed);
        }
        if let Some(send) = send {
            self.sends.insert(send.port().id(), index);
            self.table.at_mut(index).capability = Capability::Send(send);
        }
        Ok(Carried::Right(Right::Receive(receive)))
    }
}

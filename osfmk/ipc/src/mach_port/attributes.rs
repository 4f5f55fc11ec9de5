//! What the holder of a receive right may read and set, by name.
//!
//! XNU's counterpart: `mach_port_get_attributes`, `mach_port_set_attributes` and their neighbours.

use crate::ipc_space::IpcSpace;
use mach::port::{PortStatus, QUEUE_LIMIT_MAX};
use mach::{KernReturn, PortName};

/// What `mach_port_peek` tells of the first message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Peeked {
    /// Its sequence number.
    pub sequence: u32,
    /// Its size.
    pub size: u32,
    /// Its id.
    pub id: i32,
}

impl IpcSpace {
    /// Looks at the first message without receiving it. A sequence number of zero asks for whichever
    /// is first.
    ///
    /// # Errors
    /// `KERN_INVALID_NAME`, `KERN_INVALID_RIGHT`; `KERN_FAILURE` if there is no such message.
    #[doc(alias = "mach_port_peek")]
    pub fn peek(&self, name: PortName, sequence: u32) -> Result<Peeked, KernReturn> {
        let port = self.receive_port(name)?;
        let state = port.state.lock();
        let position = if sequence == 0 {
            0
        } else {
            sequence.wrapping_sub(state.sequence) as usize
        };
        let kmsg = state.queue.get(position).ok_or(KernReturn::FAILURE)?;
        let sequence = state.sequence.wrapping_add(position as u32);
        Ok(Peeked {
            sequence,
            size: kmsg.wire_size() as u32,
            id: kmsg.id,
        })
    }

    /// Sets the make-send count of a receive right.
    ///
    /// # Errors
    /// `KERN_INVALID_NAME`, `KERN_INVALID_RIGHT`.
    #[doc(alias = "mach_port_set_mscount")]
    pub fn set_mscount(&self, name: PortName, count: u32) -> Result<(), KernReturn> {
        self.receive_port(name)?.set_make_send_count(count);
        Ok(())
    }

    /// Sets the sequence number of a receive right's next message.
    ///
    /// # Errors
    /// `KERN_INVALID_NAME`, `KERN_INVALID_RIGHT`.
    #[doc(alias = "mach_port_set_seqno")]
    pub fn set_seqno(&self, name: PortName, sequence: u32) -> Result<(), KernReturn> {
        self.receive_port(name)?.set_sequence(sequence);
        Ok(())
    }

    /// The status of a receive right.
    ///
    /// # Errors
    /// `KERN_INVALID_NAME`, `KERN_INVALID_RIGHT`.
    #[doc(alias = "mach_port_get_attributes")]
    pub fn receive_status(&self, name: PortName) -> Result<PortStatus, KernReturn> {
        Ok(self.receive_port(name)?.status())
    }

    /// Sets the queue limit of a receive right.
    ///
    /// # Errors
    /// `KERN_INVALID_NAME`, `KERN_INVALID_RIGHT`, `KERN_INVALID_VALUE` above `MACH_PORT_QLIMIT_MAX`.
    #[doc(alias = "mach_port_set_attributes")]
    pub fn set_limit(&self, name: PortName, limit: u32) -> Result<(), KernReturn> {
        if limit > QUEUE_LIMIT_MAX {
            return Err(KernReturn::INVALID_VALUE);
        }
        self.receive_port(name)?.set_queue_limit(limit);
        Ok(())
    }

    /// The number of send rights to a receive right's port.
    ///
    /// # Errors
    /// `KERN_INVALID_NAME`, `KERN_INVALID_RIGHT`.
    #[doc(alias = "mach_port_get_srights")]
    pub fn get_srights(&self, name: PortName) -> Result<u32, KernReturn> {
        Ok(self.receive_port(name)?.send_rights())
    }

    /// The word that a receive right's holder keeps with it.
    ///
    /// # Errors
    /// `KERN_INVALID_NAME`, `KERN_INVALID_RIGHT`.
    #[doc(alias = "mach_port_get_context")]
    pub fn get_context(&self, name: PortName) -> Result<u64, KernReturn> {
        Ok(self.receive_port(name)?.state.lock().context)
    }

    /// Sets that word.
    ///
    /// # Errors
    /// `KERN_INVALID_NAME`, `KERN_INVALID_RIGHT`; `KERN_INVALID_ARGUMENT` while the port is guarded,
    /// because the guard is that word.
    #[doc(alias = "mach_port_set_context")]
    pub fn set_context(&self, name: PortName, context: u64) -> Result<(), KernReturn> {
        let port = self.receive_port(name)?;
        let mut state = port.state.lock();
        if state.guard.is_some() {
            return Err(KernReturn::INVALID_ARGUMENT);
        }
        state.context = context;
        Ok(())
    }

    /// Makes a receive right that only [`IpcSpace::destruct`] with the same word ends.
    ///
    /// # Errors
    /// `KERN_INVALID_NAME`, `KERN_INVALID_RIGHT`, `KERN_INVALID_ARGUMENT` if it is guarded already.
    #[doc(alias = "mach_port_guard")]
    pub fn guard(&self, name: PortName, guard: u64) -> Result<(), KernReturn> {
        let port = self.receive_port(name)?;
        let mut state = port.state.lock();
        if state.guard.is_some() {
            return Err(KernReturn::INVALID_ARGUMENT);
        }
        state.guard = Some(guard);
        state.context = guard;
        Ok(())
    }

    /// Takes the guard away.
    ///
    /// # Errors
    /// `KERN_INVALID_NAME`, `KERN_INVALID_RIGHT`, `KERN_INVALID_ARGUMENT` for another guard or none.
    #[doc(alias = "mach_port_unguard")]
    pub fn unguard(&self, name: PortName, guard: u64) -> Result<(), KernReturn> {
        let port = self.receive_port(name)?;
        let mut state = port.state.lock();
        if state.guard != Some(guard) {
            return Err(KernReturn::INVALID_ARGUMENT);
        }
        state.guard = None;
        state.context = 0;
        Ok(())
    }
}

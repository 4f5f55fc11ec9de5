//! The calls that programs make on their names: `mach_port_allocate`, `mach_port_mod_refs`, and so on.
//!
//! Each is a method of [`IpcSpace`], takes names and returns a `KernReturn` where XNU's routine does.
//! The `mach_port` interface (subsystem 3200) and the traps are thin covers over them in `kern`.
//! Notifications about what they did are sent before they return.
//!
//! | file | calls on |
//! |---|---|
//! | this one | names: allocate, destroy, references, insert, extract, construct |
//! | `members` | members of sets |
//! | `notification` | notification requests |
//! | `attributes` | what the holder of a receive right may read and set |
//!
//! XNU's counterpart: `ipc/mach_port.c`. Calls that need what is not here (labels, service ports,
//! importance) answer `KERN_NOT_SUPPORTED` or do not exist.

mod attributes;
mod members;
mod notification;

pub use attributes::Peeked;

use crate::ipc_entry::Capability;
use crate::ipc_port::{Port, Right};
use crate::ipc_pset::PortSet;
use crate::ipc_right::{After, Reference};
use crate::ipc_space::{IpcSpace, SpaceState};
use alloc::sync::Arc;
use alloc::vec::Vec;
use mach::message::Carried;
use mach::port::QUEUE_LIMIT_MAX;
use mach::{Disposition, KernReturn, PortName, PortRight, PortType};

/// What `mach_port_space_basic_info` tells.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[doc(alias = "ipc_info_space_basic_t")]
pub struct SpaceInfo {
    /// Changes with every allocation (of no use here).
    pub generation_mask: u32,
    /// Entries in the table.
    pub table_size: u32,
    /// Entries in use.
    pub in_use: u32,
}

impl IpcSpace {
    /// Runs `operation` under the lock, and what it leaves to do afterwards.
    fn with<R>(&self, operation: impl FnOnce(&mut SpaceState, &mut After) -> R) -> R {
        let mut after = After::default();
        let result = operation(&mut self.lock(), &mut after);
        after.run();
        result
    }

    /// All names and what they are.
    ///
    /// # Errors
    /// `KERN_INVALID_TASK`, `KERN_RESOURCE_SHORTAGE`.
    #[doc(alias = "mach_port_names")]
    pub fn names(&self) -> Result<Vec<(PortName, PortType)>, KernReturn> {
        let mut names = Vec::new();
        loop {
            let mut state = self.lock();
            if !state.active {
                return Err(KernReturn::INVALID_TASK);
            }
            let count = state.table.used_count();
            if names.capacity() < count {
                drop(state);
                names
                    .try_reserve(count + 16)
                    .map_err(|_| KernReturn::RESOURCE_SHORTAGE)?;
                continue;
            }
            let mut index = 0;
            while let Some(used) = state.table.next_used(index) {
                state.check(used);
                names.push((state.table.name(used), state.info_of(used).0));
                index = used + 1;
            }
            return Ok(names);
        }
    }

    /// What a name is.
    ///
    /// # Errors
    /// `KERN_INVALID_NAME`.
    #[doc(alias = "mach_port_type")]
    pub fn type_of(&self, name: PortName) -> Result<PortType, KernReturn> {
        check_valid(name, KernReturn::INVALID_NAME)?;
        Ok(self.lock().info(name)?.0)
    }

    /// A new name: a receive right, a set, or a dead name.
    ///
    /// # Errors
    /// `KERN_INVALID_VALUE` for other rights, `KERN_NO_SPACE`, `KERN_RESOURCE_SHORTAGE`.
    #[doc(alias = "mach_port_allocate")]
    pub fn allocate(&self, right: PortRight) -> Result<PortName, KernReturn> {
        match right {
            PortRight::Receive => self.copyout(Port::allocate()?).map_err(|(code, right)| {
                right.release();
                code
            }),
            PortRight::PortSet => self.claim(Capability::Set(PortSet::allocate()?), 0),
            PortRight::DeadName => self.claim(Capability::Dead, 1),
            PortRight::Send | PortRight::SendOnce => Err(KernReturn::INVALID_VALUE),
        }
    }

    fn claim(&self, capability: Capability, urefs: u16) -> Result<PortName, KernReturn> {
        let mut state = self.lock_with_free(1)?;
        if !state.active {
            return Err(KernReturn::INVALID_TASK);
        }
        let index = state
            .table
            .claim(capability, urefs)
            .ok_or(KernReturn::NO_SPACE)?;
        Ok(state.table.name(index))
    }

    /// As [`IpcSpace::allocate`], with a name that the caller chose.
    ///
    /// # Errors
    /// `KERN_NAME_EXISTS`, `KERN_INVALID_VALUE`, `KERN_NO_SPACE`, `KERN_RESOURCE_SHORTAGE`.
    #[doc(alias = "mach_port_allocate_name")]
    pub fn allocate_name(&self, right: PortRight, name: PortName) -> Result<(), KernReturn> {
        check_valid(name, KernReturn::INVALID_VALUE)?;
        let (capability, urefs) = match right {
            PortRight::Receive => {
                let port = Port::allocate()?;
                return self.insert(port.into(), name).map_err(|(code, right)| {
                    right.release();
                    code
                });
            }
            PortRight::PortSet => (Capability::Set(PortSet::allocate()?), 0),
            PortRight::DeadName => (Capability::Dead, 1),
            PortRight::Send | PortRight::SendOnce => return Err(KernReturn::INVALID_VALUE),
        };
        let mut state = self.lock_with_index(name.index())?;
        if !state.active {
            return Err(KernReturn::INVALID_TASK);
        }
        state.may_claim_name(name)?;
        state.table.claim_name(name, capability, urefs);
        Ok(())
    }

    /// Ends whatever a name stands for.
    ///
    /// # Errors
    /// `KERN_INVALID_NAME`.
    #[doc(alias = "mach_port_destroy")]
    pub fn destroy_name(&self, name: PortName) -> Result<(), KernReturn> {
        if !name.is_valid() {
            return Ok(());
        }
        self.with(|state, after| state.destroy(name, after))
    }

    /// Gives up one user reference.
    ///
    /// # Errors
    /// `KERN_INVALID_NAME`, `KERN_INVALID_RIGHT`.
    #[doc(alias = "mach_port_deallocate")]
    pub fn deallocate(&self, name: PortName) -> Result<(), KernReturn> {
        if !name.is_valid() {
            return Ok(());
        }
        self.with(|state, after| state.deallocate(name, after))
    }

    /// The number of user references.
    ///
    /// # Errors
    /// `KERN_INVALID_NAME`.
    #[doc(alias = "mach_port_get_refs")]
    pub fn get_refs(&self, name: PortName, right: PortRight) -> Result<u32, KernReturn> {
        if !name.is_valid() {
            return if right == PortRight::Send || right == PortRight::SendOnce {
                Ok(1)
            } else {
                Err(KernReturn::INVALID_NAME)
            };
        }
        self.lock().references(name, right)
    }

    /// Changes the number of user references.
    ///
    /// # Errors
    /// `KERN_INVALID_NAME`, `KERN_INVALID_RIGHT`, `KERN_INVALID_VALUE`.
    #[doc(alias = "mach_port_mod_refs")]
    pub fn mod_refs(&self, name: PortName, right: PortRight, delta: i32) -> Result<(), KernReturn> {
        if !name.is_valid() {
            return if right == PortRight::Send || right == PortRight::SendOnce {
                Ok(())
            } else {
                Err(KernReturn::INVALID_NAME)
            };
        }
        self.with(|state, after| state.modify(name, Reference { right, delta }, after))
    }

    /// Puts a right into the space under a chosen name.
    ///
    /// # Errors
    /// The right comes back with the codes of `mach_port_insert_right`.
    #[doc(alias = "mach_port_insert_right")]
    pub fn insert_right(&self, name: PortName, right: Carried<Right>) -> Result<(), KernReturn> {
        let right = match right {
            Carried::Right(right) => right,
            Carried::Null | Carried::Dead => return Err(KernReturn::INVALID_CAPABILITY),
        };
        let inserted = match check_valid(name, KernReturn::INVALID_VALUE) {
            Ok(()) => self.insert(right, name),
            Err(code) => Err((code, right)),
        };
        inserted.map_err(|(code, right)| {
            right.release();
            code
        })
    }

    fn insert(&self, right: Right, name: PortName) -> Result<(), (KernReturn, Right)> {
        let mut after = After::default();
        let inserted = match self.lock_with_index(name.index()) {
            Ok(mut state) => state.copyout_name(self.id(), right, name, &mut after),
            Err(code) => Err((code, right)),
        };
        after.run();
        inserted
    }

    /// Takes a right out of the space.
    ///
    /// # Errors
    /// `KERN_INVALID_NAME`, `KERN_INVALID_RIGHT`, `KERN_INVALID_VALUE`.
    #[doc(alias = "mach_port_extract_right")]
    pub fn extract_right(
        &self,
        name: PortName,
        disposition: u32,
    ) -> Result<Carried<Right>, KernReturn> {
        let disposition = Disposition::from_raw(disposition)
            .filter(|disposition| *disposition != Disposition::CopyReceive)
            .ok_or(KernReturn::INVALID_VALUE)?;
        check_valid(name, KernReturn::INVALID_NAME)?;
        self.copyin(name, disposition)
    }

    /// A new receive right, with a limit and perhaps a send right.
    ///
    /// # Errors
    /// As [`IpcSpace::allocate`], and `KERN_INVALID_VALUE` for the limit.
    #[doc(alias = "mach_port_construct")]
    pub fn construct(
        &self,
        limit: Option<u32>,
        context: u64,
        send: bool,
    ) -> Result<PortName, KernReturn> {
        if limit.is_some_and(|limit| limit > QUEUE_LIMIT_MAX) {
            return Err(KernReturn::INVALID_VALUE);
        }
        let receive = Port::allocate()?;
        let port = Arc::clone(receive.port());
        {
            let mut state = port.state.lock();
            state.limit = limit.unwrap_or(state.limit);
            state.context = context;
        }
        let right = send.then(|| receive.make_send());
        let name = self.copyout(receive).map_err(|(code, right)| {
            right.release();
            code
        })?;
        if let Some(right) = right {
            // The name is there, so this needs no entry of its own.
            let _ = self.copyout(right).map_err(|(_, right)| right.release());
        }
        Ok(name)
    }

    /// Ends a receive right and `-delta` references of the send right beside it.
    ///
    /// # Errors
    /// `KERN_INVALID_NAME`, `KERN_INVALID_RIGHT`, `KERN_INVALID_VALUE`; `KERN_INVALID_ARGUMENT` for
    /// another guard than the port's.
    #[doc(alias = "mach_port_destruct")]
    pub fn destruct(&self, name: PortName, delta: i32, guard: u64) -> Result<(), KernReturn> {
        if delta > 0 {
            return Err(KernReturn::INVALID_VALUE);
        }
        self.with(|state, after| {
            let port = Arc::clone(state.receive_port(name)?);
            if port.state.lock().guard.is_some_and(|own| own != guard) {
                return Err(KernReturn::INVALID_ARGUMENT);
            }
            if delta != 0 {
                state.modify(
                    name,
                    Reference {
                        right: PortRight::Send,
                        delta,
                    },
                    after,
                )?;
            }
            state.modify(
                name,
                Reference {
                    right: PortRight::Receive,
                    delta: -1,
                },
                after,
            )
        })
    }

    /// Size and use of the table.
    #[doc(alias = "mach_port_space_basic_info")]
    pub fn basic_info(&self) -> SpaceInfo {
        let state = self.lock();
        SpaceInfo {
            generation_mask: 0xff,
            table_size: state.table.len() as u32,
            in_use: state.table.used_count() as u32,
        }
    }

    /// A receive right for replies; null when there is no room.
    #[doc(alias = "mach_reply_port")]
    pub fn reply_port(&self) -> PortName {
        self.allocate(PortRight::Receive).unwrap_or(PortName::NULL)
    }
}

fn check_valid(name: PortName, code: KernReturn) -> Result<(), KernReturn> {
    if name.is_valid() { Ok(()) } else { Err(code) }
}

//! The kernel's side of an object: what a pager can tell it at any time.

use crate::system::mach_call::{self, port};
use mach::defs::{RequestBody, pager_control};
use mach::message::{Carried, UserCarrier, UserMemory, UserRight};
use mach::{CopyStrategy, KernReturn, PortName, Result, VmProt};

/// How an object behaves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Attributes {
    /// The kernel may keep the pages when nobody maps the object.
    pub may_cache: bool,
    /// How the kernel copies the object; [`CopyStrategy::Delay`] promises that the pager does not change the data by
    /// itself.
    pub copy_strategy: CopyStrategy,
    /// Milliseconds the kernel waits for an answer before the waiting program gets an error; 0 for the kernel's choice.
    pub deadline: u32,
    /// How changed pages come back.
    pub returns: Returns,
}

/// How changed pages come back to a pager.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Returns {
    /// As memory that shows them. What is acknowledged counts as durable.
    #[default]
    Memory,
    /// As page lists, to be forwarded to a device; durability is asked for on its own.
    PageLists,
}

impl Default for Attributes {
    fn default() -> Self {
        Self {
            may_cache: true,
            copy_strategy: CopyStrategy::Delay,
            deadline: 0,
            returns: Returns::Memory,
        }
    }
}

/// The kernel's control port of an object.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Control {
    pub(crate) port: PortName,
}

impl Control {
    pub(crate) fn send<R: RequestBody<UserCarrier>>(self, request: R) -> Result<()> {
        mach_call::send(
            &request.into_message(UserRight::copy_send(self.port), Carried::Null),
            None,
        )
    }

    /// Opens the object, or changes how it behaves.
    ///
    /// # Errors
    /// The control is gone.
    pub fn ready(self, attributes: Attributes) -> Result<()> {
        self.send(pager_control::ready::Request {
            may_cache: u32::from(attributes.may_cache),
            copy_strategy: attributes.copy_strategy as i32,
            cluster_size: 0,
            deadline: attributes.deadline,
            fallback: pager_control::fallback::ERROR,
            flags: match attributes.returns {
                Returns::Memory => pager_control::object_flag::RETURNS_IN_BUFFER,
                Returns::PageLists => pager_control::object_flag::PAGE_LISTS,
            },
            want_reply: 0,
        })
    }

    /// Gives whole pages of this task's memory away, to be the object's from `offset` on.
    ///
    /// # Errors
    /// The control is gone.
    pub fn supply_memory(self, offset: u64, memory: UserMemory) -> Result<()> {
        let request = pager_control::data_supply::Request {
            data: Some(memory),
            offset,
            lock_value: VmProt::NONE,
            precious: 0,
            want_reply: 0,
        };
        self.send(request)
    }

    /// Gives pages of a page list on, unseen. The right goes with them.
    ///
    /// # Errors
    /// The control is gone; the right stays then.
    pub fn supply_pages(self, offset: u64, length: u64, pages: PortName) -> Result<()> {
        let request = pager_control::data_supply_pages::Request {
            pages: UserRight::move_send(pages),
            offset,
            length,
            list_offset: 0,
            lock_value: VmProt::NONE,
            precious: 0,
            want_reply: 0,
        };
        self.send(request)
    }

    /// There is no data: the range reads as zeroes.
    ///
    /// # Errors
    /// The control is gone.
    pub fn unavailable(self, offset: u64, length: u64) -> Result<()> {
        self.send(pager_control::data_unavailable::Request { offset, length })
    }

    /// The data cannot be had: who waits for it gets an error.
    ///
    /// # Errors
    /// The control is gone.
    pub fn error(self, offset: u64, length: u64, error: KernReturn) -> Result<()> {
        self.send(pager_control::data_error::Request {
            offset,
            length,
            error,
        })
    }

    /// Pages that were returned are safe, or are not.
    ///
    /// # Errors
    /// The control is gone.
    pub fn clean_completed(
        self,
        offset: u64,
        length: u64,
        generation: u64,
        result: KernReturn,
    ) -> Result<()> {
        self.send(pager_control::clean_completed::Request {
            offset,
            length,
            generation,
            result,
        })
    }

    /// Lets the control go; the object's pager is dead to the kernel then.
    pub(crate) fn release(self) {
        // A name that is gone already needs no release.
        let _ = port::deallocate(self.port);
    }
}

//! `mach_port` on a task port: the task's names.

use alloc::sync::Arc;
use alloc::vec::Vec;

use ipc::{IpcSpace, KernelCarrier, KernelMemory, Right};
use mach::defs::{Array, Call, mach_port};
use mach::message::Carried;
use mach::port::{PortLimits, attribute};
use mach::wire::Wire;
use mach::{KernReturn, PortName, PortRight, Result};
use vm::vm_map::VmMapCopy;

use crate::task::Task;

/// Serves the names of one task.
pub(super) struct PortServer<'a> {
    pub(super) task: &'a Arc<Task>,
}

impl PortServer<'_> {
    fn space(&self) -> &Arc<IpcSpace> {
        self.task.space()
    }
}

/// The right that a raw number means.
pub(crate) fn right(raw: u32) -> Result<PortRight> {
    PortRight::from_raw(raw).ok_or(KernReturn::INVALID_VALUE)
}

/// Words as out-of-line memory.
fn words(words: impl Iterator<Item = u32>) -> Result<Option<KernelMemory>> {
    let bytes: Vec<u8> = words.flat_map(u32::to_le_bytes).collect();
    if bytes.is_empty() {
        return Ok(None);
    }
    Ok(Some(KernelMemory::new(
        VmMapCopy::from_bytes(&bytes)?,
        bytes.len() as u64,
    )))
}

macro_rules! simple {
    ($($routine:ident($space:ident, $request:ident) $body:expr;)*) => {$(
        fn $routine(&mut self, _: &mut Call<KernelCarrier>, $request: mach_port::$routine::Request) -> Result<mach_port::$routine::Reply> {
            let $space = self.space();
            $body?;
            Ok(mach_port::$routine::Reply {})
        }
    )*};
}

impl mach_port::Server<KernelCarrier> for PortServer<'_> {
    simple! {
        allocate_name(space, request) space.allocate_name(right(request.right)?, request.name);
        destroy(space, request) space.destroy_name(request.name);
        deallocate(space, request) space.deallocate(request.name);
        mod_refs(space, request) space.mod_refs(request.name, right(request.right)?, request.delta);
        set_mscount(space, request) space.set_mscount(request.name, request.mscount);
        set_seqno(space, request) space.set_seqno(request.name, request.seqno);
        move_member(space, request) space.move_member(request.member, request.after);
        insert_member(space, request) space.insert_member(request.name, request.pset);
        extract_member(space, request) space.extract_member(request.name, request.pset);
        set_context(space, request) space.set_context(request.name, request.context);
        guard(space, request) space.guard(request.name, request.guard);
        unguard(space, request) space.unguard(request.name, request.guard);
        destruct(space, request) space.destruct(request.name, request.srdelta, request.guard);
    }

    fn names(
        &mut self,
        _: &mut Call<KernelCarrier>,
        _: mach_port::names::Request,
    ) -> Result<mach_port::names::Reply<KernelCarrier>> {
        let names = self.space().names()?;
        let count = names.len() as u32;
        Ok(mach_port::names::Reply {
            names: words(names.iter().map(|(name, _)| name.0))?,
            types: words(names.iter().map(|(_, kind)| kind.bits()))?,
            names_cnt: count,
            types_cnt: count,
        })
    }

    fn port_type(
        &mut self,
        _: &mut Call<KernelCarrier>,
        request: mach_port::port_type::Request,
    ) -> Result<mach_port::port_type::Reply> {
        Ok(mach_port::port_type::Reply {
            ptype: self.space().type_of(request.name)?.bits(),
        })
    }

    fn allocate(
        &mut self,
        _: &mut Call<KernelCarrier>,
        request: mach_port::allocate::Request,
    ) -> Result<mach_port::allocate::Reply> {
        Ok(mach_port::allocate::Reply {
            name: self.space().allocate(right(request.right)?)?,
        })
    }

    fn get_refs(
        &mut self,
        _: &mut Call<KernelCarrier>,
        request: mach_port::get_refs::Request,
    ) -> Result<mach_port::get_refs::Reply> {
        let refs = self.space().get_refs(request.name, right(request.right)?)?;
        Ok(mach_port::get_refs::Reply { refs })
    }

    fn get_set_status(
        &mut self,
        _: &mut Call<KernelCarrier>,
        request: mach_port::get_set_status::Request,
    ) -> Result<mach_port::get_set_status::Reply<KernelCarrier>> {
        let members = self.space().get_set_status(request.name)?;
        Ok(mach_port::get_set_status::Reply {
            members: words(members.iter().map(|name| name.0))?,
            members_cnt: members.len() as u32,
        })
    }

    fn request_notification(
        &mut self,
        _: &mut Call<KernelCarrier>,
        request: mach_port::request_notification::Request<KernelCarrier>,
    ) -> Result<mach_port::request_notification::Reply<KernelCarrier>> {
        let notify = match request.notify {
            Carried::Null => None,
            Carried::Right(Right::SendOnce(right)) => Some(right),
            _ => return Err(KernReturn::INVALID_CAPABILITY),
        };
        let mach_port::request_notification::Request {
            name, msgid, sync, ..
        } = request;
        let previous = self
            .space()
            .request_notification(name, msgid, sync, notify)
            .map_err(|(code, notify)| {
                if let Some(notify) = notify {
                    notify.release();
                }
                code
            })?;
        let previous = previous.map_or(Carried::Null, |right| {
            Carried::Right(Right::SendOnce(right))
        });
        Ok(mach_port::request_notification::Reply { previous })
    }

    fn insert_right(
        &mut self,
        _: &mut Call<KernelCarrier>,
        request: mach_port::insert_right::Request<KernelCarrier>,
    ) -> Result<mach_port::insert_right::Reply> {
        self.space().insert_right(request.name, request.poly)?;
        Ok(mach_port::insert_right::Reply {})
    }

    fn extract_right(
        &mut self,
        _: &mut Call<KernelCarrier>,
        request: mach_port::extract_right::Request,
    ) -> Result<mach_port::extract_right::Reply<KernelCarrier>> {
        let poly = self
            .space()
            .extract_right(request.name, request.msgt_name)?;
        Ok(mach_port::extract_right::Reply { poly })
    }

    fn get_attributes(
        &mut self,
        _: &mut Call<KernelCarrier>,
        request: mach_port::get_attributes::Request,
    ) -> Result<mach_port::get_attributes::Reply> {
        let status = self.space().receive_status(request.name)?;
        let room = request.port_info_out_cnt;
        let port_info_out = match request.flavor {
            attribute::RECEIVE_STATUS => Array::of_words(&status, room),
            attribute::LIMITS_INFO => Array::of_words(
                &PortLimits {
                    queue_limit: status.queue_limit,
                },
                room,
            ),
            _ => return Err(KernReturn::INVALID_ARGUMENT),
        };
        Ok(mach_port::get_attributes::Reply { port_info_out })
    }

    fn set_attributes(
        &mut self,
        _: &mut Call<KernelCarrier>,
        request: mach_port::set_attributes::Request,
    ) -> Result<mach_port::set_attributes::Reply> {
        if request.flavor != attribute::LIMITS_INFO {
            return Err(KernReturn::INVALID_ARGUMENT);
        }
        let limits = PortLimits::decode_words(&request.port_info.0).ok_or(KernReturn::FAILURE)?;
        self.space().set_limit(request.name, limits.queue_limit)?;
        Ok(mach_port::set_attributes::Reply {})
    }

    fn get_srights(
        &mut self,
        _: &mut Call<KernelCarrier>,
        request: mach_port::get_srights::Request,
    ) -> Result<mach_port::get_srights::Reply> {
        Ok(mach_port::get_srights::Reply {
            srights: self.space().get_srights(request.name)?,
        })
    }

    fn kobject(
        &mut self,
        _: &mut Call<KernelCarrier>,
        request: mach_port::kobject::Request,
    ) -> Result<mach_port::kobject::Reply> {
        let space = self.space();
        let port = space
            .send_port(request.name)
            .or_else(|_| space.receive_port(request.name))?;
        Ok(mach_port::kobject::Reply {
            object_type: super::kind(&port) as u32,
            // Where the kernel keeps it is nobody's business.
            object_addr: 0,
        })
    }

    fn get_context(
        &mut self,
        _: &mut Call<KernelCarrier>,
        request: mach_port::get_context::Request,
    ) -> Result<mach_port::get_context::Reply> {
        Ok(mach_port::get_context::Reply {
            context: self.space().get_context(request.name)?,
        })
    }

    fn space_basic_info(
        &mut self,
        _: &mut Call<KernelCarrier>,
        _: mach_port::space_basic_info::Request,
    ) -> Result<mach_port::space_basic_info::Reply> {
        let info = self.space().basic_info();
        let basic_info = [info.generation_mask, info.table_size, 0, info.in_use, 0, 0];
        Ok(mach_port::space_basic_info::Reply { basic_info })
    }
}

/// A name from a register.
pub(crate) fn name(word: u64) -> PortName {
    PortName(word as u32)
}

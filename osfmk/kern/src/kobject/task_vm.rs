//! `mach_vm` on a task port: the task's map, through the checks of `vm_user`.

use alloc::sync::Arc;

use ipc::{KernelCarrier, KernelMemory, Right};
use mach::defs::{Array, Call, mach_vm};
use mach::message::Carried;
use mach::page_info::PageDisposition;
use mach::wire::Wire;
use mach::{KernReturn, Result};
use vm::vm_map::{Backing, Hold, ProtectMode, VmMap};
use vm::vm_user::{self, MapArguments, RegionAnswer, RemapArguments, UserAddr, UserSize};

use super::memory_entry;
use crate::copyio;
use crate::task::{self, Task};

/// Most pages one range query tells of in a go.
const QUERY_CHUNK: usize = 256;

/// Serves the memory calls of one task.
pub(super) struct VmServer<'a> {
    pub(super) map: &'a Arc<VmMap>,
}

fn hold(copy: u32) -> Hold {
    if copy != 0 { Hold::Copy } else { Hold::Share }
}

fn words<const MAX: usize>(value: &impl Wire, room: u32) -> Result<Array<i32, MAX>> {
    let words = value.encode_words();
    // A caller that has no room for the flavour asked wrongly, as on XNU.
    if (room as usize) < words.len() {
        Err(KernReturn::INVALID_ARGUMENT)
    } else {
        Ok(Array(words))
    }
}

/// What a port argument of a mapping call names.
pub(super) fn backing(object: Carried<Right>) -> Result<Backing> {
    match object {
        Carried::Null => Ok(Backing::Anonymous),
        Carried::Right(Right::Send(right)) => match right.kobject::<memory_entry::EntryPort>() {
            Some(port) => Ok(Backing::Entry(port.entry().clone())),
            None if right.port().is_kernel_object() => Err(KernReturn::INVALID_OBJECT),
            None => crate::external_pager::object_for_port(right, u64::MAX).map(Backing::Object),
        },
        _ => Err(KernReturn::INVALID_OBJECT),
    }
}

/// The task whose port this is.
pub(super) fn task_of(port: Carried<Right>) -> Result<Arc<Task>> {
    match port {
        Carried::Right(Right::Send(right)) => {
            right.kobject::<Task>().ok_or(KernReturn::INVALID_ARGUMENT)
        }
        _ => Err(KernReturn::INVALID_ARGUMENT),
    }
}

/// Both forms of remapping: their requests have the same fields, and one more pair in the newer.
macro_rules! remap {
    ($server:ident, $request:ident, $protection:expr) => {{
        let source = task_of($request.src_task)?.map();
        let arguments = RemapArguments {
            address: UserAddr($request.target_address),
            size: UserSize($request.size),
            mask: $request.mask,
            flags: $request.flags as u32,
            source: UserAddr($request.src_address),
            hold: hold($request.copy),
            protection: $protection,
            inheritance: $request.inheritance,
        };
        vm_user::mach_vm_remap($server.map, &source, arguments)?
    }};
}

impl mach_vm::Server<KernelCarrier> for VmServer<'_> {
    fn allocate(
        &mut self,
        _: &mut Call<KernelCarrier>,
        request: mach_vm::allocate::Request,
    ) -> Result<mach_vm::allocate::Reply> {
        let mach_vm::allocate::Request {
            address,
            size,
            flags,
        } = request;
        let address =
            vm_user::mach_vm_allocate(self.map, UserAddr(address), UserSize(size), flags as u32)?;
        Ok(mach_vm::allocate::Reply { address })
    }

    fn deallocate(
        &mut self,
        _: &mut Call<KernelCarrier>,
        request: mach_vm::deallocate::Request,
    ) -> Result<mach_vm::deallocate::Reply> {
        vm_user::mach_vm_deallocate(self.map, UserAddr(request.address), UserSize(request.size))?;
        Ok(mach_vm::deallocate::Reply {})
    }

    fn protect(
        &mut self,
        _: &mut Call<KernelCarrier>,
        request: mach_vm::protect::Request,
    ) -> Result<mach_vm::protect::Reply> {
        let mach_vm::protect::Request {
            address,
            size,
            set_maximum,
            new_protection,
        } = request;
        let mode = if set_maximum != 0 {
            ProtectMode::Maximum
        } else {
            ProtectMode::Current
        };
        vm_user::mach_vm_protect(
            self.map,
            UserAddr(address),
            UserSize(size),
            mode,
            new_protection.bits(),
        )?;
        Ok(mach_vm::protect::Reply {})
    }

    fn inherit(
        &mut self,
        _: &mut Call<KernelCarrier>,
        request: mach_vm::inherit::Request,
    ) -> Result<mach_vm::inherit::Reply> {
        let mach_vm::inherit::Request {
            address,
            size,
            new_inheritance,
        } = request;
        vm_user::mach_vm_inherit(self.map, UserAddr(address), UserSize(size), new_inheritance)?;
        Ok(mach_vm::inherit::Reply {})
    }

    fn read(
        &mut self,
        _: &mut Call<KernelCarrier>,
        request: mach_vm::read::Request,
    ) -> Result<mach_vm::read::Reply<KernelCarrier>> {
        let count = u32::try_from(request.size).map_err(|_| KernReturn::INVALID_ARGUMENT)?;
        let copy =
            vm_user::mach_vm_read(self.map, UserAddr(request.address), UserSize(request.size))?;
        Ok(mach_vm::read::Reply {
            data: Some(KernelMemory::new(copy, request.size)),
            data_cnt: count,
        })
    }

    fn write(
        &mut self,
        _: &mut Call<KernelCarrier>,
        request: mach_vm::write::Request<KernelCarrier>,
    ) -> Result<mach_vm::write::Reply> {
        let data = request
            .data
            .filter(|data| data.size == u64::from(request.data_cnt));
        let data = data.ok_or(KernReturn::INVALID_ARGUMENT)?;
        vm_user::mach_vm_write(self.map, UserAddr(request.address), data.copy)?;
        Ok(mach_vm::write::Reply {})
    }

    fn copy(
        &mut self,
        _: &mut Call<KernelCarrier>,
        request: mach_vm::copy::Request,
    ) -> Result<mach_vm::copy::Reply> {
        let mach_vm::copy::Request {
            source_address,
            size,
            dest_address,
        } = request;
        vm_user::mach_vm_copy(
            self.map,
            UserAddr(source_address),
            UserSize(size),
            UserAddr(dest_address),
        )?;
        Ok(mach_vm::copy::Reply {})
    }

    fn read_overwrite(
        &mut self,
        _: &mut Call<KernelCarrier>,
        request: mach_vm::read_overwrite::Request,
    ) -> Result<mach_vm::read_overwrite::Reply> {
        let mach_vm::read_overwrite::Request {
            address,
            size,
            data,
        } = request;
        let caller = task::current().ok_or(KernReturn::INVALID_TASK)?.map();
        let outsize = vm_user::mach_vm_read_overwrite(
            self.map,
            UserAddr(address),
            UserSize(size),
            &caller,
            UserAddr(data),
        )?;
        Ok(mach_vm::read_overwrite::Reply { outsize })
    }

    fn msync(
        &mut self,
        _: &mut Call<KernelCarrier>,
        request: mach_vm::msync::Request,
    ) -> Result<mach_vm::msync::Reply> {
        vm_user::mach_vm_msync(
            self.map,
            UserAddr(request.address),
            UserSize(request.size),
            request.sync_flags,
        )?;
        Ok(mach_vm::msync::Reply {})
    }

    fn behavior_set(
        &mut self,
        _: &mut Call<KernelCarrier>,
        request: mach_vm::behavior_set::Request,
    ) -> Result<mach_vm::behavior_set::Reply> {
        vm_user::mach_vm_behavior_set(
            self.map,
            UserAddr(request.address),
            UserSize(request.size),
            request.new_behavior,
        )?;
        Ok(mach_vm::behavior_set::Reply {})
    }

    fn map(
        &mut self,
        _: &mut Call<KernelCarrier>,
        request: mach_vm::map::Request<KernelCarrier>,
    ) -> Result<mach_vm::map::Reply> {
        let address = vm_user::mach_vm_map(
            self.map,
            MapArguments {
                address: UserAddr(request.address),
                size: UserSize(request.size),
                mask: request.mask,
                flags: request.flags as u32,
                backing: backing(request.object)?,
                offset: request.offset,
                hold: hold(request.copy),
                protection: request.cur_protection.bits(),
                max_protection: request.max_protection.bits(),
                inheritance: request.inheritance,
            },
        )?;
        Ok(mach_vm::map::Reply { address })
    }

    fn remap(
        &mut self,
        _: &mut Call<KernelCarrier>,
        request: mach_vm::remap::Request<KernelCarrier>,
    ) -> Result<mach_vm::remap::Reply> {
        let remapped = remap!(self, request, None);
        Ok(mach_vm::remap::Reply {
            target_address: remapped.address,
            cur_protection: remapped.protection,
            max_protection: remapped.max_protection,
        })
    }

    fn remap_new(
        &mut self,
        _: &mut Call<KernelCarrier>,
        request: mach_vm::remap_new::Request<KernelCarrier>,
    ) -> Result<mach_vm::remap_new::Reply> {
        let wanted = (request.cur_protection.bits(), request.max_protection.bits());
        let remapped = remap!(self, request, Some(wanted));
        Ok(mach_vm::remap_new::Reply {
            target_address: remapped.address,
            cur_protection: remapped.protection,
            max_protection: remapped.max_protection,
        })
    }

    fn page_query(
        &mut self,
        _: &mut Call<KernelCarrier>,
        request: mach_vm::page_query::Request,
    ) -> Result<mach_vm::page_query::Reply> {
        let (disposition, ref_count) =
            vm_user::mach_vm_page_query(self.map, UserAddr(request.offset))?;
        Ok(mach_vm::page_query::Reply {
            disposition,
            ref_count,
        })
    }

    fn page_info(
        &mut self,
        _: &mut Call<KernelCarrier>,
        request: mach_vm::page_info::Request,
    ) -> Result<mach_vm::page_info::Reply> {
        let info = vm_user::mach_vm_page_info(self.map, UserAddr(request.address), request.flavor)?;
        Ok(mach_vm::page_info::Reply {
            info: words(&info, request.info_cnt)?,
        })
    }

    fn page_range_query(
        &mut self,
        _: &mut Call<KernelCarrier>,
        request: mach_vm::page_range_query::Request,
    ) -> Result<mach_vm::page_range_query::Reply> {
        let caller = task::current().ok_or(KernReturn::INVALID_TASK)?.map();
        let mut done = 0;
        while done < request.dispositions_count {
            let mut pages = [PageDisposition::empty(); QUERY_CHUNK];
            let room = (request.dispositions_count - done).min(QUERY_CHUNK as u64) as usize;
            let skip = done * self.map.page_size();
            let (Some(address), Some(size)) = (
                request.address.checked_add(skip),
                request.size.checked_sub(skip),
            ) else {
                break;
            };
            let count = vm_user::mach_vm_page_range_query(
                self.map,
                UserAddr(address),
                UserSize(size),
                &mut pages[..room],
            )?;
            let mut bytes = [0; 4 * QUERY_CHUNK];
            for (bytes, page) in bytes.chunks_exact_mut(4).zip(&pages[..count]) {
                bytes.copy_from_slice(&page.bits().to_le_bytes());
            }
            copyio::copyout(
                &caller,
                &bytes[..4 * count],
                request.dispositions + 4 * done,
            )?;
            done += count as u64;
            if count < room {
                break;
            }
        }
        Ok(mach_vm::page_range_query::Reply {
            dispositions_count: done,
        })
    }

    fn region(
        &mut self,
        _: &mut Call<KernelCarrier>,
        request: mach_vm::region::Request,
    ) -> Result<mach_vm::region::Reply<KernelCarrier>> {
        let (address, size, answer) =
            vm_user::mach_vm_region(self.map, UserAddr(request.address), request.flavor)?;
        let room = request.info_cnt;
        let info = match answer {
            RegionAnswer::Basic64(info) => words(&info, room)?,
            RegionAnswer::Basic32(info) => words(&info, room)?,
            RegionAnswer::Extended(info) => words(&info, room)?,
            RegionAnswer::Top(info) => words(&info, room)?,
        };
        Ok(mach_vm::region::Reply {
            object_name: Carried::Null,
            address,
            size,
            info,
        })
    }

    fn region_recurse(
        &mut self,
        _: &mut Call<KernelCarrier>,
        request: mach_vm::region_recurse::Request,
    ) -> Result<mach_vm::region_recurse::Reply> {
        let (address, size, info) =
            vm_user::mach_vm_region_recurse(self.map, UserAddr(request.address))?;
        Ok(mach_vm::region_recurse::Reply {
            address,
            size,
            nesting_depth: 0,
            info: Array::of_words(&info, request.info_cnt),
        })
    }

    fn make_memory_entry(
        &mut self,
        _: &mut Call<KernelCarrier>,
        request: mach_vm::make_memory_entry::Request<KernelCarrier>,
    ) -> Result<mach_vm::make_memory_entry::Reply<KernelCarrier>> {
        let parent = match request.parent_handle {
            Carried::Right(Right::Send(right)) => right.kobject::<memory_entry::EntryPort>(),
            _ => None,
        };
        let parent = parent.as_ref().map(|port| &**port.entry());
        let (entry, size) = vm_user::mach_make_memory_entry(
            self.map,
            UserSize(request.size),
            UserAddr(request.offset),
            request.permission.bits(),
            parent,
        )?;
        let object_handle = super::carried(Some(memory_entry::EntryPort::name(entry)?));
        Ok(mach_vm::make_memory_entry::Reply {
            object_handle,
            size,
        })
    }

    fn purgable_control(
        &mut self,
        _: &mut Call<KernelCarrier>,
        request: mach_vm::purgable_control::Request,
    ) -> Result<mach_vm::purgable_control::Reply> {
        vm_user::mach_vm_purgable_control(self.map, UserAddr(request.address), request.control)?;
        Ok(mach_vm::purgable_control::Reply { state: 0 })
    }

    fn machine_attribute(
        &mut self,
        _: &mut Call<KernelCarrier>,
        _request: mach_vm::machine_attribute::Request,
    ) -> Result<mach_vm::machine_attribute::Reply> {
        // Caches are coherent here; programs that made code are served by the first execution of a page.
        Err(KernReturn::INVALID_ARGUMENT)
    }
}

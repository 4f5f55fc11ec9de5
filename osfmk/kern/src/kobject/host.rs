//! `mach_host` and `pager_registry` on both host ports; `host_priv` and `trace` on the privileged one.

use alloc::sync::Arc;
use alloc::vec::Vec;

use ipc::{KernelCarrier, KernelMemory, KernelObject, Kmsg, Port};
use mach::defs::{
    Array, CString, Call, Outcome, host_priv, mach_host, pager_registry, trace as trace_calls,
};
use mach::host_info::{self, CPU_TYPE_ARM64, HostBasicInfo, ZONE_NAME_SIZE, ZoneInfo};
use mach::trace::Record;
use mach::vm_statistics::{HOST_VM_HELD, HOST_VM_INFO64, HeldStatistics, VmStatistics64};
use mach::wire::Wire;
use mach::{KernReturn, Result};
use machine::page::PAGE_SIZE;
use prim::frames;
use prim::frames::queues::{self, PageQueue};
use prim::trace;
use prim::zone;
use vm::memory_object::{self, Held};
use vm::vm_map::VmMapCopy;
use vm::vm_statistics as counters;

use super::{answer, carried, send_right};
use crate::default_pager;
use crate::host::{self, Host};

/// What `uname` would say.
const VERSION: &str = concat!("Pagoda Kernel Version ", env!("CARGO_PKG_VERSION"));

/// The most trace records of one call.
const RECORDS_MAX: usize = 4096;

impl KernelObject for Host {
    fn message(self: Arc<Self>, request: Kmsg, _port: &Arc<Port>) -> Option<Kmsg> {
        let mut registry = RegistryServer {
            caller: request.sender().audit.process_id() as i32,
        };
        let outcome: Outcome<KernelCarrier> =
            mach_host::demux(&mut HostServer, request.into_message())
                .or_else(|message| pager_registry::demux(&mut registry, message));
        if !self.privileged {
            return answer(outcome);
        }
        let outcome = outcome
            .or_else(|message| host_priv::demux(&mut PrivilegedServer, message))
            .or_else(|message| trace_calls::demux(&mut PrivilegedServer, message));
        answer(outcome)
    }
}

struct HostServer;

/// Bytes as out-of-line memory of a reply.
fn memory(bytes: &[u8]) -> Result<Option<KernelMemory>> {
    if bytes.is_empty() {
        return Ok(None);
    }
    Ok(Some(KernelMemory::new(
        VmMapCopy::from_bytes(bytes)?,
        bytes.len() as u64,
    )))
}

fn zone_info(zone: &'static zone::Zone) -> ZoneInfo {
    let statistics = zone.statistics();
    let size = statistics.element_size as u64;
    ZoneInfo {
        count: statistics.in_use as u64,
        current_size: statistics.in_use as u64 * size,
        max_size: if statistics.limit == usize::MAX {
            0
        } else {
            statistics.limit as u64 * size
        },
        element_size: size,
        allocation_size: PAGE_SIZE as u64,
        sum_size: statistics.total * size,
        exhaustible: 1,
        collectable: 0,
    }
}

fn pages(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// The counters of virtual memory.
#[doc(alias = "vm_stats")]
pub(crate) fn vm_statistics() -> VmStatistics64 {
    let counts = frames::counts();
    let speculative = queues::length(PageQueue::Speculative);
    let active = [PageQueue::ActiveFile, PageQueue::ActiveAnonymous].map(queues::length);
    let inactive = [PageQueue::InactiveFile, PageQueue::InactiveAnonymous].map(queues::length);
    VmStatistics64 {
        free_count: pages(counts.free + speculative),
        active_count: pages(active[0] + active[1]),
        inactive_count: pages(inactive[0] + inactive[1]),
        wire_count: pages(counts.total() - counts.free - counts.resident),
        zero_fill_count: counters::ZERO_FILLS.get(),
        reactivations: counters::REACTIVATIONS.get(),
        pageins: counters::PAGEINS.get(),
        pageouts: counters::PAGEOUTS.get(),
        faults: counters::FAULTS.get(),
        cow_faults: counters::COW_FAULTS.get(),
        speculative_count: pages(speculative),
        swapins: counters::SWAPINS.get(),
        swapouts: counters::SWAPOUTS.get(),
        throttled_count: pages(queues::length(PageQueue::Laundry)),
        external_page_count: pages(active[0] + inactive[0] + speculative),
        internal_page_count: pages(active[1] + inactive[1]),
        ..VmStatistics64::default()
    }
}

impl mach_host::Server<KernelCarrier> for HostServer {
    fn info(
        &mut self,
        _: &mut Call<KernelCarrier>,
        request: mach_host::info::Request,
    ) -> Result<mach_host::info::Reply> {
        if request.flavor != host_info::HOST_BASIC_INFO {
            return Err(KernReturn::INVALID_ARGUMENT);
        }
        let cpus = host::processors() as i32;
        let bytes = frames::total() as u64 * PAGE_SIZE as u64;
        let info = HostBasicInfo {
            max_cpus: cpus,
            avail_cpus: cpus,
            memory_size: u32::try_from(bytes).unwrap_or(0x8000_0000).min(0x8000_0000),
            cpu_type: CPU_TYPE_ARM64,
            cpu_subtype: 0,
            cpu_threadtype: 0,
            physical_cpu: cpus,
            physical_cpu_max: cpus,
            logical_cpu: cpus,
            logical_cpu_max: cpus,
            max_mem: bytes,
        };
        Ok(mach_host::info::Reply {
            host_info_out: Array::of_words(&info, request.host_info_out_cnt),
        })
    }

    fn kernel_version(
        &mut self,
        _: &mut Call<KernelCarrier>,
        _: mach_host::kernel_version::Request,
    ) -> Result<mach_host::kernel_version::Reply> {
        Ok(mach_host::kernel_version::Reply {
            kernel_version: CString::new(VERSION).unwrap_or_default(),
        })
    }

    fn page_size(
        &mut self,
        _: &mut Call<KernelCarrier>,
        _: mach_host::page_size::Request,
    ) -> Result<mach_host::page_size::Reply> {
        Ok(mach_host::page_size::Reply {
            out_page_size: PAGE_SIZE as u64,
        })
    }

    fn statistics64(
        &mut self,
        _: &mut Call<KernelCarrier>,
        request: mach_host::statistics64::Request,
    ) -> Result<mach_host::statistics64::Reply> {
        let room = request.host_info64_out_cnt;
        let info = match request.flavor {
            HOST_VM_INFO64 => Array::of_words(&vm_statistics(), room),
            HOST_VM_HELD => {
                let Held { objects, pages } = memory_object::held()?;
                Array::of_words(&HeldStatistics { objects, pages }, room)
            }
            _ => return Err(KernReturn::INVALID_ARGUMENT),
        };
        Ok(mach_host::statistics64::Reply {
            host_info64_out: info,
        })
    }

    fn mach_zone_info(
        &mut self,
        _: &mut Call<KernelCarrier>,
        _: mach_host::mach_zone_info::Request,
    ) -> Result<mach_host::mach_zone_info::Reply<KernelCarrier>> {
        let (mut names, mut infos): (Vec<u8>, Vec<u8>) = (Vec::new(), Vec::new());
        let mut count = 0;
        for zone in zone::zones() {
            let mut name = [0; ZONE_NAME_SIZE];
            let text = zone.statistics().name.as_bytes();
            let length = text.len().min(ZONE_NAME_SIZE - 1);
            name[..length].copy_from_slice(&text[..length]);
            names.extend_from_slice(&name);
            infos.extend_from_slice(&zone_info(zone).encode());
            count += 1;
        }
        Ok(mach_host::mach_zone_info::Reply {
            names: memory(&names)?,
            info: memory(&infos)?,
            names_cnt: count,
            info_cnt: count,
        })
    }
}

fn utf8<const N: usize>(name: &CString<N>) -> Result<&str> {
    core::str::from_utf8(name.as_bytes()).map_err(|_| KernReturn::INVALID_ARGUMENT)
}

struct RegistryServer {
    /// The process that asks.
    caller: i32,
}

impl pager_registry::Server<KernelCarrier> for RegistryServer {
    fn register(
        &mut self,
        _: &mut Call<KernelCarrier>,
        request: pager_registry::register::Request<KernelCarrier>,
    ) -> Result<pager_registry::register::Reply> {
        let server = send_right(request.server)?;
        let registry = host::pager_registry()?;
        let file_system = (registry.register)(utf8(&request.name)?, server, self.caller)?;
        Ok(pager_registry::register::Reply { file_system })
    }

    fn look_up(
        &mut self,
        _: &mut Call<KernelCarrier>,
        request: pager_registry::look_up::Request,
    ) -> Result<pager_registry::look_up::Reply<KernelCarrier>> {
        let (server, process) = (host::pager_registry()?.look_up)(utf8(&request.name)?)?;
        Ok(pager_registry::look_up::Reply {
            server: carried(Some(server)),
            process,
        })
    }
}

struct PrivilegedServer;

impl host_priv::Server<KernelCarrier> for PrivilegedServer {
    fn get_special_port(
        &mut self,
        _: &mut Call<KernelCarrier>,
        request: host_priv::get_special_port::Request,
    ) -> Result<host_priv::get_special_port::Reply<KernelCarrier>> {
        Ok(host_priv::get_special_port::Reply {
            port: carried(host::special_port(request.which)?),
        })
    }

    fn default_memory_manager(
        &mut self,
        _: &mut Call<KernelCarrier>,
        request: host_priv::default_memory_manager::Request<KernelCarrier>,
    ) -> Result<host_priv::default_memory_manager::Reply<KernelCarrier>> {
        let former = match request.default_manager {
            mach::message::Carried::Null => default_pager::manager(),
            right => default_pager::register(send_right(right)?)?,
        };
        Ok(host_priv::default_memory_manager::Reply {
            default_manager: carried(former),
        })
    }

    fn set_special_port(
        &mut self,
        _: &mut Call<KernelCarrier>,
        request: host_priv::set_special_port::Request<KernelCarrier>,
    ) -> Result<host_priv::set_special_port::Reply> {
        host::set_special_port(request.which, send_right(request.port)?)?;
        Ok(host_priv::set_special_port::Reply {})
    }
}

impl trace_calls::Server<KernelCarrier> for PrivilegedServer {
    fn enable(
        &mut self,
        _: &mut Call<KernelCarrier>,
        request: trace_calls::enable::Request,
    ) -> Result<trace_calls::enable::Reply> {
        match request.records {
            0 => trace::disable(),
            records => {
                let room = (records as usize).clamp(64, 1 << 16);
                trace::enable(room).map_err(|_| KernReturn::RESOURCE_SHORTAGE)?;
            }
        }
        Ok(trace_calls::enable::Reply {})
    }

    fn read(
        &mut self,
        _: &mut Call<KernelCarrier>,
        request: trace_calls::read::Request,
    ) -> Result<trace_calls::read::Reply<KernelCarrier>> {
        let limit = (request.maximum as usize).min(RECORDS_MAX);
        let mut bytes: Vec<u8> = Vec::new();
        bytes
            .try_reserve_exact(limit * Record::SIZE)
            .map_err(|_| KernReturn::RESOURCE_SHORTAGE)?;
        let mut count = 0;
        let mut lost = 0;
        if limit > 0 {
            let drained = trace::drain_while(|event| {
                let record = Record {
                    time: event.time.0,
                    thread: event.thread,
                    cpu: event.cpu,
                    event: event.event as u32,
                    arguments: event.arguments,
                };
                record.put(&mut bytes);
                count += 1;
                count < limit
            });
            lost = drained.lost;
        }
        Ok(trace_calls::read::Reply {
            records: memory(&bytes)?,
            records_cnt: count as u32,
            lost,
        })
    }
}

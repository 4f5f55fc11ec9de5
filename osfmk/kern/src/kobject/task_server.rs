//! `task` on a task port, and the task as a kernel object.

use alloc::sync::Arc;
use alloc::vec::Vec;

use ipc::{KernelCarrier, KernelObject, KernelPorts, Kmsg, Port, Right};
use mach::defs::{Array, Call, mach_port, mach_vm, task, vm_map};
use mach::message::{Carried, CopyOption};
use mach::task_info::{self, MachTaskBasicInfo, TaskBasicInfo64};
use mach::wire::Wire;
use mach::{Disposition, KernReturn, Result};
use machine::page::PAGE_SIZE;

use super::task_ports::PortServer;
use super::task_vm::VmServer;
use super::task_vm_old::OldVmServer;
use super::{answer, carried};
use crate::task::Task;

impl KernelObject for Task {
    fn message(self: Arc<Self>, request: Kmsg, _port: &Arc<Port>) -> Option<Kmsg> {
        let map = self.map();
        let vm = || VmServer { map: &map };
        answer(
            mach_vm::demux(&mut vm(), request.into_message())
                .or_else(|message| vm_map::demux(&mut OldVmServer(vm()), message))
                .or_else(|message| mach_port::demux(&mut PortServer { task: &self }, message))
                .or_else(|message| task::demux(&mut TaskServer { task: &self }, message)),
        )
    }
}

/// Serves the calls on a task itself.
struct TaskServer<'a> {
    task: &'a Arc<Task>,
}

impl task::Server<KernelCarrier> for TaskServer<'_> {
    fn terminate(
        &mut self,
        _: &mut Call<KernelCarrier>,
        _: task::terminate::Request,
    ) -> Result<task::terminate::Reply> {
        self.task.terminate();
        Ok(task::terminate::Reply {})
    }

    fn threads(
        &mut self,
        _: &mut Call<KernelCarrier>,
        _: task::threads::Request,
    ) -> Result<task::threads::Reply<KernelCarrier>> {
        let rights: Vec<Carried<Right>> = self
            .task
            .threads()
            .iter()
            .map(|thread| carried(thread.send_right()))
            .collect();
        let count = rights.len() as u32;
        let ports = KernelPorts {
            rights,
            disposition: Disposition::MoveSend,
            option: CopyOption::Virtual,
        };
        Ok(task::threads::Reply {
            act_list: Some(ports),
            act_list_cnt: count,
        })
    }

    fn info(
        &mut self,
        _: &mut Call<KernelCarrier>,
        request: task::info::Request,
    ) -> Result<task::info::Reply> {
        let statistics = self.task.map().statistics();
        let resident_size = statistics.resident_pages * PAGE_SIZE as u64;
        let suspend_count = self.task.suspend_count() as i32;
        let words = match request.flavor {
            task_info::MACH_TASK_BASIC_INFO => MachTaskBasicInfo {
                virtual_size: statistics.size,
                resident_size,
                resident_size_max: resident_size,
                suspend_count,
                ..MachTaskBasicInfo::default()
            }
            .encode_words(),
            task_info::TASK_BASIC_INFO_64 | task_info::TASK_BASIC_INFO_64_2 => TaskBasicInfo64 {
                suspend_count,
                virtual_size: statistics.size,
                resident_size,
                ..TaskBasicInfo64::default()
            }
            .encode_words(),
            _ => return Err(KernReturn::INVALID_ARGUMENT),
        };
        if (request.task_info_out_cnt as usize) < words.len() {
            return Err(KernReturn::INVALID_ARGUMENT);
        }
        Ok(task::info::Reply {
            task_info_out: Array(words),
        })
    }

    fn suspend(
        &mut self,
        _: &mut Call<KernelCarrier>,
        _: task::suspend::Request,
    ) -> Result<task::suspend::Reply> {
        self.task.suspend();
        Ok(task::suspend::Reply {})
    }

    fn resume(
        &mut self,
        _: &mut Call<KernelCarrier>,
        _: task::resume::Request,
    ) -> Result<task::resume::Reply> {
        self.task.resume()?;
        Ok(task::resume::Reply {})
    }

    fn get_special_port(
        &mut self,
        _: &mut Call<KernelCarrier>,
        request: task::get_special_port::Request,
    ) -> Result<task::get_special_port::Reply<KernelCarrier>> {
        let right = match request.which_port {
            task_info::special_port::KERNEL => self.task.send_right(),
            task_info::special_port::HOST => crate::host::right_for(self.task),
            _ => return Err(KernReturn::INVALID_ARGUMENT),
        };
        Ok(task::get_special_port::Reply {
            special_port: carried(right),
        })
    }
}

//! What processes tell about themselves and each other: `proc_info`, groups, the file mode mask.
//!
//! XNU counterpart: `bsd/kern/proc_info.c`, `kern_prot.c`.

use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;

use bsd_sys::errno::Errno;
use bsd_sys::proc_info::{self, BsdInfo, TaskInfo};
use prim::thread::RunState;

use crate::proc::{self, Phase, Proc};
use crate::sysent::{Call, DONE, Outcome, value};
use crate::vfs::cache;

/// `proc_info(callnum, pid, flavor, arg, buffer, size)`: lists of processes and what is known of one.
pub(crate) fn proc_info(call: &mut Call<'_>) -> Outcome {
    let (buffer, size) = (call.long(4), call.int(5).max(0) as usize);
    match call.int(0) {
        proc_info::CALL_LISTPIDS => {
            let pids: Vec<u8> = proc::all()
                .iter()
                .flat_map(|proc| proc.pid().to_le_bytes())
                .collect();
            if buffer == 0 {
                return value(pids.len() as u64);
            }
            let length = pids.len().min(size) & !3;
            call.copyout(&pids[..length], buffer)?;
            value(length as u64)
        }
        proc_info::CALL_PIDINFO => {
            let target = proc::find(call.int(1)).ok_or(Errno::ESRCH)?;
            let bytes = match call.int(2) {
                proc_info::PIDTBSDINFO => bsd_info(&target).to_bytes().to_vec(),
                proc_info::PIDTASKINFO => task_info(&target).to_bytes().to_vec(),
                proc_info::PIDREGIONPATHINFO => region_path(&target, call.long(3))?,
                _ => return Err(Errno::EINVAL.into()),
            };
            if size < bytes.len() {
                return Err(Errno::ENOMEM.into());
            }
            call.copyout(&bytes, buffer)?;
            value(bytes.len() as u64)
        }
        _ => Err(Errno::EINVAL.into()),
    }
}

fn bsd_info(target: &Arc<Proc>) -> BsdInfo {
    let files = target.files.lock().count() as u32;
    let parent = target.parent_pid() as u32;
    let state = target.state();
    let status = match (state.phase(), state.stopped) {
        (Phase::Zombie, _) => proc_info::SZOMB,
        (Phase::Running, Some(_)) => proc_info::SSTOP,
        (Phase::Running, None) => proc_info::SRUN,
    };
    BsdInfo::new(
        status,
        target.pid() as u32,
        parent,
        state.group as u32,
        files,
        &state.name,
    )
}

fn task_info(target: &Proc) -> TaskInfo {
    let Some(task) = target.task() else {
        return TaskInfo::default();
    };
    let statistics = task.map().statistics();
    let threads = task.threads();
    let running = threads
        .iter()
        .filter_map(|thread| thread.execution())
        .filter(|thread| matches!(thread.state(), RunState::Running | RunState::Runnable))
        .count();
    TaskInfo {
        virtual_size: statistics.size,
        resident_size: statistics.resident_pages * machine::page::PAGE_SIZE as u64,
        total_user: prim::clock::ticks_to_nanoseconds(task.cpu_time()),
        faults: task.faults() as i32,
        threads: threads.len() as i32,
        running: running as i32,
        ..TaskInfo::default()
    }
}

/// The region at an address and the path of its file, as `struct proc_regionwithpathinfo`.
#[doc(alias = "proc_pidregionpathinfo")]
fn region_path(target: &Proc, address: u64) -> Result<Vec<u8>, Errno> {
    let map = target.task().ok_or(Errno::ESRCH)?.map();
    let region = map.region(address).map_err(|_| Errno::EINVAL)?;
    let source = map
        .external_source(region.start)
        .map_err(|_| Errno::EINVAL)?;
    let vnode = source.and_then(cache::of_object).ok_or(Errno::EINVAL)?;
    let mut bytes = vec![0; proc_info::REGION_PATH_INFO_SIZE];
    let info = proc_info::RegionInfo {
        protection: region.protection.bits(),
        max_protection: region.max_protection.bits(),
        inheritance: region.inheritance.raw(),
        offset: region.offset,
        user_tag: u32::from(region.user_tag),
        ref_count: region.reference_count,
        shadow_depth: region.shadow_depth,
        share_mode: region.share_mode as u32,
        obj_id: region.object_id as u32,
        address: region.start,
        size: region.size,
        ..proc_info::RegionInfo::default()
    };
    bytes[..proc_info::REGION_INFO_SIZE].copy_from_slice(&info.to_bytes());
    let path = vnode.path();
    let room = &mut bytes[proc_info::REGION_PATH_OFFSET..];
    let length = path.len().min(room.len() - 1);
    room[..length].copy_from_slice(&path.as_bytes()[..length]);
    Ok(bytes)
}

/// `setpgid(pid, pgid)`: for the caller or one of its children.
pub(crate) fn setpgid(call: &mut Call<'_>) -> Outcome {
    let (pid, group) = (call.int(0), call.int(1));
    if group < 0 {
        return Err(Errno::EINVAL.into());
    }
    let target = if pid == 0 {
        call.proc.clone()
    } else {
        proc::find(pid).ok_or(Errno::ESRCH)?
    };
    let own = Arc::ptr_eq(&target, call.proc) || target.parent_pid() == call.proc.pid();
    if !own {
        return Err(Errno::ESRCH.into());
    }
    target.state().group = if group == 0 { target.pid() } else { group };
    DONE
}

/// `umask(mask)`: the mask before.
pub(crate) fn umask(call: &mut Call<'_>) -> Outcome {
    let new = call.word(0) as u16 & 0o777;
    let old = core::mem::replace(&mut call.proc.state().umask, new);
    value(u64::from(old))
}

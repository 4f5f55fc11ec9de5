//! What processes tell about themselves and each other: `proc_info`, groups, the file mode mask.
//!
//! XNU counterpart: `bsd/kern/proc_info.c`, `kern_prot.c`.

use alloc::sync::Arc;
use alloc::vec::Vec;

use bsd_sys::errno::Errno;
use bsd_sys::proc_info::{self, BsdInfo, TaskInfo};

use crate::proc::{self, Phase, Proc};
use crate::sysent::{Call, DONE, Outcome, value};

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
    TaskInfo {
        virtual_size: statistics.size,
        resident_size: statistics.resident_pages * machine::page::PAGE_SIZE as u64,
        total_user: prim::clock::ticks_to_nanoseconds(task.cpu_time()),
        faults: task.faults() as i32,
        threads: threads.len() as i32,
        ..TaskInfo::default()
    }
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

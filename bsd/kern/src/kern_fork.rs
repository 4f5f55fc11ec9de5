//! `fork`: a child that has a copy of everything.
//!
//! Memory goes by each entry's inheritance (`vm_map_fork`), descriptors are shared as open files, ports are not inherited.
//! The child's only thread begins where the parent's call returns, with 0 in `x0` and 1 in `x1`.
//! XNU counterpart: `bsd/kern/kern_fork.c`.

use alloc::sync::Arc;

use bsd_sys::errno::Errno;
use kern::task::Task;
use mach::KernReturn;
use machine::trap::CPSR_CARRY;
use pmap::Pmap;
use prim::frames::Reserve;
use prim::trace::{self, Event};
use vm::vm_pageout::patiently;

use crate::kern_sig::ThreadSignals;
use crate::proc::{Proc, ProcParameters};
use crate::sysent::{Call, Outcome};

/// `fork()`: the child's number to the parent. Whoever has no memory for a child waits until there is some.
///
/// # Errors
/// `EAGAIN` when there are too many processes, `ENOMEM`.
#[doc(alias = "fork1")]
pub(crate) fn fork(call: &mut Call<'_>) -> Outcome {
    patiently(|| fork_at_once(call))
}

fn fork_at_once(call: &Call<'_>) -> Outcome {
    let pmap = Pmap::create(Reserve::Normal).map_err(|_| Errno::ENOMEM)?;
    let map = call.map.fork(pmap).map_err(|_| Errno::ENOMEM)?;
    let task = Task::create(map).map_err(|_| Errno::ENOMEM)?;
    let directory = call.proc.state().directory.clone();
    let files = call.proc.files.lock().fork();
    let parameters = ProcParameters {
        task: task.clone(),
        parent: Some(call.proc.clone()),
        directory,
        files,
    };
    let child = match Proc::create(parameters) {
        Ok(child) => child,
        Err(errno) => {
            // It has no process: nobody is told of its end.
            task.terminate();
            return Err(errno.into());
        }
    };
    match start(&task, call) {
        Ok(thread) => {
            let (child, parent) = (child.pid() as u64, call.proc.pid() as u64);
            trace::point(Event::ProcessCreate, child, parent, thread, 0);
            Ok([child, 0])
        }
        // Killed before it ran: it was there, and the parent will hear how it ended.
        Err(KernReturn::TERMINATED) => Ok([child.pid() as u64, 0]),
        Err(_) => {
            child.unmake();
            task.terminate();
            Err(Errno::ENOMEM.into())
        }
    }
}

/// The child's thread: the parent's registers with the child's answer, its mask and its alternate stack. Gives its number in
/// the trace, 0 when it has ended already.
#[doc(alias = "thread_dup")]
fn start(task: &Arc<Task>, parent: &Call<'_>) -> Result<u64, KernReturn> {
    let mut state = *parent.state;
    (state.x[0], state.x[1]) = (0, 1);
    state.cpsr &= !CPSR_CARRY;
    let thread = task.create_thread(state)?;
    ThreadSignals::inherit(&thread, parent.thread);
    thread.start_like_current()?;
    Ok(thread.execution().map_or(0, |execution| execution.id()))
}

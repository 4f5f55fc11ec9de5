//! The end of a process, and waiting for it.
//!
//! [`begin`] decides how the process ends and terminates its task; the task's last thread tears it down and then
//! `Proc::become_zombie` tells the parent, so whoever sees the end in `wait4` finds the memory free.
//! XNU counterpart: `bsd/kern/kern_exit.c`.

use alloc::sync::Arc;

use bsd_sys::errno::Errno;
use bsd_sys::wait::{WNOHANG, WUNTRACED, WaitStatus};
use prim::wait::{Interruptible, WaitResult};

use crate::proc::{Phase, Proc};
use crate::sysent::{Call, DONE, Failure, Outcome, value};

/// `exit(code)`. The thread leaves on its way to user mode.
#[doc(alias = "exit1")]
pub(crate) fn exit(call: &mut Call<'_>) -> Outcome {
    begin(call.proc, WaitStatus::Exited(call.int(0) as u8));
    Err(Failure::JustReturn)
}

/// Begins the end of a process; the first to decide how it ends wins.
#[doc(alias = "exit_with_reason")]
pub fn begin(proc: &Arc<Proc>, status: WaitStatus) {
    proc.state().status.get_or_insert(status);
    if let Some(task) = proc.task() {
        task.terminate();
    }
}

/// `wait4(pid, status, options, rusage)`.
///
/// # Errors
/// `ECHILD` without a child to wait for, `EINVAL`, `EFAULT`.
pub(crate) fn wait4(call: &mut Call<'_>) -> Outcome {
    let (pid, status_address, options) = (call.int(0), call.long(1), call.int(2));
    if options & !(WNOHANG | WUNTRACED) != 0 {
        return Err(Errno::EINVAL.into());
    }
    loop {
        // Noted before looking; a thread that has announced a wait could not take the locks that looking takes.
        let changes = call.proc.child_changes();
        let Some((child, status)) = look(call.proc, pid, options)? else {
            if options & WNOHANG != 0 {
                return DONE;
            }
            wait_for_change(call.proc, changes)?;
            continue;
        };
        if status_address != 0 {
            call.copyout(&status.raw().to_le_bytes(), status_address)?;
        }
        if call.long(3) != 0 {
            let usage = child.state().usage.told();
            call.copyout(&usage.to_bytes(), call.long(3))?;
        }
        let mine = match status {
            WaitStatus::Stopped(_) => child.state().stop_report.take().is_some(),
            _ => {
                let (usage, below) = {
                    let state = child.state();
                    (state.usage, state.children_usage)
                };
                let mine = call.proc.reap(&child);
                if mine {
                    let mut state = call.proc.state();
                    state.children_usage = state.children_usage.plus(usage).plus(below);
                }
                mine
            }
        };
        // Another thread may have told of the same child meanwhile.
        if mine {
            return value(child.pid() as u64);
        }
    }
}

/// Waits until a child has ended or stopped since `changes` was read.
fn wait_for_change(parent: &Proc, changes: u64) -> Result<(), Failure> {
    let wait = parent
        .child_changed
        .assert_wait(Interruptible::AbortSafe, None);
    if parent.child_changes() != changes {
        wait.cancel();
        return Ok(());
    }
    match wait.block() {
        // No signal can be caught yet: whoever lives on waits on.
        WaitResult::Interrupted => Err(Failure::Restart),
        WaitResult::Awakened | WaitResult::TimedOut => Ok(()),
    }
}

/// A child that `pid` means and that has something to tell; `None` if all of them go on.
fn look(
    parent: &Arc<Proc>,
    pid: i32,
    options: i32,
) -> Result<Option<(Arc<Proc>, WaitStatus)>, Errno> {
    let own_group = parent.state().group;
    let mut any = false;
    for child in parent.children() {
        let state = child.state();
        let meant = match pid {
            -1 => true,
            0 => state.group == own_group,
            1.. => child.pid() == pid,
            _ => state.group == pid.unsigned_abs() as i32,
        };
        if !meant {
            continue;
        }
        any = true;
        let phase = state.phase();
        if phase == Phase::Zombie
            && let Some(status) = state.status
        {
            drop(state);
            return Ok(Some((child, status)));
        }
        if options & WUNTRACED != 0
            && let Some(signal) = state.stop_report
        {
            drop(state);
            return Ok(Some((child, WaitStatus::Stopped(signal))));
        }
    }
    if any { Ok(None) } else { Err(Errno::ECHILD) }
}

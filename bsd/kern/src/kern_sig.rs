//! Signals, and what exceptions become.
//!
//! A signal is a bit in the process's pending word; threads look at it on their way to user mode. Nothing can be caught
//! yet: every signal has its default action, ends of processes are exact (`wait4` says which signal), and stopping and
//! continuing work by suspending the task.
//!
//! XNU counterpart: `bsd/kern/kern_sig.c`, `bsd/uxkern/ux_exception.c`.

use alloc::sync::Arc;
use core::sync::atomic::Ordering;

use bsd_sys::errno::Errno;
use bsd_sys::signal::{DefaultAction, Signal};
use bsd_sys::syscall;
use bsd_sys::wait::WaitStatus;
use kern::exception::{ExceptionType, UserException};
use kern::thread::{PENDING_PERSONALITY, Thread};
use mach::KernReturn;
use machine::trap::SavedState;

use crate::proc::{self, Phase, Proc};
use crate::sysent::{Call, DONE, Outcome};

/// Signals that stop; one that continues takes them back.
fn stops() -> u32 {
    let stops = (1..32)
        .filter_map(Signal::new)
        .filter(|signal| signal.default_action() == DefaultAction::Stop);
    stops.fold(0, |bits, signal| bits | signal.bit())
}

/// Makes a signal pending and its process look at it. `SIGKILL` does not wait for that: the task ends at once, whatever
/// its threads wait for and however often it is suspended.
#[doc(alias = "psignal")]
pub fn post(proc: &Arc<Proc>, signal: Signal) {
    match signal.default_action() {
        DefaultAction::Ignore => return,
        DefaultAction::Continue => return resume(proc),
        _ if signal == Signal::KILL => return end(proc, signal),
        _ => {}
    }
    proc.pending.fetch_or(signal.bit(), Ordering::AcqRel);
    let Some(task) = proc.task() else { return };
    for thread in task.threads() {
        thread.post(PENDING_PERSONALITY);
        thread.interrupt();
    }
}

/// Undoes a stop, and stops that have not been acted on.
fn resume(proc: &Arc<Proc>) {
    proc.pending.fetch_and(!stops(), Ordering::AcqRel);
    let stopped = {
        let mut state = proc.state();
        state.stop_report = None;
        state.stopped.take()
    };
    if stopped.is_some()
        && let Some(task) = proc.task()
    {
        // Fails only if it runs already.
        let _ = task.resume();
    }
}

/// Acts on what is pending, on a thread of the process on its way to user mode.
#[doc(alias = "issignal_locked")]
#[doc(alias = "postsig_locked")]
pub(crate) fn act_on_pending(thread: &Arc<Thread>, _state: &mut SavedState) {
    let Some(proc) = proc::of_task(thread.task()) else {
        return;
    };
    let pending = proc.pending.swap(0, Ordering::AcqRel);
    let signals = (1..32)
        .filter_map(Signal::new)
        .filter(|signal| pending & signal.bit() != 0);
    for signal in signals {
        match signal.default_action() {
            DefaultAction::Terminate | DefaultAction::Core => end(&proc, signal),
            DefaultAction::Stop => stop(&proc, signal),
            DefaultAction::Ignore | DefaultAction::Continue => {}
        }
    }
}

/// Ends the process with a signal.
#[doc(alias = "exit_with_reason")]
pub fn end(proc: &Arc<Proc>, signal: Signal) {
    crate::kern_exit::begin(proc, WaitStatus::Signalled(signal));
}

fn stop(proc: &Arc<Proc>, signal: Signal) {
    let Some(task) = proc.task() else { return };
    // Suspended before it says so: whoever sees that it is stopped can resume it.
    task.suspend();
    let first = {
        let mut state = proc.state();
        state.stop_report = Some(signal);
        state.stopped.replace(signal).is_none()
    };
    if !first {
        // One stop is enough. Fails only if somebody has resumed the task more often than it was suspended.
        let _ = task.resume();
    } else if let Some(parent) = proc.parent() {
        parent.note_child_change();
    }
}

/// The signal an exception becomes: an address that is not mapped is `SIGSEGV`, every other failure of an access `SIGBUS`.
#[doc(alias = "ux_exception")]
#[must_use]
pub fn signal_of(exception: &UserException) -> Signal {
    match exception.kind {
        ExceptionType::BadAccess if exception.code == i64::from(KernReturn::INVALID_ADDRESS.0) => {
            Signal::SEGV
        }
        ExceptionType::BadAccess => Signal::BUS,
        ExceptionType::BadInstruction => Signal::ILL,
        ExceptionType::Arithmetic => Signal::FPE,
        ExceptionType::Breakpoint => Signal::TRAP,
        ExceptionType::Syscall => Signal::SYS,
    }
}

/// An exception of a program that nobody handles.
#[doc(alias = "handle_ux_exception")]
pub(crate) fn exception(thread: &Arc<Thread>, state: &SavedState, exception: &UserException) {
    let Some(proc) = proc::of_task(thread.task()) else {
        return thread.task().terminate();
    };
    let signal = signal_of(exception);
    let name = proc.state().name.clone();
    crate::tty::report(format_args!(
        "{}[{}]: {}: code {} at {:#x}, pc {:#x}\n",
        name,
        proc.pid(),
        signal.text(),
        exception.code,
        exception.subcode,
        state.pc,
    ));
    end(&proc, signal);
}

/// `kill(pid, signum)`.
pub(crate) fn kill(call: &mut Call<'_>) -> Outcome {
    let (pid, number) = (call.int(0), call.int(1));
    if !(0..32).contains(&number) {
        return Err(Errno::EINVAL.into());
    }
    let own_group = call.proc.state().group;
    // A group's signal passes init and the dead by.
    let in_group = |target: &Arc<Proc>, group: i32| {
        let state = target.state();
        target.pid() != proc::INIT && state.group == group && state.phase() == Phase::Running
    };
    let chosen = |target: &Arc<Proc>| match pid {
        -1 => target.pid() != proc::INIT && target.pid() != call.proc.pid(),
        0 => in_group(target, own_group),
        1.. => target.pid() == pid,
        _ => in_group(target, pid.unsigned_abs() as i32),
    };
    let targets: alloc::vec::Vec<Arc<Proc>> = proc::all().into_iter().filter(chosen).collect();
    if targets.is_empty() {
        return Err(Errno::ESRCH.into());
    }
    let Some(signal) = Signal::new(number) else {
        return DONE;
    };
    for target in targets
        .iter()
        .filter(|target| target.phase() == Phase::Running)
    {
        // Init is not to be killed by mistake; the whole system would go.
        if target.pid() == proc::INIT && signal.default_action() != DefaultAction::Ignore {
            return Err(Errno::EPERM.into());
        }
        post(target, signal);
    }
    DONE
}

/// A number without a call: `ENOSYS`, and `SIGSYS` unless XNU has a call there that is not built here.
#[doc(alias = "nosys")]
pub(crate) fn bad_system_call(call: &mut Call<'_>) -> Outcome {
    let number = call.state.x[16] as u32;
    if !syscall::is_xnu_call(number) {
        post(call.proc, Signal::SYS);
    }
    Err(Errno::ENOSYS.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_unmapped_address_is_a_segmentation_fault() {
        let signal = |cause| signal_of(&UserException::bad_access(cause, 0));
        assert_eq!(signal(KernReturn::INVALID_ADDRESS), Signal::SEGV);
        assert_eq!(signal(KernReturn::PROTECTION_FAILURE), Signal::BUS);
        assert_eq!(signal(KernReturn::MEMORY_ERROR), Signal::BUS);
    }
}

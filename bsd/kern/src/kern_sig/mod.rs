//! Signals, and what exceptions become.
//!
//! A signal is a bit in the process's pending word, or, if an instruction caused it, in its thread's. Threads look at both on
//! their way to user mode; whoever clears a bit acts on it. A signal that a thread does not block ends its wait, if that can
//! be interrupted; the call answers `EINTR` or starts again, as the handler's `SA_RESTART` says.
//!
//! | module | what | XNU |
//! |---|---|---|
//! | `actions` | what a process does with each signal | `struct sigacts` |
//! | `thread` | a thread's mask, stack and pending signals | `struct uthread` |
//! | `deliver` | acting on them: end, stop, or enter the handler | `issignal`, `postsig`, `sendsig` |
//! | `frame` | what a handler finds on its stack | `unix_signal.c` |
//! | `calls` | the system calls | `kern_sig.c` |
//! | `exception` | from exceptions to signals | `ux_exception.c` |
//! | `job_control` | who may use the terminal | `tty.c` |
//!
//! XNU counterpart: `bsd/kern/kern_sig.c`.

mod actions;
mod calls;
mod deliver;
mod exception;
mod frame;
pub(crate) mod job_control;
mod thread;

use alloc::sync::Arc;
use core::sync::atomic::Ordering;

use bsd_sys::errno::Errno;
use bsd_sys::signal::{DefaultAction, Signal, SignalSet, code};
use bsd_sys::syscall;
use bsd_sys::wait::WaitStatus;
use kern::thread::PENDING_PERSONALITY;

use crate::proc::{Phase, Proc};
use crate::sysent::{Call, Outcome};

pub(crate) use actions::Actions;
pub(crate) use calls::{
    kill, sigaction, sigaltstack, sigpending, sigprocmask, sigreturn, sigsuspend,
};
pub(crate) use deliver::{act_on_pending, note_interruption};
pub(crate) use exception::exception;
pub use exception::signal_of;
pub(crate) use thread::{Interruption, ThreadSignals};

use actions::Sender;
use thread::Fault;

/// Signals that stop; one that continues takes them back.
fn stops() -> SignalSet {
    let stops = actions::all().filter(|signal| signal.default_action() == DefaultAction::Stop);
    stops.fold(0, |bits, signal| bits | signal.bit())
}

/// Makes a signal pending and its process look at it. `SIGKILL` does not wait for that: the task ends at once, whatever
/// its threads wait for and however often it is suspended.
#[doc(alias = "psignal")]
pub fn post(proc: &Arc<Proc>, signal: Signal) {
    post_from(proc, signal, Sender::default());
}

/// As [`post`], with what a handler will be told of the sender.
fn post_from(proc: &Arc<Proc>, signal: Signal, sender: Sender) {
    match signal.default_action() {
        _ if signal == Signal::KILL => return end(proc, signal),
        DefaultAction::Continue => resume(proc),
        DefaultAction::Stop => {
            proc.pending
                .fetch_and(!Signal::CONT.bit(), Ordering::SeqCst);
        }
        _ => {}
    }
    {
        let mut state = proc.state();
        let nothing_to_do = state.actions.is_ignored(signal)
            || signal == Signal::CONT && !state.actions.is_caught(signal);
        if nothing_to_do || state.phase() != Phase::Running {
            return;
        }
        *state.actions.sender(signal) = sender;
    }
    proc.pending.fetch_or(signal.bit(), Ordering::SeqCst);
    let Some(task) = proc.task() else { return };
    for thread in task.threads() {
        if ThreadSignals::of(&thread).mask() & signal.bit() == 0 {
            thread.post(PENDING_PERSONALITY);
            thread.interrupt();
        }
    }
}

/// Undoes a stop, and stops that have not been acted on.
fn resume(proc: &Arc<Proc>) {
    proc.pending.fetch_and(!stops(), Ordering::SeqCst);
    let stopped = {
        let mut state = proc.state();
        state.stop_report = None;
        state.stopped.take()
    };
    let Some(signal) = stopped else { return };
    if let Some(task) = proc.task() {
        // Fails only if it runs already.
        let _ = task.resume();
    }
    tell_parent_of_stop(proc, code::CLD_CONTINUED, signal);
}

/// Ends the process with a signal.
#[doc(alias = "exit_with_reason")]
pub fn end(proc: &Arc<Proc>, signal: Signal) {
    crate::kern_exit::begin(proc, WaitStatus::Signalled(signal));
}

/// Stops the process.
fn stop(proc: &Arc<Proc>, signal: Signal) {
    let Some(task) = proc.task() else { return };
    // Suspended before it says so: whoever sees that it is stopped can resume it.
    task.suspend();
    let first = {
        let mut state = proc.state();
        state.stop_report = Some(signal);
        state.stopped.replace(signal).is_none()
    };
    if first {
        if let Some(parent) = proc.parent() {
            parent.note_child_change();
        }
        tell_parent_of_stop(proc, code::CLD_STOPPED, signal);
    } else {
        // One stop is enough. Fails only if somebody has resumed the task more often than it was suspended.
        let _ = task.resume();
    }
}

fn tell_parent_of_stop(child: &Proc, code: i32, signal: Signal) {
    let Some(parent) = child.parent() else { return };
    if parent.state().actions.hears_of_stops() {
        let sender = Sender {
            code,
            pid: child.pid(),
            status: signal.number(),
        };
        post_from(&parent, Signal::CHLD, sender);
    }
}

/// A child has ended: tells its parent, and says whether the parent wants no zombie.
pub(crate) fn child_ended(parent: &Arc<Proc>, child: i32, status: WaitStatus) -> bool {
    let (code, number) = match status {
        WaitStatus::Exited(number) => (code::CLD_EXITED, i32::from(number)),
        WaitStatus::Signalled(signal) | WaitStatus::Stopped(signal) => {
            (code::CLD_KILLED, signal.number())
        }
    };
    let forgotten = parent.state().actions.forgets_children();
    let sender = Sender {
        code,
        pid: child,
        status: number,
    };
    post_from(parent, Signal::CHLD, sender);
    forgotten
}

/// Tells whoever looks at the console what ended a process.
fn report(proc: &Proc, signal: Signal, fault: Fault, pc: u64) {
    let name = proc.state().name.clone();
    crate::tty::report(format_args!(
        "{}[{}]: {}: code {} at {:#x}, pc {:#x}\n",
        name,
        proc.pid(),
        signal.text(),
        fault.code,
        fault.address,
        pc,
    ));
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

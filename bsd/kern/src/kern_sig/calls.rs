//! The system calls about signals.
//!
//! XNU counterpart: `sigaction` and its neighbours in `kern_sig.c`, `sigreturn` in `unix_signal.c`.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::Ordering;

use bsd_sys::errno::Errno;
use bsd_sys::signal::{
    DefaultAction, KernelSigaction, MINSIGSTKSZ, Mcontext, SIG_BLOCK, SIG_SETMASK, SIG_UNBLOCK,
    SS_DISABLE, SS_ONSTACK, Signal, SignalStack, UC_RESET_ALT_STACK, UC_SET_ALT_STACK, Ucontext,
    code,
};
use kern::thread::PENDING_PERSONALITY;
use prim::wait::{Interruptible, WaitResult};
use zerocopy::IntoBytes as _;

use super::actions::Sender;
use super::thread::{AlternateStack, ThreadSignals};
use super::{frame, post_from};
use crate::proc::{self, Phase, Proc};
use crate::sysent::{Call, DONE, Failure, Outcome};

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
    let targets: Vec<Arc<Proc>> = proc::all().into_iter().filter(chosen).collect();
    if targets.is_empty() {
        return Err(Errno::ESRCH.into());
    }
    let Some(signal) = Signal::new(number) else {
        return DONE;
    };
    let sender = Sender {
        code: code::SI_USER,
        pid: call.proc.pid(),
        status: 0,
    };
    for target in targets
        .iter()
        .filter(|target| target.phase() == Phase::Running)
    {
        // Init is not to be killed by mistake; the whole system would go.
        if target.pid() == proc::INIT && signal.default_action() != DefaultAction::Ignore {
            return Err(Errno::EPERM.into());
        }
        post_from(target, signal, sender);
    }
    DONE
}

/// `sigaction(signum, new, old)`: the new action names a trampoline, the old one does not.
///
/// # Errors
/// `EINVAL` for no signal, and for the two that nobody can catch; `EFAULT`.
pub(crate) fn sigaction(call: &mut Call<'_>) -> Outcome {
    let signal = Signal::new(call.int(0))
        .filter(|&signal| signal != Signal::KILL && signal != Signal::STOP)
        .ok_or(Errno::EINVAL)?;
    let (new, old) = (call.long(1), call.long(2));
    let action = match new {
        0 => None,
        _ => {
            let mut bytes = [0; KernelSigaction::SIZE];
            call.copyin(new, &mut bytes)?;
            KernelSigaction::from_bytes(&bytes)
        }
    };
    if old != 0 {
        let told = call.proc.state().actions.get(signal);
        call.copyout(&told.to_bytes(), old)?;
    }
    if let Some(action) = action
        && call.proc.state().actions.set(signal, action)
    {
        call.proc.pending.fetch_and(!signal.bit(), Ordering::SeqCst);
        ThreadSignals::of(call.thread).forget(signal);
    }
    DONE
}

/// `sigprocmask(how, set, old)`, and `__pthread_sigmask`: of the calling thread.
///
/// # Errors
/// `EINVAL`, `EFAULT`.
#[doc(alias = "__pthread_sigmask")]
pub(crate) fn sigprocmask(call: &mut Call<'_>) -> Outcome {
    let signals = ThreadSignals::of(call.thread);
    let old = signals.mask();
    if call.long(1) != 0 {
        let mut bytes = [0; 4];
        call.copyin(call.long(1), &mut bytes)?;
        let set = u32::from_le_bytes(bytes);
        let mask = match call.int(0) {
            SIG_BLOCK => old | set,
            SIG_UNBLOCK => old & !set,
            SIG_SETMASK => set,
            _ => return Err(Errno::EINVAL.into()),
        };
        signals.set_mask(mask);
        look_again(call, signals);
    }
    if call.long(2) != 0 {
        call.copyout(&old.to_le_bytes(), call.long(2))?;
    }
    DONE
}

/// After a mask has changed: what is not blocked any more is acted on before the call returns.
fn look_again(call: &Call<'_>, signals: &ThreadSignals) {
    if signals.has_deliverable(call.proc) {
        call.thread.post(PENDING_PERSONALITY);
    }
}

/// `sigpending(set)`.
pub(crate) fn sigpending(call: &mut Call<'_>) -> Outcome {
    let pending = ThreadSignals::of(call.thread).pending(call.proc);
    call.copyout(&pending.to_le_bytes(), call.long(0))?;
    DONE
}

/// `sigsuspend(mask)`: waits with that mask until a handler has run.
///
/// # Errors
/// `EINTR`, always.
pub(crate) fn sigsuspend(call: &mut Call<'_>) -> Outcome {
    let signals = ThreadSignals::of(call.thread);
    // Started again after a stop, the mask to go back to is still the first one.
    signals.own().saved_mask.get_or_insert(signals.mask());
    signals.set_mask(call.word(0));
    loop {
        let wait = signals
            .suspended
            .assert_wait(Interruptible::AbortSafe, None);
        if signals.has_deliverable(call.proc) {
            wait.cancel();
            return Err(Failure::Interrupted);
        }
        if wait.block() == WaitResult::Interrupted && prim::thread::current().is_terminating() {
            return Err(Failure::Interrupted);
        }
    }
}

/// `sigaltstack(new, old)`.
///
/// # Errors
/// `EPERM` on the stack itself, `ENOMEM` for one that is too small, `EINVAL`, `EFAULT`.
pub(crate) fn sigaltstack(call: &mut Call<'_>) -> Outcome {
    let (new, old) = (call.long(0), call.long(1));
    let signals = ThreadSignals::of(call.thread);
    let current = signals.own().stack;
    if old != 0 {
        call.copyout(&describe(current).to_bytes(), old)?;
    }
    if new != 0 {
        let mut bytes = [0; SignalStack::SIZE];
        call.copyin(new, &mut bytes)?;
        let wanted = SignalStack::from_bytes(&bytes).ok_or(Errno::EFAULT)?;
        signals.own().stack = replace(current, &wanted)?;
    }
    DONE
}

fn describe(stack: AlternateStack) -> SignalStack {
    let (address, size) = stack.range.unwrap_or_default();
    let mut flags = 0;
    if stack.range.is_none() {
        flags |= SS_DISABLE;
    }
    if stack.in_use {
        flags |= SS_ONSTACK;
    }
    SignalStack {
        address,
        size,
        flags,
        pad: 0,
    }
}

fn replace(current: AlternateStack, wanted: &SignalStack) -> Result<AlternateStack, Errno> {
    if wanted.flags & !SS_DISABLE != 0 {
        return Err(Errno::EINVAL);
    }
    if wanted.flags & SS_DISABLE != 0 {
        return if current.in_use {
            Err(Errno::EINVAL)
        } else {
            Ok(AlternateStack::default())
        };
    }
    if current.in_use {
        return Err(Errno::EPERM);
    }
    if wanted.size < MINSIGSTKSZ {
        return Err(Errno::ENOMEM);
    }
    Ok(AlternateStack {
        range: Some((wanted.address, wanted.size)),
        in_use: false,
    })
}

/// `sigreturn(ucontext, style, token)`: back to what a handler interrupted, as the frame says now.
///
/// # Errors
/// `EINVAL` for a context of another size or a token that the kernel did not give for it; `EFAULT`. Nothing has changed
/// then.
pub(crate) fn sigreturn(call: &mut Call<'_>) -> Outcome {
    let (address, style, token) = (call.long(0), call.int(1), call.long(2));
    let signals = ThreadSignals::of(call.thread);
    match style {
        UC_SET_ALT_STACK | UC_RESET_ALT_STACK => {
            signals.own().stack.in_use = style == UC_SET_ALT_STACK;
            return DONE;
        }
        _ => {}
    }
    let mut bytes = [0; Ucontext::SIZE];
    call.copyin(address, &mut bytes)?;
    let context = Ucontext::from_bytes(&bytes).ok_or(Errno::EFAULT)?;
    if context.mcontext_size != Mcontext::SIZE as u64 {
        return Err(Errno::EINVAL.into());
    }
    let mut registers: frame::Registers = [0; _];
    call.copyin(context.mcontext, registers.as_mut_bytes())?;
    {
        let mut own = signals.own();
        if own.token == 0 || token != address ^ own.token {
            return Err(Errno::EINVAL.into());
        }
        own.stack.in_use = context.on_stack & 1 != 0;
    }
    *call.state = frame::restore(&registers);
    prim::thread::current().with_user_registers(|user| {
        frame::restore_vector(&registers, &mut user.floating_point);
    });
    signals.set_mask(context.mask);
    look_again(call, signals);
    Err(Failure::JustReturn)
}

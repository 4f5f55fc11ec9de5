//! Signals: handlers, masks, alternate stacks.
//!
//! The kernel enters a handler through a trampoline here, which calls the handler and then `sigreturn`; what the handler has
//! changed in the [`Context`] it was given is what the program goes on with. Sending is [`crate::process::kill`].

use crate::io::Result;
use crate::syscall;
use bsd_sys::Errno;
use bsd_sys::layout::Abi as _;
use bsd_sys::signal::{
    ActionFlags, KernelSigaction, SIG_DFL, SIG_IGN, SIG_SETMASK, Sigaction, Signal, SignalSet,
    SignalStack,
};
use bsd_sys::syscall as number;

pub use bsd_sys::signal::{Mcontext, SignalInfo};

/// What a handler interrupted.
#[doc(alias = "ucontext_t")]
pub type Context = bsd_sys::signal::Ucontext;

/// A handler: the signal, what happened, and what was interrupted. It runs between any two instructions of the program: what it
/// touches must allow that.
pub type Handler = unsafe extern "C" fn(signal: i32, info: *mut SignalInfo, context: *mut Context);

/// What to do with a signal.
#[derive(Clone, Copy, Debug)]
pub enum Disposition {
    /// What it does by itself.
    Default,
    /// Nothing.
    Ignore,
    /// This.
    Handle(Handler),
}

/// Says what a signal does from now on; `blocked` are blocked besides while a handler runs. Gives what it did before.
///
/// # Errors
/// `EINVAL` for the signals that cannot be caught.
#[doc(alias = "sigaction")]
pub fn set_action(
    signal: Signal,
    disposition: Disposition,
    flags: ActionFlags,
    blocked: SignalSet,
) -> Result<Sigaction> {
    let action = KernelSigaction {
        handler: match disposition {
            Disposition::Default => SIG_DFL,
            Disposition::Ignore => SIG_IGN,
            Disposition::Handle(handler) => handler as usize as u64,
        },
        trampoline: entry::trampoline_address(),
        mask: blocked,
        flags: flags.bits(),
    };
    let (new, mut old) = (action.to_bytes(), [0; Sigaction::SIZE]);
    let arguments = [
        signal.number() as u64,
        new.as_ptr() as u64,
        old.as_mut_ptr() as u64,
    ];
    // SAFETY: the kernel reads `new` and writes `old`.
    unsafe { syscall::call(number::SIGACTION, &arguments) }?;
    Sigaction::read(&old).ok_or(Errno::EIO)
}

/// Changes what is blocked: `how` is `SIG_BLOCK`, `SIG_UNBLOCK` or `SIG_SETMASK`. Gives what was.
///
/// # Errors
/// `EINVAL`.
#[doc(alias = "sigprocmask")]
pub fn change_mask(how: i32, set: SignalSet) -> Result<SignalSet> {
    let mut old: SignalSet = 0;
    let arguments = [how as u64, &raw const set as u64, &raw mut old as u64];
    // SAFETY: the kernel reads `set` and writes `old`.
    unsafe { syscall::call(number::SIGPROCMASK, &arguments) }?;
    Ok(old)
}

/// Blocks these signals and no others.
///
/// # Errors
/// The kernel's.
pub fn set_mask(set: SignalSet) -> Result<SignalSet> {
    change_mask(SIG_SETMASK, set)
}

/// What is blocked.
///
/// # Errors
/// The kernel's.
pub fn mask() -> Result<SignalSet> {
    change_mask(bsd_sys::signal::SIG_BLOCK, 0)
}

/// Signals that wait to be unblocked.
///
/// # Errors
/// The kernel's.
#[doc(alias = "sigpending")]
pub fn pending() -> Result<SignalSet> {
    let mut set: SignalSet = 0;
    // SAFETY: the kernel writes `set`.
    unsafe { syscall::call(number::SIGPENDING, &[&raw mut set as u64]) }?;
    Ok(set)
}

/// Waits, with these signals blocked and no others, until a handler has run.
#[doc(alias = "sigsuspend")]
pub fn suspend(mask: SignalSet) -> Errno {
    // SAFETY: no memory is named.
    unsafe { syscall::call(number::SIGSUSPEND, &[u64::from(mask)]) }
        .err()
        .unwrap_or(Errno::EIO)
}

/// Names the stack for handlers with `SA_ONSTACK`, or none with `SS_DISABLE`. Gives what was; `None` only asks.
///
/// # Safety
/// The memory is used for nothing else while handlers may run on it.
///
/// # Errors
/// The kernel's.
#[doc(alias = "sigaltstack")]
pub unsafe fn set_stack(stack: Option<&SignalStack>) -> Result<SignalStack> {
    let (new, mut old) = (stack.map(SignalStack::to_bytes), [0; SignalStack::SIZE]);
    let new = new.as_ref().map_or(0, |bytes| bytes.as_ptr() as u64);
    // SAFETY: the kernel reads `new` and writes `old`; what becomes of the stack is the caller's promise.
    unsafe { syscall::call(number::SIGALTSTACK, &[new, old.as_mut_ptr() as u64]) }?;
    SignalStack::read(&old).ok_or(Errno::EIO)
}

#[cfg(target_os = "none")]
mod entry {
    use bsd_sys::syscall as number;
    use core::arch::naked_asm;

    pub(super) fn trampoline_address() -> u64 {
        trampoline as *const () as u64
    }

    /// Where the kernel enters: `x0` the handler, `x1` the style, `x2` the signal, `x3` what happened, `x4` the context, `x5` the
    /// token that `sigreturn` wants back with the context and the style.
    ///
    /// # Safety
    /// Only the kernel comes here.
    #[doc(alias = "_sigtramp")]
    #[unsafe(naked)]
    unsafe extern "C" fn trampoline() -> ! {
        naked_asm!(
            "stp x4, x1, [sp, #-32]!",
            "str x5, [sp, #16]",
            "mov x9, x0",
            "mov x0, x2",
            "mov x1, x3",
            "mov x2, x4",
            "blr x9",
            "ldp x0, x1, [sp]",
            "ldr x2, [sp, #16]",
            "mov x16, #{sigreturn}",
            "svc #0x80",
            "brk #1",
            sigreturn = const number::SIGRETURN,
        )
    }
}

#[cfg(not(target_os = "none"))]
mod entry {
    pub(super) fn trampoline_address() -> u64 {
        0
    }
}

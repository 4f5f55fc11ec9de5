//! What a thread does about signals on its way to user mode.
//!
//! [`act_on_pending`] takes one signal after the other, lowest number first: it ends or stops the process, or puts a
//! frame on the stack and lets the thread go on in the handler. Several caught signals make several frames, so the last
//! one taken runs first. No lock is held while a frame is copied out.
//!
//! XNU counterpart: `issignal_locked`, `postsig_locked`, `sendsig`.

use alloc::sync::Arc;

use bsd_sys::errno::Errno;
use bsd_sys::signal::{
    ActionFlags, DefaultAction, KernelSigaction, Signal, SignalInfo, UC_FLAVOR, UC_TRADITIONAL,
};
use kern::thread::{PENDING_PERSONALITY, Thread};
use mach::KernReturn;
use machine::trap::{CPSR_CARRY, SavedState};
use zerocopy::IntoBytes as _;

use super::actions::{Disposition, Sender};
use super::frame::{self, Context};
use super::thread::{Interruption, Origin, ThreadSignals};
use super::{end, job_control, report, stop};
use crate::proc::{self, Proc};

/// Bytes of an instruction.
const INSTRUCTION: u64 = 4;

/// Acts on what is pending and not blocked.
#[doc(alias = "bsd_ast")]
pub(crate) fn act_on_pending(thread: &Arc<Thread>, state: &mut SavedState) {
    let Some(proc) = proc::of_task(thread.task()) else {
        return;
    };
    let signals = ThreadSignals::of(thread);
    while let Some((signal, origin)) = signals.take(&proc) {
        let (disposition, sender) = claim(&proc, signal);
        match disposition {
            Disposition::Ignored
            | Disposition::Default(DefaultAction::Ignore | DefaultAction::Continue) => {}
            Disposition::Default(DefaultAction::Stop) => {
                // Stopped by the terminal, a group without a keeper would stay so for ever.
                let group = proc.state().group;
                if signal == Signal::STOP || !job_control::is_orphaned(group) {
                    stop(&proc, signal);
                }
            }
            Disposition::Default(DefaultAction::Terminate | DefaultAction::Core) => {
                if origin == Origin::Thread {
                    let fault = signals.own().fault;
                    report(&proc, signal, fault, state.pc);
                }
                return end(&proc, signal);
            }
            Disposition::Caught(action) => {
                let information = information(signals, signal, origin, sender, state);
                if enter_handler(thread, state, signal, action, information).is_err() {
                    // No stack to put the frame on.
                    proc.state().actions.reset(Signal::ILL);
                    signals.set_mask(signals.mask() & !Signal::ILL.bit());
                    signals.post(Signal::ILL);
                }
            }
        }
    }
    signals.own().interrupted = None;
}

/// What to do about a signal that was taken; an action that holds once is gone with it.
fn claim(proc: &Proc, signal: Signal) -> (Disposition, Sender) {
    let mut state = proc.state();
    let disposition = state.actions.disposition(signal);
    let once = match disposition {
        Disposition::Caught(action) => action.flags & ActionFlags::RESETHAND.bits() != 0,
        _ => false,
    };
    if once && signal != Signal::ILL && signal != Signal::TRAP {
        state.actions.reset(signal);
    }
    (disposition, core::mem::take(state.actions.sender(signal)))
}

/// What the handler is told: of an exception its cause and address, of anything else who sent it.
fn information(
    signals: &ThreadSignals,
    signal: Signal,
    origin: Origin,
    sender: Sender,
    state: &SavedState,
) -> SignalInfo {
    let mut information = SignalInfo {
        signal: signal.number(),
        address: state.pc,
        ..SignalInfo::default()
    };
    match origin {
        Origin::Thread => {
            let fault = signals.own().fault;
            (information.code, information.address) = (fault.code, fault.address);
        }
        Origin::Process => {
            (information.code, information.pid) = (sender.code, sender.pid);
            information.status = sender.status;
        }
    }
    information
}

/// Puts a frame on the stack and sets the registers for the trampoline.
///
/// # Errors
/// The frame cannot be written.
#[doc(alias = "sendsig")]
fn enter_handler(
    thread: &Arc<Thread>,
    state: &mut SavedState,
    signal: Signal,
    action: KernelSigaction,
    info: SignalInfo,
) -> Result<(), KernReturn> {
    let signals = ThreadSignals::of(thread);
    let flags = ActionFlags::from_bits_retain(action.flags);
    let mask = signals.mask();
    let (context, top, token) = {
        let mut own = signals.own();
        if let Some(interruption) = own.interrupted.take() {
            settle_call(state, interruption, flags);
        }
        let mut context = Context {
            info,
            mask: own.saved_mask.take().unwrap_or(mask),
            on_stack: own.stack.in_use,
            stack_size: 0,
        };
        let mut top = state.sp;
        if let Some((address, size)) = own.stack.range
            && !context.on_stack
            && flags.contains(ActionFlags::ONSTACK)
        {
            own.stack.in_use = true;
            context.stack_size = size;
            top = address.wrapping_add(size);
        }
        while own.token == 0 {
            own.token = prim::random::next_u64();
        }
        (context, top, own.token)
    };
    let at = frame::place(top);
    let mut frame = [0; frame::FRAME_WORDS];
    prim::thread::current()
        .with_user_registers(|user| {
            frame::build(&mut frame, at, &context, state, &user.floating_point);
        })
        .ok_or(KernReturn::FAILURE)?;
    write(thread, at, frame.as_bytes())?;
    let own_bit = if flags.contains(ActionFlags::NODEFER) {
        0
    } else {
        signal.bit()
    };
    signals.set_mask(mask | action.mask | own_bit);
    let style = if flags.contains(ActionFlags::SIGINFO) {
        UC_FLAVOR
    } else {
        UC_TRADITIONAL
    };
    let ucontext = frame::ucontext(at);
    state.x[..6].copy_from_slice(&[
        action.handler,
        style as u64,
        signal.number() as u64,
        at,
        ucontext,
        ucontext ^ token,
    ]);
    (state.sp, state.pc, state.cpsr) = (at, action.trampoline, 0);
    Ok(())
}

/// The call that the signal cut short: the frame must show it as ended, or as not begun.
fn settle_call(state: &mut SavedState, interruption: Interruption, flags: ActionFlags) {
    let again = interruption == Interruption::Restartable && flags.contains(ActionFlags::RESTART);
    if !again {
        state.pc = state.pc.wrapping_add(INSTRUCTION);
        (state.x[0], state.x[1]) = (Errno::EINTR.raw() as u64, 0);
        state.cpsr |= CPSR_CARRY;
    }
}

/// Writes a frame. A further signal only makes it start again; the end of the task does not.
fn write(thread: &Arc<Thread>, at: u64, bytes: &[u8]) -> Result<(), KernReturn> {
    let map = thread.task().map();
    if at.checked_add(bytes.len() as u64).is_none() {
        return Err(KernReturn::INVALID_ADDRESS);
    }
    loop {
        match kern::copyio::copyout(&map, bytes, at) {
            Err(KernReturn::ABORTED) if !prim::thread::current().is_terminating() => {
                prim::thread::current().clear_abort();
            }
            result => return result,
        }
    }
}

/// A system call was cut short and will start again: the thread looks at its signals first, and a handler may change that.
pub(crate) fn note_interruption(thread: &Arc<Thread>, interruption: Interruption) {
    ThreadSignals::of(thread).own().interrupted = Some(interruption);
    thread.post(PENDING_PERSONALITY);
}

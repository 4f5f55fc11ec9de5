//! What exceptions become: a signal for the thread that caused it.
//!
//! XNU counterpart: `bsd/uxkern/ux_exception.c`.

use alloc::sync::Arc;

use bsd_sys::signal::{Signal, code};
use kern::exception::{ARM_ALIGNMENT, ARM_SP_ALIGNMENT, ExceptionType, UserException};
use kern::thread::Thread;
use mach::KernReturn;
use machine::trap::SavedState;

use super::deliver::act_on_pending;
use super::thread::{Fault, ThreadSignals};
use crate::kern_exec;
use crate::proc;

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

/// Why, as a handler is told.
fn code_of(signal: Signal, exception: &UserException) -> i32 {
    let is = |cause: KernReturn| exception.code == i64::from(cause.0);
    match signal {
        Signal::SEGV if is(KernReturn::INVALID_ADDRESS) => code::SEGV_MAPERR,
        Signal::SEGV => code::SEGV_ACCERR,
        Signal::BUS if [ARM_ALIGNMENT, ARM_SP_ALIGNMENT].contains(&exception.code) => {
            code::BUS_ADRALN
        }
        Signal::BUS if is(KernReturn::PROTECTION_FAILURE) => code::BUS_ADRERR,
        Signal::BUS => code::BUS_OBJERR,
        Signal::ILL => code::ILL_ILLTRP,
        Signal::FPE => floating_point_code(exception.code),
        Signal::TRAP => code::TRAP_BRKPT,
        _ => 0,
    }
}

/// The lowest cause in the syndrome of a trapped operation.
fn floating_point_code(syndrome: i64) -> i32 {
    match syndrome.trailing_zeros() {
        0 => code::FPE_FLTINV,
        1 => code::FPE_FLTDIV,
        2 => code::FPE_FLTOVF,
        3 => code::FPE_FLTUND,
        4 => code::FPE_FLTRES,
        7 => code::FPE_FLTINV,
        _ => 0,
    }
}

/// An exception of a program: its signal is acted on at once. One that is blocked or ignored runs the instruction again.
#[doc(alias = "handle_ux_exception")]
#[doc(alias = "threadsignal")]
pub(crate) fn exception(thread: &Arc<Thread>, state: &mut SavedState, exception: &UserException) {
    let Some(proc) = proc::of_task(thread.task()) else {
        return thread.task().terminate();
    };
    if prim::thread::current().is_terminating() {
        // Ended for what it did (a page that is not what was signed): nobody is left to be told.
        return;
    }
    let signals = ThreadSignals::of(thread);
    let mut signal = signal_of(exception);
    if signal == Signal::BUS
        && exception.code == i64::from(KernReturn::PROTECTION_FAILURE.0)
        && kern_exec::is_on_main_stack(&thread.task().map(), exception.subcode)
    {
        // The guard below the stack. Only a handler on another stack can do anything about it.
        signal = Signal::SEGV;
        let mut process = proc.state();
        if signals.mask() & signal.bit() != 0 || !process.actions.runs_on_stack(signal) {
            process.actions.reset(signal);
            signals.set_mask(signals.mask() & !signal.bit());
        }
    }
    signals.own().fault = Fault {
        code: code_of(signal, exception),
        address: exception.subcode,
    };
    signals.post(signal);
    act_on_pending(thread, state);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_unmapped_address_is_a_segmentation_fault() {
        let told = |cause| {
            let exception = UserException::bad_access(cause, 0);
            let signal = signal_of(&exception);
            (signal, code_of(signal, &exception))
        };
        assert_eq!(
            told(KernReturn::INVALID_ADDRESS),
            (Signal::SEGV, code::SEGV_MAPERR)
        );
        assert_eq!(
            told(KernReturn::PROTECTION_FAILURE),
            (Signal::BUS, code::BUS_ADRERR)
        );
        assert_eq!(
            told(KernReturn::MEMORY_ERROR),
            (Signal::BUS, code::BUS_OBJERR)
        );
    }

    #[test]
    fn a_misaligned_address_says_so() {
        let exception =
            UserException::from_syndrome(machine::esr::Exception::PcAlignment, 0x1001, 0x1001);
        let signal = signal_of(&exception);
        assert_eq!(
            (signal, code_of(signal, &exception)),
            (Signal::BUS, code::BUS_ADRALN)
        );
    }

    #[test]
    fn a_floating_point_trap_names_its_cause() {
        let told = |bits| {
            let exception = UserException {
                kind: ExceptionType::Arithmetic,
                code: bits,
                subcode: 0,
            };
            code_of(signal_of(&exception), &exception)
        };
        assert_eq!(told(1 << 1), code::FPE_FLTDIV);
        assert_eq!(told(1 << 0), code::FPE_FLTINV);
        assert_eq!(told(0), 0);
    }
}

//! Calibration, null calls, and a signal handler's round trip.

use alloc::format;

use bsd_sys::signal::{ActionFlags, Signal};
use bsd_sys::syscall as number;
use libsystem::signal::{self, Context, Disposition, Mcontext, SignalInfo};

use crate::raw::{call, enter, map_anonymous, page, store};
use crate::sample::Series;
use crate::{Outcome, Settings};

/// A loop of known length: its row must read 1.
pub(crate) fn calibration(settings: &Settings) -> Outcome {
    let mut row = Series::new("calibration", "instruction");
    let count = settings.times(10_000_000);
    for _ in 0..=settings.samples {
        row.time(count * 2, || count_down(count));
    }
    row.report();
    Ok(())
}

/// Two instructions a turn.
#[inline(always)]
fn count_down(count: u64) {
    #[cfg(target_os = "none")]
    // SAFETY: only a register of its own and the flags change.
    unsafe {
        core::arch::asm!("1: subs {0}, {0}, #1", "b.ne 1b", inout(reg) count => _, options(nomem, nostack));
    }
    #[cfg(not(target_os = "none"))]
    let _ = count;
}

/// A call and a trap that do nothing.
pub(crate) fn null(settings: &Settings) -> Outcome {
    let mut bsd = Series::new("null_bsd_call", "call");
    let mut mach = Series::new("null_mach_trap", "call");
    let count = settings.times(50_000);
    for _ in 0..=settings.samples {
        bsd.time(count, || {
            for _ in 0..count {
                call(number::GETPPID, 0, 0, 0);
            }
        });
        // A slot of the table that holds no trap: the way in and out alone.
        mach.time(count, || {
            for _ in 0..count {
                enter(-1, [0; 7]);
            }
        });
    }
    bsd.report();
    mach.report();
    Ok(())
}

/// Steps over the instruction that faulted.
///
/// # Safety
/// For the trampoline only, which gives what the kernel has put on the stack.
unsafe extern "C" fn step_over(_: i32, _: *mut SignalInfo, context: *mut Context) {
    // SAFETY: the kernel's context lies on this thread's stack, its machine half where it says.
    unsafe {
        let machine = (*context).mcontext as *mut Mcontext;
        (*machine).pc += 4;
    }
}

/// A write where none is allowed, its handler, and the way back.
pub(crate) fn handler(settings: &Settings) -> Outcome {
    let page = page();
    let mut row = Series::new("sigsegv_handler", "fault");
    let handle = Disposition::Handle(step_over);
    for fault in [Signal::SEGV, Signal::BUS] {
        signal::set_action(fault, handle, ActionFlags::SIGINFO, 0)
            .map_err(|errno| format!("sigaction: {errno}"))?;
    }
    let address = map_anonymous(page, 0).or("mmap")?;
    let count = settings.times(3000);
    for _ in 0..=settings.samples {
        row.time(count, || {
            for _ in 0..count {
                store(address, 1);
            }
        });
    }
    row.report();
    Ok(())
}

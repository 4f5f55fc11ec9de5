//! Traps: what happens when a program enters the kernel.
//!
//! The vectors save the registers and call what [`handlers`] lists. A supervisor call goes to `mach_trap` or the personality; an
//! abort is first offered to the pmap (access flag, dirty bit), then to `vm_fault`; what cannot be resolved becomes a
//! [`UserException`]. Nothing here may panic for what a program does.
//!
//! XNU counterpart: `osfmk/arm64/sleh.c`.

use alloc::sync::Arc;
use core::sync::atomic::Ordering;

use mach::{KernReturn, VmProt};
use machine::esr::{Abort, Access, Exception, FaultStatus};
use machine::trap::{Handlers, SavedState};
use prim::trace::{self, Event};

use crate::exception::UserException;
use crate::personality::personality;
use crate::thread::{self, Thread};

/// What the board registers with the vectors, completed by its own interrupt handler.
#[must_use]
pub const fn handlers(irq: fn(&mut SavedState), fatal: fn(&mut SavedState)) -> Handlers {
    Handlers {
        sync_from_user,
        sync_from_kernel: fatal,
        irq,
        serror: fatal,
        return_to_user: thread::settle_pending,
    }
}

/// A synchronous exception from user mode.
#[doc(alias = "sleh_synchronous")]
fn sync_from_user(state: &mut SavedState) {
    machine::interrupts::enable();
    if let Some(thread) = thread::current() {
        match state.exception() {
            Exception::Svc(_) => system_call(&thread, state),
            Exception::DataAbort(abort) | Exception::InstructionAbort(abort) => {
                user_abort(&thread, state, abort)
            }
            Exception::FpAccess => prim::thread::Thread::use_floating_point(),
            other => deliver(
                &thread,
                state,
                &UserException::from_syndrome(other, state.pc, state.far),
            ),
        }
    }
    let _masked = machine::interrupts::disable();
}

/// `svc`: negative numbers are Mach's, all others BSD's.
#[doc(alias = "handle_svc")]
fn system_call(thread: &Arc<Thread>, state: &mut SavedState) {
    let number = state.x[16] as i32;
    if number < 0 {
        crate::mach_trap::dispatch(thread, state, number);
    } else if let Some(personality) = personality() {
        personality.system_call(thread, state);
    }
}

/// A load, store or fetch that failed.
#[doc(alias = "handle_user_abort")]
fn user_abort(thread: &Arc<Thread>, state: &mut SavedState, abort: Abort) {
    trace::point(Event::TrapEntry, state.esr, state.far, state.pc, 0);
    let access = match abort.access {
        Access::Read => VmProt::READ,
        // Cache maintenance reports a write and needs only to read.
        Access::Write if abort.cache_maintenance => VmProt::READ,
        Access::Write => VmProt::READ | VmProt::WRITE,
        Access::Execute => VmProt::READ | VmProt::EXECUTE,
    };
    let resolvable = match abort.status {
        FaultStatus::Translation(_) => true,
        FaultStatus::Permission(_) | FaultStatus::AccessFlag(_) => true,
        FaultStatus::AddressSize(_) => false,
        _ => {
            let exception =
                UserException::from_syndrome(Exception::DataAbort(abort), state.pc, state.far);
            return deliver(thread, state, &exception);
        }
    };
    let outcome = if resolvable {
        resolve(thread, state.far, access, abort.status)
    } else {
        Err(KernReturn::INVALID_ADDRESS)
    };
    match outcome {
        // An aborted fault runs the instruction again, after whatever aborted it was acted on.
        Ok(()) | Err(KernReturn::ABORTED) => {}
        Err(cause) => deliver(thread, state, &UserException::bad_access(cause, state.far)),
    }
    trace::point(Event::TrapReturn, state.pc, 0, 0, 0);
}

/// The pmap first, then the VM.
fn resolve(
    thread: &Arc<Thread>,
    address: u64,
    access: VmProt,
    status: FaultStatus,
) -> Result<(), KernReturn> {
    let map = thread.task().map();

    if !matches!(status, FaultStatus::Translation(_)) && map.pmap().fast_fault(address, access) {
        return Ok(());
    }
    thread.task().faults.fetch_add(1, Ordering::Relaxed);
    vm::vm_fault::fault(&map, address, access, true)
}

/// Hands an exception to whoever handles it; without anybody the task ends.
#[doc(alias = "exception_triage")]
fn deliver(thread: &Arc<Thread>, state: &mut SavedState, exception: &UserException) {
    match personality() {
        Some(personality) => personality.exception(thread, state, exception),
        None => thread.task().terminate(),
    }
}

//! What a fault does between two attempts, with no lock held: get frames, post a request, sleep.
//!
//! XNU counterpart: the places of `vm_fault_page` that unlock, wait and go back to the start.

use alloc::sync::Arc;

use mach::KernReturn;
use machine::page::{PAGE_SHIFT, PAGE_SIZE};
use prim::thread;
use prim::wait::{Wait, WaitResult};

use super::resolve::{Blocked, interruptible};
use super::spares::Spares;
use crate::code_signing::Verdict;
use crate::memory_object::{DataRequest, Pager, post_failed};
use crate::vm_object::{VmObject, page_event};
use crate::{ticks, vm_statistics, vm_trace};

/// Provides what was missing; `Ok` means: start again from the top.
pub(crate) fn settle(blocked: Blocked, spares: &mut Spares) -> Result<(), KernReturn> {
    match blocked {
        Blocked::Frame => spares.refill_frame(),
        Blocked::Tables => spares.refill_tables(),
        Blocked::Contended => {
            thread::yield_now();
            Ok(())
        }
        Blocked::Ask {
            object,
            pager,
            request,
        } => {
            post(&object, &pager, request);
            await_answer(&object, spares)
        }
        Blocked::TakeOver { pager, control } => {
            // A stand-in that cannot be reached leaves the object unopened; the deadline ends that.
            let _ = pager.init(control, PAGE_SIZE as u64);
            Ok(())
        }
        Blocked::Wait(wait) => block(wait),
        Blocked::InvalidCode { policy, address } => match policy.invalid_page(address) {
            Verdict::Admit => {
                spares.pardoned = true;
                Ok(())
            }
            Verdict::Refuse => Err(KernReturn::CODESIGN_ERROR),
            Verdict::End => Err(KernReturn::ABORTED),
        },
        Blocked::Fail(cause) => Err(cause),
    }
}

/// Posts a request whose credit is taken.
pub(super) fn post(object: &Arc<VmObject>, pager: &Arc<dyn Pager>, request: DataRequest) {
    vm_trace::request(
        object.number(),
        request.offset,
        request.length,
        request.access,
    );
    vm_statistics::PAGEIN_REQUESTS.add(1);
    if pager.data_request(request).is_err() {
        post_failed(object, pager);
    }
}

/// Waits for the answer to the request that was just posted, unless it has come: whoever asked need not look at everything
/// again to learn that it must wait.
fn await_answer(object: &Arc<VmObject>, spares: &Spares) -> Result<(), KernReturn> {
    let Some(awaited) = spares.awaited else {
        return Ok(());
    };
    let state = object.state_lock().lock();
    let requests = state.pager.as_deref().map(|pager| &pager.requests);
    let expected = requests.and_then(|requests| requests.expected(awaited.page));
    let wait = match expected {
        Some((generation, deadline)) if generation == awaited.generation => {
            vm_trace::wait(object.number(), awaited.page << PAGE_SHIFT);
            object.waiters().assert_wait_event(
                page_event(awaited.page),
                interruptible(spares.options),
                ticks::deadline(deadline),
            )
        }
        _ => return Ok(()),
    };
    drop(state);
    block(wait)
}

fn block(wait: Wait) -> Result<(), KernReturn> {
    match wait.block() {
        WaitResult::Interrupted => Err(KernReturn::ABORTED),
        WaitResult::Awakened | WaitResult::TimedOut => Ok(()),
    }
}

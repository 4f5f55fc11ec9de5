//! What a fault does between two attempts, with no lock held: get frames, post a request, sleep.
//!
//! XNU counterpart: the places of `vm_fault_page` that unlock, wait and go back to the start.

use mach::KernReturn;
use machine::page::PAGE_SIZE;
use prim::thread;
use prim::wait::WaitResult;

use super::resolve::Blocked;
use super::spares::Spares;
use crate::code_signing::Verdict;
use crate::memory_object::post_failed;
use crate::{vm_statistics, vm_trace};

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
            vm_trace::request(
                object.number(),
                request.offset,
                request.length,
                request.access,
            );
            vm_statistics::PAGEIN_REQUESTS.add(1);
            if pager.data_request(request).is_err() {
                post_failed(&object, &pager);
            }
            Ok(())
        }
        Blocked::TakeOver { pager, control } => {
            // A stand-in that cannot be reached leaves the object unopened; the deadline ends that.
            let _ = pager.init(control, PAGE_SIZE as u64);
            Ok(())
        }
        Blocked::Wait(wait) => match wait.block() {
            WaitResult::Interrupted => Err(KernReturn::ABORTED),
            WaitResult::Awakened | WaitResult::TimedOut => Ok(()),
        },
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

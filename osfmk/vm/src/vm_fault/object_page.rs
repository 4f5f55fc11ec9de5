//! Using a page of an object without any map: for I/O, slow copies and `will_need`.
//!
//! The same loop of steps as a fault; at its end the caller gets the page while the objects are locked, or a pin
//! that outlives the locks. XNU counterpart: direct callers of `vm_fault_page`.

use mach::{KernReturn, VmProt};
use prim::frames::{OwnedFrame, PageFlags, PinnedFrame};

use super::FaultOptions;
use super::block::settle;
use super::resolve::{Demand, Progress, Resolved, advance};
use super::spares::Spares;
use crate::vm_object::collapse;
use crate::{code_signing, vm_page};

/// Makes a page usable and hands it over while its objects are locked. No lock may be held.
///
/// # Errors
/// As a fault.
pub(crate) fn with_page<R>(
    demand: &Demand<'_>,
    options: FaultOptions,
    use_page: impl FnOnce(&mut Resolved) -> R,
) -> Result<R, KernReturn> {
    let mut spares = Spares::new(options);
    loop {
        match advance(demand, &mut spares) {
            Progress::Ready(mut resolved) => {
                let result = finish(&mut resolved, demand.access, use_page);
                let copied = resolved.copied;
                drop(resolved);
                if copied {
                    collapse(demand.object.object());
                }
                return Ok(result);
            }
            Progress::Blocked(blocked) => settle(blocked, &mut spares)?,
        }
    }
}

pub(super) fn finish<R>(
    resolved: &mut Resolved,
    access: VmProt,
    use_page: impl FnOnce(&mut Resolved) -> R,
) -> R {
    let frame = resolved.frame;
    let object = resolved.chain.current_mut();
    if access.contains(VmProt::WRITE) {
        code_signing::forget_signed(object, frame);
    }
    let pages = &mut object.pages;
    if access.contains(VmProt::WRITE) {
        pages.set_flags(frame, PageFlags::DIRTY | PageFlags::WRITTEN_BY_KERNEL);
    }
    vm_page::note_used(pages, frame);
    use_page(resolved)
}

/// Pins a page, so that it can be read with no lock held.
///
/// # Errors
/// As a fault.
pub(crate) fn pin_page(
    demand: &Demand<'_>,
    options: FaultOptions,
) -> Result<PinnedFrame, KernReturn> {
    with_page(demand, options, |resolved| {
        resolved.chain.current().pages.pin(resolved.frame)
    })
}

/// One frame, waiting for it if need be. No lock may be held.
///
/// # Errors
/// `RESOURCE_SHORTAGE`, `ABORTED`.
#[doc(alias = "vm_page_grab")]
pub fn grab(options: FaultOptions) -> Result<OwnedFrame, KernReturn> {
    let mut spares = Spares::new(options);
    spares.refill_frame()?;
    spares.take().map_err(|_| KernReturn::RESOURCE_SHORTAGE)
}

//! The trace points of objects, faults and pagers, one function each.
//!
//! Typed here so that the places that call them stay one line. Nothing is recorded unless tracing is on.
//! XNU counterpart: the `VMDBG_CODE` points.

use mach::{KernReturn, VmProt};
use prim::frames::FrameNumber;
use prim::trace::{Event, point};

pub(crate) fn fault(addr: u64, access: VmProt, map: u64) {
    point(Event::VmFault, addr, u64::from(access.bits()), map, 0);
}

pub(crate) fn fault_done(addr: u64, result: &Result<(), KernReturn>) {
    let code = result.err().unwrap_or(KernReturn::SUCCESS);
    point(Event::VmFaultDone, addr, code.0 as u64, 0, 0);
}

pub(crate) fn lookup(addr: u64, object: u64, offset: u64, protection: VmProt) {
    point(
        Event::VmMapLookup,
        addr,
        object,
        offset,
        u64::from(protection.bits()),
    );
}

/// `step`: what the decision was, as numbered by `vm_object::step::Step::code`.
pub(crate) fn step(addr: u64, step: u64, object: u64, offset: u64) {
    point(Event::VmFaultStep, addr, step, object, offset);
}

pub(crate) fn retry(addr: u64, cause: u64) {
    point(Event::VmFaultRetry, addr, cause, 0, 0);
}

pub(crate) fn object_created(object: u64, size: u64, has_pager: bool) {
    point(Event::VmObjectCreate, object, size, u64::from(has_pager), 0);
}

pub(crate) fn shadow(source: u64, shadow: u64, offset: u64) {
    point(Event::VmObjectShadow, source, shadow, offset, 0);
}

pub(crate) fn collapse(object: u64, backing: u64, moved: u64) {
    point(Event::VmObjectCollapse, object, backing, 0, moved);
}

pub(crate) fn bypass(object: u64, backing: u64) {
    point(Event::VmObjectCollapse, object, backing, 1, 0);
}

pub(crate) fn terminated(object: u64, pages: u64) {
    point(Event::VmObjectTerminate, object, pages, 0, 0);
}

pub(crate) fn zero_fill(object: u64, offset: u64, frame: FrameNumber) {
    point(Event::VmPageZeroFill, object, offset, u64::from(frame.0), 0);
}

pub(crate) fn copy_page(source: FrameNumber, frame: FrameNumber, object: u64, offset: u64) {
    point(
        Event::VmPageCopy,
        u64::from(source.0),
        u64::from(frame.0),
        object,
        offset,
    );
}

pub(crate) fn insert(object: u64, offset: u64, frame: FrameNumber) {
    point(Event::VmPageInsert, object, offset, u64::from(frame.0), 0);
}

pub(crate) fn wait(object: u64, offset: u64) {
    point(Event::VmPageWait, object, offset, 0, 0);
}

pub(crate) fn evict(object: u64, offset: u64, frame: FrameNumber) {
    point(Event::VmPageEvict, object, offset, u64::from(frame.0), 0);
}

pub(crate) fn scan(free: usize, target: usize) {
    point(Event::VmPageoutScan, free as u64, target as u64, 0, 0);
}

pub(crate) fn request(object: u64, offset: u64, length: u64, access: VmProt) {
    point(
        Event::DataRequest,
        object,
        offset,
        length,
        u64::from(access.bits()),
    );
}

pub(crate) fn supply(object: u64, offset: u64, length: u64, first: u64) {
    point(Event::DataSupply, object, offset, length, first);
}

pub(crate) fn supply_refused(object: u64, offset: u64, length: u64, cause: KernReturn) {
    point(Event::SupplyRefused, object, offset, length, cause.0 as u64);
}

pub(crate) fn unavailable(object: u64, offset: u64, length: u64) {
    point(Event::DataUnavailable, object, offset, length, 0);
}

pub(crate) fn error(object: u64, offset: u64, length: u64, cause: KernReturn) {
    point(Event::DataError, object, offset, length, cause.0 as u64);
}

pub(crate) fn data_return(object: u64, offset: u64, length: u64, generation: u64) {
    point(Event::DataReturn, object, offset, length, generation);
}

pub(crate) fn cleaned(object: u64, offset: u64, length: u64, generation: u64) {
    point(Event::CleanCompleted, object, offset, length, generation);
}

pub(crate) fn pager_init(object: u64) {
    point(Event::PagerInit, object, 0, 0, 0);
}

pub(crate) fn pager_ready(object: u64) {
    point(Event::PagerReady, object, 0, 0, 0);
}

pub(crate) fn pager_dead(object: u64) {
    point(Event::PagerDead, object, 0, 0, 0);
}

pub(crate) fn map_entered(address: u64, size: u64, object: u64, offset: u64) {
    point(Event::VmMapEnter, address, size, object, offset);
}

pub(crate) fn map_removed(start: u64, end: u64) {
    point(Event::VmMapRemove, start, end, 0, 0);
}

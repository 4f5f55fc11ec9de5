//! The zero page: one frame of zeros that any number of address spaces show, read-only, where memory was never written.
//!
//! It is made with the page records, belongs to no object, has no list of mappings and is never freed.
//! XNU has no counterpart: there a first read takes a frame of its own.

use core::sync::atomic::{AtomicU32, Ordering};

use machine::FrameNumber;

use super::record::{FrameState, NIL};
use super::{Reserve, account, allocate_zeroed, record};

static ZERO_PAGE: AtomicU32 = AtomicU32::new(NIL);

/// The zero page.
pub fn zero_page() -> FrameNumber {
    FrameNumber(ZERO_PAGE.load(Ordering::Relaxed))
}

/// Is this the zero page?
pub fn is_zero_page(frame: FrameNumber) -> bool {
    frame == zero_page()
}

/// Takes the frame. Called once, at the end of [`super::install`].
pub(super) fn make() {
    let frame = allocate_zeroed(Reserve::Kernel)
        .expect("a frame for the zero page")
        .surrender();
    account(record(frame), FrameState::Reserved);
    ZERO_PAGE.store(frame.0, Ordering::Release);
}

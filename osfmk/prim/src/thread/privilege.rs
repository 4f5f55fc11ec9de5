//! Memory privilege: how deep into the frames' reserves a thread may go, whatever it allocates.
//!
//! Ordinary threads have none: they get frames while enough are left for others ([`Reserve::Normal`]). A thread that works
//! for those who bring pages in or free memory has a deeper class, for good ([`Thread::set_reserve`]: the threads of pagers)
//! or for a piece of work ([`with_reserve`]: any thread that posts a message to a pager). Frames and zones ask
//! `effective`, so nothing in between has to pass the class on.
//!
//! XNU counterpart: `TH_OPT_VMPRIV`, `thread_wire`, `vm_page_reserved`.

use core::sync::atomic::Ordering;

use super::{Thread, try_current};
use crate::frames::Reserve;

const CLASSES: [Reserve; 4] = [
    Reserve::Normal,
    Reserve::Pager,
    Reserve::Pageout,
    Reserve::Kernel,
];

impl Thread {
    /// The class of everything the thread allocates.
    #[doc(alias = "TH_OPT_VMPRIV")]
    pub fn reserve(&self) -> Reserve {
        CLASSES[usize::from(self.reserve.load(Ordering::Relaxed)) % CLASSES.len()]
    }

    /// Gives the thread another class.
    #[doc(alias = "thread_wire")]
    pub fn set_reserve(&self, reserve: Reserve) {
        self.reserve.store(reserve as u8, Ordering::Relaxed);
    }
}

/// Runs `work` with at least this class.
pub fn with_reserve<R>(reserve: Reserve, work: impl FnOnce() -> R) -> R {
    let Some(thread) = try_current() else {
        return work();
    };
    let before = thread.reserve();
    thread.set_reserve(before.max(reserve));
    let result = work();
    thread.set_reserve(before);
    result
}

/// Runs `work` with this class, even if the thread has a deeper one: for what must leave that to others.
pub fn with_only_reserve<R>(reserve: Reserve, work: impl FnOnce() -> R) -> R {
    let Some(thread) = try_current() else {
        return work();
    };
    let before = thread.reserve();
    thread.set_reserve(reserve);
    let result = work();
    thread.set_reserve(before);
    result
}

/// The deeper of a request's class and the current thread's.
pub(crate) fn effective(reserve: Reserve) -> Reserve {
    try_current().map_or(reserve, |thread| reserve.max(thread.reserve()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_piece_of_work_raises_the_class_and_never_lowers_it() {
        let thread = super::super::current();
        assert_eq!(effective(Reserve::Normal), Reserve::Normal);
        with_reserve(Reserve::Pageout, || {
            assert_eq!(effective(Reserve::Normal), Reserve::Pageout);
            with_reserve(Reserve::Pager, || {
                assert_eq!(effective(Reserve::Normal), Reserve::Pageout);
            });
            assert_eq!(effective(Reserve::Kernel), Reserve::Kernel);
            with_only_reserve(Reserve::Pager, || {
                assert_eq!(effective(Reserve::Normal), Reserve::Pager);
            });
            assert_eq!(effective(Reserve::Normal), Reserve::Pageout);
        });
        assert_eq!(thread.reserve(), Reserve::Normal);
    }
}

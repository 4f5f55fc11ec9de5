//! Every promise about objects, checked.
//!
//! For tests and debugging: takes objects' locks, down the chain; panics at the first broken promise.
//! XNU counterpart: none in release kernels; `vm_object_tracking`, `assert`s.

use super::{Chain, Locked, ObjectRef};

impl ObjectRef {
    /// Checks this object and every object below it. No object's lock may be held.
    pub fn validate(&self) {
        let mut chain = Chain::begin(self.object().clone(), 0);
        check(chain.current());
        loop {
            let child = chain.current().owner().number();
            if !chain.descend() {
                return;
            }
            let current = chain.current();
            assert!(current.alive, "a shadow has ended under its child");
            assert!(
                current.owner().references() > 0,
                "a shadow without references"
            );
            if let Some(only) = current.children.only() {
                assert_eq!(
                    only, child,
                    "the only child is not the one that we came from"
                );
            }
            assert!(current.children.count() > 0, "a shadow without children");
            check(current);
        }
    }

    /// Objects below this one.
    pub fn shadow_depth(&self) -> u32 {
        let mut chain = Chain::begin(self.object().clone(), 0);
        let mut depth = 0;
        while chain.descend() {
            depth += 1;
        }
        depth
    }
}

impl ObjectRef {
    /// The number of the object at the bottom of the chain, if a pager of a program's fills it.
    #[must_use]
    pub fn external_source(&self) -> Option<u64> {
        let mut chain = Chain::begin(self.object().clone(), 0);
        while chain.descend() {}
        let bottom = chain.current().owner();
        (!bottom.is_internal()).then(|| bottom.number())
    }
}

/// Checks one locked object.
fn check(state: &Locked) {
    let object = state.owner();
    state.pages.validate();
    assert!(
        state.pager.is_some() || object.is_internal(),
        "an object that is not internal has a pager"
    );
    state.paged_out.validate();
    assert!(
        state.pager.is_some() || state.paged_out.is_empty(),
        "pages are with a pager that is not there"
    );
    assert!(
        object.references() >= state.children.count(),
        "every child holds a reference"
    );
    if object.is_internal() {
        assert_eq!(
            state.size % machine::page::PAGE_SIZE as u64,
            0,
            "an internal object covers whole pages"
        );
    } else {
        assert!(
            state.shadow.is_none(),
            "an object with a pager has no shadow"
        );
        let beyond = crate::vm_page::next(&state.pages, state.page_count(), u64::MAX);
        assert!(beyond.is_none(), "a page past the end: {beyond:?}");
    }
    if let Some(copy) = state.copy_object() {
        assert!(
            state.children.count() > 0,
            "a copy object that is no child: {}",
            copy.number()
        );
    }
    if let Some(pager) = &state.pager {
        pager.requests.validate();
        for (page, _) in crate::vm_page::pages(&state.pages) {
            assert!(
                pager.requests.expected(page).is_none(),
                "page {page} is there and expected"
            );
        }
    }
}

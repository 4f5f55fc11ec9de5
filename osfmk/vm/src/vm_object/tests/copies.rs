//! Copy objects: delayed copies, pushes, truncation, copies at once.

use mach::CopyStrategy;

use super::*;
use crate::memory_object::fake::{contents, honest, store};
use crate::vm_statistics;

/// A shared anonymous object: copied by copy object, like a file, without a pager.
fn shared(pages: u64) -> ObjectRef {
    let object = ObjectRef::anonymous(pages * PAGE).unwrap();
    (0..pages).for_each(|page| fill(&object, page, page as u8 + 1));
    object.make_shareable();
    assert_eq!(object.copy_strategy(), CopyStrategy::Delay);
    object
}

fn copy_of(object: &ObjectRef, pages: u64) -> ObjectRef {
    let outcome = object.copy_strategically(0, pages * PAGE, false).unwrap();
    assert!(outcome.needs_copy);
    assert_eq!(outcome.offset, 0);
    outcome.object
}

#[test]
fn a_write_to_the_source_pushes_the_old_page_first() {
    leaves_nothing_behind(|| {
        let source = shared(3);
        let copy = copy_of(&source, 3);
        let pushes = vm_statistics::COPY_PUSHES.get();
        fill(&source, 1, 100);
        assert_eq!(vm_statistics::COPY_PUSHES.get(), pushes + 1);
        assert_eq!((byte_of(&copy, 1), byte_of(&source, 1)), (2, 100));
        fill(&source, 1, 101);
        assert_eq!(
            vm_statistics::COPY_PUSHES.get(),
            pushes + 1,
            "once is enough"
        );
        assert_eq!(copy.resident_count(), 1);
        copy.validate();
        source.validate();
    });
}

#[test]
fn a_page_that_was_never_touched_is_pushed_as_zeros() {
    leaves_nothing_behind(|| {
        let source = ObjectRef::anonymous(2 * PAGE).unwrap();
        source.make_shareable();
        let copy = copy_of(&source, 2);
        fill(&source, 0, 5);
        assert_eq!((byte_of(&copy, 0), byte_of(&source, 0)), (0, 5));
    });
}

#[test]
fn an_untouched_copy_object_serves_the_next_copy_and_a_used_one_gets_a_new_one_below() {
    leaves_nothing_behind(|| {
        let source = shared(4);
        let first = copy_of(&source, 2);
        let second = copy_of(&source, 4);
        assert!(
            first.same_object(&second),
            "no page yet: one snapshot for both"
        );
        assert_eq!(first.size(), 4 * PAGE);
        fill(&source, 0, 50);
        let third = copy_of(&source, 4);
        assert!(!third.same_object(&first));
        fill(&source, 0, 60);
        fill(&source, 1, 61);
        assert_eq!([byte_of(&first, 0), byte_of(&first, 1)], [1, 2]);
        assert_eq!([byte_of(&third, 0), byte_of(&third, 1)], [50, 2]);
        assert_eq!([byte_of(&source, 0), byte_of(&source, 1)], [60, 61]);
        for object in [&first, &third, &source] {
            object.validate();
        }
        drop(second);
        drop(third);
        prim::reaper::quiesce();
        assert_eq!(
            [byte_of(&first, 0), byte_of(&first, 1), byte_of(&first, 3)],
            [1, 2, 4]
        );
        first.validate();
    });
}

#[test]
fn an_entry_with_needs_copy_never_writes_into_a_copy_object_that_others_may_get() {
    leaves_nothing_behind(|| {
        let source = shared(2);
        let (private, _) = shadow(copy_of(&source, 2), 0, 2);
        let other = copy_of(&source, 2);
        fill(&private, 0, 70);
        assert_eq!(byte_of(&other, 0), 1);
        fill(&source, 0, 80);
        assert_eq!(
            [
                byte_of(&private, 0),
                byte_of(&other, 0),
                byte_of(&source, 0)
            ],
            [70, 1, 80]
        );
    });
}

#[test]
fn a_copy_object_takes_its_source_over_when_nobody_else_has_it() {
    leaves_nothing_behind(|| {
        let source = shared(3);
        (0..3).for_each(|page| fill(&source, page, 10 + page as u8));
        let copy = copy_of(&source, 3);
        fill(&source, 0, 99);
        assert_eq!(copy.shadow_depth(), 1);
        drop(source);
        assert_eq!(copy.shadow_depth(), 0);
        copy.validate();
        assert_eq!([0, 1, 2].map(|page| byte_of(&copy, page)), [10, 11, 12]);
    });
}

#[test]
fn sharing_copying_and_ending_again_and_again_keeps_the_chain_short() {
    leaves_nothing_behind(|| {
        let mut object = ObjectRef::anonymous(2 * PAGE).unwrap();
        fill(&object, 0, 1);
        for round in 0..50 {
            // What a map does with shared memory, then fork, then the end of the parent.
            object = shadow(object, 0, 2).0;
            object.make_shareable();
            fill(&object, 1, round);
            let copy = copy_of(&object, 2);
            fill(&object, 1, 200);
            drop(object);
            prim::reaper::quiesce();
            copy.validate();
            assert!(copy.shadow_depth() <= 1, "{}", copy.shadow_depth());
            assert_eq!((byte_of(&copy, 0), byte_of(&copy, 1)), (1, round));
            object = copy;
        }
    });
}

#[test]
fn a_copy_object_below_another_goes_when_the_source_has_gone() {
    leaves_nothing_behind(|| {
        let source = shared(2);
        fill(&source, 0, 1);
        let copy = copy_of(&source, 2);
        let second = copy.clone();
        let (mine, _) = shadow(copy, 0, 2);
        fill(&mine, 1, 7);
        drop(second);
        // The source may still be written: its copy object stays below.
        assert_eq!(mine.shadow_depth(), 2);
        fill(&source, 0, 2);
        drop(source);
        assert_eq!(mine.shadow_depth(), 0);
        mine.validate();
        assert_eq!((byte_of(&mine, 0), byte_of(&mine, 1)), (1, 7));
    });
}

#[test]
fn truncation_moves_old_pages_to_the_copy_and_clears_the_tail() {
    leaves_nothing_behind(|| {
        let store = store(4);
        let (file, pager) = honest(&store);
        (0..4).for_each(|page| {
            assert_eq!(
                read(&file, page * PAGE, 1)[0],
                contents((page * PAGE) as usize)
            )
        });
        let copy = copy_of(&file, 4);
        let control = file.memory_control().unwrap();
        control.set_size(PAGE + 10).unwrap();
        assert_eq!(file.resident_count(), 2);
        assert_eq!(
            read(&file, PAGE, 12)[9..],
            [contents(PAGE as usize + 9), 0, 0]
        );
        for page in 1..4 {
            let at = (page * PAGE) as usize + 20;
            assert_eq!(
                read(&copy, at as u64, 1)[0],
                contents(at),
                "page {page} of the copy"
            );
        }
        let mut byte = [0];
        let error = file
            .read_to_kernel(2 * PAGE, &mut byte, OPTIONS)
            .unwrap_err();
        assert_eq!(error.cause, mach::KernReturn::MEMORY_ERROR, "past the end");
        file.validate();
        copy.validate();
        drop((file, copy, control));
        prim::reaper::quiesce();
        pager.join().unwrap();
    });
}

#[test]
fn a_copy_at_once_is_independent_and_leaves_holes_absent() {
    leaves_nothing_behind(|| {
        let object = ObjectRef::anonymous(4 * PAGE).unwrap();
        fill(&object, 1, 4);
        let copy = object.copy_slowly(0, 4 * PAGE, false).unwrap();
        assert_eq!(copy.resident_count(), 1);
        fill(&object, 1, 5);
        assert_eq!([byte_of(&copy, 0), byte_of(&copy, 1)], [0, 4]);
        assert_eq!(copy.shadow_depth(), 0);
    });
}

#[test]
fn a_symmetric_object_refuses_the_asymmetric_way() {
    leaves_nothing_behind(|| {
        let object = ObjectRef::anonymous(PAGE).unwrap();
        let error = object.copy_strategically(0, PAGE, false).unwrap_err();
        assert_eq!(error, mach::KernReturn::MEMORY_RESTART_COPY);
        object.make_shareable();
        assert!(object.copy_quickly().is_none());
    });
}

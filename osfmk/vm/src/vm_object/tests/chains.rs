//! Shadows, collapse, bypass, the end of chains.

use super::*;
use crate::vm_statistics;

#[test]
fn untouched_memory_reads_as_zeros() {
    leaves_nothing_behind(|| {
        let object = ObjectRef::anonymous(3 * PAGE).unwrap();
        assert_eq!(byte_of(&object, 2), 0);
        object
            .write_from_kernel(PAGE - 2, &[1, 2, 3, 4], OPTIONS)
            .unwrap();
        assert_eq!(read(&object, PAGE - 3, 6), [0, 1, 2, 3, 4, 0]);
        assert_eq!(object.resident_count(), 3);
        object.validate();
    });
}

#[test]
fn a_write_to_the_shadow_leaves_the_original_unchanged() {
    leaves_nothing_behind(|| {
        let original = ObjectRef::anonymous(4 * PAGE).unwrap();
        (0..4).for_each(|page| fill(&original, page, page as u8 + 1));
        let second = original.copy_quickly().unwrap();
        let (upper, offset) = shadow(second, PAGE, 2);
        assert_eq!(offset, 0);
        fill(&upper, 0, 99);
        assert_eq!(byte_of(&original, 1), 2);
        assert_eq!(byte_of(&upper, 0), 99);
        assert_eq!(byte_of(&upper, 1), 3, "seen through");
        assert_eq!((upper.resident_count(), original.resident_count()), (1, 4));
        upper.validate();
    });
}

#[test]
fn nobody_shadows_what_only_he_can_see() {
    leaves_nothing_behind(|| {
        let object = ObjectRef::anonymous(2 * PAGE).unwrap();
        let id = object.id();
        let (same, offset) = shadow(object, PAGE, 2);
        assert_eq!((same.id(), offset), (id, PAGE));
    });
}

#[test]
fn when_one_side_ends_the_other_takes_the_original_over() {
    leaves_nothing_behind(|| {
        let original = ObjectRef::anonymous(4 * PAGE).unwrap();
        (0..4).for_each(|page| fill(&original, page, 1));
        let (left, _) = shadow(original.copy_quickly().unwrap(), 0, 4);
        let (right, _) = shadow(original, 0, 4);
        fill(&left, 0, 2);
        fill(&right, 1, 3);
        drop(left);
        prim::reaper::quiesce();
        assert_eq!(right.shadow_depth(), 0, "the original is swallowed");
        assert_eq!(
            (0..4).map(|page| byte_of(&right, page)).collect::<Vec<_>>(),
            [1, 3, 1, 1]
        );
        assert_eq!(right.resident_count(), 4);
        right.validate();
    });
}

#[test]
fn a_window_into_the_original_keeps_only_what_it_shows() {
    leaves_nothing_behind(|| {
        let original = ObjectRef::anonymous(8 * PAGE).unwrap();
        (0..8).for_each(|page| fill(&original, page, page as u8));
        let (left, _) = shadow(original.copy_quickly().unwrap(), 2 * PAGE, 3);
        let (right, _) = shadow(original, 0, 8);
        drop(right);
        prim::reaper::quiesce();
        assert_eq!((left.shadow_depth(), left.resident_count()), (0, 3));
        assert_eq!(
            (0..3).map(|page| byte_of(&left, page)).collect::<Vec<_>>(),
            [2, 3, 4]
        );
        left.validate();
    });
}

#[test]
fn a_shadow_that_hides_everything_is_bypassed() {
    leaves_nothing_behind(|| {
        let original = ObjectRef::anonymous(3 * PAGE).unwrap();
        (0..3).for_each(|page| fill(&original, page, 1));
        let (left, _) = shadow(original.copy_quickly().unwrap(), 0, 3);
        let before = vm_statistics::BYPASSES.get();
        (0..3).for_each(|page| fill(&left, page, 2));
        assert_eq!(
            left.shadow_depth(),
            0,
            "nothing of the original shows through any more"
        );
        assert_eq!(vm_statistics::BYPASSES.get(), before + 1);
        assert_eq!(byte_of(&original, 0), 1);
        assert_eq!(original.reference_count(), 1);
        left.validate();
        original.validate();
    });
}

#[test]
fn a_hundred_generations_keep_chains_short_and_give_every_frame_back() {
    leaves_nothing_behind(|| {
        let mut parent = ObjectRef::anonymous(4 * PAGE).unwrap();
        (0..4).for_each(|page| fill(&parent, page, 0));
        for generation in 1..=100_u8 {
            // A fork, a write on each side, and the parent exits.
            let child = parent.copy_quickly().unwrap();
            let (child, _) = shadow(child, 0, 4);
            let (old, _) = shadow(parent, 0, 4);
            fill(&old, 0, 200);
            fill(&child, u64::from(generation) % 4, generation);
            drop(old);
            prim::reaper::quiesce();
            assert!(
                child.shadow_depth() <= 1,
                "depth {} at {generation}",
                child.shadow_depth()
            );
            child.validate();
            parent = child;
        }
        assert_eq!(
            (0..4)
                .map(|page| byte_of(&parent, page))
                .collect::<Vec<_>>(),
            [100, 97, 98, 99]
        );
        assert_eq!(parent.resident_count(), 4);
    });
}

#[test]
fn a_parent_that_forks_and_writes_forever_has_a_short_chain() {
    leaves_nothing_behind(|| {
        let mut parent = ObjectRef::anonymous(4 * PAGE).unwrap();
        for round in 0..50_u8 {
            let child = parent.copy_quickly().unwrap();
            parent = shadow(parent, 0, 4).0;
            fill(&parent, u64::from(round) % 4, round);
            drop(child);
            prim::reaper::quiesce();
            assert_eq!(parent.shadow_depth(), 0, "round {round}");
            parent.validate();
        }
    });
}

#[test]
fn a_chain_of_thousands_is_taken_down_without_recursion() {
    leaves_nothing_behind(|| {
        let mut keep = Vec::new();
        let mut top = ObjectRef::anonymous(PAGE * 4).unwrap();
        for n in 0..3000_u64 {
            fill(&top, n % 4, n as u8);
            // Everyone lives: nothing can be collapsed.
            keep.push(top.clone());
            top = shadow(top, 0, 4).0;
        }
        assert_eq!(top.shadow_depth(), 3000);
        assert_eq!(byte_of(&top, 3), 2999_u64 as u8);
        drop(keep);
        prim::reaper::quiesce();
        assert!(top.shadow_depth() <= 1, "depth {}", top.shadow_depth());
        drop(top);
    });
}

#[test]
fn growing_in_place_needs_a_private_object() {
    leaves_nothing_behind(|| {
        let object = ObjectRef::anonymous(4 * PAGE).unwrap();
        fill(&object, 3, 7);
        assert!(
            object.coalesce(0, 2 * PAGE, 4 * PAGE),
            "nobody else sees it"
        );
        assert_eq!(object.size(), 6 * PAGE);
        assert_eq!(byte_of(&object, 3), 0, "stale pages are gone");
        let second = object.clone();
        assert!(!object.coalesce(0, 6 * PAGE, PAGE));
        drop(second);
        let (upper, _) = shadow(object.clone(), 0, 6);
        assert!(
            !upper.coalesce(0, 6 * PAGE, PAGE),
            "it shows another object"
        );
    });
}

#[test]
fn discarding_takes_private_pages_only() {
    leaves_nothing_behind(|| {
        let object = ObjectRef::anonymous(4 * PAGE).unwrap();
        (0..4).for_each(|page| fill(&object, page, 5));
        let second = object.clone();
        object.discard(0, 4 * PAGE);
        assert_eq!(object.resident_count(), 4, "shared: nothing happens");
        drop(second);
        object.discard(PAGE, 2 * PAGE);
        assert_eq!(
            (
                byte_of(&object, 0),
                byte_of(&object, 1),
                byte_of(&object, 3)
            ),
            (5, 0, 5)
        );
    });
}

#[test]
fn pages_are_taken_by_moving_when_private_and_by_copying_when_shared() {
    leaves_nothing_behind(|| {
        let object = ObjectRef::anonymous(2 * PAGE).unwrap();
        fill(&object, 0, 8);
        fill(&object, 1, 9);
        let number = object
            .lock()
            .pages
            .lookup(crate::vm_page::index(0))
            .unwrap();
        let copied = vm_statistics::BYTES_COPIED_BY_PAGING.get();
        let taken = object.take_pages(0, 1, OPTIONS).unwrap();
        assert_eq!(taken[0].number(), number, "the same frame");
        assert_eq!(vm_statistics::BYTES_COPIED_BY_PAGING.get(), copied);
        let second = object.clone();
        let shared = object.take_pages(PAGE, 1, OPTIONS).unwrap();
        assert_eq!(vm_statistics::BYTES_COPIED_BY_PAGING.get(), copied + PAGE);
        let mut byte = [0];
        shared[0].read(100, &mut byte);
        assert_eq!((byte[0], byte_of(&second, 1)), (9, 9));
        object.adopt_frames(taken);
        assert_eq!(byte_of(&object, 0), 8);
    });
}

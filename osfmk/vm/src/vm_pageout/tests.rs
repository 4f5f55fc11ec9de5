//! Page-out against a fake default pager and fake pagers of files: every end that a page can come to.

use prim::frames::queues::{self, PageQueue};

use super::fake_swap::{Mood, with_swap};
use super::*;
use crate::memory_object::fake::{honest, store};
use crate::vm_object::ObjectRef;
use crate::vm_object::tests::{PAGE, byte_of, fill, leaves_nothing_behind, read};

const PAGES: u64 = 20;

/// Scans until nothing more comes: everything that can go has gone, used lately or not.
fn page_out_everything() {
    for _ in 0..6 {
        scan_once(usize::MAX / 4);
    }
}

fn filled() -> ObjectRef {
    let object = ObjectRef::anonymous(PAGES * PAGE).unwrap();
    (0..PAGES).for_each(|page| fill(&object, page, page as u8 + 1));
    object
}

fn check(object: &ObjectRef) {
    (0..PAGES).for_each(|page| assert_eq!(byte_of(object, page), page as u8 + 1));
}

#[test]
fn anonymous_pages_go_to_the_default_pager_and_come_back() {
    leaves_nothing_behind(|| {
        with_swap(|swap| {
            let object = filled();
            page_out_everything();
            assert_eq!(
                (object.resident_count(), swap.stored()),
                (0, PAGES as usize)
            );
            object.validate();
            check(&object);
            object.validate();
        });
    });
}

#[test]
fn a_page_that_came_back_and_was_not_written_is_freed_without_writing() {
    leaves_nothing_behind(|| {
        with_swap(|_| {
            let object = filled();
            page_out_everything();
            check(&object);
            let written = vm_statistics::SWAPOUTS.get();
            page_out_everything();
            assert_eq!(object.resident_count(), 0);
            assert_eq!(vm_statistics::SWAPOUTS.get(), written, "swap had them");
            fill(&object, 3, 99);
            page_out_everything();
            assert!(vm_statistics::SWAPOUTS.get() > written, "that one was new");
            assert_eq!(byte_of(&object, 3), 99);
        });
    });
}

#[test]
fn without_a_default_pager_anonymous_pages_stay() {
    leaves_nothing_behind(|| {
        let object = filled();
        page_out_everything();
        assert_eq!(object.resident_count(), PAGES);
        check(&object);
    });
}

#[test]
fn a_page_used_while_it_is_lent_stays_and_one_written_is_dirty_again() {
    leaves_nothing_behind(|| {
        with_swap(|swap| {
            let object = filled();
            swap.set(Mood::Slow);
            page_out_everything();
            assert_eq!(object.resident_count(), PAGES, "all lent");
            assert_eq!(byte_of(&object, 4), 5);
            fill(&object, 5, 77);
            swap.catch_up();
            assert_eq!(object.resident_count(), 2);
            swap.set(Mood::Prompt);
            page_out_everything();
            assert_eq!(object.resident_count(), 0);
            assert_eq!(byte_of(&object, 5), 77);
        });
    });
}

#[test]
fn the_laundry_is_limited_while_the_pager_is_slow() {
    leaves_nothing_behind(|| {
        with_swap(|swap| {
            swap.set(Mood::Slow);
            let objects: std::vec::Vec<_> = (0..30).map(|_| filled()).collect();
            page_out_everything();
            assert!(laundry::outstanding() <= laundry::LIMIT);
            assert!(laundry::outstanding() > laundry::LIMIT / 2);
            swap.catch_up();
            assert_eq!(laundry::outstanding(), 0);
            drop(objects);
        });
    });
}

#[test]
fn when_swap_is_full_pages_stay_dirty_and_nothing_is_lost() {
    leaves_nothing_behind(|| {
        with_swap(|swap| {
            let object = filled();
            swap.set(Mood::Full);
            page_out_everything();
            assert_eq!((object.resident_count(), swap.stored()), (PAGES, 0));
            check(&object);
        });
    });
}

#[test]
fn unpageable_wired_and_pinned_pages_stay() {
    leaves_nothing_behind(|| {
        with_swap(|swap| {
            let (pager_memory, pinned) = (filled(), filled());
            pager_memory.make_unpageable();
            let pin = pinned.pin_resident(0, 2 * PAGE).unwrap();
            page_out_everything();
            assert_eq!(pager_memory.resident_count(), PAGES);
            assert_eq!(pinned.resident_count(), 2);
            drop(pin);
            assert_eq!(swap.stored() as u64, PAGES - 2);
            check(&pinned);
        });
    });
}

#[test]
fn a_copy_and_its_source_keep_their_own_bytes_when_both_were_paged_out() {
    leaves_nothing_behind(|| {
        with_swap(|_| {
            let original = filled();
            let copy = original.copy_quickly().unwrap();
            let (parent, _) = original.shadow(0, PAGES * PAGE).unwrap();
            let (child, _) = copy.shadow(0, PAGES * PAGE).unwrap();
            page_out_everything();
            fill(&parent, 1, 101);
            fill(&child, 2, 102);
            page_out_everything();
            let bytes = |object: &ObjectRef| [0, 1, 2].map(|page| byte_of(object, page));
            assert_eq!(bytes(&parent), [1, 101, 3]);
            assert_eq!(bytes(&child), [1, 2, 102]);
            drop(parent);
            page_out_everything();
            assert_eq!(bytes(&child), [1, 2, 102]);
            child.validate();
        });
    });
}

#[test]
fn thrown_away_pages_are_forgotten_by_the_pager_too() {
    leaves_nothing_behind(|| {
        with_swap(|swap| {
            let object = filled();
            page_out_everything();
            object.discard(0, 5 * PAGE);
            assert_eq!(swap.stored() as u64, PAGES - 5);
            assert_eq!(byte_of(&object, 2), 0);
            assert_eq!(byte_of(&object, 5), 6);
        });
    });
}

#[test]
fn a_dead_default_pager_has_a_successor_and_nothing_is_lost() {
    leaves_nothing_behind(|| {
        with_swap(|swap| {
            let (stored, lent) = (filled(), filled());
            page_out_everything();
            check(&lent);
            (0..PAGES).for_each(|page| fill(&lent, page, page as u8 + 1));
            swap.set(Mood::Slow);
            page_out_everything();
            swap.set(Mood::Dead);
            for object in [&stored, &lent] {
                crate::memory_object::pager_died(object.object());
            }
            let faulting = {
                let object = stored.clone();
                std::thread::spawn(move || byte_of(&object, 7))
            };
            std::thread::sleep(std::time::Duration::from_millis(20));
            swap.set(Mood::Prompt);
            assert_eq!(swap.succeed(), 2);
            assert_eq!(faulting.join().unwrap(), 8, "it waited for the successor");
            check(&stored);
            check(&lent);
            page_out_everything();
            check(&lent);
        });
    });
}

#[test]
fn dirty_pages_of_a_file_are_written_and_freed() {
    leaves_nothing_behind(|| {
        let store = store(PAGES as usize);
        let (object, pager) = honest(&store);
        (0..PAGES).for_each(|page| fill(&object, page, 200));
        for _ in 0..500 {
            scan_once(usize::MAX / 4);
            if object.resident_count() == 0 {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        assert_eq!(object.resident_count(), 0);
        assert!(store.lock().unwrap().iter().all(|byte| *byte == 200));
        drop(object);
        prim::reaper::quiesce();
        pager.join().unwrap();
    });
}

#[test]
fn pages_are_counted_by_kind() {
    leaves_nothing_behind(|| {
        let counts = || {
            let of = |queue| queues::length(queue);
            (
                of(PageQueue::ActiveFile) + of(PageQueue::InactiveFile),
                of(PageQueue::ActiveAnonymous) + of(PageQueue::InactiveAnonymous),
            )
        };
        let before = counts();
        let object = filled();
        let store = store(8);
        let (file, pager) = honest(&store);
        (0..8).for_each(|page| drop(read(&file, page * PAGE, 1)));
        let after = counts();
        assert_eq!(
            (after.0 - before.0, after.1 - before.1),
            (8, PAGES as usize)
        );
        drop((object, file));
        prim::reaper::quiesce();
        pager.join().unwrap();
    });
}

#[test]
fn failing_allocations_lose_nothing() {
    use prim::thread::injection::{Site, fail_nth};
    leaves_nothing_behind(|| {
        with_swap(|swap| {
            let object = filled();
            swap.set(Mood::Short);
            page_out_everything();
            assert_eq!(object.resident_count(), PAGES, "no pager could be made");
            swap.set(Mood::Prompt);
            page_out_everything();
            for n in 1..8 {
                page_out_everything();
                fail_nth(Site::Frames, n);
                check(&object);
                fail_nth(Site::Frames, 0);
                object.validate();
            }
        });
    });
}

#[test]
fn a_pager_that_refuses_everything_is_full_until_it_takes_something() {
    leaves_nothing_behind(|| {
        with_swap(|swap| {
            let objects = [filled(), filled(), filled()];
            swap.set(Mood::Full);
            page_out_everything();
            assert!(laundry::default_pager_works(), "it may be for a moment");
            std::thread::sleep(std::time::Duration::from_millis(600));
            assert!(!laundry::default_pager_works());
            swap.set(Mood::Prompt);
            let another = filled();
            page_out_everything();
            assert_eq!(another.resident_count(), 0);
            assert!(laundry::default_pager_works());
            drop(objects);
        });
    });
}

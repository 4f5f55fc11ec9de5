//! Paging out a range by hand: what goes, what stays, and who is waited for.

use std::time::Duration;

use super::*;
use crate::memory_object::fake::{honest, store};
use crate::vm_object::tests::{PAGE, byte_of, fill, leaves_nothing_behind, read};
use crate::vm_pageout::fake_swap::{Mood, Swap, with_swap};

fn filled(pages: u64) -> ObjectRef {
    let object = ObjectRef::anonymous(pages * PAGE).unwrap();
    (0..pages).for_each(|page| fill(&object, page, page as u8));
    object
}

fn check(object: &ObjectRef, pages: u64) {
    (0..pages).for_each(|page| assert_eq!(byte_of(object, page), page as u8));
}

/// Lets the pager deal with what it has until nobody pushes any more.
fn serve_slowly<R: Send + 'static>(swap: &Swap, pushing: std::thread::JoinHandle<R>) -> R {
    while !pushing.is_finished() {
        std::thread::sleep(Duration::from_millis(1));
        swap.catch_up();
    }
    pushing.join().unwrap()
}

#[test]
fn the_pages_of_a_range_go_and_come_back_and_others_stay() {
    leaves_nothing_behind(|| {
        with_swap(|swap| {
            let object = filled(20);
            push_out(&object, 3, 11).unwrap();
            assert_eq!((object.resident_count(), swap.stored()), (12, 8));
            object.validate();
            check(&object, 20);
        });
    });
}

#[test]
fn a_page_that_swap_has_goes_without_being_written_again() {
    leaves_nothing_behind(|| {
        with_swap(|_| {
            let object = filled(20);
            push_out(&object, 0, 20).unwrap();
            check(&object, 20);
            fill(&object, 7, 70);
            let written = vm_statistics::SWAPOUTS.get();
            push_out(&object, 0, 20).unwrap();
            assert_eq!(object.resident_count(), 0);
            assert!(vm_statistics::SWAPOUTS.get() > written, "page 7 was new");
            assert_eq!(byte_of(&object, 7), 70);
        });
    });
}

#[test]
fn more_than_the_laundry_holds_is_waited_for() {
    leaves_nothing_behind(|| {
        with_swap(|swap| {
            let pages = 3 * laundry::LIMIT;
            let object = filled(pages);
            swap.set(Mood::Slow);
            let pushing = {
                let object = object.clone();
                std::thread::spawn(move || push_out(&object, 0, pages))
            };
            serve_slowly(swap, pushing).unwrap();
            assert_eq!((object.resident_count(), swap.stored() as u64), (0, pages));
            swap.set(Mood::Prompt);
            check(&object, pages);
        });
    });
}

#[test]
fn a_page_used_meanwhile_stays() {
    leaves_nothing_behind(|| {
        with_swap(|swap| {
            let object = filled(20);
            swap.set(Mood::Slow);
            let pushing = {
                let object = object.clone();
                std::thread::spawn(move || push_out(&object, 0, 20))
            };
            while laundry::outstanding() < 20 {
                std::thread::yield_now();
            }
            assert_eq!(byte_of(&object, 4), 4);
            fill(&object, 5, 50);
            serve_slowly(swap, pushing).unwrap();
            assert_eq!(object.resident_count(), 2);
            assert_eq!(byte_of(&object, 5), 50);
            swap.set(Mood::Prompt);
        });
    });
}

#[test]
fn what_may_not_go_stays_and_is_no_error() {
    leaves_nothing_behind(|| {
        let object = filled(4);
        push_out(&object, 0, 4).unwrap();
        assert_eq!(object.resident_count(), 4, "there is no default pager");
        with_swap(|swap| {
            let (full, unpageable, pinned) = (filled(4), filled(4), filled(4));
            swap.set(Mood::Full);
            push_out(&full, 0, 4).unwrap();
            push_out(&full, 0, 4).unwrap();
            swap.set(Mood::Prompt);
            unpageable.make_unpageable();
            push_out(&unpageable, 0, 4).unwrap();
            let pin = pinned.pin_resident(PAGE, 2 * PAGE).unwrap();
            push_out(&pinned, 0, 4).unwrap();
            let left = [&full, &unpageable, &pinned].map(ObjectRef::resident_count);
            assert_eq!(left, [4, 4, 2]);
            drop(pin);
            check(&full, 4);
            check(&pinned, 4);
        });
    });
}

#[test]
fn pages_of_files_stay() {
    leaves_nothing_behind(|| {
        let store = store(4);
        let (file, pager) = honest(&store);
        (0..4).for_each(|page| drop(read(&file, page * PAGE, 1)));
        push_out(&file, 0, 4).unwrap();
        assert_eq!(file.resident_count(), 4);
        drop(file);
        prim::reaper::quiesce();
        pager.join().unwrap();
    });
}

#[test]
fn a_pager_that_cannot_be_reached_keeps_nobody() {
    leaves_nothing_behind(|| {
        with_swap(|swap| {
            let object = filled(4);
            push_out(&object, 0, 1).unwrap();
            swap.set(Mood::Dead);
            push_out(&object, 0, 4).unwrap();
            assert_eq!(object.resident_count(), 3, "lent pages are there again");
            swap.set(Mood::Prompt);
            swap.succeed();
            check(&object, 4);
        });
    });
}

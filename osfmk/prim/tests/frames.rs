//! Frames, page lists and page queues against naive models.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use prim::clock::Deadline;
use prim::frames::queues::{self, PageQueue};
use prim::frames::{
    self, ContiguousFrames, FrameNumber, FrameState, OwnedFrame, OwnerId, PageFlags, PageIndex,
    PageList, Reserve,
};
use prim::host;
use prim::thread::injection::{self, Site};
use prim::wait::Interruptible;

struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        (self.0 >> 33) as usize % bound
    }
}

fn list() -> PageList {
    PageList::new(OwnerId::fresh())
}

fn page() -> OwnedFrame {
    frames::allocate(Reserve::Kernel).expect("a frame")
}

#[test]
fn every_frame_is_counted_in_one_state() {
    let _one = host::exclusive();
    let before = frames::counts();
    assert_eq!(before.total(), frames::total());
    let table = page().into_use(FrameState::PageTable);
    let mut pages = list();
    let resident = pages.insert(PageIndex(3), page()).unwrap();
    assert!(queues::lock().wire(resident));
    let pinned = pages
        .insert(PageIndex(4), page())
        .map(|frame| pages.pin(frame))
        .unwrap();
    drop(pages.remove(PageIndex(4)));
    let now = frames::counts();
    assert_eq!(now.total(), before.total());
    assert_eq!(now.page_tables, before.page_tables + 1);
    assert_eq!(
        (now.wired, now.lingering),
        (before.wired + 1, before.lingering + 1)
    );
    assert_eq!(now.free, before.free - 3);
    frames::validate();
    drop((pinned, pages));
    assert!(OwnedFrame::reclaim(table, FrameState::Heap).is_none());
    drop(OwnedFrame::reclaim(table, FrameState::PageTable).unwrap());
    assert!(
        OwnedFrame::reclaim(table, FrameState::PageTable).is_none(),
        "taken back once"
    );
    assert_eq!(frames::counts(), before);
    frames::validate();
}

#[test]
fn random_allocations_never_overlap_and_all_come_back() {
    let _one = host::exclusive();
    let before = frames::counts();
    let mut random = Random(1);
    let mut singles: Vec<OwnedFrame> = Vec::new();
    let mut runs: Vec<ContiguousFrames> = Vec::new();
    let mut owned: HashMap<u32, ()> = HashMap::new();
    for step in 0..6_000 {
        match random.below(8) {
            0..=2 => {
                if let Ok(frame) = frames::allocate(Reserve::Normal) {
                    assert!(
                        owned.insert(frame.number().0, ()).is_none(),
                        "{frame:?} was given out twice"
                    );
                    singles.push(frame);
                }
            }
            3 => {
                let order = random.below(7);
                if let Ok(run) = frames::allocate_contiguous(order, Reserve::Normal) {
                    assert!(run.number().0.is_multiple_of(1 << order));
                    for i in 0..run.count() as u32 {
                        assert!(owned.insert(run.number().0 + i, ()).is_none());
                    }
                    runs.push(run);
                }
            }
            4..=6 if !singles.is_empty() => {
                let frame = singles.swap_remove(random.below(singles.len()));
                owned.remove(&frame.number().0);
            }
            7 if !runs.is_empty() => {
                let run = runs.swap_remove(random.below(runs.len()));
                if random.below(2) == 0 {
                    singles.extend(run.split());
                } else {
                    (0..run.count() as u32).for_each(|i| _ = owned.remove(&(run.number().0 + i)));
                }
            }
            _ => {}
        }
        assert_eq!(frames::available(), before.free - owned.len());
        if step % 1_000 == 0 {
            frames::validate();
        }
    }
    drop((singles, runs));
    assert_eq!(frames::counts(), before);
    frames::validate();
}

#[test]
fn a_recount_waits_for_frames_on_their_way() {
    let _one = host::exclusive();
    /// However the test ends, the others must.
    struct Stop<'a>(&'a AtomicBool);
    impl Drop for Stop<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
    let stopped = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let _stop = Stop(&stopped);
        for state in [FrameState::Heap, FrameState::Stack] {
            let stopped = &stopped;
            scope.spawn(move || {
                while !stopped.load(Ordering::Relaxed) {
                    for _ in 0..2_000 {
                        let frame = page().into_use(state);
                        drop(OwnedFrame::reclaim(frame, state));
                    }
                    std::thread::sleep(Duration::from_millis(20));
                }
            });
        }
        for _ in 0..20 {
            frames::validate();
        }
    });
}

#[test]
fn ordinary_requests_that_are_held_back_stop_at_the_target() {
    let _one = host::exclusive();
    let targets = frames::targets();
    let mut taken = Vec::new();
    frames::hold_ordinary_requests_back(Deadline::after_milliseconds(60_000));
    while let Ok(frame) = frames::allocate(Reserve::Normal) {
        taken.push(frame);
    }
    assert_eq!(frames::available(), targets.target);
    taken.push(frames::allocate(Reserve::Pager).expect("others go on"));
    frames::release_ordinary_requests();
    taken.push(frames::allocate(Reserve::Normal).expect("a frame"));
    frames::hold_ordinary_requests_back(Deadline::after_milliseconds(0));
    taken.push(frames::allocate(Reserve::Normal).expect("nobody is held back for ever"));
    frames::release_ordinary_requests();
}

#[test]
fn each_reserve_class_stops_at_its_floor() {
    let _one = host::exclusive();
    let before = frames::counts();
    let targets = frames::targets();
    let mut taken = Vec::new();
    let floors = [
        (Reserve::Normal, targets.normal),
        (Reserve::Pager, targets.pager),
        (Reserve::Pageout, targets.pageout),
        (Reserve::Kernel, 0),
    ];
    for (reserve, floor) in floors {
        while let Ok(frame) = frames::allocate(reserve) {
            taken.push(frame);
        }
        assert_eq!(frames::available(), floor, "{reserve:?}");
    }
    assert!(frames::allocate_contiguous(0, Reserve::Kernel).is_err());
    assert_eq!(frames::frames_below_target(), targets.target);
    taken.clear();
    assert_eq!(frames::counts(), before);
    frames::validate();
}

#[test]
fn freeing_wakes_who_waits_for_frames_and_shortage_wakes_who_makes_room() {
    let _one = host::exclusive();
    static ROOM_MADE: AtomicUsize = AtomicUsize::new(0);
    let shared = Arc::new(std::sync::Mutex::new(Vec::new()));
    let theirs = shared.clone();
    let pageout =
        prim::thread::spawn_kernel("pageout", prim::thread::Priority::PAGEOUT, move || {
            let _ = frames::wait_for_shortage(Interruptible::No, None).block();
            loop {
                let Some(frame) = theirs.lock().unwrap().pop() else {
                    std::thread::yield_now();
                    continue;
                };
                drop::<OwnedFrame>(frame);
                ROOM_MADE.fetch_add(1, Ordering::Relaxed);
                if frames::available() > frames::targets().low {
                    break;
                }
            }
        })
        .unwrap();
    let mut waited = 0;
    for _ in 0..frames::available() + 20 {
        let frame = loop {
            match frames::allocate(Reserve::Normal) {
                Ok(frame) => break frame,
                Err(frames::OutOfFrames) => {
                    waited += 1;
                    let soon = Deadline::after_milliseconds(50);
                    if let Some(wait) =
                        frames::wait_for_frames(Reserve::Normal, Interruptible::No, soon)
                    {
                        let _ = wait.block();
                    }
                }
            }
        };
        shared.lock().unwrap().push(frame);
        if pageout.has_exited() {
            break;
        }
    }
    let _ = pageout.join(None);
    assert!(ROOM_MADE.load(Ordering::Relaxed) > 0 && waited < 1_000_000);
    shared.lock().unwrap().clear();
    frames::validate();
}

#[test]
fn frames_are_consistent_under_threads() {
    let _one = host::exclusive();
    let before = frames::counts();
    std::thread::scope(|scope| {
        for seed in 0..4 {
            scope.spawn(move || {
                let mut random = Random(seed);
                let mut held = Vec::new();
                let mut pages = list();
                for _ in 0..4_000 {
                    match random.below(4) {
                        0 | 1 => held.extend(frames::allocate(Reserve::Normal)),
                        2 => drop(
                            (!held.is_empty()).then(|| held.swap_remove(random.below(held.len()))),
                        ),
                        _ => {
                            let index = PageIndex(random.below(64) as u64);
                            match held.pop() {
                                Some(frame) => held.extend(pages.insert(index, frame).err()),
                                None => drop(pages.remove(index)),
                            }
                        }
                    }
                }
                pages.validate();
            });
        }
    });
    assert_eq!(frames::counts(), before);
    frames::validate();
}

/// Whoever frees a page looks at its record to see whether it must be taken off a queue.
#[test]
fn a_page_that_moves_within_the_queues_never_seems_to_be_on_none() {
    let _one = host::exclusive();
    let done = AtomicBool::new(false);
    let mut pages = list();
    let frame = pages.insert(PageIndex(0), page()).unwrap();
    queues::lock().enqueue(frame, PageQueue::InactiveFile);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                queues::lock().enqueue(frame, PageQueue::InactiveFile);
                queues::lock().enqueue(frame, PageQueue::ActiveFile);
            }
        });
        let seen = (0..2_000_000).all(|_| queues::queue_of(frame).is_some());
        done.store(true, Ordering::Relaxed);
        assert!(seen, "it would have been freed and stayed on the queue");
    });
    drop(pages);
    frames::validate();
}

#[test]
fn page_lists_agree_with_sorted_maps_under_random_sequences() {
    let _one = host::exclusive();
    let before = frames::counts();
    let mut random = Random(3);
    let mut lists = [list(), list(), list()];
    let mut models: [BTreeMap<u64, FrameNumber>; 3] = Default::default();
    for step in 0..30_000 {
        let which = random.below(3);
        // Dense in one list, spread far in the others.
        let spread = [1, 1 << 20, 0x1_0000_0001][which];
        let index = random.below(200) as u64 * spread;
        let (pages, model) = (&mut lists[which], &mut models[which]);
        match random.below(6) {
            0..=2 => match frames::allocate(Reserve::Kernel) {
                Ok(frame) => match pages.insert(PageIndex(index), frame) {
                    Ok(frame) => assert!(model.insert(index, frame).is_none()),
                    Err(_) => assert!(model.contains_key(&index)),
                },
                Err(_) => panic!("out of frames"),
            },
            3 => {
                let removed = pages.remove(PageIndex(index)).map(|frame| frame.number());
                assert_eq!(removed, model.remove(&index));
            }
            4 => {
                assert_eq!(pages.lookup(PageIndex(index)), model.get(&index).copied());
                let first = model
                    .range(index..)
                    .next()
                    .map(|(index, frame)| (PageIndex(*index), *frame));
                assert_eq!(pages.first_from(PageIndex(index)), first);
                let last = model
                    .range(..index)
                    .next_back()
                    .map(|(index, frame)| (PageIndex(*index), *frame));
                assert_eq!(pages.last_before(PageIndex(index)), last);
            }
            _ => {
                let other = (which + 1) % 3;
                let new = index / 3;
                let [a, b, c] = &mut lists;
                let (from, to) = match which {
                    0 => (a, b),
                    1 => (b, c),
                    _ => (c, a),
                };
                let possible =
                    models[which].contains_key(&index) && !models[other].contains_key(&new);
                assert_eq!(
                    from.transfer(PageIndex(index), to, PageIndex(new)),
                    possible
                );
                if possible {
                    let frame = models[which].remove(&index).unwrap();
                    models[other].insert(new, frame);
                    assert_eq!(frames::owner(frame), Some((to.owner(), PageIndex(new))));
                }
            }
        }
        if step % 3_000 == 0 {
            for (pages, model) in lists.iter().zip(&models) {
                pages.validate();
                assert_eq!(pages.len(), model.len());
                let listed: Vec<_> = pages
                    .iter()
                    .map(|(index, frame)| (index.0, frame))
                    .collect();
                assert_eq!(
                    listed,
                    model.iter().map(|(i, f)| (*i, *f)).collect::<Vec<_>>()
                );
                let some = pages.range(PageIndex(10), PageIndex(90)).count();
                assert_eq!(some, model.range(10..90).count());
            }
            frames::validate();
        }
    }
    drop(lists);
    assert_eq!(frames::counts(), before);
    frames::validate();
}

#[test]
fn a_transferred_page_keeps_flags_generation_and_queue() {
    let _one = host::exclusive();
    let (mut from, mut to) = (list(), list());
    let frame = from.insert(PageIndex(7), page()).unwrap();
    from.set_flags(frame, PageFlags::DIRTY | PageFlags::REFERENCED);
    assert_eq!(
        from.clear_flags(frame, PageFlags::REFERENCED),
        PageFlags::DIRTY | PageFlags::REFERENCED
    );
    assert_eq!(from.advance_generation(frame), 1);
    queues::lock().enqueue(frame, PageQueue::ActiveFile);
    assert!(from.transfer(PageIndex(7), &mut to, PageIndex(0)));
    assert_eq!(
        (to.flags(frame), to.generation(frame)),
        (PageFlags::DIRTY, 1)
    );
    assert_eq!(queues::queue_of(frame), Some(PageQueue::ActiveFile));
    let owned = to.remove(PageIndex(0)).unwrap();
    assert_eq!(
        frames::flags(frame),
        PageFlags::empty(),
        "flags end with the stay in an object"
    );
    drop(owned);
    assert_eq!(queues::queue_of(frame), None, "a free frame is on no queue");
    frames::validate();
}

#[test]
fn page_queues_agree_with_a_model_under_random_sequences() {
    let _one = host::exclusive();
    let mut pages = list();
    let all: Vec<FrameNumber> = (0..60)
        .map(|i| pages.insert(PageIndex(i), page()).unwrap())
        .collect();
    let base: HashMap<PageQueue, usize> = PageQueue::ALL
        .iter()
        .map(|q| (*q, queues::length(*q)))
        .collect();
    assert!(
        base.values().all(|length| *length == 0),
        "other tests left pages queued"
    );
    let mut model: HashMap<PageQueue, VecDeque<FrameNumber>> = PageQueue::ALL
        .iter()
        .map(|queue| (*queue, VecDeque::new()))
        .collect();
    let mut wires = vec![0u32; all.len()];
    let mut random = Random(9);
    for step in 0..20_000 {
        let which = random.below(all.len());
        let frame = all[which];
        let queue = PageQueue::ALL[random.below(5)];
        let mut guard = queues::lock();
        let unlink = |model: &mut HashMap<PageQueue, VecDeque<FrameNumber>>| {
            model
                .values_mut()
                .for_each(|queue| queue.retain(|other| *other != frame));
        };
        match random.below(6) {
            0..=2 => {
                guard.enqueue(frame, queue);
                unlink(&mut model);
                if wires[which] == 0 {
                    model.get_mut(&queue).unwrap().push_back(frame);
                }
            }
            3 => {
                let was = PageQueue::ALL
                    .into_iter()
                    .find(|queue| model[queue].contains(&frame));
                assert_eq!(guard.remove(frame), was);
                unlink(&mut model);
            }
            4 => {
                assert!(guard.wire(frame));
                wires[which] += 1;
                unlink(&mut model);
            }
            _ if wires[which] > 0 => {
                wires[which] -= 1;
                assert_eq!(guard.unwire(frame), wires[which] == 0);
            }
            _ => {}
        }
        if step % 500 == 0 {
            guard.validate();
            for queue in PageQueue::ALL {
                let walked: Vec<_> =
                    std::iter::successors(guard.first(queue), |frame| guard.next(*frame)).collect();
                assert!(walked.iter().eq(&model[&queue]), "{queue:?}");
                assert_eq!(queues::length(queue), walked.len());
            }
            assert!(
                all.iter()
                    .zip(&wires)
                    .all(|(frame, count)| guard.wire_count(*frame) == *count)
            );
        }
    }
    drop(pages);
    frames::validate();
}

#[test]
fn a_pinned_frame_outlives_its_object_and_is_freed_with_the_last_pin() {
    let _one = host::exclusive();
    let before = frames::counts();
    let mut pages = list();
    let mut frame = page();
    frame.write(5, b"hello");
    let frame = pages.insert(PageIndex(0), frame).unwrap();
    let pin = pages.pin(frame);
    let second = pin.clone();
    assert_eq!(frames::pin_count(frame), 2);
    drop(pages);
    assert_eq!(frames::state(frame), Some(FrameState::Lingering));
    let mut text = [0; 5];
    pin.read(5, &mut text);
    assert_eq!(&text, b"hello");
    drop(pin);
    assert_eq!(frames::state(frame), Some(FrameState::Lingering));
    drop(second);
    assert_eq!(frames::counts(), before);
    frames::validate();
}

#[test]
fn contents_are_zeroed_and_copied_whole() {
    let _one = host::exclusive();
    let mut source = page();
    source.write(100, &[7; 1000]);
    let mut destination = frames::allocate_zeroed(Reserve::Normal).unwrap();
    frames::copy(&mut destination, &source);
    let mut bytes = [0; 1002];
    destination.read(99, &mut bytes);
    assert!(bytes[1..1001].iter().all(|byte| *byte == 7));
    frames::zero(&mut destination);
    destination.read(99, &mut bytes);
    assert!(bytes.iter().all(|byte| *byte == 0));
    let mut pages = list();
    let listed = pages.insert(PageIndex(0), source).unwrap();
    frames::copy(&mut destination, &pages.source(listed));
    destination.read(100, &mut bytes[..4]);
    assert_eq!(bytes[..4], [7; 4]);
}

#[test]
fn the_planned_allocation_fails_and_changes_nothing() {
    let _one = host::exclusive();
    let before = frames::counts();
    injection::fail_nth(Site::Frames, 2);
    let first = frames::allocate(Reserve::Kernel);
    assert!(first.is_ok());
    assert!(frames::allocate_contiguous(2, Reserve::Kernel).is_err());
    assert_eq!(injection::remaining(Site::Frames), 0);
    drop(first);
    assert_eq!(frames::counts(), before);
}

#[test]
fn the_mappings_of_a_frame_have_a_lock_and_attributes() {
    let _one = host::exclusive();
    let frame = page();
    let head = frames::pv(frame.number());
    let mut guard = head.lock();
    assert!(head.try_lock().is_none());
    guard.set_word(0x1234);
    assert_eq!(head.set_attributes(0b11), 0);
    assert_eq!(head.clear_attributes(0b01), 0b11);
    guard.set_word(0);
    drop(guard);
    assert_eq!(head.attributes(), 0b10);
    let number = frame.number();
    drop(frame);
    assert_eq!(
        frames::pv(number).attributes(),
        0,
        "a free frame has no attributes"
    );
    assert!(
        frames::try_pv(FrameNumber(0)).is_none(),
        "no RAM at address 0"
    );
}

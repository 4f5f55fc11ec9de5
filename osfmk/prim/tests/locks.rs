//! Locks under real threads, and the checks of their order.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use prim::lock::{InterruptLock, Mutex, Rank, RwLock, SpinLock};

fn in_threads(count: usize, body: impl Fn(usize) + Send + Sync) {
    std::thread::scope(|scope| {
        for i in 0..count {
            let body = &body;
            scope.spawn(move || body(i));
        }
    });
}

/// Each violation is provoked on a thread of its own: what it holds dies with it.
#[cfg(debug_assertions)]
fn panics(body: impl FnOnce() + Send) -> bool {
    std::thread::scope(|scope| scope.spawn(body).join().is_err())
}

#[test]
fn every_kind_of_lock_excludes() {
    let spin = SpinLock::new(Rank::Object, 0u64);
    let interrupt = InterruptLock::new(Rank::Driver, 0u64);
    let mutex = Mutex::new(Rank::Task, 0u64);
    let rw = RwLock::new(Rank::Map, 0u64);
    in_threads(4, |_| {
        for _ in 0..2_000 {
            *mutex.lock() += 1;
            *rw.write() += 1;
            *spin.lock() += 1;
            *interrupt.lock() += 1;
        }
    });
    assert_eq!((*spin.lock(), *interrupt.lock()), (8_000, 8_000));
    assert_eq!((*mutex.lock(), *rw.read()), (8_000, 8_000));
}

#[test]
fn readers_see_both_halves_of_what_a_writer_wrote() {
    let lock = RwLock::new(Rank::Map, (0u64, 0u64));
    let reads = AtomicUsize::new(0);
    in_threads(4, |i| {
        for n in 0..3_000u64 {
            if i == 0 || n % 16 == 0 {
                let mut pair = lock.write();
                pair.0 += 1;
                std::hint::black_box(&pair);
                pair.1 += 1;
                if n % 3 == 0 {
                    let shared = pair.downgrade();
                    assert_eq!(shared.0, shared.1);
                }
            } else {
                let pair = lock.read();
                assert_eq!(pair.0, pair.1);
                reads.fetch_add(1, Ordering::Relaxed);
                if n % 7 == 0
                    && let Ok(mut upgraded) = pair.try_upgrade()
                {
                    upgraded.0 += 1;
                    upgraded.1 += 1;
                }
            }
        }
    });
    assert!(reads.load(Ordering::Relaxed) > 0);
    assert!(lock.try_write().is_some());
}

#[test]
fn only_the_single_reader_can_upgrade() {
    let lock = Arc::new(RwLock::new(Rank::Map, 0));
    let first = lock.read();
    let second = lock.try_read().expect("readers share");
    let first = first.try_upgrade().err().expect("two readers");
    drop(second);
    let mut writer = first.try_upgrade().ok().expect("one reader");
    *writer = 1;
    assert!(lock.try_read().is_none());
}

#[test]
fn try_lock_never_waits() {
    let lock = SpinLock::new(Rank::Object, ());
    let guard = lock.lock();
    assert!(lock.try_lock().is_none());
    drop(guard);
    assert!(lock.try_lock().is_some());
    assert_eq!(prim::thread::preemption::level(), 0);
}

#[cfg(debug_assertions)]
#[test]
fn taking_a_lower_rank_is_caught() {
    let object = SpinLock::new(Rank::Object, ());
    let queues = SpinLock::new(Rank::PageQueues, ());
    assert!(!panics(|| {
        let _object = object.lock();
        let _queues = queues.lock();
    }));
    assert!(panics(|| {
        let _queues = queues.lock();
        let _object = object.lock();
    }));
}

#[cfg(debug_assertions)]
#[test]
fn an_equal_rank_needs_the_nested_call() {
    let top = SpinLock::new(Rank::Object, ());
    let shadow = SpinLock::new(Rank::Object, ());
    assert!(!panics(|| {
        let _top = top.lock();
        let _shadow = shadow.lock_nested();
    }));
    assert!(panics(|| {
        let _top = top.lock();
        let _shadow = shadow.lock();
    }));
}

#[cfg(debug_assertions)]
#[test]
fn blocking_under_a_spinning_lock_is_caught() {
    let object = SpinLock::new(Rank::ProcessTable, ());
    let map = Mutex::new(Rank::Map, ());
    assert!(panics(|| {
        let _object = object.lock();
        let _map = map.lock();
    }));
}

#[cfg(debug_assertions)]
#[test]
fn guards_may_be_dropped_in_any_order() {
    let map = Mutex::new(Rank::Map, ());
    let object = SpinLock::new(Rank::Object, ());
    let queues = SpinLock::new(Rank::PageQueues, ());
    let (map_guard, object_guard, queues_guard) = (map.lock(), object.lock(), queues.lock());
    drop(object_guard);
    drop(map_guard);
    drop(queues_guard);
    let _again = map.lock();
}

#[test]
fn the_table_of_ranks_rises_and_is_the_documented_one() {
    assert!(prim::lock::rank::TABLE.is_sorted_by_key(|row| row.0.number()));
    let page = include_str!("../../../docs/locking.md");
    for (rank, name, kind, guards) in prim::lock::rank::TABLE {
        let row = format!("| {} | `{name}` | {kind} | {guards} |", rank.number());
        assert!(page.contains(&row), "docs/locking.md lacks: {row}");
    }
    let rows = page
        .lines()
        .filter(|line| line.starts_with("| ") && line.contains("| `"))
        .count();
    assert_eq!(
        rows,
        prim::lock::rank::TABLE.len(),
        "docs/locking.md has rows the table has not"
    );
}

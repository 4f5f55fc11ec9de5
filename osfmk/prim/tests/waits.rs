//! Wait queues and threads under real threads.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use prim::clock::{Callout, Deadline};
use prim::lock::{Mutex, Rank, SpinLock};
use prim::thread::{self, AbortLevel, Priority, Thread};
use prim::wait::{self, Interruptible, WaitQueue, WaitResult};

/// How long a test waits for what must come. Much more than it takes: the machine may be busy.
const PATIENCE: Duration = Duration::from_secs(60);

fn spawn(body: impl FnOnce() + Send + 'static) -> Arc<Thread> {
    thread::spawn_kernel("test", Priority::DEFAULT, body).expect("a thread")
}

fn join(thread: &Thread) {
    assert_eq!(
        thread.join(Some(Deadline::after(PATIENCE))),
        WaitResult::Awakened,
        "{thread:?} hangs"
    );
}

fn until(condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < PATIENCE, "nothing happens");
        std::thread::yield_now();
    }
}

#[test]
fn a_wake_up_between_registration_and_blocking_is_not_lost() {
    let queue = WaitQueue::new();
    for _ in 0..1_000 {
        let wait = queue.assert_wait(Interruptible::No, None);
        assert!(queue.wake_one());
        assert!(wait.is_complete());
        assert_eq!(wait.block(), WaitResult::Awakened);
    }
    assert!(queue.is_empty());
}

#[test]
fn a_deadline_ends_a_wait_and_leaves_the_queue_empty() {
    let queue = WaitQueue::new();
    let start = Instant::now();
    let wait = queue.assert_wait(
        Interruptible::No,
        Some(Deadline::after(Duration::from_millis(20))),
    );
    assert_eq!(wait.block(), WaitResult::TimedOut);
    assert!(start.elapsed() >= Duration::from_millis(20));
    assert!(queue.is_empty());
    queue.validate();
    let wait = queue.assert_wait(Interruptible::No, Some(Deadline::after(Duration::ZERO)));
    assert_eq!(wait.block(), WaitResult::TimedOut, "a deadline in the past");
}

#[test]
fn a_cancelled_wait_leaves_no_trace() {
    let queue = WaitQueue::new();
    queue.assert_wait(Interruptible::No, None).cancel();
    assert!(queue.is_empty());
    drop(queue.assert_wait(
        Interruptible::No,
        Some(Deadline::after(Duration::from_secs(1))),
    ));
    assert!(queue.is_empty() && !queue.wake_one());
}

#[test]
fn waiters_are_woken_in_the_order_they_came() {
    static QUEUE: WaitQueue = WaitQueue::new();
    static ORDER: Mutex<Vec<usize>> = Mutex::new(Rank::Task, Vec::new());
    let threads: Vec<_> = (0..4)
        .map(|i| {
            let thread = spawn(move || {
                let _ = QUEUE.assert_wait(Interruptible::No, None).block();
                ORDER.lock().push(i);
            });
            until(|| QUEUE.len() == i + 1);
            thread
        })
        .collect();
    for (i, thread) in threads.iter().enumerate() {
        QUEUE.validate();
        assert!(QUEUE.wake_one());
        join(thread);
        assert_eq!(ORDER.lock().len(), i + 1);
    }
    assert_eq!(*ORDER.lock(), [0, 1, 2, 3]);
}

#[test]
fn abort_levels_end_the_waits_that_allow_them() {
    static QUEUE: WaitQueue = WaitQueue::new();
    let cases = [
        (Interruptible::AbortSafe, AbortLevel::Safely, true),
        (Interruptible::AbortSafe, AbortLevel::Abort, true),
        (Interruptible::Abort, AbortLevel::Safely, false),
        (Interruptible::Abort, AbortLevel::Abort, true),
        (Interruptible::No, AbortLevel::Abort, false),
    ];
    for (interruptible, level, ends) in cases {
        let interrupted = Arc::new(AtomicBool::new(false));
        let seen = interrupted.clone();
        let thread = spawn(move || {
            let result = QUEUE.assert_wait(interruptible, None).block();
            seen.store(result == WaitResult::Interrupted, Ordering::Release);
        });
        until(|| QUEUE.len() == 1);
        thread.abort(level);
        if !ends {
            assert_eq!(QUEUE.len(), 1, "{interruptible:?} goes on after {level:?}");
            QUEUE.wake_all();
        }
        join(&thread);
        assert_eq!(
            interrupted.load(Ordering::Acquire),
            ends,
            "{interruptible:?}, {level:?}"
        );
    }
}

#[test]
fn an_interruption_before_the_wait_ends_the_next_wait_once() {
    let queue = WaitQueue::new();
    thread::current().interrupt();
    assert!(thread::current().should_abort(Interruptible::AbortSafe));
    let wait = queue.assert_wait(Interruptible::AbortSafe, None);
    assert_eq!(wait.block(), WaitResult::Interrupted);
    let short = Some(Deadline::after(Duration::from_millis(1)));
    assert_eq!(
        queue.assert_wait(Interruptible::AbortSafe, short).block(),
        WaitResult::TimedOut
    );
}

#[test]
fn a_hard_abort_stays_until_it_is_cleared() {
    let queue = WaitQueue::new();
    let current = thread::current();
    current.abort(AbortLevel::Abort);
    for _ in 0..2 {
        assert_eq!(
            queue.assert_wait(Interruptible::Abort, None).block(),
            WaitResult::Interrupted
        );
    }
    current.clear_abort();
    let short = Some(Deadline::after(Duration::from_millis(1)));
    assert_eq!(
        queue.assert_wait(Interruptible::Abort, short).block(),
        WaitResult::TimedOut
    );
}

#[test]
fn a_terminated_thread_cannot_wait_interruptibly_any_more() {
    let thread = spawn(|| {
        let queue = WaitQueue::new();
        while !thread::current().is_terminating() {
            let _ = queue.assert_wait(Interruptible::AbortSafe, None).block();
        }
        thread::current().clear_abort();
        assert_eq!(
            queue.assert_wait(Interruptible::Abort, None).block(),
            WaitResult::Interrupted
        );
    });
    thread.terminate();
    join(&thread);
}

#[test]
fn dropping_a_queue_awakens_its_waiters() {
    let queue = Arc::new(SpinLock::new(
        Rank::Object,
        Some(Box::new(WaitQueue::new())),
    ));
    let (theirs, results) = (queue.clone(), Arc::new(AtomicUsize::new(0)));
    let counted = results.clone();
    let thread = spawn(move || {
        let guard = theirs.lock();
        let wait = guard.as_ref().unwrap().assert_wait(Interruptible::No, None);
        drop(guard);
        assert_eq!(wait.block(), WaitResult::Awakened);
        counted.fetch_add(1, Ordering::Relaxed);
    });
    until(|| queue.lock().as_ref().is_some_and(|queue| queue.len() == 1));
    let gone = queue.lock().take();
    drop(gone);
    join(&thread);
    assert_eq!(results.load(Ordering::Relaxed), 1);
}

#[test]
fn events_on_one_queue_do_not_wake_each_other() {
    static WOKEN: [AtomicUsize; 2] = [AtomicUsize::new(0), AtomicUsize::new(0)];
    static QUEUE: WaitQueue = WaitQueue::new();
    let threads: Vec<_> = (0..2u64)
        .map(|event| {
            spawn(move || {
                let _ = QUEUE
                    .assert_wait_event(event + 10, Interruptible::No, None)
                    .block();
                WOKEN[event as usize].fetch_add(1, Ordering::Relaxed);
            })
        })
        .collect();
    until(|| QUEUE.len() == 2);
    assert_eq!(QUEUE.wake_all_event(12), 0);
    assert_eq!(QUEUE.wake_all_event(11), 1);
    join(&threads[1]);
    assert_eq!(WOKEN[0].load(Ordering::Relaxed), 0);
    assert_eq!(QUEUE.wake_all_event(10), 1);
    join(&threads[0]);
    let wait = wait::event(99).assert_wait(Interruptible::No, None);
    assert_eq!(wait::event(99).wake_all(), 1);
    assert_eq!(wait.block(), WaitResult::Awakened);
}

/// A bounded buffer with one queue for each condition: a lost wake-up hangs it, a wrong one miscounts.
#[test]
fn a_bounded_buffer_passes_everything_under_stress() {
    struct Buffer {
        items: SpinLock<Vec<u64>>,
        not_empty: WaitQueue,
        not_full: WaitQueue,
    }
    const EACH: u64 = 3_000;
    let buffer = Arc::new(Buffer {
        items: SpinLock::new(Rank::Port, Vec::new()),
        not_empty: WaitQueue::new(),
        not_full: WaitQueue::new(),
    });
    let sum = Arc::new(AtomicUsize::new(0));
    let mut threads = Vec::new();
    for _ in 0..3 {
        let producer = buffer.clone();
        threads.push(spawn(move || {
            for i in 1..=EACH {
                loop {
                    let mut items = producer.items.lock();
                    if items.len() < 4 {
                        items.push(i);
                        drop(items);
                        producer.not_empty.wake_one();
                        break;
                    }
                    let wait = producer.not_full.assert_wait(Interruptible::No, None);
                    drop(items);
                    let _ = wait.block();
                }
            }
        }));
        let (consumer, sum) = (buffer.clone(), sum.clone());
        threads.push(spawn(move || {
            for _ in 0..EACH {
                loop {
                    let mut items = consumer.items.lock();
                    if let Some(item) = items.pop() {
                        drop(items);
                        sum.fetch_add(item as usize, Ordering::Relaxed);
                        match consumer.not_full.wake_one_handoff() {
                            Some(handoff) if item % 2 == 0 => thread::handoff(handoff.thread()),
                            other => drop(other),
                        }
                        break;
                    }
                    let wait = consumer.not_empty.assert_wait(Interruptible::No, None);
                    drop(items);
                    let _ = wait.block();
                }
            }
        }));
    }
    threads.iter().for_each(|thread| join(thread));
    assert_eq!(
        sum.load(Ordering::Relaxed) as u64,
        3 * EACH * (EACH + 1) / 2
    );
}

/// Every way to end a wait at once, against each other.
#[test]
fn wake_ups_deadlines_and_interruptions_race_without_harm() {
    static QUEUE: WaitQueue = WaitQueue::new();
    static STOP: AtomicBool = AtomicBool::new(false);
    let waiters: Vec<_> = (0..4u64)
        .map(|i| {
            spawn(move || {
                let mut ended = [0usize; 3];
                let mut round = 0;
                while !STOP.load(Ordering::Acquire) {
                    round += 1;
                    let deadline =
                        Deadline::after(Duration::from_micros(1 + (round * 7 + i * 13) % 60));
                    match QUEUE
                        .assert_wait(Interruptible::AbortSafe, Some(deadline))
                        .block()
                    {
                        WaitResult::Awakened => ended[0] += 1,
                        WaitResult::Interrupted => ended[1] += 1,
                        WaitResult::TimedOut => ended[2] += 1,
                    }
                }
                assert!(ended.iter().sum::<usize>() > 0);
            })
        })
        .collect();
    let start = Instant::now();
    let mut n = 0usize;
    while start.elapsed() < Duration::from_millis(800) {
        n += 1;
        match n % 4 {
            0 => _ = QUEUE.wake_all(),
            1 => waiters[n / 4 % 4].interrupt(),
            2 => QUEUE.validate(),
            _ => _ = QUEUE.wake_one(),
        }
    }
    STOP.store(true, Ordering::Release);
    until(|| {
        QUEUE.wake_all();
        waiters.iter().all(|thread| thread.has_exited())
    });
    assert!(QUEUE.is_empty());
    prim::clock::validate();
}

#[test]
fn callouts_run_once_and_not_after_they_were_disarmed() {
    let runs = Arc::new(AtomicUsize::new(0));
    let counted = runs.clone();
    let callout = Callout::new(move || _ = counted.fetch_add(1, Ordering::Relaxed)).unwrap();
    assert!(!callout.disarm());
    callout.arm(Deadline::after(Duration::from_millis(5)));
    until(|| runs.load(Ordering::Relaxed) == 1);
    callout.arm(Deadline::after(Duration::from_secs(100)));
    assert!(callout.is_armed());
    callout.arm(Deadline::after(Duration::from_millis(5)));
    until(|| runs.load(Ordering::Relaxed) == 2);
    callout.arm(Deadline::after(Duration::from_secs(100)));
    assert!(callout.disarm() && !callout.is_armed());
}

#[test]
fn exit_ends_a_thread_in_the_middle() {
    let thread = spawn(|| {
        if thread::current().id() > 0 {
            thread::exit();
        }
        unreachable!("after exit");
    });
    join(&thread);
    assert_eq!(thread.state(), thread::RunState::Exited);
    assert!(thread.start().is_err());
}

#[test]
fn sleeping_takes_its_time() {
    let start = Instant::now();
    assert_eq!(
        thread::sleep(Duration::from_millis(10)),
        WaitResult::TimedOut
    );
    assert!(start.elapsed() >= Duration::from_millis(10));
}

#[test]
fn an_extension_is_hung_in_once() {
    let thread = thread::current().arc();
    assert!(thread.set_extension(Arc::new(7u32)));
    assert!(!thread.set_extension(Arc::new(8u32)));
    let extension = thread
        .extension()
        .and_then(|extension| extension.downcast_ref::<u32>());
    assert_eq!(extension, Some(&7));
}

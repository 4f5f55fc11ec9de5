//! What only the board can show: the heap, the scheduler, the context switch, the timer and kernel stacks at work.
//!
//! [`run`] is called by the board in the boot thread, with all processors running, when the boot arguments ask for
//! it. Each test prints one verdict line and must end by itself; a test that hangs is ended by the time limit of
//! whoever watches the console. The host's tests (`tests/`) cover everything that does not need the board.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use core::time::Duration;

use crate::clock::{self, Callout, Deadline};
use crate::frames;
use crate::lock::{Mutex, Rank, RwLock, SpinLock};
use crate::thread::{self, Priority, Thread, stack};
use crate::wait::{Interruptible, WaitQueue, WaitResult};

/// What a test found wrong.
type Outcome = Result<(), &'static str>;

type Test = fn() -> Outcome;

const TESTS: &[(&str, Test)] = &[
    ("heap_keeps_contents_on_one_thread", heap_on_one_thread),
    (
        "heap_keeps_contents_on_eight_threads",
        heap_on_eight_threads,
    ),
    ("threads_take_turns_through_a_wait_queue", take_turns),
    ("hand_off_passes_the_processor_on", hand_off),
    ("locks_exclude_on_all_processors", locks_exclude),
    ("equals_share_the_processors_by_time", equals_share),
    ("a_more_urgent_thread_preempts", urgent_preempts),
    ("deadlines_wakes_and_interruptions_race", waits_race),
    ("callouts_come_after_their_time", callouts_come),
    ("a_thousand_threads_give_everything_back", threads_give_back),
    ("every_frame_is_accounted_for", frames_are_accounted),
];

/// Runs every test and prints `test NAME ... ok` or `FAILED: reason`, then the verdict; gives the number of failures.
pub fn run(print: fn(fmt::Arguments<'_>)) -> usize {
    let mut failed = 0;
    for (name, test) in TESTS {
        let start = clock::now();
        match test() {
            Ok(()) => print(format_args!("test {name} ... ok")),
            Err(reason) => {
                failed += 1;
                print(format_args!("test {name} ... FAILED: {reason}"));
            }
        }
        print(format_args!(
            "  {} us",
            clock::now().since(start).as_micros()
        ));
    }
    print(format_args!(
        "verdict: {} passed, {failed} failed",
        TESTS.len() - failed
    ));
    failed
}

fn check(condition: bool, reason: &'static str) -> Outcome {
    condition.then_some(()).ok_or(reason)
}

/// Runs `count` threads at `priority` and waits for all of them.
fn in_threads(
    count: usize,
    priority: Priority,
    body: impl Fn(usize) -> Outcome + Clone + Send + 'static,
) -> Outcome {
    let failure = Arc::new(SpinLock::new(Rank::Message, Ok(())));
    let mut threads = Vec::new();
    for i in 0..count {
        let (body, failure) = (body.clone(), failure.clone());
        let run = move || {
            if let Err(reason) = body(i) {
                *failure.lock() = Err(reason);
            }
        };
        threads.push(thread::spawn_kernel("self-test", priority, run).map_err(|_| "no thread")?);
    }
    for thread in &threads {
        join(thread)?;
    }
    *failure.lock()
}

fn join(thread: &Thread) -> Outcome {
    let result = thread.join(Some(Deadline::after(Duration::from_secs(60))));
    check(result == WaitResult::Awakened, "a thread does not end")
}

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

/// Blocks of many sizes, each filled with one byte, checked when freed.
fn heap_sequence(seed: u64, steps: usize) -> Outcome {
    let mut random = Random(seed);
    let mut held: Vec<Vec<u8>> = Vec::new();
    let intact = |block: &[u8]| block.iter().all(|byte| *byte == block[0]);
    for _ in 0..steps {
        if random.below(2) == 0 && held.len() < 200 {
            let range = [60_000, 3_000, 3_000, 300, 300, 300, 300][random.below(7)];
            let (size, byte) = (1 + random.below(range), random.below(256) as u8);
            let mut block = Vec::new();
            if block.try_reserve_exact(size).is_ok() {
                block.resize(size, byte);
                held.push(block);
            }
        } else if !held.is_empty() {
            let block = held.swap_remove(random.below(held.len()));
            check(intact(&block), "a block changed")?;
        }
    }
    check(held.iter().all(|block| intact(block)), "a block changed")
}

fn heap_on_one_thread() -> Outcome {
    heap_sequence(1, 5_000)
}

fn heap_on_eight_threads() -> Outcome {
    in_threads(8, Priority::DEFAULT, |i| heap_sequence(i as u64, 2_000))
}

fn take_turns() -> Outcome {
    static QUEUE: WaitQueue = WaitQueue::new();
    static TURN: SpinLock<usize> = SpinLock::new(Rank::Port, 0);
    in_threads(2, Priority::DEFAULT, |own| {
        for _ in 0..5_000 {
            loop {
                let mut turn = TURN.lock();
                if *turn % 2 == own {
                    *turn += 1;
                    drop(turn);
                    QUEUE.wake_one();
                    break;
                }
                let wait = QUEUE.assert_wait(Interruptible::No, None);
                drop(turn);
                let _ = wait.block();
            }
        }
        Ok(())
    })
}

fn hand_off() -> Outcome {
    static QUEUES: [WaitQueue; 2] = [const { WaitQueue::new() }; 2];
    in_threads(2, Priority::DEFAULT, |own| {
        for _ in 0..3_000 {
            // The deadline only matters when both wait at the same time, which one of them ends.
            let wait =
                QUEUES[own].assert_wait(Interruptible::No, Some(Deadline::after_milliseconds(20)));
            let _ = match QUEUES[1 - own].wake_one_handoff() {
                Some(next) => wait.block_handing_off(next),
                None => wait.block(),
            };
        }
        QUEUES[1 - own].wake_all();
        Ok(())
    })
}

fn locks_exclude() -> Outcome {
    static MUTEX: Mutex<(u64, u64)> = Mutex::new(Rank::Task, (0, 0));
    static SHARED: RwLock<(u64, u64)> = RwLock::new(Rank::Map, (0, 0));
    static SPIN: SpinLock<u64> = SpinLock::new(Rank::Object, 0);
    in_threads(6, Priority::DEFAULT, |_| {
        for n in 0..2_000 {
            let mut pair = MUTEX.lock();
            pair.0 += 1;
            if n % 50 == 0 {
                thread::yield_now();
            }
            pair.1 += 1;
            check(pair.0 == pair.1, "two threads held a mutex")?;
            drop(pair);
            if n % 4 == 0 {
                let mut pair = SHARED.write();
                pair.0 += 1;
                pair.1 += 1;
            } else {
                let pair = SHARED.read();
                check(pair.0 == pair.1, "a reader met a writer")?;
            }
            *SPIN.lock() += 1;
        }
        Ok(())
    })?;
    check(
        MUTEX.lock().0 == 12_000 && *SPIN.lock() == 12_000,
        "an increment was lost",
    )
}

fn equals_share() -> Outcome {
    static STOP: AtomicBool = AtomicBool::new(false);
    static TURNS: [AtomicU64; 12] = [const { AtomicU64::new(0) }; 12];
    let spin = |i: usize| {
        while !STOP.load(Ordering::Relaxed) {
            TURNS[i].fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    };
    let supervisor = move || {
        let limit = Deadline::after(Duration::from_secs(20));
        while !limit.has_passed() && TURNS.iter().any(|turns| turns.load(Ordering::Relaxed) == 0) {
            let _ = thread::sleep(Duration::from_millis(20));
        }
        STOP.store(true, Ordering::Relaxed);
    };
    let supervisor = thread::spawn_kernel("supervisor", Priority::KERNEL, supervisor)
        .map_err(|_| "no thread")?;
    in_threads(TURNS.len(), Priority::DEFAULT, spin)?;
    join(&supervisor)?;
    check(
        TURNS.iter().all(|turns| turns.load(Ordering::Relaxed) > 0),
        "a thread never had a turn",
    )
}

fn urgent_preempts() -> Outcome {
    static STOP: AtomicBool = AtomicBool::new(false);
    static DONE: AtomicUsize = AtomicUsize::new(0);
    let spin = |_| {
        let limit = Deadline::after(Duration::from_secs(20));
        while !STOP.load(Ordering::Relaxed) && !limit.has_passed() {
            core::hint::spin_loop();
        }
        check(
            STOP.load(Ordering::Relaxed),
            "nobody preempted a busy thread",
        )
    };
    let urgent = || {
        for _ in 0..20 {
            let _ = thread::sleep(Duration::from_millis(1));
            DONE.fetch_add(1, Ordering::Relaxed);
        }
        STOP.store(true, Ordering::Relaxed);
    };
    let urgent =
        thread::spawn_kernel("urgent", Priority::KERNEL, urgent).map_err(|_| "no thread")?;
    // More of them than there are processors.
    in_threads(machine::cpu::MAX_CPUS + 1, Priority::DEFAULT, spin)?;
    join(&urgent)?;
    check(
        DONE.load(Ordering::Relaxed) == 20,
        "the urgent thread did not get through",
    )
}

fn waits_race() -> Outcome {
    static QUEUE: WaitQueue = WaitQueue::new();
    static RUNNING: AtomicUsize = AtomicUsize::new(4);
    let waker = || {
        while RUNNING.load(Ordering::Relaxed) > 0 {
            QUEUE.wake_one();
            QUEUE.validate();
            let _ = thread::sleep(Duration::from_micros(300));
        }
    };
    let waker = thread::spawn_kernel("waker", Priority::DEFAULT, waker).map_err(|_| "no thread")?;
    let outcome = in_threads(4, Priority::DEFAULT, |i| {
        let own = thread::current().arc();
        let alarm = Callout::new(move || own.interrupt()).map_err(|_| "no callout")?;
        let mut ended = [0; 3];
        for n in 0..200u64 {
            if n % 5 == 0 {
                alarm.arm(Deadline::after(Duration::from_micros(20)));
            }
            let deadline =
                Deadline::after(Duration::from_micros(50 + (n * 37 + i as u64 * 91) % 900));
            let result = QUEUE
                .assert_wait(Interruptible::AbortSafe, Some(deadline))
                .block();
            ended[result as usize] += 1;
            let early = result == WaitResult::TimedOut && !deadline.has_passed();
            check(!early, "a deadline came early")?;
        }
        RUNNING.fetch_sub(1, Ordering::Relaxed);
        check(
            ended[WaitResult::TimedOut as usize] > 0,
            "no deadline ended a wait",
        )?;
        check(
            ended[WaitResult::Interrupted as usize] > 0,
            "no interruption ended a wait",
        )
    });
    RUNNING.store(0, Ordering::Relaxed);
    join(&waker)?;
    outcome
}

fn callouts_come() -> Outcome {
    static RUNS: AtomicUsize = AtomicUsize::new(0);
    let callout =
        Callout::new(|| _ = RUNS.fetch_add(1, Ordering::Relaxed)).map_err(|_| "no callout")?;
    let due = Deadline::after(Duration::from_millis(3));
    callout.arm(due);
    let limit = Deadline::after(Duration::from_secs(20));
    while RUNS.load(Ordering::Relaxed) == 0 && !limit.has_passed() {
        let _ = thread::sleep(Duration::from_millis(1));
    }
    check(
        due.has_passed() && RUNS.load(Ordering::Relaxed) == 1,
        "the callout did not run once",
    )?;
    callout.arm(Deadline::after(Duration::from_millis(5)));
    check(callout.disarm(), "an armed callout could not be disarmed")?;
    let _ = thread::sleep(Duration::from_millis(10));
    check(RUNS.load(Ordering::Relaxed) == 1, "a disarmed callout ran")
}

fn threads_give_back() -> Outcome {
    let before = frames::counts().stacks;
    for _ in 0..100 {
        in_threads(10, Priority::DEFAULT, |_| Ok(()))?;
    }
    // A few free stacks stay mapped for the next threads.
    let kept = stack::KEPT * (machine::address::KERNEL_STACK_SIZE as usize / machine::PAGE_SIZE);
    let limit = Deadline::after(Duration::from_secs(10));
    while frames::counts().stacks > before + kept && !limit.has_passed() {
        let _ = thread::sleep(Duration::from_millis(2));
    }
    check(
        frames::counts().stacks <= before + kept,
        "stacks were not given back",
    )
}

fn frames_are_accounted() -> Outcome {
    // Threads that ended are still being taken apart: wait until nothing moves.
    let limit = Deadline::after(Duration::from_secs(10));
    let mut counts = frames::counts();
    loop {
        let _ = thread::sleep(Duration::from_millis(50));
        let now = frames::counts();
        if now == counts || limit.has_passed() {
            break;
        }
        counts = now;
    }
    check(
        counts.total() == frames::total(),
        "a frame is in no state or in two",
    )?;
    frames::validate();
    Ok(())
}

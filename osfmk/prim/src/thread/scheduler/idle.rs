//! Starting threads, and the threads that were there before: the boot thread and each processor's idle thread.
//!
//! XNU counterpart: `idle_thread`, `processor_up`, `thread_bootstrap`.

use alloc::sync::Arc;
use core::sync::atomic::Ordering;

use machine::cpu;
use machine::interrupts;

use super::run_queue::End;
use super::state::SCHEDULER;
use super::{Execution, preempt, tick};
use crate::clock;
use crate::thread::{Name, Priority, RunState, SpawnError, Thread};

/// Lets a created thread run.
#[doc(alias = "thread_start")]
pub(crate) fn start(thread: &Arc<Thread>) -> Result<(), SpawnError> {
    let mut scheduler = SCHEDULER.lock();
    if thread.execution.state() != RunState::Created || thread.execution.stack.is_none() {
        return Err(SpawnError::AlreadyStarted);
    }
    // The scheduler's reference, taken back when the thread has ended.
    let _ = Arc::into_raw(thread.clone());
    scheduler.make_runnable(thread, End::Back);
    Ok(())
}

/// Makes the code that runs now a thread of this processor. It keeps its stack.
fn adopt(name: &str, priority: Priority) -> Result<Arc<Thread>, SpawnError> {
    let thread = Thread::assemble(Name::new(name), priority, None, Execution::running())?;
    let masked = interrupts::disable();
    let this = cpu::current();
    thread.execution.processor.store(this, Ordering::Relaxed);
    thread
        .execution
        .since
        .store(clock::now().0, Ordering::Relaxed);
    // The thread's reference for itself.
    let _ = Arc::into_raw(thread.clone());
    // SAFETY: the reference just counted keeps the block alive while the thread runs. No lock is held whose release
    // would miss its count in the old block.
    unsafe { cpu::set_thread(&thread.block) };
    SCHEDULER.lock().running[this] = Arc::as_ptr(&thread);
    interrupts::restore(masked);
    Ok(thread)
}

/// Turns the boot processor's flow into the first thread, and gives the processor an idle thread.
pub(crate) fn start_boot_thread() -> Result<Arc<Thread>, SpawnError> {
    let boot = adopt("boot", Priority::KERNEL)?;
    let stack = crate::thread::KernelStack::new().map_err(|_| SpawnError::NoStack)?;
    let parameters = crate::thread::ThreadParameters {
        name: Name::new("idle 0"),
        priority: Priority::IDLE,
        stack,
        address_space: None,
        entry: alloc::boxed::Box::new(|| idle_loop()),
    };
    let idle = Thread::create(parameters)?;
    idle.execution.set_state(RunState::Runnable);
    SCHEDULER.lock().idle[cpu::current()] = Arc::into_raw(idle);
    let masked = interrupts::disable();
    tick::begin_turn(false);
    interrupts::restore(masked);
    Ok(boot)
}

/// Joins the calling processor to the scheduler: its flow becomes its idle thread. Called once on every processor but
/// the first, with interrupts masked, when its part of the interrupt controller is ready.
#[doc(alias = "processor_up")]
pub fn join_processor() -> ! {
    let this = cpu::current();
    match adopt("idle", Priority::IDLE) {
        Ok(idle) => SCHEDULER.lock().idle[this] = Arc::into_raw(idle),
        Err(error) => panic!("processor {this} cannot join: {error:?}"),
    }
    idle_loop()
}

/// The idle thread: runs others as soon as there are some, and sleeps with interrupts masked otherwise; an interrupt
/// that is pending ends the sleep and is taken when they are unmasked.
#[doc(alias = "idle_thread")]
fn idle_loop() -> ! {
    loop {
        let _ = interrupts::disable();
        let mut scheduler = SCHEDULER.lock();
        let has_work = scheduler.has_work();
        let own = 1 << cpu::current();
        if has_work {
            scheduler.idle_processors &= !own;
        } else {
            scheduler.idle_processors |= own;
        }
        drop(scheduler);
        if has_work {
            preempt();
        } else {
            tick::begin_turn(true);
            interrupts::wait_for_interrupt();
        }
        interrupts::enable();
    }
}

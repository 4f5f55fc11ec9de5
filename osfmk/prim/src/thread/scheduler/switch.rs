//! Leaving a thread and entering another.
//!
//! [`leave`] is the only place where a context is switched. Interrupts are masked and the scheduler's lock is held
//! from the decision until the incoming thread has its registers; [`arrive`] runs first thing in the incoming thread.

use core::sync::atomic::{AtomicPtr, Ordering};

use alloc::sync::Arc;

use machine::cpu::{self, MAX_CPUS};
use machine::{context, interrupts};

use super::run_queue::End;
use super::state::{SCHEDULER, Scheduler};
use super::{dead, tick};
use crate::clock;
use crate::lock::InterruptLockGuard;
use crate::lock::held::Held;
use crate::thread::{self, RunState, Thread};
use crate::trace::{self, Event};

/// The thread each processor left last, if it has ended; handed from [`leave`] to [`arrive`].
static ENDED: [AtomicPtr<Thread>; MAX_CPUS] =
    [const { AtomicPtr::new(core::ptr::null_mut()) }; MAX_CPUS];

/// Leaves the current thread in `state` and runs `next`, or whoever is most urgent. Returns when the thread is chosen
/// again, possibly on another processor.
#[doc(alias = "thread_invoke")]
pub(super) fn leave(
    mut scheduler: InterruptLockGuard<'static, Scheduler>,
    state: RunState,
    next: Option<*const Thread>,
) {
    let this = cpu::current();
    let current = thread::current();
    let is_idle = core::ptr::eq(scheduler.idle[this], &*current);
    match state {
        RunState::Runnable if is_idle => current.execution.set_state(RunState::Runnable),
        RunState::Runnable => {
            let end = if tick::turn_is_over() || next.is_some() {
                End::Back
            } else {
                End::Front
            };
            scheduler.enqueue(&current, end);
        }
        other => current.execution.set_state(other),
    }
    let next = next.unwrap_or_else(|| scheduler.choose(this));
    if scheduler.idle_processors != 0 && scheduler.has_work() {
        match state {
            // What was only preempted will soon go on here.
            RunState::Runnable => tick::share_later(),
            _ => scheduler.call_idle_processor(),
        }
    }
    // SAFETY: a thread that is queued, was just woken or is an idle thread lives.
    let next = unsafe { &*next };
    next.execution.set_state(RunState::Running);
    if core::ptr::eq(next, &*current) {
        tick::begin_turn(is_idle);
        return;
    }
    scheduler.running[this] = next;
    let next_is_idle = core::ptr::eq(scheduler.idle[this], next);
    match next_is_idle {
        true => scheduler.idle_processors |= 1 << this,
        false => scheduler.idle_processors &= !(1 << this),
    }
    next.execution.processor.store(this, Ordering::Relaxed);
    account(&current, next);
    if state == RunState::Exited {
        ENDED[this].store(
            core::ptr::from_ref::<Thread>(&current).cast_mut(),
            Ordering::Relaxed,
        );
    }
    tick::begin_turn(next_is_idle);
    trace::point(
        Event::ThreadSwitch,
        current.id(),
        next.id(),
        state as u64,
        0,
    );
    current.save_user_registers();
    next.load_user_registers();
    // The lock goes over to the incoming thread; our own mask and rank wait for our return.
    let (mut held, saved) = scheduler.hand_over();
    // SAFETY: interrupts are masked and the lock is held, so both contexts are ours; `next` runs nowhere, lives, and
    // its stack is mapped; its block lives as long as it does.
    unsafe {
        cpu::set_thread(&next.block);
        context::switch(
            current.execution.context.get(),
            next.execution.context.get(),
        );
    }
    arrive(&mut held);
    drop(saved);
}

/// First thing in a thread that comes in: releases the lock its predecessor took and the rank noted when it left
/// itself, installs its address space and puts
/// a predecessor that has ended on the list of the dead. Interrupts are masked.
#[doc(alias = "thread_continue")]
fn arrive(held: &mut Held) {
    // SAFETY: the predecessor on this processor took the lock and forgot its guard; we continue in its place.
    unsafe { SCHEDULER.force_unlock() };
    held.release();
    if let Some(space) = thread::current().address_space() {
        space.activate();
    }
    let ended = ENDED[cpu::current()].swap(core::ptr::null_mut(), Ordering::Relaxed);
    if !ended.is_null() {
        // SAFETY: takes over the reference that `start` counted; the thread is off its stack and never runs again.
        dead::bury(unsafe { Arc::from_raw(ended) });
    }
}

/// Where a new thread begins.
pub(super) extern "C" fn first_entry(argument: usize) -> ! {
    debug_assert_eq!(
        argument,
        core::ptr::from_ref::<Thread>(&thread::current()) as usize
    );
    arrive(&mut Held::none());
    interrupts::enable();
    let entry = thread::current().execution.entry.lock().take();
    if let Some(entry) = entry {
        entry();
    }
    thread::exit()
}

/// Charges the time since the last switch.
#[doc(alias = "timer_switch")]
fn account(from: &Thread, to: &Thread) {
    let now = clock::now().0;
    let spent = now.saturating_sub(from.execution.since.load(Ordering::Relaxed));
    from.cpu_time.fetch_add(spent, Ordering::Relaxed);
    to.execution.since.store(now, Ordering::Relaxed);
}

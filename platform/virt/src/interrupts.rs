//! Interrupts: the controller, and who is called for which number.

use crate::device_tree::{Board, InterruptController};
use crate::{cpus, devices, start};
use core::sync::atomic::{AtomicPtr, Ordering};
use drivers::gic::{Gic, InterruptNumber, Registers, Signal};
use machine::trap::SavedState;
use prim::thread::scheduler;
use spin::Once;

/// Called on the CPU that took the interrupt, with interrupts masked.
pub(crate) type Handler = fn(number: u32);

/// Numbers below this can have a handler.
const LIMIT: usize = 256;
/// The interrupt between CPUs that asks the scheduler to look again.
const RESCHEDULE: u32 = 0;
/// The interrupt between CPUs that stops them, for a panic.
const STOP: u32 = 1;

static GIC: Once<Gic> = Once::new();
static HANDLERS: [AtomicPtr<()>; LIMIT] = [const { AtomicPtr::new(core::ptr::null_mut()) }; LIMIT];

/// Maps and resets the controller, and prepares the boot CPU.
pub(crate) fn init(board: &Board) {
    let Some(InterruptController {
        version,
        distributor,
        second,
    }) = &board.gic
    else {
        return;
    };
    let (distributor, second) = (devices::map(distributor), devices::map(second));
    let registers = match version {
        2 => Registers::V2 {
            distributor,
            cpu_interface: second,
        },
        _ => Registers::V3 {
            distributor,
            redistributors: second,
        },
    };
    // SAFETY: the device tree names the controller's registers there, just mapped for good.
    GIC.call_once(|| unsafe { Gic::new(registers, &board.cpus) });
    register(STOP, |_| machine::cpu::halt());
    register(RESCHEDULE, |_| scheduler::reschedule_interrupt());
    init_cpu();
}

/// Prepares the calling CPU's part of the controller, with its timer's interrupt.
pub(crate) fn init_cpu() {
    let Some(gic) = GIC.get() else {
        return;
    };
    gic.init_cpu(machine::cpu::current());
    if let Some(number) = start::board().timer_interrupt {
        enable(number, Signal::Level, |_| scheduler::timer_interrupt());
    }
}

/// Makes another CPU look at the scheduler.
pub(crate) fn send_reschedule(cpu: usize) {
    send(RESCHEDULE, cpu);
}

/// Says who handles `number`.
fn register(number: u32, handler: Handler) {
    HANDLERS[number as usize].store(handler as *mut (), Ordering::Release);
}

/// Registers a handler and lets the interrupt through to the calling CPU.
pub(crate) fn enable(number: u32, signal: Signal, handler: Handler) {
    register(number, handler);
    if let Some(gic) = GIC.get() {
        gic.enable(InterruptNumber(number), signal, machine::cpu::current());
    }
}

/// Interrupts another CPU.
fn send(sgi: u32, cpu: usize) {
    if let Some(gic) = GIC.get() {
        gic.send(sgi, cpu);
    }
}

/// Stops all other CPUs.
pub(crate) fn stop_others() {
    let this = machine::cpu::current();
    for cpu in (0..cpus::online()).filter(|&cpu| cpu != this) {
        send(STOP, cpu);
    }
}

/// The interrupt vector: serves everything that is pending; on the way out the scheduler may switch
/// threads.
pub(crate) fn handle(_state: &mut SavedState) {
    let Some(gic) = GIC.get() else {
        return;
    };
    scheduler::interrupt(|| {
        while let Some(taken) = gic.acknowledge() {
            call(taken.number().0);
            gic.end(taken);
        }
    });
}

/// Calls the handler of `number`, if it has one.
fn call(number: u32) {
    let Some(slot) = HANDLERS.get(number as usize) else {
        return;
    };
    let pointer = slot.load(Ordering::Acquire);
    if !pointer.is_null() {
        // SAFETY: only `register` stores non-null values, all of them `Handler`s.
        let handler = unsafe { core::mem::transmute::<*mut (), Handler>(pointer) };
        handler(number);
    }
}

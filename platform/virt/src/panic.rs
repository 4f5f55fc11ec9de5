//! The end: reason, registers, backtrace with names, and power-off with a status.
//!
//! Nothing here allocates or takes a lock.

use crate::console::print_line;
use crate::{cpus, interrupts, start, symbols};
use core::ops::Range;
use core::panic::PanicInfo;
use core::sync::atomic::{AtomicUsize, Ordering};
use machine::address::phys_to_virt;
use machine::trap::SavedState;
use machine::{PhysAddr, backtrace, boot, cpu};
use spin::Once;

/// Exit status of the emulator after a panic.
const STATUS: i32 = 101;

static SYMBOLS: Once<&'static str> = Once::new();
/// The CPU that panicked first, plus one.
static PANICKED: AtomicUsize = AtomicUsize::new(0);

/// Remembers the symbols of the boot archive.
pub(crate) fn init(archive: Option<Range<PhysAddr>>) {
    let Some(range) = archive else {
        return;
    };
    let length = (range.end.0 - range.start.0) as usize;
    let pointer = phys_to_virt(range.start).as_ptr::<u8>().cast_const();
    // SAFETY: the archive is RAM in the direct map, reserved for good; nobody writes to it.
    let archive = unsafe { core::slice::from_raw_parts(pointer, length) };
    if let Some(found) = symbols::find(archive) {
        SYMBOLS.call_once(|| found);
    }
}

#[panic_handler]
fn on_panic(info: &PanicInfo<'_>) -> ! {
    enter();
    print_line!("\npanic on CPU {}: {}", cpu::current(), info.message());
    if let Some(location) = info.location() {
        print_line!("  at {location}");
    }
    print_backtrace(backtrace::frame_pointer());
    finish()
}

/// A panic with the registers of an interrupted context.
pub(crate) fn from_exception(what: &str, state: &SavedState) -> ! {
    enter();
    print_line!(
        "\npanic on CPU {}: {what}: {:x?}",
        cpu::current(),
        state.exception()
    );
    print_registers(state);
    print_address(state.pc);
    print_backtrace(state.x[29]);
    finish()
}

/// Only the first panic speaks; others, and a panic inside it, stop.
fn enter() {
    let _ = machine::interrupts::disable();
    let this = cpu::current() + 1;
    match PANICKED.compare_exchange(0, this, Ordering::AcqRel, Ordering::Acquire) {
        Ok(_) => interrupts::stop_others(),
        Err(first) if first == this => drivers::power::off(STATUS),
        Err(_) => cpu::halt(),
    }
}

fn finish() -> ! {
    drivers::power::off(STATUS)
}

/// Power-off for when semihosting turned out to be missing.
pub(crate) fn off_without_status() -> ! {
    match cpus::conduit(start::board()) {
        Some(conduit) => drivers::power::off_without_status(conduit),
        None => cpu::halt(),
    }
}

fn print_registers(state: &SavedState) {
    for (row, registers) in state.x.chunks(4).enumerate() {
        use core::fmt::Write as _;
        let mut console = crate::console::Console;
        for (column, value) in registers.iter().enumerate() {
            let name = row * 4 + column;
            let _ = write!(console, "  x{name:<2} {value:016x}");
        }
        let _ = writeln!(console);
    }
    print_line!(
        "  sp  {:016x}  pc  {:016x}  cpsr {:08x}  esr {:08x}  far {:016x}",
        state.sp,
        state.pc,
        state.cpsr,
        state.esr,
        state.far
    );
}

fn print_backtrace(frame: u64) {
    print_line!("backtrace:");
    backtrace::walk_kernel(frame, |address| print_address(address.wrapping_sub(4)));
}

fn print_address(address: u64) {
    if !boot::is_text(address) {
        return print_line!("  {address:016x}");
    }
    match SYMBOLS
        .get()
        .and_then(|text| symbols::lookup(text, address))
    {
        Some((name, offset)) => print_line!("  {address:016x}  {name} + {offset:#x}"),
        None => print_line!("  {address:016x}"),
    }
}

//! The last step of start-up: the layers above `prim`, bottom up, until the first program runs.

use crate::console::print_line;
use crate::device_tree::Board;
use crate::{cpus, interrupts, traps};
use alloc::string::ToString;
use bsd::startup::{self, BootParameters};
use machine::address::phys_to_virt;
use machine::trap::{Handlers, set_handlers};
use prim::trace;

/// From here on programs may enter the kernel.
static HANDLERS: Handlers = kern::trap::handlers(interrupts::handle, traps::kernel_exception);

/// Events that fit into the trace of one CPU when it is recorded from the start.
const TRACE_ROOM: usize = 1 << 16;

/// Starts the virtual memory server, the host's ports and the BSD layer; init runs when this returns.
pub(crate) fn start(board: &'static Board) {
    set_handlers(&HANDLERS);
    if board
        .arguments
        .split_whitespace()
        .any(|word| word == "trace=1")
        && trace::enable(TRACE_ROOM).is_err()
    {
        print_line!("no memory for a trace");
    }
    if let Err(code) = vm::vm_pageout::start() {
        panic!("cannot start page-out: {code}");
    }
    if let Err(code) = kern::host::start(cpus::online() as u32) {
        panic!("cannot make the host's ports: {code}");
    }
    let parameters = BootParameters {
        archive: archive(board),
        command_line: board.arguments.to_string(),
        power_off,
    };
    if let Err(error) = startup::start(parameters) {
        panic!("{}: {}", error.step, error.cause);
    }
}

/// Prints what was recorded, if that was asked for, and switches the machine off.
fn power_off(status: u8) -> ! {
    if trace::is_enabled() {
        trace::disable();
        let drained = trace::drain(|record| {
            let [a, b, c, d] = record.arguments;
            let (event, time) = (record.event, record.time.0);
            print_line!(
                "trace: {time} cpu{} thread {} {event:?} {a:#x} {b:#x} {c:#x} {d:#x}",
                record.cpu,
                record.thread
            );
        });
        print_line!("trace: {} events, {} lost", drained.records, drained.lost);
    }
    drivers::power::off(i32::from(status))
}

/// The bytes of the boot archive; none without one, and then there is no init either.
fn archive(board: &'static Board) -> &'static [u8] {
    let Some(range) = &board.archive else {
        return &[];
    };
    let length = (range.end.0 - range.start.0) as usize;
    // SAFETY: the loader placed the archive there; the range is RAM of the direct map, was kept from the frames, and
    // nothing writes to it.
    unsafe {
        core::slice::from_raw_parts(
            phys_to_virt(range.start).as_ptr::<u8>().cast_const(),
            length,
        )
    }
}

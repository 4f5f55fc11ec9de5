//! The console: the UART found in the device tree.
//!
//! Output is polled and takes no lock, so panics use the same path. Input comes by interrupt into
//! a ring, where [`prim::device::Console::read`] takes it.

use crate::device_tree::Device;
use crate::{devices, interrupts};
use core::fmt;
use drivers::gic::Signal;
use drivers::uart::Pl011;
use prim::device;
use prim::lock::{InterruptLock, Rank};
use prim::wait::WaitQueue;
use spin::Once;

/// Characters that wait for a reader; more are dropped.
const INPUT: usize = 1024;

/// The machine's console.
#[derive(Debug, Default)]
pub(crate) struct Console;

struct Input {
    bytes: [u8; INPUT],
    start: usize,
    length: usize,
}

static UART: Once<Pl011> = Once::new();
/// Rank [`Rank::Driver`].
static TYPED: InterruptLock<Input> = InterruptLock::new(Rank::Driver, Input::new());
static READERS: WaitQueue = WaitQueue::new();
static CONSOLE: Console = Console;
/// Keeps what several programs write apart. The kernel's own lines, a panic's above all, do not wait for it.
static OUTPUT: InterruptLock<()> = InterruptLock::new(Rank::Console, ());

impl Input {
    const fn new() -> Input {
        Input {
            bytes: [0; INPUT],
            start: 0,
            length: 0,
        }
    }

    fn push(&mut self, byte: u8) {
        if self.length < INPUT {
            self.bytes[(self.start + self.length) % INPUT] = byte;
            self.length += 1;
        }
    }

    fn pop(&mut self) -> Option<u8> {
        if self.length == 0 {
            return None;
        }
        let byte = self.bytes[self.start];
        self.start = (self.start + 1) % INPUT;
        self.length -= 1;
        Some(byte)
    }
}

/// Maps the UART; from here on everything printed is seen.
pub(crate) fn init(device: Option<&Device>) {
    let Some(device) = device else {
        return;
    };
    let registers = devices::map(&device.registers).cast();
    // SAFETY: the device tree names a PL011 there; it was just mapped for good and only this
    // module uses it.
    UART.call_once(|| unsafe { Pl011::new(registers) });
    machine::debug_console::set_output(write);
    device::register_console(&CONSOLE);
}

/// Lets characters in.
pub(crate) fn enable_input(device: Option<&Device>) {
    if let (Some(uart), Some(device)) = (UART.get(), device) {
        interrupts::enable(device.interrupt, Signal::Level, |_| take_input());
        uart.enable_input();
    }
}

/// The UART's interrupt.
fn take_input() {
    if let Some(uart) = UART.get() {
        let mut typed = TYPED.lock();
        uart.handle_interrupt(|byte| typed.push(byte));
        drop(typed);
        READERS.wake_all();
    }
}

/// Writes bytes, with carriage returns before line feeds.
fn write(bytes: &[u8]) {
    let Some(uart) = UART.get() else {
        return;
    };
    for part in bytes.split_inclusive(|&byte| byte == b'\n') {
        match part.strip_suffix(b"\n") {
            Some(line) => {
                uart.write(line);
                uart.write(b"\r\n");
            }
            None => uart.write(part),
        }
    }
}

impl device::Console for Console {
    fn write(&self, bytes: &[u8]) {
        let _whole = OUTPUT.lock();
        write(bytes);
    }

    fn read(&self, buffer: &mut [u8]) -> usize {
        let mut typed = TYPED.lock();
        let mut count = 0;
        while let Some(slot) = buffer.get_mut(count) {
            match typed.pop() {
                Some(byte) => *slot = byte,
                None => break,
            }
            count += 1;
        }
        count
    }

    fn input_waiters(&self) -> &WaitQueue {
        &READERS
    }
}

impl fmt::Write for Console {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        write(text.as_bytes());
        Ok(())
    }
}

/// Prints a line on the console.
macro_rules! print_line {
    ($($argument:tt)*) => {{
        use core::fmt::Write as _;
        let _ = writeln!($crate::console::Console, $($argument)*);
    }};
}
pub(crate) use print_line;

//! PL011: input by interrupt, output by polling.
//!
//! Output is polled on purpose: it must work in a panic, with interrupts off and every lock held,
//! and QEMU's transmitter is never full for long.

use arm_pl011_uart::{Interrupts, PL011Registers, Uart, UniqueMmioPointer};
use core::ptr::NonNull;

const DATA: usize = 0x00;
const FLAGS: usize = 0x18;
const TRANSMIT_FULL: u32 = 1 << 5;

/// A UART whose registers are mapped.
#[derive(Clone, Copy, Debug)]
pub struct Pl011 {
    registers: NonNull<PL011Registers>,
}

// SAFETY: the registers are device memory, reachable from every CPU. Two CPUs that write at once
// mix their output, nothing worse; reading is done by the interrupt's one CPU.
unsafe impl Send for Pl011 {}
// SAFETY: as above.
unsafe impl Sync for Pl011 {}

impl Pl011 {
    /// # Safety
    /// `registers` must be the mapped registers of a PL011, valid for good, and used by no other
    /// driver.
    #[must_use]
    pub const unsafe fn new(registers: NonNull<PL011Registers>) -> Pl011 {
        Pl011 { registers }
    }

    fn uart(&self) -> Uart<'static> {
        // SAFETY: `new`'s caller gave registers that stay mapped. Instances are short-lived, and
        // those that exist at once on several CPUs touch different registers or only transmit.
        Uart::new(unsafe { UniqueMmioPointer::new(self.registers) })
    }

    /// Switches interrupts for received characters on.
    pub fn enable_input(&self) {
        let mut uart = self.uart();
        uart.clear_interrupts(Interrupts::all());
        uart.set_interrupt_masks(Interrupts::RXI | Interrupts::RTI);
    }

    /// The interrupt's handler: gives every waiting character to `take`.
    pub fn handle_interrupt(&self, mut take: impl FnMut(u8)) {
        let mut uart = self.uart();
        uart.clear_interrupts(Interrupts::RXI | Interrupts::RTI | Interrupts::OEI);
        loop {
            match uart.read_word() {
                Ok(Some(byte)) => take(byte),
                Ok(None) => return,
                // Framing, parity, break, overrun: the character is not one.
                Err(_) => {}
            }
        }
    }

    /// Writes bytes, waiting for the transmitter only.
    pub fn write(&self, bytes: &[u8]) {
        for &byte in bytes {
            self.put(byte);
        }
    }

    fn put(&self, byte: u8) {
        let base = self.registers.cast::<u8>().as_ptr();
        // SAFETY: the flag and data registers of the mapped device.
        unsafe {
            while base.add(FLAGS).cast::<u32>().read_volatile() & TRANSMIT_FULL != 0 {
                core::hint::spin_loop();
            }
            base.add(DATA).cast::<u32>().write_volatile(u32::from(byte));
        }
    }
}

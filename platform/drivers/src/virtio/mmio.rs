//! A virtio device behind its MMIO window.

use bitflags::bitflags;
use core::ptr::NonNull;
use virtio_drivers::transport::mmio::{MmioTransport, MmioVersion, VirtIOHeader};
use virtio_drivers::transport::{DeviceType, Transport};

use super::ring::Ring;

bitflags! {
    /// Features that the drivers here know.
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub struct Features: u64 {
        /// 9P: the device has a mount tag.
        const MOUNT_TAG = 1;
        /// Disks: written data can be made durable.
        const FLUSH = 1 << 9;
        /// A descriptor may point to a table of descriptors.
        const INDIRECT = 1 << 28;
        /// The modern interface.
        const VERSION_1 = 1 << 32;
    }
}

/// Why a window has no usable device.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ProbeError {
    /// No device behind the window: QEMU's machine has more windows than devices.
    Empty,
    /// The device only speaks the legacy interface (QEMU: `virtio-mmio.force-legacy=false`).
    Legacy,
    /// A feature that the driver cannot do without is missing, or the queue is too small.
    Unsuitable,
    /// No memory for its queue.
    OutOfMemory,
}

/// A device that was found.
#[derive(Debug)]
pub struct Window {
    transport: MmioTransport<'static>,
    registers: NonNull<u8>,
}

// SAFETY: device registers, reachable from every CPU; `&mut self` serialises all but the interrupt.
unsafe impl Send for Window {}

/// The part of a device that its interrupt handler uses.
#[derive(Clone, Copy, Debug)]
pub struct InterruptRegisters(NonNull<u8>);

// SAFETY: two registers that may be used at any time by any CPU.
unsafe impl Send for InterruptRegisters {}
// SAFETY: as above.
unsafe impl Sync for InterruptRegisters {}

const INTERRUPT_STATUS: usize = 0x60;
const INTERRUPT_ACK: usize = 0x64;
const QUEUE_NOTIFY: usize = 0x50;

impl InterruptRegisters {
    /// Takes the interrupt back; says whether there was one.
    #[must_use]
    pub fn acknowledge(self) -> bool {
        let base = self.0.as_ptr();
        // SAFETY: registers of a mapped virtio window.
        unsafe {
            let status = base.add(INTERRUPT_STATUS).cast::<u32>().read_volatile();
            base.add(INTERRUPT_ACK).cast::<u32>().write_volatile(status);
            status != 0
        }
    }

    /// Tells the device that queue 0 has new requests. The ring was written before.
    pub fn notify(self) {
        machine::barrier::full();
        // SAFETY: as above.
        unsafe {
            self.0
                .as_ptr()
                .add(QUEUE_NOTIFY)
                .cast::<u32>()
                .write_volatile(0)
        };
    }
}

impl Window {
    /// Looks for a device.
    ///
    /// # Safety
    /// `registers` must be a virtio-mmio window of `size` bytes, mapped for good, that no other
    /// driver uses.
    pub unsafe fn probe(registers: NonNull<u8>, size: usize) -> Result<Window, ProbeError> {
        let header = registers.cast::<VirtIOHeader>();
        // SAFETY: the caller's promise.
        let transport =
            unsafe { MmioTransport::new(header, size) }.map_err(|_| ProbeError::Empty)?;
        if transport.version() != MmioVersion::Modern {
            return Err(ProbeError::Legacy);
        }
        Ok(Window {
            transport,
            registers,
        })
    }

    /// What the device is.
    #[must_use]
    pub fn device_type(&self) -> DeviceType {
        self.transport.device_type()
    }

    /// The registers for the interrupt handler and for notifications.
    #[must_use]
    pub fn interrupt_registers(&self) -> InterruptRegisters {
        InterruptRegisters(self.registers)
    }

    /// Negotiates `wanted` features, all of them required, and sets queue 0 up with a ring of
    /// `size` entries. The device runs afterwards.
    pub fn start(&mut self, wanted: Features, size: u16) -> Result<Ring, ProbeError> {
        let negotiated = self.transport.begin_init(wanted);
        if negotiated != wanted || self.transport.max_queue_size(0) < u32::from(size) {
            return Err(ProbeError::Unsuitable);
        }
        let ring = Ring::new(size).ok_or(ProbeError::OutOfMemory)?;
        let [descriptors, available, used] = ring.areas().map(|area| area.0);
        self.transport
            .queue_set(0, u32::from(size), descriptors, available, used);
        self.transport.finish_init();
        Ok(ring)
    }

    /// Reads bytes of the configuration space.
    pub fn read_configuration(&self, offset: usize, buffer: &mut [u8]) -> Result<(), ProbeError> {
        for (index, byte) in buffer.iter_mut().enumerate() {
            *byte = self
                .transport
                .read_config_space::<u8>(offset + index)
                .map_err(|_| ProbeError::Unsuitable)?;
        }
        Ok(())
    }
}

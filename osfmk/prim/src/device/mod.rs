//! The traits between drivers and the kernel, and the register of what the board has.
//!
//! Drivers implement these and know nothing above this crate; the kernel uses them and knows no driver. The board
//! registers each device once during start-up.
//!
//! XNU counterpart: a page of what IOKit's families are.

mod blocks;
mod files;

use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::lock::{Rank, SpinLock};
use crate::wait::WaitQueue;

pub use blocks::{BlockCompletion, BlockDevice, BlockOperation, BlockOutcome, BlockRequest};
pub use files::{
    Completion, DataFrames, DataWay, FileRequest, FilesTransport, Outcome, TransportError,
};

/// The console.
#[doc(alias = "cnputc")]
pub trait Console: Send + Sync {
    /// Writes bytes; may be called with interrupts masked and by any thread.
    fn write(&self, bytes: &[u8]);

    /// Takes what was typed, up to the buffer's length, without waiting; 0 if there is nothing.
    #[doc(alias = "cngetc")]
    fn read(&self, buffer: &mut [u8]) -> usize;

    /// Where readers wait for input.
    fn input_waiters(&self) -> &WaitQueue;
}

/// Number of an interrupt, as the controller counts.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub struct InterruptNumber(pub u32);

/// An interrupt's handler. Called with interrupts masked; it may take interrupt locks and wake threads, nothing else.
pub trait InterruptHandler: Send + Sync {
    /// Serves the device.
    fn handle(&self, number: InterruptNumber);
}

/// The interrupt controller.
#[doc(alias = "pe_arm_init_interrupts")]
pub trait InterruptController: Send + Sync {
    /// Prepares the part of the calling processor.
    fn start_processor(&self);

    /// Lets an interrupt through.
    fn enable(&self, number: InterruptNumber);

    /// Stops an interrupt.
    fn disable(&self, number: InterruptNumber);

    /// Takes the most urgent interrupt that waits on the calling processor.
    fn acknowledge(&self) -> Option<InterruptNumber>;

    /// Says that an interrupt was served.
    fn finish(&self, number: InterruptNumber);

    /// Makes another processor look at its scheduler.
    #[doc(alias = "cpu_signal")]
    fn signal_processor(&self, cpu: usize);
}

/// A source of entropy.
pub trait EntropySource: Send + Sync {
    /// Fills the buffer as far as it can; gives the number of bytes.
    fn fill(&self, buffer: &mut [u8]) -> usize;
}

static CONSOLE: spin::Once<&'static dyn Console> = spin::Once::new();
static TRANSPORTS: SpinLock<Vec<Arc<dyn FilesTransport>>> =
    SpinLock::new(Rank::KernelObject, Vec::new());

static BLOCK_DEVICES: SpinLock<Vec<Arc<dyn BlockDevice>>> =
    SpinLock::new(Rank::KernelObject, Vec::new());

/// Registers the console; the first call counts.
pub fn register_console(console: &'static dyn Console) {
    CONSOLE.call_once(|| console);
}

/// The console, once there is one.
pub fn console() -> Option<&'static dyn Console> {
    CONSOLE.get().copied()
}

/// Registers a transport of files. Part of start-up: it allocates.
pub fn register_transport(transport: Arc<dyn FilesTransport>) {
    let mut new = transports();
    new.push(transport);
    let old = core::mem::replace(&mut *TRANSPORTS.lock(), new);
    drop(old);
}

/// Every transport of files.
pub fn transports() -> Vec<Arc<dyn FilesTransport>> {
    let count = TRANSPORTS.lock().len();
    let mut copy = Vec::with_capacity(count);
    copy.extend(TRANSPORTS.lock().iter().take(count).cloned());
    copy
}

/// The transport with this tag.
pub fn transport(tag: &str) -> Option<Arc<dyn FilesTransport>> {
    TRANSPORTS
        .lock()
        .iter()
        .find(|transport| transport.tag() == tag)
        .cloned()
}

/// Registers a disk. Part of start-up: it allocates.
pub fn register_block_device(device: Arc<dyn BlockDevice>) {
    let mut new = block_devices();
    new.push(device);
    let old = core::mem::replace(&mut *BLOCK_DEVICES.lock(), new);
    drop(old);
}

/// Every disk.
pub fn block_devices() -> Vec<Arc<dyn BlockDevice>> {
    let count = BLOCK_DEVICES.lock().len();
    let mut copy = Vec::with_capacity(count + 1);
    copy.extend(BLOCK_DEVICES.lock().iter().take(count).cloned());
    copy
}

/// The disk with this serial name.
pub fn block_device(name: &str) -> Option<Arc<dyn BlockDevice>> {
    BLOCK_DEVICES
        .lock()
        .iter()
        .find(|device| device.name() == name)
        .cloned()
}

//! The virtio devices behind the windows of the device tree.

use crate::console::print_line;
use crate::device_tree::{Board, Device};
use crate::{devices, interrupts};
use alloc::sync::Arc;
use core::sync::atomic::{AtomicU32, Ordering};
use drivers::gic::Signal;
use drivers::virtio::block::Block;
use drivers::virtio::entropy::Entropy;
use drivers::virtio::files::Files;
use drivers::virtio::mmio::{ProbeError, Window};
use prim::device::EntropySource;
use spin::Once;
use virtio_drivers::transport::DeviceType;

/// Most 9P devices.
const MAX_FILES: usize = 8;

/// The 9P devices with their interrupts.
static FILES: [Once<(u32, Arc<Files>)>; MAX_FILES] = [const { Once::new() }; MAX_FILES];
/// Most disks.
const MAX_BLOCKS: usize = 4;
/// The disks with their interrupts.
static BLOCKS: [Once<(u32, Arc<Block>)>; MAX_BLOCKS] = [const { Once::new() }; MAX_BLOCKS];
static BLOCKS_COUNT: AtomicU32 = AtomicU32::new(0);
static ENTROPY: Once<Entropy> = Once::new();
static FILES_COUNT: AtomicU32 = AtomicU32::new(0);

/// Starts every device that is there.
pub(crate) fn start(board: &Board) {
    for device in &board.virtio {
        match start_one(device) {
            Ok(()) | Err(ProbeError::Empty) => {}
            Err(error) => print_line!("virtio at {:?}: {error:?}", device.registers.start),
        }
    }
}

fn start_one(device: &Device) -> Result<(), ProbeError> {
    let size = (device.registers.end.0 - device.registers.start.0) as usize;
    let registers = devices::map(&device.registers);
    // SAFETY: the device tree names a window there, just mapped for good.
    let window = unsafe { Window::probe(registers, size) }?;
    match window.device_type() {
        DeviceType::_9P => start_files(window, device),
        DeviceType::Block => start_block(window, device),
        DeviceType::EntropySource => start_entropy(window),
        other => {
            print_line!("  virtio device {other:?} is not used");
            Ok(())
        }
    }
}

fn start_files(window: Window, device: &Device) -> Result<(), ProbeError> {
    let files = Files::start(window)?;
    let index = FILES_COUNT.fetch_add(1, Ordering::Relaxed) as usize;
    let Some(slot) = FILES.get(index) else {
        return Err(ProbeError::Unsuitable);
    };
    slot.call_once(|| (device.interrupt, files.clone()));
    files.spawn_thread().map_err(|_| ProbeError::OutOfMemory)?;
    interrupts::enable(device.interrupt, signal_of(device), files_interrupt);
    print_line!("  {files:?}");
    prim::device::register_transport(files);
    Ok(())
}

fn signal_of(device: &Device) -> Signal {
    if device.is_edge {
        Signal::Edge
    } else {
        Signal::Level
    }
}

fn start_block(window: Window, device: &Device) -> Result<(), ProbeError> {
    let block = Block::start(window)?;
    let index = BLOCKS_COUNT.fetch_add(1, Ordering::Relaxed) as usize;
    let Some(slot) = BLOCKS.get(index) else {
        return Err(ProbeError::Unsuitable);
    };
    slot.call_once(|| (device.interrupt, block.clone()));
    block.spawn_thread().map_err(|_| ProbeError::OutOfMemory)?;
    interrupts::enable(device.interrupt, signal_of(device), block_interrupt);
    print_line!("  {block:?}");
    prim::device::register_block_device(block);
    Ok(())
}

/// The interrupt of the disks.
fn block_interrupt(number: u32) {
    let devices = BLOCKS.iter().filter_map(Once::get);
    for (_, block) in devices.filter(|device| device.0 == number) {
        block.handle_interrupt();
    }
}

/// The interrupt of the 9P devices.
fn files_interrupt(number: u32) {
    let devices = FILES.iter().filter_map(Once::get);
    for (_, files) in devices.filter(|device| device.0 == number) {
        files.handle_interrupt();
    }
}

/// Mixes the device's bytes into the generator. The first such device is kept.
fn start_entropy(window: Window) -> Result<(), ProbeError> {
    if ENTROPY.is_completed() {
        return Ok(());
    }
    let started = Entropy::start(window)?;
    let entropy = ENTROPY.call_once(|| started);
    let mut bytes = [0; 64];
    let count = entropy.fill(&mut bytes);
    prim::random::seed(&bytes[..count]);
    print_line!("  entropy: {count} bytes");
    Ok(())
}

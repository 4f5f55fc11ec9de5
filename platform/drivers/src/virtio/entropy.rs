//! virtio-rng: random bytes from the host, read by polling (64 bytes at start-up, rarely later).

use core::hint::spin_loop;
use machine::address::phys_to_virt;
use machine::{PhysAddr, clock};
use prim::device::EntropySource;
use prim::frames::{self, FrameState, Reserve};
use prim::lock::{Rank, SpinLock};

use super::mmio::{Features, InterruptRegisters, ProbeError, Window};
use super::ring::Ring;
use super::table::{Access, Tables};

/// Most bytes per request.
const BATCH: usize = 64;

/// The random number device.
#[derive(Debug)]
pub struct Entropy {
    registers: InterruptRegisters,
    /// Rank [`Rank::KernelObject`].
    state: SpinLock<State>,
}

#[derive(Debug)]
struct State {
    /// Dropping it would reset the device.
    _window: Window,
    ring: Ring,
    tables: Tables,
    buffer: PhysAddr,
}

impl Entropy {
    /// Starts the device in `window`.
    pub fn start(mut window: Window) -> Result<Entropy, ProbeError> {
        let tables = Tables::new(1).ok_or(ProbeError::OutOfMemory)?;
        let frame =
            frames::allocate_zeroed(Reserve::Kernel).map_err(|_| ProbeError::OutOfMemory)?;
        let buffer = frame.into_use(FrameState::Device).phys();
        let ring = window.start(Features::INDIRECT | Features::VERSION_1, 1)?;
        let registers = window.interrupt_registers();
        let state = State {
            _window: window,
            ring,
            tables,
            buffer,
        };
        Ok(Entropy {
            registers,
            state: SpinLock::new(Rank::KernelObject, state),
        })
    }

    /// One request, waited for up to 100 ms; a request that is late stays with the device and is
    /// collected by the next call.
    fn request(&self, out: &mut [u8]) -> usize {
        let mut state = self.state.lock();
        if let Some(slot) = state.ring.free_slot() {
            let buffer = state.buffer;
            let mut builder = state.tables.build(slot);
            if builder.add(buffer, BATCH, Access::Writes).is_err() {
                return 0;
            }
            let (table, bytes) = builder.finish();
            state.ring.push(slot, table, bytes);
            self.registers.notify();
        }
        let limit = clock::counter() + clock::frequency() / 10;
        while clock::counter() < limit {
            if let Some(done) = state.ring.pop() {
                let _ = self.registers.acknowledge();
                return take(state.buffer, out, done.written);
            }
            spin_loop();
        }
        0
    }
}

/// Copies what the device wrote.
fn take(buffer: PhysAddr, out: &mut [u8], written: usize) -> usize {
    let count = written.min(BATCH).min(out.len());
    for (index, byte) in out[..count].iter_mut().enumerate() {
        let at = phys_to_virt(buffer.offset(index as u64)).as_ptr::<u8>();
        // SAFETY: a byte of the device's own buffer, which it has given back.
        *byte = unsafe { at.read_volatile() };
    }
    count
}

impl EntropySource for Entropy {
    fn fill(&self, buffer: &mut [u8]) -> usize {
        let mut done = 0;
        while done < buffer.len() {
            match self.request(&mut buffer[done..]) {
                0 => break,
                count => done += count,
            }
        }
        done
    }
}

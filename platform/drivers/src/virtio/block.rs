//! virtio-blk: disks that are read and written in whole frames (virtio 1.2, section 5.2).
//!
//! A request is one indirect table: a header of 16 bytes, the frames, one status byte. Header and status of every slot
//! lie in one frame of the device's own, so a request allocates nothing here. Up to [`IN_FLIGHT`] requests are with the
//! device at a time; each owns its frames until it is completed.
//!
//! The interrupt only wakes the device's thread, which takes the completions off the ring and calls them.

use alloc::string::String;
use alloc::sync::Arc;
use machine::{FrameNumber, PAGE_SIZE, clock, frame_memory};
use prim::device::{
    BlockDevice, BlockOperation, BlockOutcome, BlockRequest, DataFrames, TransportError,
};
use prim::frames::{self, FrameState, Reserve};
use prim::lock::{InterruptLock, Rank};
use prim::thread::{self, Priority, SpawnError};
use prim::wait::{Interruptible, WaitQueue};

use super::mmio::{Features, InterruptRegisters, ProbeError, Window};
use super::ring::Ring;
use super::table::{Access, Builder, DoesNotFit, Tables};

/// Most requests with the device at a time.
pub const IN_FLIGHT: u16 = 32;
/// Most frames of a request: a mebibyte, and less than the segments that QEMU's device allows.
const MAXIMUM_FRAMES: usize = {
    let by_size = (1 << 20) / PAGE_SIZE;
    if by_size < 128 { by_size } else { 128 }
};
/// Bytes of the unit in which the device counts.
const SECTOR: u64 = 512;
/// Bytes of a request's header.
const HEADER: usize = 16;
/// Bytes of the device's own frame that belong to one slot: the header, the status byte, room.
const SLOT: usize = 64;
/// Bytes of a serial name.
const SERIAL: usize = 20;
/// The status byte before the device has written it.
const NO_STATUS: u8 = 0xff;

/// Types of requests.
mod kind {
    pub(super) const READ: u32 = 0;
    pub(super) const WRITE: u32 = 1;
    pub(super) const FLUSH: u32 = 4;
    pub(super) const GET_ID: u32 = 8;
}

/// One disk.
pub struct Block {
    name: String,
    capacity: u64,
    registers: InterruptRegisters,
    /// Rank [`Rank::Driver`].
    state: InterruptLock<State>,
    /// Where the device's thread waits for the interrupt.
    done: WaitQueue,
}

struct State {
    /// Dropping it would reset the device. `None` in tests.
    _window: Option<Window>,
    ring: Ring,
    tables: Tables,
    /// Headers and status bytes, a [`SLOT`] each.
    headers: FrameNumber,
    /// By slot; `Some` while the device has the request.
    requests: [Option<BlockRequest>; IN_FLIGHT as usize],
}

impl core::fmt::Debug for Block {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let mebibytes = self.capacity >> 20;
        write!(f, "disk \"{}\", {mebibytes} MiB", self.name)
    }
}

impl State {
    fn new(window: Option<Window>, ring: Ring) -> Option<State> {
        let tables = Tables::new(IN_FLIGHT)?;
        let headers = frames::allocate_zeroed(Reserve::Kernel).ok()?;
        Some(State {
            _window: window,
            ring,
            tables,
            headers: headers.into_use(FrameState::Device),
            requests: [const { None }; IN_FLIGHT as usize],
        })
    }

    /// Describes a request in the table of `slot` and gives it to the device.
    fn push(
        &mut self,
        slot: u16,
        kind: u32,
        sector: u64,
        data: impl FnOnce(&mut Builder) -> Result<(), DoesNotFit>,
    ) -> Result<(), DoesNotFit> {
        let at = usize::from(slot) * SLOT;
        let mut header = [0; HEADER];
        header[..4].copy_from_slice(&kind.to_le_bytes());
        header[8..].copy_from_slice(&sector.to_le_bytes());
        frame_memory::write(self.headers, at, &header);
        frame_memory::write(self.headers, at + HEADER, &[NO_STATUS]);
        let base = self.headers.phys().offset(at as u64);
        let mut builder = self.tables.build(slot);
        builder.add(base, HEADER, Access::Reads)?;
        data(&mut builder)?;
        builder.add(base.offset(HEADER as u64), 1, Access::Writes)?;
        let (table, bytes) = builder.finish();
        self.ring.push(slot, table, bytes);
        Ok(())
    }

    /// What the device said of the request in `slot`.
    fn status(&self, slot: u16) -> Result<(), TransportError> {
        let mut status = [NO_STATUS];
        frame_memory::read(self.headers, usize::from(slot) * SLOT + HEADER, &mut status);
        if status == [0] {
            Ok(())
        } else {
            Err(TransportError::Device)
        }
    }

    fn take_completed(&mut self) -> Option<(BlockRequest, Result<(), TransportError>)> {
        let completion = self.ring.pop()?;
        let request = self.requests[usize::from(completion.slot)].take()?;
        Some((request, self.status(completion.slot)))
    }
}

impl Block {
    /// Starts the device in `window`.
    pub fn start(mut window: Window) -> Result<Arc<Block>, ProbeError> {
        let wanted = Features::FLUSH | Features::INDIRECT | Features::VERSION_1;
        let ring = window.start(wanted, IN_FLIGHT)?;
        let mut sectors = [0; 8];
        window.read_configuration(0, &mut sectors)?;
        let registers = window.interrupt_registers();
        let mut state = State::new(Some(window), ring).ok_or(ProbeError::OutOfMemory)?;
        let name = read_serial(&mut state, registers);
        Ok(Arc::new(Block {
            name,
            capacity: u64::from_le_bytes(sectors).saturating_mul(SECTOR),
            registers,
            state: InterruptLock::new(Rank::Driver, state),
            done: WaitQueue::new(),
        }))
    }

    /// Starts the thread that completes requests.
    pub fn spawn_thread(self: &Arc<Self>) -> Result<(), SpawnError> {
        let device = self.clone();
        let run = move || device.complete_forever();
        thread::spawn_kernel("virtio-blk", Priority::KERNEL, run).map(drop)
    }

    /// The interrupt's handler.
    pub fn handle_interrupt(&self) {
        if self.registers.acknowledge() {
            self.done.wake_all();
        }
    }

    fn complete_forever(&self) {
        // Whoever waits for memory waits for this thread.
        thread::current().set_reserve(Reserve::Pageout);
        loop {
            let wait = self.done.assert_wait(Interruptible::No, None);
            let completed = self.state.lock().take_completed();
            match completed {
                Some((request, result)) => {
                    wait.cancel();
                    (request.completion)(BlockOutcome {
                        result,
                        data: request.data,
                    });
                }
                None => {
                    let _ = wait.block();
                }
            }
        }
    }

    fn is_valid(&self, request: &BlockRequest) -> bool {
        let frames = request.data.len();
        let length = (frames * PAGE_SIZE) as u64;
        let within = request
            .offset
            .checked_add(length)
            .is_some_and(|end| end <= self.capacity);
        let has_data = request.operation != BlockOperation::Flush;
        request.offset.is_multiple_of(SECTOR)
            && within
            && frames <= MAXIMUM_FRAMES
            && (frames > 0) == has_data
    }
}

impl BlockDevice for Block {
    fn name(&self) -> &str {
        &self.name
    }

    fn capacity(&self) -> u64 {
        self.capacity
    }

    fn maximum_frames(&self) -> usize {
        MAXIMUM_FRAMES
    }

    fn maximum_requests(&self) -> usize {
        usize::from(IN_FLIGHT)
    }

    fn submit(&self, request: BlockRequest) -> Result<(), (TransportError, BlockRequest)> {
        if !self.is_valid(&request) {
            return Err((TransportError::TooLarge, request));
        }
        let mut state = self.state.lock();
        let Some(slot) = state.ring.free_slot() else {
            return Err((TransportError::Busy, request));
        };
        let (kind, access) = match request.operation {
            BlockOperation::Read => (kind::READ, Access::Writes),
            BlockOperation::Write => (kind::WRITE, Access::Reads),
            BlockOperation::Flush => (kind::FLUSH, Access::Reads),
        };
        let pushed = state.push(slot, kind, request.offset / SECTOR, |builder| {
            describe_frames(builder, &request.data, access)
        });
        if pushed.is_err() {
            return Err((TransportError::TooLarge, request));
        }
        state.requests[usize::from(slot)] = Some(request);
        if state.ring.wants_notification() {
            self.registers.notify();
        }
        Ok(())
    }
}

/// Adds the frames; neighbours in memory become one piece.
fn describe_frames(
    builder: &mut Builder,
    data: &DataFrames,
    access: Access,
) -> Result<(), DoesNotFit> {
    let mut add = |frame: FrameNumber| builder.add(frame.phys(), PAGE_SIZE, access);
    match data {
        DataFrames::None => Ok(()),
        DataFrames::Owned(frames) => frames.iter().try_for_each(|frame| add(frame.number())),
        DataFrames::Pinned(frames) => frames.iter().try_for_each(|frame| add(frame.number())),
    }
}

/// Asks the device for its name; waits for it by looking, before there are interrupts. A device that does not answer
/// within 100 ms has none.
fn read_serial(state: &mut State, registers: InterruptRegisters) -> String {
    let at = usize::from(IN_FLIGHT) * SLOT;
    let buffer = state.headers.phys().offset(at as u64);
    let asked = state.push(0, kind::GET_ID, 0, |builder| {
        builder.add(buffer, SERIAL, Access::Writes)
    });
    if asked.is_err() {
        return String::new();
    }
    registers.notify();
    let limit = clock::counter() + clock::frequency() / 10;
    while clock::counter() < limit {
        if state.ring.pop().is_some() {
            let _ = registers.acknowledge();
            let mut bytes = [0; SERIAL];
            frame_memory::read(state.headers, at, &mut bytes);
            let length = bytes.iter().position(|byte| *byte == 0).unwrap_or(SERIAL);
            return String::from_utf8_lossy(&bytes[..length]).into_owned();
        }
        core::hint::spin_loop();
    }
    String::new()
}

#[cfg(test)]
mod tests {
    use super::*;
    use machine::PhysAddr;
    use machine::table::read_descriptor;

    /// Plays the device on the ring of a [`State`].
    struct Device {
        areas: [PhysAddr; 3],
        seen: u16,
        used: u16,
    }

    fn frame_and_offset(at: PhysAddr) -> (FrameNumber, usize) {
        let page = PAGE_SIZE as u64;
        (FrameNumber((at.0 / page) as u32), (at.0 % page) as usize)
    }

    fn peek<const N: usize>(at: PhysAddr) -> [u8; N] {
        let (frame, offset) = frame_and_offset(at);
        let mut bytes = [0; N];
        frame_memory::read(frame, offset, &mut bytes);
        bytes
    }

    fn poke(at: PhysAddr, bytes: &[u8]) {
        let (frame, offset) = frame_and_offset(at);
        frame_memory::write(frame, offset, bytes);
    }

    /// What the device finds: type, sector, pieces (address, length, device writes).
    type Found = (u16, u32, u64, std::vec::Vec<(u64, u32, bool)>);

    impl Device {
        fn take(&mut self) -> Option<Found> {
            let [descriptors, available, _] = self.areas;
            if u16::from_le_bytes(peek(available.offset(2))) == self.seen {
                return None;
            }
            let position = u64::from(self.seen % IN_FLIGHT);
            let slot = u16::from_le_bytes(peek(available.offset(4 + 2 * position)));
            self.seen = self.seen.wrapping_add(1);
            let descriptor = descriptors.offset(u64::from(slot) * 16);
            let table = PhysAddr(read_descriptor(descriptor));
            let count = (read_descriptor(descriptor.offset(8)) as u32) / 16;
            let pieces: std::vec::Vec<_> = (0..u64::from(count))
                .map(|entry| {
                    let at = table.offset(entry * 16);
                    let word = read_descriptor(at.offset(8));
                    (read_descriptor(at), word as u32, (word >> 32) & 2 != 0)
                })
                .collect();
            let header = PhysAddr(pieces[0].0);
            let kind = u32::from_le_bytes(peek(header));
            let sector = u64::from_le_bytes(peek(header.offset(8)));
            Some((slot, kind, sector, pieces))
        }

        fn finish(&mut self, found: &Found, status: u8) {
            poke(PhysAddr(found.3.last().unwrap().0), &[status]);
            let [_, _, used] = self.areas;
            let position = u64::from(self.used % IN_FLIGHT);
            poke(
                used.offset(4 + 8 * position),
                &u32::from(found.0).to_le_bytes(),
            );
            poke(used.offset(8 + 8 * position), &1u32.to_le_bytes());
            self.used = self.used.wrapping_add(1);
            poke(used.offset(2), &self.used.to_le_bytes());
        }
    }

    fn start() -> (State, Device) {
        prim::host::boot();
        let ring = Ring::new(IN_FLIGHT).expect("memory");
        let areas = ring.areas();
        let state = State::new(None, ring).expect("memory");
        let device = Device {
            areas,
            seen: 0,
            used: 0,
        };
        (state, device)
    }

    fn request(operation: BlockOperation, frames: usize) -> BlockRequest {
        let frame = || frames::allocate(Reserve::Kernel).expect("memory");
        BlockRequest {
            operation,
            offset: 0,
            data: DataFrames::Owned((0..frames).map(|_| frame()).collect()),
            completion: alloc::boxed::Box::new(|_| {}),
        }
    }

    fn push(state: &mut State, kind: u32, sector: u64, request: BlockRequest) -> u16 {
        let slot = state.ring.free_slot().expect("a slot");
        let access = if kind == kind::READ {
            Access::Writes
        } else {
            Access::Reads
        };
        state
            .push(slot, kind, sector, |builder| {
                describe_frames(builder, &request.data, access)
            })
            .unwrap();
        state.requests[usize::from(slot)] = Some(request);
        slot
    }

    #[test]
    fn a_request_is_header_frames_and_status_byte() {
        let (mut state, mut device) = start();
        push(
            &mut state,
            kind::WRITE,
            77,
            request(BlockOperation::Write, 3),
        );
        let found = device.take().expect("it was pushed");
        assert_eq!((found.1, found.2), (kind::WRITE, 77));
        let shape: std::vec::Vec<_> = found.3.iter().map(|piece| (piece.1, piece.2)).collect();
        let page = PAGE_SIZE as u32;
        assert_eq!(
            shape,
            [
                (16, false),
                (page, false),
                (page, false),
                (page, false),
                (1, true)
            ]
        );
        push(&mut state, kind::READ, 8, request(BlockOperation::Read, 1));
        let found = device.take().expect("it was pushed");
        assert!(found.3[1].2, "the device writes what is read");
    }

    #[test]
    fn requests_complete_in_any_order_each_with_its_own_status() {
        let (mut state, mut device) = start();
        for sector in 0..3 {
            push(
                &mut state,
                kind::READ,
                sector,
                request(BlockOperation::Read, sector as usize + 1),
            );
        }
        let found: [Found; 3] = core::array::from_fn(|_| device.take().expect("three"));
        device.finish(&found[2], 0);
        device.finish(&found[0], 1);
        let (done, result) = state.take_completed().expect("one is done");
        assert_eq!((done.data.len(), result), (3, Ok(())));
        let (done, result) = state.take_completed().expect("another is done");
        assert_eq!((done.data.len(), result), (1, Err(TransportError::Device)));
        assert!(state.take_completed().is_none());
    }

    #[test]
    fn a_status_that_the_device_never_wrote_is_a_failure() {
        let (mut state, mut device) = start();
        push(
            &mut state,
            kind::FLUSH,
            0,
            request(BlockOperation::Flush, 0),
        );
        let found = device.take().expect("it was pushed");
        device.finish(&found, NO_STATUS);
        let (_, result) = state.take_completed().expect("it is done");
        assert_eq!(result, Err(TransportError::Device));
    }
}

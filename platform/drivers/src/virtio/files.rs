//! virtio-9p: 9P messages with scattered frames as their data part.
//!
//! A request becomes one indirect table: the message, then (data to the device) the frames; then
//! room for the reply's header, then (data from the device) the frames. The device moves file
//! bytes straight from or to the frames. Up to [`IN_FLIGHT`] requests are with the device at a
//! time; each owns its frames until it is completed.
//!
//! The interrupt only wakes the device's thread, which takes the completions off the ring and
//! calls them: a completion may allocate and take spinning locks.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use machine::{FrameNumber, PAGE_SIZE};
use prim::device::{DataFrames, DataWay, FileRequest, FilesTransport, Outcome, TransportError};
use prim::lock::{InterruptLock, Rank};
use prim::thread::{self, Priority, SpawnError};
use prim::wait::{Interruptible, WaitQueue};

use super::mmio::{Features, InterruptRegisters, ProbeError, Window};
use super::ring::Ring;
use super::table::{Access, Builder, DoesNotFit, Tables};

/// Most requests with the device at a time.
pub const IN_FLIGHT: u16 = 32;
/// Most bytes of data in a request.
const MAXIMUM_DATA: usize = 1 << 20;
/// Frames of a request: the table also needs room for the message and the reply's header, each of
/// which may lie in a few pages.
const MAXIMUM_FRAMES: usize = {
    let by_size = MAXIMUM_DATA / PAGE_SIZE;
    if by_size < super::table::ENTRIES - 8 {
        by_size
    } else {
        super::table::ENTRIES - 8
    }
};
/// Room for headers beside the data in a message.
const HEADERS: usize = 4096;

/// One 9P device.
pub struct Files {
    tag: String,
    registers: InterruptRegisters,
    /// Rank [`Rank::Driver`].
    state: InterruptLock<State>,
    /// Where the device's thread waits for the interrupt.
    done: WaitQueue,
}

struct State {
    /// Dropping it would reset the device.
    _window: Window,
    ring: Ring,
    tables: Tables,
    /// By slot; `Some` while the device has the request.
    requests: [Option<InFlight>; IN_FLIGHT as usize],
}

/// A request that the device has: the memory it may still access.
struct InFlight {
    request: FileRequest,
    reply: Vec<u8>,
}

impl core::fmt::Debug for Files {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "9P device \"{}\"", self.tag)
    }
}

impl Files {
    /// Starts the device in `window`.
    pub fn start(mut window: Window) -> Result<Arc<Files>, ProbeError> {
        let wanted = Features::MOUNT_TAG | Features::INDIRECT | Features::VERSION_1;
        let tables = Tables::new(IN_FLIGHT).ok_or(ProbeError::OutOfMemory)?;
        let ring = window.start(wanted, IN_FLIGHT)?;
        let tag = read_tag(&window)?;
        let registers = window.interrupt_registers();
        let state = State {
            _window: window,
            ring,
            tables,
            requests: [const { None }; IN_FLIGHT as usize],
        };
        Ok(Arc::new(Files {
            tag,
            registers,
            state: InterruptLock::new(Rank::Driver, state),
            done: WaitQueue::new(),
        }))
    }

    /// Starts the thread that completes requests.
    pub fn spawn_thread(self: &Arc<Self>) -> Result<(), SpawnError> {
        let device = self.clone();
        let run = move || device.complete_forever();
        thread::spawn_kernel("virtio-9p", Priority::KERNEL, run).map(drop)
    }

    /// The interrupt's handler.
    pub fn handle_interrupt(&self) {
        if self.registers.acknowledge() {
            self.done.wake_all();
        }
    }

    fn complete_forever(&self) {
        loop {
            let wait = self.done.assert_wait(Interruptible::No, None);
            match self.take_completed() {
                Some((in_flight, written)) => {
                    wait.cancel();
                    complete(in_flight, written);
                }
                None => {
                    let _ = wait.block();
                }
            }
        }
    }

    fn take_completed(&self) -> Option<(InFlight, usize)> {
        let mut state = self.state.lock();
        let completion = state.ring.pop()?;
        let in_flight = state.requests[usize::from(completion.slot)].take()?;
        Some((in_flight, completion.written))
    }
}

impl FilesTransport for Files {
    fn tag(&self) -> &str {
        &self.tag
    }

    fn maximum_message(&self) -> usize {
        MAXIMUM_FRAMES * PAGE_SIZE + HEADERS
    }

    fn maximum_frames(&self) -> usize {
        MAXIMUM_FRAMES
    }

    fn submit(&self, request: FileRequest) -> Result<(), (TransportError, FileRequest)> {
        if !is_valid(&request) {
            return Err((TransportError::TooLarge, request));
        }
        let mut reply = vec![0; request.reply_header];
        let mut state = self.state.lock();
        let Some(slot) = state.ring.free_slot() else {
            return Err((TransportError::Busy, request));
        };
        let mut builder = state.tables.build(slot);
        if describe(&mut builder, &request, &mut reply).is_err() {
            return Err((TransportError::TooLarge, request));
        }
        let (table, bytes) = builder.finish();
        state.requests[usize::from(slot)] = Some(InFlight { request, reply });
        state.ring.push(slot, table, bytes);
        if state.ring.wants_notification() {
            self.registers.notify();
        }
        Ok(())
    }
}

/// Checks the sizes of a request against each other and against the transport's limits.
fn is_valid(request: &FileRequest) -> bool {
    let frames = request.data.len();
    !request.message.is_empty()
        && request.reply_header > 0
        && frames <= MAXIMUM_FRAMES
        && request.data_length <= frames * PAGE_SIZE
        && request.data_length.div_ceil(PAGE_SIZE) == frames
}

/// Writes the request's table.
fn describe(
    builder: &mut Builder,
    request: &FileRequest,
    reply: &mut [u8],
) -> Result<(), DoesNotFit> {
    builder.add_kernel(&raw const *request.message, Access::Reads)?;
    if request.way == DataWay::ToDevice {
        describe_frames(builder, request, Access::Reads)?;
    }
    builder.add_kernel(&raw const *reply, Access::Writes)?;
    if request.way == DataWay::FromDevice {
        describe_frames(builder, request, Access::Writes)?;
    }
    Ok(())
}

fn describe_frames(
    builder: &mut Builder,
    request: &FileRequest,
    access: Access,
) -> Result<(), DoesNotFit> {
    let mut rest = request.data_length;
    each_frame(&request.data, |frame| {
        let length = rest.min(PAGE_SIZE);
        rest -= length;
        builder.add(frame.phys(), length, access)
    })
}

fn each_frame(
    data: &DataFrames,
    mut body: impl FnMut(FrameNumber) -> Result<(), DoesNotFit>,
) -> Result<(), DoesNotFit> {
    match data {
        DataFrames::None => Ok(()),
        DataFrames::Owned(frames) => frames.iter().try_for_each(|frame| body(frame.number())),
        DataFrames::Pinned(frames) => frames.iter().try_for_each(|frame| body(frame.number())),
    }
}

/// Gives everything back to whoever asked. The device's count is clamped to what it could write.
fn complete(in_flight: InFlight, written: usize) {
    let InFlight { request, reply } = in_flight;
    let room = match request.way {
        DataWay::FromDevice => reply.len() + request.data_length,
        DataWay::ToDevice => reply.len(),
    };
    (request.completion)(Outcome {
        written: Ok(written.min(room)),
        reply,
        data: request.data,
    });
}

/// The mount tag from the configuration space: a length and as many bytes.
fn read_tag(window: &Window) -> Result<String, ProbeError> {
    let mut length = [0; 2];
    window.read_configuration(0, &mut length)?;
    let mut bytes = vec![0; usize::from(u16::from_le_bytes(length))];
    window.read_configuration(2, &mut bytes)?;
    String::from_utf8(bytes).map_err(|_| ProbeError::Unsuitable)
}

//! Devices as ports: the master port that opens them, and files devices, which carry 9P messages.
//!
//! A request is handed to the transport and answered when the transport is done with it: the reply right waits in the
//! completion, the server's thread does not. Data of a read goes into fresh frames, which the answer names by a page list; data of
//! a write comes from the frames of one, which are pinned meanwhile.
//!
//! Counterpart: Mach 3's `device.defs`, `device_service.c`.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use ipc::{KernelCarrier, KernelObject, Kmsg, Port, ReceiveRight, Right, SendRight};
use mach::defs::rpc::error_reply;
use mach::defs::{Array, Call, ReplyBody, device};
use mach::message::Carried;
use mach::{KernReturn, Result};
use machine::page::PAGE_SIZE;
use prim::clock::Deadline;
use prim::device::{DataFrames, DataWay, FileRequest, FilesTransport, Outcome, TransportError};
use prim::frames::{OwnedFrame, Reserve};
use prim::lock::{InterruptLock, Rank};
use prim::thread::{Priority, spawn_kernel};
use prim::trace::{self, Event};
use prim::wait::{Interruptible, WaitQueue, WaitResult};
use prim::zone::{Admission, Zone};
use spin::Once;
use vm::vm_fault::{FaultOptions, grab};

use super::own_port::OwnPort;
use super::page_list::PageList;
use super::{answer, block_device, carried, send_right};

/// Name of a files device: this, then the mount tag.
const FILES_PREFIX: &str = "files.";

/// Bytes of `Rread` before its data.
const READ_HEADER: usize = 11;

static DEVICES: Zone = Zone::new("devices", size_of::<FilesDevice>());

static MASTER: Once<ReceiveRight> = Once::new();

/// Makes the master port and the thread that answers completed requests. Part of start-up.
///
/// # Errors
/// `RESOURCE_SHORTAGE`.
pub(crate) fn start() -> Result<()> {
    let master = Port::for_kernel_object(Arc::new(Master))?;
    MASTER.call_once(|| master);
    spawn_kernel("device replies", Priority::KERNEL, answer_completions)
        .map_err(|_| KernReturn::RESOURCE_SHORTAGE)?;
    block_device::start()
}

/// A send right to the master port.
pub(crate) fn master_right() -> Option<SendRight> {
    MASTER.get().map(ReceiveRight::make_send)
}

/// The kernel object behind the master port.
pub(super) struct Master;

impl KernelObject for Master {
    fn message(self: Arc<Self>, request: Kmsg, _port: &Arc<Port>) -> Option<Kmsg> {
        answer(device::demux(&mut MasterServer, request.into_message()))
    }
}

struct MasterServer;

impl device::Server<KernelCarrier> for MasterServer {
    #[doc(alias = "device_open")]
    fn open(
        &mut self,
        _: &mut Call<KernelCarrier>,
        request: device::open::Request,
    ) -> Result<device::open::Reply<KernelCarrier>> {
        let name = core::str::from_utf8(request.name.as_bytes())
            .map_err(|_| KernReturn::INVALID_ARGUMENT)?;
        if let Some(disk) = name.strip_prefix(block_device::PREFIX) {
            let device = carried(Some(block_device::open(disk)?));
            return Ok(device::open::Reply { device });
        }
        let tag = name
            .strip_prefix(FILES_PREFIX)
            .ok_or(KernReturn::INVALID_NAME)?;
        let transport = prim::device::transport(tag).ok_or(KernReturn::INVALID_NAME)?;
        wait_until_idle()?;
        let admission = DEVICES.admit().map_err(|_| KernReturn::RESOURCE_SHORTAGE)?;
        let device = Arc::new(FilesDevice {
            transport,
            port: OwnPort::new(),
            _admission: admission,
        });
        let right = device.port.open(device.clone())?;
        Ok(device::open::Reply {
            device: carried(Some(right)),
        })
    }

    fn list(
        &mut self,
        _: &mut Call<KernelCarrier>,
        _: device::list::Request,
    ) -> Result<device::list::Reply> {
        let mut names = Vec::new();
        for transport in prim::device::transports() {
            names.extend_from_slice(FILES_PREFIX.as_bytes());
            names.extend_from_slice(transport.tag().as_bytes());
            names.push(0);
        }
        block_device::add_names(&mut names);
        Ok(device::list::Reply {
            names: Array(names),
        })
    }
}

/// An open files device.
struct FilesDevice {
    transport: Arc<dyn FilesTransport>,
    port: OwnPort,
    _admission: Admission,
}

impl KernelObject for FilesDevice {
    fn message(self: Arc<Self>, request: Kmsg, _port: &Arc<Port>) -> Option<Kmsg> {
        answer(device::demux(
            &mut FilesServer { device: &self },
            request.into_message(),
        ))
    }

    fn no_senders(self: Arc<Self>, _port: &Arc<Port>, _make_send_count: u32) {
        self.port.close();
    }
}

struct FilesServer<'a> {
    device: &'a Arc<FilesDevice>,
}

pub(super) fn code_of(error: TransportError) -> KernReturn {
    match error {
        TransportError::Busy => KernReturn::RESOURCE_SHORTAGE,
        TransportError::TooLarge => KernReturn::INVALID_ARGUMENT,
        TransportError::Device => KernReturn::FAILURE,
    }
}

/// Frames for the data of a read, in the reserve of those who bring pages in. Waits while memory is short: an answer that
/// fails would end programs that did nothing wrong.
fn fresh_frames(length: usize) -> Result<Vec<OwnedFrame>> {
    let count = length.div_ceil(PAGE_SIZE);
    let mut fresh = Vec::new();
    fresh
        .try_reserve_exact(count)
        .map_err(|_| KernReturn::RESOURCE_SHORTAGE)?;
    for _ in 0..count {
        fresh.push(grab(FaultOptions {
            interruptible: true,
            reserve: Reserve::Pager,
        })?);
    }
    Ok(fresh)
}

impl device::Server<KernelCarrier> for FilesServer<'_> {
    fn close(
        &mut self,
        _: &mut Call<KernelCarrier>,
        _: device::close::Request,
    ) -> Result<device::close::Reply> {
        self.device.port.close();
        Ok(device::close::Reply {})
    }

    fn get_status(
        &mut self,
        _: &mut Call<KernelCarrier>,
        request: device::get_status::Request,
    ) -> Result<device::get_status::Reply> {
        if request.flavor != device::status_flavor::LIMITS {
            return Err(KernReturn::INVALID_ARGUMENT);
        }
        let transport = &self.device.transport;
        let data = (transport.maximum_frames() * PAGE_SIZE).min(transport.maximum_message());
        Ok(device::get_status::Reply {
            status: Array(alloc::vec![data as u32, transport.maximum_frames() as u32]),
        })
    }

    fn request(
        &mut self,
        call: &mut Call<KernelCarrier>,
        request: device::request::Request,
    ) -> Result<device::request::Reply<KernelCarrier>> {
        let length =
            usize::try_from(request.data_length).map_err(|_| KernReturn::INVALID_ARGUMENT)?;
        if length > self.data_limit() {
            return Err(KernReturn::INVALID_ARGUMENT);
        }
        let (data, reply_header) = if length == 0 {
            (DataFrames::None, device::MESSAGE_BYTES)
        } else {
            (DataFrames::Owned(fresh_frames(length)?), READ_HEADER)
        };
        let pending = Pending {
            id: call.id,
            reply: call.reply.take(),
            shape: Shape::Read { length },
        };
        let message = request.message.0;
        self.submit(
            message,
            DataWay::FromDevice,
            data,
            length,
            reply_header,
            pending,
        )
    }

    fn request_write(
        &mut self,
        call: &mut Call<KernelCarrier>,
        request: device::request_write::Request<KernelCarrier>,
    ) -> Result<device::request_write::Reply> {
        let right = send_right(request.pages)?;
        let list = right
            .kobject::<PageList>()
            .ok_or(KernReturn::INVALID_ARGUMENT)?;
        let length = usize::try_from(request.data_length)
            .ok()
            .filter(|length| *length > 0 && *length <= self.data_limit())
            .ok_or(KernReturn::INVALID_ARGUMENT)?;
        let pages = length.next_multiple_of(PAGE_SIZE) as u64;
        let data = DataFrames::Pinned(list.pins(request.list_offset, pages)?);
        let pending = Pending {
            id: call.id,
            reply: call.reply.take(),
            shape: Shape::Write,
        };
        let message = request.message.0;
        self.submit(
            message,
            DataWay::ToDevice,
            data,
            length,
            device::MESSAGE_BYTES,
            pending,
        )
    }
}

impl FilesServer<'_> {
    /// The most bytes of data in a request.
    fn data_limit(&self) -> usize {
        self.device.transport.maximum_frames() * PAGE_SIZE
    }

    /// Hands a request to the device; the answer comes when it is done, so there is none now.
    fn submit<Reply>(
        &self,
        message: Vec<u8>,
        way: DataWay,
        data: DataFrames,
        data_length: usize,
        reply_header: usize,
        pending: Pending,
    ) -> Result<Reply> {
        expect_completion()?;
        let request = FileRequest {
            message,
            reply_header,
            way,
            data,
            data_length,
            completion: Box::new(move |outcome| completed(pending, outcome)),
        };
        trace::point(Event::DeviceRequest, 0, 0, 0, data_length as u64);
        if let Err((error, refused)) = self.device.transport.submit(request) {
            // The completion that holds the reply right answers for us.
            (refused.completion)(Outcome {
                written: Err(error),
                reply: Vec::new(),
                data: refused.data,
            });
        }
        Err(KernReturn::MIG_NO_REPLY)
    }
}

/// Whom to answer when a request is done.
struct Pending {
    id: i32,
    reply: Carried<Right>,
    shape: Shape,
}

/// What the answer looks like.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Shape {
    /// Frames with so many bytes at most.
    Read {
        /// Bytes asked for.
        length: usize,
    },
    /// A message.
    Write,
}

/// Requests that are done, for the thread that answers: a completion may run in the interrupt handler.
struct Completed {
    queue: VecDeque<(Pending, Outcome)>,
    /// Requests submitted and not yet answered; the queue has room for all of them, since a handler must not allocate.
    in_flight: usize,
}

static COMPLETED: InterruptLock<Completed> = InterruptLock::new(
    Rank::Driver,
    Completed {
        queue: VecDeque::new(),
        in_flight: 0,
    },
);
static WORK: WaitQueue = WaitQueue::new();

/// Nothing is in flight.
static IDLE: WaitQueue = WaitQueue::new();

/// How long requests of a server that has died may take.
const LAST_REQUESTS: Duration = Duration::from_secs(20);

/// Waits until everything that was asked of files devices is done. What a server had asked before it died must not reach the
/// disk after what its successor asks: the older data would stay.
fn wait_until_idle() -> Result<()> {
    let deadline = Deadline::after(LAST_REQUESTS);
    loop {
        let wait = IDLE.assert_wait(Interruptible::AbortSafe, Some(deadline));
        if COMPLETED.lock().in_flight == 0 {
            wait.cancel();
            return Ok(());
        }
        match wait.block() {
            WaitResult::Awakened => {}
            WaitResult::TimedOut => return Err(KernReturn::OPERATION_TIMED_OUT),
            WaitResult::Interrupted => return Err(KernReturn::ABORTED),
        }
    }
}

/// Makes room for one more completion. A bigger queue is made with no lock held, since making it may wait.
fn expect_completion() -> Result<()> {
    loop {
        let needed = {
            let mut completed = COMPLETED.lock();
            if completed.in_flight < completed.queue.capacity() {
                completed.in_flight += 1;
                return Ok(());
            }
            completed.in_flight + 1
        };
        let mut bigger = VecDeque::new();
        bigger
            .try_reserve(needed.next_power_of_two().max(16))
            .map_err(|_| KernReturn::RESOURCE_SHORTAGE)?;
        let old = {
            let mut completed = COMPLETED.lock();
            if bigger.capacity() <= completed.queue.capacity() {
                // Somebody else was faster.
                continue;
            }
            bigger.extend(completed.queue.drain(..));
            core::mem::replace(&mut completed.queue, bigger)
        };
        drop(old);
    }
}

/// Called by the transport, on a thread or in its interrupt handler.
fn completed(pending: Pending, outcome: Outcome) {
    COMPLETED.lock().queue.push_back((pending, outcome));
    WORK.wake_one();
}

fn answer_completions() {
    prim::thread::current().set_reserve(Reserve::Pager);
    loop {
        let wait = WORK.assert_wait(Interruptible::No, None);
        let next = {
            let mut completed = COMPLETED.lock();
            let next = completed.queue.pop_front();
            completed.in_flight -= usize::from(next.is_some());
            let idle = next.is_some() && completed.in_flight == 0;
            drop(completed);
            if idle {
                IDLE.wake_all();
            }
            next
        };
        match next {
            Some((pending, outcome)) => {
                wait.cancel();
                answer_one(pending, outcome);
            }
            None => {
                let _ = wait.block();
            }
        }
    }
}

fn answer_one(pending: Pending, outcome: Outcome) {
    let Pending { id, reply, shape } = pending;
    let written = outcome
        .written
        .as_ref()
        .map_or(0, |written| *written as u64);
    trace::point(
        Event::DeviceReply,
        0,
        0,
        written,
        u64::from(outcome.written.is_err()),
    );
    if reply.as_right().is_none() {
        return;
    }
    let message = match shape {
        Shape::Read { length } => match reply_of(outcome, length) {
            Ok(body) => body.into_message(reply),
            Err(code) => error_reply(id, code, reply),
        },
        Shape::Write => match message_of(outcome) {
            Ok(body) => body.into_message(reply),
            Err(code) => error_reply(id, code, reply),
        },
    };
    // A server that has died wants no answer.
    if let Ok(kmsg) = Kmsg::from_message(message) {
        let _ = ipc::send_from_kernel(kmsg);
    }
}

fn message_of(outcome: Outcome) -> Result<device::request_write::Reply> {
    let written = outcome.written.map_err(code_of)?;
    let mut reply = outcome.reply;
    // The buffer was made for the longest answer.
    reply.truncate(written);
    Ok(device::request_write::Reply {
        message: Array(reply),
    })
}

fn reply_of(outcome: Outcome, data_length: usize) -> Result<device::request::Reply<KernelCarrier>> {
    let Outcome {
        written,
        mut reply,
        data,
    } = outcome;
    let written = written.map_err(code_of)?;
    // The buffer was made for the longest answer.
    reply.truncate(written);
    let DataFrames::Owned(mut frames) = data else {
        return Ok(device::request::Reply {
            pages: Carried::Null,
            data_length: 0,
            message: Array(reply),
        });
    };
    let valid = written.saturating_sub(READ_HEADER).min(data_length);
    let kept = valid.div_ceil(PAGE_SIZE);
    frames.truncate(kept);
    if let Some(last) = frames.last_mut() {
        // Beyond the data there must be zeroes, not what the frame held before.
        let used = valid - (kept - 1) * PAGE_SIZE;
        last.zero_part(used, PAGE_SIZE - used);
    }
    let pages = if frames.is_empty() {
        Carried::Null
    } else {
        carried(Some(PageList::name(frames)?))
    };
    Ok(device::request::Reply {
        pages,
        data_length: valid as u64,
        message: Array(reply),
    })
}

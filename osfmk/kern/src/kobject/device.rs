//! Devices as ports: the master port that opens them, and files devices, which carry 9P messages.
//!
//! A request is handed to the transport and answered when the transport is done with it: the reply right waits in the
//! completion, the server's thread does not. Data of a read goes into fresh frames, which the answer names by a page list.
//!
//! Counterpart: Mach 3's `device.defs`, `device_service.c`.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;

use ipc::{KernelCarrier, KernelObject, Kmsg, Port, ReceiveRight, Right, SendRight};
use mach::defs::rpc::error_reply;
use mach::defs::{Array, Call, ReplyBody, device};
use mach::message::Carried;
use mach::{KernReturn, Result};
use machine::page::PAGE_SIZE;
use prim::device::{DataFrames, DataWay, FileRequest, FilesTransport, Outcome, TransportError};
use prim::frames::{OwnedFrame, Reserve};
use prim::lock::{InterruptLock, Rank};
use prim::thread::{Priority, spawn_kernel};
use prim::trace::{self, Event};
use prim::wait::{Interruptible, WaitQueue};
use prim::zone::{Admission, Zone};
use spin::Once;
use vm::vm_fault::{FaultOptions, grab};

use super::own_port::OwnPort;
use super::page_list::PageList;
use super::{answer, carried};

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
    Ok(())
}

/// A send right to the master port.
pub(crate) fn master_right() -> Option<SendRight> {
    MASTER.get().map(ReceiveRight::make_send)
}

/// The kernel object behind the master port.
struct Master;

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
        let tag = name
            .strip_prefix(FILES_PREFIX)
            .ok_or(KernReturn::INVALID_NAME)?;
        let transport = prim::device::transport(tag).ok_or(KernReturn::INVALID_NAME)?;
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

fn code_of(error: TransportError) -> KernReturn {
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
        if length > self.device.transport.maximum_frames() * PAGE_SIZE {
            return Err(KernReturn::INVALID_ARGUMENT);
        }
        let data = if length == 0 {
            DataFrames::None
        } else {
            DataFrames::Owned(fresh_frames(length)?)
        };
        expect_completion()?;
        let pending = Pending {
            id: call.id,
            reply: call.reply.take(),
            data_length: length,
        };
        let file_request = FileRequest {
            message: request.message.0,
            reply_header: if length == 0 {
                device::MESSAGE_BYTES
            } else {
                READ_HEADER
            },
            way: DataWay::FromDevice,
            data,
            data_length: length,
            completion: Box::new(move |outcome| completed(pending, outcome)),
        };
        trace::point(Event::DeviceRequest, 0, 0, 0, length as u64);
        match self.device.transport.submit(file_request) {
            Ok(()) => Err(KernReturn::MIG_NO_REPLY),
            Err((error, refused)) => {
                // The completion that holds the reply right answers for us.
                (refused.completion)(Outcome {
                    written: Err(error),
                    reply: Vec::new(),
                    data: refused.data,
                });
                Err(KernReturn::MIG_NO_REPLY)
            }
        }
    }
}

/// Whom to answer when a request is done.
struct Pending {
    id: i32,
    reply: Carried<Right>,
    data_length: usize,
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

/// Makes room for one more completion.
fn expect_completion() -> Result<()> {
    let mut completed = COMPLETED.lock();
    let additional = completed.in_flight + 1 - completed.queue.len();
    completed
        .queue
        .try_reserve(additional)
        .map_err(|_| KernReturn::RESOURCE_SHORTAGE)?;
    completed.in_flight += 1;
    Ok(())
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
    let Pending {
        id,
        reply,
        data_length,
    } = pending;
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
    let message = match reply_of(outcome, data_length) {
        Ok(body) => body.into_message(reply),
        Err(code) => error_reply(id, code, reply),
    };
    // A server that has died wants no answer.
    if let Ok(kmsg) = Kmsg::from_message(message) {
        let _ = ipc::send_from_kernel(kmsg);
    }
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

//! Disks as ports: whole pages between a disk and page lists.
//!
//! As with files devices, the reply right waits in the request's completion and the server's thread does not. A read goes
//! into fresh frames; when there are none the caller is told at once instead of waiting, because it may be the one who
//! frees memory. A write takes the frames of a list that an object has lent.
//!
//! Counterpart: Mach 3's `device_read`, `device_write` on a block device.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;

use ipc::{KernelCarrier, KernelObject, Kmsg, Port, Right, SendRight};
use mach::defs::rpc::error_reply;
use mach::defs::{Array, Call, ReplyBody, device};
use mach::message::{Carried, Message};
use mach::{KernReturn, Result};
use machine::page::PAGE_SIZE;
use prim::device::{BlockDevice, BlockOperation, BlockOutcome, BlockRequest, DataFrames};
use prim::frames::{self, OwnedFrame, Reserve};
use prim::lock::{Rank, SpinLock};
use prim::thread::{Priority, spawn_kernel, with_only_reserve};
use prim::wait::{Interruptible, WaitQueue};
use prim::zone::{Admission, Zone};

use super::device::code_of;
use super::own_port::OwnPort;
use super::page_list::PageList;
use super::{answer, carried, send_right};

/// Name of a disk: this, then its serial name.
pub(super) const PREFIX: &str = "disk.";

static DISKS: Zone = Zone::new("disks", size_of::<Disk>());

/// Starts the thread that answers completed requests. Part of start-up.
pub(super) fn start() -> Result<()> {
    spawn_kernel("disk replies", Priority::KERNEL, answer_completions)
        .map(drop)
        .map_err(|_| KernReturn::RESOURCE_SHORTAGE)
}

/// Opens the disk with this serial name.
pub(super) fn open(name: &str) -> Result<SendRight> {
    let device = prim::device::block_device(name).ok_or(KernReturn::INVALID_NAME)?;
    let admission = DISKS.admit().map_err(|_| KernReturn::RESOURCE_SHORTAGE)?;
    let disk = Arc::new(Disk {
        device,
        port: OwnPort::new(),
        _admission: admission,
    });
    disk.port.open(disk.clone())
}

/// Adds the names of all disks, each ending in NUL.
pub(super) fn add_names(names: &mut Vec<u8>) {
    for device in prim::device::block_devices() {
        names.extend_from_slice(PREFIX.as_bytes());
        names.extend_from_slice(device.name().as_bytes());
        names.push(0);
    }
}

/// An open disk.
struct Disk {
    device: Arc<dyn BlockDevice>,
    port: OwnPort,
    _admission: Admission,
}

impl KernelObject for Disk {
    fn message(self: Arc<Self>, request: Kmsg, _port: &Arc<Port>) -> Option<Kmsg> {
        answer(device::demux(
            &mut DiskServer { disk: &self },
            request.into_message(),
        ))
    }

    fn no_senders(self: Arc<Self>, _port: &Arc<Port>, _make_send_count: u32) {
        self.port.close();
    }
}

/// Frames for the device to fill; none are waited for. Whoever asks may be the pager of anonymous memory, which has a deeper
/// reserve: that is for sending pages out, and none of it may go into bringing pages in.
fn fresh_frames(count: usize) -> Result<Vec<OwnedFrame>> {
    with_only_reserve(Reserve::Pager, || allocate(count))
}

fn allocate(count: usize) -> Result<Vec<OwnedFrame>> {
    let mut fresh = Vec::new();
    fresh
        .try_reserve_exact(count)
        .map_err(|_| KernReturn::RESOURCE_SHORTAGE)?;
    for _ in 0..count {
        let frame = frames::allocate(Reserve::Pager).map_err(|_| KernReturn::RESOURCE_SHORTAGE)?;
        fresh.push(frame);
    }
    Ok(fresh)
}

struct DiskServer<'a> {
    disk: &'a Disk,
}

impl DiskServer<'_> {
    /// How many whole pages `length` bytes are, if a request may have as many.
    fn pages(&self, length: u64) -> Result<usize> {
        usize::try_from(length / PAGE_SIZE as u64)
            .ok()
            .filter(|pages| (1..=self.disk.device.maximum_frames()).contains(pages))
            .filter(|_| length.is_multiple_of(PAGE_SIZE as u64))
            .ok_or(KernReturn::INVALID_ARGUMENT)
    }

    /// Hands a request to the device; its completion answers. A request that is refused is answered here.
    fn submit(
        &self,
        call: &mut Call<KernelCarrier>,
        operation: BlockOperation,
        offset: u64,
        data: DataFrames,
    ) -> KernReturn {
        let pending = Pending {
            id: call.id,
            operation,
            reply: call.reply.take(),
        };
        let request = BlockRequest {
            operation,
            offset,
            data,
            completion: Box::new(move |outcome| completed(pending, outcome)),
        };
        if let Err((error, refused)) = self.disk.device.submit(request) {
            (refused.completion)(BlockOutcome {
                result: Err(error),
                data: DataFrames::None,
            });
        }
        KernReturn::MIG_NO_REPLY
    }
}

impl device::Server<KernelCarrier> for DiskServer<'_> {
    fn close(
        &mut self,
        _: &mut Call<KernelCarrier>,
        _: device::close::Request,
    ) -> Result<device::close::Reply> {
        self.disk.port.close();
        Ok(device::close::Reply {})
    }

    fn get_status(
        &mut self,
        _: &mut Call<KernelCarrier>,
        request: device::get_status::Request,
    ) -> Result<device::get_status::Reply> {
        let device = &self.disk.device;
        let words = match request.flavor {
            device::status_flavor::LIMITS => [
                (device.maximum_frames() * PAGE_SIZE) as u32,
                device.maximum_requests() as u32,
            ],
            device::status_flavor::CAPACITY => {
                [device.capacity() as u32, (device.capacity() >> 32) as u32]
            }
            _ => return Err(KernReturn::INVALID_ARGUMENT),
        };
        Ok(device::get_status::Reply {
            status: Array(words.to_vec()),
        })
    }

    fn read_pages(
        &mut self,
        call: &mut Call<KernelCarrier>,
        request: device::read_pages::Request,
    ) -> Result<device::read_pages::Reply<KernelCarrier>> {
        let fresh = fresh_frames(self.pages(request.length)?)?;
        let data = DataFrames::Owned(fresh);
        Err(self.submit(call, BlockOperation::Read, request.offset, data))
    }

    fn write_pages(
        &mut self,
        call: &mut Call<KernelCarrier>,
        request: device::write_pages::Request<KernelCarrier>,
    ) -> Result<device::write_pages::Reply> {
        self.pages(request.length)?;
        let right = send_right(request.pages)?;
        let pins = right
            .kobject::<PageList>()
            .ok_or(KernReturn::INVALID_ARGUMENT)
            .and_then(|list| list.pins(request.list_offset, request.length));
        right.release();
        let data = DataFrames::Pinned(pins?);
        Err(self.submit(call, BlockOperation::Write, request.offset, data))
    }

    fn flush(
        &mut self,
        call: &mut Call<KernelCarrier>,
        _: device::flush::Request,
    ) -> Result<device::flush::Reply> {
        Err(self.submit(call, BlockOperation::Flush, 0, DataFrames::None))
    }
}

/// Whom to answer when a request is done.
struct Pending {
    id: i32,
    operation: BlockOperation,
    reply: Carried<Right>,
}

/// Requests that are done, for the thread that answers: a device's thread takes no message's locks.
static COMPLETED: SpinLock<VecDeque<(Pending, BlockOutcome)>> =
    SpinLock::new(Rank::KernelObject, VecDeque::new());
static WORK: WaitQueue = WaitQueue::new();

/// Called on a thread: the device's, or the one that submitted the request.
fn completed(pending: Pending, outcome: BlockOutcome) {
    COMPLETED.lock().push_back((pending, outcome));
    WORK.wake_one();
}

fn answer_completions() {
    // The way to more memory leads through here.
    prim::thread::current().set_reserve(Reserve::Kernel);
    loop {
        let wait = WORK.assert_wait(Interruptible::No, None);
        let next = COMPLETED.lock().pop_front();
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

fn answer_one(pending: Pending, outcome: BlockOutcome) {
    let Pending {
        id,
        operation,
        reply,
    } = pending;
    if reply.as_right().is_none() {
        return;
    }
    let done = match (outcome.result.map_err(code_of), operation) {
        (Err(code), _) => Err(code),
        (Ok(()), BlockOperation::Read) => pages_of(outcome.data),
        (Ok(()), _) => {
            // Whoever hears that a write is done finds the frames let go.
            drop(outcome.data);
            Ok(None)
        }
    };
    let message: Message<KernelCarrier> = match (done, operation) {
        (Err(code), _) => error_reply(id, code, reply),
        (Ok(pages), BlockOperation::Read) => device::read_pages::Reply {
            pages: carried(pages),
        }
        .into_message(reply),
        (Ok(_), BlockOperation::Write) => device::write_pages::Reply {}.into_message(reply),
        (Ok(_), BlockOperation::Flush) => device::flush::Reply {}.into_message(reply),
    };
    // A server that has died wants no answer.
    if let Ok(kmsg) = Kmsg::from_message(message) {
        let _ = ipc::send_from_kernel(kmsg);
    }
}

fn pages_of(data: DataFrames) -> Result<Option<SendRight>> {
    match data {
        DataFrames::Owned(frames) => PageList::name(frames).map(Some),
        _ => Ok(None),
    }
}

//! Pages of files: requests that wait for a device.

use bsd_sys::errno::Errno;
use libsystem::mach_call;
use libsystem::memory::page_size;
use mach::defs::{ReplyBody, device};
use mach::message::{Message, UserCarrier};
use mach::{KernReturn, PortName};
use pager_sdk::{PageListReturn, ReadRequest, ReturnRequest, SynchronizeRequest};
use volumes::ninep::codec::{ProtocolError, Reply, Request};
use volumes::ninep::errno::from_linux;
use volumes::volume::{PageRead, PageSource, Progress};

use crate::server::{FileServer, errno};

/// A request whose device request is under way.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) job: Job,
    /// The volume whose device answers.
    pub(crate) mount: u32,
    /// Which device request it is.
    pub(crate) token: u64,
}

/// What the kernel wants done with pages.
#[derive(Debug)]
pub(crate) enum Job {
    /// To have them.
    Read(ReadRequest),
    /// To have them written.
    Write(PageListReturn),
    /// To have them durable.
    Synchronize(SynchronizeRequest),
}

impl Job {
    fn object(&self) -> PortName {
        match self {
            Self::Read(request) => request.object(),
            Self::Write(pages) => pages.object(),
            Self::Synchronize(request) => request.object(),
        }
    }

    fn length(&self) -> u64 {
        match self {
            Self::Read(request) => request.length(),
            Self::Write(pages) => pages.length(),
            Self::Synchronize(_) => 0,
        }
    }

    /// Splits off what lies beyond the first `length` bytes.
    fn split_off(&mut self, length: u64) -> Option<Self> {
        match self {
            Self::Read(request) => request.split_off(length).map(Self::Read),
            Self::Write(pages) => pages.split_off(length).map(Self::Write),
            Self::Synchronize(_) => None,
        }
    }

    /// Answers that it cannot be done.
    fn fail(self, error: KernReturn) {
        // A control that is gone has nobody waiting.
        let _ = match self {
            Self::Read(request) => request.fail(error),
            Self::Write(pages) => pages.fail(error),
            Self::Synchronize(request) => request.completed(error),
        };
    }
}

impl FileServer {
    /// Starts the first piece of a job, as large as the device takes; what is left comes next. Each piece is answered by itself. A
    /// job that is dropped here is answered with an error.
    pub(crate) fn start_job(&mut self, mut job: Job) {
        let Some(file) = self.file_of(job.object()) else {
            return;
        };
        let Ok(limit) = self
            .volume(file.file_system)
            .map(|volume| u64::from(volume.read_limit()))
        else {
            return;
        };
        let piece = limit - limit % page_size();
        if piece == 0 {
            // Less than a page at a time would read as the end of the file.
            return;
        }
        if job.length() > piece
            && let Some(rest) = job.split_off(piece)
        {
            self.put_back(rest);
        }
        let token = self.next_token();
        let Ok(volume) = self.volume(file.file_system) else {
            return;
        };
        let started = match &job {
            Job::Read(request) => {
                let (offset, length) = (request.offset(), request.length() as u32);
                match volume.read_pages(file.inode, offset, length, token) {
                    Ok(PageRead::Started) => Ok(Progress::Started),
                    Ok(PageRead::Bytes(bytes)) => return supply(job, bytes),
                    Err(error) => Err(error),
                }
            }
            // Pages behind the end, which a truncation has overtaken.
            Job::Write(pages) if pages.valid_length() == 0 => Ok(Progress::Done),
            Job::Write(pages) => {
                let (list, offset) = pages.list();
                let source = PageSource { list, offset };
                let length = pages.valid_length() as u32;
                volume
                    .write_pages(file.inode, pages.offset(), source, length, token)
                    .map(|()| Progress::Started)
            }
            Job::Synchronize(_) => volume.synchronize(file.inode, token),
        };
        match started {
            Ok(Progress::Started) => self.wait_for(Waiting {
                job,
                mount: file.file_system,
                token,
            }),
            Ok(Progress::Done) => done(job),
            Err(error) => job.fail(errno(error)),
        }
    }

    /// Pages of a volume that takes bytes.
    pub(crate) fn write_bytes(&mut self, mut pages: ReturnRequest) {
        let Some(file) = self.file_of(pages.object()) else {
            return;
        };
        let offset = pages.offset();
        let bytes = pages.bytes();
        let written = self
            .volume(file.file_system)
            .map(|volume| volume.write_bytes(file.inode, offset, &bytes));
        // A control that is gone has nobody waiting.
        let _ = match written {
            Ok(Ok(())) => pages.written(),
            Ok(Err(error)) => pages.fail(errno(error)),
            Err(code) => pages.fail(code),
        };
    }

    /// A device has answered on this port.
    pub(crate) fn device_answered(&mut self, port: PortName, message: Message<UserCarrier>) {
        let Some(waiting) = self.take_waiting(port) else {
            return mach_call::destroy(message);
        };
        match waiting.job {
            Job::Read(request) => read_answered(request, message),
            Job::Write(pages) => {
                let wanted = pages.valid_length();
                match written_bytes(message) {
                    Ok(written) if u64::from(written) == wanted => done(Job::Write(pages)),
                    // The device has taken a part only: it is full, whatever it calls that.
                    Ok(_) => Job::Write(pages).fail(errno(Errno::ENOSPC)),
                    Err(error) => Job::Write(pages).fail(errno(error)),
                }
            }
            Job::Synchronize(request) => {
                let job = Job::Synchronize(request);
                match synchronized(message) {
                    Ok(()) => done(job),
                    Err(error) => job.fail(errno(error)),
                }
            }
        }
        self.start_jobs();
    }
}

/// Answers a read with bytes.
fn supply(job: Job, bytes: &[u8]) {
    if let Job::Read(request) = job {
        // Whoever waits has been told of a failure.
        let _ = request.supply(bytes);
    }
}

/// Answers that it is done.
fn done(job: Job) {
    // A control that is gone has nobody waiting.
    let _ = match job {
        Job::Write(pages) => pages.written(),
        Job::Synchronize(request) => request.completed(KernReturn::SUCCESS),
        // A read is answered with pages.
        Job::Read(request) => request.fail(KernReturn::FAILURE),
    };
}

fn read_answered(request: ReadRequest, message: Message<UserCarrier>) {
    let (pages, valid) = match device::request::Reply::from_message(message) {
        Ok(answer) => (
            answer.pages.name(),
            valid_bytes(&answer.message.0, answer.data_length),
        ),
        Err(code) => (PortName::NULL, Err(code)),
    };
    // What the kernel says to a supply comes as a notice; a control that is gone has nobody waiting.
    let _ = match valid {
        Ok(valid) if valid > 0 && pages != PortName::NULL => request.supply_pages(pages, valid),
        unused => {
            if pages != PortName::NULL {
                // Frames that nobody is to get.
                let _ = mach_call::port::deallocate(pages);
            }
            match unused {
                Ok(0) => request.unavailable(),
                Ok(_) => request.fail(KernReturn::MEMORY_ERROR),
                Err(code) => request.fail(code),
            }
        }
    };
}

/// How many bytes of a write were taken.
fn written_bytes(message: Message<UserCarrier>) -> Result<u32, Errno> {
    let answer = device::request_write::Reply::from_message(message).map_err(|_| Errno::EIO)?;
    let request = Request::Write {
        fid: 0,
        offset: 0,
        count: 0,
    };
    parsed(&answer.message.0, &request).and_then(|reply| reply.written().map_err(failure))
}

fn synchronized(message: Message<UserCarrier>) -> Result<(), Errno> {
    let answer = device::request::Reply::from_message(message).map_err(|_| Errno::EIO)?;
    parsed(&answer.message.0, &Request::Fsync { fid: 0 }).map(drop)
}

fn failure(error: ProtocolError) -> Errno {
    match error {
        ProtocolError::Server(linux) => from_linux(linux),
        _ => Errno::EIO,
    }
}

/// An R-message. Its tag needs no check: the device's reply port carries one request at a time.
fn parsed<'a>(message: &'a [u8], request: &Request<'_>) -> Result<Reply<'a>, Errno> {
    let tag = message
        .get(5..7)
        .map_or(0, |tag| u16::from_le_bytes([tag[0], tag[1]]));
    Reply::parse(message, request, tag).map_err(failure)
}

/// How many bytes of the file an answer brought.
fn valid_bytes(message: &[u8], data_length: u64) -> Result<u64, KernReturn> {
    let expected = Request::Read {
        fid: 0,
        offset: 0,
        count: 0,
    };
    let count = parsed(message, &expected).and_then(|reply| reply.read().map_err(failure));
    count
        .map(|count| u64::from(count).min(data_length))
        .map_err(|_| KernReturn::MEMORY_ERROR)
}

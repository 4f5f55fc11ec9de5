//! Pages of files: requests that wait for a device.

use libsystem::mach_call;
use libsystem::memory::page_size;
use mach::defs::{ReplyBody, device};
use mach::message::{Message, UserCarrier};
use mach::{KernReturn, PortName};
use pager_sdk::ReadRequest;
use volumes::ninep::codec::{Reply, Request};
use volumes::volume::PageRead;

use crate::server::FileServer;

/// A request whose device read is under way.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) request: ReadRequest,
    /// The volume whose device answers.
    pub(crate) mount: u32,
    /// Which read it is.
    pub(crate) token: u64,
}

impl FileServer {
    /// Starts the read for the first piece of a run of pages, as large as the device takes; what is left comes next. Each
    /// piece is answered by itself. A request that is dropped here is answered with an error.
    pub(crate) fn read(&mut self, mut request: ReadRequest) {
        let Some(file) = self.file_of(request.object()) else {
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
        if let Some(rest) = request.split_off(piece) {
            self.put_back(rest);
        }
        let token = self.next_token();
        let (offset, length) = (request.offset(), request.length());
        let Ok(volume) = self.volume(file.file_system) else {
            return;
        };
        match volume.read_pages(file.inode, offset, length as u32, token) {
            Ok(PageRead::Started) => self.wait_for(Waiting {
                request,
                mount: file.file_system,
                token,
            }),
            Ok(PageRead::Bytes(bytes)) => drop(request.supply(&bytes)),
            Err(_) => drop(request.fail(KernReturn::MEMORY_ERROR)),
        }
    }

    /// A device has answered on this port.
    pub(crate) fn device_answered(&mut self, port: PortName, message: Message<UserCarrier>) {
        let Some(waiting) = self.take_waiting(port) else {
            return mach_call::destroy(message);
        };
        let (pages, valid) = match device::request::Reply::from_message(message) {
            Ok(answer) => (
                answer.pages.name(),
                valid_bytes(&answer.message.0, answer.data_length),
            ),
            Err(code) => (PortName::NULL, Err(code)),
        };
        // What the kernel says to a supply comes as a notice; a control that is gone has nobody waiting.
        let _ = match valid {
            Ok(valid) if valid > 0 && pages != PortName::NULL => {
                waiting.request.supply_pages(pages, valid)
            }
            unused => {
                if pages != PortName::NULL {
                    // Frames that nobody is to get.
                    let _ = mach_call::port::deallocate(pages);
                }
                match unused {
                    Ok(0) => waiting.request.unavailable(),
                    Ok(_) => waiting.request.fail(KernReturn::MEMORY_ERROR),
                    Err(code) => waiting.request.fail(code),
                }
            }
        };
        self.start_reads();
    }
}

/// How many bytes of the file an answer brought.
fn valid_bytes(message: &[u8], data_length: u64) -> Result<u64, KernReturn> {
    let expected = Request::Read {
        fid: 0,
        offset: 0,
        count: 0,
    };
    // The tag was checked by the device's reply port: it carries one request at a time.
    let tag = message
        .get(5..7)
        .map_or(0, |tag| u16::from_le_bytes([tag[0], tag[1]]));
    let count = Reply::parse(message, &expected, tag).and_then(Reply::read);
    count
        .map(|count| u64::from(count).min(data_length))
        .map_err(|_| KernReturn::MEMORY_ERROR)
}

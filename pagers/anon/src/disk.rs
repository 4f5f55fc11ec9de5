//! The swap disk: a device of the kernel's, and the reply ports of the requests it has.

use alloc::vec::Vec;

use libsystem::mach_call::{self, port};
use mach::defs::{CString, RequestBody, device};
use mach::message::{UserCarrier, UserRight};
use mach::{KernReturn, PortName, Result};

/// The disk's name.
const NAME: &str = "disk.swap";

/// An open disk.
#[derive(Debug)]
pub(crate) struct Disk {
    port: PortName,
    /// Most bytes of a request.
    pub(crate) limit: u64,
    /// Most requests at a time.
    pub(crate) requests: usize,
    pub(crate) capacity: u64,
    /// Reply ports that are free to be used again, all in the pager's set.
    free_ports: Vec<PortName>,
    set: PortName,
}

impl Disk {
    /// Opens the disk; `None` if there is none.
    pub(crate) fn open(master: PortName, set: PortName) -> Result<Option<Self>> {
        let name = CString::new(NAME).ok_or(KernReturn::INVALID_NAME)?;
        let port = match mach_call::call(master, device::open::Request { mode: 0, name }) {
            Ok(reply) => reply.device.name(),
            Err(KernReturn::INVALID_NAME) => return Ok(None),
            Err(code) => return Err(code),
        };
        let words = |flavor| {
            let request = device::get_status::Request {
                flavor,
                status_cnt: 32,
            };
            let words = mach_call::call(port, request)?.status.0;
            words.first_chunk::<2>().copied().ok_or(KernReturn::FAILURE)
        };
        let [limit, requests] = words(device::status_flavor::LIMITS)?;
        let [low, high] = words(device::status_flavor::CAPACITY)?;
        Ok(Some(Self {
            port,
            limit: u64::from(limit),
            requests: requests as usize,
            capacity: u64::from(high) << 32 | u64::from(low),
            free_ports: Vec::new(),
            set,
        }))
    }

    /// Starts reading; the reply port that the answer comes to.
    pub(crate) fn read(&mut self, offset: u64, length: u64) -> Result<PortName> {
        self.send(device::read_pages::Request { offset, length })
    }

    /// Starts writing pages of a list.
    pub(crate) fn write(
        &mut self,
        list: PortName,
        list_offset: u64,
        offset: u64,
        length: u64,
    ) -> Result<PortName> {
        self.send(device::write_pages::Request {
            pages: UserRight::copy_send(list),
            list_offset,
            offset,
            length,
        })
    }

    fn send<R: RequestBody<UserCarrier>>(&mut self, request: R) -> Result<PortName> {
        let reply = self.reply_port()?;
        let message = request.into_message(
            UserRight::copy_send(self.port),
            UserRight::make_send_once(reply),
        );
        match mach_call::send(&message, None) {
            Ok(()) => Ok(reply),
            Err(code) => {
                self.reuse(reply);
                Err(code)
            }
        }
    }

    fn reply_port(&mut self) -> Result<PortName> {
        if let Some(port) = self.free_ports.pop() {
            return Ok(port);
        }
        let port = mach_call::new_reply_port();
        port::add_to_set(port, self.set)?;
        Ok(port)
    }

    /// A reply has come: its port is free again.
    pub(crate) fn reuse(&mut self, port: PortName) {
        self.free_ports.push(port);
    }
}

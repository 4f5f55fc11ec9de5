//! The way to a 9P server: a files device of the kernel.

use alloc::vec::Vec;

use bsd_sys::errno::Errno;
use libsystem::mach_call;
use mach::defs::{Array, CString, RequestBody, device};
use mach::message::UserRight;
use mach::{KernReturn, PortName};
use volumes::volume::host_directory::{Data, Transport};

/// Milliseconds until a device that does not answer counts as broken.
const PATIENCE: u32 = 20_000;

/// A request that was started: where its answer comes.
#[derive(Debug)]
pub(crate) struct Started {
    /// The reply port the answer will come to.
    pub(crate) reply: PortName,
}

/// A files device.
#[derive(Debug)]
pub(crate) struct Device {
    port: PortName,
    data_limit: u32,
    /// Reply ports that are free to be used again.
    free_ports: Vec<PortName>,
    /// Reply ports made since the server last looked: to be added to its set.
    new_ports: Vec<PortName>,
    /// The requests started since the server last looked, by token.
    started: Vec<(u64, Started)>,
}

impl Device {
    /// Opens a device by name.
    ///
    /// # Errors
    /// There is none, or it does not tell its limits.
    pub(crate) fn open(master: PortName, name: &str) -> Result<Self, KernReturn> {
        let name = CString::new(name).ok_or(KernReturn::INVALID_NAME)?;
        let port = mach_call::call(master, device::open::Request { mode: 0, name })?
            .device
            .name();
        let request = device::get_status::Request {
            flavor: device::status_flavor::LIMITS,
            status_cnt: 32,
        };
        let limits = mach_call::call(port, request)?.status.0;
        let data_limit = limits.first().copied().ok_or(KernReturn::FAILURE)?;
        Ok(Self {
            port,
            data_limit,
            free_ports: Vec::new(),
            new_ports: Vec::new(),
            started: Vec::new(),
        })
    }

    /// Reply ports that are not in the server's set yet.
    pub(crate) fn take_new_ports(&mut self) -> Vec<PortName> {
        core::mem::take(&mut self.new_ports)
    }

    /// The requests started since the last call.
    pub(crate) fn take_started(&mut self) -> Vec<(u64, Started)> {
        core::mem::take(&mut self.started)
    }

    /// A reply port is free again.
    pub(crate) fn reuse(&mut self, port: PortName) {
        self.free_ports.push(port);
    }

    fn reply_port(&mut self) -> PortName {
        self.free_ports.pop().unwrap_or_else(|| {
            let port = mach_call::new_reply_port();
            self.new_ports.push(port);
            port
        })
    }
}

impl Transport for Device {
    fn call(&mut self, message: Vec<u8>, reply_capacity: u32) -> Result<Vec<u8>, Errno> {
        if reply_capacity as usize > device::MESSAGE_BYTES {
            return Err(Errno::EINVAL);
        }
        let request = device::request::Request {
            data_length: 0,
            message: Array(message),
        };
        let reply =
            mach_call::call_with(self.port, request, Some(PATIENCE)).map_err(|_| Errno::EIO)?;
        Ok(reply.message.0)
    }

    fn start(&mut self, message: Vec<u8>, data: Data, token: u64) -> Result<(), Errno> {
        let reply = self.reply_port();
        let (to, answer) = (
            UserRight::copy_send(self.port),
            UserRight::make_send_once(reply),
        );
        let message = Array(message);
        let message = match data {
            Data::None => {
                let data_length = 0;
                device::request::Request {
                    data_length,
                    message,
                }
                .into_message(to, answer)
            }
            Data::Read(length) => {
                let data_length = u64::from(length);
                device::request::Request {
                    data_length,
                    message,
                }
                .into_message(to, answer)
            }
            Data::Write(source, length) => device::request_write::Request {
                pages: UserRight::copy_send(source.list),
                list_offset: source.offset,
                data_length: u64::from(length),
                message,
            }
            .into_message(to, answer),
        };
        if mach_call::send(&message, Some(PATIENCE)).is_err() {
            self.reuse(reply);
            return Err(Errno::EIO);
        }
        self.started.push((token, Started { reply }));
        Ok(())
    }

    fn data_limit(&self) -> u32 {
        self.data_limit
    }
}

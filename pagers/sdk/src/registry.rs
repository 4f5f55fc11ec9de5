//! Pagers by name: registering as one, and finding what another serves.

use mach::{PortName, Result};

/// Shows the pager behind a receive right as `/pagers/NAME`; the kernel's number for its files.
#[cfg(target_os = "none")]
pub(crate) fn register(name: &str, port: PortName) -> Result<u32> {
    use libsystem::mach_call;
    use mach::defs::{CString, pager_registry};
    use mach::message::UserRight;

    let request = pager_registry::register::Request {
        server: UserRight::make_send(port),
        name: CString::new(name).ok_or(mach::KernReturn::INVALID_ARGUMENT)?,
    };
    mach_call::call(mach_call::host_self(), request).map(|reply| reply.file_system)
}

/// The same on a host.
#[cfg(not(target_os = "none"))]
pub(crate) fn register(name: &str, port: PortName) -> Result<u32> {
    crate::host::machine()?.register(name, port)
}

/// What a program can ask a pager that is registered.
pub mod client {
    use libsystem::mach_call::{self, port};
    use mach::defs::{CString, Routine, pager_registry, pager_service};
    use mach::message::UserCarrier;
    use mach::{KernReturn, PortName, Result};

    /// How long a pager may take for an answer, in milliseconds.
    const PATIENCE: u32 = 10_000;

    /// The port of a registered pager, and its process. The right is the caller's.
    ///
    /// # Errors
    /// `INVALID_NAME` when there is none of this name.
    pub fn look_up(name: &str) -> Result<(PortName, i32)> {
        let name = CString::new(name).ok_or(KernReturn::INVALID_NAME)?;
        let request = pager_registry::look_up::Request { name };
        let reply = mach_call::call(mach_call::host_self(), request)?;
        Ok((reply.server.name(), reply.process))
    }

    fn ask<R: Routine<UserCarrier>>(name: &str, request: R) -> Result<R::Reply> {
        let (server, _) = look_up(name)?;
        let answer = mach_call::call_with(server, request, Some(PATIENCE));
        // The name was this function's own.
        let _ = port::deallocate(server);
        answer
    }

    /// The memory object of `path` below `/pagers/NAME`, for `mach_vm_map`, and its size. The right is the caller's.
    ///
    /// # Errors
    /// `INVALID_NAME`, or what the pager says: an errno by [`KernReturn::to_errno`].
    pub fn open(name: &str, path: &str) -> Result<(PortName, u64)> {
        let path = CString::new(path).ok_or(KernReturn::INVALID_ARGUMENT)?;
        let reply = ask(name, pager_service::open::Request { path })?;
        Ok((reply.memory_object.name(), reply.size))
    }

    /// What a registered pager says of itself.
    ///
    /// # Errors
    /// `INVALID_NAME`, or it does not answer.
    pub fn describe(name: &str) -> Result<pager_service::describe::Reply> {
        ask(name, pager_service::describe::Request {})
    }
}

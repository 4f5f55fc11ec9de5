//! The host: the machine as a port, its privileged twin, and the special ports.
//!
//! Privileged programs (the personality decides which) get the privileged port wherever others get the plain one, so a file
//! server finds its devices and its place to register. XNU counterpart: `osfmk/kern/host.c`, `ipc_host.c`.

use alloc::sync::Arc;

use ipc::{Port, ReceiveRight, SendRight};
use mach::KernReturn;
use mach::host_info::special_port;
use prim::lock::{Rank, SpinLock};
use spin::Once;

use crate::kobject::device;
use crate::personality::personality;
use crate::task::Task;

/// The kernel object behind both host ports.
pub struct Host {
    /// May change the machine.
    pub(crate) privileged: bool,
}

/// The host's ports, made at boot.
struct HostPorts {
    plain: ReceiveRight,
    privileged: ReceiveRight,
}

/// What to do when a file server registers.
pub type FileServerHook = fn(SendRight) -> Result<(), KernReturn>;

/// Who keeps pagers by name: the layer above, whose files they become.
pub struct PagerRegistry {
    /// Shows a pager of a process under a name; the number of its files.
    pub register: fn(name: &str, server: SendRight, process: i32) -> Result<u32, KernReturn>,
    /// The port of a registered pager, and its process.
    pub look_up: fn(name: &str) -> Result<(SendRight, i32), KernReturn>,
}

static PORTS: Once<HostPorts> = Once::new();
static FILE_SERVER_HOOK: Once<FileServerHook> = Once::new();
static FILE_SERVER: SpinLock<Option<SendRight>> = SpinLock::new(Rank::KernelObject, None);
/// The memory in which the default pager keeps its table.
static SWAP_STORE: SpinLock<Option<SendRight>> = SpinLock::new(Rank::KernelObject, None);

static PAGER_REGISTRY: Once<PagerRegistry> = Once::new();

/// Processors that run.
static PROCESSORS: Once<u32> = Once::new();

/// How many processors run.
#[must_use]
pub fn processors() -> u32 {
    PROCESSORS.get().copied().unwrap_or(1)
}

/// Makes the host's ports. Part of start-up.
///
/// # Errors
/// `RESOURCE_SHORTAGE`.
#[doc(alias = "ipc_host_init")]
pub fn start(processors: u32) -> Result<(), KernReturn> {
    PROCESSORS.call_once(|| processors);
    let plain = Port::for_kernel_object(Arc::new(Host { privileged: false }))?;
    let privileged = Port::for_kernel_object(Arc::new(Host { privileged: true }))?;
    PORTS.call_once(|| HostPorts { plain, privileged });
    device::start()
}

/// Chooses who is told of a file server; the first call counts.
pub fn register_file_server_hook(hook: FileServerHook) {
    FILE_SERVER_HOOK.call_once(|| hook);
}

/// Chooses who keeps pagers by name; the first call counts.
pub fn keep_pagers_in(registry: PagerRegistry) {
    PAGER_REGISTRY.call_once(|| registry);
}

/// Who keeps pagers by name.
///
/// # Errors
/// `NOT_SUPPORTED` before boot has chosen.
pub(crate) fn pager_registry() -> Result<&'static PagerRegistry, KernReturn> {
    PAGER_REGISTRY.get().ok_or(KernReturn::NOT_SUPPORTED)
}

/// The host port a task gets.
#[doc(alias = "host_self_trap")]
#[must_use]
pub fn right_for(task: &Task) -> Option<SendRight> {
    let ports = PORTS.get()?;
    let privileged = personality().is_some_and(|personality| personality.is_privileged(task));
    Some(if privileged {
        ports.privileged.make_send()
    } else {
        ports.plain.make_send()
    })
}

/// A special port of the host.
///
/// # Errors
/// `INVALID_ARGUMENT` for a number without a port.
#[doc(alias = "host_get_special_port")]
pub(crate) fn special_port(which: i32) -> Result<Option<SendRight>, KernReturn> {
    let ports = PORTS.get().ok_or(KernReturn::INVALID_HOST)?;
    match which {
        special_port::HOST => Ok(Some(ports.plain.make_send())),
        special_port::HOST_PRIVILEGED => Ok(Some(ports.privileged.make_send())),
        special_port::DEVICE_MASTER => Ok(device::master_right()),
        special_port::FILE_SERVER => Ok(FILE_SERVER.lock().clone()),
        special_port::SWAP_STORE => Ok(SWAP_STORE.lock().clone()),
        _ => Err(KernReturn::INVALID_ARGUMENT),
    }
}

/// Sets a special port of the host: the file server's, or the default pager's store, which outlives the pager here.
///
/// # Errors
/// `INVALID_ARGUMENT` for another number; what the hook says.
#[doc(alias = "host_set_special_port")]
pub(crate) fn set_special_port(which: i32, right: SendRight) -> Result<(), KernReturn> {
    if which == special_port::SWAP_STORE {
        let old = SWAP_STORE.lock().replace(right);
        if let Some(old) = old {
            old.release();
        }
        return Ok(());
    }
    if which != special_port::FILE_SERVER {
        return Err(KernReturn::INVALID_ARGUMENT);
    }
    let old = FILE_SERVER.lock().replace(right.clone());
    if let Some(old) = old {
        old.release();
    }
    match FILE_SERVER_HOOK.get() {
        Some(hook) => hook(right),
        None => Ok(()),
    }
}

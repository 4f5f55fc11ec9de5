//! Registered pagers: each shows as a directory in `/pagers`, and serves what is in it.
//!
//! Any program may register a pager under a name that no living pager has ([`mach::defs::pager_registry`]). What is below
//! `/pagers/NAME` is then asked of its port, by the same messages as of the file server, so `open`, `stat`, `read` and
//! `mmap` work there as everywhere. The entry ends with the port: whoever has files of it open gets `EIO` and `SIGBUS`,
//! and the name is free again.
//!
//! A pager is not trusted. The kernel chooses the number of its file system, so that its handles cannot be taken for
//! another's; it shows below its own name only; and a lookup that it does not answer ends at a deadline, without having
//! held anything that other lookups need. XNU has no counterpart.

use alloc::string::{String, ToString};
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU32, Ordering};

use bsd_sys::dirent::kind;
use bsd_sys::errno::Errno;
use bsd_sys::stat::S_IFDIR;
use ipc::{Port, PortDeathWatcher, SendRight};
use kern::host::PagerRegistry;
use mach::KernReturn;
use mach::file::{FileAttributes, FileHandle, PAGER_ROOT};
use prim::lock::{Mutex, Rank};
use vm::vm_object::ObjectRef;

use super::server::Server;
use super::vnode::Vnode;
use super::{FileSystem, file_system_number, namespace, plain_attributes, records};

/// The most pagers at a time.
const CAPACITY: usize = 64;
/// The longest name of a pager.
const NAME_MAX: usize = 32;
/// Where the directory is in its own file system.
const DIRECTORY: FileHandle = FileHandle {
    file_system: file_system_number::PAGERS,
    inode: 1,
    generation: 0,
};

/// A pager with a name.
struct Registration {
    name: String,
    port: SendRight,
    /// Who has registered it.
    process: i32,
    /// The top of what it shows.
    root: Arc<Vnode>,
}

static REGISTERED: Mutex<Vec<Arc<Registration>>> = Mutex::new(Rank::Vnode, Vec::new());

/// Numbers are not used twice: what a dead pager's vnodes are called stays theirs.
static NEXT_NUMBER: AtomicU32 = AtomicU32::new(file_system_number::FIRST_PAGER);

/// Shows the directory at `/pagers`, and takes registrations from now on.
///
/// # Errors
/// `ENFILE` when memory is short.
pub fn mount() -> Result<(), Errno> {
    let attributes = plain_attributes(DIRECTORY.inode, S_IFDIR | 0o555, 0);
    let tree = Vnode::create(Arc::new(Pagers), DIRECTORY, &attributes)?;
    namespace::mount(Some("pagers"), tree);
    kern::host::keep_pagers_in(PagerRegistry { register, look_up });
    Ok(())
}

/// Shows the pager behind `port`, of a process, as `/pagers/NAME`; the number that its handles must bear.
///
/// # Errors
/// `INVALID_ARGUMENT` for a bad name or a port of the kernel's, `NAME_EXISTS` for the name of a living pager, `NO_SPACE` when
/// there are too many, `RESOURCE_SHORTAGE`.
pub fn register(name: &str, port: SendRight, process: i32) -> Result<u32, KernReturn> {
    if !is_good_name(name) || port.port().is_kernel_object() {
        return Err(KernReturn::INVALID_ARGUMENT);
    }
    let number = NEXT_NUMBER.fetch_add(1, Ordering::Relaxed);
    if number >= file_system_number::NAMESPACE {
        return Err(KernReturn::NO_SPACE);
    }
    let registration = Arc::new(Registration {
        name: name.to_string(),
        root: top_directory(&port, number)?,
        port,
        process,
    });
    let replaced = enter(registration.clone())?;
    drop(replaced);
    let watcher: Weak<Registration> = Arc::downgrade(&registration);
    let watched = registration.port.port().watch_death(watcher);
    if let Err(code) = watched {
        registration.withdraw();
        return Err(code);
    }
    Ok(number)
}

/// Is a process behind one of the names?
pub(crate) fn is_served_by(process: i32) -> bool {
    let registered = REGISTERED.lock();
    registered.iter().any(|pager| pager.process == process)
}

fn is_good_name(name: &str) -> bool {
    let good = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    (1..=NAME_MAX).contains(&name.len()) && name.bytes().all(good)
}

/// The vnode that shows at the name. The pager is not asked for it: it is still waiting for the answer.
fn top_directory(port: &SendRight, number: u32) -> Result<Arc<Vnode>, KernReturn> {
    let handle = FileHandle {
        file_system: number,
        inode: PAGER_ROOT,
        generation: 0,
    };
    let attributes = plain_attributes(PAGER_ROOT, S_IFDIR | 0o555, 0);
    let server = Arc::new(Server::of_pager(port.clone(), number));
    Vnode::create(server, handle, &attributes).map_err(|_| KernReturn::RESOURCE_SHORTAGE)
}

/// Enters a registration; what a dead pager has left under its name comes back, to be dropped without the lock.
fn enter(new: Arc<Registration>) -> Result<Option<Arc<Registration>>, KernReturn> {
    let mut registered = REGISTERED.lock();
    if let Some(old) = registered.iter_mut().find(|old| old.name == new.name) {
        if old.port.port().is_active() {
            return Err(KernReturn::NAME_EXISTS);
        }
        return Ok(Some(core::mem::replace(old, new)));
    }
    if registered.len() >= CAPACITY {
        return Err(KernReturn::NO_SPACE);
    }
    registered
        .try_reserve(1)
        .map_err(|_| KernReturn::RESOURCE_SHORTAGE)?;
    registered.push(new);
    Ok(None)
}

/// The port of a registered pager, and its process.
///
/// # Errors
/// `INVALID_NAME` when there is none.
pub fn look_up(name: &str) -> Result<(SendRight, i32), KernReturn> {
    let found = find(name).ok_or(KernReturn::INVALID_NAME)?;
    Ok((found.port.clone(), found.process))
}

fn find(name: &str) -> Option<Arc<Registration>> {
    let registered = REGISTERED.lock();
    registered.iter().find(|one| one.name == name).cloned()
}

/// What a pager shows.
pub(super) fn root_of(name: &str) -> Option<Arc<Vnode>> {
    find(name).map(|registration| registration.root.clone())
}

/// Whether this is the directory of pagers.
pub(super) fn is_directory(vnode: &Vnode) -> bool {
    vnode.handle() == DIRECTORY
}

impl Registration {
    /// Leaves the table; dropped without its lock.
    fn withdraw(&self) {
        let gone = {
            let mut registered = REGISTERED.lock();
            let place = registered
                .iter()
                .position(|one| core::ptr::eq(&**one, self));
            place.map(|place| registered.swap_remove(place))
        };
        drop(gone);
    }
}

impl PortDeathWatcher for Registration {
    fn port_died(&self, _port: &Arc<Port>) {
        self.withdraw();
    }
}

/// The directory itself; its names are mounts.
struct Pagers;

impl FileSystem for Pagers {
    fn lookup(
        &self,
        _directory: FileHandle,
        _name: &str,
    ) -> Result<(FileHandle, FileAttributes), Errno> {
        Err(Errno::ENOENT)
    }

    fn attributes(&self, _file: FileHandle) -> Result<FileAttributes, Errno> {
        Ok(plain_attributes(DIRECTORY.inode, S_IFDIR | 0o555, 0))
    }

    fn read_directory(
        &self,
        _directory: FileHandle,
        from: u64,
        capacity: u32,
    ) -> Result<Vec<u8>, Errno> {
        let names: Vec<String> = {
            let registered = REGISTERED.lock();
            registered.iter().map(|one| one.name.clone()).collect()
        };
        let entries = names
            .iter()
            .map(|name| (PAGER_ROOT, kind::DIR, name.as_str()));
        records(entries, from, capacity)
    }

    fn read_link(&self, _link: FileHandle) -> Result<String, Errno> {
        Err(Errno::EINVAL)
    }

    fn open(&self, _file: FileHandle) -> Result<(ObjectRef, FileAttributes), Errno> {
        Err(Errno::EISDIR)
    }

    fn forget(&self, _file: FileHandle, _answers: u64) {}
}

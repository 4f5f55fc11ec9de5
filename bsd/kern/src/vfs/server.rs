//! Files behind a file server: names by RPC, pages by the server's pager.
//!
//! A [`Server`] is one mount of a file server's port. Every call is a request of the interface `file_server`; it has a deadline,
//! a signal ends it with `EINTR`, and a server that has died answers everything with `EIO`. Pages never pass here: `open`
//! gives a memory object, and from then on the object asks its pager itself.
//!
//! XNU counterpart: `bsd/vfs/vnode_pager.c`, and a file system's `vnodeops`.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use bsd_sys::errno::Errno;
use ipc::{KernelCarrier, Kmsg, Patience, SendRight};
use mach::KernReturn;
use mach::defs::{CString, ReplyBody, Routine, file_server};
use mach::file::{FileAttributes, FileHandle, open_mode, remove_flag};
use mach::message::Carried;
use prim::clock::Deadline;
use prim::lock::{Mutex, Rank, SpinLock};
use vm::vm_object::ObjectRef;

use super::recovery::{self, Revived};
use super::vnode::Vnode;
use super::{FileSystem, Name, Removal, file_system_number, namespace};
use crate::tty;
use crate::turn::Turn;

/// How long a call may take before the server counts as hung.
const PATIENCE: Duration = Duration::from_secs(30);

/// The same for a pager that anybody may have started.
const PATIENCE_WITH_PAGERS: Duration = Duration::from_secs(10);

/// A mount of a file server.
pub struct Server {
    /// Rank `KernelObject`. Replaced when the server was started again.
    port: SpinLock<SendRight>,
    /// The number that every handle of the mount bears.
    number: u32,
    patience: Duration,
}

/// What a file server has mounted.
struct Mounted {
    server: Arc<Server>,
    /// Its top directory.
    root: Arc<Vnode>,
}

/// Rank `Vnode`. The latest mount of each number.
static MOUNTED: Mutex<Vec<Mounted>> = Mutex::new(Rank::Vnode, Vec::new());

/// Who mounts: a server that dies while its mounts are asked for must be done with before its successor's files are found again.
static MOUNTING: Turn = Turn::new();

/// Shows a mount of the file server behind `port` at the root or at a name in it. If the server that had mounted the same
/// there has died, this one takes its files over.
///
/// # Errors
/// What the server says, `EIO` if it says nothing.
#[doc(alias = "vfs_mountroot")]
pub fn mount(port: SendRight, mount: u32, name: Option<&str>) -> Result<(), Errno> {
    let _turn = MOUNTING.take().map_err(|_| Errno::EINTR)?;
    let mut asking = Server::new(port, mount, PATIENCE);
    let file_server::root::Reply { file, attributes } =
        asking.call(file_server::root::Request { mount })?;
    if file.file_system >= file_system_number::NAMESPACE {
        // The kernel's own numbers are not to be had.
        return Err(Errno::EIO);
    }
    asking.number = file.file_system;
    if let Some((dead, root)) = dead_mount(file) {
        let revived = recovery::revive(&root, &asking)?;
        dead.go_on_with(asking);
        tell_of(&root, revived);
        return Ok(());
    }
    let server = Arc::new(asking);
    let root = Vnode::create(server.clone(), file, &attributes)?;
    let replaced = remember(Mounted {
        server,
        root: root.clone(),
    });
    let old = namespace::mount(name, root);
    drop((old, replaced));
    Ok(())
}

/// The mount with this top directory, if its server has died.
fn dead_mount(root: FileHandle) -> Option<(Arc<Server>, Arc<Vnode>)> {
    let mounted = MOUNTED.lock();
    let known = mounted.iter().find(|known| known.root.handle() == root)?;
    let dead = !known.server.is_alive();
    dead.then(|| (known.server.clone(), known.root.clone()))
}

fn remember(new: Mounted) -> Option<Mounted> {
    let mut mounted = MOUNTED.lock();
    let number = new.server.number;
    match mounted
        .iter_mut()
        .find(|known| known.server.number == number)
    {
        Some(known) => Some(core::mem::replace(known, new)),
        None => {
            mounted.push(new);
            None
        }
    }
}

/// Says on the console what has become of the files of a mount.
fn tell_of(root: &Arc<Vnode>, revived: Revived) {
    let Revived {
        files,
        lost,
        lost_pages,
    } = revived;
    if lost > 0 {
        tty::report(format_args!(
            "{}: a new file server has taken {files} files over; {lost} are lost, with {lost_pages} pages of changes\n",
            root.path()
        ));
    }
}

impl Server {
    fn new(port: SendRight, number: u32, patience: Duration) -> Self {
        Self {
            port: SpinLock::new(Rank::KernelObject, port),
            number,
            patience,
        }
    }

    fn is_alive(&self) -> bool {
        self.port().port().is_active()
    }

    fn port(&self) -> SendRight {
        self.port.lock().clone()
    }

    /// The server was started again: requests go to its successor from now on.
    fn go_on_with(&self, successor: Self) {
        let port = successor.port();
        let old = core::mem::replace(&mut *self.port.lock(), port);
        drop(old);
    }

    /// The files of a registered pager; the number is the kernel's choice.
    pub(super) fn of_pager(port: SendRight, number: u32) -> Self {
        Self::new(port, number, PATIENCE_WITH_PAGERS)
    }

    /// The port of a file's memory object, and the file's attributes.
    fn memory_object(&self, file: FileHandle) -> Result<(SendRight, FileAttributes), Errno> {
        let file_server::open::Reply {
            memory_object,
            attributes,
        } = self.call(file_server::open::Request { file, mode: 0 })?;
        match memory_object.right() {
            Some(ipc::Right::Send(port)) => Ok((port, attributes)),
            _ => Err(Errno::EIO),
        }
    }

    /// A handle in an answer: one of another file system would be taken for that one's file.
    fn own(&self, file: FileHandle) -> Result<FileHandle, Errno> {
        if file.file_system == self.number {
            Ok(file)
        } else {
            Err(Errno::EIO)
        }
    }

    fn call<R: Routine<KernelCarrier>>(&self, request: R) -> Result<R::Reply, Errno> {
        let kmsg = Kmsg::from_message(request.into_message(Carried::Null, Carried::Null))
            .map_err(|_| Errno::ENOMEM)?;
        let patience = Patience::Until(Deadline::after(self.patience));
        let answer = ipc::rpc(&self.port(), kmsg, patience).map_err(errno)?;
        R::Reply::from_message(answer.into_message()).map_err(errno)
    }
}

/// A server's failure is an errno in a `kern_return`; what the transport says of a dead or hung server is `EIO`, and so is an
/// errno that there is not. `EINTR` is for the caller's own signals.
pub(super) fn errno(code: KernReturn) -> Errno {
    match code.to_errno() {
        Some(number) if number == Errno::EINTR.raw() => Errno::EIO,
        Some(number) if (1..=Errno::ELAST.raw()).contains(&number) => Errno::from_raw(number),
        Some(_) => Errno::EIO,
        None if code == KernReturn::ABORTED || code == KernReturn::RCV_INTERRUPTED => Errno::EINTR,
        None if code == KernReturn::RESOURCE_SHORTAGE => Errno::ENOMEM,
        None => Errno::EIO,
    }
}

fn c_string<const N: usize>(name: &str) -> Result<CString<N>, Errno> {
    CString::new(name).ok_or(Errno::ENAMETOOLONG)
}

impl FileSystem for Server {
    fn lookup(
        &self,
        directory: FileHandle,
        name: &str,
    ) -> Result<(FileHandle, FileAttributes), Errno> {
        let file_server::lookup::Reply { file, attributes } =
            self.call(file_server::lookup::Request {
                directory,
                name: c_string(name)?,
            })?;
        self.own(file).map(|file| (file, attributes))
    }

    fn attributes(&self, file: FileHandle) -> Result<FileAttributes, Errno> {
        Ok(self
            .call(file_server::get_attributes::Request { file })?
            .attributes)
    }

    fn read_directory(
        &self,
        directory: FileHandle,
        from: u64,
        capacity: u32,
    ) -> Result<Vec<u8>, Errno> {
        let request = file_server::read_directory::Request {
            directory,
            from,
            capacity,
        };
        Ok(self.call(request)?.records.0)
    }

    fn read_link(&self, link: FileHandle) -> Result<String, Errno> {
        let target = self
            .call(file_server::read_link::Request { file: link })?
            .target;
        String::from_utf8(target.as_bytes().to_vec()).map_err(|_| Errno::EILSEQ)
    }

    fn open(&self, file: FileHandle) -> Result<(ObjectRef, FileAttributes), Errno> {
        let (port, attributes) = self.memory_object(file)?;
        let object = kern::external_pager::object_for_port(port, attributes.size).map_err(errno)?;
        Ok((object, attributes))
    }

    fn recovers(&self) -> bool {
        self.number < file_system_number::FIRST_PAGER
    }

    fn reopen(
        &self,
        file: FileHandle,
        orphan: &ObjectRef,
        size: Option<u64>,
    ) -> Result<FileAttributes, Errno> {
        let (port, mut attributes) = self.memory_object(file)?;
        if let Some(size) = size.filter(|size| *size != attributes.size) {
            self.call(file_server::set_size::Request { file, size })?;
            attributes = self.attributes(file)?;
        }
        kern::external_pager::adopt_for_port(orphan, port).map_err(errno)?;
        Ok(attributes)
    }

    fn prepare_writing(&self, file: FileHandle) -> Result<(), Errno> {
        let mode = open_mode::WRITE;
        // The right to the object comes with the answer and goes with it: the kernel has it already, or asks when it needs it.
        self.call(file_server::open::Request { file, mode })
            .map(drop)
    }

    fn create(&self, at: Name<'_>, mode: u32) -> Result<(FileHandle, FileAttributes), Errno> {
        let file_server::create::Reply { file, attributes } =
            self.call(file_server::create::Request {
                directory: at.directory,
                mode,
                flags: 0,
                name: c_string(at.name)?,
            })?;
        self.own(file).map(|file| (file, attributes))
    }

    fn make_directory(
        &self,
        at: Name<'_>,
        mode: u32,
    ) -> Result<(FileHandle, FileAttributes), Errno> {
        let file_server::make_directory::Reply { file, attributes } =
            self.call(file_server::make_directory::Request {
                directory: at.directory,
                mode,
                name: c_string(at.name)?,
            })?;
        self.own(file).map(|file| (file, attributes))
    }

    fn make_symbolic_link(
        &self,
        at: Name<'_>,
        target: &str,
    ) -> Result<(FileHandle, FileAttributes), Errno> {
        let file_server::symbolic_link::Reply { file, attributes } =
            self.call(file_server::symbolic_link::Request {
                directory: at.directory,
                name: c_string(at.name)?,
                target: c_string(target)?,
            })?;
        self.own(file).map(|file| (file, attributes))
    }

    fn link(&self, file: FileHandle, at: Name<'_>) -> Result<(), Errno> {
        let request = file_server::link::Request {
            file,
            directory: at.directory,
            name: c_string(at.name)?,
        };
        self.call(request).map(drop)
    }

    fn rename(&self, from: Name<'_>, to: Name<'_>) -> Result<(), Errno> {
        let request = file_server::rename::Request {
            from_directory: from.directory,
            to_directory: to.directory,
            from_name: c_string(from.name)?,
            to_name: c_string(to.name)?,
        };
        self.call(request).map(drop)
    }

    fn remove(&self, at: Name<'_>, kind: Removal) -> Result<(), Errno> {
        let request = file_server::remove::Request {
            directory: at.directory,
            flags: match kind {
                Removal::Directory => remove_flag::DIRECTORY,
                Removal::File => 0,
            },
            name: c_string(at.name)?,
        };
        self.call(request).map(drop)
    }

    fn set_attributes(
        &self,
        file: FileHandle,
        mask: u32,
        attributes: &FileAttributes,
    ) -> Result<(), Errno> {
        let request = file_server::set_attributes::Request {
            file,
            mask,
            attributes: *attributes,
        };
        self.call(request).map(drop)
    }

    fn set_size(&self, file: FileHandle, size: u64) -> Result<(), Errno> {
        self.call(file_server::set_size::Request { file, size })
            .map(drop)
    }

    fn forget(&self, file: FileHandle, answers: u64) {
        use mach::defs::RequestBody;
        let destination = Carried::Right(self.port().into());
        let message =
            file_server::forget::Request { file, answers }.into_message(destination, Carried::Null);
        // A server that is gone has forgotten everything.
        if let Ok(kmsg) = Kmsg::from_message(message) {
            let _ = ipc::send_from_kernel(kmsg);
        }
    }
}

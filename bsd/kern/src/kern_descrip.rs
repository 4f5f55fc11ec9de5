//! Descriptors: small numbers that stand for open files.
//!
//! An [`OpenFile`] is what `open` and `pipe` make: a file of some [`Kind`], how it was opened, and a position. Descriptors refer to it,
//! several of them after `dup` and `fork`. XNU counterpart: `bsd/kern/kern_descrip.c`, `struct fileproc`, `struct fileglob`.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::{Deref, DerefMut};
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use bsd_sys::errno::Errno;
use bsd_sys::fcntl::{self, FD_CLOEXEC, OpenFlags};
use bsd_sys::limits::{OPEN_MAX, PATH_MAX};
use prim::zone::{Admission, Zone};

use crate::proc::Proc;
use crate::sys_pipe::PipeEnd;
use crate::sysent::{Call, DONE, Failure, Outcome, value};
use crate::turn::{Turn, TurnGuard};
use crate::vfs::vnode::Vnode;

static OPEN_FILES: Zone = Zone::new("open files", size_of::<OpenFile>());

/// What an open file is.
#[doc(alias = "file_type_t")]
pub enum Kind {
    /// A file, a directory or a device (`DTYPE_VNODE`).
    Vnode(Arc<Vnode>),
    /// An end of a pipe (`DTYPE_PIPE`).
    Pipe(PipeEnd),
}

/// Flags that `F_SETFL` changes; how a file was opened stays.
const CHANGEABLE: OpenFlags = OpenFlags::NONBLOCK
    .union(OpenFlags::APPEND)
    .union(OpenFlags::ASYNC);

/// An open file.
#[doc(alias = "fileglob")]
pub struct OpenFile {
    kind: Kind,
    /// [`OpenFlags`].
    flags: AtomicU32,
    position: Position,
    _admission: Admission,
}

impl OpenFile {
    /// Opens a vnode.
    ///
    /// # Errors
    /// `ENFILE` when memory is short.
    pub fn create(vnode: Arc<Vnode>, flags: OpenFlags) -> Result<Arc<Self>, Errno> {
        Self::of_kind(Kind::Vnode(vnode), flags)
    }

    /// Opens an end of a pipe.
    ///
    /// # Errors
    /// `ENFILE` when memory is short.
    pub fn of_pipe(end: PipeEnd, flags: OpenFlags) -> Result<Arc<Self>, Errno> {
        Self::of_kind(Kind::Pipe(end), flags)
    }

    fn of_kind(kind: Kind, flags: OpenFlags) -> Result<Arc<Self>, Errno> {
        let admission = OPEN_FILES.admit().map_err(|_| Errno::ENFILE)?;
        if let Kind::Vnode(vnode) = &kind {
            vnode.note_opened();
        }
        Ok(Arc::new(Self {
            kind,
            flags: AtomicU32::new(flags.bits()),
            position: Position::default(),
            _admission: admission,
        }))
    }

    /// What it is.
    #[must_use]
    pub fn kind(&self) -> &Kind {
        &self.kind
    }

    /// The file, if it is one.
    #[must_use]
    pub fn vnode(&self) -> Option<&Arc<Vnode>> {
        match &self.kind {
            Kind::Vnode(vnode) => Some(vnode),
            Kind::Pipe(_) => None,
        }
    }

    /// How it was opened.
    #[must_use]
    pub fn flags(&self) -> OpenFlags {
        OpenFlags::from_bits_retain(self.flags.load(Ordering::Relaxed))
    }

    /// Changes the flags that may be changed while a file is open.
    fn set_flags(&self, flags: OpenFlags) {
        let kept = self.flags() - CHANGEABLE;
        let new = kept | flags & CHANGEABLE;
        self.flags.store(new.bits(), Ordering::Relaxed);
    }

    /// Whether a read or a write that cannot be done at once fails.
    pub(crate) fn set_nonblocking(&self, on: bool) {
        let mut flags = self.flags();
        flags.set(OpenFlags::NONBLOCK, on);
        self.set_flags(flags);
    }

    /// The position, for one reader at a time: it waits until nobody else moves it.
    ///
    /// # Errors
    /// A restart, when a signal came first.
    #[doc(alias = "vn_offset_lock")]
    pub fn position(&self) -> Result<PositionGuard<'_>, Failure> {
        self.position.acquire()
    }
}

impl Drop for OpenFile {
    fn drop(&mut self) {
        if let Kind::Vnode(vnode) = &self.kind {
            vnode.note_closed();
        }
    }
}

/// Where the next read begins; for a directory the file system's own position. Held across a read, so that two readers of
/// one open file do not get the same bytes.
#[derive(Default)]
struct Position {
    value: AtomicU64,
    turn: Turn,
}

impl Position {
    fn acquire(&self) -> Result<PositionGuard<'_>, Failure> {
        let turn = self.turn.take()?;
        Ok(PositionGuard {
            position: self,
            value: self.value.load(Ordering::Relaxed),
            _turn: turn,
        })
    }
}

/// The position of an open file, held.
pub struct PositionGuard<'a> {
    position: &'a Position,
    value: u64,
    _turn: TurnGuard<'a>,
}

impl Deref for PositionGuard<'_> {
    type Target = u64;
    fn deref(&self) -> &u64 {
        &self.value
    }
}

impl DerefMut for PositionGuard<'_> {
    fn deref_mut(&mut self) -> &mut u64 {
        &mut self.value
    }
}

impl Drop for PositionGuard<'_> {
    fn drop(&mut self) {
        self.position.value.store(self.value, Ordering::Relaxed);
    }
}

/// One descriptor.
#[derive(Clone)]
struct Descriptor {
    file: Arc<OpenFile>,
    close_on_exec: bool,
}

/// The descriptors of a process.
#[derive(Clone, Default)]
#[doc(alias = "filedesc")]
pub struct FileTable {
    slots: Vec<Option<Descriptor>>,
}

impl FileTable {
    /// What a child gets.
    #[doc(alias = "fdcopy")]
    #[must_use]
    pub fn fork(&self) -> Self {
        self.clone()
    }

    /// How many descriptors are in use.
    #[must_use]
    pub fn count(&self) -> usize {
        self.slots.iter().flatten().count()
    }

    /// Closes what exec closes; the files come back, to be dropped without the lock.
    #[doc(alias = "fdexec")]
    #[must_use]
    pub fn close_on_exec(&mut self) -> Vec<Arc<OpenFile>> {
        let marked = |slot: &Option<Descriptor>| {
            slot.as_ref()
                .is_some_and(|descriptor| descriptor.close_on_exec)
        };
        let slots = self.slots.iter_mut().filter(|slot| marked(slot));
        slots
            .filter_map(Option::take)
            .map(|descriptor| descriptor.file)
            .collect()
    }

    /// The file of a descriptor.
    ///
    /// # Errors
    /// `EBADF`.
    #[doc(alias = "fp_lookup")]
    pub fn get(&self, number: i32) -> Result<Arc<OpenFile>, Errno> {
        self.descriptor(number)
            .map(|descriptor| descriptor.file.clone())
    }

    fn descriptor(&self, number: i32) -> Result<&Descriptor, Errno> {
        let index = usize::try_from(number).map_err(|_| Errno::EBADF)?;
        self.slots
            .get(index)
            .and_then(Option::as_ref)
            .ok_or(Errno::EBADF)
    }

    /// Gives the file the lowest free number from `from` on.
    ///
    /// # Errors
    /// `EMFILE`, `ENOMEM`.
    #[doc(alias = "fdalloc")]
    pub fn add(
        &mut self,
        file: Arc<OpenFile>,
        close_on_exec: bool,
        from: usize,
    ) -> Result<i32, Errno> {
        let free = (from..self.slots.len()).find(|&index| self.slots[index].is_none());
        let index = free.unwrap_or(self.slots.len().max(from));
        self.put(
            index,
            Descriptor {
                file,
                close_on_exec,
            },
        )?;
        Ok(index as i32)
    }

    /// Puts a descriptor at an index; what was there comes back.
    fn put(&mut self, index: usize, descriptor: Descriptor) -> Result<Option<Descriptor>, Errno> {
        if index >= OPEN_MAX {
            return Err(Errno::EMFILE);
        }
        if index >= self.slots.len() {
            self.slots
                .try_reserve(index + 1 - self.slots.len())
                .map_err(|_| Errno::ENOMEM)?;
            self.slots.resize(index + 1, None);
        }
        Ok(self.slots[index].replace(descriptor))
    }

    /// Takes a descriptor away; the file is to be dropped without the lock.
    ///
    /// # Errors
    /// `EBADF`.
    pub fn remove(&mut self, number: i32) -> Result<Arc<OpenFile>, Errno> {
        self.descriptor(number)?;
        self.slots[number as usize]
            .take()
            .map(|descriptor| descriptor.file)
            .ok_or(Errno::EBADF)
    }
}

/// The file of a descriptor of a process.
///
/// # Errors
/// `EBADF`.
pub fn lookup(proc: &Proc, number: i32) -> Result<Arc<OpenFile>, Errno> {
    proc.files.lock().get(number)
}

/// `close(fd)`.
pub(crate) fn close(call: &mut Call<'_>) -> Outcome {
    let file = call.proc.files.lock().remove(call.int(0))?;
    drop(file);
    DONE
}

/// `dup(fd)`.
pub(crate) fn dup(call: &mut Call<'_>) -> Outcome {
    let file = lookup(call.proc, call.int(0))?;
    // `file` goes after the lock, whatever becomes of its copy.
    let number = call.proc.files.lock().add(file.clone(), false, 0)?;
    value(number as u64)
}

/// `dup2(from, to)`.
pub(crate) fn dup2(call: &mut Call<'_>) -> Outcome {
    let (from, to) = (call.int(0), call.int(1));
    let mut files = call.proc.files.lock();
    let file = files.get(from)?;
    let index = usize::try_from(to).map_err(|_| Errno::EBADF)?;
    if index >= OPEN_MAX {
        return Err(Errno::EBADF.into());
    }
    let old = if from == to {
        None
    } else {
        files.put(
            index,
            Descriptor {
                file,
                close_on_exec: false,
            },
        )?
    };
    drop(files);
    drop(old);
    value(to as u64)
}

/// `fcntl(fd, command, argument)`: the commands that concern descriptors, and `F_GETPATH`.
pub(crate) fn fcntl(call: &mut Call<'_>) -> Outcome {
    let (number, command, argument) = (call.int(0), call.int(1), call.long(2));
    let mut files = call.proc.files.lock();
    let descriptor = files.descriptor(number)?.clone();
    match command {
        fcntl::F_DUPFD | fcntl::F_DUPFD_CLOEXEC => {
            let from = usize::try_from(argument as i32).map_err(|_| Errno::EINVAL)?;
            if from >= OPEN_MAX {
                return Err(Errno::EINVAL.into());
            }
            let close_on_exec = command == fcntl::F_DUPFD_CLOEXEC;
            value(files.add(descriptor.file, close_on_exec, from)? as u64)
        }
        fcntl::F_GETFD => value(if descriptor.close_on_exec {
            FD_CLOEXEC as u64
        } else {
            0
        }),
        fcntl::F_SETFD => {
            let close_on_exec = argument as i32 & FD_CLOEXEC != 0;
            files.put(
                number as usize,
                Descriptor {
                    close_on_exec,
                    ..descriptor
                },
            )?;
            DONE
        }
        fcntl::F_GETFL => value(u64::from(descriptor.file.flags().bits())),
        fcntl::F_SETFL => {
            let flags = OpenFlags::from_bits_retain(argument as u32);
            descriptor.file.set_flags(flags);
            DONE
        }
        fcntl::F_GETPATH => {
            drop(files);
            give_path(call, &descriptor.file, argument)
        }
        _ => Err(Errno::EINVAL.into()),
    }
}

/// Writes the path of an open file to the program.
fn give_path(call: &Call<'_>, file: &OpenFile, to: u64) -> Outcome {
    let mut path = file.vnode().ok_or(Errno::EBADF)?.path().into_bytes();
    path.push(0);
    if path.len() > PATH_MAX {
        return Err(Errno::ENOSPC.into());
    }
    call.copyout(&path, to)?;
    DONE
}

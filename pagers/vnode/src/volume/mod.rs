//! What a volume is to the file server.
//!
//! A [`Volume`] answers questions about names at once, and starts reads and writes of pages that complete later: the server is one
//! thread, so nothing may wait for file data. [`host_directory`] is a directory of the host over 9P, [`ram`] holds files in
//! memory. Whether something may be changed is the volume's business: the kernel lets everybody try.

use alloc::string::String;
use alloc::vec::Vec;
use bsd_sys::errno::Errno;
use mach::PortName;

pub mod host_directory;
pub mod ram;

/// A file's number, unique within its volume.
pub type Inode = u64;

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// Bytes that can be mapped.
    Regular,
    /// Names.
    Directory,
    /// Text that names another file.
    SymbolicLink,
    /// A device, socket or pipe of the host: it has a name here and nothing else.
    Other,
}

/// What `stat` shows of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attributes {
    /// The file.
    pub inode: Inode,
    /// What it is.
    pub kind: FileKind,
    /// Permission bits (`07777`).
    pub permissions: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Number of names.
    pub links: u32,
    /// Length in bytes.
    pub size: u64,
    /// Blocks of 512 bytes in use.
    pub blocks: u64,
    /// Last access, seconds and nanoseconds.
    pub accessed: (u64, u64),
    /// Last change of the data.
    pub modified: (u64, u64),
    /// Last change of the attributes.
    pub changed: (u64, u64),
    /// Changes whenever the data may have changed; compared on open to drop stale pages.
    pub version: u64,
}

/// One name of a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The named file.
    pub inode: Inode,
    /// What it is.
    pub kind: FileKind,
    /// Where reading goes on after this entry.
    pub next: u64,
    /// The name.
    pub name: String,
}

/// How a read of pages was answered at once.
#[derive(Debug)]
pub enum PageRead<'a> {
    /// The device works on it; its completion carries the caller's token.
    Started,
    /// The bytes are at hand (a volume in memory). Shorter than asked means the file ends there.
    Bytes(&'a [u8]),
}

/// Pages to be written: a page list, and where in it they begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageSource {
    /// The list's port.
    pub list: PortName,
    /// First byte.
    pub offset: u64,
}

/// How something that may take its time was answered at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// The device works on it; its completion carries the caller's token.
    Started,
    /// It is done.
    Done,
}

/// How changed pages are to come to a volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wants {
    /// As page lists, for [`Volume::write_pages`].
    Pages,
    /// As bytes, for [`Volume::write_bytes`].
    Bytes,
}

/// What loses its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Removal {
    /// A directory.
    Directory,
    /// Anything else.
    File,
}

/// A name in a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Name<'a> {
    /// The directory.
    pub directory: Inode,
    /// What it calls the file.
    pub name: &'a str,
}

/// A time of a file that is to be set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// The volume's present.
    Now,
    /// Seconds and nanoseconds.
    At(u64, u64),
}

/// What is to become of a file's attributes; `None`: nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Permission bits.
    pub permissions: Option<u32>,
    /// Owner.
    pub uid: Option<u32>,
    /// Group.
    pub gid: Option<u32>,
    /// Length in bytes.
    pub size: Option<u64>,
    /// Last access.
    pub accessed: Option<Moment>,
    /// Last change of the data.
    pub modified: Option<Moment>,
}

/// A tree of files. Methods on names answer at once; [`Volume::read_pages`] may answer later.
pub trait Volume {
    /// The top directory.
    fn root(&self) -> Inode;

    /// The file that `directory` calls `name`.
    ///
    /// # Errors
    /// `ENOENT`, `ENOTDIR`, `ENAMETOOLONG`, or what the volume says.
    fn lookup(&mut self, directory: Inode, name: &str) -> Result<Attributes, Errno>;

    /// What `stat` shows of a file.
    ///
    /// # Errors
    /// `ESTALE` for a file this volume does not know.
    fn attributes(&mut self, file: Inode) -> Result<Attributes, Errno>;

    /// Names of `directory` from position `from`, about `capacity` bytes of them; none at the end.
    ///
    /// # Errors
    /// `ENOTDIR`, `ESTALE`, or what the volume says.
    fn read_directory(
        &mut self,
        directory: Inode,
        from: u64,
        capacity: u32,
    ) -> Result<Vec<Entry>, Errno>;

    /// The text of a symbolic link.
    ///
    /// # Errors
    /// `EINVAL` for anything else, `ESTALE`, or what the volume says.
    fn read_link(&mut self, link: Inode) -> Result<String, Errno>;

    /// Reads `length` bytes at `offset`; `token` comes back with the completion.
    ///
    /// # Errors
    /// `EISDIR`, `ESTALE`, or what the volume says.
    fn read_pages(
        &mut self,
        file: Inode,
        offset: u64,
        length: u32,
        token: u64,
    ) -> Result<PageRead<'_>, Errno>;

    /// The most bytes one [`Volume::read_pages`] or [`Volume::write_pages`] may ask for.
    fn read_limit(&self) -> u32;

    /// How changed pages are to come.
    fn wants(&self) -> Wants;

    /// The file is going to be written.
    ///
    /// # Errors
    /// `EROFS`, `EACCES`, or what the volume says.
    fn open_for_writing(&mut self, file: Inode) -> Result<(), Errno>;

    /// Writes `length` bytes of a page list at `offset`; `token` comes back with the completion.
    ///
    /// # Errors
    /// `ENOTSUP` if the volume wants bytes, or what it says.
    fn write_pages(
        &mut self,
        file: Inode,
        offset: u64,
        source: PageSource,
        length: u32,
        token: u64,
    ) -> Result<(), Errno>;

    /// Writes bytes at `offset`.
    ///
    /// # Errors
    /// `ENOTSUP` if the volume wants page lists, `ENOSPC`, or what it says.
    fn write_bytes(&mut self, file: Inode, offset: u64, bytes: &[u8]) -> Result<(), Errno>;

    /// Makes durable what was written of a file; `token` comes back with the completion.
    ///
    /// # Errors
    /// What the volume says.
    fn synchronize(&mut self, file: Inode, token: u64) -> Result<Progress, Errno>;

    /// Makes an empty regular file.
    ///
    /// # Errors
    /// `EEXIST`, `EROFS`, `ENOSPC`, or what the volume says.
    fn create(&mut self, at: Name<'_>, permissions: u32) -> Result<Attributes, Errno>;

    /// Makes a directory.
    ///
    /// # Errors
    /// As [`Volume::create`].
    fn make_directory(&mut self, at: Name<'_>, permissions: u32) -> Result<Attributes, Errno>;

    /// Makes a symbolic link.
    ///
    /// # Errors
    /// As [`Volume::create`].
    fn make_symbolic_link(&mut self, at: Name<'_>, target: &str) -> Result<Attributes, Errno>;

    /// Gives a file one more name.
    ///
    /// # Errors
    /// As [`Volume::create`].
    fn link(&mut self, file: Inode, at: Name<'_>) -> Result<Attributes, Errno>;

    /// Gives a file another name; a file that had the new name loses it.
    ///
    /// # Errors
    /// `ENOENT`, `ENOTEMPTY`, `EISDIR`, `ENOTDIR`, `EXDEV`, or what the volume says.
    fn rename(&mut self, from: Name<'_>, to: Name<'_>) -> Result<(), Errno>;

    /// Takes a name away: of a directory, which must be empty, or of anything else.
    ///
    /// # Errors
    /// `ENOENT`, `ENOTEMPTY`, `EPERM`, or what the volume says.
    fn remove(&mut self, at: Name<'_>, kind: Removal) -> Result<(), Errno>;

    /// Changes attributes.
    ///
    /// # Errors
    /// `ESTALE`, or what the volume says.
    fn change(&mut self, file: Inode, changes: &Changes) -> Result<Attributes, Errno>;

    /// The kernel no longer knows the file: whatever was kept for it may go.
    fn forget(&mut self, file: Inode);
}

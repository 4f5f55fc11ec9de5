//! What a volume is to the file server.
//!
//! A [`Volume`] answers questions about names at once, and starts reads of pages that complete later: the server is one
//! thread, so nothing may wait for file data. [`host_directory`] is a directory of the host over 9P, [`ram`] holds files in
//! memory.

use alloc::string::String;
use alloc::vec::Vec;
use bsd_sys::errno::Errno;

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
pub enum PageRead {
    /// The device works on it; its completion carries the caller's token.
    Started,
    /// The bytes are at hand (a volume in memory). Shorter than asked means the file ends there.
    Bytes(Vec<u8>),
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
    ) -> Result<PageRead, Errno>;

    /// The most bytes one [`Volume::read_pages`] may ask for.
    fn read_limit(&self) -> u32;

    /// The kernel no longer knows the file: whatever was kept for it may go.
    fn forget(&mut self, file: Inode);
}

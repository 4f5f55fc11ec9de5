//! A directory of the host, over 9P2000.L.
//!
//! Every file the kernel knows has a fid here; a regular file that was read has a second, open one, since 9P cannot walk
//! from an open fid, and one that was written a third. `forget` gives all back. File data goes past this code:
//! [`Transport::start`] hands a `Tread` to the device together with fresh frames, a `Twrite` with those of a page list.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use bsd_sys::errno::Errno;

use super::{
    Attributes, Changes, FileKind, Inode, Name, PageRead, PageSource, Progress, Removal, Volume,
    Wants,
};
use crate::ninep::codec::{self, Fid, NO_TAG, ProtocolError, Qid, Reply, Request};
use crate::ninep::errno::from_linux;

/// The way to a 9P server.
pub trait Transport {
    /// Sends a whole T-message and waits for its R-message of at most `reply_capacity` bytes.
    ///
    /// # Errors
    /// `EIO` when the device failed.
    fn call(&mut self, message: Vec<u8>, reply_capacity: u32) -> Result<Vec<u8>, Errno>;

    /// Sends a T-message whose R-message completes later with `token`.
    ///
    /// # Errors
    /// `EIO` when the device failed.
    fn start(&mut self, message: Vec<u8>, data: Data, token: u64) -> Result<(), Errno>;

    /// The most bytes of data one request can carry.
    fn data_limit(&self) -> u32;
}

/// The data of a message that is started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Data {
    /// None.
    None,
    /// So many bytes at most come, into fresh frames.
    Read(u32),
    /// So many bytes go, from a page list.
    Write(PageSource, u32),
}

/// Bytes of a reply that is not file data.
const REPLY_CAPACITY: u32 = 8 * 1024;

/// The most bytes of directory entries in one reply.
const DIRECTORY_CAPACITY: u32 = 8 * 1024 - 64;

/// Bytes that hold at least one entry, whatever its name.
const DIRECTORY_MINIMUM: u32 = 512;

/// `O_RDONLY` in Linux's numbering, which `Tlopen` speaks.
const LINUX_READ_ONLY: u32 = 0;

/// `O_RDWR`.
const LINUX_READ_WRITE: u32 = 2;

/// `O_RDWR | O_EXCL`: `Tlcreate` adds `O_CREAT` itself.
const LINUX_NEW: u32 = 0o202;

/// The group of what is made; the host's own rules apply.
const GROUP: u32 = 0;

/// `O_DIRECTORY | O_RDONLY` in Linux's arm64-independent 9P numbering.
const LINUX_DIRECTORY: u32 = 0o200_000;

/// What is kept for a file the kernel knows.
#[derive(Debug)]
struct Node {
    fid: Fid,
    open: Option<Fid>,
    /// Open for writing too.
    write: Option<Fid>,
    kind: FileKind,
}

impl Node {
    fn new(fid: Fid, kind: FileKind) -> Self {
        Self {
            fid,
            open: None,
            write: None,
            kind,
        }
    }
}

/// A volume whose files are the host's.
#[derive(Debug)]
pub struct HostDirectory<T> {
    transport: T,
    root: Inode,
    nodes: BTreeMap<Inode, Node>,
    free_fids: Vec<Fid>,
    next_fid: Fid,
    next_tag: u16,
    data_limit: u32,
}

impl<T: Transport> HostDirectory<T> {
    /// Negotiates the version and attaches to the root of the share.
    ///
    /// # Errors
    /// `EPROTONOSUPPORT` when the server speaks another protocol, `EIO` or its own error otherwise.
    pub fn attach(transport: T, user: u32) -> Result<Self, Errno> {
        let wanted = transport.data_limit() + 4096;
        let mut volume = Self {
            transport,
            root: 0,
            nodes: BTreeMap::new(),
            free_fids: Vec::new(),
            next_fid: 1,
            next_tag: 0,
            data_limit: 0,
        };
        let (msize, ours) =
            volume.exchange(&Request::Version { msize: wanted }, NO_TAG, |reply| {
                reply.version()
            })?;
        if !ours || msize < REPLY_CAPACITY {
            return Err(Errno::EPROTONOSUPPORT);
        }
        let room = msize - codec::READ_REPLY_HEADER as u32;
        volume.data_limit = room.min(volume.transport.data_limit());
        let fid = volume.allocate_fid();
        let qid = volume.call(
            &Request::Attach {
                fid,
                user,
                tree: "",
            },
            |reply| reply.attach(),
        )?;
        volume.root = qid.path;
        volume
            .nodes
            .insert(qid.path, Node::new(fid, FileKind::Directory));
        Ok(volume)
    }

    /// The way to the server, for the completions the program receives.
    pub fn transport(&mut self) -> &mut T {
        &mut self.transport
    }

    /// How many fids are in use: one for each file that is known, one more if it was read, and one more if it was written.
    #[must_use]
    pub fn fids_in_use(&self) -> usize {
        self.next_fid as usize - 1 - self.free_fids.len()
    }

    fn exchange<R>(
        &mut self,
        request: &Request<'_>,
        tag: u16,
        read: impl FnOnce(Reply<'_>) -> Result<R, ProtocolError>,
    ) -> Result<R, Errno> {
        let capacity = match request {
            Request::ReadDir { count, .. } => count + codec::READ_REPLY_HEADER as u32,
            _ => REPLY_CAPACITY,
        };
        let reply = self.transport.call(request.encode(tag), capacity)?;
        Reply::parse(&reply, request, tag)
            .and_then(read)
            .map_err(errno_of)
    }

    fn call<R>(
        &mut self,
        request: &Request<'_>,
        read: impl FnOnce(Reply<'_>) -> Result<R, ProtocolError>,
    ) -> Result<R, Errno> {
        let tag = self.take_tag();
        self.exchange(request, tag, read)
    }

    fn take_tag(&mut self) -> u16 {
        let tag = self.next_tag;
        self.next_tag = if tag == NO_TAG - 1 { 0 } else { tag + 1 };
        tag
    }

    fn allocate_fid(&mut self) -> Fid {
        self.free_fids.pop().unwrap_or_else(|| {
            let fid = self.next_fid;
            self.next_fid += 1;
            fid
        })
    }

    fn clunk(&mut self, fid: Fid) {
        // The server forgets the fid whatever it answers.
        let _ = self.call(&Request::Clunk { fid }, |_| Ok(()));
        self.free_fids.push(fid);
    }

    fn node(&self, file: Inode) -> Result<&Node, Errno> {
        self.nodes.get(&file).ok_or(Errno::ESTALE)
    }

    /// A new fid for the file `names` below `fid`; none for the file itself.
    fn walk(&mut self, fid: Fid, names: &[&str]) -> Result<(Fid, Vec<Qid>), Errno> {
        let new_fid = self.allocate_fid();
        match self.call(
            &Request::Walk {
                fid,
                new_fid,
                names,
            },
            |reply| reply.walk(),
        ) {
            Ok(qids) if qids.len() == names.len() => Ok((new_fid, qids)),
            outcome => {
                // A walk that stops half-way leaves the new fid unused.
                self.free_fids.push(new_fid);
                Err(outcome.err().unwrap_or(Errno::ENOENT))
            }
        }
    }

    /// The open fid of a file, opening it first if need be.
    fn open_fid(&mut self, file: Inode, flags: u32) -> Result<Fid, Errno> {
        let node = self.node(file)?;
        if let Some(open) = node.open {
            return Ok(open);
        }
        let fid = self.opened(node.fid, flags)?;
        if let Some(node) = self.nodes.get_mut(&file) {
            node.open = Some(fid);
        }
        Ok(fid)
    }

    /// The fid of a file that is open for writing, opening it first if need be.
    fn write_fid(&mut self, file: Inode) -> Result<Fid, Errno> {
        let node = self.node(file)?;
        if let Some(write) = node.write {
            return Ok(write);
        }
        let fid = self.opened(node.fid, LINUX_READ_WRITE)?;
        if let Some(node) = self.nodes.get_mut(&file) {
            node.write = Some(fid);
        }
        Ok(fid)
    }

    /// A new open fid for what `fid` names.
    fn opened(&mut self, fid: Fid, flags: u32) -> Result<Fid, Errno> {
        let (fid, _) = self.walk(fid, &[])?;
        match self.call(&Request::Open { fid, flags }, |reply| reply.open()) {
            Ok(_) => Ok(fid),
            Err(error) => {
                self.clunk(fid);
                Err(error)
            }
        }
    }

    /// The fid of a directory.
    fn directory(&self, directory: Inode) -> Result<Fid, Errno> {
        let node = self.node(directory)?;
        if node.kind == FileKind::Directory {
            Ok(node.fid)
        } else {
            Err(Errno::ENOTDIR)
        }
    }

    /// The regular file's node, or why it is none.
    fn regular(&self, file: Inode) -> Result<&Node, Errno> {
        let node = self.node(file)?;
        match node.kind {
            FileKind::Regular => Ok(node),
            FileKind::Directory => Err(Errno::EISDIR),
            FileKind::SymbolicLink | FileKind::Other => Err(Errno::EINVAL),
        }
    }
}

impl<T: Transport> Volume for HostDirectory<T> {
    fn root(&self) -> Inode {
        self.root
    }

    fn lookup(&mut self, directory: Inode, name: &str) -> Result<Attributes, Errno> {
        let directory = self.directory(directory)?;
        let (fid, _) = self.walk(directory, &[name])?;
        let found = match self.call(&Request::GetAttr { fid }, |reply| reply.attributes()) {
            Ok(found) => attributes_of(&found),
            Err(error) => {
                self.clunk(fid);
                return Err(error);
            }
        };
        match self.nodes.get_mut(&found.inode) {
            // The new fid stays: the server goes by paths, and the old one's may lead nowhere by now.
            Some(node) if node.kind == found.kind => {
                let old = core::mem::replace(&mut node.fid, fid);
                self.clunk(old);
            }
            // Not known, or its number was given to another kind of file.
            _ => {
                self.forget(found.inode);
                self.nodes.insert(found.inode, Node::new(fid, found.kind));
            }
        }
        Ok(found)
    }

    fn attributes(&mut self, file: Inode) -> Result<Attributes, Errno> {
        let fid = self.node(file)?.fid;
        self.call(&Request::GetAttr { fid }, |reply| reply.attributes())
            .map(|found| attributes_of(&found))
    }

    fn read_directory(
        &mut self,
        directory: Inode,
        from: u64,
        capacity: u32,
    ) -> Result<Vec<super::Entry>, Errno> {
        self.directory(directory)?;
        let fid = self.open_fid(directory, LINUX_DIRECTORY)?;
        // Never less than a name needs: a server that cannot fit one answers as it does at the end.
        let count = capacity.clamp(DIRECTORY_MINIMUM, DIRECTORY_CAPACITY);
        let names = self.call(
            &Request::ReadDir {
                fid,
                offset: from,
                count,
            },
            |reply| reply.directory(),
        )?;
        Ok(names
            .into_iter()
            .map(|entry| super::Entry {
                inode: entry.qid.path,
                kind: kind_of_entry(entry.kind),
                next: entry.next,
                name: entry.name,
            })
            .collect())
    }

    fn read_link(&mut self, link: Inode) -> Result<String, Errno> {
        let node = self.node(link)?;
        if node.kind != FileKind::SymbolicLink {
            return Err(Errno::EINVAL);
        }
        let fid = node.fid;
        self.call(&Request::ReadLink { fid }, |reply| reply.link())
    }

    fn read_pages(
        &mut self,
        file: Inode,
        offset: u64,
        length: u32,
        token: u64,
    ) -> Result<PageRead<'_>, Errno> {
        let node = self.regular(file)?;
        // A file that may only be written by now is read through the fid that writes it.
        let fid = match node.write {
            Some(write) => write,
            None => self.open_fid(file, LINUX_READ_ONLY)?,
        };
        let tag = self.take_tag();
        let count = length.min(self.data_limit);
        let message = Request::Read { fid, offset, count }.encode(tag);
        self.transport.start(message, Data::Read(count), token)?;
        Ok(PageRead::Started)
    }

    fn read_limit(&self) -> u32 {
        self.data_limit
    }

    fn forget(&mut self, file: Inode) {
        if file == self.root {
            return;
        }
        if let Some(node) = self.nodes.remove(&file) {
            for fid in [node.open, node.write].into_iter().flatten() {
                self.clunk(fid);
            }
            self.clunk(node.fid);
        }
    }

    fn wants(&self) -> Wants {
        Wants::Pages
    }

    fn open_for_writing(&mut self, file: Inode) -> Result<(), Errno> {
        self.regular(file)?;
        self.write_fid(file).map(drop)
    }

    fn write_pages(
        &mut self,
        file: Inode,
        offset: u64,
        source: PageSource,
        length: u32,
        token: u64,
    ) -> Result<(), Errno> {
        let fid = self.write_fid(file)?;
        let tag = self.take_tag();
        let count = length.min(self.data_limit);
        let message = Request::Write { fid, offset, count }.encode(tag);
        self.transport
            .start(message, Data::Write(source, count), token)
    }

    fn write_bytes(&mut self, _file: Inode, _offset: u64, _bytes: &[u8]) -> Result<(), Errno> {
        Err(Errno::ENOTSUP)
    }

    fn synchronize(&mut self, file: Inode, token: u64) -> Result<Progress, Errno> {
        // What was never opened for writing has nothing to lose.
        let Some(fid) = self.node(file)?.write else {
            return Ok(Progress::Done);
        };
        let tag = self.take_tag();
        let message = Request::Fsync { fid }.encode(tag);
        self.transport.start(message, Data::None, token)?;
        Ok(Progress::Started)
    }

    fn create(&mut self, at: Name<'_>, permissions: u32) -> Result<Attributes, Errno> {
        let directory = self.directory(at.directory)?;
        let (fid, _) = self.walk(directory, &[])?;
        let request = Request::Create {
            fid,
            name: at.name,
            flags: LINUX_NEW,
            mode: permissions,
            group: GROUP,
        };
        if let Err(error) = self.call(&request, |reply| reply.made()) {
            self.clunk(fid);
            return Err(error);
        }
        let found = match self.lookup(at.directory, at.name) {
            Ok(found) => found,
            Err(error) => {
                self.clunk(fid);
                return Err(error);
            }
        };
        // The fid that made the file is open for writing, whatever its permissions.
        let old = self
            .nodes
            .get_mut(&found.inode)
            .and_then(|node| node.write.replace(fid));
        if let Some(old) = old {
            self.clunk(old);
        }
        Ok(found)
    }

    fn make_directory(&mut self, at: Name<'_>, permissions: u32) -> Result<Attributes, Errno> {
        let directory = self.directory(at.directory)?;
        let request = Request::MakeDirectory {
            directory,
            name: at.name,
            mode: permissions,
            group: GROUP,
        };
        self.call(&request, |reply| reply.made())?;
        self.lookup(at.directory, at.name)
    }

    fn make_symbolic_link(&mut self, at: Name<'_>, target: &str) -> Result<Attributes, Errno> {
        let directory = self.directory(at.directory)?;
        let request = Request::SymbolicLink {
            directory,
            name: at.name,
            target,
            group: GROUP,
        };
        self.call(&request, |reply| reply.made())?;
        self.lookup(at.directory, at.name)
    }

    fn link(&mut self, file: Inode, at: Name<'_>) -> Result<Attributes, Errno> {
        let directory = self.directory(at.directory)?;
        let fid = self.node(file)?.fid;
        let request = Request::Link {
            directory,
            fid,
            name: at.name,
        };
        self.call(&request, |_| Ok(()))?;
        self.attributes(file)
    }

    fn rename(&mut self, from: Name<'_>, to: Name<'_>) -> Result<(), Errno> {
        let request = Request::Rename {
            from: self.directory(from.directory)?,
            from_name: from.name,
            to: self.directory(to.directory)?,
            to_name: to.name,
        };
        self.call(&request, |_| Ok(()))
    }

    fn remove(&mut self, at: Name<'_>, kind: Removal) -> Result<(), Errno> {
        let request = Request::Unlink {
            directory: self.directory(at.directory)?,
            name: at.name,
            flags: match kind {
                Removal::Directory => codec::UNLINK_DIRECTORY,
                Removal::File => 0,
            },
        };
        self.call(&request, |_| Ok(()))
    }

    fn change(&mut self, file: Inode, changes: &Changes) -> Result<Attributes, Errno> {
        let fid = self.node(file)?.fid;
        let changes = codec::Changes {
            mode: changes.permissions,
            uid: changes.uid,
            gid: changes.gid,
            size: changes.size,
            accessed: changes.accessed,
            modified: changes.modified,
        };
        self.call(&Request::SetAttr { fid, changes }, |_| Ok(()))?;
        self.attributes(file)
    }
}

fn errno_of(error: ProtocolError) -> Errno {
    match error {
        ProtocolError::Server(linux) => from_linux(linux),
        ProtocolError::Short
        | ProtocolError::UnexpectedType(_)
        | ProtocolError::UnexpectedTag(_)
        | ProtocolError::BadName => Errno::EIO,
    }
}

/// The kind in a `st_mode`; the type bits are the same on Linux and Darwin.
fn kind_of_mode(mode: u32) -> FileKind {
    match mode & 0o170_000 {
        0o100_000 => FileKind::Regular,
        0o040_000 => FileKind::Directory,
        0o120_000 => FileKind::SymbolicLink,
        _ => FileKind::Other,
    }
}

/// The kind in a `DT_*` value.
fn kind_of_entry(kind: u8) -> FileKind {
    match kind {
        8 => FileKind::Regular,
        4 => FileKind::Directory,
        10 => FileKind::SymbolicLink,
        _ => FileKind::Other,
    }
}

fn attributes_of(found: &codec::Attributes) -> Attributes {
    Attributes {
        inode: found.qid.path,
        kind: kind_of_mode(found.mode),
        permissions: found.mode & 0o7777,
        uid: found.uid,
        gid: found.gid,
        links: u32::try_from(found.links).unwrap_or(u32::MAX),
        size: found.size,
        blocks: found.blocks,
        accessed: found.accessed,
        modified: found.modified,
        changed: found.changed,
        version: found
            .modified
            .0
            .wrapping_mul(1_000_000_000)
            .wrapping_add(found.modified.1),
    }
}

#[cfg(test)]
mod tests;

//! A directory of the host, over 9P2000.L.
//!
//! Every file the kernel knows has a fid here; a regular file that was read has a second, open one, since 9P cannot walk
//! from an open fid. `forget` gives both back. File data goes past this code: [`Transport::start_read`] hands a `Tread` to the
//! device together with fresh frames.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use bsd_sys::errno::Errno;

use super::{Attributes, FileKind, Inode, PageRead, Volume};
use crate::ninep::codec::{self, Fid, NO_TAG, ProtocolError, Qid, Reply, Request};
use crate::ninep::errno::from_linux;

/// The way to a 9P server.
pub trait Transport {
    /// Sends a whole T-message and waits for its R-message of at most `reply_capacity` bytes.
    ///
    /// # Errors
    /// `EIO` when the device failed.
    fn call(&mut self, message: Vec<u8>, reply_capacity: u32) -> Result<Vec<u8>, Errno>;

    /// Sends a `Tread` whose data is to land in fresh frames; completes later with `token`.
    ///
    /// # Errors
    /// `EIO` when the device failed.
    fn start_read(&mut self, message: Vec<u8>, length: u32, token: u64) -> Result<(), Errno>;

    /// The most bytes of data one request can carry.
    fn data_limit(&self) -> u32;
}

/// Bytes of a reply that is not file data.
const REPLY_CAPACITY: u32 = 8 * 1024;

/// The most bytes of directory entries in one reply.
const DIRECTORY_CAPACITY: u32 = 8 * 1024 - 64;

/// Bytes that hold at least one entry, whatever its name.
const DIRECTORY_MINIMUM: u32 = 512;

/// `O_RDONLY` in Linux's numbering, which `Tlopen` speaks.
const LINUX_READ_ONLY: u32 = 0;

/// `O_DIRECTORY | O_RDONLY` in Linux's arm64-independent 9P numbering.
const LINUX_DIRECTORY: u32 = 0o200_000;

/// What is kept for a file the kernel knows.
#[derive(Debug)]
struct Node {
    fid: Fid,
    open: Option<Fid>,
    kind: FileKind,
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
        volume.nodes.insert(
            qid.path,
            Node {
                fid,
                open: None,
                kind: FileKind::Directory,
            },
        );
        Ok(volume)
    }

    /// The way to the server, for the completions the program receives.
    pub fn transport(&mut self) -> &mut T {
        &mut self.transport
    }

    /// How many fids are in use: two for each file that was read, one for any other.
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
        let (fid, _) = self.walk(node.fid, &[])?;
        if let Err(error) = self.call(&Request::Open { fid, flags }, |reply| reply.open()) {
            self.clunk(fid);
            return Err(error);
        }
        if let Some(node) = self.nodes.get_mut(&file) {
            node.open = Some(fid);
        }
        Ok(fid)
    }
}

impl<T: Transport> Volume for HostDirectory<T> {
    fn root(&self) -> Inode {
        self.root
    }

    fn lookup(&mut self, directory: Inode, name: &str) -> Result<Attributes, Errno> {
        let node = self.node(directory)?;
        if node.kind != FileKind::Directory {
            return Err(Errno::ENOTDIR);
        }
        let (fid, _) = self.walk(node.fid, &[name])?;
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
                self.nodes.insert(
                    found.inode,
                    Node {
                        fid,
                        open: None,
                        kind: found.kind,
                    },
                );
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
        if self.node(directory)?.kind != FileKind::Directory {
            return Err(Errno::ENOTDIR);
        }
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
    ) -> Result<PageRead, Errno> {
        match self.node(file)?.kind {
            FileKind::Regular => {}
            FileKind::Directory => return Err(Errno::EISDIR),
            FileKind::SymbolicLink | FileKind::Other => return Err(Errno::EINVAL),
        }
        let fid = self.open_fid(file, LINUX_READ_ONLY)?;
        let tag = self.take_tag();
        let message = Request::Read {
            fid,
            offset,
            count: length.min(self.data_limit),
        }
        .encode(tag);
        self.transport
            .start_read(message, length.min(self.data_limit), token)?;
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
            if let Some(open) = node.open {
                self.clunk(open);
            }
            self.clunk(node.fid);
        }
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

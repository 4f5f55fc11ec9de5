//! A volume in memory: files that live as long as the server.
//!
//! The boot archive's files are served from here when the server is asked for them by name, through the very same path as a
//! host's file, and `/tmp` is such a volume. Figures that must repeat use it, since it depends on no host. A file without a name goes
//! when the kernel forgets it; there is no clock, so times are those that were set.

use alloc::borrow::ToOwned;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use bsd_sys::errno::Errno;

use super::{
    Attributes, Changes, Entry, FileKind, Inode, Moment, Name, PageRead, PageSource, Progress,
    Removal, Volume, Wants,
};

/// What an inode is.
#[derive(Debug)]
enum Content {
    File(Vec<u8>),
    Directory(BTreeMap<String, Inode>),
    Link(String),
}

#[derive(Debug)]
struct Node {
    content: Content,
    permissions: u32,
    uid: u32,
    gid: u32,
    /// Names it has.
    names: u32,
    accessed: (u64, u64),
    modified: (u64, u64),
}

/// Files in memory, under one root directory.
#[derive(Debug)]
pub struct RamVolume {
    /// Numbers are not used again: a handle of a file that has gone names nothing.
    nodes: BTreeMap<Inode, Node>,
    next: Inode,
    /// Bytes of all files.
    used: u64,
    /// The most there may be.
    capacity: u64,
}

/// The root's number.
const ROOT: Inode = 1;

/// The most bytes of one read: any amount would do.
const READ_LIMIT: u32 = 1 << 20;

/// Bytes that files may have in all, unless another number is given.
const CAPACITY: u64 = 1 << 30;

impl Default for RamVolume {
    fn default() -> Self {
        Self::with_capacity(CAPACITY)
    }
}

impl RamVolume {
    /// An empty volume whose files may have so many bytes in all.
    #[must_use]
    pub fn with_capacity(capacity: u64) -> Self {
        let mut volume = Self {
            nodes: BTreeMap::new(),
            next: ROOT,
            used: 0,
            capacity,
        };
        volume.add(Content::Directory(BTreeMap::new()), 0o777, 1);
        volume
    }

    /// Adds a file at `path`, making the directories on the way.
    ///
    /// # Errors
    /// `ENOTDIR` when a directory on the way is a file, `EEXIST` when the name is taken, `EINVAL` for an empty path.
    pub fn add_file(&mut self, path: &str, bytes: Vec<u8>) -> Result<Inode, Errno> {
        let mut names: Vec<&str> = path.split('/').filter(|name| !name.is_empty()).collect();
        let last = names.pop().ok_or(Errno::EINVAL)?;
        let mut directory = ROOT;
        for name in names {
            directory = match self.names(directory)?.get(name) {
                Some(&inode) => inode,
                None => {
                    let at = Name { directory, name };
                    self.make(at, Content::Directory(BTreeMap::new()), 0o755)?
                }
            };
        }
        self.used += bytes.len() as u64;
        let at = Name {
            directory,
            name: last,
        };
        self.make(at, Content::File(bytes), 0o755)
    }

    fn add(&mut self, content: Content, permissions: u32, names: u32) -> Inode {
        let inode = self.next;
        self.next += 1;
        let node = Node {
            content,
            permissions,
            uid: 0,
            gid: 0,
            names,
            accessed: (0, 0),
            modified: (0, 0),
        };
        self.nodes.insert(inode, node);
        inode
    }

    /// Makes a file under a name that must be free.
    fn make(&mut self, at: Name<'_>, content: Content, permissions: u32) -> Result<Inode, Errno> {
        if self.names(at.directory)?.contains_key(at.name) {
            return Err(Errno::EEXIST);
        }
        let inode = self.add(content, permissions & 0o7777, 1);
        self.names_mut(at.directory)?
            .insert(at.name.to_owned(), inode);
        Ok(inode)
    }

    fn node(&self, inode: Inode) -> Result<&Node, Errno> {
        self.nodes.get(&inode).ok_or(Errno::ESTALE)
    }

    fn node_mut(&mut self, inode: Inode) -> Result<&mut Node, Errno> {
        self.nodes.get_mut(&inode).ok_or(Errno::ESTALE)
    }

    fn names(&self, inode: Inode) -> Result<&BTreeMap<String, Inode>, Errno> {
        match &self.node(inode)?.content {
            Content::Directory(names) => Ok(names),
            Content::File(_) | Content::Link(_) => Err(Errno::ENOTDIR),
        }
    }

    fn names_mut(&mut self, inode: Inode) -> Result<&mut BTreeMap<String, Inode>, Errno> {
        match &mut self.node_mut(inode)?.content {
            Content::Directory(names) => Ok(names),
            Content::File(_) | Content::Link(_) => Err(Errno::ENOTDIR),
        }
    }

    fn found(&self, at: Name<'_>) -> Result<Inode, Errno> {
        self.names(at.directory)?
            .get(at.name)
            .copied()
            .ok_or(Errno::ENOENT)
    }

    fn kind(&self, inode: Inode) -> Result<FileKind, Errno> {
        Ok(match self.node(inode)?.content {
            Content::File(_) => FileKind::Regular,
            Content::Directory(_) => FileKind::Directory,
            Content::Link(_) => FileKind::SymbolicLink,
        })
    }

    /// Whether `inode` is `directory` or below it. A list and not the stack: directories may be nested at will.
    fn is_within(&self, inode: Inode, directory: Inode) -> bool {
        let mut open = alloc::vec![directory];
        while let Some(at) = open.pop() {
            if at == inode {
                return true;
            }
            if let Ok(names) = self.names(at) {
                open.extend(names.values());
            }
        }
        false
    }

    /// A name was taken away.
    fn unname(&mut self, inode: Inode) -> Result<(), Errno> {
        let node = self.node_mut(inode)?;
        node.names = node.names.saturating_sub(1);
        Ok(())
    }

    /// Gives a file another length.
    fn resize(&mut self, file: Inode, size: u64) -> Result<(), Errno> {
        let (used, capacity) = (self.used, self.capacity);
        let Content::File(bytes) = &mut self.node_mut(file)?.content else {
            return Err(Errno::EISDIR);
        };
        let old = bytes.len() as u64;
        let all = used - old;
        if size > capacity.saturating_sub(all) {
            return Err(Errno::ENOSPC);
        }
        let length = usize::try_from(size).map_err(|_| Errno::EFBIG)?;
        bytes
            .try_reserve(length.saturating_sub(bytes.len()))
            .map_err(|_| Errno::ENOSPC)?;
        bytes.resize(length, 0);
        self.used = all + size;
        Ok(())
    }
}

impl Volume for RamVolume {
    fn root(&self) -> Inode {
        ROOT
    }

    fn lookup(&mut self, directory: Inode, name: &str) -> Result<Attributes, Errno> {
        let inode = self.found(Name { directory, name })?;
        self.attributes(inode)
    }

    fn attributes(&mut self, file: Inode) -> Result<Attributes, Errno> {
        let node = self.node(file)?;
        let (size, links) = match &node.content {
            Content::File(bytes) => (bytes.len(), node.names),
            Content::Directory(names) => (names.len(), 2),
            Content::Link(target) => (target.len(), node.names),
        };
        Ok(Attributes {
            inode: file,
            kind: self.kind(file)?,
            permissions: node.permissions,
            uid: node.uid,
            gid: node.gid,
            links,
            size: size as u64,
            blocks: (size as u64).div_ceil(512),
            accessed: node.accessed,
            modified: node.modified,
            changed: node.modified,
            version: 0,
        })
    }

    fn read_directory(
        &mut self,
        directory: Inode,
        from: u64,
        capacity: u32,
    ) -> Result<Vec<Entry>, Errno> {
        let names = self.names(directory)?;
        let mut room = capacity as usize;
        let mut entries = Vec::new();
        for (position, (name, &inode)) in names
            .iter()
            .enumerate()
            .skip(usize::try_from(from).unwrap_or(usize::MAX))
        {
            // The kernel's record of a name is about this long.
            let Some(left) = room.checked_sub(24 + name.len()) else {
                break;
            };
            room = left;
            entries.push(Entry {
                inode,
                kind: self.kind(inode)?,
                next: position as u64 + 1,
                name: name.clone(),
            });
        }
        Ok(entries)
    }

    fn read_link(&mut self, link: Inode) -> Result<String, Errno> {
        match &self.node(link)?.content {
            Content::Link(target) => Ok(target.clone()),
            Content::File(_) | Content::Directory(_) => Err(Errno::EINVAL),
        }
    }

    fn read_pages(
        &mut self,
        file: Inode,
        offset: u64,
        length: u32,
        _token: u64,
    ) -> Result<PageRead<'_>, Errno> {
        let Content::File(bytes) = &self.node(file)?.content else {
            return Err(Errno::EISDIR);
        };
        let start = usize::try_from(offset)
            .unwrap_or(usize::MAX)
            .min(bytes.len());
        let end = start
            .saturating_add(length.min(READ_LIMIT) as usize)
            .min(bytes.len());
        Ok(PageRead::Bytes(&bytes[start..end]))
    }

    fn read_limit(&self) -> u32 {
        READ_LIMIT
    }

    fn forget(&mut self, file: Inode) {
        let nameless = self.nodes.get(&file).is_some_and(|node| node.names == 0);
        if nameless
            && let Some(node) = self.nodes.remove(&file)
            && let Content::File(bytes) = node.content
        {
            self.used -= bytes.len() as u64;
        }
    }

    fn wants(&self) -> Wants {
        Wants::Bytes
    }

    fn open_for_writing(&mut self, file: Inode) -> Result<(), Errno> {
        match self.kind(file)? {
            FileKind::Regular => Ok(()),
            FileKind::Directory => Err(Errno::EISDIR),
            FileKind::SymbolicLink | FileKind::Other => Err(Errno::EINVAL),
        }
    }

    fn write_pages(
        &mut self,
        _file: Inode,
        _offset: u64,
        _source: PageSource,
        _length: u32,
        _token: u64,
    ) -> Result<(), Errno> {
        Err(Errno::ENOTSUP)
    }

    fn write_bytes(&mut self, file: Inode, offset: u64, new: &[u8]) -> Result<(), Errno> {
        let end = offset.checked_add(new.len() as u64).ok_or(Errno::EFBIG)?;
        if end > self.attributes(file)?.size {
            self.resize(file, end)?;
        }
        if let Content::File(bytes) = &mut self.node_mut(file)?.content {
            // The file is at least this long: it was made so.
            bytes[offset as usize..end as usize].copy_from_slice(new);
        }
        Ok(())
    }

    fn synchronize(&mut self, file: Inode, _token: u64) -> Result<Progress, Errno> {
        self.node(file).map(|_| Progress::Done)
    }

    fn create(&mut self, at: Name<'_>, permissions: u32) -> Result<Attributes, Errno> {
        let inode = self.make(at, Content::File(Vec::new()), permissions)?;
        self.attributes(inode)
    }

    fn make_directory(&mut self, at: Name<'_>, permissions: u32) -> Result<Attributes, Errno> {
        let inode = self.make(at, Content::Directory(BTreeMap::new()), permissions)?;
        self.attributes(inode)
    }

    fn make_symbolic_link(&mut self, at: Name<'_>, target: &str) -> Result<Attributes, Errno> {
        let inode = self.make(at, Content::Link(target.to_owned()), 0o777)?;
        self.attributes(inode)
    }

    fn link(&mut self, file: Inode, at: Name<'_>) -> Result<Attributes, Errno> {
        if self.kind(file)? == FileKind::Directory {
            return Err(Errno::EPERM);
        }
        if self.names(at.directory)?.contains_key(at.name) {
            return Err(Errno::EEXIST);
        }
        self.names_mut(at.directory)?
            .insert(at.name.to_owned(), file);
        self.node_mut(file)?.names += 1;
        self.attributes(file)
    }

    fn rename(&mut self, from: Name<'_>, to: Name<'_>) -> Result<(), Errno> {
        let moved = self.found(from)?;
        if self.is_within(to.directory, moved) {
            return Err(Errno::EINVAL);
        }
        match self.found(to) {
            Ok(present) if present == moved => return Ok(()),
            Ok(present) => {
                let kind = match (self.kind(moved)?, self.kind(present)?) {
                    (FileKind::Directory, FileKind::Directory) => Removal::Directory,
                    (FileKind::Directory, _) => return Err(Errno::ENOTDIR),
                    (_, FileKind::Directory) => return Err(Errno::EISDIR),
                    _ => Removal::File,
                };
                self.remove(to, kind)?;
            }
            Err(Errno::ENOENT) => {}
            Err(error) => return Err(error),
        }
        self.names_mut(to.directory)?
            .insert(to.name.to_owned(), moved);
        self.names_mut(from.directory)?.remove(from.name);
        Ok(())
    }

    fn remove(&mut self, at: Name<'_>, kind: Removal) -> Result<(), Errno> {
        let inode = self.found(at)?;
        match (kind, &self.node(inode)?.content) {
            (Removal::Directory, Content::Directory(names)) if names.is_empty() => {}
            (Removal::Directory, Content::Directory(_)) => return Err(Errno::ENOTEMPTY),
            (Removal::Directory, _) => return Err(Errno::ENOTDIR),
            (Removal::File, Content::Directory(_)) => return Err(Errno::EPERM),
            (Removal::File, _) => {}
        }
        self.names_mut(at.directory)?.remove(at.name);
        self.unname(inode)
    }

    fn change(&mut self, file: Inode, changes: &Changes) -> Result<Attributes, Errno> {
        if let Some(size) = changes.size {
            self.resize(file, size)?;
        }
        let node = self.node_mut(file)?;
        node.permissions = changes
            .permissions
            .map_or(node.permissions, |bits| bits & 0o7777);
        node.uid = changes.uid.unwrap_or(node.uid);
        node.gid = changes.gid.unwrap_or(node.gid);
        for (time, change) in [
            (&mut node.accessed, changes.accessed),
            (&mut node.modified, changes.modified),
        ] {
            // There is no present here: it stays as it was.
            if let Some(Moment::At(seconds, nanoseconds)) = change {
                *time = (seconds, nanoseconds);
            }
        }
        self.attributes(file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn volume() -> RamVolume {
        let mut volume = RamVolume::default();
        volume.add_file("bin/cat", b"meow".to_vec()).unwrap();
        volume.add_file("bin/ls", b"list".to_vec()).unwrap();
        volume
    }

    #[test]
    fn files_are_found_by_name_and_read_in_part() {
        let mut volume = volume();
        let bin = volume.lookup(volume.root(), "bin").unwrap();
        assert_eq!(bin.kind, FileKind::Directory);
        let cat = volume.lookup(bin.inode, "cat").unwrap();
        assert_eq!((cat.kind, cat.size), (FileKind::Regular, 4));
        let PageRead::Bytes(bytes) = volume.read_pages(cat.inode, 2, 4096, 0).unwrap() else {
            panic!()
        };
        assert_eq!(bytes, b"ow");
        let PageRead::Bytes(bytes) = volume.read_pages(cat.inode, 1 << 40, 4096, 0).unwrap() else {
            panic!()
        };
        assert!(bytes.is_empty());
    }

    #[test]
    fn directory_is_read_in_pieces_that_join() {
        let mut volume = volume();
        let bin = volume.lookup(volume.root(), "bin").unwrap().inode;
        let first = volume.read_directory(bin, 0, 30).unwrap();
        assert_eq!(first.len(), 1);
        let second = volume.read_directory(bin, first[0].next, 4096).unwrap();
        assert_eq!(
            (first[0].name.as_str(), second[0].name.as_str()),
            ("cat", "ls")
        );
        assert!(
            volume
                .read_directory(bin, second[0].next, 4096)
                .unwrap()
                .is_empty()
        );
    }

    #[test]
    fn wrong_questions_get_the_right_errors() {
        let mut volume = volume();
        assert_eq!(volume.lookup(1, "nothing").unwrap_err(), Errno::ENOENT);
        assert_eq!(volume.attributes(99).unwrap_err(), Errno::ESTALE);
        assert_eq!(volume.attributes(0).unwrap_err(), Errno::ESTALE);
        assert_eq!(volume.read_pages(1, 0, 1, 0).unwrap_err(), Errno::EISDIR);
        assert_eq!(volume.read_link(1).unwrap_err(), Errno::EINVAL);
        assert_eq!(
            volume.add_file("bin/cat/x", Vec::new()).unwrap_err(),
            Errno::ENOTDIR
        );
        assert_eq!(
            volume.add_file("bin/cat", Vec::new()).unwrap_err(),
            Errno::EEXIST
        );
        let cat = volume.lookup(2, "cat").unwrap().inode;
        assert_eq!(volume.lookup(cat, "x").unwrap_err(), Errno::ENOTDIR);
    }
    #[test]
    fn a_file_without_a_name_lives_until_it_is_forgotten() {
        let mut volume = RamVolume::with_capacity(100);
        let at = Name {
            directory: ROOT,
            name: "f",
        };
        let file = volume.create(at, 0o644).unwrap().inode;
        volume.write_bytes(file, 90, b"0123456789").unwrap();
        assert_eq!(
            volume.write_bytes(file, 91, b"0123456789"),
            Err(Errno::ENOSPC)
        );
        volume.remove(at, Removal::File).unwrap();
        assert_eq!(volume.attributes(file).unwrap().links, 0);
        assert_eq!(volume.lookup(ROOT, "f").unwrap_err(), Errno::ENOENT);
        volume.forget(file);
        assert_eq!(volume.attributes(file).unwrap_err(), Errno::ESTALE);
        let again = volume.create(at, 0o644).unwrap().inode;
        assert_ne!(again, file);
        volume.write_bytes(again, 0, &[1; 100]).unwrap();
    }

    #[test]
    fn names_are_moved_and_linked() {
        let mut volume = volume();
        let bin = volume.lookup(ROOT, "bin").unwrap().inode;
        let name = |directory, name| Name { directory, name };
        let cat = volume.lookup(bin, "cat").unwrap().inode;
        volume.link(cat, name(ROOT, "kitty")).unwrap();
        assert_eq!(volume.attributes(cat).unwrap().links, 2);
        volume.rename(name(ROOT, "kitty"), name(bin, "ls")).unwrap();
        assert_eq!(volume.lookup(bin, "ls").unwrap().inode, cat);
        assert_eq!(volume.lookup(ROOT, "kitty").unwrap_err(), Errno::ENOENT);
        let inner = volume
            .make_directory(name(bin, "inner"), 0o755)
            .unwrap()
            .inode;
        assert_eq!(
            volume.rename(name(ROOT, "bin"), name(inner, "x")),
            Err(Errno::EINVAL)
        );
        assert_eq!(
            volume.remove(name(ROOT, "bin"), Removal::Directory),
            Err(Errno::ENOTEMPTY)
        );
        assert_eq!(
            volume.remove(name(ROOT, "bin"), Removal::File),
            Err(Errno::EPERM)
        );
        assert_eq!(
            volume.rename(name(bin, "inner"), name(bin, "ls")),
            Err(Errno::ENOTDIR)
        );
        let link = volume
            .make_symbolic_link(name(ROOT, "l"), "bin/cat")
            .unwrap()
            .inode;
        assert_eq!(volume.read_link(link).unwrap(), "bin/cat");
    }
}

//! A volume in memory: files that are given once and then only read.
//!
//! The boot archive's files are served from here when the server is asked for them by name, through the very same path as a
//! host's file; figures that must repeat use it, since it depends on no host.

use alloc::borrow::ToOwned;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use bsd_sys::errno::Errno;

use super::{Attributes, Entry, FileKind, Inode, PageRead, Volume};

/// What an inode is.
#[derive(Debug)]
enum Content {
    File(Vec<u8>),
    Directory(BTreeMap<String, Inode>),
}

/// Files in memory, under one root directory.
#[derive(Debug)]
pub struct RamVolume {
    /// Indexed by inode number less one; inode 1 is the root.
    nodes: Vec<Content>,
}

/// The root's number.
const ROOT: Inode = 1;

/// The most bytes of one read: any amount would do, this bounds the copy.
const READ_LIMIT: u32 = 1 << 20;

impl Default for RamVolume {
    fn default() -> Self {
        Self {
            nodes: alloc::vec![Content::Directory(BTreeMap::new())],
        }
    }
}

impl RamVolume {
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
                None => self.link(directory, name, Content::Directory(BTreeMap::new()))?,
            };
        }
        if self.names(directory)?.contains_key(last) {
            return Err(Errno::EEXIST);
        }
        self.link(directory, last, Content::File(bytes))
    }

    fn link(&mut self, directory: Inode, name: &str, content: Content) -> Result<Inode, Errno> {
        self.names(directory)?;
        self.nodes.push(content);
        let inode = self.nodes.len() as Inode;
        if let Some(Content::Directory(names)) = self.nodes.get_mut(directory as usize - 1) {
            names.insert(name.to_owned(), inode);
        }
        Ok(inode)
    }

    fn content(&self, inode: Inode) -> Result<&Content, Errno> {
        let index = usize::try_from(inode)
            .ok()
            .and_then(|number| number.checked_sub(1));
        index
            .and_then(|index| self.nodes.get(index))
            .ok_or(Errno::ESTALE)
    }

    fn names(&self, inode: Inode) -> Result<&BTreeMap<String, Inode>, Errno> {
        match self.content(inode)? {
            Content::Directory(names) => Ok(names),
            Content::File(_) => Err(Errno::ENOTDIR),
        }
    }

    fn kind(&self, inode: Inode) -> Result<FileKind, Errno> {
        Ok(match self.content(inode)? {
            Content::File(_) => FileKind::Regular,
            Content::Directory(_) => FileKind::Directory,
        })
    }
}

impl Volume for RamVolume {
    fn root(&self) -> Inode {
        ROOT
    }

    fn lookup(&mut self, directory: Inode, name: &str) -> Result<Attributes, Errno> {
        let inode = *self.names(directory)?.get(name).ok_or(Errno::ENOENT)?;
        self.attributes(inode)
    }

    fn attributes(&mut self, file: Inode) -> Result<Attributes, Errno> {
        let (size, links) = match self.content(file)? {
            Content::File(bytes) => (bytes.len() as u64, 1),
            Content::Directory(names) => (names.len() as u64, 2),
        };
        Ok(Attributes {
            inode: file,
            kind: self.kind(file)?,
            permissions: 0o555,
            uid: 0,
            gid: 0,
            links,
            size,
            blocks: size.div_ceil(512),
            accessed: (0, 0),
            modified: (0, 0),
            changed: (0, 0),
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
        self.content(link)?;
        Err(Errno::EINVAL)
    }

    fn read_pages(
        &mut self,
        file: Inode,
        offset: u64,
        length: u32,
        _token: u64,
    ) -> Result<PageRead, Errno> {
        let Content::File(bytes) = self.content(file)? else {
            return Err(Errno::EISDIR);
        };
        let start = usize::try_from(offset)
            .unwrap_or(usize::MAX)
            .min(bytes.len());
        let end = start
            .saturating_add(length.min(READ_LIMIT) as usize)
            .min(bytes.len());
        Ok(PageRead::Bytes(bytes[start..end].to_vec()))
    }

    fn read_limit(&self) -> u32 {
        READ_LIMIT
    }

    fn forget(&mut self, _file: Inode) {}
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
}

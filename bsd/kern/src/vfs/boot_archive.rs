//! The boot archive: files that came with the kernel, in wired memory.
//!
//! Init, the file server and the recovery shell start from here and go on from here, whatever becomes of the file server: their
//! pages need no pager. Those of its `sbin` are services, which memory comes from (`trust_of`). The archive is a ustar file
//! that the loader placed in memory; each file is copied into an internal object the first time it is opened, and stays there.

use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;

use bsd_sys::dirent::kind;
use bsd_sys::errno::Errno;
use bsd_sys::stat::{S_IFDIR, S_IFREG};
use mach::file::{FileAttributes, FileHandle};
use prim::lock::{Mutex, Rank};
use vm::vm_fault::FaultOptions;
use vm::vm_object::ObjectRef;

use super::vnode::Vnode;
use super::{FileSystem, file_system_number, namespace, plain_attributes, records};
use crate::proc::Trust;

/// Bytes of a header and of the unit data is padded to.
const BLOCK: usize = 512;

/// One name of the archive.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Member<'a> {
    /// Its path, without a slash in front.
    pub path: &'a str,
    /// Its bytes.
    pub bytes: &'a [u8],
}

/// The regular files of a ustar archive; ends at the first header that is none.
pub fn members(archive: &[u8]) -> impl Iterator<Item = Member<'_>> {
    let mut rest = archive;
    core::iter::from_fn(move || {
        loop {
            let (header, data) = rest.split_at_checked(BLOCK)?;
            let size = octal(&header[124..136])?;
            let padded = size.checked_next_multiple_of(BLOCK)?;
            if header[0] == 0 || data.len() < size {
                return None;
            }
            rest = data.get(padded..).unwrap_or(&[]);
            if !matches!(header[156], 0 | b'0') {
                continue;
            }
            let path = text(&header[..100])?
                .trim_start_matches("./")
                .trim_start_matches('/');
            return Some(Member {
                path,
                bytes: &data[..size],
            });
        }
    })
}

fn text(field: &[u8]) -> Option<&str> {
    let end = field
        .iter()
        .position(|&byte| byte == 0)
        .unwrap_or(field.len());
    core::str::from_utf8(&field[..end]).ok()
}

fn octal(field: &[u8]) -> Option<usize> {
    let digits = text(field)?.trim();
    if digits.is_empty() {
        Some(0)
    } else {
        usize::from_str_radix(digits, 8).ok()
    }
}

/// The directory whose programs are services.
const SERVICES: &str = "sbin";

/// The numbers of the programs in [`SERVICES`].
static SERVICE_INODES: spin::Once<Vec<u64>> = spin::Once::new();

/// What the program in a file may.
#[must_use]
pub(crate) fn trust_of(file: FileHandle) -> Trust {
    if file.file_system != file_system_number::BOOT_ARCHIVE {
        return Trust::Ordinary;
    }
    let services = SERVICE_INODES.get();
    if services.is_some_and(|inodes| inodes.contains(&file.inode)) {
        Trust::Service
    } else {
        Trust::Privileged
    }
}

/// Shows the archive at `/boot`.
///
/// # Errors
/// `ENFILE` when memory is short.
pub fn mount(archive: &'static [u8]) -> Result<Arc<Vnode>, Errno> {
    let mut nodes = alloc::vec![Node::directory("")];
    for member in members(archive) {
        add(&mut nodes, member);
    }
    SERVICE_INODES.call_once(|| services_of(&nodes));
    let tree = Arc::new(BootArchive { nodes });
    let attributes = tree.attributes(handle(0))?;
    let root = Vnode::create(tree, handle(0), &attributes)?;
    namespace::mount(Some("boot"), root.clone());
    Ok(root)
}

fn services_of(nodes: &[Node]) -> Vec<u64> {
    let programs = nodes[0].children.iter().map(|&child| &nodes[child]);
    let services = programs.filter(|node| node.name == SERVICES);
    let inodes = services.flat_map(|node| node.children.iter().map(|&child| handle(child).inode));
    inodes.collect()
}

/// Adds a file and the directories on the way to it.
fn add(nodes: &mut Vec<Node>, member: Member<'static>) {
    let mut at = 0;
    let mut names = member
        .path
        .split('/')
        .filter(|name| !name.is_empty())
        .peekable();
    while let Some(name) = names.next() {
        let present = nodes[at]
            .children
            .iter()
            .copied()
            .find(|&child| nodes[child].name == name);
        at = present.unwrap_or_else(|| {
            let mut node = Node::directory(name);
            if names.peek().is_none() {
                node.bytes = Some(member.bytes);
            }
            nodes.push(node);
            let child = nodes.len() - 1;
            nodes[at].children.push(child);
            child
        });
    }
}

const fn handle(node: usize) -> FileHandle {
    FileHandle {
        file_system: file_system_number::BOOT_ARCHIVE,
        inode: node as u64 + 1,
        generation: 0,
    }
}

/// A file or directory.
struct Node {
    name: String,
    /// `None` for a directory.
    bytes: Option<&'static [u8]>,
    children: Vec<usize>,
    /// Made at the first open. Rank `Vnode`.
    object: Mutex<Option<ObjectRef>>,
}

impl Node {
    fn directory(name: &str) -> Self {
        Self {
            name: name.to_string(),
            bytes: None,
            children: Vec::new(),
            object: Mutex::new(Rank::Vnode, None),
        }
    }

    fn mode(&self) -> u16 {
        if self.bytes.is_some() {
            S_IFREG | 0o555
        } else {
            S_IFDIR | 0o555
        }
    }
}

struct BootArchive {
    nodes: Vec<Node>,
}

impl BootArchive {
    fn node(&self, file: FileHandle) -> Result<(usize, &Node), Errno> {
        let index = usize::try_from(file.inode.wrapping_sub(1)).map_err(|_| Errno::ESTALE)?;
        Ok((index, self.nodes.get(index).ok_or(Errno::ESTALE)?))
    }
}

impl FileSystem for BootArchive {
    fn lookup(
        &self,
        directory: FileHandle,
        name: &str,
    ) -> Result<(FileHandle, FileAttributes), Errno> {
        let (_, node) = self.node(directory)?;
        let found = node
            .children
            .iter()
            .copied()
            .find(|&child| self.nodes[child].name == name);
        let file = handle(found.ok_or(Errno::ENOENT)?);
        Ok((file, self.attributes(file)?))
    }

    fn attributes(&self, file: FileHandle) -> Result<FileAttributes, Errno> {
        let (_, node) = self.node(file)?;
        Ok(plain_attributes(
            file.inode,
            node.mode(),
            node.bytes.map_or(0, |bytes| bytes.len() as u64),
        ))
    }

    fn read_directory(
        &self,
        directory: FileHandle,
        from: u64,
        capacity: u32,
    ) -> Result<Vec<u8>, Errno> {
        let (_, node) = self.node(directory)?;
        let entries = node.children.iter().map(|&child| {
            let entry = &self.nodes[child];
            let kind = if entry.bytes.is_some() {
                kind::REG
            } else {
                kind::DIR
            };
            (handle(child).inode, kind, entry.name.as_str())
        });
        records(entries, from, capacity)
    }

    fn read_link(&self, _link: FileHandle) -> Result<String, Errno> {
        Err(Errno::EINVAL)
    }

    fn open(&self, file: FileHandle) -> Result<(ObjectRef, FileAttributes), Errno> {
        let attributes = self.attributes(file)?;
        let (_, node) = self.node(file)?;
        let bytes = node.bytes.ok_or(Errno::EISDIR)?;
        if let Some(object) = &*node.object.lock() {
            return Ok((object.clone(), attributes));
        }
        let object = ObjectRef::anonymous(bytes.len().max(1) as u64).map_err(|_| Errno::ENOMEM)?;
        object.make_unpageable();
        object
            .write_from_kernel(0, bytes, FaultOptions::UNINTERRUPTIBLE)
            .map_err(|_| Errno::ENOMEM)?;
        // Mappings of it copy by a copy object, as with any file.
        object.make_shareable();
        let object = node.object.lock().get_or_insert(object).clone();
        Ok((object, attributes))
    }

    fn forget(&self, _file: FileHandle, _answers: u64) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    fn archive(files: &[(&str, u8, &[u8])]) -> Vec<u8> {
        let mut out = Vec::new();
        for (path, kind, bytes) in files {
            let mut header = [0; BLOCK];
            header[..path.len()].copy_from_slice(path.as_bytes());
            let size = alloc::format!("{:011o}\0", bytes.len());
            header[124..136].copy_from_slice(size.as_bytes());
            header[156] = *kind;
            out.extend_from_slice(&header);
            out.extend_from_slice(bytes);
            out.resize(out.len().next_multiple_of(BLOCK), 0);
        }
        out.resize(out.len() + 2 * BLOCK, 0);
        out
    }

    #[test]
    fn files_are_found_and_other_members_skipped() {
        let bytes = archive(&[
            ("./sbin", b'5', b""),
            ("./sbin/init", b'0', b"init"),
            ("bin/sh", b'0', &[7; 513]),
        ]);
        let found: Vec<_> = members(&bytes).collect();
        assert_eq!(found.len(), 2);
        assert_eq!(
            found[0],
            Member {
                path: "sbin/init",
                bytes: b"init"
            }
        );
        assert_eq!(found[1].bytes.len(), 513);
    }

    #[test]
    fn only_programs_of_sbin_are_services() {
        let bytes = archive(&[
            ("sbin/init", b'0', b"init"),
            ("tests/sbin/x", b'0', b"x"),
            ("bin/sh", b'0', b"sh"),
            ("sbin/pager", b'0', b"pager"),
        ]);
        let mut nodes = alloc::vec![Node::directory("")];
        members(bytes.leak()).for_each(|member| add(&mut nodes, member));
        let services = services_of(&nodes);
        let named = |inode: &u64| nodes[*inode as usize - 1].name.as_str();
        assert_eq!(
            services.iter().map(named).collect::<Vec<_>>(),
            ["init", "pager"]
        );
    }

    #[test]
    fn no_bytes_make_the_reader_panic() {
        let good = archive(&[("a/b", b'0', b"x"), ("c", b'0', &[1; 600])]);
        for length in 0..good.len() {
            members(&good[..length]).for_each(drop);
        }
        let mut state = 7u64;
        for _ in 0..2000 {
            let mut bytes = good.clone();
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(99);
            let at = (state >> 33) as usize % bytes.len();
            bytes[at] = (state >> 20) as u8;
            members(&bytes).for_each(drop);
        }
    }
}

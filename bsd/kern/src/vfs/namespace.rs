//! The root directory and what is mounted in it.
//!
//! The root is a vnode of the kernel's own, so that there is one before any file server is and after it has gone. A name in
//! it is looked for among the mounts first, then in the tree that covers the root. XNU counterpart: `rootvnode`, `mountroot`.

use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;

use bsd_sys::dirent::kind;
use bsd_sys::errno::Errno;
use bsd_sys::stat::S_IFDIR;
use mach::file::{FileAttributes, FileHandle};
use prim::lock::{Mutex, Rank};
use spin::Once;
use vm::vm_object::ObjectRef;

use super::vnode::Vnode;
use super::{FileSystem, file_system_number, pagers, plain_attributes, records};

/// Where the root is in its own file system.
const ROOT: FileHandle = FileHandle {
    file_system: file_system_number::NAMESPACE,
    inode: 2,
    generation: 0,
};

/// What is mounted.
#[derive(Default)]
struct Mounts {
    /// The tree that shows at the root.
    root: Option<Arc<Vnode>>,
    /// Trees at names in the root.
    named: Vec<(String, Arc<Vnode>)>,
}

static MOUNTS: Mutex<Mounts> = Mutex::new(
    Rank::Vnode,
    Mounts {
        root: None,
        named: Vec::new(),
    },
);

static ROOT_VNODE: Once<Arc<Vnode>> = Once::new();

/// The root directory.
#[doc(alias = "rootvnode")]
#[must_use]
pub fn root() -> Arc<Vnode> {
    let make = || {
        let attributes = plain_attributes(ROOT.inode, S_IFDIR | 0o755, 0);
        // Made at boot, before anything can use memory up.
        Vnode::create(Arc::new(Namespace), ROOT, &attributes)
            .expect("the root vnode is made at boot")
    };
    ROOT_VNODE.call_once(make).clone()
}

/// Shows `tree` at the root, or at a name in it; what was there before comes back.
#[doc(alias = "vfs_mountroot")]
pub fn mount(name: Option<&str>, tree: Arc<Vnode>) -> Option<Arc<Vnode>> {
    if let Some(name) = name {
        tree.set_place(&root(), name);
    }
    let mut mounts = MOUNTS.lock();
    match name {
        None => mounts.root.replace(tree),
        Some(name) => match mounts.named.iter_mut().find(|(mounted, _)| mounted == name) {
            Some((_, old)) => Some(core::mem::replace(old, tree)),
            None => {
                mounts.named.push((name.to_string(), tree));
                None
            }
        },
    }
}

/// The tree mounted at `name` in `directory`: the root, or the directory of pagers.
pub(super) fn mounted(directory: &Arc<Vnode>, name: &str) -> Option<Arc<Vnode>> {
    if pagers::is_directory(directory) {
        return pagers::root_of(name);
    }
    if directory.handle() != ROOT {
        return None;
    }
    MOUNTS
        .lock()
        .named
        .iter()
        .find(|(mounted, _)| mounted == name)
        .map(|(_, tree)| tree.clone())
}

/// The directory that shows where `directory` is: itself, but for the root.
pub(super) fn covering(directory: &Arc<Vnode>) -> Option<Arc<Vnode>> {
    if directory.handle() == ROOT {
        MOUNTS.lock().root.clone()
    } else {
        Some(directory.clone())
    }
}

/// The file system of the root vnode: passes on to the tree mounted there.
struct Namespace;

impl Namespace {
    fn tree() -> Option<Arc<Vnode>> {
        MOUNTS.lock().root.clone()
    }
}

impl FileSystem for Namespace {
    fn lookup(
        &self,
        _directory: FileHandle,
        _name: &str,
    ) -> Result<(FileHandle, FileAttributes), Errno> {
        // Lookups in the root go to the covering tree.
        Err(Errno::ENOENT)
    }

    fn attributes(&self, _file: FileHandle) -> Result<FileAttributes, Errno> {
        match Self::tree() {
            Some(tree) => tree.attributes(),
            None => Ok(plain_attributes(ROOT.inode, S_IFDIR | 0o755, 0)),
        }
    }

    fn read_directory(
        &self,
        _directory: FileHandle,
        from: u64,
        capacity: u32,
    ) -> Result<Vec<u8>, Errno> {
        if let Some(tree) = Self::tree() {
            return tree
                .file_system()
                .read_directory(tree.handle(), from, capacity);
        }
        let names: Vec<String> = MOUNTS
            .lock()
            .named
            .iter()
            .map(|(name, _)| name.clone())
            .collect();
        let entries = names
            .iter()
            .map(|name| (ROOT.inode, kind::DIR, name.as_str()));
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

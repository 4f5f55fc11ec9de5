//! Character devices: the console, and the two that need no hardware.
//!
//! XNU counterpart: `bsd/miscfs/devfs`, `bsd/dev/mem.c`.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use bsd_sys::dirent::kind;
use bsd_sys::errno::Errno;
use bsd_sys::stat::{S_IFCHR, S_IFDIR};
use mach::file::{FileAttributes, FileHandle};
use vm::vm_object::ObjectRef;

use super::vnode::Vnode;
use super::{FileSystem, file_system_number, namespace, plain_attributes, records};

/// A character device.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Device {
    /// The terminal.
    Console,
    /// Takes everything, gives nothing.
    Null,
    /// Gives zeroes.
    Zero,
}

const ROOT: u64 = 1;
const ALL: [(u64, &str, Device); 4] = [
    (2, "console", Device::Console),
    (3, "null", Device::Null),
    (4, "zero", Device::Zero),
    (5, "tty", Device::Console),
];

/// Which device a vnode is.
#[must_use]
pub fn device(vnode: &Vnode) -> Option<Device> {
    let handle = vnode.handle();
    let found = ALL.iter().find(|(inode, ..)| *inode == handle.inode);
    found
        .filter(|_| handle.file_system == file_system_number::DEVICES)
        .map(|(.., device)| *device)
}

/// Shows the devices at `/dev`.
///
/// # Errors
/// `ENFILE` when memory is short.
pub fn mount() -> Result<(), Errno> {
    let attributes = plain_attributes(ROOT, S_IFDIR | 0o555, 0);
    let tree = Vnode::create(Arc::new(Devices), handle(ROOT), &attributes)?;
    namespace::mount(Some("dev"), tree);
    Ok(())
}

const fn handle(inode: u64) -> FileHandle {
    FileHandle {
        file_system: file_system_number::DEVICES,
        inode,
        generation: 0,
    }
}

struct Devices;

impl FileSystem for Devices {
    fn lookup(
        &self,
        _directory: FileHandle,
        name: &str,
    ) -> Result<(FileHandle, FileAttributes), Errno> {
        let (inode, ..) = ALL
            .iter()
            .find(|(_, device, _)| *device == name)
            .ok_or(Errno::ENOENT)?;
        Ok((handle(*inode), self.attributes(handle(*inode))?))
    }

    fn attributes(&self, file: FileHandle) -> Result<FileAttributes, Errno> {
        let mode = if file.inode == ROOT {
            S_IFDIR | 0o555
        } else {
            S_IFCHR | 0o666
        };
        Ok(plain_attributes(file.inode, mode, 0))
    }

    fn read_directory(
        &self,
        _directory: FileHandle,
        from: u64,
        capacity: u32,
    ) -> Result<Vec<u8>, Errno> {
        records(
            ALL.iter()
                .map(|(inode, name, _)| (*inode, kind::CHR, *name)),
            from,
            capacity,
        )
    }

    fn read_link(&self, _link: FileHandle) -> Result<String, Errno> {
        Err(Errno::EINVAL)
    }

    fn open(&self, _file: FileHandle) -> Result<(ObjectRef, FileAttributes), Errno> {
        Err(Errno::ENODEV)
    }

    fn forget(&self, _file: FileHandle, _answers: u64) {}
}

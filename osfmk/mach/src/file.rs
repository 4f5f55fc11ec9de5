//! Values of the [`file_server`](crate::defs::file_server) interface: handles, attributes, directory
//! records.
//!
//! Failures travel as `kern_return` codes made from an errno ([`KernReturn::from_errno`]).

use alloc::format;
use alloc::string::String;

use crate::kern_return::KernReturn;
use crate::wire::wire_struct;

wire_struct! {
    /// Names a file for as long as it exists, whichever server serves it. A restarted server can be
    /// given the handles of its predecessor.
    pub struct FileHandle {
        /// Which file system.
        pub file_system: u32,
        /// Which file of it.
        pub inode: u64,
        /// Which use of that inode number.
        pub generation: u32,
    }
}

wire_struct! {
    /// What `stat` shows of a file.
    pub struct FileAttributes {
        /// File number.
        pub inode: u64,
        /// Type and permission bits, Darwin's `S_IF*`.
        pub mode: u32,
        /// Names the file has.
        pub links: u32,
        /// Owner.
        pub uid: u32,
        /// Group.
        pub gid: u32,
        /// Device number of a device file.
        pub device: u32,
        /// Preferred size of transfers.
        pub block_size: u32,
        /// Bytes.
        pub size: u64,
        /// Blocks of 512 bytes on the medium.
        pub blocks: u64,
        /// Last access.
        pub accessed: FileTime,
        /// Last change of the data.
        pub modified: FileTime,
        /// Last change of anything.
        pub changed: FileTime,
        /// Creation.
        pub created: FileTime,
        /// Changes whenever the data may have changed: a different value at open means that cached
        /// pages are stale.
        pub version: u64,
    }
}

wire_struct! {
    /// A time of a file.
    pub struct FileTime {
        /// Seconds since 1970.
        pub seconds: i64,
        /// Nanoseconds.
        pub nanoseconds: u32,
    }
}

wire_struct! {
    /// Size and use of a file system.
    pub struct FileSystemInfo {
        /// Which.
        pub file_system: u32,
        /// Bytes of a block.
        pub block_size: u32,
        /// Blocks.
        pub blocks: u64,
        /// Free blocks.
        pub free_blocks: u64,
        /// Free blocks for everybody.
        pub available_blocks: u64,
        /// Files there can be.
        pub files: u64,
        /// Files there can still be.
        pub free_files: u64,
        /// Longest name.
        pub name_max: u32,
        /// Bits of [`mount_flag`].
        pub flags: u32,
    }
}

/// Bits of [`FileSystemInfo::flags`].
pub mod mount_flag {
    /// Nothing can be changed.
    pub const READ_ONLY: u32 = 1;
}

/// Bits of `mode` in `open`.
pub mod open_mode {
    /// The file is going to be written.
    pub const WRITE: u32 = 2;
}

/// Which attributes `set_attributes` sets.
pub mod attribute {
    /// Permission bits.
    pub const MODE: u32 = 1;
    /// Owner.
    pub const UID: u32 = 2;
    /// Group.
    pub const GID: u32 = 4;
    /// Time of last access.
    pub const ACCESSED: u32 = 8;
    /// Time of last change.
    pub const MODIFIED: u32 = 0x10;
    /// The times are not those given, but the file system's present.
    pub const NOW: u32 = 0x20;
}

/// Flags of `remove`.
pub mod remove_flag {
    /// The name must be a directory's (`rmdir`); otherwise it must not.
    pub const DIRECTORY: u32 = 1;
}

/// File number of the top directory of a registered pager.
pub const PAGER_ROOT: u64 = 1;
/// Longest name, without its NUL.
pub const NAME_MAX: usize = 255;
/// Longest path, with its NUL.
pub const PATH_MAX: usize = 1024;
/// The most bytes of directory records in one reply.
pub const DIRECTORY_BYTES: usize = 8192;

/// How the name of a file begins that has lost its own and is still in use; it lies in the top directory.
pub const HIDDEN: &str = ".pagoda-unlinked-";

/// The hidden name of a file.
#[must_use]
pub fn hidden_name(file: FileHandle) -> String {
    format!("{HIDDEN}{:x}", file.inode)
}

impl KernReturn {
    /// System and subsystem bits of a Unix error.
    #[doc(alias = "unix_err")]
    const UNIX: i32 = 0xc000;

    /// The code that carries an errno.
    #[doc(alias = "unix_err")]
    pub const fn from_errno(errno: i32) -> Self {
        Self(Self::UNIX | (errno & 0x3fff))
    }

    /// The errno in a code made by [`KernReturn::from_errno`].
    pub const fn to_errno(self) -> Option<i32> {
        if self.0 & !0x3fff == Self::UNIX {
            Some(self.0 & 0x3fff)
        } else {
            None
        }
    }
}

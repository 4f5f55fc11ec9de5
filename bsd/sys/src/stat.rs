//! What `stat` tells: [`Stat`]. XNU: `bsd/sys/stat.h`, with 64-bit inode numbers.

use crate::layout::abi_struct;
use crate::time::Timespec;

/// Bytes of a [`Stat`].
pub const STAT_SIZE: usize = 144;

abi_struct! {
    /// The bytes of a [`Stat`], padding included.
    pub struct RawStat {
        /// File system.
        pub dev: i32,
        /// Type and permissions.
        pub mode: u16,
        /// Names.
        pub nlink: u16,
        /// File number.
        pub ino: u64,
        /// Owner.
        pub uid: u32,
        /// Group.
        pub gid: u32,
        /// Device of a device file.
        pub rdev: i32,
        /// Padding.
        pub pad: i32,
        /// Last access, last change of the data, last change of anything, creation.
        pub times: [Timespec; 4],
        /// Bytes.
        pub size: i64,
        /// Blocks of 512 bytes.
        pub blocks: i64,
        /// Preferred size of transfers.
        pub blksize: i32,
        /// Flags.
        pub flags: u32,
        /// Generation.
        pub gen_: u32,
        /// Reserved.
        pub lspare: i32,
        /// Reserved.
        pub qspare: [i64; 2],
    }
}

const _: () = assert!(RawStat::SIZE == STAT_SIZE);

/// Attributes of a file.
#[doc(alias = "stat64")]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Stat {
    /// File system.
    pub dev: i32,
    /// Type and permissions.
    pub mode: u16,
    /// Names.
    pub nlink: u16,
    /// File number.
    pub ino: u64,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Device of a device file.
    pub rdev: i32,
    /// Last access.
    pub atime: Timespec,
    /// Last change of the data.
    pub mtime: Timespec,
    /// Last change of anything.
    pub ctime: Timespec,
    /// Creation.
    pub birthtime: Timespec,
    /// Bytes.
    pub size: i64,
    /// Blocks of 512 bytes.
    pub blocks: i64,
    /// Preferred size of transfers.
    pub blksize: i32,
    /// Flags.
    pub flags: u32,
    /// Generation.
    pub gen_: u32,
}

impl Stat {
    /// The bytes that a program sees.
    pub fn to_bytes(&self) -> [u8; STAT_SIZE] {
        let Self {
            dev,
            mode,
            nlink,
            ino,
            uid,
            gid,
            rdev,
            size,
            ..
        } = *self;
        let Self {
            blocks,
            blksize,
            flags,
            gen_,
            ..
        } = *self;
        let times = [self.atime, self.mtime, self.ctime, self.birthtime];
        let rest = RawStat::default();
        let raw = RawStat {
            dev,
            mode,
            nlink,
            ino,
            uid,
            gid,
            rdev,
            times,
            size,
            ..rest
        };
        RawStat {
            blocks,
            blksize,
            flags,
            gen_,
            ..raw
        }
        .to_bytes()
    }

    /// The attributes in these bytes; `None` if there are too few.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let RawStat {
            dev,
            mode,
            nlink,
            ino,
            uid,
            gid,
            rdev,
            times,
            ..
        } = RawStat::from_bytes(bytes)?;
        let RawStat {
            size,
            blocks,
            blksize,
            flags,
            gen_,
            ..
        } = RawStat::from_bytes(bytes)?;
        let [atime, mtime, ctime, birthtime] = times;
        let some = Self {
            dev,
            mode,
            nlink,
            ino,
            uid,
            gid,
            rdev,
            size,
            ..Self::default()
        };
        Some(Self {
            atime,
            mtime,
            ctime,
            birthtime,
            blocks,
            blksize,
            flags,
            gen_,
            ..some
        })
    }
}

macro_rules! modes {
    ($($name:ident = $value:literal, $text:literal;)*) => {
        $(#[doc = concat!($text, ".")] pub const $name: u16 = $value;)*
    };
}

modes! {
    S_IFMT = 0o170_000, "The bits that hold the type";
    S_IFIFO = 0o010_000, "Pipe";
    S_IFCHR = 0o020_000, "Character device";
    S_IFDIR = 0o040_000, "Directory";
    S_IFBLK = 0o060_000, "Block device";
    S_IFREG = 0o100_000, "Regular file";
    S_IFLNK = 0o120_000, "Symbolic link";
    S_IFSOCK = 0o140_000, "Socket";
    S_ISUID = 0o4000, "Run as the owner";
    S_ISGID = 0o2000, "Run as the group";
    S_ISVTX = 0o1000, "Only owners remove";
    S_IRWXU = 0o700, "All, for the owner";
    S_IRWXG = 0o070, "All, for the group";
    S_IRWXO = 0o007, "All, for others";
    ALLPERMS = 0o7777, "Every permission bit";
}

/// True for a directory's mode.
#[doc(alias = "S_ISDIR")]
pub const fn is_directory(mode: u16) -> bool {
    mode & S_IFMT == S_IFDIR
}

/// True for a regular file's mode.
#[doc(alias = "S_ISREG")]
pub const fn is_regular(mode: u16) -> bool {
    mode & S_IFMT == S_IFREG
}

/// True for a symbolic link's mode.
#[doc(alias = "S_ISLNK")]
pub const fn is_symbolic_link(mode: u16) -> bool {
    mode & S_IFMT == S_IFLNK
}

/// `-rwxr-xr-x` and the like, as `ls -l` prints it.
#[doc(alias = "strmode")]
pub fn letters(mode: u16) -> [u8; 10] {
    let kind = match mode & S_IFMT {
        S_IFDIR => b'd',
        S_IFLNK => b'l',
        S_IFCHR => b'c',
        S_IFBLK => b'b',
        S_IFIFO => b'p',
        S_IFSOCK => b's',
        _ => b'-',
    };
    let mut text = [kind; 10];
    for (index, letter) in text.iter_mut().skip(1).enumerate() {
        let set = mode & (0o400 >> index) != 0;
        *letter = if set { b"rwx"[index % 3] } else { b'-' };
    }
    text
}

//! Flags of open files and `fcntl`. XNU: `bsd/sys/fcntl.h`.

use crate::layout::abi_struct;
use bitflags::bitflags;

bitflags! {
    /// How a file is opened.
    #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
    pub struct OpenFlags: u32 {
        /// Writing only.
        #[doc(alias = "O_WRONLY")]
        const WRONLY = 0x1;
        /// Reading and writing.
        #[doc(alias = "O_RDWR")]
        const RDWR = 0x2;
        /// Do not block.
        #[doc(alias = "O_NONBLOCK")]
        const NONBLOCK = 0x4;
        /// Write at the end.
        #[doc(alias = "O_APPEND")]
        const APPEND = 0x8;
        /// With a shared lock.
        #[doc(alias = "O_SHLOCK")]
        const SHLOCK = 0x10;
        /// With an exclusive lock.
        #[doc(alias = "O_EXLOCK")]
        const EXLOCK = 0x20;
        /// Signal when ready.
        #[doc(alias = "O_ASYNC")]
        const ASYNC = 0x40;
        /// Writes wait for the medium.
        #[doc(alias = "O_SYNC")]
        const SYNC = 0x80;
        /// Not through a symbolic link at the end.
        #[doc(alias = "O_NOFOLLOW")]
        const NOFOLLOW = 0x100;
        /// Make it if missing.
        #[doc(alias = "O_CREAT")]
        const CREAT = 0x200;
        /// Cut to nothing.
        #[doc(alias = "O_TRUNC")]
        const TRUNC = 0x400;
        /// Fail if present.
        #[doc(alias = "O_EXCL")]
        const EXCL = 0x800;
        /// For events only.
        #[doc(alias = "O_EVTONLY")]
        const EVTONLY = 0x8000;
        /// Not as controlling terminal.
        #[doc(alias = "O_NOCTTY")]
        const NOCTTY = 0x2_0000;
        /// Fail if not a directory.
        #[doc(alias = "O_DIRECTORY")]
        const DIRECTORY = 0x10_0000;
        /// Open a symbolic link itself.
        #[doc(alias = "O_SYMLINK")]
        const SYMLINK = 0x20_0000;
        /// Data writes wait for the medium.
        #[doc(alias = "O_DSYNC")]
        const DSYNC = 0x40_0000;
        /// Close at exec.
        #[doc(alias = "O_CLOEXEC")]
        const CLOEXEC = 0x100_0000;
        /// Through no symbolic link at all.
        #[doc(alias = "O_NOFOLLOW_ANY")]
        const NOFOLLOW_ANY = 0x2000_0000;
        const _ = !0;
    }
}

impl OpenFlags {
    /// Reading only.
    #[doc(alias = "O_RDONLY")]
    pub const RDONLY: Self = Self::empty();
    /// The bits that hold the access mode.
    #[doc(alias = "O_ACCMODE")]
    pub const ACCMODE: Self = Self::WRONLY.union(Self::RDWR);

    /// True if reading is allowed.
    #[doc(alias = "FREAD")]
    pub const fn reads(self) -> bool {
        !self.contains(Self::WRONLY)
    }

    /// True if writing is allowed.
    #[doc(alias = "FWRITE")]
    pub const fn writes(self) -> bool {
        self.intersects(Self::ACCMODE)
    }
}

macro_rules! numbers {
    ($($(#[$meta:meta])* $name:ident: $type:ty = $value:expr, $text:literal;)*) => {
        $($(#[$meta])* #[doc = concat!($text, ".")] pub const $name: $type = $value;)*
    };
}

numbers! {
    F_DUPFD: i32 = 0, "Duplicate a descriptor";
    F_GETFD: i32 = 1, "Flags of a descriptor";
    F_SETFD: i32 = 2, "Set flags of a descriptor";
    F_GETFL: i32 = 3, "Flags of an open file";
    F_SETFL: i32 = 4, "Set flags of an open file";
    F_GETOWN: i32 = 5, "Who gets signals";
    F_SETOWN: i32 = 6, "Set who gets signals";
    F_GETLK: i32 = 7, "Look at a record lock";
    F_SETLK: i32 = 8, "Set a record lock";
    F_SETLKW: i32 = 9, "Set a record lock, waiting";
    F_PREALLOCATE: i32 = 42, "Reserve space";
    F_RDADVISE: i32 = 44, "Read ahead a range";
    F_RDAHEAD: i32 = 45, "Read-ahead on or off";
    F_NOCACHE: i32 = 48, "Caching off or on";
    F_GETPATH: i32 = 50, "Path of the file";
    F_FULLFSYNC: i32 = 51, "Flush to the medium";
    F_DUPFD_CLOEXEC: i32 = 67, "Duplicate, closing at exec";
    F_BARRIERFSYNC: i32 = 85, "Flush with a barrier";
    F_OFD_SETLK: i32 = 90, "Set a lock of the open file";
    F_OFD_SETLKW: i32 = 91, "Set a lock of the open file, waiting";
    F_OFD_GETLK: i32 = 92, "Look at a lock of the open file";
    FD_CLOEXEC: i32 = 1, "Descriptor flag: close at exec";
    F_RDLCK: i16 = 1, "Shared lock";
    F_UNLCK: i16 = 2, "No lock";
    F_WRLCK: i16 = 3, "Exclusive lock";
    AT_FDCWD: i32 = -2, "The current directory";
    AT_EACCESS: i32 = 0x10, "Check with effective ids";
    AT_SYMLINK_NOFOLLOW: i32 = 0x20, "The symbolic link itself";
    AT_SYMLINK_FOLLOW: i32 = 0x40, "What the symbolic link names";
    AT_REMOVEDIR: i32 = 0x80, "Remove a directory";
    SEEK_SET: i32 = 0, "From the start";
    SEEK_CUR: i32 = 1, "From here";
    SEEK_END: i32 = 2, "From the end";
    SEEK_HOLE: i32 = 3, "To the next hole";
    SEEK_DATA: i32 = 4, "To the next data";
    F_OK: i32 = 0, "`access`: it exists";
    X_OK: i32 = 1, "`access`: it may be executed";
    W_OK: i32 = 2, "`access`: it may be written";
    R_OK: i32 = 4, "`access`: it may be read";
    LOCK_SH: i32 = 1, "`flock`: shared";
    LOCK_EX: i32 = 2, "`flock`: exclusive";
    LOCK_NB: i32 = 4, "`flock`: do not wait";
    LOCK_UN: i32 = 8, "`flock`: unlock";
}

abi_struct! {
    /// A record lock.
    #[doc(alias = "flock")]
    pub struct Flock {
        /// First byte.
        pub start: i64,
        /// Bytes; zero is to the end.
        pub length: i64,
        /// Who holds it.
        pub pid: i32,
        /// Kind, `F_RDLCK` and so on.
        pub kind: i16,
        /// What `start` counts from.
        pub whence: i16,
    }
}

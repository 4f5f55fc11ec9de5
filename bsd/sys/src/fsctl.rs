//! Requests of `fsctl`, to a file system rather than a file (`bsd/sys/fsctl.h`).

/// What has changed on the volume is written back. The argument is a word of `FSCTL_SYNC_*`.
pub const FSIOC_SYNC_VOLUME: u32 = 0x8004_4101;
/// Down to the medium, not only to its cache.
pub const FSCTL_SYNC_FULLSYNC: u32 = 1 << 0;
/// The call returns when it is done.
pub const FSCTL_SYNC_WAIT: u32 = 1 << 1;

/// Option of the call: a symbolic link at the end of the path is meant itself.
pub const FSOPT_NOFOLLOW: u32 = 1 << 0;

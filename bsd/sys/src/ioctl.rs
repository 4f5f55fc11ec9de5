//! Requests of `ioctl` on a terminal (`bsd/sys/ttycom.h`).

/// Attributes of the terminal: get.
pub const TIOCGETA: u32 = 0x4048_7413;
/// Attributes of the terminal: set.
pub const TIOCSETA: u32 = 0x8048_7414;
/// The process group in the foreground: get.
pub const TIOCGPGRP: u32 = 0x4004_7477;
/// The process group in the foreground: set.
pub const TIOCSPGRP: u32 = 0x8004_7476;
/// Size of the window: get.
pub const TIOCGWINSZ: u32 = 0x4008_7468;
/// Size of the window: set.
pub const TIOCSWINSZ: u32 = 0x8008_7467;
/// Attributes of the terminal: set after output is out.
pub const TIOCSETAW: u32 = 0x8048_7415;
/// Attributes of the terminal: set after output is out, dropping input.
pub const TIOCSETAF: u32 = 0x8048_7416;
/// Bytes that can be read.
pub const FIONREAD: u32 = 0x4004_667f;
/// Blocking off or on.
pub const FIONBIO: u32 = 0x8004_667e;

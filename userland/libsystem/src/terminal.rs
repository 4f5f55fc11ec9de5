//! The terminal: its modes, its size, who has it.

use crate::io::Result;
use crate::syscall;
use bsd_sys::Errno;
use bsd_sys::ioctl::{FIONREAD, TIOCGETA, TIOCGPGRP, TIOCGWINSZ, TIOCSETAW, TIOCSPGRP};
use bsd_sys::syscall as number;
use bsd_sys::termios::{ECHO, ICANON, ICRNL, IEXTEN, ISIG, Termios, VMIN, VTIME, WindowSize};

/// A request that fills `bytes`, or takes them.
fn request(descriptor: i32, request: u32, bytes: &mut [u8]) -> Result<()> {
    let arguments = [
        descriptor as u64,
        u64::from(request),
        bytes.as_mut_ptr() as u64,
    ];
    // SAFETY: every caller here gives as many bytes as the request's number says.
    unsafe { syscall::call(number::IOCTL, &arguments) }.map(|_| ())
}

/// Modes of a terminal.
///
/// # Errors
/// The kernel's; `ENOTTY` if it is no terminal.
#[doc(alias = "tcgetattr")]
pub fn modes(descriptor: i32) -> Result<Termios> {
    let mut bytes = [0; Termios::SIZE];
    request(descriptor, TIOCGETA, &mut bytes)?;
    Termios::from_bytes(&bytes).ok_or(Errno::EIO)
}

/// Changes the modes, when what was written is out.
///
/// # Errors
/// The kernel's.
#[doc(alias = "tcsetattr")]
pub fn set_modes(descriptor: i32, modes: &Termios) -> Result<()> {
    request(descriptor, TIOCSETAW, &mut modes.to_bytes())
}

/// Modes in which every key comes at once and is not echoed; output stays as it is.
#[doc(alias = "cfmakeraw")]
#[must_use]
pub fn raw(mut modes: Termios) -> Termios {
    modes.input &= !ICRNL;
    modes.local &= !(ICANON | ECHO | ISIG | IEXTEN);
    modes.characters[VMIN] = 1;
    modes.characters[VTIME] = 0;
    modes
}

/// Columns and rows of the window; `None` if nobody knows.
#[must_use]
pub fn size(descriptor: i32) -> Option<(usize, usize)> {
    let mut bytes = [0; WindowSize::SIZE];
    request(descriptor, TIOCGWINSZ, &mut bytes).ok()?;
    let size = WindowSize::from_bytes(&bytes)?;
    (size.columns > 0).then_some((usize::from(size.columns), usize::from(size.rows)))
}

/// Bytes that can be read without waiting.
///
/// # Errors
/// The kernel's.
#[doc(alias = "FIONREAD")]
pub fn waiting(descriptor: i32) -> Result<usize> {
    let mut bytes = [0; 4];
    request(descriptor, FIONREAD, &mut bytes)?;
    Ok(u32::from_le_bytes(bytes) as usize)
}

/// The process group that has the terminal.
///
/// # Errors
/// The kernel's.
#[doc(alias = "tcgetpgrp")]
pub fn foreground(descriptor: i32) -> Result<i32> {
    let mut bytes = [0; 4];
    request(descriptor, TIOCGPGRP, &mut bytes)?;
    Ok(i32::from_le_bytes(bytes))
}

/// Gives the terminal to a process group.
///
/// # Errors
/// The kernel's.
#[doc(alias = "tcsetpgrp")]
pub fn set_foreground(descriptor: i32, group: i32) -> Result<()> {
    request(descriptor, TIOCSPGRP, &mut group.to_le_bytes())
}

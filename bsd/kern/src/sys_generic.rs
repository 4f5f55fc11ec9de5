//! Reading and writing.
//!
//! A regular file is read through its object's pages, the same pages a mapping shows. XNU counterpart:
//! `bsd/kern/sys_generic.c`, `cluster_read`.

use alloc::sync::Arc;

use bsd_sys::errno::Errno;
use bsd_sys::fcntl::{OpenFlags, SEEK_CUR, SEEK_END, SEEK_SET};
use bsd_sys::ioctl;
use bsd_sys::termios::{Termios, WindowSize};
use mach::KernReturn;
use vm::vm_fault::FaultOptions;

use crate::kern_descrip::{self, Kind, OpenFile};
use crate::kern_sig::job_control;
use crate::sys_pipe;
use crate::sysent::{Call, DONE, Failure, Outcome, value};
use crate::tty;
use crate::vfs::content::{self, Place, Written};
use crate::vfs::devices::{self, Device};
use crate::vfs::vnode::Vnode;

/// The most bytes of one transfer (`INT_MAX`).
const TRANSFER_MAX: u64 = i32::MAX as u64;

/// Bytes moved at a time between a device and the program.
const CHUNK: usize = 512;

/// `read(fd, buffer, length)`.
pub(crate) fn read(call: &mut Call<'_>) -> Outcome {
    let file = kern_descrip::lookup(call.proc, call.int(0))?;
    let (user, length) = (call.long(1), call.long(2));
    let vnode = match file.kind() {
        Kind::Vnode(vnode) => vnode,
        Kind::Pipe(end) => {
            check_length(length)?;
            return value(sys_pipe::read(call, &file, end, user, length as usize)?);
        }
    };
    if vnode.is_character_device() {
        // A device has no position, and its reader may wait for long.
        return value(transfer_in(call, &file, vnode, 0, user, length)?);
    }
    let mut position = file.position()?;
    let done = transfer_in(call, &file, vnode, *position, user, length)?;
    *position += done;
    value(done)
}

/// `pread(fd, buffer, length, offset)`.
pub(crate) fn pread(call: &mut Call<'_>) -> Outcome {
    let file = kern_descrip::lookup(call.proc, call.int(0))?;
    let vnode = seekable(&file)?;
    let offset = i64::try_from(call.long(3)).map_err(|_| Errno::EINVAL)? as u64;
    let (user, length) = (call.long(1), call.long(2));
    value(transfer_in(call, &file, vnode, offset, user, length)?)
}

/// The file, if it has positions.
fn seekable(file: &OpenFile) -> Result<&Arc<Vnode>, Errno> {
    file.vnode()
        .filter(|vnode| !vnode.is_character_device())
        .ok_or(Errno::ESPIPE)
}

fn check_length(length: u64) -> Result<(), Errno> {
    if length > TRANSFER_MAX {
        return Err(Errno::EINVAL);
    }
    Ok(())
}

/// Reads from `offset` on into the program's buffer; bytes done.
fn transfer_in(
    call: &Call<'_>,
    file: &OpenFile,
    vnode: &Vnode,
    offset: u64,
    user: u64,
    length: u64,
) -> Result<u64, Failure> {
    if !file.flags().reads() {
        return Err(Errno::EBADF.into());
    }
    check_length(length)?;
    if vnode.is_directory() {
        return Err(Errno::EISDIR.into());
    }
    if length == 0 {
        return Ok(0);
    }
    match devices::device(vnode) {
        Some(Device::Console) => return read_console(call, user, length as usize),
        Some(Device::Null) => return Ok(0),
        Some(Device::Zero) => return read_zeroes(call, user, length),
        None => {}
    }
    let object = vnode.object().map_err(Failure::or_restart)?;
    let available = vnode.size().saturating_sub(offset);
    let length = length.min(available) as usize;
    match object.read_to_user(offset, length, call.map, user, FaultOptions::USER) {
        Ok(done) => Ok(done as u64),
        // What was read before the trouble counts; the trouble shows on the next call.
        Err(incomplete) if incomplete.done > 0 => Ok(incomplete.done as u64),
        Err(incomplete) => Err(read_failure(incomplete.cause)),
    }
}

fn read_failure(cause: KernReturn) -> Failure {
    match cause {
        KernReturn::ABORTED => Failure::Restart,
        KernReturn::INVALID_ADDRESS | KernReturn::PROTECTION_FAILURE => Errno::EFAULT.into(),
        KernReturn::RESOURCE_SHORTAGE => Errno::ENOMEM.into(),
        _ => Errno::EIO.into(),
    }
}

fn read_console(call: &Call<'_>, user: u64, length: usize) -> Result<u64, Failure> {
    job_control::check_read(call)?;
    let mut chunk = [0; CHUNK];
    let length = length.min(CHUNK);
    let done = tty::read(&mut chunk[..length]).map_err(|_| Failure::Restart)?;
    // What was typed is not lost because the buffer is not there, or not yet.
    call.copyout(&chunk[..done], user)
        .inspect_err(|_| tty::unread(&chunk[..done]))?;
    Ok(done as u64)
}

fn read_zeroes(call: &Call<'_>, user: u64, length: u64) -> Result<u64, Failure> {
    let mut done = 0;
    while done < length {
        let piece = (length - done).min(CHUNK as u64);
        match call.copyout(&[0; CHUNK][..piece as usize], user.wrapping_add(done)) {
            Ok(()) => done += piece,
            Err(_) if done > 0 => break,
            Err(failure) => return Err(failure),
        }
    }
    Ok(done)
}

/// `write(fd, buffer, length)`.
pub(crate) fn write(call: &mut Call<'_>) -> Outcome {
    let file = kern_descrip::lookup(call.proc, call.int(0))?;
    value(write_piece(call, &file, call.long(1), call.long(2))?)
}

/// `pwrite(fd, buffer, length, offset)`.
pub(crate) fn pwrite(call: &mut Call<'_>) -> Outcome {
    let file = kern_descrip::lookup(call.proc, call.int(0))?;
    let vnode = seekable(&file)?;
    let offset = i64::try_from(call.long(3)).map_err(|_| Errno::EINVAL)? as u64;
    let (user, length) = (call.long(1), call.long(2));
    check_writing(&file, length)?;
    value(write_file(call, &file, vnode, Place::At(offset), user, length)?.length)
}

/// The most pieces of a `writev` (`IOV_MAX`).
const PIECES_MAX: u64 = 1024;

/// `writev(fd, pieces, count)`.
pub(crate) fn writev(call: &mut Call<'_>) -> Outcome {
    let (pieces, count) = (call.long(1), u64::from(call.word(2)));
    if count == 0 || count > PIECES_MAX {
        return Err(Errno::EINVAL.into());
    }
    let file = kern_descrip::lookup(call.proc, call.int(0))?;
    let mut done: u64 = 0;
    for index in 0..count {
        let piece = pieces.wrapping_add(16 * index);
        let both = call
            .copyin_word(piece)
            .and_then(|user| Ok((user, call.copyin_word(piece.wrapping_add(8))?)));
        let written = both.and_then(|(user, length)| {
            let written = write_piece(call, &file, user, length)?;
            Ok((written, written == length))
        });
        match written {
            Ok((written, whole)) => {
                done += written;
                if !whole {
                    break;
                }
            }
            // What was written before the trouble counts.
            Err(_) if done > 0 => break,
            Err(failure) => return Err(failure),
        }
    }
    value(done)
}

fn check_writing(file: &OpenFile, length: u64) -> Result<(), Errno> {
    if !file.flags().writes() {
        return Err(Errno::EBADF);
    }
    check_length(length)
}

/// Writes at the file's position, or wherever a file of its kind is written.
fn write_piece(call: &Call<'_>, file: &OpenFile, user: u64, length: u64) -> Result<u64, Failure> {
    check_writing(file, length)?;
    let vnode = match file.kind() {
        Kind::Vnode(vnode) => vnode,
        Kind::Pipe(end) => return sys_pipe::write(call, file, end, user, length as usize),
    };
    match devices::device(vnode) {
        Some(Device::Console) => return write_console(call, user, length),
        Some(Device::Null | Device::Zero) => return Ok(length),
        None => {}
    }
    let mut position = file.position()?;
    let place = if file.flags().contains(OpenFlags::APPEND) {
        Place::End
    } else {
        Place::At(*position)
    };
    let written = write_file(call, file, vnode, place, user, length)?;
    *position = written.start + written.length;
    Ok(written.length)
}

fn write_file(
    call: &Call<'_>,
    file: &OpenFile,
    vnode: &Arc<Vnode>,
    place: Place,
    user: u64,
    length: u64,
) -> Result<Written, Failure> {
    if !vnode.is_regular() {
        return Err(Errno::EISDIR.into());
    }
    let written = content::write(call, vnode, place, user, length)?;
    if file.flags().intersects(OpenFlags::SYNC | OpenFlags::DSYNC) {
        content::synchronize(vnode)?;
    }
    Ok(written)
}

fn write_console(call: &Call<'_>, user: u64, length: u64) -> Result<u64, Failure> {
    let mut chunk = [0; CHUNK];
    let mut done = 0;
    while done < length {
        let piece = &mut chunk[..(length - done).min(CHUNK as u64) as usize];
        match call.copyin(user.wrapping_add(done), piece) {
            Ok(()) => tty::write(piece),
            Err(_) if done > 0 => break,
            Err(failure) => return Err(failure),
        }
        done += piece.len() as u64;
    }
    Ok(done)
}

/// `lseek(fd, offset, whence)`.
pub(crate) fn lseek(call: &mut Call<'_>) -> Outcome {
    let file = kern_descrip::lookup(call.proc, call.int(0))?;
    let vnode = seekable(&file)?;
    let offset = call.long(1) as i64;
    let end = match call.int(2) {
        SEEK_END if vnode.is_regular() => vnode.size(),
        SEEK_END => vnode.attributes().map_err(Failure::or_restart)?.size,
        _ => 0,
    };
    let mut position = file.position()?;
    let base = match call.int(2) {
        SEEK_SET => 0,
        SEEK_CUR => *position as i64,
        SEEK_END => i64::try_from(end).map_err(|_| Errno::EOVERFLOW)?,
        _ => return Err(Errno::EINVAL.into()),
    };
    let new = base.checked_add(offset).ok_or(Errno::EOVERFLOW)?;
    *position = u64::try_from(new).map_err(|_| Errno::EINVAL)?;
    value(*position)
}

/// `ioctl(fd, request, argument)`: what a program asks of its terminal, and the two requests that pipes know too.
pub(crate) fn ioctl(call: &mut Call<'_>) -> Outcome {
    let file = kern_descrip::lookup(call.proc, call.int(0))?;
    let (request, argument) = (call.word(1), call.long(2));
    if request == ioctl::FIONBIO {
        file.set_nonblocking(call.copyin_int(argument)? != 0);
        return DONE;
    }
    match file.kind() {
        Kind::Pipe(end) if request == ioctl::FIONREAD => {
            give_int(call, end.available() as i32, argument)
        }
        Kind::Vnode(vnode) if devices::device(vnode) == Some(Device::Console) => {
            terminal_request(call, request, argument)
        }
        _ => Err(Errno::ENOTTY.into()),
    }
}

fn give_int(call: &Call<'_>, int: i32, argument: u64) -> Outcome {
    call.copyout(&int.to_le_bytes(), argument)?;
    DONE
}

fn terminal_request(call: &Call<'_>, request: u32, argument: u64) -> Outcome {
    match request {
        ioctl::TIOCGPGRP => give_int(call, tty::foreground(), argument),
        ioctl::TIOCSPGRP => {
            tty::set_foreground(call.copyin_int(argument)?);
            DONE
        }
        ioctl::FIONREAD => give_int(call, tty::available() as i32, argument),
        ioctl::TIOCGWINSZ => {
            call.copyout(&tty::window_size().to_bytes(), argument)?;
            DONE
        }
        ioctl::TIOCSWINSZ => {
            let mut bytes = [0; WindowSize::SIZE];
            call.copyin(argument, &mut bytes)?;
            tty::set_window_size(WindowSize::from_bytes(&bytes).ok_or(Errno::EINVAL)?);
            DONE
        }
        ioctl::TIOCGETA => {
            call.copyout(&tty::modes().to_bytes(), argument)?;
            DONE
        }
        // Output is never behind: what is written is out when the call returns.
        ioctl::TIOCSETA | ioctl::TIOCSETAW | ioctl::TIOCSETAF => {
            let mut bytes = [0; Termios::SIZE];
            call.copyin(argument, &mut bytes)?;
            let modes = Termios::from_bytes(&bytes).ok_or(Errno::EINVAL)?;
            if request == ioctl::TIOCSETAF {
                tty::flush_input();
            }
            tty::set_modes(modes);
            DONE
        }
        _ => Err(Errno::ENOTTY.into()),
    }
}

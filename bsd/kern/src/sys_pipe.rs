//! Pipes: bytes that one descriptor takes and another one gives back.
//!
//! A pipe is a ring of bytes and two ends; each end is one open file, however many descriptors stand for it, so readers take turns by
//! their open file's position, and so do writers: a write of at most [`PIPE_BUF`] bytes is never torn apart. Bytes go through a piece
//! of the kernel's stack, because no lock may be held while the program's memory is touched. A reader looks at bytes first and takes
//! them only when the program has them: a buffer that is not there loses nothing.
//!
//! XNU counterpart: `bsd/kern/sys_pipe.c`.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU64, Ordering};

use bsd_sys::errno::Errno;
use bsd_sys::fcntl::OpenFlags;
use bsd_sys::signal::Signal;
use bsd_sys::stat::{S_IFIFO, Stat};
use prim::lock::{Mutex, Rank};
use prim::wait::{Interruptible, Wait, WaitQueue, WaitResult};
use prim::zone::{Admission, Zone};

use crate::kern_descrip::OpenFile;
use crate::kern_sig;
use crate::sysent::{Call, Failure, Outcome};

static PIPES: Zone = Zone::new("pipes", size_of::<Pipe>() + CAPACITY);

/// Bytes that a pipe holds (`PIPE_SIZE`).
pub const CAPACITY: usize = 16 * 1024;

/// The longest write that is never mixed with another (`PIPE_BUF`).
pub const PIPE_BUF: usize = 512;

/// Bytes that go through the kernel's stack at a time.
const PIECE: usize = 1024;

/// A pipe.
#[doc(alias = "pipe")]
struct Pipe {
    /// Tells pipes apart.
    number: u64,
    /// Rank `Vnode`, held for moments.
    state: Mutex<State>,
    /// A reader that waits for bytes or the last writer's end.
    readers: WaitQueue,
    /// A writer that waits for room or the last reader's end.
    writers: WaitQueue,
    _admission: Admission,
}

struct State {
    ring: Ring,
    /// The end for reading is open.
    read: bool,
    /// The end for writing is open.
    written: bool,
    /// A writer waits: it is woken by who makes room.
    writer_waits: bool,
}

/// Bytes in their order.
struct Ring {
    bytes: Box<[u8]>,
    /// Where the oldest byte is.
    start: usize,
    length: usize,
}

impl Ring {
    fn create(capacity: usize) -> Result<Self, Errno> {
        let mut bytes = Vec::new();
        bytes
            .try_reserve_exact(capacity)
            .map_err(|_| Errno::ENOMEM)?;
        bytes.resize(capacity, 0);
        let bytes = bytes.into_boxed_slice();
        Ok(Self {
            bytes,
            start: 0,
            length: 0,
        })
    }

    fn room(&self) -> usize {
        self.bytes.len() - self.length
    }

    /// Adds bytes for which there is room.
    fn push(&mut self, new: &[u8]) {
        let at = (self.start + self.length) % self.bytes.len();
        let straight = new.len().min(self.bytes.len() - at);
        self.bytes[at..at + straight].copy_from_slice(&new[..straight]);
        self.bytes[..new.len() - straight].copy_from_slice(&new[straight..]);
        self.length += new.len();
    }

    /// Copies the oldest bytes; how many.
    fn peek(&self, to: &mut [u8]) -> usize {
        let count = to.len().min(self.length);
        let straight = count.min(self.bytes.len() - self.start);
        to[..straight].copy_from_slice(&self.bytes[self.start..self.start + straight]);
        to[straight..count].copy_from_slice(&self.bytes[..count - straight]);
        count
    }

    /// Takes the oldest bytes away.
    fn consume(&mut self, count: usize) {
        self.start = (self.start + count) % self.bytes.len();
        self.length -= count;
    }
}

/// Which end of a pipe.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Side {
    Read,
    Write,
}

/// One end of a pipe; dropping closes it.
pub struct PipeEnd {
    pipe: Arc<Pipe>,
    side: Side,
}

impl Drop for PipeEnd {
    fn drop(&mut self) {
        {
            let mut state = self.pipe.state.lock();
            match self.side {
                Side::Read => state.read = false,
                Side::Write => state.written = false,
            }
        }
        self.pipe.readers.wake_all();
        self.pipe.writers.wake_all();
    }
}

/// A new pipe: the end for reading and the one for writing.
///
/// # Errors
/// `ENFILE`, `ENOMEM`.
pub fn create() -> Result<(PipeEnd, PipeEnd), Errno> {
    static NUMBERS: AtomicU64 = AtomicU64::new(1);
    let admission = PIPES.admit().map_err(|_| Errno::ENFILE)?;
    let state = State {
        ring: Ring::create(CAPACITY)?,
        read: true,
        written: true,
        writer_waits: false,
    };
    let pipe = Arc::new(Pipe {
        number: NUMBERS.fetch_add(1, Ordering::Relaxed),
        state: Mutex::new(Rank::Vnode, state),
        readers: WaitQueue::new(),
        writers: WaitQueue::new(),
        _admission: admission,
    });
    let end = |side| PipeEnd {
        pipe: pipe.clone(),
        side,
    };
    Ok((end(Side::Read), end(Side::Write)))
}

/// What a look at a pipe has led to.
enum Look {
    /// So many bytes were copied.
    Bytes(usize),
    /// Nothing comes any more.
    End,
    /// Not now.
    Wait(Wait),
    /// Not now, and the caller does not wait.
    WouldBlock,
}

/// Whether the caller waits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Patience {
    Waits,
    DoesNotWait,
}

impl Patience {
    fn of(file: &OpenFile) -> Self {
        if file.flags().contains(OpenFlags::NONBLOCK) {
            Self::DoesNotWait
        } else {
            Self::Waits
        }
    }

    fn wait(self, queue: &WaitQueue) -> Look {
        match self {
            Self::Waits => Look::Wait(queue.assert_wait(Interruptible::AbortSafe, None)),
            Self::DoesNotWait => Look::WouldBlock,
        }
    }
}

impl PipeEnd {
    /// Bytes that can be read.
    #[must_use]
    pub fn available(&self) -> usize {
        self.pipe.state.lock().ring.length
    }

    /// What `fstat` shows.
    #[doc(alias = "pipe_stat")]
    #[must_use]
    pub fn stat(&self) -> Stat {
        Stat {
            mode: S_IFIFO | 0o600,
            nlink: 1,
            ino: self.pipe.number,
            size: self.available() as i64,
            blksize: CAPACITY as i32,
            ..Stat::default()
        }
    }

    /// Copies what there is to read.
    fn peek(&self, to: &mut [u8], patience: Patience) -> Look {
        let state = self.pipe.state.lock();
        match state.ring.peek(to) {
            0 if !state.written => Look::End,
            0 => patience.wait(&self.pipe.readers),
            count => Look::Bytes(count),
        }
    }

    /// Takes what was read away.
    fn consume(&self, count: usize) {
        let waits = {
            let mut state = self.pipe.state.lock();
            state.ring.consume(count);
            core::mem::take(&mut state.writer_waits)
        };
        if waits {
            self.pipe.writers.wake_all();
        }
    }

    /// Adds bytes if there is room for all of them, or for some if they may be torn apart.
    fn offer(&self, bytes: &[u8], whole: bool, patience: Patience) -> Look {
        let (count, was_empty) = {
            let mut state = self.pipe.state.lock();
            if !state.read {
                return Look::End;
            }
            let room = state.ring.room();
            if room == 0 || whole && room < bytes.len() {
                let look = patience.wait(&self.pipe.writers);
                state.writer_waits |= matches!(look, Look::Wait(_));
                return look;
            }
            let count = room.min(bytes.len());
            let was_empty = state.ring.length == 0;
            state.ring.push(&bytes[..count]);
            (count, was_empty)
        };
        if was_empty {
            self.pipe.readers.wake_all();
        }
        Look::Bytes(count)
    }
}

/// `read` from a pipe: what there is, at least a byte; 0 at the end.
///
/// # Errors
/// `EBADF` at the wrong end, `EAGAIN`, `EFAULT`; a restart when a signal came first.
#[doc(alias = "pipe_read")]
pub(crate) fn read(
    call: &Call<'_>,
    file: &OpenFile,
    end: &PipeEnd,
    user: u64,
    length: usize,
) -> Result<u64, Failure> {
    if end.side != Side::Read {
        return Err(Errno::EBADF.into());
    }
    // One reader at a time: what one has looked at, no other one takes.
    let _turn = file.position()?;
    let mut piece = [0; PIECE];
    let mut done = 0;
    while done < length {
        let wanted = (length - done).min(PIECE);
        let patience = if done == 0 {
            Patience::of(file)
        } else {
            Patience::DoesNotWait
        };
        match end.peek(&mut piece[..wanted], patience) {
            Look::Bytes(count) => {
                match call.copyout(&piece[..count], user.wrapping_add(done as u64)) {
                    Ok(()) => end.consume(count),
                    Err(_) if done > 0 => break,
                    Err(failure) => return Err(failure),
                }
                done += count;
            }
            Look::Wait(wait) => {
                if wait.block() == WaitResult::Interrupted {
                    return Err(Failure::Restart);
                }
            }
            Look::End => break,
            Look::WouldBlock if done > 0 => break,
            Look::WouldBlock => return Err(Errno::EAGAIN.into()),
        }
    }
    Ok(done as u64)
}

/// `write` to a pipe: all of it, unless a signal comes, or the caller does not wait.
///
/// # Errors
/// `EBADF` at the wrong end; `EPIPE`, and `SIGPIPE`, when nobody can read any more; `EAGAIN`, `EFAULT`; a restart when a
/// signal came before anything was written.
#[doc(alias = "pipe_write")]
pub(crate) fn write(
    call: &Call<'_>,
    file: &OpenFile,
    end: &PipeEnd,
    user: u64,
    length: usize,
) -> Result<u64, Failure> {
    if end.side != Side::Write {
        return Err(Errno::EBADF.into());
    }
    let _turn = file.position()?;
    let patience = Patience::of(file);
    let whole = length <= PIPE_BUF;
    let mut piece = [0; PIECE];
    let mut done = 0;
    while done < length {
        let piece = &mut piece[..(length - done).min(PIECE)];
        match call.copyin(user.wrapping_add(done as u64), piece) {
            Ok(()) => {}
            Err(_) if done > 0 => break,
            Err(failure) => return Err(failure),
        }
        match end.put(piece, whole, patience) {
            Ok(count) => done += count,
            Err(Stopped { count, .. }) if done + count > 0 => {
                done += count;
                break;
            }
            Err(Stopped {
                why: Why::NobodyReads,
                ..
            }) => {
                kern_sig::post(call.proc, Signal::PIPE);
                return Err(Errno::EPIPE.into());
            }
            Err(Stopped {
                why: Why::WouldBlock,
                ..
            }) => return Err(Errno::EAGAIN.into()),
            Err(Stopped {
                why: Why::Interrupted,
                ..
            }) => return Err(Failure::Restart),
        }
    }
    Ok(done as u64)
}

/// Why a write went no further.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Why {
    NobodyReads,
    WouldBlock,
    Interrupted,
}

/// A write that went no further, after so many bytes.
struct Stopped {
    count: usize,
    why: Why,
}

impl PipeEnd {
    /// Adds all of the bytes, waiting for room as often as it takes.
    fn put(&self, bytes: &[u8], whole: bool, patience: Patience) -> Result<usize, Stopped> {
        let mut count = 0;
        while count < bytes.len() {
            let why = match self.offer(&bytes[count..], whole, patience) {
                Look::Bytes(more) => {
                    count += more;
                    continue;
                }
                Look::Wait(wait) => match wait.block() {
                    WaitResult::Interrupted => Why::Interrupted,
                    WaitResult::Awakened | WaitResult::TimedOut => continue,
                },
                Look::End => Why::NobodyReads,
                Look::WouldBlock => Why::WouldBlock,
            };
            return Err(Stopped { count, why });
        }
        Ok(count)
    }
}

/// `pipe()`: the descriptors come back in two registers.
pub(crate) fn pipe(call: &mut Call<'_>) -> Outcome {
    let (read, write) = create()?;
    let read = OpenFile::of_pipe(read, OpenFlags::RDONLY)?;
    let write = OpenFile::of_pipe(write, OpenFlags::WRONLY)?;
    let mut files = call.proc.files.lock();
    let first = files.add(read, false, 0)?;
    match files.add(write, false, 0) {
        Ok(second) => Ok([first as u64, second as u64]),
        Err(errno) => {
            let unused = files.remove(first);
            drop(files);
            drop(unused);
            Err(errno.into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::VecDeque;

    fn bytes_of(look: Look) -> Option<usize> {
        match look {
            Look::Bytes(count) => Some(count),
            Look::WouldBlock => None,
            Look::End | Look::Wait(_) => panic!("neither bytes nor a refusal"),
        }
    }

    const NOW: Patience = Patience::DoesNotWait;

    #[test]
    fn a_ring_agrees_with_a_queue() {
        let mut ring = Ring::create(13).unwrap();
        let mut model = VecDeque::new();
        let mut state = 5u32;
        let mut next = |bound: usize| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 16) as usize % bound
        };
        for step in 0..20_000 {
            if next(2) == 0 {
                let new: Vec<u8> = (0..next(ring.room() + 1))
                    .map(|at| (step + at) as u8)
                    .collect();
                ring.push(&new);
                model.extend(new);
            } else {
                let mut seen = [0; 13];
                let count = ring.peek(&mut seen[..next(14)]);
                assert!(seen[..count].iter().eq(model.iter().take(count)));
                let taken = next(count + 1);
                ring.consume(taken);
                model.drain(..taken);
            }
            assert_eq!((ring.length, ring.room()), (model.len(), 13 - model.len()));
        }
    }

    #[test]
    fn what_is_looked_at_stays_until_it_is_taken() {
        prim::host::boot();
        let (read, write) = create().unwrap();
        assert_eq!(bytes_of(write.offer(b"abc", true, NOW)), Some(3));
        let mut seen = [0; 8];
        assert_eq!(bytes_of(read.peek(&mut seen, NOW)), Some(3));
        assert_eq!(bytes_of(read.peek(&mut seen[..2], NOW)), Some(2));
        read.consume(2);
        assert_eq!(bytes_of(read.peek(&mut seen, NOW)), Some(1));
        assert_eq!((seen[0], read.available()), (b'c', 1));
    }

    #[test]
    fn a_short_write_is_whole_or_waits() {
        prim::host::boot();
        let (read, write) = create().unwrap();
        let most = CAPACITY - 100;
        assert_eq!(
            bytes_of(write.offer(&alloc::vec![1; most], false, NOW)),
            Some(most)
        );
        assert_eq!(bytes_of(write.offer(&[2; 200], true, NOW)), None);
        assert_eq!(bytes_of(write.offer(&[3; 200], false, NOW)), Some(100));
        assert_eq!(bytes_of(write.offer(&[4], false, NOW)), None);
        read.consume(200);
        assert_eq!(bytes_of(write.offer(&[2; 200], true, NOW)), Some(200));
    }

    #[test]
    fn the_end_of_one_side_shows_on_the_other() {
        prim::host::boot();
        let (read, write) = create().unwrap();
        assert_eq!(bytes_of(write.offer(b"x", true, NOW)), Some(1));
        drop(write);
        let mut seen = [0; 1];
        assert_eq!(bytes_of(read.peek(&mut seen, NOW)), Some(1));
        read.consume(1);
        assert!(matches!(read.peek(&mut seen, Patience::Waits), Look::End));
        let (read, write) = create().unwrap();
        drop(read);
        assert!(matches!(
            write.offer(b"x", true, Patience::Waits),
            Look::End
        ));
    }
}

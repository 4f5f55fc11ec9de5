//! The console as a terminal: lines, echo, erasing, and the keys that mean signals.
//!
//! The driver collects bytes in its interrupt handler; a thread takes them from there and edits the line; [`read`] gives
//! whole lines out. [`LineEditor`] is pure. XNU counterpart: `bsd/kern/tty.c`.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::fmt::{self, Write};
use core::sync::atomic::{AtomicI32, AtomicU64, Ordering};

use bsd_sys::signal::Signal;
use bsd_sys::termios::{self, Termios};
use prim::device;
use prim::lock::{Mutex, Rank};
use prim::thread::{Priority, SpawnError, spawn_kernel};
use prim::wait::{Interruptible, WaitQueue, WaitResult};

use crate::{kern_sig, proc};

/// The longest line (`MAX_CANON`).
const LINE_MAX: usize = 1024;

/// The longest report of the kernel's.
const REPORT_MAX: usize = 256;

/// End of file, control-D.
const END_OF_FILE: u8 = 4;
/// Erase the line, control-U.
const KILL_LINE: u8 = 0x15;

/// What a byte does to the line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Typed {
    /// Nothing yet.
    More,
    /// The line is complete.
    Complete,
    /// The reader gets what there is, nothing meaning the end.
    EndOfFile,
    /// The foreground is to get this signal; the line is gone.
    Interrupt(Signal),
}

/// A line that is being typed.
#[derive(Default, Debug)]
pub struct LineEditor {
    line: Vec<u8>,
}

impl LineEditor {
    /// A byte was typed; what is to be echoed goes to `echo`.
    #[doc(alias = "ttyinput")]
    pub fn typed(&mut self, byte: u8, echo: &mut dyn FnMut(&[u8])) -> Typed {
        match byte {
            b'\r' | b'\n' => {
                self.line.push(b'\n');
                echo(b"\r\n");
                Typed::Complete
            }
            END_OF_FILE => Typed::EndOfFile,
            0x08 | 0x7f => {
                if self.erase() {
                    echo(b"\x08 \x08");
                }
                Typed::More
            }
            KILL_LINE => {
                while self.erase() {
                    echo(b"\x08 \x08");
                }
                Typed::More
            }
            0x03 => self.interrupt(b"^C\r\n", Signal::INT, echo),
            0x1c => self.interrupt(b"^\\\r\n", Signal::QUIT, echo),
            byte if self.line.len() < LINE_MAX && (byte >= b' ' || byte == b'\t') => {
                self.line.push(byte);
                echo(&[byte]);
                Typed::More
            }
            _ => Typed::More,
        }
    }

    /// Takes the last character away, all bytes of it.
    fn erase(&mut self) -> bool {
        while let Some(byte) = self.line.pop() {
            if byte & 0xc0 != 0x80 {
                return true;
            }
        }
        false
    }

    fn interrupt(&mut self, shown: &[u8], signal: Signal, echo: &mut dyn FnMut(&[u8])) -> Typed {
        self.line.clear();
        echo(shown);
        Typed::Interrupt(signal)
    }
}

/// How the terminal treats what is typed and shown; it cannot be changed yet.
#[doc(alias = "ttioctl_locked")]
pub(crate) fn modes() -> Termios {
    let mut characters = [0; 20];
    for (index, key) in [
        (termios::VEOF, END_OF_FILE),
        (termios::VERASE, 0x7f),
        (termios::VKILL, KILL_LINE),
        (termios::VINTR, 0x03),
        (termios::VQUIT, 0x1c),
    ] {
        characters[index] = key;
    }
    Termios {
        input: termios::ICRNL,
        output: termios::OPOST | termios::ONLCR,
        local: termios::ECHO | termios::ECHOE | termios::ICANON | termios::ISIG,
        characters,
        ..Termios::default()
    }
}

/// What has been typed. Rank `Vnode`, held for moments.
#[derive(Default)]
struct Terminal {
    editor: LineEditor,
    /// Bytes of complete lines.
    ready: VecDeque<u8>,
    /// Times the end was typed and no reader has seen it.
    ends: usize,
}

static TERMINAL: Mutex<Option<Terminal>> = Mutex::new(Rank::Vnode, None);

/// Who waits for a line.
static READERS: WaitQueue = WaitQueue::new();

/// Lines that were completed, and ends typed: a reader notes it before it looks, so that it misses none.
static ARRIVALS: AtomicU64 = AtomicU64::new(0);

/// The process group that keys mean.
static FOREGROUND: AtomicI32 = AtomicI32::new(0);

/// A signal or the end of the thread came first.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Interrupted;

/// Starts the thread that takes what is typed: keys must mean signals even when nobody reads.
///
/// # Errors
/// When the thread cannot be made.
pub fn start() -> Result<(), SpawnError> {
    spawn_kernel("tty", Priority::KERNEL, input_thread).map(|_| ())
}

fn input_thread() {
    let Some(console) = device::console() else {
        return;
    };
    loop {
        let wait = console.input_waiters().assert_wait(Interruptible::No, None);
        let mut byte = [0];
        if console.read(&mut byte) == 0 {
            let _ = wait.block();
        } else {
            wait.cancel();
            input(byte[0], &mut |bytes| console.write(bytes));
        }
    }
}

/// One byte was typed.
#[doc(alias = "ttyinput")]
fn input(byte: u8, echo: &mut dyn FnMut(&[u8])) {
    let typed = {
        let mut guard = TERMINAL.lock();
        let terminal = guard.get_or_insert_with(Terminal::default);
        let typed = terminal.editor.typed(byte, echo);
        if matches!(typed, Typed::Complete | Typed::EndOfFile) {
            // A full buffer loses the line, as on any terminal.
            if terminal.ready.len() < LINE_MAX {
                terminal.ready.extend(terminal.editor.line.iter());
            }
            terminal.ends +=
                usize::from(typed == Typed::EndOfFile && terminal.editor.line.is_empty());
            terminal.editor.line.clear();
        }
        typed
    };
    match typed {
        Typed::More => {}
        Typed::Complete | Typed::EndOfFile => {
            ARRIVALS.fetch_add(1, Ordering::SeqCst);
            READERS.wake_all();
        }
        Typed::Interrupt(signal) => signal_foreground(signal),
    }
}

/// Reads from the terminal: at most a line, nothing at its end.
///
/// # Errors
/// [`Interrupted`].
#[doc(alias = "ttread")]
pub fn read(buffer: &mut [u8]) -> Result<usize, Interrupted> {
    loop {
        let arrivals = ARRIVALS.load(Ordering::SeqCst);
        if let Some(count) = take_line(buffer) {
            return Ok(count);
        }
        let wait = READERS.assert_wait(Interruptible::AbortSafe, None);
        if ARRIVALS.load(Ordering::SeqCst) != arrivals {
            wait.cancel();
        } else if wait.block() == WaitResult::Interrupted {
            return Err(Interrupted);
        }
    }
}

/// Gives back what was read and could not be handed on.
pub fn unread(bytes: &[u8]) {
    let mut guard = TERMINAL.lock();
    let terminal = guard.get_or_insert_with(Terminal::default);
    for &byte in bytes.iter().rev() {
        terminal.ready.push_front(byte);
    }
    drop(guard);
    ARRIVALS.fetch_add(1, Ordering::SeqCst);
    READERS.wake_all();
}

/// Moves bytes of the first line to `buffer`; `None` if there is nothing yet.
fn take_line(buffer: &mut [u8]) -> Option<usize> {
    let mut guard = TERMINAL.lock();
    let terminal = guard.get_or_insert_with(Terminal::default);
    if terminal.ready.is_empty() {
        terminal.ends = terminal.ends.checked_sub(1)?;
        return Some(0);
    }
    let line = terminal
        .ready
        .iter()
        .position(|&byte| byte == b'\n')
        .map_or(terminal.ready.len(), |end| end + 1);
    let count = buffer.len().min(line);
    for (byte, ready) in buffer.iter_mut().zip(terminal.ready.drain(..count)) {
        *byte = ready;
    }
    Some(count)
}

/// Writes to the terminal; a line end also returns the carriage.
#[doc(alias = "ttwrite")]
pub fn write(bytes: &[u8]) {
    let Some(console) = device::console() else {
        return;
    };
    // A line at a time: the console keeps lines of several writers apart, and returns the carriage.
    bytes
        .split_inclusive(|&byte| byte == b'\n')
        .for_each(|line| console.write(line));
}

/// The process group in the foreground.
#[must_use]
pub fn foreground() -> i32 {
    FOREGROUND.load(Ordering::Relaxed)
}

/// Chooses the process group in the foreground.
pub fn set_foreground(group: i32) {
    FOREGROUND.store(group, Ordering::Relaxed);
}

fn signal_foreground(signal: Signal) {
    let group = foreground();
    for target in proc::all() {
        if target.pid() != proc::INIT && target.state().group == group {
            kern_sig::post(&target, signal);
        }
    }
}

/// Tells the person at the console what happened to a program.
pub fn report(arguments: fmt::Arguments<'_>) {
    /// Keeps a report in one piece, so that those of several processors do not mix; memory may be short, so no heap.
    struct Line {
        text: [u8; REPORT_MAX],
        used: usize,
    }
    impl Write for Line {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            let room = &mut self.text[self.used..];
            let count = text.len().min(room.len());
            room[..count].copy_from_slice(&text.as_bytes()[..count]);
            self.used += count;
            Ok(())
        }
    }
    let mut line = Line {
        text: [0; REPORT_MAX],
        used: 0,
    };
    // What is too long is cut; nothing else can go wrong.
    let _ = line.write_fmt(arguments);
    write(&line.text[..line.used]);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn type_all(editor: &mut LineEditor, bytes: &[u8]) -> (Vec<u8>, Typed) {
        let mut echo = Vec::new();
        let mut last = Typed::More;
        for &byte in bytes {
            last = editor.typed(byte, &mut |bytes| echo.extend_from_slice(bytes));
        }
        (echo, last)
    }

    #[test]
    fn a_line_is_complete_at_return_and_echoed() {
        let mut editor = LineEditor::default();
        let (echo, last) = type_all(&mut editor, b"ls\r");
        assert_eq!((echo.as_slice(), last), (&b"ls\r\n"[..], Typed::Complete));
        assert_eq!(editor.line, b"ls\n");
    }

    #[test]
    fn erasing_takes_whole_characters_and_stops_at_the_start() {
        let mut editor = LineEditor::default();
        type_all(&mut editor, "aé".as_bytes());
        let (echo, _) = type_all(&mut editor, &[0x7f]);
        assert_eq!(
            (editor.line.as_slice(), echo.as_slice()),
            (&b"a"[..], &b"\x08 \x08"[..])
        );
        let (echo, _) = type_all(&mut editor, &[0x7f, 0x7f, 0x7f]);
        assert_eq!((editor.line.len(), echo.len()), (0, 3));
    }

    #[test]
    fn keys_mean_signals_and_discard_the_line() {
        let mut editor = LineEditor::default();
        let (_, last) = type_all(&mut editor, b"rm\x03");
        assert_eq!(last, Typed::Interrupt(Signal::INT));
        assert!(editor.line.is_empty());
        assert_eq!(type_all(&mut editor, &[END_OF_FILE]).1, Typed::EndOfFile);
    }

    #[test]
    fn a_line_has_an_end_however_long_it_is() {
        let mut editor = LineEditor::default();
        type_all(&mut editor, &[b'x'; LINE_MAX + 100]);
        assert_eq!(editor.line.len(), LINE_MAX);
    }
}

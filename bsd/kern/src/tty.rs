//! The console as a terminal: lines, echo, erasing, and the keys that mean signals.
//!
//! The driver collects bytes in its interrupt handler; a thread takes them from there and edits the line; [`read`] gives
//! whole lines out, or single bytes where the modes say that nobody wants lines. [`LineEditor`] is pure. XNU counterpart:
//! `bsd/kern/tty.c`.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::fmt::{self, Write};
use core::sync::atomic::{AtomicI32, AtomicU64, Ordering};

use bsd_sys::signal::Signal;
use bsd_sys::termios::{self, Termios, WindowSize};
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
    /// No line is made of it: the reader gets this byte.
    Single(u8),
}

/// A line that is being typed.
#[derive(Default, Debug)]
pub struct LineEditor {
    line: Vec<u8>,
}

impl LineEditor {
    /// A byte was typed; what is to be echoed goes to `echo`.
    #[doc(alias = "ttyinput")]
    pub fn typed(&mut self, byte: u8, modes: &Termios, echo: &mut dyn FnMut(&[u8])) -> Typed {
        let mut silent = |_: &[u8]| {};
        let echo = if modes.local & termios::ECHO != 0 {
            echo
        } else {
            &mut silent
        };
        if modes.local & termios::ISIG != 0
            && let Some((shown, signal)) = signal_of_key(byte, modes)
        {
            self.line.clear();
            echo(shown);
            return Typed::Interrupt(signal);
        }
        let byte = match byte {
            b'\r' if modes.input & termios::ICRNL != 0 => b'\n',
            b'\n' if modes.input & termios::INLCR != 0 => b'\r',
            byte => byte,
        };
        if modes.local & termios::ICANON == 0 {
            echo(&[byte]);
            return Typed::Single(byte);
        }
        self.edited(byte, modes, echo)
    }

    /// A byte of a line.
    fn edited(&mut self, byte: u8, modes: &Termios, echo: &mut dyn FnMut(&[u8])) -> Typed {
        let is = |key: usize| is_key(byte, modes, key);
        if byte == b'\n' {
            self.line.push(b'\n');
            echo(b"\r\n");
            return Typed::Complete;
        }
        if is(termios::VEOF) {
            return Typed::EndOfFile;
        }
        if is(termios::VERASE) || byte == 0x08 {
            if self.erase() {
                echo(b"\x08 \x08");
            }
        } else if is(termios::VKILL) {
            while self.erase() {
                echo(b"\x08 \x08");
            }
        } else if self.line.len() < LINE_MAX && (byte >= b' ' || byte == b'\t') {
            self.line.push(byte);
            echo(&[byte]);
        }
        Typed::More
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
}

/// Whether a byte is the special character of this number; 0xff there means that no byte is.
fn is_key(byte: u8, modes: &Termios, key: usize) -> bool {
    let character = modes.characters[key];
    character == byte && character != termios::VDISABLE
}

/// The signal that a key means, and what is shown for it.
fn signal_of_key(byte: u8, modes: &Termios) -> Option<(&'static [u8], Signal)> {
    let keys: [(usize, &[u8], Signal); 3] = [
        (termios::VINTR, b"^C\r\n", Signal::INT),
        (termios::VQUIT, b"^\\\r\n", Signal::QUIT),
        (termios::VSUSP, b"^Z\r\n", Signal::TSTP),
    ];
    let found = keys.into_iter().find(|(key, ..)| is_key(byte, modes, *key));
    found.map(|(_, shown, signal)| (shown, signal))
}

/// How a terminal is at first: lines, echo, signals.
#[doc(alias = "termioschars")]
fn first_modes() -> Termios {
    let mut characters = [termios::VDISABLE; 20];
    for (index, key) in [
        (termios::VEOF, END_OF_FILE),
        (termios::VERASE, 0x7f),
        (termios::VKILL, KILL_LINE),
        (termios::VINTR, 0x03),
        (termios::VQUIT, 0x1c),
        (termios::VSUSP, 0x1a),
        (termios::VMIN, 1),
        (termios::VTIME, 0),
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

/// Rows and columns as long as nobody has said otherwise.
const FIRST_SIZE: WindowSize = WindowSize {
    rows: 24,
    columns: 80,
    width: 0,
    height: 0,
};

/// The terminal. Rank `Vnode`, held for moments.
struct Terminal {
    modes: Termios,
    size: WindowSize,
    editor: LineEditor,
    /// Bytes of complete lines, or single ones.
    ready: VecDeque<u8>,
    /// Times the end was typed and no reader has seen it.
    ends: usize,
}

impl Default for Terminal {
    fn default() -> Self {
        Self {
            modes: first_modes(),
            size: FIRST_SIZE,
            editor: LineEditor::default(),
            ready: VecDeque::new(),
            ends: 0,
        }
    }
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

/// Does something with the terminal.
fn with_terminal<R>(action: impl FnOnce(&mut Terminal) -> R) -> R {
    action(TERMINAL.lock().get_or_insert_with(Terminal::default))
}

/// The modes.
#[doc(alias = "ttioctl_locked")]
pub(crate) fn modes() -> Termios {
    with_terminal(|terminal| terminal.modes)
}

/// Changes the modes. What has been typed of a line is kept for who reads next.
pub(crate) fn set_modes(modes: Termios) {
    with_terminal(|terminal| {
        terminal.modes = modes;
        if modes.local & termios::ICANON == 0 {
            terminal.ready.extend(terminal.editor.line.drain(..));
        }
    });
    arrived();
}

/// The size of the window.
pub(crate) fn window_size() -> WindowSize {
    with_terminal(|terminal| terminal.size)
}

/// The window has another size now; the foreground hears of it.
pub(crate) fn set_window_size(size: WindowSize) {
    let old = with_terminal(|terminal| core::mem::replace(&mut terminal.size, size));
    if old != size {
        signal_foreground(Signal::WINCH);
    }
}

/// Forgets what has been typed and not read.
#[doc(alias = "ttyflush")]
pub(crate) fn flush_input() {
    with_terminal(|terminal| {
        terminal.ready.clear();
        terminal.editor.line.clear();
        terminal.ends = 0;
    });
}

/// Bytes that can be read at once.
pub(crate) fn available() -> usize {
    with_terminal(|terminal| terminal.ready.len())
}

/// There is something to read.
fn arrived() {
    ARRIVALS.fetch_add(1, Ordering::SeqCst);
    READERS.wake_all();
}

/// One byte was typed.
#[doc(alias = "ttyinput")]
fn input(byte: u8, echo: &mut dyn FnMut(&[u8])) {
    let typed = with_terminal(|terminal| {
        let Terminal {
            modes,
            editor,
            ready,
            ends,
            ..
        } = terminal;
        let typed = editor.typed(byte, modes, echo);
        // A full buffer loses what is typed, as on any terminal.
        let room = ready.len() < LINE_MAX;
        match typed {
            Typed::Complete | Typed::EndOfFile => {
                *ends += usize::from(typed == Typed::EndOfFile && editor.line.is_empty());
                if room {
                    ready.extend(editor.line.iter());
                }
                editor.line.clear();
            }
            Typed::Single(byte) if room => ready.push_back(byte),
            Typed::Single(_) | Typed::More | Typed::Interrupt(_) => {}
        }
        typed
    });
    match typed {
        Typed::More => {}
        Typed::Complete | Typed::EndOfFile | Typed::Single(_) => arrived(),
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
    with_terminal(|terminal| {
        for &byte in bytes.iter().rev() {
            terminal.ready.push_front(byte);
        }
    });
    arrived();
}

/// Moves bytes of the first line, or all there are if they are no lines, to `buffer`; `None` if there is nothing yet.
fn take_line(buffer: &mut [u8]) -> Option<usize> {
    let mut guard = TERMINAL.lock();
    let terminal = guard.get_or_insert_with(Terminal::default);
    if terminal.ready.is_empty() {
        terminal.ends = terminal.ends.checked_sub(1)?;
        return Some(0);
    }
    let in_lines = terminal.modes.local & termios::ICANON != 0;
    let mut ready = terminal.ready.iter();
    let end = ready.position(|&byte| byte == b'\n' && in_lines);
    let line = end.map_or(terminal.ready.len(), |end| end + 1);
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
        type_with(editor, &first_modes(), bytes)
    }

    fn type_with(editor: &mut LineEditor, modes: &Termios, bytes: &[u8]) -> (Vec<u8>, Typed) {
        let mut echo = Vec::new();
        let mut last = Typed::More;
        for &byte in bytes {
            last = editor.typed(byte, modes, &mut |bytes| echo.extend_from_slice(bytes));
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
    #[test]
    fn without_lines_every_byte_comes_at_once_and_keys_mean_nothing() {
        let mut modes = first_modes();
        modes.local &= !(termios::ICANON | termios::ISIG | termios::ECHO);
        modes.input &= !termios::ICRNL;
        let mut editor = LineEditor::default();
        for byte in [b'a', b'\r', 0x03, 0x7f, 0x1b] {
            let (echo, typed) = type_with(&mut editor, &modes, &[byte]);
            assert_eq!((echo.len(), typed), (0, Typed::Single(byte)));
        }
    }

    #[test]
    fn a_disabled_key_is_an_ordinary_byte() {
        let mut modes = first_modes();
        modes.characters[termios::VINTR] = termios::VDISABLE;
        let mut editor = LineEditor::default();
        assert_eq!(type_with(&mut editor, &modes, b"\x03").1, Typed::More);
        assert_eq!(type_with(&mut editor, &modes, b"\xff").1, Typed::More);
        assert_eq!(
            type_all(&mut editor, b"\x1a").1,
            Typed::Interrupt(Signal::TSTP)
        );
    }
}

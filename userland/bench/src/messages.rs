//! Round trips between two processes: a Mach RPC, and two pipes.

use alloc::format;
use alloc::string::String;

use bsd_sys::signal::Signal;
use bsd_sys::syscall as number;
use core::sync::atomic::{AtomicU64, Ordering};
use libsystem::mach_call::{self, port};
use libsystem::process::{self, Fork};
use libsystem::time;
use mach::defs::mach_port;
use mach::message::MsgOptions;
use mach::port::{Disposition, PortName, PortRight};
use mach::traps;

use crate::raw::{WRITE, call, enter, load, map_anonymous, map_common, page, store};
use crate::sample::Series;
use crate::{Outcome, Settings};

/// A message in the program's memory: a header and two words, and room for the trailer.
#[repr(C, align(8))]
struct Small {
    bits: u32,
    size: u32,
    remote: u32,
    local: u32,
    voucher: u32,
    id: u32,
    body: [u32; 2],
    trailer: [u32; 16],
}

/// Bytes of it that are sent.
const SENT: u64 = 32;

impl Small {
    fn new(bits: u32, remote: PortName, local: PortName) -> Self {
        Self {
            bits,
            size: SENT as u32,
            remote: remote.0,
            local: local.0,
            voucher: 0,
            id: 1,
            body: [1, 2],
            trailer: [0; 16],
        }
    }

    /// Sends this (`sent` bytes, 0 for nothing) and receives into it from `port`.
    #[inline(always)]
    fn exchange(&mut self, sent: u64, port: PortName) -> u64 {
        let send = if sent > 0 {
            MsgOptions::SEND_MSG
        } else {
            MsgOptions::empty()
        };
        let options = (send | MsgOptions::RCV_MSG).bits();
        let room = size_of::<Self>() as u64;
        let at = core::ptr::from_mut(self) as u64;
        let arguments = [at, u64::from(options), sent, room, u64::from(port.0), 0, 0];
        enter(i64::from(traps::MACH_MSG), arguments).first
    }
}

/// Two words that parent and child see.
fn common_words() -> Result<&'static [AtomicU64; 2], String> {
    let address = map_common(page())?;
    // SAFETY: the page is mapped for good, aligned, and used as atomic words only.
    Ok(unsafe { &*(address as *const [AtomicU64; 2]) })
}

/// The server's process: answers every message with its own words.
fn serve(words: &[AtomicU64; 2]) -> i32 {
    let Ok(port) = port::allocate(PortRight::Receive) else {
        return 1;
    };
    words[0].store(u64::from(port.0), Ordering::SeqCst);
    let mut message = Small::new(0, PortName(0), PortName(0));
    let mut sent = 0;
    loop {
        if message.exchange(sent, port) != 0 {
            return 2;
        }
        // The reply right that came goes back, moved.
        message.bits = Disposition::MoveSendOnce.raw();
        message.size = SENT as u32;
        message.local = 0;
        sent = SENT;
    }
}

/// A right of another process, taken out of its space.
pub(crate) fn take_right(child: i32, name: PortName) -> Result<PortName, String> {
    let failed = |what| move |code| format!("{what}: {code:?}");
    let task = mach_call::task_for_pid(child).map_err(failed("task_for_pid"))?;
    let request = mach_port::extract_right::Request {
        name,
        msgt_name: Disposition::MakeSend.raw(),
    };
    let reply = mach_call::call(task, request).map_err(failed("mach_port_extract_right"))?;
    Ok(reply.poly.name())
}

/// Waits for a word that is not zero.
pub(crate) fn wait_for_word(word: &AtomicU64) -> Result<u64, String> {
    for _ in 0..5000 {
        match word.load(Ordering::SeqCst) {
            0 => time::sleep(1),
            value => return Ok(value),
        }
    }
    Err(String::from("the child does not answer"))
}

/// Sends 32 bytes with a send-once right for the answer, and receives the answer.
pub(crate) fn rpc(settings: &Settings) -> Outcome {
    let words = common_words()?;
    let child = match process::fork().map_err(|errno| format!("fork: {errno}"))? {
        Fork::Child => process::exit(serve(words)),
        Fork::Parent(child) => child,
    };
    let outcome = calls(settings, words, child);
    let _ = process::kill(child, Signal::KILL);
    let _ = process::wait_for(child);
    outcome
}

fn calls(settings: &Settings, words: &[AtomicU64; 2], child: i32) -> Outcome {
    let server = take_right(child, PortName(wait_for_word(&words[0])? as u32))?;
    let reply = mach_call::new_reply_port();
    let bits = Disposition::CopySend.raw() | Disposition::MakeSendOnce.raw() << 8;
    let mut message = Small::new(bits, server, reply);
    let mut row = Series::new("mach_rpc", "round trip");
    let count = settings.times(5000);
    for _ in 0..=settings.samples {
        let mut code = 0;
        row.time(count, || {
            for _ in 0..count {
                (message.bits, message.remote, message.local) = (bits, server.0, reply.0);
                message.size = SENT as u32;
                code |= message.exchange(SENT, reply);
            }
        });
        if code != 0 || message.body != [1, 2] {
            return Err(format!("mach_msg: {code:#x}"));
        }
    }
    row.report();
    Ok(())
}

/// A byte to a child and one back.
pub(crate) fn pipe(settings: &Settings) -> Outcome {
    let (there, back) = (new_pipe()?, new_pipe()?);
    let at = map_anonymous(page(), WRITE).or("mmap")?;
    store(at, 1);
    let child = match process::fork().map_err(|errno| format!("fork: {errno}"))? {
        Fork::Child => {
            while call(number::READ, there.0, at, 1).first == 1 && load(at) != b'q' {
                call(number::WRITE, back.1, at, 1);
            }
            process::exit(0)
        }
        Fork::Parent(child) => child,
    };
    let mut row = Series::new("pipe_round_trip", "round trip");
    let count = settings.times(5000);
    let mut read = 1;
    for _ in 0..=settings.samples {
        row.time(count, || {
            for _ in 0..count {
                call(number::WRITE, there.1, at, 1);
                read &= call(number::READ, back.0, at, 1).first;
            }
        });
    }
    // The child ends by it.
    store(at, b'q');
    call(number::WRITE, there.1, at, 1);
    let _ = process::wait_for(child);
    if read != 1 {
        return Err(String::from("a read that gave nothing"));
    }
    row.report();
    Ok(())
}

fn new_pipe() -> Result<(u64, u64), String> {
    let answer = call(number::PIPE, 0, 0, 0);
    Ok((answer.or("pipe")?, answer.second))
}

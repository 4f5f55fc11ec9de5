//! `top [-l SAMPLES] [-n PROCESSES] [-o KEY] [-s SECONDS]`: processes by what they use, again and again.

#![cfg_attr(target_os = "none", no_std, no_main)]
#![forbid(unsafe_code)]

libsystem::main!(run);

use core::fmt::Write;
use libsystem::{io, mach_call, terminal, time};
use mach::defs::mach_host::statistics64;
use mach::vm_statistics::{HOST_VM_INFO64, VmStatistics64};
use tools::command::{Command, Options};
use tools::number;
use tools::processes;
use tools::ranking::{Key, Sample, screen};
use tools::text::Output;

const COMMAND: Command = Command::new(
    "top",
    "[-l SAMPLES] [-n PROCESSES] [-o cpu|mem|pid|time] [-s SECONDS]",
    "Processes by what they use, again and again, until q; -l: so many times and without clearing the screen.",
)
.values("lnos")
.words(0, 0);

/// Milliseconds between two looks at the keyboard.
const BLINK: u64 = 50;

fn run() -> i32 {
    COMMAND.run(|options| match settings(options) {
        Some(settings) => show(&settings),
        None => COMMAND.wrong(&""),
    })
}

struct Settings {
    samples: u64,
    processes: usize,
    key: Key,
    pause: u64,
    /// Screen after screen in one place, and keys are obeyed.
    live: bool,
}

fn settings(options: &Options) -> Option<Settings> {
    let count = |letter, default| options.value(letter).map_or(Some(default), number::count);
    let log = options.value('l').is_some();
    let rows = terminal::size(io::STDOUT).map_or(24, |(_, rows)| rows);
    let room = rows.saturating_sub(8).max(4) as u64;
    Some(Settings {
        samples: match count('l', 0)? {
            0 => u64::MAX,
            count => count,
        },
        processes: count('n', if log { u64::MAX } else { room })?
            .try_into()
            .unwrap_or(usize::MAX),
        key: Key::parse(options.value('o').unwrap_or("cpu"))?,
        pause: options
            .value('s')
            .map_or(Some(1000), number::milliseconds)?,
        live: !log && terminal::modes(io::STDIN).is_ok() && terminal::modes(io::STDOUT).is_ok(),
    })
}

fn show(settings: &Settings) -> i32 {
    let before = terminal::modes(io::STDIN).ok().filter(|_| settings.live);
    if let Some(modes) = before {
        let _ = terminal::set_modes(io::STDIN, &terminal::raw(modes));
    }
    let status = sample(settings);
    if let Some(modes) = before {
        let _ = terminal::set_modes(io::STDIN, &modes);
    }
    status
}

fn sample(settings: &Settings) -> i32 {
    let mut last = Sample::default();
    for _ in 0..settings.samples {
        let processes = match processes::all() {
            Ok(processes) => processes,
            Err(error) => return COMMAND.complain("list of processes", error),
        };
        let now = Sample {
            time: time::now(),
            processes,
        };
        let text = screen(&now, &last, &statistics(), settings.key, settings.processes);
        last = now;
        let mut output = Output::default();
        let clear = if settings.live { "\x1b[H\x1b[J" } else { "" };
        let _ = write!(output, "{clear}{text}");
        if output.finish().is_err() {
            return 1;
        }
        if pause(settings) {
            break;
        }
    }
    0
}

fn statistics() -> VmStatistics64 {
    let request = statistics64::Request {
        flavor: HOST_VM_INFO64,
        host_info64_out_cnt: VmStatistics64::WORDS,
    };
    let reply = mach_call::call(mach_call::host_self(), request);
    reply
        .and_then(|reply| reply.host_info64_out.decode_words())
        .unwrap_or_default()
}

/// Waits, and tells whether somebody wants to leave.
fn pause(settings: &Settings) -> bool {
    let end = time::now() / 1_000_000 + settings.pause;
    loop {
        let left = end.saturating_sub(time::now() / 1_000_000);
        if left == 0 {
            return false;
        }
        if !settings.live {
            time::sleep(u32::try_from(left).unwrap_or(u32::MAX));
            continue;
        }
        let mut key = [0];
        let waiting = terminal::waiting(io::STDIN).unwrap_or(0) > 0;
        // Control-C is a key like others here.
        if waiting && io::read(io::STDIN, &mut key).is_ok() && matches!(key[0], b'q' | 3) {
            return true;
        }
        if !waiting {
            time::sleep(left.min(BLINK) as u32);
        }
    }
}

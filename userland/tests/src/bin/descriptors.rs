//! Descriptors: copies of them, pipes between processes, the flags of `fcntl`.

#![cfg_attr(target_os = "none", no_std, no_main)]
#![forbid(unsafe_code)]

extern crate alloc;

use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use bsd_sys::Errno;
use bsd_sys::fcntl::{F_GETFL, F_SETFL, OpenFlags};
use bsd_sys::signal::Signal;
use bsd_sys::stat::{S_IFIFO, S_IFMT};
use bsd_sys::wait::WaitStatus;
use libsystem::fs::File;
use libsystem::{descriptor, io, memory, process};
use tests::child::{self, must_crash};
use tests::{Context as _, LIMIT, Outcome, ensure, ensure_equal};

tests::program! {
    a_pipe_carries_bytes_in_order,
    a_full_pipe_makes_the_writer_wait,
    the_last_writer_s_end_is_the_end,
    nobody_to_read_is_a_broken_pipe,
    a_buffer_that_is_not_there_loses_nothing,
    copies_share_a_position,
    a_pipe_has_no_position,
    without_waiting_it_would_block,
    exec_closes_what_is_marked,
}

/// A byte of a stream that repeats at no power of two.
fn byte(index: usize) -> u8 {
    (index % 251) as u8
}

fn write_all(to: i32, length: usize) -> Result<(), Errno> {
    let bytes: Vec<u8> = (0..length).map(byte).collect();
    io::write_all(to, &bytes)
}

/// Reads to the end; how many bytes came, all of them right.
fn read_all(from: i32) -> Result<usize, String> {
    let mut buffer = vec![0; 3000];
    let mut count = 0;
    loop {
        let read = io::read(from, &mut buffer).context("read")?;
        if read == 0 {
            return Ok(count);
        }
        for (index, found) in buffer[..read].iter().enumerate() {
            ensure_equal!(*found, byte(count + index), "byte {}", count + index);
        }
        count += read;
    }
}

/// Runs `work` in a process that has the end for writing only; the end for reading, and the process.
fn from_child(work: impl FnOnce(i32) -> Result<(), Errno>) -> Result<(i32, i32), String> {
    let (read, write) = descriptor::pipe().context("pipe")?;
    let pid = child::start(|| {
        let _ = descriptor::close(read);
        i32::from(work(write).is_err())
    })?;
    descriptor::close(write).context("close")?;
    Ok((read, pid))
}

fn must_end_well(pid: i32) -> Outcome {
    let status = child::finish(pid, LIMIT / 2)?;
    ensure_equal!(status, WaitStatus::Exited(0), "the other process");
    Ok(())
}

fn a_pipe_carries_bytes_in_order() -> Outcome {
    let (read, pid) = from_child(|write| write_all(write, 300_001))?;
    ensure_equal!(read_all(read)?, 300_001, "bytes");
    must_end_well(pid)
}

fn a_full_pipe_makes_the_writer_wait() -> Outcome {
    let (read, write) = descriptor::pipe().context("pipe")?;
    descriptor::control(write, F_SETFL, u64::from(OpenFlags::NONBLOCK.bits()))
        .context("F_SETFL")?;
    let mut filled = 0;
    let refusal = loop {
        match io::write(write, &[byte(filled)]) {
            Ok(_) => filled += 1,
            Err(error) => break error,
        }
    };
    ensure_equal!(refusal, Errno::EAGAIN, "a full pipe");
    ensure!(filled >= 4096, "a pipe holds only {filled} bytes");
    descriptor::control(write, F_SETFL, 0).context("F_SETFL")?;
    let pid = child::start(|| {
        let bytes: Vec<u8> = (filled..filled + 5000).map(byte).collect();
        i32::from(io::write_all(write, &bytes).is_err())
    })?;
    descriptor::close(write).context("close")?;
    ensure_equal!(read_all(read)?, filled + 5000, "bytes");
    must_end_well(pid)
}

fn the_last_writer_s_end_is_the_end() -> Outcome {
    let (read, write) = descriptor::pipe().context("pipe")?;
    let copy = descriptor::duplicate(write).context("dup")?;
    io::write_all(write, b"ab").context("write")?;
    descriptor::close(write).context("close")?;
    let mut buffer = [0; 8];
    ensure_equal!(io::read(read, &mut buffer), Ok(2), "what was written");
    io::write_all(copy, b"c").context("write")?;
    descriptor::close(copy).context("close")?;
    ensure_equal!(io::read(read, &mut buffer), Ok(1), "what the copy wrote");
    ensure_equal!(io::read(read, &mut buffer), Ok(0), "the end");
    Ok(())
}

fn nobody_to_read_is_a_broken_pipe() -> Outcome {
    must_crash(Signal::PIPE, "a writer without a reader", || {
        if let Ok((read, write)) = descriptor::pipe() {
            let _ = descriptor::close(read);
            let _ = io::write(write, b"x");
        }
    })
}

fn a_buffer_that_is_not_there_loses_nothing() -> Outcome {
    let (read, write) = descriptor::pipe().context("pipe")?;
    let nowhere = memory::page_size() / 2;
    let refused = tests::raw::write(write, nowhere, 10);
    ensure_equal!(refused, Err(Errno::EFAULT), "a write from nowhere");
    io::write_all(write, b"kept").context("write")?;
    let refused = tests::raw::read(read, nowhere, 4);
    ensure_equal!(refused, Err(Errno::EFAULT), "a read to nowhere");
    let mut buffer = [0; 8];
    ensure_equal!(io::read(read, &mut buffer), Ok(4), "the bytes");
    ensure_equal!(&buffer[..4], b"kept", "the bytes");
    Ok(())
}

fn copies_share_a_position() -> Outcome {
    let file = File::open("/tests/descriptors").context("open")?;
    let copy = descriptor::duplicate_above(file.descriptor(), 20).context("F_DUPFD_CLOEXEC")?;
    ensure!(copy >= 20, "the copy is {copy}");
    let (mut first, mut second) = ([0; 4], [0; 4]);
    file.read(&mut first).context("read")?;
    io::read(copy, &mut second).context("read")?;
    ensure_equal!(&first, b"\x7fELF", "the first bytes");
    ensure!(first != second, "the copy read the same bytes again");
    descriptor::duplicate_to(copy, 30).context("dup2")?;
    ensure!(descriptor::is_open(30), "30 is not open");
    ensure_equal!(
        descriptor::duplicate_to(999, 30),
        Err(Errno::EBADF),
        "dup2 of nothing"
    );
    ensure!(
        descriptor::is_open(30),
        "a dup2 that failed has closed its target"
    );
    ensure_equal!(
        descriptor::duplicate_to(30, -1),
        Err(Errno::EBADF),
        "dup2 to -1"
    );
    Ok(())
}

fn a_pipe_has_no_position() -> Outcome {
    let (read, write) = descriptor::pipe().context("pipe")?;
    let mut buffer = [0; 1];
    ensure_equal!(
        io::read_at(read, &mut buffer, 0),
        Err(Errno::ESPIPE),
        "pread"
    );
    ensure_equal!(
        io::write(read, b"x"),
        Err(Errno::EBADF),
        "a write at the wrong end"
    );
    ensure_equal!(
        io::read(write, &mut buffer),
        Err(Errno::EBADF),
        "a read at the wrong end"
    );
    let stat = libsystem::fs::stat_of(read).context("fstat")?;
    ensure_equal!(stat.mode & S_IFMT, S_IFIFO, "the type");
    let mapped = tests::raw::mmap(0, 1, tests::raw::R, tests::raw::PRIVATE, read, 0);
    ensure_equal!(mapped, Err(Errno::EINVAL), "mmap");
    Ok(())
}

fn without_waiting_it_would_block() -> Outcome {
    let (read, _write) = descriptor::pipe().context("pipe")?;
    let flags = descriptor::control(read, F_GETFL, 0).context("F_GETFL")?;
    ensure_equal!(flags, 0, "flags of the end for reading");
    let nonblocking = OpenFlags::NONBLOCK.bits();
    descriptor::control(
        read,
        F_SETFL,
        u64::from(nonblocking | OpenFlags::RDWR.bits()),
    )
    .context("F_SETFL")?;
    let flags = descriptor::control(read, F_GETFL, 0).context("F_GETFL")?;
    ensure_equal!(flags, nonblocking as i32, "flags that F_SETFL changes");
    ensure_equal!(
        io::read(read, &mut [0; 1]),
        Err(Errno::EAGAIN),
        "an empty pipe"
    );
    Ok(())
}

fn exec_closes_what_is_marked() -> Outcome {
    let (read, pid) = from_child(|write| {
        descriptor::duplicate_to(write, 40)?;
        descriptor::set_close_on_exec(40, true)?;
        descriptor::duplicate_to(write, 1)?;
        Err(process::exec(
            "/bin/sh",
            &["sh", "-c", "echo yes >&40; echo no"],
        ))
    })?;
    let mut buffer = [0; 64];
    let mut text = Vec::new();
    loop {
        match io::read(read, &mut buffer).context("read")? {
            0 => break,
            count => text.extend_from_slice(&buffer[..count]),
        }
    }
    must_end_well(pid)?;
    ensure_equal!(text.as_slice(), b"no\n", "what the new program wrote");
    Ok(())
}

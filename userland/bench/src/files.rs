//! Files, through the file server: faults on resident pages, read, write, page-in, msync.

use alloc::format;
use alloc::string::String;
use alloc::vec;

use bsd_sys::Errno;
use bsd_sys::fcntl::OpenFlags;
use bsd_sys::mman::advice;
use bsd_sys::syscall as number;
use libsystem::fs::{self, File};

use crate::raw::{
    PRIVATE, READ, SHARED, WRITE, call, enter, map, page, read_each, store, unmap, write_each,
};
use crate::sample::Series;
use crate::{Outcome, Settings};

fn open(settings: &Settings, flags: OpenFlags) -> Result<(File, u64), String> {
    let failed = |errno: Errno| format!("{}: {errno}", settings.file);
    let file = File::open_with(&settings.file, flags, 0).map_err(failed)?;
    let size = file.stat().map_err(failed)?.size as u64;
    let usable = size.min(32 << 20) / page() * page();
    if usable < 16 * page() {
        return Err(format!("{} is too small", settings.file));
    }
    Ok((file, usable))
}

/// The file that is written: a copy on the volume in memory that may be changed, made by whoever comes first.
const WRITABLE: &str = "/tmp/bench.data";

/// Opens it, and tells its size in whole pages.
fn open_writable(settings: &Settings) -> Result<(File, u64), String> {
    let failed = |errno: Errno| format!("{WRITABLE}: {errno}");
    let (source, size) = open(settings, OpenFlags::RDONLY)?;
    let flags = OpenFlags::RDWR | OpenFlags::CREAT;
    let file = File::open_with(WRITABLE, flags, 0o600).map_err(failed)?;
    if file.stat().map_err(failed)?.size as u64 == size {
        return Ok((file, size));
    }
    let mut buffer = vec![0u8; 64 << 10];
    let mut done = 0;
    while done < size {
        let wanted = buffer.len().min((size - done) as usize);
        match source
            .read_at(&mut buffer[..wanted], done)
            .map_err(failed)?
        {
            0 => return Err(format!("{} has become shorter", settings.file)),
            count => file.write_all(&buffer[..count]).map_err(failed)?,
        }
        done = done.saturating_add(wanted as u64);
    }
    Ok((file, size))
}

/// How many pages of a mapping are in memory.
fn resident(address: u64, size: u64) -> Result<u64, String> {
    let mut states = vec![0u8; (size / page()) as usize];
    call(number::MINCORE, address, size, states.as_mut_ptr() as u64).or("mincore")?;
    Ok(states.iter().filter(|state| **state & 1 != 0).count() as u64)
}

/// Read faults on pages that are in memory, their unmapping, and private copies of them.
pub(crate) fn faults(settings: &Settings) -> Outcome {
    let (file, size) = open(settings, OpenFlags::RDONLY)?;
    let (page, pages) = (page(), size / page());
    let mut read = Series::new("file_read_resident", "page");
    let mut unmapped = Series::new("munmap_file", "page");
    let mut copied = Series::new("file_private_copy", "page");
    for _ in 0..=settings.samples {
        let address = map(size, READ, SHARED, file.descriptor()).or("mmap")?;
        read.time(pages, || read_each(address, size, page));
        unmapped.time(pages, || unmap(address, size)).or("munmap")?;
        let address = map(size, WRITE, PRIVATE, file.descriptor()).or("mmap")?;
        copied.time(pages, || write_each(address, size, page));
        unmap(address, size).or("munmap")?;
    }
    for row in [read, unmapped, copied] {
        row.report();
    }
    Ok(())
}

/// `pread` or `pwrite` of so many bytes at the start.
#[inline(always)]
fn transfer(number: u32, file: &File, buffer: u64, length: u64) -> crate::raw::Answer {
    let arguments = [file.descriptor() as u64, buffer, length, 0, 0, 0, 0];
    enter(i64::from(number), arguments)
}

fn transfers(
    settings: &Settings,
    file: &File,
    number: u32,
    what: &str,
    rows: [&'static str; 2],
) -> Outcome {
    let mut buffer = vec![0u8; (64 << 10) + page() as usize];
    let at = (buffer.as_mut_ptr() as u64).next_multiple_of(page());
    for (name, length, count) in [(rows[0], 4 << 10, 2500), (rows[1], 64 << 10, 300)] {
        let mut row = Series::new(name, "call");
        let count = settings.times(count);
        if transfer(number, file, at, length).or(what)? != length {
            return Err(format!("{what}: a short transfer"));
        }
        for _ in 0..=settings.samples {
            row.time(count, || {
                for _ in 0..count {
                    transfer(number, file, at, length);
                }
            });
        }
        row.report();
    }
    Ok(())
}

/// `pread`.
pub(crate) fn read(settings: &Settings) -> Outcome {
    let (file, _) = open(settings, OpenFlags::RDONLY)?;
    transfers(
        settings,
        &file,
        number::PREAD,
        "pread",
        ["read_4k", "read_64k"],
    )
}

/// `pwrite` over what is there.
pub(crate) fn write(settings: &Settings) -> Outcome {
    let (file, _) = open_writable(settings)?;
    transfers(
        settings,
        &file,
        number::PWRITE,
        "pwrite",
        ["write_4k", "write_64k"],
    )
}

/// Reads of pages that are not in memory: one after the other, and with the advice that there is no order.
pub(crate) fn page_in(settings: &Settings) -> Outcome {
    let page = page();
    for (name, random) in [("pagein_sequential", false), ("pagein_random", true)] {
        let mut row = Series::new(name, "page");
        for _ in 0..=settings.samples {
            fs::purge().map_err(|errno| format!("vfs_purge: {errno}"))?;
            let (file, size) = open(settings, OpenFlags::RDONLY)?;
            let address = map(size, READ, SHARED, file.descriptor()).or("mmap")?;
            let left = resident(address, size)?;
            if left != 0 {
                return Err(format!("{left} pages are in memory after vfs_purge"));
            }
            if random {
                call(number::MADVISE, address, size, advice::RANDOM as u64).or("madvise")?;
            }
            row.time(size / page, || read_each(address, size, page));
            unmap(address, size).or("munmap")?;
        }
        row.report();
    }
    Ok(())
}

/// Write faults on resident pages of a shared mapping.
pub(crate) fn shared_write(settings: &Settings) -> Outcome {
    let (file, size) = open_writable(settings)?;
    let page = page();
    let mut row = Series::new("file_shared_write", "page");
    for _ in 0..=settings.samples {
        let address = map(size, WRITE, SHARED, file.descriptor()).or("mmap")?;
        row.time(size / page, || write_each(address, size, page));
        synchronize(address, size).or("msync")?;
        unmap(address, size).or("munmap")?;
    }
    row.report();
    Ok(())
}

/// `msync(MS_SYNC)`.
#[inline(always)]
fn synchronize(address: u64, length: u64) -> crate::raw::Answer {
    const SYNC: u64 = 0x10;
    call(number::MSYNC, address, length, SYNC)
}

/// msync of one dirty page and of 4096.
pub(crate) fn msync(settings: &Settings) -> Outcome {
    let (file, size) = open_writable(settings)?;
    let page = page();
    let size = size.min(4096 * page);
    let mut one = Series::new("msync_page", "call");
    let mut many = Series::new("msync_4096", "page");
    let address = map(size, WRITE, SHARED, file.descriptor()).or("mmap")?;
    write_each(address, size, page);
    synchronize(address, size).or("msync")?;
    let count = settings.times(300);
    for _ in 0..=settings.samples {
        one.time(count, || {
            for turn in 0..count {
                store(address, turn as u8);
                synchronize(address, page);
            }
        });
        write_each(address, size, page);
        many.time(size / page, || synchronize(address, size))
            .or("msync")?;
    }
    one.report();
    many.report();
    Ok(())
}

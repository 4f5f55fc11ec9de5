//! Memory calls: every check of `mmap` and its relatives in XNU's order, and what the calls do when they succeed.

#![cfg_attr(target_os = "none", no_std, no_main)]
#![forbid(unsafe_code)]

extern crate alloc;

use bsd_sys::Errno;
use bsd_sys::fcntl::OpenFlags;
use bsd_sys::mman::advice;
use bsd_sys::signal::Signal;
use libsystem::fs::File;
use tests::child::{end_of, must_crash, must_succeed};
use tests::raw::{self, ANON, Answer, FIXED, PRIVATE, R, SHARED, UNIX03, W, X, page};
use tests::{Context as _, Outcome, ensure, ensure_equal};

tests::program! {
    mmap_checks_its_arguments_in_order,
    mmap_checks_the_descriptor_of_anonymous_memory,
    mmap_checks_files_after_its_arguments,
    munmap_checks_its_range_and_ignores_holes,
    mprotect_changes_all_or_nothing,
    madvise_checks_its_arguments,
    msync_checks_its_arguments,
    mincore_never_fails_for_a_hole,
    minherit_checks_its_arguments,
    mlock_checks_its_range,
    fresh_memory_is_zero_and_comes_when_written,
    a_fixed_mapping_replaces_what_was_there,
    a_hole_in_the_middle_leaves_both_sides,
    illegal_accesses_end_the_process_with_the_right_signal,
    memory_is_never_writable_and_executable,
    inheritance_decides_what_a_child_gets,
    advice_discards_and_zeroes,
    wired_memory_is_resident,
}

/// A file that is surely there.
const SOME_FILE: &str = "/tests/mapping";

fn must_fail(answer: Answer, errno: Errno, what: &str) -> Outcome {
    ensure_equal!(answer, Err(errno), "{what}");
    Ok(())
}

fn mmap_checks_its_arguments_in_order() -> Outcome {
    let page = page();
    let private = PRIVATE | ANON | UNIX03;
    must_fail(
        raw::mmap(0, 0, R, private, -1, 0),
        Errno::EINVAL,
        "length 0",
    )?;
    ensure_equal!(
        raw::mmap(0, 0, R, PRIVATE | ANON, -1, 0),
        Ok(0),
        "length 0 by the old rules"
    );
    must_fail(
        raw::mmap(0, 0, R, PRIVATE, 77, 0),
        Errno::EBADF,
        "length 0 by the old rules still checks the file",
    )?;
    must_fail(
        raw::mmap(0, page, R, PRIVATE | UNIX03, 77, 1),
        Errno::EINVAL,
        "odd position before bad descriptor",
    )?;
    must_fail(
        raw::mmap(0, u64::MAX, R, private, -1, 0),
        Errno::EINVAL,
        "length that wraps",
    )?;
    must_fail(
        raw::mmap(0, page, R, PRIVATE | UNIX03, 77, !(page - 1)),
        Errno::EINVAL,
        "end that wraps",
    )?;
    must_fail(
        raw::mmap(1, page, R, private | FIXED, -1, 0),
        Errno::EINVAL,
        "odd fixed address",
    )?;
    must_fail(
        raw::mmap(1 << 60, page, R, private | FIXED, -1, 0),
        Errno::ENOMEM,
        "fixed address outside the map",
    )?;
    must_fail(
        raw::mmap(0, page, R, private | 0x8000_0000, -1, 0),
        Errno::EINVAL,
        "unknown flag",
    )?;
    must_fail(
        raw::mmap(0, page, R, ANON | UNIX03, -1, 0),
        Errno::EINVAL,
        "neither shared nor private",
    )?;
    let jit = private | 0x800;
    must_fail(
        raw::mmap(0, page, R, jit | FIXED, -1, 0),
        Errno::EINVAL,
        "JIT at a fixed address",
    )?;
    must_fail(
        raw::mmap(0, page, R, (jit & !PRIVATE) | SHARED, -1, 0),
        Errno::EINVAL,
        "shared JIT",
    )?;
    must_fail(
        raw::mmap(0, page, R, private | 0x2000, -1, 0),
        Errno::EINVAL,
        "resilient anonymous memory",
    )?;
    must_fail(
        raw::mmap(0, page, R | X, PRIVATE | UNIX03 | 0x2000, 77, 0),
        Errno::EPERM,
        "resilient code",
    )?;
    must_fail(
        raw::mmap(0, page, R, private | 0x8_0000, -1, 0),
        Errno::EPERM,
        "trusted path without writing",
    )?;
    must_fail(
        raw::mmap(0, page, R | W | X, private, -1, 0),
        Errno::EACCES,
        "writable and executable",
    )?;
    must_fail(
        raw::mmap(0, 1 << 60, R, private, -1, 0),
        Errno::ENOMEM,
        "larger than any address space",
    )?;
    ensure!(
        raw::mmap(1, page, R, private, -1, 0).is_ok(),
        "an odd hint is no error"
    );
    ensure!(
        raw::mmap(u64::MAX, page, R, private, -1, 0).is_ok(),
        "a hint outside the map is no error"
    );
    ensure!(
        raw::mmap(0, page, 0xffff_fff8, private, -1, 0).is_ok(),
        "unknown protections are dropped"
    );
    Ok(())
}

fn mmap_checks_the_descriptor_of_anonymous_memory() -> Outcome {
    let with = |descriptor| raw::mmap(0, page(), R | W, PRIVATE | ANON | UNIX03, descriptor, 0);
    ensure!(with(-1).is_ok(), "no descriptor");
    ensure!(with(0).is_ok(), "descriptor 0 is an empty word of flags");
    ensure!(with(0x4600_0000).is_ok(), "a tag");
    must_fail(with(1), Errno::EINVAL, "a flag that is none")?;
    must_fail(with(0x1_0000), Errno::EINVAL, "superpages")
}

fn mmap_checks_files_after_its_arguments() -> Outcome {
    let page = page();
    let file = File::open(SOME_FILE).context(SOME_FILE)?;
    let directory = File::open_with("/", OpenFlags::DIRECTORY, 0).context("/")?;
    let console = File::open_with("/dev/console", OpenFlags::RDWR, 0).context("/dev/console")?;
    let map = |protection, flags, file: &File| {
        raw::mmap(0, page, protection, flags | UNIX03, file.descriptor(), 0)
    };
    must_fail(
        raw::mmap(0, page, R, PRIVATE | UNIX03, 77, 0),
        Errno::EBADF,
        "no such descriptor",
    )?;
    must_fail(map(R, PRIVATE, &directory), Errno::EINVAL, "a directory")?;
    must_fail(
        map(R, SHARED, &console),
        Errno::ENODEV,
        "a character device",
    )?;
    must_fail(
        map(R | W, SHARED, &file),
        Errno::EACCES,
        "shared writing of a file opened for reading",
    )?;
    must_fail(
        map(R | W | X, PRIVATE, &file),
        Errno::EACCES,
        "writable and executable",
    )?;
    ensure!(
        map(R | W, PRIVATE, &file).is_ok(),
        "private writing needs no writable descriptor"
    );
    let shared = map(R, SHARED, &file).context("shared reading")?;
    must_fail(
        raw::mprotect(shared, page, R | W),
        Errno::EACCES,
        "beyond the maximum",
    )
}

fn munmap_checks_its_range_and_ignores_holes() -> Outcome {
    let page = page();
    let base = raw::anonymous(4, R | W).context("mmap")?;
    must_fail(raw::munmap(base + 1, page), Errno::EINVAL, "odd address")?;
    must_fail(raw::munmap(base, 0), Errno::EINVAL, "length 0")?;
    must_fail(
        raw::munmap(base, u64::MAX - 5),
        Errno::EINVAL,
        "range that wraps",
    )?;
    raw::munmap(base + page, page).context("one page of four")?;
    raw::munmap(base, 4 * page).context("a range with a hole")?;
    raw::munmap(base, 4 * page).context("nothing but a hole")?;
    Ok(())
}

fn mprotect_changes_all_or_nothing() -> Outcome {
    let page = page();
    let base = raw::anonymous(4, R | W).context("mmap")?;
    must_fail(
        raw::mprotect(base + 1, page, R),
        Errno::EINVAL,
        "odd address",
    )?;
    must_fail(
        raw::mprotect(base, u64::MAX - 5, R),
        Errno::EINVAL,
        "range that wraps",
    )?;
    ensure_equal!(raw::mprotect(base, 0, R), Ok(0), "length 0");
    must_fail(
        raw::mprotect(base, page, R | W | X),
        Errno::EACCES,
        "writable and executable",
    )?;
    must_fail(
        raw::mprotect(base, page, 0x20),
        Errno::ENOTSUP,
        "signing at run time",
    )?;
    raw::munmap(base + 3 * page, page).context("munmap")?;
    must_fail(raw::mprotect(base, 4 * page, R), Errno::ENOMEM, "a hole")?;
    raw::store(base, 1);
    ensure_equal!(raw::load(base), 1, "the first page is still writable");
    raw::mprotect(base, page, R).context("read-only")?;
    must_crash(Signal::BUS, "writing to read-only memory", || {
        raw::store(base, 2)
    })?;
    raw::mprotect(base, page, W).context("writing implies reading")?;
    raw::store(base, 3);
    ensure_equal!(raw::load(base), 3, "reading what was written");
    raw::mprotect(base, page, 0).context("no access")?;
    must_crash(Signal::BUS, "reading what may not be read", || {
        raw::touch(base)
    })
}

fn madvise_checks_its_arguments() -> Outcome {
    let page = page();
    let base = raw::anonymous(2, R | W).context("mmap")?;
    must_fail(
        raw::madvise(base, page, 99),
        Errno::EINVAL,
        "unknown advice",
    )?;
    ensure_equal!(
        raw::madvise(base, page, advice::PAGEOUT),
        Ok(0),
        "pushing out"
    );
    must_fail(
        raw::madvise(base, u64::MAX - 5, advice::NORMAL),
        Errno::EINVAL,
        "range that wraps",
    )?;
    must_fail(
        raw::madvise(0, page, advice::FREE),
        Errno::EINVAL,
        "freeing at address 0",
    )?;
    ensure_equal!(
        raw::madvise(base + 1, 1, advice::RANDOM),
        Ok(0),
        "odd addresses are truncated"
    );
    ensure_equal!(raw::madvise(base, 0, advice::NORMAL), Ok(0), "length 0");
    raw::munmap(base + page, page).context("munmap")?;
    must_fail(
        raw::madvise(base, 2 * page, advice::PAGEOUT),
        Errno::EINVAL,
        "a hole that is to be pushed out",
    )?;
    must_fail(
        raw::madvise(base, 2 * page, advice::SEQUENTIAL),
        Errno::EINVAL,
        "a hole",
    )
}

fn msync_checks_its_arguments() -> Outcome {
    let (r#async, sync) = (1, 0x10);
    let page = page();
    let base = raw::anonymous(2, R | W).context("mmap")?;
    must_fail(
        raw::msync(base + 1, page, sync),
        Errno::EINVAL,
        "odd address",
    )?;
    must_fail(raw::msync(base, 0, sync), Errno::EINVAL, "length 0")?;
    must_fail(
        raw::msync(base, u64::MAX - 5, sync),
        Errno::EINVAL,
        "range that wraps",
    )?;
    must_fail(
        raw::msync(base, page, sync | r#async),
        Errno::EINVAL,
        "both ways at once",
    )?;
    ensure_equal!(raw::msync(base, 2 * page, sync), Ok(0), "anonymous memory");
    raw::munmap(base + page, page).context("munmap")?;
    must_fail(raw::msync(base, 2 * page, sync), Errno::ENOMEM, "a hole")
}

fn mincore_never_fails_for_a_hole() -> Outcome {
    let page = page();
    let base = raw::anonymous(3, R | W).context("mmap")?;
    raw::store(base, 1);
    raw::munmap(base + 2 * page, page).context("munmap")?;
    let states = raw::mincore(base, 3).context("mincore")?;
    ensure!(
        states[0] & 1 != 0 && states[0] & 4 != 0,
        "a written page is in memory and modified: {states:x?}"
    );
    ensure_equal!(states[1], 0x80, "an untouched page");
    ensure_equal!(states[2], 0x80, "a hole");
    ensure_equal!(raw::mincore_at(base, 0, 0), Ok(0), "length 0");
    must_fail(
        raw::mincore_at(base, u64::MAX - 5, base),
        Errno::EINVAL,
        "range that wraps",
    )?;
    must_fail(
        raw::mincore_at(base, page, 8),
        Errno::EFAULT,
        "no room for the answer",
    )
}

fn minherit_checks_its_arguments() -> Outcome {
    let page = page();
    let base = raw::anonymous(2, R | W).context("mmap")?;
    must_fail(
        raw::minherit(base, page, 3),
        Errno::EINVAL,
        "unknown inheritance",
    )?;
    must_fail(
        raw::minherit(base, u64::MAX - 5, 0),
        Errno::EINVAL,
        "range that wraps",
    )?;
    raw::munmap(base, page).context("munmap")?;
    ensure_equal!(raw::minherit(base, 2 * page, 1), Ok(0), "a hole");
    Ok(())
}

fn mlock_checks_its_range() -> Outcome {
    let page = page();
    let base = raw::anonymous(2, R | W).context("mmap")?;
    must_fail(
        raw::mlock(base, u64::MAX - 5),
        Errno::EINVAL,
        "range that wraps",
    )?;
    ensure_equal!(raw::mlock(base, 0), Ok(0), "length 0");
    raw::munmap(base + page, page).context("munmap")?;
    must_fail(raw::mlock(base, 2 * page), Errno::ENOMEM, "a hole")?;
    must_fail(
        raw::munlock(base + page, page),
        Errno::ENOMEM,
        "unlocking a hole",
    )
}

fn fresh_memory_is_zero_and_comes_when_written() -> Outcome {
    let (page, pages) = (page(), 64);
    let base = raw::anonymous(pages, R | W).context("mmap")?;
    ensure_equal!(raw::resident(base, pages), Ok(0), "pages before any touch");
    for index in (0..pages).step_by(8) {
        ensure_equal!(
            raw::load(base + index * page + 100),
            0,
            "byte of page {index}"
        );
    }
    ensure_equal!(
        raw::resident(base, pages),
        Ok(0),
        "pages of its own after reading"
    );
    for index in (0..pages).step_by(8) {
        raw::store(base + index * page + 100, 1);
    }
    ensure_equal!(
        raw::resident(base, pages),
        Ok(8),
        "pages after eight writes"
    );
    for index in 0..pages {
        let byte = raw::load(base + index * page + 100);
        ensure_equal!(byte, u8::from(index % 8 == 0), "byte of page {index}");
    }
    raw::munmap(base, pages * page).context("munmap")?;
    ensure_equal!(raw::resident(base, pages), Ok(0), "pages after munmap");
    Ok(())
}

fn a_fixed_mapping_replaces_what_was_there() -> Outcome {
    let page = page();
    let base = raw::anonymous(3, R | W).context("mmap")?;
    (0..3).for_each(|index| raw::store(base + index * page, 7));
    let flags = PRIVATE | ANON | FIXED | UNIX03;
    ensure_equal!(
        raw::mmap(base + page, page, R | W, flags, -1, 0),
        Ok(base + page),
        "the address"
    );
    ensure_equal!(
        (
            raw::load(base),
            raw::load(base + page),
            raw::load(base + 2 * page)
        ),
        (7, 0, 7),
        "three pages"
    );
    // One that fails leaves the old one.
    must_fail(
        raw::mmap(base, page, R | W | X, flags, -1, 0),
        Errno::EACCES,
        "writable and executable",
    )?;
    ensure_equal!(raw::load(base), 7, "the mapping that was to be replaced");
    Ok(())
}

fn a_hole_in_the_middle_leaves_both_sides() -> Outcome {
    let page = page();
    let base = raw::anonymous(3, R | W).context("mmap")?;
    (0..3).for_each(|index| raw::store(base + index * page, 9));
    raw::munmap(base + page, page).context("munmap")?;
    ensure_equal!(
        (raw::load(base), raw::load(base + 2 * page)),
        (9, 9),
        "both sides"
    );
    must_crash(Signal::SEGV, "the hole", || raw::touch(base + page))
}

fn illegal_accesses_end_the_process_with_the_right_signal() -> Outcome {
    must_crash(Signal::SEGV, "null", || raw::touch(0))?;
    must_crash(Signal::SEGV, "writing to null", || raw::store(8, 1))?;
    must_crash(Signal::SEGV, "an address that cannot be", || {
        raw::touch(0xffff_8000_0000_0000)
    })?;
    must_crash(Signal::SEGV, "jumping to null", || raw::jump(0))?;
    let data = raw::anonymous(1, R | W).context("mmap")?;
    must_crash(Signal::BUS, "executing data", || raw::jump(data))?;
    must_crash(Signal::BUS, "writing to the program", || {
        raw::store(code(), 0)
    })
}

/// An address in the program's text.
fn code() -> u64 {
    code as *const () as u64
}

fn memory_is_never_writable_and_executable() -> Outcome {
    const RET: [u8; 4] = [0xc0, 0x03, 0x5f, 0xd6];
    let page = page();
    let base = raw::anonymous(1, R | W).context("mmap")?;
    RET.iter()
        .enumerate()
        .for_each(|(index, byte)| raw::store(base + index as u64, *byte));
    raw::mprotect(base, page, R | X).context("writable memory becomes code")?;
    let status = end_of(|| raw::jump(base))?;
    ensure_equal!(status, bsd_sys::wait::WaitStatus::Exited(0), "running it");
    must_crash(Signal::BUS, "writing to it", || raw::store(base, 0))
}

fn inheritance_decides_what_a_child_gets() -> Outcome {
    let (share, copy, none) = (0, 1, 2);
    let page = page();
    let base = raw::anonymous(3, R | W).context("mmap")?;
    for (index, inheritance) in [share, copy, none].into_iter().enumerate() {
        let address = base + index as u64 * page;
        raw::store(address, 1);
        raw::minherit(address, page, inheritance).context("minherit")?;
    }
    must_succeed(10_000, || {
        ensure_equal!(
            (raw::load(base), raw::load(base + page)),
            (1, 1),
            "what the child sees"
        );
        raw::store(base, 2);
        raw::store(base + page, 2);
        ensure_equal!(
            raw::mincore(base + 2 * page, 1),
            Ok(alloc::vec![0x80]),
            "the third page in the child"
        );
        Ok(())
    })?;
    ensure_equal!(
        (raw::load(base), raw::load(base + page)),
        (2, 1),
        "what the parent sees"
    );
    must_crash(Signal::SEGV, "what is not inherited", || {
        raw::touch(base + 2 * page)
    })
}

fn advice_discards_and_zeroes() -> Outcome {
    let page = page();
    let base = raw::anonymous(4, R | W).context("mmap")?;
    (0..4).for_each(|index| raw::store(base + index * page, 5));
    raw::madvise(base, page, advice::ZERO).context("ZERO")?;
    ensure_equal!(raw::load(base), 0, "a zeroed page");
    raw::madvise(base + page, page, advice::DONTNEED).context("DONTNEED")?;
    ensure_equal!(
        raw::load(base + page),
        5,
        "a page that may go keeps its data"
    );
    raw::madvise(base + 2 * page, page, advice::FREE).context("FREE")?;
    let freed = raw::load(base + 2 * page);
    ensure!(
        freed == 0 || freed == 5,
        "a freed page holds old data or zeros, not {freed}"
    );
    ensure_equal!(raw::load(base + 3 * page), 5, "its neighbour");
    Ok(())
}

fn wired_memory_is_resident() -> Outcome {
    let (page, pages) = (page(), 8);
    let base = raw::anonymous(pages, R | W).context("mmap")?;
    raw::mlock(base, pages * page).context("mlock")?;
    ensure_equal!(raw::resident(base, pages), Ok(8), "wired pages");
    raw::munlock(base, pages * page).context("munlock")?;
    raw::munmap(base, pages * page).context("munmap")?;
    Ok(())
}

//! fork, exit and wait; and the copies that the first writes after a fork cost.

use alloc::string::String;
use core::sync::atomic::{AtomicU64, Ordering};

use bsd_sys::syscall as number;
use libsystem::time;

use crate::raw::{
    LARGE, WRITE, call, map_anonymous, map_common, page, read_each, store, unmap, write_each,
};
use crate::sample::{Series, now};
use crate::{Outcome, Settings};

/// Forks; the child does `work` and ends. In the parent: the child's number.
#[inline(always)]
fn fork(work: impl FnOnce()) -> Result<u64, String> {
    let answer = call(number::FORK, 0, 0, 0);
    let child = answer.or("fork")?;
    if answer.second != 0 {
        work();
        call(number::EXIT, 0, 0, 0);
    }
    Ok(child)
}

#[inline(always)]
fn wait(child: u64) {
    let mut status = 0i32;
    call(number::WAIT4, child, &raw mut status as u64, 0);
}

/// fork + exit + wait, and the fork call alone (which the child's part may interrupt, on neither side of the comparison).
fn forks(settings: &Settings, count: u64, whole: &mut Series, alone: &mut Series) -> Outcome {
    for _ in 0..=settings.samples {
        let mut calls = 0;
        let begin = now();
        for _ in 0..count {
            let before = now();
            let child = fork(|| {})?;
            calls += now() - before;
            wait(child);
        }
        whole.add(now() - begin, count);
        alone.add(calls, count);
    }
    Ok(())
}

/// With what a small program has.
pub(crate) fn small(settings: &Settings) -> Outcome {
    let mut whole = Series::new("fork_exit_wait", "fork");
    let mut alone = Series::new("fork_call", "fork");
    forks(settings, settings.times(300), &mut whole, &mut alone)?;
    whole.report();
    alone.report();
    Ok(())
}

/// With 64 MiB that were written.
pub(crate) fn large(settings: &Settings) -> Outcome {
    let page = page();
    let size = LARGE / settings.divisor.next_power_of_two();
    let address = map_anonymous(size, WRITE).or("mmap")?;
    write_each(address, size, page);
    let mut whole = Series::new("fork_exit_wait_64m", "fork");
    let mut alone = Series::new("fork_call_64m", "fork");
    forks(settings, settings.times(10), &mut whole, &mut alone)?;
    whole.report();
    alone.report();
    Ok(())
}

/// fork, the child reads 64 MiB, exit, wait: for each page.
pub(crate) fn child_reads(settings: &Settings) -> Outcome {
    let page = page();
    let size = LARGE / settings.divisor.next_power_of_two();
    let pages = size / page;
    let address = map_anonymous(size, WRITE).or("mmap")?;
    write_each(address, size, page);
    let mut row = Series::new("fork_child_reads_64m", "page");
    for _ in 0..=settings.samples {
        let begin = now();
        let child = fork(|| read_each(address, size, page))?;
        wait(child);
        row.add(now() - begin, pages);
    }
    row.report();
    Ok(())
}

/// Writes to memory whose pages a living child, or one that has ended, shared.
pub(crate) fn copy_on_write(settings: &Settings) -> Outcome {
    let page = page();
    let size = LARGE / settings.divisor.next_power_of_two();
    let pages = size / page;
    let words = map_common(page)?;
    // SAFETY: the page is mapped for good, aligned, and used as atomic words only.
    let word = unsafe { &*(words as *const AtomicU64) };
    for (name, lives) in [("cow_copy", true), ("cow_reuse", false)] {
        let mut row = Series::new(name, "page");
        // One page more: the first write allocates the shadow object, and is not counted.
        let address = map_anonymous(size + page, WRITE).or("mmap")?;
        write_each(address, size + page, page);
        for _ in 0..=settings.samples {
            word.store(0, Ordering::SeqCst);
            let child = fork(|| {
                while lives && word.load(Ordering::SeqCst) == 0 {
                    time::sleep(1000);
                }
            })?;
            if lives {
                time::sleep(5);
            } else {
                wait(child);
            }
            store(address + size, 1);
            row.time(pages, || write_each(address, size, page));
            word.store(1, Ordering::SeqCst);
            if lives {
                wait(child);
            }
        }
        row.report();
        unmap(address, size + page).or("munmap")?;
    }
    Ok(())
}

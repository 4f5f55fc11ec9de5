//! Many processes at once: they compute, fault, map, fork, send messages and end, on however many processors there are.

#![cfg_attr(target_os = "none", no_std, no_main)]
#![forbid(unsafe_code)]

extern crate alloc;

use alloc::vec::Vec;

use libsystem::fs::File;
use libsystem::{mach_call, process, time};
use mach::port::PortRight;
use tests::child;
use tests::counts::{self, Counts};
use tests::random::Random;
use tests::raw::{self, PRIVATE, R, SHARED, UNIX03, W, page};
use tests::shared::Words;
use tests::{Context as _, Outcome, ensure, ensure_equal};

tests::program! {
    the_counters_notice_what_is_taken,
    all_processes_make_progress,
    processes_fault_at_the_same_pages_at_once,
    a_mixture_of_everything_leaves_nothing_behind,
}

const PROCESSES: u64 = 24;

fn wait_for_all(children: Vec<i32>) -> Outcome {
    for child in children {
        ensure_equal!(child::finish(child, 45_000)?.shell_status(), 0, "a child");
    }
    Ok(())
}

fn the_counters_notice_what_is_taken() -> Outcome {
    let before = Counts::now()?;
    let base = raw::anonymous(200, R | W).context("mmap")?;
    (0..200).for_each(|index| raw::store(base + index * page(), 1));
    ensure!(
        Counts::now()?.excess(&before).is_some(),
        "200 pages are not noticed"
    );
    raw::munmap(base, 200 * page()).context("munmap")?;
    before.must_return()?;
    let name = mach_call::port::allocate_with_send().context("mach_port_allocate")?;
    ensure!(
        Counts::now()?.excess(&before).is_some(),
        "a port is not noticed"
    );
    mach_call::port::change_references(name, PortRight::Receive, -1)
        .context("mach_port_mod_refs")?;
    mach_call::port::deallocate(name).context("mach_port_deallocate")?;
    before.must_return()
}

fn all_processes_make_progress() -> Outcome {
    let words = Words::new()?;
    let mut children = Vec::new();
    for number in 0..PROCESSES {
        let words = &words;
        children.push(child::start(move || {
            while words.get(0) == 0 {
                words.set(1 + number as usize, words.get(1 + number as usize) + 1);
            }
            0
        })?);
    }
    let fair = child::eventually(20_000, || {
        (1..=PROCESSES as usize).all(|index| words.get(index) > 1000)
    });
    words.set(0, 1);
    wait_for_all(children)?;
    ensure!(fair, "some processes hardly ran");
    Ok(())
}

fn processes_fault_at_the_same_pages_at_once() -> Outcome {
    libsystem::fs::purge().context("vfs_purge")?;
    let words = Words::new()?;
    let file = File::open("/bin/sha256sum").context("open")?;
    let size = file.stat().context("fstat")?.size as u64;
    let mut children = Vec::new();
    for number in 0..8u64 {
        let (words, file) = (&words, &file);
        children.push(child::start(move || {
            let sharing = if number % 2 == 0 { SHARED } else { PRIVATE };
            let Ok(base) = raw::mmap(0, size, R, sharing | UNIX03, file.descriptor(), 0) else {
                return 1;
            };
            let _ = words.wait(0, "the start");
            let sum = (0..size).fold(0u64, |sum, index| {
                sum.wrapping_mul(31)
                    .wrapping_add(u64::from(raw::load(base + index)))
            });
            words.set(1 + number as usize, sum | 1);
            0
        })?);
    }
    words.set(0, 1);
    wait_for_all(children)?;
    let sums: Vec<u64> = (1..=8).map(|index| words.get(index)).collect();
    ensure!(
        sums.iter().all(|sum| *sum == sums[0]),
        "the processes saw different bytes: {sums:x?}"
    );
    Ok(())
}

/// Something of everything, in an order that follows from the number.
fn mixture(number: u64) -> Outcome {
    let mut random = Random::new(number + 1);
    for _ in 0..12 {
        match random.below(5) {
            0 => memory(&mut random)?,
            1 => {
                let status = child::run(30_000, || 3)?;
                ensure_equal!(status.shell_status(), 3, "a grandchild");
            }
            2 => files(&mut random)?,
            3 => ports()?,
            _ => time::sleep(random.below(10) as u32),
        }
    }
    Ok(())
}

fn memory(random: &mut Random) -> Outcome {
    let pages = 1 + random.below(64);
    let base = raw::anonymous(pages, R | W).context("mmap")?;
    for index in 0..pages {
        ensure_equal!(raw::load(base + index * page()), 0, "fresh memory");
        raw::store(base + index * page(), index as u8);
    }
    let hole = random.below(pages);
    raw::munmap(base + hole * page(), page()).context("munmap")?;
    for index in (0..pages).filter(|index| *index != hole) {
        ensure_equal!(
            raw::load(base + index * page()),
            index as u8,
            "page {index}"
        );
    }
    raw::munmap(base, pages * page()).context("munmap")?;
    Ok(())
}

fn files(random: &mut Random) -> Outcome {
    let file = File::open("/tests/many").context("open")?;
    let size = file.stat().context("fstat")?.size as u64;
    let base = raw::mmap(0, size, R, SHARED | UNIX03, file.descriptor(), 0).context("mmap")?;
    let offset = random.below(size);
    let mut byte = [0];
    file.read_at(&mut byte, offset).context("pread")?;
    ensure_equal!(raw::load(base + offset), byte[0], "the byte at {offset}");
    raw::munmap(base, size).context("munmap")?;
    Ok(())
}

fn ports() -> Outcome {
    let name = mach_call::port::allocate_with_send().context("mach_port_allocate")?;
    mach_call::port::change_references(name, PortRight::Receive, -1)
        .context("mach_port_mod_refs")?;
    mach_call::port::deallocate(name).context("mach_port_deallocate")?;
    ensure!(process::id() > 0, "no process number");
    Ok(())
}

fn a_mixture_of_everything_leaves_nothing_behind() -> Outcome {
    counts::leaves_nothing(|| {
        let children: Result<Vec<i32>, _> = (0..PROCESSES)
            .map(|number| {
                child::start(move || match mixture(number) {
                    Ok(()) => 0,
                    Err(reason) => {
                        libsystem::println!("process {number}: {reason}");
                        1
                    }
                })
            })
            .collect();
        wait_for_all(children?)
    })
}

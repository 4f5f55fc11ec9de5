//! Anonymous memory that does not fit: every byte comes back from the swap disk. For a machine with little memory and a
//! disk that holds four times as much.

#![cfg_attr(target_os = "none", no_std, no_main)]
#![forbid(unsafe_code)]

extern crate alloc;

use bsd_sys::mman::Mincore;
use bsd_sys::mman::{Prot, advice};
use libsystem::mach_call;
use libsystem::memory::Mapping;
use mach::defs::mach_host::{info, statistics64};
use mach::host_info::{HOST_BASIC_INFO, HostBasicInfo};
use mach::vm_statistics::{HOST_VM_INFO64, VmStatistics64};
use tests::random::Random;
use tests::raw::{self, page};
use tests::{Context as _, Outcome, Test, child, ensure, ensure_equal};

libsystem::main!(run);

/// Milliseconds for one test: the machine may be busy.
const LIMIT: u64 = 400_000;

const TESTS: &[Test] = &[
    (
        "four_times_the_memory_is_kept",
        four_times_the_memory_is_kept,
    ),
    (
        "pages_go_when_they_are_told_to",
        pages_go_when_they_are_told_to,
    ),
    ("filled_pages_need_no_disk", filled_pages_need_no_disk),
    (
        "parent_and_child_keep_their_own_pages",
        parent_and_child_keep_their_own_pages,
    ),
    (
        "thrown_away_pages_read_as_zeros",
        thrown_away_pages_read_as_zeros,
    ),
    ("what_is_on_the_disk_is_told", what_is_on_the_disk_is_told),
];

fn run() -> i32 {
    tests::run_within(TESTS, LIMIT)
}

/// Bytes of RAM.
fn memory() -> Result<u64, alloc::string::String> {
    let request = info::Request {
        flavor: HOST_BASIC_INFO,
        host_info_out_cnt: HostBasicInfo::WORDS,
    };
    let reply = mach_call::call(mach_call::host_self(), request).context("host_info")?;
    let info: HostBasicInfo = reply.host_info_out.decode_words().context("host_info")?;
    Ok(info.max_mem)
}

fn statistics() -> Result<VmStatistics64, alloc::string::String> {
    let request = statistics64::Request {
        flavor: HOST_VM_INFO64,
        host_info64_out_cnt: VmStatistics64::WORDS,
    };
    let reply = mach_call::call(mach_call::host_self(), request).context("host_statistics64")?;
    reply.host_info64_out.decode_words().context("statistics")
}

/// What is in a page: different words at its start, in its middle and at its end.
fn words(index: u64, salt: u64) -> [(usize, u64); 3] {
    let size = page() as usize;
    let word = |n: u64| (index * 3 + n + salt).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    [(0, word(0)), (size / 2 + 8, word(1)), (size - 8, word(2))]
}

fn write(memory: &mut Mapping, index: u64, salt: u64) {
    for (at, word) in words(index, salt) {
        memory.write(index as usize * page() as usize + at, &word.to_le_bytes());
    }
}

fn check(memory: &Mapping, index: u64, salt: u64) -> Outcome {
    for (at, word) in words(index, salt) {
        let mut bytes = [0; 8];
        memory.read(index as usize * page() as usize + at, &mut bytes);
        ensure_equal!(u64::from_le_bytes(bytes), word, "page {index} at {at}");
    }
    // Between the words there are zeros.
    ensure_equal!(
        memory.byte(index as usize * page() as usize + 100),
        Some(0),
        "page {index}"
    );
    Ok(())
}

fn anonymous(pages: u64) -> Result<Mapping, alloc::string::String> {
    let size = (pages * page()) as usize;
    Mapping::anonymous(size, Prot::READ | Prot::WRITE).context("mmap")
}

fn four_times_the_memory_is_kept() -> Outcome {
    let before = statistics()?;
    let pages = 4 * memory()? / page();
    let mut memory = anonymous(pages)?;
    (0..pages).for_each(|index| write(&mut memory, index, 0));
    for index in 0..pages {
        check(&memory, index, 0)?;
    }
    let mut random = Random::new(4);
    for _ in 0..2_000 {
        let index = random.below(pages);
        check(&memory, index, 0)?;
    }
    let after = statistics()?;
    let (out, back) = (
        after.swapouts - before.swapouts,
        after.swapins - before.swapins,
    );
    ensure!(out > pages / 2, "only {out} of {pages} pages went out");
    ensure!(back > pages / 2, "only {back} of {pages} pages came back");
    Ok(())
}

fn pages_go_when_they_are_told_to() -> Outcome {
    let (pages, first, end) = (1024, 100, 900);
    let mut memory = anonymous(pages)?;
    (0..pages).for_each(|index| write(&mut memory, index, 0));
    let go = |memory: &Mapping| {
        let from = memory.address() + first * page();
        raw::madvise(from, (end - first) * page(), advice::PAGEOUT).context("madvise")
    };
    go(&memory)?;
    let states = memory.resident().context("mincore")?;
    for (index, state) in (0..).zip(states) {
        let state = Mincore::from_bits_retain(state);
        let (here, out) = (
            state.contains(Mincore::INCORE),
            state.contains(Mincore::PAGED_OUT),
        );
        let told = (first..end).contains(&index);
        ensure_equal!((here, out), (!told, told), "page {index}");
    }
    for index in 0..pages {
        check(&memory, index, 0)?;
    }
    // They are on the disk still: nothing is written again, but for the one that is new.
    write(&mut memory, first + 7, 5);
    let before = statistics()?.swapouts;
    go(&memory)?;
    ensure_equal!(statistics()?.swapouts - before, 1, "pages written again");
    check(&memory, first + 7, 5)?;
    check(&memory, first + 8, 0)
}

fn filled_pages_need_no_disk() -> Outcome {
    let pages = 2 * memory()? / page();
    let mut memory = anonymous(pages)?;
    let word = |index: u64| [(index % 200) as u8; 512];
    for index in 0..pages {
        let base = index as usize * page() as usize;
        for at in (0..page() as usize).step_by(512) {
            memory.write(base + at, &word(index));
        }
    }
    for index in 0..pages {
        let mut bytes = [0xff; 512];
        memory.read(
            index as usize * page() as usize + page() as usize / 2,
            &mut bytes,
        );
        ensure!(bytes == word(index), "page {index}");
    }
    Ok(())
}

fn parent_and_child_keep_their_own_pages() -> Outcome {
    let pages = memory()? / page();
    let mut memory = anonymous(pages)?;
    (0..pages).for_each(|index| write(&mut memory, index, 0));
    let child = child::start(|| {
        for index in (0..pages).step_by(2) {
            write(&mut memory, index, 1_000_000_007);
        }
        for index in 0..pages {
            let salt = if index % 2 == 0 { 1_000_000_007 } else { 0 };
            if let Err(reason) = check(&memory, index, salt) {
                libsystem::println!("child: {reason}");
                return 1;
            }
        }
        0
    })?;
    for index in 0..pages {
        check(&memory, index, 0)?;
    }
    let status = child::finish(child, LIMIT / 2)?;
    ensure_equal!(status.shell_status(), 0, "the child");
    for index in 0..pages {
        check(&memory, index, 0)?;
    }
    Ok(())
}

fn thrown_away_pages_read_as_zeros() -> Outcome {
    let pages = 3 * memory()? / 2 / page();
    let mut memory = anonymous(pages)?;
    (0..pages).for_each(|index| write(&mut memory, index, 0));
    memory.advise(advice::FREE).context("madvise")?;
    for index in 0..pages {
        ensure_equal!(
            memory.byte(index as usize * page() as usize),
            Some(0),
            "page {index}"
        );
    }
    Ok(())
}

fn what_is_on_the_disk_is_told() -> Outcome {
    let pages = 2 * memory()? / page();
    let mut memory = anonymous(pages)?;
    (0..pages).for_each(|index| write(&mut memory, index, 0));
    let states = memory.resident().context("mincore")?;
    let with = |bit: Mincore| {
        let has = |state: &&u8| **state & bit.bits() != 0;
        states.iter().filter(has).count() as u64
    };
    let (resident, out) = (with(Mincore::INCORE), with(Mincore::PAGED_OUT));
    ensure_equal!(resident + out, pages, "pages here and there");
    ensure!(out > pages / 3, "{out} of {pages} pages are on the disk");
    Ok(())
}

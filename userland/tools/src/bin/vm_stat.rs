//! `vm_stat`: pages by state, and what virtual memory has done since the machine started.

#![cfg_attr(target_os = "none", no_std, no_main)]
#![forbid(unsafe_code)]

libsystem::main!(run);

use libsystem::{KernReturn, eprintln, mach_call, println};
use mach::defs::mach_host::statistics64;
use mach::vm_statistics::{HOST_VM_HELD, HOST_VM_INFO64, HeldStatistics, VmStatistics64};

fn run() -> i32 {
    match show() {
        Ok(()) => 0,
        Err(error) => {
            eprintln!("vm_stat: {error}");
            1
        }
    }
}

fn show() -> Result<(), KernReturn> {
    let page_size = mach_call::host_page_size()?;
    let ask = |flavor, host_info64_out_cnt| {
        let request = statistics64::Request {
            flavor,
            host_info64_out_cnt,
        };
        mach_call::call(mach_call::host_self(), request)
    };
    let counts: VmStatistics64 = ask(HOST_VM_INFO64, VmStatistics64::WORDS)?
        .host_info64_out
        .decode_words()?;
    let held: HeldStatistics = ask(HOST_VM_HELD, HeldStatistics::WORDS)?
        .host_info64_out
        .decode_words()?;
    println!("Mach Virtual Memory Statistics: (page size of {page_size} bytes)");
    let free = counts.free_count.saturating_sub(counts.speculative_count);
    for (name, value) in [
        ("Pages free", u64::from(free)),
        ("Pages active", u64::from(counts.active_count)),
        ("Pages inactive", u64::from(counts.inactive_count)),
        ("Pages speculative", u64::from(counts.speculative_count)),
        ("Pages throttled", u64::from(counts.throttled_count)),
        ("Pages wired down", u64::from(counts.wire_count)),
        ("Pages purgeable", u64::from(counts.purgeable_count)),
        ("Translation faults", counts.faults),
        ("Pages copy-on-write", counts.cow_faults),
        ("Pages zero filled", counts.zero_fill_count),
        ("Pages reactivated", counts.reactivations),
        ("Pages purged", counts.purges),
        ("File-backed pages", u64::from(counts.external_page_count)),
        ("Anonymous pages", u64::from(counts.internal_page_count)),
        ("Pageins", counts.pageins),
        ("Pageouts", counts.pageouts),
        ("Pages held for pagers", held.pages),
        ("Object cache lookups", counts.lookups),
        ("Object cache hits", counts.hits),
    ] {
        println!("{name:<24}{value:>14}.");
    }
    Ok(())
}

//! `zprint [NAME]`: zones of kernel objects: what is in use, the limit, what there was in all.

#![cfg_attr(target_os = "none", no_std, no_main)]
#![forbid(unsafe_code)]

extern crate alloc;

libsystem::main!(run);

use alloc::string::String;
use libsystem::{KernReturn, mach_call, println};
use mach::defs::mach_host::mach_zone_info;
use mach::host_info::{ZONE_NAME_SIZE, ZoneInfo};
use mach::wire::Wire;
use tools::command::Command;
use tools::format;

const COMMAND: Command = Command::new(
    "zprint",
    "[NAME]",
    "Zones of kernel objects: size of one, how many, bytes, limit, bytes ever; only those with NAME in their name.",
)
.words(0, 1);

fn run() -> i32 {
    COMMAND.run(|options| {
        let filter = options.words.first().map_or("", String::as_str);
        match show(filter) {
            Ok(()) => 0,
            Err(error) => COMMAND.complain("the kernel's zones", error),
        }
    })
}

fn show(filter: &str) -> Result<(), KernReturn> {
    let reply = mach_call::call(mach_call::host_self(), mach_zone_info::Request {})?;
    let names = mach_call::take_memory(reply.names);
    let zones = mach_call::take_memory(reply.info);
    println!(
        "{:<32} {:>8} {:>10} {:>10} {:>10} {:>12}",
        "ZONE", "ELEMENT", "IN USE", "SIZE", "LIMIT", "EVER"
    );
    let rows = names
        .chunks_exact(ZONE_NAME_SIZE)
        .zip(zones.chunks_exact(ZoneInfo::SIZE));
    let mut total = 0;
    for (name, zone) in rows {
        let name = name.split(|byte| *byte == 0).next().unwrap_or_default();
        let name = String::from_utf8_lossy(name);
        let Some(zone) = ZoneInfo::decode(zone) else {
            continue;
        };
        if name.contains(filter) {
            total += zone.current_size;
            line(&name, &zone);
        }
    }
    println!(
        "{:<32} {:>8} {:>10} {:>10}",
        "total",
        "",
        "",
        format::size(total)
    );
    Ok(())
}

fn line(name: &str, zone: &ZoneInfo) {
    let limit = if zone.max_size == 0 {
        String::from("-")
    } else {
        format::size(zone.max_size)
    };
    // The low bit of the sum is a flag.
    let ever = zone.sum_size >> 1 << 1;
    println!(
        "{name:<32} {:>8} {:>10} {:>10} {limit:>10} {:>12}",
        zone.element_size,
        zone.count,
        format::size(zone.current_size),
        format::size(ever),
    );
}

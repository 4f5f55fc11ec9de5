//! Rows of the map: mmap and munmap of a page, mprotect, and the same with many entries.

use crate::raw::{READ, WRITE, map_anonymous, map_at, page, protect, store, unmap, write_each};
use crate::sample::Series;
use crate::{Outcome, Settings};

/// mmap and munmap of one page, with and without a write to it.
pub(crate) fn one_page(settings: &Settings) -> Outcome {
    let page = page();
    let mut untouched = Series::new("mmap_munmap", "pair");
    let mut written = Series::new("mmap_write_munmap", "operation");
    // The entry below the new one has another protection, so they do not merge.
    let pin = map_anonymous(page, WRITE).or("mmap")?;
    protect(pin, page, 0).or("mprotect")?;
    let count = settings.times(5000);
    for _ in 0..=settings.samples {
        untouched.time(count, || {
            for _ in 0..count {
                unmap(map_anonymous(page, WRITE).first, page);
            }
        });
        written.time(count, || {
            for _ in 0..count {
                let address = map_anonymous(page, WRITE).first;
                store(address, 1);
                unmap(address, page);
            }
        });
    }
    untouched.report();
    written.report();
    Ok(())
}

/// mprotect there and back, for each call.
fn protect_both_ways(settings: &Settings, row: &mut Series, address: u64, length: u64) {
    let count = settings.times(5000);
    for _ in 0..=settings.samples {
        row.time(2 * count, || {
            for _ in 0..count {
                protect(address, length, READ);
                protect(address, length, WRITE);
            }
        });
    }
}

/// mprotect of an entry of one page, and of one page in the middle of a large entry.
pub(crate) fn protection(settings: &Settings) -> Outcome {
    let page = page();
    let mut whole = Series::new("mprotect_page", "call");
    let base = map_anonymous(3 * page, WRITE).or("mmap")?;
    write_each(base, 3 * page, page);
    protect(base, page, 0).or("mprotect")?;
    protect(base + 2 * page, page, 0).or("mprotect")?;
    protect_both_ways(settings, &mut whole, base + page, page);
    whole.report();
    unmap(base, 3 * page).or("munmap")?;

    let mut middle = Series::new("mprotect_split_merge", "call");
    let base = map_anonymous(1000 * page, WRITE).or("mmap")?;
    write_each(base, 1000 * page, page);
    protect_both_ways(settings, &mut middle, base + 500 * page, page);
    middle.report();
    unmap(base, 1000 * page).or("munmap").map(drop)
}

/// mmap and munmap of a page beside so many entries: where the kernel puts it, and into a hole among them.
pub(crate) fn many(settings: &Settings, entries: u64) -> Outcome {
    let page = page();
    let (anywhere, hole) = match entries {
        10 => ("mmap_munmap_10_entries", "mmap_munmap_hole_10_entries"),
        1000 => ("mmap_munmap_1000_entries", "mmap_munmap_hole_1000_entries"),
        _ => (
            "mmap_munmap_100000_entries",
            "mmap_munmap_hole_100000_entries",
        ),
    };
    let mut anywhere = Series::new(anywhere, "pair");
    let mut hole = Series::new(hole, "pair");
    let count = settings.times(5000);
    let entries = settings.times(entries).max(10);
    // Entries side by side, alternating in protection.
    let base = map_anonymous(entries * page, READ).or("mmap")?;
    for number in (1..entries).step_by(2) {
        protect(base + number * page, page, 0).or("mprotect")?;
    }
    for _ in 0..=settings.samples {
        anywhere.time(count, || {
            for _ in 0..count {
                unmap(map_anonymous(page, WRITE).first, page);
            }
        });
    }
    unmap(base, entries * page).or("munmap")?;
    // Entries with holes of a page.
    let base = map_anonymous(2 * entries * page, READ).or("mmap")?;
    for number in (1..2 * entries).step_by(2) {
        unmap(base + number * page, page).or("munmap")?;
    }
    let mut random = 12345u32;
    for _ in 0..=settings.samples {
        hole.time(count, || {
            for _ in 0..count {
                random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let chosen = (u64::from(random) * entries) >> 32;
                let address = base + (2 * chosen + 1) * page;
                map_at(address, page);
                unmap(address, page);
            }
        });
    }
    anywhere.report();
    hole.report();
    Ok(())
}

//! Anonymous memory: first reads and writes, unmapping much, mincore.

use alloc::vec;

use bsd_sys::syscall as number;

use crate::raw::{LARGE, WRITE, call, map_anonymous, page, read_each, unmap, write_each};
use crate::sample::Series;
use crate::{Outcome, Settings};

/// 64 MiB: read first, unmapped; written first, looked at, unmapped; never touched.
pub(crate) fn anonymous(settings: &Settings) -> Outcome {
    let page = page();
    let size = LARGE / settings.divisor.next_power_of_two();
    let pages = size / page;
    let mut read = Series::new("anonymous_read", "page");
    let mut unmap_read = Series::new("munmap_64m_read", "page");
    let mut written = Series::new("anonymous_write", "page");
    let mut states = Series::new("mincore_64m", "page");
    let mut unmap_written = Series::new("munmap_64m_written", "page");
    let mut vector = vec![0u8; pages as usize];
    for _ in 0..=settings.samples {
        let address = map_anonymous(size, WRITE).or("mmap")?;
        read.time(pages, || read_each(address, size, page));
        unmap_read
            .time(pages, || unmap(address, size))
            .or("munmap")?;

        let address = map_anonymous(size, WRITE).or("mmap")?;
        written.time(pages, || write_each(address, size, page));
        let at = vector.as_mut_ptr() as u64;
        states
            .time(pages, || call(number::MINCORE, address, size, at))
            .or("mincore")?;
        if let Some(at) = vector.iter().position(|state| state & 1 == 0) {
            return Err(alloc::format!("mincore does not see page {at}"));
        }
        unmap_written
            .time(pages, || unmap(address, size))
            .or("munmap")?;
    }
    for row in [read, unmap_read, written, states, unmap_written] {
        row.report();
    }
    Ok(())
}

/// mincore of one page.
pub(crate) fn mincore_page(settings: &Settings) -> Outcome {
    let page = page();
    let mut row = Series::new("mincore_page", "call");
    let address = map_anonymous(64 * page, WRITE).or("mmap")?;
    write_each(address, 64 * page, page);
    let mut state = [0u8; 4];
    let count = settings.times(5000);
    for _ in 0..=settings.samples {
        row.time(count, || {
            for _ in 0..count {
                call(
                    number::MINCORE,
                    address + 32 * page,
                    page,
                    state.as_mut_ptr() as u64,
                );
            }
        });
    }
    row.report();
    Ok(())
}

//! `sparse_file FILE`: a huge sparse file is mapped; pages come one by one or in clusters, and all of them go again.

#![cfg_attr(target_os = "none", no_std, no_main)]
#![forbid(unsafe_code)]

extern crate alloc;

use alloc::string::String;

use bsd_sys::mman::advice;
use libsystem::fs::{self, File};
use libsystem::{env, println};
use tests::counts::{self, Counts};
use tests::raw::{self, R, SHARED, UNIX03, page};
use tests::{Context as _, Outcome, ensure, ensure_equal};

tests::program! {
    mapping_brings_in_no_page,
    random_advice_brings_in_one_page_per_touch,
    without_advice_a_touch_brings_in_one_aligned_cluster,
    sequential_touches_make_clusters_grow,
    unmapping_gives_back_mappings_and_page_tables,
    purging_gives_back_the_pages,
}

/// The smallest cluster: `docs/architecture.md`, and `vm_object/cluster.rs`.
const CLUSTER_BYTES: u64 = 32 << 10;

fn path() -> String {
    env::args()
        .into_iter()
        .nth(1)
        .unwrap_or_else(|| String::from("/share/sparse50"))
}

struct Mapped {
    _file: File,
    base: u64,
    size: u64,
}

fn mapped() -> Result<Mapped, String> {
    let path = path();
    let file = File::open(&path).context(&path)?;
    let size = file.stat().context("fstat")?.size as u64;
    let base = raw::mmap(0, size, R, SHARED | UNIX03, file.descriptor(), 0).context("mmap")?;
    Ok(Mapped {
        _file: file,
        base,
        size,
    })
}

impl Drop for Mapped {
    fn drop(&mut self) {
        let _ = raw::munmap(self.base, self.size);
    }
}

impl Mapped {
    /// Resident pages of one gigabyte, from this offset on.
    fn resident(&self, offset: u64) -> Result<usize, String> {
        let pages = ((1 << 30) / page()).min((self.size - offset) / page());
        raw::resident(self.base + offset, pages).context("mincore")
    }
}

fn fresh() -> Result<Mapped, String> {
    fs::purge().context("vfs_purge")?;
    mapped()
}

fn mapping_brings_in_no_page() -> Outcome {
    let before = Counts::now()?;
    let mapped = fresh()?;
    let after = Counts::now()?;
    ensure!(
        mapped.size >= 50 << 30,
        "{} has only {} bytes",
        path(),
        mapped.size
    );
    for offset in [0, mapped.size / 2, mapped.size - (1 << 30)] {
        ensure_equal!(mapped.resident(offset)?, 0, "pages from {offset} on");
    }
    let used = before.free.saturating_sub(after.free);
    println!(
        "mapped {} GiB; free frames before {}, after {}",
        mapped.size >> 30,
        before.free,
        after.free
    );
    ensure!(used < 64, "mapping took {used} frames");
    Ok(())
}

fn random_advice_brings_in_one_page_per_touch() -> Outcome {
    let mapped = fresh()?;
    raw::madvise(mapped.base, mapped.size, advice::RANDOM).context("madvise")?;
    for (count, index) in [3u64, 1000, 1001, 1002, 17, 60_000].into_iter().enumerate() {
        ensure_equal!(
            raw::load(mapped.base + index * page()),
            0,
            "a byte of a sparse file"
        );
        ensure_equal!(mapped.resident(0)?, count + 1, "pages after touch {count}");
    }
    ensure_equal!(raw::load(mapped.base + mapped.size - 1), 0, "the last byte");
    Ok(())
}

fn without_advice_a_touch_brings_in_one_aligned_cluster() -> Outcome {
    let mapped = fresh()?;
    let cluster = (CLUSTER_BYTES / page()).max(1);
    for touched in [
        10 * cluster + 1,
        500 * cluster,
        7000 * cluster + cluster - 1,
    ] {
        let first = touched / cluster * cluster;
        let _ = raw::load(mapped.base + touched * page());
        let around = raw::mincore(mapped.base + (first - cluster) * page(), 3 * cluster)
            .context("mincore")?;
        let present: alloc::vec::Vec<u64> = (0..3 * cluster)
            .filter(|&i| around[i as usize] & 1 != 0)
            .collect();
        println!(
            "touched page {touched}: pages {:?} of {} to {}",
            present,
            first - cluster,
            first + 2 * cluster
        );
        let expected: alloc::vec::Vec<u64> = (cluster..2 * cluster).collect();
        ensure_equal!(present, expected, "pages around {touched}");
    }
    Ok(())
}

fn sequential_touches_make_clusters_grow() -> Outcome {
    let mapped = fresh()?;
    raw::madvise(mapped.base, mapped.size, advice::SEQUENTIAL).context("madvise")?;
    let start = 1 << 30;
    let mut resident = 0;
    let mut largest = 0;
    let mut index = 0;
    while index < 1024 {
        let _ = raw::load(mapped.base + start + index * page());
        let now = mapped.resident(start)? as u64;
        largest = largest.max(now - resident);
        resident = now;
        index = index.max(now);
    }
    println!(
        "the largest cluster was {largest} pages of {} bytes",
        page()
    );
    ensure!(
        largest * page() > CLUSTER_BYTES,
        "clusters did not grow beyond {largest} pages"
    );
    ensure!(
        largest * page() <= 1 << 20,
        "a cluster of {largest} pages is larger than the policy allows"
    );
    Ok(())
}

/// Touches pages far from each other: each needs page tables of its own.
fn scatter(mapped: &Mapped) -> Outcome {
    raw::madvise(mapped.base, mapped.size, advice::RANDOM).context("madvise")?;
    for index in 0..40 {
        let _ = raw::load(mapped.base + index * (1 << 30));
    }
    Ok(())
}

fn unmapping_gives_back_mappings_and_page_tables() -> Outcome {
    scatter(&fresh()?)?;
    let before = counts::statistics()?;
    let mapped = mapped()?;
    scatter(&mapped)?;
    let during = counts::statistics()?;
    ensure!(
        during.wire_count >= before.wire_count + 20,
        "40 far touches took only {} frames of tables",
        during.wire_count - before.wire_count
    );
    drop(mapped);
    let back = tests::child::eventually(5_000, || {
        counts::statistics().is_ok_and(|now| now.wire_count <= before.wire_count + 4)
    });
    ensure!(
        back,
        "{} wired frames, {} before",
        counts::statistics()?.wire_count,
        before.wire_count
    );
    Ok(())
}

fn purging_gives_back_the_pages() -> Outcome {
    scatter(&fresh()?)?;
    fs::purge().context("vfs_purge")?;
    let before = Counts::now()?;
    let mapped = mapped()?;
    for index in 0..2000 {
        let _ = raw::load(mapped.base + index * page());
    }
    let during = Counts::now()?;
    ensure!(
        during.free + 1500 < before.free,
        "2000 pages took {} frames",
        before.free - during.free.min(before.free)
    );
    drop(mapped);
    fs::purge().context("vfs_purge")?;
    before.must_return()
}

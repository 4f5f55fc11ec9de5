//! The rows there are: what each is called, which group of the guest's program measures it, and its peers.

use std::collections::BTreeSet;

use super::parse::{Measured, Sample};

/// One row.
#[derive(Debug)]
pub(crate) struct Row {
    /// As the guest's program and the JSON call it.
    pub(crate) name: &'static str,
    /// The group of the guest's program that measures it.
    pub(crate) group: &'static str,
    /// As the table calls it.
    pub(crate) title: &'static str,
    /// What a figure is for.
    pub(crate) unit: &'static str,
    /// Linux's operation, in `docs/bench/linux.tsv`; empty without a peer.
    pub(crate) linux: &'static str,
    /// seL4's, in `docs/bench/sel4.tsv`; empty without a peer.
    pub(crate) sel4: &'static str,
}

macro_rules! rows {
    ($($group:literal { $($name:literal, $title:literal, $unit:literal, $linux:literal, $sel4:literal;)* })*) => {
        /// In the order of the table.
        pub(crate) const ROWS: &[Row] = &[$($(Row {
            name: $name, group: $group, title: $title, unit: $unit, linux: $linux, sel4: $sel4,
        },)*)*];
    };
}

rows! {
    "calibration" {
        "calibration", "a loop of known length", "instruction", "calib.subs_bne", "";
    }
    "null" {
        "null_bsd_call", "null BSD call", "call", "syscall.getppid", "";
        "null_mach_trap", "null Mach trap", "call", "syscall.getppid", "null.poll";
    }
    "mmap" {
        "mmap_munmap", "mmap + munmap of a page", "pair", "mmap+munmap.1page.untouched", "";
        "mmap_write_munmap", "mmap + write + munmap", "operation", "mmap+write+munmap.1page", "";
    }
    "anonymous" {
        "anonymous_write", "anonymous first write", "page", "anon.write_fault.4K", "";
        "anonymous_read", "anonymous first read", "page", "anon.read_fault.4K", "";
    }
    "files" {
        "file_read_resident", "read fault, resident file page", "page", "tmpfs.shared_read_minor.faoff", "";
    }
    "sharedwrite" {
        "file_shared_write", "shared write fault", "page", "tmpfs.shared_write_minor", "";
    }
    "files" {
        "file_private_copy", "private copy of a file page", "page", "tmpfs.private_cow_direct", "";
        "munmap_file", "munmap of file pages", "page", "tmpfs.munmap_64M_read.faoff", "";
    }
    "cow" {
        "cow_copy", "copy-on-write fault", "page", "cow_write_after_fork.copy", "";
        "cow_reuse", "the same, the child has ended", "page", "cow_write_after_fork.reuse", "";
    }
    "fork" {
        "fork_exit_wait", "fork + exit + wait, small", "fork", "fork+exit+wait.small", "";
        "fork_call", "fork call, small", "fork", "fork_call_only.small", "";
    }
    "fork64" {
        "fork_exit_wait_64m", "fork + exit + wait, 64 MiB", "fork", "fork+exit+wait.64M_anon_4K", "";
        "fork_call_64m", "fork call, 64 MiB", "fork", "fork_call_only.64M_anon_4K", "";
        "fork_call_page", "fork call, a touched page", "page", "derived.fork_call_per_page", "";
    }
    "forkread" {
        "fork_child_reads_64m", "fork + child reads all + exit", "page", "derived.fork+child_reads+exit+wait.64M", "";
    }
    "mprotect" {
        "mprotect_page", "mprotect of a page", "call", "mprotect.1page_own_vma", "";
        "mprotect_split_merge", "mprotect: split and merge", "call", "mprotect.1_of_1000p_split_merge", "";
    }
    "anonymous" {
        "munmap_64m_written", "munmap of 64 MiB, written", "page", "munmap.64M_written.4K", "";
        "munmap_64m_read", "munmap of 64 MiB, never written", "page", "munmap.64M_read(zeropage).4K", "";
    }
    "mincore" {
        "mincore_page", "mincore of a page", "call", "mincore.1page", "";
    }
    "anonymous" {
        "mincore_64m", "mincore of 64 MiB", "page", "mincore.64M.4K", "";
    }
    "read" {
        "read_4k", "read of 4 KiB", "call", "tmpfs.read_4K", "";
        "read_64k", "read of 64 KiB", "call", "ext4.read_64K", "";
    }
    "write" {
        "write_4k", "write of 4 KiB", "call", "", "";
        "write_64k", "write of 64 KiB", "call", "", "";
    }
    "pagein" {
        "pagein_sequential", "file page-in, sequential", "page", "ext4/brd.major_seq_readahead", "";
        "pagein_random", "file page-in, random", "page", "ext4/brd.major_MADV_RANDOM", "";
    }
    "msync" {
        "msync_page", "msync of a dirty page", "call", "ext4.redirty+msync_sync.1page", "";
        "msync_4096", "msync of 4096 dirty pages", "page", "ext4.msync_sync.16M_dirty", "";
    }
    "rpc" {
        "mach_rpc", "Mach RPC between tasks", "round trip", "futex_pingpong.processes", "call+reply.5_words_slow_path";
    }
    "pipe" {
        "pipe_round_trip", "pipe round trip", "round trip", "pipe_pingpong.1B", "";
    }
    "pager" {
        "external_pager_page", "external pager, a page", "fault", "uffd_missing_copy.process", "fault_to_handler.copy_4K";
        "external_pager_64k", "external pager, 64 KiB", "64 KiB", "uffd_missing_copy_64K.process", "";
    }
    "swap" {
        "swap_out", "swap-out", "page", "swap_zram.pageout.half_random", "";
        "swap_in", "swap-in", "page", "swap_zram.swapin_read.half_random", "";
    }
    "sigsegv" {
        "sigsegv_handler", "SIGSEGV, handler, return", "fault", "sigsegv.fault+handler+return", "";
    }
    "entries10" {
        "mmap_munmap_10_entries", "mmap + munmap, 10 entries", "pair", "vmas10.mmap+munmap_kernel_addr", "";
        "mmap_munmap_hole_10_entries", "the same, into a hole", "pair", "vmas10.mmap+munmap_random_hole", "";
    }
    "entries1000" {
        "mmap_munmap_1000_entries", "mmap + munmap, 1000 entries", "pair", "vmas1000.mmap+munmap_kernel_addr", "";
        "mmap_munmap_hole_1000_entries", "the same, into a hole", "pair", "vmas1000.mmap+munmap_random_hole", "";
    }
    "entries100000" {
        "mmap_munmap_100000_entries", "mmap + munmap, 100000 entries", "pair", "vmas100000.mmap+munmap_kernel_addr", "";
        "mmap_munmap_hole_100000_entries", "the same, into a hole", "pair", "vmas100000.mmap+munmap_random_hole", "";
    }
}

/// Pages of 64 MiB.
const PAGES_OF_64M: f64 = 16384.0;

/// The groups, by name.
pub(crate) fn groups() -> Vec<&'static str> {
    let groups: BTreeSet<_> = ROWS.iter().map(|row| row.group).collect();
    groups.into_iter().collect()
}

/// Adds the rows that follow from others: a fork call's cost for each touched page.
pub(crate) fn derive(measured: &mut Measured) {
    let rows = &mut measured.rows;
    let (Some(small), Some(large)) = (rows.get("fork_call"), rows.get("fork_call_64m")) else {
        return;
    };
    let per_page = |large: f64, small: f64| ((large - small) / PAGES_OF_64M).max(0.0);
    let sample = Sample {
        median: per_page(large.median, small.median),
        least: per_page(large.least, small.most),
        most: per_page(large.most, small.least),
    };
    rows.insert("fork_call_page".to_owned(), sample);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::peers;

    #[test]
    fn names_are_unique_and_every_peer_has_a_figure() {
        let names: BTreeSet<_> = ROWS.iter().map(|row| row.name).collect();
        assert_eq!(names.len(), ROWS.len());
        for row in ROWS {
            assert_eq!(
                peers::linux(row.linux).is_some(),
                !row.linux.is_empty(),
                "{}",
                row.name
            );
            assert_eq!(
                peers::sel4(row.sel4).is_some(),
                !row.sel4.is_empty(),
                "{}",
                row.name
            );
        }
    }

    #[test]
    fn every_row_is_printed_by_the_guests_program() {
        let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/../userland/bench/src");
        let sources: String = std::fs::read_dir(directory)
            .unwrap()
            .map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap())
            .collect();
        for row in ROWS.iter().filter(|row| row.name != "fork_call_page") {
            assert!(
                sources.contains(&format!("\"{}\"", row.name)),
                "{}",
                row.name
            );
            assert!(
                sources.contains(&format!("name: \"{}\"", row.group)),
                "{}",
                row.group
            );
        }
    }
}

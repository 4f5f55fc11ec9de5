//! The list of tests inside QEMU.
//!
//! Each row is a command for the guest and the machines it runs on. A test program under `userland/tests` needs
//! no row: without one it runs as [`GuestTest::PROGRAM`] says, on every page size with 1, 2 and 4 processors. A row is for a
//! program that wants something else, and for commands that are no test programs.

use super::files::{Content, HostFile};
use crate::machine::{Gic, PageSize};

/// One test and the machines it runs on.
#[derive(Debug, Clone)]
pub(crate) struct GuestTest {
    /// What the table of verdicts calls it.
    pub(crate) name: &'static str,
    /// What the guest's shell runs.
    pub(crate) command: &'static str,
    /// How it says whether it went well.
    pub(crate) verdict: Verdict,
    /// Texts that the console must show, besides; `{sha256:NAME}` stands for the sum of a prepared file.
    pub(crate) expect: &'static [&'static str],
    /// The kernels it runs on.
    pub(crate) page_sizes: &'static [PageSize],
    /// One boot for each of these numbers of processors.
    pub(crate) cpus: &'static [u32],
    /// RAM.
    pub(crate) memory: &'static str,
    /// Size of the swap disk, or `none`.
    pub(crate) swap: &'static str,
    /// Processor model.
    pub(crate) cpu: &'static str,
    /// Interrupt controller.
    pub(crate) gic: Gic,
    /// Files in `/share`.
    pub(crate) files: &'static [HostFile],
    /// Whose directory `/share` is.
    pub(crate) share: SharedDirectory,
    /// More words for the kernel.
    pub(crate) bootargs: &'static [&'static str],
    /// Seconds until it counts as a hang.
    pub(crate) timeout: u64,
    /// Count instructions instead of time: for one processor.
    pub(crate) icount: bool,
    /// Left out by `--quick`.
    pub(crate) slow: bool,
}

/// How a test says whether it went well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// By `test NAME ... ok` lines and a last `verdict:` line; the exit status must agree.
    Lines,
    /// By ending with this status.
    Status(u8),
    /// As a benchmark: by ending well and printing every row; these groups of rows may say that they are not built yet.
    Rows {
        /// Their names.
        not_yet: &'static [&'static str],
    },
}

/// What `/share` is in a test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SharedDirectory {
    /// The prepared files, read-only.
    Prepared,
    /// An empty directory of the boot's own. Each line `host file NAME SHA256` on the console must be true of it afterwards.
    Fresh,
}

impl GuestTest {
    /// A test program on all machines.
    pub(crate) const PROGRAM: Self = Self {
        name: "",
        command: "",
        verdict: Verdict::Lines,
        expect: &[],
        page_sizes: &PageSize::BOTH,
        cpus: &[1, 2, 4],
        memory: "512M",
        swap: "2G",
        cpu: "max",
        gic: Gic::V3,
        files: &[],
        share: SharedDirectory::Prepared,
        bootargs: &["test=1"],
        timeout: 180,
        icount: false,
        slow: false,
    };

    /// An ordinary command on the usual machine, judged by its status and what it prints.
    const COMMAND: Self = Self {
        verdict: Verdict::Status(0),
        cpus: &[2],
        ..Self::PROGRAM
    };
}

const EMPTY: HostFile = HostFile {
    name: "empty",
    size: 0,
    content: Content::Random,
};
const ONE_BYTE: HostFile = HostFile {
    name: "one",
    size: 1,
    content: Content::Random,
};
const PAGE_MINUS_ONE_4K: HostFile = HostFile {
    name: "page4k",
    size: 4095,
    content: Content::Random,
};
const PAGE_MINUS_ONE_16K: HostFile = HostFile {
    name: "page16k",
    size: 16383,
    content: Content::Random,
};
const LARGE: HostFile = HostFile {
    name: "large",
    size: 100 << 20,
    content: Content::Random,
};
const LARGER_THAN_MEMORY: HostFile = HostFile {
    name: "larger",
    size: 600 << 20,
    content: Content::Random,
};

/// No block on the host's disk, and more than any memory.
const SPARSE: HostFile = HostFile {
    name: "sparse50",
    size: 50 << 30,
    content: Content::Sparse,
};

/// The tests with a row of their own, quick ones first.
pub(crate) const TABLE: &[GuestTest] = &[
    GuestTest {
        name: "scheduler, heap and timers",
        // The self-test ends before there is a shell.
        command: "true",
        verdict: Verdict::Lines,
        cpus: &[1, 2, 4],
        bootargs: &["selftest=1"],
        ..GuestTest::COMMAND
    },
    GuestTest {
        name: "jit",
        command: "/tests/jit",
        expect: &[
            "killed: code signing, invalid page (reason 2)",
            "killed: exec, security policy (reason 8): Unsigned",
        ],
        ..GuestTest::PROGRAM
    },
    GuestTest {
        name: "a signed program runs",
        command: "/tests/victim code",
        ..GuestTest::COMMAND
    },
    GuestTest {
        name: "sums of small files",
        command: "sha256sum /share/empty /share/one /share/page4k /share/page16k",
        files: &[EMPTY, ONE_BYTE, PAGE_MINUS_ONE_4K, PAGE_MINUS_ONE_16K],
        expect: &[
            "{sha256:empty}  /share/empty",
            "{sha256:one}  /share/one",
            "{sha256:page4k}  /share/page4k",
            "{sha256:page16k}  /share/page16k",
        ],
        ..GuestTest::COMMAND
    },
    GuestTest {
        name: "sums of small files by read",
        command: "sha256sum --read /share/empty /share/one /share/page4k /share/page16k",
        files: &[EMPTY, ONE_BYTE, PAGE_MINUS_ONE_4K, PAGE_MINUS_ONE_16K],
        expect: &[
            "{sha256:empty}",
            "{sha256:one}",
            "{sha256:page4k}",
            "{sha256:page16k}",
        ],
        ..GuestTest::COMMAND
    },
    GuestTest {
        name: "sum of 100 MiB through a mapping",
        command: "sha256sum /share/large",
        files: &[LARGE],
        expect: &["{sha256:large}  /share/large"],
        timeout: 240,
        slow: true,
        ..GuestTest::COMMAND
    },
    GuestTest {
        name: "sum of 100 MiB by read",
        command: "sha256sum --read /share/large",
        files: &[LARGE],
        expect: &["{sha256:large}  /share/large"],
        timeout: 240,
        slow: true,
        ..GuestTest::COMMAND
    },
    GuestTest {
        name: "sum of 600 MiB in 256 MiB of memory",
        command: "sha256sum /share/larger",
        files: &[LARGER_THAN_MEMORY],
        expect: &["{sha256:larger}  /share/larger"],
        memory: "256M",
        timeout: 600,
        slow: true,
        ..GuestTest::COMMAND
    },
    GuestTest {
        name: "exit status reaches the host",
        command: "exit 3",
        verdict: Verdict::Status(3),
        cpus: &[1, 2, 4],
        ..GuestTest::COMMAND
    },
    GuestTest {
        name: "mmapwalk",
        command: "mmapwalk /share/large 100",
        files: &[LARGE],
        expect: &[
            "memory_object_data_request",
            "pmap_enter",
            "one and the same object",
            "the original is untouched",
        ],
        ..GuestTest::COMMAND
    },
    GuestTest {
        name: "writing files in memory",
        command: "/tests/writing /tmp",
        ..GuestTest::PROGRAM
    },
    GuestTest {
        name: "writing files of the host",
        command: "/tests/writing /share",
        share: SharedDirectory::Fresh,
        ..GuestTest::PROGRAM
    },
    GuestTest {
        name: "a sparse file of 50 GiB",
        command: "/tests/sparse_file /share/sparse50",
        files: &[SPARSE],
        cpus: &[2],
        ..GuestTest::PROGRAM
    },
    GuestTest {
        name: "four times the memory",
        command: "/tests/swap",
        memory: "128M",
        cpus: &[2],
        timeout: 900,
        slow: true,
        ..GuestTest::PROGRAM
    },
    GuestTest {
        name: "a file larger than memory",
        command: "/tests/memory_and_file 1024",
        // Each of the two long rows on one page size; the third, short one on both.
        page_sizes: &[PageSize::Size4K],
        expect: &["host file m-large "],
        memory: "128M",
        cpus: &[2],
        share: SharedDirectory::Fresh,
        timeout: 900,
        slow: true,
        ..GuestTest::PROGRAM
    },
    GuestTest {
        name: "memory and a file, with a fork",
        command: "/tests/memory_and_file 1024 512",
        page_sizes: &[PageSize::Size16K],
        expect: &["host file m-large "],
        memory: "128M",
        cpus: &[2],
        share: SharedDirectory::Fresh,
        timeout: 1200,
        slow: true,
        ..GuestTest::PROGRAM
    },
    GuestTest {
        name: "less memory, a smaller file, a fork",
        command: "/tests/memory_and_file 160 96",
        expect: &["host file m-large "],
        memory: "128M",
        cpus: &[2],
        share: SharedDirectory::Fresh,
        timeout: 400,
        ..GuestTest::PROGRAM
    },
    GuestTest {
        name: "out of memory without swap",
        command: "/tests/out_of_memory",
        expect: &["killed: out of memory"],
        memory: "128M",
        swap: "none",
        timeout: 400,
        ..GuestTest::PROGRAM
    },
    GuestTest {
        name: "out of memory with a full swap disk",
        command: "/tests/out_of_memory",
        expect: &["killed: out of memory"],
        memory: "128M",
        swap: "64M",
        cpus: &[2],
        timeout: 600,
        slow: true,
        ..GuestTest::PROGRAM
    },
    GuestTest {
        name: "death of the anonymous pager",
        command: "/boot/tests/swap_death",
        expect: &["init: the anonymous pager has ended"],
        memory: "128M",
        cpus: &[2],
        timeout: 900,
        slow: true,
        ..GuestTest::PROGRAM
    },
    GuestTest {
        name: "hostile programs",
        command: "/tests/hostile",
        cpus: &[2],
        memory: "256M",
        // Where a process may take memory without end, somebody must refuse.
        swap: "none",
        timeout: 400,
        slow: true,
        ..GuestTest::PROGRAM
    },
    GuestTest {
        name: "death of the file server",
        command: "/boot/tests/server_death /share/sparse50",
        files: &[SPARSE],
        bootargs: &["test=1", "shell=/boot/bin/recovery"],
        ..GuestTest::PROGRAM
    },
    GuestTest {
        name: "ten deaths of the file server",
        command: "/boot/tests/server_restart 10",
        expect: &["host file r-own2 ", "host file r-shared "],
        share: SharedDirectory::Fresh,
        bootargs: &["test=1", "shell=/boot/bin/recovery"],
        ..GuestTest::PROGRAM
    },
    GuestTest {
        name: "a hundred deaths of the file server",
        command: "/boot/tests/server_restart 100",
        expect: &["host file r-own2 ", "host file r-shared "],
        cpus: &[2],
        share: SharedDirectory::Fresh,
        bootargs: &["test=1", "shell=/boot/bin/recovery"],
        timeout: 900,
        slow: true,
        ..GuestTest::PROGRAM
    },
    GuestTest {
        name: "rows of the benchmark",
        // No program comes from the host while the clock runs ahead of it.
        command: "/boot/bin/bench --quick --file /ram/bin/sh",
        verdict: Verdict::Rows {
            not_yet: &["sharedwrite", "write", "msync"],
        },
        swap: "none",
        bootargs: &["test=1", "ram-swap=16", "shell=/boot/bin/recovery"],
        page_sizes: &[PageSize::Size4K],
        cpus: &[1],
        cpu: "cortex-a72",
        icount: true,
        ..GuestTest::COMMAND
    },
    GuestTest {
        name: "boot with GICv2",
        command: "true",
        gic: Gic::V2,
        ..GuestTest::COMMAND
    },
    GuestTest {
        name: "boot on Cortex-A76",
        command: "true",
        cpu: "cortex-a76",
        ..GuestTest::COMMAND
    },
    GuestTest {
        name: "boot on Neoverse N1",
        command: "true",
        cpu: "neoverse-n1",
        ..GuestTest::COMMAND
    },
    GuestTest {
        name: "boot on Cortex-A72",
        command: "true",
        cpu: "cortex-a72",
        page_sizes: &[PageSize::Size4K],
        ..GuestTest::COMMAND
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_rows_are_complete() {
        let mut names: Vec<_> = TABLE.iter().map(|test| test.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), TABLE.len());
        for test in TABLE {
            assert!(!test.name.is_empty() && !test.command.is_empty());
            assert!(
                !test.page_sizes.is_empty() && !test.cpus.is_empty(),
                "{}",
                test.name
            );
            assert!(
                test.memory.parse::<crate::machine::Memory>().is_ok(),
                "{}",
                test.name
            );
            assert!(
                test.swap.parse::<crate::machine::SwapSize>().is_ok(),
                "{}",
                test.name
            );
        }
    }

    #[test]
    fn every_sum_belongs_to_a_prepared_file_and_every_file_is_used() {
        for test in TABLE {
            for file in test.files {
                assert!(
                    test.command.contains(&format!("/share/{}", file.name)),
                    "{}",
                    test.name
                );
            }
            for expected in test.expect {
                let Some((_, rest)) = expected.split_once("{sha256:") else {
                    continue;
                };
                let name = rest.split('}').next().unwrap();
                assert!(
                    test.files.iter().any(|file| file.name == name),
                    "{}: {name}",
                    test.name
                );
            }
        }
    }

    #[test]
    fn instruction_counting_tests_have_one_processor() {
        assert!(TABLE.iter().all(|test| !test.icount || test.cpus == [1]));
    }
}

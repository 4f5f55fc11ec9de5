//! The BSD ABI against the table taken from XNU, and the layouts against C's.

use bsd_sys::signal::Signal;
use bsd_sys::signal::{KernelSigaction, Mcontext, Sigaction, SignalInfo, Ucontext};
use bsd_sys::stat::{RawStat, Stat};
use bsd_sys::termios::Termios;
use bsd_sys::wait::WaitStatus;
use bsd_sys::{Errno, dirent, syscall};
use core::mem::offset_of;

const TABLE: &str = include_str!("data/bsd.tsv");

#[test]
fn call_numbers_names_and_argument_counts_are_xnus() {
    let mut rows = 0;
    for line in TABLE.lines().skip(1) {
        let mut columns = line.split('\t');
        let number: u32 = columns.next().unwrap().parse().unwrap();
        let name = columns.next().unwrap();
        let count: u8 = columns.nth(2).unwrap().parse().unwrap();
        let ours = syscall::find(number).unwrap_or_else(|| panic!("{number} {name} is missing"));
        assert_eq!((ours.name, ours.arguments), (name, count), "{number}");
        rows += 1;
    }
    assert_eq!(rows, syscall::TABLE.len());
    assert!(syscall::TABLE.iter().all(|row| row.number <= syscall::MAX));
    assert_eq!(
        (syscall::MMAP, syscall::WAIT4, syscall::OPENAT),
        (197, 7, 463)
    );
}

#[test]
fn structures_have_darwins_sizes_and_offsets() {
    assert_eq!(RawStat::SIZE, 144);
    assert_eq!(
        (offset_of!(RawStat, ino), offset_of!(RawStat, times)),
        (8, 32)
    );
    assert_eq!(
        (offset_of!(RawStat, size), offset_of!(RawStat, blksize)),
        (96, 112)
    );
    assert_eq!(
        (SignalInfo::SIZE, Sigaction::SIZE, KernelSigaction::SIZE),
        (104, 16, 24)
    );
    assert_eq!(offset_of!(SignalInfo, address), 24);
    assert_eq!((Ucontext::SIZE, Mcontext::SIZE), (56, 816));
    assert_eq!(offset_of!(Mcontext, v), 288);
    assert_eq!(Termios::SIZE, 72);
    assert_eq!(bsd_sys::resource::Rusage::SIZE, 144);
}

#[test]
fn a_structure_survives_being_bytes() {
    let stat = Stat {
        ino: 0x1122_3344_5566,
        size: -1,
        nlink: 7,
        ..Stat::default()
    };
    let bytes = stat.to_bytes();
    assert_eq!(bytes[8..14], [0x66, 0x55, 0x44, 0x33, 0x22, 0x11]);
    assert_eq!(Stat::from_bytes(&bytes), Some(stat));
    assert_eq!(Stat::from_bytes(&bytes[1..]), None);
}

#[test]
fn directory_records_are_written_and_read_back() {
    let names: [&[u8]; 3] = [b".", b"a name", &[b'x'; 255]];
    let mut buffer = [0; 1024];
    let mut at = 0;
    for (index, name) in names.iter().enumerate() {
        let entry = dirent::Dirent {
            ino: index as u64 + 1,
            seekoff: 9,
            kind: dirent::kind::REG,
            name,
        };
        at += entry.write(&mut buffer[at..]).unwrap();
        assert!(at.is_multiple_of(8));
    }
    let found: Vec<_> = dirent::entries(&buffer[..at]).collect();
    assert_eq!(found.len(), 3);
    assert!(
        found
            .iter()
            .zip(names)
            .all(|(entry, name)| entry.name == name)
    );
    let entry = dirent::Dirent {
        name: names[2],
        ..found[0]
    };
    assert_eq!(entry.write(&mut [0; 64]), None);
}

#[test]
fn hostile_directory_records_end_the_iteration() {
    let mut state = 1u64;
    for _ in 0..2000 {
        let bytes: Vec<u8> = (0..64)
            .map(|_| {
                state = state
                    .wrapping_mul(6364136223846793005)
                    .wrapping_add(1442695040888963407);
                if state & 0x30_0000 == 0 {
                    (state >> 40) as u8
                } else {
                    0
                }
            })
            .collect();
        assert!(dirent::entries(&bytes).count() <= 3);
    }
}

#[test]
fn wait_status_tells_exit_signal_and_stop_apart() {
    for status in [
        WaitStatus::Exited(3),
        WaitStatus::Signalled(Signal::SEGV),
        WaitStatus::Stopped(Signal::STOP),
    ] {
        assert_eq!(WaitStatus::from_raw(status.raw()), Some(status));
    }
    assert_eq!(WaitStatus::Exited(3).raw(), 0x300);
    assert_eq!(WaitStatus::Signalled(Signal::SEGV).shell_status(), 139);
    assert_eq!(WaitStatus::Stopped(Signal::STOP).raw(), 0x117f);
    assert_eq!(WaitStatus::from_raw(0x7e), None);
}

#[test]
fn errors_have_names_and_texts() {
    assert_eq!(Errno::ENOENT.to_string(), "No such file or directory");
    assert_eq!(format!("{:?}", Errno(35)), "EAGAIN");
    assert_eq!(Errno(999).to_string(), "Unknown error: 999");
}

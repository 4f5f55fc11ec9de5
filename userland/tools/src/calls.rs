//! System calls in words: what `syscalltrace` prints of their arguments and results.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use bsd_sys::fcntl::OpenFlags;
use bsd_sys::mman::{MapFlags, MsyncFlags, Prot};
use bsd_sys::signal::Signal;
use bsd_sys::{Errno, syscall, wait};
use mach::message::MsgOptions;
use mach::port::PortRight;
use mach::{KernReturn, traps};

/// What an argument is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    /// A signed number.
    Int,
    /// A number of bytes.
    Size,
    /// An address, or whatever.
    Hex,
    /// A path, read by the kernel.
    Path,
    Open,
    /// Permissions.
    Octal,
    Prot,
    Map,
    Msync,
    Advice,
    Signal,
    Whence,
    Fcntl,
    Wait,
    /// The name of a port.
    Port,
    /// `mach_port_allocate`'s.
    Right,
    MsgOptions,
}

use Kind::{
    Advice, Fcntl, Hex, Int, Map, Msync, Octal, Open, Path, Port, Right, Size, Wait, Whence,
};

/// The arguments of a BSD call; addresses, if nothing better is known.
fn bsd_kinds(number: u32) -> Option<&'static [Kind]> {
    Some(match number {
        syscall::EXIT | syscall::CLOSE | syscall::DUP | syscall::FSYNC => &[Int],
        syscall::READ | syscall::WRITE | syscall::READ_NOCANCEL | syscall::WRITE_NOCANCEL => {
            &[Int, Hex, Size]
        }
        syscall::PREAD | syscall::PWRITE => &[Int, Hex, Size, Int],
        syscall::OPEN | syscall::OPEN_NOCANCEL => &[Path, Open, Octal],
        syscall::WAIT4 => &[Int, Hex, Wait, Hex],
        syscall::LINK | syscall::RENAME | syscall::SYMLINK => &[Path, Path],
        syscall::UNLINK | syscall::CHDIR | syscall::RMDIR => &[Path],
        syscall::CHMOD | syscall::MKDIR | syscall::ACCESS => &[Path, Octal],
        syscall::STAT64 | syscall::LSTAT64 | syscall::UTIMES | syscall::STATFS64 => &[Path, Hex],
        syscall::READLINK => &[Path, Hex, Size],
        syscall::TRUNCATE => &[Path, Int],
        syscall::EXECVE => &[Path, Hex, Hex],
        syscall::KILL => &[Int, Kind::Signal, Int],
        syscall::DUP2 => &[Int, Int],
        syscall::FCNTL => &[Int, Fcntl, Hex],
        syscall::IOCTL | syscall::FCHMOD | syscall::FSTAT64 | syscall::FUTIMES => &[Int, Hex, Hex],
        syscall::FTRUNCATE => &[Int, Int],
        syscall::FSCTL => &[Path, Hex, Hex, Int],
        syscall::LSEEK => &[Int, Int, Whence],
        syscall::SETPGID => &[Int, Int],
        syscall::UMASK => &[Octal],
        syscall::MMAP => &[Hex, Size, Kind::Prot, Map, Int, Hex],
        syscall::MUNMAP | syscall::MLOCK | syscall::MUNLOCK => &[Hex, Size],
        syscall::MPROTECT => &[Hex, Size, Kind::Prot],
        syscall::MADVISE => &[Hex, Size, Advice],
        syscall::MINCORE => &[Hex, Size, Hex],
        syscall::MSYNC => &[Hex, Size, Msync],
        syscall::GETDIRENTRIES64 => &[Int, Hex, Size, Hex],
        syscall::SIGACTION => &[Kind::Signal, Hex, Hex],
        syscall::PROC_INFO => &[Int, Int, Int, Hex, Hex, Size],
        _ => return None,
    })
}

/// The arguments of a Mach trap.
fn trap_kinds(number: i32) -> Option<&'static [Kind]> {
    Some(match number {
        traps::MACH_VM_ALLOCATE => &[Port, Hex, Size, Hex],
        traps::MACH_VM_DEALLOCATE => &[Port, Hex, Size],
        traps::MACH_VM_PROTECT => &[Port, Hex, Size, Int, Kind::Prot],
        traps::MACH_VM_MAP => &[Port, Hex, Size, Hex, Hex, Kind::Prot],
        traps::MACH_PORT_ALLOCATE => &[Port, Right, Hex],
        traps::MACH_PORT_DEALLOCATE => &[Port, Port],
        traps::MACH_PORT_MOD_REFS => &[Port, Port, Right, Int],
        traps::MACH_PORT_INSERT_RIGHT => &[Port, Port, Port, Int],
        traps::MACH_PORT_INSERT_MEMBER | traps::MACH_PORT_EXTRACT_MEMBER => &[Port, Port, Port],
        traps::MACH_PORT_MOVE_MEMBER => &[Port, Port, Port],
        traps::MACH_PORT_TYPE => &[Port, Port, Hex],
        traps::MACH_MSG => &[Hex, Kind::MsgOptions, Size, Size, Port, Int, Port],
        traps::TASK_FOR_PID => &[Port, Int, Hex],
        traps::PID_FOR_TASK => &[Port, Hex],
        traps::MACH_WAIT_UNTIL => &[Int],
        _ => return None,
    })
}

/// The call's name.
pub fn name(number: i32) -> String {
    let known = if number < 0 {
        traps::find(number).map(|trap| trap.name)
    } else {
        syscall::find(number as u32).map(|call| call.name)
    };
    match (known, number) {
        (Some(name), _) => name.to_string(),
        (None, traps::ABSOLUTE_TIME) => "mach_absolute_time".to_string(),
        (None, traps::CONTINUOUS_TIME) => "mach_continuous_time".to_string(),
        (None, number) if number < 0 => format!("trap {number}"),
        (None, number) => format!("syscall {number}"),
    }
}

/// The arguments, separated by commas; `paths` are those that the kernel read, in their order.
pub fn arguments(number: i32, words: &[u64], paths: &[String]) -> String {
    let (count, kinds) = if number < 0 {
        let known = traps::find(number).map(|trap| trap.arguments);
        (known.unwrap_or(0), trap_kinds(number))
    } else {
        let known = syscall::find(number as u32).map(|call| call.arguments);
        (known.unwrap_or(3), bsd_kinds(number as u32))
    };
    // What is decoded tells how many there are in truth: the mode of an `open` that makes nothing means nothing.
    let mut count = usize::from(count);
    if matches!(number as u32, syscall::OPEN | syscall::OPEN_NOCANCEL)
        && !words.get(1).is_some_and(|flags| makes(*flags))
    {
        count = 2;
    }
    let mut paths = paths.iter();
    let texts: Vec<String> = words
        .iter()
        .take(count)
        .enumerate()
        .map(|(index, word)| {
            let kind = kinds.and_then(|kinds| kinds.get(index)).copied();
            match kind.unwrap_or(Hex) {
                Path => paths
                    .next()
                    .map_or_else(|| argument(Hex, *word), |path| format!("{path:?}")),
                kind => argument(kind, *word),
            }
        })
        .collect();
    texts.join(", ")
}

fn makes(flags: u64) -> bool {
    OpenFlags::from_bits_retain(flags as u32).contains(OpenFlags::CREAT)
}

/// A call's result.
pub fn result(number: i32, first: u64, code: u64, second: u64) -> String {
    if number < 0 {
        return match traps::find(number) {
            Some(trap) if trap.returns_port => format!("{first:#x}"),
            None => format!("{first}"),
            Some(_) => KernReturn(first as i32).to_string(),
        };
    }
    let errno = Errno::from_raw(code as i32);
    match (errno.name(), number as u32) {
        (Some(name), _) => format!("-1 {name} ({errno})"),
        (None, syscall::MMAP) => format!("{first:#x}"),
        (None, syscall::PIPE) => format!("0 [{first}, {second}]"),
        (None, _) => format!("{}", first as i64),
    }
}

/// Names of the bits that are set, the rest as a number.
fn bits(
    value: u32,
    zero: &str,
    prefix: &str,
    names: impl Iterator<Item = (&'static str, u32)>,
) -> String {
    let mut left = value;
    let mut found: Vec<String> = Vec::new();
    for (name, bit) in names {
        if bit != 0 && left & bit == bit {
            left &= !bit;
            found.push(format!("{prefix}{name}"));
        }
    }
    if left != 0 {
        found.push(format!("{left:#x}"));
    }
    if found.is_empty() {
        String::from(zero)
    } else {
        found.join("|")
    }
}

macro_rules! named_bits {
    ($flags:ty) => {
        <$flags as bitflags::Flags>::FLAGS
            .iter()
            .filter(|flag| flag.is_named())
            .map(|flag| (flag.name(), flag.value().bits()))
    };
}

fn open_flags(value: u32) -> String {
    let access = OpenFlags::from_bits_retain(value) & OpenFlags::ACCMODE;
    let (mode, rest) = (
        match access.bits() {
            0 => "O_RDONLY",
            1 => "O_WRONLY",
            2 => "O_RDWR",
            _ => "O_ACCMODE",
        },
        value & !OpenFlags::ACCMODE.bits(),
    );
    match bits(rest, "", "O_", named_bits!(OpenFlags)) {
        rest if rest.is_empty() => String::from(mode),
        rest => format!("{mode}|{rest}"),
    }
}

fn of_list(value: i64, names: &[(i64, &str)]) -> String {
    let known = names.iter().find(|(number, _)| *number == value);
    known.map_or_else(|| format!("{value}"), |(_, name)| String::from(*name))
}

fn argument(kind: Kind, word: u64) -> String {
    use bsd_sys::mman::advice;
    let low = word as u32;
    match kind {
        Int if word > u64::from(u32::MAX) || word <= i32::MAX as u64 => format!("{}", word as i64),
        Int => format!("{}", low as i32),
        Size => format!("{word}"),
        Hex | Path if word == 0 => String::from("0"),
        Hex | Path | Port => format!("{word:#x}"),
        Open => open_flags(low),
        Octal => format!("{low:#o}"),
        Kind::Prot => bits(low, "PROT_NONE", "PROT_", named_bits!(Prot)),
        Map => bits(
            low & !MapFlags::UNIX03.bits(),
            "MAP_FILE",
            "MAP_",
            named_bits!(MapFlags),
        ),
        Msync => bits(low, "0", "MS_", named_bits!(MsyncFlags)),
        Kind::MsgOptions => bits(
            low,
            "MACH_MSG_OPTION_NONE",
            "MACH_",
            named_bits!(MsgOptions),
        ),
        Advice => of_list(
            word as i64,
            &[
                (advice::NORMAL.into(), "MADV_NORMAL"),
                (advice::RANDOM.into(), "MADV_RANDOM"),
                (advice::SEQUENTIAL.into(), "MADV_SEQUENTIAL"),
                (advice::WILLNEED.into(), "MADV_WILLNEED"),
                (advice::DONTNEED.into(), "MADV_DONTNEED"),
                (advice::FREE.into(), "MADV_FREE"),
            ],
        ),
        Kind::Signal => match Signal::new(low as i32) {
            Some(signal) => String::from(signal.name()),
            None => format!("{}", low as i32),
        },
        Whence => of_list(
            word as i64,
            &[(0, "SEEK_SET"), (1, "SEEK_CUR"), (2, "SEEK_END")],
        ),
        Fcntl => of_list(
            word as i64,
            &[
                (0, "F_DUPFD"),
                (1, "F_GETFD"),
                (2, "F_SETFD"),
                (3, "F_GETFL"),
                (4, "F_SETFL"),
                (50, "F_GETPATH"),
                (51, "F_FULLFSYNC"),
                (67, "F_DUPFD_CLOEXEC"),
            ],
        ),
        Wait => {
            let names = [
                ("WNOHANG", wait::WNOHANG as u32),
                ("WUNTRACED", wait::WUNTRACED as u32),
                ("WCONTINUED", wait::WCONTINUED as u32),
            ];
            bits(low, "0", "", names.into_iter())
        }
        Right => match PortRight::from_raw(low) {
            Some(right) => format!("{right:?}"),
            None => format!("{low}"),
        },
    }
}

/// What a message asks for, or `None` for an id nobody knows; an answer is the request's id and 100.
pub fn message(id: i32) -> Option<&'static str> {
    use mach::defs;
    [
        defs::mach_vm::LAYOUT,
        defs::vm_map::LAYOUT,
        defs::mach_port::LAYOUT,
        defs::task::LAYOUT,
        defs::thread_act::LAYOUT,
        defs::mach_host::LAYOUT,
        defs::host_priv::LAYOUT,
        defs::memory_entry::LAYOUT,
        defs::trace::LAYOUT,
        defs::pager::LAYOUT,
        defs::pager_control::LAYOUT,
        defs::device::LAYOUT,
        defs::file_server::LAYOUT,
    ]
    .iter()
    .flat_map(|layout| layout.iter())
    .find(|routine| routine.id == id)
    .map(|routine| routine.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_named() {
        let path = [String::from("/etc/motd")];
        assert_eq!(
            arguments(syscall::OPEN as i32, &[0x1000, 0x601, 0o644], &path),
            "\"/etc/motd\", O_WRONLY|O_CREAT|O_TRUNC, 0o644"
        );
        assert_eq!(
            arguments(syscall::OPEN as i32, &[0x1000, 0, 7], &path),
            "\"/etc/motd\", O_RDONLY"
        );
        assert_eq!(
            arguments(
                syscall::MMAP as i32,
                &[0, 16384, 3, 0x1002, u64::MAX, 0, 9],
                &[]
            ),
            "0, 16384, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0"
        );
        assert_eq!(
            arguments(syscall::MPROTECT as i32, &[0x4000, 1, 0], &[]),
            "0x4000, 1, PROT_NONE"
        );
        assert_eq!(
            arguments(syscall::KILL as i32, &[0xffff_fffe, 9, 1], &[]),
            "-2, SIGKILL, 1"
        );
    }

    #[test]
    fn a_path_that_could_not_be_read_is_an_address() {
        assert_eq!(arguments(syscall::CHDIR as i32, &[0x123], &[]), "0x123");
    }

    #[test]
    fn results_are_values_or_names_of_errors() {
        let read = syscall::READ as i32;
        assert_eq!(result(read, 17, 0, 0), "17");
        assert_eq!(
            result(read, 0, 2, 0),
            "-1 ENOENT (No such file or directory)"
        );
        assert_eq!(result(syscall::MMAP as i32, 0x4000, 0, 0), "0x4000");
        assert_eq!(result(syscall::PIPE as i32, 3, 0, 4), "0 [3, 4]");
        assert_eq!(result(traps::TASK_SELF, 0x103, 0, 0), "0x103");
        assert_eq!(result(traps::MACH_VM_MAP, 0, 0, 0), "KERN_SUCCESS");
    }

    #[test]
    fn every_number_has_a_name() {
        assert_eq!(name(syscall::GETPID as i32), "getpid");
        assert_eq!(name(traps::MACH_MSG2), "mach_msg2_trap");
        assert_eq!(name(-3), "mach_absolute_time");
        assert_eq!(name(9999), "syscall 9999");
        assert_eq!(message(3200), Some("mach_port_names"));
        for number in -128..600 {
            for word in [0, 1, u64::MAX, 0xffff_ffff] {
                let _ = (
                    arguments(number, &[word; 7], &[]),
                    result(number, word, word, word),
                );
            }
        }
    }
}

//! `sysctl`: what the kernel says of itself and the machine, by number or by name. Nothing can be set.
//!
//! XNU counterpart: `bsd/kern/kern_sysctl.c`, `kern_newsysctl.c`, `kern_mib.c`.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use bsd_sys::errno::Errno;
use bsd_sys::limits::ARG_MAX;
use bsd_sys::sysctl as name;
use kern::host;
use machine::page::PAGE_SIZE;
use prim::frames;

use crate::proc::MAX_PROCS;
use crate::sysent::{Call, DONE, Outcome};

/// The longest list of numbers.
#[doc(alias = "CTL_MAXNAME")]
const NUMBERS_MAX: u64 = 12;
/// The longest name.
const NAME_MAX: u64 = 256;

/// A value.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Value {
    Int(i32),
    Long(u64),
    Text(String),
}

impl Value {
    /// As a program reads it; a text ends in NUL.
    fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Int(value) => value.to_le_bytes().to_vec(),
            Self::Long(value) => value.to_le_bytes().to_vec(),
            Self::Text(text) => text.bytes().chain([0]).collect(),
        }
    }
}

/// A row: the name, its numbers (none for what has only a name), and the value.
type Row = (&'static str, [i32; 2], fn() -> Value);

/// No numbers.
const UNNUMBERED: [i32; 2] = [0, 0];

/// Everything there is.
const TABLE: &[Row] = &[
    ("kern.ostype", [name::CTL_KERN, name::KERN_OSTYPE], || {
        Value::Text("Pagoda".into())
    }),
    (
        "kern.osrelease",
        [name::CTL_KERN, name::KERN_OSRELEASE],
        || Value::Text(env!("CARGO_PKG_VERSION").into()),
    ),
    ("kern.version", [name::CTL_KERN, name::KERN_VERSION], || {
        Value::Text(version())
    }),
    (
        "kern.hostname",
        [name::CTL_KERN, name::KERN_HOSTNAME],
        || Value::Text("pagoda".into()),
    ),
    ("kern.maxproc", [name::CTL_KERN, name::KERN_MAXPROC], || {
        Value::Int(MAX_PROCS as i32)
    }),
    ("kern.argmax", [name::CTL_KERN, name::KERN_ARGMAX], || {
        Value::Int(ARG_MAX as i32)
    }),
    ("hw.machine", [name::CTL_HW, name::HW_MACHINE], || {
        Value::Text("arm64".into())
    }),
    ("hw.model", [name::CTL_HW, name::HW_MODEL], || {
        Value::Text("QEMU virt".into())
    }),
    ("hw.ncpu", [name::CTL_HW, name::HW_NCPU], processors),
    (
        "hw.activecpu",
        [name::CTL_HW, name::HW_AVAILCPU],
        processors,
    ),
    ("hw.logicalcpu", UNNUMBERED, processors),
    ("hw.physicalcpu", UNNUMBERED, processors),
    ("hw.byteorder", [name::CTL_HW, name::HW_BYTEORDER], || {
        Value::Int(1234)
    }),
    ("hw.pagesize", [name::CTL_HW, name::HW_PAGESIZE], || {
        Value::Long(PAGE_SIZE as u64)
    }),
    ("hw.memsize", [name::CTL_HW, name::HW_MEMSIZE], || {
        Value::Long(frames::total() as u64 * PAGE_SIZE as u64)
    }),
];

fn processors() -> Value {
    Value::Int(host::processors() as i32)
}

fn version() -> String {
    format!(
        "Pagoda Kernel Version {}: {} KiB pages; {}",
        env!("CARGO_PKG_VERSION"),
        PAGE_SIZE / 1024,
        "Mach-style virtual memory, arm64"
    )
}

/// `sysctl(numbers, count, old, old size, new, new size)`.
///
/// # Errors
/// `ENOENT` for what there is not, `EPERM` for setting, `ENOMEM` for too small a place, `EFAULT`, `EINVAL`.
pub(crate) fn sysctl(call: &mut Call<'_>) -> Outcome {
    let (address, count) = (call.long(0), call.long(1));
    if !(2..=NUMBERS_MAX).contains(&count) {
        return Err(Errno::EINVAL.into());
    }
    let mut numbers = [0; 2];
    for (number, at) in numbers.iter_mut().zip([address, address.wrapping_add(4)]) {
        *number = call.copyin_int(at)?;
    }
    let row = TABLE
        .iter()
        .find(|row| count == 2 && row.1 != UNNUMBERED && row.1 == numbers);
    answer(call, row)
}

/// `sysctlbyname(name, length, old, old size, new, new size)`.
///
/// # Errors
/// As [`sysctl`].
pub(crate) fn sysctlbyname(call: &mut Call<'_>) -> Outcome {
    let (address, length) = (call.long(0), call.long(1));
    if length > NAME_MAX {
        return Err(Errno::ENAMETOOLONG.into());
    }
    let mut name = alloc::vec![0; length as usize];
    call.copyin(address, &mut name)?;
    let wanted = name.strip_suffix(&[0]).unwrap_or(&name);
    answer(call, TABLE.iter().find(|row| row.0.as_bytes() == wanted))
}

fn answer(call: &mut Call<'_>, row: Option<&Row>) -> Outcome {
    let (old, old_size, new) = (call.long(2), call.long(3), call.long(4));
    let row = row.ok_or(Errno::ENOENT)?;
    if new != 0 {
        return Err(Errno::EPERM.into());
    }
    let bytes = row.2().bytes();
    if old_size == 0 {
        return DONE;
    }
    let room = call.copyin_word(old_size)? as usize;
    let mut given = bytes.len();
    if old != 0 {
        given = given.min(room);
        call.copyout(&bytes[..given], old)?;
    }
    call.copyout(&(given as u64).to_le_bytes(), old_size)?;
    if given < bytes.len() {
        return Err(Errno::ENOMEM.into());
    }
    DONE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_and_every_number_is_there_once() {
        for (index, row) in TABLE.iter().enumerate() {
            for other in &TABLE[index + 1..] {
                assert_ne!(row.0, other.0);
                assert!(row.1 == UNNUMBERED || row.1 != other.1, "{}", row.0);
            }
        }
    }

    #[test]
    fn values_are_laid_out_as_programs_read_them() {
        assert_eq!(Value::Int(-2).bytes(), (-2i32).to_le_bytes());
        assert_eq!(Value::Long(1 << 40).bytes(), (1u64 << 40).to_le_bytes());
        assert_eq!(Value::Text("ab".into()).bytes(), b"ab\0");
        assert!(version().contains("Version"));
    }
}

//! What `mmap` checks before it looks at any file, in XNU's order.
//!
//! Pure: arguments in, a [`Plan`] or an errno out. The order matters, since programs see which error comes first; every
//! step names the place in XNU it was read from. XNU counterpart: the first half of `mmap` in `bsd/kern/kern_mman.c` and
//! `mmap_sanitize`.

use bsd_sys::errno::Errno;
use bsd_sys::mman::{MapFlags, Prot};
use mach::VmProt;

/// The arguments of `mmap`, as the program gave them.
#[derive(Clone, Copy, Debug)]
pub struct Arguments {
    /// Where, or a hint.
    pub address: u64,
    /// How many bytes.
    pub length: u64,
    /// `PROT_*`.
    pub protection: u32,
    /// `MAP_*`.
    pub flags: u32,
    /// The file; for anonymous memory -1 or a word of Mach's flags.
    pub descriptor: i32,
    /// Position in the file.
    pub position: u64,
}

/// What is to be mapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// Memory of its own, with Mach's flag word (tag, purgable).
    Anonymous {
        /// `VM_MEMORY_*`.
        tag: u8,
        /// `VM_FLAGS_PURGABLE`.
        purgable: bool,
        /// `VM_FLAGS_4GB_CHUNK`.
        large_chunk: bool,
    },
    /// An open file.
    File {
        /// Its descriptor.
        descriptor: i32,
    },
}

/// A request whose arguments are good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Page aligned: the address when fixed, else a hint.
    pub address: u64,
    /// Whole pages; 0 means that the call succeeds and maps nothing.
    pub size: u64,
    /// Position in the file, page aligned.
    pub offset: u64,
    /// What to add to the mapping's address to give the program the byte it asked for.
    pub slack: u64,
    /// Current protection.
    pub protection: VmProt,
    /// Flags, only known ones.
    pub flags: MapFlags,
    /// What to map.
    pub source: Source,
}

/// `VM_FLAGS_PURGABLE`.
const FLAG_PURGABLE: u32 = 2;
/// `VM_FLAGS_4GB_CHUNK`.
const FLAG_LARGE_CHUNK: u32 = 4;
/// `VM_FLAGS_SUPERPAGE_MASK`.
const FLAG_SUPERPAGE: u32 = 0x7_0000;
/// `VM_FLAGS_ALIAS_MASK`.
const FLAG_ALIAS: u32 = 0xff00_0000;

/// A map's page, for rounding.
#[derive(Clone, Copy, Debug)]
pub struct PageSize(pub u64);

impl PageSize {
    fn mask(self) -> u64 {
        self.0 - 1
    }

    fn trunc(self, value: u64) -> u64 {
        value & !self.mask()
    }

    fn round(self, value: u64) -> Option<u64> {
        value
            .checked_add(self.mask())
            .map(|value| self.trunc(value))
    }
}

/// Checks the arguments of `mmap`.
///
/// # Errors
/// `EINVAL` for nearly everything, `EPERM` for what code signing forbids; see the numbered steps of
/// `docs/xnu/mmap.md`.
pub fn validate(arguments: &Arguments, page: PageSize) -> Result<Plan, Errno> {
    let all_flags = MapFlags::from_bits_retain(arguments.flags);
    let (address, size) = place(arguments, all_flags, page)?;
    let protection = implied(Prot::from_bits_truncate(arguments.protection));
    let flags = MapFlags::from_bits(arguments.flags).ok_or(Errno::EINVAL)?;
    check_sharing(flags)?;
    check_jit(flags)?;
    check_resilience(flags, protection)?;
    check_trusted_path(flags, protection)?;
    if flags.contains(MapFlags::TRANSLATED_ALLOW_EXECUTE) {
        // Only translated programs may ask for it, and there are none.
        return Err(Errno::EINVAL);
    }
    let source = source(arguments, flags)?;
    let position = if matches!(source, Source::Anonymous { .. }) {
        0
    } else {
        arguments.position
    };
    Ok(Plan {
        address,
        size,
        offset: page.trunc(position),
        slack: position & page.mask(),
        protection,
        flags,
        source,
    })
}

/// Address and size (`mmap_sanitize`): an overflow or a misalignment that the flags do not allow is `EINVAL`; a hint is rounded
/// up and is never wrong.
#[doc(alias = "mmap_sanitize")]
fn place(arguments: &Arguments, flags: MapFlags, page: PageSize) -> Result<(u64, u64), Errno> {
    let Arguments {
        address,
        length,
        position,
        ..
    } = *arguments;
    let unix03 = flags.contains(MapFlags::UNIX03);
    let end = position.checked_add(length).ok_or(Errno::EINVAL)?;
    page.round(end).ok_or(Errno::EINVAL)?;
    if unix03 && (length == 0 || position & page.mask() != 0) {
        return Err(Errno::EINVAL);
    }
    let slack = position & page.mask();
    let size = page
        .round(slack.checked_add(length).ok_or(Errno::EINVAL)?)
        .ok_or(Errno::EINVAL)?;
    let size = if length == 0 { 0 } else { size };
    if flags.contains(MapFlags::FIXED) {
        let overflows = address
            .checked_add(length)
            .and_then(|end| page.round(end))
            .is_none();
        if overflows || address & page.mask() != slack {
            return Err(Errno::EINVAL);
        }
        return Ok((page.trunc(address), size));
    }
    Ok((page.round(address).unwrap_or(0), size))
}

/// Writing and executing imply reading, as everywhere on this machine.
#[must_use]
pub fn implied(protection: Prot) -> VmProt {
    let mut vm = VmProt::NONE;
    if !protection.is_empty() {
        vm |= VmProt::READ;
    }
    if protection.contains(Prot::WRITE) {
        vm |= VmProt::WRITE;
    }
    if protection.contains(Prot::EXEC) {
        vm |= VmProt::EXECUTE;
    }
    vm
}

fn check_sharing(flags: MapFlags) -> Result<(), Errno> {
    let says = flags.intersects(MapFlags::PRIVATE | MapFlags::SHARED);
    if flags.contains(MapFlags::UNIX03) && !says {
        Err(Errno::EINVAL)
    } else {
        Ok(())
    }
}

fn check_jit(flags: MapFlags) -> Result<(), Errno> {
    let excluded = MapFlags::FIXED
        | MapFlags::SHARED
        | MapFlags::RESILIENT_CODESIGN
        | MapFlags::RESILIENT_MEDIA
        | MapFlags::TPRO;
    let bad = flags.intersects(excluded) || !flags.contains(MapFlags::ANONYMOUS);
    if flags.contains(MapFlags::JIT) && bad {
        Err(Errno::EINVAL)
    } else {
        Ok(())
    }
}

fn check_resilience(flags: MapFlags, protection: VmProt) -> Result<(), Errno> {
    let excluded = MapFlags::ANONYMOUS | MapFlags::JIT | MapFlags::TPRO;
    if flags.intersects(MapFlags::RESILIENT_CODESIGN | MapFlags::RESILIENT_MEDIA)
        && flags.intersects(excluded)
    {
        return Err(Errno::EINVAL);
    }
    if flags.contains(MapFlags::RESILIENT_CODESIGN) {
        let forbidden = if flags.contains(MapFlags::PRIVATE) {
            VmProt::EXECUTE
        } else {
            VmProt::WRITE | VmProt::EXECUTE
        };
        if protection.intersects(forbidden) {
            return Err(Errno::EPERM);
        }
    }
    Ok(())
}

fn check_trusted_path(flags: MapFlags, protection: VmProt) -> Result<(), Errno> {
    let bad = protection.contains(VmProt::EXECUTE) || !protection.contains(VmProt::WRITE);
    if flags.contains(MapFlags::TPRO) && bad {
        Err(Errno::EPERM)
    } else {
        Ok(())
    }
}

/// For anonymous memory the descriptor is a word of Mach's flags, -1 for none.
fn source(arguments: &Arguments, flags: MapFlags) -> Result<Source, Errno> {
    let descriptor = arguments.descriptor;
    if !flags.contains(MapFlags::ANONYMOUS) {
        return Ok(Source::File { descriptor });
    }
    let word = if descriptor == -1 {
        0
    } else {
        descriptor as u32
    };
    if word & !(FLAG_ALIAS | FLAG_SUPERPAGE | FLAG_PURGABLE | FLAG_LARGE_CHUNK) != 0 {
        return Err(Errno::EINVAL);
    }
    if word & FLAG_SUPERPAGE != 0 {
        // Superpages are x86_64's; arm64 answers INVALID_ARGUMENT.
        return Err(Errno::EINVAL);
    }
    Ok(Source::Anonymous {
        tag: (word >> 24) as u8,
        purgable: word & FLAG_PURGABLE != 0,
        large_chunk: word & FLAG_LARGE_CHUNK != 0,
    })
}

/// What a mapping of an open file may ever be raised to, or why it may not be made (step 11b).
///
/// # Errors
/// `EACCES`: reading without a readable descriptor, or shared writing without a writable one.
pub fn file_maximum(
    readable: bool,
    writable: bool,
    protection: VmProt,
    flags: MapFlags,
) -> Result<VmProt, Errno> {
    let mut maximum = VmProt::EXECUTE;
    if readable {
        maximum |= VmProt::READ;
    } else if protection.contains(VmProt::READ) {
        return Err(Errno::EACCES);
    }
    if !flags.contains(MapFlags::SHARED) {
        return Ok(maximum | VmProt::WRITE);
    }
    if writable {
        maximum |= VmProt::WRITE;
    } else if protection.contains(VmProt::WRITE) {
        return Err(Errno::EACCES);
    }
    Ok(maximum)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: PageSize = PageSize(0x4000);
    const PRIVATE_ANON: u32 = 0x4_1002;

    fn anon() -> Arguments {
        Arguments {
            address: 0,
            length: 0x4000,
            protection: 3,
            flags: PRIVATE_ANON,
            descriptor: -1,
            position: 0,
        }
    }

    fn file() -> Arguments {
        Arguments {
            flags: 0x4_0002,
            descriptor: 3,
            ..anon()
        }
    }

    fn check(arguments: Arguments) -> Result<Plan, Errno> {
        validate(&arguments, PAGE)
    }

    #[test]
    fn lengths_round_up_and_zero_is_an_error_only_for_modern_programs() {
        assert_eq!(
            check(Arguments {
                length: 1,
                ..anon()
            })
            .unwrap()
            .size,
            0x4000
        );
        assert_eq!(
            check(Arguments {
                length: 0x4001,
                ..anon()
            })
            .unwrap()
            .size,
            0x8000
        );
        assert_eq!(
            check(Arguments {
                length: 0,
                ..anon()
            }),
            Err(Errno::EINVAL)
        );
        assert_eq!(
            check(Arguments {
                length: 0,
                flags: 0x1002,
                ..anon()
            })
            .unwrap()
            .size,
            0
        );
        assert_eq!(
            check(Arguments {
                length: u64::MAX,
                ..anon()
            }),
            Err(Errno::EINVAL)
        );
        assert_eq!(
            check(Arguments {
                length: u64::MAX - 0x3ffe,
                ..anon()
            }),
            Err(Errno::EINVAL)
        );
        // What merely cannot fit is the map's to refuse.
        assert!(
            check(Arguments {
                length: u64::MAX - 0x3fff,
                ..anon()
            })
            .is_ok()
        );
    }

    #[test]
    fn a_hint_is_rounded_up_and_never_wrong() {
        assert_eq!(
            check(Arguments {
                address: 0x10001,
                ..anon()
            })
            .unwrap()
            .address,
            0x14000
        );
        assert_eq!(
            check(Arguments {
                address: u64::MAX,
                ..anon()
            })
            .unwrap()
            .address,
            0
        );
    }

    #[test]
    fn a_fixed_address_must_agree_with_the_position() {
        let fixed = |address, position, flags| {
            check(Arguments {
                address,
                position,
                flags,
                ..file()
            })
        };
        assert!(fixed(0x4000_0000, 0x4000, 0x4_0012).is_ok());
        assert_eq!(fixed(0x4000_0001, 0, 0x4_0012), Err(Errno::EINVAL));
        let old = fixed(0x4000_0100, 0x100, 0x12).unwrap();
        assert_eq!(
            (old.address, old.slack, old.offset, old.size),
            (0x4000_0000, 0x100, 0, 0x8000)
        );
        assert_eq!(fixed(!0x3fff, 0, 0x4_0012), Err(Errno::EINVAL));
    }

    #[test]
    fn protections_lose_unknown_bits_and_gain_reading() {
        let protection = |protection| {
            check(Arguments {
                protection,
                ..anon()
            })
            .unwrap()
            .protection
        };
        assert_eq!(protection(0xffff_fff8), VmProt::NONE);
        assert_eq!(protection(2), VmProt::READ | VmProt::WRITE);
        assert_eq!(protection(4), VmProt::READ | VmProt::EXECUTE);
    }

    #[test]
    fn flags_are_checked_in_order() {
        let flags = |flags| check(Arguments { flags, ..anon() });
        assert_eq!(flags(PRIVATE_ANON | 0x8000_0000), Err(Errno::EINVAL));
        assert_eq!(flags(0x4_1000), Err(Errno::EINVAL));
        assert!(flags(0x1000).is_ok());
        assert_eq!(flags(PRIVATE_ANON | 0x800 | 0x10), Err(Errno::EINVAL));
        assert_eq!(flags(0x4_0800 | 1 | 0x1000), Err(Errno::EINVAL));
        assert!(flags(PRIVATE_ANON | 0x800).is_ok());
        assert_eq!(flags(PRIVATE_ANON | 0x2000), Err(Errno::EINVAL));
        assert_eq!(flags(PRIVATE_ANON | 0x2_0000), Err(Errno::EINVAL));
        assert!(flags(PRIVATE_ANON | 0x1e0).is_ok());
    }

    #[test]
    fn code_signing_refusals_are_eperm() {
        let with = |flags, protection| {
            check(Arguments {
                flags,
                protection,
                ..file()
            })
        };
        assert_eq!(with(0x4_2002, 5), Err(Errno::EPERM));
        assert!(with(0x4_2002, 3).is_ok());
        assert_eq!(with(0x4_2001, 3), Err(Errno::EPERM));
        assert_eq!(
            check(Arguments {
                flags: PRIVATE_ANON | 0x8_0000,
                protection: 1,
                ..anon()
            }),
            Err(Errno::EPERM)
        );
    }

    #[test]
    fn the_descriptor_of_anonymous_memory_is_a_word_of_flags() {
        let with = |descriptor| {
            check(Arguments {
                descriptor,
                ..anon()
            })
            .map(|plan| plan.source)
        };
        let plain = Source::Anonymous {
            tag: 0,
            purgable: false,
            large_chunk: false,
        };
        assert_eq!(with(-1), Ok(plain));
        assert_eq!(with(0), Ok(plain));
        assert_eq!(
            with(0x4600_0000),
            Ok(Source::Anonymous {
                tag: 0x46,
                purgable: false,
                large_chunk: false
            })
        );
        assert_eq!(
            with(2),
            Ok(Source::Anonymous {
                tag: 0,
                purgable: true,
                large_chunk: false
            })
        );
        assert_eq!(with(3), Err(Errno::EINVAL));
        assert_eq!(with(0x1_0000), Err(Errno::EINVAL));
    }

    #[test]
    fn the_maximum_protection_of_a_file_follows_how_it_was_opened() {
        let (read, all) = (VmProt::READ, VmProt::READ | VmProt::WRITE | VmProt::EXECUTE);
        let write = VmProt::READ | VmProt::WRITE;
        let shared = MapFlags::SHARED;
        let private = MapFlags::PRIVATE;
        assert_eq!(file_maximum(true, false, write, private), Ok(all));
        assert_eq!(
            file_maximum(true, false, read, shared),
            Ok(VmProt::READ | VmProt::EXECUTE)
        );
        assert_eq!(file_maximum(true, false, write, shared), Err(Errno::EACCES));
        assert_eq!(file_maximum(true, true, write, shared), Ok(all));
        assert_eq!(file_maximum(false, true, read, shared), Err(Errno::EACCES));
        assert_eq!(
            file_maximum(false, true, VmProt::NONE, private),
            Ok(VmProt::WRITE | VmProt::EXECUTE)
        );
    }
}

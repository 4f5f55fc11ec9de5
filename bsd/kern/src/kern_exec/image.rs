//! What an executable asks for: the plan of an ELF file, checked before anything is mapped.
//!
//! [`Image::parse`] sees only the first bytes of the file ([`HEAD`]) and its length, and returns segments that the loader can
//! map without further checks: in user space, not overlapping, aligned to the page size, inside the file, and never
//! both writable and executable.
//!
//! Programs are ELF, statically linked; XNU's Mach-O loader is `bsd/kern/mach_loader.c`, whose part this plays.

use arrayvec::ArrayVec;
use bsd_sys::errno::Errno;
use elf::abi;
use elf::endian::LittleEndian;
use elf::file::{FileHeader, parse_ident};
use elf::parse::ParseAt;
use elf::segment::{ProgramHeader, SegmentTable};
use mach::VmProt;
use machine::address::{USER_MAX, USER_MIN};
use machine::page::{PAGE_MASK, round_page, trunc_page};

/// Bytes of the file that hold every header of an acceptable executable.
pub const HEAD: usize = 4096;

/// The most segments an executable may have.
pub const SEGMENTS: usize = 16;

/// One piece of the program: where it goes and where it comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// First address, page aligned.
    pub address: u64,
    /// Bytes of address space, whole pages.
    pub size: u64,
    /// Offset in the file that corresponds to `address`, page aligned; meaningless when `file_size` is 0.
    pub file_offset: u64,
    /// Bytes from the file, counted from `address`; what follows up to `size` is zero.
    pub file_size: u64,
    /// Protection of the mapping.
    pub protection: VmProt,
}

/// An executable's plan.
#[derive(Clone, Debug)]
pub struct Image {
    /// Where the program begins.
    pub entry: u64,
    /// In ascending order of address.
    pub segments: ArrayVec<Segment, SEGMENTS>,
}

impl Image {
    /// Reads the headers of an executable of `file_size` bytes whose first bytes are `head`.
    ///
    /// # Errors
    /// `ENOEXEC` for anything but a static little-endian AArch64 executable, `EBADMACHO` where XNU's loader would say so:
    /// the format is right and its contents are not.
    #[doc(alias = "parse_machfile")]
    pub fn parse(head: &[u8], file_size: u64) -> Result<Self, Errno> {
        let (header, headers) = headers(head).ok_or(Errno::ENOEXEC)?;
        if header.e_type != abi::ET_EXEC || header.e_machine != abi::EM_AARCH64 {
            return Err(Errno::ENOEXEC);
        }
        let mut segments = ArrayVec::<Segment, SEGMENTS>::new();
        for header in headers.iter() {
            match header.p_type {
                abi::PT_LOAD if header.p_memsz > 0 => {
                    let segment = segment(&header, file_size).ok_or(Errno::EBADMACHO)?;
                    let previous_end = segments
                        .last()
                        .map_or(USER_MIN, |last| last.address + last.size);
                    if segment.address < previous_end {
                        return Err(Errno::EBADMACHO);
                    }
                    segments.try_push(segment).map_err(|_| Errno::EBADMACHO)?;
                }
                // There is no dynamic linker to hand the program to.
                abi::PT_INTERP | abi::PT_DYNAMIC => return Err(Errno::ENOEXEC),
                _ => {}
            }
        }
        let entry = header.e_entry;
        let runs = |segment: &Segment| {
            segment.protection.contains(VmProt::EXECUTE)
                && (segment.address..segment.address + segment.size).contains(&entry)
        };
        if entry % 4 == 0 && segments.iter().any(runs) {
            Ok(Self { entry, segments })
        } else {
            Err(Errno::EBADMACHO)
        }
    }
}

/// The file's header and its table of segments. Sections, which lie at the end of the file, are nobody's business here.
fn headers(head: &[u8]) -> Option<(FileHeader<LittleEndian>, SegmentTable<'_, LittleEndian>)> {
    let ident = parse_ident::<LittleEndian>(head.get(..abi::EI_NIDENT)?).ok()?;
    let (endian, class) = (ident.0, ident.1);
    let header = FileHeader::parse_tail(ident, head.get(abi::EI_NIDENT..)?).ok()?;
    let start = usize::try_from(header.e_phoff).ok()?;
    let size = usize::from(header.e_phentsize).checked_mul(usize::from(header.e_phnum))?;
    ProgramHeader::validate_entsize(class, usize::from(header.e_phentsize)).ok()?;
    let table = head.get(start..start.checked_add(size)?)?;
    Some((header, SegmentTable::new(endian, class, table)))
}

/// The checked segment of a program header, or `None` if it cannot be mapped.
fn segment(header: &ProgramHeader, file_size: u64) -> Option<Segment> {
    let slack = header.p_vaddr & PAGE_MASK;
    let end = header.p_vaddr.checked_add(header.p_memsz)?;
    let file_end = header.p_offset.checked_add(header.p_filesz)?;
    let congruent = header.p_offset & PAGE_MASK == slack;
    if end > USER_MAX || file_end > file_size || header.p_filesz > header.p_memsz {
        return None;
    }
    if header.p_filesz > 0 && !congruent {
        return None;
    }
    let protection = protection(header.p_flags);
    if protection.contains(VmProt::WRITE | VmProt::EXECUTE) {
        return None;
    }
    let address = trunc_page(header.p_vaddr);
    Some(Segment {
        address,
        size: round_page(end) - address,
        file_offset: trunc_page(header.p_offset),
        file_size: if header.p_filesz > 0 {
            header.p_filesz + slack
        } else {
            0
        },
        protection,
    })
}

/// Execute implies read, as everywhere on XNU's arm64.
fn protection(flags: u32) -> VmProt {
    let mut protection = VmProt::NONE;
    for (flag, gives) in [
        (abi::PF_R, VmProt::READ),
        (abi::PF_W, VmProt::READ | VmProt::WRITE),
        (abi::PF_X, VmProt::READ | VmProt::EXECUTE),
    ] {
        if flags & flag != 0 {
            protection |= gives;
        }
    }
    protection
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use alloc::vec::Vec;

    const TEXT: u64 = 0x1_0000_0000;

    struct Header {
        kind: u32,
        flags: u32,
        offset: u64,
        address: u64,
        file_size: u64,
        size: u64,
    }

    const GOOD: Header = Header {
        kind: abi::PT_LOAD,
        flags: 5,
        offset: 0,
        address: TEXT,
        file_size: 0x8000,
        size: 0x8000,
    };

    fn executable(headers: &[Header], entry: u64) -> Vec<u8> {
        let mut bytes = vec![0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        bytes.extend_from_slice(&abi::ET_EXEC.to_le_bytes());
        bytes.extend_from_slice(&abi::EM_AARCH64.to_le_bytes());
        bytes.extend_from_slice(&1u32.to_le_bytes());
        for word in [entry, 64, 0] {
            bytes.extend_from_slice(&word.to_le_bytes());
        }
        bytes.extend_from_slice(&0u32.to_le_bytes());
        for half in [64u16, 56, headers.len() as u16, 64, 0, 0] {
            bytes.extend_from_slice(&half.to_le_bytes());
        }
        for header in headers {
            bytes.extend_from_slice(&header.kind.to_le_bytes());
            bytes.extend_from_slice(&header.flags.to_le_bytes());
            for word in [
                header.offset,
                header.address,
                header.address,
                header.file_size,
                header.size,
                0x4000,
            ] {
                bytes.extend_from_slice(&word.to_le_bytes());
            }
        }
        bytes.resize(HEAD, 0);
        bytes
    }

    fn parse(headers: &[Header]) -> Result<Image, Errno> {
        Image::parse(&executable(headers, TEXT + 0x100), 0x10000)
    }

    #[test]
    fn a_good_executable_becomes_page_aligned_segments() {
        let data = Header {
            flags: 6,
            offset: 0x8010,
            address: TEXT + 0xc010,
            file_size: 0x20,
            size: 0x9000,
            ..GOOD
        };
        let image = parse(&[GOOD, data]).unwrap();
        assert_eq!(image.entry, TEXT + 0x100);
        let data = image.segments[1];
        assert_eq!(
            (data.address, data.file_offset, data.file_size),
            (TEXT + 0xc000, 0x8000, 0x30)
        );
        assert_eq!(data.size, round_page(0x9010));
        assert_eq!(data.protection, VmProt::READ | VmProt::WRITE);
    }

    #[test]
    fn sections_beyond_the_first_bytes_do_not_matter() {
        let mut bytes = executable(&[GOOD], TEXT + 0x100);
        bytes[0x28..0x30].copy_from_slice(&0x9000u64.to_le_bytes());
        bytes[0x3c..0x3e].copy_from_slice(&20u16.to_le_bytes());
        assert!(Image::parse(&bytes, 0x10000).is_ok());
    }

    #[test]
    fn segments_that_cannot_be_mapped_are_refused() {
        let bad = |header| assert_eq!(parse(&[header]).unwrap_err(), Errno::EBADMACHO);
        bad(Header { flags: 7, ..GOOD });
        bad(Header {
            file_size: 0x10001,
            size: 0x20000,
            ..GOOD
        });
        bad(Header {
            size: 0x7fff,
            ..GOOD
        });
        bad(Header { offset: 1, ..GOOD });
        bad(Header {
            address: !0x3fff,
            ..GOOD
        });
        bad(Header { address: 0, ..GOOD });
        bad(Header {
            size: u64::MAX,
            ..GOOD
        });
        bad(Header {
            offset: !0x3fff,
            ..GOOD
        });
        bad(Header { flags: 4, ..GOOD });
        assert_eq!(parse(&[GOOD, GOOD]).unwrap_err(), Errno::EBADMACHO);
        assert_eq!(parse(&[]).unwrap_err(), Errno::EBADMACHO);
    }

    #[test]
    fn other_formats_are_not_executables() {
        assert_eq!(
            Image::parse(b"#!/bin/sh\n", 10).unwrap_err(),
            Errno::ENOEXEC
        );
        assert_eq!(Image::parse(&[], 0).unwrap_err(), Errno::ENOEXEC);
        let interpreted = Header {
            kind: abi::PT_INTERP,
            ..GOOD
        };
        assert_eq!(parse(&[interpreted, GOOD]).unwrap_err(), Errno::ENOEXEC);
        let mut x86 = executable(&[GOOD], TEXT);
        x86[18] = 62;
        assert_eq!(Image::parse(&x86, 0x10000).unwrap_err(), Errno::ENOEXEC);
    }

    #[test]
    fn no_bytes_make_the_parser_panic() {
        let good = executable(&[GOOD, GOOD, GOOD], TEXT);
        let mut state = 1u64;
        for _ in 0..20_000 {
            let mut bytes = good.clone();
            for _ in 0..4 {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                let at = (state >> 33) as usize % 256;
                bytes[at] = (state >> 24) as u8;
            }
            let _ = Image::parse(&bytes, state >> 40);
        }
    }
}

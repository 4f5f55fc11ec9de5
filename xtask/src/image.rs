//! From ELF to what QEMU loads: the kernel's flat image, and programs without their debugging sections.
//!
//! QEMU passes the device tree and honours `-initrd` only for a Linux-style arm64 `Image`: a flat copy of the
//! loadable segments, at the distances their physical addresses have, that opens with a 64-byte header. The
//! header itself is the kernel's own code; here its magic number is only checked.

use anyhow::{Context as _, Result, bail, ensure};
use object::elf::{FileHeader64, PT_LOAD};
use object::read::elf::{FileHeader as _, ProgramHeader as _};
use object::{Endianness, elf};

/// Where the header's magic number stands, and what it is.
const MAGIC_OFFSET: usize = 56;
const MAGIC: &[u8; 4] = b"ARM\x64";

/// No kernel of ours is larger; a larger distance is a segment at a wrong address.
const LARGEST_IMAGE: u64 = 256 << 20;

/// The flat image of a kernel ELF file.
pub(crate) fn flatten(kernel: &[u8]) -> Result<Vec<u8>> {
    let (header, endian) = parse(kernel)?;
    let loadable: Vec<_> = header
        .program_headers(endian, kernel)?
        .iter()
        .filter(|segment| segment.p_type(endian) == PT_LOAD && segment.p_filesz(endian) > 0)
        .collect();
    let base = loadable
        .iter()
        .map(|segment| segment.p_paddr(endian))
        .min()
        .context("nothing to load")?;
    let mut image = Vec::new();
    for segment in loadable {
        let offset = segment.p_paddr(endian) - base;
        ensure!(
            offset < LARGEST_IMAGE,
            "a segment lies {offset:#x} bytes above the first"
        );
        let bytes = segment
            .data(endian, kernel)
            .map_err(|()| anyhow::anyhow!("a segment has no bytes"))?;
        let (start, end) = (offset as usize, offset as usize + bytes.len());
        if image.len() < end {
            image.resize(end, 0);
        }
        image[start..end].copy_from_slice(bytes);
    }
    if image.get(MAGIC_OFFSET..MAGIC_OFFSET + 4) != Some(MAGIC) {
        bail!("the kernel does not open with an arm64 image header");
    }
    Ok(image)
}

/// A program without sections: cut behind its last segment, so that the guest reads only what it loads.
pub(crate) fn strip(program: &[u8]) -> Result<Vec<u8>> {
    let (header, endian) = parse(program)?;
    let segments = header.program_headers(endian, program)?;
    let table_end = header.e_phoff.get(endian) as usize + std::mem::size_of_val(segments);
    let last = segments
        .iter()
        .filter(|segment| segment.p_type(endian) == PT_LOAD)
        .map(|segment| (segment.p_offset(endian) + segment.p_filesz(endian)) as usize)
        .max()
        .context("nothing to load")?;
    let mut stripped = program
        .get(..last.max(table_end))
        .context("a segment ends behind the file")?
        .to_owned();
    // e_shoff, then e_shentsize, e_shnum and e_shstrndx: there is no section table any more.
    stripped[40..48].fill(0);
    stripped[58..64].fill(0);
    Ok(stripped)
}

fn parse(file: &[u8]) -> Result<(&FileHeader64<Endianness>, Endianness)> {
    let header = FileHeader64::<Endianness>::parse(file).context("not a 64-bit ELF file")?;
    let endian = header.endian()?;
    ensure!(
        header.e_machine(endian) == elf::EM_AARCH64,
        "not an AArch64 program"
    );
    Ok((header, endian))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A tiny ELF file: segments of (physical address, bytes), then 100 bytes of "debugging sections".
    pub(crate) fn elf_file(segments: &[(u64, &[u8])]) -> Vec<u8> {
        let table = 64 + 56 * segments.len();
        let mut file = vec![0; 64];
        file[..7].copy_from_slice(&[0x7f, b'E', b'L', b'F', 2, 1, 1]);
        file[16..18].copy_from_slice(&2u16.to_le_bytes());
        file[18..20].copy_from_slice(&183u16.to_le_bytes());
        file[20..24].copy_from_slice(&1u32.to_le_bytes());
        file[32..40].copy_from_slice(&64u64.to_le_bytes());
        file[52..54].copy_from_slice(&64u16.to_le_bytes());
        file[54..56].copy_from_slice(&56u16.to_le_bytes());
        file[56..58].copy_from_slice(&(segments.len() as u16).to_le_bytes());
        let mut offset = table as u64;
        for (address, bytes) in segments {
            let mut entry = Vec::new();
            entry.extend(1u32.to_le_bytes());
            entry.extend(5u32.to_le_bytes());
            for word in [
                offset,
                *address,
                *address,
                bytes.len() as u64,
                bytes.len() as u64,
                4,
            ] {
                entry.extend(word.to_le_bytes());
            }
            file.extend(entry);
            offset += bytes.len() as u64;
        }
        for (_, bytes) in segments {
            file.extend(*bytes);
        }
        let sections = file.len() as u64;
        file[40..48].copy_from_slice(&sections.to_le_bytes());
        file.extend([0xdd; 100]);
        file
    }

    fn text_with_header() -> Vec<u8> {
        let mut text = vec![0x11; 64];
        text[MAGIC_OFFSET..MAGIC_OFFSET + 4].copy_from_slice(MAGIC);
        text
    }

    #[test]
    fn segments_keep_the_distances_of_their_physical_addresses() {
        let text = text_with_header();
        let image = flatten(&elf_file(&[(0x4020_0000, &text), (0x4020_0100, b"data")])).unwrap();
        assert_eq!(&image[..64], &text[..]);
        assert!(image[64..0x100].iter().all(|byte| *byte == 0));
        assert_eq!(&image[0x100..], b"data");
    }

    #[test]
    fn a_kernel_without_the_image_header_is_refused() {
        let error = flatten(&elf_file(&[(0x4020_0000, &[0; 64])])).unwrap_err();
        assert!(error.to_string().contains("image header"), "{error}");
    }

    #[test]
    fn a_segment_at_a_wild_address_is_refused() {
        let text = text_with_header();
        assert!(
            flatten(&elf_file(&[
                (0x4020_0000, &text),
                (0xffff_0000_0000_0000, b"x")
            ]))
            .is_err()
        );
    }

    #[test]
    fn a_stripped_program_keeps_its_segments_and_loses_the_rest() {
        let program = elf_file(&[(0x10000, b"code")]);
        let stripped = strip(&program).unwrap();
        assert_eq!(stripped.len(), program.len() - 100);
        assert!(stripped.ends_with(b"code"));
        let (header, endian) = parse(&stripped).unwrap();
        assert_eq!(
            header.program_headers(endian, &stripped[..]).unwrap().len(),
            1
        );
        assert!(
            header
                .section_headers(endian, &stripped[..])
                .unwrap()
                .is_empty()
        );
    }

    #[test]
    fn what_is_no_elf_file_is_refused() {
        assert!(strip(b"#!/bin/sh").is_err());
    }
}

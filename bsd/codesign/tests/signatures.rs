//! Signatures from both sides: what is written reads back, and nothing that can be read makes the reader panic, read outside,
//! or take for signed what was not.

use codesign::sign::signature_of;
use codesign::{Error, FOOTER, Flags, Footer, Options, Signature, sign, unsigned};

const JIT: &str = "<plist><dict><key>com.apple.security.cs.allow-jit</key><true/></dict></plist>";

/// Where fields of the CodeDirectory lie in a signature with one blob, and with two.
const ONE_BLOB: usize = 12 + 8;
const TWO_BLOBS: usize = 12 + 16;

fn options(entitled: bool) -> Options {
    Options {
        identifier: "sample".to_owned(),
        flags: Flags::HARD | Flags::KILL,
        entitlements: entitled.then(|| JIT.as_bytes().to_vec()),
    }
}

fn program(size: usize) -> Vec<u8> {
    (0..size).map(|at| (at * 31 + at / 4096) as u8).collect()
}

fn signed(size: usize, entitled: bool) -> Vec<u8> {
    sign(&program(size), &options(entitled)).unwrap()
}

/// The SuperBlob of a signed file, and where it lies.
fn blob_of(file: &[u8]) -> (Vec<u8>, u64) {
    let footer = Footer::parse(&file[file.len() - FOOTER..], file.len() as u64)
        .unwrap()
        .unwrap();
    let start = footer.offset as usize;
    (
        file[start..start + footer.length as usize].to_vec(),
        footer.offset,
    )
}

fn covers(signature: &Signature, file: &[u8], offset: u64, length: u64) -> bool {
    signature.covers(offset, length, &mut |at, part| {
        for (index, byte) in part.iter_mut().enumerate() {
            // Behind the end of a file its last page is zero.
            *byte = file
                .get((offset + at) as usize + index)
                .copied()
                .unwrap_or(0);
        }
    })
}

/// A number generator that repeats.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.0 >> 33) as usize % bound
    }
}

#[test]
fn what_is_written_reads_back() {
    for size in [1, 4095, 4096, 16384, 70_001] {
        for entitled in [false, true] {
            let file = signed(size, entitled);
            let signature = signature_of(&file).unwrap().unwrap();
            assert_eq!(signature.identifier(), "sample");
            assert_eq!(signature.flags(), Flags::ADHOC | Flags::HARD | Flags::KILL);
            assert_eq!(signature.entitlements(), entitled.then_some(JIT.as_bytes()));
            assert_eq!(signature.code_limit() % 16384, 0);
            assert_eq!(unsigned(&file).unwrap()[..size], program(size));
            for offset in (0..signature.code_limit()).step_by(16384) {
                assert!(covers(&signature, &file, offset, 16384));
                assert!(covers(&signature, &file, offset, 4096));
            }
        }
    }
}

#[test]
fn signing_again_gives_the_same_file() {
    let file = signed(50_000, true);
    assert_eq!(sign(&file, &options(true)).unwrap(), file);
    assert_ne!(sign(&file, &options(false)).unwrap(), file);
}

#[test]
fn a_changed_byte_is_found_in_its_page_and_in_no_other() {
    let good = signed(70_000, false);
    let signature = signature_of(&good).unwrap().unwrap();
    let mut random = Random(7);
    for _ in 0..200 {
        let mut file = good.clone();
        let at = random.below(signature.code_limit() as usize);
        file[at] ^= 1 << random.below(8);
        for offset in (0..signature.code_limit()).step_by(4096) {
            let hit = offset as usize / 4096 == at / 4096;
            assert_eq!(covers(&signature, &file, offset, 4096), !hit);
        }
    }
}

#[test]
fn what_lies_behind_the_code_must_be_zero() {
    let file = signed(10_000, false);
    let signature = signature_of(&file).unwrap().unwrap();
    let limit = signature.code_limit();
    assert!(!covers(&signature, &file, limit, 4096), "the trailer");
    let cut = &file[..limit as usize];
    assert!(covers(&signature, cut, limit, 16384), "nothing");
    assert!(!covers(&signature, cut, 100, 4096), "an odd offset");
    assert!(!covers(&signature, cut, 0, 100), "an odd length");
    assert!(!covers(&signature, cut, u64::MAX - 4095, 4096));
}

#[test]
fn the_entitlements_are_sealed_by_the_directory() {
    let (good, offset) = blob_of(&signed(5000, true));
    let at = good.windows(5).position(|part| part == b"true/").unwrap();
    let mut changed = good.clone();
    changed[at..at + 5].copy_from_slice(b"TRUE/");
    assert_eq!(
        Signature::parse(changed, offset).err(),
        Some(Error::SpecialSlot(5))
    );
    // Without the blob, but with its hash.
    let mut dropped = good.clone();
    dropped[12 + 8..12 + 12].copy_from_slice(&77u32.to_be_bytes());
    assert_eq!(
        Signature::parse(dropped, offset).err(),
        Some(Error::SpecialSlot(5))
    );
    // With the blob, but nothing that seals it.
    let mut unsealed = good;
    unsealed[TWO_BLOBS + 24..TWO_BLOBS + 28].fill(0);
    assert_eq!(
        Signature::parse(unsealed, offset).err(),
        Some(Error::SpecialSlot(5))
    );
}

#[test]
fn bad_fields_are_named() {
    let (good, offset) = blob_of(&signed(20_000, false));
    let with = |at: usize, bytes: &[u8]| {
        let mut blob = good.clone();
        blob[at..at + bytes.len()].copy_from_slice(bytes);
        Signature::parse(blob, offset).err()
    };
    let directory = ONE_BLOB;
    assert_eq!(with(0, &[0; 4]), Some(Error::Magic(0)));
    assert_eq!(with(4, &[0xff; 4]), Some(Error::Truncated));
    assert_eq!(with(8, &[0xff; 4]), Some(Error::TooManyBlobs(u32::MAX)));
    assert_eq!(with(12, &[9; 4]), Some(Error::NoDirectory));
    assert_eq!(with(16, &[0xff; 4]), Some(Error::Truncated));
    assert_eq!(with(16, &[0; 4]), Some(Error::Overlap));
    assert_eq!(with(directory, &[1; 4]), Some(Error::Magic(0x0101_0101)));
    assert_eq!(with(directory + 4, &[0xff; 4]), Some(Error::Truncated));
    assert_eq!(
        with(directory + 8, &[0, 3, 0, 0]),
        Some(Error::Version(0x3_0000))
    );
    assert_eq!(with(directory + 16, &[0xff; 4]), Some(Error::Truncated));
    assert_eq!(with(directory + 20, &[0xff; 4]), Some(Error::Identifier));
    assert_eq!(with(directory + 24, &[0xff; 4]), Some(Error::Truncated));
    assert_eq!(
        with(directory + 28, &[0xff; 4]),
        Some(Error::HashCount(u32::MAX))
    );
    assert_eq!(with(directory + 32, &[0; 4]), Some(Error::HashCount(8)));
    assert_eq!(with(directory + 37, &[1]), Some(Error::HashType(1)));
    assert_eq!(with(directory + 39, &[0]), Some(Error::PageSize(0)));
    assert_eq!(with(directory + 44, &[1; 4]), Some(Error::PageSize(12)));
    assert_eq!(
        Signature::parse(good.clone(), offset - 1).err(),
        Some(Error::CodeLimit(offset)),
        "code behind the signature"
    );
}

#[test]
fn two_blobs_may_not_share_bytes_or_a_slot() {
    let (good, offset) = blob_of(&signed(5000, true));
    let mut same_place = good.clone();
    same_place.copy_within(16..20, 24);
    assert_eq!(
        Signature::parse(same_place, offset).err(),
        Some(Error::Overlap)
    );
    let mut same_slot = good;
    same_slot[20..24].fill(0);
    assert_eq!(
        Signature::parse(same_slot, offset).err(),
        Some(Error::Duplicate(0))
    );
}

#[test]
fn every_cut_is_an_error() {
    let (good, offset) = blob_of(&signed(5000, true));
    for length in 0..good.len() {
        assert!(Signature::parse(good[..length].to_vec(), offset).is_err());
    }
    let file = signed(5000, true);
    for length in 0..file.len() {
        // Whatever is found at the new end, it is not taken for a signature.
        assert!(!matches!(signature_of(&file[..length]), Ok(Some(_))));
    }
}

/// Flips bytes of good signatures, mostly in headers, and asks whatever is still accepted everything there is to ask.
#[test]
fn no_bytes_make_the_reader_panic() {
    let mut random = Random(1);
    for entitled in [false, true] {
        let file = signed(20_000, entitled);
        let (good, offset) = blob_of(&file);
        let mut accepted = 0;
        for round in 0..60_000 {
            let mut blob = good.clone();
            for _ in 0..1 + round % 4 {
                let reach = if random.below(4) == 0 {
                    blob.len()
                } else {
                    140
                };
                let at = random.below(reach);
                blob[at] = match random.below(4) {
                    0 => 0,
                    1 => 0xff,
                    2 => blob[at] ^ 1 << random.below(8),
                    _ => random.below(256) as u8,
                };
            }
            if random.below(8) == 0 {
                blob.truncate(random.below(good.len()));
            }
            let Ok(signature) = Signature::parse(blob, offset) else {
                continue;
            };
            accepted += 1;
            assert!(signature.code_limit() <= offset);
            assert!(!signature.identifier().is_empty());
            let page = signature.page_size().max(4096);
            let at = random.below(10) as u64 * page;
            let _ = covers(&signature, &file, at, page);
            let _ = covers(&signature, &file, u64::MAX - page + 1, page);
            if let Some(text) = signature.entitlements() {
                let _ = codesign::Entitlements::parse(text);
            }
        }
        assert!(accepted > 100, "only {accepted} of the changed ones passed");
    }
}

#[test]
fn nonsense_is_no_signature() {
    let mut random = Random(3);
    for _ in 0..20_000 {
        let mut bytes: Vec<u8> = (0..random.below(200))
            .map(|_| random.below(256) as u8)
            .collect();
        if bytes.len() >= 4 {
            bytes[..4].copy_from_slice(&0xfade_0cc0u32.to_be_bytes());
        }
        assert!(Signature::parse(bytes, u64::MAX).is_err());
    }
}

#[test]
fn what_cannot_be_read_back_is_not_written() {
    let with = |identifier: &str, entitlements: Option<&[u8]>| {
        let options = Options {
            identifier: identifier.to_owned(),
            flags: Flags::empty(),
            entitlements: entitlements.map(<[u8]>::to_vec),
        };
        sign(&program(100), &options).err()
    };
    assert_eq!(with("", None), Some(Error::Identifier));
    assert_eq!(with("x", Some(b"<dict/>")), Some(Error::Entitlements));
    assert_eq!(with("x", None), None);
}

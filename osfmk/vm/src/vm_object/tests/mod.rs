//! Tests of objects, run on the host with simulated memory and true page tables.

mod chains;
mod copies;
mod model;
mod steps;

use std::vec;
use std::vec::Vec;

use machine::page::PAGE_SIZE;
use prim::{frames, reaper};
use proptest::test_runner::{Config as ProptestConfig, RngSeed};

use super::ObjectRef;
use crate::vm_fault::FaultOptions;

pub(crate) const PAGE: u64 = PAGE_SIZE as u64;
pub(crate) const OPTIONS: FaultOptions = FaultOptions::UNINTERRUPTIBLE;

/// Frames that somebody holds for data.
pub(crate) fn frames_in_use() -> usize {
    reaper::quiesce();
    let counts = frames::counts();
    counts.owned + counts.resident + counts.wired + counts.lingering
}

/// Runs a test alone and checks that it leaves no frame and no object behind.
pub(crate) fn leaves_nothing_behind(test: impl FnOnce()) {
    let _alone = prim::host::exclusive();
    let frames = frames_in_use();
    let objects = super::object_count();
    test();
    reaper::quiesce();
    assert_eq!(frames_in_use(), frames, "frames leaked");
    assert_eq!(super::object_count(), objects, "objects leaked");
    frames::validate();
}

/// How often a random sequence is tried: the same sequences in every run, so that a failure can be repeated; with
/// `PAGODA_DEEP` in the environment many more, and new ones each time. A sequence that fails is printed, not stored.
pub(crate) fn cases(count: u32) -> ProptestConfig {
    let deep = std::env::var_os("PAGODA_DEEP").is_some();
    let (cases, rng_seed) = if deep {
        (count * 20, RngSeed::Random)
    } else {
        (count, RngSeed::Fixed(1985))
    };
    ProptestConfig {
        cases,
        rng_seed,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

/// Fills a page with one byte.
pub(crate) fn fill(object: &ObjectRef, page: u64, byte: u8) {
    object
        .write_from_kernel(page * PAGE, &vec![byte; PAGE_SIZE], OPTIONS)
        .unwrap();
}

/// The byte that a page is filled with.
pub(crate) fn byte_of(object: &ObjectRef, page: u64) -> u8 {
    let bytes = read(object, page * PAGE, PAGE_SIZE);
    assert!(
        bytes.iter().all(|byte| *byte == bytes[0]),
        "a page is filled with one byte"
    );
    bytes[0]
}

pub(crate) fn read(object: &ObjectRef, offset: u64, length: usize) -> Vec<u8> {
    let mut bytes = vec![0xa5; length];
    object.read_to_kernel(offset, &mut bytes, OPTIONS).unwrap();
    bytes
}

/// What the map side does at the first write of an entry with `needs_copy`.
pub(crate) fn shadow(object: ObjectRef, offset: u64, pages: u64) -> (ObjectRef, u64) {
    object.shadow(offset, pages * PAGE).unwrap()
}

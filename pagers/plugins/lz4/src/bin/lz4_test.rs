//! `lz4` in the guest, over files that another pager serves: what is compressed shows uncompressed, by `read` and by mapping,
//! and damage is an error on its own pages.

#![cfg_attr(target_os = "none", no_std, no_main)]
#![forbid(unsafe_code)]

extern crate alloc;

use alloc::string::String;
use alloc::vec::Vec;
use core::hash::Hasher as _;

use pager_sdk::libsystem::fs::{self, File};
use pager_sdk::{Bytes, Errno};
use tests::child::must_crash;
use tests::pager::Started;
use tests::{Context as _, Outcome, Signal, counts, ensure, ensure_equal, raw};
use twox_hash::XxHash32;

tests::program! {
    a_compressed_file_shows_uncompressed,
    damage_is_an_error_on_its_own_pages,
    what_is_no_lz4_file_cannot_be_opened,
    a_pager_does_not_read_through_itself,
    nothing_is_left_behind,
}

/// Bytes of a block's contents.
const BLOCK: usize = 64 << 10;
/// Bytes of the contents: not whole blocks.
const SIZE: usize = 7 * BLOCK + 1234;
/// The block that is damaged in `bad.lz4`.
const DAMAGED: usize = 2;

fn contents() -> Vec<u8> {
    (0..SIZE)
        .map(|at| (at / 37 + at / 5000 * 11) as u8)
        .collect()
}

fn checksum(bytes: &[u8]) -> u32 {
    let mut hasher = XxHash32::with_seed(0);
    hasher.write(bytes);
    hasher.finish() as u32
}

/// The contents as an LZ4 file: independent blocks of 64 KiB, each with a checksum; where the damaged one's bytes begin.
fn compressed() -> (Vec<u8>, usize) {
    let mut file = 0x184d_2204u32.to_le_bytes().to_vec();
    let descriptor = [0b0111_0000, 0x40];
    file.extend_from_slice(&descriptor);
    file.push((checksum(&descriptor) >> 8) as u8);
    let mut place = 0;
    for (number, block) in contents().chunks(BLOCK).enumerate() {
        let bytes = lz4_flex::block::compress(block);
        file.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
        if number == DAMAGED {
            place = file.len();
        }
        file.extend_from_slice(&bytes);
        file.extend_from_slice(&checksum(&bytes).to_le_bytes());
    }
    file.extend_from_slice(&[0; 4]);
    (file, place)
}

/// A pager that serves the files to be read, and the one under test.
struct Both {
    files: Started,
    lz4: Started,
}

impl Both {
    fn start() -> Result<Self, String> {
        let (good, place) = compressed();
        let mut bad = good.clone();
        bad[place + 20] ^= 0x10;
        let text = b"no compressed file".to_vec();
        let files = [("good.lz4", good), ("bad.lz4", bad), ("text", text)];
        let files = Started::serve("files", || Bytes::new(files))?;
        let lz4 = Started::start("lz4", &[])?;
        Ok(Self { files, lz4 })
    }

    /// The path of a file through the pager under test.
    fn path(&self, name: &str) -> String {
        let below = self.files.path(name);
        self.lz4.path(below.trim_start_matches('/'))
    }
}

fn a_compressed_file_shows_uncompressed() -> Outcome {
    let both = Both::start()?;
    let path = both.path("good.lz4");
    ensure_equal!(
        fs::stat(&path).context("stat")?.size as usize,
        SIZE,
        "the size"
    );
    let whole = fs::read(&path).context("read")?;
    ensure!(whole == contents(), "the bytes differ");
    let file = File::open(&path).context("open")?;
    let map = raw::map_file(&file).context("mmap")?;
    for at in [SIZE - 1, 0, 3 * BLOCK, BLOCK - 1] {
        ensure_equal!(raw::load(map + at as u64), whole[at], "byte {at}");
    }
    Ok(())
}

fn damage_is_an_error_on_its_own_pages() -> Outcome {
    let both = Both::start()?;
    let file = File::open(&both.path("bad.lz4")).context("open")?;
    let map = raw::map_file(&file).context("mmap")?;
    let whole = contents();
    for block in 0..SIZE.div_ceil(BLOCK) {
        let at = (block * BLOCK) as u64;
        let read = file.read_at(&mut [0], at);
        if block == DAMAGED {
            ensure_equal!(read, Err(Errno::EIO), "reading block {block}");
            for page in 0..BLOCK as u64 / raw::page() {
                must_crash(Signal::BUS, "a page of the damaged block", || {
                    raw::touch(map + at + page * raw::page())
                })?;
            }
        } else {
            ensure_equal!(read, Ok(1), "reading block {block}");
            let last = (at as usize + BLOCK).min(SIZE) - 1;
            for at in [at as usize, last] {
                ensure_equal!(raw::load(map + at as u64), whole[at], "byte {at}");
            }
        }
    }
    Ok(())
}

fn what_is_no_lz4_file_cannot_be_opened() -> Outcome {
    let both = Both::start()?;
    let open = |name: &str| File::open(&both.path(name)).map(drop);
    ensure_equal!(open("text"), Err(Errno::EFTYPE), "a text");
    ensure_equal!(open("nothing.lz4"), Err(Errno::ENOENT), "no file");
    ensure!(
        fs::read_dir(&both.lz4.path("share")).is_ok(),
        "a directory is none"
    );
    Ok(())
}

fn a_pager_does_not_read_through_itself() -> Outcome {
    let both = Both::start()?;
    let below = both.path("good.lz4");
    let twice = both.lz4.path(below.trim_start_matches('/'));
    ensure_equal!(
        File::open(&twice).map(drop),
        Err(Errno::ELOOP),
        "through itself"
    );
    Ok(())
}

fn nothing_is_left_behind() -> Outcome {
    counts::leaves_nothing(|| {
        tests::child::must_succeed(30_000, || {
            let both = Both::start()?;
            let whole = fs::read(&both.path("good.lz4")).context("read")?;
            ensure_equal!(whole.len(), SIZE, "bytes");
            both.lz4.kill()?;
            both.files.kill()
        })?;
        fs::purge().context("vfs_purge")
    })
}

//! `lz4`: shows compressed files uncompressed. `/pagers/lz4/share/file.lz4` holds what `/share/file.lz4` was made of.
//!
//! Files are read by blocks, so any page can be had without those before it, and a block that is damaged is an error for its
//! pages alone. Directories show as they are, with the files in them whose names end in `.lz4`.
//!
//! | module | what |
//! |---|---|
//! | [`frame`] | where the blocks are |
//! | [`reader`] | contents by offset |

#![cfg_attr(target_os = "none", no_std, no_main)]
#![forbid(unsafe_code)]

extern crate alloc;

mod frame;
mod reader;

use alloc::collections::VecDeque;
use alloc::format;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;

use pager_sdk::{Answer, Entry, Errno, Info, Kind, Pager, ReadRequest, files};

use frame::{Index, Source};
use reader::Reader;

pager_sdk::pager_main!(Lz4::new);

/// Indexes that are kept of files not in use.
const KEPT: usize = 32;

/// The pager.
#[derive(Default)]
struct Lz4 {
    /// What was found out about files, the last one in front.
    known: VecDeque<Known>,
}

/// A file's blocks, as long as the file stays as it is.
struct Known {
    path: String,
    info: Info,
    index: Rc<Index>,
}

/// A file of another file system.
struct Plain {
    file: files::File,
    size: u64,
}

impl Plain {
    fn open(path: &str) -> Result<Self, Errno> {
        let file = files::File::open(path)?;
        let size = file.size()?;
        Ok(Self { file, size })
    }
}

impl Source for Plain {
    fn size(&self) -> u64 {
        self.size
    }

    fn read(&self, buffer: &mut [u8], position: u64) -> Result<(), Errno> {
        self.file.read_exact_at(buffer, position)
    }
}

impl Lz4 {
    /// The pager; it takes no arguments.
    fn new(_arguments: &[String]) -> Result<Self, Errno> {
        Ok(Self::default())
    }

    /// The blocks of a file, which is read only if it is not known or has changed.
    fn index(&mut self, path: &str, info: Info) -> Result<Rc<Index>, Errno> {
        let place = self.known.iter().position(|known| known.path == path);
        if let Some(known) = place.and_then(|place| self.known.remove(place))
            && known.info == info
        {
            let index = known.index.clone();
            self.known.push_front(known);
            return Ok(index);
        }
        let index = Rc::new(Index::of(&Plain::open(path)?)?);
        self.known.push_front(Known {
            path: path.into(),
            info,
            index: index.clone(),
        });
        self.known.truncate(KEPT);
        Ok(index)
    }
}

impl Pager for Lz4 {
    type File = Reader<Plain>;

    fn look_up(&mut self, path: &str) -> Result<Info, Errno> {
        let path = format!("/{path}");
        let below = files::look_up(&path)?;
        if below.kind() == Kind::Directory {
            return Ok(below);
        }
        let index = self.index(&path, below)?;
        Ok(Info::file(index.size()).version(below.stamp()))
    }

    fn list(&mut self, path: &str) -> Result<Vec<Entry>, Errno> {
        let shows = |entry: &Entry| entry.kind == Kind::Directory || entry.name.ends_with(".lz4");
        let mut entries = files::list(&format!("/{path}"))?;
        entries.retain(shows);
        Ok(entries)
    }

    fn open(&mut self, path: &str) -> Result<Self::File, Errno> {
        let path = format!("/{path}");
        let index = self.index(&path, files::look_up(&path)?)?;
        Ok(Reader::new(Plain::open(&path)?, index))
    }

    fn read(&mut self, file: &mut Self::File, request: ReadRequest) -> Answer {
        request.fill(|offset, page| file.read(offset, page))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::tests::{compress, contents};
    use lz4_flex::frame::{BlockMode, BlockSize, FrameInfo};
    use pager_harness::{Bench, PAGE};

    fn info() -> FrameInfo {
        FrameInfo::new()
            .block_size(BlockSize::Max64KB)
            .block_mode(BlockMode::Independent)
            .block_checksums(true)
    }

    fn bench(path: &str, bytes: &[u8]) -> Bench {
        Bench::new().file(path, bytes).start("lz4", Lz4::default)
    }

    #[test]
    fn a_compressed_file_shows_uncompressed() {
        let whole = contents(500_000);
        let bench = bench("share/file.lz4", &compress(info(), &whole));
        let file = bench.open("share/file.lz4").unwrap();
        assert_eq!(file.size(), 500_000);
        assert!(file.read_all().unwrap() == whole);
        let map = file.map();
        for at in [499_999, 0, 131_072, 7] {
            assert_eq!(map.load(at), Ok(whole[at as usize]));
        }
        assert_eq!(map.load(500_000), Ok(0), "past the end");
        drop((map, file));
        bench.finish();
    }

    #[test]
    fn damage_is_an_error_on_exactly_the_pages_of_its_block() {
        let whole = contents(500_000);
        let mut bad = compress(info(), &whole);
        let block = Index::of(&bad).unwrap().block(3).unwrap().clone();
        bad[block.position as usize + 50] ^= 0x40;
        let bench = bench("bad.lz4", &bad);
        let file = bench.open("bad.lz4").unwrap();
        let map = file.map();
        let mut failed = Vec::new();
        for page in 0..500_000u64.div_ceil(PAGE) {
            match map.load(page * PAGE) {
                Ok(byte) => assert_eq!(byte, whole[(page * PAGE) as usize]),
                Err(_) => failed.push(page),
            }
        }
        let expected: Vec<u64> = (3 * 65536 / PAGE..4 * 65536 / PAGE).collect();
        assert_eq!(failed, expected);
        drop((map, file));
        bench.finish();
    }

    #[test]
    fn what_is_no_lz4_file_cannot_be_opened() {
        let bench = bench("text", b"just text");
        assert_eq!(bench.open("text").err(), Some(Errno::EFTYPE));
        assert_eq!(bench.open("nothing").err(), Some(Errno::ENOENT));
        bench.finish();
    }

    #[test]
    fn a_file_that_changes_shows_its_new_contents_when_it_is_opened_again() {
        let bench = bench("f.lz4", &compress(info(), &contents(1000)));
        assert_eq!(bench.open("f.lz4").unwrap().read(0, 1), Ok(vec![0]));
        bench.write_file("f.lz4", &compress(info(), b"something else"));
        let file = bench.open("f.lz4").unwrap();
        assert_eq!(file.read_all().unwrap(), b"something else");
        drop(file);
        bench.finish();
    }
}

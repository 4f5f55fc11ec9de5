//! Where the blocks of an LZ4 file are, and what each of them holds.
//!
//! The frame format (`lz4_Frame_format.md` of the LZ4 project, version 1.6): a file is a row of frames; a frame is a header, blocks
//! with their sizes in front, and an end mark. A block says how many bytes it takes, not how many it holds, so the
//! [`Index`] that makes random access possible is made once, when the file is opened:
//!
//! * from the headers and the last block, if the frame tells its contents' size and that leaves only one answer;
//! * otherwise by walking through every block's tokens, which decodes nothing but reads the whole file.
//!
//! Nothing here trusts the file: sizes are bounded by what the format allows before memory is taken.

use alloc::vec::Vec;
use core::hash::Hasher as _;
use core::ops::Range;

use pager_sdk::Errno;
use twox_hash::XxHash32;

/// Where the bytes of a file come from.
pub(crate) trait Source {
    /// Bytes of the file.
    fn size(&self) -> u64;
    /// Fills the buffer, or fails.
    fn read(&self, buffer: &mut [u8], position: u64) -> Result<(), Errno>;
}

/// A frame's first word.
const MAGIC: u32 = 0x184d_2204;
/// A skippable frame's first word, but for the last digit.
const SKIPPABLE: u32 = 0x184d_2a50;
/// A block's size word has this bit if the block is stored as it is.
const STORED: u32 = 1 << 31;
/// What a block of a linked frame may refer back to.
pub(crate) const WINDOW: usize = 64 << 10;
/// The most blocks of a file: 64 KiB each, that is a terabyte.
const BLOCKS_MAX: usize = 1 << 24;

/// One block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Block {
    /// Where its bytes begin in the file.
    pub(crate) position: u64,
    /// How many bytes they are.
    pub(crate) length: u32,
    /// First byte of the contents that it holds.
    pub(crate) offset: u64,
    /// How many it holds.
    pub(crate) size: u32,
    /// Not compressed.
    pub(crate) stored: bool,
    /// A checksum of its bytes follows them.
    pub(crate) checked: bool,
    /// It refers to what the block before it holds.
    pub(crate) linked: bool,
}

impl Block {
    /// The part of the contents that it holds.
    pub(crate) fn range(&self) -> Range<u64> {
        self.offset..self.offset + u64::from(self.size)
    }

    /// The bytes of the block, if they are what was written.
    pub(crate) fn load(&self, source: &impl Source) -> Result<Vec<u8>, Errno> {
        let mut bytes = alloc::vec![0; self.length as usize];
        source.read(&mut bytes, self.position)?;
        if self.checked {
            let end = self.position + u64::from(self.length);
            if checksum(&bytes) != word(source, end)? {
                return Err(Errno::EIO);
            }
        }
        Ok(bytes)
    }
}

/// The blocks of a file, in order.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Index {
    blocks: Vec<Block>,
    size: u64,
}

impl Index {
    /// Finds the blocks of a file.
    ///
    /// # Errors
    /// `EFTYPE` when it is no LZ4 file or a damaged one, `EFBIG` for too many blocks, what reading says.
    pub(crate) fn of(source: &impl Source) -> Result<Self, Errno> {
        let mut index = Self::default();
        let mut position = 0;
        while position < source.size() {
            position = match word(source, position)? {
                MAGIC => index.add_frame(source, position + 4)?,
                other if other & !0xf == SKIPPABLE => {
                    position + 8 + u64::from(word(source, position + 4)?)
                }
                _ => return Err(Errno::EFTYPE),
            };
        }
        if position == 0 {
            // Not even one frame.
            return Err(Errno::EFTYPE);
        }
        Ok(index)
    }

    /// Bytes of the contents.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    pub(crate) fn block(&self, number: usize) -> Option<&Block> {
        self.blocks.get(number)
    }

    /// The number of the block that holds a byte.
    pub(crate) fn find(&self, offset: u64) -> Option<usize> {
        let number = self
            .blocks
            .partition_point(|block| block.range().end <= offset);
        (number < self.blocks.len()).then_some(number)
    }

    /// Adds the frame whose header is at `position`; where the next one begins.
    fn add_frame(&mut self, source: &impl Source, position: u64) -> Result<u64, Errno> {
        let header = Header::read(source, position)?;
        let mut position = header.end;
        let first = self.blocks.len();
        loop {
            let size = word(source, position)?;
            position += 4;
            if size == 0 {
                break;
            }
            let block = header.block(size, position, self.blocks.len() > first)?;
            position += u64::from(block.length) + if block.checked { 4 } else { 0 };
            if position > source.size() || self.blocks.len() >= BLOCKS_MAX {
                return Err(Errno::EFBIG);
            }
            self.blocks.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
            self.blocks.push(block);
        }
        self.measure(source, first, &header)?;
        Ok(position + if header.contents_checked { 4 } else { 0 })
    }

    /// Finds out what the blocks from `first` on hold.
    fn measure(
        &mut self,
        source: &impl Source,
        first: usize,
        header: &Header,
    ) -> Result<(), Errno> {
        let blocks = &mut self.blocks[first..];
        let full = header.block_size;
        let known = header.contents.and_then(|size| {
            // All blocks but the last are full if the last holds what is left then: none can hold more.
            let others = u64::from(full).checked_mul(blocks.len().checked_sub(1)? as u64)?;
            let last = blocks.last()?;
            let rest = size.checked_sub(others)?;
            let held = last.measure(source, full).ok()?;
            (u64::from(held) == rest).then_some(held)
        });
        let count = blocks.len();
        for (number, block) in blocks.iter_mut().enumerate() {
            block.size = match known {
                Some(last) if number + 1 == count => last,
                Some(_) => full,
                None => block.measure(source, full)?,
            };
            block.offset = self.size;
            self.size += u64::from(block.size);
        }
        let total: u64 = blocks.iter().map(|block| u64::from(block.size)).sum();
        match header.contents {
            Some(size) if size != total => Err(Errno::EFTYPE),
            _ => Ok(()),
        }
    }
}

impl Block {
    /// How many bytes the block holds. What is damaged counts as full: its pages are errors, not those behind it.
    fn measure(&self, source: &impl Source, full: u32) -> Result<u32, Errno> {
        if self.stored {
            return Ok(self.length);
        }
        let mut bytes = alloc::vec![0; self.length as usize];
        source.read(&mut bytes, self.position)?;
        let held = tokens(&bytes).and_then(|held| u32::try_from(held).ok());
        Ok(held.filter(|held| *held <= full).unwrap_or(full))
    }
}

/// What a frame says of itself.
struct Header {
    /// The most bytes that a block holds.
    block_size: u32,
    linked: bool,
    blocks_checked: bool,
    contents_checked: bool,
    /// Bytes of the contents.
    contents: Option<u64>,
    /// Where the first block begins.
    end: u64,
}

impl Header {
    fn read(source: &impl Source, position: u64) -> Result<Self, Errno> {
        let mut bytes = [0; 15];
        source.read(&mut bytes[..2], position)?;
        let [flags, descriptor, ..] = bytes;
        let has = |bit: u8| flags & (1 << bit) != 0;
        // Version 1, no reserved bits, no dictionary: there is nowhere to get one from.
        if flags >> 6 != 1 || has(1) || has(0) || descriptor & 0x8f != 0 {
            return Err(Errno::EFTYPE);
        }
        let block_size = match descriptor >> 4 {
            number @ 4..=7 => 1 << (8 + 2 * u32::from(number)),
            _ => return Err(Errno::EFTYPE),
        };
        let length = if has(3) { 10 } else { 2 };
        source.read(&mut bytes[..=length], position)?;
        if (checksum(&bytes[..length]) >> 8) as u8 != bytes[length] {
            return Err(Errno::EFTYPE);
        }
        let mut contents = [0; 8];
        contents.copy_from_slice(&bytes[2..10]);
        Ok(Self {
            block_size,
            linked: !has(5),
            blocks_checked: has(4),
            contents_checked: has(2),
            contents: has(3).then(|| u64::from_le_bytes(contents)),
            end: position + length as u64 + 1,
        })
    }

    fn block(&self, size: u32, position: u64, has_predecessor: bool) -> Result<Block, Errno> {
        let length = size & !STORED;
        if length > self.block_size || length == 0 {
            return Err(Errno::EFTYPE);
        }
        Ok(Block {
            position,
            length,
            offset: 0,
            size: 0,
            stored: size & STORED != 0,
            checked: self.blocks_checked,
            linked: self.linked && has_predecessor,
        })
    }
}

fn word(source: &impl Source, position: u64) -> Result<u32, Errno> {
    let mut bytes = [0; 4];
    source
        .read(&mut bytes, position)
        // A file that ends too early is no file of this kind.
        .map_err(|error| {
            if error == Errno::EIO {
                Errno::EFTYPE
            } else {
                error
            }
        })?;
    Ok(u32::from_le_bytes(bytes))
}

fn checksum(bytes: &[u8]) -> u32 {
    let mut hasher = XxHash32::with_seed(0);
    hasher.write(bytes);
    hasher.finish() as u32
}

/// How many bytes a compressed block holds, by its tokens alone; `None` if they are none.
fn tokens(block: &[u8]) -> Option<u64> {
    let mut at = 0;
    let mut held = 0u64;
    loop {
        let token = *block.get(at)?;
        at += 1;
        let literals = length(block, &mut at, token >> 4)?;
        at = at.checked_add(usize::try_from(literals).ok()?)?;
        held += literals;
        if at == block.len() {
            return Some(held);
        }
        block.get(at..at + 2)?;
        at += 2;
        held += length(block, &mut at, token & 0xf)? + 4;
    }
}

/// A length of four bits, and what follows if they are all set.
fn length(block: &[u8], at: &mut usize, nibble: u8) -> Option<u64> {
    let mut length = u64::from(nibble);
    if nibble == 0xf {
        loop {
            let byte = *block.get(*at)?;
            *at += 1;
            length += u64::from(byte);
            if byte != 0xff {
                break;
            }
        }
    }
    Some(length)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use lz4_flex::frame::{BlockMode, BlockSize, FrameEncoder, FrameInfo};
    use std::io::Write as _;

    impl Source for Vec<u8> {
        fn size(&self) -> u64 {
            self.len() as u64
        }
        fn read(&self, buffer: &mut [u8], position: u64) -> Result<(), Errno> {
            let start = usize::try_from(position).map_err(|_| Errno::EIO)?;
            let end = start.checked_add(buffer.len()).ok_or(Errno::EIO)?;
            buffer.copy_from_slice(self.get(start..end).ok_or(Errno::EIO)?);
            Ok(())
        }
    }

    /// Bytes that compress a little, each place different.
    pub(crate) fn contents(size: usize) -> Vec<u8> {
        let mut state = 1u32;
        (0..size)
            .map(|at| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                if at % 16 < 11 {
                    (at / 1000) as u8
                } else {
                    (state >> 24) as u8
                }
            })
            .collect()
    }

    pub(crate) fn compress(info: FrameInfo, contents: &[u8]) -> Vec<u8> {
        let mut encoder = FrameEncoder::with_frame_info(info, Vec::new());
        encoder.write_all(contents).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn the_index_of_every_kind_of_frame_covers_the_contents() {
        for mode in [BlockMode::Independent, BlockMode::Linked] {
            for size in [0, 1, 65536, 65537, 300_000] {
                for told in [None, Some(size as u64)] {
                    let info = FrameInfo::new()
                        .block_size(BlockSize::Max64KB)
                        .block_mode(mode)
                        .content_size(told)
                        .block_checksums(size % 2 == 0)
                        .content_checksum(size % 2 == 1);
                    let file = compress(info, &contents(size));
                    let index = Index::of(&file).unwrap();
                    assert_eq!(index.size(), size as u64);
                    let mut at = 0;
                    for block in &index.blocks {
                        assert_eq!(block.offset, at);
                        at = block.range().end;
                    }
                    assert_eq!(index.find(size as u64), None);
                    assert_eq!(index.blocks.len(), size.div_ceil(65536));
                }
            }
        }
    }

    #[test]
    fn frames_in_a_row_and_skippable_ones_are_one_file() {
        let one = compress(FrameInfo::new(), &contents(1000));
        let two = compress(FrameInfo::new(), &contents(5));
        let skipped = [
            &0x184d_2a53u32.to_le_bytes()[..],
            &3u32.to_le_bytes(),
            b"abc",
        ]
        .concat();
        let index = Index::of(&[one, skipped, two].concat()).unwrap();
        assert_eq!(index.size(), 1005);
        assert_eq!(index.find(999), Some(0));
        assert_eq!(index.find(1000), Some(1));
    }

    #[test]
    fn what_is_no_lz4_file_is_said_to_be_none_and_never_a_panic() {
        assert_eq!(Index::of(&Vec::new()), Err(Errno::EFTYPE));
        assert_eq!(Index::of(&b"#!/bin/sh\n".to_vec()), Err(Errno::EFTYPE));
        let info = FrameInfo::new().content_size(Some(200_000));
        let good = compress(info, &contents(200_000));
        for end in 0..good.len().min(64) {
            assert!(Index::of(&good[..end].to_vec()).is_err(), "cut at {end}");
        }
        let mut state = 7u32;
        for _ in 0..2000 {
            let mut bad = good.clone();
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let at = state as usize % bad.len().min(40);
            bad[at] ^= (state >> 8) as u8 | 1;
            // Good or not, it ends.
            let _ = Index::of(&bad);
        }
    }
}

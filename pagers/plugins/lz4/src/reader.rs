//! Contents by offset: finds the blocks, decodes them, keeps the last ones.

use alloc::collections::VecDeque;
use alloc::rc::Rc;
use alloc::vec::Vec;

use lz4_flex::block::{decompress_into, decompress_into_with_dict};
use pager_sdk::Errno;

use crate::frame::{Index, Source, WINDOW};

/// Decoded bytes that are kept for each file in use, beside the block just wanted.
const CACHE: usize = 8 << 20;

/// A compressed file, read at any place.
pub(crate) struct Reader<S> {
    source: S,
    index: Rc<Index>,
    /// Decoded blocks by number, the one used last in front.
    cache: VecDeque<(usize, Rc<Vec<u8>>)>,
}

impl<S: Source> Reader<S> {
    pub(crate) fn new(source: S, index: Rc<Index>) -> Self {
        Self {
            source,
            index,
            cache: VecDeque::new(),
        }
    }

    /// Fills the buffer with contents from `offset` on; what lies beyond the end stays as it is.
    pub(crate) fn read(&mut self, mut offset: u64, mut buffer: &mut [u8]) -> Result<(), Errno> {
        while !buffer.is_empty()
            && let Some(number) = self.index.find(offset)
        {
            let held = self.decoded(number)?;
            let begin = self.index.block(number).ok_or(Errno::EIO)?.offset;
            let part = held.get((offset - begin) as usize..).ok_or(Errno::EIO)?;
            let count = part.len().min(buffer.len());
            buffer[..count].copy_from_slice(&part[..count]);
            buffer = &mut buffer[count..];
            offset += count as u64;
        }
        Ok(())
    }

    /// What a block holds. Linked blocks are decoded from the nearest one that is known, or stands alone.
    fn decoded(&mut self, number: usize) -> Result<Rc<Vec<u8>>, Errno> {
        let mut first = number;
        while self.cached(first).is_none() && self.index.block(first).is_some_and(|one| one.linked)
        {
            first -= 1;
        }
        let mut held = match self.cached(first) {
            Some(held) => held,
            None => self.decode(first, &[])?,
        };
        for next in first + 1..=number {
            held = self.decode(next, &self.window(next))?;
        }
        Ok(held)
    }

    /// What a linked block may refer to: the end of the contents before it, as far as it is known.
    fn window(&self, number: usize) -> Vec<u8> {
        let mut window = Vec::new();
        for before in (0..number).rev() {
            let Some((_, held)) = self.cache.iter().find(|(known, _)| *known == before) else {
                break;
            };
            let missing = (WINDOW - window.len()).min(held.len());
            window.splice(0..0, held[held.len() - missing..].iter().copied());
            if window.len() == WINDOW || !self.index.block(before).is_some_and(|one| one.linked) {
                break;
            }
        }
        window
    }

    fn cached(&mut self, number: usize) -> Option<Rc<Vec<u8>>> {
        let place = self.cache.iter().position(|(known, _)| *known == number)?;
        let entry = self.cache.remove(place)?;
        let held = entry.1.clone();
        self.cache.push_front(entry);
        Some(held)
    }

    fn decode(&mut self, number: usize, window: &[u8]) -> Result<Rc<Vec<u8>>, Errno> {
        let block = self.index.block(number).ok_or(Errno::EIO)?;
        let bytes = block.load(&self.source)?;
        let size = block.size as usize;
        let held = if block.stored {
            bytes
        } else {
            let mut held = alloc::vec![0; size];
            let count = if window.is_empty() {
                decompress_into(&bytes, &mut held)
            } else {
                decompress_into_with_dict(&bytes, &mut held, window)
            };
            held.truncate(count.map_err(|_| Errno::EIO)?);
            held
        };
        if held.len() != size {
            return Err(Errno::EIO);
        }
        let held = Rc::new(held);
        self.keep(number, held.clone());
        Ok(held)
    }

    fn keep(&mut self, number: usize, held: Rc<Vec<u8>>) {
        self.cache.push_front((number, held));
        let size = |cache: &VecDeque<(usize, Rc<Vec<u8>>)>| -> usize {
            cache.iter().map(|(_, held)| held.len()).sum()
        };
        // Two at least: a linked block needs the one before it.
        while self.cache.len() > 2 && size(&self.cache) > CACHE {
            self.cache.pop_back();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::tests::{compress, contents};
    use lz4_flex::frame::{BlockMode, BlockSize, FrameInfo};

    fn reader(file: &Vec<u8>) -> Reader<Vec<u8>> {
        Reader::new(file.clone(), Rc::new(Index::of(file).unwrap()))
    }

    #[test]
    fn any_place_of_any_kind_of_frame_can_be_read_in_any_order() {
        let whole = contents(3 << 20);
        for mode in [BlockMode::Independent, BlockMode::Linked] {
            for block_size in [BlockSize::Max64KB, BlockSize::Max1MB] {
                let info = FrameInfo::new().block_size(block_size).block_mode(mode);
                let mut reader = reader(&compress(info, &whole));
                let mut state = 3u32;
                for _ in 0..60 {
                    state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    let at = state as usize % whole.len();
                    let count = (state >> 7) as usize % 100_000;
                    let end = (at + count).min(whole.len());
                    let mut buffer = vec![0; end - at];
                    reader.read(at as u64, &mut buffer).unwrap();
                    assert!(buffer == whole[at..end], "{at} to {end}");
                }
            }
        }
    }

    #[test]
    fn a_damaged_block_fails_and_no_other_does() {
        let whole = contents(400_000);
        let info = FrameInfo::new()
            .block_size(BlockSize::Max64KB)
            .block_mode(BlockMode::Independent)
            .block_checksums(true);
        let good = compress(info, &whole);
        let index = Index::of(&good).unwrap();
        for broken in 0..7 {
            let mut bad = good.clone();
            let block = index.block(broken).unwrap();
            bad[block.position as usize + 100] ^= 1;
            let mut reader = reader(&bad);
            for number in 0..7 {
                let mut byte = [0];
                let read = reader.read(number as u64 * 65536, &mut byte);
                assert_eq!(read.is_err(), number == broken, "block {number}");
            }
        }
    }
}

//! The sums of a file: one CRC-32 for each block of 4 KiB, in a file beside it.
//!
//! ```text
//!   offset  bytes
//!        0      8   "pagesums"
//!        8      4   bytes of a block: 4096
//!       12      4   CRC-32 of the other bytes of this header
//!       16      8   bytes of the file
//!       24      8   for each block: its sum, and the sum it is about to have
//! ```
//!
//! A block is good if it has either sum. A write sets the second, then the block, then the first, so a machine that stops in
//! between leaves a block that is good whether it was written or not, and half a block is found out.

use alloc::vec::Vec;
use core::ops::Range;

use pager_sdk::Errno;

/// Bytes of a block.
pub(crate) const BLOCK: u64 = 4096;
/// Bytes before the sums.
const HEADER: usize = 24;
/// Bytes for each block.
const ENTRY: usize = 8;
/// The most bytes of a table: for files of 64 GiB.
pub(crate) const TABLE_MAX: u64 = 128 << 20;

const MAGIC: &[u8; 8] = b"pagesums";

/// The sums of one block.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Sums {
    now: u32,
    next: u32,
}

/// The sums of a file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Table {
    /// Bytes of the file.
    size: u64,
    sums: Vec<Sums>,
}

/// A range of the table as it stands in its file, to be written there.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Change {
    pub(crate) position: u64,
    pub(crate) bytes: Vec<u8>,
}

fn header(size: u64) -> [u8; HEADER] {
    let mut bytes = [0; HEADER];
    bytes[..8].copy_from_slice(MAGIC);
    bytes[8..12].copy_from_slice(&(BLOCK as u32).to_le_bytes());
    bytes[16..24].copy_from_slice(&size.to_le_bytes());
    let sum = crc32fast::hash(&bytes);
    bytes[12..16].copy_from_slice(&sum.to_le_bytes());
    bytes
}

fn word(bytes: &[u8]) -> u32 {
    u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
}

impl Table {
    /// The sums in a file of sums.
    ///
    /// # Errors
    /// `EFTYPE` when it is none, or is damaged.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, Errno> {
        let (head, rest) = bytes.split_at_checked(HEADER).ok_or(Errno::EFTYPE)?;
        let mut size = [0; 8];
        size.copy_from_slice(&head[16..24]);
        let size = u64::from_le_bytes(size);
        if head != header(size) || rest.len() as u64 != size.div_ceil(BLOCK) * ENTRY as u64 {
            return Err(Errno::EFTYPE);
        }
        let entry = |entry: &[u8]| Sums {
            now: word(entry),
            next: word(&entry[4..]),
        };
        Ok(Self {
            size,
            sums: rest.chunks_exact(ENTRY).map(entry).collect(),
        })
    }

    /// An empty table for a file of so many bytes, to be filled block by block.
    pub(crate) fn for_size(size: u64) -> Self {
        let blocks = usize::try_from(size.div_ceil(BLOCK)).unwrap_or(usize::MAX);
        Self {
            size,
            sums: alloc::vec![Sums { now: 0, next: 0 }; blocks],
        }
    }

    /// The table as it stands in its file.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = header(self.size).to_vec();
        bytes.extend(self.entries(0..self.sums.len()));
        bytes
    }

    fn entries(&self, blocks: Range<usize>) -> Vec<u8> {
        let sums = self.sums.get(blocks).unwrap_or_default().iter();
        sums.flat_map(|sums| [sums.now.to_le_bytes(), sums.next.to_le_bytes()])
            .flatten()
            .collect()
    }

    /// Bytes of the file.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// The blocks of a range that begins at a block, each with its number.
    fn blocks(offset: u64, bytes: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
        let first = (offset / BLOCK) as usize;
        bytes
            .chunks(BLOCK as usize)
            .zip(first..)
            .map(|(block, number)| (number, block))
    }

    /// Whether a run of whole blocks, or one up to the end of the file, is what was written.
    pub(crate) fn is_good(&self, offset: u64, bytes: &[u8]) -> bool {
        let good = |(number, block): (usize, &[u8])| {
            let sum = crc32fast::hash(block);
            let known = self.sums.get(number);
            known.is_some_and(|sums| sums.now == sum || sums.next == sum)
        };
        Self::blocks(offset, bytes).all(good)
    }

    /// The blocks of a run are about to be these: what to write before them.
    pub(crate) fn announce(&mut self, offset: u64, bytes: &[u8]) -> Change {
        for (number, block) in Self::blocks(offset, bytes) {
            if let Some(sums) = self.sums.get_mut(number) {
                sums.next = crc32fast::hash(block);
            }
        }
        self.change(offset, bytes.len())
    }

    /// The blocks that were announced are there: what to write after them.
    pub(crate) fn settle(&mut self, offset: u64, length: usize) -> Change {
        let first = (offset / BLOCK) as usize;
        let count = length.div_ceil(BLOCK as usize);
        for sums in self.sums.iter_mut().skip(first).take(count) {
            sums.now = sums.next;
        }
        self.change(offset, length)
    }

    fn change(&self, offset: u64, length: usize) -> Change {
        let first = (offset / BLOCK) as usize;
        let end = (first + length.div_ceil(BLOCK as usize)).min(self.sums.len());
        Change {
            position: (HEADER + first * ENTRY) as u64,
            bytes: self.entries(first..end),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// The file of sums for these contents.
    pub(crate) fn sums_of(contents: &[u8]) -> Vec<u8> {
        let mut table = Table::for_size(contents.len() as u64);
        table.announce(0, contents);
        table.settle(0, contents.len());
        table.bytes()
    }

    #[test]
    fn a_table_reads_back_and_knows_its_blocks() {
        let contents: Vec<u8> = (0..10_000).map(|at| (at / 7) as u8).collect();
        let table = Table::parse(&sums_of(&contents)).unwrap();
        assert_eq!(table.size(), 10_000);
        assert!(table.is_good(0, &contents) && table.is_good(4096, &contents[4096..]));
        let mut bad = contents.clone();
        bad[5000] ^= 1;
        assert!(table.is_good(0, &bad[..4096]) && !table.is_good(4096, &bad[4096..8192]));
        assert!(table.is_good(8192, &bad[8192..]));
        assert!(!table.is_good(8192, &bad[8192..9999]), "a byte is missing");
        assert!(!table.is_good(12288, &[0]), "past the end");
    }

    #[test]
    fn between_announcing_and_settling_old_and_new_are_good_and_nothing_else() {
        let (old, new) = (vec![1; 9000], vec![2; 9000]);
        let mut table = Table::parse(&sums_of(&old)).unwrap();
        let change = table.announce(4096, &new[4096..8192]);
        assert_eq!((change.position, change.bytes.len()), (32, 8));
        let half = [&new[4096..5000], &old[5000..8192]].concat();
        let good = |table: &Table, block: &[u8]| table.is_good(4096, block);
        assert!(good(&table, &old[4096..8192]) && good(&table, &new[4096..8192]));
        assert!(!good(&table, &half));
        table.settle(4096, 4096);
        assert!(!good(&table, &old[4096..8192]) && good(&table, &new[4096..8192]));
    }

    #[test]
    fn what_is_no_table_is_refused() {
        let good = sums_of(&[7; 5000]);
        assert!(Table::parse(&good).is_ok());
        assert_eq!(Table::parse(&[]), Err(Errno::EFTYPE));
        assert_eq!(Table::parse(&good[..good.len() - 1]), Err(Errno::EFTYPE));
        for at in 0..HEADER {
            let mut bad = good.clone();
            bad[at] ^= 0x80;
            assert_eq!(Table::parse(&bad), Err(Errno::EFTYPE), "byte {at}");
        }
    }
}

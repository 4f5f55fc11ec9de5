//! The table: which page each slot holds, in memory that outlives the pager.
//!
//! One record of [`RECORD`] bytes for each entry. The first entries are the disk's slots; as many more hold pages that are
//! filled with one word and need no slot. A record carries a sum over what it says, so that one that was half written when
//! the pager died counts as free: the kernel still has that page, because nothing is acknowledged before its record is
//! written. Memory of zeros is an empty table.

/// Bytes of a record.
pub const RECORD: usize = 24;

/// Where the records are.
pub trait Memory {
    /// Copies bytes out.
    fn read(&self, offset: usize, bytes: &mut [u8]);
    /// Copies bytes in.
    fn write(&mut self, offset: usize, bytes: &[u8]);
    /// Was anything ever written near `offset`? Reading what was not would only make memory of it.
    fn is_touched(&self, _offset: usize) -> bool {
        true
    }
}

/// What an entry holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Record {
    /// The kernel's number for the object; below 2^32.
    pub object: u64,
    /// The page in it.
    pub page: u64,
    /// The word that fills the page, if the entry is none of the disk's.
    pub word: u64,
}

/// The records.
#[derive(Debug)]
pub struct Table<M> {
    memory: M,
}

/// A sum over what a record says; never zero.
fn sum(object: u32, page: u64, word: u64) -> u32 {
    let mut mixed = 0x9e37_79b9_7f4a_7c15_u64;
    for part in [u64::from(object), page, word] {
        mixed = (mixed ^ part).wrapping_mul(0xd6e8_feb8_6659_fd93);
        mixed ^= mixed >> 32;
    }
    (mixed as u32) | 1
}

impl<M: Memory> Table<M> {
    /// The table in `memory`.
    pub fn new(memory: M) -> Self {
        Self { memory }
    }

    /// Can the entry hold anything?
    pub fn is_touched(&self, entry: u32) -> bool {
        let start = entry as usize * RECORD;
        self.memory.is_touched(start) || self.memory.is_touched(start + RECORD - 1)
    }

    /// What an entry holds; `None` if it is free or was not written to its end.
    pub fn read(&self, entry: u32) -> Option<Record> {
        let mut bytes = [0; RECORD];
        self.memory.read(entry as usize * RECORD, &mut bytes);
        let (object, rest) = bytes.split_first_chunk::<4>()?;
        let (check, rest) = rest.split_first_chunk::<4>()?;
        let (page, rest) = rest.split_first_chunk::<8>()?;
        let word = u64::from_le_bytes(*rest.first_chunk::<8>()?);
        let (object, page) = (u32::from_le_bytes(*object), u64::from_le_bytes(*page));
        (u32::from_le_bytes(*check) == sum(object, page, word)).then_some(Record {
            object: u64::from(object),
            page,
            word,
        })
    }

    /// Says what an entry holds.
    pub fn write(&mut self, entry: u32, record: Record) {
        let object = record.object as u32;
        let mut bytes = [0; RECORD];
        bytes[..4].copy_from_slice(&object.to_le_bytes());
        bytes[4..8].copy_from_slice(&sum(object, record.page, record.word).to_le_bytes());
        bytes[8..16].copy_from_slice(&record.page.to_le_bytes());
        bytes[16..].copy_from_slice(&record.word.to_le_bytes());
        self.memory.write(entry as usize * RECORD, &bytes);
    }

    /// Frees an entry.
    pub fn clear(&mut self, entry: u32) {
        self.memory.write(entry as usize * RECORD, &[0; RECORD]);
    }

    /// The memory again.
    pub fn into_memory(self) -> M {
        self.memory
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use std::vec::Vec;

    impl Memory for Vec<u8> {
        fn read(&self, offset: usize, bytes: &mut [u8]) {
            bytes.copy_from_slice(&self[offset..offset + bytes.len()]);
        }
        fn write(&mut self, offset: usize, bytes: &[u8]) {
            self[offset..offset + bytes.len()].copy_from_slice(bytes);
        }
    }

    #[test]
    fn memory_of_zeros_is_an_empty_table_and_records_come_back() {
        let mut table = Table::new(std::vec![0; 10 * RECORD]);
        assert!((0..10).all(|entry| table.read(entry).is_none()));
        let record = Record {
            object: 7,
            page: 1 << 40,
            word: 0,
        };
        table.write(3, record);
        assert_eq!(table.read(3), Some(record));
        table.clear(3);
        assert_eq!(table.read(3), None);
    }

    #[test]
    fn a_record_that_was_half_written_is_free() {
        let whole = {
            let mut table = Table::new(std::vec![0; RECORD]);
            let record = Record {
                object: 0x1234_5678,
                page: 0x1_0203_0405,
                word: 0x1111_2222_3333_4444,
            };
            table.write(0, record);
            table.into_memory()
        };
        for length in 0..RECORD {
            let mut torn = std::vec![0; RECORD];
            torn[..length].copy_from_slice(&whole[..length]);
            assert!(
                torn == whole || Table::new(torn).read(0).is_none(),
                "{length}"
            );
        }
    }
}

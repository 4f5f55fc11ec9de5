//! `template`: a pager with one file, `numbers`, in which each group of eight bytes holds its own number.

#![cfg_attr(target_os = "none", no_std, no_main)]
#![forbid(unsafe_code)]

extern crate alloc;

use alloc::string::String;
use alloc::vec::Vec;

use pager_sdk::{Answer, Entry, Errno, Info, Pager, ReadRequest};

pager_sdk::pager_main!(Template::new);

/// Bytes of the file.
const SIZE: u64 = 8 << 20;

/// What the pager keeps: nothing, its file is computed.
struct Template;

impl Template {
    /// The pager, made of the program's arguments.
    fn new(_arguments: &[String]) -> Result<Self, Errno> {
        Ok(Self)
    }
}

impl Pager for Template {
    /// What is kept for a file in use.
    type File = ();

    fn look_up(&mut self, path: &str) -> Result<Info, Errno> {
        match path {
            "numbers" => Ok(Info::file(SIZE)),
            _ => Err(Errno::ENOENT),
        }
    }

    fn list(&mut self, _path: &str) -> Result<Vec<Entry>, Errno> {
        Ok(alloc::vec![Entry::file("numbers")])
    }

    fn open(&mut self, _path: &str) -> Result<(), Errno> {
        Ok(())
    }

    fn read(&mut self, _file: &mut (), request: ReadRequest) -> Answer {
        request.fill(|offset, page| {
            for (group, number) in page.chunks_exact_mut(8).zip(offset / 8..) {
                group.copy_from_slice(&number.to_le_bytes());
            }
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pager_harness::Bench;

    #[test]
    fn each_group_of_eight_bytes_holds_its_number() {
        let bench = Bench::new().start("template", || Template);
        let file = bench.open("numbers").unwrap();
        assert_eq!(file.size(), SIZE);
        for number in [0, 1, 5000, SIZE / 8 - 1] {
            assert_eq!(file.read(number * 8, 8).unwrap(), number.to_le_bytes());
        }
        assert_eq!(file.map().load(8 * 0x1234), Ok(0x34));
        drop(file);
        bench.finish();
    }

    #[test]
    fn there_is_no_other_file() {
        let bench = Bench::new().start("template", || Template);
        assert_eq!(bench.open("letters").err(), Some(Errno::ENOENT));
        bench.finish();
    }
}

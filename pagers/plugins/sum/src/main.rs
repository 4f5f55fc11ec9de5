//! `sum`: checks every page of a file. `/pagers/sum/share/file` shows `/share/file` as long as each block of it has the sum that
//! stands in `/share/file.sum`; a block that has not is an error on its page, and on no other.
//!
//! `sum --make FILE ...` writes the sums of files as they are. With `--writable` as argument of the pager, files can be
//! written through it, and their sums follow; they keep their size.
//!
//! | module | what |
//! |---|---|
//! | [`mod@table`] | the sums, and how they stand in their file |

#![cfg_attr(target_os = "none", no_std, no_main)]
#![forbid(unsafe_code)]

extern crate alloc;

mod table;

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use pager_sdk::{Answer, Entry, Errno, Info, Kind, Pager, ReadRequest, ReturnRequest, files};

use table::{BLOCK, TABLE_MAX, Table};

pager_sdk::libsystem::main!(run);

/// What the name of a file of sums ends in.
const SUFFIX: &str = ".sum";
/// How much of a file is read at a time to make its sums.
const CHUNK: usize = 64 << 10;

fn run() -> i32 {
    let arguments = pager_sdk::libsystem::env::args();
    match arguments.get(1).map(String::as_str) {
        Some("--make") => make(&arguments[2..]),
        _ => pager_sdk::program::run(Sum::new),
    }
}

/// Writes the sums of files.
fn make(paths: &[String]) -> i32 {
    let mut status = 0;
    for path in paths {
        if let Err(error) = make_one(path) {
            pager_sdk::libsystem::eprintln!("sum: {path}: {error}");
            status = 1;
        }
    }
    status
}

fn make_one(path: &str) -> Result<(), Errno> {
    let file = files::File::open(path)?;
    let size = file.size()?;
    if size.div_ceil(BLOCK) * 8 > TABLE_MAX {
        return Err(Errno::EFBIG);
    }
    let mut table = Table::for_size(size);
    let mut buffer = alloc::vec![0; CHUNK];
    let mut offset = 0;
    while offset < size {
        let wanted = CHUNK.min((size - offset) as usize);
        file.read_exact_at(&mut buffer[..wanted], offset)?;
        table.announce(offset, &buffer[..wanted]);
        offset += wanted as u64;
    }
    table.settle(0, size as usize);
    files::write(&format!("{path}{SUFFIX}"), &table.bytes())
}

/// The pager.
struct Sum {
    writable: bool,
}

/// A file with its sums.
struct Checked {
    data: files::File,
    sums: files::File,
    table: Table,
}

impl Sum {
    fn new(arguments: &[String]) -> Result<Self, String> {
        match arguments {
            [] => Ok(Self { writable: false }),
            [option] if option == "--writable" => Ok(Self { writable: true }),
            _ => Err("usage: sum [--writable], or sum --make FILE ...".to_string()),
        }
    }
}

fn table(path: &str) -> Result<Table, Errno> {
    Table::parse(&files::read(&format!("{path}{SUFFIX}"), TABLE_MAX)?)
}

impl Checked {
    /// Reads a page and checks it.
    fn read(&self, offset: u64, page: &mut [u8]) -> Result<(), Errno> {
        let valid = self
            .table
            .size()
            .saturating_sub(offset)
            .min(page.len() as u64) as usize;
        let page = &mut page[..valid];
        self.data.read_exact_at(page, offset)?;
        if self.table.is_good(offset, page) {
            Ok(())
        } else {
            Err(Errno::EIO)
        }
    }

    /// Writes a run, so that it is good at every moment.
    fn write(&mut self, offset: u64, bytes: &[u8]) -> Result<(), Errno> {
        let before = self.table.announce(offset, bytes);
        self.sums.write_all_at(&before.bytes, before.position)?;
        self.data.write_all_at(bytes, offset)?;
        let after = self.table.settle(offset, bytes.len());
        self.sums.write_all_at(&after.bytes, after.position)
    }
}

impl Pager for Sum {
    type File = Checked;

    fn look_up(&mut self, path: &str) -> Result<Info, Errno> {
        let path = format!("/{path}");
        let below = files::look_up(&path)?;
        if below.kind() == Kind::Directory {
            return Ok(below);
        }
        // The size is what the sums are for: a file that was cut short has bad pages, not fewer.
        let info = Info::file(table(&path)?.size());
        Ok(if self.writable {
            info.writable()
        } else {
            info.version(below.stamp())
        })
    }

    fn list(&mut self, path: &str) -> Result<Vec<Entry>, Errno> {
        let entries = files::list(&format!("/{path}"))?;
        let has_sums = |entry: &Entry| {
            let sums = format!("{}{SUFFIX}", entry.name);
            entry.kind == Kind::Directory || entries.iter().any(|other| other.name == sums)
        };
        Ok(entries
            .iter()
            .filter(|entry| has_sums(entry))
            .cloned()
            .collect())
    }

    fn open(&mut self, path: &str) -> Result<Checked, Errno> {
        let path = format!("/{path}");
        let (data, sums) = (path.clone(), format!("{path}{SUFFIX}"));
        let open = if self.writable {
            files::File::open_writable
        } else {
            files::File::open
        };
        Ok(Checked {
            data: open(&data)?,
            sums: open(&sums)?,
            table: table(&path)?,
        })
    }

    fn read(&mut self, file: &mut Checked, request: ReadRequest) -> Answer {
        request.fill(|offset, page| file.read(offset, page))
    }

    fn write(&mut self, file: &mut Checked, pages: ReturnRequest) -> Answer {
        pages.store(|offset, bytes| file.write(offset, bytes))
    }

    fn synchronize(&mut self, file: &mut Checked) -> Result<(), Errno> {
        file.data.synchronize()?;
        file.sums.synchronize()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::tests::sums_of;
    use pager_harness::{Bench, PAGE};

    fn contents() -> Vec<u8> {
        (0..10 * PAGE + 777)
            .map(|at| (at / 13 + at / PAGE) as u8)
            .collect()
    }

    fn bench(data: &[u8], sums: &[u8], writable: bool) -> Bench {
        Bench::new()
            .file("d/file", data)
            .file("d/file.sum", sums)
            .start("sum", move || Sum { writable })
    }

    #[test]
    fn a_good_file_shows_as_it_is() {
        let data = contents();
        let bench = bench(&data, &sums_of(&data), false);
        let file = bench.open("d/file").unwrap();
        assert!(file.read_all().unwrap() == data);
        drop(file);
        bench.finish();
    }

    #[test]
    fn each_bad_byte_is_an_error_on_exactly_its_page() {
        let good = contents();
        let mut data = good.clone();
        for at in [0, 3 * PAGE + 1, 7 * PAGE - 1, 10 * PAGE + 776] {
            data[at as usize] ^= 0x20;
        }
        let bench = bench(&data, &sums_of(&good), false);
        let file = bench.open("d/file").unwrap();
        let map = file.map();
        let is_bad = |page: &u64| map.load(page * PAGE).is_err();
        let bad: Vec<u64> = (0..11).filter(is_bad).collect();
        assert_eq!(bad, [0, 3, 6, 10]);
        assert_eq!(file.read(6 * PAGE, 1), Err(Errno::EIO));
        assert_eq!(file.read(5 * PAGE, 1).unwrap(), [good[5 * PAGE as usize]]);
        drop((map, file));
        bench.finish();
    }

    #[test]
    fn a_file_cut_short_keeps_its_size_and_loses_its_last_pages() {
        let data = contents();
        let bench = bench(&data[..8 * PAGE as usize + 5], &sums_of(&data), false);
        let file = bench.open("d/file").unwrap();
        assert_eq!(file.size(), data.len() as u64);
        let map = file.map();
        let good = |page: &u64| map.load(page * PAGE).is_ok();
        assert_eq!((0..11).filter(good).count(), 8);
        drop((map, file));
        bench.finish();
    }

    #[test]
    fn without_sums_or_with_bad_ones_there_is_no_file() {
        let bench = Bench::new()
            .file("alone", b"x")
            .file("bad", b"x")
            .file("bad.sum", b"nonsense")
            .start("sum", || Sum { writable: false });
        assert_eq!(bench.open("alone").err(), Some(Errno::ENOENT));
        assert_eq!(bench.open("bad").err(), Some(Errno::EFTYPE));
        bench.finish();
    }

    #[test]
    fn what_is_written_has_its_sum() {
        let data = contents();
        let bench = bench(&data, &sums_of(&data), true);
        let file = bench.open("d/file").unwrap();
        let map = file.map();
        for at in [5, 4 * PAGE + 4096, data.len() as u64 - 1] {
            map.store(at, 0xee).unwrap();
        }
        map.synchronize().unwrap();
        map.discard();
        assert_eq!(map.load(5), Ok(0xee), "read again, and checked");
        assert_eq!(map.load(4 * PAGE + 4096), Ok(0xee));
        drop((map, file));
        let written = bench.read_file("d/file");
        assert_eq!(written.len(), data.len());
        assert_eq!(written[data.len() - 1], 0xee);
        assert!(sums_of(&written) == bench.read_file("d/file.sum"));
        bench.finish();
    }

    #[test]
    fn a_file_that_is_only_read_stays_as_it_is() {
        let data = contents();
        let bench = bench(&data, &sums_of(&data), false);
        let file = bench.open("d/file").unwrap();
        let map = file.map();
        map.store(5, 0xee).unwrap();
        // The pager has no place for it; nobody is told, as by XNU's msync.
        let _ = map.synchronize();
        drop((map, file));
        assert!(bench.read_file("d/file") == data);
    }
}

//! Pagers of every character on the bench: the kernel survives each, and the author hears what was wrong.

use std::time::{Duration, Instant};

use mach::KernReturn;
use pager_harness::{Bench, PAGE, Remark};
use pager_sdk::{Answer, Attributes, Entry, Errno, Info, Pager, ReadRequest, ReturnRequest, files};

const PAGES: u64 = 20;

/// What a pager does with page 5 of `numbers`; all others hold their number plus one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Character {
    Honest,
    Dropping,
    Failing,
    Hoarding,
    Short,
    Tardy,
    Misaligned,
    Panicking,
}

struct Numbers {
    character: Character,
    kept: Vec<ReadRequest>,
}

fn numbers(character: Character) -> Numbers {
    Numbers {
        character,
        kept: Vec::new(),
    }
}

fn page_of(number: u64) -> Vec<u8> {
    vec![number as u8 + 1; PAGE as usize]
}

impl Numbers {
    fn answer(&mut self, request: ReadRequest) -> Answer {
        let number = request.offset() / PAGE;
        if number != 5 {
            return request.supply(&page_of(number));
        }
        match self.character {
            Character::Honest => request.supply(&page_of(number)),
            Character::Dropping => Ok(()),
            Character::Failing => request.fail(KernReturn::MEMORY_ERROR),
            Character::Hoarding => {
                self.kept.push(request);
                Ok(())
            }
            Character::Short => request.supply(&[]),
            Character::Tardy => {
                std::thread::sleep(Duration::from_millis(900));
                request.supply(&page_of(number))
            }
            Character::Misaligned => {
                let mut request = request;
                let rest = request.split_off(100).expect("more than that");
                request.supply(&page_of(number))?;
                rest.supply(&page_of(number))
            }
            Character::Panicking => panic!("what the author did not think of"),
        }
    }
}

impl Pager for Numbers {
    type File = ();

    fn look_up(&mut self, path: &str) -> Result<Info, Errno> {
        match path {
            "numbers" => Ok(Info::file(PAGES * PAGE - 10)),
            "empty" => Ok(Info::file(0)),
            "sub" => Ok(Info::directory()),
            "sub/numbers" => Ok(Info::file(PAGE)),
            _ => Err(Errno::ENOENT),
        }
    }

    fn list(&mut self, _: &str) -> Result<Vec<Entry>, Errno> {
        Ok(vec![Entry::file("numbers"), Entry::directory("sub")])
    }

    fn open(&mut self, _: &str) -> Result<(), Errno> {
        Ok(())
    }

    fn read(&mut self, (): &mut (), mut request: ReadRequest) -> Answer {
        loop {
            let rest = request.split_off(PAGE);
            self.answer(request)?;
            match rest {
                Some(next) => request = next,
                None => return Ok(()),
            }
        }
    }
}

fn impatient() -> Attributes {
    Attributes {
        deadline: 300,
        ..Attributes::default()
    }
}

fn bench(character: Character) -> Bench {
    Bench::new()
        .attributes(impatient())
        .start("numbers", move || numbers(character))
}

#[test]
fn an_honest_pager_serves_by_read_and_by_mapping_and_there_is_nothing_to_remark() {
    let bench = bench(Character::Honest);
    let file = bench.open("numbers").unwrap();
    assert_eq!(file.size(), PAGES * PAGE - 10);
    let all = file.read_all().unwrap();
    assert_eq!(all.len() as u64, PAGES * PAGE - 10);
    assert!(
        all.iter()
            .zip(0..)
            .all(|(byte, at)| *byte == (at / PAGE) as u8 + 1)
    );
    let map = file.map();
    assert_eq!((map.load(0), map.load(7 * PAGE + 3)), (Ok(1), Ok(8)));
    assert_eq!(map.load(PAGES * PAGE - 1), Ok(0), "past the end");
    assert_eq!(bench.open("sub/numbers").unwrap().read(0, 1).unwrap(), [1]);
    assert_eq!(bench.open("empty").unwrap().read_all().unwrap(), []);
    drop((map, file));
    bench.finish();
}

#[test]
fn names_are_the_pagers() {
    let bench = bench(Character::Honest);
    assert_eq!(bench.open("nothing").err(), Some(Errno::ENOENT));
    assert_eq!(bench.open("sub").err(), Some(Errno::EISDIR));
    assert_eq!(bench.open("numbers/x").err(), Some(Errno::ENOTDIR));
    assert_eq!(bench.stat("numbers").unwrap().size, PAGES * PAGE - 10);
    let number = |path| bench.stat(path).unwrap().inode;
    assert_eq!(number("numbers"), number("sub/../numbers"));
    assert_ne!(number("numbers"), number("sub/numbers"));
    bench.finish();
}

#[test]
fn a_request_that_is_dropped_is_an_error_for_its_page_alone_and_is_remarked() {
    let bench = bench(Character::Dropping);
    let file = bench.open("numbers").unwrap();
    let begin = Instant::now();
    assert_eq!(file.map().load(5 * PAGE), Err(KernReturn::MEMORY_ERROR));
    assert!(begin.elapsed() < Duration::from_secs(30));
    assert_eq!(file.read(5 * PAGE, 1), Err(Errno::EIO));
    assert_eq!(file.read(6 * PAGE, 1), Ok(vec![7]));
    let remarks = bench.remarks();
    assert!(!remarks.is_empty());
    for remark in &remarks {
        assert!(
            remark.to_string().starts_with("dropped: a request"),
            "{remark}"
        );
    }
}

#[test]
fn an_error_that_is_meant_is_nothing_to_remark() {
    let bench = bench(Character::Failing);
    let file = bench.open("numbers").unwrap();
    assert_eq!(file.map().load(5 * PAGE), Err(KernReturn::MEMORY_ERROR));
    assert_eq!(file.map().load(4 * PAGE), Ok(5));
    drop(file);
    bench.finish();
}

#[test]
fn a_request_that_is_hoarded_ends_at_its_deadline_and_is_remarked() {
    let bench = bench(Character::Hoarding);
    let file = bench.open("numbers").unwrap();
    assert_eq!(file.map().load(5 * PAGE), Err(KernReturn::MEMORY_ERROR));
    assert_eq!(file.map().load(3 * PAGE), Ok(4), "others are served");
    let unanswered = Remark::Unanswered {
        offset: 5 * PAGE,
        length: PAGE,
    };
    assert_eq!(bench.remarks(), [unanswered]);
}

#[test]
fn a_short_supply_reads_as_zeroes_and_is_remarked() {
    let bench = bench(Character::Short);
    let file = bench.open("numbers").unwrap();
    assert_eq!(file.map().load(5 * PAGE), Ok(0));
    let remarks = bench.remarks();
    assert!(
        remarks[0].to_string().starts_with("short: 0x0 of"),
        "{remarks:?}"
    );
}

#[test]
fn an_answer_after_the_deadline_changes_nothing_and_is_remarked() {
    let bench = bench(Character::Tardy);
    let file = bench.open("numbers").unwrap();
    let map = file.map();
    assert_eq!(map.load(5 * PAGE), Err(KernReturn::MEMORY_ERROR));
    std::thread::sleep(Duration::from_millis(1000));
    // Served after the late answer, and after the kernel has said what it thinks of that.
    assert_eq!(map.load(19 * PAGE), Ok(20));
    assert_eq!(map.load(18 * PAGE), Ok(19));
    let remarks = bench.remarks();
    let late =
        |remark: &Remark| matches!(remark, Remark::Late { offset, .. } if *offset == 5 * PAGE);
    assert!(remarks.iter().any(late), "{remarks:?}");
    let refused = |remark: &Remark| matches!(remark, Remark::Refused { .. });
    assert!(remarks.iter().any(refused), "{remarks:?}");
}

#[test]
fn an_answer_that_is_not_whole_pages_is_refused_and_remarked() {
    let bench = bench(Character::Misaligned);
    let file = bench.open("numbers").unwrap();
    let map = file.map();
    assert_eq!(map.load(5 * PAGE), Err(KernReturn::MEMORY_ERROR));
    assert_eq!(map.load(19 * PAGE), Ok(20));
    let remarks = bench.remarks();
    let misaligned = |remark: &Remark| matches!(remark, Remark::Misaligned { .. });
    assert_eq!(
        remarks.iter().filter(|one| misaligned(one)).count(),
        2,
        "{remarks:?}"
    );
}

#[test]
fn a_pager_that_panics_is_a_pager_that_dies() {
    let bench = bench(Character::Panicking);
    let file = bench.open("numbers").unwrap();
    let map = file.map();
    assert_eq!(map.load(0), Ok(1));
    assert_eq!(map.load(5 * PAGE), Err(KernReturn::MEMORY_ERROR));
}

#[test]
fn a_pager_that_is_killed_leaves_its_pages_and_frees_its_name() {
    let mut first = bench(Character::Honest);
    let file = first.open("numbers").unwrap();
    let map = file.map();
    assert_eq!(map.load(0), Ok(1));
    first.kill();
    assert_eq!(map.load(0), Ok(1), "what was there");
    assert_eq!(map.load(19 * PAGE), Err(KernReturn::MEMORY_ERROR));
    assert_eq!(file.read(19 * PAGE, 1), Err(Errno::EIO));
    assert_eq!(first.open("numbers").err(), Some(Errno::ENOENT));
    drop((map, file, first));
    let second = bench(Character::Honest);
    assert_eq!(second.open("numbers").unwrap().read(0, 1), Ok(vec![1]));
    second.finish();
}

/// Answers page by page, and takes its time after the first.
struct Slow;

impl Pager for Slow {
    type File = ();

    fn look_up(&mut self, _: &str) -> Result<Info, Errno> {
        Ok(Info::file(PAGES * PAGE))
    }

    fn open(&mut self, _: &str) -> Result<(), Errno> {
        Ok(())
    }

    fn read(&mut self, (): &mut (), mut request: ReadRequest) -> Answer {
        while let Some(rest) = request.split_off(PAGE) {
            request.supply(&page_of(0))?;
            std::thread::sleep(Duration::from_millis(50));
            request = rest;
        }
        request.supply(&page_of(0))
    }
}

#[test]
fn a_run_that_nobody_waits_for_any_more_may_be_dropped() {
    let bench = Bench::new().start("slow", || Slow);
    let file = bench.open("file").unwrap();
    // The last of these is the first page of a longer run, or in the middle of one, whatever the size of pages.
    for page in 0..5 {
        assert_eq!(file.read(page * PAGE, 1), Ok(vec![1]));
    }
    drop(file);
    bench.finish();
}

/// Keeps what is written.
#[derive(Default)]
struct Memory(Vec<u8>);

impl Pager for Memory {
    type File = ();

    fn look_up(&mut self, path: &str) -> Result<Info, Errno> {
        match path {
            "memory" => Ok(Info::file(3 * PAGE / 2).writable()),
            _ => Err(Errno::ENOENT),
        }
    }

    fn open(&mut self, _: &str) -> Result<(), Errno> {
        self.0.resize(3 * PAGE as usize / 2, 7);
        Ok(())
    }

    fn read(&mut self, (): &mut (), request: ReadRequest) -> Answer {
        let at = request.offset() as usize;
        let end = self.0.len().min(at + request.length() as usize);
        request.supply(&self.0[at..end])
    }

    fn write(&mut self, (): &mut (), pages: ReturnRequest) -> Answer {
        pages.store(|offset, bytes| {
            let at = offset as usize;
            self.0[at..at + bytes.len()].copy_from_slice(bytes);
            Ok(())
        })
    }
}

#[test]
fn written_pages_come_back_within_the_end_of_the_file_and_are_read_again() {
    let bench = Bench::new().start("memory", Memory::default);
    let file = bench.open("memory").unwrap();
    let map = file.map();
    assert_eq!(map.load(0), Ok(7));
    map.store(1, 8).unwrap();
    map.store(PAGE, 9).unwrap();
    map.synchronize().unwrap();
    map.discard();
    assert_eq!(
        (map.load(0), map.load(1), map.load(PAGE)),
        (Ok(7), Ok(8), Ok(9))
    );
    drop((map, file));
    bench.finish();
}

#[test]
fn pages_that_a_pager_refuses_stay_and_stay_dirty() {
    let bench = bench(Character::Honest);
    let file = bench.open("numbers").unwrap();
    let map = file.map();
    map.store(0, 99).unwrap();
    // The refusal is not reported, as in XNU; the page is what counts.
    let _ = map.synchronize();
    assert_eq!(map.load(0), Ok(99));
    drop((map, file));
    bench.finish();
}

/// Shows the files of the host in capital letters.
struct Capitals;

impl Pager for Capitals {
    type File = files::File;

    fn look_up(&mut self, path: &str) -> Result<Info, Errno> {
        files::look_up(path)
    }

    fn open(&mut self, path: &str) -> Result<files::File, Errno> {
        files::File::open(path)
    }

    fn read(&mut self, file: &mut files::File, request: ReadRequest) -> Answer {
        request.fill(|offset, page| {
            file.read_at(page, offset)?;
            page.make_ascii_uppercase();
            Ok(())
        })
    }
}

#[test]
fn a_pager_reads_the_files_of_its_bench() {
    let bench = Bench::new()
        .file("share/text", b"hello")
        .file("pagers/other/text", b"deep")
        .start("capitals", || Capitals);
    let file = bench.open("share/text").unwrap();
    assert_eq!(file.read_all().unwrap(), b"HELLO");
    assert_eq!(bench.open("share/none").err(), Some(Errno::ENOENT));
    assert_eq!(
        bench.open("pagers/capitals/share/text").err(),
        Some(Errno::ELOOP)
    );
    let deep = bench.open("pagers/other/text").unwrap();
    assert_eq!(deep.read_all().unwrap(), b"DEEP");
    drop(file);
    bench.finish();
}

//! `server_restart [KILLS]`: the file server is killed again and again while processes read, write, cut off and map files of
//! `/share`. Runs from the boot archive.
//!
//! Whoever uses a file meanwhile waits, gets `EIO` or `SIGBUS`, tries again and goes on. What a call has acknowledged is never lost:
//! every reader compares with a model, and after power-off the host compares its copies (`host file NAME SHA256`).

#![cfg_attr(target_os = "none", no_std, no_main)]
#![forbid(unsafe_code)]

extern crate alloc;

use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU64, Ordering};

use bsd_sys::Errno;
use bsd_sys::fcntl::OpenFlags;
use bsd_sys::signal::{ActionFlags, Signal};
use bsd_sys::wait::WaitStatus;
use libsystem::fs::File;
use libsystem::mach_call;
use libsystem::signal::{self, Context, Disposition, SignalInfo};
use libsystem::{env, fs, println, process, time};
use mach::defs::mach_host::statistics64;
use mach::vm_statistics::{HOST_VM_HELD, HeldStatistics};
use tests::model::Model;
use tests::random::Random;
use tests::raw::{self, R, SHARED, UNIX03, W, page};
use tests::shared::{Note, Words};
use tests::{Context as _, Outcome, child, ensure, ensure_equal};

libsystem::main!(run);

/// How often the server is killed if nothing is said.
const KILLS: u64 = 10;
/// Milliseconds after which a call that the death of the server delays must be over: more than the deadline of a page.
const LIMIT: u64 = 25_000;
/// The same for a whole test.
const TEST_LIMIT: u64 = 1_500_000;
/// Pages of each file.
const PAGES: u64 = 40;
/// Pages of the shared file whose bytes belong to two processes in turn.
const FIXED_PAGES: u64 = 16;
/// Bytes that belong to one of them.
const SLOT: u64 = 512;
/// As many servers in a row may be killed before they have shown a root: init tries five times.
const EARLY: u64 = 2;

fn run() -> i32 {
    tests::run_within(
        &[
            (
                "unsaved_pages_are_held_and_shown",
                unsaved_pages_are_held_and_shown,
            ),
            ("nothing_acknowledged_is_lost", nothing_acknowledged_is_lost),
            ("nothing_is_held_any_more", nothing_is_held_any_more),
        ],
        TEST_LIMIT,
    )
}

// The server and what waits for it.

fn server() -> Option<i32> {
    let is_server = |pid: &i32| {
        process::information(*pid).is_ok_and(|process| process.name().contains("vnode_pager"))
    };
    process::list().ok()?.into_iter().rev().find(is_server)
}

/// A server other than the one that was there before.
fn next_server(before: i32) -> Result<i32, String> {
    let mut found = None;
    let there = child::eventually(LIMIT, || {
        found = server().filter(|pid| *pid != before);
        found.is_some()
    });
    ensure!(there, "no file server follows process {before}");
    found.ok_or_else(String::new)
}

fn wait_for_files() -> Outcome {
    ensure!(
        child::eventually(LIMIT, || File::open("/bin/ls").is_ok()),
        "there are no files again"
    );
    Ok(())
}

/// Pages that the kernel holds for a server that is dead, as `vm_stat` shows them.
fn held_pages() -> Result<u64, String> {
    let request = statistics64::Request {
        flavor: HOST_VM_HELD,
        host_info64_out_cnt: HeldStatistics::WORDS,
    };
    let reply = mach_call::call(mach_call::host_self(), request).context("host_statistics64")?;
    let held: HeldStatistics = reply.host_info64_out.decode_words().context("held")?;
    Ok(held.pages)
}

// A user of files that does not give up.

static BUS_ERRORS: AtomicU64 = AtomicU64::new(0);

/// When the access or call that is being made began.
static SINCE: AtomicU64 = AtomicU64::new(0);
/// Nanoseconds that the longest of them took.
static LONGEST: AtomicU64 = AtomicU64::new(0);

fn begin() {
    SINCE.store(time::now(), Ordering::Relaxed);
}

fn end() {
    let took = time::now() - SINCE.load(Ordering::Relaxed);
    LONGEST.fetch_max(took, Ordering::Relaxed);
}

/// Tries the access again, a moment later.
extern "C" fn try_again(_: i32, _: *mut SignalInfo, _: *mut Context) {
    end();
    BUS_ERRORS.fetch_add(1, Ordering::Relaxed);
    time::sleep(5);
    begin();
}

/// Words that tell of one user.
#[derive(Clone, Copy)]
enum Told {
    /// Steps that were made.
    Steps,
    /// `EIO`.
    Errors,
    /// `SIGBUS`.
    BusErrors,
    /// Milliseconds of the longest call or access.
    Longest,
}

/// Where words of a user begin; word 0 says to stop.
fn word(user: u64, told: Told) -> usize {
    8 + 4 * user as usize + told as usize
}

struct User<'a> {
    words: &'a Words,
    number: u64,
    file: File,
    base: u64,
    model: &'a Model,
    random: Random,
}

impl<'a> User<'a> {
    fn new(words: &'a Words, number: u64, name: &str, model: &'a Model) -> Result<Self, String> {
        let flags = ActionFlags::SIGINFO;
        signal::set_action(Signal::BUS, Disposition::Handle(try_again), flags, 0)
            .context("sigaction")?;
        let file = File::open_with(&path(name), OpenFlags::RDWR, 0).context(name)?;
        let length = PAGES * page();
        let base =
            raw::mmap(0, length, R | W, SHARED | UNIX03, file.descriptor(), 0).context("mmap")?;
        Ok(Self {
            words,
            number,
            file,
            base,
            model,
            random: Random::new(77 + number),
        })
    }

    /// Makes steps until it is told to stop; then everything must be as the model says.
    fn work(&mut self, mut step: impl FnMut(&mut Self) -> Outcome) -> Outcome {
        while self.words.get(0) == 0 {
            step(self)?;
            self.count(Told::Steps);
            self.tell(Told::BusErrors, BUS_ERRORS.load(Ordering::Relaxed));
            self.tell(Told::Longest, LONGEST.load(Ordering::Relaxed) / 1_000_000);
        }
        Ok(())
    }

    fn count(&self, what: Told) {
        let word = self.words.word(word(self.number, what));
        word.fetch_add(1, Ordering::Relaxed);
    }

    fn tell(&self, what: Told, value: u64) {
        self.words.set(word(self.number, what), value);
    }

    /// Makes a call until it is not `EIO`.
    fn insist<T>(
        &self,
        what: &str,
        mut call: impl FnMut() -> Result<T, Errno>,
    ) -> Result<T, String> {
        loop {
            begin();
            let answer = call();
            end();
            match answer {
                Err(Errno::EIO) => {
                    self.count(Told::Errors);
                    time::sleep(5);
                }
                other => return other.context(what),
            }
        }
    }

    fn bytes(&mut self, length: u64) -> Vec<u8> {
        let first = self.random.number();
        (0..length)
            .map(|index| (first.wrapping_add(index * 7) >> 3) as u8 | 1)
            .collect()
    }

    /// `pwrite`, until all is written.
    fn write(&mut self, at: u64, length: u64) -> Outcome {
        let bytes = self.bytes(length);
        let mut done = 0;
        while done < bytes.len() {
            let rest = &bytes[done..];
            done += self.insist("pwrite", || self.file.write_at(rest, at + done as u64))?;
        }
        self.model.write(at, &bytes);
        Ok(())
    }

    /// Stores through the mapping, inside the file.
    fn store(&mut self, at: u64, length: u64) {
        let bytes = self.bytes(length);
        begin();
        for (address, byte) in (self.base + at..).zip(&bytes) {
            raw::store(address, *byte);
        }
        end();
        self.model.write(at, &bytes);
    }

    /// `pread` gives what the model has.
    fn read(&mut self, at: u64, length: u64) -> Outcome {
        let expected = self.model.read(at, length);
        let mut found = vec![0; expected.len()];
        let mut done = 0;
        while done < found.len() {
            let rest = &mut found[done..];
            match self.insist("pread", || self.file.read_at(rest, at + done as u64))? {
                0 => return Err(format!("the file ends at {}", at + done as u64)),
                count => done += count,
            }
        }
        self.same("read", at, &found, &expected)
    }

    /// So does the mapping.
    fn load(&mut self, at: u64, length: u64) -> Outcome {
        let expected = self.model.read(at, length);
        let from = self.base + at;
        begin();
        let found: Vec<u8> = (from..from + expected.len() as u64)
            .map(raw::load)
            .collect();
        end();
        self.same("mapped", at, &found, &expected)
    }

    fn same(&self, how: &str, at: u64, found: &[u8], expected: &[u8]) -> Outcome {
        let wrong = found.iter().zip(expected).position(|(one, two)| one != two);
        let Some(index) = wrong else {
            return Ok(());
        };
        let steps = self.words.get(word(self.number, Told::Steps));
        Err(format!(
            "user {}, step {steps}, {how}: byte {} of {at}..{} is {}, not {}",
            self.number,
            at + index as u64,
            at + expected.len() as u64,
            found[index],
            expected[index],
        ))
    }

    fn cut(&mut self, size: u64) -> Outcome {
        self.insist("ftruncate", || self.file.set_size(size))?;
        self.model.set_size(size);
        Ok(())
    }

    /// Makes everything durable, by one call or the other; sometimes the pages are thrown out, so that they are read again.
    fn synchronize(&mut self) -> Outcome {
        const SYNC: u64 = 0x10;
        const INVALIDATE: u64 = 0x2;
        let length = PAGES * page();
        match self.random.below(3) {
            0 => self.insist("fsync", || self.file.sync()),
            1 => self.insist("msync", || raw::msync(self.base, length, SYNC).map(drop)),
            _ => self.insist("msync", || {
                raw::msync(self.base, length, SYNC | INVALIDATE).map(drop)
            }),
        }
    }

    /// A user alone with its file: everything.
    fn anything(&mut self) -> Outcome {
        let size = self.model.size();
        let at = self.random.below(PAGES * page());
        let room = PAGES * page() - at;
        let length = 1 + self.random.below(room.min(3 * page()));
        let inside = self.random.below(size.max(1));
        let some = (1 + self.random.below(page())).min(size - inside.min(size));
        match self.random.below(16) {
            0..=3 => self.write(at, length),
            4..=6 => {
                self.store(inside, some);
                Ok(())
            }
            7..=9 => self.read(inside, length),
            10..=13 => self.load(inside, some),
            14 => self.cut(at),
            _ => self.synchronize(),
        }
    }

    /// Two of these share pages: every other slot is this one's.
    fn slots(&mut self, parity: u64) -> Outcome {
        let pairs = FIXED_PAGES * page() / SLOT / 2;
        let at = (2 * self.random.below(pairs) + parity) * SLOT;
        match self.random.below(8) {
            0..=2 if parity == 0 => self.write(at, SLOT),
            0..=2 => {
                self.store(at, SLOT);
                Ok(())
            }
            3..=4 => self.read(at, SLOT),
            5..=6 => self.load(at, SLOT),
            _ => self.synchronize(),
        }
    }

    /// What lies behind the slots is cut off and written again.
    fn tail(&mut self) -> Outcome {
        let begin = FIXED_PAGES * page();
        let at = begin + self.random.below((PAGES - FIXED_PAGES) * page());
        let length = 1 + self.random.below((PAGES * page() - at).min(2 * page()));
        match self.random.below(6) {
            0..=1 => self.cut(at),
            2..=3 => self.write(at, length),
            _ => {
                let size = self.model.size() - begin;
                let inside = begin + self.random.below(size.max(1));
                self.read(inside, length)
            }
        }
    }

    fn everything(&mut self) -> Outcome {
        let size = self.model.size();
        let told = self.insist("fstat", || self.file.stat())?.size as u64;
        ensure_equal!(told, size, "the size of user {}'s file", self.number);
        self.read(0, size)?;
        self.load(0, size)
    }
}

// The tests.

fn path(name: &str) -> String {
    format!("/share/{name}")
}

fn make(name: &str) -> Outcome {
    let flags = OpenFlags::RDWR | OpenFlags::CREAT | OpenFlags::TRUNC;
    File::open_with(&path(name), flags, 0o644)
        .context(name)
        .map(drop)
}

/// Page after page is written; then the server dies before anybody has written them back.
fn unsaved_pages_are_held_and_shown() -> Outcome {
    wait_for_files()?;
    make("r-held")?;
    let model = Model::new(PAGES * page())?;
    let words = Words::new()?;
    let mut user = User::new(&words, 0, "r-held", &model)?;
    user.cut(PAGES * page())?;
    user.synchronize()?;
    user.write(0, PAGES / 2 * page())?;
    user.store(PAGES / 2 * page(), PAGES / 2 * page());
    let old = server().ok_or("there is no file server")?;
    process::kill(old, Signal::KILL).context("kill")?;
    let mut most = 0;
    let back = child::eventually(LIMIT, || {
        most = most.max(held_pages().unwrap_or(0));
        server().is_some_and(|pid| pid != old) && File::open("/bin/ls").is_ok()
    });
    ensure!(back, "there are no files again");
    println!("{most} pages were held");
    // Those of the last seconds at least; the kernel writes back every five.
    ensure!(most > 0, "no page was held");
    user.everything()?;
    println!("{}", model.claim("r-held"));
    Ok(())
}

fn nothing_acknowledged_is_lost() -> Outcome {
    wait_for_files()?;
    let kills = env::args().get(1).and_then(|word| word.parse().ok());
    let words = Words::new()?;
    let note = Note::new()?;
    let mut users = Vec::new();
    let mut models = Vec::new();
    for number in 0..3 {
        let name = format!("r-own{number}");
        make(&name)?;
        models.push((name, Model::new(PAGES * page())?));
    }
    let shared = Model::new(PAGES * page())?;
    make("r-shared")?;
    User::new(&words, 9, "r-shared", &shared)?.write(0, FIXED_PAGES * page())?;
    models.push((String::from("r-shared"), shared));
    for number in 0..6 {
        let (name, model) = &models[(number as usize).min(3)];
        users.push(child::start(|| {
            let outcome = User::new(&words, number, name, model).and_then(|mut user| {
                user.work(|user| match number {
                    0..=2 => user.anything(),
                    3..=4 => user.slots(number - 3),
                    _ => user.tail(),
                })
                .and_then(|()| {
                    if number < 3 {
                        user.everything()
                    } else {
                        Ok(())
                    }
                })
            });
            match outcome {
                Ok(()) => 0,
                Err(reason) => {
                    note.write(&reason);
                    1
                }
            }
        })?);
    }
    let killed = kill_often(kills.unwrap_or(KILLS), &words, &note);
    let goes_on = killed.and_then(|most| {
        println!("{most} pages were held at most");
        ensure!(most > 0, "no page was ever held");
        wait_for_files()?;
        everybody_goes_on(&words)
    });
    words.set(0, 1);
    let mut ends = Vec::new();
    for user in users {
        ends.push(child::finish(user, 2 * LIMIT)?);
    }
    goes_on?;
    ensure!(
        ends.iter().all(|end| *end == WaitStatus::Exited(0)),
        "{}; the users ended so: {ends:?}",
        note.read()
    );
    tell(&words)?;
    for (name, model) in &models {
        println!("{}", model.claim(name));
    }
    Ok(())
}

/// Kills the server at random moments, and gives the most pages that were held.
fn kill_often(kills: u64, words: &Words, note: &Note) -> Result<u64, String> {
    let mut random = Random::new(kills);
    let (mut most, mut early, mut before) = (0, 0, 0);
    for _ in 0..kills {
        let server = next_server(before)?;
        if early < EARLY && random.below(3) == 0 {
            early += 1;
            time::sleep(random.below(60) as u32);
        } else {
            early = 0;
            wait_for_files()?;
            time::sleep(random.below(250) as u32);
        }
        // It may be gone by itself when it was killed before it was ready.
        process::kill(server, Signal::KILL).context("kill")?;
        for _ in 0..3 {
            most = most.max(held_pages()?);
            time::sleep(1);
        }
        before = server;
        let reason = note.read();
        ensure!(reason.is_empty(), "{reason}");
        words.word(1).fetch_add(1, Ordering::Relaxed);
    }
    Ok(most)
}

/// Each user makes some more steps when there is a server again.
fn everybody_goes_on(words: &Words) -> Outcome {
    let steps = |user| words.get(word(user, Told::Steps));
    let before: Vec<u64> = (0..6).map(steps).collect();
    for user in 0..6 {
        ensure!(
            child::eventually(LIMIT, || steps(user) >= before[user as usize] + 3),
            "user {user} does not go on after {} steps",
            steps(user)
        );
    }
    Ok(())
}

fn tell(words: &Words) -> Outcome {
    for user in 0..6 {
        let told = |what| words.get(word(user, what));
        println!(
            "user {user}: {} steps, {} times EIO, {} times SIGBUS, {} ms at most",
            told(Told::Steps),
            told(Told::Errors),
            told(Told::BusErrors),
            told(Told::Longest)
        );
        ensure!(
            told(Told::Longest) < LIMIT,
            "user {user} waited for {} ms",
            told(Told::Longest)
        );
    }
    Ok(())
}

fn nothing_is_held_any_more() -> Outcome {
    wait_for_files()?;
    fs::sync_volume("/share").context("fsctl")?;
    ensure_equal!(held_pages()?, 0, "pages held for no server");
    Ok(())
}

//! A pager as an ordinary task: what it supplies is seen, and whatever it does wrong ends in `SIGBUS`, never in a hang.

#![cfg_attr(target_os = "none", no_std, no_main)]
#![forbid(unsafe_code)]

extern crate alloc;

use alloc::string::String;

use bsd_sys::mman::advice;
use bsd_sys::signal::Signal;
use libsystem::mach_call::call;
use libsystem::{mach_call, process, time};
use mach::defs::mach_vm;
use mach::message::UserRight;
use mach::port::{Disposition, PortName};
use mach::{KernReturn, VmProt};
use pager_sdk::{Attributes, Event, ReadRequest, Server};
use tests::child::{self, must_crash, must_succeed};
use tests::raw::{self, page};
use tests::shared::{Words, take_right};
use tests::{Context as _, Outcome, counts, ensure, ensure_equal};

tests::program! {
    supplied_pages_are_seen_and_asked_for_once,
    what_the_pager_does_not_have_reads_as_zero,
    an_error_is_a_bus_error,
    an_unanswered_request_ends_at_its_deadline,
    a_waiting_process_can_be_killed,
    a_pager_that_dies_while_it_is_asked,
    a_pager_that_is_dead_already,
    two_mappings_of_one_port_share_pages,
    a_copy_is_private_and_keeps_old_pages,
    one_hung_object_does_not_delay_another,
    a_pager_leaves_nothing_behind,
}

/// Pages with a number below this hold it plus one in every byte.
const SUPPLIED: u64 = 100;
/// From here on there is no data.
const UNAVAILABLE: u64 = 100;
/// From here on there is an error.
const FAILING: u64 = 200;
/// From here on nothing is answered.
const SILENT: u64 = 300;
/// From here on a request ends the pager.
const DEADLY: u64 = 400;
/// Pages of the object.
const PAGES: u64 = 500;
/// Milliseconds until the kernel gives up on a request.
const DEADLINE: u32 = 1500;

/// Word of the port's name.
const NAME: usize = 0;
/// Word that counts requested pages.
const REQUESTED: usize = 1;

/// The pager's process.
fn page_things(words: &Words) -> i32 {
    let Ok(mut server) = Server::new() else {
        return 2;
    };
    let Ok(object) = server.create_object() else {
        return 3;
    };
    words.set(NAME, u64::from(object.0));
    let mut kept = alloc::vec::Vec::new();
    loop {
        match server.next_event() {
            Ok(Event::Init(init)) => {
                let _ = init.ready(Attributes {
                    deadline: DEADLINE,
                    ..Attributes::default()
                });
            }
            Ok(Event::Read(read)) => answer(words, read, &mut kept),
            Ok(Event::Return(pages)) => pages.refuse(),
            Ok(_) => {}
            Err(_) => return 4,
        }
    }
}

fn answer(words: &Words, mut read: ReadRequest, kept: &mut alloc::vec::Vec<ReadRequest>) {
    loop {
        let rest = read.split_off(page());
        let number = read.offset() / page();
        words.set(REQUESTED, words.get(REQUESTED) + 1);
        let _ = match number {
            0..SUPPLIED => read.supply(&alloc::vec![number as u8 + 1; page() as usize]),
            UNAVAILABLE..FAILING => read.unavailable(),
            FAILING..SILENT => read.fail(KernReturn::MEMORY_ERROR),
            SILENT..DEADLY => {
                kept.push(read);
                Ok(())
            }
            _ => process::exit(0),
        };
        match rest {
            Some(next) => read = next,
            None => return,
        }
    }
}

struct Pager {
    child: i32,
    words: Words,
    object: PortName,
}

impl Pager {
    fn start() -> Result<Self, String> {
        let words = Words::new()?;
        let child = child::start(|| page_things(&words))?;
        let name = PortName(words.wait(NAME, "the pager's port")? as u32);
        let object = take_right(child, name, Disposition::MakeSend)?;
        Ok(Self {
            child,
            words,
            object,
        })
    }

    /// Maps the whole object; reading ahead is off.
    fn map(&self, copy: bool) -> Result<u64, String> {
        let protection = if copy {
            VmProt::READ | VmProt::WRITE
        } else {
            VmProt::READ
        };
        let request = mach_vm::map::Request {
            object: UserRight::copy_send(self.object),
            address: 0,
            size: PAGES * page(),
            mask: 0,
            flags: 1,
            offset: 0,
            copy: u32::from(copy),
            cur_protection: protection,
            max_protection: VmProt::READ | VmProt::WRITE,
            inheritance: 0,
        };
        let address = call(mach_call::task_self(), request)
            .context("mach_vm_map")?
            .address;
        raw::madvise(address, PAGES * page(), advice::RANDOM).context("madvise")?;
        Ok(address)
    }

    fn requested(&self) -> u64 {
        self.words.get(REQUESTED)
    }

    fn kill(&self) -> Outcome {
        let _ = process::kill(self.child, Signal::KILL);
        child::finish(self.child, 10_000).map(drop)
    }
}

impl Drop for Pager {
    fn drop(&mut self) {
        let _ = process::kill(self.child, Signal::KILL);
    }
}

fn supplied_pages_are_seen_and_asked_for_once() -> Outcome {
    let pager = Pager::start()?;
    let base = pager.map(false)?;
    ensure_equal!(pager.requested(), 0, "pages asked for by mapping");
    for number in [0, 5, 99, 5, 0] {
        for offset in [0, 1, page() - 1] {
            ensure_equal!(
                raw::load(base + number * page() + offset),
                number as u8 + 1,
                "byte {offset} of page {number}"
            );
        }
    }
    ensure_equal!(pager.requested(), 3, "pages asked for");
    ensure_equal!(raw::resident(base, SUPPLIED), Ok(3), "resident pages");
    Ok(())
}

fn what_the_pager_does_not_have_reads_as_zero() -> Outcome {
    let pager = Pager::start()?;
    let base = pager.map(false)?;
    ensure_equal!(raw::load(base + UNAVAILABLE * page()), 0, "a byte");
    ensure_equal!(
        raw::load(base + (FAILING - 1) * page()),
        0,
        "a byte of the last such page"
    );
    Ok(())
}

fn an_error_is_a_bus_error() -> Outcome {
    let pager = Pager::start()?;
    let base = pager.map(false)?;
    must_crash(Signal::BUS, "a page with an error", || {
        raw::touch(base + FAILING * page())
    })?;
    must_crash(Signal::BUS, "the same page again", || {
        raw::touch(base + FAILING * page())
    })?;
    ensure_equal!(raw::load(base), 1, "another page");
    Ok(())
}

fn an_unanswered_request_ends_at_its_deadline() -> Outcome {
    let pager = Pager::start()?;
    let base = pager.map(false)?;
    let begin = time::now();
    must_crash(Signal::BUS, "a page that never comes", || {
        raw::touch(base + SILENT * page())
    })?;
    let took = (time::now() - begin) / 1_000_000;
    ensure!(
        took >= u64::from(DEADLINE) - 100 && took < 10_000,
        "the deadline of {DEADLINE} ms took {took} ms"
    );
    Ok(())
}

fn a_waiting_process_can_be_killed() -> Outcome {
    let pager = Pager::start()?;
    let base = pager.map(false)?;
    let waiting = child::start(|| i32::from(raw::load(base + SILENT * page())))?;
    time::sleep(200);
    let begin = time::now();
    process::kill(waiting, Signal::KILL).context("kill")?;
    let status = child::finish(waiting, 5000)?;
    ensure_equal!(status.shell_status(), 128 + 9, "the end");
    ensure!(
        time::now() - begin < 1_000_000_000,
        "killing it took a second"
    );
    Ok(())
}

fn a_pager_that_dies_while_it_is_asked() -> Outcome {
    let pager = Pager::start()?;
    let base = pager.map(false)?;
    ensure_equal!(raw::load(base), 1, "a page before");
    let begin = time::now();
    must_crash(Signal::BUS, "a page whose request kills the pager", || {
        raw::touch(base + DEADLY * page())
    })?;
    ensure!(
        time::now() - begin < 1_400_000_000,
        "death was noticed by the deadline only"
    );
    ensure_equal!(raw::load(base), 1, "a page that was there");
    must_crash(Signal::BUS, "a page after", || raw::touch(base + page()))
}

fn a_pager_that_is_dead_already() -> Outcome {
    let pager = Pager::start()?;
    let base = pager.map(false)?;
    pager.kill()?;
    must_crash(Signal::BUS, "the first touch", || raw::touch(base))?;
    ensure!(
        pager.map(false).is_err(),
        "the port of a dead pager can be mapped"
    );
    Ok(())
}

fn two_mappings_of_one_port_share_pages() -> Outcome {
    let pager = Pager::start()?;
    let (one, two) = (pager.map(false)?, pager.map(false)?);
    ensure_equal!((raw::load(one), raw::load(two)), (1, 1), "both");
    ensure_equal!(pager.requested(), 1, "pages asked for");
    must_succeed(10_000, || {
        ensure_equal!(raw::load(two + page()), 2, "a child's touch");
        Ok(())
    })?;
    ensure_equal!(
        (raw::load(one + page()), pager.requested()),
        (2, 2),
        "the page that the child brought in"
    );
    Ok(())
}

fn a_copy_is_private_and_keeps_old_pages() -> Outcome {
    let pager = Pager::start()?;
    let (shared, copy) = (pager.map(false)?, pager.map(true)?);
    raw::store(copy, 77);
    ensure_equal!(
        (raw::load(copy), raw::load(copy + 1), raw::load(shared)),
        (77, 1, 1),
        "copy and original"
    );
    ensure_equal!(
        raw::load(copy + 9 * page()),
        10,
        "a page of the copy that was never written"
    );
    pager.kill()?;
    ensure_equal!(
        (raw::load(copy), raw::load(copy + 9 * page())),
        (77, 10),
        "pages after the pager's death"
    );
    must_crash(Signal::BUS, "a page that never came", || {
        raw::touch(copy + 10 * page())
    })
}

fn one_hung_object_does_not_delay_another() -> Outcome {
    let (hung, good) = (Pager::start()?, Pager::start()?);
    let (bad, fine) = (hung.map(false)?, good.map(false)?);
    let waiting = child::start(|| i32::from(raw::load(bad + SILENT * page())))?;
    time::sleep(100);
    let begin = time::now();
    for number in 0..50 {
        ensure_equal!(
            raw::load(fine + number * page()),
            number as u8 + 1,
            "page {number}"
        );
    }
    ensure!(
        time::now() - begin < 1_300_000_000,
        "pages of the other object came late"
    );
    ensure_equal!(
        child::finish(waiting, 10_000)?.shell_status(),
        128 + 10,
        "the process that waited"
    );
    Ok(())
}

fn a_pager_leaves_nothing_behind() -> Outcome {
    counts::leaves_nothing(|| {
        must_succeed(20_000, || {
            let pager = Pager::start()?;
            let base = pager.map(false)?;
            let copy = pager.map(true)?;
            for number in 0..SUPPLIED {
                ensure_equal!(
                    raw::load(base + number * page()),
                    number as u8 + 1,
                    "page {number}"
                );
                raw::store(copy + number * page(), 1);
            }
            must_crash(Signal::BUS, "the deadly page", || {
                raw::touch(base + DEADLY * page())
            })?;
            // The pager has ended by itself.
            child::finish(pager.child, 10_000).map(drop)
        })
    })
}

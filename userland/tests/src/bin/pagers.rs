//! Pagers by name: what is below `/pagers/NAME` is a file like any other, and nothing a pager does harms anybody but those
//! who use it.

#![cfg_attr(target_os = "none", no_std, no_main)]
#![forbid(unsafe_code)]

extern crate alloc;

use alloc::string::String;
use alloc::vec::Vec;

use bsd_sys::Errno;
use bsd_sys::mman::advice;
use bsd_sys::signal::Signal;
use libsystem::fs::{self, File};
use libsystem::mach_call::{self, call, port};
use libsystem::{process, time};
use mach::defs::{CString, RequestBody, mach_vm, pager, pager_registry};
use mach::message::{Carried, UserCarrier, UserRight};
use mach::port::PortName;
use mach::{KernReturn, PortRight, VmProt};
use pager_sdk::{Answer, Attributes, Entry, Info, Pager, ReadRequest, registry::client};
use tests::child::{self, must_crash};
use tests::pager::{Started, own_name};
use tests::raw::{self, page};
use tests::{Context as _, Outcome, counts, ensure, ensure_equal};

tests::program! {
    a_file_of_a_pager_is_a_file_like_any_other,
    names_and_errors_come_from_the_pager,
    path_and_port_show_one_object,
    a_page_with_an_error_is_an_error_for_read_and_for_a_touch,
    a_name_belongs_to_whoever_has_it,
    bad_names_are_refused,
    a_pager_that_dies_leaves_errors_and_frees_its_name,
    a_hung_pager_delays_only_its_own_users,
    a_program_cannot_pose_as_the_kernel,
    pagers_leave_nothing_behind,
}

/// Pages of `numbers`; each holds its number plus one in every byte.
const PAGES: u64 = 40;
/// The page of `numbers` that cannot be had.
const BAD: u64 = 7;
/// Milliseconds until the kernel gives up on a page.
const DEADLINE: u32 = 2000;

/// Serves `numbers`, `deep/er/text`, and hangs at `hang`.
struct Numbers;

const TEXT: &str = "a text in a deep directory\n";

impl Pager for Numbers {
    type File = bool;

    fn look_up(&mut self, path: &str) -> Result<Info, Errno> {
        match path {
            "numbers" => Ok(Info::file(PAGES * page() - 100)),
            "deep" | "deep/er" => Ok(Info::directory()),
            "deep/er/text" => Ok(Info::file(TEXT.len() as u64)),
            "hang" => loop {
                time::sleep(1000);
            },
            "denied" => Err(Errno::EACCES),
            _ => Err(Errno::ENOENT),
        }
    }

    fn list(&mut self, path: &str) -> Result<Vec<Entry>, Errno> {
        match path {
            "" => Ok(alloc::vec![
                Entry::directory("deep"),
                Entry::file("numbers")
            ]),
            _ => Err(Errno::ENOTSUP),
        }
    }

    fn open(&mut self, path: &str) -> Result<bool, Errno> {
        Ok(path == "numbers")
    }

    fn read(&mut self, numbers: &mut bool, request: ReadRequest) -> Answer {
        request.fill(|offset, bytes| {
            if !*numbers {
                bytes[..TEXT.len()].copy_from_slice(TEXT.as_bytes());
                return Ok(());
            }
            let number = offset / page();
            bytes.fill(number as u8 + 1);
            if number == BAD {
                Err(Errno::EIO)
            } else {
                Ok(())
            }
        })
    }
}

/// The pager at work, under a name of this process's own.
fn served() -> Result<Started, String> {
    served_as(&own_name("test"))
}

fn served_as(name: &str) -> Result<Started, String> {
    let attributes = Attributes {
        deadline: DEADLINE,
        ..Attributes::default()
    };
    Started::serve_as(name, attributes, || Numbers)
}

fn map_port(object: PortName) -> Result<u64, String> {
    let request = mach_vm::map::Request {
        object: UserRight::copy_send(object),
        address: 0,
        size: PAGES * page(),
        mask: 0,
        flags: 1,
        offset: 0,
        copy: 0,
        cur_protection: VmProt::READ,
        max_protection: VmProt::READ,
        inheritance: 0,
    };
    let mapped = call(mach_call::task_self(), request).context("mach_vm_map")?;
    raw::madvise(mapped.address, PAGES * page(), advice::RANDOM).context("madvise")?;
    Ok(mapped.address)
}

fn a_file_of_a_pager_is_a_file_like_any_other() -> Outcome {
    let served = served()?;
    let file = File::open(&served.path("numbers")).context("open")?;
    let size = file.stat().context("fstat")?.size as u64;
    ensure_equal!(size, PAGES * page() - 100, "the size");
    let mut bytes = alloc::vec![0; 3 * page() as usize];
    let at = page() / 2;
    let count = file.read_at(&mut bytes, at).context("pread")?;
    ensure_equal!(count, bytes.len(), "bytes read");
    ensure_equal!(
        (bytes[0], bytes[page() as usize], bytes[count - 1]),
        (1, 2, 4),
        "bytes"
    );
    let end = file.read_at(&mut bytes, size - 5).context("pread")?;
    ensure_equal!(end, 5, "bytes before the end");
    let base = raw::map_file(&file).context("mmap")?;
    for number in [0, 39, 20] {
        ensure_equal!(
            raw::load(base + number * page()),
            number as u8 + 1,
            "page {number}"
        );
    }
    ensure_equal!(
        raw::load(base + PAGES * page() - 1),
        0,
        "a byte past the end"
    );
    let text = fs::read(&served.path("deep/er/text")).context("read")?;
    ensure_equal!(text, TEXT.as_bytes(), "the text");
    Ok(())
}

fn names_and_errors_come_from_the_pager() -> Outcome {
    let served = served()?;
    let names = fs::read_dir(&served.path("")).context("the top")?;
    let names: Vec<&str> = names.iter().map(|entry| entry.name.as_str()).collect();
    ensure_equal!(names, ["deep", "numbers"], "names");
    let of = |below: &str| File::open(&served.path(below)).map(drop);
    ensure_equal!(of("nothing"), Err(Errno::ENOENT), "no such file");
    ensure_equal!(of("denied"), Err(Errno::EACCES), "the pager's own error");
    ensure_equal!(of("numbers/x"), Err(Errno::ENOTDIR), "below a file");
    ensure_equal!(of("deep/../numbers"), Ok(()), "and back");
    let list = fs::read_dir(&served.path("deep")).map(drop);
    ensure_equal!(list, Err(Errno::ENOTSUP), "a directory without a list");
    let pagers = fs::read_dir("/pagers").context("/pagers")?;
    ensure!(
        pagers.iter().any(|entry| entry.name == served.name()),
        "the pager is not listed"
    );
    ensure_equal!(
        File::open("/pagers/nobody/x").map(drop),
        Err(Errno::ENOENT),
        "no such pager"
    );
    Ok(())
}

fn path_and_port_show_one_object() -> Outcome {
    let served = served()?;
    let file = File::open(&served.path("numbers")).context("open")?;
    let by_path = raw::map_file(&file).context("mmap")?;
    let (object, size) = client::open(served.name(), "numbers").context("the object")?;
    ensure_equal!(size, PAGES * page() - 100, "the size");
    let by_port = map_port(object)?;
    ensure_equal!(raw::load(by_path + 3 * page()), 4, "by path");
    let before = client::describe(served.name()).context("describe")?;
    ensure_equal!(raw::load(by_port + 3 * page()), 4, "by port");
    let after = client::describe(served.name()).context("describe")?;
    ensure_equal!(after.pages, before.pages, "pages asked for");
    ensure_equal!((after.objects, after.refusals), (1, 0), "the description");
    let (_, process) = client::look_up(served.name()).context("look_up")?;
    ensure_equal!(process, served.child, "the pager's process");
    // The file's last open goes; the mapping by port stays.
    drop(file);
    raw::munmap(by_path, PAGES * page()).context("munmap")?;
    fs::purge().context("vfs_purge")?;
    ensure_equal!(raw::load(by_port + 9 * page()), 10, "by port alone");
    let missing = client::open(served.name(), "nothing").map(drop);
    ensure_equal!(
        missing.map_err(KernReturn::to_errno),
        Err(Some(Errno::ENOENT.raw())),
        "no such object"
    );
    Ok(())
}

fn a_page_with_an_error_is_an_error_for_read_and_for_a_touch() -> Outcome {
    let served = served()?;
    let file = File::open(&served.path("numbers")).context("open")?;
    let mut byte = [0];
    let mut read = |number: u64| file.read_at(&mut byte, number * page());
    ensure_equal!(read(BAD), Err(Errno::EIO), "reading the bad page");
    ensure_equal!(read(BAD - 1), Ok(1), "reading the page before");
    ensure_equal!(read(BAD + 1), Ok(1), "reading the page after");
    let base = raw::map_file(&file).context("mmap")?;
    must_crash(Signal::BUS, "touching the bad page", || {
        raw::touch(base + BAD * page())
    })?;
    for number in [BAD - 1, BAD + 1] {
        ensure_equal!(
            raw::load(base + number * page()),
            number as u8 + 1,
            "page {number}"
        );
    }
    Ok(())
}

fn register(name: &str) -> Result<u32, KernReturn> {
    let server = port::allocate(PortRight::Receive)?;
    let request = pager_registry::register::Request {
        server: UserRight::make_send(server),
        name: CString::new(name).ok_or(KernReturn::INVALID_VALUE)?,
    };
    call(mach_call::host_self(), request).map(|reply| reply.file_system)
}

fn a_name_belongs_to_whoever_has_it() -> Outcome {
    let served = served()?;
    ensure_equal!(
        register(served.name()),
        Err(KernReturn::NAME_EXISTS),
        "a name that is taken"
    );
    let text = fs::read(&served.path("deep/er/text")).context("read")?;
    ensure_equal!(text, TEXT.as_bytes(), "the text of its owner");
    Ok(())
}

fn bad_names_are_refused() -> Outcome {
    let long = "x".repeat(33);
    for name in ["", ".", "..", "a/b", "a b", "\u{e4}", long.as_str()] {
        ensure_equal!(
            register(name),
            Err(KernReturn::INVALID_ARGUMENT),
            "{name:?}"
        );
    }
    Ok(())
}

fn a_pager_that_dies_leaves_errors_and_frees_its_name() -> Outcome {
    let served = served()?;
    let file = File::open(&served.path("numbers")).context("open")?;
    let base = raw::map_file(&file).context("mmap")?;
    ensure_equal!(raw::load(base), 1, "a page before");
    served.kill()?;
    ensure_equal!(raw::load(base), 1, "a page that was there");
    must_crash(Signal::BUS, "a page that was not", || {
        raw::touch(base + page())
    })?;
    let mut byte = [0];
    ensure_equal!(
        file.read_at(&mut byte, page()),
        Err(Errno::EIO),
        "reading it"
    );
    ensure_equal!(
        File::open(&served.path("numbers")).map(drop),
        Err(Errno::ENOENT),
        "the name"
    );
    let again = served_as(served.name())?;
    let file = File::open(&again.path("numbers")).context("open again")?;
    ensure_equal!(file.read_at(&mut byte, page()), Ok(1), "reading again");
    ensure_equal!(byte[0], 2, "the byte");
    Ok(())
}

fn a_hung_pager_delays_only_its_own_users() -> Outcome {
    let hung = served()?;
    let good = served_as(&own_name("good"))?;
    let path = hung.path("hang");
    let waiting = child::start(|| i32::from(File::open(&path).is_ok()))?;
    time::sleep(100);
    let begin = time::now();
    for _ in 0..20 {
        fs::read(&good.path("deep/er/text")).context("another pager")?;
        fs::read_dir("/pagers").context("the directory of pagers")?;
        fs::stat("/bin").context("another directory")?;
    }
    ensure!(
        time::now() - begin < 5_000_000_000,
        "others waited for the hung pager"
    );
    process::kill(waiting, Signal::KILL).context("kill")?;
    ensure_equal!(
        child::finish(waiting, 5000)?.shell_status(),
        128 + 9,
        "whoever waits can be killed"
    );
    let begin = time::now();
    ensure_equal!(
        File::open(&hung.path("numbers")).map(drop),
        Err(Errno::EIO),
        "the hung pager's file"
    );
    let took = (time::now() - begin) / 1_000_000_000;
    ensure!((5..25).contains(&took), "the deadline took {took} s");
    Ok(())
}

fn tell<R: RequestBody<UserCarrier>>(to: PortName, request: R) -> Result<(), KernReturn> {
    let message = request.into_message(UserRight::copy_send(to), Carried::Null);
    mach_call::send(&message, Some(1000))
}

fn a_program_cannot_pose_as_the_kernel() -> Outcome {
    let served = served()?;
    let (object, _) = client::open(served.name(), "numbers").context("the object")?;
    let base = map_port(object)?;
    ensure_equal!(raw::load(base), 1, "a page");
    let own = port::allocate_with_send().context("a port")?;
    for _ in 0..3 {
        let init = pager::init::Request {
            control: UserRight::copy_send(own),
            control_id: 1,
            page_size: page() as u32,
        };
        tell(object, init).context("init")?;
        tell(object, pager::terminate::Request { control_id: 1 }).context("terminate")?;
    }
    ensure_equal!(raw::load(base + page()), 2, "the next page");
    // Names are asked for by the kernel alone.
    let (server, _) = client::look_up(served.name()).context("the pager's port")?;
    let forget = mach::defs::file_server::forget::Request {
        file: mach::file::FileHandle::default(),
        answers: u64::MAX,
    };
    tell(server, forget).context("forget")?;
    let file = File::open(&served.path("numbers")).context("open")?;
    ensure_equal!(
        file.read_at(&mut [0], 2 * page()),
        Ok(1),
        "reading all the same"
    );
    Ok(())
}

fn pagers_leave_nothing_behind() -> Outcome {
    counts::leaves_nothing(|| {
        child::must_succeed(30_000, || {
            let served = served()?;
            let file = File::open(&served.path("numbers")).context("open")?;
            let base = raw::map_file(&file).context("mmap")?;
            ensure_equal!(raw::load(base), 1, "a page");
            let (object, _) = client::open(served.name(), "deep/er/text").context("the object")?;
            map_port(object)?;
            drop(file);
            served.kill()
        })?;
        fs::purge().context("vfs_purge")
    })
}

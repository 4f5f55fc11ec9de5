//! `server_death FILE`: the file server is killed while others read and fault. Runs from the boot archive.
//!
//! Its users get `SIGBUS` or `EIO`, programs of the archive go on, nothing stays behind, and the files come back.

#![cfg_attr(target_os = "none", no_std, no_main)]
#![forbid(unsafe_code)]

extern crate alloc;

use alloc::string::String;
use alloc::vec::Vec;

use bsd_sys::Errno;
use bsd_sys::mman::advice;
use bsd_sys::signal::Signal;
use bsd_sys::wait::WaitStatus;
use libsystem::fs::{self, File};
use libsystem::{env, process, time};
use tests::child;
use tests::counts::{self, Counts};
use tests::raw::{self, R, SHARED, UNIX03, page};
use tests::region;
use tests::shared::Words;
use tests::{Context as _, Outcome, ensure, ensure_equal};

libsystem::main!(run);

/// Called with an argument this program is what `exec` starts.
fn run() -> i32 {
    if env::args().get(1).map(String::as_str) == Some("--exit") {
        return 7;
    }
    tests::run(&[
        (
            "users_of_a_killed_server_get_errors",
            users_of_a_killed_server_get_errors,
        ),
        (
            "programs_of_the_archive_run_on",
            programs_of_the_archive_run_on,
        ),
        ("files_come_back", files_come_back),
        ("memory_works_as_before", memory_works_as_before),
    ])
}

/// Milliseconds within which users must hear of the death: more than the server's own deadline.
const LIMIT: u64 = 25_000;

fn file() -> String {
    env::args()
        .into_iter()
        .nth(1)
        .unwrap_or_else(|| String::from("/share/sparse50"))
}

fn server() -> Result<i32, String> {
    let is_server = |pid: &i32| {
        process::information(*pid).is_ok_and(|process| process.name().contains("vnode_pager"))
    };
    process::list()
        .context("processes")?
        .into_iter()
        .find(is_server)
        .ok_or_else(|| String::from("there is no file server"))
}

/// Touches page after page; there are more than anyone can read.
fn fault(words: &Words, number: u64) -> i32 {
    let Ok(file) = File::open(&file()) else {
        return 1;
    };
    let Ok(size) = file.stat().map(|stat| stat.size as u64) else {
        return 2;
    };
    let Ok(base) = raw::mmap(0, size, R, SHARED | UNIX03, file.descriptor(), 0) else {
        return 3;
    };
    let _ = raw::madvise(base, size, advice::RANDOM);
    let mut at = number * (1 << 30);
    loop {
        let _ = raw::load(base + at);
        at += page();
        words.set(number as usize, words.get(number as usize) + 1);
    }
}

fn read(words: &Words, number: u64) -> i32 {
    let Ok(file) = File::open(&file()) else {
        return 1;
    };
    let mut buffer = alloc::vec![0; 8192];
    let mut at = number * (1 << 30);
    loop {
        match file.read_at(&mut buffer, at) {
            Ok(_) => at += 8192,
            Err(Errno::EIO) => return 50,
            Err(_) => return 4,
        }
        words.set(number as usize, words.get(number as usize) + 1);
    }
}

fn users_of_a_killed_server_get_errors() -> Outcome {
    let first = server()?;
    let before = Counts::now()?;
    let own = region::count(first)?;
    let words = Words::new()?;
    let mut users = Vec::new();
    for number in 1..=8 {
        let words = &words;
        users.push(child::start(move || {
            if number % 2 == 0 {
                read(words, number)
            } else {
                fault(words, number)
            }
        })?);
    }
    for number in 1..=8 {
        words.wait(number, "a user's progress")?;
    }
    time::sleep(100);
    process::kill(first, Signal::KILL).context("kill")?;
    for (index, user) in users.into_iter().enumerate() {
        let status = child::finish(user, LIMIT)?;
        let expected = if index % 2 == 1 {
            WaitStatus::Exited(50)
        } else {
            WaitStatus::Signalled(Signal::BUS)
        };
        ensure_equal!(status, expected, "user {index}");
    }
    drop(words);
    // The successor's heap need not have grown in the same steps.
    wait_for_files()?;
    let more = region::count(server()?)?.saturating_sub(own);
    let before = before.with_more("VM map entries", more);
    let before = before.with_more("vm objects", more);
    // Seen on busy machines: the successor keeps one port more, see the caveats.
    let before = before.with_more("ipc ports", 1);
    let mut left = String::new();
    // A file that is just being closed is forgotten by a later purge only.
    let back = child::eventually(LIMIT, || {
        let now = fs::purge()
            .context("vfs_purge")
            .and_then(|()| Counts::now());
        left = now.map_or_else(|error| error, |now| now.excess(&before).unwrap_or_default());
        left.is_empty()
    });
    ensure!(back, "{left}");
    Ok(())
}

/// Init starts the server again; what was open before is the same file still.
fn files_come_back() -> Outcome {
    wait_for_files()?;
    let open = File::open("/bin/ls").context("open")?;
    let base = raw::mmap(0, page(), R, SHARED | UNIX03, open.descriptor(), 0).context("mmap")?;
    let first = raw::load(base);
    let mut later = alloc::vec![0; 64 * 1024];
    let at = 5 * page();
    let read = open.read_at(&mut later, at).context("read")?;
    process::kill(server()?, Signal::KILL).context("kill")?;
    fs::purge().context("vfs_purge")?;
    wait_for_files()?;
    let mut again = alloc::vec![0; 64 * 1024];
    ensure_equal!(
        open.read_at(&mut again, at).context("read again")?,
        read,
        "bytes"
    );
    ensure!(again == later, "other bytes after the restart");
    ensure_equal!(raw::load(base), first, "the mapped byte");
    let by_name = File::open("/bin/ls").context("open again")?;
    ensure_equal!(
        by_name.stat().context("stat")?.ino,
        open.stat().context("fstat")?.ino,
        "the file's number"
    );
    raw::munmap(base, page()).context("munmap")?;
    Ok(())
}

fn wait_for_files() -> Outcome {
    let begin = time::now();
    while File::open("/bin/ls").is_err() {
        ensure!(
            time::now() - begin < LIMIT * 1_000_000,
            "there are no files again"
        );
        time::sleep(20);
    }
    Ok(())
}

fn programs_of_the_archive_run_on() -> Outcome {
    let own = "/boot/tests/server_death";
    let child = process::spawn(own, &[own, "--exit"]).context("spawn")?;
    ensure_equal!(
        child::finish(child, 20_000)?,
        WaitStatus::Exited(7),
        "a program of the archive"
    );
    let child =
        process::spawn("/boot/bin/recovery", &["recovery", "-c", "exit 5"]).context("spawn")?;
    ensure_equal!(
        child::finish(child, 20_000)?,
        WaitStatus::Exited(5),
        "the recovery shell"
    );
    ensure!(
        fs::read_dir("/boot/bin").is_ok_and(|names| !names.is_empty()),
        "/boot/bin cannot be listed"
    );
    Ok(())
}

fn memory_works_as_before() -> Outcome {
    fs::purge().context("vfs_purge")?;
    counts::leaves_nothing(|| {
        child::must_succeed(10_000, || {
            let base = raw::anonymous(64, R | raw::W).context("mmap")?;
            for index in 0..64 {
                raw::store(base + index * page(), 1);
            }
            child::must_succeed(5_000, || {
                ensure_equal!(raw::load(base), 1, "a byte");
                raw::store(base, 2);
                Ok(())
            })
        })
    })
}

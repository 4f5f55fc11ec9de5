//! Processes: how they start, what they are told, how they end, and who hears of it.

#![cfg_attr(target_os = "none", no_std, no_main)]
#![forbid(unsafe_code)]

extern crate alloc;

use alloc::string::String;

use bsd_sys::Errno;
use bsd_sys::signal::Signal;
use bsd_sys::wait::{WNOHANG, WUNTRACED, WaitStatus};
use libsystem::{env, process, time};
use tests::child::{self, end_of, eventually};
use tests::shared::Words;
use tests::{Context as _, Outcome, counts, ensure, ensure_equal};

libsystem::main!(run);

/// Called with an argument this program is what `exec` starts.
fn run() -> i32 {
    match env::args().get(1).map(String::as_str) {
        Some("--exit") => env::args()
            .get(2)
            .and_then(|word| word.parse().ok())
            .unwrap_or(99),
        Some("--count") => env::args().len() as i32,
        Some("--variable") => i32::from(env::variable("PAGODA").is_some()),
        _ => tests::run(&[
            ("exit_statuses_arrive", exit_statuses_arrive),
            ("signals_end_processes", signals_end_processes),
            ("waiting_follows_its_options", waiting_follows_its_options),
            (
                "a_stopped_process_goes_on_when_continued",
                a_stopped_process_goes_on_when_continued,
            ),
            ("what_a_child_used_is_told", what_a_child_used_is_told),
            ("exec_starts_programs", exec_starts_programs),
            (
                "exec_that_fails_changes_nothing",
                exec_that_fails_changes_nothing,
            ),
            ("orphans_go_to_init", orphans_go_to_init),
            (
                "a_killed_process_leaves_a_computation",
                a_killed_process_leaves_a_computation,
            ),
            (
                "descriptors_are_shared_as_open_files",
                descriptors_are_shared_as_open_files,
            ),
            (
                "processes_leave_nothing_behind",
                processes_leave_nothing_behind,
            ),
        ]),
    }
}

const PROGRAM: &str = "/tests/processes";

fn exit_statuses_arrive() -> Outcome {
    for code in [0, 1, 77, 255] {
        ensure_equal!(
            child::run(10_000, || code)?,
            WaitStatus::Exited(code as u8),
            "exit({code})"
        );
    }
    ensure_equal!(
        child::run(10_000, || 256 + 3)?,
        WaitStatus::Exited(3),
        "exit(259)"
    );
    Ok(())
}

fn signals_end_processes() -> Outcome {
    for signal in [
        Signal::KILL,
        Signal::TERM,
        Signal::INT,
        Signal::USR1,
        Signal::SEGV,
    ] {
        let sleeper = child::start(|| {
            time::sleep(60_000);
            0
        })?;
        process::kill(sleeper, signal).context("kill")?;
        ensure_equal!(
            child::finish(sleeper, 10_000)?,
            WaitStatus::Signalled(signal),
            "a sleeper"
        );
    }
    let ignored = child::start(|| {
        time::sleep(200);
        4
    })?;
    process::kill(ignored, Signal::WINCH).context("kill")?;
    ensure_equal!(
        child::finish(ignored, 10_000)?,
        WaitStatus::Exited(4),
        "after a signal that means nothing"
    );
    ensure_equal!(
        end_of(|| process::abort())?,
        WaitStatus::Signalled(Signal::ABRT),
        "abort"
    );
    ensure_equal!(
        process::kill(999_999, Signal::TERM),
        Err(Errno::ESRCH),
        "no such process"
    );
    ensure_equal!(process::kill(1, Signal::KILL), Err(Errno::EPERM), "init");
    Ok(())
}

fn waiting_follows_its_options() -> Outcome {
    ensure_equal!(
        process::wait(-1, 0).err(),
        Some(Errno::ECHILD),
        "without children"
    );
    ensure_equal!(
        process::wait(-1, 0x4000).err(),
        Some(Errno::EINVAL),
        "an unknown option"
    );
    let words = Words::new()?;
    let slow = child::start(|| words.wait(0, "the parent").map_or(1, |_| 5))?;
    ensure_equal!(process::wait(slow, WNOHANG), Ok(None), "a child that runs");
    ensure_equal!(
        process::wait(slow + 1000, 0).err(),
        Some(Errno::ECHILD),
        "somebody else's child"
    );
    let quick = child::start(|| 6)?;
    ensure_equal!(
        process::wait(quick, 0),
        Ok(Some((quick, WaitStatus::Exited(6)))),
        "one child of two"
    );
    words.set(0, 1);
    ensure_equal!(
        process::wait(-1, 0),
        Ok(Some((slow, WaitStatus::Exited(5)))),
        "any child"
    );
    ensure_equal!(
        process::wait(slow, 0).err(),
        Some(Errno::ECHILD),
        "a child that was waited for"
    );
    Ok(())
}

fn a_stopped_process_goes_on_when_continued() -> Outcome {
    let words = Words::new()?;
    let counter = child::start(|| {
        loop {
            words.set(0, words.get(0) + 1);
        }
    })?;
    words.wait(0, "the counter")?;
    process::kill(counter, Signal::STOP).context("stop")?;
    ensure_equal!(
        process::wait(counter, WUNTRACED),
        Ok(Some((counter, WaitStatus::Stopped(Signal::STOP)))),
        "the report"
    );
    time::sleep(50);
    let still = words.get(0);
    time::sleep(100);
    ensure_equal!(words.get(0), still, "the stopped counter");
    process::kill(counter, Signal::CONT).context("continue")?;
    ensure!(
        eventually(5_000, || words.get(0) != still),
        "it does not go on"
    );
    process::kill(counter, Signal::STOP).context("stop again")?;
    process::kill(counter, Signal::KILL).context("kill while stopped")?;
    ensure_equal!(
        child::finish(counter, 10_000)?,
        WaitStatus::Signalled(Signal::KILL),
        "the end"
    );
    Ok(())
}

fn what_a_child_used_is_told() -> Outcome {
    let busy = child::start(|| {
        let end = time::now() + 50_000_000;
        while time::now() < end {
            core::hint::spin_loop();
        }
        3
    })?;
    let (status, usage) = process::wait_with_usage(busy).context("wait4")?;
    ensure_equal!(status, WaitStatus::Exited(3), "the end");
    let used = usage.user_time.seconds * 1_000_000 + i64::from(usage.user_time.microseconds);
    // On a loaded machine it gets only a part of the time it waits for.
    ensure!(used > 1_000, "only {used} microseconds");
    ensure!(usage.minor_faults > 0, "no faults");
    Ok(())
}

fn exec_starts_programs() -> Outcome {
    let run = |words: &[&str]| -> Result<WaitStatus, String> {
        let child = process::spawn(PROGRAM, words).context("spawn")?;
        child::finish(child, 20_000)
    };
    ensure_equal!(
        run(&[PROGRAM, "--exit", "42"])?,
        WaitStatus::Exited(42),
        "its argument"
    );
    ensure_equal!(
        run(&[PROGRAM, "--count", "", "two words", "x"])?,
        WaitStatus::Exited(5),
        "the number of its arguments"
    );
    let many: alloc::vec::Vec<&str> = [PROGRAM, "--count"]
        .into_iter()
        .chain(core::iter::repeat_n("argument", 198))
        .collect();
    ensure_equal!(run(&many)?, WaitStatus::Exited(200), "200 arguments");
    ensure_equal!(
        run(&[PROGRAM, "--variable"])?,
        WaitStatus::Exited(0),
        "a variable that is not set"
    );
    Ok(())
}

fn exec_that_fails_changes_nothing() -> Outcome {
    ensure_equal!(
        process::exec("/no/such/program", &["x"]),
        Errno::ENOENT,
        "no such file"
    );
    ensure_equal!(
        process::exec("/tests", &["x"]),
        Errno::EACCES,
        "a directory"
    );
    let huge = alloc::vec!["0123456789abcdef"; 200_000];
    ensure_equal!(
        process::exec(PROGRAM, &huge),
        Errno::E2BIG,
        "too many arguments"
    );
    let status = child::finish(
        process::spawn("/no/such/program", &["x"]).context("spawn")?,
        10_000,
    )?;
    ensure_equal!(status, WaitStatus::Exited(127), "the new process");
    Ok(())
}

fn orphans_go_to_init() -> Outcome {
    let words = Words::new()?;
    let status = child::run(10_000, || {
        let orphan = child::start(|| {
            words.set(0, process::parent_id() as u64);
            let _ = eventually(5_000, || process::parent_id() == 1);
            words.set(1, process::parent_id() as u64);
            0
        });
        let _ = words.wait(0, "the orphan");
        i32::from(orphan.is_err())
    })?;
    ensure_equal!(status, WaitStatus::Exited(0), "the parent in the middle");
    ensure_equal!(
        words.wait(1, "the orphan's end")?,
        1,
        "the orphan's new parent"
    );
    Ok(())
}

fn a_killed_process_leaves_a_computation() -> Outcome {
    let busy = child::start(|| {
        let mut sum = 0u64;
        loop {
            sum = core::hint::black_box(sum + 1);
        }
    })?;
    time::sleep(20);
    process::kill(busy, Signal::KILL).context("kill")?;
    ensure_equal!(
        child::finish(busy, 10_000)?,
        WaitStatus::Signalled(Signal::KILL),
        "the end"
    );
    Ok(())
}

fn descriptors_are_shared_as_open_files() -> Outcome {
    let file = libsystem::fs::File::open(PROGRAM).context("open")?;
    let status = child::run(10_000, || {
        let mut bytes = [0; 100];
        file.read(&mut bytes)
            .map_or(1, |count| i32::from(count != 100))
    })?;
    ensure_equal!(status, WaitStatus::Exited(0), "reading in the child");
    ensure_equal!(
        file.seek(0, bsd_sys::fcntl::SEEK_CUR),
        Ok(100),
        "the parent's position"
    );
    Ok(())
}

fn processes_leave_nothing_behind() -> Outcome {
    counts::leaves_nothing(|| {
        for _ in 0..20 {
            let child = process::spawn(PROGRAM, &[PROGRAM, "--exit", "0"]).context("spawn")?;
            ensure_equal!(
                child::finish(child, 20_000)?,
                WaitStatus::Exited(0),
                "a child"
            );
        }
        Ok(())
    })
}

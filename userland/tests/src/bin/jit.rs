//! Code signing from inside: memory for a just-in-time compiler, and what becomes of code that is not what was signed.
//!
//! The program is signed with `com.apple.security.cs.allow-jit` (`entitlements/jit.plist`). The `victim` programs are one program
//! that the build has signed in many ways; see `xtask/src/sign/variants.rs`.

#![cfg_attr(target_os = "none", no_std, no_main)]
#![forbid(unsafe_code)]

extern crate alloc;

use alloc::format;
use alloc::vec::Vec;

use bsd_sys::Errno;
use bsd_sys::codesign as ops;
use bsd_sys::signal::Signal;
use bsd_sys::wait::WaitStatus;
use codesign::Flags;
use libsystem::fs::File;
use libsystem::process;
use tests::child::{self, must_crash, must_succeed};
use tests::raw::{self, ANON, JIT, PRIVATE, R, UNIX03, W, X, page};
use tests::{Context as _, Outcome, ensure, ensure_equal};

tests::program! {
    an_entitled_program_writes_code_and_runs_it,
    a_child_goes_on_compiling,
    without_the_entitlement_there_is_no_jit_memory,
    a_program_may_be_entitled_to_one_region_only,
    nothing_else_is_writable_and_executable,
    code_is_mapped_from_signed_files_only,
    code_of_an_unsigned_file_does_not_run_by_the_back_door,
    an_unchanged_program_is_valid,
    a_changed_page_kills,
    a_changed_page_is_a_bus_error,
    a_changed_page_is_let_in_and_the_process_is_invalid,
    unsigned_programs_are_killed,
    anonymous_code_runs_unless_signing_is_enforced,
    csops_tells_what_is_known,
    csops_checks_its_arguments,
}

/// How long a victim may take, in milliseconds.
const SHORT: u64 = 20_000;

/// `mov w0, #number; ret`.
fn answer(number: u32) -> [u32; 2] {
    [0x5280_0000 | number << 5, 0xd65f_03c0]
}

fn jit_region(pages: u64) -> raw::Answer {
    let flags = PRIVATE | ANON | UNIX03 | JIT;
    raw::mmap(0, pages * page(), R | W | X, flags, -1, 0)
}

/// How a victim ends.
fn end_of(name: &str, word: &str) -> Result<WaitStatus, alloc::string::String> {
    let path = format!("/tests/{name}");
    let child = process::spawn(&path, &[name, word]).context("spawn")?;
    child::finish(child, SHORT)
}

fn must_end(name: &str, word: &str, status: WaitStatus) -> Outcome {
    ensure_equal!(end_of(name, word)?, status, "{name} {word}");
    Ok(())
}

fn must_exit(name: &str, word: &str, error: Option<Errno>) -> Outcome {
    let status = error.map_or(0, |error| error.raw() as u8);
    must_end(name, word, WaitStatus::Exited(status))
}

fn an_entitled_program_writes_code_and_runs_it() -> Outcome {
    let code = jit_region(4).context("mmap")?;
    for number in [42, 43, 44] {
        raw::store_code(code, &answer(number));
        ensure_equal!(raw::run_code(code), number, "the code's answer");
    }
    // Another page of the region, and the same page again.
    raw::store_code(code + page(), &answer(7));
    ensure_equal!(raw::run_code(code + page()), 7, "the second page");
    ensure_equal!(raw::run_code(code), 44, "the first page");
    ensure!(jit_region(1).is_ok(), "a second region");
    raw::munmap(code, 4 * page()).context("munmap")?;
    Ok(())
}

fn a_child_goes_on_compiling() -> Outcome {
    let code = jit_region(1).context("mmap")?;
    raw::store_code(code, &answer(1));
    must_succeed(SHORT, || {
        ensure_equal!(raw::run_code(code), 1, "inherited code");
        raw::store_code(code, &answer(2));
        ensure_equal!(raw::run_code(code), 2, "the child's code");
        ensure!(jit_region(1).is_ok(), "the child's own region");
        Ok(())
    })?;
    ensure_equal!(raw::run_code(code), 1, "the parent's code");
    Ok(())
}

fn without_the_entitlement_there_is_no_jit_memory() -> Outcome {
    must_exit("victim", "jit", Some(Errno::EINVAL))?;
    must_exit("victim_jit", "jit", None)
}

fn a_program_may_be_entitled_to_one_region_only() -> Outcome {
    must_exit("victim_single", "jit", None)?;
    must_exit("victim_single", "two", Some(Errno::EINVAL))?;
    must_exit("victim_jit", "two", None)
}

fn nothing_else_is_writable_and_executable() -> Outcome {
    must_exit("victim", "both", Some(Errno::EACCES))?;
    ensure_equal!(
        raw::anonymous(1, R | W | X),
        Err(Errno::EACCES),
        "not even here"
    );
    let memory = raw::anonymous(1, R | X).context("mmap")?;
    ensure_equal!(
        raw::mprotect(memory, page(), R | W | X),
        Err(Errno::EACCES),
        "by mprotect"
    );
    Ok(())
}

fn map_code(path: &str) -> raw::Answer {
    let file = File::open(path)?;
    raw::mmap(0, page(), R | X, PRIVATE | UNIX03, file.descriptor(), 0)
}

fn code_is_mapped_from_signed_files_only() -> Outcome {
    for unsigned in ["/tests/victim_unsigned", "/tests/victim_damaged"] {
        ensure_equal!(map_code(unsigned), Err(Errno::EPERM), "{unsigned}");
    }
    let code = map_code("/tests/victim").context("the signed one")?;
    // A file that may not be executed can still be read.
    ensure_equal!(raw::load(code), 0x7f, "the first byte");
    Ok(())
}

fn code_of_an_unsigned_file_does_not_run_by_the_back_door() -> Outcome {
    let file = File::open("/tests/victim_unsigned").context("open")?;
    let code = raw::mmap(0, page(), R, PRIVATE | UNIX03, file.descriptor(), 0).context("mmap")?;
    raw::mprotect(code, page(), R | X).context("mprotect")?;
    must_crash(Signal::KILL, "unsigned code", || raw::jump(code))
}

fn an_unchanged_program_is_valid() -> Outcome {
    must_exit("victim", "code", None)?;
    must_exit("victim_plain", "code", None)?;
    must_exit("victim_enforced", "code", None)
}

fn a_changed_page_kills() -> Outcome {
    must_end("victim_kill", "code", WaitStatus::Signalled(Signal::KILL))?;
    // What is known of the page stays known.
    must_end("victim_kill", "code", WaitStatus::Signalled(Signal::KILL))
}

fn a_changed_page_is_a_bus_error() -> Outcome {
    must_end("victim_hard", "code", WaitStatus::Signalled(Signal::BUS))
}

fn a_changed_page_is_let_in_and_the_process_is_invalid() -> Outcome {
    must_end("victim_lenient", "code", WaitStatus::Exited(3))
}

fn unsigned_programs_are_killed() -> Outcome {
    let killed = WaitStatus::Signalled(Signal::KILL);
    must_end("victim_unsigned", "code", killed)?;
    must_end("victim_damaged", "code", killed)
}

fn anonymous_code_runs_unless_signing_is_enforced() -> Outcome {
    must_exit("victim", "flip", None)?;
    let killed = WaitStatus::Signalled(Signal::KILL);
    must_end("victim_enforced", "flip", killed)
}

fn csops_tells_what_is_known() -> Outcome {
    let status = raw::code_status(0).context("status")?;
    let expected = Flags::VALID | Flags::SIGNED | Flags::ADHOC | Flags::HARD | Flags::KILL;
    ensure_equal!(status, expected, "flags");
    let identity = blob(ops::OPS_IDENTITY).context("identity")?;
    ensure_equal!(&identity[8..], b"jit\0", "identity");
    let entitlements = blob(ops::OPS_ENTITLEMENTS).context("entitlements")?;
    let keys = codesign::Entitlements::parse(&entitlements[8..]).context("the list")?;
    ensure!(keys.grants("com.apple.security.cs.allow-jit"), "the key");
    let mut cdhash = [0; codesign::CDHASH];
    raw::csops(0, ops::OPS_CDHASH, &mut cdhash).context("cdhash")?;
    let signature = blob(ops::OPS_BLOB).context("blob")?;
    let parsed = codesign::Signature::parse(signature, u64::MAX).context("the blob")?;
    ensure_equal!(parsed.cdhash(), cdhash, "the name of the directory");
    // A child has what its parent has; another process can be asked.
    let parent = process::id();
    must_succeed(SHORT, || {
        ensure_equal!(raw::code_status(0), Ok(expected), "the child");
        ensure_equal!(raw::code_status(parent), Ok(expected), "the parent");
        let init = raw::code_status(1).context("init")?;
        ensure!(init.contains(Flags::PLATFORM | Flags::VALID), "init");
        Ok(())
    })
}

fn csops_checks_its_arguments() -> Outcome {
    let mut word = [0; 4];
    ensure_equal!(
        raw::csops(99_998, ops::OPS_STATUS, &mut word),
        Err(Errno::ESRCH),
        "nobody"
    );
    ensure_equal!(
        raw::csops(0, 77, &mut word),
        Err(Errno::EINVAL),
        "no such operation"
    );
    ensure_equal!(
        raw::csops(0, ops::OPS_CDHASH, &mut word),
        Err(Errno::EINVAL),
        "no room for a hash"
    );
    ensure_equal!(
        raw::csops(0, ops::OPS_IDENTITY, &mut word),
        Err(Errno::ERANGE),
        "no room for a header"
    );
    must_crash(Signal::KILL, "invalid by its own word", || {
        let _ = raw::csops(0, ops::OPS_MARK_INVALID, &mut []);
        libsystem::time::sleep(1000);
    })
}

/// A blob of this process: first how long it is, then all of it.
fn blob(operation: u32) -> Result<Vec<u8>, Errno> {
    let mut header = [0; 8];
    match raw::csops(0, operation, &mut header) {
        Err(Errno::ERANGE) => {}
        other => return other.map(|_| header.to_vec()),
    }
    let length = u32::from_be_bytes([header[4], header[5], header[6], header[7]]);
    let mut bytes = alloc::vec![0; length as usize];
    raw::csops(0, operation, &mut bytes)?;
    Ok(bytes)
}

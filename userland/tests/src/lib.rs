//! What the test programs share: running tests one by one, each in a process of its own, and telling how they went.
//!
//! A program is a list of tests:
//!
//! ```ignore
//! tests::program! {
//!     fresh_memory_is_zero,
//!     a_hole_is_a_segmentation_fault,
//! }
//!
//! fn fresh_memory_is_zero() -> Outcome { ... }
//! ```
//!
//! Each test runs in a forked child, so a crash or a hang fails one test and not the program. The console shows
//! `test NAME ... ok` or `test NAME ... FAILED: reason`, and at the end `verdict: N passed, N failed`.
//!
//! | module | what |
//! |---|---|
//! | [`child`] | running something in a child and looking at its end |
//! | [`counts`] | frames and kernel objects before and after |
//! | [`model`] | what must be in a file that several processes change
//! | [`pager`] | a pager that is started for a test |
//! | [`shared`] | words that parent and children see, rights that pass between them |
//! | [`raw`] | memory calls without any of the library's checks |
//! | [`region`] | what the kernel tells of a mapping |
//! | [`random`] | numbers that repeat |
//! | [`vector`] | the floating-point and SIMD registers |

#![no_std]

extern crate alloc;

pub mod child;
pub mod counts;
pub mod model;
pub mod pager;
pub mod random;
pub mod raw;
pub mod region;
pub mod shared;
pub mod vector;

use alloc::string::String;

pub use bsd_sys::fcntl::OpenFlags;
pub use bsd_sys::signal::Signal;
pub use bsd_sys::wait::WaitStatus;
use libsystem::println;

/// How a test went; the text says what was wrong.
pub type Outcome = Result<(), String>;

/// A test: its name and what it does.
pub type Test = (&'static str, fn() -> Outcome);

/// How long one test may take, in milliseconds.
pub const LIMIT: u64 = 50_000;

/// Fails the test unless the condition holds.
#[macro_export]
macro_rules! ensure {
    ($condition:expr, $($text:tt)+) => {
        if !$condition {
            return Err($crate::text(::core::format_args!($($text)+)));
        }
    };
}

/// Fails the test unless both are equal.
#[macro_export]
macro_rules! ensure_equal {
    ($left:expr, $right:expr, $($text:tt)+) => {{
        let (left, right) = (&$left, &$right);
        if left != right {
            let what = ::core::format_args!($($text)+);
            return Err($crate::text(::core::format_args!("{what}: {left:?}, not {right:?}")));
        }
    }};
}

/// A test program: the names of its tests.
#[macro_export]
macro_rules! program {
    ($($test:ident),+ $(,)?) => {
        libsystem::main!(run);

        fn run() -> i32 {
            $crate::run(&[$((stringify!($test), $test)),+])
        }
    };
}

/// A text from what a format makes.
pub fn text(arguments: core::fmt::Arguments<'_>) -> String {
    alloc::fmt::format(arguments)
}

/// Says what was tried when a call fails.
pub trait Context<T> {
    /// The value, or the error with these words before it.
    ///
    /// # Errors
    /// The call's error, as text.
    fn context(self, what: &str) -> Result<T, String>;
}

impl<T, E: core::fmt::Debug> Context<T> for Result<T, E> {
    fn context(self, what: &str) -> Result<T, String> {
        self.map_err(|error| alloc::format!("{what}: {error:?}"))
    }
}

/// Runs the tests and tells; the exit status of the program.
pub fn run(tests: &[Test]) -> i32 {
    run_within(tests, LIMIT)
}

/// As [`run`], for tests that take longer: each has so many milliseconds.
pub fn run_within(tests: &[Test], limit: u64) -> i32 {
    let mut failed = 0;
    for (name, test) in tests {
        match run_one(*test, limit) {
            Ok(()) => println!("test {name} ... ok"),
            Err(reason) => {
                failed += 1;
                println!("test {name} ... FAILED: {reason}");
            }
        }
    }
    println!("verdict: {} passed, {failed} failed", tests.len() - failed);
    i32::from(failed > 0)
}

/// One test in a child of its own, which leaves its reason in shared memory.
fn run_one(test: fn() -> Outcome, limit: u64) -> Outcome {
    let note = shared::Note::new()?;
    let status = child::run(limit, || match test() {
        Ok(()) => 0,
        Err(reason) => {
            note.write(&reason);
            1
        }
    })?;
    match status {
        WaitStatus::Exited(0) => Ok(()),
        WaitStatus::Exited(1) => Err(note.read()),
        status => Err(alloc::format!("ended unexpectedly: {status:?}")),
    }
}

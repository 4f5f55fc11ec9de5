//! Floating point and SIMD registers are each thread's own: across switches, faults, system calls and forks.
//!
//! Programs are compiled without floating point, so the instructions stand here as words.

#![cfg_attr(target_os = "none", no_std, no_main)]

extern crate alloc;

use libsystem::{mach_call, time};
use tests::{Outcome, child, ensure, ensure_equal};

tests::program! {
    registers_begin_as_zero,
    registers_survive_system_calls_and_sleep,
    processes_do_not_see_each_others_registers,
    a_fork_copies_the_registers,
    arithmetic_works,
}

/// The halves of the 32 registers.
type Registers = [[u64; 2]; 32];

#[cfg(target_os = "none")]
mod unit {
    use super::Registers;
    use core::arch::asm;

    macro_rules! each {
        ($with:ident: $($n:literal)*) => { $($with!($n);)* };
    }

    /// Writes all registers.
    pub(super) fn set(values: &Registers) {
        macro_rules! one {
            ($n:literal) => {
                // SAFETY: `fmov dN, x9` and `fmov vN.d[1], x10`: the compiler uses none of these registers.
                unsafe {
                    asm!(
                        ".inst {low}", ".inst {high}",
                        low = const 0x9e67_0000u32 | 9 << 5 | $n,
                        high = const 0x9eaf_0000u32 | 10 << 5 | $n,
                        in("x9") values[$n][0], in("x10") values[$n][1],
                        options(nomem, nostack, preserves_flags),
                    );
                }
            };
        }
        each!(one: 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31);
    }

    /// Reads all registers.
    pub(super) fn get() -> Registers {
        let mut values = [[0; 2]; 32];
        macro_rules! one {
            ($n:literal) => {
                // SAFETY: `fmov x9, dN` and `fmov x10, vN.d[1]` change nothing else.
                unsafe {
                    asm!(
                        ".inst {low}", ".inst {high}",
                        low = const 0x9e66_0000u32 | $n << 5 | 9,
                        high = const 0x9eae_0000u32 | $n << 5 | 10,
                        out("x9") values[$n][0], out("x10") values[$n][1],
                        options(nomem, nostack, preserves_flags),
                    );
                }
            };
        }
        each!(one: 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31);
        values
    }

    /// The sum of two numbers, by the unit.
    pub(super) fn add(a: u64, b: u64) -> u64 {
        let sum;
        // SAFETY: `fmov d0, x9; fmov d1, x10; fadd d0, d0, d1; fmov x9, d0`.
        unsafe {
            asm!(
                ".inst 0x9e670120", ".inst 0x9e670141", ".inst 0x1e612800", ".inst 0x9e660009",
                inout("x9") a => sum, in("x10") b,
                options(nomem, nostack, preserves_flags),
            );
        }
        sum
    }
}

#[cfg(not(target_os = "none"))]
mod unit {
    use super::Registers;
    pub(super) fn set(_values: &Registers) {}
    pub(super) fn get() -> Registers {
        [[0; 2]; 32]
    }
    pub(super) fn add(a: u64, b: u64) -> u64 {
        (f64::from_bits(a) + f64::from_bits(b)).to_bits()
    }
}

/// A pattern that differs from register to register and from process to process.
fn pattern(seed: u64) -> Registers {
    let mut random = tests::random::Random::new(seed);
    core::array::from_fn(|_| [random.number(), random.number()])
}

fn registers_begin_as_zero() -> Outcome {
    // Fresh programs only: a fork inherits, so start one by exec's way of a first use.
    let status = child::end_of(|| {
        unit::set(&pattern(1));
        ensure_or_abort(unit::get() == pattern(1));
    })?;
    ensure_equal!(
        status,
        bsd_sys::wait::WaitStatus::Exited(0),
        "setting and reading"
    );
    // This process has used none so far: what its child left must not show.
    ensure!(
        unit::get() == [[0; 2]; 32],
        "registers of somebody else show"
    );
    Ok(())
}

fn ensure_or_abort(condition: bool) {
    if !condition {
        libsystem::process::abort();
    }
}

fn registers_survive_system_calls_and_sleep() -> Outcome {
    let pattern = pattern(2);
    unit::set(&pattern);
    for _ in 0..50 {
        let _ = libsystem::process::id();
        mach_call::yield_processor();
        time::sleep(1);
        ensure!(unit::get() == pattern, "registers changed");
    }
    Ok(())
}

fn processes_do_not_see_each_others_registers() -> Outcome {
    let mut children = alloc::vec::Vec::new();
    for seed in 10..18 {
        children.push(child::start(move || {
            let pattern = pattern(seed);
            unit::set(&pattern);
            let end = time::now() + 1_500_000_000;
            let mut rounds = 0u64;
            while time::now() < end {
                if unit::get() != pattern {
                    return 1;
                }
                rounds += 1;
                if rounds.is_multiple_of(64) {
                    mach_call::yield_processor();
                }
            }
            0
        })?);
    }
    for child in children {
        ensure_equal!(child::finish(child, 30_000)?.shell_status(), 0, "a child");
    }
    Ok(())
}

fn a_fork_copies_the_registers() -> Outcome {
    let before = pattern(3);
    unit::set(&before);
    let child = child::start(|| {
        let inherited = unit::get() == before;
        unit::set(&pattern(4));
        time::sleep(20);
        i32::from(!inherited || unit::get() != pattern(4))
    })?;
    let status = child::finish(child, 10_000)?;
    ensure_equal!(status.shell_status(), 0, "the child");
    ensure!(unit::get() == before, "the parent's registers changed");
    Ok(())
}

fn arithmetic_works() -> Outcome {
    let sum = unit::add(1.5f64.to_bits(), 2.25f64.to_bits());
    ensure_equal!(sum, 3.75f64.to_bits(), "1.5 + 2.25");
    Ok(())
}

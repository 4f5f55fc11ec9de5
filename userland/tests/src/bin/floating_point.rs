//! Floating point and SIMD registers are each thread's own: across switches, faults, system calls and forks.
//!
//! Programs are compiled without floating point, so the instructions stand here as words.

#![cfg_attr(target_os = "none", no_std, no_main)]

extern crate alloc;

use libsystem::{mach_call, time};
use tests::vector::{self, pattern};
use tests::{Outcome, child, ensure, ensure_equal};

tests::program! {
    registers_begin_as_zero,
    registers_survive_system_calls_and_sleep,
    processes_do_not_see_each_others_registers,
    a_fork_copies_the_registers,
    arithmetic_works,
}

#[cfg(target_os = "none")]
mod unit {
    use core::arch::asm;

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
    pub(super) fn add(a: u64, b: u64) -> u64 {
        (f64::from_bits(a) + f64::from_bits(b)).to_bits()
    }
}

fn registers_begin_as_zero() -> Outcome {
    // Fresh programs only: a fork inherits, so start one by exec's way of a first use.
    let status = child::end_of(|| {
        vector::set(&pattern(1));
        ensure_or_abort(vector::get() == pattern(1));
    })?;
    ensure_equal!(
        status,
        bsd_sys::wait::WaitStatus::Exited(0),
        "setting and reading"
    );
    // This process has used none so far: what its child left must not show.
    ensure!(
        vector::get() == [[0; 2]; 32],
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
    vector::set(&pattern);
    for _ in 0..50 {
        let _ = libsystem::process::id();
        mach_call::yield_processor();
        time::sleep(1);
        ensure!(vector::get() == pattern, "registers changed");
    }
    Ok(())
}

fn processes_do_not_see_each_others_registers() -> Outcome {
    let mut children = alloc::vec::Vec::new();
    for seed in 10..18 {
        children.push(child::start(move || {
            let pattern = pattern(seed);
            vector::set(&pattern);
            let end = time::now() + 1_500_000_000;
            let mut rounds = 0u64;
            while time::now() < end {
                if vector::get() != pattern {
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
    vector::set(&before);
    let child = child::start(|| {
        let inherited = vector::get() == before;
        vector::set(&pattern(4));
        time::sleep(20);
        i32::from(!inherited || vector::get() != pattern(4))
    })?;
    let status = child::finish(child, 10_000)?;
    ensure_equal!(status.shell_status(), 0, "the child");
    ensure!(vector::get() == before, "the parent's registers changed");
    Ok(())
}

fn arithmetic_works() -> Outcome {
    let sum = unit::add(1.5f64.to_bits(), 2.25f64.to_bits());
    ensure_equal!(sum, 3.75f64.to_bits(), "1.5 + 2.25");
    Ok(())
}

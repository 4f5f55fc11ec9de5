//! Samples: the clock, the series, and the line that tells its median.

use alloc::vec::Vec;

use libsystem::println;

/// The virtual counter, after everything before it has happened.
#[inline(always)]
pub(crate) fn now() -> u64 {
    #[cfg(target_os = "none")]
    {
        let ticks: u64;
        // SAFETY: reading the counter changes nothing.
        unsafe { core::arch::asm!("isb", "mrs {0}, cntvct_el0", out(reg) ticks, options(nostack)) };
        ticks
    }
    #[cfg(not(target_os = "none"))]
    0
}

/// Ticks of the counter in a second.
fn frequency() -> u64 {
    #[cfg(target_os = "none")]
    {
        let frequency: u64;
        // SAFETY: reading the register changes nothing.
        unsafe {
            core::arch::asm!("mrs {0}, cntfrq_el0", out(reg) frequency, options(nomem, nostack))
        };
        frequency
    }
    #[cfg(not(target_os = "none"))]
    1
}

/// A row's samples.
#[derive(Debug)]
pub(crate) struct Series {
    name: &'static str,
    unit: &'static str,
    /// Thousandths of a nanosecond for one operation.
    samples: Vec<u64>,
}

impl Series {
    /// No samples yet.
    pub(crate) fn new(name: &'static str, unit: &'static str) -> Self {
        Self {
            name,
            unit,
            samples: Vec::with_capacity(16),
        }
    }

    /// So many operations took so many ticks.
    pub(crate) fn add(&mut self, ticks: u64, operations: u64) {
        let picoseconds = u128::from(ticks) * 1_000_000_000_000 / u128::from(frequency());
        self.samples
            .push((picoseconds / u128::from(operations.max(1))) as u64);
    }

    /// Runs something, adds what it took, and gives its result.
    #[inline(always)]
    pub(crate) fn time<R>(&mut self, operations: u64, work: impl FnOnce() -> R) -> R {
        let begin = now();
        let result = work();
        self.add(now() - begin, operations);
        result
    }

    /// Prints the row: median, least and most of all samples but the first.
    pub(crate) fn report(mut self) {
        if self.samples.len() > 1 {
            self.samples.remove(0);
        }
        self.samples.sort_unstable();
        let (Some(&least), Some(&most)) = (self.samples.first(), self.samples.last()) else {
            return;
        };
        let middle = self.samples.len() / 2;
        let median = if self.samples.len() % 2 == 1 {
            self.samples[middle]
        } else {
            self.samples[middle - 1].midpoint(self.samples[middle])
        };
        println!(
            "row {} {} {median} {least} {most} {}",
            self.name,
            self.unit,
            self.samples.len()
        );
    }
}

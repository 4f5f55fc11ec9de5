//! The host twin: one imagined machine per test process.
//!
//! * [`ram`]: simulated physical memory, shared by all tests of the process.
//! * [`mmu`]: loads, stores and fetches as a user program would do them, by walking the true
//!   descriptors that the code under test wrote.
//! * [`tlb`]: one TLB for all simulated CPUs (flushes are broadcast on the real machine too). It
//!   forgets nothing that was not flushed *and* waited for, so a missing flush shows as a stale
//!   translation, never by luck.
//! * [`api`]: the functions with bare metal's names.
//!
//! It panics (a test failure) on: replacing a valid descriptor by a different valid one without
//! break-before-make; making a descriptor valid while the TLB still holds what stood there before;
//! zeroing or copying into a frame that some user translation can still reach. It answers
//! [`mmu::Fault::StaleInstruction`] for a fetch from a frame that was written and not synchronised.
//!
//! What it does not imitate: time, interrupts, weak memory ordering, context switches (threads
//! are the host's).

pub mod api;
pub mod mmu;
pub mod ram;
pub mod tlb;

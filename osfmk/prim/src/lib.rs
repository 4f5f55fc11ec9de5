//! What every layer of the kernel stands on: locks, waiting, threads, frames, counted objects, time.
//!
//! | module | what | XNU |
//! |---|---|---|
//! | [`lock`] | ranked locks: spinning, interrupt-masking, blocking, readers-writer | `lck_*` |
//! | [`wait`] | wait queues: register, drop your locks, block | `waitq`, `assert_wait` |
//! | [`thread`] | the execution half of threads; scheduler, preemption, kernel stacks | `sched_prim`, `thread` |
//! | [`frames`] | page records, allocation, page lists, page queues | `vm_page`, `vm_resident` |
//! | [`zone`] | counted kinds of kernel objects, admission under memory shortage | `zalloc` |
//! | [`clock`] | time, deadlines, callouts | `clock`, `thread_call` |
//! | [`reaper`] | teardown with no lock held | reaper threads |
//! | [`trace`] | typed trace points in rings | `kdebug` |
//! | [`random`] | random numbers | `read_random` |
//! | [`device`] | traits between drivers and the kernel | IOKit's families, a page of them |
//! | `heap` | the global allocator (bare metal) | `kalloc` |
//!
//! Principles: nothing here knows of maps, objects, ports or processes. A failed allocation is a value. Locks are
//! taken in the order of one table ([`lock::rank`]). Waiting is register, drop, block, look again.
//!
//! # Two targets
//! The crate is the same on the board and on the host, where [`thread::Thread`]s are the process's own threads, the
//! machine is `machine`'s twin with simulated memory, and the heap is the host's. Tests of this and of higher crates
//! begin with `prim::host::boot()`.
//!
//! # Start-up on the board
//! See `bootstrap` for the order, from the first instruction in Rust to the last processor.
#![cfg_attr(target_os = "none", no_std)]

extern crate alloc;

#[cfg(target_os = "none")]
pub mod bootstrap;
pub mod clock;
pub mod device;
pub mod frames;
#[cfg(target_os = "none")]
pub mod heap;
#[cfg(not(target_os = "none"))]
pub mod host;
pub mod lock;
pub mod random;
pub mod reaper;
#[cfg(target_os = "none")]
pub mod selftest;
pub mod thread;
pub mod trace;
pub mod wait;
pub mod zone;

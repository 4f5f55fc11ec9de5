//! A pager's test bench: the pager runs on a thread of this machine, everything else is the kernel.
//!
//! ```ignore
//! #[test]
//! fn squares_are_squares() {
//!     let bench = Bench::new().start("squares", || Squares);
//!     let file = bench.open("squares").unwrap();
//!     assert_eq!(file.read(8, 8).unwrap(), 1u64.to_le_bytes());
//!     let map = file.map();
//!     assert_eq!(map.load(16), Ok(4));
//!     bench.finish();
//! }
//! ```
//!
//! Nothing is pretended but the processor and its memory (the host twin of `machine`): paths are walked by `bsd`'s lookup,
//! messages go through `ipc` with a space and an address map of the pager's own, pages are asked for by `vm_fault`, checked by
//! the protocol machine of `vm::memory_object` and put into true page tables. So what passes here does so in the guest.
//!
//! [`Bench::finish`] fails the test if the pager did something the kernel had to refuse, or that an author should know:
//! see [`Remark`]. One bench runs at a time.
#![forbid(unsafe_code)]

mod bench;
mod file;
mod referee;
mod twin;

pub use bench::{Bench, PAGE};
pub use file::{Map, OpenFile};
pub use referee::Remark;

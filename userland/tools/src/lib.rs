//! What the small programs share.
//!
//! | module | what |
//! |---|---|
//! | [`command`] | options, usage, complaints |
//! | [`text`] | lines from files, much text to standard output |
//! | [`tree`], [`path`] | copying and removing; parts of paths |
//! | [`number`], [`signal`] | what people write |
//! | [`mod@format`] | what people read |
//! | [`processes`], [`region`], [`statistics`] | tables of `ps` and `top`, `vmmap`, `vm_stat` |
//! | [`count`], [`find`], [`dump`] | the work of `wc`, `grep`, `hexdump` |

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod command;
pub mod count;
pub mod dump;
pub mod find;
pub mod format;
pub mod number;
pub mod path;
pub mod processes;
pub mod region;
pub mod signal;
pub mod statistics;
pub mod text;
pub mod tree;

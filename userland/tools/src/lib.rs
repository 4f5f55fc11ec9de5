//! What the small programs share.
//!
//! | module | what |
//! |---|---|
//! | [`command`] | options, usage, complaints |
//! | [`text`] | lines from files, much text to standard output |
//! | [`tree`], [`path`] | copying and removing; parts of paths |
//! | [`number`], [`signal`] | what people write |
//! | [`mod@format`] | what people read |
//! | [`processes`], [`ranking`], [`region`], [`statistics`], [`ports`] | tables of `ps`, `top`, `vmmap`, `vm_stat`, `portsummary` |
//! | [`calls`], [`tracer`] | system calls in words, from the trace: `syscalltrace` |
//! | [`count`], [`find`], [`dump`] | the work of `wc`, `grep`, `hexdump` |

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod calls;
pub mod command;
pub mod count;
pub mod dump;
pub mod find;
pub mod format;
pub mod number;
pub mod path;
pub mod ports;
pub mod processes;
pub mod ranking;
pub mod region;
pub mod signal;
pub mod statistics;
pub mod text;
pub mod tracer;
pub mod tree;

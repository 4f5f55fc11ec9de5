//! What the author of a pager sees.
//!
//! A pager is an ordinary task that provides the contents of memory objects. Most are a [`Pager`]: a type with three to seven
//! methods, whose files show below `/pagers/NAME`.
//!
//! ```ignore
//! struct Squares;
//!
//! impl Pager for Squares {
//!     type File = ();
//!     fn look_up(&mut self, path: &str) -> Result<Info, Errno> {
//!         if path == "squares" { Ok(Info::file(8 << 20)) } else { Err(Errno::ENOENT) }
//!     }
//!     fn open(&mut self, _: &str) -> Result<(), Errno> { Ok(()) }
//!     fn read(&mut self, _: &mut (), request: ReadRequest) -> Answer {
//!         request.fill(|offset, page| { squares(offset, page); Ok(()) })
//!     }
//! }
//!
//! pager_sdk::pager_main!(Squares::new);
//! ```
//!
//! `cargo xtask new-pager NAME` makes the crate around it; `docs/write-a-pager.md` is the tour. Its tests run on the host,
//! against the kernel's own code (`pager-harness`).
//!
//! | module | what |
//! |---|---|
//! | [`pager`] | what an author writes |
//! | [`service`], [`program`] | the loop, and the program around it |
//! | [`files`] | files that a pager itself reads |
//! | [`registry`] | pagers by name; what a program can ask them |
//! | here | the protocol's requests as values: a pager with its own loop uses [`Server`] |
//!
//! A pager with its own loop makes a port for each object ([`Server::create_object`]), gives send rights to whoever is to map
//! it, and takes what the kernel says from [`Server::next_event`] as an [`Event`].
//!
//! Requests are values that must be answered. One that is dropped answers with an error, so the program that waits
//! for the page gets `SIGBUS` instead of waiting for ever. One thread serving all objects suffices: a request may be
//! kept and answered later, in any order. Generations, controls and the order of `init` and `terminate` are kept in here; what
//! comes from anybody but the kernel is thrown away.
//!
//! Counterpart: `libpager` of the GNU Hurd; Mach 3's `memory_object_server`.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(not(target_os = "none"))]
extern crate std;

mod bytes;
mod control;
pub mod files;
#[cfg(not(target_os = "none"))]
pub mod host;
mod nodes;
pub mod pager;
pub mod program;
pub mod registry;
mod request;
mod returns;
mod server;
pub mod service;
mod system;

pub use bsd_sys::Errno;
pub use bytes::Bytes;
pub use control::{Attributes, Control, Returns};
pub use libsystem;
pub use pager::{Answer, Entry, Info, Kind, Pager};
pub use request::{InitRequest, ReadRequest, ReturnRequest};
pub use returns::{PageListReturn, SynchronizeRequest};
pub use server::{Event, Notice, ObjectId, Server};
pub use service::Service;

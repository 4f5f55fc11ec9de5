//! What the author of a pager sees.
//!
//! A pager is an ordinary task that provides the contents of memory objects. For each object it makes a port
//! ([`Server::create_object`]) and gives send rights to whoever is to map it. The kernel then talks to that port, and
//! [`Server::next_event`] turns what it says into an [`Event`]:
//!
//! ```ignore
//! let mut server = Server::new()?;
//! let object = server.create_object()?;
//! // ... hand `server.send_right(object)` out ...
//! loop {
//!     match server.next_event()? {
//!         Event::Init(init) => init.ready(Attributes::default())?,
//!         Event::Read(read) => read.supply(&bytes_of(read.offset(), read.length()))?,
//!         Event::Return(pages) => pages.refuse(),
//!         Event::Terminate(object) => forget(object),
//!         Event::Other(message) => { /* not for an object: the pager's own ports */ }
//!         Event::Notice(_) => {}
//!     }
//! }
//! ```
//!
//! Requests are values that must be answered. One that is dropped answers with an error, so the program that waits
//! for the page gets `SIGBUS` instead of waiting for ever. One thread serving all objects suffices: a request may be
//! kept and answered later, in any order.
//!
//! Counterpart: `libpager` of the GNU Hurd; Mach 3's `memory_object_server`.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

mod control;
mod request;
mod server;

pub use control::{Attributes, Control};
pub use request::{InitRequest, ReadRequest, ReturnRequest};
pub use server::{Event, Notice, ObjectId, Server};

//! The file server with its vnode pager: an ordinary task that serves names, attributes and pages.
//!
//! The kernel asks it for names (interface `file_server`) and for pages (the pager messages on each file's memory
//! object); it asks a device for both (9P requests on a device port). It moves no file bytes itself: a page goes from the
//! device to the object as a page list, a right that this task holds for a moment and never maps.
//!
//! * [`volume`]: the trait a volume implements, the host directory over 9P, the RAM volume.
//! * [`ninep`]: the bytes of 9P.
//!
//! This library holds what runs on any machine and is tested with `cargo test`; the program (`main.rs`) adds ports.
//! XNU counterpart: `bsd/vm/vnode_pager.c` and a file system under it, in user mode.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod ninep;
pub mod volume;

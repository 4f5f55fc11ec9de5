//! The store of the pager of anonymous memory: which page of which object lies where on the swap disk.
//!
//! | file | what |
//! |---|---|
//! | [`slots`] | which slots of the disk are free; runs of them |
//! | [`table`] | one record for each slot in memory that outlives the pager, checked by a sum |
//! | [`store`] | both together, by object and page: looking up, committing, freeing, rebuilding |
//!
//! All of it is plain code over a [`table::Memory`], tested on the host with random sequences against a model. The messages,
//! the disk's requests and their order are the program's (`main.rs`).

#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod slots;
pub mod store;
pub mod table;

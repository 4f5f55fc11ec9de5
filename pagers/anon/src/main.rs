//! The pager of anonymous memory: one thread, one port set, one swap disk.
//!
//! The kernel tells of each object whose first page is to go (`pager_create`), lends pages in runs, asks for them back, and
//! says what is not wanted any more. Pages travel as page lists between the objects and the disk: this task never maps
//! them. Of what it is lent it learns only which pages are filled with one word; those need no disk.
//!
//! Its own memory stays in memory, because it comes from the boot archive, and what it needs to start again lies in a
//! memory entry that the kernel keeps for it. Without a disk named `swap` it ends at once. Hosted builds are an empty
//! program.
#![cfg_attr(target_os = "none", no_std, no_main)]
#![cfg_attr(not(target_os = "none"), allow(dead_code))]
#![forbid(unsafe_code)]

extern crate alloc;

mod disk;
mod pager;
mod requests;
mod startup;

libsystem::main!(run);

fn run() -> i32 {
    match startup::start() {
        Ok(Some(mut pager)) => {
            let code = pager.serve();
            libsystem::eprintln!("anon_pager: receiving: {code}");
            1
        }
        Ok(None) => 0,
        Err(error) => {
            libsystem::eprintln!("anon_pager: {error}");
            1
        }
    }
}

//! The file server program: one thread, one port set.
//!
//! Three kinds of message come in: what the kernel asks about names (interface `file_server`), what it asks of a file's
//! pages (through the pager SDK), and a device's answers to reads that were started. Names are answered at once; pages are
//! answered when the device has filled them, in whatever order that is.
//!
//! The frames of a read are named by a page list, a right that goes from the device's answer into the object's supply. This
//! task never maps them. Hosted builds are an empty program.
#![cfg_attr(target_os = "none", no_std, no_main)]
#![cfg_attr(not(target_os = "none"), allow(dead_code))]
#![forbid(unsafe_code)]

extern crate alloc;

mod device;
mod names;
mod pages;
mod server;

libsystem::main!(run);

fn run() -> i32 {
    let mut server = match server::FileServer::start() {
        Ok(server) => server,
        Err(error) => {
            libsystem::eprintln!("vnode_pager: {error}");
            return 1;
        }
    };
    let code = server.serve();
    libsystem::eprintln!("vnode_pager: receiving: {code}");
    1
}

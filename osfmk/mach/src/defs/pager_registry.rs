//! Pagers by name. Own interface, subsystem 2970, on the host port: for everybody.
//!
//! A pager that registers shows as `/pagers/NAME`; what programs do there becomes messages of
//! [`file_server`](super::file_server) to its port. The entry ends with the port.

use super::prelude::*;

interface! {
    subsystem pager_registry = 2970;

    /// Shows a pager as `/pagers/NAME`. Its handles must bear `file_system`; the top directory is
    /// file [`PAGER_ROOT`](crate::file::PAGER_ROOT). A name that a living pager has is
    /// `KERN_NAME_EXISTS`.
    routine 2970 "pager_registry_register" register [server: Port<MAKE_SEND>] {
        name: CString<64>,
    } -> [] { file_system: u32 };

    /// The port of a registered pager, which answers [`pager_service`](super::pager_service), and the
    /// process that has registered it.
    routine 2971 "pager_registry_look_up" look_up [] { name: CString<64> }
    -> [server: Port<MOVE_SEND>] { process: i32 };
}

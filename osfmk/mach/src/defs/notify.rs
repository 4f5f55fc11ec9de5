//! Notifications: what the kernel tells whoever asked about a port. Subsystem 64, one-way, sent with
//! a send-once right. XNU: `mach/notify.defs`, `ipc/ipc_notify.c`.

use super::prelude::*;

interface! {
    subsystem notify = 64;

    /// A name's last reference went while a request was armed on it.
    simpleroutine 65 "mach_notify_port_deleted" port_deleted [] { name: PortName };
    /// A queue that was full has room again.
    simpleroutine 66 "mach_notify_send_possible" send_possible [] { name: PortName };
    /// A port was destroyed; its receive right comes with the message.
    simpleroutine 69 "mach_notify_port_destroyed" port_destroyed [rights: Port<MOVE_RECEIVE>] {};
    /// The last send right of a port went.
    simpleroutine 70 "mach_notify_no_senders" no_senders [] { mscount: u32 };
    /// A send-once right was destroyed unused.
    simpleroutine 71 "mach_notify_send_once" send_once [] {};
    /// A port died; its rights are dead names now.
    simpleroutine 72 "mach_notify_dead_name" dead_name [] { name: PortName };
}

//! Names and rights of a task. Subsystem 3200, on a task port. XNU: `mach/mach_port.defs`, served by
//! `ipc/mach_port.c`.

use super::prelude::*;

interface! {
    subsystem mach_port = 3200;

    /// Every name and its type.
    routine 3200 "mach_port_names" names [] {}
    -> [names: Memory, types: Memory] { names_cnt: u32, types_cnt: u32 };

    /// What a name denotes.
    routine 3201 "mach_port_type" port_type [] { name: PortName } -> [] { ptype: u32 };

    /// Makes a right under a chosen name.
    routine 3203 "mach_port_allocate_name" allocate_name [] { right: u32, name: PortName }
    -> [] {};

    /// Makes a receive right, a port set or a dead name.
    routine 3204 "mach_port_allocate" allocate [] { right: u32 } -> [] { name: PortName };

    /// Gives up every right under a name.
    routine 3205 "mach_port_destroy" destroy [] { name: PortName } -> [] {};

    /// Gives up one reference of a send, send-once or dead name.
    routine 3206 "mach_port_deallocate" deallocate [] { name: PortName } -> [] {};

    /// User references of a right.
    routine 3207 "mach_port_get_refs" get_refs [] { name: PortName, right: u32 }
    -> [] { refs: u32 };

    /// Changes user references of a right.
    routine 3208 "mach_port_mod_refs" mod_refs [] { name: PortName, right: u32, delta: i32 }
    -> [] {};

    /// Looks at the first message.
    routine 3209 "mach_port_peek" peek [] {
        name: PortName, trailer_type: u32, request_seqnop: u32, trailer_infop_cnt: u32,
    } -> [] { request_seqnop: u32, msg_sizep: u32, msg_idp: i32, trailer_infop: Array<u8, 68> };

    /// Sets the make-send count.
    routine 3210 "mach_port_set_mscount" set_mscount [] { name: PortName, mscount: u32 } -> [] {};

    /// Members of a port set.
    routine 3211 "mach_port_get_set_status" get_set_status [] { name: PortName }
    -> [members: Memory] { members_cnt: u32 };

    /// Puts a receive right into a set, or out of all.
    routine 3212 "mach_port_move_member" move_member [] { member: PortName, after: PortName }
    -> [] {};

    /// Arms a notification; the former one comes back.
    routine 3213 "mach_port_request_notification" request_notification [notify: Port<POLY>] {
        name: PortName, msgid: i32, sync: u32,
    } -> [previous: Port<MOVE_SEND_ONCE>] {};

    /// Gives the task a right under a name.
    routine 3214 "mach_port_insert_right" insert_right [poly: Port<POLY>] { name: PortName }
    -> [] {};

    /// Takes a right from the task.
    routine 3215 "mach_port_extract_right" extract_right [] { name: PortName, msgt_name: u32 }
    -> [poly: Port<POLY>] {};

    /// Sets the sequence number.
    routine 3216 "mach_port_set_seqno" set_seqno [] { name: PortName, seqno: u32 } -> [] {};

    /// Queue limit, status and the like.
    routine 3217 "mach_port_get_attributes" get_attributes [] {
        name: PortName, flavor: i32, port_info_out_cnt: u32,
    } -> [] { port_info_out: Array<i32, 17> };

    /// Sets the queue limit and the like.
    routine 3218 "mach_port_set_attributes" set_attributes [] {
        name: PortName, flavor: i32, port_info: Array<i32, 17>,
    } -> [] {};

    /// As `allocate`, with quality of service.
    routine 3219 "mach_port_allocate_qos" allocate_qos [] { right: u32, qos: [u32; 2] }
    -> [] { qos: [u32; 2], name: PortName };

    /// As `allocate`, with everything.
    routine 3220 "mach_port_allocate_full" allocate_full [proto: Port<COPY_SEND>] {
        right: u32, qos: [u32; 2], name: PortName,
    } -> [] { qos: [u32; 2], name: PortName };

    /// Send rights of a port.
    routine 3222 "mach_port_get_srights" get_srights [] { name: PortName } -> [] { srights: u32 };

    /// Adds a receive right to a set.
    routine 3226 "mach_port_insert_member" insert_member [] { name: PortName, pset: PortName }
    -> [] {};

    /// Takes a receive right out of a set.
    routine 3227 "mach_port_extract_member" extract_member [] { name: PortName, pset: PortName }
    -> [] {};

    /// Context of a port.
    routine 3228 "mach_port_get_context" get_context [] { name: PortName } -> [] { context: u64 };

    /// Sets the context of a port.
    routine 3229 "mach_port_set_context" set_context [] { name: PortName, context: u64 } -> [] {};

    /// Which kernel object a port is.
    routine 3230 "mach_port_kobject" kobject [] { name: PortName }
    -> [] { object_type: u32, object_addr: u64 };

    /// Makes a port with options.
    routine 3231 "mach_port_construct" construct [options: Memory] { context: u64 }
    -> [] { name: PortName };

    /// Destroys a port, checking its guard.
    routine 3232 "mach_port_destruct" destruct [] { name: PortName, srdelta: i32, guard: u64 }
    -> [] {};

    /// Guards a port.
    routine 3233 "mach_port_guard" guard [] { name: PortName, guard: u64, strict: u32 } -> [] {};

    /// Removes a guard.
    routine 3234 "mach_port_unguard" unguard [] { name: PortName, guard: u64 } -> [] {};

    /// Size of the name table.
    routine 3235 "mach_port_space_basic_info" space_basic_info [] {}
    -> [] { basic_info: [u32; 6] };
}

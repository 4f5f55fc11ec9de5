//! The machine, for the privileged. Subsystem 400, on the privileged host port. XNU:
//! `mach/host_priv.defs`.

use super::prelude::*;

interface! {
    subsystem host_priv = 400;

    /// What the loader told.
    routine 400 "host_get_boot_info" get_boot_info [] {} -> [] { boot_info: CString<4096> };

    /// Stops or restarts the machine.
    routine 401 "host_reboot" reboot [] { options: i32 } -> [] {};

    /// Statistics by flavour.
    routine 402 "host_priv_statistics" priv_statistics [] {
        flavor: i32, host_info_out_cnt: u32,
    } -> [] { host_info_out: Array<i32, 68> };

    /// Sets the pager of anonymous memory, and gives back the former.
    routine 403 "host_default_memory_manager" default_memory_manager [
        default_manager: Port<MAKE_SEND>,
    ] { cluster_size: u32 } -> [default_manager: Port<MOVE_SEND>] {};

    /// Wires memory of a task; no access unwires.
    routine 404 "vm_wire" vm_wire [task: Port<COPY_SEND>] {
        address: u64, size: u64, desired_access: VmProt,
    } -> [] {};

    /// Gives a thread the right to reserves.
    routine 405 "thread_wire" thread_wire [thread: Port<COPY_SEND>] { wired: u32 } -> [] {};

    /// Ports of the CPUs.
    routine 407 "host_processors" processors [] {}
    -> [out_processor_list: Ports<MOVE_SEND>] { out_processor_list_cnt: u32 };

    /// A special port of the host.
    routine 412 "host_get_special_port" get_special_port [] { node: i32, which: i32 }
    -> [port: Port<MOVE_SEND>] {};

    /// Sets a special port of the host.
    routine 413 "host_set_special_port" set_special_port [port: Port<COPY_SEND>] { which: i32 }
    -> [] {};

    /// Sets handlers of exceptions.
    routine 414 "host_set_exception_ports" set_exception_ports [new_port: Port<COPY_SEND>] {
        exception_mask: u32, behavior: i32, new_flavor: i32,
    } -> [] {};

    /// The handlers of exceptions.
    routine 415 "host_get_exception_ports" get_exception_ports [] { exception_mask: u32 }
    -> [old_handlers: PortArray<MOVE_SEND, 32>] { handlers: ExceptionPorts };

    /// Sets handlers and gives back the former.
    routine 416 "host_swap_exception_ports" swap_exception_ports [new_port: Port<COPY_SEND>] {
        exception_mask: u32, behavior: i32, new_flavor: i32,
    } -> [old_handlerss: PortArray<MOVE_SEND, 32>] { handlers: ExceptionPorts };

    /// Wires memory of a task; no access unwires.
    routine 418 "mach_vm_wire" mach_vm_wire [task: Port<COPY_SEND>] {
        address: u64, size: u64, desired_access: VmProt,
    } -> [] {};

    /// The processor sets.
    routine 419 "host_processor_sets" processor_sets [] {}
    -> [processor_sets: Ports<MOVE_SEND>] { processor_sets_cnt: u32 };
}

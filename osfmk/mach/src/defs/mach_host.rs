//! The machine, for everybody. Subsystem 200, on the host port. XNU: `mach/mach_host.defs`, served
//! by `kern/host.c`.

use super::prelude::*;

interface! {
    subsystem mach_host = 200;

    /// Information by flavour ([`host_info`](crate::host_info)).
    routine 200 "host_info" info [] { flavor: i32, host_info_out_cnt: u32 }
    -> [] { host_info_out: Array<i32, 68> };

    /// Name and version of the kernel.
    routine 201 "host_kernel_version" kernel_version [] {} -> [] { kernel_version: CString<512> };

    /// Bytes of a page.
    routine 202 "host_page_size" page_size [] {} -> [] { out_page_size: u64 };

    /// A memory entry for a pager's object.
    routine 203 "mach_memory_object_memory_entry" mach_memory_object_memory_entry [
        pager: Port<COPY_SEND>,
    ] { internal: u32, size: u64, permission: VmProt } -> [entry_handle: Port<MOVE_SEND>] {};

    /// Information on every CPU.
    routine 204 "host_processor_info" processor_info [] { flavor: i32 }
    -> [out_processor_info: Memory] { out_processor_count: u32, out_processor_info_cnt: u32 };

    /// The master port of the devices.
    routine 205 "host_get_io_main" get_io_main [] {} -> [io_main: Port<MOVE_SEND>] {};

    /// A clock.
    routine 206 "host_get_clock_service" get_clock_service [] { clock_id: i32 }
    -> [clock_serv: Port<MOVE_SEND>] {};

    /// The default processor set.
    routine 213 "processor_set_default" processor_set_default [] {}
    -> [default_set: Port<MOVE_SEND>] {};

    /// A memory entry for a pager's object.
    routine 215 "mach_memory_object_memory_entry_64" mach_memory_object_memory_entry_64 [
        pager: Port<COPY_SEND>,
    ] { internal: u32, size: u64, permission: VmProt } -> [entry_handle: Port<MOVE_SEND>] {};

    /// Statistics by flavour.
    routine 216 "host_statistics" statistics [] { flavor: i32, host_info_out_cnt: u32 }
    -> [] { host_info_out: Array<i32, 68> };

    /// Tells when something of the host changes.
    routine 217 "host_request_notification" request_notification [
        notify_port: Port<MAKE_SEND_ONCE>,
    ] { notify_type: i32 } -> [] {};

    /// Statistics by flavour ([`vm_statistics`](crate::vm_statistics)).
    routine 219 "host_statistics64" statistics64 [] { flavor: i32, host_info64_out_cnt: u32 }
    -> [] { host_info64_out: Array<i32, 256> };

    /// Zones of kernel objects: arrays of names and of [`ZoneInfo`].
    routine 220 "mach_zone_info" mach_zone_info [] {}
    -> [names: Memory, info: Memory] { names_cnt: u32, info_cnt: u32 };

    /// Gives unused memory of the zones back.
    routine 221 "mach_zone_force_gc" mach_zone_force_gc [] {} -> [] {};

    /// One zone.
    routine 231 "mach_zone_info_for_zone" mach_zone_info_for_zone [] {
        name: [u8; ZONE_NAME_SIZE],
    } -> [] { info: ZoneInfo };
}

//! One record in words: what XNU calls it, which of our functions it is, and its arguments decoded.

use alloc::format;
use alloc::string::{String, ToString};

use bsd_sys::mman::MapFlags;
use bsd_sys::{Errno, syscall};
use mach::VmProt;
use mach::defs::{RequestBody, device, pager, pager_control};
use mach::message::UserCarrier;
use mach::trace::{Event, Record};

/// A row of the story.
#[derive(Debug)]
pub(crate) struct Line {
    /// XNU's name for it.
    pub(crate) xnu: &'static str,
    /// Our function.
    pub(crate) ours: &'static str,
    /// The arguments.
    pub(crate) details: String,
}

/// Describes a record.
pub(crate) fn line(record: &Record, event: Event) -> Line {
    let (xnu, ours) = names(event);
    Line {
        xnu,
        ours,
        details: details(record, event),
    }
}

fn names(event: Event) -> (&'static str, &'static str) {
    match event {
        Event::SyscallEntry => ("unix_syscall", "bsd::sysent::system_call"),
        Event::SyscallReturn => ("", "bsd::sysent::finish"),
        Event::TrapEntry => ("handle_user_abort", "kern::trap::user_abort"),
        Event::TrapReturn => ("", "kern::trap: back to the program"),
        Event::MmapCheck => ("mmap_sanitize", "bsd::kern_mman::validate"),
        Event::VmObjectFound => ("ubc_getobject", "bsd::vfs::Vnode::object"),
        Event::VmMapEnter => ("vm_map_enter", "vm::vm_map::VmMap::enter"),
        Event::VmMapRemove => ("vm_map_remove", "vm::vm_map::VmMap::delete"),
        Event::VmMapLookup => (
            "vm_map_lookup_and_lock_obj",
            "vm::vm_map::VmMap::lookup_and_lock",
        ),
        Event::VmFault => ("vm_fault", "vm::vm_fault::fault"),
        Event::VmFaultStep => ("vm_fault_page", "vm::vm_object::step::decide"),
        Event::VmFaultRetry => ("", "vm::vm_fault: unlocked, then again"),
        Event::VmFaultDone => ("vm_fault", "vm::vm_fault::fault: done"),
        Event::VmObjectCreate => ("vm_object_allocate", "vm::vm_object::VmObject"),
        Event::VmObjectShadow => ("vm_object_shadow", "vm::vm_object::ObjectRef::shadow"),
        Event::VmObjectCollapse => ("vm_object_collapse", "vm::vm_object::collapse"),
        Event::VmObjectTerminate => ("vm_object_terminate", "vm::vm_object::terminate"),
        Event::VmPageInsert => ("vm_page_insert", "prim::frames::PageList::insert"),
        Event::VmPageZeroFill => ("vm_page_zero_fill", "vm::vm_fault::perform::zero_fill"),
        Event::VmPageCopy => ("vm_page_copy", "vm::vm_fault::perform::copy_up"),
        Event::VmPageWait => ("vm_page_sleep", "vm::vm_fault::resolve::register"),
        Event::DataRequest => ("memory_object_data_request", "vm::vm_fault::block::settle"),
        Event::DataSupply => (
            "memory_object_data_supply",
            "vm::memory_object::data_supply",
        ),
        Event::DataUnavailable => (
            "memory_object_data_unavail",
            "vm::memory_object::data_unavailable",
        ),
        Event::DataError => ("memory_object_data_error", "vm::memory_object::data_error"),
        Event::KernelMessage => ("ipc_kmsg_send", "kern::external_pager::data_request"),
        Event::MachMsgSend => ("mach_msg_send", "ipc::mach_msg: send"),
        Event::MachMsgReceive => ("mach_msg_receive", "ipc::mach_msg: receive"),
        Event::DeviceRequest => ("", "kern::kobject::device: 9P read"),
        Event::DeviceReply => ("", "kern::kobject::device::answer_one"),
        Event::PmapEnter => ("pmap_enter", "pmap::Pmap::enter"),
        Event::PmapRemove => ("pmap_remove", "pmap::Pmap::remove"),
        Event::PmapFastFault => ("arm_fast_fault", "pmap::Pmap::fast_fault"),
        event => ("", event.name()),
    }
}

fn details(record: &Record, event: Event) -> String {
    let [a, b, c, d] = record.arguments;
    match event {
        Event::SyscallEntry => call(a as i32, b, c, d),
        Event::SyscallReturn if c != 0 => Errno::from_raw(c as i32).to_string(),
        Event::SyscallReturn => format!("result {b:#x}"),
        Event::TrapEntry => format!("{} at {b:#x}, pc {c:#x}", abort(a)),
        Event::TrapReturn => format!("the instruction at {a:#x} runs again"),
        Event::MmapCheck => format!(
            "{b} bytes, {}, {}: {}",
            protection(c >> 32),
            sharing(c),
            verdict(d)
        ),
        Event::VmObjectFound => format!(
            "object {a}, {}, {c} references, {d} pages in memory",
            pager_word(b)
        ),
        Event::VmMapEnter if c == 0 => format!("{a:#x}, {b:#x} bytes, no object yet"),
        Event::VmMapEnter => format!("{a:#x}, {b:#x} bytes of object {c} from {d:#x} on"),
        Event::VmMapRemove => format!("{a:#x} to {b:#x}"),
        Event::VmMapLookup => format!(
            "{a:#x} is object {b} at {c:#x}, {} at most",
            VmProt::from_bits_retain(d as u32).letters()
        ),
        Event::VmFault => format!("{a:#x} for {}", purpose(b)),
        Event::VmFaultStep => format!("object {c} at {d:#x}: {}", step(b)),
        Event::VmFaultRetry => cause(b).to_string(),
        Event::VmFaultDone if b == 0 => "success".to_string(),
        Event::VmFaultDone => format!("{:?}", mach::KernReturn(b as i32)),
        Event::VmObjectCreate => format!("object {a}, {b:#x} bytes, {}", pager_word(c)),
        Event::VmObjectShadow => format!("object {b} in front of object {a}, from {c:#x} on"),
        Event::VmObjectCollapse => format!("object {b} below object {a} goes, {d} pages move"),
        Event::VmObjectTerminate => format!("object {a} with {b} pages"),
        Event::VmPageInsert | Event::VmPageZeroFill => {
            format!("frame {c:#x} becomes object {a}'s page at {b:#x}")
        }
        Event::VmPageCopy => {
            format!("frame {a:#x} copied to frame {b:#x}, object {c}'s page at {d:#x}")
        }
        Event::VmPageWait => {
            format!("for object {a}'s page at {b:#x}: the processor is given away")
        }
        Event::DataRequest => format!(
            "object {a}: {c:#x} bytes from {b:#x} on, for {}",
            purpose(d)
        ),
        Event::DataSupply => {
            format!("object {a}: {c:#x} bytes from {b:#x} on, frames to move in: {d}")
        }
        Event::DataUnavailable | Event::DataError => {
            format!("object {a}: {c:#x} bytes from {b:#x} on")
        }
        Event::KernelMessage => format!(
            "{} to the pager's port {}, {c} bytes",
            message(b as i32),
            port(a)
        ),
        Event::MachMsgSend if d != 0 => format!(
            "{} to kernel object {}, {c} bytes",
            message(b as i32),
            port(a)
        ),
        Event::MachMsgSend => format!("{} to port {}, {c} bytes", message(b as i32), port(a)),
        Event::MachMsgReceive => format!("{} from port {}, {c} bytes", message(b as i32), port(a)),
        Event::DeviceRequest if d == 0 => "a message without data".to_string(),
        Event::DeviceRequest => format!("{d:#x} bytes into fresh frames"),
        Event::DeviceReply => format!("{c} bytes written by the device"),
        Event::PmapEnter => format!("{a:#x} -> frame {b:#x}: {}", descriptor(c)),
        Event::PmapRemove => format!("{a:#x} to {b:#x}, {c} pages were mapped"),
        Event::PmapFastFault => format!("{a:#x}: {}", descriptor(c)),
        _ => format!("{a:#x} {b:#x} {c:#x} {d:#x}"),
    }
}

fn call(number: i32, a: u64, b: u64, c: u64) -> String {
    match number as u32 {
        syscall::MMAP => format!("mmap({a:#x}, {b}, {c}, ...)"),
        syscall::MUNMAP => format!("munmap({a:#x}, {b})"),
        syscall::MADVISE => format!("madvise({a:#x}, {b}, {c})"),
        syscall::PREAD => format!("pread({a}, {b:#x}, {c}, ...)"),
        syscall::READ => format!("read({a}, {b:#x}, {c})"),
        _ if number < 0 => format!("Mach trap {number}"),
        _ => format!("call {number}({a:#x}, {b:#x}, {c:#x})"),
    }
}

/// Two ports differ in these digits; the rest is where the kernel keeps them.
fn port(id: u64) -> String {
    format!("{:#x}", id & 0xffff_ffff)
}

fn pager_word(has: u64) -> &'static str {
    if has != 0 {
        "with a pager"
    } else {
        "without a pager"
    }
}

fn verdict(errno: u64) -> String {
    if errno == 0 {
        "good".to_string()
    } else {
        Errno::from_raw(errno as i32).to_string()
    }
}

/// What an access is for.
fn purpose(bits: u64) -> &'static str {
    match bits & 7 {
        1 => "reading",
        2 | 3 => "writing",
        4 | 5 => "executing",
        _ => "no access",
    }
}

fn protection(bits: u64) -> &'static str {
    VmProt::from_bits_retain(bits as u32).letters()
}

fn sharing(word: u64) -> &'static str {
    let flags = MapFlags::from_bits_truncate(word as u32);
    match (
        flags.contains(MapFlags::SHARED),
        flags.contains(MapFlags::ANONYMOUS),
    ) {
        (true, false) => "MAP_SHARED",
        (false, false) => "MAP_PRIVATE",
        (true, true) => "MAP_SHARED, MAP_ANON",
        (false, true) => "MAP_PRIVATE, MAP_ANON",
    }
}

/// The class and the status of a syndrome (Arm ARM, ESR_ELx).
fn abort(syndrome: u64) -> String {
    let class = match syndrome >> 26 & 0x3f {
        0x20 => "instruction abort",
        0x24 if syndrome & 0x40 != 0 => "store",
        0x24 => "load",
        _ => "exception",
    };
    let status = match syndrome & 0x3f {
        0x04..=0x07 => "translation fault",
        0x08..=0x0b => "access flag fault",
        0x0c..=0x0f => "permission fault",
        _ => "fault",
    };
    format!("{class}: {status}, level {}", syndrome & 3)
}

/// As `Step::code` numbers them.
fn step(code: u64) -> &'static str {
    match code {
        1 => "the page is here: map it",
        2 => "copy the page up into the top object",
        3 => "push the old page to the copy first",
        4 | 5 => "a page of zeros",
        6 => "not here: ask the pager",
        7 => "asked for: wait",
        8 => "the pager is late",
        _ => "fail",
    }
}

/// As `Blocked::code` numbers them.
fn cause(code: u64) -> &'static str {
    match code {
        1 => "a frame is needed",
        2 => "a page table is needed",
        3 => "a lock was taken",
        4 => "every lock is dropped; the request goes out",
        5 => "another pager takes over",
        6 => "every lock is dropped; sleep",
        _ => "failed",
    }
}

fn message(id: i32) -> String {
    format!("{} ({id})", message_name(id).unwrap_or("message"))
}

/// The routine of a message of the pager's protocol or of a device's.
fn message_name(id: i32) -> Option<&'static str> {
    type C = UserCarrier;
    macro_rules! named {
        ($($routine:ty),* $(,)?) => {
            [$((<$routine as RequestBody<C>>::ID, <$routine as RequestBody<C>>::NAME)),*]
        };
    }
    let routines = named![
        pager::init::Request<C>,
        pager::data_request::Request,
        pager::terminate::Request,
        pager_control::ready::Request,
        pager_control::data_supply::Request<C>,
        pager_control::data_supply_pages::Request<C>,
        pager_control::data_unavailable::Request,
        pager_control::data_error::Request,
        device::request::Request,
    ];
    let known = routines
        .into_iter()
        .find(|routine| routine.0 == id)
        .map(|routine| routine.1);
    let answer = id == <device::request::Request as RequestBody<C>>::ID + 100;
    known.or_else(|| answer.then_some("answer of the device"))
}

/// A page descriptor in words (Arm ARM, stage 1).
fn descriptor(value: u64) -> String {
    if value & 1 == 0 {
        return format!("{value:#018x}, not valid");
    }
    let writable = if value & 1 << 7 == 0 {
        "writable"
    } else {
        "read-only"
    };
    let executable = if value & 1 << 54 == 0 {
        ", executable"
    } else {
        ""
    };
    let accessed = if value & 1 << 10 != 0 {
        ", accessed"
    } else {
        ""
    };
    format!("{value:#018x}, {writable}{executable}{accessed}")
}

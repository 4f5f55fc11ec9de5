//! The trace: numbers of its events, and the record that programs read.
//!
//! To add an event, append a line to its group; numbers are what tools outside the kernel see, so they
//! are not reused. The kernel's side (rings, trace points) is `prim::trace`; programs read by the
//! interface [`trace`](crate::defs::trace). XNU counterpart: `kdebug`.

use crate::wire::wire_struct;

wire_struct! {
    /// One event, 56 bytes.
    #[doc(alias = "kd_buf")]
    pub struct Record {
        /// When, in ticks of `mach_absolute_time`.
        pub time: u64,
        /// Which thread; 0 before there were threads.
        pub thread: u64,
        /// On which CPU.
        pub cpu: u32,
        /// Number of the [`Event`].
        pub event: u32,
        /// The event's arguments, as its row in [`TABLE`] names them.
        pub arguments: [u64; 4],
    }
}

macro_rules! events {
    ($($name:ident = $number:literal, $text:literal, $arguments:literal;)*) => {
        /// What happened.
        #[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
        #[repr(u32)]
        pub enum Event {
            $(#[doc = concat!("`", $text, "`: ", $arguments)] $name = $number,)*
        }

        /// Every event: itself, its name in listings, the names of its arguments.
        pub const TABLE: &[(Event, &str, &str)] = &[$((Event::$name, $text, $arguments),)*];

        impl Event {
            /// The event of this number.
            pub fn from_number(number: u32) -> Option<Self> {
                match number {
                    $($number => Some(Event::$name),)*
                    _ => None,
                }
            }
        }
    };
}

events! {
    Test = 1, "test", "free, free, free, free";
    // Traps and calls: 0x100.
    TrapEntry = 0x100, "trap", "syndrome, address, pc, -";
    TrapReturn = 0x101, "trap return", "pc, -, -, -";
    SyscallEntry = 0x102, "syscall", "number, argument 0, argument 1, argument 2";
    SyscallReturn = 0x103, "syscall return", "number, result, errno or kern_return, second result";
    SyscallArguments = 0x104, "syscall arguments", "argument 3, argument 4, argument 5, argument 6";
    SyscallPath = 0x105, "syscall path", "text, text, text, text";
    // The map: 0x200.
    VmMapEnter = 0x200, "vm_map_enter", "address, size, object, offset";
    VmMapRemove = 0x201, "vm_map_remove", "start, end, -, -";
    VmMapLookup = 0x202, "vm_map_lookup", "address, object, offset, protection";
    VmMapProtect = 0x203, "vm_map_protect", "start, end, protection, -";
    VmMapFork = 0x204, "vm_map_fork", "parent, child, -, -";
    VmMapCopyin = 0x205, "vm_map_copyin", "address, size, kind, -";
    VmMapCopyout = 0x206, "vm_map_copyout", "address, size, kind, -";
    MmapCheck = 0x208, "mmap check", "address, size, protection << 32 and flags, errno";
    // Objects and faults: 0x300.
    VmFault = 0x300, "vm_fault", "address, access, map, -";
    VmFaultStep = 0x301, "vm_fault step", "address, step, object, offset";
    VmFaultRetry = 0x302, "vm_fault retry", "address, cause, -, -";
    VmFaultDone = 0x303, "vm_fault done", "address, kern_return, kind, -";
    VmObjectCreate = 0x310, "vm_object create", "object, size, pager, -";
    VmObjectShadow = 0x311, "vm_object_shadow", "source, shadow, offset, -";
    VmObjectCollapse = 0x312, "vm_object collapse", "object, backing, kind, pages";
    VmObjectTerminate = 0x313, "vm_object_terminate", "object, pages, -, -";
    VmObjectFound = 0x314, "vm_object found", "object, has a pager, references, resident pages";
    VmPageInsert = 0x320, "vm_page_insert", "object, offset, frame, -";
    VmPageRemove = 0x321, "vm_page_remove", "object, offset, frame, -";
    VmPageZeroFill = 0x322, "zero fill", "object, offset, frame, -";
    VmPageCopy = 0x323, "copy page", "source frame, frame, object, offset";
    VmPageWait = 0x324, "wait for page", "object, offset, frame, -";
    VmPageoutScan = 0x330, "vm_pageout_scan", "free, target, -, -";
    VmPageEvict = 0x331, "evict", "object, offset, frame, dirty";
    // Pagers: 0x400.
    DataRequest = 0x400, "memory_object_data_request", "object, offset, length, access";
    DataSupply = 0x401, "memory_object_data_supply", "object, offset, length, pages";
    DataUnavailable = 0x402, "memory_object_data_unavailable", "object, offset, length, -";
    DataError = 0x403, "memory_object_data_error", "object, offset, length, error";
    DataReturn = 0x404, "memory_object_data_return", "object, offset, length, generation";
    CleanCompleted = 0x405, "memory_object_clean_completed", "object, offset, length, generation";
    LockRequest = 0x406, "memory_object_lock_request", "object, offset, length, flags";
    SupplyRefused = 0x407, "supply refused", "object, offset, length, reason";
    PagerReady = 0x408, "memory_object_ready", "object, -, -, -";
    PagerInit = 0x409, "memory_object_init", "object, pager, -, -";
    PagerDead = 0x40a, "pager died", "object, pager, -, -";
    // IPC: 0x500.
    MachMsgSend = 0x500, "mach_msg send", "port, message id, size, to a kernel object";
    MachMsgReceive = 0x501, "mach_msg receive", "port, message id, size, to a kernel object";
    KernelMessage = 0x502, "kernel message", "port, message id, size, -";
    KernelObject = 0x503, "kernel object call", "port, message id, kind, -";
    Notification = 0x504, "notification", "port, message id, name, -";
    // The pmap: 0x600.
    PmapEnter = 0x600, "pmap_enter", "address, frame, descriptor, access";
    PmapRemove = 0x601, "pmap_remove", "start, end, pages, -";
    PmapProtect = 0x602, "pmap_protect", "start, end, protection, -";
    PmapFastFault = 0x603, "arm_fast_fault", "address, write, descriptor, -";
    PmapDisconnect = 0x604, "pmap_disconnect", "frame, mappings, -, -";
    // Scheduling: 0x700.
    ThreadSwitch = 0x700, "switch", "from, to, reason, -";
    ThreadWake = 0x701, "wake", "thread, result, -, -";
    ThreadCreate = 0x702, "thread create", "thread, -, -, -";
    ThreadExit = 0x703, "thread exit", "thread, -, -, -";
    // Processes and files: 0x800.
    ProcessCreate = 0x800, "process create", "child, parent, the child's thread, -";
    ProcessExec = 0x801, "process exec", "process, entry, -, -";
    ProcessExit = 0x802, "process exit", "process, status, -, -";
    FileLookup = 0x803, "file lookup", "file, error, -, -";
    FileRead = 0x804, "file read", "file, offset, length, -";
    SignalPost = 0x805, "signal", "process, signal, code, address";
    // Devices: 0x900.
    DeviceRequest = 0x900, "device request", "-, -, -, length";
    DeviceReply = 0x901, "device reply", "-, -, bytes, failed";
    Interrupt = 0x902, "interrupt", "number, -, -, -";
}

impl Event {
    /// The name in listings.
    pub fn name(self) -> &'static str {
        TABLE
            .iter()
            .find(|row| row.0 == self)
            .map_or("?", |row| row.1)
    }

    /// The names of the arguments, separated by commas.
    pub fn arguments(self) -> &'static str {
        TABLE
            .iter()
            .find(|row| row.0 == self)
            .map_or("", |row| row.2)
    }
}

//! The one table of lock ranks.
//!
//! A thread may only take a lock whose rank is *greater* than that of every lock it holds; an equal rank only
//! through the `lock_nested` call of that lock, by a caller who states the order that makes it safe (down a shadow
//! chain, for instance). `docs/locking.md` prints this table for readers; a test keeps the two identical.
//! Checks are made in builds with debug assertions, see [`super::held`].
//!
//! XNU counterpart: the lock groups (`lck_grp_t`) and the order comments spread over `osfmk/vm/vm_object_internal.h`
//! and `osfmk/ipc/ipc_port.h`, here as numbers.

macro_rules! ranks {
    ($($name:ident = $value:literal, $kind:literal, $guards:literal;)*) => {
        /// Rank of a lock: the place of its class in the one lock order. Greater is taken later.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
        #[repr(u8)]
        pub enum Rank {
            $(#[doc = concat!($kind, ": ", $guards)] $name = $value,)*
        }

        /// Every rank in order: name, number, kind of lock, what it guards.
        pub const TABLE: &[(Rank, &str, &str, &str)] = &[
            $((Rank::$name, stringify!($name), $kind, $guards),)*
        ];
    };
}

ranks! {
    Trace = 1, "blocking", "one drain of the trace at a time";
    ProcessTable = 2, "blocking", "the table of processes and its parent, child and group links";
    Process = 4, "blocking", "one process: state, credentials, signals";
    FileTable = 5, "blocking", "one process's table of open files";
    OpenFile = 6, "blocking", "one open file: its offset and flags";
    Vnode = 7, "blocking", "one vnode; not held while a file server is asked";
    Task = 8, "blocking", "one task: its threads, ports and state";
    TaskThread = 9, "blocking", "one Mach thread: its state, exception ports and suspend counts";
    Map = 10, "blocking", "one address map: its entries and their attributes";
    Pager = 16, "spin", "a pager's registration and its reserve, as seen by its objects";
    Object = 20, "blocking", "one memory object and its pages; nested down the shadow chain";
    ObjectTable = 24, "spin", "the tables of memory objects: by owner number, and the cache of unreferenced ones";
    PageQueues = 30, "spin", "the page queues and every page's wire count";
    IpcSpace = 40, "spin", "one IPC space: its names and entries";
    PortTransit = 41, "spin", "which receive right is in transit to which port, for the check against cycles";
    Port = 42, "spin", "one port: rights, messages, notifications; nested by address";
    PortSet = 44, "spin", "one port set: its members, ready ports and waiting receivers";
    Message = 46, "spin", "what a sender hands a waiting receiver";
    KernelObject = 48, "spin", "small tables of the kernel's own port objects";
    WaitGraph = 50, "spin", "the graph of waits between pagers and threads";
    Driver = 54, "interrupt", "a device driver's queue and registers";
    Interrupts = 56, "interrupt", "the interrupt controller and its table of handlers";
    Pmap = 60, "spin", "one address space's page tables";
    PageMappings = 62, "bit", "the list of a frame's mappings (pv list)";
    PvEntries = 64, "spin", "the pool of pv entries";
    Zones = 68, "spin", "the register of zones";
    Reaper = 70, "spin", "the reaper's list";
    Stacks = 71, "spin", "the window of kernel stacks";
    Heap = 72, "spin", "one size class of the kernel heap";
    FrameCache = 74, "spin", "one processor's cache of free frames";
    Frames = 76, "spin", "the free frames by order (buddy)";
    Residency = 78, "bit", "one bucket of the hash from (object, index) to frame";
    Random = 79, "interrupt", "the random generator's state";
    WaitQueue = 80, "interrupt", "one queue of waiting threads";
    ThreadWait = 82, "interrupt", "what one thread waits for";
    Timers = 84, "spin", "the callout queue";
    RunQueue = 86, "interrupt", "the scheduler: run queue and thread states; held across the switch";
    AddressSpaceIds = 89, "interrupt", "the pool of address space numbers (ASIDs); taken by the context switch";
    ThreadFields = 90, "interrupt", "small fields of a thread: address space, user registers, name";
    Console = 95, "interrupt", "the console's output";
}

impl Rank {
    /// The rank's number; greater is taken later.
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// The rank's name in the table.
    pub fn name(self) -> &'static str {
        TABLE
            .iter()
            .find(|row| row.0 == self)
            .map_or("?", |row| row.1)
    }
}

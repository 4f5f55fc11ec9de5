//! Names of ports, the rights they stand for, and how rights travel.
//!
//! XNU: `mach/port.h`, `mach/message.h` (dispositions).

use bitflags::bitflags;
use core::fmt;

/// A task's name for a right, a port set or a dead name.
///
/// The index of the table entry is in the upper 24 bits, its generation in the low eight; the two
/// low bits are always set, so names end in binary 11.
#[doc(alias = "mach_port_name_t")]
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
#[repr(transparent)]
pub struct PortName(pub u32);

impl PortName {
    /// No port.
    #[doc(alias = "MACH_PORT_NULL")]
    pub const NULL: Self = Self(0);
    /// A port that died.
    #[doc(alias = "MACH_PORT_DEAD")]
    pub const DEAD: Self = Self(!0);

    /// Neither null nor dead.
    #[doc(alias = "MACH_PORT_VALID")]
    pub const fn is_valid(self) -> bool {
        self.0 != 0 && self.0 != !0
    }

    /// The index of the table entry.
    #[doc(alias = "MACH_PORT_INDEX")]
    pub const fn index(self) -> u32 {
        self.0 >> 8
    }

    /// The generation, in the top byte of an entry's bits: `name << 24`, without the two low bits.
    #[doc(alias = "MACH_PORT_GEN")]
    pub const fn generation(self) -> u32 {
        (self.0 & 0xfc) << 24
    }

    /// The name of entry `index` with generation bits as [`PortName::generation`] gives them.
    #[doc(alias = "MACH_PORT_MAKE")]
    pub const fn make(index: u32, generation: u32) -> Self {
        Self((index << 8) | (generation >> 24) | 3)
    }
}

impl fmt::Display for PortName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

impl fmt::Debug for PortName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "port {:#x}", self.0)
    }
}

/// Kinds of rights, with the numbers that `mach_port_allocate` and `mod_refs` take.
#[doc(alias = "mach_port_right_t")]
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u32)]
pub enum PortRight {
    /// May send.
    #[doc(alias = "MACH_PORT_RIGHT_SEND")]
    Send = 0,
    /// May receive; one per port.
    #[doc(alias = "MACH_PORT_RIGHT_RECEIVE")]
    Receive = 1,
    /// May send once.
    #[doc(alias = "MACH_PORT_RIGHT_SEND_ONCE")]
    SendOnce = 2,
    /// A set of receive rights.
    #[doc(alias = "MACH_PORT_RIGHT_PORT_SET")]
    PortSet = 3,
    /// What a right becomes when its port dies.
    #[doc(alias = "MACH_PORT_RIGHT_DEAD_NAME")]
    DeadName = 4,
}

impl PortRight {
    /// The right with this number.
    pub const fn from_raw(raw: u32) -> Option<Self> {
        match raw {
            0 => Some(Self::Send),
            1 => Some(Self::Receive),
            2 => Some(Self::SendOnce),
            3 => Some(Self::PortSet),
            4 => Some(Self::DeadName),
            _ => None,
        }
    }

    /// The type bit of the right.
    #[doc(alias = "MACH_PORT_TYPE")]
    pub const fn port_type(self) -> PortType {
        PortType::from_bits_retain(1 << (16 + self as u32))
    }
}

bitflags! {
    /// What a name denotes, as `mach_port_type` tells it.
    #[doc(alias = "mach_port_type_t")]
    #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
    pub struct PortType: u32 {
        /// A send right.
        #[doc(alias = "MACH_PORT_TYPE_SEND")]
        const SEND = 0x1_0000;
        /// The receive right.
        #[doc(alias = "MACH_PORT_TYPE_RECEIVE")]
        const RECEIVE = 0x2_0000;
        /// A send-once right.
        #[doc(alias = "MACH_PORT_TYPE_SEND_ONCE")]
        const SEND_ONCE = 0x4_0000;
        /// A port set.
        #[doc(alias = "MACH_PORT_TYPE_PORT_SET")]
        const PORT_SET = 0x8_0000;
        /// A dead name.
        #[doc(alias = "MACH_PORT_TYPE_DEAD_NAME")]
        const DEAD_NAME = 0x10_0000;
        /// A send-possible request is armed.
        #[doc(alias = "MACH_PORT_TYPE_SPREQUEST")]
        const SEND_POSSIBLE_REQUEST = 0x4000_0000;
        /// A dead-name request is armed.
        #[doc(alias = "MACH_PORT_TYPE_DNREQUEST")]
        const DEAD_NAME_REQUEST = 0x8000_0000;
        const _ = !0;
    }
}

impl PortType {
    /// Nothing.
    #[doc(alias = "MACH_PORT_TYPE_NONE")]
    pub const NONE: Self = Self::empty();
    /// Send and receive.
    #[doc(alias = "MACH_PORT_TYPE_SEND_RECEIVE")]
    pub const SEND_RECEIVE: Self = Self::SEND.union(Self::RECEIVE);
    /// A send or send-once right.
    #[doc(alias = "MACH_PORT_TYPE_SEND_RIGHTS")]
    pub const SEND_RIGHTS: Self = Self::SEND.union(Self::SEND_ONCE);
    /// Any right to a port.
    #[doc(alias = "MACH_PORT_TYPE_PORT_RIGHTS")]
    pub const PORT_RIGHTS: Self = Self::SEND_RIGHTS.union(Self::RECEIVE);
}

/// How a message treats a right that it carries.
#[doc(alias = "mach_msg_type_name_t")]
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u8)]
pub enum Disposition {
    /// The receive right moves. Also the type of a received receive right.
    #[doc(alias = "MACH_MSG_TYPE_MOVE_RECEIVE")]
    #[doc(alias = "MACH_MSG_TYPE_PORT_RECEIVE")]
    MoveReceive = 16,
    /// One reference of the sender's send right moves. Also the type of a received send right.
    #[doc(alias = "MACH_MSG_TYPE_MOVE_SEND")]
    #[doc(alias = "MACH_MSG_TYPE_PORT_SEND")]
    MoveSend = 17,
    /// The send-once right moves. Also the type of a received send-once right.
    #[doc(alias = "MACH_MSG_TYPE_MOVE_SEND_ONCE")]
    #[doc(alias = "MACH_MSG_TYPE_PORT_SEND_ONCE")]
    MoveSendOnce = 18,
    /// The send right is copied.
    #[doc(alias = "MACH_MSG_TYPE_COPY_SEND")]
    CopySend = 19,
    /// A send right is made from the receive right.
    #[doc(alias = "MACH_MSG_TYPE_MAKE_SEND")]
    MakeSend = 20,
    /// A send-once right is made from the receive right.
    #[doc(alias = "MACH_MSG_TYPE_MAKE_SEND_ONCE")]
    MakeSendOnce = 21,
    /// `mach_port_extract_right` and moves within a space only.
    #[doc(alias = "MACH_MSG_TYPE_COPY_RECEIVE")]
    CopyReceive = 22,
}

impl Disposition {
    /// The disposition with this number (16 to 22).
    pub const fn from_raw(raw: u32) -> Option<Self> {
        match raw {
            16 => Some(Self::MoveReceive),
            17 => Some(Self::MoveSend),
            18 => Some(Self::MoveSendOnce),
            19 => Some(Self::CopySend),
            20 => Some(Self::MakeSend),
            21 => Some(Self::MakeSendOnce),
            22 => Some(Self::CopyReceive),
            _ => None,
        }
    }

    /// The number on the wire.
    pub const fn raw(self) -> u32 {
        self as u32
    }

    /// What the receiver gets: `MoveReceive`, `MoveSend` or `MoveSendOnce`.
    #[doc(alias = "ipc_object_copyin_type")]
    #[must_use]
    pub const fn received(self) -> Self {
        match self {
            Self::MoveReceive | Self::CopyReceive => Self::MoveReceive,
            Self::MoveSend | Self::CopySend | Self::MakeSend => Self::MoveSend,
            Self::MoveSendOnce | Self::MakeSendOnce => Self::MoveSendOnce,
        }
    }

    /// The right it consumes or makes at the receiver's side.
    pub const fn right(self) -> PortRight {
        match self.received() {
            Self::MoveReceive => PortRight::Receive,
            Self::MoveSendOnce => PortRight::SendOnce,
            _ => PortRight::Send,
        }
    }

    /// True for those that give the receiver a send or send-once right.
    #[doc(alias = "MACH_MSG_TYPE_PORT_ANY_SEND")]
    pub const fn is_any_send(self) -> bool {
        !matches!(self.received(), Self::MoveReceive)
    }
}

/// What kernel object a port names, as `mach_port_kobject` tells it.
#[doc(alias = "ipc_kotype_t")]
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u32)]
pub enum ObjectKind {
    /// None: a task receives on it.
    #[doc(alias = "IKOT_NONE")]
    None = 0,
    /// A thread.
    #[doc(alias = "IKOT_THREAD_CONTROL")]
    Thread = 1,
    /// A task.
    #[doc(alias = "IKOT_TASK_CONTROL")]
    Task = 2,
    /// The host.
    #[doc(alias = "IKOT_HOST")]
    Host = 3,
    /// The devices.
    #[doc(alias = "IKOT_MAIN_DEVICE")]
    DeviceMaster = 19,
    /// A memory entry.
    #[doc(alias = "IKOT_NAMED_ENTRY")]
    MemoryEntry = 28,
    /// The kernel's side of a pager's object.
    #[doc(alias = "IKOT_MEM_OBJ_CONTROL")]
    MemoryControl = 32,
    /// Another one.
    #[doc(alias = "IKOT_UNKNOWN")]
    Unknown = 39,
}

impl ObjectKind {
    /// What to call the object with this number.
    #[must_use]
    pub const fn describe(raw: u32) -> &'static str {
        match raw {
            0 => "",
            1 => "THREAD",
            2 => "TASK",
            3 => "HOST",
            19 => "DEVICES",
            28 => "MEMORY ENTRY",
            32 => "MEMORY CONTROL",
            _ => "KERNEL OBJECT",
        }
    }
}

/// Messages a port queues unless told otherwise.
#[doc(alias = "MACH_PORT_QLIMIT_DEFAULT")]
pub const QUEUE_LIMIT_DEFAULT: u32 = 5;
/// The smaller raised limit.
#[doc(alias = "MACH_PORT_QLIMIT_SMALL")]
pub const QUEUE_LIMIT_SMALL: u32 = 16;
/// The largest limit a program may set.
#[doc(alias = "MACH_PORT_QLIMIT_MAX")]
pub const QUEUE_LIMIT_MAX: u32 = 1024;
/// The limit of the kernel's own ports.
#[doc(alias = "MACH_PORT_QLIMIT_KERNEL")]
pub const QUEUE_LIMIT_KERNEL: u32 = 65534;

/// User references of one name: the most there may be.
#[doc(alias = "MACH_PORT_UREFS_MAX")]
pub const UREFS_MAX: u32 = 0xffff;

/// Flavours of `mach_port_get_attributes` and `set_attributes`.
pub mod attribute {
    /// The queue limit.
    #[doc(alias = "MACH_PORT_LIMITS_INFO")]
    pub const LIMITS_INFO: i32 = 1;
    /// [`PortStatus`](super::PortStatus).
    #[doc(alias = "MACH_PORT_RECEIVE_STATUS")]
    pub const RECEIVE_STATUS: i32 = 2;
    /// Size of the request table.
    #[doc(alias = "MACH_PORT_DNREQUESTS_SIZE")]
    pub const DNREQUESTS_SIZE: i32 = 3;
    /// Treat as a temporary owner's port.
    #[doc(alias = "MACH_PORT_TEMPOWNER")]
    pub const TEMP_OWNER: i32 = 4;
    /// Receiver takes importance.
    #[doc(alias = "MACH_PORT_IMPORTANCE_RECEIVER")]
    pub const IMPORTANCE_RECEIVER: i32 = 5;
}

crate::wire::wire_struct! {
    /// What the holder of the receive right may know.
    #[doc(alias = "mach_port_status")]
    pub struct PortStatus {
        /// Always zero today (once the set's name).
        pub port_set: u32,
        /// Sequence number of the next message.
        pub sequence_number: u32,
        /// Send rights made.
        pub make_send_count: u32,
        /// Queue limit.
        pub queue_limit: u32,
        /// Messages queued.
        pub message_count: u32,
        /// Send-once rights.
        pub send_once_rights: u32,
        /// Boolean: send rights exist.
        pub send_rights: u32,
        /// Boolean: port-destroyed request armed.
        pub port_destroyed_request: u32,
        /// Boolean: no-senders request armed.
        pub no_senders_request: u32,
        /// Flags.
        pub flags: u32,
    }
}

crate::wire::wire_struct! {
    /// The queue limit, for [`attribute::LIMITS_INFO`].
    #[doc(alias = "mach_port_limits")]
    pub struct PortLimits {
        /// Messages the port queues.
        pub queue_limit: u32,
    }
}

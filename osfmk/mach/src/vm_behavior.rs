//! How a program means to use memory: [`VmBehavior`].
//!
//! XNU: `mach/vm_behavior.h`. The first four persist in the map entry; the others are done at once.

macro_rules! behaviors {
    ($($(#[$meta:meta])* $name:ident = $value:literal, $alias:literal;)*) => {
        /// Advice for a range of a map.
        #[doc(alias = "vm_behavior_t")]
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
        #[repr(i32)]
        pub enum VmBehavior {
            $($(#[$meta])* #[doc(alias = $alias)] $name = $value,)*
        }

        impl VmBehavior {
            /// The value a caller passed, if it exists.
            pub const fn from_raw(raw: i32) -> Option<Self> {
                match raw {
                    $($value => Some(Self::$name),)*
                    _ => None,
                }
            }
        }
    };
}

behaviors! {
    /// No particular pattern.
    #[default]
    Default = 0, "VM_BEHAVIOR_DEFAULT";
    /// Random access: no read-ahead.
    Random = 1, "VM_BEHAVIOR_RANDOM";
    /// Forward: read ahead, drop behind.
    Sequential = 2, "VM_BEHAVIOR_SEQUENTIAL";
    /// Backward.
    ReverseSequential = 3, "VM_BEHAVIOR_RSEQNTL";
    /// Will be needed soon: start bringing it in.
    WillNeed = 4, "VM_BEHAVIOR_WILLNEED";
    /// Not needed soon: deactivate; the data is kept.
    DontNeed = 5, "VM_BEHAVIOR_DONTNEED";
    /// Discard if nobody else can see it.
    Free = 6, "VM_BEHAVIOR_FREE";
    /// Zero the wired pages when they are freed.
    ZeroWiredPages = 7, "VM_BEHAVIOR_ZERO_WIRED_PAGES";
    /// Contents may be discarded until reused.
    Reusable = 8, "VM_BEHAVIOR_REUSABLE";
    /// Contents matter again.
    Reuse = 9, "VM_BEHAVIOR_REUSE";
    /// Could the range be made reusable?
    CanReuse = 10, "VM_BEHAVIOR_CAN_REUSE";
    /// Push the pages out (development aid).
    PageOut = 11, "VM_BEHAVIOR_PAGEOUT";
    /// Zero the range.
    Zero = 12, "VM_BEHAVIOR_ZERO";
}

impl VmBehavior {
    /// The number on the wire.
    pub const fn raw(self) -> i32 {
        self as i32
    }

    /// True for the four that are remembered in the map entry.
    pub const fn is_persistent(self) -> bool {
        (self as i32) <= 3
    }
}

//! Signals: numbers, actions, and what a handler is given. XNU: `bsd/sys/signal.h`,
//! `bsd/arm/_mcontext.h`.

use crate::layout::abi_struct;
use bitflags::bitflags;

/// One more than the highest signal.
pub const NSIG: i32 = 32;

/// What a signal does to a process that does not handle it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DefaultAction {
    /// Ends it.
    Terminate,
    /// Ends it, with a core file.
    Core,
    /// Stops it.
    Stop,
    /// Lets it go on if it was stopped.
    Continue,
    /// Nothing.
    Ignore,
}

/// A signal: 1 to 31.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(transparent)]
pub struct Signal(u8);

macro_rules! signals {
    ($($name:ident = $value:literal, $text:literal, $action:ident;)*) => {
        impl Signal {
            $(
                #[doc = concat!("`SIG", stringify!($name), "`: ", $text, ".")]
                pub const $name: Self = Self($value);
            )*

            /// What to tell a person.
            #[doc(alias = "strsignal")]
            pub const fn text(self) -> &'static str {
                match self.0 {
                    $($value => $text,)*
                    _ => "Unknown signal",
                }
            }

            /// The symbol, e.g. `SIGSEGV`.
            pub const fn name(self) -> &'static str {
                match self.0 {
                    $($value => concat!("SIG", stringify!($name)),)*
                    _ => "SIG?",
                }
            }

            /// What it does to a process that does not handle it.
            pub const fn default_action(self) -> DefaultAction {
                match self.0 {
                    $($value => DefaultAction::$action,)*
                    _ => DefaultAction::Terminate,
                }
            }
        }
    };
}

signals! {
    HUP = 1, "Hangup", Terminate;
    INT = 2, "Interrupt", Terminate;
    QUIT = 3, "Quit", Core;
    ILL = 4, "Illegal instruction", Core;
    TRAP = 5, "Trace/BPT trap", Core;
    ABRT = 6, "Abort trap", Core;
    EMT = 7, "EMT trap", Core;
    FPE = 8, "Floating point exception", Core;
    KILL = 9, "Killed", Terminate;
    BUS = 10, "Bus error", Core;
    SEGV = 11, "Segmentation fault", Core;
    SYS = 12, "Bad system call", Core;
    PIPE = 13, "Broken pipe", Terminate;
    ALRM = 14, "Alarm clock", Terminate;
    TERM = 15, "Terminated", Terminate;
    URG = 16, "Urgent I/O condition", Ignore;
    STOP = 17, "Suspended (signal)", Stop;
    TSTP = 18, "Suspended", Stop;
    CONT = 19, "Continued", Continue;
    CHLD = 20, "Child exited", Ignore;
    TTIN = 21, "Stopped (tty input)", Stop;
    TTOU = 22, "Stopped (tty output)", Stop;
    IO = 23, "I/O possible", Ignore;
    XCPU = 24, "Cputime limit exceeded", Terminate;
    XFSZ = 25, "Filesize limit exceeded", Terminate;
    VTALRM = 26, "Virtual timer expired", Terminate;
    PROF = 27, "Profiling timer expired", Terminate;
    WINCH = 28, "Window size changes", Ignore;
    INFO = 29, "Information request", Ignore;
    USR1 = 30, "User defined signal 1", Terminate;
    USR2 = 31, "User defined signal 2", Terminate;
}

impl Signal {
    /// The signal with this number, if it is one.
    pub const fn new(number: i32) -> Option<Self> {
        if number >= 1 && number < NSIG {
            Some(Self(number as u8))
        } else {
            None
        }
    }

    /// Its number.
    pub const fn number(self) -> i32 {
        self.0 as i32
    }

    /// Its bit in a [`SignalSet`].
    #[doc(alias = "sigmask")]
    pub const fn bit(self) -> SignalSet {
        1 << (self.0 - 1)
    }
}

impl core::fmt::Debug for Signal {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.name())
    }
}

/// A set of signals: bit `n - 1` for signal `n`.
#[doc(alias = "sigset_t")]
pub type SignalSet = u32;

/// Signals that can be neither caught nor blocked.
#[doc(alias = "sigcantmask")]
pub const CANNOT_MASK: SignalSet = Signal::KILL.bit() | Signal::STOP.bit();

bitflags! {
    /// How a signal is delivered.
    #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
    pub struct ActionFlags: u32 {
        /// On the alternate stack.
        #[doc(alias = "SA_ONSTACK")]
        const ONSTACK = 0x1;
        /// Interrupted calls start again.
        #[doc(alias = "SA_RESTART")]
        const RESTART = 0x2;
        /// Once.
        #[doc(alias = "SA_RESETHAND")]
        const RESETHAND = 0x4;
        /// No signal for stopped children.
        #[doc(alias = "SA_NOCLDSTOP")]
        const NOCLDSTOP = 0x8;
        /// Not blocked while handled.
        #[doc(alias = "SA_NODEFER")]
        const NODEFER = 0x10;
        /// No zombies.
        #[doc(alias = "SA_NOCLDWAIT")]
        const NOCLDWAIT = 0x20;
        /// The handler takes a [`SignalInfo`].
        #[doc(alias = "SA_SIGINFO")]
        const SIGINFO = 0x40;
        /// The trampoline is the program's.
        #[doc(alias = "SA_USERTRAMP")]
        const USERTRAMP = 0x100;
        /// 64-bit registers.
        #[doc(alias = "SA_64REGSET")]
        const REGSET64 = 0x200;
        const _ = !0;
    }
}

/// Handler: the default action.
pub const SIG_DFL: u64 = 0;
/// Handler: ignore.
pub const SIG_IGN: u64 = 1;
/// `sigprocmask`: add.
pub const SIG_BLOCK: i32 = 1;
/// `sigprocmask`: remove.
pub const SIG_UNBLOCK: i32 = 2;
/// `sigprocmask`: set.
pub const SIG_SETMASK: i32 = 3;

abi_struct! {
    /// An action as it is given to the kernel, 24 bytes.
    #[doc(alias = "__sigaction")]
    pub struct KernelSigaction {
        /// The handler, or `SIG_DFL`, `SIG_IGN`.
        pub handler: u64,
        /// What the kernel calls: it calls the handler and then `sigreturn`.
        pub trampoline: u64,
        /// Blocked while handled.
        pub mask: u32,
        /// [`ActionFlags`].
        pub flags: u32,
    }
}

abi_struct! {
    /// An action as the kernel gives it back, 16 bytes.
    #[doc(alias = "sigaction")]
    pub struct Sigaction {
        /// The handler, or `SIG_DFL`, `SIG_IGN`.
        pub handler: u64,
        /// Blocked while handled.
        pub mask: u32,
        /// [`ActionFlags`].
        pub flags: u32,
    }
}

abi_struct! {
    /// What a handler is told, 104 bytes.
    #[doc(alias = "siginfo_t")]
    pub struct SignalInfo {
        /// The signal.
        pub signal: i32,
        /// An errno.
        pub errno: i32,
        /// Why, see [`code`].
        pub code: i32,
        /// Who sent it.
        pub pid: i32,
        /// The sender's user.
        pub uid: u32,
        /// Exit status of a child.
        pub status: i32,
        /// The faulting address.
        pub address: u64,
        /// The sender's value.
        pub value: u64,
        /// Band event.
        pub band: i64,
        /// Reserved.
        pub pad: [u64; 7],
    }
}

/// Reasons in [`SignalInfo::code`].
pub mod code {
    macro_rules! codes {
        ($($name:ident = $value:literal, $text:literal;)*) => {
            $(#[doc = concat!($text, ".")] pub const $name: i32 = $value;)*
        };
    }
    codes! {
        ILL_ILLOPC = 1, "Illegal opcode";
        ILL_ILLTRP = 2, "Illegal trap";
        ILL_PRVOPC = 3, "Privileged opcode";
        FPE_FLTDIV = 1, "Division by zero";
        FPE_FLTOVF = 2, "Overflow";
        FPE_FLTUND = 3, "Underflow";
        FPE_FLTRES = 4, "Inexact";
        FPE_FLTINV = 5, "Invalid operation";
        FPE_INTDIV = 7, "Integer division by zero";
        SEGV_MAPERR = 1, "Nothing is mapped there";
        SEGV_ACCERR = 2, "The mapping forbids it";
        BUS_ADRALN = 1, "Misaligned";
        BUS_ADRERR = 2, "No such physical address";
        BUS_OBJERR = 3, "The object has no data there";
        TRAP_BRKPT = 1, "Breakpoint";
        TRAP_TRACE = 2, "Step";
        CLD_EXITED = 1, "Child exited";
        CLD_KILLED = 2, "Child was killed";
        CLD_DUMPED = 3, "Child was killed and dumped core";
        CLD_TRAPPED = 4, "Child trapped";
        CLD_STOPPED = 5, "Child stopped";
        CLD_CONTINUED = 6, "Child went on";
        SI_USER = 0x10001, "Sent by `kill`";
        SI_QUEUE = 0x10002, "Sent by `sigqueue`";
    }
}

abi_struct! {
    /// An alternate stack.
    #[doc(alias = "stack_t")]
    pub struct SignalStack {
        /// Lowest address.
        pub address: u64,
        /// Bytes.
        pub size: u64,
        /// `SS_ONSTACK`, `SS_DISABLE`.
        pub flags: i32,
        /// Padding.
        pub pad: i32,
    }
}

/// The thread is on the alternate stack.
pub const SS_ONSTACK: i32 = 1;
/// There is no alternate stack.
pub const SS_DISABLE: i32 = 4;
/// Smallest alternate stack.
pub const MINSIGSTKSZ: u64 = 32768;

abi_struct! {
    /// What a handler interrupted, 56 bytes.
    #[doc(alias = "ucontext64")]
    pub struct Ucontext {
        /// Boolean: it was on the alternate stack.
        pub on_stack: i32,
        /// Signals blocked then.
        pub mask: u32,
        /// The stack.
        pub stack: SignalStack,
        /// The context after this one.
        pub link: u64,
        /// Bytes of the registers.
        pub mcontext_size: u64,
        /// Where they are: a [`Mcontext`].
        pub mcontext: u64,
    }
}

abi_struct! {
    /// Registers of an interrupted thread, 816 bytes: exception state, general state, vector state,
    /// laid out as the Mach thread states.
    #[doc(alias = "mcontext64")]
    pub struct Mcontext {
        /// Fault address.
        pub far: u64,
        /// Syndrome.
        pub esr: u32,
        /// Exception.
        pub exception: u32,
        /// x0 to x28.
        pub x: [u64; 29],
        /// x29.
        pub fp: u64,
        /// x30.
        pub lr: u64,
        /// Stack pointer.
        pub sp: u64,
        /// Program counter.
        pub pc: u64,
        /// Flags.
        pub cpsr: u32,
        /// Padding.
        pub flags: u32,
        /// v0 to v31.
        pub v: [[u64; 2]; 32],
        /// Floating-point status.
        pub fpsr: u32,
        /// Floating-point control.
        pub fpcr: u32,
        /// Padding.
        pub pad: [u32; 2],
    }
}

/// Second argument of a trampoline and of `sigreturn`: a handler that asked for [`SignalInfo`].
pub const UC_FLAVOR: i32 = 30;
/// Second argument of a trampoline: a handler that takes the signal's number only.
#[doc(alias = "UC_TRAD")]
pub const UC_TRADITIONAL: i32 = 1;
/// Second argument of `sigreturn`: only say that the alternate stack is in use.
pub const UC_SET_ALT_STACK: i32 = 0x4000_0000;
/// Second argument of `sigreturn`: only say that the alternate stack is free (`longjmp` left it).
pub const UC_RESET_ALT_STACK: i32 = 0x8000_0000u32 as i32;

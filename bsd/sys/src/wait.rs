//! The status word of `wait4`: [`WaitStatus`]. XNU: `bsd/sys/wait.h`.

use crate::signal::Signal;

macro_rules! options {
    ($($name:ident = $value:literal, $text:literal;)*) => {
        $(#[doc = concat!($text, ".")] pub const $name: i32 = $value;)*
    };
}

options! {
    WNOHANG = 1, "Do not wait";
    WUNTRACED = 2, "Stopped children too";
    WEXITED = 4, "Ended children (`waitid`)";
    WSTOPPED = 8, "Stopped children (`waitid`)";
    WCONTINUED = 0x10, "Continued children";
    WNOWAIT = 0x20, "Leave it waitable";
}

/// How a child ended or stopped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum WaitStatus {
    /// It called `exit` with this code.
    #[doc(alias = "WIFEXITED")]
    #[doc(alias = "WEXITSTATUS")]
    Exited(u8),
    /// This signal ended it.
    #[doc(alias = "WIFSIGNALED")]
    #[doc(alias = "WTERMSIG")]
    Signalled(Signal),
    /// This signal stopped it.
    #[doc(alias = "WIFSTOPPED")]
    #[doc(alias = "WSTOPSIG")]
    Stopped(Signal),
}

const STOPPED: i32 = 0o177;

impl WaitStatus {
    /// The word that `wait4` writes.
    #[doc(alias = "W_EXITCODE")]
    #[doc(alias = "W_STOPCODE")]
    pub const fn raw(self) -> i32 {
        match self {
            Self::Exited(code) => (code as i32) << 8,
            Self::Signalled(signal) => signal.number(),
            Self::Stopped(signal) => signal.number() << 8 | STOPPED,
        }
    }

    /// What a word says; the core-dump flag is ignored. `None` if it says nothing.
    pub const fn from_raw(raw: i32) -> Option<Self> {
        match raw & STOPPED {
            0 => Some(Self::Exited((raw >> 8) as u8)),
            STOPPED => match Signal::new((raw >> 8) & 0xff) {
                Some(signal) => Some(Self::Stopped(signal)),
                None => None,
            },
            number => match Signal::new(number) {
                Some(signal) => Some(Self::Signalled(signal)),
                None => None,
            },
        }
    }

    /// The status a shell shows in `$?`.
    pub const fn shell_status(self) -> i32 {
        match self {
            Self::Exited(code) => code as i32,
            Self::Signalled(signal) | Self::Stopped(signal) => 128 + signal.number(),
        }
    }
}

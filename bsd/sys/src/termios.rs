//! Terminals. Requests are in [`ioctl`](crate::ioctl). XNU: `bsd/sys/termios.h`.

use crate::layout::abi_struct;

abi_struct! {
    /// Modes of a terminal, 72 bytes.
    #[doc(alias = "termios")]
    pub struct Termios {
        /// Input modes.
        pub input: u64,
        /// Output modes.
        pub output: u64,
        /// Line modes.
        pub control: u64,
        /// Local modes.
        pub local: u64,
        /// Special characters.
        pub characters: [u8; 20],
        /// Padding.
        pub pad: u32,
        /// Input speed.
        pub input_speed: u64,
        /// Output speed.
        pub output_speed: u64,
    }
}

abi_struct! {
    /// Size of a terminal.
    #[doc(alias = "winsize")]
    pub struct WindowSize {
        /// Rows.
        pub rows: u16,
        /// Columns.
        pub columns: u16,
        /// Pixels across.
        pub width: u16,
        /// Pixels down.
        pub height: u16,
    }
}

macro_rules! numbers {
    ($($name:ident: $type:ty = $value:literal, $text:literal;)*) => {
        $(#[doc = concat!($text, ".")] pub const $name: $type = $value;)*
    };
}

numbers! {
    ICRNL: u64 = 0x100, "Input: carriage return becomes newline";
    INLCR: u64 = 0x40, "Input: newline becomes carriage return";
    IXON: u64 = 0x200, "Input: flow control of output";
    OPOST: u64 = 0x1, "Output: process";
    ONLCR: u64 = 0x2, "Output: newline gets a carriage return";
    ECHOE: u64 = 0x2, "Local: erase visibly";
    ECHO: u64 = 0x8, "Local: echo";
    ECHONL: u64 = 0x10, "Local: echo newline always";
    ISIG: u64 = 0x80, "Local: signals";
    ICANON: u64 = 0x100, "Local: lines";
    IEXTEN: u64 = 0x400, "Local: extensions";
    VEOF: usize = 0, "Character: end of file";
    VERASE: usize = 3, "Character: erase";
    VKILL: usize = 5, "Character: erase line";
    VINTR: usize = 8, "Character: interrupt";
    VQUIT: usize = 9, "Character: quit";
    VSUSP: usize = 10, "Character: suspend";
    VMIN: usize = 16, "Fewest bytes of a read";
    VDISABLE: u8 = 0xff, "A special character that no byte is";
    VTIME: usize = 17, "Wait of a read, tenths of a second";
}

//! `reboot(2)` (`bsd/sys/reboot.h`), and the one thing this system adds.

/// Halt instead of starting again.
pub const RB_HALT: i32 = 8;

/// Pagoda: power off and give the machine's caller the status in bits 16 to 23.
pub const RB_STATUS: i32 = 0x1000_0000;

/// The argument that powers off with `status`.
#[must_use]
pub const fn power_off_with(status: u8) -> i32 {
    RB_HALT | RB_STATUS | (status as i32) << 16
}

/// The status in an argument of `reboot`; 0 if it names none.
#[must_use]
pub const fn status_of(how: i32) -> u8 {
    if how & RB_STATUS != 0 {
        (how >> 16) as u8
    } else {
        0
    }
}

//! The message for a CPU that lacks the page size: printed before there is an MMU.
//!
//! This code runs at its physical address, so it may use nothing that the linker resolved to a
//! virtual one: no formatting, no panics, no tables of pointers. It looks for the first PL011 in
//! the flattened device tree by hand (Devicetree Specification 0.4, chapter 5), since the address
//! of the UART is the board's.

const BEGIN_NODE: u32 = 1;
const END_NODE: u32 = 2;
const PROPERTY: u32 = 3;
const END: u32 = 9;

/// Reads a big-endian word at a physical address.
fn word(address: u64) -> u32 {
    // SAFETY: called for aligned words of the device tree, with the MMU off.
    u32::from_be(unsafe { (address as *const u32).read_volatile() })
}

fn byte(address: u64) -> u8 {
    // SAFETY: as in `word`.
    unsafe { (address as *const u8).read_volatile() }
}

/// Whether `text` stands at `address`.
fn starts_with(address: u64, text: &[u8]) -> bool {
    (address..)
        .zip(text)
        .all(|(at, &expected)| byte(at) == expected)
}

/// Whether the list of strings of `length` bytes at `address` has one that starts with `text`.
fn list_has(address: u64, length: u64, text: &[u8]) -> bool {
    let mut at = address;
    while at + (text.len() as u64) < address + length {
        if starts_with(at, text) {
            return true;
        }
        while byte(at) != 0 {
            at += 1;
        }
        at += 1;
    }
    false
}

/// The registers of the first node that is compatible with "arm,pl011". `reg` is taken to have
/// two address cells, as it does on every 64-bit machine.
fn find_uart(tree: u64) -> Option<u64> {
    let strings = tree + word(tree + 12) as u64;
    let mut at = tree + word(tree + 8) as u64;
    let (mut registers, mut matches) = (0, false);
    loop {
        let token = word(at);
        at += 4;
        match token {
            BEGIN_NODE => {
                (registers, matches) = (0, false);
                while byte(at) != 0 {
                    at += 1;
                }
                at = (at + 4) & !3;
            }
            PROPERTY => {
                let (length, name) = (word(at) as u64, strings + word(at + 4) as u64);
                at += 8;
                if starts_with(name, b"reg\0") && length >= 16 {
                    registers = (word(at) as u64) << 32 | word(at + 4) as u64;
                } else if starts_with(name, b"compatible\0") {
                    matches = list_has(at, length, b"arm,pl011\0");
                }
                at = (at + length + 3) & !3;
            }
            END_NODE => {}
            END => return None,
            _ => {}
        }
        if matches && registers != 0 {
            return Some(registers);
        }
    }
}

/// Ends the emulator with status 1, where there is semihosting (SYS_EXIT_EXTENDED with
/// ADP_Stopped_ApplicationExit); elsewhere the instruction traps to nowhere, which stops the CPU
/// as well.
fn exit() {
    let block = [0x20026u64, 1];
    // SAFETY: the semihosting call reads the block and does not come back.
    unsafe {
        core::arch::asm!("hlt #0xf000", in("x0") 0x20u64, in("x1") &block, options(nostack));
    }
}

/// Says on the UART that this CPU has no pages of this size, and stops. With the MMU off.
pub(super) extern "C" fn no_granule(tree: u64) {
    let text: &[u8] = if cfg!(feature = "page-4k") {
        b"\r\nkernel: this CPU does not support 4 KiB pages (ID_AA64MMFR0_EL1.TGran4)\r\n"
    } else {
        b"\r\nkernel: this CPU does not support 16 KiB pages (ID_AA64MMFR0_EL1.TGran16); \
          boot the build with 4 KiB pages or choose another CPU\r\n"
    };
    let Some(uart) = find_uart(tree) else {
        return;
    };
    for &character in text {
        // SAFETY: the PL011's flag register (bit 5: transmitter full) and data register.
        unsafe {
            while ((uart + 0x18) as *const u32).read_volatile() & 1 << 5 != 0 {}
            (uart as *mut u32).write_volatile(character as u32);
        }
    }
    exit();
}

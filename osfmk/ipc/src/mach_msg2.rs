//! The register form of the trap: [`decode`].
//!
//! Eight registers hold what the older form reads from memory: pairs of 32-bit words, the first in the
//! lower half. The header's ports, bits and id come in registers too and count instead of what the
//! buffer says; the buffer still has room for them.
//!
//! ```text
//! x0 data   x1 options   x2 bits|send size   x3 remote|local   x4 voucher|id
//! x5 descriptors|receive name   x6 receive size|priority   x7 timeout
//! ```
//!
//! A pure function; [`crate::mach_msg`] does the work. XNU's counterpart: `mach_msg2_trap`.

use crate::mach_msg::MsgArguments;
use mach::message::{MsgBits, MsgHeader, MsgOptions};
use mach::{KernReturn, PortName};

/// Bits of the 64-bit option word above the 32 that all forms share.
pub mod option {
    /// The buffer is described by vectors. Not supported.
    #[doc(alias = "MACH64_MSG_VECTOR")]
    pub const VECTOR: u64 = 0x1_0000_0000;
    /// The call is to a kernel object.
    #[doc(alias = "MACH64_SEND_KOBJECT_CALL")]
    pub const KOBJECT_CALL: u64 = 0x2_0000_0000;
    /// The call is to a message queue.
    #[doc(alias = "MACH64_SEND_MQ_CALL")]
    pub const QUEUE_CALL: u64 = 0x4_0000_0000;
}

const fn low(word: u64) -> u32 {
    word as u32
}

const fn high(word: u64) -> u32 {
    (word >> 32) as u32
}

/// Takes the registers x0 to x7 apart.
///
/// # Errors
/// `SEND_INVALID_OPTIONS` for vectors.
#[doc(alias = "mach_msg2_trap")]
pub fn decode(registers: [u64; 8]) -> Result<MsgArguments, KernReturn> {
    let [
        data,
        options,
        bits_and_size,
        remote_and_local,
        voucher_and_id,
        count_and_name,
        sizes,
        timeout,
    ] = registers;
    if options & option::VECTOR != 0 {
        return Err(KernReturn::SEND_INVALID_OPTIONS);
    }
    let header = MsgHeader {
        bits: MsgBits(low(bits_and_size)),
        size: high(bits_and_size),
        remote: PortName(low(remote_and_local)),
        local: PortName(high(remote_and_local)),
        voucher: PortName(low(voucher_and_id)),
        id: high(voucher_and_id) as i32,
    };
    Ok(MsgArguments {
        address: data,
        options: MsgOptions::from_bits_retain(low(options)),
        send_size: high(bits_and_size),
        receive_size: low(sizes),
        receive_name: PortName(high(count_and_name)),
        timeout: low(timeout),
        receive_address: 0,
        header: Some(header),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registers_hold_pairs_of_words_the_first_one_low() {
        let pair = |low: u32, high: u32| u64::from(high) << 32 | u64::from(low);
        let arguments = decode([
            0x1000,
            pair(3, 2),
            pair(0x1513, 36),
            pair(0x103, 0x207),
            pair(0, 4800),
            pair(0, 0x207),
            pair(128, 0),
            50,
        ])
        .unwrap();
        let header = arguments.header.unwrap();
        assert_eq!((header.bits.remote(), header.bits.local()), (0x13, 0x15));
        assert_eq!(
            (header.remote, header.local, header.id),
            (PortName(0x103), PortName(0x207), 4800)
        );
        assert_eq!(
            (
                arguments.send_size,
                arguments.receive_size,
                arguments.timeout
            ),
            (36, 128, 50)
        );
        assert_eq!(arguments.receive_name, PortName(0x207));
        assert_eq!(
            arguments.options,
            MsgOptions::SEND_MSG | MsgOptions::RCV_MSG
        );
    }

    #[test]
    fn vectors_are_refused() {
        let refused = decode([0, option::VECTOR | 3, 0, 0, 0, 0, 0, 0]);
        assert_eq!(refused, Err(KernReturn::SEND_INVALID_OPTIONS));
    }
}

//! Register sets of a thread as `thread_get_state` tells them. XNU: `mach/arm/thread_status.h`.

use crate::wire::wire_struct;

/// Flavour of [`ThreadState64`].
#[doc(alias = "ARM_THREAD_STATE64")]
pub const THREAD_STATE64: i32 = 6;
/// Flavour of [`ExceptionState64`].
#[doc(alias = "ARM_EXCEPTION_STATE64")]
pub const EXCEPTION_STATE64: i32 = 7;
/// Flavour of [`NeonState64`].
#[doc(alias = "ARM_NEON_STATE64")]
pub const NEON_STATE64: i32 = 17;
/// The flavour that means no state.
#[doc(alias = "THREAD_STATE_NONE")]
pub const STATE_NONE: i32 = 5;
/// The most 32-bit words any flavour takes.
#[doc(alias = "THREAD_STATE_MAX")]
pub const STATE_MAX: usize = 1296;

wire_struct! {
    /// General registers.
    #[doc(alias = "arm_thread_state64_t")]
    pub struct ThreadState64 {
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
        /// Condition flags and state.
        pub cpsr: u32,
        /// Reserved.
        pub flags: u32,
    }
}

wire_struct! {
    /// Floating-point and vector registers; padded to 16 bytes.
    #[doc(alias = "arm_neon_state64_t")]
    pub struct NeonState64 {
        /// v0 to v31, low half first.
        pub v: [[u64; 2]; 32],
        /// Status.
        pub fpsr: u32,
        /// Control.
        pub fpcr: u32,
        /// Padding.
        pub pad: [u32; 2],
    }
}

wire_struct! {
    /// What the last exception told.
    #[doc(alias = "arm_exception_state64_t")]
    pub struct ExceptionState64 {
        /// Fault address.
        pub far: u64,
        /// Syndrome.
        pub esr: u32,
        /// Exception number.
        pub exception: u32,
    }
}

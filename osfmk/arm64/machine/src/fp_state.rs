//! A thread's floating point and SIMD registers, as they are kept while it does not own the unit.

/// 32 vector registers, status and control.
#[doc(alias = "arm_neon_saved_state64")]
#[repr(C, align(16))]
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FpState {
    /// `q0` to `q31`.
    pub vector: [u128; 32],
    /// FPSR.
    pub fpsr: u32,
    /// FPCR.
    pub fpcr: u32,
}

impl FpState {
    /// The state in which a new program starts.
    #[must_use]
    pub const fn new() -> FpState {
        FpState {
            vector: [0; 32],
            fpsr: 0,
            fpcr: 0,
        }
    }
}

impl Default for FpState {
    fn default() -> FpState {
        FpState::new()
    }
}

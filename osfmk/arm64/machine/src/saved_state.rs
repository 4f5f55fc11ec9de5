//! The registers of an interrupted context.

/// What the vectors save on the kernel stack; the assembly knows the offsets.
#[doc(alias = "arm_saved_state64_t")]
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct SavedState {
    /// `x0` to `x30`.
    pub x: [u64; 31],
    /// Stack pointer of the interrupted context.
    pub sp: u64,
    /// Where to resume (ELR_EL1).
    pub pc: u64,
    /// SPSR_EL1.
    pub cpsr: u64,
    /// ESR_EL1.
    pub esr: u64,
    /// FAR_EL1, valid only for the exceptions that set it.
    pub far: u64,
}

/// PSTATE.C of a saved `cpsr`: Darwin's system calls set it to say that `x0` is an errno.
pub const CPSR_CARRY: u64 = 1 << 29;
/// The four condition flags, all that a user may choose in a `cpsr`.
pub const CPSR_CONDITION_FLAGS: u64 = 0xF << 28;

impl SavedState {
    /// A state that enters user mode at `pc` with `sp`, all other registers zero.
    #[must_use]
    pub const fn user(pc: u64, sp: u64) -> SavedState {
        SavedState {
            x: [0; 31],
            sp,
            pc,
            cpsr: 0,
            esr: 0,
            far: 0,
        }
    }

    /// Whether the interrupted context was user mode (EL0).
    #[doc(alias = "PSR64_IS_USER")]
    #[must_use]
    pub const fn is_user(&self) -> bool {
        self.cpsr & 0xF == 0
    }

    /// Makes a state that came from a user program safe to resume: EL0, AArch64, interrupts
    /// unmasked, only the condition flags kept.
    pub const fn sanitise_cpsr(&mut self) {
        self.cpsr &= CPSR_CONDITION_FLAGS;
    }

    /// Decodes the syndrome.
    #[must_use]
    pub const fn exception(&self) -> crate::esr::Exception {
        crate::esr::decode(self.esr)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::mem::{offset_of, size_of};

    #[test]
    fn offsets_are_those_the_vectors_use() {
        assert_eq!(offset_of!(SavedState, sp), 248);
        assert_eq!(offset_of!(SavedState, pc), 256);
        assert_eq!(offset_of!(SavedState, cpsr), 264);
        assert_eq!(offset_of!(SavedState, esr), 272);
        assert_eq!(offset_of!(SavedState, far), 280);
        assert_eq!(size_of::<SavedState>(), 288);
    }

    #[test]
    fn a_state_made_by_a_program_cannot_name_el1() {
        let mut state = SavedState::user(0x1000, 0x2000);
        state.cpsr = 0xF000_03C5;
        assert!(!state.is_user());
        state.sanitise_cpsr();
        assert!(state.is_user());
        assert_eq!(state.cpsr, 0xF000_0000);
    }
}

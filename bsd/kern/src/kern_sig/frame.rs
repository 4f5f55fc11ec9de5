//! The frame a handler finds on its stack, as Darwin's arm64 lays it out. Pure.
//!
//! ```text
//!   sp ->  siginfo      104   what happened
//!          ucontext64    56   mask, stack, where the registers are
//!          mcontext64   816   exception, general and vector registers
//!          red zone     128   untouched: leaf functions keep data below their stack pointer
//!   interrupted sp
//! ```
//!
//! [`build`] makes its bytes, [`restore`] takes registers out of what comes back; whatever a program writes there,
//! the result is a state of user mode. XNU counterpart: `bsd/dev/arm/unix_signal.c`.

use bsd_sys::layout::Abi as _;
use bsd_sys::signal::{Mcontext, SignalInfo, SignalSet, SignalStack, Ucontext};
use machine::esr::Exception;
use machine::fp::FpState;
use machine::trap::SavedState;

/// Bytes below an interrupted stack pointer that belong to the program.
#[doc(alias = "C_64_REDZONE_LEN")]
const RED_ZONE: u64 = 128;

/// Where the parts are.
const UCONTEXT: usize = SignalInfo::SIZE;
const MCONTEXT: usize = UCONTEXT + Ucontext::SIZE;

/// Bytes of a frame.
pub(crate) const FRAME_SIZE: usize = MCONTEXT + Mcontext::SIZE;

/// What a frame is made of besides the registers.
pub(crate) struct Context {
    /// What the handler is told.
    pub(crate) info: SignalInfo,
    /// The mask that `sigreturn` brings back.
    pub(crate) mask: SignalSet,
    /// The alternate stack was in use already.
    pub(crate) on_stack: bool,
    /// Size of the alternate stack, if the frame is the first on it.
    pub(crate) stack_size: u64,
}

/// Where a frame goes on a stack that is used down to `sp`.
pub(crate) const fn place(sp: u64) -> u64 {
    sp.wrapping_sub(FRAME_SIZE as u64 + RED_ZONE) & !15
}

/// Address of the context of the frame at `frame`.
pub(crate) const fn ucontext(frame: u64) -> u64 {
    frame.wrapping_add(UCONTEXT as u64)
}

/// The bytes of the frame at `frame`.
pub(crate) fn build(
    frame: u64,
    context: &Context,
    state: &SavedState,
    floating_point: &FpState,
) -> [u8; FRAME_SIZE] {
    let mut bytes = [0; FRAME_SIZE];
    context.info.write(&mut bytes[..UCONTEXT]);
    let ucontext = Ucontext {
        on_stack: i32::from(context.on_stack),
        mask: context.mask,
        stack: SignalStack {
            address: frame,
            size: context.stack_size,
            flags: i32::from(context.on_stack),
            pad: 0,
        },
        link: 0,
        mcontext_size: Mcontext::SIZE as u64,
        mcontext: frame.wrapping_add(MCONTEXT as u64),
    };
    ucontext.write(&mut bytes[UCONTEXT..MCONTEXT]);
    save(state, floating_point).write(&mut bytes[MCONTEXT..]);
    bytes
}

/// Registers as a program sees them.
#[doc(alias = "sendsig_get_state64")]
fn save(state: &SavedState, floating_point: &FpState) -> Mcontext {
    let mut general = [0; 29];
    general.copy_from_slice(&state.x[..29]);
    // The register holds an address of this program's only after an exception that sets it.
    let far = match state.exception() {
        Exception::DataAbort(_)
        | Exception::InstructionAbort(_)
        | Exception::PcAlignment
        | Exception::Watchpoint => state.far,
        _ => 0,
    };
    Mcontext {
        far,
        esr: state.esr as u32,
        exception: 0,
        x: general,
        fp: state.x[29],
        lr: state.x[30],
        sp: state.sp,
        pc: state.pc,
        cpsr: state.cpsr as u32,
        flags: 0,
        v: floating_point
            .vector
            .map(|vector| [vector as u64, (vector >> 64) as u64]),
        fpsr: floating_point.fpsr,
        fpcr: floating_point.fpcr,
        pad: [0; 2],
    }
}

/// The registers in a context that comes back from a program: always a state of user mode.
#[doc(alias = "sigreturn_set_state64")]
pub(crate) fn restore(context: &Mcontext) -> (SavedState, FpState) {
    let mut state = SavedState::user(context.pc, context.sp);
    state.x[..29].copy_from_slice(&context.x);
    (state.x[29], state.x[30]) = (context.fp, context.lr);
    state.cpsr = u64::from(context.cpsr);
    state.sanitise_cpsr();
    let vector = context
        .v
        .map(|[low, high]| u128::from(low) | u128::from(high) << 64);
    let floating_point = FpState {
        vector,
        fpsr: context.fpsr,
        fpcr: context.fpcr,
    };
    (state, floating_point)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn context(info: SignalInfo, mask: u32, on_stack: bool) -> Context {
        Context {
            info,
            mask,
            on_stack,
            stack_size: 0x8000,
        }
    }

    #[test]
    fn the_parts_are_where_darwin_puts_them() {
        assert_eq!((UCONTEXT, MCONTEXT, FRAME_SIZE), (104, 160, 976));
        assert_eq!(place(0x10_0000), 0x10_0000 - 976 - 128);
        assert_eq!(place(0x10_0007) % 16, 0);
    }

    #[test]
    fn a_frame_points_at_its_own_registers() {
        let mut state = SavedState::user(0x1234, 0x8000);
        state.x[7] = 77;
        let info = SignalInfo {
            signal: 11,
            address: 0xdead,
            ..SignalInfo::default()
        };
        let frame = place(state.sp);
        let bytes = build(frame, &context(info, 5, false), &state, &FpState::new());
        assert_eq!(SignalInfo::from_bytes(&bytes), Some(info));
        let found = Ucontext::from_bytes(&bytes[UCONTEXT..]).unwrap();
        assert_eq!(
            (found.mask, found.on_stack, found.mcontext_size),
            (5, 0, 816)
        );
        let registers = Mcontext::from_bytes(&bytes[(found.mcontext - frame) as usize..]).unwrap();
        assert_eq!(
            (registers.x[7], registers.pc, registers.sp),
            (77, 0x1234, 0x8000)
        );
    }

    #[test]
    fn an_address_that_is_not_this_exceptions_stays_in_the_kernel() {
        let mut state = SavedState::user(0, 0);
        (state.esr, state.far) = (0x5600_0080, 0xffff_0000_1234_5678);
        assert_eq!(save(&state, &FpState::new()).far, 0, "a system call");
        state.esr = 0x9200_0047;
        assert_eq!(save(&state, &FpState::new()).far, state.far, "an abort");
    }

    proptest! {
        #[test]
        fn registers_survive_the_way_through_a_frame(
            x in prop::array::uniform31(any::<u64>()),
            (sp, pc, cpsr) in any::<(u64, u64, u32)>(),
            vector in prop::array::uniform32(any::<u128>()),
            (fpsr, fpcr) in any::<(u32, u32)>(),
        ) {
            let state = SavedState { x, sp, pc, cpsr: u64::from(cpsr), esr: 0, far: 0 };
            let floating_point = FpState { vector, fpsr, fpcr };
            let frame = place(sp);
            let info = SignalInfo::default();
            let bytes = build(frame, &context(info, 0, true), &state, &floating_point);
            let registers = Mcontext::from_bytes(&bytes[MCONTEXT..]).unwrap();
            let (back, floating_point_back) = restore(&registers);
            prop_assert_eq!(&back.x[..], &x[..]);
            prop_assert_eq!((back.sp, back.pc), (sp, pc));
            prop_assert_eq!(back.cpsr, u64::from(cpsr) & 0xF000_0000);
            prop_assert_eq!(floating_point_back, floating_point);
        }

        #[test]
        fn no_bytes_make_a_state_that_is_not_user_mode(bytes in prop::collection::vec(any::<u8>(), Mcontext::SIZE)) {
            let (state, _) = restore(&Mcontext::from_bytes(&bytes).unwrap());
            prop_assert!(state.is_user());
            prop_assert_eq!(state.cpsr & !0xF000_0000, 0);
        }
    }
}

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

use bsd_sys::signal::{Mcontext, SignalInfo, SignalSet, Ucontext};
use machine::esr::Exception;
use machine::fp::FpState;
use machine::trap::SavedState;

/// Bytes below an interrupted stack pointer that belong to the program.
#[doc(alias = "C_64_REDZONE_LEN")]
const RED_ZONE: u64 = 128;

/// Bytes of a word. A frame is made of words, not of structures turned into bytes one by one: it is on the way of every signal.
const WORD: usize = 8;

/// Words before the context, and before the registers.
const UCONTEXT: usize = SignalInfo::SIZE / WORD;
const MCONTEXT: usize = UCONTEXT + Ucontext::SIZE / WORD;

/// Words of the registers.
const MCONTEXT_WORDS: usize = Mcontext::SIZE / WORD;

/// Where parts of the registers are.
const GENERAL: usize = 2;
const STACK_POINTER: usize = GENERAL + 31;
const VECTOR: usize = STACK_POINTER + 3;
const FLOATING_POINT_STATUS: usize = VECTOR + 64;

/// Words of a frame.
pub(crate) const FRAME_WORDS: usize = MCONTEXT + MCONTEXT_WORDS;

/// A frame, as it goes to the stack.
pub(crate) type Frame = [u64; FRAME_WORDS];

/// Registers, as they come back.
pub(crate) type Registers = [u64; MCONTEXT_WORDS];

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
    sp.wrapping_sub((FRAME_WORDS * WORD) as u64 + RED_ZONE) & !15
}

/// Address of the context of the frame at `frame`.
pub(crate) const fn ucontext(frame: u64) -> u64 {
    frame.wrapping_add((UCONTEXT * WORD) as u64)
}

/// Two fields of four bytes, the first one first.
const fn pair(first: u32, second: u32) -> u64 {
    first as u64 | (second as u64) << 32
}

/// Makes the frame at `at`.
pub(crate) fn build(
    frame: &mut Frame,
    at: u64,
    context: &Context,
    state: &SavedState,
    floating_point: &FpState,
) {
    let info = &context.info;
    let on_stack = u32::from(context.on_stack);
    frame[..6].copy_from_slice(&[
        pair(info.signal as u32, info.errno as u32),
        pair(info.code as u32, info.pid as u32),
        pair(info.uid, info.status as u32),
        info.address,
        info.value,
        info.band as u64,
    ]);
    frame[UCONTEXT..MCONTEXT].copy_from_slice(&[
        pair(on_stack, context.mask),
        at,
        context.stack_size,
        pair(on_stack, 0),
        0,
        Mcontext::SIZE as u64,
        at.wrapping_add((MCONTEXT * WORD) as u64),
    ]);
    if let Some(registers) = frame[MCONTEXT..].first_chunk_mut() {
        save(registers, state, floating_point);
    }
}

/// Registers as a program sees them.
#[doc(alias = "sendsig_get_state64")]
fn save(registers: &mut Registers, state: &SavedState, floating_point: &FpState) {
    // The register holds an address of this program's only after an exception that sets it.
    let far = match state.exception() {
        Exception::DataAbort(_)
        | Exception::InstructionAbort(_)
        | Exception::PcAlignment
        | Exception::Watchpoint => state.far,
        _ => 0,
    };
    registers[..GENERAL].copy_from_slice(&[far, pair(state.esr as u32, 0)]);
    registers[GENERAL..STACK_POINTER].copy_from_slice(&state.x);
    registers[STACK_POINTER..VECTOR].copy_from_slice(&[
        state.sp,
        state.pc,
        pair(state.cpsr as u32, 0),
    ]);
    let halves = registers[VECTOR..FLOATING_POINT_STATUS].chunks_exact_mut(2);
    for (halves, vector) in halves.zip(&floating_point.vector) {
        (halves[0], halves[1]) = (*vector as u64, (*vector >> 64) as u64);
    }
    registers[FLOATING_POINT_STATUS] = pair(floating_point.fpsr, floating_point.fpcr);
}

/// The general registers that come back from a program: always a state of user mode.
#[doc(alias = "sigreturn_set_state64")]
pub(crate) fn restore(registers: &Registers) -> SavedState {
    let mut state = SavedState::user(registers[STACK_POINTER + 1], registers[STACK_POINTER]);
    state.x.copy_from_slice(&registers[GENERAL..STACK_POINTER]);
    state.cpsr = u64::from(registers[STACK_POINTER + 2] as u32);
    state.sanitise_cpsr();
    state
}

/// The vector registers that come back from a program.
pub(crate) fn restore_vector(registers: &Registers, floating_point: &mut FpState) {
    let halves = registers[VECTOR..FLOATING_POINT_STATUS].chunks_exact(2);
    for (halves, vector) in halves.zip(&mut floating_point.vector) {
        *vector = u128::from(halves[0]) | u128::from(halves[1]) << 64;
    }
    let status = registers[FLOATING_POINT_STATUS];
    (floating_point.fpsr, floating_point.fpcr) = (status as u32, (status >> 32) as u32);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use zerocopy::IntoBytes as _;

    fn context(info: SignalInfo, mask: u32, on_stack: bool) -> Context {
        Context {
            info,
            mask,
            on_stack,
            stack_size: 0x8000,
        }
    }

    fn built(at: u64, context: &Context, state: &SavedState, vector: &FpState) -> Frame {
        let mut frame = [0; FRAME_WORDS];
        build(&mut frame, at, context, state, vector);
        frame
    }

    #[test]
    fn the_parts_are_where_darwin_puts_them() {
        assert_eq!(
            (UCONTEXT * 8, MCONTEXT * 8, FRAME_WORDS * 8),
            (104, 160, 976)
        );
        assert_eq!(place(0x10_0000), 0x10_0000 - 976 - 128);
        assert_eq!(place(0x10_0007) % 16, 0);
    }

    #[test]
    fn the_words_of_a_frame_are_darwins_structures() {
        let mut state = SavedState::user(0x1234, 0x8000);
        state.x = core::array::from_fn(|register| 1000 + register as u64);
        (state.cpsr, state.esr, state.far) = (0x6000_0000, 0x9200_0047, 0xdead);
        let mut vector = FpState::new();
        for (register, value) in vector.vector.iter_mut().enumerate() {
            *value = (register as u128) << 64 | (100 + register as u128);
        }
        (vector.fpsr, vector.fpcr) = (7, 8);
        let info = SignalInfo {
            signal: 11,
            errno: 1,
            code: 2,
            pid: -3,
            uid: 4,
            status: 5,
            address: 0xdead,
            value: 6,
            band: -7,
            pad: [0; 7],
        };
        let at = place(state.sp);
        let frame = built(at, &context(info, 5, true), &state, &vector);
        let bytes = frame.as_bytes();
        assert_eq!(SignalInfo::from_bytes(bytes), Some(info));
        let found = Ucontext::from_bytes(&bytes[104..]).unwrap();
        assert_eq!(
            (found.mask, found.on_stack, found.mcontext_size),
            (5, 1, 816)
        );
        assert_eq!(
            (found.stack.address, found.stack.size, found.stack.flags),
            (at, 0x8000, 1)
        );
        let registers = Mcontext::from_bytes(&bytes[(found.mcontext - at) as usize..]).unwrap();
        assert_eq!((registers.far, registers.esr), (0xdead, 0x9200_0047));
        assert_eq!(registers.x[..], state.x[..29]);
        assert_eq!((registers.fp, registers.lr), (1029, 1030));
        assert_eq!(
            (registers.sp, registers.pc, registers.cpsr),
            (0x8000, 0x1234, 0x6000_0000)
        );
        assert_eq!((registers.v[0], registers.v[31]), ([100, 0], [131, 31]));
        assert_eq!((registers.fpsr, registers.fpcr), (7, 8));
    }

    #[test]
    fn an_address_that_is_not_this_exceptions_stays_in_the_kernel() {
        let mut state = SavedState::user(0, 0);
        let far = |state: &SavedState| {
            let mut registers = [0; MCONTEXT_WORDS];
            save(&mut registers, state, &FpState::new());
            registers[0]
        };
        (state.esr, state.far) = (0x5600_0080, 0xffff_0000_1234_5678);
        assert_eq!(far(&state), 0, "a system call");
        state.esr = 0x9200_0047;
        assert_eq!(far(&state), state.far, "an abort");
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
            let vector = FpState { vector, fpsr, fpcr };
            let context = context(SignalInfo::default(), 0, true);
            let frame = built(place(sp), &context, &state, &vector);
            let registers = frame[MCONTEXT..].first_chunk().unwrap();
            let back = restore(registers);
            prop_assert_eq!(&back.x[..], &x[..]);
            prop_assert_eq!((back.sp, back.pc), (sp, pc));
            prop_assert_eq!(back.cpsr, u64::from(cpsr) & 0xF000_0000);
            let mut vector_back = FpState::new();
            restore_vector(registers, &mut vector_back);
            prop_assert_eq!(vector_back, vector);
        }

        #[test]
        fn no_words_make_a_state_that_is_not_user_mode(
            words in prop::collection::vec(any::<u64>(), MCONTEXT_WORDS),
        ) {
            let state = restore(words[..].first_chunk().unwrap());
            prop_assert!(state.is_user());
            prop_assert_eq!(state.cpsr & !0xF000_0000, 0);
        }
    }
}

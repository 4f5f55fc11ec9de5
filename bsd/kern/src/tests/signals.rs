//! Delivery against a model: random actions, masks, signals and returns; after each the thread is where the model says.

use bsd_sys::signal::{
    ActionFlags, CANNOT_MASK, KernelSigaction, SIG_IGN, SIG_SETMASK, Signal, SignalSet,
};
use proptest::prelude::*;

use super::*;

/// None of them ends a process here: they are caught, ignored, or mean nothing by themselves.
const SIGNALS: [Signal; 6] = [
    Signal::HUP,
    Signal::TERM,
    Signal::CHLD,
    Signal::WINCH,
    Signal::USR1,
    Signal::USR2,
];

/// What a program does, or what is done to it.
#[derive(Clone, Debug)]
enum Deed {
    Catch(usize, SignalSet, u32),
    Ignore(usize),
    Block(SignalSet),
    Send(usize),
    Return,
}

fn deeds() -> impl Strategy<Value = Vec<Deed>> {
    let signal = 0..SIGNALS.len();
    let flags = prop::sample::select(vec![
        0,
        ActionFlags::NODEFER.bits(),
        ActionFlags::RESETHAND.bits(),
        ActionFlags::SIGINFO.bits(),
    ]);
    let deed = prop_oneof![
        2 => (signal.clone(), any::<u32>(), flags).prop_map(|(signal, mask, flags)| Deed::Catch(signal, mask, flags)),
        1 => signal.clone().prop_map(Deed::Ignore),
        2 => any::<u32>().prop_map(Deed::Block),
        1 => Just(Deed::Block(0)),
        5 => signal.prop_map(Deed::Send),
        4 => Just(Deed::Return),
    ];
    prop::collection::vec(deed, 1..80)
}

/// What becomes of a signal, in the model.
#[derive(Clone, Copy, PartialEq)]
enum Fate {
    Dropped,
    Caught { mask: SignalSet, flags: u32 },
}

/// The model: a mask, what is pending, and the handlers that are not left yet with the masks they go back to.
struct Model {
    fates: [Fate; 6],
    mask: SignalSet,
    pending: SignalSet,
    running: Vec<(usize, SignalSet)>,
}

impl Model {
    fn deliver(&mut self) {
        for (index, signal) in SIGNALS.into_iter().enumerate() {
            // Lowest first: the list is sorted, and what a delivery blocks is blocked for those after it.
            if self.pending & !self.mask & signal.bit() == 0 {
                continue;
            }
            self.pending &= !signal.bit();
            let Fate::Caught { mask, flags } = self.fates[index] else {
                continue;
            };
            self.running.push((index, self.mask));
            self.mask |= mask & !CANNOT_MASK;
            if flags & ActionFlags::NODEFER.bits() == 0 {
                self.mask |= signal.bit();
            }
            if flags & ActionFlags::RESETHAND.bits() != 0 {
                self.fates[index] = Fate::Dropped;
            }
        }
    }
}

/// The real thing.
struct Real<'a> {
    program: &'a Program,
    state: SavedState,
    memory: u64,
    /// Registers at the entry of each handler that is not left yet.
    entries: Vec<SavedState>,
}

impl Real<'_> {
    fn call(&mut self, function: fn(&mut Call<'_>) -> Outcome, arguments: [u64; 3]) -> Outcome {
        let mut all = [0; 8];
        all[..3].copy_from_slice(&arguments);
        function(&mut Call {
            thread: &self.program.thread,
            proc: &self.program.proc,
            map: &self.program.map,
            arguments: all,
            state: &mut self.state,
        })
    }

    fn set_action(&mut self, signal: Signal, handler: u64, mask: SignalSet, flags: u32) {
        let action = KernelSigaction {
            handler,
            trampoline: 0x7000,
            mask,
            flags,
        };
        kern::copyio::copyout(&self.program.map, &action.to_bytes(), self.memory).unwrap();
        let arguments = [signal.number() as u64, self.memory, 0];
        self.call(kern_sig::sigaction, arguments).unwrap();
    }

    fn block(&mut self, mask: SignalSet) -> SignalSet {
        kern::copyio::copyout(&self.program.map, &mask.to_le_bytes(), self.memory).unwrap();
        let arguments = [SIG_SETMASK as u64, self.memory, self.memory + 8];
        self.call(kern_sig::sigprocmask, arguments).unwrap();
        let old = self.program.bytes(self.memory + 8, 4);
        u32::from_le_bytes(old.try_into().unwrap())
    }

    fn mask(&mut self) -> SignalSet {
        let arguments = [SIG_SETMASK as u64, 0, self.memory + 8];
        self.call(kern_sig::sigprocmask, arguments).unwrap();
        let mask = self.program.bytes(self.memory + 8, 4);
        u32::from_le_bytes(mask.try_into().unwrap())
    }

    /// Lets the thread act, and finds the handlers it went into by the frames they left.
    fn deliver(&mut self, expected: usize) {
        let before = self.state;
        kern_sig::act_on_pending(&self.program.thread, &mut self.state);
        let mut chain = Vec::new();
        let mut at = self.state;
        while at != before {
            assert!(chain.len() < 32, "frames lead nowhere");
            chain.push(at);
            let mut under = SavedState::user(0, 0);
            let registers = self.program.bytes(at.x[3] + 160 + 16, 34 * 8);
            let words: Vec<u64> = registers
                .chunks(8)
                .map(|word| u64::from_le_bytes(word.try_into().unwrap()))
                .collect();
            under.x.copy_from_slice(&words[..31]);
            (under.sp, under.pc, under.cpsr) = (words[31], words[32], words[33]);
            at = under;
        }
        assert_eq!(chain.len(), expected, "handlers entered");
        self.entries.extend(chain.into_iter().rev());
    }
}

fn run(world: &World, deeds: &[Deed]) {
    let program = Program::new(&world.init);
    let (memory, stack) = (program.memory(1), program.memory(64));
    let mut real = Real {
        program: &program,
        state: SavedState::user(0x1000, stack + 64 * PAGE - 64),
        memory,
        entries: Vec::new(),
    };
    real.state.x = core::array::from_fn(|register| register as u64 * 7);
    let mut model = Model {
        fates: [Fate::Dropped; 6],
        mask: 0,
        pending: 0,
        running: Vec::new(),
    };
    // Those that would end the process are ignored at first.
    for signal in SIGNALS {
        real.set_action(signal, SIG_IGN, 0, 0);
    }
    for deed in deeds {
        match *deed {
            Deed::Catch(index, mask, flags) => {
                // A handler that holds once goes back to what the signal does by itself.
                let flags = match SIGNALS[index] {
                    Signal::CHLD | Signal::WINCH => flags,
                    _ => flags & !ActionFlags::RESETHAND.bits(),
                };
                let handler = 0x100 + index as u64;
                real.set_action(SIGNALS[index], handler, mask, flags);
                model.fates[index] = Fate::Caught { mask, flags };
            }
            Deed::Ignore(index) => {
                real.set_action(SIGNALS[index], SIG_IGN, 0, 0);
                model.fates[index] = Fate::Dropped;
                model.pending &= !SIGNALS[index].bit();
            }
            Deed::Block(mask) => {
                assert_eq!(real.block(mask), model.mask);
                model.mask = mask & !CANNOT_MASK;
            }
            // Stacks are finite.
            Deed::Send(_) if model.running.len() > 20 => {}
            Deed::Send(index) => {
                kern_sig::post(&program.proc, SIGNALS[index]);
                if model.fates[index] != Fate::Dropped {
                    model.pending |= SIGNALS[index].bit();
                }
            }
            Deed::Return => {
                if let (Some((_, mask)), Some(entry)) = (model.running.pop(), real.entries.pop()) {
                    let arguments = [entry.x[4], entry.x[1], entry.x[5]];
                    let wrong = [entry.x[4], entry.x[1], entry.x[5] ^ 1];
                    let refused = real.call(kern_sig::sigreturn, wrong);
                    assert_eq!(refused, Err(Failure::Errno(Errno::EINVAL)));
                    let outcome = real.call(kern_sig::sigreturn, arguments);
                    assert_eq!(outcome, Err(Failure::JustReturn));
                    model.mask = mask;
                }
            }
        }
        let before = model.running.len();
        model.deliver();
        real.deliver(model.running.len() - before);
        assert_eq!(real.mask(), model.mask, "the mask after {deed:?}");
        let pending = crate::proc::pending_signals(&program.proc);
        assert_eq!(pending, model.pending, "what is pending after {deed:?}");
        for ((index, _), entry) in model.running.iter().zip(&real.entries) {
            let signal = SIGNALS[*index];
            assert_eq!(entry.x[0], 0x100 + *index as u64, "the handler");
            assert_eq!(entry.x[2], signal.number() as u64, "the signal");
            assert_eq!((entry.pc, entry.sp % 16), (0x7000, 0));
        }
    }
    // Back through all of them: the program goes on where it was.
    while let Some(entry) = real.entries.pop() {
        let arguments = [entry.x[4], entry.x[1], entry.x[5]];
        let _ = real.call(kern_sig::sigreturn, arguments);
    }
    assert_eq!(
        (real.state.pc, real.state.sp),
        (0x1000, stack + 64 * PAGE - 64)
    );
    assert_eq!(real.state.x[30], 210);
    program.end(WaitStatus::Exited(0));
    world.init.reap(&program.proc);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn signals_are_delivered_as_a_model_says(deeds in deeds()) {
        run(&world(), &deeds);
    }
}

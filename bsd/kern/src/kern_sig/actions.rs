//! What a process does with each signal: [`Actions`], part of what the process's lock guards.
//!
//! Pure: which signals are caught or ignored follows from the table, and every change of it goes through `note`, which keeps
//! it so. XNU counterpart: `struct sigacts`, `setsigvec`, `execsigs`.

use bsd_sys::signal::{
    ActionFlags, CANNOT_MASK, DefaultAction, KernelSigaction, NSIG, SIG_DFL, SIG_IGN, Sigaction,
    Signal, SignalSet,
};

/// Where a signal came from, as its handler is told.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Sender {
    /// Why: `SI_USER`, `CLD_EXITED`.
    pub(crate) code: i32,
    /// Who.
    pub(crate) pid: i32,
    /// Of a child: its exit status or its signal.
    pub(crate) status: i32,
}

/// What becomes of a signal.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Disposition {
    /// Nothing: it is not even kept.
    Ignored,
    /// What the signal does by itself.
    Default(DefaultAction),
    /// The program's handler.
    Caught(KernelSigaction),
}

/// The actions of a process.
#[derive(Clone, Debug)]
pub(crate) struct Actions {
    table: [KernelSigaction; NSIG as usize - 1],
    senders: [Sender; NSIG as usize - 1],
    /// Signals with a handler; a cache of the table.
    caught: SignalSet,
    /// Signals that are dropped; a cache of the table. `SIGCONT` is none, as it has something to do besides.
    ignored: SignalSet,
}

impl Default for Actions {
    #[doc(alias = "siginit")]
    fn default() -> Self {
        let mut actions = Self {
            table: Default::default(),
            senders: Default::default(),
            caught: 0,
            ignored: 0,
        };
        for signal in all() {
            actions.note(signal);
        }
        actions
    }
}

/// Every signal.
pub(super) fn all() -> impl Iterator<Item = Signal> {
    (1..NSIG).filter_map(Signal::new)
}

const fn index(signal: Signal) -> usize {
    signal.number() as usize - 1
}

impl Actions {
    /// What the process does with a signal.
    pub(crate) fn disposition(&self, signal: Signal) -> Disposition {
        if self.ignored & signal.bit() != 0 {
            Disposition::Ignored
        } else if self.caught & signal.bit() != 0 {
            Disposition::Caught(self.table[index(signal)])
        } else {
            Disposition::Default(signal.default_action())
        }
    }

    /// Whether a signal has a handler.
    pub(crate) fn is_caught(&self, signal: Signal) -> bool {
        self.caught & signal.bit() != 0
    }

    /// Whether a signal is dropped.
    pub(crate) fn is_ignored(&self, signal: Signal) -> bool {
        self.ignored & signal.bit() != 0
    }

    /// Whether a signal has a handler that wants the alternate stack.
    pub(crate) fn runs_on_stack(&self, signal: Signal) -> bool {
        let flags = self.table[index(signal)].flags;
        self.is_caught(signal) && flags & ActionFlags::ONSTACK.bits() != 0
    }

    /// The action as the program is told.
    pub(crate) fn get(&self, signal: Signal) -> Sigaction {
        let action = self.table[index(signal)];
        let told = ActionFlags::ONSTACK
            | ActionFlags::RESTART
            | ActionFlags::RESETHAND
            | ActionFlags::NOCLDSTOP
            | ActionFlags::NODEFER
            | ActionFlags::NOCLDWAIT
            | ActionFlags::SIGINFO;
        Sigaction {
            handler: action.handler,
            mask: action.mask,
            flags: action.flags & told.bits(),
        }
    }

    /// Changes an action. Says whether the signal is dropped now, and with it what is pending of it.
    #[doc(alias = "setsigvec")]
    pub(crate) fn set(&mut self, signal: Signal, action: KernelSigaction) -> bool {
        self.table[index(signal)] = KernelSigaction {
            mask: action.mask & !CANNOT_MASK,
            ..action
        };
        self.note(signal);
        self.is_ignored(signal)
    }

    /// Takes a handler away.
    pub(crate) fn reset(&mut self, signal: Signal) {
        self.table[index(signal)].handler = SIG_DFL;
        self.note(signal);
    }

    /// Another program begins: handlers are gone, what is ignored stays so.
    #[doc(alias = "execsigs")]
    pub(crate) fn exec(&mut self) {
        for signal in all() {
            if self.table[index(signal)].handler != SIG_IGN {
                self.table[index(signal)] = KernelSigaction::default();
                self.note(signal);
            }
        }
    }

    /// What a child begins with.
    pub(crate) fn fork(&self) -> Self {
        Self {
            senders: Default::default(),
            ..self.clone()
        }
    }

    /// The last sender of a signal.
    pub(crate) fn sender(&mut self, signal: Signal) -> &mut Sender {
        &mut self.senders[index(signal)]
    }

    /// Whether the process hears of children that stop.
    #[doc(alias = "P_NOCLDSTOP")]
    pub(crate) fn hears_of_stops(&self) -> bool {
        self.child_flags() & ActionFlags::NOCLDSTOP.bits() == 0
    }

    /// Whether children that end leave no zombies.
    #[doc(alias = "P_NOCLDWAIT")]
    pub(crate) fn forgets_children(&self) -> bool {
        self.child_flags() & ActionFlags::NOCLDWAIT.bits() != 0
            || self.table[index(Signal::CHLD)].handler == SIG_IGN
    }

    fn child_flags(&self) -> u32 {
        self.table[index(Signal::CHLD)].flags
    }

    /// Brings the cached sets up to date.
    fn note(&mut self, signal: Signal) {
        let by_default = signal.default_action() == DefaultAction::Ignore;
        let (caught, ignored) = match self.table[index(signal)].handler {
            SIG_DFL => (false, by_default),
            SIG_IGN => (false, signal != Signal::CONT),
            _ => (true, false),
        };
        let put = |set: &mut SignalSet, there: bool| {
            *set = *set & !signal.bit() | if there { signal.bit() } else { 0 };
        };
        put(&mut self.caught, caught);
        put(&mut self.ignored, ignored);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caught(mask: SignalSet, flags: ActionFlags) -> KernelSigaction {
        KernelSigaction {
            handler: 0x1000,
            trampoline: 0x2000,
            mask,
            flags: flags.bits(),
        }
    }

    #[test]
    fn what_means_nothing_is_dropped_unless_it_is_caught() {
        let mut actions = Actions::default();
        assert!(actions.is_ignored(Signal::CHLD) && actions.is_ignored(Signal::WINCH));
        assert!(!actions.is_ignored(Signal::CONT) && !actions.is_ignored(Signal::TERM));
        assert!(!actions.set(Signal::CHLD, caught(0, ActionFlags::empty())));
        assert!(actions.is_caught(Signal::CHLD));
        let ignore = KernelSigaction {
            handler: SIG_IGN,
            ..KernelSigaction::default()
        };
        assert!(actions.set(Signal::TERM, ignore));
        assert!(
            !actions.set(Signal::CONT, ignore),
            "it continues all the same"
        );
    }

    #[test]
    fn nobody_can_block_kill_and_stop() {
        let mut actions = Actions::default();
        actions.set(Signal::USR1, caught(!0, ActionFlags::empty()));
        assert_eq!(actions.get(Signal::USR1).mask, !CANNOT_MASK);
    }

    #[test]
    fn exec_forgets_handlers_and_keeps_what_is_ignored() {
        let mut actions = Actions::default();
        actions.set(Signal::USR1, caught(7, ActionFlags::RESTART));
        let ignore = KernelSigaction {
            handler: SIG_IGN,
            ..KernelSigaction::default()
        };
        actions.set(Signal::USR2, ignore);
        let child = actions.fork();
        actions.exec();
        assert_eq!(actions.get(Signal::USR1), Sigaction::default());
        assert_eq!(
            actions.disposition(Signal::USR2),
            Disposition::Ignored,
            "still"
        );
        assert!(child.is_caught(Signal::USR1), "a fork inherits");
    }

    #[test]
    fn children_are_forgotten_by_flag_or_by_ignoring() {
        let mut actions = Actions::default();
        assert!(!actions.forgets_children() && actions.hears_of_stops());
        let both = ActionFlags::NOCLDWAIT | ActionFlags::NOCLDSTOP;
        actions.set(Signal::CHLD, caught(0, both));
        assert!(actions.forgets_children() && !actions.hears_of_stops());
        let ignore = KernelSigaction {
            handler: SIG_IGN,
            ..KernelSigaction::default()
        };
        actions.set(Signal::CHLD, ignore);
        assert!(actions.forgets_children() && actions.hears_of_stops());
    }
}

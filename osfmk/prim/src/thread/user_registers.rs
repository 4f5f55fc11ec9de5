//! The user's registers that a trap does not save: floating point and the thread pointers.
//!
//! The kernel is soft-float, so the floating point registers of a processor only ever hold a user thread's state. They
//! are switched lazily: a thread comes in with the unit off, its first use traps, [`Thread::use_floating_point`]
//! loads its state and switches the unit on, and only a thread that goes out with the unit on is saved.
//!
//! XNU counterpart: `osfmk/arm64/machine_routines.c` (`fp_save`, `fp_load`), `thread->machine.uNeon`,
//! `cthread_self`.

use machine::fp::{self, FpState};

use super::{Thread, preemption, try_current};

/// The registers; kept in the thread while it does not run.
#[derive(Clone)]
pub struct UserRegisters {
    /// Floating point and SIMD.
    pub floating_point: FpState,
    /// TPIDR_EL0: the user's own thread pointer.
    pub thread_pointer: u64,
    /// TPIDRRO_EL0: the thread pointer that user mode can only read.
    pub read_only_thread_pointer: u64,
}

impl UserRegisters {
    pub(super) const fn new() -> Self {
        Self {
            floating_point: FpState::new(),
            thread_pointer: 0,
            read_only_thread_pointer: 0,
        }
    }
}

impl Default for UserRegisters {
    fn default() -> Self {
        Self::new()
    }
}

impl Thread {
    /// The trap for a use of floating point: loads the current thread's state.
    #[doc(alias = "fp_load")]
    pub fn use_floating_point() {
        let current = super::current();
        let masked = preemption::mask();
        fp::enable();
        fp::restore(&current.user_registers.lock().floating_point);
        drop(masked);
    }

    /// Looks at the thread's user registers, or changes them. `None` if the thread runs on another processor: the
    /// caller stops it first.
    #[doc(alias = "machine_thread_get_state")]
    pub fn with_user_registers<R>(&self, f: impl FnOnce(&mut UserRegisters) -> R) -> Option<R> {
        let masked = preemption::mask();
        let own = try_current().is_some_and(|current| current.id() == self.id());
        if own {
            self.save_user_registers();
        } else if self.state() == super::RunState::Running {
            return None;
        }
        let mut registers = self.user_registers.lock();
        let result = f(&mut registers);
        drop(registers);
        if own {
            self.load_user_registers();
        }
        drop(masked);
        Some(result)
    }

    /// Going out, interrupts masked: keeps the registers and switches the unit off.
    pub(super) fn save_user_registers(&self) {
        let mut registers = self.user_registers.lock();
        if fp::is_enabled() {
            fp::save(&mut registers.floating_point);
            fp::disable();
        }
        #[cfg(target_os = "none")]
        {
            let (writable, read_only) = machine::cpu::user_thread_pointers();
            registers.thread_pointer = writable;
            registers.read_only_thread_pointer = read_only;
        }
    }

    /// Coming in, interrupts masked. The unit stays off until it is used.
    pub(super) fn load_user_registers(&self) {
        #[cfg(target_os = "none")]
        {
            let registers = self.user_registers.lock();
            machine::cpu::set_user_thread_pointers(
                registers.thread_pointer,
                registers.read_only_thread_pointer,
            );
        }
    }
}

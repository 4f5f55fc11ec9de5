//! PSCI: starting CPUs and switching the machine off, through the conduit the device tree names.

use smccc::psci::{self, error::Error};
use smccc::{Hvc, Smc};

/// The instruction that reaches the firmware.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Conduit {
    /// `hvc #0`.
    Hvc,
    /// `smc #0`.
    Smc,
}

impl Conduit {
    /// Starts the CPU with affinity `hardware_id` at physical address `entry`, with `argument` in
    /// its `x0`.
    pub fn cpu_on(self, hardware_id: u64, entry: u64, argument: u64) -> Result<(), Error> {
        match self {
            Conduit::Hvc => psci::cpu_on::<Hvc>(hardware_id, entry, argument),
            Conduit::Smc => psci::cpu_on::<Smc>(hardware_id, entry, argument),
        }
    }

    /// Switches the machine off; returns only when the firmware refuses.
    pub fn system_off(self) -> Error {
        let result = match self {
            Conduit::Hvc => psci::system_off::<Hvc>(),
            Conduit::Smc => psci::system_off::<Smc>(),
        };
        result.err().unwrap_or(Error::InternalFailure)
    }
}

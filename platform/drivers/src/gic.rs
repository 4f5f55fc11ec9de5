//! The interrupt controller: GICv2 and GICv3 behind one type.
//!
//! Set up once by the boot CPU, then used by all: acknowledging, ending and sending
//! inter-processor interrupts touch only banked registers (v2), system registers (v3) or
//! write-only ones, so they need no lock. Enabling an interrupt is read-modify-write on nothing
//! (set-enable registers), and is done during start-up.

use arm_gic::gicv2::{self, GicV2};
use arm_gic::gicv3::{self, GicCpuInterface, GicV3};
use arm_gic::{IntId, InterruptGroup, Trigger, UniqueMmioPointer};
use core::ptr::NonNull;
use machine::cpu::MAX_CPUS;

/// The number of an interrupt as the controller gives it (0-15 between CPUs, 16-31 private, 32
/// and up shared).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct InterruptNumber(pub u32);

/// An interrupt that was acknowledged and must be ended by the same CPU.
#[derive(Debug)]
#[must_use = "an acknowledged interrupt must be ended"]
pub struct Taken(IntId);

impl Taken {
    /// Its number. Version 2 adds the sender of an interrupt between CPUs above bit 10.
    #[must_use]
    pub fn number(&self) -> InterruptNumber {
        InterruptNumber(u32::from(self.0) & 0x3FF)
    }
}

/// How a device signals.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Signal {
    /// A level that stays until the device is served.
    Level,
    /// A rising edge.
    Edge,
}

/// Mapped registers of either version.
#[derive(Clone, Copy, Debug)]
pub enum Registers {
    /// Distributor and CPU interface.
    V2 {
        /// GICD.
        distributor: NonNull<u8>,
        /// GICC.
        cpu_interface: NonNull<u8>,
    },
    /// Distributor and redistributors.
    V3 {
        /// GICD.
        distributor: NonNull<u8>,
        /// The first GICR frame.
        redistributors: NonNull<u8>,
    },
}

/// The interrupt controller of the machine.
#[derive(Debug)]
pub struct Gic {
    registers: Registers,
    /// MPIDR affinity of each CPU, by its number.
    hardware_ids: [u64; MAX_CPUS],
    cpus: usize,
}

// SAFETY: registers are device memory reachable from every CPU; see the module's documentation
// for why concurrent use is sound.
unsafe impl Send for Gic {}
// SAFETY: as above.
unsafe impl Sync for Gic {}

const ITARGETSR: usize = 0x800;

fn id(number: InterruptNumber) -> IntId {
    match number.0 {
        n @ 0..=15 => IntId::sgi(n),
        n @ 16..=31 => IntId::ppi(n - 16),
        n => IntId::spi(n - 32),
    }
}

impl Gic {
    /// Resets the controller: everything masked except interrupts between CPUs.
    ///
    /// # Safety
    /// `registers` must be those of the machine's controller, mapped as device memory for good.
    pub unsafe fn new(registers: Registers, hardware_ids: &[u64]) -> Gic {
        let mut ids = [0; MAX_CPUS];
        let cpus = hardware_ids.len().min(MAX_CPUS);
        ids[..cpus].copy_from_slice(&hardware_ids[..cpus]);
        let gic = Gic {
            registers,
            hardware_ids: ids,
            cpus,
        };
        match registers {
            Registers::V2 { .. } => {
                let mut v2 = gic.v2();
                v2.enable_all_interrupts(false);
                v2.setup();
            }
            Registers::V3 { .. } => {
                let mut v3 = gic.v3();
                v3.enable_all_interrupts(false);
                v3.setup(0);
            }
        }
        gic
    }

    fn v2(&self) -> GicV2<'static> {
        let Registers::V2 {
            distributor,
            cpu_interface,
        } = self.registers
        else {
            unreachable!("asked for version 2 of a version 3 controller");
        };
        // SAFETY: `new`'s caller promised mapped registers; the short-lived instances of several
        // CPUs touch banked or write-only registers (module documentation).
        unsafe { GicV2::new(distributor.cast().as_ptr(), cpu_interface.cast().as_ptr()) }
    }

    fn v3(&self) -> GicV3<'static> {
        let Registers::V3 {
            distributor,
            redistributors,
        } = self.registers
        else {
            unreachable!("asked for version 3 of a version 2 controller");
        };
        // SAFETY: as in `v2`; each CPU touches its own redistributor.
        unsafe {
            let gicd = UniqueMmioPointer::new(distributor.cast());
            GicV3::new(gicd, redistributors.cast(), self.cpus)
                .expect("a redistributor frame of known size")
        }
    }

    /// The index of the redistributor of CPU `number`.
    fn redistributor(&self, v3: &mut GicV3<'_>, number: usize) -> usize {
        let wanted = self.hardware_ids[number];
        (0..self.cpus)
            .find(|&index| {
                v3.gicr_typer(index)
                    .is_ok_and(|typer| typer.core_mpidr() & 0xFF_00FF_FFFF == wanted)
            })
            .unwrap_or(number)
    }

    /// Prepares the calling CPU's interface; every CPU calls it once.
    pub fn init_cpu(&self, number: usize) {
        match self.registers {
            Registers::V2 { .. } => {
                let mut v2 = self.v2();
                for sgi in 0..16 {
                    let _ = v2.enable_interrupt(IntId::sgi(sgi), true);
                }
                self.enable_v2_interface();
            }
            Registers::V3 { .. } => {
                let mut v3 = self.v3();
                let index = self.redistributor(&mut v3, number);
                v3.init_cpu(index);
                GicCpuInterface::set_priority_mask(0xFF);
                GicCpuInterface::enable_group1(true);
                for sgi in 0..16 {
                    let _ = v3.enable_interrupt(IntId::sgi(sgi), Some(index), true);
                }
            }
        }
    }

    /// GICC_CTLR and GICC_PMR of this CPU (banked).
    fn enable_v2_interface(&self) {
        if let Registers::V2 { cpu_interface, .. } = self.registers {
            let control = cpu_interface.as_ptr().cast::<u32>();
            // SAFETY: two registers of the mapped, banked CPU interface.
            unsafe {
                control.write_volatile(1);
                control.add(1).write_volatile(0xFF);
            }
        }
    }

    /// Enables an interrupt: a private one on CPU `number`, which must be the caller; a shared one
    /// is delivered to CPU `number`.
    pub fn enable(&self, interrupt: InterruptNumber, signal: Signal, number: usize) {
        let trigger = match signal {
            Signal::Level => Trigger::Level,
            Signal::Edge => Trigger::Edge,
        };
        let (id, shared) = (id(interrupt), interrupt.0 >= 32);
        match self.registers {
            Registers::V2 { distributor, .. } => {
                let mut v2 = self.v2();
                if shared {
                    v2.set_trigger(id, trigger);
                    // SAFETY: a byte of the distributor, which allows byte access here.
                    unsafe {
                        let targets = distributor.add(ITARGETSR + interrupt.0 as usize);
                        targets.as_ptr().write_volatile(1 << number);
                    }
                }
                let _ = v2.enable_interrupt(id, true);
            }
            Registers::V3 { .. } => {
                let mut v3 = self.v3();
                let index = self.redistributor(&mut v3, number);
                if shared {
                    let _ = v3.set_trigger(id, None, trigger);
                    let target = Some(self.hardware_ids[number]);
                    let _ = v3.distributor().set_routing(id, target);
                }
                let _ = v3.enable_interrupt(id, Some(index), true);
            }
        }
    }

    /// Takes the pending interrupt of highest priority, if any.
    #[must_use]
    pub fn acknowledge(&self) -> Option<Taken> {
        let id = match self.registers {
            Registers::V2 { .. } => self
                .v2()
                .get_and_acknowledge_interrupt(InterruptGroup::Group0),
            Registers::V3 { .. } => {
                GicCpuInterface::get_and_acknowledge_interrupt(InterruptGroup::Group1)
            }
        };
        id.map(Taken)
    }

    /// Says that an interrupt has been served.
    pub fn end(&self, taken: Taken) {
        match self.registers {
            Registers::V2 { .. } => self.v2().end_interrupt(taken.0, InterruptGroup::Group0),
            Registers::V3 { .. } => {
                GicCpuInterface::end_interrupt(taken.0, InterruptGroup::Group1);
            }
        }
    }

    /// Interrupts CPU `number` with the inter-processor interrupt `sgi` (0-15).
    pub fn send(&self, sgi: u32, number: usize) {
        machine::barrier::full();
        match self.registers {
            Registers::V2 { .. } => self.v2().send_sgi(
                IntId::sgi(sgi),
                gicv2::SgiTarget::List {
                    target_list_filter: gicv2::SgiTargetListFilter::CPUTargetList,
                    target_list: 1 << number,
                },
            ),
            Registers::V3 { .. } => {
                let affinity = self.hardware_ids[number];
                let target = gicv3::SgiTarget::List {
                    affinity3: (affinity >> 32) as u8,
                    affinity2: (affinity >> 16) as u8,
                    affinity1: (affinity >> 8) as u8,
                    target_list: 1 << (affinity & 0xF),
                };
                let group = gicv3::SgiTargetGroup::CurrentGroup1;
                let _ = GicCpuInterface::send_sgi(IntId::sgi(sgi), target, group);
            }
        }
    }
}

//! What the device tree says about this machine, as plain values.
//!
//! Parsed once, on the boot CPU, by the `fdt` crate; nothing above the board sees the tree. All
//! addresses of the kernel's devices come from here.

use arrayvec::ArrayVec;
use core::ops::Range;
use fdt::Fdt;
use fdt::node::FdtNode;
use machine::PhysAddr;

/// Banks of memory, and ranges reserved in it, that are remembered.
pub(crate) const MAX_RANGES: usize = 16;
/// CPUs that are remembered; more are left asleep.
pub(crate) const MAX_CPUS: usize = machine::cpu::MAX_CPUS;
/// virtio-mmio windows that are remembered (QEMU's machine has 32).
pub(crate) const MAX_VIRTIO: usize = 32;

/// A device's registers and its interrupt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Device {
    /// Physical addresses of the registers.
    pub(crate) registers: Range<PhysAddr>,
    /// The interrupt's number at the controller.
    pub(crate) interrupt: u32,
    /// The interrupt is an edge.
    pub(crate) is_edge: bool,
}

/// The interrupt controller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct InterruptController {
    /// 2 or 3.
    pub(crate) version: u8,
    /// GICD.
    pub(crate) distributor: Range<PhysAddr>,
    /// GICC (version 2) or GICR (version 3).
    pub(crate) second: Range<PhysAddr>,
}

/// How to reach PSCI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Conduit {
    /// `hvc`.
    Hvc,
    /// `smc`.
    Smc,
}

/// The machine.
#[derive(Clone, Debug, Default)]
pub(crate) struct Board {
    /// Banks of RAM.
    pub(crate) memory: ArrayVec<Range<PhysAddr>, MAX_RANGES>,
    /// Ranges of RAM that firmware keeps.
    pub(crate) reserved: ArrayVec<Range<PhysAddr>, MAX_RANGES>,
    /// MPIDR affinities.
    pub(crate) cpus: ArrayVec<u64, MAX_CPUS>,
    /// CPUs in the tree beyond [`MAX_CPUS`].
    pub(crate) cpus_left_out: usize,
    /// PSCI, where there is one.
    pub(crate) conduit: Option<Conduit>,
    /// The interrupt controller.
    pub(crate) gic: Option<InterruptController>,
    /// The PL011.
    pub(crate) uart: Option<Device>,
    /// The virtual timer's interrupt.
    pub(crate) timer_interrupt: Option<u32>,
    /// virtio-mmio windows.
    pub(crate) virtio: ArrayVec<Device, MAX_VIRTIO>,
    /// The boot archive.
    pub(crate) archive: Option<Range<PhysAddr>>,
    /// The kernel's command line.
    pub(crate) arguments: &'static str,
    /// Randomness from the loader.
    pub(crate) seed: &'static [u8],
}

/// Why the machine cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TreeError {
    /// The blob is no device tree.
    Malformed,
    /// A node the kernel cannot do without.
    Missing(&'static str),
}

/// Parses the blob.
pub(crate) fn parse(blob: &'static [u8]) -> Result<Board, TreeError> {
    let tree = Fdt::new(blob).map_err(|_| TreeError::Malformed)?;
    let mut board = Board::default();
    for node in tree.all_nodes() {
        visit(&tree, node, &mut board);
    }
    for reservation in tree.memory_reservations() {
        let start = reservation.address() as u64;
        let end = start + reservation.size() as u64;
        let _ = board.reserved.try_push(PhysAddr(start)..PhysAddr(end));
    }
    let required = [
        (board.memory.is_empty(), "memory"),
        (board.cpus.is_empty(), "cpus"),
        (board.gic.is_none(), "interrupt controller (GICv2 or GICv3)"),
        (board.uart.is_none(), "serial port (arm,pl011)"),
        (board.timer_interrupt.is_none(), "timer (arm,armv8-timer)"),
    ];
    match required.iter().find(|entry| entry.0) {
        Some(&(_, name)) => Err(TreeError::Missing(name)),
        None => Ok(board),
    }
}

/// Takes what one node says.
fn visit(tree: &Fdt<'static>, node: FdtNode<'_, 'static>, board: &mut Board) {
    if text(node, "status").is_some_and(|status| status != "okay" && status != "ok") {
        return;
    }
    match text(node, "device_type") {
        Some("memory") => ranges(node, |range| {
            let _ = board.memory.try_push(range);
        }),
        Some("cpu") => visit_cpu(node, board),
        _ => {}
    }
    if node.name == "chosen" {
        visit_chosen(node, board);
    }
    if let Some(reserved) = tree.find_node("/reserved-memory")
        && reserved.children().any(|child| child.name == node.name)
    {
        ranges(node, |range| {
            let _ = board.reserved.try_push(range);
        });
    }
    let Some(compatible) = node.compatible() else {
        return;
    };
    for name in compatible.all() {
        visit_device(name, node, board);
    }
}

fn visit_device(compatible: &str, node: FdtNode<'_, 'static>, board: &mut Board) {
    match compatible {
        "arm,cortex-a15-gic" | "arm,gic-400" => board.gic = controller(node, 2),
        "arm,gic-v3" => board.gic = controller(node, 3),
        "arm,pl011" if board.uart.is_none() => board.uart = device(node),
        "arm,armv8-timer" => board.timer_interrupt = interrupt(node, 2).map(|found| found.0),
        "arm,psci" | "arm,psci-0.2" | "arm,psci-1.0" => {
            board.conduit = match text(node, "method") {
                Some("smc") => Some(Conduit::Smc),
                Some("hvc") => Some(Conduit::Hvc),
                _ => None,
            };
        }
        "virtio,mmio" => {
            if let Some(device) = device(node) {
                let _ = board.virtio.try_push(device);
            }
        }
        _ => {}
    }
}

fn visit_cpu(node: FdtNode<'_, '_>, board: &mut Board) {
    let Some(registers) = node.property("reg") else {
        return;
    };
    let id = number(registers.value);
    if board.cpus.try_push(id).is_err() {
        board.cpus_left_out += 1;
    }
}

fn visit_chosen(node: FdtNode<'_, 'static>, board: &mut Board) {
    board.arguments = text(node, "bootargs").unwrap_or_default();
    board.seed = node.property("rng-seed").map_or(&[], |seed| seed.value);
    let edge = |name| node.property(name).map(|property| number(property.value));
    if let (Some(start), Some(end)) = (edge("linux,initrd-start"), edge("linux,initrd-end")) {
        board.archive = (start < end).then_some(PhysAddr(start)..PhysAddr(end));
    }
}

fn controller(node: FdtNode<'_, '_>, version: u8) -> Option<InterruptController> {
    let mut found = ArrayVec::<Range<PhysAddr>, 2>::new();
    ranges(node, |range| {
        let _ = found.try_push(range);
    });
    let second = found.pop()?;
    let distributor = found.pop()?;
    Some(InterruptController {
        version,
        distributor,
        second,
    })
}

fn device(node: FdtNode<'_, '_>) -> Option<Device> {
    let mut registers = None;
    ranges(node, |range| {
        registers.get_or_insert(range);
    });
    let (interrupt, is_edge) = interrupt(node, 0)?;
    Some(Device {
        registers: registers?,
        interrupt,
        is_edge,
    })
}

/// The `index`th interrupt of a node: number at the controller, and whether it is an edge. The
/// binding of both controllers: three cells, kind (0 shared, 1 private), number, flags.
fn interrupt(node: FdtNode<'_, '_>, index: usize) -> Option<(u32, bool)> {
    let value = node.property("interrupts")?.value;
    let cells = value.get(index * 12..index * 12 + 12)?;
    let cell = |at: usize| number(&cells[at * 4..at * 4 + 4]) as u32;
    let base = match cell(0) {
        0 => 32,
        1 => 16,
        _ => return None,
    };
    Some((base + cell(1), cell(2) & 3 != 0))
}

fn ranges(node: FdtNode<'_, '_>, mut take: impl FnMut(Range<PhysAddr>)) {
    let Some(regions) = node.reg() else {
        return;
    };
    for region in regions {
        let start = region.starting_address as u64;
        let size = region.size.unwrap_or(0) as u64;
        take(PhysAddr(start)..PhysAddr(start + size));
    }
}

fn text<'a>(node: FdtNode<'_, 'a>, name: &str) -> Option<&'a str> {
    node.property(name)?.as_str()
}

/// A big-endian number of any whole number of bytes up to eight.
fn number(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0, |sum, &byte| sum << 8 | u64::from(byte))
}

#[cfg(test)]
#[path = "device_tree_tests.rs"]
mod tests;

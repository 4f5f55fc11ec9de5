//! Parsing of small trees, built here in the flattened format.

use super::*;

/// Builds a flattened device tree (Devicetree Specification 0.4, chapter 5).
#[derive(Default)]
struct Blob {
    structure: Vec<u8>,
    strings: Vec<u8>,
}

impl Blob {
    fn word(&mut self, value: u32) -> &mut Blob {
        self.structure.extend(value.to_be_bytes());
        self
    }

    fn pad(&mut self) -> &mut Blob {
        let length = self.structure.len().next_multiple_of(4);
        self.structure.resize(length, 0);
        self
    }

    fn begin(&mut self, name: &str) -> &mut Blob {
        self.word(1).structure.extend(name.bytes().chain([0]));
        self.pad()
    }

    fn end(&mut self) -> &mut Blob {
        self.word(2)
    }

    fn property(&mut self, name: &str, value: &[u8]) -> &mut Blob {
        let offset = self.strings.len() as u32;
        self.strings.extend(name.bytes().chain([0]));
        self.word(3).word(value.len() as u32).word(offset);
        self.structure.extend(value);
        self.pad()
    }

    fn cells(&mut self, name: &str, cells: &[u32]) -> &mut Blob {
        let bytes: Vec<u8> = cells.iter().flat_map(|cell| cell.to_be_bytes()).collect();
        self.property(name, &bytes)
    }

    fn text(&mut self, name: &str, text: &str) -> &mut Blob {
        self.property(name, format!("{text}\0").as_bytes())
    }

    fn finish(&mut self) -> &'static [u8] {
        self.word(9);
        let structure = 40 + 16;
        let strings = structure + self.structure.len();
        let total = strings + self.strings.len();
        let header = [
            0xD00D_FEED,
            total as u32,
            structure as u32,
            strings as u32,
            40,
            17,
            16,
            0,
            self.strings.len() as u32,
            self.structure.len() as u32,
        ];
        let mut blob: Vec<u8> = header
            .iter()
            .flat_map(|word: &u32| word.to_be_bytes())
            .collect();
        blob.extend([0; 16]);
        blob.extend(&self.structure);
        blob.extend(&self.strings);
        Box::leak(blob.into_boxed_slice())
    }
}

fn machine(gic: &str) -> Blob {
    let mut blob = Blob::default();
    blob.begin("");
    blob.cells("#address-cells", &[2])
        .cells("#size-cells", &[2]);
    blob.begin("memory@40000000").text("device_type", "memory");
    blob.cells("reg", &[0, 0x4000_0000, 0, 0x1000_0000]).end();
    blob.begin("cpus");
    blob.cells("#address-cells", &[1])
        .cells("#size-cells", &[0]);
    for cpu in [0u32, 0x100] {
        blob.begin(&format!("cpu@{cpu:x}"))
            .text("device_type", "cpu");
        blob.cells("reg", &[cpu]).end();
    }
    blob.end();
    blob.begin("intc@8000000").text("compatible", gic);
    blob.cells(
        "reg",
        &[0, 0x800_0000, 0, 0x1_0000, 0, 0x80A_0000, 0, 0xF6_0000],
    );
    blob.end();
    blob.begin("pl011@9000000");
    blob.property("compatible", b"arm,pl011\0arm,primecell\0");
    blob.cells("reg", &[0, 0x900_0000, 0, 0x1000])
        .cells("interrupts", &[0, 1, 4])
        .end();
    blob.begin("timer").text("compatible", "arm,armv8-timer");
    blob.cells("interrupts", &[1, 13, 4, 1, 14, 4, 1, 11, 4, 1, 10, 4])
        .end();
    blob
}

#[test]
fn a_machine_is_described_by_its_tree() {
    let mut blob = machine("arm,gic-v3");
    blob.begin("psci")
        .text("compatible", "arm,psci-1.0")
        .text("method", "smc")
        .end();
    blob.begin("virtio_mmio@a000000")
        .text("compatible", "virtio,mmio");
    blob.cells("reg", &[0, 0xA00_0000, 0, 0x200])
        .cells("interrupts", &[0, 16, 1])
        .end();
    blob.begin("chosen")
        .text("bootargs", "run=6c73")
        .property("rng-seed", &[1, 2, 3]);
    blob.cells("linux,initrd-start", &[0x4800_0000]);
    blob.cells("linux,initrd-end", &[0, 0x4900_0000]).end();
    let board = parse(blob.end().finish()).expect("a whole machine");
    let range = |start, end| PhysAddr(start)..PhysAddr(end);
    assert_eq!(board.memory.as_slice(), [range(0x4000_0000, 0x5000_0000)]);
    assert_eq!(board.cpus.as_slice(), [0, 0x100]);
    let gic = board.gic.expect("a controller");
    assert_eq!(
        (gic.version, gic.second),
        (3, range(0x80A_0000, 0x900_0000))
    );
    let uart = board.uart.expect("a UART");
    assert_eq!((uart.interrupt, uart.is_edge), (33, false));
    assert_eq!(board.timer_interrupt, Some(27));
    assert_eq!(board.conduit, Some(Conduit::Smc));
    assert_eq!(
        (board.virtio[0].interrupt, board.virtio[0].is_edge),
        (48, true)
    );
    assert_eq!(board.archive, Some(range(0x4800_0000, 0x4900_0000)));
    assert_eq!(
        (board.arguments, board.seed),
        ("run=6c73", &[1u8, 2, 3][..])
    );
}

#[test]
fn a_machine_without_a_controller_is_refused_by_name() {
    let error = parse(machine("somebody,else").end().finish()).unwrap_err();
    assert_eq!(
        error,
        TreeError::Missing("interrupt controller (GICv2 or GICv3)")
    );
}

#[test]
fn reserved_memory_and_disabled_devices_are_recognised() {
    let mut blob = machine("arm,gic-400");
    blob.begin("reserved-memory");
    blob.cells("#address-cells", &[2])
        .cells("#size-cells", &[2]);
    blob.begin("firmware@41000000")
        .cells("reg", &[0, 0x4100_0000, 0, 0x2000])
        .end();
    blob.end();
    blob.begin("virtio_mmio@a000000")
        .text("compatible", "virtio,mmio")
        .text("status", "disabled");
    blob.cells("reg", &[0, 0xA00_0000, 0, 0x200])
        .cells("interrupts", &[0, 16, 1])
        .end();
    let board = parse(blob.end().finish()).expect("a whole machine");
    assert_eq!(
        board.reserved.as_slice(),
        [PhysAddr(0x4100_0000)..PhysAddr(0x4100_2000)]
    );
    assert!(board.virtio.is_empty());
    assert_eq!(board.gic.map(|gic| gic.version), Some(2));
}

#[test]
fn a_blob_that_is_no_tree_is_refused() {
    assert_eq!(parse(&[0; 64]).unwrap_err(), TreeError::Malformed);
}

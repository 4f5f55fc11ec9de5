//! The order of start-up.
//!
//! [`kernel_main`] runs on the boot CPU with the MMU on, on the guarded boot stack, interrupts
//! masked. Each step needs those before it; what it needs is said beside it.

use crate::console::{self, print_line};
use crate::device_tree::{self, Board, MAX_RANGES};
use crate::{cpus, crash, interrupts, panic, traps, virtio};
use arrayvec::ArrayVec;
use core::ops::Range;
use drivers::ram_disk::RamDisk;
use machine::address::phys_to_virt;
use machine::{PAGE_SIZE, PhysAddr, boot, clock, cpu, mmu};
use prim::bootstrap;
use prim::frames::MemoryRange;
use spin::Once;

static BOARD: Once<Board> = Once::new();

/// The machine, as the device tree describes it.
pub(crate) fn board() -> &'static Board {
    BOARD.get().expect("the device tree has been parsed")
}

/// The first Rust function of the boot CPU.
#[unsafe(no_mangle)]
extern "C" fn kernel_main(device_tree: PhysAddr) -> ! {
    traps::init();
    let (board, tree) = parse_tree(device_tree);
    map_memory(board);
    console::init(board.uart.as_ref());
    panic::init(board.archive.clone());
    banner(board);
    // Frames and heap: needs the direct map.
    install_frames(board, tree);
    prim::random::seed(board.seed);
    // Threads: need the interrupt controller for the signal between CPUs.
    interrupts::init(board);
    if let Err(error) = bootstrap::threads(interrupts::send_reschedule) {
        panic!("cannot start the kernel's threads: {error:?}");
    }
    machine::interrupts::enable();
    cpus::start_others(board);
    // Devices: need threads for their completions.
    console::enable_input(board.uart.as_ref());
    virtio::start(board);
    ram_swap_if_asked(board);
    check_kernel_half();
    crash::if_asked(board.arguments);
    self_test_if_asked(board);
    run(board)
}

/// Start-up has mapped what it maps: the kernel pmap takes its window of the same tables, and the whole upper half
/// must obey the rules (nothing writable and executable, text written nowhere, nothing open to user mode).
fn check_kernel_half() {
    pmap::kernel::initialise();
    match pmap::audit::audit() {
        Ok(found) => print_line!(
            "  kernel   {} KiB text, {} KiB read-only, {} MiB read-write, {} KiB devices, {} tables",
            found.execute >> 10,
            found.read_only >> 10,
            found.read_write >> 20,
            found.device >> 10,
            found.tables,
        ),
        Err(violation) => panic!("a kernel mapping breaks a rule: {violation:x?}"),
    }
}

/// The boot argument `selftest=1` runs the tests that need no user program, and powers off.
fn self_test_if_asked(board: &Board) {
    if board
        .arguments
        .split_ascii_whitespace()
        .any(|word| word == "selftest=1")
    {
        let failed = prim::selftest::run(|line| print_line!("{line}"));
        drivers::power::off(i32::from(failed != 0));
    }
}

/// The boot argument `ram-swap=MIB` makes a swap disk of so much memory.
fn ram_swap_if_asked(board: &Board) {
    let words = board.arguments.split_ascii_whitespace();
    let Some(size) = words
        .filter_map(|word| word.strip_prefix("ram-swap="))
        .next()
    else {
        return;
    };
    let mebibytes = size.parse::<u32>().ok();
    match mebibytes.and_then(|size| RamDisk::new("swap", u64::from(size) << 20)) {
        Some(disk) => {
            print_line!("  {disk:?}");
            prim::device::register_block_device(disk);
        }
        None => print_line!("  no swap disk of {size} MiB of RAM"),
    }
}

/// What the machine is for. The boot thread has nothing left to do.
fn run(board: &'static Board) -> ! {
    print_line!("{} of {} CPUs run", cpus::online(), board.cpus.len());
    crate::system::start(board);
    prim::thread::exit()
}

/// From here on the direct map covers exactly the RAM of the tree.
fn map_memory(board: &Board) {
    if let Err(error) = boot::map_direct(board.memory.iter().cloned()) {
        panic!("cannot map all memory: {error:?}");
    }
}

/// Gives prim the memory that nobody uses yet.
fn install_frames(board: &Board, tree: Range<PhysAddr>) {
    let range = |range: &Range<PhysAddr>| MemoryRange {
        start: range.start,
        end: range.end,
    };
    let memory: ArrayVec<_, MAX_RANGES> = board.memory.iter().map(range).collect();
    let mut reserved: ArrayVec<_, { MAX_RANGES + 3 }> = board.reserved.iter().map(range).collect();
    reserved.push(range(&boot::image()));
    reserved.push(range(&tree));
    reserved.extend(board.archive.as_ref().map(range));
    // SAFETY: the ranges are RAM by the device tree, mapped by `map_memory`; the image, the tree
    // and the archive are all that is in use.
    unsafe { bootstrap::memory(&memory, &reserved) };
    let counts = prim::frames::counts();
    print_line!("  {counts:?}");
}

/// Parses the tree; also returns its physical range.
fn parse_tree(at: PhysAddr) -> (&'static Board, Range<PhysAddr>) {
    let header = phys_to_virt(at).as_ptr::<u32>();
    // SAFETY: the loader's x0 is the device tree, which the start-up code has mapped; the second
    // word of its header is its size. Nothing ever writes to it: it is reserved below.
    let (size, blob) = unsafe {
        let size = u32::from_be(header.add(1).read()) as usize;
        (
            size,
            core::slice::from_raw_parts(header.cast::<u8>().cast_const(), size),
        )
    };
    match device_tree::parse(blob) {
        Ok(board) => (BOARD.call_once(|| board), at..at.offset(size as u64)),
        Err(error) => panic!("device tree: {error:?}"),
    }
}

fn banner(board: &Board) {
    print_line!("Pagoda: a Mach-style virtual memory server");
    print_line!(
        "{} KiB pages, EL{}, CPU model {:#010x}, {} of {} CPUs, ASIDs of {} bits, {} MHz timer",
        PAGE_SIZE / 1024,
        boot::exception_level(),
        cpu::model(),
        board.cpus.len(),
        board.cpus.len() + board.cpus_left_out,
        mmu::asid_bits(),
        clock::frequency() / 1_000_000,
    );
    for range in &board.memory {
        print_line!("  memory   {:#012x}..{:#012x}", range.start.0, range.end.0);
    }
    let image = boot::image();
    print_line!("  image    {:#012x}..{:#012x}", image.start.0, image.end.0);
    if let Some(archive) = &board.archive {
        print_line!(
            "  archive  {:#012x}..{:#012x}",
            archive.start.0,
            archive.end.0
        );
    }
    if let Some(gic) = &board.gic {
        print_line!("  GICv{}    {:#012x}", gic.version, gic.distributor.start.0);
    }
    print_line!(
        "  {} virtio windows, {} bytes of seed, arguments \"{}\"",
        board.virtio.len(),
        board.seed.len(),
        board.arguments
    );
}

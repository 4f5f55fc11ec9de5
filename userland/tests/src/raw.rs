//! The memory calls as the kernel sees them, with arguments that no library would let through.

use bsd_sys::Errno;
use bsd_sys::syscall as number;
use codesign::Flags;
use libsystem::{cache, memory, syscall};

/// What a call gives.
pub type Answer = Result<u64, Errno>;

/// Protection: reading.
pub const R: u64 = 1;
/// Protection: writing.
pub const W: u64 = 2;
/// Protection: executing.
pub const X: u64 = 4;
/// `MAP_SHARED`.
pub const SHARED: u64 = 0x1;
/// `MAP_PRIVATE`.
pub const PRIVATE: u64 = 0x2;
/// `MAP_FIXED`.
pub const FIXED: u64 = 0x10;
/// `MAP_ANON`.
pub const ANON: u64 = 0x1000;
/// `MAP_JIT`.
pub const JIT: u64 = 0x800;
/// `MAP_UNIX03`.
pub const UNIX03: u64 = 0x4_0000;

fn call(number: u32, arguments: &[u64]) -> Answer {
    // SAFETY: the tests use addresses of mappings that hold no Rust object, or where nothing is mapped.
    unsafe { syscall::call(number, arguments) }.map(|words| words[0])
}

/// Bytes of a page.
pub fn page() -> u64 {
    memory::page_size()
}

/// `read`, to any address.
///
/// # Errors
/// The kernel's.
pub fn read(descriptor: i32, address: u64, length: u64) -> Answer {
    call(number::READ, &[descriptor as u64, address, length])
}

/// `write`, from any address.
///
/// # Errors
/// The kernel's.
pub fn write(descriptor: i32, address: u64, length: u64) -> Answer {
    call(number::WRITE, &[descriptor as u64, address, length])
}

/// `mmap`.
///
/// # Errors
/// The kernel's.
pub fn mmap(
    address: u64,
    length: u64,
    protection: u64,
    flags: u64,
    descriptor: i32,
    position: u64,
) -> Answer {
    call(
        number::MMAP,
        &[
            address,
            length,
            protection,
            flags,
            descriptor as u64,
            position,
        ],
    )
}

/// Maps all of a file, shared and read-only; reading ahead is off.
///
/// # Errors
/// The kernel's.
pub fn map_file(file: &libsystem::fs::File) -> Answer {
    let length = (file.stat()?.size as u64).next_multiple_of(page());
    let base = mmap(0, length, R, SHARED | UNIX03, file.descriptor(), 0)?;
    madvise(base, length, bsd_sys::mman::advice::RANDOM)?;
    Ok(base)
}

/// Private memory of zeros, as ordinary programs map it.
///
/// # Errors
/// The kernel's.
pub fn anonymous(pages: u64, protection: u64) -> Answer {
    mmap(
        0,
        pages * page(),
        protection,
        PRIVATE | ANON | UNIX03,
        -1,
        0,
    )
}

/// `munmap`.
///
/// # Errors
/// The kernel's.
pub fn munmap(address: u64, length: u64) -> Answer {
    call(number::MUNMAP, &[address, length])
}

/// `mprotect`.
///
/// # Errors
/// The kernel's.
pub fn mprotect(address: u64, length: u64, protection: u64) -> Answer {
    call(number::MPROTECT, &[address, length, protection])
}

/// `madvise`.
///
/// # Errors
/// The kernel's.
pub fn madvise(address: u64, length: u64, advice: i32) -> Answer {
    call(number::MADVISE, &[address, length, advice as u64])
}

/// `msync`.
///
/// # Errors
/// The kernel's.
pub fn msync(address: u64, length: u64, flags: u64) -> Answer {
    call(number::MSYNC, &[address, length, flags])
}

/// `minherit`.
///
/// # Errors
/// The kernel's.
pub fn minherit(address: u64, length: u64, inheritance: u64) -> Answer {
    call(number::MINHERIT, &[address, length, inheritance])
}

/// `mlock`.
///
/// # Errors
/// The kernel's.
pub fn mlock(address: u64, length: u64) -> Answer {
    call(number::MLOCK, &[address, length])
}

/// `munlock`.
///
/// # Errors
/// The kernel's.
pub fn munlock(address: u64, length: u64) -> Answer {
    call(number::MUNLOCK, &[address, length])
}

/// `mincore` into a vector at an address.
///
/// # Errors
/// The kernel's.
pub fn mincore_at(address: u64, length: u64, vector: u64) -> Answer {
    call(number::MINCORE, &[address, length, vector])
}

/// The states of some pages.
///
/// # Errors
/// The kernel's.
pub fn mincore(address: u64, pages: u64) -> Result<alloc::vec::Vec<u8>, Errno> {
    let mut states = alloc::vec![0; pages as usize];
    mincore_at(address, pages * page(), states.as_mut_ptr() as u64)?;
    Ok(states)
}

/// How many of some pages are in memory.
///
/// # Errors
/// The kernel's.
pub fn resident(address: u64, pages: u64) -> Result<usize, Errno> {
    Ok(mincore(address, pages)?
        .iter()
        .filter(|state| **state & 1 != 0)
        .count())
}

/// Reads a byte; the process ends if it cannot be read.
pub fn load(address: u64) -> u8 {
    // SAFETY: a failing access ends the process; a succeeding one reads memory that holds no Rust object.
    unsafe { (address as *const u8).read_volatile() }
}

/// Reads a byte for the sake of the access.
pub fn touch(address: u64) {
    let _ = load(address);
}

/// Writes a byte; the process ends if it cannot be written.
pub fn store(address: u64, value: u8) {
    // SAFETY: as `load`; the tests write into their own mappings only.
    unsafe { (address as *mut u8).write_volatile(value) };
}

/// Runs what is at an address; the process ends if it cannot be executed.
pub fn jump(address: u64) {
    // SAFETY: the tests jump to where execution fails, or to a `ret` that they have put there.
    let function: extern "C" fn() = unsafe { core::mem::transmute(address as usize) };
    function();
}

/// Puts instructions into memory that is writable, so that they can be run.
pub fn store_code(address: u64, instructions: &[u32]) {
    for (index, instruction) in instructions.iter().enumerate() {
        for (offset, byte) in instruction.to_le_bytes().into_iter().enumerate() {
            store(address + (4 * index + offset) as u64, byte);
        }
    }
    cache::synchronize_instructions(address as usize, 4 * instructions.len());
}

/// Runs what is at an address and gives its answer.
pub fn run_code(address: u64) -> u32 {
    // SAFETY: as `jump`; the tests have put a function there that keeps to the calling convention.
    let function: extern "C" fn() -> u32 = unsafe { core::mem::transmute(address as usize) };
    function()
}

/// `csops` with a buffer for its answer.
///
/// # Errors
/// The kernel's.
pub fn csops(process: i32, operation: u32, buffer: &mut [u8]) -> Answer {
    let (address, size) = (buffer.as_mut_ptr() as u64, buffer.len() as u64);
    call(
        number::CSOPS,
        &[process as u64, u64::from(operation), address, size],
    )
}

/// What the kernel knows of a process's code.
///
/// # Errors
/// The kernel's.
pub fn code_status(process: i32) -> Result<Flags, Errno> {
    let mut word = [0; 4];
    csops(process, bsd_sys::codesign::OPS_STATUS, &mut word)?;
    Ok(Flags::from_bits_truncate(u32::from_le_bytes(word)))
}

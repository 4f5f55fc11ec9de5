//! The split virtqueue (virtio 1.2, section 2.7), one ring entry per request.
//!
//! Every request is a single indirect descriptor, so descriptor number, request slot and indirect
//! table are the same index and nothing has to be searched or linked. What the device writes is
//! never trusted: a completion for a slot that is not in flight is ignored, lengths are clamped by
//! the owner of the slot.
//!
//! The owner serialises all calls by its lock.

use core::sync::atomic::{Ordering, fence};
use machine::address::phys_to_virt;
use machine::{PAGE_SIZE, PhysAddr};
use prim::frames::{self, FrameState, Reserve};

const DESCRIPTOR: usize = 16;
const INDIRECT: u16 = 4;
const NO_NOTIFY: u16 = 1;

/// A finished request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Completion {
    /// The slot it was pushed with.
    pub slot: u16,
    /// Bytes the device says it wrote.
    pub written: usize,
}

/// A ring of 2^n entries in one frame that it owns for good.
#[derive(Debug)]
pub struct Ring {
    base: PhysAddr,
    size: u16,
    /// Requests ever pushed; the driver's index.
    pushed: u16,
    /// Completions ever taken.
    popped: u16,
    /// Slots whose request the device has.
    in_flight: u64,
}

/// Most entries: one bit each in a word.
pub const MAX_ENTRIES: u16 = 64;

impl Ring {
    /// An empty ring of `size` entries, a power of two up to [`MAX_ENTRIES`]; `None` without
    /// memory.
    #[must_use]
    pub fn new(size: u16) -> Option<Ring> {
        assert!(size.is_power_of_two() && size <= MAX_ENTRIES);
        let frame = frames::allocate_zeroed(Reserve::Kernel).ok()?;
        let base = frame.into_use(FrameState::Device).phys();
        Some(Ring {
            base,
            size,
            pushed: 0,
            popped: 0,
            in_flight: 0,
        })
    }

    /// Entries.
    #[must_use]
    pub fn size(&self) -> u16 {
        self.size
    }

    /// Where the device finds descriptors, available ring and used ring.
    #[must_use]
    pub fn areas(&self) -> [PhysAddr; 3] {
        let size = usize::from(self.size);
        let available = DESCRIPTOR * size;
        let used = (available + 6 + 2 * size).next_multiple_of(4);
        debug_assert!(used + 6 + 8 * size <= PAGE_SIZE);
        [0, available, used].map(|offset| self.base.offset(offset as u64))
    }

    /// Hands the request of `slot`, described by a table of `bytes` bytes at `table`, to the
    /// device. The caller then notifies it if [`Self::wants_notification`].
    pub fn push(&mut self, slot: u16, table: PhysAddr, bytes: usize) {
        assert!(slot < self.size && self.in_flight & 1 << slot == 0);
        self.in_flight |= 1 << slot;
        let [descriptors, available, _] = self.areas();
        let descriptor = descriptors.offset(u64::from(slot) * DESCRIPTOR as u64);
        write(descriptor, table.0.to_le());
        write(descriptor.offset(8), (bytes as u32).to_le());
        write(descriptor.offset(12), INDIRECT.to_le());
        let position = u64::from(self.pushed & (self.size - 1));
        write(available.offset(4 + 2 * position), slot.to_le());
        self.pushed = self.pushed.wrapping_add(1);
        // The entry before the index that publishes it.
        fence(Ordering::SeqCst);
        write(available.offset(2), self.pushed.to_le());
        // The index before the flags that `wants_notification` reads.
        fence(Ordering::SeqCst);
    }

    /// Whether the device wants to be told about new requests.
    #[must_use]
    pub fn wants_notification(&self) -> bool {
        let [_, _, used] = self.areas();
        u16::from_le(read(used)) & NO_NOTIFY == 0
    }

    /// Takes the next completion.
    pub fn pop(&mut self) -> Option<Completion> {
        let [_, _, used] = self.areas();
        while u16::from_le(read(used.offset(2))) != self.popped {
            // The index before the entry that it publishes.
            fence(Ordering::SeqCst);
            let position = u64::from(self.popped & (self.size - 1));
            let entry = used.offset(4 + 8 * position);
            let slot = u32::from_le(read(entry));
            let written = u32::from_le(read(entry.offset(4))) as usize;
            self.popped = self.popped.wrapping_add(1);
            if slot < u32::from(self.size) && self.in_flight & 1 << slot != 0 {
                self.in_flight &= !(1 << slot);
                let slot = slot as u16;
                return Some(Completion { slot, written });
            }
        }
        None
    }

    /// A slot that has no request, if any.
    #[must_use]
    pub fn free_slot(&self) -> Option<u16> {
        let slot = self.in_flight.trailing_ones() as u16;
        (slot < self.size).then_some(slot)
    }
}

fn write<T>(at: PhysAddr, value: T) {
    // SAFETY: an aligned field of the ring's own frame, or of a table (see `table`), in RAM; the
    // device may read it at any time, hence volatile.
    unsafe { phys_to_virt(at).as_ptr::<T>().write_volatile(value) };
}

fn read<T>(at: PhysAddr) -> T {
    // SAFETY: as in `write`; every bit pattern of the integer types used here is valid.
    unsafe { phys_to_virt(at).as_ptr::<T>().read_volatile() }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Plays the device: takes what is available and reports it as used.
    struct Device {
        areas: [PhysAddr; 3],
        size: u16,
        seen: u16,
        used: u16,
    }

    impl Device {
        fn of(ring: &Ring) -> Device {
            Device {
                areas: ring.areas(),
                size: ring.size,
                seen: 0,
                used: 0,
            }
        }

        fn take(&mut self) -> Option<(u16, u64, u32)> {
            let [descriptors, available, _] = self.areas;
            if read::<u16>(available.offset(2)) == self.seen {
                return None;
            }
            let position = u64::from(self.seen % self.size);
            let slot: u16 = read(available.offset(4 + 2 * position));
            self.seen = self.seen.wrapping_add(1);
            let descriptor = descriptors.offset(u64::from(slot) * 16);
            assert_eq!(read::<u16>(descriptor.offset(12)), INDIRECT);
            Some((slot, read(descriptor), read(descriptor.offset(8))))
        }

        fn finish(&mut self, slot: u32, written: u32) {
            let [_, _, used] = self.areas;
            let position = u64::from(self.used % self.size);
            write(used.offset(4 + 8 * position), slot);
            write(used.offset(8 + 8 * position), written);
            self.used = self.used.wrapping_add(1);
            write(used.offset(2), self.used);
        }
    }

    fn ring(size: u16) -> Ring {
        prim::host::boot();
        Ring::new(size).expect("memory")
    }

    #[test]
    fn requests_complete_in_any_order_with_their_lengths() {
        let mut ring = ring(8);
        let mut device = Device::of(&ring);
        for slot in 0..3 {
            assert_eq!(ring.free_slot(), Some(slot));
            ring.push(slot, PhysAddr(0x1000 + u64::from(slot)), 32);
        }
        assert_eq!(device.take(), Some((0, 0x1000, 32)));
        assert_eq!(device.take(), Some((1, 0x1001, 32)));
        device.finish(1, 11);
        device.finish(0, 10);
        assert_eq!(
            ring.pop(),
            Some(Completion {
                slot: 1,
                written: 11
            })
        );
        assert_eq!(ring.free_slot(), Some(1));
        assert_eq!(
            ring.pop(),
            Some(Completion {
                slot: 0,
                written: 10
            })
        );
        assert_eq!(ring.pop(), None);
    }

    #[test]
    fn a_full_ring_has_no_free_slot_and_indices_wrap() {
        let mut ring = ring(4);
        let mut device = Device::of(&ring);
        for round in 0..70_000u32 {
            let slot = ring.free_slot().expect("one is free");
            ring.push(slot, PhysAddr(0x4000), 16);
            let (taken, _, _) = device.take().expect("it was pushed");
            device.finish(u32::from(taken), round);
            let done = ring.pop().expect("it was finished");
            assert_eq!((done.slot, done.written), (slot, round as usize));
        }
        for slot in 0..4 {
            ring.push(slot, PhysAddr(0x4000), 16);
        }
        assert_eq!(ring.free_slot(), None);
    }

    #[test]
    fn a_device_that_lies_about_slots_is_ignored() {
        let mut ring = ring(4);
        let mut device = Device::of(&ring);
        ring.push(2, PhysAddr(0x4000), 16);
        device.finish(99, 5);
        device.finish(1, 5);
        device.finish(2, 7);
        device.finish(2, 8);
        assert_eq!(
            ring.pop(),
            Some(Completion {
                slot: 2,
                written: 7
            })
        );
        assert_eq!(ring.pop(), None);
    }
}

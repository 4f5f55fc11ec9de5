//! From the owner number of a page back to its object.
//!
//! Page records know their owner by number; reclaim and collapse need the object. Entries are weak: the table
//! keeps nothing alive. Room for an entry is reserved before the object exists, so publishing cannot fail.
//! Lock: `OBJECTS` (rank `ObjectTable`), a leaf.
//! XNU counterpart: the packed object pointer in `struct vm_page`.

use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::hash::{BuildHasher, Hasher};

use hashbrown::HashMap;
use mach::KernReturn;
use prim::frames::OwnerId;
use prim::lock::{Rank, SpinLock};

use super::VmObject;

/// Spreads consecutive numbers over the table (Fibonacci hashing).
#[derive(Clone, Copy)]
struct Spread;

struct SpreadState(u64);

impl BuildHasher for Spread {
    type Hasher = SpreadState;
    fn build_hasher(&self) -> SpreadState {
        SpreadState(0)
    }
}

impl Hasher for SpreadState {
    fn finish(&self) -> u64 {
        self.0.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(20)
    }
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 << 8) ^ u64::from(*byte);
        }
    }
    fn write_u64(&mut self, value: u64) {
        self.0 = value;
    }
}

struct Objects {
    table: HashMap<u64, Weak<VmObject>, Spread>,
    next: u64,
}

static OBJECTS: SpinLock<Objects> = SpinLock::new(
    Rank::ObjectTable,
    Objects {
        table: HashMap::with_hasher(Spread),
        next: 1,
    },
);

/// Takes a number and room in the table for an object that is about to be made.
pub(super) fn reserve() -> Result<u64, KernReturn> {
    let mut objects = OBJECTS.lock();
    let number = objects.next;
    objects
        .table
        .try_reserve(1)
        .map_err(|_| KernReturn::RESOURCE_SHORTAGE)?;
    objects.table.insert(number, Weak::new());
    objects.next += 1;
    Ok(number)
}

/// The object behind a reserved number exists now.
pub(super) fn publish(number: u64, object: &Arc<VmObject>) {
    if let Some(entry) = OBJECTS.lock().table.get_mut(&number) {
        *entry = Arc::downgrade(object);
    }
}

/// The number is free.
pub(super) fn withdraw(number: u64) {
    let entry = OBJECTS.lock().table.remove(&number);
    drop(entry);
}

/// The object with this number, if it lives.
pub(crate) fn find(number: u64) -> Option<Arc<VmObject>> {
    let entry = OBJECTS.lock().table.get(&number).cloned();
    entry?.upgrade()
}

/// The numbers of live objects, to be looked at one by one.
///
/// # Errors
/// `RESOURCE_SHORTAGE` when there is no memory for the list.
pub(crate) fn numbers() -> Result<Vec<u64>, KernReturn> {
    let mut numbers = Vec::new();
    loop {
        let wanted = OBJECTS.lock().table.len();
        numbers
            .try_reserve(wanted)
            .map_err(|_| KernReturn::RESOURCE_SHORTAGE)?;
        let objects = OBJECTS.lock();
        if objects.table.len() <= numbers.capacity() {
            numbers.extend(objects.table.keys().copied());
            return Ok(numbers);
        }
    }
}

/// The owner number under which an object's pages are filed.
pub(super) fn owner(number: u64) -> OwnerId {
    // Numbers begin at one.
    OwnerId::from_raw(number).unwrap_or_else(OwnerId::fresh)
}

/// Live objects, for statistics and leak checks.
pub fn object_count() -> usize {
    OBJECTS.lock().table.len()
}

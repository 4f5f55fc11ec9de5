//! Address space identifiers: who has which, and what happens when they run out.
//!
//! A TLB entry of a user page carries the ASID it was loaded under, so switching address spaces needs no
//! flush. There are few of them (2^8 or 2^16), so an identifier is lent for one *generation*:
//!
//! ```text
//!  63                                   16 15            0
//! +---------------------------------------+---------------+
//! |              generation               |     ASID      |   a `Context`; 0 = never assigned
//! +---------------------------------------+---------------+
//! ```
//!
//! An address space whose context is of the current generation may run at once. When the bitmap is full, a
//! new generation starts: the bitmap is emptied but for the contexts that are *running* on some CPU right now
//! (those keep their number, and are marked as reserved so that their owner finds them again), and every CPU
//! must flush its whole TLB before it runs anything of the new generation.
//!
//! The usual path takes no lock: a CPU exchanges its `active` word from a non-zero value to the new context. A
//! roll-over sets all `active` words to 0 first, which makes those exchanges fail and sends every CPU through
//! the lock once, where it finds its flush pending.
//!
//! ASID 0 is the kernel's: it is current whenever no user tables are installed.
//!
//! A released identifier (its address space is gone and flushed) is used again only when the search comes
//! round to it: next-fit, which puts reuse off as long as possible.
//!
//! Does not flush by itself: [`Asids::assign`] says when the caller must. XNU counterpart:
//! `alloc_asid`/`free_asid` in `osfmk/arm/pmap/pmap.c`, which has no generations because it makes tasks share
//! software-extended ASIDs instead.

use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use machine::barrier;
use machine::cpu::MAX_CPUS;
use prim::lock::{InterruptLock, Rank};

/// Bits of a context that are the ASID itself.
const ASID_BITS: u32 = 16;
const ASID_MASK: u64 = (1 << ASID_BITS) - 1;
/// The kernel's identifier; never lent.
pub const KERNEL_ASID: u16 = 0;
/// The context of an address space that no CPU has ever run.
pub const NEVER_RAN: u64 = 0;
const WORDS: usize = (1 << ASID_BITS) / 64;

/// The ASID in a context word.
pub const fn asid_of(context: u64) -> u16 {
    (context & ASID_MASK) as u16
}

const fn generation_of(context: u64) -> u64 {
    context & !ASID_MASK
}

/// What [`Asids::assign`] decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Assignment {
    /// The identifier to run under.
    pub asid: u16,
    /// This CPU must invalidate its whole TLB before it uses the identifier.
    pub flush: bool,
}

/// All identifiers of the machine.
pub struct Asids {
    /// Generation, without ASID bits; changed only under `lent`'s lock.
    generation: AtomicU64,
    /// The context each CPU runs; 0 right after a roll-over.
    active: [AtomicU64; MAX_CPUS],
    /// CPUs that owe a flush; changed only under `lent`'s lock.
    flush_pending: AtomicU32,
    lent: InterruptLock<Lent>,
}

/// The slow half; guarded by its lock.
struct Lent {
    /// Number of identifiers the hardware has; a power of two.
    limit: usize,
    /// One bit per identifier in use in this generation.
    bitmap: [u64; WORDS],
    /// Where the next search starts.
    next: usize,
    /// Contexts that were running at the last roll-over and keep their number.
    reserved: [u64; MAX_CPUS],
    rollovers: u64,
}

impl Asids {
    /// Nothing lent; `bits` is 8 or 16 (fewer in tests).
    pub const fn new(bits: u32) -> Self {
        assert!(bits <= ASID_BITS);
        let mut bitmap = [0; WORDS];
        bitmap[0] = 1 << KERNEL_ASID;
        Self {
            generation: AtomicU64::new(1 << ASID_BITS),
            active: [const { AtomicU64::new(0) }; MAX_CPUS],
            flush_pending: AtomicU32::new(0),
            lent: InterruptLock::new(
                Rank::AddressSpaceIds,
                Lent {
                    limit: 1 << bits,
                    bitmap,
                    next: 1,
                    reserved: [0; MAX_CPUS],
                    rollovers: 0,
                },
            ),
        }
    }

    /// Tells how many bits this machine has; before the first assignment.
    pub fn set_bits(&self, bits: u32) {
        assert!(bits <= ASID_BITS);
        self.lent.lock().limit = 1 << bits;
    }

    /// Gives the address space that owns `context` an identifier that `cpu` may run under, and records that it does.
    #[doc(alias = "alloc_asid")]
    pub fn assign(&self, cpu: usize, context: &AtomicU64) -> Assignment {
        let current = context.load(Ordering::Relaxed);
        let active = self.active[cpu].load(Ordering::Relaxed);
        if active != 0
            && generation_of(current) == self.generation.load(Ordering::Acquire)
            && self.active[cpu]
                .compare_exchange(active, current, Ordering::SeqCst, Ordering::Relaxed)
                .is_ok()
        {
            return Assignment {
                asid: asid_of(current),
                flush: false,
            };
        }
        self.assign_slowly(cpu, context)
    }

    #[cold]
    fn assign_slowly(&self, cpu: usize, context: &AtomicU64) -> Assignment {
        let mut lent = self.lent.lock();
        let mut current = context.load(Ordering::Relaxed);
        if generation_of(current) != self.generation.load(Ordering::Relaxed) {
            current = self.renew(&mut lent, current);
            context.store(current, Ordering::SeqCst);
            // Whoever changes a descriptor from now on either sees this context when it flushes, or the walks made
            // under it see the new descriptor. The other half is in `FlushBatch::issue`.
            barrier::full();
        }
        let pending = self.flush_pending.fetch_and(!(1 << cpu), Ordering::Relaxed);
        self.active[cpu].store(current, Ordering::SeqCst);
        Assignment {
            asid: asid_of(current),
            flush: pending & (1 << cpu) != 0,
        }
    }

    /// A context of the current generation for one of an older generation (or none).
    fn renew(&self, lent: &mut Lent, old: u64) -> u64 {
        let generation = self.generation.load(Ordering::Relaxed);
        if old != 0 {
            let kept = generation | (old & ASID_MASK);
            if lent.keep_reserved(old, kept) {
                return kept;
            }
            if lent.take(asid_of(old)) {
                return kept;
            }
        }
        if let Some(asid) = lent.find_free() {
            return generation | asid as u64;
        }
        let generation = self.roll_over(lent);
        // Every CPU reserves at most one, so after a roll-over there is one free whenever limit > CPUs + 1.
        let asid = lent
            .find_free()
            .expect("more CPUs than address space identifiers");
        generation | asid as u64
    }

    /// Starts a new generation; returns it.
    fn roll_over(&self, lent: &mut Lent) -> u64 {
        let generation = self.generation.load(Ordering::Relaxed) + (1 << ASID_BITS);
        self.generation.store(generation, Ordering::SeqCst);
        lent.bitmap = [0; WORDS];
        lent.bitmap[0] = 1 << KERNEL_ASID;
        for (active, reserved) in self.active.iter().zip(&mut lent.reserved) {
            let running = active.swap(0, Ordering::SeqCst);
            // Zero: rolled over twice without a switch in between; the earlier reservation stands.
            if running != 0 {
                *reserved = running;
            }
            lent.bitmap[asid_of(*reserved) as usize / 64] |= 1 << (*reserved % 64);
        }
        self.flush_pending.store(u32::MAX, Ordering::Relaxed);
        lent.rollovers += 1;
        generation
    }

    /// Gives back the identifier of an address space that is gone: no CPU runs it and no TLB knows it.
    #[doc(alias = "free_asid")]
    pub fn release(&self, context: u64) {
        let mut lent = self.lent.lock();
        if context != 0 && generation_of(context) == self.generation.load(Ordering::Relaxed) {
            let asid = asid_of(context);
            lent.bitmap[asid as usize / 64] &= !(1 << (asid % 64));
        }
    }

    /// How many generations have ended.
    pub fn rollovers(&self) -> u64 {
        self.lent.lock().rollovers
    }

    /// Identifiers in use in this generation, the kernel's included.
    pub fn in_use(&self) -> usize {
        self.lent
            .lock()
            .bitmap
            .iter()
            .map(|word| word.count_ones() as usize)
            .sum()
    }
}

impl Lent {
    /// If `old` was running at the last roll-over it keeps its number in the new generation.
    fn keep_reserved(&mut self, old: u64, kept: u64) -> bool {
        let mut found = false;
        // Several CPUs may have been running the same address space: all of them must learn the new word.
        for reserved in self
            .reserved
            .iter_mut()
            .filter(|reserved| **reserved == old)
        {
            *reserved = kept;
            found = true;
        }
        found
    }

    /// Takes this very identifier if it is free.
    fn take(&mut self, asid: u16) -> bool {
        let (word, bit) = (asid as usize / 64, 1u64 << (asid % 64));
        let free = self.bitmap[word] & bit == 0;
        self.bitmap[word] |= bit;
        free
    }

    /// Takes the next free identifier, round and round.
    fn find_free(&mut self) -> Option<u16> {
        let found = self
            .search(self.next, self.limit)
            .or_else(|| self.search(1, self.next))?;
        self.take(found);
        self.next = (found as usize + 1) % self.limit;
        Some(found)
    }

    fn search(&self, from: usize, to: usize) -> Option<u16> {
        let mut asid = from;
        while asid < to {
            let free = !self.bitmap[asid / 64] & (u64::MAX << (asid % 64));
            let candidate = (asid & !63) + free.trailing_zeros() as usize;
            if free != 0 {
                return (candidate < to).then_some(candidate as u16);
            }
            asid = (asid & !63) + 64;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::boxed::Box;
    use std::collections::HashMap;
    use std::vec::Vec;

    fn contexts(count: usize) -> Vec<AtomicU64> {
        (0..count).map(|_| AtomicU64::new(0)).collect()
    }

    #[test]
    fn an_address_space_keeps_its_identifier_within_a_generation() {
        let asids = Box::new(Asids::new(8));
        let spaces = contexts(2);
        let first = asids.assign(0, &spaces[0]);
        asids.assign(0, &spaces[1]);
        assert_eq!(asids.assign(0, &spaces[0]), first);
        assert_ne!(first.asid, KERNEL_ASID);
    }

    #[test]
    fn a_released_identifier_is_reused_last() {
        let asids = Box::new(Asids::new(3));
        let spaces = contexts(8);
        let first = asids.assign(0, &spaces[0]).asid;
        asids.release(spaces[0].load(Ordering::Relaxed));
        let later: Vec<u16> = spaces[1..8]
            .iter()
            .map(|space| asids.assign(0, space).asid)
            .collect();
        assert_eq!(later.iter().position(|&asid| asid == first), Some(6));
        assert_eq!(asids.rollovers(), 0);
    }

    /// The naive model: which address space's entries each CPU's TLB may hold under each ASID. An ASID that
    /// is used while entries of another space may be there is the disaster this file must prevent.
    #[test]
    fn no_cpu_ever_runs_under_an_identifier_with_entries_of_another_space() {
        let asids = Box::new(Asids::new(4));
        let mut spaces = contexts(24);
        let mut names: Vec<usize> = (0..24).collect();
        let mut next_name = 24;
        let mut tlbs: Vec<HashMap<u16, usize>> = (0..4).map(|_| HashMap::new()).collect();
        let mut running = [(usize::MAX, 0); 4];
        let mut seed = 7u64;
        let mut random = move |limit: usize| {
            seed = seed
                .wrapping_mul(6364136223846793005)
                .wrapping_add(1442695040888963407);
            (seed >> 33) as usize % limit
        };
        for _ in 0..50_000 {
            let (cpu, space) = (random(4), random(24));
            if random(10) == 0 && running.iter().all(|&(name, _)| name != names[space]) {
                // The space ends: its owner flushes its ASID everywhere and gives it back.
                let context = spaces[space].load(Ordering::Relaxed);
                if context != 0 {
                    let name = names[space];
                    for tlb in &mut tlbs {
                        tlb.retain(|_, owner| *owner != name);
                    }
                    asids.release(context);
                }
                spaces[space] = AtomicU64::new(0);
                names[space] = next_name;
                next_name += 1;
                continue;
            }
            let assignment = asids.assign(cpu, &spaces[space]);
            if assignment.flush {
                tlbs[cpu].clear();
            }
            running[cpu] = (names[space], assignment.asid);
            let owner = *tlbs[cpu].entry(assignment.asid).or_insert(names[space]);
            assert_eq!(
                owner, names[space],
                "CPU {cpu} sees entries of another address space"
            );
            for (name, asid) in running {
                let same_space = name == names[space];
                assert_eq!(
                    same_space,
                    asid == assignment.asid,
                    "a space runs under one identifier, alone"
                );
            }
        }
        assert!(asids.rollovers() > 10);
    }
}

//! The census: how many rights of each kind exist in the whole kernel.
//!
//! Ports, sets, spaces and messages are counted by their zones (`zones`); rights are values
//! inside other things, so they are counted here. Tests take a census before and after and demand
//! that nothing was leaked. Counting costs an atomic operation per right, so only builds with debug
//! assertions do it.

use core::sync::atomic::{AtomicI64, Ordering::Relaxed};

/// A count of living values of one kind.
pub(crate) struct Counter(AtomicI64);

impl Counter {
    const fn new() -> Self {
        Self(AtomicI64::new(0))
    }

    #[inline]
    pub(crate) fn add(&self) {
        if cfg!(debug_assertions) {
            self.0.fetch_add(1, Relaxed);
        }
    }

    #[inline]
    pub(crate) fn remove(&self) {
        if cfg!(debug_assertions) {
            self.0.fetch_sub(1, Relaxed);
        }
    }
}

pub(crate) static SEND: Counter = Counter::new();
pub(crate) static SEND_ONCE: Counter = Counter::new();
pub(crate) static RECEIVE: Counter = Counter::new();

/// What there is at one moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Census {
    /// Send rights; zero without debug assertions.
    pub send: i64,
    /// Send-once rights; zero without debug assertions.
    pub send_once: i64,
    /// Receive rights, that is, ports that live; zero without debug assertions.
    pub receive: i64,
    /// Ports, dead ones included while somebody holds a right to them.
    pub ports: u64,
    /// Port sets.
    pub sets: u64,
    /// Spaces.
    pub spaces: u64,
    /// Messages.
    pub messages: u64,
}

/// Counts everything. Exact only while nothing else runs and the deferred work is done
/// ([`crate::deferred::drain`]).
pub fn take() -> Census {
    let zones = &crate::zones::ALL;
    Census {
        send: SEND.0.load(Relaxed),
        send_once: SEND_ONCE.0.load(Relaxed),
        receive: RECEIVE.0.load(Relaxed),
        ports: zones.ports(),
        sets: zones.sets(),
        spaces: zones.spaces(),
        messages: zones.messages(),
    }
}

//! Work that the end of a right leaves behind when it ends under somebody's lock.
//!
//! Dropping a last send right may have to send a no-senders notification, dropping a send-once right a
//! send-once notification, dropping a receive right ends a port. None of that may happen under a lock,
//! so `Drop` notes it in the port (`DeferredWork`), hangs the port on one list, and gives the list to
//! the reaper. Nothing is allocated for it, except once.
//!
//! XNU's counterpart: `ipc_kmsg_delayed_destroy`, `ipc_kmsg_reap_delayed`.

use crate::ipc_port::{Port, ReceiveRight, SendOnceRight};
use alloc::boxed::Box;
use alloc::sync::Arc;
use prim::lock::{Rank, SpinLock};
use prim::reaper::{self, Reap, ReapLink};

/// What is to be done for a port. Guarded by its own lock, which is of the last rank.
pub(crate) struct DeferredWork {
    /// The next port on the list.
    next: Option<Arc<Port>>,
    listed: bool,
    no_senders: bool,
    destroy: bool,
    /// Send-once rights that were dropped unused; still counted by the port.
    send_once: u32,
}

impl DeferredWork {
    pub(crate) const NONE: Self = Self {
        next: None,
        listed: false,
        no_senders: false,
        destroy: false,
        send_once: 0,
    };
}

/// The list, latest first, and the one item that stands for it on the reaper's list.
struct List {
    head: Option<Arc<Port>>,
    item: Item,
}

enum Item {
    /// It was never made.
    Absent,
    /// It is here.
    Here(Box<Drain>),
    /// The reaper has it.
    Away,
}

static LIST: SpinLock<List> = SpinLock::new(
    Rank::Reaper,
    List {
        head: None,
        item: Item::Absent,
    },
);

struct Drain {
    link: ReapLink,
}

impl Reap for Drain {
    fn link(&mut self) -> &mut ReapLink {
        &mut self.link
    }

    fn reap(self: Box<Self>) {
        drain();
        let mut list = LIST.lock();
        if list.head.is_some() {
            // More has come since; the item goes round again.
            drop(list);
            reaper::reap(self);
        } else {
            list.item = Item::Here(self);
        }
    }
}

/// The last send right of `port` ended.
pub(crate) fn no_senders(port: Arc<Port>) {
    defer(port, |work| work.no_senders = true);
}

/// A send-once right to `port` ended unused.
pub(crate) fn send_once(port: Arc<Port>) {
    defer(port, |work| work.send_once += 1);
}

/// The receive right of `port` ended.
pub(crate) fn destroy(port: Arc<Port>) {
    defer(port, |work| work.destroy = true);
}

fn defer(port: Arc<Port>, note: impl FnOnce(&mut DeferredWork)) {
    let mut work = port.deferred.lock();
    note(&mut work);
    if work.listed {
        return;
    }
    work.listed = true;
    // The list's lock comes after a port's among those of this rank.
    let mut list = LIST.lock_nested();
    work.next = list.head.take();
    list.head = Some(Arc::clone(&port));
    let item = match core::mem::replace(&mut list.item, Item::Away) {
        Item::Absent => Some(Box::new(Drain {
            link: ReapLink::new(),
        })),
        Item::Here(item) => Some(item),
        Item::Away => None,
    };
    drop(list);
    drop(work);
    if let Some(item) = item {
        reaper::reap(item);
    }
}

fn pop() -> Option<Arc<Port>> {
    // A port's lock comes before the list's: look, take both in order, look again.
    loop {
        let port = LIST.lock().head.clone()?;
        let mut work = port.deferred.lock();
        let mut list = LIST.lock_nested();
        let first = list
            .head
            .as_ref()
            .is_some_and(|head| Arc::ptr_eq(head, &port));
        if first {
            list.head = work.next.take();
            drop(list);
            drop(work);
            return Some(port);
        }
    }
}

/// Does the work that is there and what follows from it. No lock held. The reaper's thread calls this;
/// a test or a statistics call may, too.
pub fn drain() {
    while let Some(port) = pop() {
        let work = core::mem::replace(&mut *port.deferred.lock(), DeferredWork::NONE);
        if work.no_senders {
            port.no_senders_from_reaper();
        }
        for _ in 0..work.send_once {
            SendOnceRight::revive(Arc::clone(&port)).release();
        }
        if work.destroy {
            ReceiveRight::revive(port).destroy();
        }
    }
}

//! Receive rights on their way, and the check that no port ends up inside itself.
//!
//! A message may carry a receive right. If that message is queued on the very port (or on a port that
//! is itself in a message queued on it, and so on), nobody can ever receive it: the ports would live
//! for ever without a holder. So a port whose receive right is put into a message remembers that
//! message's destination, and [`depart`] follows the chain of destinations before it agrees.
//!
//! One lock guards all destinations, because the question is about a path through several ports.
//! Each destination also has a small lock of its own, only to satisfy the borrow checker.
//!
//! XNU's counterpart: `ipc_port_check_circularity`, `ip_destination`.

use super::Port;
use alloc::sync::Arc;
use prim::lock::{Rank, SpinLock};

static TRANSIT: SpinLock<()> = SpinLock::new(Rank::PortTransit, ());

/// A receive right would have ended up inside its own port.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Circular;

/// The receive right of `port` goes into a message to `destination`. On failure nothing has changed,
/// and the message must not be sent.
#[doc(alias = "ipc_port_check_circularity")]
pub(crate) fn depart(port: &Arc<Port>, destination: &Arc<Port>) -> Result<(), Circular> {
    let _transit = TRANSIT.lock();
    let mut at = Arc::clone(destination);
    loop {
        if Arc::ptr_eq(&at, port) {
            return Err(Circular);
        }
        let next = at.destination.lock().clone();
        match next {
            Some(port) => at = port,
            None => break,
        }
    }
    *port.destination.lock() = Some(Arc::clone(destination));
    Ok(())
}

/// The receive right of `port` is in no message any more.
pub(crate) fn arrived(port: &Port) {
    // Only the holder of the receive right changes this, and that is the caller.
    if port.destination.lock().is_none() {
        return;
    }
    let destination = {
        let _transit = TRANSIT.lock();
        port.destination.lock().take()
    };
    drop(destination);
}

//! Port sets: receiving from many ports at once.
//!
//! A set keeps its members, the list of those that have messages, and the threads that receive from
//! it. A port may be in several sets, and may be received from directly all the while.
//!
//! Lock order: the port, then the set. A receiver that comes from the set therefore takes a port off
//! the ready list, lets go of the set, and looks at the port (`ipc_mqueue::receive`).
//!
//! XNU's counterpart: `ipc/ipc_pset.c`.

use crate::ipc_kmsg::Kmsg;
use crate::ipc_mqueue;
use crate::ipc_mqueue::receive::HasReceivers;
use crate::ipc_mqueue::waiter::{self, Gone, Numbers, Offer, Waiter, Waiters};
use crate::ipc_port::{Membership, Port, PortState};
use crate::slab::Slab;
use crate::zones::{self, Admission};
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use mach::KernReturn;
use prim::lock::{Rank, SpinLock};

/// A port set.
#[doc(alias = "ipc_pset")]
pub struct PortSet {
    pub(crate) state: SpinLock<SetState>,
    _admission: Admission,
}

/// What a set's lock guards.
pub(crate) struct SetState {
    active: bool,
    members: Slab<Arc<Port>>,
    /// Members with messages, in the order in which they will be received from.
    ready: VecDeque<Arc<Port>>,
    /// Empty while a member is ready.
    pub(crate) receivers: Waiters,
}

/// What a set makes of a message of a member.
pub(crate) enum Offered {
    /// A thread that waited has it, and is to be woken.
    Taken(Arc<Waiter>),
    /// It is too large for a thread that waited, who knows by now and is to be woken.
    TooLarge(Arc<Waiter>, Kmsg),
    /// Nobody waits; the port stands on the ready list.
    Ready(Kmsg),
    /// The set is being destroyed.
    Dead(Kmsg),
}

/// The next member to receive from.
pub(crate) enum NextReady {
    Port(Arc<Port>),
    None,
    Dead,
}

impl SetState {
    /// Takes the first port off the ready list.
    pub(crate) fn next_ready(&mut self) -> NextReady {
        if !self.active {
            return NextReady::Dead;
        }
        self.ready
            .pop_front()
            .map_or(NextReady::None, NextReady::Port)
    }

    fn has_room(&self) -> bool {
        self.members.has_room() && self.ready.capacity() > self.members.len()
    }
}

impl HasReceivers for SetState {
    fn receivers(&mut self) -> &mut Waiters {
        &mut self.receivers
    }
}

impl PortSet {
    /// A set without members.
    #[doc(alias = "ipc_pset_alloc")]
    pub(crate) fn allocate() -> Result<Arc<Self>, KernReturn> {
        let admission = zones::ALL.admit_set()?;
        let state = SetState {
            active: true,
            members: Slab::new(),
            ready: VecDeque::new(),
            receivers: Waiters::new(),
        };
        Ok(Arc::new(Self {
            state: SpinLock::new(Rank::PortSet, state),
            _admission: admission,
        }))
    }

    /// A port of this set has a message and is not on the ready list. Its lock is held.
    pub(crate) fn offer(&self, port: &Arc<Port>, kmsg: Kmsg, numbers: Numbers) -> Offered {
        let mut state = self.state.lock();
        if !state.active {
            return Offered::Dead(kmsg);
        }
        match state.receivers.pop() {
            Some(waiter) => match waiter.offer(kmsg, numbers) {
                Offer::Taken => Offered::Taken(waiter),
                Offer::TooLarge(kmsg) => Offered::TooLarge(waiter, kmsg),
            },
            None => {
                state.ready.push_back(Arc::clone(port));
                Offered::Ready(kmsg)
            }
        }
    }

    /// The port has left; its lock is held.
    pub(crate) fn forget_member(&self, port: &Arc<Port>, slot: u32) {
        let mut state = self.state.lock();
        // A set that is being destroyed has forgotten all of them already.
        if state.active {
            drop(state.members.remove(slot));
            state.ready.retain(|other| !Arc::ptr_eq(other, port));
        }
    }

    fn make_room(&self) -> Result<(), KernReturn> {
        let (members, ready) = {
            let state = self.state.lock();
            (
                state.members.next_capacity(),
                (state.ready.capacity() * 2).max(4),
            )
        };
        let bigger_members = Slab::bigger(members)?;
        let bigger_ready = waiter::bigger(ready)?;
        let (old_members, old_ready) = {
            let mut state = self.state.lock();
            (
                state.members.adopt(bigger_members),
                waiter::adopt(&mut state.ready, bigger_ready),
            )
        };
        drop((old_members, old_ready));
        Ok(())
    }

    /// Members at this moment.
    pub(crate) fn members(&self) -> usize {
        self.state.lock().members.len()
    }

    /// Ends the set: its receivers are sent away, its members stay in their space. No lock held.
    #[doc(alias = "ipc_pset_destroy")]
    pub(crate) fn destroy(self: &Arc<Self>) {
        let (members, ready) = {
            let mut state = self.state.lock();
            state.active = false;
            while let Some(waiter) = state.receivers.pop() {
                waiter.send_away(Gone::Died);
            }
            (
                core::mem::replace(&mut state.members, Slab::new()),
                core::mem::take(&mut state.ready),
            )
        };
        for (_, port) in members.iter() {
            let mut state = port.state.lock();
            state
                .sets
                .retain(|membership| !Arc::ptr_eq(&membership.set, self));
        }
        drop((members, ready));
    }

    /// The set's own invariants.
    pub fn validate(&self) {
        let state = self.state.lock();
        state.members.validate();
        assert!(
            state.ready.is_empty() || state.receivers.is_empty(),
            "set: receivers wait while members are ready"
        );
        assert!(
            state.ready.len() <= state.members.len(),
            "set: more ready ports than members"
        );
        for port in &state.ready {
            let member = state
                .members
                .iter()
                .any(|(_, other)| Arc::ptr_eq(port, other));
            assert!(member, "set: a ready port is no member");
        }
    }
}

/// Why a port cannot be put into a set just now.
pub(crate) enum NotAdded {
    /// It is in it already.
    AlreadyIn,
    /// Something must grow first: call [`grow_for`] without a lock.
    NoRoom,
    /// The port or the set is dead.
    Dead,
}

/// Puts a port into a set; messages that wait are offered to the set at once. The space's lock, which
/// keeps the receive right in place, may be held.
#[doc(alias = "ipc_pset_add")]
#[doc(alias = "ipc_mqueue_add_locked")]
pub(crate) fn add(port: &Arc<Port>, set: &Arc<PortSet>) -> Result<(), NotAdded> {
    let mut state = port.state.lock();
    if !state.active {
        return Err(NotAdded::Dead);
    }
    if is_member(&state, set) {
        return Err(NotAdded::AlreadyIn);
    }
    if state.sets.len() == state.sets.capacity() {
        return Err(NotAdded::NoRoom);
    }
    let slot = {
        let mut members = set.state.lock();
        if !members.active {
            return Err(NotAdded::Dead);
        }
        if !members.has_room() {
            return Err(NotAdded::NoRoom);
        }
        members
            .members
            .insert(Arc::clone(port))
            .map_err(|_| NotAdded::NoRoom)?
    };
    state.sets.push(Membership {
        set: Arc::clone(set),
        slot,
        ready: false,
    });
    ipc_mqueue::serve(port, &mut state);
    Ok(())
}

/// Makes room for one more membership. No lock held.
pub(crate) fn grow_for(port: &Arc<Port>, set: &Arc<PortSet>) -> Result<(), KernReturn> {
    let capacity = {
        let state = port.state.lock();
        if state.sets.len() < state.sets.capacity() {
            0
        } else {
            (state.sets.capacity() * 2).max(1)
        }
    };
    if capacity != 0 {
        let mut bigger = Vec::new();
        bigger
            .try_reserve_exact(capacity)
            .map_err(|_| KernReturn::RESOURCE_SHORTAGE)?;
        let mut state = port.state.lock();
        if bigger.capacity() > state.sets.capacity() {
            bigger.append(&mut state.sets);
            core::mem::swap(&mut state.sets, &mut bigger);
        }
        drop(state);
    }
    if set.state.lock().has_room() {
        Ok(())
    } else {
        set.make_room()
    }
}

/// Takes a port out of a set; false if it was not in it.
#[doc(alias = "ipc_mqueue_remove")]
pub(crate) fn remove(port: &Arc<Port>, set: &Arc<PortSet>) -> bool {
    let mut state = port.state.lock();
    let Some(at) = state
        .sets
        .iter()
        .position(|membership| Arc::ptr_eq(&membership.set, set))
    else {
        return false;
    };
    let membership = state.sets.swap_remove(at);
    membership.set.forget_member(port, membership.slot);
    true
}

/// Takes a port out of all other sets and puts it into `set`. Nothing happens without room.
pub(crate) fn move_to(port: &Arc<Port>, set: &Arc<PortSet>) -> Result<(), NotAdded> {
    match add(port, set) {
        Ok(()) | Err(NotAdded::AlreadyIn) => {}
        Err(error) => return Err(error),
    }
    loop {
        let other = {
            let state = port.state.lock();
            state
                .sets
                .iter()
                .map(|membership| &membership.set)
                .find(|other| !Arc::ptr_eq(other, set))
                .cloned()
        };
        match other {
            Some(other) => remove(port, &other),
            None => return Ok(()),
        };
    }
}

/// Takes a port out of all sets it is in.
#[doc(alias = "ipc_pset_remove_all")]
pub(crate) fn remove_all(port: &Arc<Port>) -> usize {
    let mut state = port.state.lock();
    let count = state.sets.len();
    for membership in state.sets.drain(..) {
        membership.set.forget_member(port, membership.slot);
    }
    count
}

/// Whether the port is in the set. The port's lock is held.
pub(crate) fn is_member(state: &PortState, set: &Arc<PortSet>) -> bool {
    state
        .sets
        .iter()
        .any(|membership| Arc::ptr_eq(&membership.set, set))
}

impl fmt::Debug for PortSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PortSet({:p})", core::ptr::from_ref(self))
    }
}

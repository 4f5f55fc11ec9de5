//! What the holder of a receive right may read and set: limit, status, counters, context.
//!
//! XNU's counterpart: `ipc_mqueue_set_qlimit_locked`, `ipc_mqueue_set_seqno_locked`, and the port's part
//! of `mach_port_get_attributes`.

use super::{Port, request};
use alloc::sync::Arc;
use mach::port::PortStatus;

impl Port {
    /// Changes the number of messages that may be queued; senders that fit now go on.
    #[doc(alias = "ipc_mqueue_set_qlimit_locked")]
    pub fn set_queue_limit(self: &Arc<Self>, limit: u32) {
        let room = {
            let mut state = self.state.lock();
            state.limit = limit;
            !state.is_full()
        };
        if room {
            self.senders.wake_all();
            request::notify_room(self);
        }
    }

    /// The number of messages that may be queued.
    pub fn queue_limit(&self) -> u32 {
        self.state.lock().limit
    }

    /// Messages in the queue.
    #[doc(alias = "imq_msgcount")]
    pub fn queued(&self) -> usize {
        self.state.lock().queue.len()
    }

    /// The status that programs may ask for.
    #[doc(alias = "mach_port_get_status_helper")]
    pub(crate) fn status(&self) -> PortStatus {
        let state = self.state.lock();
        PortStatus {
            port_set: u32::from(!state.sets.is_empty()),
            sequence_number: state.sequence,
            make_send_count: state.make_send_count,
            message_count: state.queue.len() as u32,
            queue_limit: state.limit,
            send_once_rights: self.send_once_rights(),
            send_rights: u32::from(self.send_rights() != 0),
            port_destroyed_request: u32::from(state.port_destroyed.is_some()),
            no_senders_request: u32::from(state.no_senders.is_some()),
            flags: 0,
        }
    }

    /// Sets the sequence number of the next message.
    #[doc(alias = "ipc_mqueue_set_seqno_locked")]
    pub(crate) fn set_sequence(&self, sequence: u32) {
        self.state.lock().sequence = sequence;
    }

    /// Sets the make-send count.
    #[doc(alias = "ipc_port_set_mscount")]
    pub(crate) fn set_make_send_count(&self, count: u32) {
        self.state.lock().make_send_count = count;
    }

    /// Every invariant of the port: see the queues in [`crate::ipc_mqueue`].
    pub fn validate(self: &Arc<Self>) {
        let state = self.state.lock();
        state.requests.validate();
        assert_eq!(
            state.active,
            self.is_active(),
            "port: the flag says what the lock guards"
        );
        assert!(
            state.queue.is_empty() || state.receivers.is_empty(),
            "port: receivers wait while messages are queued"
        );
        if !state.active {
            assert!(
                state.queue.is_empty() && state.sets.is_empty(),
                "port: a dead port is empty"
            );
            assert!(
                state.no_senders.is_none() && state.port_destroyed.is_none(),
                "port: a dead port asks nothing"
            );
            assert_eq!(
                self.receive_name(0),
                Some(mach::PortName::NULL),
                "port: a dead port is nowhere"
            );
        }
        for kmsg in &state.queue {
            let here = kmsg
                .destination_port()
                .is_some_and(|port| Arc::ptr_eq(port, self));
            assert!(here, "port: a queued message is for this port");
        }
        let armed = state
            .requests
            .iter()
            .filter(|(_, request)| request.is_armed())
            .count();
        assert_eq!(armed, state.armed as usize, "port: armed requests");
    }
}

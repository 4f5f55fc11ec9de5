//! virtio devices on the MMIO transport (virtio 1.x, section 4.2), modern interface only.
//!
//! | file | what |
//! |---|---|
//! | [`mmio`] | finding a device, negotiating, its interrupt; over `virtio-drivers`' transport |
//! | [`ring`] | the split virtqueue: one indirect descriptor table per request |
//! | [`table`] | indirect descriptor tables, preallocated, one per request in flight |
//! | [`files`] | 9P: requests with scattered frames, several in flight, completed by interrupt |
//! | [`block`] | disks: whole frames, several requests in flight, flush, completed by interrupt |
//! | [`entropy`] | the random number device |
//!
//! Why an own queue and not `virtio_drivers::queue::VirtQueue`: that one takes slices, and no
//! slice may be formed over a frame that a user program has mapped; it allocates an indirect
//! table for each request; and it wants the slices again when a request is done. Negotiation,
//! queue registers and configuration space are `virtio-drivers`'.

pub mod block;
pub mod entropy;
pub mod files;
pub mod mmio;
pub mod ring;
pub mod table;

//! Messages in the kernel: [`Kmsg`], an owned message and what the kernel knows of its sender.
//!
//! | file | what |
//! |---|---|
//! | this one | the message, how one is made, kept, and how it ends |
//! | `carrier` | [`KernelCarrier`]: what rights and memory are in here |
//! | `copyin` | from a program's buffer |
//! | `copyout` | into a program's buffer |
//! | `memory` | [`UserMemory`]: all that is needed of the program's address space |
//!
//! A `Kmsg` dereferences to [`KernelMessage`], in whose terms the interfaces of `mach::defs` speak. It
//! owns its rights and its memory, so it cannot leak any: whoever drops it ends each of them exactly
//! once. Dropping is legal under any lock, because rights and copy objects leave what may take time to
//! the reaper.
//!
//! Small messages need no memory of their own besides the message structure, and a few of those are
//! kept for reuse. XNU's counterpart: `ipc/ipc_kmsg.c`.

pub(crate) mod carrier;
pub(crate) mod copyin;
pub(crate) mod copyout;
pub(crate) mod memory;
#[cfg(test)]
mod tests;

pub use carrier::{KernelCarrier, KernelMemory, KernelMessage, KernelPorts, Placement};
pub use memory::UserMemory;

use crate::ipc_port::{Port, Right, SendOnceRight, transit};
use crate::zones::{self, Admission};
use alloc::boxed::Box;
use alloc::sync::Arc;
use arrayvec::ArrayVec;
use core::fmt;
use core::ops::{Deref, DerefMut};
use mach::KernReturn;
use mach::message::{AuditToken, Carried, Descriptor};
use prim::lock::{Rank, SpinLock};

/// Who sent a message, as its trailer tells.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Sender {
    /// User and group (`security_token_t`).
    pub security: [u32; 2],
    /// Process and its credentials.
    pub audit: AuditToken,
}

impl Sender {
    /// The kernel itself.
    #[doc(alias = "KERNEL_SECURITY_TOKEN")]
    #[doc(alias = "KERNEL_AUDIT_TOKEN")]
    pub const KERNEL: Self = Self {
        security: [0, 1],
        audit: AuditToken { words: [0; 8] },
    };
}

/// A message in the kernel's hands.
#[doc(alias = "ipc_kmsg_t")]
pub struct Kmsg(Option<Box<Body>>);

/// What a `Kmsg` points to; kept for reuse when the message has ended.
struct Body {
    message: KernelMessage,
    sender: Sender,
    /// Counts the message; absent in a kept body, and in notifications made when the zone was full.
    admission: Option<Admission>,
}

/// Bodies kept for reuse.
const KEPT: usize = 32;
static CACHE: SpinLock<ArrayVec<Box<Body>, KEPT>> =
    SpinLock::new(Rank::Reaper, ArrayVec::new_const());

/// Inline bytes up to which a body keeps its buffer when it is put away.
const KEPT_BYTES: usize = 1024;

impl Kmsg {
    /// An empty message from the kernel.
    ///
    /// # Errors
    /// `KERN_RESOURCE_SHORTAGE`.
    #[doc(alias = "ipc_kmsg_alloc")]
    pub fn new(id: i32) -> Result<Self, KernReturn> {
        Self::with_room(id, 0)
    }

    /// An empty message that will get `bytes` inline bytes: fails if there is no memory for them.
    pub(crate) fn with_room(id: i32, bytes: usize) -> Result<Self, KernReturn> {
        let admission = zones::ALL.admit_message(bytes)?;
        Ok(Self::with_admission(id, Some(admission)))
    }

    /// A message around what an interface's stub has made.
    ///
    /// # Errors
    /// `KERN_RESOURCE_SHORTAGE`; the message's rights end.
    pub fn from_message(message: KernelMessage) -> Result<Self, KernReturn> {
        let mut kmsg = Self::new(message.id)?;
        *kmsg = message;
        Ok(kmsg)
    }

    /// A notification on `remote`. It cannot fail, because its end would be a message again.
    pub(crate) fn notification(id: i32, remote: SendOnceRight) -> Self {
        let mut kmsg = Self::with_admission(id, zones::ALL.admit_message(0).ok());
        kmsg.destination = Carried::Right(Right::SendOnce(remote));
        kmsg
    }

    fn with_admission(id: i32, admission: Option<Admission>) -> Self {
        let kept = CACHE.lock().pop();
        let mut body = kept.unwrap_or_else(|| Box::new(Body::empty()));
        body.admission = admission;
        body.message.id = id;
        Self(Some(body))
    }

    /// A message that goes where the request wants its answer: takes the request's reply right.
    /// `None` if it has none.
    ///
    /// # Errors
    /// `KERN_RESOURCE_SHORTAGE`; the request keeps its reply right.
    pub fn reply_to(request: &mut KernelMessage, id: i32) -> Result<Option<Self>, KernReturn> {
        if request.reply.as_right().is_none() {
            return Ok(None);
        }
        let mut kmsg = Self::new(id)?;
        kmsg.destination = request.reply.take();
        Ok(Some(kmsg))
    }

    /// Who sent it.
    pub fn sender(&self) -> &Sender {
        &self.body().sender
    }

    /// States who sent it; messages made in the kernel are the kernel's otherwise.
    pub fn set_sender(&mut self, sender: Sender) {
        self.body_mut().sender = sender;
    }

    /// The port it goes to.
    pub fn destination_port(&self) -> Option<&Arc<Port>> {
        self.destination.as_right().map(Right::port)
    }

    /// Takes the message out.
    pub fn into_message(mut self) -> KernelMessage {
        core::mem::replace(&mut *self, empty_message())
    }

    /// Ends the message and every right in it at once, instead of leaving it to the reaper. No lock
    /// held.
    #[doc(alias = "ipc_kmsg_destroy")]
    pub fn destroy(mut self) {
        let message = &mut *self;
        release(message.destination.take());
        release(message.reply.take());
        for descriptor in message.descriptors.drain(..) {
            match descriptor {
                Descriptor::Port(right) => release(right),
                Descriptor::Memory(memory) => drop(memory),
                Descriptor::Ports(ports) => {
                    ports
                        .into_iter()
                        .flat_map(|ports| ports.rights)
                        .for_each(release);
                }
            }
        }
    }

    /// Ends a message that was received but cannot be delivered: the right it came on has done its duty.
    pub(crate) fn discard_received(mut self) {
        if let Carried::Right(right) = self.destination.take() {
            right.spend();
        }
        self.destroy();
    }

    /// Whether there is a receive right in the message.
    pub(crate) fn carries_receive_right(&self) -> bool {
        self.receive_rights().next().is_some()
    }

    /// Every receive right in the message.
    fn receive_rights(&self) -> impl Iterator<Item = &Arc<Port>> {
        self.descriptors
            .iter()
            .flat_map(|descriptor| match descriptor {
                Descriptor::Port(right) => core::slice::from_ref(right),
                Descriptor::Ports(Some(ports)) => &ports.rights[..],
                _ => &[],
            })
            .filter_map(|right| match right {
                Carried::Right(Right::Receive(right)) => Some(right.port()),
                _ => None,
            })
    }

    /// Notes for each receive right in the message where it goes; fails if one would end up inside
    /// itself.
    pub(crate) fn depart(&self) -> Result<(), transit::Circular> {
        let Some(destination) = self.destination_port() else {
            return Ok(());
        };
        self.receive_rights()
            .try_for_each(|port| transit::depart(port, destination))
    }

    /// The message has come into the kernel's hands: its receive rights are on their way no more.
    pub(crate) fn land(&self) {
        self.receive_rights()
            .for_each(|port| transit::arrived(port));
    }

    fn body(&self) -> &Body {
        self.0.as_ref().expect("emptied by drop only")
    }

    fn body_mut(&mut self) -> &mut Body {
        self.0.as_mut().expect("emptied by drop only")
    }
}

fn release(right: Carried<Right>) {
    if let Carried::Right(right) = right {
        right.release();
    }
}

fn empty_message() -> KernelMessage {
    KernelMessage::new(0, Carried::Null, Carried::Null)
}

impl Body {
    fn empty() -> Self {
        Self {
            message: empty_message(),
            sender: Sender::KERNEL,
            admission: None,
        }
    }

    /// Ends what the body holds and makes it ready for another message.
    fn clear(&mut self) {
        let message = &mut self.message;
        message.destination = Carried::Null;
        message.reply = Carried::Null;
        message.complex = false;
        message.descriptors.clear();
        message.inline.clear();
        self.sender = Sender::KERNEL;
        self.admission = None;
    }
}

impl Deref for Kmsg {
    type Target = KernelMessage;
    fn deref(&self) -> &KernelMessage {
        &self.body().message
    }
}

impl DerefMut for Kmsg {
    fn deref_mut(&mut self) -> &mut KernelMessage {
        &mut self.body_mut().message
    }
}

impl Drop for Kmsg {
    fn drop(&mut self) {
        let Some(mut body) = self.0.take() else {
            return;
        };
        body.clear();
        let small = body.message.inline.capacity() <= KEPT_BYTES
            && body.message.descriptors.capacity() <= 16;
        if small {
            // What does not fit is freed after the lock was dropped.
            let spare = CACHE.lock().try_push(body).err();
            drop(spare);
        }
    }
}

impl fmt::Debug for Kmsg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

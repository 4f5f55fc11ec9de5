//! Watches what kernel and pager say to each other, and remembers what the pager's author should know.
//!
//! The kernel refuses what it must and forgives the rest; the referee names both, with offset and length.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use mach::defs::{Call, pager, pager_control};
use mach::message::{Carried, Message, UserCarrier};
use mach::port::PortName;
use mach::{KernReturn, Result};
use machine::page::PAGE_SIZE;

const PAGE: u64 = PAGE_SIZE as u64;

/// The kernel's own deadline, where the pager has chosen none.
const DEADLINE: Duration = Duration::from_nanos(vm::memory_object::DEFAULT_DEADLINE_NANOSECONDS);

/// What a pager did that its author should know.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Remark {
    /// Pages that were asked for and never answered.
    Unanswered {
        /// First byte.
        offset: u64,
        /// How many bytes.
        length: u64,
    },
    /// Returned pages for which nobody said whether they are safe.
    Unacknowledged {
        /// First byte.
        offset: u64,
        /// How many bytes.
        length: u64,
    },
    /// An answer after the object's deadline: whoever waited has had an error.
    Late {
        /// First byte.
        offset: u64,
        /// How long it took.
        took: Duration,
    },
    /// An answer for a page that nobody has asked for.
    Unasked {
        /// First byte of that page.
        offset: u64,
    },
    /// An offset or a length that is not whole pages.
    Misaligned {
        /// First byte.
        offset: u64,
        /// How many bytes.
        length: u64,
    },
    /// The kernel refused a supply, or part of it.
    Refused {
        /// First byte of the first page that was refused.
        offset: u64,
        /// Why.
        result: KernReturn,
    },
    /// What the SDK noticed: a short supply, a request that was dropped.
    Noticed(String),
}

impl fmt::Display for Remark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unanswered { offset, length } => {
                write!(
                    f,
                    "unanswered: {length:#x} bytes at {offset:#x} were asked for"
                )
            }
            Self::Unacknowledged { offset, length } => {
                write!(
                    f,
                    "unacknowledged: {length:#x} bytes at {offset:#x} came back"
                )
            }
            Self::Late { offset, took } => write!(f, "late: the page at {offset:#x} took {took:?}"),
            Self::Unasked { offset } => {
                write!(
                    f,
                    "unasked: nobody wants the page at {offset:#x}, or it is there already"
                )
            }
            Self::Misaligned { offset, length } => {
                write!(
                    f,
                    "misaligned: {length:#x} bytes at {offset:#x} are not whole pages"
                )
            }
            Self::Refused { offset, result } => {
                write!(f, "refused: the page at {offset:#x}: {result:?}")
            }
            Self::Noticed(text) => f.write_str(text),
        }
    }
}

/// Remarks, shared between the pager's thread and the test.
#[derive(Clone, Default)]
pub(crate) struct Remarks(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    remarks: Vec<Remark>,
    objects: BTreeMap<PortName, Object>,
    /// Which object a control is of.
    controls: BTreeMap<PortName, PortName>,
}

/// An object in use.
#[derive(Default)]
struct Object {
    deadline: Option<Duration>,
    /// Pages that were asked for, and when.
    asked: BTreeMap<u64, Instant>,
    /// Returns by generation and offset; their lengths.
    returned: BTreeMap<(u64, u64), u64>,
}

impl Remarks {
    /// What there is so far.
    pub(crate) fn made(&self) -> Vec<Remark> {
        self.0.lock().expect("no panic").remarks.clone()
    }

    /// What is still to be answered at this moment.
    pub(crate) fn open(&self) -> Vec<Remark> {
        let state = self.0.lock().expect("no panic");
        let mut remarks = Vec::new();
        for object in state.objects.values() {
            let pages: Vec<u64> = object.asked.keys().copied().collect();
            for run in pages.chunk_by(|one, next| one + PAGE == *next) {
                remarks.push(Remark::Unanswered {
                    offset: run[0],
                    length: run.len() as u64 * PAGE,
                });
            }
            for (&(_, offset), &length) in &object.returned {
                remarks.push(Remark::Unacknowledged { offset, length });
            }
        }
        remarks
    }
}

/// The pager's end of [`Remarks`].
pub(crate) struct Referee(Remarks);

impl Referee {
    pub(crate) fn new(remarks: Remarks) -> Self {
        Self(remarks)
    }

    pub(crate) fn note(&mut self, text: String) {
        let mut state = self.0.0.lock().expect("no panic");
        state.remarks.push(Remark::Noticed(text));
    }

    /// The pager has received a message.
    pub(crate) fn received(&mut self, bytes: &[u8]) {
        if let Ok(message) = Message::<UserCarrier>::from_received_bytes(bytes) {
            let mut state = self.0.0.lock().expect("no panic");
            // What is none of the protocol's concerns nobody here.
            let _ = pager::demux(&mut *state, message);
        }
    }

    /// The pager sends a message. In a message to be sent the destination stands where a received one has the reply port.
    pub(crate) fn sent(&mut self, bytes: &[u8]) {
        let Ok(mut message) = Message::<UserCarrier>::from_received_bytes(bytes) else {
            return;
        };
        message.destination = message.reply.take();
        let mut state = self.0.0.lock().expect("no panic");
        let _ = pager_control::demux(&mut *state, message);
    }
}

type User = UserCarrier;

impl State {
    fn object(&mut self, call: &Call<User>) -> &mut Object {
        self.objects.entry(call.destination.name()).or_default()
    }

    /// The object behind the control that the pager talks to.
    fn controlled(&mut self, call: &Call<User>) -> Result<&mut Object> {
        let object = self.controls.get(&call.destination.name());
        let object = object.ok_or(KernReturn::INVALID_NAME)?;
        Ok(self.objects.entry(*object).or_default())
    }

    /// The pager answers for a range, in whatever way.
    fn answered(&mut self, call: &Call<User>, offset: u64, length: u64) -> Result<()> {
        if !offset.is_multiple_of(PAGE) || !length.is_multiple_of(PAGE) || length == 0 {
            self.remarks.push(Remark::Misaligned { offset, length });
            return Ok(());
        }
        let object = self.controlled(call)?;
        let deadline = object.deadline.unwrap_or(DEADLINE);
        let mut remarks = Vec::new();
        for page in (offset..offset.saturating_add(length)).step_by(PAGE_SIZE) {
            match object.asked.remove(&page).map(|since| since.elapsed()) {
                Some(took) if took > deadline => remarks.push(Remark::Late { offset: page, took }),
                Some(_) => {}
                None => remarks.push(Remark::Unasked { offset: page }),
            }
        }
        self.remarks.extend(remarks);
        Ok(())
    }
}

impl pager::Server<User> for State {
    fn init(&mut self, call: &mut Call<User>, request: pager::init::Request<User>) -> Result<()> {
        if let Carried::Right(control) = request.control {
            self.controls.insert(control.name, call.destination.name());
        }
        *self.object(call) = Object::default();
        Ok(())
    }

    fn terminate(&mut self, call: &mut Call<User>, _: pager::terminate::Request) -> Result<()> {
        self.objects.remove(&call.destination.name());
        Ok(())
    }

    fn data_request(
        &mut self,
        call: &mut Call<User>,
        request: pager::data_request::Request,
    ) -> Result<()> {
        let now = Instant::now();
        let pages = (request.offset..request.offset + request.length).step_by(PAGE_SIZE);
        self.object(call)
            .asked
            .extend(pages.map(|page| (page, now)));
        Ok(())
    }

    fn data_return(
        &mut self,
        call: &mut Call<User>,
        request: pager::data_return::Request<User>,
    ) -> Result<()> {
        let key = (request.generation, request.offset);
        self.object(call).returned.insert(key, request.length);
        Ok(())
    }

    fn supply_completed(
        &mut self,
        _: &mut Call<User>,
        request: pager::supply_completed::Request,
    ) -> Result<()> {
        if request.result != KernReturn::SUCCESS {
            self.remarks.push(Remark::Refused {
                offset: request.error_offset,
                result: request.result,
            });
        }
        Ok(())
    }
}

impl pager_control::Server<User> for State {
    fn ready(
        &mut self,
        call: &mut Call<User>,
        request: pager_control::ready::Request,
    ) -> Result<()> {
        let chosen = u64::from(request.deadline);
        let object = self.controlled(call)?;
        object.deadline = (chosen > 0).then(|| Duration::from_millis(chosen));
        Ok(())
    }

    fn data_supply(
        &mut self,
        call: &mut Call<User>,
        request: pager_control::data_supply::Request<User>,
    ) -> Result<()> {
        let length = request.data.map_or(0, |memory| memory.size);
        self.answered(call, request.offset, length)
    }

    fn data_unavailable(
        &mut self,
        call: &mut Call<User>,
        request: pager_control::data_unavailable::Request,
    ) -> Result<()> {
        self.answered(call, request.offset, request.length)
    }

    fn data_error(
        &mut self,
        call: &mut Call<User>,
        request: pager_control::data_error::Request,
    ) -> Result<()> {
        self.answered(call, request.offset, request.length)
    }

    fn clean_completed(
        &mut self,
        call: &mut Call<User>,
        request: pager_control::clean_completed::Request,
    ) -> Result<()> {
        let key = (request.generation, request.offset);
        self.controlled(call)?.returned.remove(&key);
        Ok(())
    }
}

//! The loop that brings requests: one port set, one port for each object.

use alloc::collections::BTreeMap;

use mach::defs::{Call, Outcome, pager};
use mach::message::{Carried, Message, TrailerElements, UserCarrier, UserRight};
use mach::{KernReturn, PortName, PortRight, Result};

use crate::request::Lent;
use crate::system::mach_call::{self, Receiver, port};
use crate::{Control, InitRequest, PageListReturn, ReadRequest, ReturnRequest, SynchronizeRequest};

/// An object of this pager: the name of its port.
pub type ObjectId = PortName;

/// What has come.
#[derive(Debug)]
pub enum Event {
    /// An object is used for the first time.
    Init(InitRequest),
    /// Pages are wanted.
    Read(ReadRequest),
    /// Pages come back.
    Return(ReturnRequest),
    /// Pages come back as a list, to a pager that asked for lists ([`Returns::PageLists`](crate::Returns::PageLists)).
    ReturnList(PageListReturn),
    /// What came back is to be made durable; asked only of a pager with page lists.
    Synchronize(SynchronizeRequest),
    /// The kernel has let go of an object; its next use begins with `Init`.
    Terminate(ObjectId),
    /// The kernel says how something went.
    Notice(Notice),
    /// A message to a port that is no object's.
    Other(Message<UserCarrier>),
}

/// How something went.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Notice {
    /// A supply was refused in whole or in part: see the code and where it happened.
    Supply {
        /// The object.
        object: ObjectId,
        /// The supply's first byte.
        offset: u64,
        /// Its length.
        length: u64,
        /// Why the first refused page was refused.
        result: KernReturn,
        /// Where that page begins.
        error_offset: u64,
    },
    /// A lock request is done.
    Lock {
        /// The object.
        object: ObjectId,
        /// Its first byte.
        offset: u64,
        /// Its length.
        length: u64,
    },
    /// A change of attributes is in effect.
    Change {
        /// The object.
        object: ObjectId,
    },
}

/// Room for returned pages in the receive buffer: what the kernel calls a small return.
const RETURNS: usize = 16 * 1024;

/// A pager's ports and what comes in on them.
#[derive(Debug)]
pub struct Server {
    receiver: Receiver,
    /// The control of each object that the kernel uses, with the kernel's number for it.
    objects: BTreeMap<ObjectId, Option<(Control, u64)>>,
    /// The last message came from the kernel.
    from_kernel: bool,
}

impl Server {
    /// A server without objects.
    ///
    /// # Errors
    /// No port set can be had.
    pub fn new() -> Result<Self> {
        let set = port::allocate(PortRight::PortSet)?;
        Ok(Self {
            receiver: Receiver::with_room(set, RETURNS),
            objects: BTreeMap::new(),
            from_kernel: false,
        })
    }

    /// A new object. Give send rights made from its name ([`UserRight::make_send`]) to whoever may map it.
    ///
    /// # Errors
    /// No port can be had.
    pub fn create_object(&mut self) -> Result<ObjectId> {
        let object = port::allocate(PortRight::Receive)?;
        self.add_port(object)?;
        self.objects.insert(object, None);
        Ok(object)
    }

    /// Ends an object: its port dies, and with it what the kernel waits for.
    pub fn destroy_object(&mut self, object: ObjectId) {
        if let Some(control) = self.objects.remove(&object) {
            if let Some((control, _)) = control {
                control.release();
            }
            // The receive right was ours; nothing else can be wrong with it.
            let _ = port::change_references(object, PortRight::Receive, -1);
        }
    }

    /// Receives on one more port: its messages come as [`Event::Other`].
    ///
    /// # Errors
    /// The name is not a receive right's.
    pub fn add_port(&mut self, port: PortName) -> Result<()> {
        port::add_to_set(port, self.receiver.name())
    }

    /// The control of an object that the kernel uses.
    #[must_use]
    pub fn control(&self, object: ObjectId) -> Option<Control> {
        self.objects
            .get(&object)
            .copied()
            .flatten()
            .map(|(control, _)| control)
    }

    /// How many objects there are.
    #[must_use]
    pub fn object_count(&self) -> usize {
        self.objects.len()
    }

    /// Whether the message of the last event came from the kernel: a program may have got a send right to any port that
    /// was given away, but cannot say that it is the kernel.
    #[must_use]
    pub fn is_from_kernel(&self) -> bool {
        self.from_kernel
    }

    /// Waits for the next event. What a program sends to an object's port is thrown away: it could bring a control of its
    /// own and make the pager deaf to the kernel.
    ///
    /// # Errors
    /// The port set is gone.
    pub fn next_event(&mut self) -> Result<Event> {
        loop {
            let (message, trailer) = self
                .receiver
                .receive_with_trailer(None, TrailerElements::Audit)?;
            self.from_kernel = trailer.audit.words.iter().all(|&word| word == 0);
            let port = message.destination.name();
            if !self.objects.contains_key(&port) {
                return Ok(Event::Other(message));
            }
            if !self.from_kernel {
                mach_call::destroy(message);
                continue;
            }
            let mut dispatch = Dispatch {
                server: self,
                event: None,
            };
            match pager::demux(&mut dispatch, message) {
                Outcome::Handled(reply) => {
                    if let Some(event) = dispatch.event {
                        return Ok(event);
                    }
                    // The kernel expects no answer; whoever else sent a message that asks for one gets none.
                    if let Some(reply) = reply {
                        give_back(reply.destination);
                    }
                }
                // What is none of the protocol's: only the kernel has business with an object's port.
                Outcome::NotMine(message) => mach_call::destroy(message),
            }
        }
    }
}

/// Lets a right go that nobody wants.
fn give_back(right: Carried<UserRight>) {
    if let Carried::Right(UserRight { name, .. }) = right {
        // A name that is gone already needs no release.
        let _ = port::deallocate(name);
    }
}

/// Turns one message into an event.
struct Dispatch<'a> {
    server: &'a mut Server,
    event: Option<Event>,
}

impl Dispatch<'_> {
    /// The object a message is for and its control. A message about an earlier use of the object, which the kernel has
    /// ended since, is refused: its number is another.
    fn object(&self, call: &Call<UserCarrier>, number: u64) -> Result<(ObjectId, Control)> {
        let object = call.destination.name();
        match self.server.objects.get(&object) {
            Some(&Some((control, known))) if known == number => Ok((object, control)),
            _ => Err(KernReturn::INVALID_ARGUMENT),
        }
    }
}

type User = UserCarrier;

impl pager::Server<User> for Dispatch<'_> {
    fn init(&mut self, call: &mut Call<User>, request: pager::init::Request<User>) -> Result<()> {
        let Carried::Right(UserRight { name, .. }) = request.control else {
            return Err(KernReturn::INVALID_RIGHT);
        };
        let object = call.destination.name();
        let control = Control { port: name };
        if let Some(Some((old, _))) = self
            .server
            .objects
            .insert(object, Some((control, request.control_id)))
        {
            old.release();
        }
        self.event = Some(Event::Init(InitRequest {
            object,
            control,
            answered: false,
        }));
        Ok(())
    }

    fn terminate(
        &mut self,
        call: &mut Call<User>,
        request: pager::terminate::Request,
    ) -> Result<()> {
        let (object, control) = self.object(call, request.control_id)?;
        self.server.objects.insert(object, None);
        control.release();
        self.event = Some(Event::Terminate(object));
        Ok(())
    }

    fn data_request(
        &mut self,
        call: &mut Call<User>,
        request: pager::data_request::Request,
    ) -> Result<()> {
        let (object, control) = self.object(call, request.control_id)?;
        let pager::data_request::Request {
            offset,
            length,
            desired_access: access,
            ..
        } = request;
        self.event = Some(Event::Read(ReadRequest {
            object,
            control,
            offset,
            length,
            access,
        }));
        Ok(())
    }

    fn data_return(
        &mut self,
        call: &mut Call<User>,
        request: pager::data_return::Request<User>,
    ) -> Result<()> {
        let pager::data_return::Request {
            data,
            control_id,
            offset,
            length,
            valid_length,
            generation,
            ..
        } = request;
        let Ok((object, control)) = self.object(call, control_id) else {
            // Nobody waits for these pages to be safe; this task's view of them goes.
            drop(mach_call::take_memory(data));
            return Err(KernReturn::INVALID_ARGUMENT);
        };
        let request = ReturnRequest {
            object,
            control,
            offset,
            length,
            generation,
            data: Lent::new(data),
            answered: false,
            limit: offset.saturating_add(valid_length),
        };
        self.event = Some(Event::Return(request));
        Ok(())
    }

    fn data_return_pages(
        &mut self,
        call: &mut Call<User>,
        request: pager::data_return_pages::Request<User>,
    ) -> Result<()> {
        let Carried::Right(UserRight { name, .. }) = request.pages else {
            return Err(KernReturn::INVALID_RIGHT);
        };
        let Ok((object, control)) = self.object(call, request.control_id) else {
            give_back(request.pages);
            return Err(KernReturn::INVALID_ARGUMENT);
        };
        let pages = PageListReturn::new(object, control, &request, name);
        self.event = Some(Event::ReturnList(pages));
        Ok(())
    }

    fn synchronize(
        &mut self,
        call: &mut Call<User>,
        request: pager::synchronize::Request,
    ) -> Result<()> {
        let (object, control) = self.object(call, request.control_id)?;
        let request = SynchronizeRequest::new(object, control, request.offset, request.length);
        self.event = Some(Event::Synchronize(request));
        Ok(())
    }

    fn lock_completed(
        &mut self,
        call: &mut Call<User>,
        request: pager::lock_completed::Request,
    ) -> Result<()> {
        let (object, _) = self.object(call, request.control_id)?;
        let pager::lock_completed::Request { offset, length, .. } = request;
        self.event = Some(Event::Notice(Notice::Lock {
            object,
            offset,
            length,
        }));
        Ok(())
    }

    fn supply_completed(
        &mut self,
        call: &mut Call<User>,
        request: pager::supply_completed::Request,
    ) -> Result<()> {
        let (object, _) = self.object(call, request.control_id)?;
        let pager::supply_completed::Request {
            offset,
            length,
            result,
            error_offset,
            ..
        } = request;
        self.event = Some(Event::Notice(Notice::Supply {
            object,
            offset,
            length,
            result,
            error_offset,
        }));
        Ok(())
    }

    fn change_completed(
        &mut self,
        call: &mut Call<User>,
        request: pager::change_completed::Request,
    ) -> Result<()> {
        let (object, _) = self.object(call, request.control_id)?;
        self.event = Some(Event::Notice(Notice::Change { object }));
        Ok(())
    }
}

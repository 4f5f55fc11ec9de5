//! What every routine can do: [`RequestBody`], [`ReplyBody`], [`Routine`]; and the server's side of
//! a call: [`Call`], [`Outcome`], [`error_reply`].

use super::descriptor::Descriptors;
use crate::kern_return::{KernReturn, Result};
use crate::message::{Carried, Carrier, Message};
use crate::wire::Wire;

/// A request, on either side.
pub trait RequestBody<C: Carrier>: Sized {
    /// The id of its message.
    const ID: i32;
    /// The routine's name in XNU, or the own one.
    const NAME: &'static str;

    /// The message: the client's stub.
    fn into_message(self, destination: Carried<C::Right>, reply: Carried<C::Right>) -> Message<C>;

    /// The request in a received message.
    ///
    /// # Errors
    /// `MIG_BAD_ARGUMENTS` or `MIG_TYPE_ERROR` if the message is not one; rights and memory in it
    /// are dropped.
    fn from_message(message: Message<C>) -> Result<Self>;
}

/// A successful reply, on either side.
pub trait ReplyBody<C: Carrier>: Sized {
    /// The id of its message.
    const ID: i32;

    /// The message to `destination`, the reply port of the request.
    fn into_message(self, destination: Carried<C::Right>) -> Message<C>;

    /// The reply in a received message.
    ///
    /// # Errors
    /// The code in the message if the routine failed; `MIG_REPLY_MISMATCH`, `MIG_SERVER_DIED`,
    /// `MIG_TYPE_ERROR` if it is no answer to the request.
    fn from_message(message: Message<C>) -> Result<Self>;
}

/// A request that is answered.
pub trait Routine<C: Carrier>: RequestBody<C> {
    /// Its reply.
    type Reply: ReplyBody<C>;
}

/// Id of the notification that says a send-once right was destroyed unused: the server died.
const NOTIFY_SEND_ONCE: i32 = 71;

/// NDR record of a little-endian machine.
pub const NDR: [u8; 8] = [0, 0, 0, 0, 1, 0, 0, 0];

/// Checks complexity of a request and gives descriptors and the inline bytes behind the NDR record.
pub(crate) fn open_request<C: Carrier>(
    message: &mut Message<C>,
    complex: bool,
    inline: bool,
) -> Result<(Descriptors<C>, &[u8])> {
    if message.complex != complex {
        return Err(KernReturn::MIG_BAD_ARGUMENTS);
    }
    let descriptors = Descriptors::of(message);
    let bytes = skip_ndr(&message.inline, inline)?;
    Ok((descriptors, bytes))
}

/// Checks id and return code of a reply and gives descriptors and the inline bytes.
pub(crate) fn open_reply<C: Carrier>(
    message: &mut Message<C>,
    id: i32,
    complex: bool,
    inline: bool,
) -> Result<(Descriptors<C>, &[u8])> {
    if message.id == NOTIFY_SEND_ONCE {
        return Err(KernReturn::MIG_SERVER_DIED);
    }
    if message.id != id {
        return Err(KernReturn::MIG_REPLY_MISMATCH);
    }
    let descriptors = Descriptors::of(message);
    if complex && message.complex {
        let bytes = skip_ndr(&message.inline, inline)?;
        return Ok((descriptors, bytes));
    }
    let mut bytes = skip_ndr(&message.inline, true)?;
    let code: KernReturn = Wire::get(&mut bytes).ok_or(KernReturn::MIG_TYPE_ERROR)?;
    code.result()?;
    if message.complex || complex {
        return Err(KernReturn::MIG_TYPE_ERROR);
    }
    Ok((descriptors, bytes))
}

fn skip_ndr(bytes: &[u8], expected: bool) -> Result<&[u8]> {
    if !expected {
        return Ok(bytes);
    }
    bytes.get(NDR.len()..).ok_or(KernReturn::MIG_BAD_ARGUMENTS)
}

/// Nothing may follow the last argument.
pub(crate) fn close(bytes: &[u8]) -> Result<()> {
    if bytes.is_empty() {
        Ok(())
    } else {
        Err(KernReturn::MIG_BAD_ARGUMENTS)
    }
}

/// The 36-byte reply with which every routine fails (and which is the whole reply of a routine
/// without results, when `code` is success).
#[doc(alias = "mig_reply_error_t")]
pub fn error_reply<C: Carrier>(
    request_id: i32,
    code: KernReturn,
    destination: Carried<C::Right>,
) -> Message<C> {
    let mut message = Message::new(request_id.wrapping_add(100), destination, Carried::Null);
    message.inline.extend_from_slice(&NDR);
    Wire::put(&code, &mut message.inline);
    message
}

/// The code in a message that is an error reply (or a simple reply without results).
pub fn reply_code<C: Carrier>(message: &Message<C>) -> Option<KernReturn> {
    let mut bytes = message.inline.get(NDR.len()..)?;
    if message.complex {
        None
    } else {
        Wire::get(&mut bytes)
    }
}

/// What a server's method may want to know of the message besides its arguments.
#[derive(Debug)]
pub struct Call<C: Carrier> {
    /// Id of the request.
    pub id: i32,
    /// The port the request was sent to.
    pub destination: Carried<C::Right>,
    /// Where the answer goes. A server that answers later takes it and returns `MIG_NO_REPLY`.
    pub reply: Carried<C::Right>,
}

impl<C: Carrier> Call<C> {
    pub(crate) fn of(message: &mut Message<C>) -> Self {
        Self {
            id: message.id,
            destination: message.destination.take(),
            reply: message.reply.take(),
        }
    }

    /// The outcome of a routine that is answered.
    pub(crate) fn answer<R: ReplyBody<C>>(self, result: Result<R>) -> Outcome<C> {
        let Carried::Right(_) = self.reply else {
            return Outcome::Handled(None);
        };
        match result {
            Ok(reply) => Outcome::Handled(Some(reply.into_message(self.reply))),
            Err(KernReturn::MIG_NO_REPLY) => Outcome::Handled(None),
            Err(code) => Outcome::Handled(Some(error_reply(self.id, code, self.reply))),
        }
    }
}

/// What became of a message that was given to a `demux`.
#[derive(Debug)]
pub enum Outcome<C: Carrier> {
    /// Its id is none of this interface's.
    NotMine(Message<C>),
    /// It was served; here is the answer, if there is one.
    Handled(Option<Message<C>>),
}

impl<C: Carrier> Outcome<C> {
    /// Asks the next interface if this one did not know the message.
    #[must_use]
    pub fn or_else(self, next: impl FnOnce(Message<C>) -> Self) -> Self {
        match self {
            Self::NotMine(message) => next(message),
            Self::Handled(reply) => Self::Handled(reply),
        }
    }

    /// The answer; a message nobody knew is answered with `MIG_BAD_ID`.
    pub fn or_bad_id(self) -> Option<Message<C>> {
        match self {
            Self::Handled(reply) => reply,
            Self::NotMine(message) => match message.reply {
                Carried::Right(_) => Some(error_reply(
                    message.id,
                    KernReturn::MIG_BAD_ID,
                    message.reply,
                )),
                Carried::Null | Carried::Dead => None,
            },
        }
    }
}

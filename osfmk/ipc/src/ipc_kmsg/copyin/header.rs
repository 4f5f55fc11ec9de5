//! Destination and reply of a message that is copied in: both or neither.
//!
//! XNU's counterpart: `ipc_kmsg_copyin_header`, `ipc_right_copyin_two`.

use crate::ipc_kmsg::Kmsg;
use crate::ipc_right::After;
use crate::ipc_space::{IpcSpace, SpaceState};
use mach::message::{Carried, MsgHeader};
use mach::{Disposition, KernReturn, PortName};

/// Dispositions of a header that make sense.
struct HeaderPorts {
    destination: Disposition,
    reply: Option<Disposition>,
}

#[doc(alias = "ipc_kmsg_copyin_header_validate")]
fn header_ports(header: &MsgHeader) -> Result<HeaderPorts, KernReturn> {
    const INVALID: KernReturn = KernReturn::SEND_INVALID_HEADER;
    let any_send = |disposition: &Disposition| disposition.is_any_send();
    let destination = header
        .bits
        .remote_disposition()
        .filter(any_send)
        .ok_or(INVALID)?;
    let reply = match header.bits.local() {
        0 if header.local == PortName::NULL => None,
        0 => return Err(INVALID),
        _ => Some(
            header
                .bits
                .local_disposition()
                .filter(any_send)
                .ok_or(INVALID)?,
        ),
    };
    if !header.remote.is_valid() {
        return Err(KernReturn::SEND_INVALID_DEST);
    }
    // There are no vouchers, so no name can be one.
    if header.bits.voucher() != 0 && header.voucher.is_valid() {
        return Err(KernReturn::SEND_INVALID_VOUCHER);
    }
    Ok(HeaderPorts { destination, reply })
}

/// Copies destination and reply in, both or neither.
#[doc(alias = "ipc_kmsg_copyin_header")]
pub(super) fn copyin_header(
    space: &IpcSpace,
    header: &MsgHeader,
    kmsg: &mut Kmsg,
) -> Result<Option<u32>, KernReturn> {
    let ports = header_ports(header)?;
    let mut after = After::default();
    let request = {
        let mut state = space.lock();
        copyin_header_ports(&mut state, header, &ports, kmsg, &mut after)?
    };
    after.run();
    Ok(request)
}

fn copyin_header_ports(
    state: &mut SpaceState,
    header: &MsgHeader,
    ports: &HeaderPorts,
    kmsg: &mut Kmsg,
    after: &mut After,
) -> Result<Option<u32>, KernReturn> {
    const NO_DESTINATION: KernReturn = KernReturn::SEND_INVALID_DEST;
    let destination = state.find(header.remote).map_err(|_| NO_DESTINATION)?;
    state.check(destination);
    let reply = match ports.reply {
        Some(disposition) if header.local.is_valid() => {
            let index = state
                .find(header.local)
                .map_err(|_| KernReturn::SEND_INVALID_REPLY)?;
            state.check(index);
            if !state.can_copyin(index, disposition) {
                return Err(KernReturn::SEND_INVALID_REPLY);
            }
            Some((index, disposition))
        }
        _ => None,
    };
    if state.is_dead_name(destination) || !state.can_copyin(destination, ports.destination) {
        return Err(NO_DESTINATION);
    }
    let request = match ports.destination {
        Disposition::MoveSendOnce | Disposition::MakeSendOnce => None,
        _ => state.table.at(destination).request(),
    };
    // A move ends the name when it is the last reference, so it comes after a copy of the same name.
    let mut destination_last = false;
    if let Some((index, disposition)) = reply
        && index == destination
    {
        let references = u32::from(state.table.at(index).urefs);
        if !can_copyin_both(ports.destination, disposition, references) {
            return Err(NO_DESTINATION);
        }
        destination_last = ports.destination == Disposition::MoveSend;
    }
    if !destination_last {
        kmsg.destination = state
            .copyin_entry(destination, ports.destination, after)
            .map_err(|_| NO_DESTINATION)?;
    }
    kmsg.reply = match reply {
        Some((index, disposition)) => state
            .copyin_entry(index, disposition, after)
            .map_err(|_| KernReturn::SEND_INVALID_REPLY)?,
        None if header.local == PortName::DEAD => Carried::Dead,
        None => Carried::Null,
    };
    if destination_last {
        kmsg.destination = state
            .copyin_entry(destination, ports.destination, after)
            .map_err(|_| NO_DESTINATION)?;
    }
    Ok(request)
}

/// Whether one name can serve as destination and reply.
#[doc(alias = "ipc_right_copyin_two")]
const fn can_copyin_both(destination: Disposition, reply: Disposition, references: u32) -> bool {
    use Disposition::{MoveSend, MoveSendOnce};
    match (destination, reply) {
        (MoveSendOnce, _) | (_, MoveSendOnce) => false,
        (MoveSend, MoveSend) => references >= 2,
        _ => true,
    }
}

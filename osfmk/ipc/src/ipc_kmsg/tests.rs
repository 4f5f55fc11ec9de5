//! Messages: the checks in their order, what they carry, and what is left when they fail.

use crate::ipc_kmsg::{KernelMemory, Kmsg};
use crate::testing::{BUFFER, Random, Task, World, complex, simple};
use mach::message::{CopyOption, Descriptor, MsgBits, MsgHeader, MsgOptions, RawDescriptor};
use mach::wire::Wire;
use mach::{Disposition, KernReturn, PortName, PortRight, PortType};
use vm::vm_map::VmMapCopy;

use Disposition::{CopySend, MakeSend, MakeSendOnce, MoveReceive, MoveSend, MoveSendOnce};

fn port(name: PortName, disposition: Disposition) -> RawDescriptor {
    RawDescriptor::Port {
        name,
        disposition: disposition as u8,
    }
}

const fn memory(address: u64, size: u32, deallocate: bool) -> RawDescriptor {
    RawDescriptor::Memory {
        address,
        size,
        deallocate,
        copy: CopyOption::Virtual,
        volatile: false,
    }
}

fn names(task: &Task, address: u64, count: u32) -> Vec<PortName> {
    let bytes = task.memory.read(address, 4 * count as usize);
    bytes
        .chunks(4)
        .map(|word| PortName(u32::from_le_bytes(word.try_into().unwrap())))
        .collect()
}

#[test]
fn bytes_and_id_arrive_with_the_ports_swapped_and_a_trailer() {
    let _world = World::new();
    let (server, client) = (Task::new(), Task::new());
    let service = server.space.allocate(PortRight::Receive).unwrap();
    let send = server.send_right_for(service, &client);
    let reply = client.space.reply_port();
    let mut message = simple(4711, (send, CopySend), Some((reply, MakeSendOnce)));
    message.inline.extend_from_slice(&[1, 2, 3, 4, 5, 6, 7, 8]);
    assert_eq!(client.send(&message), KernReturn::SUCCESS);
    assert_eq!(client.send(&message), KernReturn::SUCCESS);
    let (received, trailer) = server.receive(service).unwrap();
    let header = received.header;
    assert_eq!((header.id, header.size, header.local), (4711, 32, service));
    assert_eq!(
        (header.bits.local(), header.bits.remote()),
        (MoveSend.raw(), MoveSendOnce.raw())
    );
    assert_eq!(received.inline[..], message.inline[..]);
    assert_eq!((trailer.sequence_number, trailer.sender), (0, [501, 20]));
    assert_eq!(server.space.type_of(header.remote), Ok(PortType::SEND_ONCE));
    let answer = simple(4811, (header.remote, MoveSendOnce), None);
    assert_eq!(server.send(&answer), KernReturn::SUCCESS);
    let (answered, _) = client.receive(reply).unwrap();
    assert_eq!(
        (answered.header.id, answered.header.remote),
        (4811, PortName::NULL)
    );
    assert_eq!(answered.header.bits.local(), MoveSendOnce.raw());
    let (_, trailer) = server.receive(service).unwrap();
    assert_eq!(trailer.sequence_number, 1);
}

#[test]
fn memory_for_the_buffer_lies_behind_the_message_if_there_is_room() {
    let _world = World::new();
    let task = Task::new();
    let service = task.space.allocate(PortRight::Receive).unwrap();
    let data: Vec<u8> = (0..100).collect();
    // The message and its trailer; the data then begins on the next multiple of 16.
    let head = (24 + 4 + 16 + 52_u64).next_multiple_of(16);
    for (room, in_buffer) in [(head + 112, true), (head + 99, false), (96, false)] {
        let right = task.space.extract_right(service, MakeSend.raw()).unwrap();
        let mut kmsg = Kmsg::new(7).unwrap();
        kmsg.destination = right;
        let copy = VmMapCopy::from_bytes(&data).unwrap();
        let pages = KernelMemory::new(copy, data.len() as u64).into_buffer();
        kmsg.push(Descriptor::Memory(Some(pages)));
        crate::send_from_kernel(kmsg).unwrap();
        let none = MsgOptions::empty();
        let (received, _) = task.receive_with(service, none, 0, room as u32).unwrap();
        let RawDescriptor::Memory {
            address,
            size,
            deallocate,
            ..
        } = received.descriptors[0]
        else {
            panic!("memory was sent")
        };
        assert_eq!((size, deallocate), (100, !in_buffer), "{room}");
        assert_eq!(address == task.buffer + head, in_buffer, "{room}");
        assert_eq!(task.memory.read(address, 100), data);
    }
}

#[test]
fn large_messages_arrive_whole() {
    let _world = World::new();
    let task = Task::new();
    let own = task.space.allocate(PortRight::Receive).unwrap();
    for size in [228, 232, 236, 384, 388, 1000, 9000] {
        let mut message = simple(1, (own, MakeSend), None);
        message.inline.extend((0..size).map(|byte| byte as u8));
        assert_eq!(task.send(&message), KernReturn::SUCCESS);
        let (received, trailer) = task.receive(own).unwrap();
        assert_eq!(received.inline, message.inline);
        assert_eq!(trailer.sender, [501, 20]);
        let mut message = complex(
            1,
            (own, MakeSend),
            &[port(own, MakeSend), port(PortName::NULL, CopySend)],
        );
        message.inline.extend((0..size).map(|byte| byte as u8));
        assert_eq!(task.send(&message), KernReturn::SUCCESS);
        let (received, _) = task.receive(own).unwrap();
        assert_eq!(
            (received.inline, received.descriptors.len()),
            (message.inline, 2)
        );
    }
}

#[test]
fn size_is_checked_first_then_the_buffer_then_the_header() {
    let _world = World::new();
    let task = Task::new();
    let send = |address, size| {
        task.call(crate::MsgArguments {
            address,
            send_size: size,
            options: MsgOptions::SEND_MSG,
            ..Default::default()
        })
    };
    assert_eq!(send(0, 20), KernReturn::SEND_MSG_TOO_SMALL);
    assert_eq!(send(0, 26), KernReturn::SEND_MSG_TOO_SMALL);
    assert_eq!(send(0, 48 << 20), KernReturn::SEND_TOO_LARGE);
    assert_eq!(send(0, 24), KernReturn::SEND_INVALID_DATA);
    assert_eq!(
        send(task.buffer + BUFFER as u64 - 20, 24),
        KernReturn::SEND_INVALID_DATA
    );
    assert_eq!(
        send(task.buffer + BUFFER as u64 - 300, 400),
        KernReturn::SEND_INVALID_DATA
    );
    assert_eq!(
        send(task.buffer, 24),
        KernReturn::SEND_INVALID_HEADER,
        "no disposition"
    );
}

#[test]
fn header_faults_change_nothing() {
    let _world = World::new();
    let (server, client) = (Task::new(), Task::new());
    let service = server.space.allocate(PortRight::Receive).unwrap();
    let send = server.send_right_for(service, &client);
    let once = server.send_once_right_for(service, &client);
    let reply = client.space.reply_port();
    let bad = PortName(0x7703);
    let cases = [
        (
            simple(0, (send, MoveReceive), None),
            KernReturn::SEND_INVALID_HEADER,
        ),
        (
            simple(0, (send, CopySend), Some((reply, MoveReceive))),
            KernReturn::SEND_INVALID_HEADER,
        ),
        (
            simple(0, (PortName::NULL, CopySend), None),
            KernReturn::SEND_INVALID_DEST,
        ),
        (
            simple(0, (PortName::DEAD, CopySend), None),
            KernReturn::SEND_INVALID_DEST,
        ),
        (
            simple(0, (bad, CopySend), None),
            KernReturn::SEND_INVALID_DEST,
        ),
        (
            simple(0, (reply, CopySend), None),
            KernReturn::SEND_INVALID_DEST,
        ),
        (
            simple(0, (send, CopySend), Some((bad, MakeSend))),
            KernReturn::SEND_INVALID_REPLY,
        ),
        (
            simple(0, (send, CopySend), Some((send, MakeSend))),
            KernReturn::SEND_INVALID_REPLY,
        ),
        (
            simple(0, (once, MoveSendOnce), Some((once, MoveSendOnce))),
            KernReturn::SEND_INVALID_DEST,
        ),
        (
            simple(0, (send, MoveSend), Some((send, MoveSend))),
            KernReturn::SEND_INVALID_DEST,
        ),
        (
            simple(0, (bad, CopySend), Some((bad, MakeSend))),
            KernReturn::SEND_INVALID_DEST,
        ),
    ];
    for (index, (message, code)) in cases.iter().enumerate() {
        assert_eq!(client.send(message), *code, "case {index}");
    }
    let mut message = simple(0, (send, CopySend), None);
    message.header.local = reply;
    assert_eq!(
        client.send(&message),
        KernReturn::SEND_INVALID_HEADER,
        "a reply without disposition"
    );
    let mut message = simple(0, (send, CopySend), None);
    message.header.bits = MsgBits(message.header.bits.0 | 0x0100_0000);
    assert_eq!(
        client.send(&message),
        KernReturn::SEND_INVALID_HEADER,
        "unknown bits"
    );
    let mut message = simple(0, (send, CopySend), None);
    message.header.bits = MsgBits(message.header.bits.0 | 17 << 16);
    message.header.voucher = reply;
    assert_eq!(client.send(&message), KernReturn::SEND_INVALID_VOUCHER);
    assert_eq!(client.space.get_refs(send, PortRight::Send), Ok(1));
    assert_eq!(client.space.type_of(once), Ok(PortType::SEND_ONCE));
    assert_eq!(
        server.receive(service).unwrap_err(),
        KernReturn::RCV_TIMED_OUT
    );
}

#[test]
fn one_name_may_be_destination_and_reply() {
    let _world = World::new();
    let task = Task::new();
    let own = task.port_with_send();
    let cases = [
        (CopySend, CopySend),
        (CopySend, MoveSend),
        (MoveSend, CopySend),
        (MoveSend, MoveSend),
        (CopySend, MakeSendOnce),
        (MakeSend, MoveSend),
    ];
    for (remote, local) in cases {
        task.space.mod_refs(own, PortRight::Send, 2).unwrap();
        assert_eq!(
            task.send(&simple(1, (own, remote), Some((own, local)))),
            KernReturn::SUCCESS
        );
        let (message, _) = task.receive(own).unwrap();
        if message.header.remote != own {
            task.space.destroy_name(message.header.remote).unwrap();
            assert_eq!(
                task.receive(own).unwrap().0.header.id,
                crate::ipc_notify::id::SEND_ONCE
            );
        }
    }
    // The last reference, moved and copied at once, to a port that is not ours to receive from.
    let other = Task::new();
    let send = task.send_right_for(own, &other);
    assert_eq!(
        other.send(&simple(2, (send, MoveSend), Some((send, CopySend)))),
        KernReturn::SUCCESS
    );
    assert_eq!(other.space.type_of(send), Err(KernReturn::INVALID_NAME));
    task.receive(own).unwrap();
}

#[test]
fn a_message_to_a_dead_name_is_refused_and_its_reply_kept() {
    let _world = World::new();
    let (server, client) = (Task::new(), Task::new());
    let service = server.space.allocate(PortRight::Receive).unwrap();
    let send = server.send_right_for(service, &client);
    let other = server.space.allocate(PortRight::Receive).unwrap();
    let once = server.send_once_right_for(other, &client);
    server.space.destroy_name(service).unwrap();
    let message = simple(1, (send, CopySend), Some((once, MoveSendOnce)));
    assert_eq!(client.send(&message), KernReturn::SEND_INVALID_DEST);
    assert_eq!(client.space.type_of(once), Ok(PortType::SEND_ONCE));
    assert_eq!(client.space.type_of(send), Ok(PortType::DEAD_NAME));
}

#[test]
fn rights_of_every_kind_travel_in_descriptors() {
    let _world = World::new();
    let (server, client) = (Task::new(), Task::new());
    let service = server.space.allocate(PortRight::Receive).unwrap();
    let send = server.send_right_for(service, &client);
    let moved = client.port_with_send();
    let own = client.port_with_send();
    let message = complex(
        7,
        (send, CopySend),
        &[
            port(own, MakeSend),
            port(own, CopySend),
            port(own, MakeSendOnce),
            port(moved, MoveReceive),
            port(PortName::NULL, CopySend),
            port(PortName::DEAD, MoveSend),
        ],
    );
    assert_eq!(client.send(&message), KernReturn::SUCCESS);
    assert_eq!(
        client.space.type_of(moved),
        Ok(PortType::SEND),
        "its send right stays"
    );
    let (received, _) = server.receive(service).unwrap();
    let got: Vec<_> = received
        .descriptors
        .iter()
        .map(|descriptor| match *descriptor {
            RawDescriptor::Port { name, disposition } => (name, disposition),
            _ => panic!("ports were sent"),
        })
        .collect();
    assert_eq!(got[0], (got[1].0, MoveSend as u8), "one name for one port");
    assert_eq!(server.space.get_refs(got[0].0, PortRight::Send), Ok(2));
    assert_eq!(server.space.type_of(got[2].0), Ok(PortType::SEND_ONCE));
    assert_eq!(got[2].1, MoveSendOnce as u8);
    assert_eq!(server.space.type_of(got[3].0), Ok(PortType::RECEIVE));
    assert_eq!(got[3].1, MoveReceive as u8);
    assert_eq!((got[4].0, got[5].0), (PortName::NULL, PortName::DEAD));
    // The moved port works at its new place.
    assert_eq!(
        client.send(&simple(8, (moved, CopySend), None)),
        KernReturn::SUCCESS
    );
    assert_eq!(server.receive(got[3].0).unwrap().0.header.id, 8);
}

#[test]
fn memory_travels_by_copy_and_by_move() {
    let _world = World::new();
    let task = Task::new();
    let own = task.space.allocate(PortRight::Receive).unwrap();
    let (kept, given) = (task.memory.map(b"kept"), task.memory.map(b"given away"));
    let message = complex(
        1,
        (own, MakeSend),
        &[
            memory(kept, 4, false),
            memory(given, 10, true),
            memory(0, 0, false),
        ],
    );
    assert_eq!(task.send(&message), KernReturn::SUCCESS);
    assert_eq!(task.memory.read(kept, 4), b"kept");
    let (received, _) = task.receive(own).unwrap();
    let ranges: Vec<_> = received
        .descriptors
        .iter()
        .map(|descriptor| match *descriptor {
            RawDescriptor::Memory { address, size, .. } => (address, size),
            _ => panic!("memory was sent"),
        })
        .collect();
    assert_eq!(task.memory.read(ranges[0].0, 4), b"kept");
    assert_eq!(task.memory.read(ranges[1].0, 10), b"given away");
    assert_eq!(ranges[2], (0, 0));
    assert_eq!(
        task.send(&message),
        KernReturn::SEND_INVALID_MEMORY,
        "it is not there any more"
    );
}

#[test]
fn arrays_of_ports_travel_out_of_line() {
    let _world = World::new();
    let (server, client) = (Task::new(), Task::new());
    let service = server.space.allocate(PortRight::Receive).unwrap();
    let send = server.send_right_for(service, &client);
    let ports: Vec<_> = (0..200)
        .map(|_| client.space.allocate(PortRight::Receive).unwrap())
        .collect();
    let array: Vec<u8> = ports.iter().flat_map(|name| name.0.to_le_bytes()).collect();
    let ool = |address, count, disposition, deallocate| RawDescriptor::Ports {
        address,
        count,
        disposition,
        deallocate,
        copy: CopyOption::Virtual,
    };
    let address = client.memory.map(&array);
    let message = complex(
        1,
        (send, CopySend),
        &[
            ool(address, 200, MakeSend as u8, true),
            ool(0, 0, CopySend as u8, false),
        ],
    );
    assert_eq!(client.send(&message), KernReturn::SUCCESS);
    let (received, _) = server.receive(service).unwrap();
    let RawDescriptor::Ports {
        address,
        count,
        disposition,
        ..
    } = received.descriptors[0]
    else {
        panic!()
    };
    assert_eq!((count, disposition), (200, MoveSend as u8));
    let got = names(&server, address, count);
    assert!(
        got.iter()
            .all(|name| server.space.type_of(*name) == Ok(PortType::SEND))
    );
    assert!(matches!(
        received.descriptors[1],
        RawDescriptor::Ports { count: 0, .. }
    ));
    // One bad name in the middle: what was taken before it ends, nothing else does.
    let mut spoiled = array.clone();
    spoiled[4 * 100..4 * 101].copy_from_slice(&0x9_9903u32.to_le_bytes());
    let address = client.memory.map(&spoiled);
    let message = complex(
        1,
        (send, CopySend),
        &[ool(address, 200, MoveReceive as u8, false)],
    );
    assert_eq!(client.send(&message), KernReturn::SEND_INVALID_RIGHT);
    assert_eq!(
        client.space.type_of(ports[99]),
        Err(KernReturn::INVALID_NAME)
    );
    assert_eq!(client.space.type_of(ports[101]), Ok(PortType::RECEIVE));
    let message = complex(1, (send, CopySend), &[ool(0x1, 3, MakeSend as u8, false)]);
    assert_eq!(client.send(&message), KernReturn::SEND_INVALID_MEMORY);
    let message = complex(
        1,
        (send, CopySend),
        &[ool(address, 16384, MakeSend as u8, false)],
    );
    assert_eq!(client.send(&message), KernReturn::SEND_TOO_LARGE);
    let message = complex(1, (send, CopySend), &[ool(address, 3, 99, false)]);
    assert_eq!(client.send(&message), KernReturn::SEND_INVALID_TYPE);
}

#[test]
fn a_body_that_fails_half_way_ends_what_it_took_and_no_more() {
    let _world = World::new();
    let (server, client) = (Task::new(), Task::new());
    let service = server.space.allocate(PortRight::Receive).unwrap();
    let send = server.send_right_for(service, &client);
    let (first, last) = (client.port_with_send(), client.port_with_send());
    let reply = client.space.reply_port();
    let given = client.memory.map(b"gone");
    let mut message = complex(
        1,
        (send, CopySend),
        &[
            port(first, MoveReceive),
            memory(given, 4, true),
            port(PortName(0x6603), CopySend),
            port(last, MoveReceive),
        ],
    );
    message.header.local = reply;
    message.header.bits = MsgBits::new(CopySend.raw(), MakeSendOnce.raw(), true);
    assert_eq!(client.send(&message), KernReturn::SEND_INVALID_RIGHT);
    crate::testing::settle();
    assert_eq!(
        client.space.type_of(first),
        Ok(PortType::DEAD_NAME),
        "the port went with the message"
    );
    assert_eq!(client.space.type_of(last), Ok(PortType::SEND_RECEIVE));
    assert_eq!(
        client.receive(reply).unwrap().0.header.id,
        crate::ipc_notify::id::SEND_ONCE
    );
    let cases = [
        (
            RawDescriptor::Port {
                name: last,
                disposition: 22,
            },
            KernReturn::SEND_INVALID_TYPE,
        ),
        (port(last, MoveSendOnce), KernReturn::SEND_INVALID_RIGHT),
        (memory(0x10, 8, false), KernReturn::SEND_INVALID_MEMORY),
        (
            RawDescriptor::GuardedPort {
                context: 0,
                flags: 0,
                disposition: 16,
                name: last,
            },
            KernReturn::SEND_INVALID_TYPE,
        ),
    ];
    for (descriptor, code) in cases {
        assert_eq!(
            client.send(&complex(1, (send, CopySend), &[descriptor])),
            code,
            "{descriptor:?}"
        );
    }
    assert_eq!(
        server.receive(service).unwrap_err(),
        KernReturn::RCV_TIMED_OUT
    );
}

#[test]
fn descriptors_that_do_not_fit_are_refused_after_the_header() {
    let _world = World::new();
    let task = Task::new();
    let own = task.space.allocate(PortRight::Receive).unwrap();
    let send = |count: u32, kind: u8, size: u32| {
        let header = MsgHeader {
            bits: MsgBits::new(MakeSend.raw(), 0, true),
            remote: own,
            ..MsgHeader::default()
        };
        let mut bytes = header.encode();
        count.put(&mut bytes);
        bytes.extend_from_slice(&[0; 11]);
        bytes.push(kind);
        bytes.resize(64, 0);
        crate::UserMemory::copyout(&*task.memory, &bytes, task.buffer).unwrap();
        task.call(crate::MsgArguments {
            address: task.buffer,
            send_size: size,
            options: MsgOptions::SEND_MSG,
            ..Default::default()
        })
    };
    assert_eq!(
        send(1, 0, 24),
        KernReturn::SEND_MSG_TOO_SMALL,
        "no room for the count"
    );
    assert_eq!(send(1, 0, 36), KernReturn::SEND_MSG_TOO_SMALL);
    assert_eq!(send(1, 9, 40), KernReturn::SEND_INVALID_TYPE);
    assert_eq!(
        send(1, 1, 40),
        KernReturn::SEND_MSG_TOO_SMALL,
        "wide descriptors are longer"
    );
    assert_eq!(send(u32::MAX, 0, 64), KernReturn::SEND_TOO_LARGE);
    assert_eq!(send(0, 0, 28), KernReturn::SUCCESS);
    assert_eq!(task.receive(own).unwrap().0.descriptors.len(), 0);
}

#[test]
fn a_receiver_without_room_gets_the_rest_of_the_message() {
    let _world = World::new();
    let task = Task::new();
    let own = task.space.allocate(PortRight::Receive).unwrap();
    let bytes = task.memory.map(b"lost");
    task.send(&complex(
        1,
        (own, MakeSend),
        &[memory(bytes, 4, false), port(own, MakeSend)],
    ));
    task.memory.set_full(true);
    let code = task.receive(own).unwrap_err();
    assert_eq!(
        code,
        KernReturn::RCV_BODY_ERROR.with(KernReturn::MSG_VM_SPACE)
    );
    let (received, _) = task.parse();
    assert!(matches!(
        received.descriptors[0],
        RawDescriptor::Memory {
            address: 0,
            size: 0,
            ..
        }
    ));
    assert!(matches!(received.descriptors[1], RawDescriptor::Port { name, .. } if name == own));
    // A buffer that cannot be written: the rights are in the space all the same.
    task.memory.set_full(false);
    task.send(&simple(2, (own, MakeSend), Some((own, MakeSend))));
    let code = task.call(crate::MsgArguments {
        address: 0x8,
        options: MsgOptions::RCV_MSG,
        receive_size: 1000,
        receive_name: own,
        ..Default::default()
    });
    assert_eq!(code, KernReturn::RCV_INVALID_DATA);
    assert_eq!(task.space.get_refs(own, PortRight::Send), Ok(2));
}

#[test]
fn a_send_that_times_out_gives_everything_back() {
    let _world = World::new();
    let (server, client) = (Task::new(), Task::new());
    let service = server.space.allocate(PortRight::Receive).unwrap();
    server.space.set_limit(service, 0).unwrap();
    let send = server.send_right_for(service, &client);
    let (reply, moved) = (
        client.space.reply_port(),
        client.space.allocate(PortRight::Receive).unwrap(),
    );
    let bytes = client.memory.map(b"back");
    let mut message = complex(
        3,
        (send, MoveSend),
        &[port(moved, MoveReceive), memory(bytes, 4, true)],
    );
    message.header.local = reply;
    message.header.bits = MsgBits::new(MoveSend.raw(), MakeSendOnce.raw(), true);
    assert_eq!(client.send(&message), KernReturn::SEND_TIMED_OUT);
    let size = message.wire_size();
    let back = mach::message::RawMessage::parse(&client.memory.read(client.buffer, size)).unwrap();
    assert_eq!(
        (back.header.bits.remote(), back.header.bits.local()),
        (MoveSend.raw(), MoveSendOnce.raw())
    );
    assert_eq!(client.space.type_of(back.header.remote), Ok(PortType::SEND));
    assert_eq!(
        client.space.type_of(back.header.local),
        Ok(PortType::SEND_ONCE)
    );
    let RawDescriptor::Port { name, .. } = back.descriptors[0] else {
        panic!()
    };
    assert_eq!(client.space.type_of(name), Ok(PortType::RECEIVE));
    let RawDescriptor::Memory {
        address, size: 4, ..
    } = back.descriptors[1]
    else {
        panic!()
    };
    assert_eq!(client.memory.read(address, 4), b"back");
    // The message as it came back can be sent again.
    server.space.set_limit(service, 5).unwrap();
    assert_eq!(client.send(&back), KernReturn::SUCCESS);
    assert_eq!(server.receive(service).unwrap().0.header.id, 3);
}

#[test]
fn random_bytes_are_refused_or_sent_but_never_believed() {
    let _world = World::new();
    let (task, other) = (Task::new(), Task::new());
    let ports: Vec<_> = (0..4).map(|_| task.port_with_send()).collect();
    let foreign = other.space.allocate(PortRight::Receive).unwrap();
    let mut random = Random(0x1234_5678_9abc_def1);
    let mut sent = 0;
    for round in 0..60_000 {
        let send = other.send_right_for(foreign, &task);
        let mut bytes = vec![0u8; 24 + 4 * random.below(40)];
        bytes
            .iter_mut()
            .for_each(|byte| *byte = random.next() as u8);
        // Often something that looks right.
        let mut put = |at: usize, word: u32| {
            if let Some(place) = bytes.get_mut(at..at + 4) {
                place.copy_from_slice(&word.to_le_bytes());
            }
        };
        if random.below(8) != 0 {
            let complexity = if random.below(2) == 0 { 0x8000_0000 } else { 0 };
            put(
                0,
                (16 + random.below(7) as u32) | (16 + random.below(7) as u32) << 8 | complexity,
            );
            put(8, random.pick(&ports).unwrap().0);
            put(
                12,
                random
                    .pick(&[send, ports[0], ports[1], PortName::NULL])
                    .unwrap()
                    .0,
            );
            put(24, random.below(4) as u32);
            let mut at = 28;
            for _ in 0..random.below(4) {
                let kind = random.below(5) as u32;
                put(at, random.pick(&ports).unwrap().0);
                put(at + 8, kind << 24 | (16 + random.below(7) as u32) << 16);
                if kind == 1 || kind == 2 || kind == 3 {
                    put(at, task.buffer as u32);
                    put(at + 4, (task.buffer >> 32) as u32);
                    put(at + 12, random.below(9) as u32);
                }
                at += if kind == 0 { 12 } else { 16 };
            }
        }
        crate::UserMemory::copyout(&*task.memory, &bytes, task.buffer).unwrap();
        let options = MsgOptions::SEND_MSG | MsgOptions::SEND_TIMEOUT;
        let code = task.call(crate::MsgArguments {
            address: task.buffer,
            send_size: bytes.len() as u32,
            options,
            ..Default::default()
        });
        sent += u32::from(code.is_success());
        if round % 16 == 0 {
            // Receive what there is, and begin with fresh names now and then.
            for (name, kind) in task.space.names().unwrap() {
                if kind.contains(PortType::RECEIVE) {
                    while task.receive(name).is_ok() {}
                }
            }
            for (name, kind) in task.space.names().unwrap() {
                if !ports.contains(&name) && kind != PortType::RECEIVE {
                    task.space.destroy_name(name).unwrap();
                }
            }
            for name in &ports {
                if task.space.type_of(*name) != Ok(PortType::SEND_RECEIVE) {
                    let _ = task.space.destroy_name(*name);
                    if task.space.allocate_name(PortRight::Receive, *name).is_ok() {
                        task.send_right_for(*name, &task);
                    }
                }
            }
        }
        if round % 1000 == 0 {
            task.space.validate();
        }
    }
    assert!(sent > 1000, "some of it makes sense ({sent})");
}

/// Everything that may fail for want of memory, in one go; whatever happens is a code.
fn exchange(server: &Task, client: &Task) -> Result<(), KernReturn> {
    let service = server.space.allocate(PortRight::Receive)?;
    let right = server
        .space
        .copyin(service, MakeSend)?
        .right()
        .ok_or(KernReturn::FAILURE)?;
    let send = client.space.copyout(right).map_err(|(code, right)| {
        right.release();
        code
    })?;
    let set = server.space.allocate(PortRight::PortSet)?;
    server.space.insert_member(service, set)?;
    let reply = client.space.allocate(PortRight::Receive)?;
    let array = client.memory.map(&reply.0.to_le_bytes());
    let bytes = client.memory.map(b"memory");
    let mut message = complex(
        1,
        (send, CopySend),
        &[
            port(reply, MakeSend),
            memory(bytes, 6, false),
            RawDescriptor::Ports {
                address: array,
                count: 1,
                disposition: MakeSendOnce as u8,
                deallocate: false,
                copy: CopyOption::Virtual,
            },
        ],
    );
    message.header.local = reply;
    message.header.bits = MsgBits::new(CopySend.raw(), MakeSendOnce.raw(), true);
    client.send(&message).result()?;
    let (received, _) = server.receive(set)?;
    server
        .send(&simple(2, (received.header.remote, MoveSendOnce), None))
        .result()?;
    client.receive(reply)?;
    server.space.destroy_name(service)?;
    Ok(())
}

#[test]
fn a_shortage_at_any_place_leaks_nothing() {
    use prim::thread::injection::{self, Site};
    let _world = World::new();
    let mut failures = 0;
    for planned in 1.. {
        let (server, client) = (Task::new(), Task::new());
        injection::fail_nth(Site::Zones, planned);
        let outcome = exchange(&server, &client);
        failures += u32::from(outcome.is_err());
        // One that was never reached must not strike later.
        let left = injection::remaining(Site::Zones);
        injection::fail_nth(Site::Zones, 0);
        drop((server, client));
        crate::testing::settle();
        if left != 0 {
            assert_eq!(outcome, Ok(()));
            break;
        }
    }
    assert!(failures > 5, "the plan struck {failures} times");
}

//! Ports: notifications, cycles, kernel objects.

use crate::ipc_notify::id;
use crate::testing::{Task, World, complex, settle, simple};
use crate::{KernelObject, Kmsg, Patience, Port, PortDeathWatcher, Right, SendOnceRight};
use mach::message::{Carried, MsgOptions, RawDescriptor, RawMessage};
use mach::{Disposition, KernReturn, PortName, PortRight, PortType};
use prim::clock::Deadline;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Weak};

use Disposition::{CopySend, MakeSend, MakeSendOnce, MoveReceive, MoveSend, MoveSendOnce};

fn notify_right(task: &Task, name: PortName) -> Option<SendOnceRight> {
    match task.space.copyin(name, MakeSendOnce).unwrap() {
        Carried::Right(Right::SendOnce(right)) => Some(right),
        _ => unreachable!("a send-once right was asked for"),
    }
}

fn word(message: &RawMessage) -> u32 {
    u32::from_le_bytes(message.inline[8..12].try_into().unwrap())
}

#[test]
fn no_senders_fires_once_when_the_last_right_goes() {
    let _world = World::new();
    let (server, client) = (Task::new(), Task::new());
    let port = server.space.allocate(PortRight::Receive).unwrap();
    let notify = server.space.allocate(PortRight::Receive).unwrap();
    let request = |sync| {
        server
            .space
            .request_notification(port, id::NO_SENDERS, sync, notify_right(&server, notify))
    };
    assert!(
        request(1).unwrap().is_none(),
        "no right was made yet, so nothing is told"
    );
    assert_eq!(
        server.receive(notify).unwrap_err(),
        KernReturn::RCV_TIMED_OUT
    );
    let send = server.send_right_for(port, &client);
    server.send_right_for(port, &client);
    client.space.deallocate(send).unwrap();
    assert_eq!(
        server.receive(notify).unwrap_err(),
        KernReturn::RCV_TIMED_OUT
    );
    client.space.deallocate(send).unwrap();
    let (message, _) = server.receive(notify).unwrap();
    assert_eq!(
        (message.header.id, message.header.size, word(&message)),
        (id::NO_SENDERS, 36, 2)
    );
    // Disarmed now; armed again it fires at once when the count has been reached.
    request(3).unwrap();
    assert_eq!(
        server.receive(notify).unwrap_err(),
        KernReturn::RCV_TIMED_OUT
    );
    let old = request(2).unwrap();
    old.expect("the one before").release();
    let ids: Vec<_> = (0..2)
        .map(|_| server.receive(notify).unwrap().0.header.id)
        .collect();
    assert_eq!(ids, [id::NO_SENDERS, id::SEND_ONCE]);
    // A right that is only dropped, under whatever lock, is noticed too.
    request(9).unwrap();
    drop(server.space.copyin(port, MakeSend).unwrap());
    settle();
    assert_eq!(word(&server.receive(notify).unwrap().0), 3);
    // A port that dies gives the right back by a send-once notification.
    request(9).unwrap();
    server.space.destroy_name(port).unwrap();
    assert_eq!(server.receive(notify).unwrap().0.header.id, id::SEND_ONCE);
}

#[test]
fn a_right_in_a_queued_message_is_a_sender() {
    let _world = World::new();
    let task = Task::new();
    let port = task.space.allocate(PortRight::Receive).unwrap();
    let carrier = task.space.allocate(PortRight::Receive).unwrap();
    let notify = task.space.allocate(PortRight::Receive).unwrap();
    task.send(&complex(
        1,
        (carrier, MakeSend),
        &[RawDescriptor::Port {
            name: port,
            disposition: MakeSend as u8,
        }],
    ));
    task.space
        .request_notification(port, id::NO_SENDERS, 0, notify_right(&task, notify))
        .unwrap();
    assert_eq!(task.receive(notify).unwrap_err(), KernReturn::RCV_TIMED_OUT);
    task.space.destroy_name(carrier).unwrap();
    settle();
    assert_eq!(task.receive(notify).unwrap().0.header.id, id::NO_SENDERS);
}

#[test]
fn a_port_destroyed_request_brings_the_receive_right_back() {
    let _world = World::new();
    let (owner, user) = (Task::new(), Task::new());
    let backup = owner.space.allocate(PortRight::Receive).unwrap();
    let port = owner.space.allocate(PortRight::Receive).unwrap();
    owner.send(&simple(5, (port, MakeSend), None));
    owner
        .space
        .request_notification(port, id::PORT_DESTROYED, 0, notify_right(&owner, backup))
        .unwrap();
    let send = owner.send_right_for(port, &user);
    let right = owner
        .space
        .copyin(port, MoveReceive)
        .unwrap()
        .right()
        .unwrap();
    let there = user.space.copyout(right).unwrap();
    assert_eq!(there, send);
    user.space.mod_refs(there, PortRight::Receive, -1).unwrap();
    assert_eq!(
        user.space.type_of(send),
        Ok(PortType::SEND),
        "the port lives"
    );
    let (message, _) = owner.receive(backup).unwrap();
    assert_eq!(
        (message.header.id, message.header.size),
        (id::PORT_DESTROYED, 40)
    );
    let RawDescriptor::Port { name, disposition } = message.descriptors[0] else {
        panic!()
    };
    assert_eq!(
        (owner.space.type_of(name), disposition),
        (Ok(PortType::RECEIVE), MoveReceive as u8)
    );
    assert_eq!(
        owner.receive(name).unwrap().0.header.id,
        5,
        "with its messages"
    );
    owner.space.destroy_name(name).unwrap();
    assert_eq!(
        user.space.type_of(send),
        Ok(PortType::DEAD_NAME),
        "asked for once, given once"
    );
}

#[test]
fn a_full_queue_arms_send_possible_and_room_fires_it() {
    let _world = World::new();
    let (server, client) = (Task::new(), Task::new());
    let port = server.space.allocate(PortRight::Receive).unwrap();
    let send = server.send_right_for(port, &client);
    let notify = client.space.allocate(PortRight::Receive).unwrap();
    let request = |immediate| {
        let right = notify_right(&client, notify);
        assert!(
            client
                .space
                .request_notification(send, id::SEND_POSSIBLE, immediate, right)
                .unwrap()
                .is_none()
        );
    };
    request(0);
    assert_eq!(
        client.space.type_of(send),
        Ok(PortType::SEND | PortType::SEND_POSSIBLE_REQUEST)
    );
    for _ in 0..5 {
        assert_eq!(
            client.send(&simple(1, (send, CopySend), None)),
            KernReturn::SUCCESS
        );
    }
    server.receive(port).unwrap();
    assert_eq!(
        client.receive(notify).unwrap_err(),
        KernReturn::RCV_TIMED_OUT,
        "nobody was refused"
    );
    client.send(&simple(1, (send, CopySend), None));
    let full = simple(1, (send, CopySend), None);
    let options = MsgOptions::SEND_TIMEOUT | MsgOptions::SEND_NOTIFY;
    assert_eq!(
        client.send_with(&full, options, 0),
        KernReturn::SEND_TIMED_OUT
    );
    server.receive(port).unwrap();
    let (message, _) = client.receive(notify).unwrap();
    assert_eq!(
        (message.header.id, word(&message)),
        (id::SEND_POSSIBLE, send.0)
    );
    assert_eq!(client.space.type_of(send), Ok(PortType::SEND));
    // With the option: at once while there is room, armed while there is none.
    request(1);
    assert_eq!(
        client.receive(notify).unwrap().0.header.id,
        id::SEND_POSSIBLE
    );
    client.send(&simple(1, (send, CopySend), None));
    request(1);
    assert_eq!(
        client.receive(notify).unwrap_err(),
        KernReturn::RCV_TIMED_OUT
    );
    server.space.set_limit(port, 6).unwrap();
    assert_eq!(
        client.receive(notify).unwrap().0.header.id,
        id::SEND_POSSIBLE
    );
}

#[test]
fn a_send_possible_request_hears_of_death_too() {
    let _world = World::new();
    let (server, client) = (Task::new(), Task::new());
    let port = server.space.allocate(PortRight::Receive).unwrap();
    let send = server.send_right_for(port, &client);
    let notify = client.space.allocate(PortRight::Receive).unwrap();
    client
        .space
        .request_notification(send, id::SEND_POSSIBLE, 0, notify_right(&client, notify))
        .unwrap();
    server.space.destroy_name(port).unwrap();
    assert_eq!(client.receive(notify).unwrap().0.header.id, id::DEAD_NAME);
    assert_eq!(client.space.get_refs(send, PortRight::DeadName), Ok(2));
}

#[test]
fn a_receive_right_never_ends_up_inside_itself() {
    let _world = World::new();
    let task = Task::new();
    let [a, b, c] = [(); 3].map(|()| task.port_with_send());
    let carry = |to, what| {
        let descriptor = RawDescriptor::Port {
            name: what,
            disposition: MoveReceive as u8,
        };
        task.send(&complex(1, (to, CopySend), &[descriptor]))
    };
    // Into itself: the message is gone and so is the port, as if it had been sent.
    assert_eq!(carry(a, a), KernReturn::SUCCESS);
    assert_eq!(task.space.type_of(a), Ok(PortType::DEAD_NAME));
    // b into c; c into b would be a circle of two.
    assert_eq!(carry(c, b), KernReturn::SUCCESS);
    assert_eq!(task.space.type_of(b), Ok(PortType::SEND));
    assert_eq!(carry(b, c), KernReturn::SUCCESS);
    settle();
    assert_eq!(task.space.type_of(c), Ok(PortType::DEAD_NAME));
    assert_eq!(
        task.space.type_of(b),
        Ok(PortType::DEAD_NAME),
        "it was in a message to c"
    );
}

#[test]
fn a_long_chain_of_ports_in_messages_comes_apart_without_recursion() {
    let _world = World::new();
    let task = Task::new();
    let head = task.port_with_send();
    let mut outer = head;
    for _ in 0..20_000 {
        let inner = task.port_with_send();
        let descriptor = RawDescriptor::Port {
            name: outer,
            disposition: MoveReceive as u8,
        };
        assert_eq!(
            task.send(&complex(1, (inner, CopySend), &[descriptor])),
            KernReturn::SUCCESS
        );
        outer = inner;
    }
    task.space.mod_refs(outer, PortRight::Receive, -1).unwrap();
    settle();
    assert_eq!(task.space.type_of(head), Ok(PortType::DEAD_NAME));
}

/// Answers each message with its id plus 100.
struct Echo {
    served: AtomicU32,
    no_senders: AtomicU32,
}

impl Echo {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            served: AtomicU32::new(0),
            no_senders: AtomicU32::new(0),
        })
    }
}

impl KernelObject for Echo {
    fn message(self: Arc<Self>, mut request: Kmsg, port: &Arc<Port>) -> Option<Kmsg> {
        assert!(port.kobject::<Self>().is_some());
        self.served.fetch_add(1, Ordering::Relaxed);
        let mut reply = Kmsg::reply_to(&mut request, 0).unwrap()?;
        reply.id = request.id + 100;
        reply.inline = request.inline.clone();
        Some(reply)
    }

    fn no_senders(self: Arc<Self>, _port: &Arc<Port>, make_send_count: u32) {
        self.no_senders
            .fetch_add(make_send_count, Ordering::Relaxed);
    }
}

#[test]
fn a_kernel_object_serves_in_the_callers_call() {
    let _world = World::new();
    let task = Task::new();
    let echo = Echo::new();
    let receive = Port::for_kernel_object(echo.clone()).unwrap();
    let send = task.space.copyout(receive.make_send()).unwrap();
    let reply = task.space.reply_port();
    let mut request = simple(4800, (send, CopySend), Some((reply, MakeSendOnce)));
    request.inline.extend_from_slice(b"ping");
    let call = |receive_name| {
        crate::UserMemory::copyout(&*task.memory, &request.encode(), task.buffer).unwrap();
        task.call(crate::MsgArguments {
            address: task.buffer,
            options: MsgOptions::SEND_MSG | MsgOptions::RCV_MSG | MsgOptions::RCV_TIMEOUT,
            send_size: request.wire_size() as u32,
            receive_size: 200,
            receive_name,
            ..Default::default()
        })
    };
    for sequence in 0..3 {
        assert_eq!(call(reply), KernReturn::SUCCESS);
        let (answer, trailer) = task.parse();
        assert_eq!(
            (answer.header.id, answer.header.local, &answer.inline[..]),
            (4900, reply, &b"ping"[..])
        );
        assert_eq!(answer.header.bits.local(), MoveSendOnce.raw());
        assert_eq!(
            trailer.sequence_number, 0,
            "the trailer asked for has no number"
        );
        assert_eq!(
            task.space.receive_status(reply).unwrap().sequence_number,
            sequence + 1
        );
    }
    // By way of a set, and in two calls.
    let set = task.space.allocate(PortRight::PortSet).unwrap();
    task.space.insert_member(reply, set).unwrap();
    assert_eq!(call(set), KernReturn::SUCCESS);
    assert_eq!(task.send(&request), KernReturn::SUCCESS);
    assert_eq!(task.receive(reply).unwrap().0.header.id, 4900);
    assert_eq!(echo.served.load(Ordering::Relaxed), 5);
    assert_eq!(echo.no_senders.load(Ordering::Relaxed), 0);
    task.space.deallocate(send).unwrap();
    assert_eq!(echo.no_senders.load(Ordering::Relaxed), 1);
    receive.destroy();
    assert_eq!(Arc::strong_count(&echo), 1, "the port let go of its object");
}

#[test]
fn a_weakly_named_object_may_be_gone() {
    let _world = World::new();
    let task = Task::new();
    let echo = Echo::new();
    let weak: Weak<dyn KernelObject> = {
        let weak: Weak<Echo> = Arc::downgrade(&echo);
        weak
    };
    let receive = Port::for_weak_kernel_object(weak).unwrap();
    let send = task.space.copyout(receive.make_send()).unwrap();
    assert!(receive.port().kobject::<Echo>().is_some());
    drop(echo);
    assert!(receive.port().kernel_object().is_none());
    let reply = task.space.reply_port();
    assert_eq!(
        task.send(&simple(1, (send, CopySend), Some((reply, MakeSendOnce)))),
        KernReturn::SUCCESS
    );
    settle();
    assert_eq!(task.receive(reply).unwrap().0.header.id, id::SEND_ONCE);
    receive.destroy();
}

#[test]
fn the_kernel_is_told_of_a_ports_death() {
    struct Watcher(AtomicU32);
    impl PortDeathWatcher for Watcher {
        fn port_died(&self, port: &Arc<Port>) {
            assert!(!port.is_active());
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
    let _world = World::new();
    let watcher = Arc::new(Watcher(AtomicU32::new(0)));
    let weak: Weak<dyn PortDeathWatcher> = {
        let weak: Weak<Watcher> = Arc::downgrade(&watcher);
        weak
    };
    let receive = Port::allocate().unwrap();
    let port = Arc::clone(receive.port());
    for _ in 0..10 {
        port.watch_death(weak.clone()).unwrap();
    }
    receive.destroy();
    assert_eq!(watcher.0.load(Ordering::Relaxed), 10);
    port.watch_death(weak).unwrap();
    assert_eq!(watcher.0.load(Ordering::Relaxed), 11, "dead already");
    port.validate();
}

#[test]
fn the_kernel_asks_a_server_and_waits() {
    let _world = World::new();
    let server = Task::new();
    let port = server.space.allocate(PortRight::Receive).unwrap();
    let send = match server.space.copyin(port, MakeSend).unwrap() {
        Carried::Right(Right::Send(right)) => right,
        _ => unreachable!(),
    };
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for round in 0..100 {
                let (request, _) = server
                    .receive_with(port, MsgOptions::empty(), 0, 1000)
                    .unwrap();
                let reply = request.header.remote;
                if round % 10 == 9 {
                    server.space.deallocate(reply).unwrap();
                } else {
                    assert_eq!(
                        server.send(&simple(
                            request.header.id + 100,
                            (reply, MoveSendOnce),
                            None
                        )),
                        KernReturn::SUCCESS
                    );
                }
            }
        });
        for round in 0..100 {
            let answer = crate::rpc(&send, Kmsg::new(round).unwrap(), Patience::Forever);
            match answer {
                Ok(answer) => assert_eq!(answer.id, round + 100),
                Err(code) => assert_eq!((code, round % 10), (KernReturn::MIG_SERVER_DIED, 9)),
            }
        }
    });
    let patience = Patience::Until(Deadline::after_milliseconds(5));
    assert_eq!(
        crate::rpc(&send, Kmsg::new(1).unwrap(), patience).unwrap_err(),
        KernReturn::RCV_TIMED_OUT
    );
    server.space.destroy();
    assert_eq!(
        crate::rpc(&send, Kmsg::new(1).unwrap(), patience).unwrap_err(),
        KernReturn::SEND_INVALID_DEST
    );
    settle();
    send.release();
}

#[test]
fn messages_from_the_kernel_know_no_limit() {
    let _world = World::new();
    let task = Task::new();
    let port = task.space.allocate(PortRight::Receive).unwrap();
    for number in 0..50 {
        let mut kmsg = Kmsg::new(number).unwrap();
        kmsg.destination = task.space.copyin(port, MakeSend).unwrap();
        crate::send_from_kernel(kmsg).unwrap();
    }
    task.space.receive_port(port).unwrap().validate();
    for number in 0..25 {
        let (message, trailer) = task.receive(port).unwrap();
        assert_eq!(
            (message.header.id, trailer.sequence_number, trailer.sender),
            (number, number as u32, [0, 1])
        );
    }
    assert!(
        Kmsg::new(1).map(crate::send_from_kernel).unwrap().is_err(),
        "without destination"
    );
    // The rest goes with the port.
}

#[test]
fn counters_belong_to_the_holder_of_the_receive_right() {
    let _world = World::new();
    let (task, other) = (Task::new(), Task::new());
    let port = task.port_with_send();
    task.space.set_context(port, 77).unwrap();
    task.send(&simple(1, (port, MoveSend), None));
    task.receive(port).unwrap();
    let status = task.space.receive_status(port).unwrap();
    assert_eq!(
        (
            status.sequence_number,
            status.make_send_count,
            status.send_rights
        ),
        (1, 1, 0)
    );
    let right = task
        .space
        .copyin(port, MoveReceive)
        .unwrap()
        .right()
        .unwrap();
    let there = other.space.copyout(right).unwrap();
    let status = other.space.receive_status(there).unwrap();
    assert_eq!((status.sequence_number, status.make_send_count), (0, 0));
    assert_eq!(other.space.get_context(there), Ok(0));
    other.space.set_mscount(there, 9).unwrap();
    other.space.set_seqno(there, 8).unwrap();
    other.space.guard(there, 5).unwrap();
    assert_eq!(
        other.space.guard(there, 6),
        Err(KernReturn::INVALID_ARGUMENT)
    );
    assert_eq!(
        other.space.destruct(there, 0, 6),
        Err(KernReturn::INVALID_ARGUMENT)
    );
    assert_eq!(
        other.space.set_limit(there, 1025),
        Err(KernReturn::INVALID_VALUE)
    );
    other.space.destruct(there, 0, 5).unwrap();
}

//! Queues, waiting, sets; and threads that do all of it at once.

use crate::testing::{BUFFER, Random, Task, World, settle, simple};
use mach::message::{MsgOptions, RawMessage, TrailerElements};
use mach::{Disposition, KernReturn, PortName, PortRight, PortType};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use Disposition::{CopySend, MakeSend, MakeSendOnce, MoveReceive, MoveSendOnce};

const NONE: MsgOptions = MsgOptions::empty();

/// How long a test waits for what must come. Much more than it takes: the machine may be busy.
const PATIENCE: Duration = Duration::from_secs(60);

fn wait_for(condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < PATIENCE, "it never happened");
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn post(task: &Task, port: PortName, id: i32) {
    assert_eq!(
        task.send(&simple(id, (port, MakeSend), None)),
        KernReturn::SUCCESS
    );
}

fn receive(task: &Task, name: PortName) -> RawMessage {
    task.receive_with(name, NONE, 0, BUFFER as u32).unwrap().0
}

#[test]
fn five_messages_are_queued_and_send_once_rights_know_no_limit() {
    let _world = World::new();
    let task = Task::new();
    let port = task.space.allocate(PortRight::Receive).unwrap();
    (0..5).for_each(|id| post(&task, port, id));
    let sixth = simple(5, (port, MakeSend), None);
    assert_eq!(task.send(&sixth), KernReturn::SEND_TIMED_OUT);
    assert_eq!(
        task.send_with(&sixth, MsgOptions::SEND_TIMEOUT, 10),
        KernReturn::SEND_TIMED_OUT
    );
    assert_eq!(
        task.send(&simple(6, (port, MakeSendOnce), None)),
        KernReturn::SUCCESS
    );
    let peeked = task.space.peek(port, 0).unwrap();
    assert_eq!((peeked.id, peeked.sequence, peeked.size), (0, 0, 24));
    assert_eq!(task.space.peek(port, 5).unwrap().id, 6);
    assert_eq!(task.space.peek(port, 9), Err(KernReturn::FAILURE));
    let ids: Vec<_> = (0..6).map(|_| receive(&task, port).header.id).collect();
    assert_eq!(ids, [0, 1, 2, 3, 4, 6]);
    for (limit, fits) in [(16, 16), (1024, 1024), (0, 0)] {
        task.space.set_limit(port, limit).unwrap();
        (0..fits).for_each(|id| post(&task, port, id));
        assert_eq!(task.send(&sixth), KernReturn::SEND_TIMED_OUT);
        task.space.receive_port(port).unwrap().validate();
        (0..fits).for_each(|id| assert_eq!(receive(&task, port).header.id, id));
    }
}

#[test]
fn a_receiver_waits_for_the_message_and_gets_it_in_hand() {
    let _world = World::new();
    let task = Task::new();
    let port = task.space.allocate(PortRight::Receive).unwrap();
    std::thread::scope(|scope| {
        let other = task.fork_thread();
        let waiting = scope.spawn(move || receive(&other, port).header.id);
        wait_for(|| {
            !task
                .space
                .receive_port(port)
                .unwrap()
                .state
                .lock()
                .receivers
                .is_empty()
        });
        post(&task, port, 42);
        assert_eq!(task.space.receive_port(port).unwrap().queued(), 0);
        assert_eq!(waiting.join().unwrap(), 42);
    });
}

#[test]
fn a_blocked_sender_goes_on_when_there_is_room() {
    let _world = World::new();
    let task = Task::new();
    let port = task.space.allocate(PortRight::Receive).unwrap();
    (0..5).for_each(|id| post(&task, port, id));
    std::thread::scope(|scope| {
        for id in 5..8 {
            let other = task.fork_thread();
            scope.spawn(move || {
                assert_eq!(
                    other.send_with(&simple(id, (port, MakeSend), None), NONE, 0),
                    KernReturn::SUCCESS
                );
            });
        }
        wait_for(|| {
            task.space
                .receive_port(port)
                .unwrap()
                .state
                .lock()
                .blocked_senders
                == 3
        });
        let mut ids: Vec<_> = (0..8).map(|_| receive(&task, port).header.id).collect();
        ids.sort_unstable();
        assert_eq!(ids, [0, 1, 2, 3, 4, 5, 6, 7]);
    });
}

#[test]
fn waits_end_by_timeout_interruption_and_death() {
    let _world = World::new();
    let task = Task::new();
    let port = task.space.allocate(PortRight::Receive).unwrap();
    let timed = task.receive_with(port, MsgOptions::RCV_TIMEOUT, 10, 1000);
    assert_eq!(timed.unwrap_err(), KernReturn::RCV_TIMED_OUT);
    assert_eq!(
        task.receive(PortName(0x6603)).unwrap_err(),
        KernReturn::RCV_INVALID_NAME
    );
    let (threads, thread) = mpsc::channel();
    let (ended, ends) = mpsc::channel();
    std::thread::scope(|scope| {
        let other = task.fork_thread();
        let sender = threads.clone();
        let waiting = scope.spawn(move || {
            sender.send(prim::thread::current().arc()).unwrap();
            let codes = [(); 2].map(|()| {
                let code = other.receive_with(port, NONE, 0, 1000).unwrap_err();
                ended.send(()).unwrap();
                code
            });
            (0..5).for_each(|id| post(&other, port, id));
            let message = simple(5, (port, MakeSend), Some((port, MakeSendOnce)));
            let interrupted = other.send_with(&message, NONE, 0);
            // Given back: the destination's right and the reply right have names now.
            let back = RawMessage::parse(&other.memory.read(other.buffer, 24)).unwrap();
            assert_eq!(back.header.remote, port);
            assert_eq!(
                other.space.type_of(back.header.local),
                Ok(PortType::SEND_ONCE)
            );
            ended.send(()).unwrap();
            let dead = other.send_with(&simple(6, (port, MakeSend), None), NONE, 0);
            (codes, interrupted, dead)
        });
        let target = thread.recv().unwrap();
        let blocked = |senders: bool| {
            let port = task.space.receive_port(port).unwrap();
            let state = port.state.lock();
            if senders {
                state.blocked_senders == 1
            } else {
                !state.receivers.is_empty()
            }
        };
        for senders in [false, false, true] {
            wait_for(|| blocked(senders));
            target.interrupt();
            // The next look must not find what is left of this wait.
            ends.recv_timeout(PATIENCE).unwrap();
        }
        wait_for(|| blocked(true));
        task.space.mod_refs(port, PortRight::Receive, -1).unwrap();
        let (codes, interrupted, dead) = waiting.join().unwrap();
        assert_eq!(codes, [KernReturn::RCV_INTERRUPTED; 2]);
        assert_eq!(
            (interrupted, dead),
            (KernReturn::SEND_INTERRUPTED, KernReturn::SEND_INVALID_DEST)
        );
    });
}

#[test]
fn receivers_learn_whether_the_port_died_or_moved_and_sets_that_they_end() {
    let _world = World::new();
    let task = Task::new();
    let [dies, moves] = [(); 2].map(|()| task.space.allocate(PortRight::Receive).unwrap());
    let set = task.space.allocate(PortRight::PortSet).unwrap();
    std::thread::scope(|scope| {
        let waiting = [dies, moves, set].map(|name| {
            let other = task.fork_thread();
            scope.spawn(move || other.receive_with(name, NONE, 0, 1000).unwrap_err())
        });
        for name in [dies, moves] {
            wait_for(|| {
                !task
                    .space
                    .receive_port(name)
                    .unwrap()
                    .state
                    .lock()
                    .receivers
                    .is_empty()
            });
        }
        wait_for(|| {
            !task
                .space
                .lock()
                .set(set)
                .unwrap()
                .state
                .lock()
                .receivers
                .is_empty()
        });
        task.space.destroy_name(dies).unwrap();
        let moved = task.space.copyin(moves, MoveReceive).unwrap();
        task.space.destroy_name(set).unwrap();
        let codes = waiting.map(|thread| thread.join().unwrap());
        assert_eq!(
            codes,
            [
                KernReturn::RCV_PORT_DIED,
                KernReturn::RCV_PORT_CHANGED,
                KernReturn::RCV_PORT_DIED
            ]
        );
        moved.right().unwrap().release();
    });
}

#[test]
fn a_message_too_large_stays_or_is_lost_as_the_receiver_wants() {
    let _world = World::new();
    let task = Task::new();
    let port = task.space.allocate(PortRight::Receive).unwrap();
    let set = task.space.allocate(PortRight::PortSet).unwrap();
    task.space.insert_member(port, set).unwrap();
    let mut message = simple(9, (port, MakeSend), Some((port, MakeSendOnce)));
    message.inline.extend_from_slice(&[7; 100]);
    task.send(&message);
    let large = MsgOptions::RCV_LARGE | MsgOptions::RCV_LARGE_IDENTITY | MsgOptions::RCV_TIMEOUT;
    for name in [port, set, set] {
        assert_eq!(
            task.receive_with(name, large, 0, 124 + 51).unwrap_err(),
            KernReturn::RCV_TOO_LARGE
        );
        let header = task.memory.read(task.buffer, 24);
        assert_eq!(header[4..8], 124u32.to_le_bytes());
        assert_eq!(header[12..16], port.0.to_le_bytes());
    }
    let (received, _) = task.receive_with(set, large, 0, 124 + 52).unwrap();
    assert_eq!(received.inline, message.inline);
    task.space.destroy_name(received.header.remote).unwrap();
    assert_eq!(
        receive(&task, port).header.id,
        crate::ipc_notify::id::SEND_ONCE
    );
    // Without the option it is gone, and its rights with it.
    task.send(&message);
    assert_eq!(
        task.receive_with(set, MsgOptions::RCV_TIMEOUT, 0, 100)
            .unwrap_err(),
        KernReturn::RCV_TOO_LARGE
    );
    let (empty, _) = task.parse();
    assert_eq!((empty.header.size, empty.header.id), (24, 0));
    assert_eq!(
        receive(&task, port).header.id,
        crate::ipc_notify::id::SEND_ONCE
    );
    // A waiting receiver that is too small leaves the message to the next.
    std::thread::scope(|scope| {
        let (small, big) = (task.fork_thread(), task.fork_thread());
        let small = scope.spawn(move || {
            small
                .receive_with(set, MsgOptions::RCV_LARGE, 0, 100)
                .unwrap_err()
        });
        let state = || task.space.lock().set(set).unwrap().clone();
        wait_for(|| !state().state.lock().receivers.is_empty());
        let big = scope.spawn(move || big.receive_with(port, NONE, 0, 1000).unwrap().0);
        wait_for(|| {
            !task
                .space
                .receive_port(port)
                .unwrap()
                .state
                .lock()
                .receivers
                .is_empty()
        });
        task.send(&message);
        assert_eq!(big.join().unwrap().inline, message.inline);
        task.send(&message);
        assert_eq!(small.join().unwrap(), KernReturn::RCV_TOO_LARGE);
        assert_eq!(receive(&task, port).inline, message.inline);
    });
}

#[test]
fn sets_receive_from_all_members_in_turn() {
    let _world = World::new();
    let task = Task::new();
    let set = task.space.allocate(PortRight::PortSet).unwrap();
    let ports: Vec<_> = (0..20)
        .map(|_| task.space.allocate(PortRight::Receive).unwrap())
        .collect();
    for (index, port) in ports.iter().enumerate() {
        if index % 2 == 0 {
            (0..3).for_each(|id| post(&task, *port, id));
        }
        task.space.insert_member(*port, set).unwrap();
        assert_eq!(
            task.space.insert_member(*port, set),
            Err(KernReturn::ALREADY_IN_SET)
        );
        if index % 2 == 1 {
            (0..3).for_each(|id| post(&task, *port, id));
        }
    }
    task.space.lock().set(set).unwrap().validate();
    assert_eq!(task.space.get_set_status(set).unwrap(), ports);
    // Three rounds, every member once in each.
    for round in 0..3 {
        let mut seen: Vec<_> = (0..20)
            .map(|_| {
                let header = receive(&task, set).header;
                assert_eq!(
                    header.id, round,
                    "fair: nobody comes twice before everybody came once"
                );
                header.local
            })
            .collect();
        seen.sort();
        assert_eq!(seen, ports);
    }
    assert_eq!(task.receive(set).unwrap_err(), KernReturn::RCV_TIMED_OUT);
    // A member may be received from directly; the set does not mind.
    post(&task, ports[3], 33);
    assert_eq!(receive(&task, ports[3]).header.id, 33);
    assert_eq!(task.receive(set).unwrap_err(), KernReturn::RCV_TIMED_OUT);
    // Out of the set its messages wait for a direct receiver.
    post(&task, ports[4], 44);
    task.space.extract_member(ports[4], set).unwrap();
    assert_eq!(
        task.space.extract_member(ports[4], set),
        Err(KernReturn::NOT_IN_SET)
    );
    assert_eq!(task.receive(set).unwrap_err(), KernReturn::RCV_TIMED_OUT);
    assert_eq!(receive(&task, ports[4]).header.id, 44);
    assert_eq!(
        task.space.insert_member(set, set),
        Err(KernReturn::INVALID_RIGHT)
    );
    assert_eq!(
        task.space.insert_member(ports[4], ports[5]),
        Err(KernReturn::INVALID_RIGHT)
    );
    assert_eq!(
        task.space.insert_member(PortName::NULL, set),
        Err(KernReturn::INVALID_RIGHT)
    );
    task.space.destroy_name(set).unwrap();
    post(&task, ports[5], 55);
    assert_eq!(receive(&task, ports[5]).header.id, 55);
}

#[test]
fn a_port_may_be_in_several_sets_and_move_between_them() {
    let _world = World::new();
    let task = Task::new();
    let port = task.space.allocate(PortRight::Receive).unwrap();
    let sets: Vec<_> = (0..3)
        .map(|_| task.space.allocate(PortRight::PortSet).unwrap())
        .collect();
    for set in &sets {
        task.space.insert_member(port, *set).unwrap();
    }
    (0..3).for_each(|id| post(&task, port, id));
    for (id, set) in sets.iter().enumerate() {
        assert_eq!(receive(&task, *set).header.id, id as i32);
    }
    task.space.move_member(port, sets[1]).unwrap();
    assert_eq!(task.space.get_set_status(sets[0]).unwrap(), []);
    assert_eq!(task.space.get_set_status(sets[1]).unwrap(), [port]);
    task.space.move_member(port, PortName::NULL).unwrap();
    assert_eq!(
        task.space.move_member(port, PortName::NULL),
        Err(KernReturn::NOT_IN_SET)
    );
    post(&task, port, 9);
    for set in &sets {
        assert_eq!(task.receive(*set).unwrap_err(), KernReturn::RCV_TIMED_OUT);
        task.space.lock().set(*set).unwrap().validate();
    }
    // Into a set with its message waiting.
    task.space.move_member(port, sets[2]).unwrap();
    assert_eq!(receive(&task, sets[2]).header.id, 9);
}

#[test]
fn a_trailer_has_what_was_asked_for() {
    let _world = World::new();
    let task = Task::new();
    let port = task.space.allocate(PortRight::Receive).unwrap();
    task.space.set_context(port, 0x1122_3344_5566_7788).unwrap();
    let sizes = [
        (TrailerElements::Null, 8),
        (TrailerElements::SequenceNumber, 12),
        (TrailerElements::Sender, 20),
        (TrailerElements::Audit, 52),
        (TrailerElements::Context, 60),
        (TrailerElements::Everything, 68),
    ];
    for (index, (elements, size)) in sizes.into_iter().enumerate() {
        post(&task, port, 1);
        let get = |receive_size| {
            task.call(crate::MsgArguments {
                address: task.buffer,
                options: (MsgOptions::RCV_MSG | MsgOptions::RCV_LARGE).with_trailer(elements),
                receive_size,
                receive_name: port,
                ..Default::default()
            })
        };
        assert_eq!(get(24 + size - 1), KernReturn::RCV_TOO_LARGE);
        assert_eq!(get(24 + size), KernReturn::SUCCESS);
        let (_, trailer) = task.parse();
        let bytes = task.memory.read(task.buffer + 24, 8);
        assert_eq!(bytes[4..8], size.to_le_bytes());
        assert_eq!(
            trailer.sequence_number,
            if size >= 12 { index as u32 } else { 0 }
        );
        assert_eq!(trailer.context != 0, size >= 60);
    }
    let odd = MsgOptions::RCV_MSG | MsgOptions::from_bits_retain(0x1000_0000);
    let code = task.call(crate::MsgArguments {
        options: odd,
        receive_name: port,
        ..Default::default()
    });
    assert_eq!(code, KernReturn::RCV_INVALID_TRAILER);
}

/// One call that sends a request and receives the answer.
fn call(task: &Task, request: &RawMessage, reply: PortName) -> KernReturn {
    crate::UserMemory::copyout(&*task.memory, &request.encode(), task.buffer).unwrap();
    let options = MsgOptions::SEND_MSG | MsgOptions::RCV_MSG;
    task.call(crate::MsgArguments {
        address: task.buffer,
        options: options.with_trailer(TrailerElements::Audit),
        send_size: request.wire_size() as u32,
        receive_size: BUFFER as u32,
        receive_name: reply,
        ..Default::default()
    })
}

#[test]
fn many_clients_and_servers_call_each_other_and_nothing_is_lost() {
    let _world = World::new();
    const CALLS: u32 = 3000;
    let server = Task::new();
    let set = server.space.allocate(PortRight::PortSet).unwrap();
    let services: Vec<_> = (0..3)
        .map(|_| server.space.allocate(PortRight::Receive).unwrap())
        .collect();
    services
        .iter()
        .for_each(|name| server.space.insert_member(*name, set).unwrap());
    let clients: Vec<_> = (0..4).map(|_| Task::new()).collect();
    let served = AtomicU32::new(0);
    std::thread::scope(|scope| {
        for worker in 0..3 {
            let thread = server.fork_thread();
            let (served, services) = (&served, &services);
            scope.spawn(move || {
                // One of the servers waits on a port directly.
                let source = if worker == 2 { services[0] } else { set };
                loop {
                    let request = match thread.receive_with(source, NONE, 0, 4096) {
                        Ok((request, _)) => request,
                        Err(KernReturn::RCV_PORT_DIED | KernReturn::RCV_INVALID_NAME) => return,
                        Err(code) => panic!("{code}"),
                    };
                    served.fetch_add(1, Ordering::Relaxed);
                    let mut answer = simple(
                        request.header.id + 100,
                        (request.header.remote, MoveSendOnce),
                        None,
                    );
                    answer.inline = request.inline;
                    assert_eq!(thread.send_with(&answer, NONE, 0), KernReturn::SUCCESS);
                }
            });
        }
        let callers: Vec<_> = clients
            .iter()
            .enumerate()
            .map(|(number, client)| {
                let sends: Vec<_> = services
                    .iter()
                    .map(|name| server.send_right_for(*name, client))
                    .collect();
                scope.spawn(move || {
                    let reply = client.space.reply_port();
                    for round in 0..CALLS {
                        let id = (number as u32 * CALLS + round) as i32;
                        let service = sends[round as usize % sends.len()];
                        let mut request =
                            simple(id, (service, CopySend), Some((reply, MakeSendOnce)));
                        request.inline.extend_from_slice(&id.to_le_bytes());
                        assert_eq!(call(client, &request, reply), KernReturn::SUCCESS);
                        let (answer, _) = client.parse();
                        assert_eq!(
                            (answer.header.id, answer.inline),
                            (id + 100, request.inline)
                        );
                    }
                })
            })
            .collect();
        callers
            .into_iter()
            .for_each(|caller| caller.join().unwrap());
        for name in &services {
            server.space.receive_port(*name).unwrap().validate();
            server.space.destroy_name(*name).unwrap();
        }
        server.space.destroy_name(set).unwrap();
    });
    assert_eq!(served.load(Ordering::Relaxed), 4 * CALLS);
}

#[test]
fn ports_die_while_everybody_sends_receives_and_is_interrupted() {
    let _world = World::new();
    const ROUNDS: u32 = 150;
    let stop = AtomicBool::new(false);
    let progress = AtomicU64::new(0);
    let owner = Task::new();
    let (victim, other) = (Task::new(), Task::new());
    let set = owner.space.allocate(PortRight::PortSet).unwrap();
    // The current port, as the owner and the two other tasks name it.
    struct Stop<'a>(&'a AtomicBool);
    impl Drop for Stop<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
    let current: std::sync::Mutex<[PortName; 3]> = std::sync::Mutex::new([PortName::NULL; 3]);
    std::thread::scope(|scope| {
        let (sender, handles) = mpsc::channel();
        for number in 0..6u64 {
            let task = match number % 3 {
                0 => owner.fork_thread(),
                1 => victim.fork_thread(),
                _ => other.fork_thread(),
            };
            let (stop, progress, current, sender) = (&stop, &progress, &current, sender.clone());
            scope.spawn(move || {
                sender.send(prim::thread::current().arc()).unwrap();
                let mut random = Random(77 + number);
                let notify = task.space.reply_port();
                while !stop.load(Ordering::Relaxed) {
                    let name = current.lock().unwrap()[number as usize % 3];
                    progress.fetch_add(1, Ordering::Relaxed);
                    if number % 3 == 0 {
                        let source = if random.below(2) == 0 { name } else { set };
                        let timeout = random.below(3) as u32;
                        if let Ok((message, _)) =
                            task.receive_with(source, MsgOptions::RCV_TIMEOUT, timeout, 4096)
                            && message.header.remote.is_valid()
                        {
                            let reply = message.header.remote;
                            if random.below(3) == 0 {
                                let _ = task.space.deallocate(reply);
                            } else {
                                let _ = task.send(&simple(1, (reply, MoveSendOnce), None));
                            }
                        }
                        continue;
                    }
                    let local = (random.below(2) == 0).then_some((notify, MakeSendOnce));
                    let message = simple(1, (name, CopySend), local);
                    let timeout = random.below(3) as u32;
                    let code = task.send_with(&message, MsgOptions::SEND_TIMEOUT, timeout);
                    if matches!(
                        code,
                        KernReturn::SEND_TIMED_OUT | KernReturn::SEND_INTERRUPTED
                    ) {
                        // What came back has names: give them up.
                        let back = RawMessage::parse(&task.memory.read(task.buffer, 24)).unwrap();
                        let _ = task.space.deallocate(back.header.remote);
                        if back.header.local.is_valid() {
                            let _ = task.space.deallocate(back.header.local);
                        }
                    }
                    while task.receive(notify).is_ok() {}
                }
                let _ = task.space.destroy_name(notify);
            });
        }
        // However this ends, the others must.
        let stopped = Stop(&stop);
        let threads: Vec<_> = (0..6).map(|_| handles.recv().unwrap()).collect();
        let mut random = Random(4242);
        for round in 0..ROUNDS {
            let name = owner.space.allocate(PortRight::Receive).unwrap();
            owner.space.insert_member(name, set).unwrap();
            let names = [
                name,
                owner.send_right_for(name, &victim),
                owner.send_right_for(name, &other),
            ];
            let notify = owner.space.reply_port();
            let right = owner.space.copyin(notify, MakeSendOnce).unwrap();
            if let mach::message::Carried::Right(crate::Right::SendOnce(right)) = right {
                let port = owner.space.receive_port(name).unwrap();
                drop(port.request_no_senders(Some(right), 0));
            }
            *current.lock().unwrap() = names;
            let before = progress.load(Ordering::Relaxed);
            wait_for(|| progress.load(Ordering::Relaxed) > before + 200);
            for _ in 0..4 {
                threads[random.below(threads.len())].interrupt();
            }
            // The port dies, or its senders do, or its receive right goes on a journey.
            match round % 3 {
                0 => owner.space.mod_refs(name, PortRight::Receive, -1).unwrap(),
                1 => {
                    let _ = victim.space.destroy_name(names[1]);
                    let _ = other.space.destroy_name(names[2]);
                    owner.space.destroy_name(name).unwrap();
                }
                _ => owner
                    .space
                    .copyin(name, MoveReceive)
                    .unwrap()
                    .right()
                    .unwrap()
                    .release(),
            }
            // Exactly one message tells of the end: no senders, or the right unused.
            settle();
            let told = owner
                .receive_with(notify, MsgOptions::RCV_TIMEOUT, 60_000, 4096)
                .map(|(message, _)| message.header.id);
            assert!(matches!(told, Ok(70 | 71)), "{told:?}");
            assert_eq!(
                owner.receive(notify).unwrap_err(),
                KernReturn::RCV_TIMED_OUT
            );
            owner.space.destroy_name(notify).unwrap();
            let _ = victim.space.destroy_name(names[1]);
            let _ = other.space.destroy_name(names[2]);
            owner.space.lock().set(set).unwrap().validate();
        }
        drop(stopped);
        // Whoever waits without end is woken by the end of the set.
        owner.space.destroy_name(set).unwrap();
    });
    for task in [&owner, &victim, &other] {
        task.space.validate();
    }
}

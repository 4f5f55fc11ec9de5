//! Names and rights: every disposition, every code, and a model.

use crate::ipc_notify::id;
use crate::testing::{Task, World, simple};
use mach::message::Carried;
use mach::port::UREFS_MAX;
use mach::{Disposition, KernReturn, PortName, PortRight, PortType};

const MAX: i32 = UREFS_MAX as i32;

#[test]
fn names_are_index_and_generation_and_end_in_binary_11() {
    let _world = World::new();
    let task = Task::new();
    let first = task.space.allocate(PortRight::Receive).unwrap();
    let second = task.space.allocate(PortRight::PortSet).unwrap();
    assert_eq!((first, second), (PortName(0x103), PortName(0x203)));
    task.space.destroy_name(first).unwrap();
    let again = task.space.allocate(PortRight::DeadName).unwrap();
    assert_eq!(
        again,
        PortName(0x107),
        "the same entry has another generation"
    );
    assert_eq!(task.space.type_of(first), Err(KernReturn::INVALID_NAME));
    assert_eq!(task.space.type_of(again), Ok(PortType::DEAD_NAME));
    for _ in 0..1000 {
        task.space
            .destroy_name(task.space.allocate(PortRight::DeadName).unwrap())
            .unwrap();
        task.space.validate();
    }
}

#[test]
fn the_table_grows_and_every_name_stays() {
    let _world = World::new();
    let task = Task::new();
    let names: Vec<_> = (0..5000)
        .map(|_| task.space.allocate(PortRight::Receive).unwrap())
        .collect();
    task.space.validate();
    let mut listed: Vec<_> = task
        .space
        .names()
        .unwrap()
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    listed.sort();
    assert_eq!(listed, names);
}

#[test]
fn allocate_refuses_rights_that_cannot_be_made_of_nothing() {
    let _world = World::new();
    let task = Task::new();
    assert_eq!(
        task.space.allocate(PortRight::Send),
        Err(KernReturn::INVALID_VALUE)
    );
    assert_eq!(
        task.space.allocate(PortRight::SendOnce),
        Err(KernReturn::INVALID_VALUE)
    );
}

#[test]
fn a_chosen_name_is_used_once() {
    let _world = World::new();
    let task = Task::new();
    let name = PortName(0x5043);
    task.space.allocate_name(PortRight::Receive, name).unwrap();
    assert_eq!(task.space.type_of(name), Ok(PortType::RECEIVE));
    assert_eq!(
        task.space.allocate_name(PortRight::Receive, name),
        Err(KernReturn::NAME_EXISTS)
    );
    assert_eq!(
        task.space
            .allocate_name(PortRight::PortSet, PortName(0x5047)),
        Err(KernReturn::NAME_EXISTS)
    );
    assert_eq!(
        task.space
            .allocate_name(PortRight::DeadName, PortName::NULL),
        Err(KernReturn::INVALID_VALUE)
    );
    assert_eq!(
        task.space.allocate_name(PortRight::DeadName, PortName(0x3)),
        Err(KernReturn::NO_SPACE)
    );
    assert_eq!(
        task.space
            .allocate_name(PortRight::DeadName, PortName(0xffff_ff03)),
        Err(KernReturn::NO_SPACE)
    );
    // Entries around it are still handed out, each once.
    let names: std::collections::BTreeSet<_> = (0..300)
        .map(|_| task.space.allocate(PortRight::DeadName).unwrap())
        .collect();
    assert_eq!(names.len(), 300);
    assert!(!names.iter().any(|other| other.index() == name.index()));
    task.space.destroy_name(name).unwrap();
    task.space.validate();
}

#[test]
fn one_space_has_one_name_for_a_port() {
    let _world = World::new();
    let (server, client) = (Task::new(), Task::new());
    let port = server.space.allocate(PortRight::Receive).unwrap();
    let name = server.send_right_for(port, &client);
    assert_eq!(server.send_right_for(port, &client), name);
    assert_eq!(client.space.get_refs(name, PortRight::Send), Ok(2));
    // A send right joins the receive right's name.
    assert_eq!(server.send_right_for(port, &server), port);
    assert_eq!(server.space.type_of(port), Ok(PortType::SEND_RECEIVE));
    // Send-once rights get names of their own.
    let once = server.send_once_right_for(port, &client);
    assert_ne!(once, server.send_once_right_for(port, &client));
    assert_eq!(client.space.type_of(once), Ok(PortType::SEND_ONCE));
    // The receive right joins the send right's name.
    let receive = server
        .space
        .copyin(port, Disposition::MoveReceive)
        .unwrap()
        .right()
        .unwrap();
    assert_eq!(client.space.copyout(receive).unwrap(), name);
    assert_eq!(client.space.type_of(name), Ok(PortType::SEND_RECEIVE));
    assert_eq!(
        server.space.type_of(port),
        Ok(PortType::SEND),
        "the send right stayed behind"
    );
}

#[test]
fn every_disposition_needs_its_right() {
    use Disposition::*;
    let _world = World::new();
    let task = Task::new();
    let other = Task::new();
    let receive = other.space.allocate(PortRight::Receive).unwrap();
    let own = task.space.allocate(PortRight::Receive).unwrap();
    let send = other.send_right_for(receive, &task);
    let once = other.send_once_right_for(receive, &task);
    let both = task.port_with_send();
    let set = task.space.allocate(PortRight::PortSet).unwrap();
    let refused = |name, disposition| {
        let code = task.space.copyin(name, disposition).err();
        assert_eq!(
            code,
            Some(KernReturn::INVALID_RIGHT),
            "{disposition:?} of {name}"
        );
    };
    for disposition in [MakeSend, MakeSendOnce, MoveReceive] {
        [send, once, set]
            .into_iter()
            .for_each(|name| refused(name, disposition));
    }
    for disposition in [CopySend, MoveSend] {
        [own, once, set]
            .into_iter()
            .for_each(|name| refused(name, disposition));
    }
    [own, send, both, set]
        .into_iter()
        .for_each(|name| refused(name, MoveSendOnce));
    refused(both, CopyReceive);
    assert_eq!(
        task.space.copyin(PortName(0x7703), CopySend).unwrap_err(),
        KernReturn::INVALID_NAME
    );
    assert!(matches!(
        task.space.copyin(PortName::NULL, MoveReceive),
        Ok(Carried::Null)
    ));
    assert!(matches!(
        task.space.copyin(PortName::DEAD, MoveSend),
        Ok(Carried::Dead)
    ));
    // Granted ones.
    for (name, disposition) in [
        (own, MakeSend),
        (own, MakeSendOnce),
        (send, CopySend),
        (both, CopySend),
        (both, MoveSend),
    ] {
        task.space
            .copyin(name, disposition)
            .unwrap()
            .right()
            .unwrap()
            .release();
    }
    assert_eq!(
        task.space.type_of(both),
        Ok(PortType::RECEIVE),
        "the only send reference moved away"
    );
    task.space
        .copyin(send, MoveSend)
        .unwrap()
        .right()
        .unwrap()
        .release();
    assert_eq!(task.space.type_of(send), Err(KernReturn::INVALID_NAME));
    task.space
        .copyin(once, MoveSendOnce)
        .unwrap()
        .right()
        .unwrap()
        .release();
    assert_eq!(task.space.type_of(once), Err(KernReturn::INVALID_NAME));
    assert_eq!(
        other.receive(receive).unwrap().0.header.id,
        id::SEND_ONCE,
        "an unused right tells its port"
    );
    task.space
        .copyin(own, MoveReceive)
        .unwrap()
        .right()
        .unwrap()
        .release();
    assert_eq!(task.space.type_of(own), Err(KernReturn::INVALID_NAME));
}

#[test]
fn user_references_are_counted_per_right() {
    let _world = World::new();
    let task = Task::new();
    let port = task.port_with_send();
    let space = &task.space;
    space.mod_refs(port, PortRight::Send, 4).unwrap();
    assert_eq!(space.get_refs(port, PortRight::Send), Ok(5));
    assert_eq!(
        space.get_srights(port),
        Ok(1),
        "however many references, it is one right"
    );
    assert_eq!(space.get_refs(port, PortRight::Receive), Ok(1));
    assert_eq!(space.get_refs(port, PortRight::SendOnce), Ok(0));
    assert_eq!(
        space.mod_refs(port, PortRight::Send, -6),
        Err(KernReturn::INVALID_VALUE)
    );
    assert_eq!(
        space.mod_refs(port, PortRight::Receive, 1),
        Err(KernReturn::INVALID_VALUE)
    );
    assert_eq!(space.mod_refs(port, PortRight::Receive, 0), Ok(()));
    assert_eq!(
        space.mod_refs(port, PortRight::PortSet, -1),
        Err(KernReturn::INVALID_RIGHT)
    );
    assert_eq!(
        space.mod_refs(port, PortRight::DeadName, 1),
        Err(KernReturn::INVALID_RIGHT)
    );
    assert_eq!(
        space.mod_refs(PortName(0x9903), PortRight::Send, 1),
        Err(KernReturn::INVALID_NAME)
    );
    space.deallocate(port).unwrap();
    space.mod_refs(port, PortRight::Send, -4).unwrap();
    assert_eq!(space.type_of(port), Ok(PortType::RECEIVE));
    assert_eq!(space.deallocate(port), Err(KernReturn::INVALID_RIGHT));
    assert_eq!(
        space.mod_refs(port, PortRight::Send, 1),
        Err(KernReturn::INVALID_RIGHT)
    );
    let set = space.allocate(PortRight::PortSet).unwrap();
    assert_eq!(space.deallocate(set), Err(KernReturn::INVALID_RIGHT));
    space.mod_refs(set, PortRight::PortSet, -1).unwrap();
    assert_eq!(space.type_of(set), Err(KernReturn::INVALID_NAME));
}

#[test]
fn references_that_reach_the_maximum_stay_there() {
    let _world = World::new();
    let task = Task::new();
    let port = task.port_with_send();
    let space = &task.space;
    space.mod_refs(port, PortRight::Send, i32::MAX).unwrap();
    assert_eq!(space.get_refs(port, PortRight::Send), Ok(UREFS_MAX));
    space.deallocate(port).unwrap();
    space.mod_refs(port, PortRight::Send, -5).unwrap();
    space
        .copyin(port, Disposition::MoveSend)
        .unwrap()
        .right()
        .unwrap()
        .release();
    let another = task.send_right_for(port, &task);
    assert_eq!(
        (another, space.get_refs(port, PortRight::Send)),
        (port, Ok(UREFS_MAX))
    );
    space.mod_refs(port, PortRight::Send, -MAX).unwrap();
    assert_eq!(space.type_of(port), Ok(PortType::RECEIVE));
    assert_eq!(space.get_srights(port), Ok(0));
}

#[test]
fn a_dead_port_leaves_dead_names_with_their_references() {
    let _world = World::new();
    let (server, client) = (Task::new(), Task::new());
    let port = server.space.allocate(PortRight::Receive).unwrap();
    let send = server.send_right_for(port, &client);
    let once = server.send_once_right_for(port, &client);
    client.space.mod_refs(send, PortRight::Send, 2).unwrap();
    server.space.mod_refs(port, PortRight::Receive, -1).unwrap();
    assert_eq!(client.space.type_of(send), Ok(PortType::DEAD_NAME));
    assert_eq!(client.space.get_refs(send, PortRight::DeadName), Ok(3));
    assert_eq!(
        client.space.mod_refs(send, PortRight::Send, -1),
        Err(KernReturn::INVALID_RIGHT)
    );
    assert!(matches!(
        client.space.copyin(send, Disposition::CopySend),
        Ok(Carried::Dead)
    ));
    assert!(matches!(
        client.space.copyin(send, Disposition::MoveSend),
        Ok(Carried::Dead)
    ));
    assert_eq!(client.space.get_refs(send, PortRight::DeadName), Ok(2));
    client
        .space
        .mod_refs(send, PortRight::DeadName, -2)
        .unwrap();
    assert_eq!(client.space.type_of(send), Err(KernReturn::INVALID_NAME));
    assert!(matches!(
        client.space.copyin(once, Disposition::MoveSendOnce),
        Ok(Carried::Dead)
    ));
    assert_eq!(client.space.type_of(once), Err(KernReturn::INVALID_NAME));
}

#[test]
fn the_end_of_a_receive_right_makes_the_send_right_beside_it_a_dead_name() {
    let _world = World::new();
    let task = Task::new();
    let port = task.port_with_send();
    task.space.mod_refs(port, PortRight::Send, 1).unwrap();
    task.space.mod_refs(port, PortRight::Receive, -1).unwrap();
    assert_eq!(task.space.type_of(port), Ok(PortType::DEAD_NAME));
    assert_eq!(task.space.get_refs(port, PortRight::DeadName), Ok(2));
    let other = task.port_with_send();
    task.space.destroy_name(other).unwrap();
    assert_eq!(task.space.type_of(other), Err(KernReturn::INVALID_NAME));
}

#[test]
fn insert_and_extract_name_the_right_they_mean() {
    let _world = World::new();
    let (server, client) = (Task::new(), Task::new());
    let port = server.space.allocate(PortRight::Receive).unwrap();
    let make = || {
        server
            .space
            .extract_right(port, Disposition::MakeSend.raw())
            .unwrap()
    };
    let (here, there) = (PortName(0x1043), PortName(0x1143));
    client.space.insert_right(here, make()).unwrap();
    client.space.insert_right(here, make()).unwrap();
    assert_eq!(client.space.get_refs(here, PortRight::Send), Ok(2));
    assert_eq!(
        client.space.insert_right(there, make()),
        Err(KernReturn::RIGHT_EXISTS)
    );
    let set = client.space.allocate(PortRight::PortSet).unwrap();
    assert_eq!(
        client.space.insert_right(set, make()),
        Err(KernReturn::NAME_EXISTS)
    );
    assert_eq!(
        client.space.insert_right(PortName::NULL, make()),
        Err(KernReturn::INVALID_VALUE)
    );
    assert_eq!(
        client.space.insert_right(there, Carried::Null),
        Err(KernReturn::INVALID_CAPABILITY)
    );
    assert_eq!(
        client.space.extract_right(here, 99).unwrap_err(),
        KernReturn::INVALID_VALUE
    );
    assert_eq!(
        client
            .space
            .extract_right(here, Disposition::MakeSend.raw())
            .unwrap_err(),
        KernReturn::INVALID_RIGHT
    );
    let dead = make();
    server.space.destroy_name(port).unwrap();
    assert_eq!(
        client.space.insert_right(there, dead),
        Err(KernReturn::INVALID_CAPABILITY)
    );
    assert_eq!(client.space.type_of(here), Ok(PortType::DEAD_NAME));
}

#[test]
fn a_deleted_name_answers_its_dead_name_request() {
    let _world = World::new();
    let (server, client) = (Task::new(), Task::new());
    let port = server.space.allocate(PortRight::Receive).unwrap();
    let notify = client.space.allocate(PortRight::Receive).unwrap();
    let send = server.send_right_for(port, &client);
    let right = |task: &Task| match task
        .space
        .copyin(notify, Disposition::MakeSendOnce)
        .unwrap()
    {
        Carried::Right(crate::Right::SendOnce(right)) => Some(right),
        _ => unreachable!(),
    };
    assert!(
        client
            .space
            .request_notification(send, id::DEAD_NAME, 0, right(&client))
            .unwrap()
            .is_none()
    );
    let bits = client.space.type_of(send).unwrap();
    assert_eq!(bits, PortType::SEND | PortType::DEAD_NAME_REQUEST);
    // Replacing gives the old right back.
    let old = client
        .space
        .request_notification(send, id::DEAD_NAME, 0, right(&client))
        .unwrap();
    old.expect("there was one").release();
    assert_eq!(client.receive(notify).unwrap().0.header.id, id::SEND_ONCE);
    client.space.deallocate(send).unwrap();
    let (message, _) = client.receive(notify).unwrap();
    assert_eq!(message.header.id, id::PORT_DELETED);
    assert_eq!(message.inline[8..12], send.0.to_le_bytes());
}

#[test]
fn a_dead_name_notification_stands_for_a_reference() {
    let _world = World::new();
    let (server, client) = (Task::new(), Task::new());
    let port = server.space.allocate(PortRight::Receive).unwrap();
    let notify = client.space.allocate(PortRight::Receive).unwrap();
    let send = server.send_right_for(port, &client);
    let right = || match client
        .space
        .copyin(notify, Disposition::MakeSendOnce)
        .unwrap()
    {
        Carried::Right(crate::Right::SendOnce(right)) => Some(right),
        _ => unreachable!(),
    };
    client
        .space
        .request_notification(send, id::DEAD_NAME, 0, right())
        .unwrap();
    server.space.destroy_name(port).unwrap();
    let (message, _) = client.receive(notify).unwrap();
    assert_eq!(
        (message.header.id, message.header.size),
        (id::DEAD_NAME, 36)
    );
    assert_eq!(message.inline[..8], [0, 0, 0, 0, 1, 0, 0, 0]);
    assert_eq!(message.inline[8..12], send.0.to_le_bytes());
    assert_eq!(client.space.get_refs(send, PortRight::DeadName), Ok(2));
    // On a name that is dead already: only with an option, and at once.
    let (code, back) = client
        .space
        .request_notification(send, id::DEAD_NAME, 0, right())
        .unwrap_err();
    assert_eq!(code, KernReturn::INVALID_ARGUMENT);
    client
        .space
        .request_notification(send, id::DEAD_NAME, 1, back)
        .unwrap();
    assert_eq!(client.receive(notify).unwrap().0.header.id, id::DEAD_NAME);
    assert_eq!(client.space.get_refs(send, PortRight::DeadName), Ok(3));
    client
        .space
        .request_notification(send, id::SEND_POSSIBLE, 0, right())
        .unwrap();
    assert_eq!(client.receive(notify).unwrap().0.header.id, id::DEAD_NAME);
    assert_eq!(client.space.get_refs(send, PortRight::DeadName), Ok(4));
}

#[test]
fn requests_that_make_no_sense_are_refused() {
    let _world = World::new();
    let task = Task::new();
    let port = task.space.allocate(PortRight::Receive).unwrap();
    let set = task.space.allocate(PortRight::PortSet).unwrap();
    let request = |name, id, sync| {
        task.space
            .request_notification(name, id, sync, None)
            .map_err(|(code, _)| code)
            .err()
    };
    assert_eq!(request(port, 68, 0), Some(KernReturn::INVALID_VALUE));
    assert_eq!(
        request(port, id::PORT_DESTROYED, 1),
        Some(KernReturn::INVALID_VALUE)
    );
    assert_eq!(
        request(set, id::NO_SENDERS, 0),
        Some(KernReturn::INVALID_RIGHT)
    );
    assert_eq!(
        request(PortName(0x8803), id::NO_SENDERS, 0),
        Some(KernReturn::INVALID_NAME)
    );
    assert_eq!(
        request(PortName(0x8803), id::DEAD_NAME, 0),
        Some(KernReturn::INVALID_NAME)
    );
    assert_eq!(
        request(PortName::NULL, id::SEND_POSSIBLE, 0),
        Some(KernReturn::INVALID_ARGUMENT)
    );
    assert_eq!(
        request(set, id::DEAD_NAME, 0),
        Some(KernReturn::INVALID_RIGHT)
    );
}

#[test]
fn an_ended_space_answers_nothing() {
    let _world = World::new();
    let (server, client) = (Task::new(), Task::new());
    let port = server.space.allocate(PortRight::Receive).unwrap();
    let send = server.send_right_for(port, &client);
    server.space.destroy();
    assert_eq!(
        server.space.allocate(PortRight::DeadName),
        Err(KernReturn::INVALID_TASK)
    );
    assert_eq!(
        server.space.allocate(PortRight::Receive),
        Err(KernReturn::INVALID_TASK)
    );
    assert_eq!(server.space.type_of(port), Err(KernReturn::INVALID_TASK));
    assert_eq!(client.space.type_of(send), Ok(PortType::DEAD_NAME));
    let message = simple(1, (port, Disposition::MakeSend), None);
    assert_eq!(server.send(&message), KernReturn::SEND_INVALID_DEST);
    assert_eq!(
        server.receive(port).unwrap_err(),
        KernReturn::RCV_INVALID_NAME
    );
}

//! Random sequences over several spaces against a naive model of names, rights and queues.
//!
//! The model knows what a right is and who has it, and nothing of locks, tables, hashes or counts. After
//! each step every name, type, reference count and right count is compared.

use crate::ipc_notify::id::SEND_ONCE;
use crate::testing::{Random, Task, World, settle};
use mach::message::{MsgBits, RawDescriptor, RawMessage};
use mach::{Disposition, KernReturn, PortName, PortRight, PortType};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use Disposition::{CopySend, MakeSend, MakeSendOnce, MoveReceive, MoveSend, MoveSendOnce};

const DISPOSITIONS: [Disposition; 6] = [
    CopySend,
    MakeSend,
    MakeSendOnce,
    MoveReceive,
    MoveSend,
    MoveSendOnce,
];

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum ModelRight {
    Null,
    Dead,
    Send(usize),
    Once(usize),
    Receive(usize),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Name {
    Send { port: usize, urefs: u32 },
    Receive { port: usize, urefs: u32 },
    Once { port: usize },
    Dead { urefs: u32 },
}

struct Message {
    id: i32,
    destination: ModelRight,
    reply: ModelRight,
    carried: Vec<ModelRight>,
}

struct ModelPort {
    real: Arc<crate::Port>,
    alive: bool,
    queue: VecDeque<Message>,
    /// The port whose message the receive right is in.
    inside: Option<usize>,
}

#[derive(Default)]
struct Model {
    ports: Vec<ModelPort>,
    spaces: Vec<BTreeMap<PortName, Name>>,
}

impl Model {
    fn alive(&self, port: usize) -> bool {
        self.ports[port].alive
    }

    fn name_of(&self, space: usize, port: usize) -> Option<PortName> {
        self.spaces[space]
            .iter()
            .find_map(|(name, what)| match *what {
                Name::Send { port: other, .. } | Name::Receive { port: other, .. }
                    if other == port =>
                {
                    Some(*name)
                }
                _ => None,
            })
    }

    fn can(&self, space: usize, name: PortName, disposition: Disposition) -> bool {
        match (disposition, self.spaces[space].get(&name)) {
            (MakeSend | MakeSendOnce | MoveReceive, Some(Name::Receive { .. })) => true,
            (CopySend | MoveSend, Some(Name::Receive { urefs, .. })) => *urefs > 0,
            (CopySend | MoveSend, Some(Name::Send { .. } | Name::Dead { .. })) => true,
            (MoveSendOnce, Some(Name::Once { .. } | Name::Dead { .. })) => true,
            _ => false,
        }
    }

    /// Takes one reference off a name.
    fn drop_reference(&mut self, space: usize, name: PortName) {
        let gone = match self.spaces[space].get_mut(&name).unwrap() {
            Name::Send { urefs, .. } | Name::Dead { urefs } => {
                *urefs -= 1;
                *urefs == 0
            }
            Name::Receive { urefs, .. } => {
                *urefs -= 1;
                false
            }
            Name::Once { .. } => true,
        };
        if gone {
            self.spaces[space].remove(&name);
        }
    }

    fn copyin(
        &mut self,
        space: usize,
        name: PortName,
        disposition: Disposition,
    ) -> Option<ModelRight> {
        if !name.is_valid() {
            return Some(if name == PortName::NULL {
                ModelRight::Null
            } else {
                ModelRight::Dead
            });
        }
        if !self.can(space, name, disposition) {
            return None;
        }
        let entry = self.spaces[space][&name];
        Some(match (disposition, entry) {
            (MakeSend, Name::Receive { port, .. }) => ModelRight::Send(port),
            (MakeSendOnce, Name::Receive { port, .. }) => ModelRight::Once(port),
            (MoveReceive, Name::Receive { port, urefs }) => {
                if urefs == 0 {
                    self.spaces[space].remove(&name);
                } else {
                    self.spaces[space].insert(name, Name::Send { port, urefs });
                }
                ModelRight::Receive(port)
            }
            (CopySend, Name::Dead { .. }) => ModelRight::Dead,
            (CopySend, Name::Send { port, .. } | Name::Receive { port, .. }) => {
                ModelRight::Send(port)
            }
            (MoveSend | MoveSendOnce, Name::Dead { .. }) => {
                self.drop_reference(space, name);
                ModelRight::Dead
            }
            (MoveSend, Name::Send { port, .. } | Name::Receive { port, .. }) => {
                self.drop_reference(space, name);
                ModelRight::Send(port)
            }
            (MoveSendOnce, Name::Once { port }) => {
                self.spaces[space].remove(&name);
                ModelRight::Once(port)
            }
            other => unreachable!("{other:?}"),
        })
    }

    /// Puts a right under the name that the kernel chose, which must be right.
    fn copyout(&mut self, space: usize, right: ModelRight, real: PortName) {
        let existing = match right {
            ModelRight::Send(port) | ModelRight::Receive(port) => self.name_of(space, port),
            _ => None,
        };
        match right {
            ModelRight::Null => assert_eq!(real, PortName::NULL),
            ModelRight::Dead => assert_eq!(real, PortName::DEAD),
            ModelRight::Send(port) | ModelRight::Once(port) if !self.alive(port) => {
                assert_eq!(real, PortName::DEAD)
            }
            _ => match existing {
                Some(name) => {
                    assert_eq!(name, real, "one port, one name");
                    let entry = self.spaces[space].get_mut(&name).unwrap();
                    *entry = match (right, *entry) {
                        (ModelRight::Send(_), Name::Send { port, urefs }) => Name::Send {
                            port,
                            urefs: urefs + 1,
                        },
                        (ModelRight::Send(_), Name::Receive { port, urefs }) => Name::Receive {
                            port,
                            urefs: urefs + 1,
                        },
                        (ModelRight::Receive(_), Name::Send { port, urefs }) => {
                            Name::Receive { port, urefs }
                        }
                        other => panic!("{other:?}"),
                    };
                }
                None => {
                    let entry = match right {
                        ModelRight::Send(port) => Name::Send { port, urefs: 1 },
                        ModelRight::Receive(port) => Name::Receive { port, urefs: 0 },
                        ModelRight::Once(port) => Name::Once { port },
                        _ => unreachable!(),
                    };
                    assert!(real.is_valid());
                    assert!(
                        self.spaces[space].insert(real, entry).is_none(),
                        "a fresh name"
                    );
                }
            },
        }
        if let ModelRight::Receive(port) = right {
            self.ports[port].inside = None;
        }
    }

    fn destroy(&mut self, right: ModelRight) {
        match right {
            ModelRight::Once(port) if self.alive(port) => {
                self.ports[port].queue.push_back(Message {
                    id: SEND_ONCE,
                    destination: right,
                    reply: ModelRight::Null,
                    carried: Vec::new(),
                })
            }
            ModelRight::Receive(port) => self.kill(port),
            _ => {}
        }
    }

    fn kill(&mut self, port: usize) {
        self.ports[port].alive = false;
        self.ports[port].inside = None;
        for space in &mut self.spaces {
            for entry in space.values_mut() {
                *entry = match *entry {
                    Name::Send { port: other, urefs } if other == port => Name::Dead { urefs },
                    Name::Once { port: other } if other == port => Name::Dead { urefs: 1 },
                    other => other,
                };
            }
        }
        for message in std::mem::take(&mut self.ports[port].queue) {
            self.destroy_message(message);
        }
    }

    fn destroy_message(&mut self, message: Message) {
        self.destroy(message.destination);
        self.destroy(message.reply);
        message
            .carried
            .into_iter()
            .for_each(|right| self.destroy(right));
    }

    fn destroy_name(&mut self, space: usize, name: PortName) {
        match self.spaces[space].remove(&name).unwrap() {
            Name::Receive { port, .. } => self.kill(port),
            Name::Once { port } => self.destroy(ModelRight::Once(port)),
            Name::Send { .. } | Name::Dead { .. } => {}
        }
    }

    /// Whether the receive right of `port` in a message to `destination` would close a circle.
    fn circular(&self, port: usize, destination: usize) -> bool {
        let mut at = Some(destination);
        while let Some(here) = at {
            if here == port {
                return true;
            }
            at = self.ports[here].inside;
        }
        false
    }

    /// What sending should return; on success and on failure the model has done its part.
    fn send(&mut self, space: usize, message: &RawMessage) -> KernReturn {
        let header = message.header;
        let (remote, local) = (
            header.bits.remote_disposition().unwrap(),
            header.bits.local_disposition(),
        );
        if !remote.is_any_send() || local.is_some_and(|local| !local.is_any_send()) {
            return KernReturn::SEND_INVALID_HEADER;
        }
        if local.is_none() && header.local != PortName::NULL {
            return KernReturn::SEND_INVALID_HEADER;
        }
        let Some(entry) = self.spaces[space].get(&header.remote).copied() else {
            return KernReturn::SEND_INVALID_DEST;
        };
        if let Some(local) = local.filter(|_| header.local.is_valid())
            && !self.can(space, header.local, local)
        {
            return KernReturn::SEND_INVALID_REPLY;
        }
        if matches!(entry, Name::Dead { .. }) || !self.can(space, header.remote, remote) {
            return KernReturn::SEND_INVALID_DEST;
        }
        let (destination, reply);
        match local {
            Some(local) if header.local == header.remote => {
                let urefs = match entry {
                    Name::Send { urefs, .. } | Name::Receive { urefs, .. } => urefs,
                    _ => 0,
                };
                if remote == MoveSendOnce
                    || local == MoveSendOnce
                    || (remote == MoveSend && local == MoveSend && urefs < 2)
                {
                    return KernReturn::SEND_INVALID_DEST;
                }
                // In whichever order both can be had.
                if remote == MoveSend {
                    reply = self.copyin(space, header.local, local).unwrap();
                    destination = self.copyin(space, header.remote, remote).unwrap();
                } else {
                    destination = self.copyin(space, header.remote, remote).unwrap();
                    reply = self.copyin(space, header.local, local).unwrap();
                }
            }
            local => {
                destination = self.copyin(space, header.remote, remote).unwrap();
                reply = local.map_or(ModelRight::Null, |local| {
                    self.copyin(space, header.local, local).unwrap()
                });
            }
        }
        let (ModelRight::Send(port) | ModelRight::Once(port)) = destination else {
            unreachable!()
        };
        let mut sent = Message {
            id: header.id,
            destination,
            reply,
            carried: Vec::new(),
        };
        for descriptor in &message.descriptors {
            let RawDescriptor::Port { name, disposition } = *descriptor else {
                unreachable!()
            };
            let disposition = Disposition::from_raw(u32::from(disposition)).unwrap();
            match self.copyin(space, name, disposition) {
                Some(right) => sent.carried.push(right),
                None => {
                    self.destroy_message(sent);
                    return KernReturn::SEND_INVALID_RIGHT;
                }
            }
        }
        for right in sent.carried.clone() {
            if let ModelRight::Receive(carried) = right {
                if self.circular(carried, port) {
                    self.destroy_message(sent);
                    return KernReturn::SUCCESS;
                }
                self.ports[carried].inside = Some(port);
            }
        }
        self.ports[port].queue.push_back(sent);
        KernReturn::SUCCESS
    }

    fn count(&self, wanted: ModelRight) -> u32 {
        let in_spaces = self
            .spaces
            .iter()
            .flat_map(BTreeMap::values)
            .filter(|entry| match (wanted, **entry) {
                (ModelRight::Send(port), Name::Send { port: other, .. }) => port == other,
                (ModelRight::Send(port), Name::Receive { port: other, urefs }) => {
                    port == other && urefs > 0
                }
                (ModelRight::Once(port), Name::Once { port: other }) => port == other,
                _ => false,
            });
        let in_messages = self
            .ports
            .iter()
            .flat_map(|port| &port.queue)
            .flat_map(|message| {
                [message.destination, message.reply]
                    .into_iter()
                    .chain(message.carried.iter().copied())
            });
        in_spaces.count() as u32 + in_messages.filter(|right| *right == wanted).count() as u32
    }

    fn compare(&self, tasks: &[Task]) {
        for (task, names) in tasks.iter().zip(&self.spaces) {
            let real: BTreeMap<_, _> = task.space.names().unwrap().into_iter().collect();
            assert_eq!(
                real.keys().collect::<Vec<_>>(),
                names.keys().collect::<Vec<_>>(),
                "names in use"
            );
            for (name, entry) in names {
                let (kind, right, urefs) = match *entry {
                    Name::Send { urefs, .. } => (PortType::SEND, PortRight::Send, urefs),
                    Name::Receive { urefs: 0, .. } => (PortType::RECEIVE, PortRight::Send, 0),
                    Name::Receive { urefs, .. } => (PortType::SEND_RECEIVE, PortRight::Send, urefs),
                    Name::Once { .. } => (PortType::SEND_ONCE, PortRight::SendOnce, 1),
                    Name::Dead { urefs } => (PortType::DEAD_NAME, PortRight::DeadName, urefs),
                };
                assert_eq!(real[name], kind, "{name}");
                assert_eq!(task.space.get_refs(*name, right), Ok(urefs), "{name}");
            }
            task.space.validate();
        }
        for (index, port) in self.ports.iter().enumerate() {
            assert_eq!(port.real.is_active(), port.alive);
            if port.alive {
                assert_eq!(
                    port.real.send_rights(),
                    self.count(ModelRight::Send(index)),
                    "send rights of {index}"
                );
                assert_eq!(
                    port.real.send_once_rights(),
                    self.count(ModelRight::Once(index)),
                    "send-once rights"
                );
                assert_eq!(port.real.queued(), port.queue.len(), "messages");
                port.real.validate();
            }
        }
    }
}

/// A random name of the space, seldom one that is nothing.
fn pick(random: &mut Random, names: &BTreeMap<PortName, Name>) -> PortName {
    let list: Vec<_> = names.keys().copied().collect();
    match random.below(30) {
        0 => PortName(0x00ff_ff03),
        _ => random.pick(&list).copied().unwrap_or(PortName::NULL),
    }
}

fn random_message(random: &mut Random, names: &BTreeMap<PortName, Name>, id: i32) -> RawMessage {
    let mut message = RawMessage::default();
    let remote = DISPOSITIONS[random.below(6)];
    message.header.remote = pick(random, names);
    if random.below(2) == 0 {
        let local = DISPOSITIONS[random.below(6)];
        message.header.local = if random.below(5) == 0 {
            message.header.remote
        } else {
            pick(random, names)
        };
        message.header.bits = MsgBits::new(remote.raw(), local.raw(), false);
    } else {
        message.header.bits = MsgBits::new(remote.raw(), 0, false);
    }
    message.header.id = id;
    for _ in 0..random.below(4) {
        message.header.bits.0 |= MsgBits::COMPLEX;
        let disposition = DISPOSITIONS[random.below(6)] as u8;
        let name = if random.below(10) == 0 {
            PortName::NULL
        } else {
            pick(random, names)
        };
        message
            .descriptors
            .push(RawDescriptor::Port { name, disposition });
    }
    message
}

fn received(model: &mut Model, space: usize, port: usize, name: PortName, message: &RawMessage) {
    let expected = model.ports[port]
        .queue
        .pop_front()
        .expect("the model has it too");
    assert_eq!(
        (message.header.id, message.header.local),
        (expected.id, name)
    );
    model.copyout(space, expected.reply, message.header.remote);
    assert_eq!(message.descriptors.len(), expected.carried.len());
    for (descriptor, right) in message.descriptors.iter().zip(expected.carried) {
        let RawDescriptor::Port { name, .. } = *descriptor else {
            unreachable!()
        };
        model.copyout(space, right, name);
    }
}

fn run(seed: u64, steps: usize) {
    let _world = World::new();
    let mut random = Random(seed);
    let tasks: Vec<_> = (0..3).map(|_| Task::new()).collect();
    let mut model = Model::default();
    tasks
        .iter()
        .for_each(|_| model.spaces.push(BTreeMap::new()));
    let mut outcomes = BTreeMap::new();
    for step in 0..steps {
        let space = random.below(3);
        let task = &tasks[space];
        match random.below(10) {
            0 if model.spaces[space].len() < 40 => {
                let name = task.space.allocate(PortRight::Receive).unwrap();
                task.space.set_limit(name, 1024).unwrap();
                let real = task.space.receive_port(name).unwrap();
                let port = model.ports.len();
                model.ports.push(ModelPort {
                    real,
                    alive: true,
                    queue: VecDeque::new(),
                    inside: None,
                });
                model.spaces[space].insert(name, Name::Receive { port, urefs: 0 });
            }
            1 if random.below(3) == 0 => {
                let name = pick(&mut random, &model.spaces[space]);
                let code = task.space.destroy_name(name);
                if model.spaces[space].contains_key(&name) {
                    assert_eq!(code, Ok(()));
                    model.destroy_name(space, name);
                }
            }
            2 => {
                let name = pick(&mut random, &model.spaces[space]);
                let code = task.space.deallocate(name);
                let may = match model.spaces[space].get(&name) {
                    Some(Name::Receive { urefs, .. }) => *urefs > 0,
                    Some(_) => true,
                    None => false,
                };
                assert_eq!(code.is_ok(), may || name == PortName::NULL);
                if may {
                    if let Name::Once { port } = model.spaces[space][&name] {
                        model.destroy(ModelRight::Once(port));
                    }
                    model.drop_reference(space, name);
                }
            }
            3 => {
                let name = pick(&mut random, &model.spaces[space]);
                let code = task.space.mod_refs(name, PortRight::Send, 2);
                if let Some(Name::Send { urefs, .. } | Name::Receive { urefs, .. }) =
                    model.spaces[space].get_mut(&name)
                {
                    assert_eq!(code.is_ok(), *urefs > 0);
                    if *urefs > 0 {
                        *urefs += 2;
                    }
                }
            }
            4 => {
                // A right goes straight from one space to another, as the kernel's servers do it.
                let other = random.below(3);
                let name = pick(&mut random, &model.spaces[space]);
                let disposition = DISPOSITIONS[random.below(6)];
                let real = task.space.copyin(name, disposition);
                let expected = model.copyin(space, name, disposition);
                assert_eq!(
                    real.is_ok(),
                    expected.is_some(),
                    "{disposition:?} of {name}"
                );
                if let (Ok(mach::message::Carried::Right(right)), Some(expected)) = (real, expected)
                {
                    let there = tasks[other].space.copyout(right).unwrap();
                    model.copyout(other, expected, there);
                }
            }
            5 | 6 => {
                let ready: Vec<_> = model.spaces[space]
                    .iter()
                    .filter_map(|(name, entry)| match *entry {
                        Name::Receive { port, .. } => Some((*name, port)),
                        _ => None,
                    })
                    .collect();
                if let Some(&(name, port)) = random.pick(&ready) {
                    match task.receive(name) {
                        Ok((message, _)) => received(&mut model, space, port, name, &message),
                        Err(code) => {
                            assert_eq!(code, KernReturn::RCV_TIMED_OUT);
                            assert!(model.ports[port].queue.is_empty());
                        }
                    }
                }
            }
            _ => {
                let message = random_message(&mut random, &model.spaces[space], step as i32 + 1000);
                let code = task.send(&message);
                assert_eq!(
                    code,
                    model.send(space, &message),
                    "step {step}: {message:?}"
                );
                *outcomes.entry(code.0).or_insert(0) += 1;
            }
        }
        settle();
        if step % 8 == 0 {
            model.compare(&tasks);
        }
    }
    model.compare(&tasks);
    assert!(
        outcomes.get(&0).is_some_and(|sent| *sent > steps / 40),
        "some were sent: {outcomes:?}"
    );
    drop(model);
}

#[test]
fn random_sequences_agree_with_the_naive_model() {
    for seed in 1..=12_u64 {
        run(0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(seed), 3000);
    }
}

//! Messages: between processes, with rights and memory; port sets, limits, time limits, notifications.

#![cfg_attr(target_os = "none", no_std, no_main)]
#![forbid(unsafe_code)]

extern crate alloc;

use alloc::string::String;

use libsystem::mach_call::{self, Receiver, call, port, send};
use libsystem::process;
use mach::defs::{RequestBody, mach_port, mach_vm, notify, task};
use mach::message::{Carried, Descriptor, Message, UserCarrier, UserMemory, UserPorts, UserRight};
use mach::port::{Disposition, PortName, PortRight};
use mach::{KernReturn, VmProt};
use tests::child;
use tests::raw::{self, R, W, page};
use tests::shared::{Words, take_right};
use tests::{Context as _, Outcome, counts, ensure, ensure_equal};

tests::program! {
    a_message_arrives_with_its_bytes,
    messages_between_processes_carry_replies,
    memory_is_copied_virtually_or_moved,
    a_receive_right_moves_with_its_messages,
    a_port_set_receives_from_all_members,
    a_full_queue_refuses_or_waits,
    waits_end_in_time,
    a_dead_port_is_told,
    the_last_sender_is_told,
    an_unused_send_once_right_is_told,
    a_destroyed_port_comes_to_who_asked,
    an_array_of_rights_arrives,
    wrong_names_and_rights_are_refused,
    a_large_message_stays_until_there_is_room,
    another_tasks_memory_is_read_and_written,
    memory_entries_are_mapped_by_others,
    messages_leave_nothing_behind,
}

fn message(id: i32, to: PortName, bytes: &[u8]) -> Message<UserCarrier> {
    let mut message = Message::new(id, UserRight::copy_send(to), Carried::Null);
    message.inline.extend_from_slice(bytes);
    message
}

fn receive(name: PortName, timeout: u32) -> Result<Message<UserCarrier>, KernReturn> {
    Receiver::new(name).receive(Some(timeout))
}

fn fresh() -> Result<PortName, String> {
    port::allocate_with_send().context("mach_port_allocate")
}

fn a_message_arrives_with_its_bytes() -> Outcome {
    let name = fresh()?;
    for length in [0usize, 4, 100, 1000, 8000] {
        let bytes: alloc::vec::Vec<u8> = (0..length).map(|index| index as u8).collect();
        send(&message(100 + length as i32, name, &bytes), Some(1000)).context("send")?;
        let received = receive(name, 1000).context("receive")?;
        ensure_equal!(
            (received.id, &received.inline[..]),
            (100 + length as i32, &bytes[..]),
            "message of {length} bytes"
        );
    }
    Ok(())
}

/// Answers messages until one with id 0 comes; each answer is the sum of the bytes.
fn serve(name: PortName) -> i32 {
    let mut receiver = Receiver::new(name);
    loop {
        let Ok(request) = receiver.receive(Some(20_000)) else {
            return 1;
        };
        if request.id == 0 {
            return 0;
        }
        let sum: u32 = request.inline.iter().map(|byte| u32::from(*byte)).sum();
        let mut answer =
            Message::<UserCarrier>::new(request.id + 100, request.reply, Carried::Null);
        answer.inline.extend_from_slice(&sum.to_le_bytes());
        if send(&answer, Some(1000)).is_err() {
            return 2;
        }
    }
}

/// A child that serves, and a right to its port here.
fn server(work: impl FnOnce(PortName) -> i32) -> Result<(i32, PortName), String> {
    let words = Words::new()?;
    let child = child::start(|| {
        let Ok(name) = port::allocate(PortRight::Receive) else {
            return 9;
        };
        words.set(0, u64::from(name.0));
        work(name)
    })?;
    let name = PortName(words.wait(0, "the server's port")? as u32);
    Ok((child, take_right(child, name, Disposition::MakeSend)?))
}

fn messages_between_processes_carry_replies() -> Outcome {
    let (child, service) = server(serve)?;
    let reply_port = port::allocate(PortRight::Receive).context("reply port")?;
    for id in 1..500 {
        let mut request = message(id, service, &[1, 2, 3, id as u8]);
        request.reply = UserRight::make_send_once(reply_port);
        send(&request, Some(5000)).context("send")?;
        let answer = receive(reply_port, 5000).context("receive")?;
        let sum = 6 + u32::from(id as u8);
        ensure_equal!(
            (answer.id, &answer.inline[..]),
            (id + 100, &sum.to_le_bytes()[..]),
            "answer {id}"
        );
    }
    send(&message(0, service, &[]), Some(1000)).context("send")?;
    ensure_equal!(
        child::finish(child, 10_000)?.shell_status(),
        0,
        "the server"
    );
    ensure_equal!(
        port::deallocate(service),
        Ok(()),
        "letting the dead name go"
    );
    Ok(())
}

fn memory_is_copied_virtually_or_moved() -> Outcome {
    let (name, page, pages) = (fresh()?, page(), 40);
    for moved in [false, true] {
        let base = raw::anonymous(pages, R | W).context("mmap")?;
        (0..pages).for_each(|index| raw::store(base + index * page, index as u8 + 1));
        let memory = if moved {
            UserMemory::moved(base, pages * page)
        } else {
            UserMemory::copy(base, pages * page)
        };
        let mut out = message(7, name, &[]);
        out.push(Descriptor::Memory(Some(memory)));
        send(&out, Some(1000)).context("send")?;
        if moved {
            ensure_equal!(
                raw::mincore(base, 1),
                Ok(alloc::vec![0x80]),
                "the sender's range after moving"
            );
        } else {
            raw::store(base, 99);
        }
        let received = receive(name, 1000).context("receive")?;
        let Some(Descriptor::Memory(Some(memory))) = received.descriptors.first() else {
            return Err(String::from("no memory came"));
        };
        ensure_equal!(memory.size, pages * page, "bytes that came");
        for index in 0..pages {
            ensure_equal!(
                raw::load(memory.address + index * page),
                index as u8 + 1,
                "page {index} (moved: {moved})"
            );
        }
        raw::store(memory.address, 55);
        if !moved {
            ensure_equal!(raw::load(base), 99, "the sender's byte");
            raw::munmap(base, pages * page).context("munmap")?;
        }
        raw::munmap(memory.address, pages * page).context("munmap")?;
    }
    // Less than a page, not aligned.
    let base = raw::anonymous(2, R | W).context("mmap")?;
    raw::store(base + page - 1, 1);
    raw::store(base + page, 2);
    let mut out = message(8, name, &[]);
    out.push(Descriptor::Memory(Some(UserMemory::copy(
        base + page - 1,
        2,
    ))));
    send(&out, Some(1000)).context("send")?;
    let received = receive(name, 1000).context("receive")?;
    let Some(Descriptor::Memory(memory)) = received.descriptors.into_iter().next() else {
        return Err(String::from("no memory came"));
    };
    ensure_equal!(
        mach_call::take_memory(memory),
        [1, 2],
        "two bytes across a page boundary"
    );
    // Memory that is not there cannot be sent.
    let mut out = message(9, name, &[]);
    out.push(Descriptor::Memory(Some(UserMemory::copy(8, page))));
    ensure_equal!(
        send(&out, Some(1000)),
        Err(KernReturn::SEND_INVALID_MEMORY),
        "memory that is not mapped"
    );
    Ok(())
}

fn a_receive_right_moves_with_its_messages() -> Outcome {
    let (carrier, moved) = (fresh()?, fresh()?);
    send(&message(1, moved, b"waiting."), Some(1000)).context("send")?;
    let mut out = message(2, carrier, &[]);
    out.push(Descriptor::Port(UserRight::move_receive(moved)));
    send(&out, Some(1000)).context("send")?;
    ensure_equal!(
        receive(moved, 10).err(),
        Some(KernReturn::RCV_INVALID_NAME),
        "receiving on what was sent away"
    );
    let received = receive(carrier, 1000).context("receive")?;
    let Some(Descriptor::Port(right)) = received.descriptors.first() else {
        return Err(String::from("no right came"));
    };
    ensure_equal!(right.name(), moved, "send and receive right have one name");
    let waiting = receive(right.name(), 1000).context("receive")?;
    ensure_equal!(
        (waiting.id, &waiting.inline[..]),
        (1, &b"waiting."[..]),
        "the message that waited"
    );
    // A port that carries itself would never be reachable again: it dies instead.
    let mut out = message(3, moved, &[]);
    out.push(Descriptor::Port(UserRight::move_receive(moved)));
    send(&out, Some(1000)).context("send to itself")?;
    ensure!(
        child::eventually(2000, || send(&message(4, moved, &[]), Some(0)).is_err()),
        "the circular port still takes messages"
    );
    Ok(())
}

fn a_port_set_receives_from_all_members() -> Outcome {
    let set = port::allocate(PortRight::PortSet).context("port set")?;
    let names = [fresh()?, fresh()?, fresh()?];
    for name in names {
        port::add_to_set(name, set).context("mach_port_insert_member")?;
    }
    for (index, name) in names.into_iter().enumerate() {
        send(&message(index as i32, name, &[]), Some(1000)).context("send")?;
    }
    let mut seen = [false; 3];
    for _ in 0..3 {
        let received = receive(set, 1000).context("receive")?;
        let index = received.id as usize;
        ensure_equal!(
            received.destination.name(),
            names[index],
            "the port it came in on"
        );
        seen[index] = true;
    }
    ensure_equal!(seen, [true; 3], "messages seen");
    ensure_equal!(
        receive(set, 10).err(),
        Some(KernReturn::RCV_TIMED_OUT),
        "an empty set"
    );
    port::remove_from_set(names[0], set).context("mach_port_extract_member")?;
    send(&message(5, names[0], &[]), Some(1000)).context("send")?;
    ensure_equal!(
        receive(set, 10).err(),
        Some(KernReturn::RCV_TIMED_OUT),
        "a port taken out"
    );
    ensure_equal!(
        receive(names[0], 1000).map(|message| message.id),
        Ok(5),
        "that port itself"
    );
    Ok(())
}

fn a_full_queue_refuses_or_waits() -> Outcome {
    let name = fresh()?;
    let mut sent = 0;
    while send(&message(sent, name, &[]), Some(0)).is_ok() {
        sent += 1;
        ensure!(sent < 100, "the queue has no limit");
    }
    ensure_equal!(sent, 5, "messages that fit");
    ensure_equal!(
        send(&message(9, name, &[]), Some(20)),
        Err(KernReturn::SEND_TIMED_OUT),
        "a full queue"
    );
    for id in 0..sent {
        ensure_equal!(
            receive(name, 1000).map(|message| message.id),
            Ok(id),
            "order"
        );
    }
    Ok(())
}

fn waits_end_in_time() -> Outcome {
    let name = fresh()?;
    let begin = libsystem::time::now();
    ensure_equal!(
        receive(name, 100).err(),
        Some(KernReturn::RCV_TIMED_OUT),
        "an empty queue"
    );
    let took = (libsystem::time::now() - begin) / 1_000_000;
    ensure!((100..3000).contains(&took), "100 ms took {took} ms");
    // A receiver that waits for ever can be killed.
    let waiting = child::start(|| {
        let Ok(name) = port::allocate_with_send() else {
            return 1;
        };
        let _ = Receiver::new(name).receive(None);
        0
    })?;
    libsystem::time::sleep(30);
    process::kill(waiting, bsd_sys::signal::Signal::TERM).context("kill")?;
    ensure_equal!(
        child::finish(waiting, 5000)?.shell_status(),
        128 + 15,
        "the receiver"
    );
    Ok(())
}

/// Asks to be told of something about `name` by a message to the result.
fn request(name: PortName, id: i32) -> Result<PortName, String> {
    let listener = port::allocate(PortRight::Receive).context("listener")?;
    let request = mach_port::request_notification::Request {
        notify: UserRight::make_send_once(listener),
        name,
        msgid: id,
        sync: 0,
    };
    call(mach_call::task_self(), request).context("mach_port_request_notification")?;
    Ok(listener)
}

fn a_dead_port_is_told() -> Outcome {
    let (child, service) = server(|name| {
        let _ = Receiver::new(name).receive(Some(20_000));
        0
    })?;
    let id = <notify::dead_name::Request as RequestBody<UserCarrier>>::ID;
    let listener = request(service, id)?;
    ensure_equal!(
        receive(listener, 20).err(),
        Some(KernReturn::RCV_TIMED_OUT),
        "before the death"
    );
    process::kill(child, bsd_sys::signal::Signal::KILL).context("kill")?;
    child::finish(child, 10_000)?;
    let told = receive(listener, 5000).context("the notice")?;
    ensure_equal!(told.id, id, "the notice");
    ensure_equal!(
        send(&message(1, service, &[]), Some(0)),
        Err(KernReturn::SEND_INVALID_DEST),
        "sending to the dead"
    );
    Ok(())
}

fn the_last_sender_is_told() -> Outcome {
    let name = port::allocate(PortRight::Receive).context("port")?;
    let id = <notify::no_senders::Request as RequestBody<UserCarrier>>::ID;
    let listener = {
        port::insert(name, name, Disposition::MakeSend).context("insert")?;
        request(name, id)?
    };
    ensure_equal!(
        receive(listener, 20).err(),
        Some(KernReturn::RCV_TIMED_OUT),
        "while there is a sender"
    );
    port::deallocate(name).context("the last send right")?;
    ensure_equal!(
        receive(listener, 5000).map(|message| message.id),
        Ok(id),
        "the notice"
    );
    Ok(())
}

fn an_unused_send_once_right_is_told() -> Outcome {
    let (listener, carrier) = (
        port::allocate(PortRight::Receive).context("port")?,
        fresh()?,
    );
    let id = <notify::send_once::Request as RequestBody<UserCarrier>>::ID;
    // The right travels in a message that dies with its port.
    let mut out = message(1, carrier, &[]);
    out.push(Descriptor::Port(UserRight::make_send_once(listener)));
    send(&out, Some(1000)).context("send")?;
    ensure_equal!(
        receive(listener, 20).err(),
        Some(KernReturn::RCV_TIMED_OUT),
        "while the right exists"
    );
    port::change_references(carrier, PortRight::Receive, -1).context("mach_port_mod_refs")?;
    ensure_equal!(
        receive(listener, 5000).map(|message| message.id),
        Ok(id),
        "the notice"
    );
    Ok(())
}

fn a_destroyed_port_comes_to_who_asked() -> Outcome {
    let name = fresh()?;
    let id = <notify::port_destroyed::Request<UserCarrier> as RequestBody<UserCarrier>>::ID;
    let listener = request(name, id)?;
    send(&message(5, name, &[]), Some(1000)).context("send")?;
    port::change_references(name, PortRight::Receive, -1).context("mach_port_mod_refs")?;
    let told = receive(listener, 5000).context("the notice")?;
    ensure_equal!(told.id, id, "the notice");
    let Some(Descriptor::Port(right)) = told.descriptors.first() else {
        return Err(String::from("no right came"));
    };
    ensure_equal!(
        receive(right.name(), 1000).map(|message| message.id),
        Ok(5),
        "the message that waited"
    );
    Ok(())
}

fn an_array_of_rights_arrives() -> Outcome {
    let carrier = fresh()?;
    let names = [fresh()?, fresh()?, fresh()?];
    let array: alloc::vec::Vec<u32> = names.iter().map(|name| name.0).collect();
    let mut out = message(1, carrier, &[]);
    out.push(Descriptor::Ports(Some(UserPorts {
        address: array.as_ptr() as u64,
        count: 3,
        disposition: Disposition::CopySend,
        deallocate: false,
    })));
    send(&out, Some(1000)).context("send")?;
    let received = receive(carrier, 1000).context("receive")?;
    let Some(Descriptor::Ports(Some(ports))) = received.descriptors.first() else {
        return Err(String::from("no rights came"));
    };
    ensure_equal!(ports.count, 3, "rights");
    for (index, name) in names.into_iter().enumerate() {
        let byte = |at: u64| u32::from(raw::load(ports.address + index as u64 * 4 + at));
        let word = byte(0) | byte(1) << 8 | byte(2) << 16 | byte(3) << 24;
        ensure_equal!(PortName(word), name, "right {index}: one name for one port");
    }
    Ok(())
}

fn wrong_names_and_rights_are_refused() -> Outcome {
    let nobody = PortName(0x7777_7703);
    ensure_equal!(
        send(&message(1, nobody, &[]), Some(0)),
        Err(KernReturn::SEND_INVALID_DEST),
        "a name of nothing"
    );
    ensure_equal!(
        receive(nobody, 0).err(),
        Some(KernReturn::RCV_INVALID_NAME),
        "receiving on nothing"
    );
    let name = fresh()?;
    let mut out = message(1, name, &[]);
    out.push(Descriptor::Port(UserRight::copy_send(nobody)));
    ensure_equal!(
        send(&out, Some(0)),
        Err(KernReturn::SEND_INVALID_RIGHT),
        "a right to nothing"
    );
    ensure_equal!(
        port::deallocate(nobody),
        Err(KernReturn::INVALID_NAME),
        "letting nothing go"
    );
    let set = port::allocate(PortRight::PortSet).context("port set")?;
    ensure_equal!(
        send(&message(1, set, &[]), Some(0)),
        Err(KernReturn::SEND_INVALID_DEST),
        "sending to a set"
    );
    ensure_equal!(
        port::deallocate(set),
        Err(KernReturn::INVALID_RIGHT),
        "a set is no send right"
    );
    Ok(())
}

fn a_large_message_stays_until_there_is_room() -> Outcome {
    let name = fresh()?;
    let bytes = alloc::vec![3; 60_000];
    send(&message(1, name, &bytes), Some(1000)).context("send")?;
    // The receiver begins with less and grows.
    let received = receive(name, 1000).context("receive")?;
    ensure_equal!(received.inline.len(), bytes.len(), "bytes received");
    Ok(())
}

fn another_tasks_memory_is_read_and_written() -> Outcome {
    let words = Words::new()?;
    let child = child::start(|| {
        let Ok(base) = raw::anonymous(2, R | W) else {
            return 1;
        };
        raw::store(base, 77);
        words.set(0, base);
        let _ = words.wait(1, "the parent");
        i32::from(raw::load(base + 1)) - 88
    })?;
    let base = words.wait(0, "the child's memory")?;
    let task = mach_call::task_for_pid(child).context("task_for_pid")?;
    let read = call(
        task,
        mach_vm::read::Request {
            address: base,
            size: page(),
        },
    )
    .context("mach_vm_read")?;
    let bytes = mach_call::take_memory(read.data);
    ensure_equal!(
        (bytes.len() as u64, bytes[0]),
        (page(), 77),
        "what was read"
    );
    let byte = [88u8, 0, 0, 0];
    let data = Some(UserMemory::copy(byte.as_ptr() as u64, 1));
    call(
        task,
        mach_vm::write::Request {
            data,
            address: base + 1,
            data_cnt: 1,
        },
    )
    .context("mach_vm_write")?;
    call(task, task::suspend::Request {}).context("task_suspend")?;
    words.set(1, 1);
    libsystem::time::sleep(50);
    ensure_equal!(
        process::wait(child, bsd_sys::wait::WNOHANG),
        Ok(None),
        "a suspended child"
    );
    call(task, task::resume::Request {}).context("task_resume")?;
    ensure_equal!(child::finish(child, 10_000)?.shell_status(), 0, "the child");
    Ok(())
}

fn memory_entries_are_mapped_by_others() -> Outcome {
    let base = raw::anonymous(4, R | W).context("mmap")?;
    raw::store(base, 5);
    let own = mach_call::task_self();
    let entry = call(
        own,
        mach_vm::make_memory_entry::Request {
            parent_handle: Carried::Null,
            size: 4 * page(),
            offset: base,
            permission: VmProt::READ | VmProt::WRITE,
        },
    )
    .context("mach_make_memory_entry")?;
    let map = |protection: VmProt| mach_vm::map::Request {
        object: UserRight::copy_send(entry.object_handle.name()),
        address: 0,
        size: 4 * page(),
        mask: 0,
        flags: 1,
        offset: 0,
        copy: 0,
        cur_protection: protection,
        max_protection: protection,
        inheritance: 1,
    };
    let again = call(own, map(VmProt::READ | VmProt::WRITE))
        .context("mach_vm_map")?
        .address;
    ensure_equal!(raw::load(again), 5, "through the second mapping");
    raw::store(again, 6);
    ensure_equal!(raw::load(base), 6, "through the first mapping");
    let refused = call(own, map(VmProt::READ | VmProt::EXECUTE)).err();
    ensure_equal!(
        refused,
        Some(KernReturn::INVALID_RIGHT),
        "more than the entry permits"
    );
    Ok(())
}

fn messages_leave_nothing_behind() -> Outcome {
    counts::leaves_nothing(|| {
        child::must_succeed(30_000, || {
            messages_between_processes_carry_replies()?;
            memory_is_copied_virtually_or_moved()?;
            a_receive_right_moves_with_its_messages()?;
            // Messages that nobody receives, with rights and memory in them.
            let name = fresh()?;
            let base = raw::anonymous(8, R | W).context("mmap")?;
            raw::store(base, 1);
            for _ in 0..5 {
                let mut out = message(1, name, &[0; 64]);
                out.push(Descriptor::Memory(Some(UserMemory::copy(base, 8 * page()))));
                out.push(Descriptor::Port(UserRight::make_send(name)));
                send(&out, Some(0)).context("send")?;
            }
            Ok(())
        })
    })
}

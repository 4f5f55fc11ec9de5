//! `portsummary PID`: the names of a task: rights, references, queues.

#![cfg_attr(target_os = "none", no_std, no_main)]
#![forbid(unsafe_code)]

extern crate alloc;

libsystem::main!(run);

use core::fmt::Write;
use libsystem::{mach_call, println, process};
use mach::defs::mach_port::{get_attributes, get_refs, kobject, names};
use mach::port::{ObjectKind, PortRight, PortStatus, PortType, attribute};
use mach::wire::Wire;
use mach::{PortName, Result};
use tools::command::Command;
use tools::ports::{HEADING, Port, Totals};
use tools::text::Output;

const COMMAND: Command = Command::new(
    "portsummary",
    "[PID]",
    "Names of ports that a task has (this one, if none is named): rights, references, messages in the queue, and what\n\
     kernel object it is.",
)
.words(0, 1);

fn run() -> i32 {
    COMMAND.run(|options| {
        let (pid, task) = match options.words.first().map(|word| word.parse()) {
            None => (process::id(), Ok(mach_call::task_self())),
            Some(Ok(pid)) => (pid, mach_call::task_for_pid(pid)),
            Some(Err(_)) => return COMMAND.wrong(&""),
        };
        let Ok(task) = task else {
            return COMMAND.complain(&alloc::format!("process {pid}"), "no such task");
        };
        match show(pid, task) {
            Ok(()) => 0,
            Err(error) => COMMAND.complain(&alloc::format!("process {pid}"), error),
        }
    })
}

fn show(pid: i32, task: PortName) -> Result<()> {
    let information = process::information(pid).unwrap_or_default();
    let reply = mach_call::call(task, names::Request {})?;
    let (names, types) = (
        mach_call::take_memory(reply.names),
        mach_call::take_memory(reply.types),
    );
    println!("Process ({pid}) : {}", information.name());
    println!("{HEADING}");
    let mut output = Output::default();
    let mut totals = Totals::default();
    for (name, kind) in names.chunks_exact(4).zip(types.chunks_exact(4)) {
        let (Some(name), Some(kind)) = (u32::decode(name), u32::decode(kind)) else {
            continue;
        };
        let port = describe(task, PortName(name), PortType::from_bits_retain(kind));
        totals.add(&port);
        let _ = writeln!(output, "{}", port.line());
    }
    let _ = write!(output, "{}", totals.text());
    let _ = output.finish();
    Ok(())
}

/// A name may go while it is asked for: what is not known then is left out.
fn describe(task: PortName, name: PortName, kind: PortType) -> Port {
    let references = |right: PortRight| {
        let request = get_refs::Request {
            name,
            right: right as u32,
        };
        let has = kind.contains(right.port_type());
        let reply = has.then(|| mach_call::call(task, request).ok()).flatten();
        reply.map_or(0, |reply| reply.refs)
    };
    let status = kind.contains(PortType::RECEIVE).then(|| {
        let request = get_attributes::Request {
            name,
            flavor: attribute::RECEIVE_STATUS,
            port_info_out_cnt: PortStatus::WORDS,
        };
        let reply = mach_call::call(task, request).ok()?;
        reply.port_info_out.decode_words::<PortStatus>().ok()
    });
    let object = if kind.intersects(PortType::SEND_RIGHTS) {
        let reply = mach_call::call(task, kobject::Request { name }).ok();
        reply.map_or("", |reply| ObjectKind::describe(reply.object_type))
    } else {
        ""
    };
    let rights = [PortRight::Send, PortRight::SendOnce, PortRight::DeadName];
    Port {
        name: name.0,
        kind,
        references: rights.into_iter().map(references).sum(),
        status: status.flatten(),
        object,
    }
}

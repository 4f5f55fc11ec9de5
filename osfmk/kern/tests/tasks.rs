//! Tasks as ports, and copies between kernel and user that resolve their faults.
#![allow(missing_docs)]

mod support;

use std::sync::Arc;
use std::time::Duration;

use ipc::{KernelCarrier, Kmsg, Patience, SendRight};
use kern::copyio::{self, StringError};
use kern::task::Task;
use mach::defs::{ReplyBody, Routine, mach_vm, task};
use mach::message::Carried;
use mach::{KernReturn, Result};
use prim::clock::Deadline;
use prim::thread::AddressSpace;
use prim::wait::WaitResult;
use support::*;
use vm::vm_map::{EnterRequest, Placement, VmMap};

fn ask<R: Routine<KernelCarrier>>(port: &SendRight, request: R) -> Result<R::Reply> {
    let kmsg = Kmsg::from_message(request.into_message(Carried::Null, Carried::Null))?;
    let answer = ipc::rpc(
        port,
        kmsg,
        Patience::Until(Deadline::after(Duration::from_secs(60))),
    )?;
    R::Reply::from_message(answer.into_message())
}

fn some_memory(map: &Arc<VmMap>, pages: u64) -> u64 {
    map.enter(EnterRequest::anonymous(
        Placement::Anywhere(0),
        pages * PAGE,
    ))
    .unwrap()
}

#[test]
fn a_task_serves_its_memory_by_message_until_it_ends() {
    let _world = World::new();
    let task = Task::create(new_map()).unwrap();
    let port = task.send_right().unwrap();
    let allocate = mach_vm::allocate::Request {
        address: 0,
        size: 3 * PAGE,
        flags: 1,
    };
    let address = ask(&port, allocate).unwrap().address;
    assert_eq!(task.map().statistics().size, 3 * PAGE);
    ask(
        &port,
        mach_vm::deallocate::Request {
            address,
            size: 3 * PAGE,
        },
    )
    .unwrap();
    assert_eq!(task.map().statistics().size, 0);
    let bad = mach_vm::allocate::Request {
        address: 0,
        size: u64::MAX,
        flags: 1,
    };
    assert_eq!(ask(&port, bad).unwrap_err(), KernReturn::INVALID_ARGUMENT);
    assert_eq!(
        ask(&port, task::resume::Request {}).unwrap_err(),
        KernReturn::FAILURE,
        "not suspended"
    );
    ask(&port, task::terminate::Request {}).unwrap();
    assert!(task.is_terminating() && task.send_right().is_none());
    assert_eq!(
        ask(&port, task::suspend::Request {}).unwrap_err(),
        KernReturn::SEND_INVALID_DEST
    );
    // Once more does no harm.
    task.terminate();
    port.release();
}

#[test]
fn a_terminated_task_takes_no_thread() {
    let _world = World::new();
    let task = Task::create(new_map()).unwrap();
    task.terminate();
    let state = machine::trap::SavedState::user(0x1000, 0x2000);
    assert_eq!(
        task.create_thread(state).err(),
        Some(KernReturn::TERMINATED)
    );
}

#[test]
fn termination_that_races_with_the_first_thread_leaves_nothing_behind() {
    let _world = World::new();
    for _ in 0..50 {
        let task = Task::create(new_map()).unwrap();
        let killer = {
            let task = task.clone();
            std::thread::spawn(move || task.terminate())
        };
        let state = machine::trap::SavedState::user(0x1000, 0x2000);
        if let Ok(thread) = task.create_thread(state) {
            thread.start().unwrap();
            if let Some(execution) = thread.execution() {
                assert_eq!(execution.join(None), WaitResult::Awakened);
            }
        }
        killer.join().unwrap();
        assert!(task.is_terminating() && task.threads().is_empty());
        assert!(task.send_right().is_none() && !task.space().is_active());
    }
}

#[test]
fn copies_bring_in_the_pages_they_need() {
    let _world = World::new();
    let map = new_map();
    let at = some_memory(&map, 4);
    map.pmap().activate();
    let bytes: Vec<u8> = (0..2 * PAGE as usize + 100)
        .map(|n| (n % 251) as u8)
        .collect();
    copyio::copyout(&map, &bytes, at + PAGE - 50).unwrap();
    let mut back = vec![0; bytes.len()];
    copyio::copyin(&map, at + PAGE - 50, &mut back).unwrap();
    assert_eq!(back, bytes);
    // A read of what nobody has written brings in zeroes.
    assert_eq!(copyio::copyin_word(&map, at + 8), Ok(0));
    assert_eq!(
        copyio::copyin_word(&map, at + 4 * PAGE - 4),
        Err(KernReturn::INVALID_ADDRESS),
        "half outside"
    );
    for address in [
        0,
        u64::MAX,
        u64::MAX - 3,
        1 << 63,
        map.max_offset(),
        map.max_offset() - 4,
    ] {
        assert_eq!(
            copyio::copyin_word(&map, address),
            Err(KernReturn::INVALID_ADDRESS),
            "{address:#x}"
        );
        assert_eq!(
            copyio::copyout(&map, &[1; 64], address),
            Err(KernReturn::INVALID_ADDRESS),
            "{address:#x}"
        );
    }
    assert_eq!(copyio::copyin(&map, u64::MAX, &mut []), Ok(()));
    pmap::deactivate();
}

#[test]
fn strings_may_end_right_before_memory_that_is_not_there() {
    let _world = World::new();
    let map = new_map();
    let at = some_memory(&map, 1);
    map.pmap().activate();
    copyio::copyout(&map, b"end\0", at + PAGE - 4).unwrap();
    assert_eq!(
        copyio::copyin_string(&map, at + PAGE - 4, 3).unwrap(),
        "end"
    );
    assert_eq!(
        copyio::copyin_string(&map, at + PAGE - 4, 2),
        Err(StringError::TooLong)
    );
    copyio::copyout(&map, b"open", at + PAGE - 4).unwrap();
    let cut = copyio::copyin_string(&map, at + PAGE - 4, 100);
    assert_eq!(cut, Err(StringError::Memory(KernReturn::INVALID_ADDRESS)));
    copyio::copyout(&map, &[0xff, 0], at).unwrap();
    assert_eq!(
        copyio::copyin_string(&map, at, 100),
        Err(StringError::NotText)
    );
    pmap::deactivate();
}

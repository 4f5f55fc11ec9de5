//! What the tests of `kern` share: a booted twin whose every port, right, message and frame must be back at the end, and a
//! pager that is told what to do by the test.
#![allow(dead_code, missing_docs, unreachable_pub)]

use std::sync::Arc;
use std::time::Duration;

use ipc::census::{self, Census};
use ipc::{
    KernelCarrier, Kmsg, Patience, Port, ReceiveRight, Right, SendRight, ThreadIpc, deferred,
};
use mach::defs::{Call, RequestBody, pager, pager_control};
use mach::message::Carried;
use mach::{CopyStrategy, KernReturn, Result, VmInherit, VmProt};
use prim::clock::Deadline;
use prim::frames::{self, OwnedFrame, Reserve};
use vm::vm_map::{Backing, EnterFlags, Hold, ObjectMapping, Placement, VmMap};
use vm::vm_object::ObjectRef;

#[path = "../../../vm/tests/map_support/mod.rs"]
pub mod map_support;
pub use map_support::{PAGE, load, new_map};

/// How long a test waits for what must come. Much more than it takes: the machine may be busy.
const PATIENCE: Duration = Duration::from_secs(60);

/// One test's world: frames and rights are counted at both ends.
pub struct World {
    before: Census,
    // After the rights were counted, the frames.
    _machine: map_support::Machine,
}

impl World {
    pub fn new() -> Self {
        let machine = map_support::Machine::boot();
        settle();
        Self {
            before: census::take(),
            _machine: machine,
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            settle();
            // A thread that was joined may still be on its way out, with its last hold on its task.
            let limit = Deadline::after(PATIENCE);
            while census::take() != self.before && !limit.has_passed() {
                std::thread::sleep(Duration::from_millis(1));
                settle();
            }
            assert_eq!(
                census::take(),
                self.before,
                "rights leaked (left: after, right: before)"
            );
        }
    }
}

/// Waits until everything that was let go is gone.
pub fn settle() {
    for _ in 0..4 {
        deferred::drain();
        prim::reaper::quiesce();
    }
}

/// What the kernel tells a pager.
#[derive(Debug)]
pub enum Told {
    Init {
        control: SendRight,
        id: u64,
    },
    Request {
        offset: u64,
        length: u64,
    },
    Returned {
        offset: u64,
        length: u64,
        generation: u64,
    },
    Terminate {
        id: u64,
    },
    Supplied {
        result: KernReturn,
        accepted: u32,
    },
    Other,
}

/// A pager's port.
pub struct FakePager {
    receive: Option<ReceiveRight>,
    thread: ThreadIpc,
}

impl FakePager {
    pub fn new() -> Self {
        Self {
            receive: Some(Port::allocate().expect("a port")),
            thread: ThreadIpc::new(),
        }
    }

    pub fn port(&self) -> SendRight {
        self.receive.as_ref().expect("alive").make_send()
    }

    /// The next message, which must come soon.
    pub fn next(&self) -> Told {
        self.next_within(PATIENCE)
            .expect("the kernel says something")
    }

    pub fn next_within(&self, patience: Duration) -> Option<Told> {
        let receive = self.receive.as_ref().expect("alive");
        let until = Patience::Until(Deadline::after(patience));
        let kmsg = ipc::receive_in_kernel(receive, &self.thread, until).ok()?;
        let mut listener = Listener(Told::Other);
        let _ = pager::demux(&mut listener, kmsg.into_message());
        Some(listener.0)
    }

    /// The first use: the object is opened. The control and its number.
    pub fn open(&self) -> (Control, u64) {
        match self.next() {
            Told::Init { control, id } => {
                let control = Control(control);
                control.ready();
                (control, id)
            }
            other => panic!("init comes first, not {other:?}"),
        }
    }

    pub fn expect_request(&self) -> (u64, u64) {
        match self.next() {
            Told::Request { offset, length } => (offset, length),
            other => panic!("a request was expected, not {other:?}"),
        }
    }

    pub fn die(&mut self) {
        self.receive.take().expect("alive").destroy();
    }
}

impl Drop for FakePager {
    fn drop(&mut self) {
        if let Some(receive) = self.receive.take() {
            receive.destroy();
        }
    }
}

struct Listener(Told);

type Kernel = KernelCarrier;

impl pager::Server<Kernel> for Listener {
    fn init(&mut self, _: &mut Call<Kernel>, request: pager::init::Request<Kernel>) -> Result<()> {
        let Carried::Right(Right::Send(control)) = request.control else {
            panic!("init brings the control")
        };
        self.0 = Told::Init {
            control,
            id: request.control_id,
        };
        Ok(())
    }

    fn terminate(
        &mut self,
        _: &mut Call<Kernel>,
        request: pager::terminate::Request,
    ) -> Result<()> {
        self.0 = Told::Terminate {
            id: request.control_id,
        };
        Ok(())
    }

    fn data_request(
        &mut self,
        _: &mut Call<Kernel>,
        request: pager::data_request::Request,
    ) -> Result<()> {
        self.0 = Told::Request {
            offset: request.offset,
            length: request.length,
        };
        Ok(())
    }

    fn data_return(
        &mut self,
        _: &mut Call<Kernel>,
        request: pager::data_return::Request<Kernel>,
    ) -> Result<()> {
        self.0 = Told::Returned {
            offset: request.offset,
            length: request.length,
            generation: request.generation,
        };
        Ok(())
    }

    fn supply_completed(
        &mut self,
        _: &mut Call<Kernel>,
        request: pager::supply_completed::Request,
    ) -> Result<()> {
        self.0 = Told::Supplied {
            result: request.result,
            accepted: request.accepted_pages,
        };
        Ok(())
    }
}

/// The kernel's control of an object, as its pager holds it.
pub struct Control(pub SendRight);

impl Control {
    pub fn tell<R: RequestBody<Kernel>>(&self, request: R) {
        let message =
            request.into_message(Carried::Right(Right::Send(self.0.clone())), Carried::Null);
        ipc::send_from_kernel(Kmsg::from_message(message).expect("memory"))
            .expect("the kernel takes it");
    }

    pub fn ready(&self) {
        self.tell(pager_control::ready::Request {
            may_cache: 0,
            copy_strategy: CopyStrategy::Delay as i32,
            cluster_size: 0,
            deadline: 0,
            fallback: pager_control::fallback::ERROR,
            flags: 0,
            want_reply: 0,
        });
    }
}

/// A frame full of one byte.
pub fn frame_of(byte: u8) -> OwnedFrame {
    let mut frame = frames::allocate(Reserve::Pager).expect("a frame");
    frame.write(0, &vec![byte; PAGE as usize]);
    frame
}

/// Maps the whole of an object for reading.
pub fn map_object(map: &VmMap, object: ObjectRef, pages: u64) -> u64 {
    map.enter_mem_object(ObjectMapping {
        placement: Placement::Anywhere(0),
        size: pages * PAGE,
        mask: 0,
        backing: Backing::Object(object),
        offset: 0,
        hold: Hold::Share,
        protection: VmProt::READ,
        max_protection: VmProt::READ,
        inheritance: VmInherit::Share,
        flags: EnterFlags::empty(),
        user_tag: 0,
    })
    .expect("room")
}

/// Reads a word on a thread of its own: it may have to wait.
pub fn load_later(map: &Arc<VmMap>, address: u64) -> std::thread::JoinHandle<Result<u64>> {
    let map = map.clone();
    std::thread::spawn(move || {
        let found = load(&map, address);
        pmap::deactivate();
        found
    })
}

//! Mach traps: supervisor calls with negative numbers.
//!
//! Most are calls on the task itself that are frequent enough to spare the message; they do what the message would do. Numbers
//! without a trap answer `KERN_INVALID_ARGUMENT`, as on XNU (`kern_invalid`).
//! XNU counterpart: `osfmk/kern/syscall_sw.c`, `ipc/mach_kernelrpc.c`.

use alloc::sync::Arc;

use ipc::{Caller, MsgArguments, Right, Sender, UserMemory, mach_msg2};
use mach::message::{AuditToken, Carried, MsgOptions};
use mach::time::TimebaseInfo;
use mach::wire::Wire;
use mach::{Disposition, KernReturn, PortName, Result, VmFlags, VmProt, traps};
use machine::trap::SavedState;
use prim::clock::{self, Deadline, Instant64};
use prim::trace::{self, Event};
use prim::wait::{Interruptible, WaitQueue, WaitResult};
use vm::vm_map::{Backing, Hold, ProtectMode, SourceFate, VmMap, VmMapCopy};
use vm::vm_user::{self, MapArguments, UserAddr, UserSize};

use crate::copyio;
use crate::kobject::task_ports::{name, right};
use crate::personality::personality;
use crate::task::Task;
use crate::thread::Thread;

/// Runs the trap with this (negative) number; the answer goes to `x0`.
#[doc(alias = "mach_syscall")]
pub(crate) fn dispatch(thread: &Arc<Thread>, state: &mut SavedState, number: i32) {
    let arguments = core::array::from_fn(|index| state.x[index]);
    let count = || traps::find(number).map_or(0, |trap| trap.arguments);
    trace::call(number as u64, count, &arguments);
    let result = run(thread, number, arguments);
    trace::point(Event::SyscallReturn, number as u64, result, 0, 0);
    state.x[0] = result;
}

fn run(thread: &Arc<Thread>, number: i32, arguments: [u64; 8]) -> u64 {
    let trap = Trap {
        thread,
        task: thread.task(),
        map: thread.task().map(),
        arguments,
    };
    match number {
        traps::ABSOLUTE_TIME | traps::CONTINUOUS_TIME => clock::now().0,
        traps::MACH_MSG => code(trap.mach_msg(false)),
        traps::MACH_MSG_OVERWRITE => code(trap.mach_msg(true)),
        traps::MACH_MSG2 => code(trap.mach_msg2()),
        traps::MACH_REPLY_PORT => port(trap.task.space().reply_port()),
        traps::THREAD_GET_SPECIAL_REPLY_PORT => port(trap.task.space().reply_port()),
        traps::TASK_SELF => port(trap.name_for(trap.task.send_right())),
        traps::THREAD_SELF => port(trap.name_for(thread.send_right())),
        traps::HOST_SELF => port(trap.name_for(crate::host::right_for(trap.task))),
        traps::MACH_VM_ALLOCATE => code(trap.on_self().and_then(|()| trap.vm_allocate())),
        traps::MACH_VM_DEALLOCATE => code(trap.on_self().and_then(|()| trap.vm_deallocate())),
        traps::MACH_VM_PROTECT => code(trap.on_self().and_then(|()| trap.vm_protect())),
        traps::MACH_VM_MAP => code(trap.on_self().and_then(|()| trap.vm_map())),
        traps::MACH_PORT_ALLOCATE => code(trap.on_self().and_then(|()| trap.port_allocate())),
        traps::MACH_PORT_DEALLOCATE => code(
            trap.on_self()
                .and_then(|()| trap.task.space().deallocate(trap.name(1))),
        ),
        traps::MACH_PORT_MOD_REFS => code(trap.on_self().and_then(|()| trap.port_mod_refs())),
        traps::MACH_PORT_MOVE_MEMBER => code(
            trap.on_self()
                .and_then(|()| trap.task.space().move_member(trap.name(1), trap.name(2))),
        ),
        traps::MACH_PORT_INSERT_RIGHT => {
            code(trap.on_self().and_then(|()| trap.port_insert_right()))
        }
        traps::MACH_PORT_INSERT_MEMBER => code(
            trap.on_self()
                .and_then(|()| trap.task.space().insert_member(trap.name(1), trap.name(2))),
        ),
        traps::MACH_PORT_EXTRACT_MEMBER => code(
            trap.on_self()
                .and_then(|()| trap.task.space().extract_member(trap.name(1), trap.name(2))),
        ),
        traps::MACH_PORT_DESTRUCT => code(trap.on_self().and_then(|()| {
            trap.task
                .space()
                .destruct(trap.name(1), trap.arguments[2] as i32, trap.arguments[3])
        })),
        traps::MACH_PORT_GUARD => code(
            trap.on_self()
                .and_then(|()| trap.task.space().guard(trap.name(1), trap.arguments[2])),
        ),
        traps::MACH_PORT_UNGUARD => code(
            trap.on_self()
                .and_then(|()| trap.task.space().unguard(trap.name(1), trap.arguments[2])),
        ),
        traps::MACH_PORT_TYPE => code(trap.on_self().and_then(|()| trap.port_type())),
        traps::MACH_PORT_REQUEST_NOTIFICATION => {
            code(trap.on_self().and_then(|()| trap.request_notification()))
        }
        traps::TASK_FOR_PID => code(trap.task_for_pid()),
        traps::PID_FOR_TASK => code(trap.pid_for_task()),
        traps::SWTCH_PRI | traps::SWTCH | traps::THREAD_SWITCH => {
            prim::thread::yield_now();
            0
        }
        traps::MACH_TIMEBASE_INFO => code(trap.timebase_info()),
        traps::MACH_WAIT_UNTIL => code(trap.wait_until()),
        _ => code(Err(KernReturn::INVALID_ARGUMENT)),
    }
}

fn code(result: Result<()>) -> u64 {
    result.err().unwrap_or(KernReturn::SUCCESS).0 as u32 as u64
}

fn port(name: PortName) -> u64 {
    u64::from(name.0)
}

/// The caller's memory, as messages need it.
struct Memory<'a>(&'a VmMap);

impl UserMemory for Memory<'_> {
    fn copyin(&self, from: u64, to: &mut [u8]) -> Result<()> {
        copyio::copyin(self.0, from, to)
    }

    fn copyout(&self, from: &[u8], to: u64) -> Result<()> {
        copyio::copyout(self.0, from, to)
    }

    fn take(&self, address: u64, size: u64, fate: SourceFate) -> Result<VmMapCopy> {
        UserMemory::take(self.0, address, size, fate)
    }

    fn copy(&self, address: u64, size: u64) -> Result<VmMapCopy> {
        self.0.copyin_at_once(address, size)
    }

    fn give(&self, copy: VmMapCopy) -> Result<u64> {
        UserMemory::give(self.0, copy)
    }

    fn put(&self, copy: &VmMapCopy, address: u64) -> Result<bool> {
        self.0.copyout_to(copy, address)
    }

    fn remove(&self, address: u64, size: u64) -> Result<()> {
        UserMemory::remove(self.0, address, size)
    }
}

/// One trap: who, and with what.
struct Trap<'a> {
    thread: &'a Arc<Thread>,
    task: &'a Arc<Task>,
    map: Arc<VmMap>,
    arguments: [u64; 8],
}

impl Trap<'_> {
    fn name(&self, index: usize) -> PortName {
        name(self.arguments[index])
    }

    /// These traps are for the caller's own task; for another the library sends a message when it sees this code.
    fn on_self(&self) -> Result<()> {
        let port = self
            .task
            .space()
            .send_port(self.name(0))
            .map_err(|_| KernReturn::SEND_INVALID_DEST)?;
        match port.kobject::<Task>() {
            Some(task) if Arc::ptr_eq(&task, self.task) => Ok(()),
            _ => Err(KernReturn::SEND_INVALID_DEST),
        }
    }

    /// A name for a right in the caller's space.
    fn name_for(&self, right: Option<ipc::SendRight>) -> PortName {
        let Some(right) = right else {
            return PortName::NULL;
        };
        self.task
            .space()
            .copyout(right)
            .unwrap_or_else(|(_, right)| {
                right.release();
                PortName::NULL
            })
    }

    fn copyin_word(&self, address: u64) -> Result<u64> {
        copyio::copyin_word(&self.map, address)
    }

    fn copyout(&self, value: &impl Wire, address: u64) -> Result<()> {
        copyio::copyout(&self.map, &value.encode(), address)
    }

    /// Who the messages say they come from.
    fn sender(&self) -> Sender {
        let pid = personality()
            .and_then(|personality| personality.pid(self.task))
            .unwrap_or(0);
        let mut words = [0; 8];
        words[5] = pid as u32;
        words[7] = self.task.id() as u32;
        Sender {
            security: [0, 0],
            audit: AuditToken { words },
        }
    }

    fn send_and_receive(&self, arguments: &MsgArguments) -> Result<()> {
        let caller = Caller {
            space: self.task.space(),
            memory: &Memory(&self.map),
            thread: self.thread.ipc(),
            sender: self.sender(),
        };
        match ipc::mach_msg::mach_msg(&caller, arguments) {
            KernReturn::SUCCESS => Ok(()),
            other => Err(other),
        }
    }

    fn mach_msg(&self, overwrite: bool) -> Result<()> {
        let [
            address,
            options,
            send_size,
            receive_size,
            receive_name,
            timeout,
            _,
            receive_address,
        ] = self.arguments;
        self.send_and_receive(&MsgArguments {
            address,
            options: MsgOptions::from_bits_retain(options as u32),
            send_size: send_size as u32,
            receive_size: receive_size as u32,
            receive_name: name(receive_name),
            timeout: timeout as u32,
            receive_address: if overwrite { receive_address } else { 0 },
            header: None,
        })
    }

    fn mach_msg2(&self) -> Result<()> {
        self.send_and_receive(&mach_msg2::decode(self.arguments)?)
    }

    fn vm_allocate(&self) -> Result<()> {
        let [_, address, size, flags, ..] = self.arguments;
        let hint = self.copyin_word(address)?;
        let allocated =
            vm_user::mach_vm_allocate(&self.map, UserAddr(hint), UserSize(size), flags as u32)?;
        self.copyout(&allocated, address)
    }

    fn vm_deallocate(&self) -> Result<()> {
        let [_, address, size, ..] = self.arguments;
        vm_user::mach_vm_deallocate(&self.map, UserAddr(address), UserSize(size))
    }

    fn vm_protect(&self) -> Result<()> {
        let [_, address, size, set_maximum, protection, ..] = self.arguments;
        let mode = if set_maximum as u32 != 0 {
            ProtectMode::Maximum
        } else {
            ProtectMode::Current
        };
        vm_user::mach_vm_protect(
            &self.map,
            UserAddr(address),
            UserSize(size),
            mode,
            protection as u32,
        )
    }

    fn vm_map(&self) -> Result<()> {
        let [_, address, size, mask, flags, protection, ..] = self.arguments;
        let hint = self.copyin_word(address)?;
        let mapped = vm_user::mach_vm_map(
            &self.map,
            MapArguments {
                address: UserAddr(hint),
                size: UserSize(size),
                mask,
                flags: VmFlags::from_bits_retain(flags as u32).bits(),
                backing: Backing::Anonymous,
                offset: 0,
                hold: Hold::Share,
                protection: protection as u32,
                max_protection: VmProt::ALL.bits(),
                inheritance: mach::VmInherit::Copy.raw(),
            },
        )?;
        self.copyout(&mapped, address)
    }

    fn port_allocate(&self) -> Result<()> {
        let allocated = self
            .task
            .space()
            .allocate(right(self.arguments[1] as u32)?)?;
        self.copyout(&allocated, self.arguments[2])
            .inspect_err(|_| {
                // Nobody has heard of the name.
                let _ = self.task.space().destroy_name(allocated);
            })
    }

    fn port_mod_refs(&self) -> Result<()> {
        let [_, _, wanted, delta, ..] = self.arguments;
        self.task
            .space()
            .mod_refs(self.name(1), right(wanted as u32)?, delta as i32)
    }

    fn port_insert_right(&self) -> Result<()> {
        let disposition =
            Disposition::from_raw(self.arguments[3] as u32).ok_or(KernReturn::INVALID_VALUE)?;
        let poly = self.task.space().copyin(self.name(2), disposition)?;
        self.task.space().insert_right(self.name(1), poly)
    }

    fn port_type(&self) -> Result<()> {
        let kind = self.task.space().type_of(self.name(1))?;
        self.copyout(&kind.bits(), self.arguments[2])
    }

    fn request_notification(&self) -> Result<()> {
        let [_, _, id, sync, _, disposition, previous, ..] = self.arguments;
        let notify = if self.name(4) == PortName::NULL {
            None
        } else {
            let disposition =
                Disposition::from_raw(disposition as u32).ok_or(KernReturn::INVALID_VALUE)?;
            match self.task.space().copyin(self.name(4), disposition)? {
                Carried::Right(Right::SendOnce(right)) => Some(right),
                _ => return Err(KernReturn::INVALID_CAPABILITY),
            }
        };
        let space = self.task.space();
        let former = space
            .request_notification(self.name(1), id as i32, sync as u32, notify)
            .map_err(|(code, notify)| {
                if let Some(notify) = notify {
                    notify.release();
                }
                code
            })?;
        let former = match former {
            None => PortName::NULL,
            Some(right) => space.copyout(right).unwrap_or_else(|(_, right)| {
                right.release();
                PortName::NULL
            }),
        };
        self.copyout(&former, previous)
    }

    /// For everybody: there is no user but root.
    fn task_for_pid(&self) -> Result<()> {
        let [_, pid, result, ..] = self.arguments;
        let personality = personality().ok_or(KernReturn::FAILURE)?;
        let target = personality
            .task_for_pid(pid as i32)
            .ok_or(KernReturn::FAILURE)?;
        let found = self.name_for(target.send_right());
        self.copyout(&found, result)
    }

    fn pid_for_task(&self) -> Result<()> {
        let port = self
            .task
            .space()
            .send_port(self.name(0))
            .map_err(|_| KernReturn::FAILURE)?;
        let task = port.kobject::<Task>().ok_or(KernReturn::FAILURE)?;
        let pid = personality()
            .and_then(|personality| personality.pid(&task))
            .ok_or(KernReturn::FAILURE)?;
        self.copyout(&pid, self.arguments[1])
    }

    /// Ticks times numerator by denominator are nanoseconds.
    fn timebase_info(&self) -> Result<()> {
        let divisor = gcd(1_000_000_000, clock::frequency());
        let info = TimebaseInfo {
            numer: (1_000_000_000 / divisor) as u32,
            denom: (clock::frequency() / divisor) as u32,
        };
        self.copyout(&info, self.arguments[0])
    }

    fn wait_until(&self) -> Result<()> {
        static NEVER_WOKEN: WaitQueue = WaitQueue::new();
        let deadline = Deadline(Instant64(self.arguments[0]));
        let wait = NEVER_WOKEN.assert_wait(Interruptible::AbortSafe, Some(deadline));
        match wait.block() {
            WaitResult::Interrupted => Err(KernReturn::ABORTED),
            WaitResult::TimedOut | WaitResult::Awakened => Ok(()),
        }
    }
}

fn gcd(mut a: u64, mut b: u64) -> u64 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a.max(1)
}

//! From a booted kernel to the first process, and the way back to power-off.
//!
//! The board calls [`start`] once, on a kernel thread, when everything below runs. It shows the boot archive and the devices,
//! registers this crate as the personality, and starts init from the archive; init starts the file server.
//! XNU counterpart: `bsd_init`, `bsdinit_task`, `reboot_kernel`.

use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;

use bsd_sys::errno::Errno;
use bsd_sys::fcntl::OpenFlags;
use bsd_sys::reboot::{RB_HALT, status_of};
use ipc::SendRight;
use kern::exception::UserException;
use kern::personality::{self, Personality};
use kern::task::Task;
use kern::thread::Thread;
use mach::KernReturn;
use machine::address::{USER_MAX, USER_MIN};
use machine::trap::SavedState;
use pmap::Pmap;
use prim::frames::Reserve;
use prim::thread::{Priority, spawn_kernel};
use spin::Once;
use vm::vm_map::VmMap;

use crate::kern_descrip::{FileTable, OpenFile};
use crate::kern_exec::{self, Arguments};
use crate::proc::{self, Proc, ProcParameters, Trust};
use crate::sysent::{self, Call, Outcome};
use crate::vfs::lookup::{Last, lookup};
use crate::vfs::{boot_archive, devices, namespace, pagers, server, update};
use crate::{kern_memorystatus, kern_sig, tty};

/// What the board gives.
pub struct BootParameters {
    /// The boot archive, in memory that stays.
    pub archive: &'static [u8],
    /// The words of the kernel's command line; init gets them as its arguments.
    pub command_line: String,
    /// Switches the machine off; the status is its exit status.
    pub power_off: fn(u8) -> !,
}

/// Why there is no first process.
#[derive(Debug)]
pub struct StartError {
    /// What was tried.
    pub step: &'static str,
    /// What became of it.
    pub cause: Errno,
}

static POWER_OFF: Once<fn(u8) -> !> = Once::new();

/// Path of the first program.
const INIT_PATH: &str = "/boot/sbin/init";

/// Brings the BSD layer up and starts init.
///
/// # Errors
/// The step that failed; the kernel cannot go on then.
#[doc(alias = "bsd_init")]
pub fn start(parameters: BootParameters) -> Result<(), StartError> {
    let failed = |step| move |cause| StartError { step, cause };
    POWER_OFF.call_once(|| parameters.power_off);
    personality::register(&Bsd);
    kern_memorystatus::start();
    kern::host::register_file_server_hook(mount_file_server);
    boot_archive::mount(parameters.archive).map_err(failed("mounting the boot archive"))?;
    devices::mount().map_err(failed("mounting the devices"))?;
    pagers::mount().map_err(failed("mounting the pagers"))?;
    update::start()
        .map_err(|_| Errno::ENOMEM)
        .map_err(failed("starting the update thread"))?;
    tty::start()
        .map_err(|_| Errno::ENOMEM)
        .map_err(failed("starting the terminal"))?;
    let proc = first_process().map_err(failed("making the first process"))?;
    let mut arguments = alloc::vec![INIT_PATH.as_bytes().to_vec()];
    arguments.extend(
        parameters
            .command_line
            .split_whitespace()
            .map(|word| word.as_bytes().to_vec()),
    );
    let arguments = Arguments {
        arguments,
        environment: Vec::new(),
    };
    let vnode = lookup(&namespace::root(), INIT_PATH, Last::Follow)
        .map_err(failed("finding /boot/sbin/init"))?;
    let program = kern_exec::load(&vnode, INIT_PATH, &arguments)
        .map_err(kern_exec::LoadFailure::errno)
        .map_err(failed("loading /boot/sbin/init"))?;
    kern_exec::start(&proc, program)
        .map_err(|_| Errno::ENOMEM)
        .map_err(failed("starting init"))
}

/// Init before it has a program: a task, and the console as its three descriptors.
#[doc(alias = "bsdinit_task")]
fn first_process() -> Result<Arc<Proc>, Errno> {
    let pmap = Pmap::create(Reserve::Normal).map_err(|_| Errno::ENOMEM)?;
    let map = VmMap::create(pmap, USER_MIN, USER_MAX).map_err(|_| Errno::ENOMEM)?;
    let task = Task::create(map).map_err(|_| Errno::ENOMEM)?;
    let console = lookup(&namespace::root(), "/dev/console", Last::Follow)?;
    let file = OpenFile::create(console, OpenFlags::RDWR)?;
    let mut files = FileTable::default();
    for _ in 0..3 {
        files.add(file.clone(), false, 0)?;
    }
    Proc::create(ProcParameters {
        task,
        parent: None,
        directory: namespace::root(),
        files,
    })
}

/// The file server has told its port. Its mounts are asked for by a thread of the kernel: the server itself is still in the
/// call that told us.
fn mount_file_server(port: SendRight) -> Result<(), KernReturn> {
    let mount = move || {
        // The root comes last: who sees it sees the others. A machine without a shared directory has only the others.
        let _ = server::mount(port.clone(), 1, Some("share"));
        let _ = server::mount(port.clone(), 2, Some("ram"));
        let _ = server::mount(port.clone(), 3, Some("tmp"));
        if let Err(errno) = server::mount(port, 0, None) {
            tty::report(format_args!("mounting the root: {errno}\n"));
        }
    };
    spawn_kernel("mount", Priority::KERNEL, mount)
        .map(|_| ())
        .map_err(|_| KernReturn::RESOURCE_SHORTAGE)
}

/// Init must not end; without it nobody could be waited for.
pub(crate) fn init_ended(init: &Proc) {
    let status = init.state().status;
    tty::report(format_args!("init has ended ({status:?}); powering off\n"));
    power_off(1);
}

/// `reboot(how)`: for the privileged.
pub(crate) fn reboot(call: &mut Call<'_>) -> Outcome {
    if call.proc.state().trust < Trust::Privileged {
        return Err(Errno::EPERM.into());
    }
    let how = call.int(0);
    if how & RB_HALT == 0 {
        return Err(Errno::ENOTSUP.into());
    }
    update::finish();
    power_off(status_of(how))
}

fn power_off(status: u8) -> ! {
    match POWER_OFF.get() {
        Some(power_off) => power_off(status),
        None => panic!("power-off before start"),
    }
}

/// This crate, as `kern` sees it.
struct Bsd;

impl Personality for Bsd {
    fn system_call(&self, thread: &Arc<Thread>, state: &mut SavedState) {
        sysent::system_call(thread, state);
    }

    fn exception(&self, thread: &Arc<Thread>, state: &mut SavedState, exception: &UserException) {
        kern_sig::exception(thread, state, exception);
    }

    fn pending(&self, thread: &Arc<Thread>, state: &mut SavedState) {
        kern_sig::act_on_pending(thread, state);
    }

    fn task_terminated(&self, task: &Arc<Task>) {
        if let Some(proc) = proc::of_task(task) {
            proc.become_zombie();
        }
    }

    fn pid(&self, task: &Task) -> Option<i32> {
        proc::of_task(task).map(|proc| proc.pid())
    }

    fn task_for_pid(&self, pid: i32) -> Option<Arc<Task>> {
        proc::find(pid)?.task()
    }

    fn is_privileged(&self, task: &Task) -> bool {
        proc::of_task(task).is_some_and(|proc| proc.state().trust >= Trust::Privileged)
    }

    fn serves_memory(&self, task: &Task) -> bool {
        proc::of_task(task).is_some_and(|proc| proc.state().trust == Trust::Service)
    }

    fn name(&self, task: &Task) -> String {
        proc::of_task(task).map_or_else(|| "?".to_string(), |proc| proc.state().name.clone())
    }
}

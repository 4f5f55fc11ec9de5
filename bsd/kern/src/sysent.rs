//! The table of system calls, and how one is entered and left.
//!
//! [`system_call`] reads the number and the arguments from the registers, runs the call, and writes the answer by Darwin's
//! convention: carry clear and results in `x0`, `x1`, or carry set and errno in `x0`. A call that a signal cut short and
//! that may start again moves the program counter back over the `svc`.
//!
//! XNU counterpart: `bsd/dev/arm/systemcalls.c` (`unix_syscall`), `init_sysent.c`.

use alloc::sync::Arc;
use core::fmt;

use bsd_sys::errno::Errno;
use bsd_sys::syscall as number;
use kern::thread::Thread;
use machine::trap::{CPSR_CARRY, SavedState};
use prim::trace::{self, Event};
use vm::vm_map::VmMap;
use vm::vm_pageout::Shortage;

use crate::kern_sig::Interruption;
use crate::proc::{self, Proc};
use crate::{
    kern_cs, kern_descrip, kern_exec, kern_exit, kern_fork, kern_mman, kern_proc_info,
    kern_resource, kern_sig, kern_sysctl, kern_time,
};
use crate::{startup, sys_generic, sys_pipe, vfs};

/// Bytes of an instruction.
const INSTRUCTION: u64 = 4;

/// How a call that does not give a value ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Failure {
    /// With this error.
    Errno(Errno),
    /// A signal came first: run the call again when it has been acted on.
    #[doc(alias = "ERESTART")]
    Restart,
    /// As [`Failure::Restart`], but once a handler has run the call has failed with `EINTR`, whatever `SA_RESTART` says.
    Interrupted,
    /// The registers are as they must be; nothing is to be written to them.
    #[doc(alias = "EJUSTRETURN")]
    JustReturn,
}

impl Failure {
    /// An errno of a call that has changed nothing yet: a signal that came first starts it again.
    #[must_use]
    pub fn or_restart(errno: Errno) -> Self {
        if errno == Errno::EINTR {
            Self::Restart
        } else {
            Self::Errno(errno)
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Errno(errno) => errno.fmt(f),
            Self::Restart | Self::Interrupted => Errno::EINTR.fmt(f),
            Self::JustReturn => f.write_str("nothing to say"),
        }
    }
}

impl Shortage for Failure {
    fn is_shortage(&self) -> bool {
        matches!(self, Self::Errno(Errno::ENOMEM))
    }

    fn interrupted() -> Self {
        Self::Restart
    }
}

impl From<Errno> for Failure {
    fn from(errno: Errno) -> Self {
        Self::Errno(errno)
    }
}

/// A call's answer: `x0` and `x1`.
pub type Outcome = Result<[u64; 2], Failure>;

/// Who calls, and with what.
pub struct Call<'a> {
    /// The calling thread.
    pub thread: &'a Arc<Thread>,
    /// Its process.
    pub proc: &'a Arc<Proc>,
    /// Its memory.
    pub map: &'a Arc<VmMap>,
    /// `x0` to `x7` at the call.
    pub arguments: [u64; 8],
    /// The program's registers: fork copies them, exec replaces them.
    pub state: &'a mut SavedState,
}

impl Call<'_> {
    /// An argument.
    #[must_use]
    pub fn long(&self, index: usize) -> u64 {
        self.arguments[index]
    }

    /// An argument as an `int`.
    #[must_use]
    pub fn int(&self, index: usize) -> i32 {
        self.arguments[index] as i32
    }

    /// An argument as an `unsigned int`.
    #[must_use]
    pub fn word(&self, index: usize) -> u32 {
        self.arguments[index] as u32
    }
}

/// A result in `x0`.
///
/// # Errors
/// None; the type is a call's.
pub fn value(result: impl Into<u64>) -> Outcome {
    Ok([result.into(), 0])
}

/// Success without a result.
pub const DONE: Outcome = Ok([0, 0]);

/// Runs the system call in `state`.
#[doc(alias = "unix_syscall")]
pub fn system_call(thread: &Arc<Thread>, state: &mut SavedState) {
    let Some(proc) = proc::of_task(thread.task()) else {
        return finish(state, Err(Errno::ENOSYS.into()));
    };
    let map = thread.task().map();
    // `syscall(2)`: number 0 takes the number from x0.
    let indirect = state.x[16] as u32 == 0;
    let (number, first) = if indirect {
        (state.x[0] as u32, 1)
    } else {
        (state.x[16] as u32, 0)
    };
    let arguments = core::array::from_fn(|index| state.x[first + index]);
    let count = || number::find(number).map_or(0, |call| call.arguments);
    trace::call(u64::from(number), count, &arguments);
    let outcome = dispatch(
        number,
        &mut Call {
            thread,
            proc: &proc,
            map: &map,
            arguments,
            state,
        },
    );
    let ([result, second], errno) = match outcome {
        Ok(results) => (results, 0),
        Err(Failure::Errno(errno)) => ([0; 2], errno.raw() as u64),
        Err(Failure::Restart | Failure::Interrupted | Failure::JustReturn) => ([0; 2], 0),
    };
    trace::point(
        Event::SyscallReturn,
        u64::from(number),
        result,
        errno,
        second,
    );
    match outcome {
        Err(Failure::Restart) => kern_sig::note_interruption(thread, Interruption::Restartable),
        Err(Failure::Interrupted) => {
            kern_sig::note_interruption(thread, Interruption::EndsWithHandler);
        }
        _ => {}
    }
    finish(state, outcome);
}

/// Writes an answer into the registers.
fn finish(state: &mut SavedState, outcome: Outcome) {
    match outcome {
        Ok([first, second]) => {
            (state.x[0], state.x[1]) = (first, second);
            state.cpsr &= !CPSR_CARRY;
        }
        Err(Failure::Errno(errno)) => {
            (state.x[0], state.x[1]) = (errno.raw() as u64, 0);
            state.cpsr |= CPSR_CARRY;
        }
        Err(Failure::Restart | Failure::Interrupted) => {
            state.pc = state.pc.wrapping_sub(INSTRUCTION);
        }
        Err(Failure::JustReturn) => {}
    }
}

/// The table. A number without a row is `ENOSYS`, and a signal as on XNU.
#[doc(alias = "sysent")]
fn dispatch(number: u32, call: &mut Call<'_>) -> Outcome {
    match number {
        number::EXIT => kern_exit::exit(call),
        number::FORK => kern_fork::fork(call),
        number::READ | number::READ_NOCANCEL => sys_generic::read(call),
        number::WRITE | number::WRITE_NOCANCEL => sys_generic::write(call),
        number::OPEN | number::OPEN_NOCANCEL => vfs::syscalls::open(call),
        number::CLOSE | number::CLOSE_NOCANCEL => kern_descrip::close(call),
        number::WAIT4 | number::WAIT4_NOCANCEL => kern_exit::wait4(call),
        number::CHDIR => vfs::syscalls::chdir(call),
        number::GETPID => value(call.proc.pid() as u64),
        number::GETUID | number::GETEUID | number::GETGID | number::GETEGID | number::ISSETUGID => {
            DONE
        }
        number::ACCESS => vfs::syscalls::access(call),
        number::KILL => kern_sig::kill(call),
        number::GETPPID => value(call.proc.parent_pid() as u64),
        number::DUP => kern_descrip::dup(call),
        number::DUP2 => kern_descrip::dup2(call),
        number::PIPE => sys_pipe::pipe(call),
        number::LINK => vfs::changes::link(call),
        number::UNLINK => vfs::changes::unlink(call),
        number::CHMOD => vfs::changes::chmod(call),
        number::SYNC => vfs::update::sync(call),
        number::SYMLINK => vfs::changes::symlink(call),
        number::FSYNC | number::FSYNC_NOCANCEL | number::FDATASYNC => vfs::changes::fsync(call),
        number::WRITEV | number::WRITEV_NOCANCEL => sys_generic::writev(call),
        number::FCHMOD => vfs::changes::fchmod(call),
        number::RENAME => vfs::changes::rename(call),
        number::MKDIR => vfs::changes::mkdir(call),
        number::RMDIR => vfs::changes::rmdir(call),
        number::UTIMES => vfs::changes::utimes(call),
        number::FUTIMES => vfs::changes::futimes(call),
        number::PWRITE | number::PWRITE_NOCANCEL => sys_generic::pwrite(call),
        number::TRUNCATE => vfs::changes::truncate(call),
        number::FTRUNCATE => vfs::changes::ftruncate(call),
        number::FCNTL | number::FCNTL_NOCANCEL => kern_descrip::fcntl(call),
        number::SIGACTION => kern_sig::sigaction(call),
        number::SIGPROCMASK | number::PTHREAD_SIGMASK => kern_sig::sigprocmask(call),
        number::SIGPENDING => kern_sig::sigpending(call),
        number::SIGALTSTACK => kern_sig::sigaltstack(call),
        number::GETRUSAGE => kern_resource::getrusage(call),
        number::IOCTL => sys_generic::ioctl(call),
        number::REBOOT => startup::reboot(call),
        number::READLINK => vfs::syscalls::readlink(call),
        number::EXECVE => kern_exec::execve(call),
        number::GETPGRP => value(call.proc.state().group as u64),
        number::SETPGID => kern_proc_info::setpgid(call),
        number::UMASK => kern_proc_info::umask(call),
        number::GETTIMEOFDAY => kern_time::gettimeofday(call),
        number::SIGSUSPEND | number::SIGSUSPEND_NOCANCEL => kern_sig::sigsuspend(call),
        number::SIGRETURN => kern_sig::sigreturn(call),
        number::PREAD | number::PREAD_NOCANCEL => sys_generic::pread(call),
        number::STAT64 => vfs::syscalls::stat(call),
        number::LSTAT64 => vfs::syscalls::lstat(call),
        number::FSTAT64 => vfs::syscalls::fstat(call),
        number::GETDIRENTRIES64 => vfs::syscalls::getdirentries64(call),
        number::LSEEK => sys_generic::lseek(call),
        number::MMAP => kern_mman::mmap(call),
        number::MUNMAP => kern_mman::munmap(call),
        number::MPROTECT => kern_mman::mprotect(call),
        number::MADVISE => kern_mman::madvise(call),
        number::MINCORE => kern_mman::mincore(call),
        number::MINHERIT => kern_mman::minherit(call),
        number::MSYNC | number::MSYNC_NOCANCEL => kern_mman::msync(call),
        number::SYSCTL => kern_sysctl::sysctl(call),
        number::SYSCTLBYNAME => kern_sysctl::sysctlbyname(call),
        number::MLOCK => kern_mman::mlock(call),
        number::MUNLOCK => kern_mman::munlock(call),
        number::CSOPS => kern_cs::csops(call),
        number::FSCTL => vfs::update::fsctl(call),
        number::FFSCTL => vfs::update::ffsctl(call),
        number::VFS_PURGE => vfs::syscalls::vfs_purge(call),
        number::PROC_INFO => kern_proc_info::proc_info(call),
        number::GETENTROPY => kern_time::getentropy(call),
        _ => kern_sig::bad_system_call(call),
    }
}

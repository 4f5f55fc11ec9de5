//! Processes: making, replacing, waiting, ending.

use crate::fs::c_path;
use crate::io::Result;
use crate::{env, syscall};
use alloc::ffi::CString;
use alloc::string::String;
use alloc::vec::Vec;
use bsd_sys::Errno;
use bsd_sys::proc_info::{
    self, BSD_INFO_SIZE, BsdInfo, REGION_PATH_INFO_SIZE, REGION_PATH_OFFSET, TASK_INFO_SIZE,
    TaskInfo,
};
use bsd_sys::resource::Rusage;
use bsd_sys::signal::Signal;
use bsd_sys::syscall as number;
use bsd_sys::wait::WaitStatus;

/// Ends this process.
pub fn exit(status: i32) -> ! {
    // SAFETY: no memory is named.
    let _ = unsafe { syscall::call(number::EXIT, &[status as u64]) };
    // The call does not come back; on a host there is another one.
    #[cfg(not(target_os = "none"))]
    std::process::exit(status);
    #[cfg(target_os = "none")]
    loop {
        core::hint::spin_loop();
    }
}

/// Ends this process as broken.
pub fn abort() -> ! {
    let _ = kill(id(), Signal::ABRT);
    exit(128 + Signal::ABRT.number())
}

/// The number of this process.
#[doc(alias = "getpid")]
pub fn id() -> i32 {
    // SAFETY: no memory is named.
    unsafe { syscall::call(number::GETPID, &[]) }.map_or(-1, |words| words[0] as i32)
}

/// The number of this process's parent.
#[doc(alias = "getppid")]
pub fn parent_id() -> i32 {
    // SAFETY: no memory is named.
    unsafe { syscall::call(number::GETPPID, &[]) }.map_or(-1, |words| words[0] as i32)
}

/// Which side of a fork this is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fork {
    /// The new process.
    Child,
    /// The old process, with the number of the new one.
    Parent(i32),
}

/// Copies this process.
///
/// # Errors
/// The kernel's.
pub fn fork() -> Result<Fork> {
    // SAFETY: no memory is named. Programs have one thread unless they make others by themselves, and
    // then it is theirs not to fork.
    let words = unsafe { syscall::call(number::FORK, &[]) }?;
    // As on Darwin the second word tells the child; it also forgets the parent's ports.
    if words[1] != 0 || words[0] == 0 {
        crate::mach_call::forget_ports();
        return Ok(Fork::Child);
    }
    Ok(Fork::Parent(words[0] as i32))
}

fn pointers(strings: &[CString]) -> Vec<*const core::ffi::c_char> {
    strings
        .iter()
        .map(|string| string.as_ptr())
        .chain([core::ptr::null()])
        .collect()
}

fn c_strings<S: AsRef<str>>(strings: &[S]) -> Result<Vec<CString>> {
    strings
        .iter()
        .map(|string| c_path(string.as_ref()))
        .collect()
}

/// Replaces this program; comes back only if that fails.
pub fn exec<S: AsRef<str>>(path: &str, arguments: &[S]) -> Errno {
    exec_with(path, arguments, &env::environment())
}

/// Replaces this program by one with this environment; comes back only if that fails.
#[doc(alias = "execve")]
pub fn exec_with<S: AsRef<str>>(path: &str, arguments: &[S], environment: &[String]) -> Errno {
    let attempt = || -> Result<()> {
        let path = c_path(path)?;
        let arguments = c_strings(arguments)?;
        let environment = c_strings(environment)?;
        let (arguments, environment) = (pointers(&arguments), pointers(&environment));
        let words = [
            path.as_ptr() as u64,
            arguments.as_ptr() as u64,
            environment.as_ptr() as u64,
        ];
        // SAFETY: the lists end in null, their strings in NUL, and all are only read.
        unsafe { syscall::call(number::EXECVE, &words) }.map(|_| ())
    };
    attempt().err().unwrap_or(Errno::EIO)
}

/// Starts a program in a new process and gives its number.
///
/// # Errors
/// The kernel's for the fork. If the program cannot be started, the new process says why and ends
/// with status 127 (not found) or 126.
pub fn spawn<S: AsRef<str>>(path: &str, arguments: &[S]) -> Result<i32> {
    match fork()? {
        Fork::Parent(child) => Ok(child),
        Fork::Child => {
            let error = exec(path, arguments);
            crate::eprintln!("{path}: {error}");
            exit(if error == Errno::ENOENT { 127 } else { 126 })
        }
    }
}

/// Waits for a child (-1: any) and tells which it was and how it ended. `None` with `WNOHANG` if none
/// has.
///
/// # Errors
/// The kernel's; `ECHILD` if there is none.
#[doc(alias = "wait4")]
pub fn wait(child: i32, options: i32) -> Result<Option<(i32, WaitStatus)>> {
    loop {
        let mut status = 0i32;
        let arguments = [child as u64, &raw mut status as u64, options as u64, 0];
        // SAFETY: the kernel writes into `status` only.
        match unsafe { syscall::call(number::WAIT4, &arguments) } {
            Ok([0, _]) => return Ok(None),
            Ok([found, _]) => {
                let status = WaitStatus::from_raw(status).ok_or(Errno::EIO)?;
                return Ok(Some((found as i32, status)));
            }
            Err(Errno::EINTR) => {}
            Err(error) => return Err(error),
        }
    }
}

/// Waits until this child has ended.
///
/// # Errors
/// The kernel's.
pub fn wait_for(child: i32) -> Result<WaitStatus> {
    wait(child, 0)?
        .map(|(_, status)| status)
        .ok_or(Errno::ECHILD)
}

/// Waits until this child has ended, and tells what it used.
///
/// # Errors
/// The kernel's.
#[doc(alias = "wait4")]
pub fn wait_with_usage(child: i32) -> Result<(WaitStatus, Rusage)> {
    let (mut status, mut usage) = (0i32, [0; Rusage::SIZE]);
    let arguments = [
        child as u64,
        &raw mut status as u64,
        0,
        usage.as_mut_ptr() as u64,
    ];
    loop {
        // SAFETY: the kernel writes into `status` and a `struct rusage` into `usage`.
        match unsafe { syscall::call(number::WAIT4, &arguments) } {
            Ok(_) => break,
            Err(Errno::EINTR) => {}
            Err(error) => return Err(error),
        }
    }
    let status = WaitStatus::from_raw(status).ok_or(Errno::EIO)?;
    Ok((status, Rusage::from_bytes(&usage).ok_or(Errno::EIO)?))
}

/// Whether there is such a process, or group for a negative number.
///
/// # Errors
/// The kernel's; `ESRCH` if there is none.
pub fn exists(process: i32) -> Result<()> {
    // SAFETY: no memory is named.
    unsafe { syscall::call(number::KILL, &[process as u64, 0, 1]) }.map(|_| ())
}

/// Sends a signal.
///
/// # Errors
/// The kernel's.
pub fn kill(process: i32, signal: Signal) -> Result<()> {
    let arguments = [process as u64, signal.number() as u64, 1];
    // SAFETY: no memory is named.
    unsafe { syscall::call(number::KILL, &arguments) }.map(|_| ())
}

/// Puts a process (0: this one) into a group (0: its own), which a terminal's keys mean as a whole.
///
/// # Errors
/// The kernel's.
#[doc(alias = "setpgid")]
pub fn set_group(process: i32, group: i32) -> Result<()> {
    // SAFETY: no memory is named.
    unsafe { syscall::call(number::SETPGID, &[process as u64, group as u64]) }.map(|_| ())
}

/// The process group of this process.
#[doc(alias = "getpgrp")]
pub fn group() -> i32 {
    // SAFETY: no memory is named.
    unsafe { syscall::call(number::GETPGRP, &[]) }.map_or(-1, |words| words[0] as i32)
}

/// Changes the current directory.
///
/// # Errors
/// The kernel's.
#[doc(alias = "chdir")]
pub fn set_directory(path: &str) -> Result<()> {
    let path = c_path(path)?;
    // SAFETY: the path ends in NUL and is only read.
    unsafe { syscall::call(number::CHDIR, &[path.as_ptr() as u64]) }.map(|_| ())
}

/// Powers the machine off; its caller sees the status. Comes back only if that fails.
#[doc(alias = "reboot")]
pub fn power_off(status: u8) -> Errno {
    let how = bsd_sys::reboot::power_off_with(status);
    // SAFETY: no memory is named.
    unsafe { syscall::call(number::REBOOT, &[how as u64, 0]) }
        .err()
        .unwrap_or(Errno::EIO)
}

fn process_information(call: i32, process: i32, flavor: i32, buffer: &mut [u8]) -> Result<usize> {
    let arguments = [
        call as u64,
        process as u64,
        flavor as u64,
        0,
        buffer.as_mut_ptr() as u64,
        buffer.len() as u64,
    ];
    // SAFETY: the kernel writes into `buffer` only.
    unsafe { syscall::call(number::PROC_INFO, &arguments) }.map(|words| words[0] as usize)
}

/// Numbers of all processes, rising.
///
/// # Errors
/// The kernel's.
#[doc(alias = "proc_listpids")]
pub fn list() -> Result<Vec<i32>> {
    // More than the kernel lets be.
    let mut buffer = alloc::vec![0; 4 * 8192];
    // The second argument says which processes: all.
    let used = process_information(proc_info::CALL_LISTPIDS, 1, 0, &mut buffer)?;
    let words = buffer.get(..used).unwrap_or_default().chunks_exact(4);
    let mut pids: Vec<i32> = words
        .map(|word| i32::from_le_bytes([word[0], word[1], word[2], word[3]]))
        .collect();
    pids.sort_unstable();
    Ok(pids)
}

/// What the kernel tells of a process.
///
/// # Errors
/// The kernel's; `ESRCH` if there is no such process.
#[doc(alias = "proc_pidinfo")]
pub fn information(process: i32) -> Result<BsdInfo> {
    let mut bytes = [0; BSD_INFO_SIZE];
    process_information(
        proc_info::CALL_PIDINFO,
        process,
        proc_info::PIDTBSDINFO,
        &mut bytes,
    )?;
    Ok(BsdInfo::from_bytes(&bytes))
}

/// The path of the file that a process has mapped at an address.
///
/// # Errors
/// The kernel's; `EINVAL` if it is no file's memory.
#[doc(alias = "proc_regionfilename")]
pub fn region_path(process: i32, address: u64) -> Result<String> {
    let mut bytes = alloc::vec![0; REGION_PATH_INFO_SIZE];
    let arguments = [
        proc_info::CALL_PIDINFO as u64,
        process as u64,
        proc_info::PIDREGIONPATHINFO as u64,
        address,
        bytes.as_mut_ptr() as u64,
        bytes.len() as u64,
    ];
    // SAFETY: the kernel writes into `bytes` only.
    unsafe { syscall::call(number::PROC_INFO, &arguments) }?;
    let path = bytes.get(REGION_PATH_OFFSET..).unwrap_or_default();
    let end = path.iter().position(|byte| *byte == 0).ok_or(Errno::EIO)?;
    Ok(String::from_utf8_lossy(&path[..end]).into_owned())
}

/// Memory and times of a process.
///
/// # Errors
/// The kernel's; `ESRCH` if there is no such process.
#[doc(alias = "proc_pidinfo")]
pub fn task_information(process: i32) -> Result<TaskInfo> {
    let mut bytes = [0; TASK_INFO_SIZE];
    process_information(
        proc_info::CALL_PIDINFO,
        process,
        proc_info::PIDTASKINFO,
        &mut bytes,
    )?;
    Ok(TaskInfo::from_bytes(&bytes))
}

/// Where programs are looked for, in this order.
pub const PROGRAM_DIRECTORIES: [&str; 5] = ["/bin", "/sbin", "/tests", "/boot/bin", "/boot/sbin"];

/// Where a program is; a name without a slash is looked for in [`PROGRAM_DIRECTORIES`].
pub fn find_program(name: &str) -> Option<String> {
    let exists = |path: &String| crate::fs::stat(path).is_ok();
    if name.contains('/') {
        return Some(String::from(name)).filter(exists);
    }
    PROGRAM_DIRECTORIES
        .iter()
        .map(|directory| alloc::format!("{directory}/{name}"))
        .find(exists)
}

//! `execve`: another program in the same process.
//!
//! Everything that can fail comes first: the file is read, the new map is made and filled, the arguments are copied. Only then
//! is the old map taken down, and from there on nothing fails. [`image`] checks the file's headers.
//!
//! The new stack holds what Darwin's `_start` expects at `sp`:
//!
//! ```text
//!   argc | argv[0] .. argv[argc-1] | 0 | envp[0] .. | 0 | apple[0] .. | 0 | the strings
//! ```
//!
//! XNU counterpart: `bsd/kern/kern_exec.c`, `mach_loader.c`.

pub mod image;
mod stack;

use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;

use bsd_sys::errno::Errno;
use bsd_sys::limits::{ARG_MAX, PATH_MAX};
use kern::thread::Thread;
use mach::{KernReturn, VmInherit, VmProt};
use machine::address::{USER_MAX, USER_MIN};
use machine::page::round_page;
use machine::trap::SavedState;
use pmap::Pmap;
use prim::frames::Reserve;
use vm::vm_fault::FaultOptions;
use vm::vm_map::{Backing, EnterFlags, EnterRequest, Hold, ObjectMapping, Placement, VmMap};
use vm::vm_object::ObjectRef;
use vm::vm_pageout::{Shortage, patiently};

use crate::kern_cs::{self, Code, ProcessCode, Rejection};
use crate::kern_sig::ThreadSignals;
use crate::proc::{Proc, Trust};
use crate::sysent::{Call, Failure, Outcome};
use crate::vfs::boot_archive;
use crate::vfs::lookup::{Last, lookup};
use crate::vfs::vnode::Vnode;
use image::{HEAD, Image, Segment};
use stack::STACK_SIZE;

/// A program that is ready to run: its memory and its first registers.
pub(crate) struct Program {
    map: Arc<VmMap>,
    state: SavedState,
    name: String,
    trust: Trust,
    code: Code,
}

/// Why there is no program.
pub(crate) enum LoadFailure {
    /// An error of the call.
    Errno(Errno),
    /// It may not run: the process ends.
    Rejected(Rejection),
}

impl LoadFailure {
    /// As an error of a call.
    pub(crate) fn errno(self) -> Errno {
        match self {
            Self::Errno(errno) => errno,
            Self::Rejected(_) => Errno::EPERM,
        }
    }
}

impl Shortage for LoadFailure {
    fn is_shortage(&self) -> bool {
        matches!(self, Self::Errno(Errno::ENOMEM))
    }

    fn interrupted() -> Self {
        Self::Errno(Errno::EINTR)
    }
}

impl From<Errno> for LoadFailure {
    fn from(errno: Errno) -> Self {
        Self::Errno(errno)
    }
}

/// What a program is given at its start.
pub(crate) struct Arguments {
    pub(crate) arguments: Vec<Vec<u8>>,
    pub(crate) environment: Vec<Vec<u8>>,
}

/// `execve(path, argv, envp)`.
///
/// # Errors
/// What the path says; `EACCES` for what may not be run; `ENOEXEC`, `EBADMACHO`; `E2BIG`; `ENOMEM`; `EFAULT`. A program that is
/// not signed is no error: the process ends.
pub(crate) fn execve(call: &mut Call<'_>) -> Outcome {
    if call.thread.task().threads().len() > 1 {
        // The other threads would have to end first.
        return Err(Errno::ENOTSUP.into());
    }
    let path = call.copyin_string(call.long(0), PATH_MAX - 1)?;
    let mut room = ARG_MAX;
    let arguments = Arguments {
        arguments: copyin_strings(call, call.long(1), &mut room)?,
        environment: copyin_strings(call, call.long(2), &mut room)?,
    };
    let start = call.proc.state().directory.clone();
    // Until the program is ready nothing has changed: a signal starts the call again.
    let vnode = lookup(&start, &path, Last::Follow).map_err(Failure::or_restart)?;
    match patiently(|| load(&vnode, &path, &arguments)) {
        Ok(program) => Ok(become_program(call, program)),
        Err(LoadFailure::Errno(errno)) => Err(Failure::or_restart(errno)),
        Err(LoadFailure::Rejected(rejection)) => {
            kern_cs::reject(call.proc, &path, rejection);
            Err(Failure::JustReturn)
        }
    }
}

/// A list of strings that ends with a null pointer.
fn copyin_strings(call: &Call<'_>, list: u64, room: &mut usize) -> Result<Vec<Vec<u8>>, Failure> {
    let mut strings = Vec::new();
    if list == 0 {
        return Ok(strings);
    }
    loop {
        let pointer = call.copyin_word(list.wrapping_add(8 * strings.len() as u64))?;
        if pointer == 0 {
            return Ok(strings);
        }
        let string = call.copyin_bytes(pointer, *room)?;
        // The pointer, and the string with its end.
        *room = room.checked_sub(string.len() + 1 + 8).ok_or(Errno::E2BIG)?;
        strings.push(string);
    }
}

/// Makes a program ready.
///
/// # Errors
/// As [`execve`].
#[doc(alias = "exec_activate_image")]
pub(crate) fn load(
    vnode: &Arc<Vnode>,
    path: &str,
    arguments: &Arguments,
) -> Result<Program, LoadFailure> {
    let attributes = vnode.attributes()?;
    if !vnode.is_regular() || attributes.mode & 0o111 == 0 {
        return Err(Errno::EACCES.into());
    }
    let object = vnode.object()?;
    let size = vnode.size();
    let mut head = alloc::vec![0; size.min(HEAD as u64) as usize];
    object
        .read_to_kernel(0, &mut head, FaultOptions::USER)
        .map_err(|incomplete| load_errno(incomplete.cause))?;
    let image = Image::parse(&head, size)?;
    let trust = boot_archive::trust_of(vnode.handle());
    let found = kern_cs::find(&object, size)?;
    let code =
        Code::of_program(found, trust >= Trust::Privileged).map_err(LoadFailure::Rejected)?;
    let pmap = Pmap::create(Reserve::Normal).map_err(|_| Errno::ENOMEM)?;
    let map = VmMap::create(pmap, USER_MIN, USER_MAX).map_err(|_| Errno::ENOMEM)?;
    if trust == Trust::Service {
        // Those who bring pages back must not wait for their own.
        map.make_unpageable();
    }
    match fill(&map, &object, &image, path, arguments) {
        Ok(state) => Ok(Program {
            map,
            state,
            name: path.rsplit('/').next().unwrap_or(path).to_string(),
            trust,
            code,
        }),
        Err(errno) => {
            map.terminate();
            Err(errno.into())
        }
    }
}

fn fill(
    map: &VmMap,
    object: &ObjectRef,
    image: &Image,
    path: &str,
    arguments: &Arguments,
) -> Result<SavedState, Errno> {
    for segment in &image.segments {
        map_segment(map, object, segment).map_err(load_errno)?;
    }
    let sp = stack::build(map, path, arguments)?;
    Ok(SavedState::user(image.entry, sp))
}

/// Maps a segment: its file part private from the file, the rest anonymous, zeroes in between.
#[doc(alias = "load_segment")]
fn map_segment(map: &VmMap, object: &ObjectRef, segment: &Segment) -> Result<(), KernReturn> {
    let file_end = round_page(segment.file_size);
    if segment.file_size > 0 {
        map.enter_mem_object(ObjectMapping {
            placement: Placement::Fixed(segment.address),
            size: file_end,
            mask: 0,
            backing: Backing::Object(object.clone()),
            offset: segment.file_offset,
            hold: Hold::Copy,
            protection: segment.protection,
            max_protection: VmProt::ALL,
            inheritance: VmInherit::Copy,
            flags: EnterFlags::empty(),
            user_tag: 0,
        })?;
    }
    if segment.size > file_end {
        let rest = Placement::Fixed(segment.address + file_end);
        let request = EnterRequest::anonymous(rest, segment.size - file_end);
        map.enter(request.protected(segment.protection, VmProt::ALL))?;
    }
    let tail = file_end - segment.file_size;
    if tail > 0 && segment.file_size > 0 && segment.protection.contains(VmProt::WRITE) {
        let zeroes = alloc::vec![0; tail as usize];
        map.write_bytes(segment.address + segment.file_size, &zeroes)?;
    }
    Ok(())
}

pub(crate) fn load_errno(cause: KernReturn) -> Errno {
    match cause {
        KernReturn::RESOURCE_SHORTAGE | KernReturn::NO_SPACE => Errno::ENOMEM,
        KernReturn::ABORTED => Errno::EINTR,
        KernReturn::MEMORY_ERROR | KernReturn::MEMORY_FAILURE => Errno::EIO,
        _ => Errno::ENOEXEC,
    }
}

/// The point of no return.
#[doc(alias = "swap_task_map")]
fn become_program(call: &mut Call<'_>, program: Program) -> [u64; 2] {
    let Program {
        map,
        state,
        name,
        trust,
        code,
    } = program;
    let closed = call.proc.files.lock().close_on_exec();
    drop(closed);
    {
        let mut proc = call.proc.state();
        proc.code = admit(call.proc.pid(), &code, &map);
        proc.name = name;
        proc.trust = trust;
        proc.actions.exec();
    }
    ThreadSignals::of(call.thread).exec();
    drop(prim::thread::current().set_address_space(Some(map.pmap().clone())));
    let old = call.thread.task().replace_map(map);
    old.terminate();
    Thread::reset_user_registers();
    Thread::set_memory_privilege(trust == Trust::Service);
    *call.state = state;
    // The answer of a successful exec is the new program's first two registers.
    [state.x[0], state.x[1]]
}

/// The program's rules for code become those of its map.
fn admit(pid: i32, code: &Code, map: &VmMap) -> Arc<ProcessCode> {
    let code_of_process = ProcessCode::create(pid, code);
    code.apply_to(map);
    map.set_code_policy(code_of_process.clone());
    code_of_process
}

/// Gives a task that has not run yet its program; used for the first process.
pub(crate) fn start(proc: &Arc<Proc>, program: Program) -> Result<(), KernReturn> {
    let Program {
        map,
        state,
        name,
        trust,
        code,
    } = program;
    {
        let pid = proc.pid();
        let mut proc = proc.state();
        proc.code = admit(pid, &code, &map);
        proc.name = name;
        proc.trust = trust;
    }
    let task = proc.task().ok_or(KernReturn::TERMINATED)?;
    task.replace_map(map).terminate();
    task.create_thread(state)?.start()
}

/// Where the stack ends.
fn stack_top(map: &VmMap) -> u64 {
    map.max_offset() - map.page_size()
}

/// Whether an address lies in the main thread's stack or in the guard below it.
pub(crate) fn is_on_main_stack(map: &VmMap, address: u64) -> bool {
    (stack_bottom(map) - stack::guard_size(map)..stack_top(map)).contains(&address)
}

/// The stack's lowest address; the page below is never mapped.
fn stack_bottom(map: &VmMap) -> u64 {
    stack_top(map) - STACK_SIZE
}

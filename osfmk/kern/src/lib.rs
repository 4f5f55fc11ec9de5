//! Tasks, threads, traps, the host, and the ports that name kernel objects.
//!
//! | module | what it holds | XNU |
//! |---|---|---|
//! | [`task`], [`thread`] | what runs, and what it owns | `task.c`, `thread.c`, `thread_act.c` |
//! | [`trap`], `mach_trap` | how a program gets in | `sleh.c`, `syscall_sw.c`, `mach_kernelrpc.c` |
//! | [`exception`] | what went wrong, in Mach's terms | `exception.c` |
//! | [`copyio`] | copies that resolve their faults | `copyio.c` |
//! | [`kobject`] | ports that name kernel objects, and their servers | `ipc_kobject.c`, `ipc_tt.c`, `ipc_host.c` |
//! | [`external_pager`] | a pager behind a port | `memory_object.c` |
//! | [`default_pager`] | the pager of anonymous memory behind its port | `host_default_memory_manager` |
//! | [`host`] | the machine as a port | `host.c` |
//! | [`personality`] | what the layer above does for tasks | calls into `bsd/` |
//!
//! It is the only crate in which a port becomes a kernel object and a pager becomes a port. Nothing here holds a lock
//! while a message is sent, a fault is resolved or a program's memory is copied.
#![cfg_attr(not(test), no_std)]

extern crate alloc;

pub mod copyio;
pub mod default_pager;
pub mod exception;
pub mod external_pager;
pub mod host;
pub mod kobject;
mod mach_trap;
pub mod personality;
pub mod task;
pub mod thread;
pub mod trap;

//! The BSD shim: Darwin's system calls over the Mach core.
//!
//! It validates what programs pass, in XNU's order, turns it into Mach calls, and turns Mach's results into errno: nowhere
//! below this crate is there an errno. A process is the BSD half of a task, hung into the task's extension slot.
//!
//! | module | what it holds | XNU |
//! |---|---|---|
//! | [`proc`] | processes, their table, parents and children | `kern_proc.c` |
//! | [`sysent`] | the table of calls, how a call is entered and left | `init_sysent.c`, `systemcalls.c` |
//! | [`kern_mman`] | `mmap` and its relatives | `kern_mman.c` |
//! | [`kern_exec`], [`kern_fork`], [`kern_exit`] | the life of a process | same names |
//! | `kern_memorystatus` | the process that goes when memory runs out | same name |
//! | [`kern_resource`] | what processes use | same name |
//! | [`kern_sig`] | signals and what exceptions become | `kern_sig.c`, `ux_exception.c` |
//! | [`kern_descrip`], [`sys_generic`] | descriptors, reading and writing | same names |
//! | [`vfs`] | names, vnodes, file systems | `bsd/vfs` |
//! | [`tty`] | the console as a terminal | `tty.c` |
//! | `kern_cs` | signatures of files, what a process is known to be | `kern_cs.c`, `ubc_subr.c` |
//! | [`mac`] | hooks where policy is asked, and the policy of code signing | `security/` |
//!
//! Start at [`sysent`] for the way in, at [`kern_mman`] for `mmap`.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod copy;
mod kern_cs;
pub mod kern_descrip;
pub mod kern_exec;
pub mod kern_exit;
pub mod kern_fork;
mod kern_memorystatus;
pub mod kern_mman;
pub mod kern_proc_info;
pub mod kern_resource;
pub mod kern_sig;
pub mod kern_sysctl;
pub mod kern_time;
pub mod mac;
pub mod proc;
pub mod startup;
pub mod sys_generic;
pub mod sys_pipe;
pub mod sysent;
#[cfg(test)]
mod tests;
pub mod tty;
pub mod turn;
pub mod vfs;

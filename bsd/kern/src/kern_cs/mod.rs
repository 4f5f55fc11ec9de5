//! Code signing of processes: what a process is known to be, and what becomes of it when a page is not what was signed.
//!
//! [`Code`] is what exec finds out about a program; [`ProcessCode`] is that of one process, with flags that can only get stricter
//! or lose `VALID`. fork gives the child a copy, exec replaces it. The map asks it ([`CodePolicy`]) about bad pages:
//!
//! ```text
//!   KILL               the process ends by SIGKILL, for the reason "code signing, invalid page"
//!   HARD without KILL  the access fails: KERN_CODESIGN_ERROR, SIGBUS
//!   neither            the page is let in, and the process is not VALID any more
//! ```
//!
//! Whether a program may run at all is policy ([`crate::mac`]). XNU counterpart: `bsd/kern/kern_cs.c`.

mod csops;
mod file;

use alloc::sync::Arc;
use core::sync::atomic::{AtomicU32, Ordering};

use bsd_sys::codesign::{REASON_INVALID_PAGE, REASON_SECURITY_POLICY};
use bsd_sys::signal::Signal;
use bsd_sys::wait::WaitStatus;
use codesign::{Error, Flags};
use vm::code_signing::{CodePolicy, Verdict};
use vm::vm_map::{JitPolicy, VmMap};

use crate::mac::{self, CodeFile, Entitlements};
use crate::proc::{self, Proc};
use crate::{kern_exit, tty};

pub(crate) use csops::csops;
pub(crate) use file::{FileSignature, SignedFile, find};

/// What is known of a program's code.
#[derive(Clone, Default)]
pub(crate) struct Code {
    flags: Flags,
    file: Option<Arc<SignedFile>>,
}

/// Why a program is not run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Rejection {
    Unsigned,
    Damaged(Error),
}

impl Code {
    /// What exec makes of a file with this signature; `platform` for one that came with the kernel.
    ///
    /// # Errors
    /// Policy does not let it run.
    pub(crate) fn of_program(found: FileSignature, platform: bool) -> Result<Self, Rejection> {
        let evidence = found.evidence();
        mac::check_exec(CodeFile { evidence, platform }).map_err(|_| match &found {
            FileSignature::Damaged(error) => Rejection::Damaged(*error),
            _ => Rejection::Unsigned,
        })?;
        let base = if platform {
            Flags::PLATFORM
        } else {
            Flags::empty()
        };
        Ok(match found {
            FileSignature::Signed(file) => Self {
                flags: base | Flags::VALID | Flags::SIGNED | asked_for(file.signature.flags()),
                file: Some(file),
            },
            FileSignature::Unsigned | FileSignature::Damaged(_) => Self {
                flags: base,
                file: None,
            },
        })
    }

    fn entitlements(&self) -> Entitlements {
        self.file
            .as_ref()
            .map_or_else(Entitlements::default, |file| file.entitlements)
    }

    /// How many JIT regions the program's map may have.
    #[doc(alias = "proc_apply_jit_and_vm_policies")]
    pub(crate) fn apply_to(&self, map: &VmMap) {
        let entitlements = self.entitlements();
        map.set_jit_policy(match (entitlements.allow_jit, entitlements.single_jit) {
            (false, _) => JitPolicy::Refused,
            (true, true) => JitPolicy::Single,
            (true, false) => JitPolicy::Multiple,
        });
    }
}

/// The hardened run-time means that all code must be signed.
fn asked_for(flags: Flags) -> Flags {
    if flags.contains(Flags::RUNTIME) {
        flags | Flags::ENFORCEMENT | Flags::HARD | Flags::KILL
    } else {
        flags
    }
}

/// The code of one process.
pub(crate) struct ProcessCode {
    pid: i32,
    /// [`Flags`].
    flags: AtomicU32,
    file: Option<Arc<SignedFile>>,
}

impl ProcessCode {
    pub(crate) fn create(pid: i32, code: &Code) -> Arc<Self> {
        Arc::new(Self {
            pid,
            flags: AtomicU32::new(code.flags.bits()),
            file: code.file.clone(),
        })
    }

    /// As it is now, for a child.
    pub(crate) fn code(&self) -> Code {
        Code {
            flags: self.flags(),
            file: self.file.clone(),
        }
    }

    pub(crate) fn flags(&self) -> Flags {
        Flags::from_bits_truncate(self.flags.load(Ordering::Acquire))
    }

    fn set(&self, flags: Flags) {
        self.flags.fetch_or(flags.bits(), Ordering::AcqRel);
    }

    /// Not valid any more; says whether it was.
    fn invalidate(&self) -> bool {
        let old = self.flags.fetch_and(!Flags::VALID.bits(), Ordering::AcqRel);
        Flags::from_bits_truncate(old).contains(Flags::VALID)
    }

    pub(crate) fn entitlements(&self) -> Entitlements {
        self.code().entitlements()
    }
}

impl CodePolicy for ProcessCode {
    fn enforces(&self) -> bool {
        self.flags().contains(Flags::ENFORCEMENT)
    }

    fn invalid_page(&self, address: u64) -> Verdict {
        let flags = self.flags();
        let Some(proc) = proc::find(self.pid) else {
            return Verdict::End;
        };
        if flags.contains(Flags::KILL) {
            self.set(Flags::KILLED);
            end_for_page(&proc, address);
            Verdict::End
        } else if flags.contains(Flags::HARD) {
            Verdict::Refuse
        } else {
            if self.invalidate() {
                let name = proc.state().name.clone();
                tty::report(format_args!(
                    "{name}[{}]: code signing: page at {address:#x} is not what was signed; let in\n",
                    proc.pid(),
                ));
            }
            Verdict::Admit
        }
    }
}

/// Ends a process for a page that is not what was signed.
fn end_for_page(proc: &Arc<Proc>, address: u64) {
    let name = proc.state().name.clone();
    tty::report(format_args!(
        "{name}[{}]: killed: code signing, invalid page (reason {REASON_INVALID_PAGE}) at {address:#x}\n",
        proc.pid(),
    ));
    kern_exit::begin(proc, WaitStatus::Signalled(Signal::KILL));
}

/// Ends a process that tried to become a program that may not run.
pub(crate) fn reject(proc: &Arc<Proc>, path: &str, rejection: Rejection) {
    tty::report(format_args!(
        "{path}[{}]: killed: exec, security policy (reason {REASON_SECURITY_POLICY}): {rejection:?}\n",
        proc.pid(),
    ));
    kern_exit::begin(proc, WaitStatus::Signalled(Signal::KILL));
}

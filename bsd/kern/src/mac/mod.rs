//! Hooks where policy is asked, as in XNU's MAC framework: the system calls know that something may be refused, and not why.
//!
//! A [`Policy`] answers every hook; all policies must agree. There is one, `signing`, which stands where XNU has a closed
//! module. XNU counterpart: `security/mac_process.c`, `mac_vm.c`, `mac_vfs.c`.

mod signing;

use bsd_sys::errno::Errno;
use bsd_sys::mman::MapFlags;
use mach::VmProt;

/// What a program's signature entitles it to.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Entitlements {
    /// `com.apple.security.cs.allow-jit`: memory that is writable and executable at once.
    pub allow_jit: bool,
    /// `com.apple.security.cs.single-jit`: one such region, no more.
    pub single_jit: bool,
}

/// The policy refuses. What errno that becomes is the caller's business: `mmap` says `EINVAL`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Denied;

/// How a file is signed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Evidence {
    /// With a signature that can be read; its pages are looked at when they are used.
    Signed,
    /// Not at all.
    Unsigned,
    /// With one that is damaged.
    Damaged,
}

/// A file that is to be executed, or mapped to be executed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CodeFile {
    /// Its signature.
    pub evidence: Evidence,
    /// It came with the kernel, in the boot archive.
    pub platform: bool,
}

/// A module that decides.
pub trait Policy: Sync {
    /// May the process make this anonymous mapping? May lower the maximum protection.
    ///
    /// # Errors
    /// [`Denied`].
    fn map_anonymous(
        &self,
        entitlements: Entitlements,
        flags: MapFlags,
        maximum: &mut VmProt,
    ) -> Result<(), Denied>;

    /// May the process map this file to execute it?
    ///
    /// # Errors
    /// The errno of `mmap`.
    fn map_code(&self, file: CodeFile) -> Result<(), Errno>;

    /// May a process become this program?
    ///
    /// # Errors
    /// [`Denied`]: the process ends.
    fn exec(&self, file: CodeFile) -> Result<(), Denied>;
}

static POLICIES: [&dyn Policy; 1] = [&signing::CodeSigning];

/// Asked before anonymous memory is mapped.
///
/// # Errors
/// A policy's.
#[doc(alias = "mac_proc_check_map_anon")]
pub fn check_map_anonymous(
    entitlements: Entitlements,
    flags: MapFlags,
    maximum: &mut VmProt,
) -> Result<(), Denied> {
    POLICIES
        .iter()
        .try_for_each(|policy| policy.map_anonymous(entitlements, flags, maximum))
}

/// Asked before a file is mapped to be executed.
///
/// # Errors
/// A policy's.
#[doc(alias = "mac_file_check_mmap")]
pub fn check_map_code(file: CodeFile) -> Result<(), Errno> {
    POLICIES.iter().try_for_each(|policy| policy.map_code(file))
}

/// Asked before a process becomes a program.
///
/// # Errors
/// A policy's.
#[doc(alias = "mac_vnode_check_signature")]
pub fn check_exec(file: CodeFile) -> Result<(), Denied> {
    POLICIES.iter().try_for_each(|policy| policy.exec(file))
}

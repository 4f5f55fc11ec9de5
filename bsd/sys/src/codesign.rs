//! What `csops` can be asked (`bsd/sys/codesign.h`). The flags are the crate `codesign`'s.

/// The process's flags.
#[doc(alias = "CS_OPS_STATUS")]
pub const OPS_STATUS: u32 = 0;
/// The process is not valid any more.
#[doc(alias = "CS_OPS_MARKINVALID")]
pub const OPS_MARK_INVALID: u32 = 1;
/// From now on bad pages are not let in.
#[doc(alias = "CS_OPS_MARKHARD")]
pub const OPS_MARK_HARD: u32 = 2;
/// From now on a bad page ends the process.
#[doc(alias = "CS_OPS_MARKKILL")]
pub const OPS_MARK_KILL: u32 = 3;
/// The name of the CodeDirectory.
#[doc(alias = "CS_OPS_CDHASH")]
pub const OPS_CDHASH: u32 = 5;
/// The entitlements.
#[doc(alias = "CS_OPS_ENTITLEMENTS_BLOB")]
pub const OPS_ENTITLEMENTS: u32 = 7;
/// The whole signature.
#[doc(alias = "CS_OPS_BLOB")]
pub const OPS_BLOB: u32 = 10;
/// The program's name as its signer calls it.
#[doc(alias = "CS_OPS_IDENTITY")]
pub const OPS_IDENTITY: u32 = 11;

/// Exit reason for a program that policy does not let run (`EXEC_EXIT_REASON_SECURITY_POLICY`).
pub const REASON_SECURITY_POLICY: u32 = 8;
/// Exit reason for a page that is not what was signed (`CODESIGNING_EXIT_REASON_INVALID_PAGE`).
pub const REASON_INVALID_PAGE: u32 = 2;

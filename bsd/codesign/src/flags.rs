//! What a signature asks for and what a process is: one word for both, as on XNU.

use core::fmt;

bitflags::bitflags! {
    /// `CS_*`. The low bits can stand in a CodeDirectory, the high ones are the kernel's.
    #[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
    pub struct Flags: u32 {
        /// Every page that was let in is what was signed.
        #[doc(alias = "CS_VALID")]
        const VALID = 0x1;
        /// Signed by nobody: the hashes alone.
        #[doc(alias = "CS_ADHOC")]
        const ADHOC = 0x2;
        /// Others may have the task's port.
        #[doc(alias = "CS_GET_TASK_ALLOW")]
        const GET_TASK_ALLOW = 0x4;
        /// A page that is not what was signed is not let in.
        #[doc(alias = "CS_HARD")]
        const HARD = 0x100;
        /// A page that is not what was signed ends the process.
        #[doc(alias = "CS_KILL")]
        const KILL = 0x200;
        /// All code must be signed, anonymous memory too.
        #[doc(alias = "CS_ENFORCEMENT")]
        const ENFORCEMENT = 0x1000;
        /// The hardened run-time.
        #[doc(alias = "CS_RUNTIME")]
        const RUNTIME = 0x1_0000;
        /// Signed by the linker.
        #[doc(alias = "CS_LINKER_SIGNED")]
        const LINKER_SIGNED = 0x2_0000;
        /// The process was ended for a page.
        #[doc(alias = "CS_KILLED")]
        const KILLED = 0x100_0000;
        /// Part of the system.
        #[doc(alias = "CS_PLATFORM_BINARY")]
        const PLATFORM = 0x400_0000;
        /// The program has a signature.
        #[doc(alias = "CS_SIGNED")]
        const SIGNED = 0x2000_0000;
    }
}

/// Names as the signing tool takes them.
const NAMES: [(&str, Flags); 5] = [
    ("adhoc", Flags::ADHOC),
    ("hard", Flags::HARD),
    ("kill", Flags::KILL),
    ("enforcement", Flags::ENFORCEMENT),
    ("runtime", Flags::RUNTIME),
];

impl Flags {
    /// What of a CodeDirectory's word a process takes over.
    #[doc(alias = "CS_ALLOWED_MACHO")]
    pub const SIGNABLE: Self = Self::ADHOC
        .union(Self::GET_TASK_ALLOW)
        .union(Self::HARD)
        .union(Self::KILL)
        .union(Self::ENFORCEMENT)
        .union(Self::RUNTIME)
        .union(Self::LINKER_SIGNED);

    /// The flags that a list such as `hard,kill` names; `None` if a name is unknown.
    #[must_use]
    pub fn from_names(list: &str) -> Option<Self> {
        let mut names = list
            .split(',')
            .map(str::trim)
            .filter(|name| !name.is_empty() && *name != "none");
        names.try_fold(Self::empty(), |flags, name| {
            let (_, flag) = NAMES.iter().find(|(known, _)| *known == name)?;
            Some(flags | *flag)
        })
    }
}

impl fmt::Display for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}(", self.bits())?;
        let set = NAMES.iter().filter(|(_, flag)| self.contains(*flag));
        let mut separator = "";
        for (name, _) in set {
            write!(f, "{separator}{name}")?;
            separator = ",";
        }
        write!(f, "{})", if separator.is_empty() { "none" } else { "" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString as _;

    #[test]
    fn names_become_flags_and_back() {
        assert_eq!(
            Flags::from_names("hard, kill"),
            Some(Flags::HARD | Flags::KILL)
        );
        assert_eq!(Flags::from_names("none"), Some(Flags::empty()));
        assert_eq!(Flags::from_names("hard,soft"), None);
        assert_eq!(
            (Flags::ADHOC | Flags::KILL).to_string(),
            "0x202(adhoc,kill)"
        );
        assert_eq!(Flags::empty().to_string(), "0x0(none)");
    }
}

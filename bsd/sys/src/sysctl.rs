//! Names of `sysctl`. XNU: `bsd/sys/sysctl.h`.

macro_rules! numbers {
    ($($name:ident = $value:literal, $text:literal;)*) => {
        $(#[doc = concat!($text, ".")] pub const $name: i32 = $value;)*
    };
}

numbers! {
    CTL_KERN = 1, "The kernel";
    CTL_VM = 2, "Virtual memory";
    CTL_VFS = 3, "File systems";
    CTL_HW = 6, "The machine";
    KERN_OSTYPE = 1, "Name of the system";
    KERN_OSRELEASE = 2, "Release";
    KERN_OSREV = 3, "Revision";
    KERN_VERSION = 4, "Long version";
    KERN_MAXPROC = 6, "Processes there can be";
    KERN_MAXFILES = 7, "Open files there can be";
    KERN_ARGMAX = 8, "Bytes of arguments";
    KERN_HOSTNAME = 10, "Name of the host";
    KERN_PROC = 14, "Processes";
    KERN_BOOTTIME = 21, "Time of start";
    KERN_PROCARGS2 = 49, "Arguments of a process";
    KERN_PROC_ALL = 0, "All processes";
    KERN_PROC_PID = 1, "One process";
    HW_MACHINE = 1, "Kind of machine";
    HW_MODEL = 2, "Model";
    HW_NCPU = 3, "CPUs";
    HW_BYTEORDER = 4, "Byte order";
    HW_PAGESIZE = 7, "Bytes of a page";
    HW_MEMSIZE = 24, "Bytes of memory";
    HW_AVAILCPU = 25, "CPUs that run";
}

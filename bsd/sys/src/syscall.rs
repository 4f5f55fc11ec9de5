//! Numbers of the BSD calls, Darwin's, and the table of their names and argument counts.
//!
//! A call is made by `svc #0x80` with its number in `x16`, up to eight arguments in `x0` to `x7`; it
//! returns in `x0` (and `x1`), or with the carry flag set and an [`Errno`](crate::Errno) in `x0`.
//!
//! XNU: `bsd/kern/syscalls.master`. A number that is not listed is `nosys`.

/// One row of the call table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CallInfo {
    /// The number.
    pub number: u32,
    /// XNU's name.
    pub name: &'static str,
    /// Arguments it takes.
    pub arguments: u8,
}

/// The highest number there is.
pub const MAX: u32 = 557;

macro_rules! calls {
    ($($name:ident = $number:literal, $text:literal, $arguments:literal;)*) => {
        $(
            #[doc = concat!("`", $text, "`.")]
            pub const $name: u32 = $number;
        )*

        /// Every call, by rising number.
        pub const TABLE: &[CallInfo] = &[
            $(CallInfo { number: $number, name: $text, arguments: $arguments },)*
        ];
    };
}

calls! {
    EXIT = 1, "exit", 1;
    FORK = 2, "fork", 0;
    READ = 3, "read", 3;
    WRITE = 4, "write", 3;
    OPEN = 5, "open", 3;
    CLOSE = 6, "close", 1;
    WAIT4 = 7, "wait4", 4;
    LINK = 9, "link", 2;
    UNLINK = 10, "unlink", 1;
    CHDIR = 12, "chdir", 1;
    FCHDIR = 13, "fchdir", 1;
    MKNOD = 14, "mknod", 3;
    CHMOD = 15, "chmod", 2;
    CHOWN = 16, "chown", 3;
    GETFSSTAT = 18, "getfsstat", 3;
    GETPID = 20, "getpid", 0;
    SETUID = 23, "setuid", 1;
    GETUID = 24, "getuid", 0;
    GETEUID = 25, "geteuid", 0;
    PTRACE = 26, "ptrace", 4;
    RECVMSG = 27, "recvmsg", 3;
    SENDMSG = 28, "sendmsg", 3;
    RECVFROM = 29, "recvfrom", 6;
    ACCEPT = 30, "accept", 3;
    GETPEERNAME = 31, "getpeername", 3;
    GETSOCKNAME = 32, "getsockname", 3;
    ACCESS = 33, "access", 2;
    CHFLAGS = 34, "chflags", 2;
    FCHFLAGS = 35, "fchflags", 2;
    SYNC = 36, "sync", 0;
    KILL = 37, "kill", 3;
    CROSSARCH_TRAP = 38, "crossarch_trap", 1;
    GETPPID = 39, "getppid", 0;
    DUP = 41, "dup", 1;
    PIPE = 42, "pipe", 0;
    GETEGID = 43, "getegid", 0;
    SIGACTION = 46, "sigaction", 3;
    GETGID = 47, "getgid", 0;
    SIGPROCMASK = 48, "sigprocmask", 3;
    GETLOGIN = 49, "getlogin", 2;
    SETLOGIN = 50, "setlogin", 1;
    ACCT = 51, "acct", 1;
    SIGPENDING = 52, "sigpending", 1;
    SIGALTSTACK = 53, "sigaltstack", 2;
    IOCTL = 54, "ioctl", 3;
    REBOOT = 55, "reboot", 2;
    REVOKE = 56, "revoke", 1;
    SYMLINK = 57, "symlink", 2;
    READLINK = 58, "readlink", 3;
    EXECVE = 59, "execve", 3;
    UMASK = 60, "umask", 1;
    CHROOT = 61, "chroot", 1;
    MSYNC = 65, "msync", 3;
    VFORK = 66, "vfork", 0;
    OSLOG_COPROC_REG = 67, "oslog_coproc_reg", 3;
    OSLOG_COPROC = 68, "oslog_coproc", 7;
    MUNMAP = 73, "munmap", 2;
    MPROTECT = 74, "mprotect", 3;
    MADVISE = 75, "madvise", 3;
    MINCORE = 78, "mincore", 3;
    GETGROUPS = 79, "getgroups", 2;
    SETGROUPS = 80, "setgroups", 2;
    GETPGRP = 81, "getpgrp", 0;
    SETPGID = 82, "setpgid", 2;
    SETITIMER = 83, "setitimer", 3;
    SWAPON = 85, "swapon", 0;
    GETITIMER = 86, "getitimer", 2;
    GETDTABLESIZE = 89, "getdtablesize", 0;
    DUP2 = 90, "dup2", 2;
    FCNTL = 92, "fcntl", 3;
    SELECT = 93, "select", 5;
    FSYNC = 95, "fsync", 1;
    SETPRIORITY = 96, "setpriority", 3;
    SOCKET = 97, "socket", 3;
    CONNECT = 98, "connect", 3;
    GETPRIORITY = 100, "getpriority", 2;
    BIND = 104, "bind", 3;
    SETSOCKOPT = 105, "setsockopt", 5;
    LISTEN = 106, "listen", 2;
    SIGSUSPEND = 111, "sigsuspend", 1;
    GETTIMEOFDAY = 116, "gettimeofday", 3;
    GETRUSAGE = 117, "getrusage", 2;
    GETSOCKOPT = 118, "getsockopt", 5;
    READV = 120, "readv", 3;
    WRITEV = 121, "writev", 3;
    SETTIMEOFDAY = 122, "settimeofday", 2;
    FCHOWN = 123, "fchown", 3;
    FCHMOD = 124, "fchmod", 2;
    SETREUID = 126, "setreuid", 2;
    SETREGID = 127, "setregid", 2;
    RENAME = 128, "rename", 2;
    FLOCK = 131, "flock", 2;
    MKFIFO = 132, "mkfifo", 2;
    SENDTO = 133, "sendto", 6;
    SHUTDOWN = 134, "shutdown", 2;
    SOCKETPAIR = 135, "socketpair", 4;
    MKDIR = 136, "mkdir", 2;
    RMDIR = 137, "rmdir", 1;
    UTIMES = 138, "utimes", 2;
    FUTIMES = 139, "futimes", 2;
    ADJTIME = 140, "adjtime", 2;
    GETHOSTUUID = 142, "gethostuuid", 2;
    SETSID = 147, "setsid", 0;
    GETPGID = 151, "getpgid", 1;
    SETPRIVEXEC = 152, "setprivexec", 1;
    PREAD = 153, "pread", 4;
    PWRITE = 154, "pwrite", 4;
    NFSSVC = 155, "nfssvc", 2;
    STATFS = 157, "statfs", 2;
    FSTATFS = 158, "fstatfs", 2;
    UNMOUNT = 159, "unmount", 2;
    GETFH = 161, "getfh", 2;
    QUOTACTL = 165, "quotactl", 4;
    MOUNT = 167, "mount", 4;
    CSOPS = 169, "csops", 4;
    CSOPS_AUDITTOKEN = 170, "csops_audittoken", 5;
    WAITID = 173, "waitid", 4;
    KDEBUG_TYPEFILTER = 177, "kdebug_typefilter", 2;
    KDEBUG_TRACE_STRING = 178, "kdebug_trace_string", 3;
    KDEBUG_TRACE64 = 179, "kdebug_trace64", 5;
    KDEBUG_TRACE = 180, "kdebug_trace", 5;
    SETGID = 181, "setgid", 1;
    SETEGID = 182, "setegid", 1;
    SETEUID = 183, "seteuid", 1;
    SIGRETURN = 184, "sigreturn", 3;
    PANIC_WITH_DATA = 185, "panic_with_data", 5;
    THREAD_SELFCOUNTS = 186, "thread_selfcounts", 3;
    FDATASYNC = 187, "fdatasync", 1;
    STAT = 188, "stat", 2;
    FSTAT = 189, "fstat", 2;
    LSTAT = 190, "lstat", 2;
    PATHCONF = 191, "pathconf", 2;
    FPATHCONF = 192, "fpathconf", 2;
    GETRLIMIT = 194, "getrlimit", 2;
    SETRLIMIT = 195, "setrlimit", 2;
    GETDIRENTRIES = 196, "getdirentries", 4;
    MMAP = 197, "mmap", 6;
    LSEEK = 199, "lseek", 3;
    TRUNCATE = 200, "truncate", 2;
    FTRUNCATE = 201, "ftruncate", 2;
    SYSCTL = 202, "sysctl", 6;
    MLOCK = 203, "mlock", 2;
    MUNLOCK = 204, "munlock", 2;
    UNDELETE = 205, "undelete", 1;
    OPEN_DPROTECTED_NP = 216, "open_dprotected_np", 5;
    FSGETPATH_EXT = 217, "fsgetpath_ext", 5;
    OPENAT_DPROTECTED_NP = 218, "openat_dprotected_np", 7;
    GETATTRLIST = 220, "getattrlist", 5;
    SETATTRLIST = 221, "setattrlist", 5;
    GETDIRENTRIESATTR = 222, "getdirentriesattr", 8;
    EXCHANGEDATA = 223, "exchangedata", 3;
    SEARCHFS = 225, "searchfs", 6;
    DELETE = 226, "delete", 1;
    COPYFILE = 227, "copyfile", 4;
    FGETATTRLIST = 228, "fgetattrlist", 5;
    FSETATTRLIST = 229, "fsetattrlist", 5;
    POLL = 230, "poll", 3;
    GETXATTR = 234, "getxattr", 6;
    FGETXATTR = 235, "fgetxattr", 6;
    SETXATTR = 236, "setxattr", 6;
    FSETXATTR = 237, "fsetxattr", 6;
    REMOVEXATTR = 238, "removexattr", 3;
    FREMOVEXATTR = 239, "fremovexattr", 3;
    LISTXATTR = 240, "listxattr", 4;
    FLISTXATTR = 241, "flistxattr", 4;
    FSCTL = 242, "fsctl", 4;
    INITGROUPS = 243, "initgroups", 3;
    POSIX_SPAWN = 244, "posix_spawn", 5;
    FFSCTL = 245, "ffsctl", 4;
    FHOPEN = 248, "fhopen", 2;
    MINHERIT = 250, "minherit", 3;
    SEMSYS = 251, "semsys", 5;
    MSGSYS = 252, "msgsys", 5;
    SHMSYS = 253, "shmsys", 4;
    SEMCTL = 254, "semctl", 4;
    SEMGET = 255, "semget", 3;
    SEMOP = 256, "semop", 3;
    MSGCTL = 258, "msgctl", 3;
    MSGGET = 259, "msgget", 2;
    MSGSND = 260, "msgsnd", 4;
    MSGRCV = 261, "msgrcv", 5;
    SHMAT = 262, "shmat", 3;
    SHMCTL = 263, "shmctl", 3;
    SHMDT = 264, "shmdt", 1;
    SHMGET = 265, "shmget", 3;
    SHM_OPEN = 266, "shm_open", 3;
    SHM_UNLINK = 267, "shm_unlink", 1;
    SEM_OPEN = 268, "sem_open", 4;
    SEM_CLOSE = 269, "sem_close", 1;
    SEM_UNLINK = 270, "sem_unlink", 1;
    SEM_WAIT = 271, "sem_wait", 1;
    SEM_TRYWAIT = 272, "sem_trywait", 1;
    SEM_POST = 273, "sem_post", 1;
    SYSCTLBYNAME = 274, "sysctlbyname", 6;
    OPEN_EXTENDED = 277, "open_extended", 6;
    UMASK_EXTENDED = 278, "umask_extended", 2;
    STAT_EXTENDED = 279, "stat_extended", 4;
    LSTAT_EXTENDED = 280, "lstat_extended", 4;
    FSTAT_EXTENDED = 281, "fstat_extended", 4;
    CHMOD_EXTENDED = 282, "chmod_extended", 5;
    FCHMOD_EXTENDED = 283, "fchmod_extended", 5;
    ACCESS_EXTENDED = 284, "access_extended", 4;
    SETTID = 285, "settid", 2;
    GETTID = 286, "gettid", 2;
    SETSGROUPS = 287, "setsgroups", 2;
    GETSGROUPS = 288, "getsgroups", 2;
    SETWGROUPS = 289, "setwgroups", 2;
    GETWGROUPS = 290, "getwgroups", 2;
    MKFIFO_EXTENDED = 291, "mkfifo_extended", 5;
    MKDIR_EXTENDED = 292, "mkdir_extended", 5;
    IDENTITYSVC = 293, "identitysvc", 2;
    SHARED_REGION_CHECK_NP = 294, "shared_region_check_np", 1;
    VM_PRESSURE_MONITOR = 296, "vm_pressure_monitor", 3;
    PSYNCH_RW_LONGRDLOCK = 297, "psynch_rw_longrdlock", 5;
    PSYNCH_RW_YIELDWRLOCK = 298, "psynch_rw_yieldwrlock", 5;
    PSYNCH_RW_DOWNGRADE = 299, "psynch_rw_downgrade", 5;
    PSYNCH_RW_UPGRADE = 300, "psynch_rw_upgrade", 5;
    PSYNCH_MUTEXWAIT = 301, "psynch_mutexwait", 5;
    PSYNCH_MUTEXDROP = 302, "psynch_mutexdrop", 5;
    PSYNCH_CVBROAD = 303, "psynch_cvbroad", 7;
    PSYNCH_CVSIGNAL = 304, "psynch_cvsignal", 8;
    PSYNCH_CVWAIT = 305, "psynch_cvwait", 8;
    PSYNCH_RW_RDLOCK = 306, "psynch_rw_rdlock", 5;
    PSYNCH_RW_WRLOCK = 307, "psynch_rw_wrlock", 5;
    PSYNCH_RW_UNLOCK = 308, "psynch_rw_unlock", 5;
    PSYNCH_RW_UNLOCK2 = 309, "psynch_rw_unlock2", 5;
    GETSID = 310, "getsid", 1;
    SETTID_WITH_PID = 311, "settid_with_pid", 2;
    PSYNCH_CVCLRPREPOST = 312, "psynch_cvclrprepost", 7;
    AIO_FSYNC = 313, "aio_fsync", 2;
    AIO_RETURN = 314, "aio_return", 1;
    AIO_SUSPEND = 315, "aio_suspend", 3;
    AIO_CANCEL = 316, "aio_cancel", 2;
    AIO_ERROR = 317, "aio_error", 1;
    AIO_READ = 318, "aio_read", 1;
    AIO_WRITE = 319, "aio_write", 1;
    LIO_LISTIO = 320, "lio_listio", 4;
    IOPOLICYSYS = 322, "iopolicysys", 2;
    PROCESS_POLICY = 323, "process_policy", 7;
    MLOCKALL = 324, "mlockall", 1;
    MUNLOCKALL = 325, "munlockall", 1;
    ISSETUGID = 327, "issetugid", 0;
    PTHREAD_KILL = 328, "__pthread_kill", 2;
    PTHREAD_SIGMASK = 329, "__pthread_sigmask", 3;
    SIGWAIT = 330, "__sigwait", 2;
    DISABLE_THREADSIGNAL = 331, "__disable_threadsignal", 1;
    PTHREAD_MARKCANCEL = 332, "__pthread_markcancel", 1;
    PTHREAD_CANCELED = 333, "__pthread_canceled", 1;
    SEMWAIT_SIGNAL = 334, "__semwait_signal", 6;
    PROC_INFO = 336, "proc_info", 6;
    SENDFILE = 337, "sendfile", 6;
    STAT64 = 338, "stat64", 2;
    FSTAT64 = 339, "fstat64", 2;
    LSTAT64 = 340, "lstat64", 2;
    STAT64_EXTENDED = 341, "stat64_extended", 4;
    LSTAT64_EXTENDED = 342, "lstat64_extended", 4;
    FSTAT64_EXTENDED = 343, "fstat64_extended", 4;
    GETDIRENTRIES64 = 344, "getdirentries64", 4;
    STATFS64 = 345, "statfs64", 2;
    FSTATFS64 = 346, "fstatfs64", 2;
    GETFSSTAT64 = 347, "getfsstat64", 3;
    PTHREAD_CHDIR = 348, "__pthread_chdir", 1;
    PTHREAD_FCHDIR = 349, "__pthread_fchdir", 1;
    AUDIT = 350, "audit", 2;
    AUDITON = 351, "auditon", 3;
    GETAUID = 353, "getauid", 1;
    SETAUID = 354, "setauid", 1;
    GETAUDIT_ADDR = 357, "getaudit_addr", 2;
    SETAUDIT_ADDR = 358, "setaudit_addr", 2;
    AUDITCTL = 359, "auditctl", 1;
    BSDTHREAD_CREATE = 360, "bsdthread_create", 5;
    BSDTHREAD_TERMINATE = 361, "bsdthread_terminate", 4;
    KQUEUE = 362, "kqueue", 0;
    KEVENT = 363, "kevent", 6;
    LCHOWN = 364, "lchown", 3;
    BSDTHREAD_REGISTER = 366, "bsdthread_register", 7;
    WORKQ_OPEN = 367, "workq_open", 0;
    WORKQ_KERNRETURN = 368, "workq_kernreturn", 4;
    KEVENT64 = 369, "kevent64", 7;
    THREAD_SELFID = 372, "thread_selfid", 0;
    LEDGER = 373, "ledger", 4;
    KEVENT_QOS = 374, "kevent_qos", 8;
    KEVENT_ID = 375, "kevent_id", 8;
    MAC_EXECVE = 380, "__mac_execve", 4;
    MAC_SYSCALL = 381, "__mac_syscall", 3;
    MAC_GET_FILE = 382, "__mac_get_file", 2;
    MAC_SET_FILE = 383, "__mac_set_file", 2;
    MAC_GET_LINK = 384, "__mac_get_link", 2;
    MAC_SET_LINK = 385, "__mac_set_link", 2;
    MAC_GET_PROC = 386, "__mac_get_proc", 1;
    MAC_SET_PROC = 387, "__mac_set_proc", 1;
    MAC_GET_FD = 388, "__mac_get_fd", 2;
    MAC_SET_FD = 389, "__mac_set_fd", 2;
    MAC_GET_PID = 390, "__mac_get_pid", 2;
    PSELECT = 394, "pselect", 6;
    PSELECT_NOCANCEL = 395, "pselect_nocancel", 6;
    READ_NOCANCEL = 396, "read_nocancel", 3;
    WRITE_NOCANCEL = 397, "write_nocancel", 3;
    OPEN_NOCANCEL = 398, "open_nocancel", 3;
    CLOSE_NOCANCEL = 399, "close_nocancel", 1;
    WAIT4_NOCANCEL = 400, "wait4_nocancel", 4;
    RECVMSG_NOCANCEL = 401, "recvmsg_nocancel", 3;
    SENDMSG_NOCANCEL = 402, "sendmsg_nocancel", 3;
    RECVFROM_NOCANCEL = 403, "recvfrom_nocancel", 6;
    ACCEPT_NOCANCEL = 404, "accept_nocancel", 3;
    MSYNC_NOCANCEL = 405, "msync_nocancel", 3;
    FCNTL_NOCANCEL = 406, "fcntl_nocancel", 3;
    SELECT_NOCANCEL = 407, "select_nocancel", 5;
    FSYNC_NOCANCEL = 408, "fsync_nocancel", 1;
    CONNECT_NOCANCEL = 409, "connect_nocancel", 3;
    SIGSUSPEND_NOCANCEL = 410, "sigsuspend_nocancel", 1;
    READV_NOCANCEL = 411, "readv_nocancel", 3;
    WRITEV_NOCANCEL = 412, "writev_nocancel", 3;
    SENDTO_NOCANCEL = 413, "sendto_nocancel", 6;
    PREAD_NOCANCEL = 414, "pread_nocancel", 4;
    PWRITE_NOCANCEL = 415, "pwrite_nocancel", 4;
    WAITID_NOCANCEL = 416, "waitid_nocancel", 4;
    POLL_NOCANCEL = 417, "poll_nocancel", 3;
    MSGSND_NOCANCEL = 418, "msgsnd_nocancel", 4;
    MSGRCV_NOCANCEL = 419, "msgrcv_nocancel", 5;
    SEM_WAIT_NOCANCEL = 420, "sem_wait_nocancel", 1;
    AIO_SUSPEND_NOCANCEL = 421, "aio_suspend_nocancel", 3;
    SIGWAIT_NOCANCEL = 422, "__sigwait_nocancel", 2;
    SEMWAIT_SIGNAL_NOCANCEL = 423, "__semwait_signal_nocancel", 6;
    MAC_MOUNT = 424, "__mac_mount", 5;
    MAC_GET_MOUNT = 425, "__mac_get_mount", 2;
    MAC_GETFSSTAT = 426, "__mac_getfsstat", 5;
    FSGETPATH = 427, "fsgetpath", 4;
    AUDIT_SESSION_SELF = 428, "audit_session_self", 0;
    AUDIT_SESSION_JOIN = 429, "audit_session_join", 1;
    FILEPORT_MAKEPORT = 430, "fileport_makeport", 2;
    FILEPORT_MAKEFD = 431, "fileport_makefd", 1;
    AUDIT_SESSION_PORT = 432, "audit_session_port", 2;
    PID_SUSPEND = 433, "pid_suspend", 1;
    PID_RESUME = 434, "pid_resume", 1;
    PID_HIBERNATE = 435, "pid_hibernate", 1;
    PID_SHUTDOWN_SOCKETS = 436, "pid_shutdown_sockets", 2;
    KAS_INFO = 439, "kas_info", 3;
    MEMORYSTATUS_CONTROL = 440, "memorystatus_control", 5;
    GUARDED_OPEN_NP = 441, "guarded_open_np", 5;
    GUARDED_CLOSE_NP = 442, "guarded_close_np", 2;
    GUARDED_KQUEUE_NP = 443, "guarded_kqueue_np", 2;
    CHANGE_FDGUARD_NP = 444, "change_fdguard_np", 6;
    USRCTL = 445, "usrctl", 1;
    PROC_RLIMIT_CONTROL = 446, "proc_rlimit_control", 3;
    CONNECTX = 447, "connectx", 8;
    DISCONNECTX = 448, "disconnectx", 3;
    PEELOFF = 449, "peeloff", 2;
    SOCKET_DELEGATE = 450, "socket_delegate", 4;
    TELEMETRY = 451, "telemetry", 6;
    PROC_UUID_POLICY = 452, "proc_uuid_policy", 4;
    MEMORYSTATUS_GET_LEVEL = 453, "memorystatus_get_level", 1;
    SYSTEM_OVERRIDE = 454, "system_override", 2;
    VFS_PURGE = 455, "vfs_purge", 0;
    SFI_CTL = 456, "sfi_ctl", 4;
    SFI_PIDCTL = 457, "sfi_pidctl", 4;
    COALITION = 458, "coalition", 3;
    COALITION_INFO = 459, "coalition_info", 4;
    NECP_MATCH_POLICY = 460, "necp_match_policy", 3;
    GETATTRLISTBULK = 461, "getattrlistbulk", 5;
    CLONEFILEAT = 462, "clonefileat", 5;
    OPENAT = 463, "openat", 4;
    OPENAT_NOCANCEL = 464, "openat_nocancel", 4;
    RENAMEAT = 465, "renameat", 4;
    FACCESSAT = 466, "faccessat", 4;
    FCHMODAT = 467, "fchmodat", 4;
    FCHOWNAT = 468, "fchownat", 5;
    FSTATAT = 469, "fstatat", 4;
    FSTATAT64 = 470, "fstatat64", 4;
    LINKAT = 471, "linkat", 5;
    UNLINKAT = 472, "unlinkat", 3;
    READLINKAT = 473, "readlinkat", 4;
    SYMLINKAT = 474, "symlinkat", 3;
    MKDIRAT = 475, "mkdirat", 3;
    GETATTRLISTAT = 476, "getattrlistat", 6;
    PROC_TRACE_LOG = 477, "proc_trace_log", 2;
    BSDTHREAD_CTL = 478, "bsdthread_ctl", 4;
    OPENBYID_NP = 479, "openbyid_np", 3;
    RECVMSG_X = 480, "recvmsg_x", 4;
    SENDMSG_X = 481, "sendmsg_x", 4;
    THREAD_SELFUSAGE = 482, "thread_selfusage", 0;
    CSRCTL = 483, "csrctl", 3;
    GUARDED_OPEN_DPROTECTED_NP = 484, "guarded_open_dprotected_np", 7;
    GUARDED_WRITE_NP = 485, "guarded_write_np", 4;
    GUARDED_PWRITE_NP = 486, "guarded_pwrite_np", 5;
    GUARDED_WRITEV_NP = 487, "guarded_writev_np", 4;
    RENAMEATX_NP = 488, "renameatx_np", 5;
    MREMAP_ENCRYPTED = 489, "mremap_encrypted", 5;
    NETAGENT_TRIGGER = 490, "netagent_trigger", 2;
    STACK_SNAPSHOT_WITH_CONFIG = 491, "stack_snapshot_with_config", 3;
    MICROSTACKSHOT = 492, "microstackshot", 3;
    GRAB_PGO_DATA = 493, "grab_pgo_data", 4;
    PERSONA = 494, "persona", 6;
    MACH_EVENTLINK_SIGNAL = 496, "mach_eventlink_signal", 2;
    MACH_EVENTLINK_WAIT_UNTIL = 497, "mach_eventlink_wait_until", 5;
    MACH_EVENTLINK_SIGNAL_WAIT_UNTIL = 498, "mach_eventlink_signal_wait_until", 6;
    WORK_INTERVAL_CTL = 499, "work_interval_ctl", 4;
    GETENTROPY = 500, "getentropy", 2;
    NECP_OPEN = 501, "necp_open", 1;
    NECP_CLIENT_ACTION = 502, "necp_client_action", 6;
    NEXUS_OPEN = 503, "__nexus_open", 2;
    NEXUS_REGISTER = 504, "__nexus_register", 5;
    NEXUS_DEREGISTER = 505, "__nexus_deregister", 3;
    NEXUS_CREATE = 506, "__nexus_create", 5;
    NEXUS_DESTROY = 507, "__nexus_destroy", 3;
    NEXUS_GET_OPT = 508, "__nexus_get_opt", 4;
    NEXUS_SET_OPT = 509, "__nexus_set_opt", 4;
    CHANNEL_OPEN = 510, "__channel_open", 2;
    CHANNEL_GET_INFO = 511, "__channel_get_info", 3;
    CHANNEL_SYNC = 512, "__channel_sync", 3;
    CHANNEL_GET_OPT = 513, "__channel_get_opt", 4;
    CHANNEL_SET_OPT = 514, "__channel_set_opt", 4;
    ULOCK_WAIT = 515, "ulock_wait", 4;
    ULOCK_WAKE = 516, "ulock_wake", 3;
    FCLONEFILEAT = 517, "fclonefileat", 4;
    FS_SNAPSHOT = 518, "fs_snapshot", 6;
    TERMINATE_WITH_PAYLOAD = 520, "terminate_with_payload", 7;
    ABORT_WITH_PAYLOAD = 521, "abort_with_payload", 6;
    NECP_SESSION_OPEN = 522, "necp_session_open", 1;
    NECP_SESSION_ACTION = 523, "necp_session_action", 6;
    SETATTRLISTAT = 524, "setattrlistat", 6;
    NET_QOS_GUIDELINE = 525, "net_qos_guideline", 2;
    FMOUNT = 526, "fmount", 4;
    NTP_ADJTIME = 527, "ntp_adjtime", 1;
    NTP_GETTIME = 528, "ntp_gettime", 1;
    OS_FAULT_WITH_PAYLOAD = 529, "os_fault_with_payload", 6;
    KQUEUE_WORKLOOP_CTL = 530, "kqueue_workloop_ctl", 4;
    MACH_BRIDGE_REMOTE_TIME = 531, "__mach_bridge_remote_time", 1;
    COALITION_LEDGER = 532, "coalition_ledger", 4;
    LOG_DATA = 533, "log_data", 4;
    MEMORYSTATUS_AVAILABLE_MEMORY = 534, "memorystatus_available_memory", 0;
    OBJC_BP_ASSIST_CFG_NP = 535, "objc_bp_assist_cfg_np", 2;
    SHARED_REGION_MAP_AND_SLIDE_2_NP = 536, "shared_region_map_and_slide_2_np", 4;
    PIVOT_ROOT = 537, "pivot_root", 2;
    TASK_INSPECT_FOR_PID = 538, "task_inspect_for_pid", 3;
    TASK_READ_FOR_PID = 539, "task_read_for_pid", 3;
    PREADV = 540, "preadv", 4;
    PWRITEV = 541, "pwritev", 4;
    PREADV_NOCANCEL = 542, "preadv_nocancel", 4;
    PWRITEV_NOCANCEL = 543, "pwritev_nocancel", 4;
    ULOCK_WAIT2 = 544, "ulock_wait2", 5;
    PROC_INFO_EXTENDED_ID = 545, "proc_info_extended_id", 8;
    TRACKER_ACTION = 546, "tracker_action", 3;
    DEBUG_SYSCALL_REJECT = 547, "debug_syscall_reject", 1;
    DEBUG_SYSCALL_REJECT_CONFIG = 548, "debug_syscall_reject_config", 3;
    GRAFTDMG = 549, "graftdmg", 4;
    MAP_WITH_LINKING_NP = 550, "map_with_linking_np", 4;
    FREADLINK = 551, "freadlink", 3;
    RECORD_SYSTEM_EVENT = 552, "record_system_event", 4;
    MKFIFOAT = 553, "mkfifoat", 3;
    MKNODAT = 554, "mknodat", 4;
    UNGRAFTDMG = 555, "ungraftdmg", 2;
    COALITION_POLICY_SET = 556, "coalition_policy_set", 3;
    COALITION_POLICY_GET = 557, "coalition_policy_get", 2;
}

/// The row of a number.
pub fn find(number: u32) -> Option<&'static CallInfo> {
    TABLE
        .binary_search_by_key(&number, |row| row.number)
        .ok()
        .map(|index| &TABLE[index])
}

/// A bit for each number that XNU has a call for.
const XNU_CALLS: [u64; 9] = [
    0x3fff_ceff_ff95_f6fe,
    0xdf70_8717_b66f_ce1e,
    0xfffe_26a2_ef88_5ff9,
    0xfd3f_fc7e_f700_3fbd,
    0xffff_ff7f_ffe7_fffd,
    0xf0f3_dfe6_ffff_7fbd,
    0xff9f_ffff_ffff_fc7f,
    0xffff_7fff_ffff_ffff,
    0x0000_3fff_ffff_ff7f,
];

/// Whether XNU has a call with this number, built here or not.
#[must_use]
pub const fn is_xnu_call(number: u32) -> bool {
    let (word, bit) = (number as usize / 64, number % 64);
    word < XNU_CALLS.len() && XNU_CALLS[word] >> bit & 1 != 0
}

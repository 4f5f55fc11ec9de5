//! Numbers of the Mach traps, and the table of their names and argument counts.
//!
//! A trap is entered by `svc #0x80` with its (negative) number in `x16`, up to eight arguments in
//! `x0` to `x7`, and returns its `kern_return_t` (or port name) in `x0`.
//!
//! XNU: `osfmk/kern/syscall_sw.c`. The table has 128 slots; a number that is not listed is invalid.

/// One row of the trap table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TrapInfo {
    /// The negative number.
    pub number: i32,
    /// XNU's name.
    pub name: &'static str,
    /// Arguments it takes.
    pub arguments: u8,
    /// True when the result is a port name, not a `kern_return_t`.
    pub returns_port: bool,
}

/// Slots in the table: numbers -1 to -127.
#[doc(alias = "MACH_TRAP_TABLE_COUNT")]
pub const TABLE_SLOTS: usize = 128;
/// `mach_absolute_time`, answered by the trap entry itself.
pub const ABSOLUTE_TIME: i32 = -3;
/// `mach_continuous_time`, answered by the trap entry itself.
pub const CONTINUOUS_TIME: i32 = -4;

macro_rules! traps {
    ($($(#[$meta:meta])* $name:ident = $number:literal, $xnu:literal, $arguments:literal, $port:literal;)*) => {
        $(
            $(#[$meta])*
            #[doc = concat!("Trap `", $xnu, "`.")]
            #[doc(alias = $xnu)]
            pub const $name: i32 = $number;
        )*

        /// Every trap of the table, by rising index.
        pub const TABLE: &[TrapInfo] = &[
            $(TrapInfo { number: $number, name: $xnu, arguments: $arguments, returns_port: $port },)*
        ];
    };
}

traps! {
    MACH_VM_ALLOCATE = -10, "_kernelrpc_mach_vm_allocate_trap", 4, false;
    MACH_VM_PURGABLE_CONTROL = -11, "_kernelrpc_mach_vm_purgable_control_trap", 4, false;
    MACH_VM_DEALLOCATE = -12, "_kernelrpc_mach_vm_deallocate_trap", 3, false;
    TASK_DYLD_PROCESS_INFO_NOTIFY_GET = -13, "task_dyld_process_info_notify_get_trap", 2, false;
    MACH_VM_PROTECT = -14, "_kernelrpc_mach_vm_protect_trap", 5, false;
    MACH_VM_MAP = -15, "_kernelrpc_mach_vm_map_trap", 6, false;
    MACH_PORT_ALLOCATE = -16, "_kernelrpc_mach_port_allocate_trap", 3, false;
    MACH_PORT_DEALLOCATE = -18, "_kernelrpc_mach_port_deallocate_trap", 2, false;
    MACH_PORT_MOD_REFS = -19, "_kernelrpc_mach_port_mod_refs_trap", 4, false;
    MACH_PORT_MOVE_MEMBER = -20, "_kernelrpc_mach_port_move_member_trap", 3, false;
    MACH_PORT_INSERT_RIGHT = -21, "_kernelrpc_mach_port_insert_right_trap", 4, false;
    MACH_PORT_INSERT_MEMBER = -22, "_kernelrpc_mach_port_insert_member_trap", 3, false;
    MACH_PORT_EXTRACT_MEMBER = -23, "_kernelrpc_mach_port_extract_member_trap", 3, false;
    MACH_PORT_CONSTRUCT = -24, "_kernelrpc_mach_port_construct_trap", 4, false;
    MACH_PORT_DESTRUCT = -25, "_kernelrpc_mach_port_destruct_trap", 4, false;
    MACH_REPLY_PORT = -26, "mach_reply_port", 0, true;
    THREAD_SELF = -27, "thread_self_trap", 0, true;
    TASK_SELF = -28, "task_self_trap", 0, true;
    HOST_SELF = -29, "host_self_trap", 0, true;
    MACH_MSG = -31, "mach_msg_trap", 7, false;
    MACH_MSG_OVERWRITE = -32, "mach_msg_overwrite_trap", 8, false;
    SEMAPHORE_SIGNAL = -33, "semaphore_signal_trap", 1, false;
    SEMAPHORE_SIGNAL_ALL = -34, "semaphore_signal_all_trap", 1, false;
    SEMAPHORE_SIGNAL_THREAD = -35, "semaphore_signal_thread_trap", 2, false;
    SEMAPHORE_WAIT = -36, "semaphore_wait_trap", 1, false;
    SEMAPHORE_WAIT_SIGNAL = -37, "semaphore_wait_signal_trap", 2, false;
    SEMAPHORE_TIMEDWAIT = -38, "semaphore_timedwait_trap", 3, false;
    SEMAPHORE_TIMEDWAIT_SIGNAL = -39, "semaphore_timedwait_signal_trap", 4, false;
    MACH_PORT_GET_ATTRIBUTES = -40, "_kernelrpc_mach_port_get_attributes_trap", 5, false;
    MACH_PORT_GUARD = -41, "_kernelrpc_mach_port_guard_trap", 4, false;
    MACH_PORT_UNGUARD = -42, "_kernelrpc_mach_port_unguard_trap", 3, false;
    MACH_GENERATE_ACTIVITY_ID = -43, "mach_generate_activity_id", 3, false;
    TASK_NAME_FOR_PID = -44, "task_name_for_pid", 3, false;
    TASK_FOR_PID = -45, "task_for_pid", 3, false;
    PID_FOR_TASK = -46, "pid_for_task", 2, false;
    MACH_MSG2 = -47, "mach_msg2_trap", 8, false;
    MACX_SWAPON = -48, "macx_swapon", 4, false;
    MACX_SWAPOFF = -49, "macx_swapoff", 2, false;
    THREAD_GET_SPECIAL_REPLY_PORT = -50, "thread_get_special_reply_port", 0, true;
    MACX_TRIGGERS = -51, "macx_triggers", 4, false;
    MACX_BACKING_STORE_SUSPEND = -52, "macx_backing_store_suspend", 1, false;
    MACX_BACKING_STORE_RECOVERY = -53, "macx_backing_store_recovery", 1, false;
    PFZ_EXIT = -58, "pfz_exit", 0, false;
    SWTCH_PRI = -59, "swtch_pri", 0, false;
    SWTCH = -60, "swtch", 0, false;
    THREAD_SWITCH = -61, "thread_switch", 3, false;
    CLOCK_SLEEP = -62, "clock_sleep_trap", 5, false;
    HOST_CREATE_MACH_VOUCHER = -70, "host_create_mach_voucher_trap", 4, false;
    MACH_VOUCHER_EXTRACT_ATTR_RECIPE = -72, "mach_voucher_extract_attr_recipe_trap", 4, false;
    MACH_PORT_TYPE = -76, "_kernelrpc_mach_port_type_trap", 3, false;
    MACH_PORT_REQUEST_NOTIFICATION = -77, "_kernelrpc_mach_port_request_notification_trap", 7, false;
    _EXCLAVES_CTL = -88, "_exclaves_ctl_trap", 8, false;
    MACH_TIMEBASE_INFO = -89, "mach_timebase_info_trap", 1, false;
    MACH_WAIT_UNTIL = -90, "mach_wait_until_trap", 1, false;
    MK_TIMER_CREATE = -91, "mk_timer_create_trap", 0, true;
    MK_TIMER_DESTROY = -92, "mk_timer_destroy_trap", 1, false;
    MK_TIMER_ARM = -93, "mk_timer_arm_trap", 2, false;
    MK_TIMER_CANCEL = -94, "mk_timer_cancel_trap", 2, false;
    MK_TIMER_ARM_LEEWAY = -95, "mk_timer_arm_leeway_trap", 4, false;
    DEBUG_CONTROL_PORT_FOR_PID = -96, "debug_control_port_for_pid", 3, false;
    IOKIT_USER_CLIENT = -100, "iokit_user_client_trap", 8, false;
}

/// The row of a trap number.
pub fn find(number: i32) -> Option<&'static TrapInfo> {
    TABLE
        .binary_search_by(|row| number.cmp(&row.number))
        .ok()
        .map(|index| &TABLE[index])
}

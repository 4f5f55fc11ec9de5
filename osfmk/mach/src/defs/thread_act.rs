//! Threads. Subsystem 3600, on a thread port. XNU: `mach/thread_act.defs`, served by
//! `kern/thread_act.c`.

use super::prelude::*;

interface! {
    subsystem thread_act = 3600;

    /// Ends a thread.
    routine 3600 "thread_terminate" terminate [] {} -> [] {};

    /// Registers, as `thread_get_state`.
    routine 3601 "act_get_state" act_get_state [] { flavor: i32, old_state_cnt: u32 }
    -> [] { old_state: Array<u32, 1296> };

    /// Sets registers, as `thread_set_state`.
    routine 3602 "act_set_state" act_set_state [] { flavor: i32, new_state: Array<u32, 1296> }
    -> [] {};

    /// Registers by flavour ([`thread_status`](crate::thread_status)).
    routine 3603 "thread_get_state" get_state [] { flavor: i32, old_state_cnt: u32 }
    -> [] { old_state: Array<u32, 1296> };

    /// Sets registers.
    routine 3604 "thread_set_state" set_state [] { flavor: i32, new_state: Array<u32, 1296> }
    -> [] {};

    /// Suspends.
    routine 3605 "thread_suspend" suspend [] {} -> [] {};

    /// Undoes one suspension.
    routine 3606 "thread_resume" resume [] {} -> [] {};

    /// Breaks the thread out of a wait.
    routine 3607 "thread_abort" abort [] {} -> [] {};

    /// Breaks the thread out of a wait that can be started again.
    routine 3608 "thread_abort_safely" abort_safely [] {} -> [] {};

    /// Ends a lowered priority.
    routine 3609 "thread_depress_abort" depress_abort [] {} -> [] {};

    /// A special port of the thread.
    routine 3610 "thread_get_special_port" get_special_port [] { which_port: i32 }
    -> [special_port: Port<MOVE_SEND>] {};

    /// Sets a special port.
    routine 3611 "thread_set_special_port" set_special_port [special_port: Port<COPY_SEND>] {
        which_port: i32,
    } -> [] {};

    /// Information by flavour ([`task_info`](crate::task_info)).
    routine 3612 "thread_info" info [] { flavor: i32, thread_info_out_cnt: u32 }
    -> [] { thread_info_out: Array<i32, 32> };

    /// Sets handlers of exceptions.
    routine 3613 "thread_set_exception_ports" set_exception_ports [new_port: Port<COPY_SEND>] {
        exception_mask: u32, behavior: i32, new_flavor: i32,
    } -> [] {};

    /// The handlers of exceptions.
    routine 3614 "thread_get_exception_ports" get_exception_ports [] { exception_mask: u32 }
    -> [old_handlers: PortArray<MOVE_SEND, 32>] { handlers: ExceptionPorts };

    /// Sets handlers and gives back the former.
    routine 3615 "thread_swap_exception_ports" swap_exception_ports [new_port: Port<COPY_SEND>] {
        exception_mask: u32, behavior: i32, new_flavor: i32,
    } -> [old_handlers: PortArray<MOVE_SEND, 32>] { handlers: ExceptionPorts };

    /// Sets the old scheduling policy.
    routine 3616 "thread_policy" policy [] { policy: i32, base: Array<i32, 5>, set_limit: u32 }
    -> [] {};

    /// Sets scheduling policy.
    routine 3617 "thread_policy_set" policy_set [] { flavor: i32, policy_info: Array<i32, 16> }
    -> [] {};

    /// Scheduling policy.
    routine 3618 "thread_policy_get" policy_get [] {
        flavor: i32, policy_info_cnt: u32, get_default: u32,
    } -> [] { policy_info: Array<i32, 16>, get_default: u32 };
}

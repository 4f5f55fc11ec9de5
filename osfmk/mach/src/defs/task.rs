//! Tasks. Subsystem 3400, on a task port. XNU: `mach/task.defs`, served by `kern/task.c`.

use super::prelude::*;

interface! {
    subsystem task = 3400;

    /// Ends a task.
    routine 3401 "task_terminate" terminate [] {} -> [] {};

    /// Ports of its threads.
    routine 3402 "task_threads" threads [] {}
    -> [act_list: Ports<MOVE_SEND>] { act_list_cnt: u32 };

    /// Keeps three ports for the task's library.
    routine 3403 "mach_ports_register3" ports_register3 [
        port1: Port<COPY_SEND>,
        port2: Port<COPY_SEND>,
        port3: Port<COPY_SEND>,
    ] {} -> [] {};

    /// The three ports.
    routine 3404 "mach_ports_lookup3" ports_lookup3 [] {}
    -> [port1: Port<MOVE_SEND>, port2: Port<MOVE_SEND>, port3: Port<MOVE_SEND>] {};

    /// Information by flavour ([`task_info`](crate::task_info)).
    routine 3405 "task_info" info [] { flavor: i32, task_info_out_cnt: u32 }
    -> [] { task_info_out: Array<i32, 94> };

    /// Sets information.
    routine 3406 "task_set_info" set_info [] { flavor: i32, task_info_in: Array<i32, 94> }
    -> [] {};

    /// Suspends all threads.
    routine 3407 "task_suspend" suspend [] {} -> [] {};

    /// Undoes one suspension.
    routine 3408 "task_resume" resume [] {} -> [] {};

    /// A special port of the task.
    routine 3409 "task_get_special_port" get_special_port [] { which_port: i32 }
    -> [special_port: Port<MOVE_SEND>] {};

    /// Sets a special port.
    routine 3410 "task_set_special_port" set_special_port [special_port: Port<COPY_SEND>] {
        which_port: i32,
    } -> [] {};

    /// Makes a thread.
    routine 3411 "thread_create" thread_create [] {} -> [child_act: Port<MOVE_SEND>] {};

    /// Makes a thread and starts it.
    routine 3412 "thread_create_running" thread_create_running [] {
        flavor: i32, new_state: Array<u32, 1296>,
    } -> [child_act: Port<MOVE_SEND>] {};

    /// Sets handlers of exceptions.
    routine 3413 "task_set_exception_ports" set_exception_ports [new_port: Port<COPY_SEND>] {
        exception_mask: u32, behavior: i32, new_flavor: i32,
    } -> [] {};

    /// The handlers of exceptions.
    routine 3414 "task_get_exception_ports" get_exception_ports [] { exception_mask: u32 }
    -> [old_handlers: PortArray<MOVE_SEND, 32>] { handlers: ExceptionPorts };

    /// Sets handlers and gives back the former.
    routine 3415 "task_swap_exception_ports" swap_exception_ports [new_port: Port<COPY_SEND>] {
        exception_mask: u32, behavior: i32, new_flavor: i32,
    } -> [old_handlers: PortArray<MOVE_SEND, 32>] { handlers: ExceptionPorts };

    /// Makes a semaphore.
    routine 3418 "semaphore_create" semaphore_create [] { policy: i32, value: i32 }
    -> [semaphore: Port<MOVE_SEND>] {};

    /// Destroys a semaphore.
    routine 3419 "semaphore_destroy" semaphore_destroy [semaphore: Port<MOVE_SEND>] {} -> [] {};

    /// Sets scheduling policy.
    routine 3420 "task_policy_set" policy_set [] { flavor: i32, policy_info: Array<i32, 16> }
    -> [] {};

    /// Scheduling policy.
    routine 3421 "task_policy_get" policy_get [] {
        flavor: i32, policy_info_cnt: u32, get_default: u32,
    } -> [] { policy_info: Array<i32, 16>, get_default: u32 };

    /// State of new threads.
    routine 3433 "task_get_state" get_state [] { flavor: i32, old_state_cnt: u32 }
    -> [] { old_state: Array<u32, 1296> };

    /// Sets the state of new threads.
    routine 3434 "task_set_state" set_state [] { flavor: i32, new_state: Array<u32, 1296> }
    -> [] {};

    /// Limits memory.
    routine 3435 "task_set_phys_footprint_limit" set_phys_footprint_limit [] { new_limit: i32 }
    -> [] { old_limit: i32 };

    /// Volatile memory of the task.
    routine 3438 "task_purgable_info" purgable_info [] {} -> [] { stats: [u8; 272] };

    /// Makes a corpse.
    routine 3442 "task_generate_corpse" generate_corpse [] {}
    -> [corpse_task_port: Port<MOVE_SEND>] {};
}

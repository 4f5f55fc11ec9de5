//! Exceptions with 64-bit codes. Subsystem 2405, sent by the kernel to a handler. XNU:
//! `mach/mach_exc.defs`.

use super::prelude::*;

interface! {
    subsystem mach_exc = 2405;

    /// Thread, task and codes.
    routine 2405 "mach_exception_raise" exception_raise [
        thread: Port<COPY_SEND>,
        task: Port<COPY_SEND>,
    ] { exception: i32, code: Array<i64, 2> } -> [] {};

    /// Codes and state; the reply's state is set.
    routine 2406 "mach_exception_raise_state" exception_raise_state [] {
        exception: i32, code: Array<i64, 2>, flavor: i32, old_state: Array<u32, 1296>,
    } -> [] { flavor: i32, new_state: Array<u32, 1296> };

    /// Everything.
    routine 2407 "mach_exception_raise_state_identity" exception_raise_state_identity [
        thread: Port<COPY_SEND>,
        task: Port<COPY_SEND>,
    ] { exception: i32, code: Array<i64, 2>, flavor: i32, old_state: Array<u32, 1296> }
    -> [] { flavor: i32, new_state: Array<u32, 1296> };
}

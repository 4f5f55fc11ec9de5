//! Exceptions with 32-bit codes. Subsystem 2401, sent by the kernel to a handler. XNU:
//! `mach/exc.defs`.

use super::prelude::*;

interface! {
    subsystem exc = 2401;

    /// Thread, task and codes.
    routine 2401 "exception_raise" exception_raise [
        thread: Port<COPY_SEND>,
        task: Port<COPY_SEND>,
    ] { exception: i32, code: Array<i32, 2> } -> [] {};

    /// Codes and state; the reply's state is set.
    routine 2402 "exception_raise_state" exception_raise_state [] {
        exception: i32, code: Array<i32, 2>, flavor: i32, old_state: Array<u32, 1296>,
    } -> [] { flavor: i32, new_state: Array<u32, 1296> };

    /// Everything.
    routine 2403 "exception_raise_state_identity" exception_raise_state_identity [
        thread: Port<COPY_SEND>,
        task: Port<COPY_SEND>,
    ] { exception: i32, code: Array<i32, 2>, flavor: i32, old_state: Array<u32, 1296> }
    -> [] { flavor: i32, new_state: Array<u32, 1296> };
}

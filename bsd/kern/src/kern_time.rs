//! Time and chance. XNU counterpart: `bsd/kern/kern_time.c`, `sys_getentropy`.

use bsd_sys::errno::Errno;
use bsd_sys::time::Timeval;

use crate::sysent::{Call, DONE, Outcome};

/// The most bytes of one `getentropy`.
const ENTROPY_MAX: usize = 256;

/// `gettimeofday(tp, tzp, mach_absolute_time)`: there is no clock that knows the date; time begins when the machine starts.
pub(crate) fn gettimeofday(call: &mut Call<'_>) -> Outcome {
    let now = prim::clock::now();
    let nanoseconds = prim::clock::ticks_to_nanoseconds(now.0);
    if call.long(0) != 0 {
        let time = Timeval::from_microseconds(nanoseconds / 1000);
        call.copyout(&time.to_bytes(), call.long(0))?;
    }
    if call.long(2) != 0 {
        call.copyout(&now.0.to_le_bytes(), call.long(2))?;
    }
    DONE
}

/// `getentropy(buffer, size)`.
pub(crate) fn getentropy(call: &mut Call<'_>) -> Outcome {
    let length = usize::try_from(call.long(1)).unwrap_or(usize::MAX);
    if length > ENTROPY_MAX {
        return Err(Errno::EINVAL.into());
    }
    let mut bytes = [0; ENTROPY_MAX];
    prim::random::fill(&mut bytes[..length]);
    call.copyout(&bytes[..length], call.long(0))?;
    DONE
}

//! What processes use: time and faults.
//!
//! The kernel does not tell a program's time from its own on the program's behalf: all of it counts as the user's.
//! XNU counterpart: `bsd/kern/kern_resource.c`.

use bsd_sys::errno::Errno;
use bsd_sys::resource::{RUSAGE_CHILDREN, RUSAGE_SELF, Rusage};
use bsd_sys::time::Timeval;
use kern::task::Task;

use crate::sysent::{Call, DONE, Outcome};

/// What one process or several have used.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Usage {
    /// Ticks.
    time: u64,
    faults: u64,
}

impl Usage {
    /// Of a task, up to now.
    pub(crate) fn of(task: &Task) -> Self {
        Self {
            time: task.cpu_time(),
            faults: task.faults(),
        }
    }

    /// With what others used.
    #[doc(alias = "ruadd")]
    pub(crate) fn plus(self, other: Self) -> Self {
        Self {
            time: self.time + other.time,
            faults: self.faults + other.faults,
        }
    }

    /// As a program is told.
    #[doc(alias = "calcru")]
    pub(crate) fn told(self) -> Rusage {
        let nanoseconds = prim::clock::ticks_to_nanoseconds(self.time);
        Rusage {
            user_time: Timeval::from_microseconds(nanoseconds / 1000),
            minor_faults: self.faults as i64,
            ..Rusage::default()
        }
    }
}

/// `getrusage(who, usage)`.
///
/// # Errors
/// `EINVAL` for anybody but the process and its children that were waited for; `EFAULT`.
pub(crate) fn getrusage(call: &mut Call<'_>) -> Outcome {
    let usage = match call.int(0) {
        RUSAGE_SELF => Usage::of(call.thread.task()),
        RUSAGE_CHILDREN => call.proc.state().children_usage,
        _ => return Err(Errno::EINVAL.into()),
    };
    call.copyout(&usage.told().to_bytes(), call.long(1))?;
    DONE
}

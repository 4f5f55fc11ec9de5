//! The terminal and those who may not use it now: processes outside the group in the foreground.
//!
//! XNU counterpart: the background checks of `ttread` and `ttwrite` in `bsd/kern/tty.c`, `fixjobc` in `kern_proc.c`.

use alloc::sync::Arc;

use bsd_sys::errno::Errno;
use bsd_sys::signal::Signal;

use super::{ThreadSignals, post};
use crate::proc::{self, Phase, Proc};
use crate::sysent::{Call, Failure};
use crate::tty;

/// May the caller read from the terminal? If not, its group is told by `SIGTTIN`, and the call starts again when the group
/// has gone on.
///
/// # Errors
/// `EIO` for whoever does not want to hear of it, and if nobody could let the group go on; otherwise a restart.
pub(crate) fn check_read(call: &Call<'_>) -> Result<(), Failure> {
    let group = call.proc.state().group;
    // Nobody has asked for the terminal: everybody has it.
    let in_front = [0, group].contains(&tty::foreground());
    if in_front {
        return Ok(());
    }
    let deaf = ThreadSignals::of(call.thread).mask() & Signal::TTIN.bit() != 0
        || call.proc.state().actions.is_ignored(Signal::TTIN);
    if deaf || is_orphaned(group) {
        return Err(Errno::EIO.into());
    }
    for member in members(group) {
        post(&member, Signal::TTIN);
    }
    Err(Failure::Restart)
}

/// The living processes of a group.
fn members(group: i32) -> impl Iterator<Item = Arc<Proc>> {
    proc::all().into_iter().filter(move |proc| {
        let state = proc.state();
        state.group == group && state.phase() == Phase::Running
    })
}

/// Has nobody in the group a parent outside of it who could continue it? Init, which takes orphans in, does not count.
#[doc(alias = "fixjobc")]
pub(super) fn is_orphaned(group: i32) -> bool {
    let is_cared_for = |member: Arc<Proc>| {
        let parent = member.parent().filter(|parent| parent.pid() != proc::INIT);
        parent.is_some_and(|parent| parent.state().group != group)
    };
    !members(group).any(is_cared_for)
}

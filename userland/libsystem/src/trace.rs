//! The kernel's trace for programs: [`Trace`].
//!
//! Only programs of the boot archive may read it. One that lies in the root directory as well calls
//! [`become_privileged`], which goes on as its copy in the archive.

use crate::mach_call::{call, host_self, take_memory};
use crate::{env, process, syscall};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use mach::Result;
use mach::defs::trace as calls;
use mach::trace::{Event, Record};
use mach::wire::Wire;

/// Records asked for at a time.
const CHUNK: u32 = 2048;

/// Where the boot archive is.
const ARCHIVE: &str = "/boot";

/// Tracing, on until dropped.
#[derive(Debug)]
pub struct Trace(());

impl Trace {
    /// Switches tracing on with room for so many records on each processor, and forgets older ones.
    ///
    /// # Errors
    /// The kernel's: `MIG_BAD_ID` if the program is not privileged.
    pub fn start(records: u32) -> Result<Self> {
        call(host_self(), calls::enable::Request { records })?;
        let trace = Self(());
        trace.take()?;
        Ok(trace)
    }

    /// What has been recorded since the last time, and how many records were lost before they were
    /// read.
    ///
    /// # Errors
    /// The kernel's.
    pub fn take_counting(&self) -> Result<(Vec<Record>, u64)> {
        let (mut records, mut lost) = (Vec::new(), 0);
        loop {
            let reply = call(host_self(), calls::read::Request { maximum: CHUNK })?;
            let bytes = take_memory(reply.records);
            records.extend(bytes.chunks_exact(Record::SIZE).filter_map(Record::decode));
            lost += reply.lost;
            if reply.records_cnt < CHUNK {
                return Ok((records, lost));
            }
        }
    }

    /// What has been recorded since the last time.
    ///
    /// # Errors
    /// The kernel's.
    pub fn take(&self) -> Result<Vec<Record>> {
        self.take_counting().map(|(records, _)| records)
    }
}

impl Drop for Trace {
    fn drop(&mut self) {
        let _ = call(host_self(), calls::enable::Request { records: 0 });
    }
}

/// Makes sure that this program may trace: if it may not and the boot archive has a copy of it at `path`
/// (without `/boot`), goes on as that copy with the same arguments.
///
/// # Errors
/// Why it may not trace.
pub fn become_privileged(path: &str) -> core::result::Result<(), String> {
    let Err(refused) = call(host_self(), calls::enable::Request { records: 0 }) else {
        return Ok(());
    };
    let copy = format!("{ARCHIVE}{path}");
    let arguments = env::args();
    if arguments.first() == Some(&copy) {
        return Err(format!("{refused:?}"));
    }
    let rest = arguments.into_iter().skip(1);
    let arguments: Vec<String> = core::iter::once(copy.clone()).chain(rest).collect();
    Err(format!("{copy}: {}", process::exec(&copy, &arguments)))
}

/// Leaves a mark in the trace: a call that does nothing, with a number that is found again.
pub fn mark(number: u64) {
    // SAFETY: `getpid` looks at no argument.
    let _ = unsafe { syscall::call(bsd_sys::syscall::GETPID, &[number]) };
}

/// Where a mark is among records.
pub fn position(records: &[Record], number: u64) -> Option<usize> {
    records.iter().position(|record| {
        record.event == Event::SyscallEntry as u32
            && record.arguments[0] == u64::from(bsd_sys::syscall::GETPID)
            && record.arguments[1] == number
    })
}

//! Frames and kernel objects, to be compared before and after: what a program took must be back when it has ended.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use libsystem::mach_call;
use mach::defs::mach_host::{mach_zone_info, statistics64};
use mach::host_info::{ZONE_NAME_SIZE, ZoneInfo};
use mach::vm_statistics::{HOST_VM_INFO64, VmStatistics64};
use mach::wire::Wire;

use crate::{Context as _, Outcome};

/// Bytes that the kernel's heap and the cache of files may keep after a load they have not seen before.
const SLACK_BYTES: u64 = 1 << 20;

/// How long the kernel's reaper may take, in milliseconds.
const PATIENCE: u64 = 10_000;

/// Zones that hold caches: they need not shrink.
const CACHES: [&str; 2] = ["vnodes", "ipc hash tables"];

/// The counters of virtual memory.
///
/// # Errors
/// The kernel's.
pub fn statistics() -> Result<VmStatistics64, String> {
    let request = statistics64::Request {
        flavor: HOST_VM_INFO64,
        host_info64_out_cnt: VmStatistics64::WORDS,
    };
    let reply = mach_call::call(mach_call::host_self(), request).context("host_statistics64")?;
    reply
        .host_info64_out
        .decode_words()
        .context("host_statistics64")
}

/// Elements in use, by zone.
///
/// # Errors
/// The kernel's.
pub fn zones() -> Result<Vec<(String, u64)>, String> {
    let reply = mach_call::call(mach_call::host_self(), mach_zone_info::Request {})
        .context("mach_zone_info")?;
    let names = mach_call::take_memory(reply.names);
    let infos = mach_call::take_memory(reply.info);
    let text = |name: &[u8]| {
        let end = name
            .iter()
            .position(|byte| *byte == 0)
            .unwrap_or(name.len());
        String::from_utf8_lossy(&name[..end]).into_owned()
    };
    let rows = names
        .chunks_exact(ZONE_NAME_SIZE)
        .zip(infos.chunks_exact(ZoneInfo::SIZE));
    Ok(rows
        .map(|(name, info)| {
            (
                text(name),
                ZoneInfo::decode(info).map_or(0, |info| info.count),
            )
        })
        .collect())
}

/// What is in use at one moment.
#[derive(Debug, Clone)]
pub struct Counts {
    /// Free frames.
    pub free: u64,
    /// Frames that are the kernel's, page tables, or wired.
    pub wired: u64,
    /// Elements in use by zone.
    pub zones: Vec<(String, u64)>,
}

impl Counts {
    /// Now.
    ///
    /// # Errors
    /// The kernel's.
    pub fn now() -> Result<Self, String> {
        let statistics = statistics()?;
        Ok(Self {
            free: u64::from(statistics.free_count),
            wired: u64::from(statistics.wire_count),
            zones: zones()?,
        })
    }

    /// So many more elements of a zone are nobody's fault.
    #[must_use]
    pub fn with_more(mut self, zone: &str, elements: u64) -> Self {
        let named = self.zones.iter_mut().filter(|(name, _)| name == zone);
        named.for_each(|(_, count)| *count += elements);
        self
    }

    /// What there is more of now than at `before`, if anything.
    pub fn excess(&self, before: &Self) -> Option<String> {
        for (name, count) in &self.zones {
            let earlier = before
                .zones
                .iter()
                .find(|zone| zone.0 == *name)
                .map_or(0, |zone| zone.1);
            if *count > earlier && !CACHES.contains(&name.as_str()) {
                return Some(format!(
                    "zone \"{name}\" has {count} elements, had {earlier}"
                ));
            }
        }
        let slack = SLACK_BYTES / libsystem::memory::page_size();
        if self.free + slack < before.free {
            return Some(format!(
                "{} frames are free, {} were",
                self.free, before.free
            ));
        }
        if self.wired > before.wired + slack {
            return Some(format!(
                "{} frames are wired, {} were",
                self.wired, before.wired
            ));
        }
        None
    }

    /// Fails unless everything is back within some seconds: the reaper may still be at work.
    ///
    /// # Errors
    /// What is not back.
    pub fn must_return(&self) -> Outcome {
        let mut problem = None;
        let back = crate::child::eventually(PATIENCE, || match Self::now() {
            Ok(now) => {
                problem = now.excess(self);
                problem.is_none()
            }
            Err(error) => {
                problem = Some(error);
                false
            }
        });
        if back {
            Ok(())
        } else {
            Err(problem.unwrap_or_default())
        }
    }
}

/// Runs something twice and fails unless the second time leaves nothing behind. (The first time fills caches.)
///
/// # Errors
/// That of the work, or what it leaves behind.
pub fn leaves_nothing(mut work: impl FnMut() -> Outcome) -> Outcome {
    work()?;
    let before = Counts::now()?;
    work()?;
    before.must_return()
}

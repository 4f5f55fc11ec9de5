//! The scan: takes pages from the queues' ends until enough are free or it has looked at all of them.
//!
//! XNU counterpart: `vm_pageout_scan`, `vm_page_balance_inactive`.

use prim::frames::queues::{self, PageQueue};
use prim::frames::{self, FrameNumber, PageKind};

use super::page::{self, Verdict};
use super::victim::{Stock, choose, inactive_target, is_small, queues_of};
use super::{laundry, vm_statistics};
use crate::memory_object::default_pager_has_room;
use crate::vm_object::paged_out::Room;
use crate::vm_page;

/// Pages that a thread which only wants some frames for itself looks at for each of them.
const PATIENCE: usize = 8;

/// Active pages looked at in one go when too few are inactive.
const BALANCE_BATCH: usize = 32;

/// How far a scan goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Effort {
    /// Free what is clean, and look at few pages.
    CleanOnly,
    /// Have dirty pages written too, and look at all pages twice: first their use is forgotten, then they go.
    Everything,
}

/// What a scan remembers from page to page.
pub(super) struct Scan {
    /// Memory for noting which pages a pager has.
    pub(super) room: Room,
    /// Anonymous pages taken since the last page of a file.
    since_file: u32,
    /// Nobody takes anonymous pages, for now.
    anonymous_stays: bool,
}

impl Scan {
    pub(super) fn new() -> Scan {
        Scan {
            room: Room::default(),
            since_file: 0,
            anonymous_stays: false,
        }
    }

    /// Frees up to `wanted` frames; how many. Frames that are with pagers come later, and count as found. No lock may be
    /// held.
    pub(super) fn run(&mut self, wanted: usize, effort: Effort) -> usize {
        self.anonymous_stays = effort == Effort::CleanOnly || !somebody_takes_anonymous_pages();
        let mut left = match effort {
            Effort::CleanOnly => wanted.saturating_mul(PATIENCE),
            Effort::Everything => 2 * everything(),
        };
        let mut freed = 0;
        while freed < wanted && left > 0 {
            if effort == Effort::Everything && is_on_its_way(wanted - freed) {
                break;
            }
            self.balance();
            let Some(queue) = choose(&self.stock()) else {
                break;
            };
            let Some(frame) = rotate(queue) else { break };
            left -= 1;
            match page::consider(frame, effort, self) {
                Verdict::Freed => {
                    freed += 1;
                    vm_statistics::RECLAIMED.add(1);
                    self.count(queue);
                }
                Verdict::Lent => self.count(queue),
                Verdict::Stays => {}
                Verdict::NobodyTakes(PageKind::Anonymous) => self.anonymous_stays = true,
                Verdict::NobodyTakes(PageKind::File) => self.count(queue),
            }
        }
        freed
    }

    fn count(&mut self, queue: PageQueue) {
        self.since_file = if queue == PageQueue::InactiveAnonymous {
            self.since_file + 1
        } else {
            0
        };
    }

    fn stock(&self) -> Stock {
        Stock {
            speculative: queues::length(PageQueue::Speculative),
            file: queues::length(PageQueue::InactiveFile),
            anonymous: if self.anonymous_stays {
                0
            } else {
                queues::length(PageQueue::InactiveAnonymous)
            },
            file_cache: file_cache(),
            memory: frames::total(),
            since_file: self.since_file,
        }
    }

    /// Makes active pages inactive where too few are.
    #[doc(alias = "vm_page_balance_inactive")]
    fn balance(&self) {
        for kind in [PageKind::File, PageKind::Anonymous] {
            if kind == PageKind::Anonymous && self.anonymous_stays {
                continue;
            }
            let (active, inactive) = queues_of(kind);
            let (used, idle) = (queues::length(active), queues::length(inactive));
            let short = inactive_target(used, idle).saturating_sub(idle);
            deactivate_oldest(active, short.min(BALANCE_BATCH));
        }
    }
}

/// Is there a default pager?
pub(super) fn somebody_takes_anonymous_pages() -> bool {
    default_pager_has_room()
}

/// Pages of files, read-ahead included.
pub(super) fn file_cache() -> usize {
    let queues = [
        PageQueue::Speculative,
        PageQueue::InactiveFile,
        PageQueue::ActiveFile,
    ];
    queues.map(queues::length).iter().sum()
}

/// Is there little left of files to take?
pub(super) fn file_cache_is_small() -> bool {
    is_small(file_cache(), frames::total())
}

/// Pages on queues that a scan looks at.
fn everything() -> usize {
    let lengths = PageQueue::ALL
        .into_iter()
        .filter(|queue| *queue != PageQueue::Laundry)
        .map(queues::length);
    lengths.sum::<usize>() + 1
}

/// Do pagers have as many pages as are wanted?
fn is_on_its_way(wanted: usize) -> bool {
    let short = frames::frames_below_target().max(wanted);
    laundry::outstanding() >= short as u64
}

/// The page that has been on a queue longest; it goes to the end.
fn rotate(queue: PageQueue) -> Option<FrameNumber> {
    let mut queues = queues::lock();
    let frame = queues.first(queue)?;
    queues.enqueue(frame, queue);
    Some(frame)
}

/// The pages that have been active longest become inactive; from now on it counts whether they are used.
fn deactivate_oldest(active: PageQueue, count: usize) {
    for _ in 0..count.min(queues::length(active)) {
        let Some(frame) = rotate(active) else { return };
        let Some((mut state, _)) = page::lock_owner(frame) else {
            continue;
        };
        if state.unpageable {
            queues::lock().remove(frame);
        } else {
            vm_page::deactivate(&mut state.pages, frame);
        }
    }
}

/// See [`super::purge`].
pub(super) fn purge() -> usize {
    deactivate_oldest(PageQueue::ActiveFile, usize::MAX);
    let mut scan = Scan::new();
    let mut freed = 0;
    for queue in [PageQueue::Speculative, PageQueue::InactiveFile] {
        for _ in 0..queues::length(queue) {
            let Some(frame) = rotate(queue) else { break };
            let verdict = page::consider(frame, Effort::CleanOnly, &mut scan);
            freed += usize::from(verdict == Verdict::Freed);
        }
    }
    vm_statistics::RECLAIMED.add(freed as u64);
    freed
}

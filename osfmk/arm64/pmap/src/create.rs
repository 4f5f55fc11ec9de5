//! Birth and end of a pmap.
//!
//! A pmap lives in an `Arc`: its maps, and the threads that run in it, hold it. When the last reference goes,
//! whatever is still mapped is removed, all tables are freed, and root and ASID are buried (see `activate`).
//!
//! XNU counterpart: `pmap_create_options`, `pmap_destroy`.

use alloc::sync::Arc;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use machine::address::{FrameNumber, USER_MAX};
use prim::frames::{self, OutOfFrames, Reserve};
use prim::lock::{Rank, SpinLock};

use crate::asid::NEVER_RAN;
use crate::descriptor::Privilege;
use crate::tree::Tree;
use crate::{Pmap, activate, table};

impl Pmap {
    /// An empty user address space. Its root table is charged to `class`.
    #[doc(alias = "pmap_create_options")]
    pub fn create(class: Reserve) -> Result<Arc<Pmap>, OutOfFrames> {
        activate::reap_zombies();
        let root = table::adopt_root(frames::allocate_zeroed(class)?);
        let pmap = Arc::new(Self::with_root(Privilege::User, root));
        table::set_owner(root, Arc::as_ptr(&pmap));
        Ok(pmap)
    }

    pub(crate) const fn with_root(privilege: Privilege, root: FrameNumber) -> Self {
        Self {
            privilege,
            root,
            context: AtomicU64::new(NEVER_RAN),
            resident: AtomicU64::new(0),
            wired: AtomicU64::new(0),
            empty_tables: AtomicBool::new(false),
            tree: SpinLock::new(Rank::Pmap, Tree { root, count: 0 }),
        }
    }
}

impl Drop for Pmap {
    /// Takes everything down. Another CPU may be in the middle of a `disconnect` of one of our pages; its last
    /// access to this pmap is to lower a table's live count, so an empty tree means that nobody is.
    #[doc(alias = "pmap_destroy")]
    fn drop(&mut self) {
        debug_assert!(!self.is_kernel());
        self.remove(0, USER_MAX);
        while self.table_count() != 0 {
            core::hint::spin_loop();
            self.tree.lock().prune_all(self, 0, USER_MAX);
        }
        debug_assert_eq!(self.resident_count(), 0);
        debug_assert_eq!(self.wired_count(), 0);
        activate::bury(self.root, self.context.load(Ordering::SeqCst));
    }
}

//! A pager for tests: posts go to a host channel, answers come from the test or from a thread that it starts.
//!
//! It can be honest, and it can do everything wrong that a pager can do. XNU counterpart: none.

use alloc::sync::Arc;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;
use std::vec::Vec;

use mach::CopyStrategy;
use machine::page::PAGE_SIZE;
use prim::frames::{self, OwnedFrame, Reserve};

use super::{DataRequest, DataReturn, Lock, MemoryControl, Pager, PagerDead, Reply, SupplyReport};
use crate::vm_object::ObjectRef;

/// How long a test waits for what must come. Much more than it takes: the machine may be busy.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// What the kernel has posted.
#[derive(Clone)]
pub(crate) enum Post {
    Init(Arc<MemoryControl>),
    Request(DataRequest),
    Return(DataReturn),
    Terminate,
    LockCompleted(u64, u64),
    SupplyCompleted(SupplyReport),
    ChangeCompleted(bool, CopyStrategy),
}

/// The kernel's end.
pub(crate) struct FakePager {
    posts: Mutex<Option<Sender<Post>>>,
}

/// The pager's end.
pub(crate) struct PagerEnd {
    pub(crate) posts: Receiver<Post>,
    pub(crate) pager: Arc<FakePager>,
}

impl FakePager {
    pub(crate) fn pair() -> PagerEnd {
        let (sender, posts) = channel();
        PagerEnd {
            posts,
            pager: Arc::new(FakePager {
                posts: Mutex::new(Some(sender)),
            }),
        }
    }

    /// From now on posts cannot be delivered.
    pub(crate) fn die(&self) {
        *self.posts.lock().unwrap() = None;
    }

    fn post(&self, post: Post) -> Result<(), PagerDead> {
        let posts = self.posts.lock().unwrap();
        posts
            .as_ref()
            .ok_or(PagerDead)?
            .send(post)
            .map_err(|_| PagerDead)
    }
}

impl Pager for FakePager {
    fn init(&self, control: Arc<MemoryControl>, page_size: u64) -> Result<(), PagerDead> {
        assert_eq!(page_size, PAGE_SIZE as u64);
        self.post(Post::Init(control))
    }
    fn data_request(&self, request: DataRequest) -> Result<(), PagerDead> {
        self.post(Post::Request(request))
    }
    fn data_return(&self, pages: DataReturn) -> Result<(), PagerDead> {
        self.post(Post::Return(pages))
    }
    fn terminate(&self) {
        let _ = self.post(Post::Terminate);
    }
    fn lock_completed(&self, offset: u64, length: u64) {
        let _ = self.post(Post::LockCompleted(offset, length));
    }
    fn supply_completed(&self, report: SupplyReport) {
        let _ = self.post(Post::SupplyCompleted(report));
    }
    fn change_completed(&self, may_cache: bool, copy_strategy: CopyStrategy) {
        let _ = self.post(Post::ChangeCompleted(may_cache, copy_strategy));
    }
}

impl PagerEnd {
    /// The next post, which must come soon.
    pub(crate) fn next(&self) -> Post {
        self.posts
            .recv_timeout(PATIENCE)
            .expect("the kernel posts something")
    }

    pub(crate) fn expect_init(&self) -> Arc<MemoryControl> {
        match self.next() {
            Post::Init(control) => control,
            _ => panic!("init comes first"),
        }
    }

    pub(crate) fn expect_request(&self) -> DataRequest {
        match self.next() {
            Post::Request(request) => request,
            _ => panic!("a request was expected"),
        }
    }

    pub(crate) fn expect_report(&self) -> SupplyReport {
        match self.next() {
            Post::SupplyCompleted(report) => report,
            _ => panic!("supply_completed was expected"),
        }
    }

    pub(crate) fn expect_return(&self) -> DataReturn {
        match self.next() {
            Post::Return(pages) => pages,
            _ => panic!("data_return was expected"),
        }
    }

    pub(crate) fn expect_silence(&self) {
        assert!(
            self.posts.recv_timeout(Duration::from_millis(20)).is_err(),
            "nothing should be posted"
        );
    }
}

/// A file as a pager's store.
pub(crate) type Store = Arc<Mutex<Vec<u8>>>;

/// `pages` pages, each with its own bytes.
pub(crate) fn store(pages: usize) -> Store {
    let bytes = (0..pages * PAGE_SIZE).map(contents).collect();
    Arc::new(Mutex::new(bytes))
}

/// The byte of a fresh store at `at`.
pub(crate) fn contents(at: usize) -> u8 {
    ((at / PAGE_SIZE) * 7 + at % 251 + 1) as u8
}

/// A frame with these bytes, the rest garbage.
pub(crate) fn frame_with(bytes: &[u8]) -> OwnedFrame {
    let mut frame = loop {
        match frames::allocate(Reserve::Pager) {
            Ok(frame) => break frame,
            Err(_) => _ = crate::vm_pageout::reclaim(64),
        }
    };
    let mut page = std::vec![0xee; PAGE_SIZE];
    page[..bytes.len()].copy_from_slice(bytes);
    frame.write(0, &page);
    frame
}

/// The pages of a store that a request names.
pub(crate) fn frames_of(store: &Store, offset: u64, length: u64) -> Vec<OwnedFrame> {
    let store = store.lock().unwrap();
    let page =
        |at: usize| frame_with(&store[at.min(store.len())..(at + PAGE_SIZE).min(store.len())]);
    (offset as usize..(offset + length) as usize)
        .step_by(PAGE_SIZE)
        .map(page)
        .collect()
}

/// An object with an honest pager on a thread of its own, which serves `store` and ends when told to terminate.
pub(crate) fn honest(store: &Store) -> (ObjectRef, JoinHandle<()>) {
    let end = FakePager::pair();
    let size = store.lock().unwrap().len() as u64;
    let object = ObjectRef::with_pager(end.pager.clone(), size).unwrap();
    let store = store.clone();
    let thread = std::thread::spawn(move || serve(&end, &store));
    (object, thread)
}

/// Serves requests and takes returned pages until the object ends.
pub(crate) fn serve(end: &PagerEnd, store: &Store) {
    let mut control: Option<Arc<MemoryControl>> = None;
    while let Ok(post) = end.posts.recv_timeout(PATIENCE) {
        match post {
            Post::Init(new) => {
                new.change_attributes(true, CopyStrategy::Delay, Reply::NotWanted)
                    .unwrap();
                control = Some(new);
            }
            Post::Request(request) => {
                let control = control.as_ref().unwrap();
                let frames = frames_of(store, request.offset, request.length);
                let _ = control.data_supply(
                    request.offset,
                    request.length,
                    frames,
                    Lock::NONE,
                    Reply::NotWanted,
                );
            }
            Post::Return(pages) => take_return(control.as_ref().unwrap(), store, pages),
            Post::Terminate => return,
            Post::SupplyCompleted(report) => panic!("an honest supply was refused: {report:?}"),
            Post::LockCompleted(..) | Post::ChangeCompleted(..) => {}
        }
    }
}

/// Writes lent pages to the store and acknowledges them.
pub(crate) fn take_return(control: &Arc<MemoryControl>, store: &Store, lent: DataReturn) {
    let mut bytes = std::vec![0; lent.length as usize];
    lent.pages
        .read_to_kernel(
            lent.offset,
            &mut bytes,
            crate::vm_fault::FaultOptions::UNINTERRUPTIBLE,
        )
        .unwrap();
    let mut store = store.lock().unwrap();
    let end = (lent.offset + lent.length).min(store.len() as u64);
    let start = lent.offset as usize;
    store[start..end as usize].copy_from_slice(&bytes[..end as usize - start]);
    drop(store);
    let _ = control.clean_completed(
        lent.offset,
        lent.length,
        lent.generation,
        mach::KernReturn::SUCCESS,
    );
}

//! Vnodes: one file as the kernel knows it.
//!
//! There is one vnode for a file however often it is opened, and at most one object under it: `read`, `mmap` and exec see the
//! same pages. After open the kernel's size is the truth. XNU counterpart: `struct vnode`, `struct ubc_info`.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use bsd_sys::errno::Errno;
use bsd_sys::limits::PATH_MAX;
use bsd_sys::stat::{S_IFCHR, S_IFDIR, S_IFLNK, S_IFMT, S_IFREG};
use mach::file::{FileAttributes, FileHandle};
use machine::page::PAGE_SIZE;
use prim::lock::{Mutex, Rank};
use prim::zone::{Admission, Zone};
use vm::memory_object::{LockRequest, Reply, ShouldReturn};
use vm::vm_object::ObjectRef;

use super::{FileSystem, cache};
use crate::turn::Turn;

static VNODES: Zone = Zone::new("vnodes", size_of::<Vnode>());

/// The deepest directory that a path can name.
const DEPTH_MAX: usize = PATH_MAX / 2;

/// One file.
#[doc(alias = "vnode_t")]
pub struct Vnode {
    file_system: Arc<dyn FileSystem>,
    handle: FileHandle,
    /// `S_IFMT` bits.
    kind: u16,
    /// Answers of the file system that have named the handle; given back at the end.
    answers: AtomicU64,
    /// Rank `Vnode`. How it was reached last: for `..` and for paths.
    place: Mutex<Place>,
    /// Rank `Vnode`.
    content: Mutex<Content>,
    /// Whoever changes the contents: writing, cutting off.
    changing: Turn,
    /// Open files of it.
    opens: AtomicU32,
    /// It was written, or mapped to be written, since it was known.
    written: AtomicBool,
    /// It has lost its last name.
    unlinked: AtomicBool,
    _admission: Admission,
}

/// A name in a directory; none for a root.
#[derive(Clone, Default)]
struct Place {
    parent: Option<Arc<Vnode>>,
    name: String,
}

/// The cached half (`struct ubc_info`).
#[derive(Default)]
struct Content {
    object: Option<ObjectRef>,
    size: u64,
    version: u64,
}

impl Vnode {
    /// A vnode for a file with these attributes. To be made through [`super::cache`], which keeps it the only one.
    ///
    /// # Errors
    /// `ENFILE` when memory is short.
    pub(super) fn create(
        file_system: Arc<dyn FileSystem>,
        handle: FileHandle,
        attributes: &FileAttributes,
    ) -> Result<Arc<Self>, Errno> {
        let admission = VNODES.admit().map_err(|_| Errno::ENFILE)?;
        let content = Content {
            object: None,
            size: attributes.size,
            version: attributes.version,
        };
        Ok(Arc::new(Self {
            file_system,
            handle,
            kind: attributes.mode as u16 & S_IFMT,
            answers: AtomicU64::new(1),
            place: Mutex::new(Rank::Vnode, Place::default()),
            content: Mutex::new(Rank::Vnode, content),
            changing: Turn::default(),
            opens: AtomicU32::new(0),
            written: AtomicBool::new(false),
            unlinked: AtomicBool::new(false),
            _admission: admission,
        }))
    }

    /// The file system it belongs to.
    pub(super) fn file_system(&self) -> &Arc<dyn FileSystem> {
        &self.file_system
    }

    /// The file's identity.
    #[must_use]
    pub fn handle(&self) -> FileHandle {
        self.handle
    }

    /// Bytes that can be mapped.
    #[must_use]
    pub fn is_regular(&self) -> bool {
        self.kind == S_IFREG
    }

    /// Names.
    #[must_use]
    pub fn is_directory(&self) -> bool {
        self.kind == S_IFDIR
    }

    /// Text that names another file.
    #[must_use]
    pub fn is_symbolic_link(&self) -> bool {
        self.kind == S_IFLNK
    }

    /// A character device.
    #[must_use]
    pub fn is_character_device(&self) -> bool {
        self.kind == S_IFCHR
    }

    /// One more answer of the file system has named the handle.
    pub(super) fn note_answer(&self) {
        self.answers.fetch_add(1, Ordering::Relaxed);
    }

    /// The file system knows the handle by so many answers; what was before counts no more.
    pub(super) fn restart_answers(&self, answers: u64) {
        self.answers.store(answers, Ordering::Relaxed);
    }

    /// Remembers how the file was reached. A directory that is reached through itself (it was moved meanwhile, or the
    /// server talks nonsense) stays where it is: places lead to the root.
    pub(super) fn set_place(&self, parent: &Arc<Self>, name: &str) {
        if self.is_at(parent, name) || self.is_above(parent) {
            return;
        }
        let place = Place {
            parent: Some(parent.clone()),
            name: name.into(),
        };
        let old = core::mem::replace(&mut *self.place.lock(), place);
        drop(old);
    }

    fn is_at(&self, parent: &Arc<Self>, name: &str) -> bool {
        let place = self.place.lock();
        place.name == name
            && place
                .parent
                .as_ref()
                .is_some_and(|known| Arc::ptr_eq(known, parent))
    }

    /// Whether the way from `directory` to the root leads through this file, or to no end.
    pub(super) fn is_above(&self, directory: &Arc<Self>) -> bool {
        let mut at = directory.clone();
        for _ in 0..DEPTH_MAX {
            if core::ptr::eq(&*at, self) {
                return true;
            }
            match at.parent() {
                Some(parent) => at = parent,
                None => return false,
            }
        }
        true
    }

    /// The directory it was reached through.
    #[must_use]
    pub fn parent(&self) -> Option<Arc<Self>> {
        self.place.lock().parent.clone()
    }

    /// The directory it was reached through, and its name there.
    pub(super) fn place(&self) -> Option<(Arc<Self>, String)> {
        let Place { parent, name } = self.place.lock().clone();
        Some((parent?, name))
    }

    /// How many names lead here from the root.
    pub(super) fn depth(&self) -> usize {
        let next = |at: &Arc<Self>| at.parent();
        core::iter::successors(self.parent(), next)
            .take(DEPTH_MAX)
            .count()
    }

    /// The path from the root, as far as it is known.
    #[doc(alias = "vn_getpath")]
    #[must_use]
    pub fn path(self: &Arc<Self>) -> String {
        let mut names = Vec::new();
        let mut at = self.clone();
        for _ in 0..DEPTH_MAX {
            let Place { parent, name } = at.place.lock().clone();
            let Some(parent) = parent else { break };
            names.push(name);
            at = parent;
        }
        let mut path = String::new();
        for name in names.iter().rev() {
            path.push('/');
            path.push_str(name);
        }
        if path.is_empty() { "/".into() } else { path }
    }

    /// What `stat` shows: the file system's word, but for the size of a file that is open here.
    ///
    /// # Errors
    /// What the file system says.
    #[doc(alias = "vnode_getattr")]
    pub fn attributes(&self) -> Result<FileAttributes, Errno> {
        let mut attributes = self.file_system.attributes(self.handle)?;
        let content = self.content.lock();
        if content.object.is_some() {
            attributes.size = content.size;
        }
        Ok(attributes)
    }

    /// The object that holds the file's pages; the same one until nobody knows the file any more.
    ///
    /// # Errors
    /// `ENODEV` for what has no pages, `ENOMEM`, or what the file system says.
    #[doc(alias = "ubc_getobject")]
    pub fn object(&self) -> Result<ObjectRef, Errno> {
        let known = self.content.lock().object.clone();
        if let Some(object) = known.as_ref().filter(|object| !object.pager_is_dead()) {
            return Ok(object.clone());
        }
        if !self.is_regular() {
            return Err(Errno::ENODEV);
        }
        // What is mapped, open or unsaved waits for the successor to adopt it: another object beside it would hold other bytes.
        let waits = |orphan: &ObjectRef| {
            self.file_system.recovers() && (self.is_in_use(orphan) || orphan.held_pages() > 0)
        };
        if let Some(orphan) = known.as_ref().filter(|orphan| waits(orphan)) {
            return Ok(orphan.clone());
        }
        let (object, attributes) = match (self.file_system.open(self.handle), known) {
            (Ok(opened), _) => opened,
            // What is in memory can still be read.
            (Err(Errno::EIO), Some(orphan)) => return Ok(orphan),
            (Err(errno), _) => return Err(errno),
        };
        let old = {
            let mut content = self.content.lock();
            // Another thread may have been faster; the server gave both the same object.
            match &content.object {
                Some(present) if present.same_object(&object) => None,
                _ => {
                    (content.size, content.version) = (attributes.size, attributes.version);
                    content.object.replace(object.clone())
                }
            }
        };
        drop(old);
        Ok(object)
    }

    /// Whether its pages are in the object of this number.
    pub(super) fn has_object(&self, number: u64) -> bool {
        let content = self.content.lock();
        let object = content.object.as_ref();
        object.is_some_and(|object| object.id() == number)
    }

    /// The file's object, if its pager has died.
    pub(super) fn orphan(&self) -> Option<ObjectRef> {
        let object = self.content.lock().object.clone();
        object.filter(ObjectRef::pager_is_dead)
    }

    /// Are its pages in use without it, not written back, or held for the successor of a dead pager? A successor finds them by the
    /// vnode.
    pub(super) fn pages_are_needed(&self) -> bool {
        let object = self.content.lock().object.clone();
        let is_held = |object: &ObjectRef| self.file_system.recovers() && object.held_pages() > 0;
        // One reference is the vnode's, one is this function's.
        let is_dirty = |object: &ObjectRef| self.was_written() && object.has_unsaved_pages();
        object.is_some_and(|object| {
            object.reference_count() > 2 || is_held(&object) || is_dirty(&object)
        })
    }

    /// The data are what is known here, whatever the version says.
    pub(super) fn note_version(&self, attributes: &FileAttributes) {
        self.content.lock().version = attributes.version;
    }

    /// The object, if the file was ever read, written or mapped.
    pub(crate) fn known_object(&self) -> Option<ObjectRef> {
        self.content.lock().object.clone()
    }

    /// Who may change the contents now.
    pub(crate) fn changing(&self) -> &Turn {
        &self.changing
    }

    /// Asks the file system whether the file may be written.
    ///
    /// # Errors
    /// What it says.
    pub(crate) fn prepare_writing(&self) -> Result<(), Errno> {
        self.file_system.prepare_writing(self.handle)
    }

    /// The file has this size now. The caller has the turn.
    pub(crate) fn set_size(&self, size: u64) {
        self.content.lock().size = size;
    }

    /// From now on there may be dirty pages.
    pub(crate) fn note_writing(&self) {
        self.written.store(true, Ordering::Relaxed);
    }

    /// May there be dirty pages?
    pub(crate) fn was_written(&self) -> bool {
        self.written.load(Ordering::Relaxed)
    }

    /// Everything was written back: what the file system says of the file now is what is in memory.
    pub(crate) fn note_written_back(&self) {
        if let Ok(attributes) = self.file_system.attributes(self.handle) {
            self.note_version(&attributes);
        }
    }

    /// One more open file.
    pub(crate) fn note_opened(&self) {
        self.opens.fetch_add(1, Ordering::Relaxed);
    }

    /// One open file less. With the last one a file without a name is forgotten.
    pub(crate) fn note_closed(self: &Arc<Self>) {
        let last = self.opens.fetch_sub(1, Ordering::AcqRel) == 1;
        if last && self.unlinked.load(Ordering::Acquire) {
            cache::remove(self);
        }
    }

    /// The file has lost its last name while somebody uses it.
    pub(crate) fn note_unlinked(self: &Arc<Self>) {
        self.unlinked.store(true, Ordering::Release);
        if self.opens.load(Ordering::Acquire) == 0 {
            cache::remove(self);
        }
    }

    /// Has the kernel the only word on the contents: is it open, mapped, or not written back?
    pub(super) fn is_in_use(&self, object: &ObjectRef) -> bool {
        self.opens.load(Ordering::Acquire) > 0
            || object.reference_count() > 2
            || self.was_written() && object.has_unsaved_pages()
    }

    /// The file's size.
    #[doc(alias = "ubc_getsize")]
    #[must_use]
    pub fn size(&self) -> u64 {
        self.content.lock().size
    }

    /// Compares with what the server says at a lookup: if the data changed behind the kernel's back, clean pages go and the size is
    /// taken over. While the file is in use, the kernel's word is the truth.
    #[doc(alias = "ubc_setsize")]
    pub(super) fn revalidate(&self, attributes: &FileAttributes) {
        {
            let content = self.content.lock();
            if content.version == attributes.version && content.size == attributes.size {
                return;
            }
        }
        if self
            .known_object()
            .is_some_and(|object| self.is_in_use(&object))
        {
            return;
        }
        let stale = {
            let mut content = self.content.lock();
            (content.size, content.version) = (attributes.size, attributes.version);
            content.object.clone()
        };
        if let Some(control) = stale.and_then(|object| object.memory_control()) {
            let everything = LockRequest {
                offset: 0,
                length: u64::MAX - (PAGE_SIZE as u64 - 1),
                should_return: ShouldReturn::None,
                flush: true,
                protection: None,
                reply: Reply::NotWanted,
            };
            // Fails only for an object whose pager has gone; its pages are nobody's business any more.
            let _ = control.lock_request(everything);
            let _ = control.set_size(attributes.size);
        }
    }

    /// Lets the pages go, if nobody else holds the object.
    pub(super) fn drop_object(&self) {
        let object = self.content.lock().object.take();
        drop(object);
    }
}

impl Drop for Vnode {
    fn drop(&mut self) {
        self.drop_object();
        self.file_system
            .forget(self.handle, self.answers.load(Ordering::Relaxed));
        // A long path ends by a loop: each directory that only the next name holds would be one more stack frame.
        let mut parent = self.place.get_mut().parent.take();
        while let Some(mut directory) = parent.and_then(Arc::into_inner) {
            parent = directory.place.get_mut().parent.take();
        }
    }
}

//! External pagers: a `vm::Pager` that posts messages to a port.
//!
//! [`object_for_port`] turns the port of a memory object into the object; the same port gives the same object for as long as
//! it lives. From then on the VM calls [`Pager`]'s methods, each of which sends one message and never waits, and the pager
//! answers on the control port ([`crate::kobject::memory_control`]). When the port dies, the object hears of it.
//!
//! XNU counterpart: `memory_object.c`'s `memory_object_pager_ops` dispatch; Mach 3's `vm_object_enter` and user stubs.

use alloc::sync::{Arc, Weak};
use core::sync::atomic::{AtomicU64, Ordering};

use hashbrown::HashMap;
use ipc::{KernelCarrier, KernelMemory, Kmsg, Port, PortDeathWatcher, Right, SendRight};
use mach::defs::{RequestBody, pager};
use mach::memory_object::FaultInfo;
use mach::message::Carried;
use mach::{CopyStrategy, KernReturn};
use prim::frames::Reserve;
use prim::lock::{Mutex, Rank, SpinLock};
use prim::thread::with_reserve;
use prim::trace::{self, Event};
use spin::Once;
use vm::memory_object::{
    DataRequest, DataReturn, MemoryControl, Pager, PagerDead, ReturnKind, SupplyReport, Synchronize,
};
use vm::vm_map::VmMapCopy;
use vm::vm_object::ObjectRef;

use crate::kobject::memory_control::Control;
use crate::kobject::page_list::PageList;

/// Pagers by the identity of their port. Rank [`Rank::TaskThread`]: taken before anything of the VM.
fn table() -> &'static Mutex<HashMap<usize, Entry>> {
    static TABLE: Once<Mutex<HashMap<usize, Entry>>> = Once::new();
    TABLE.call_once(|| Mutex::new(Rank::TaskThread, HashMap::new()))
}

struct Entry {
    pager: Weak<ExternalPager>,
}

/// Returns of up to so many bytes are small: a page of the larger size.
const IN_BUFFER_LIMIT: u64 = 16 * 1024;

/// One memory object's pager.
pub struct ExternalPager {
    /// The kernel's number for the control, repeated in every message.
    id: u64,
    /// The memory object's port.
    port: SendRight,
    control: Arc<Control>,
    /// Set by `init`.
    memory_control: SpinLock<Option<Arc<MemoryControl>>>,
}

/// The object that the pager behind `port` fills, made at the first time; `size` is the contents' length in bytes.
///
/// An object that is just ending is waited for, so that the pager hears of its end before it hears of the next object.
///
/// # Errors
/// `INVALID_ARGUMENT` for a port that is dead or the kernel's own, `RESOURCE_SHORTAGE`.
#[doc(alias = "vm_object_enter")]
#[doc(alias = "memory_object_to_vm_object")]
pub fn object_for_port(port: SendRight, size: u64) -> Result<ObjectRef, KernReturn> {
    if !port.port().is_active() || port.port().is_kernel_object() {
        return Err(KernReturn::INVALID_ARGUMENT);
    }
    let pager = loop {
        match known(&port)? {
            Known::New(pager) => break pager,
            Known::Old(pager) => match pager.object() {
                // The port lives and the pager has let go of that object: it may serve another one.
                Some(object) if object.pager_is_dead() => pager.forget(),
                Some(object) => return Ok(object),
                // Another thread is making it, or the reaper is about to say that it has ended.
                None => {
                    drop(pager);
                    prim::reaper::quiesce();
                    prim::thread::yield_now();
                }
            },
        }
    };
    // No lock is held from here on: the pager is told.
    let watcher: Weak<ExternalPager> = Arc::downgrade(&pager);
    let made = pager
        .port
        .port()
        .watch_death(watcher)
        .and_then(|()| ObjectRef::with_pager(pager.clone(), size));
    if made.is_err() {
        pager.forget();
    }
    made
}

/// Gives an object whose pager has died to the pager behind `port`. Nothing to do if it has it already.
///
/// # Errors
/// `INVALID_ARGUMENT` for an object that is no orphan, for a port that serves another object, is dead or the kernel's own;
/// `RESOURCE_SHORTAGE`.
pub fn adopt_for_port(object: &ObjectRef, port: SendRight) -> Result<(), KernReturn> {
    if !port.port().is_active() || port.port().is_kernel_object() {
        return Err(KernReturn::INVALID_ARGUMENT);
    }
    let pager = match known(&port)? {
        Known::New(pager) => pager,
        Known::Old(pager) => {
            let has_it = pager
                .object()
                .is_some_and(|known| known.same_object(object));
            return has_it.then_some(()).ok_or(KernReturn::INVALID_ARGUMENT);
        }
    };
    let watcher: Weak<ExternalPager> = Arc::downgrade(&pager);
    let adopted = pager
        .port
        .port()
        .watch_death(watcher)
        .and_then(|()| object.adopt(pager.clone()));
    if adopted.is_err() {
        pager.forget();
    }
    adopted
}

/// What the table knows of a port.
enum Known {
    /// This pager, so far.
    Old(Arc<ExternalPager>),
    /// Nothing; this pager is in the table now and has no object yet.
    New(Arc<ExternalPager>),
}

fn known(port: &SendRight) -> Result<Known, KernReturn> {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let key = port.port().id();
    let mut pagers = table().lock();
    if let Some(pager) = pagers.get(&key).and_then(|entry| entry.pager.upgrade()) {
        return Ok(Known::Old(pager));
    }
    pagers
        .try_reserve(1)
        .map_err(|_| KernReturn::RESOURCE_SHORTAGE)?;
    let pager = Arc::new(ExternalPager {
        id: NEXT.fetch_add(1, Ordering::Relaxed),
        port: port.clone(),
        control: Control::new(),
        memory_control: SpinLock::new(Rank::KernelObject, None),
    });
    pagers.insert(
        key,
        Entry {
            pager: Arc::downgrade(&pager),
        },
    );
    Ok(Known::New(pager))
}

impl ExternalPager {
    /// The object, if it has not ended.
    fn object(&self) -> Option<ObjectRef> {
        self.memory_control.lock().clone()?.object()
    }

    /// Leaves the table, and no more hears of the port's death: the next use of the port begins anew.
    fn forget(&self) {
        self.port
            .port()
            .unwatch_death(core::ptr::from_ref(self).cast());
        let mut pagers = table().lock();
        let key = self.port.port().id();
        if pagers
            .get(&key)
            .is_some_and(|entry| core::ptr::eq(entry.pager.as_ptr(), self))
        {
            pagers.remove(&key);
        }
    }

    /// Lends pages as a page list.
    fn return_page_list(&self, pages: &DataReturn, flags: u32) -> Result<(), PagerDead> {
        let list = with_reserve(Reserve::Pager, || pages.pins().and_then(PageList::lend));
        let list = list.map_err(|_| PagerDead)?;
        self.post(pager::data_return_pages::Request {
            pages: Carried::Right(Right::Send(list)),
            control_id: self.id,
            offset: pages.offset,
            length: pages.length,
            valid_length: pages.valid_length(),
            generation: pages.generation,
            flags,
        })
    }

    /// Posts one message to the memory object's port.
    fn post<R: RequestBody<KernelCarrier>>(&self, request: R) -> Result<(), PagerDead> {
        // Whoever faults works for the pager here: a message that could not be made would look like its death.
        post_to(&self.port, request, Reserve::Pager)
    }
}

/// Posts one message to a pager's port; never waits.
pub(crate) fn post_to<R: RequestBody<KernelCarrier>>(
    port: &SendRight,
    request: R,
    reserve: Reserve,
) -> Result<(), PagerDead> {
    let destination = Carried::Right(Right::Send(port.clone()));
    let id = R::ID;
    with_reserve(reserve, || {
        let message = request.into_message(destination, Carried::Null);
        let kmsg = Kmsg::from_message(message).map_err(|_| PagerDead)?;
        trace::point(
            Event::KernelMessage,
            port.port().id() as u64,
            id as u64,
            kmsg.wire_size() as u64,
            0,
        );
        ipc::send_from_kernel(kmsg).map_err(|_| PagerDead)
    })
}

impl Pager for ExternalPager {
    fn init(&self, control: Arc<MemoryControl>, page_size: u64) -> Result<(), PagerDead> {
        *self.memory_control.lock() = Some(control.clone());
        let opened = with_reserve(Reserve::Pager, || self.control.open(control));
        let right = opened.map_err(|_| PagerDead)?;
        let control = Carried::Right(Right::Send(right));
        self.post(pager::init::Request {
            control,
            control_id: self.id,
            page_size: page_size as u32,
        })
    }

    fn data_request(&self, request: DataRequest) -> Result<(), PagerDead> {
        let DataRequest {
            offset,
            length,
            access,
            info,
        } = request;
        let fault_info = FaultInfo {
            behavior: info.behavior.raw(),
            low_offset: info.window.start,
            high_offset: info.window.end,
            ..FaultInfo::default()
        };
        self.post(pager::data_request::Request {
            control_id: self.id,
            offset,
            length,
            desired_access: access,
            generation: info.generation.0,
            fault_info,
        })
    }

    fn data_return(&self, pages: DataReturn) -> Result<(), PagerDead> {
        let mut flags = match pages.kind {
            ReturnKind::Dirty => pager::return_flag::DIRTY,
            ReturnKind::Precious => pager::return_flag::PRECIOUS,
        };
        if pages.kernel_copy {
            flags |= pager::return_flag::KERNEL_COPY;
        }
        if self.control.takes_page_lists() {
            return self.return_page_list(&pages, flags);
        }
        let valid_length = pages.valid_length();
        let copy =
            VmMapCopy::lend(pages.pages, pages.offset, pages.length).map_err(|_| PagerDead)?;
        let mut data = KernelMemory::new(copy, pages.length);
        if self.control.takes_bytes() && pages.length <= IN_BUFFER_LIMIT {
            data = data.into_buffer();
        }
        self.post(pager::data_return::Request {
            data: Some(data),
            control_id: self.id,
            offset: pages.offset,
            length: pages.length,
            valid_length,
            generation: pages.generation,
            flags,
        })
    }

    fn synchronize(&self, offset: u64, length: u64) -> Result<Synchronize, PagerDead> {
        if !self.control.takes_page_lists() {
            // What it acknowledges it has: that was always so in this protocol.
            return Ok(Synchronize::Already);
        }
        self.post(pager::synchronize::Request {
            control_id: self.id,
            offset,
            length,
            sync_flags: 0,
        })?;
        Ok(Synchronize::Asked)
    }

    fn terminate(&self) {
        // A pager that is gone needs no notice.
        let _ = self.post(pager::terminate::Request {
            control_id: self.id,
        });
        self.control.close();
        let control = self.memory_control.lock().take();
        drop(control);
        self.forget();
    }

    fn lock_completed(&self, offset: u64, length: u64) {
        let _ = self.post(pager::lock_completed::Request {
            control_id: self.id,
            offset,
            length,
        });
    }

    fn supply_completed(&self, report: SupplyReport) {
        let SupplyReport {
            offset,
            length,
            result,
            error_offset,
            accepted,
        } = report;
        let _ = self.post(pager::supply_completed::Request {
            control_id: self.id,
            offset,
            length,
            result,
            error_offset,
            accepted_pages: accepted,
        });
    }

    fn change_completed(&self, may_cache: bool, copy_strategy: CopyStrategy) {
        let _ = self.post(pager::change_completed::Request {
            control_id: self.id,
            may_cache: u32::from(may_cache),
            copy_strategy: copy_strategy as i32,
        });
    }
}

impl PortDeathWatcher for ExternalPager {
    fn port_died(&self, _port: &Arc<Port>) {
        let control = self.memory_control.lock().clone();
        if let Some(control) = control {
            control.pager_died();
        }
    }
}

//! The pager of anonymous memory: a `vm::DefaultPager` whose objects' pagers post messages to the task that registered.
//!
//! `register` takes the port of the default memory manager. For each anonymous object whose first page is to go,
//! `AnonymousPager::init` makes a port, sends its receive right to the manager (`pager_create`), and posts everything else
//! to that port. Pages are lent as a page list, never as memory: a manager that had to map what it is given could wait for
//! itself. When a manager dies the objects' ports die with it, and the VM lets the objects wait; the next one to register
//! gets a `pager_create` for each of them, under the number it had before.
//!
//! XNU counterpart: `host_default_memory_manager`, `default_pager.c` (until 10.9); Mach 3's `memory_object_default.defs`.

use alloc::sync::{Arc, Weak};
use core::sync::atomic::{AtomicU64, Ordering};

use ipc::{KernelCarrier, Port, PortDeathWatcher, Right, SendRight};
use mach::defs::{RequestBody, pager};
use mach::memory_object::FaultInfo;
use mach::message::Carried;
use mach::{CopyStrategy, KernReturn};
use prim::frames::Reserve;
use prim::lock::{Rank, SpinLock};
use prim::thread::with_reserve;
use spin::Once;
use vm::memory_object::{
    DataRequest, DataReturn, DefaultPager, MemoryControl, Pager, PagerDead, SupplyReport,
    default_pager_died, register_default_pager,
};

use crate::external_pager::post_to;
use crate::kobject::memory_control::Control;
use crate::kobject::page_list::PageList;

/// Everything the way to more memory needs comes from here: a message that could not be made would look like the pager's death.
const RESERVE: Reserve = Reserve::Kernel;

/// What the pager itself may use.
const PAGER_RESERVE: Reserve = Reserve::Pageout;

/// The registered manager's port.
static MANAGER: SpinLock<Option<SendRight>> = SpinLock::new(Rank::KernelObject, None);

/// The kernel's side of whoever is registered.
struct Manager;

fn kernel_side() -> &'static Arc<Manager> {
    static SIDE: Once<Arc<Manager>> = Once::new();
    SIDE.call_once(|| Arc::new(Manager))
}

/// The registered manager's port, if there is one.
pub(crate) fn manager() -> Option<SendRight> {
    MANAGER.lock().clone()
}

/// Makes the task behind `port` the pager of anonymous memory, and the running thread one that may use what is left of
/// memory; gives the former manager's port. The objects of a manager that has died are told to this one.
///
/// # Errors
/// `INVALID_ARGUMENT` for a port of the kernel's or a dead one; `RESOURCE_SHORTAGE`.
#[doc(alias = "host_default_memory_manager")]
pub(crate) fn register(port: SendRight) -> Result<Option<SendRight>, KernReturn> {
    if !port.port().is_active() || port.port().is_kernel_object() {
        return Err(KernReturn::INVALID_ARGUMENT);
    }
    let side: Weak<Manager> = Arc::downgrade(kernel_side());
    port.port().watch_death(side)?;
    prim::thread::current().set_reserve(PAGER_RESERVE);
    let former = MANAGER.lock().replace(port);
    let pager: Arc<dyn DefaultPager> = kernel_side().clone();
    register_default_pager(pager)?;
    Ok(former)
}

impl PortDeathWatcher for Manager {
    fn port_died(&self, port: &Arc<Port>) {
        let mut manager = MANAGER.lock();
        let mine = manager
            .as_ref()
            .is_some_and(|right| Arc::ptr_eq(right.port(), port));
        let gone = if mine { manager.take() } else { None };
        drop(manager);
        if let Some(right) = gone {
            // Nobody takes pages until there is another.
            default_pager_died();
            right.release();
        }
    }
}

impl DefaultPager for Manager {
    fn pager_for(&self, size: u64) -> Result<Arc<dyn Pager>, KernReturn> {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Ok(Arc::new_cyclic(|me| AnonymousPager {
            me: me.clone(),
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            size,
            link: SpinLock::new(Rank::KernelObject, None),
        }))
    }

    fn has_room(&self) -> bool {
        MANAGER.lock().is_some()
    }
}

/// One anonymous object's pager.
struct AnonymousPager {
    me: Weak<AnonymousPager>,
    /// The object's number with every manager there will be.
    id: u64,
    size: u64,
    /// How the present manager is reached.
    link: SpinLock<Option<Link>>,
}

#[derive(Clone)]
struct Link {
    /// The memory object's port.
    port: SendRight,
    control: Arc<Control>,
    memory_control: Arc<MemoryControl>,
}

impl AnonymousPager {
    fn link(&self) -> Result<Link, PagerDead> {
        self.link.lock().clone().ok_or(PagerDead)
    }

    fn post<R: RequestBody<KernelCarrier>>(&self, request: R) -> Result<(), PagerDead> {
        post_to(&self.link()?.port, request, RESERVE)
    }

    /// Makes the ports of one use of the object and tells the manager.
    fn open(&self, memory_control: Arc<MemoryControl>, page_size: u64) -> Result<(), KernReturn> {
        let manager = manager().ok_or(KernReturn::INVALID_RIGHT)?;
        let receive = Port::allocate()?;
        let port = receive.make_send();
        port.port().watch_death(self.me.clone())?;
        let control = Control::new();
        let right = control.open(memory_control.clone())?;
        let link = Link {
            port,
            control,
            memory_control,
        };
        let former = self.link.lock().replace(link);
        if let Some(former) = former {
            former.control.close();
        }
        let request = pager::create::Request {
            memory_object: Carried::Right(Right::Receive(receive)),
            control: Carried::Right(Right::Send(right)),
            control_id: self.id,
            size: self.size,
            page_size: page_size as u32,
        };
        post_to(&manager, request, RESERVE).map_err(|_| KernReturn::INVALID_RIGHT)
    }

    /// Names the pages of a return; `None` when not all of them are there any more, or there is no memory.
    fn lend(pages: &DataReturn) -> Option<SendRight> {
        let pins = pages.pages.pin_resident(pages.offset, pages.length)?;
        PageList::lend(pins).ok()
    }
}

impl Pager for AnonymousPager {
    fn init(&self, control: Arc<MemoryControl>, page_size: u64) -> Result<(), PagerDead> {
        with_reserve(RESERVE, || self.open(control, page_size)).map_err(|_| PagerDead)
    }

    fn data_request(&self, request: DataRequest) -> Result<(), PagerDead> {
        self.post(pager::data_request::Request {
            control_id: self.id,
            offset: request.offset,
            length: request.length,
            desired_access: request.access,
            generation: request.info.generation.0,
            fault_info: FaultInfo::default(),
        })
    }

    fn data_return(&self, pages: DataReturn) -> Result<(), PagerDead> {
        let DataReturn {
            offset,
            length,
            generation,
            ..
        } = pages;
        let Some(right) = with_reserve(RESERVE, || Self::lend(&pages)) else {
            // What is left stays as it is. The pager has not seen it: that is no refusal.
            let control = self.link()?.memory_control;
            let _ = control.clean_completed(offset, length, generation, KernReturn::ABORTED);
            return Ok(());
        };
        self.post(pager::data_return_pages::Request {
            pages: Carried::Right(Right::Send(right)),
            control_id: self.id,
            offset,
            length,
            generation,
            valid_length: length,
            flags: pager::return_flag::DIRTY,
        })
    }

    fn data_discard(&self, offset: u64, length: u64) {
        // Without this message the pager keeps more than it must, until the object ends.
        let _ = self.post(pager::data_discard::Request {
            control_id: self.id,
            offset,
            length,
        });
    }

    fn terminate(&self) {
        let _ = self.post(pager::terminate::Request {
            control_id: self.id,
        });
        let link = self.link.lock().take();
        if let Some(link) = link {
            link.port
                .port()
                .unwatch_death(core::ptr::from_ref(self).cast());
            link.control.close();
        }
    }

    fn lock_completed(&self, _offset: u64, _length: u64) {}

    fn supply_completed(&self, report: SupplyReport) {
        let _ = self.post(pager::supply_completed::Request {
            control_id: self.id,
            offset: report.offset,
            length: report.length,
            result: report.result,
            error_offset: report.error_offset,
            accepted_pages: report.accepted,
        });
    }

    fn change_completed(&self, _may_cache: bool, _copy_strategy: CopyStrategy) {}
}

impl PortDeathWatcher for AnonymousPager {
    fn port_died(&self, port: &Arc<Port>) {
        let link = self.link.lock().clone();
        if let Some(link) = link.filter(|link| Arc::ptr_eq(link.port.port(), port)) {
            link.memory_control.pager_died();
        }
    }
}

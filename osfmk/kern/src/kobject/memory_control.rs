//! `pager_control`: what a pager tells the kernel, turned into calls on the object's memory control.
//!
//! The pager's messages are one-way; a refusal reaches it as `supply_completed`. Nothing here waits for a page.
//! XNU counterpart: the server side of `memory_object_control.defs`.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, Ordering};

use ipc::{KernelCarrier, KernelObject, Kmsg, Port, SendRight};
use mach::defs::{Call, pager_control};
use mach::memory_object::LockFlags;
use mach::{CopyStrategy, KernReturn, Result, VmProt};
use machine::page::PAGE_SIZE;
use prim::frames::{OwnedFrame, Reserve};
use prim::lock::{Rank, SpinLock};
use prim::thread::with_only_reserve;
use vm::memory_object::{Fallback, Lock, LockRequest, MemoryControl, Reply, ShouldReturn};
use vm::vm_fault::FaultOptions;

use super::own_port::OwnPort;
use super::page_list::PageList;
use super::{answer, send_right};

/// The kernel object behind a control port.
#[doc(alias = "memory_object_control")]
pub struct Control {
    /// Set when the pager is told of the object.
    control: SpinLock<Option<Arc<MemoryControl>>>,
    /// The pager takes returned pages as page lists.
    page_lists: AtomicBool,
    /// The pager takes small returns in its receive buffer.
    in_buffer: AtomicBool,
    port: OwnPort,
}

impl Control {
    /// A control that names nothing yet.
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            control: SpinLock::new(Rank::KernelObject, None),
            page_lists: AtomicBool::new(false),
            in_buffer: AtomicBool::new(false),
            port: OwnPort::new(),
        })
    }

    /// Does the pager take returned pages as page lists?
    pub(crate) fn takes_page_lists(&self) -> bool {
        self.page_lists.load(Ordering::Relaxed)
    }

    /// Does the pager take small returns in its receive buffer?
    pub(crate) fn takes_bytes(&self) -> bool {
        self.in_buffer.load(Ordering::Relaxed)
    }

    /// Names an object's control; the port that the pager gets.
    pub(crate) fn open(self: &Arc<Self>, control: Arc<MemoryControl>) -> Result<SendRight> {
        *self.control.lock() = Some(control);
        self.port.open(self.clone())
    }

    /// The object has ended: the port dies, and with it what the pager knows.
    pub(crate) fn close(&self) {
        let control = self.control.lock().take();
        drop(control);
        self.port.close();
    }

    fn target(&self) -> Result<Arc<MemoryControl>> {
        self.control
            .lock()
            .clone()
            .ok_or(KernReturn::INVALID_ARGUMENT)
    }
}

impl KernelObject for Control {
    fn message(self: Arc<Self>, request: Kmsg, _port: &Arc<Port>) -> Option<Kmsg> {
        answer(pager_control::demux(
            &mut ControlServer { control: &self },
            request.into_message(),
        ))
    }

    fn no_senders(self: Arc<Self>, _port: &Arc<Port>, _make_send_count: u32) {
        // A pager that lets go of the control can never answer: that is its death, as far as the object goes.
        if let Ok(control) = self.target() {
            control.pager_died();
        }
        self.close();
    }
}

struct ControlServer<'a> {
    control: &'a Arc<Control>,
}

fn reply(wanted: u32) -> Reply {
    if wanted != 0 {
        Reply::Wanted
    } else {
        Reply::NotWanted
    }
}

fn lock(forbidden: VmProt, precious: u32) -> Lock {
    Lock {
        forbidden,
        precious: precious != 0,
    }
}

impl pager_control::Server<KernelCarrier> for ControlServer<'_> {
    fn ready(
        &mut self,
        _: &mut Call<KernelCarrier>,
        request: pager_control::ready::Request,
    ) -> Result<()> {
        let strategy =
            CopyStrategy::from_raw(request.copy_strategy).ok_or(KernReturn::INVALID_ARGUMENT)?;
        let control = self.control.target()?;
        let has = |flag| request.flags & flag != 0;
        let page_lists = has(pager_control::object_flag::PAGE_LISTS);
        let in_buffer = has(pager_control::object_flag::RETURNS_IN_BUFFER);
        self.control.page_lists.store(page_lists, Ordering::Relaxed);
        self.control.in_buffer.store(in_buffer, Ordering::Relaxed);
        if request.deadline != 0 {
            let fallback = match request.fallback {
                pager_control::fallback::WAIT => Fallback::KeepWaiting,
                _ => Fallback::Error,
            };
            control.set_patience(Some(u64::from(request.deadline) * 1_000_000), fallback)?;
        }
        control.change_attributes(request.may_cache != 0, strategy, reply(request.want_reply))
    }

    fn get_attributes(
        &mut self,
        _: &mut Call<KernelCarrier>,
        _: pager_control::get_attributes::Request,
    ) -> Result<pager_control::get_attributes::Reply> {
        let (ready, may_cache, strategy) = self.control.target()?.get_attributes()?;
        Ok(pager_control::get_attributes::Reply {
            ready: u32::from(ready),
            may_cache: u32::from(may_cache),
            copy_strategy: strategy as i32,
            cluster_size: 0,
            deadline: 0,
            fallback: pager_control::fallback::ERROR,
            flags: 0,
        })
    }

    fn data_supply(
        &mut self,
        _: &mut Call<KernelCarrier>,
        request: pager_control::data_supply::Request<KernelCarrier>,
    ) -> Result<()> {
        let data = request.data.ok_or(KernReturn::INVALID_ARGUMENT)?;
        let (control, length) = (self.control.target()?, data.size);
        let lock = lock(request.lock_value, request.precious);
        let reply = reply(request.want_reply);
        // Data that is not whole pages is refused by the object, which tells the pager.
        let frames = data.copy.into_pages(FaultOptions::USER).unwrap_or_default();
        control.data_supply(request.offset, length, frames, lock, reply)
    }

    fn data_supply_pages(
        &mut self,
        _: &mut Call<KernelCarrier>,
        request: pager_control::data_supply_pages::Request<KernelCarrier>,
    ) -> Result<()> {
        let right = send_right(request.pages)?;
        let control = self.control.target()?;
        let list = right
            .kobject::<PageList>()
            .ok_or(KernReturn::INVALID_ARGUMENT)?;
        let frames = list
            .take(request.list_offset, request.length)
            .unwrap_or_default();
        let lock = lock(request.lock_value, request.precious);
        let outcome = control.data_supply(
            request.offset,
            request.length,
            frames,
            lock,
            reply(request.want_reply),
        );
        right.release();
        outcome
    }

    fn data_unavailable(
        &mut self,
        _: &mut Call<KernelCarrier>,
        request: pager_control::data_unavailable::Request,
    ) -> Result<()> {
        self.control
            .target()?
            .data_unavailable(request.offset, request.length)
    }

    fn data_error(
        &mut self,
        _: &mut Call<KernelCarrier>,
        request: pager_control::data_error::Request,
    ) -> Result<()> {
        self.control
            .target()?
            .data_error(request.offset, request.length, request.error)
    }

    fn clean_completed(
        &mut self,
        _: &mut Call<KernelCarrier>,
        request: pager_control::clean_completed::Request,
    ) -> Result<()> {
        let pager_control::clean_completed::Request {
            offset,
            length,
            generation,
            result,
        } = request;
        self.control
            .target()?
            .clean_completed(offset, length, generation, result)
    }

    fn data_fill(
        &mut self,
        _: &mut Call<KernelCarrier>,
        request: pager_control::data_fill::Request,
    ) -> Result<()> {
        let pager_control::data_fill::Request {
            offset,
            length,
            word,
        } = request;
        let control = self.control.target()?;
        let count = usize::try_from(length / PAGE_SIZE as u64).unwrap_or(usize::MAX);
        // Without frames the pages stay expected: the pager is told, and says it again.
        let frames = filled_frames(count, word).ok_or(KernReturn::RESOURCE_SHORTAGE);
        match frames {
            Ok(frames) => control.data_supply(offset, length, frames, Lock::NONE, Reply::NotWanted),
            Err(code) => {
                control.supply_refused(offset, length, code)?;
                Err(code)
            }
        }
    }

    fn lock_request(
        &mut self,
        _: &mut Call<KernelCarrier>,
        request: pager_control::lock_request::Request,
    ) -> Result<()> {
        let flags = LockFlags::from_bits_retain(request.flags);
        let should_return = match mach::ReturnKind::from_raw(request.should_return)
            .ok_or(KernReturn::INVALID_ARGUMENT)?
        {
            mach::ReturnKind::None => ShouldReturn::None,
            mach::ReturnKind::Dirty => ShouldReturn::Dirty,
            mach::ReturnKind::All => ShouldReturn::All,
            mach::ReturnKind::Anything => ShouldReturn::Anything,
        };
        let whole = flags.contains(LockFlags::DATA_FLUSH_ALL);
        self.control.target()?.lock_request(LockRequest {
            offset: if whole { 0 } else { request.offset },
            length: if whole {
                u64::MAX - (PAGE_SIZE as u64 - 1)
            } else {
                request.length
            },
            should_return,
            flush: flags.intersects(LockFlags::DATA_FLUSH | LockFlags::DATA_FLUSH_ALL),
            protection: Some(request.lock_value)
                .filter(|wanted| !wanted.contains(VmProt::NO_CHANGE)),
            reply: reply(request.want_reply),
        })
    }

    fn synchronize_completed(
        &mut self,
        _: &mut Call<KernelCarrier>,
        request: pager_control::synchronize_completed::Request,
    ) -> Result<()> {
        self.control.target()?.synchronize_completed(request.result)
    }

    fn destroy(
        &mut self,
        _: &mut Call<KernelCarrier>,
        request: pager_control::destroy::Request,
    ) -> Result<()> {
        self.control.target()?.destroy(request.reason)
    }
}

/// Most pages of one fill.
const FILLS_MAX: usize = 64;

/// Frames filled with a word, from the reserve of pagers and no deeper; `None` when there are not enough.
fn filled_frames(count: usize, word: u64) -> Option<Vec<OwnedFrame>> {
    let mut frames = Vec::new();
    frames
        .try_reserve_exact(count)
        .ok()
        .filter(|()| count <= FILLS_MAX)?;
    for _ in 0..count {
        let frame = with_only_reserve(Reserve::Pager, || prim::frames::allocate(Reserve::Pager));
        let mut frame = frame.ok()?;
        if word == 0 {
            prim::frames::zero(&mut frame);
        } else {
            fill(&mut frame, word);
        }
        frames.push(frame);
    }
    Some(frames)
}

fn fill(frame: &mut OwnedFrame, word: u64) {
    let bytes = [word.to_ne_bytes(); 64];
    let bytes = bytes.as_flattened();
    for offset in (0..PAGE_SIZE).step_by(bytes.len()) {
        frame.write(offset, bytes);
    }
}

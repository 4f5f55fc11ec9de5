//! The pager: its objects, its requests, its loop.
//!
//! A return is acknowledged when every page of it is on the disk and in the table. A read is answered page by page with
//! what the disk has filled; when the kernel has no frames to spare it is tried again a little later, after what frees
//! some. Nothing waits here but the loop.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;
use core::ops::Range;

use libsystem::mach_call::{self, Receiver, port};
use libsystem::memory::page_size;
use mach::defs::{Call, Outcome, ReplyBody, RequestBody, device, page_list, pager, pager_control};
use mach::message::{Carried, Message, UserCarrier, UserRight};
use mach::{KernReturn, PortName, PortRight, Result, VmProt};
use swap::store::{Place, Store};

use crate::disk::Disk;
use crate::requests::{Piece, Return, Target, bits_in};
use crate::startup::TableMemory;

type User = UserCarrier;

/// Milliseconds until what could not be done for want of frames is tried again.
const PAUSE: u32 = 5;

/// An object of the kernel's.
#[derive(Clone, Copy, Debug)]
struct Object {
    /// The kernel's number, under which its pages are stored.
    id: u64,
    control: PortName,
}

/// Everything the program is.
#[derive(Debug)]
pub(crate) struct Pager {
    receiver: Receiver,
    /// Where the kernel tells of new objects.
    manager: PortName,
    disk: Disk,
    store: Store<TableMemory>,
    /// By port.
    objects: BTreeMap<PortName, Object>,
    /// Returns under way, by number.
    returns: BTreeMap<u64, Return>,
    last_return: u64,
    /// What the disk is doing, by reply port.
    in_flight: BTreeMap<PortName, Piece>,
    /// What waits for the disk.
    queue: VecDeque<Piece>,
    /// What waits for frames.
    postponed: Vec<Piece>,
}

impl Pager {
    pub(crate) fn new(
        receiver: Receiver,
        manager: PortName,
        disk: Disk,
        store: Store<TableMemory>,
    ) -> Self {
        Self {
            receiver,
            manager,
            disk,
            store,
            objects: BTreeMap::new(),
            returns: BTreeMap::new(),
            last_return: 0,
            in_flight: BTreeMap::new(),
            queue: VecDeque::new(),
            postponed: Vec::new(),
        }
    }

    /// Serves until the port set is gone.
    pub(crate) fn serve(&mut self) -> KernReturn {
        loop {
            self.start_requests();
            let pause = (!self.postponed.is_empty()).then_some(PAUSE);
            match self.receiver.receive(pause) {
                Ok(message) => self.handle(message),
                Err(KernReturn::RCV_TIMED_OUT) => self.queue.extend(self.postponed.drain(..)),
                Err(code) => return code,
            }
        }
    }

    /// Takes over what a former pager has stored: deals with everything that the kernel has told up to now, and forgets
    /// what belongs to no object that it has told of.
    ///
    /// # Errors
    /// The port set is gone.
    pub(crate) fn adopt(&mut self) -> Result<()> {
        loop {
            match self.receiver.receive(Some(0)) {
                Ok(message) => self.handle(message),
                Err(KernReturn::RCV_TIMED_OUT) => break,
                Err(code) => return Err(code),
            }
        }
        let live: Vec<u64> = self.objects.values().map(|object| object.id).collect();
        let dead: Vec<u64> = self
            .store
            .objects()
            .filter(|object| !live.contains(object))
            .collect();
        for object in dead {
            self.store.remove(object);
        }
        Ok(())
    }

    fn handle(&mut self, message: Message<User>) {
        let port = message.destination.name();
        if let Some(piece) = self.in_flight.remove(&port) {
            self.disk.reuse(port);
            return self.disk_answered(piece, message);
        }
        match pager::demux(self, message) {
            // The kernel expects no answer; whoever else asks for one gets none.
            Outcome::Handled(Some(reply)) => give_back(reply.destination.name()),
            Outcome::Handled(None) => {}
            Outcome::NotMine(message) => mach_call::destroy(message),
        }
    }

    /// The object that a message is for.
    fn object_of(&self, call: &Call<User>) -> Result<(PortName, Object)> {
        let port = call.destination.name();
        let object = self.objects.get(&port).copied();
        Ok((port, object.ok_or(KernReturn::INVALID_ARGUMENT)?))
    }

    // -- the disk

    /// Gives the disk as much as it takes.
    fn start_requests(&mut self) {
        while self.in_flight.len() < self.disk.requests {
            let Some(piece) = self.queue.pop_front() else {
                return;
            };
            self.start(piece);
        }
    }

    fn start(&mut self, piece: Piece) {
        let page = page_size();
        let (started, slots) = match &piece {
            Piece::Fill {
                object,
                page,
                count,
                word,
            } => {
                self.fill(*object, *page, *count, *word);
                return;
            }
            Piece::Read { slots, .. } => {
                let length = slots.len() as u64 * page;
                (
                    self.disk.read(u64::from(slots.start) * page, length),
                    slots.clone(),
                )
            }
            Piece::Write { number, at, slots } => {
                let Some(list) = self.returns.get(number).map(|this| this.list) else {
                    return;
                };
                let (from, to) = (*at as u64 * page, u64::from(slots.start) * page);
                let length = slots.len() as u64 * page;
                (self.disk.write(list, from, to, length), slots.clone())
            }
        };
        match started {
            Ok(reply) => {
                self.store.begin(slots);
                self.in_flight.insert(reply, piece);
            }
            Err(_) => self.postponed.push(piece),
        }
    }

    /// The disk has done something, or says why not.
    fn disk_answered(&mut self, piece: Piece, message: Message<User>) {
        match piece {
            Piece::Read {
                object,
                page,
                slots,
                discarded,
            } => {
                self.store.end(&slots);
                let pages = device::read_pages::Reply::from_message(message);
                let pages = pages.map(|reply| reply.pages.name());
                self.read_done(object, page, slots, discarded, pages);
            }
            Piece::Write { number, at, slots } => {
                self.store.end(&slots);
                match device::write_pages::Reply::from_message(message) {
                    Err(KernReturn::RESOURCE_SHORTAGE) => {
                        self.postponed.push(Piece::Write { number, at, slots });
                    }
                    outcome => self.write_done(number, outcome.err()),
                }
            }
            Piece::Fill { .. } => mach_call::destroy(message),
        }
    }

    fn read_done(
        &mut self,
        object: PortName,
        page: u64,
        slots: Range<u32>,
        discarded: u64,
        pages: Result<PortName>,
    ) {
        let known = self.objects.get(&object).copied();
        let (offset, length) = (page * page_size(), slots.len() as u64 * page_size());
        match (known, pages) {
            (Some(known), Ok(list)) if discarded == 0 => {
                let request = pager_control::data_supply_pages::Request {
                    pages: UserRight::move_send(list),
                    offset,
                    length,
                    list_offset: 0,
                    lock_value: VmProt::NONE,
                    precious: 0,
                    want_reply: 0,
                };
                if send(known.control, request).is_err() {
                    give_back(list);
                }
            }
            (_, Ok(list)) => {
                give_back(list);
                // What is left of it is read again.
                if known.is_some() {
                    for at in (0..slots.len() as u32).filter(|at| discarded & 1 << at == 0) {
                        self.queue.push_back(Piece::Read {
                            object,
                            page: page + u64::from(at),
                            slots: slots.start + at..slots.start + at + 1,
                            discarded: 0,
                        });
                    }
                }
            }
            (_, Err(KernReturn::RESOURCE_SHORTAGE)) => self.postponed.push(Piece::Read {
                object,
                page,
                slots,
                discarded,
            }),
            (Some(known), Err(code)) => {
                libsystem::eprintln!("anon_pager: reading {length} bytes of swap: {code}");
                fail(known, offset, length);
            }
            (None, Err(_)) => {}
        }
    }

    fn fill(&self, object: PortName, page: u64, count: u32, word: u64) {
        let Some(known) = self.objects.get(&object) else {
            return;
        };
        let request = pager_control::data_fill::Request {
            offset: page * page_size(),
            length: u64::from(count) * page_size(),
            word,
        };
        // A control that is gone has nobody waiting.
        let _ = send(known.control, request);
    }

    // -- returns

    fn write_done(&mut self, number: u64, failure: Option<KernReturn>) {
        let Some(this) = self.returns.get_mut(&number) else {
            return;
        };
        this.left -= 1;
        this.failure = this.failure.or(failure);
        if this.left == 0 {
            self.finish_return(number);
        }
    }

    /// Every page of a return is safe, or something has failed.
    fn finish_return(&mut self, number: u64) {
        let Some(this) = self.returns.remove(&number) else {
            return;
        };
        give_back(this.list);
        let known = self.objects.get(&this.object).copied();
        let mut result = this.failure.unwrap_or(KernReturn::SUCCESS);
        let first = this.offset / page_size();
        for (at, target) in this.targets.iter().enumerate() {
            let page = first + at as u64;
            let kept = known.filter(|_| this.failure.is_none() && this.discarded & 1 << at == 0);
            match (*target, kept) {
                (Target::Slot(slot), Some(object)) => self.store.commit(object.id, page, slot),
                (Target::Slot(slot), None) => self.store.give([slot]),
                // It has been the page's all the time, and whoever threw the page away has freed it.
                (Target::InPlace(_), _) => {}
                (Target::Fill(word), Some(object)) => {
                    if !self.store.commit_fill(object.id, page, word) {
                        result = KernReturn::RESOURCE_SHORTAGE;
                    }
                }
                (Target::Fill(_), None) => {}
            }
        }
        if let Some(object) = known {
            acknowledge(object, &this, result);
        }
        // That has made frames free.
        self.queue.extend(self.postponed.drain(..));
    }

    /// Chooses where the pages of a return go; `None` when the disk is full.
    fn targets(
        &mut self,
        object: u64,
        first: u64,
        filled: u64,
        words: &[u64],
        count: usize,
    ) -> Option<Vec<Target>> {
        let is_filled = |at: usize| filled & 1 << at != 0;
        let needed = (0..count).filter(|at| !is_filled(*at)).count();
        let mut slots = self.store.take(needed as u32).map(Vec::into_iter);
        let mut targets = Vec::with_capacity(count);
        for at in 0..count {
            let target = match (&mut slots, is_filled(at)) {
                (_, true) => Some(Target::Fill(words.get(at).copied().unwrap_or(0))),
                (Some(slots), false) => slots.next().map(Target::Slot),
                (None, false) => self.scarce_slot(object, first + at as u64),
            };
            match target {
                Some(target) => targets.push(target),
                None => {
                    let taken = targets.iter().filter_map(|target| match target {
                        Target::Slot(slot) => Some(*slot),
                        _ => None,
                    });
                    self.store.give(taken);
                    return None;
                }
            }
        }
        Some(targets)
    }

    /// A slot when there are few: the page's own, or one that is left.
    fn scarce_slot(&mut self, object: u64, page: u64) -> Option<Target> {
        match self.store.place(object, page) {
            Some(Place::Slot(slot)) => Some(Target::InPlace(slot)),
            _ => self.store.take(1)?.pop().map(Target::Slot),
        }
    }

    /// Cuts the slots of a return into pieces that lie in a row in the list and on the disk.
    fn queue_writes(&mut self, number: u64, targets: &[Target]) -> usize {
        let most = (self.disk.limit / page_size()) as usize;
        let mut pieces: Vec<(usize, Range<u32>)> = Vec::new();
        for (at, target) in targets.iter().enumerate() {
            let Some(slot) = target.slot() else {
                continue;
            };
            match pieces.last_mut() {
                Some((start, slots))
                    if *start + slots.len() == at && slots.end == slot && slots.len() < most =>
                {
                    slots.end += 1;
                }
                _ => pieces.push((at, slot..slot + 1)),
            }
        }
        let count = pieces.len();
        for (at, slots) in pieces {
            self.queue.push_back(Piece::Write { number, at, slots });
        }
        count
    }

    // -- what is thrown away

    fn forget(&mut self, object: PortName, range: &Range<u64>) {
        for piece in self
            .in_flight
            .values_mut()
            .chain(&mut self.queue)
            .chain(&mut self.postponed)
        {
            if let Piece::Read {
                object: port,
                page,
                slots,
                discarded,
            } = piece
                && *port == object
            {
                *discarded |= bits_in(*page, slots.len() as u32, range);
            }
        }
        for this in self.returns.values_mut() {
            if this.object == object {
                let first = this.offset / page_size();
                this.discarded |= bits_in(first, this.targets.len() as u32, range);
            }
        }
        // What is only queued, and of which nothing is wanted any more, is not read at all.
        let wanted = |piece: &Piece| match piece {
            Piece::Read {
                slots, discarded, ..
            } => discarded.count_ones() as usize != slots.len(),
            Piece::Fill {
                object: port, page, ..
            } => *port != object || !range.contains(page),
            Piece::Write { .. } => true,
        };
        self.queue.retain(wanted);
        self.postponed.retain(wanted);
    }
}

impl pager::Server<User> for Pager {
    fn create(
        &mut self,
        call: &mut Call<User>,
        request: pager::create::Request<User>,
    ) -> Result<()> {
        let (object, control) = (request.memory_object.name(), request.control.name());
        if call.destination.name() != self.manager {
            return Err(KernReturn::INVALID_ARGUMENT);
        }
        port::add_to_set(object, self.receiver.name())?;
        let id = request.control_id;
        // The kernel may tell of an object anew, when a message about it was lost with a former manager.
        let former = self.objects.iter().find(|(_, object)| object.id == id);
        if let Some((&port, &Object { control, .. })) = former {
            self.objects.remove(&port);
            give_back(control);
            let _ = port::change_references(port, PortRight::Receive, -1);
        }
        self.objects.insert(object, Object { id, control });
        Ok(())
    }

    fn terminate(&mut self, call: &mut Call<User>, _: pager::terminate::Request) -> Result<()> {
        let (port, object) = self.object_of(call)?;
        self.objects.remove(&port);
        self.forget(port, &(0..u64::MAX));
        self.store.remove(object.id);
        give_back(object.control);
        port::change_references(port, PortRight::Receive, -1)
    }

    fn data_request(
        &mut self,
        call: &mut Call<User>,
        request: pager::data_request::Request,
    ) -> Result<()> {
        let (port, object) = self.object_of(call)?;
        let (first, count) = (request.offset / page_size(), request.length / page_size());
        let most = (self.disk.limit / page_size()) as u32;
        for piece in self.store.pieces(object.id, first, count, most.min(64)) {
            let (page, count) = (piece.page, piece.count);
            match piece.place {
                Some(Place::Slot(slot)) => self.queue.push_back(Piece::Read {
                    object: port,
                    page,
                    slots: slot..slot + count,
                    discarded: 0,
                }),
                Some(Place::Fill(word)) => self.fill(port, page, count, word),
                None => {
                    libsystem::eprintln!("anon_pager: page {page} of {} is not here", object.id);
                    fail(object, page * page_size(), u64::from(count) * page_size());
                }
            }
        }
        Ok(())
    }

    fn data_return_pages(
        &mut self,
        call: &mut Call<User>,
        request: pager::data_return_pages::Request<User>,
    ) -> Result<()> {
        let list = request.pages.name();
        let Ok((port, object)) = self.object_of(call) else {
            give_back(list);
            return Err(KernReturn::INVALID_ARGUMENT);
        };
        let count = (request.length / page_size()) as usize;
        let known = mach_call::call(list, page_list::fills::Request {});
        let (filled, words) = known.map_or((0, Vec::new()), |reply| (reply.filled, reply.words.0));
        let first = request.offset / page_size();
        let targets = self.targets(object.id, first, filled, &words, count);
        let mut this = Return {
            object: port,
            offset: request.offset,
            length: request.length,
            generation: request.generation,
            list,
            targets: Vec::new(),
            left: 0,
            failure: None,
            discarded: 0,
        };
        let Some(targets) = targets else {
            give_back(list);
            acknowledge(object, &this, KernReturn::RESOURCE_SHORTAGE);
            return Ok(());
        };
        self.last_return += 1;
        let number = self.last_return;
        this.left = self.queue_writes(number, &targets);
        let nothing_to_write = this.left == 0;
        this.targets = targets;
        self.returns.insert(number, this);
        if nothing_to_write {
            self.finish_return(number);
        }
        Ok(())
    }

    fn data_discard(
        &mut self,
        call: &mut Call<User>,
        request: pager::data_discard::Request,
    ) -> Result<()> {
        let (port, object) = self.object_of(call)?;
        let first = request.offset / page_size();
        let range = first..first + request.length / page_size();
        self.forget(port, &range);
        self.store.discard(object.id, range);
        Ok(())
    }

    fn supply_completed(
        &mut self,
        call: &mut Call<User>,
        request: pager::supply_completed::Request,
    ) -> Result<()> {
        let (port, object) = self.object_of(call)?;
        if request.result != KernReturn::RESOURCE_SHORTAGE {
            return Ok(());
        }
        // There were no frames for filled pages: later.
        let (first, count) = (request.offset / page_size(), request.length / page_size());
        for piece in self.store.pieces(object.id, first, count, 64) {
            if let Some(Place::Fill(word)) = piece.place {
                self.postponed.push(Piece::Fill {
                    object: port,
                    page: piece.page,
                    count: piece.count,
                    word,
                });
            }
        }
        Ok(())
    }
}

fn send<R: RequestBody<User>>(control: PortName, request: R) -> Result<()> {
    mach_call::send(
        &request.into_message(UserRight::copy_send(control), Carried::Null),
        None,
    )
}

/// Says that a return is done, or is not.
fn acknowledge(object: Object, this: &Return, result: KernReturn) {
    // A control that is gone waits for nothing.
    let _ = send(
        object.control,
        pager_control::clean_completed::Request {
            offset: this.offset,
            length: this.length,
            generation: this.generation,
            result,
        },
    );
}

/// Says that pages cannot be had.
fn fail(object: Object, offset: u64, length: u64) {
    let error = KernReturn::MEMORY_ERROR;
    let _ = send(
        object.control,
        pager_control::data_error::Request {
            offset,
            length,
            error,
        },
    );
}

/// Lets a right go that is not needed any more.
fn give_back(right: PortName) {
    // A name that is gone already needs no release.
    let _ = port::deallocate(right);
}

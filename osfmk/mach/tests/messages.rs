//! Messages from end to end: exact bytes, both directions, servers, and hostile input.

use mach::KernReturn;
use mach::defs::{self, Call, Outcome, ReplyBody, RequestBody, mach_vm, notify, pager, task};
use mach::message::header::{MsgBits, MsgHeader};
use mach::message::options::TrailerElements;
use mach::message::{
    Carried, Message, MsgOptions, RawDescriptor, RawMessage, Trailer, UserCarrier, UserMemory,
    UserRight,
};
use mach::port::{Disposition, PortName};
use mach::vm_prot::VmProt;
use mach::wire::Wire;

type User = UserCarrier;

const TASK: PortName = PortName(0x203);
const REPLY: PortName = PortName(0x307);

fn words(bytes: &[u8]) -> Vec<u32> {
    bytes
        .chunks_exact(4)
        .map(|word| u32::from_le_bytes(word.try_into().unwrap()))
        .collect()
}

#[test]
fn allocate_has_the_bytes_that_a_mig_stub_sends() {
    let request = mach_vm::allocate::Request {
        address: 0x1_2345_6789,
        size: 0x4000,
        flags: 1,
    };
    let message: Message<User> =
        request.into_message(UserRight::copy_send(TASK), UserRight::make_send_once(REPLY));
    let bytes = message.to_raw().encode();
    assert_eq!(message.encode().as_slice(), bytes);
    let expected = [
        0x1513,
        52,
        0x203,
        0x307,
        0,
        4800,
        0,
        1,
        0x2345_6789,
        1,
        0x4000,
        0,
        1,
    ];
    assert_eq!(words(&bytes), expected);
}

#[test]
fn a_complex_request_has_its_descriptor_before_the_ndr_record() {
    let request = mach_vm::map::Request::<User> {
        object: UserRight::copy_send(PortName(0x70b)),
        address: 0,
        size: 0x8000,
        mask: 0,
        flags: 1,
        offset: 0,
        copy: 0,
        cur_protection: VmProt::READ,
        max_protection: VmProt::ALL,
        inheritance: 1,
    };
    let message =
        request.into_message(UserRight::copy_send(TASK), UserRight::make_send_once(REPLY));
    let bytes = message.to_raw().encode();
    assert_eq!(message.encode().as_slice(), bytes);
    assert_eq!(bytes.len(), 100);
    let words = words(&bytes);
    assert_eq!(words[0], 0x8000_1513);
    assert_eq!(words[6..10], [1, 0x70b, 0, 0x0013_0000]);
    assert_eq!(words[10..12], [0, 1]);
    assert_eq!(words[22..], [1, 7, 1][..]);
}

struct Vm {
    seen: Vec<u64>,
}

impl mach_vm::Server<User> for Vm {
    fn allocate(
        &mut self,
        call: &mut Call<User>,
        request: mach_vm::allocate::Request,
    ) -> mach::Result<mach_vm::allocate::Reply> {
        assert_eq!(call.id, 4800);
        self.seen.push(request.size);
        if request.size == 0 {
            Err(KernReturn::INVALID_ARGUMENT)
        } else {
            Ok(mach_vm::allocate::Reply { address: 0x8000 })
        }
    }

    fn copy(
        &mut self,
        call: &mut Call<User>,
        _: mach_vm::copy::Request,
    ) -> mach::Result<mach_vm::copy::Reply> {
        assert!(call.reply.take().right().is_some());
        Err(KernReturn::MIG_NO_REPLY)
    }
}

/// The message as its receiver sees it: ports swapped, dispositions as received.
fn received(message: &Message<User>) -> Message<User> {
    let mut raw = message.to_raw();
    let bits = raw.header.bits;
    let got = |bits: u32| Disposition::from_raw(bits).map_or(0, |d| d.received().raw());
    raw.header.bits = MsgBits::new(got(bits.local()), got(bits.remote()), bits.is_complex());
    (raw.header.remote, raw.header.local) = (raw.header.local, raw.header.remote);
    for descriptor in &mut raw.descriptors {
        if let RawDescriptor::Port { disposition, .. } = descriptor {
            *disposition = got(u32::from(*disposition)) as u8;
        }
    }
    Message::from_received_bytes(&raw.encode()).unwrap()
}

fn serve(size: u64) -> Message<User> {
    let request = mach_vm::allocate::Request {
        address: 0,
        size,
        flags: 1,
    };
    let sent = request.into_message(UserRight::copy_send(TASK), UserRight::make_send_once(REPLY));
    let mut server = Vm { seen: Vec::new() };
    let reply = mach_vm::demux(&mut server, received(&sent))
        .or_bad_id()
        .unwrap();
    assert_eq!(server.seen, [size]);
    assert_eq!(reply.destination, UserRight::move_send_once(REPLY));
    reply
}

#[test]
fn a_server_answers_and_the_client_decodes() {
    let reply = received(&serve(0x4000));
    assert_eq!((reply.id, reply.wire_size()), (4900, 44));
    let reply = mach_vm::allocate::Reply::from_message(reply);
    assert_eq!(reply, Ok(mach_vm::allocate::Reply { address: 0x8000 }));
}

#[test]
fn a_failed_call_is_a_36_byte_reply_with_its_code() {
    let reply = received(&serve(0));
    assert_eq!(reply.wire_size(), 36);
    let reply = mach_vm::allocate::Reply::from_message(reply);
    assert_eq!(reply, Err(KernReturn::INVALID_ARGUMENT));
    // Also where success would have been complex.
    let error = defs::error_reply::<User>(4816, KernReturn::INVALID_ADDRESS, Carried::Null);
    let reply = mach_vm::region::Reply::<User>::from_message(error).map(|_| ());
    assert_eq!(reply, Err(KernReturn::INVALID_ADDRESS));
}

fn outcome(id: i32) -> Outcome<User> {
    let reply = UserRight::move_send_once(REPLY);
    let message = Message::new(id, UserRight::copy_send(TASK), reply);
    mach_vm::demux(&mut Vm { seen: Vec::new() }, message)
}

#[test]
fn what_a_server_does_not_know_is_answered_with_bad_id() {
    assert!(matches!(outcome(4799), Outcome::NotMine(_)));
    let reply = outcome(4799).or_bad_id().unwrap();
    assert_eq!(defs::rpc::reply_code(&reply), Some(KernReturn::MIG_BAD_ID));
    // Known but not implemented; and malformed.
    let request = mach_vm::deallocate::Request {
        address: 0,
        size: 1,
    };
    let message =
        request.into_message(UserRight::copy_send(TASK), UserRight::move_send_once(REPLY));
    let reply = mach_vm::demux(&mut Vm { seen: Vec::new() }, message)
        .or_bad_id()
        .unwrap();
    assert_eq!(defs::rpc::reply_code(&reply), Some(KernReturn::MIG_BAD_ID));
    let reply = outcome(4800).or_bad_id().unwrap();
    assert_eq!(
        defs::rpc::reply_code(&reply),
        Some(KernReturn::MIG_BAD_ARGUMENTS)
    );
}

#[test]
fn a_server_may_answer_later() {
    let request = mach_vm::copy::Request {
        source_address: 0,
        size: 1,
        dest_address: 2,
    };
    let message =
        request.into_message(UserRight::copy_send(TASK), UserRight::move_send_once(REPLY));
    let outcome = mach_vm::demux(&mut Vm { seen: Vec::new() }, message);
    assert!(matches!(outcome, Outcome::Handled(None)));
}

#[test]
fn a_right_of_the_wrong_kind_is_a_type_error() {
    let request = task::set_special_port::Request::<User> {
        special_port: UserRight::with(PortName(0x70b), Disposition::MoveReceive),
        which_port: 4,
    };
    let message = request.into_message(UserRight::copy_send(TASK), Carried::Null);
    let decoded = task::set_special_port::Request::from_message(message).map(|_| ());
    assert_eq!(decoded, Err(KernReturn::MIG_TYPE_ERROR));
}

#[test]
fn a_dead_server_is_told_apart_from_a_wrong_answer() {
    let notice: Message<User> =
        notify::send_once::Request {}.into_message(Carried::Null, Carried::Null);
    let reply = mach_vm::allocate::Reply::from_message(notice);
    assert_eq!(reply, Err(KernReturn::MIG_SERVER_DIED));
    let other = Message::<User>::new(4901, Carried::Null, Carried::Null);
    let reply = mach_vm::allocate::Reply::from_message(other);
    assert_eq!(reply, Err(KernReturn::MIG_REPLY_MISMATCH));
}

#[test]
fn data_return_carries_memory_and_its_generation() {
    let request = pager::data_return::Request::<User> {
        data: Some(UserMemory::moved(0x1_0000, 0x8000)),
        control_id: 7,
        offset: 0x4000,
        length: 0x8000,
        valid_length: 0x7001,
        generation: 99,
        flags: pager::return_flag::DIRTY,
    };
    let message = request.into_message(UserRight::copy_send(TASK), Carried::Null);
    let decoded = pager::data_return::Request::from_message(received(&message)).unwrap();
    assert_eq!((decoded.generation, decoded.control_id), (99, 7));
    assert_eq!((decoded.length, decoded.valid_length), (0x8000, 0x7001));
    assert_eq!(decoded.data.unwrap().size, 0x8000);
}

#[test]
fn variable_arrays_send_only_what_is_used_and_pad_to_four() {
    let request = defs::device::request::Request {
        data_length: 0,
        message: vec![1, 2, 3, 4, 5].into(),
    };
    let message: Message<User> = request.clone().into_message(Carried::Null, Carried::Null);
    assert_eq!(message.wire_size(), 24 + 8 + 8 + 4 + 8);
    assert_eq!(
        defs::device::request::Request::from_message(message),
        Ok(request)
    );
    let name = defs::CString::<64>::cut(b"console\0junk");
    let request = defs::device::open::Request { mode: 0, name };
    let message: Message<User> = request.clone().into_message(Carried::Null, Carried::Null);
    assert_eq!(message.wire_size(), 24 + 8 + 4 + 8 + 8);
    assert_eq!(
        defs::device::open::Request::from_message(message),
        Ok(request)
    );
}

#[test]
fn trailers_are_cut_to_the_elements_asked_for() {
    let trailer = Trailer {
        sequence_number: 5,
        context: 9,
        ..Trailer::default()
    };
    for (elements, size) in [
        (TrailerElements::Null, 8),
        (TrailerElements::SequenceNumber, 12),
        (TrailerElements::Sender, 20),
        (TrailerElements::Audit, 52),
        (TrailerElements::Context, 60),
        (TrailerElements::Everything, 68),
    ] {
        let mut bytes = Vec::new();
        trailer.encode_into(elements, &mut bytes);
        assert_eq!(bytes.len(), size);
        let parsed = Trailer::parse(&bytes).unwrap();
        assert_eq!(parsed.sequence_number, if size >= 12 { 5 } else { 0 });
        assert_eq!(parsed.context, if size >= 60 { 9 } else { 0 });
        assert_eq!(
            MsgOptions::RCV_MSG
                .with_trailer(elements)
                .trailer_elements(),
            elements
        );
    }
}

#[test]
fn region_information_has_xnus_word_counts() {
    use mach::vm_region::*;
    assert_eq!((BasicInfo64::WORDS, BasicInfo32::WORDS), (9, 8));
    assert_eq!((ExtendedInfo::WORDS, TopInfo::WORDS), (9, 5));
    assert_eq!((SubmapInfo64::WORDS, SubmapShortInfo64::WORDS), (19, 12));
    assert_eq!(mach::vm_statistics::VmStatistics64::WORDS, 38);
    assert_eq!(mach::thread_status::ThreadState64::WORDS, 68);
    assert_eq!(mach::thread_status::NeonState64::WORDS, 132);
    assert_eq!(mach::thread_status::ExceptionState64::WORDS, 4);
    assert_eq!(mach::memory_object::FaultInfo::SIZE, 64);
    assert_eq!(mach::task_info::MachTaskBasicInfo::WORDS, 12);
    let info = BasicInfo64 {
        offset: 0x1_0000_0002,
        user_wired_count: 3,
        ..Default::default()
    };
    assert_eq!(BasicInfo64::decode_words(&info.encode_words()), Some(info));
}

#[test]
fn port_names_are_made_of_index_and_generation() {
    let name = PortName::make(2, 0);
    assert_eq!(name, PortName(0x203));
    let later = PortName::make(2, 0x0400_0000);
    assert_eq!(
        (later.0, later.index(), later.generation()),
        (0x207, 2, 0x0400_0000)
    );
}

#[test]
fn codes_display_their_names() {
    assert_eq!(KernReturn::NO_SPACE.to_string(), "KERN_NO_SPACE");
    assert_eq!(
        KernReturn::SEND_TIMED_OUT.to_string(),
        "MACH_SEND_TIMED_OUT"
    );
    let short = KernReturn::SEND_INVALID_MEMORY.with(KernReturn::MSG_VM_KERNEL);
    assert_eq!(short.to_string(), "MACH_SEND_INVALID_MEMORY+0x400");
    assert_eq!(KernReturn::from_errno(2).to_errno(), Some(2));
    assert_eq!(KernReturn::NO_SPACE.to_errno(), None);
}

/// A small generator, so that a failure repeats.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u32 {
        self.0 = self
            .0
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        (self.0 >> 33) as u32
    }

    /// Bytes that look enough like messages to get past the first checks.
    fn bytes(&mut self) -> Vec<u8> {
        let length = (self.next() % 200) as usize;
        let mut bytes: Vec<u8> = (0..length)
            .map(|_| {
                if self.next().is_multiple_of(3) {
                    self.next() as u8
                } else {
                    (self.next() % 5) as u8
                }
            })
            .collect();
        if !length.is_multiple_of(4) && !self.next().is_multiple_of(8) {
            bytes.truncate(length & !3);
        }
        if let Some(top) = bytes.get_mut(3) {
            *top &= 0x80;
        }
        if bytes.len() > 28 {
            bytes[24..28].copy_from_slice(&(self.next() % 4).to_le_bytes());
        }
        bytes
    }
}

/// A server of everything; nothing is implemented, so everything is decoded and refused.
struct Nobody;

macro_rules! nobody {
    ($($interface:ident)*) => {
        $(impl defs::$interface::Server<User> for Nobody {})*

        /// Ids of every routine, and every demultiplexer in turn.
        fn all() -> (Vec<i32>, Vec<fn(Message<User>) -> Outcome<User>>) {
            let mut ids = Vec::new();
            $(ids.extend(defs::$interface::LAYOUT.iter().map(|routine| routine.id));)*
            (ids, vec![$(|message| defs::$interface::demux(&mut Nobody, message)),*])
        }
    };
}

nobody! {
    mach_host host_priv mach_port task thread_act vm_map mach_vm memory_entry exc mach_exc notify
    memory_object memory_object_control pager pager_control device page_list file_server trace
}

#[test]
fn no_bytes_make_the_decoders_panic() {
    let (ids, demultiplexers) = all();
    let mut random = Random(42);
    let (mut parsed, mut served) = (0, 0);
    for round in 0..200_000 {
        let mut bytes = random.bytes();
        if let Some(id) = bytes.get_mut(20..24) {
            let known = ids[random.next() as usize % ids.len()];
            id.copy_from_slice(&known.to_le_bytes());
        }
        let Ok(raw) = RawMessage::parse(&bytes) else {
            continue;
        };
        parsed += 1;
        // What was parsed is written back as it was, but for pad bytes and the size.
        assert_eq!(raw.wire_size(), bytes.len());
        assert_eq!(
            RawMessage::parse(&raw.encode()).map(|again| again.inline),
            Ok(raw.inline.clone())
        );
        let Ok(message) = Message::<User>::from_received_bytes(&bytes) else {
            continue;
        };
        served += 1;
        let mut outcome = Outcome::NotMine(message);
        for demux in &demultiplexers {
            outcome = outcome.or_else(demux);
        }
        assert!(matches!(outcome, Outcome::Handled(_)), "round {round}");
    }
    assert!(
        parsed > 10_000 && served > 1_000,
        "{parsed} parsed, {served} served"
    );
}

#[test]
fn truncated_and_stretched_requests_are_refused() {
    let request = defs::file_server::rename::Request {
        from_directory: Default::default(),
        to_directory: Default::default(),
        from_name: defs::CString::new("one").unwrap(),
        to_name: defs::CString::new("another").unwrap(),
    };
    let whole: Message<User> = request.clone().into_message(Carried::Null, Carried::Null);
    for cut in 0..whole.inline.len() {
        let mut message: Message<User> = request.clone().into_message(Carried::Null, Carried::Null);
        message.inline.truncate(cut);
        let decoded = defs::file_server::rename::Request::from_message(message);
        assert_eq!(decoded, Err(KernReturn::MIG_BAD_ARGUMENTS), "cut to {cut}");
    }
    let mut message: Message<User> = request.clone().into_message(Carried::Null, Carried::Null);
    message.inline.extend_from_slice(&[0; 4]);
    let decoded = defs::file_server::rename::Request::from_message(message);
    assert_eq!(decoded, Err(KernReturn::MIG_BAD_ARGUMENTS));
    assert_eq!(
        defs::file_server::rename::Request::from_message(whole),
        Ok(request)
    );
}

#[test]
fn random_replies_never_panic() {
    let mut random = Random(7);
    for _ in 0..50_000 {
        let bytes = random.bytes();
        let Ok(message) = Message::<User>::from_received_bytes(&bytes) else {
            continue;
        };
        let reply = |id| Message::<User> {
            id,
            complex: message.complex,
            inline: message.inline.clone(),
            ..Message::new(id, Carried::Null, Carried::Null)
        };
        let _ = mach_vm::region::Reply::<User>::from_message(reply(4916));
        let _ = task::get_exception_ports::Reply::<User>::from_message(reply(3514));
        let _ = defs::mach_host::kernel_version::Reply::from_message(reply(301));
        let _ = defs::device::request::Reply::<User>::from_message(reply(2910));
    }
}

#[test]
fn too_many_descriptors_or_too_few_bytes_are_named() {
    let header = MsgHeader {
        bits: MsgBits::new(19, 0, true),
        ..MsgHeader::default()
    };
    let mut bytes = header.encode();
    bytes.extend_from_slice(&100_000u32.to_le_bytes());
    assert_eq!(RawMessage::parse(&bytes), Err(KernReturn::SEND_TOO_LARGE));
    bytes[24..28].copy_from_slice(&1u32.to_le_bytes());
    assert_eq!(
        RawMessage::parse(&bytes),
        Err(KernReturn::SEND_MSG_TOO_SMALL)
    );
    bytes.extend_from_slice(&[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9]);
    assert_eq!(
        RawMessage::parse(&bytes),
        Err(KernReturn::SEND_INVALID_TYPE)
    );
    assert_eq!(
        RawMessage::parse(&bytes[..20]),
        Err(KernReturn::SEND_MSG_TOO_SMALL)
    );
}

//! Signals: handlers and what they are told, masks, stacks, interrupted calls, and frames that come back changed.

#![cfg_attr(target_os = "none", no_std, no_main)]

extern crate alloc;

use alloc::string::String;
use core::sync::atomic::{AtomicU64, Ordering};

use bsd_sys::Errno;
use bsd_sys::mman::{MapFlags, Prot};
use bsd_sys::signal::{
    ActionFlags, MINSIGSTKSZ, SIG_BLOCK, SIG_DFL, SIG_IGN, SIG_UNBLOCK, SS_DISABLE, SS_ONSTACK,
    Signal, SignalStack, code,
};
use bsd_sys::syscall as number;
use bsd_sys::wait::{WNOHANG, WUNTRACED, WaitStatus};
use libsystem::signal::{self, Context, Disposition, Mcontext, SignalInfo};
use libsystem::{env, memory, process, syscall, time};
use tests::child::{self, end_of, eventually, must_crash};
use tests::random::Random;
use tests::{Context as _, Outcome, Test, ensure, ensure_equal, vector};

libsystem::main!(run);

const PROGRAM: &str = "/tests/signals";

macro_rules! list {
    ($($test:ident),+ $(,)?) => { &[$((stringify!($test), $test)),+] };
}

const TESTS: &[Test] = list![
    a_handler_is_told_who_sent_the_signal,
    faults_name_their_address_and_cause,
    a_handler_repairs_a_fault,
    a_handler_may_leave_by_its_context,
    all_registers_survive_a_handler,
    blocked_signals_wait_and_come_in_order,
    handlers_nest,
    an_action_may_hold_once,
    calls_end_with_eintr_or_start_again,
    suspending_waits_for_a_handler,
    an_overflowing_stack_is_handled_on_another,
    a_frame_that_cannot_be_written_kills,
    frames_that_come_back_changed_hurt_nobody,
    sigreturn_without_a_signal_is_refused,
    children_tell_how_they_ended,
    children_can_be_forgotten,
    a_fork_inherits_and_an_exec_resets,
    ignored_signals_are_gone,
    terminal_signals_stop,
    wrong_arguments_are_refused,
];

/// With an argument this program is what an `exec` starts.
fn run() -> i32 {
    match env::args().get(1).map(String::as_str) {
        Some("--inherited") => inherited(),
        _ => tests::run(TESTS),
    }
}

/// What handlers leave for their tests: the last signal's words, and how many came.
static COUNT: AtomicU64 = AtomicU64::new(0);
static CODE: AtomicU64 = AtomicU64::new(0);
static PID: AtomicU64 = AtomicU64::new(0);
static STATUS: AtomicU64 = AtomicU64::new(0);
static ADDRESS: AtomicU64 = AtomicU64::new(0);
static MASK: AtomicU64 = AtomicU64::new(0);
static STACK: AtomicU64 = AtomicU64::new(0);
static NOTE: AtomicU64 = AtomicU64::new(0);

/// The last four signals that came, two digits each, the first one leftmost.
static LOG: AtomicU64 = AtomicU64::new(0);

unsafe extern "C" fn note(signal: i32, info: *mut SignalInfo, _context: *mut Context) {
    // SAFETY: the kernel's frame.
    let info = unsafe { &*info };
    COUNT.fetch_add(1, Ordering::SeqCst);
    CODE.store(info.code as u64, Ordering::SeqCst);
    PID.store(info.pid as u64, Ordering::SeqCst);
    STATUS.store(info.status as u64, Ordering::SeqCst);
    ADDRESS.store(info.address, Ordering::SeqCst);
    MASK.store(u64::from(signal::mask().unwrap_or(0)), Ordering::SeqCst);
    STACK.store((&raw const info).addr() as u64, Ordering::SeqCst);
    let log = LOG.load(Ordering::SeqCst);
    LOG.store(log % 1_000_000 * 100 + signal as u64, Ordering::SeqCst);
}

/// As [`note`], and goes on behind the instruction that failed.
unsafe extern "C" fn note_and_skip(signal: i32, info: *mut SignalInfo, context: *mut Context) {
    // SAFETY: the kernel's frame.
    unsafe {
        note(signal, info, context);
        registers(context).pc += 4;
    }
}

/// The registers in a frame.
///
/// # Safety
/// `context` is a handler's argument.
unsafe fn registers<'a>(context: *mut Context) -> &'a mut Mcontext {
    // SAFETY: the kernel's frame, which lives as long as the handler runs.
    unsafe { &mut *((*context).mcontext as usize as *mut Mcontext) }
}

fn catch(signal: Signal, handler: signal::Handler, flags: ActionFlags) -> Outcome {
    let flags = flags | ActionFlags::SIGINFO;
    signal::set_action(signal, Disposition::Handle(handler), flags, 0)
        .context("sigaction")
        .map(|_| ())
}

fn send(signal: Signal) -> Outcome {
    process::kill(process::id(), signal).context("kill")
}

fn count() -> u64 {
    COUNT.load(Ordering::SeqCst)
}

fn a_handler_is_told_who_sent_the_signal() -> Outcome {
    catch(Signal::USR1, note, ActionFlags::empty())?;
    send(Signal::USR1)?;
    ensure_equal!(count(), 1, "handled before kill returns");
    let seen = (
        CODE.load(Ordering::SeqCst) as i32,
        PID.load(Ordering::SeqCst) as i32,
    );
    ensure_equal!(seen, (code::SI_USER, process::id()), "the sender");
    let bit = u64::from(Signal::USR1.bit());
    ensure_equal!(
        MASK.load(Ordering::SeqCst),
        bit,
        "blocked while it is handled"
    );
    ensure_equal!(signal::mask(), Ok(0), "and not afterwards");
    let parent = process::id();
    let status = end_of(|| {
        let _ = process::kill(parent, Signal::USR1);
    })?;
    ensure_equal!(status, WaitStatus::Exited(0), "the sending child");
    ensure!(eventually(5000, || count() == 2), "nothing came");
    ensure!(
        PID.load(Ordering::SeqCst) as i32 != parent,
        "the child's number"
    );
    Ok(())
}

use unit::{load, store};

fn fresh(pages: usize, protection: Prot) -> Result<u64, String> {
    memory::map_anonymous(pages * memory::page_size() as usize, protection)
        .context("mmap")
        .map(|address| address as u64)
}

fn unmap(address: u64, size: u64) -> Outcome {
    // SAFETY: the caller's memory, which it does not use any more.
    unsafe { syscall::call(number::MUNMAP, &[address, size]) }
        .context("munmap")
        .map(|_| ())
}

fn faults_name_their_address_and_cause() -> Outcome {
    for signal in [Signal::SEGV, Signal::BUS, Signal::ILL, Signal::TRAP] {
        catch(signal, note_and_skip, ActionFlags::empty())?;
    }
    let seen = || {
        let log = LOG.swap(0, Ordering::SeqCst) as i32;
        let code = CODE.load(Ordering::SeqCst) as i32;
        (log, code, ADDRESS.load(Ordering::SeqCst))
    };
    let page = memory::page_size();
    let hole = fresh(1, Prot::READ | Prot::WRITE)?;
    unmap(hole, page)?;
    load(hole + 8);
    ensure_equal!(
        seen(),
        (11, code::SEGV_MAPERR, hole + 8),
        "nothing mapped there"
    );
    store(hole + 16, 1);
    ensure_equal!(seen(), (11, code::SEGV_MAPERR, hole + 16), "nor to write");
    let readable = fresh(1, Prot::READ)?;
    load(readable);
    store(readable + 24, 1);
    ensure_equal!(
        seen(),
        (10, code::BUS_ADRERR, readable + 24),
        "not to be written"
    );
    let file = libsystem::fs::File::open(PROGRAM).context("open")?;
    let size = libsystem::fs::stat(PROGRAM).context("stat")?.size as u64;
    let past = size.next_multiple_of(page);
    let mapping = memory::Mapping::of_file(
        &file,
        0,
        (past + page) as usize,
        Prot::READ,
        MapFlags::PRIVATE,
    )
    .context("mmap")?;
    let beyond = mapping.address() + past;
    load(beyond);
    ensure_equal!(
        seen(),
        (10, code::BUS_OBJERR, beyond),
        "past the end of a file"
    );
    unit::undefined();
    ensure_equal!(seen().0, 4, "an undefined instruction");
    unit::breakpoint();
    ensure_equal!(seen().0, 5, "a breakpoint");
    ensure_equal!(count(), 6, "all of them");
    Ok(())
}

/// Maps the page that was missing and returns: the access runs again.
unsafe extern "C" fn repair(_signal: i32, info: *mut SignalInfo, _context: *mut Context) {
    COUNT.fetch_add(1, Ordering::SeqCst);
    let page = memory::page_size();
    // SAFETY: the kernel's frame; the page is the test's, and nothing is mapped there.
    unsafe {
        let at = (*info).address & !(page - 1);
        let flags = MapFlags::PRIVATE | MapFlags::ANONYMOUS | MapFlags::FIXED;
        let protection = Prot::READ | Prot::WRITE;
        if memory::map(at, page as usize, protection, flags, -1, 0).is_err() {
            process::exit(9);
        }
        store(at + 8, 0x1234);
    }
}

fn a_handler_repairs_a_fault() -> Outcome {
    catch(Signal::SEGV, repair, ActionFlags::empty())?;
    let page = memory::page_size();
    let area = fresh(64, Prot::READ | Prot::WRITE)?;
    unmap(area, 64 * page)?;
    for at in (area..area + 64 * page).step_by(page as usize) {
        ensure_equal!(load(at + 8), 0x1234, "what the handler wrote");
        store(at + 8, at);
    }
    for at in (area..area + 64 * page).step_by(page as usize) {
        ensure_equal!(load(at + 8), at, "what was written after it");
    }
    ensure_equal!(count(), 64, "one fault a page");
    Ok(())
}

fn a_handler_may_leave_by_its_context() -> Outcome {
    catch(Signal::ILL, note_and_skip, ActionFlags::empty())?;
    for round in 1..=1000 {
        unit::undefined();
        ensure_equal!(count(), round, "handled");
    }
    ensure_equal!(signal::mask(), Ok(0), "the mask came back each time");
    Ok(())
}

/// Overwrites the vector registers, and leaves the failing instruction.
unsafe extern "C" fn spoil(_signal: i32, _info: *mut SignalInfo, context: *mut Context) {
    COUNT.fetch_add(1, Ordering::SeqCst);
    vector::set(&vector::pattern(100));
    // SAFETY: the kernel's frame.
    unsafe { registers(context).pc += 4 };
}

fn all_registers_survive_a_handler() -> Outcome {
    catch(Signal::ILL, spoil, ActionFlags::empty())?;
    for round in 0..50 {
        let vectors = vector::pattern(round + 1);
        vector::set(&vectors);
        ensure!(unit::general_survives(round * 7 + 3), "a general register");
        ensure!(vector::get() == vectors, "a vector register");
    }
    ensure_equal!(count(), 50, "handled");
    Ok(())
}

fn blocked_signals_wait_and_come_in_order() -> Outcome {
    let signals = [Signal::HUP, Signal::USR1, Signal::USR2];
    let set = signals.iter().fold(0, |set, signal| set | signal.bit());
    for signal in signals {
        catch(signal, note, ActionFlags::NODEFER)?;
    }
    signal::change_mask(SIG_BLOCK, set).context("block")?;
    for signal in [Signal::USR2, Signal::HUP, Signal::USR1, Signal::USR1] {
        send(signal)?;
    }
    ensure_equal!(count(), 0, "while they are blocked");
    ensure_equal!(signal::pending(), Ok(set), "what waits");
    signal::change_mask(SIG_UNBLOCK, set).context("unblock")?;
    // The lowest is taken first and interrupted by the others' frames.
    ensure_equal!(LOG.load(Ordering::SeqCst), 31_30_01, "the order");
    ensure_equal!(signal::pending(), Ok(0), "nothing is left");
    Ok(())
}

unsafe extern "C" fn send_another(signal: i32, info: *mut SignalInfo, context: *mut Context) {
    let before = count();
    let other = if before < 10 {
        Signal::new(signal)
    } else {
        Some(Signal::USR2)
    };
    COUNT.fetch_add(1, Ordering::SeqCst);
    if before < 11 {
        let _ = other.map(send);
        NOTE.fetch_max(count() - before, Ordering::SeqCst);
    }
    let _ = (info, context);
}

fn handlers_nest() -> Outcome {
    catch(Signal::USR1, send_another, ActionFlags::NODEFER)?;
    catch(Signal::USR2, send_another, ActionFlags::empty())?;
    send(Signal::USR1)?;
    ensure_equal!(count(), 12, "ten inside each other, then another signal");
    ensure_equal!(NOTE.load(Ordering::SeqCst), 12, "the depth");
    ensure_equal!(signal::mask(), Ok(0), "the mask at the end");
    Ok(())
}

fn an_action_may_hold_once() -> Outcome {
    let status = end_of(|| {
        let _ = catch(Signal::USR1, note, ActionFlags::RESETHAND);
        let _ = send(Signal::USR1);
        if count() == 1 {
            let _ = send(Signal::USR1);
        }
    })?;
    ensure_equal!(
        status,
        WaitStatus::Signalled(Signal::USR1),
        "the second time"
    );
    Ok(())
}

/// A child that sends a signal here after a while and ends still later.
fn sender(signal: Signal) -> Result<i32, String> {
    let parent = process::id();
    child::start(move || {
        time::sleep(100);
        let _ = process::kill(parent, signal);
        time::sleep(100);
        7
    })
}

fn wait_once(child: i32) -> Result<i32, Errno> {
    // SAFETY: no memory is named.
    unsafe { syscall::call(number::WAIT4, &[child as u64, 0, 0, 0]) }.map(|words| words[0] as i32)
}

fn calls_end_with_eintr_or_start_again() -> Outcome {
    catch(Signal::USR1, note, ActionFlags::empty())?;
    let one = sender(Signal::USR1)?;
    ensure_equal!(wait_once(one), Err(Errno::EINTR), "without SA_RESTART");
    ensure_equal!(count(), 1, "handled");
    ensure_equal!(wait_once(one), Ok(one), "the child itself");
    catch(Signal::USR1, note, ActionFlags::RESTART)?;
    let two = sender(Signal::USR1)?;
    ensure_equal!(wait_once(two), Ok(two), "with SA_RESTART");
    ensure_equal!(count(), 2, "handled meanwhile");
    // What is not caught ends no call, and neither does what is blocked.
    let three = sender(Signal::WINCH)?;
    ensure_equal!(wait_once(three), Ok(three), "an ignored signal");
    signal::set_mask(Signal::USR1.bit()).context("block")?;
    catch(Signal::USR1, note, ActionFlags::empty())?;
    let four = sender(Signal::USR1)?;
    ensure_equal!(wait_once(four), Ok(four), "a blocked signal");
    ensure_equal!(count(), 2, "still blocked");
    Ok(())
}

fn suspending_waits_for_a_handler() -> Outcome {
    catch(Signal::USR1, note, ActionFlags::RESTART)?;
    let blocked = Signal::USR1.bit() | Signal::HUP.bit();
    signal::set_mask(blocked).context("block")?;
    send(Signal::USR1)?;
    ensure_equal!(
        signal::suspend(0),
        Errno::EINTR,
        "what was pending ends it at once"
    );
    ensure_equal!(count(), 1, "handled");
    ensure_equal!(signal::mask(), Ok(blocked), "the mask came back");
    let child = sender(Signal::USR1)?;
    ensure_equal!(signal::suspend(Signal::HUP.bit()), Errno::EINTR, "later");
    ensure_equal!(count(), 2, "handled");
    ensure_equal!(signal::mask(), Ok(blocked), "the mask came back again");
    ensure_equal!(wait_once(child), Ok(child), "the child");
    Ok(())
}

unsafe extern "C" fn leave_with_status(signal: i32, info: *mut SignalInfo, context: *mut Context) {
    let here = (&raw const info).addr() as u64;
    // SAFETY: the kernel's frame; asking about the stack changes nothing.
    let (on_stack, stack) = unsafe { ((*context).on_stack, signal::set_stack(None)) };
    let inside = stack.is_ok_and(|stack| {
        stack.flags == SS_ONSTACK && (stack.address..stack.address + stack.size).contains(&here)
    });
    process::exit(if inside && on_stack == 0 { signal } else { 99 });
}

fn alternate_stack() -> Result<SignalStack, String> {
    Ok(SignalStack {
        address: fresh(16, Prot::READ | Prot::WRITE)?,
        size: MINSIGSTKSZ * 2,
        flags: 0,
        pad: 0,
    })
}

fn overflow(depth: u64) -> u64 {
    let room = core::hint::black_box([depth; 512]);
    if depth == u64::MAX {
        return 0;
    }
    overflow(depth + 1) + room[511]
}

fn an_overflowing_stack_is_handled_on_another() -> Outcome {
    must_crash(Signal::SEGV, "without a handler", || {
        core::hint::black_box(overflow(0));
    })?;
    must_crash(Signal::SEGV, "with a handler on the same stack", || {
        let _ = catch(Signal::SEGV, leave_with_status, ActionFlags::empty());
        core::hint::black_box(overflow(0));
    })?;
    let status = end_of(|| {
        let prepared = alternate_stack().and_then(|stack| {
            // SAFETY: fresh memory.
            unsafe { signal::set_stack(Some(&stack)) }.context("sigaltstack")
        });
        if prepared.is_ok() && catch(Signal::SEGV, leave_with_status, ActionFlags::ONSTACK).is_ok()
        {
            core::hint::black_box(overflow(0));
        }
    })?;
    ensure_equal!(status, WaitStatus::Exited(11), "on an alternate stack");
    // Coming back frees the stack for the next one.
    let stack = alternate_stack()?;
    // SAFETY: fresh memory.
    let before = unsafe { signal::set_stack(Some(&stack)) }.context("sigaltstack")?;
    ensure_equal!(before.flags, SS_DISABLE, "no stack at first");
    catch(Signal::USR1, note, ActionFlags::ONSTACK)?;
    for _ in 0..2 {
        send(Signal::USR1)?;
        let used = STACK.load(Ordering::SeqCst);
        ensure!(
            (stack.address..stack.address + stack.size).contains(&used),
            "the handler ran at {used:#x}"
        );
    }
    Ok(())
}

fn a_frame_that_cannot_be_written_kills() -> Outcome {
    must_crash(Signal::ILL, "an alternate stack that is not there", || {
        let stack = SignalStack {
            address: 0x10_0000,
            size: MINSIGSTKSZ,
            flags: 0,
            pad: 0,
        };
        // SAFETY: the kernel finds out.
        let _ = unsafe { signal::set_stack(Some(&stack)) };
        let _ = catch(Signal::USR1, note, ActionFlags::ONSTACK);
        let _ = catch(Signal::ILL, note, ActionFlags::ONSTACK);
        let _ = send(Signal::USR1);
    })
}

/// What [`change_frame`] does to the registers, from a list.
unsafe extern "C" fn change_frame(_signal: i32, _info: *mut SignalInfo, context: *mut Context) {
    // SAFETY: the kernel's frame.
    let (context, registers) = unsafe { (&mut *context, registers(context)) };
    registers.pc += 4;
    match NOTE.load(Ordering::SeqCst) {
        // EL1 with everything masked, AArch32, single step, and all flags.
        0 => registers.cpsr = 0xF020_03D5,
        1 => registers.pc += 2,
        2 => registers.pc = 0xffff_ff80_0000_0000,
        3 => registers.pc = 0x00ff_0000_0000_0000,
        4 => (registers.sp, registers.pc) = (0x11, unit::touch_stack()),
        5 => context.mcontext_size = 1 << 40,
        6 => context.mcontext = u64::MAX - 8,
        7 => context.mcontext = 0xffff_ff80_0000_0000,
        _ => context.mask = !0,
    }
}

fn frames_that_come_back_changed_hurt_nobody() -> Outcome {
    let end = |what| {
        end_of(|| {
            NOTE.store(what, Ordering::SeqCst);
            let _ = catch(Signal::ILL, change_frame, ActionFlags::empty());
            unit::undefined();
        })
    };
    ensure_equal!(end(0)?, WaitStatus::Exited(0), "privileged flags");
    for (what, signal) in [
        (1, Signal::BUS),
        (2, Signal::SEGV),
        (3, Signal::SEGV),
        (4, Signal::SEGV),
    ] {
        ensure_equal!(end(what)?, WaitStatus::Signalled(signal), "change {what}");
    }
    for what in [5, 6, 7] {
        // `sigreturn` fails and the trampoline runs into its breakpoint.
        ensure_equal!(
            end(what)?,
            WaitStatus::Signalled(Signal::TRAP),
            "change {what}"
        );
    }
    ensure_equal!(end(8)?, WaitStatus::Exited(0), "everything blocked");
    NOTE.store(8, Ordering::SeqCst);
    catch(Signal::ILL, change_frame, ActionFlags::empty())?;
    unit::undefined();
    let cannot = bsd_sys::signal::CANNOT_MASK;
    ensure_equal!(
        signal::mask(),
        Ok(!cannot),
        "all but the two that cannot be"
    );
    Ok(())
}

fn sigreturn_without_a_signal_is_refused() -> Outcome {
    let sigreturn = |arguments: [u64; 3]| {
        // SAFETY: no frame is named for which the kernel gave a token.
        unsafe { syscall::call(number::SIGRETURN, &arguments) }.err()
    };
    let area = fresh(2, Prot::READ | Prot::WRITE)?;
    let mut random = Random::new(17);
    for _ in 0..2000 {
        let address = match random.number() % 4 {
            0 => random.number(),
            1 => 0xffff_ff80_0000_0000 | random.number(),
            _ => area + random.number() % memory::page_size(),
        };
        let context = Context {
            mcontext_size: 816,
            mcontext: area + random.number() % 4096,
            ..Context::default()
        };
        if (area..area + memory::page_size()).contains(&address) {
            for (at, byte) in context.to_bytes().iter().enumerate() {
                // SAFETY: two pages are ours.
                unsafe { ((address as usize + at) as *mut u8).write_volatile(*byte) };
            }
        }
        let refused = sigreturn([address, 30, random.number()]);
        ensure!(
            matches!(refused, Some(Errno::EINVAL | Errno::EFAULT)),
            "{address:#x}: {refused:?}"
        );
    }
    Ok(())
}

fn children_tell_how_they_ended() -> Outcome {
    catch(Signal::CHLD, note, ActionFlags::empty())?;
    let seen = || {
        (
            CODE.load(Ordering::SeqCst) as i32,
            PID.load(Ordering::SeqCst) as i32,
            STATUS.load(Ordering::SeqCst) as i32,
        )
    };
    let one = child::start(|| 5)?;
    ensure!(eventually(5000, || count() == 1), "nobody told");
    ensure_equal!(seen(), (code::CLD_EXITED, one, 5), "an exit");
    ensure_equal!(
        child::finish(one, 5000)?,
        WaitStatus::Exited(5),
        "the zombie"
    );
    let two = child::start(|| {
        time::sleep(60_000);
        0
    })?;
    process::kill(two, Signal::STOP).context("stop")?;
    ensure!(eventually(5000, || count() == 2), "nobody told of the stop");
    ensure_equal!(seen(), (code::CLD_STOPPED, two, 17), "a stop");
    process::kill(two, Signal::CONT).context("continue")?;
    ensure!(eventually(5000, || count() == 3), "nobody told of going on");
    ensure_equal!(seen().0, code::CLD_CONTINUED, "going on");
    catch(Signal::CHLD, note, ActionFlags::NOCLDSTOP)?;
    process::kill(two, Signal::STOP).context("stop")?;
    ensure!(
        eventually(5000, || process::wait(two, WNOHANG | WUNTRACED)
            .is_ok_and(|found| found.is_some())),
        "no stop"
    );
    ensure_equal!(count(), 3, "with SA_NOCLDSTOP");
    process::kill(two, Signal::KILL).context("kill")?;
    ensure!(eventually(5000, || count() == 4), "nobody told of the kill");
    ensure_equal!(seen(), (code::CLD_KILLED, two, 9), "a kill");
    Ok(())
}

fn children_can_be_forgotten() -> Outcome {
    let gone = |flags, disposition| -> Outcome {
        signal::set_action(Signal::CHLD, disposition, flags, 0).context("sigaction")?;
        let child = child::start(|| 0)?;
        ensure!(
            eventually(5000, || process::wait(child, WNOHANG) == Err(Errno::ECHILD)),
            "a zombie stays"
        );
        ensure_equal!(
            process::kill(child, Signal::TERM),
            Err(Errno::ESRCH),
            "its number"
        );
        Ok(())
    };
    gone(ActionFlags::NOCLDWAIT, Disposition::Handle(note))?;
    gone(ActionFlags::empty(), Disposition::Ignore)?;
    gone(ActionFlags::empty(), Disposition::Ignore)
}

/// In the new program: a bit for each thing that is as it should be.
fn inherited() -> i32 {
    let handler = |signal| {
        signal::set_action(signal, Disposition::Default, ActionFlags::empty(), 0)
            .map(|old| old.handler)
    };
    // SAFETY: only asks.
    let stack = unsafe { signal::set_stack(None) };
    i32::from(handler(Signal::USR1) == Ok(SIG_DFL))
        | i32::from(handler(Signal::USR2) == Ok(SIG_IGN)) << 1
        | i32::from(signal::mask() == Ok(Signal::HUP.bit())) << 2
        | i32::from(stack.is_ok_and(|stack| stack.flags == SS_DISABLE)) << 3
        | i32::from(signal::pending() == Ok(Signal::HUP.bit())) << 4
}

fn a_fork_inherits_and_an_exec_resets() -> Outcome {
    catch(Signal::USR1, note, ActionFlags::empty())?;
    signal::set_action(Signal::USR2, Disposition::Ignore, ActionFlags::empty(), 0)
        .context("ignore")?;
    signal::set_mask(Signal::HUP.bit()).context("block")?;
    let stack = alternate_stack()?;
    // SAFETY: fresh memory.
    unsafe { signal::set_stack(Some(&stack)) }.context("sigaltstack")?;
    let child = child::start(|| {
        let blocked = signal::mask() == Ok(Signal::HUP.bit());
        // SAFETY: only asks.
        let same =
            unsafe { signal::set_stack(None) }.is_ok_and(|found| found.address == stack.address);
        let _ = send(Signal::USR2);
        let _ = send(Signal::USR1);
        let _ = send(Signal::HUP);
        i32::from(blocked && same && count() == 1)
    })?;
    ensure_equal!(
        child::finish(child, 10_000)?,
        WaitStatus::Exited(1),
        "the fork"
    );
    let child = child::start(|| {
        let _ = send(Signal::HUP);
        let _ = process::exec(PROGRAM, &[PROGRAM, "--inherited"]);
        99
    })?;
    ensure_equal!(
        child::finish(child, 20_000)?,
        WaitStatus::Exited(0b11111),
        "the new program"
    );
    Ok(())
}

fn ignored_signals_are_gone() -> Outcome {
    signal::set_action(Signal::TERM, Disposition::Ignore, ActionFlags::empty(), 0)
        .context("ignore")?;
    send(Signal::TERM)?;
    signal::set_mask(Signal::USR1.bit()).context("block")?;
    send(Signal::USR1)?;
    signal::set_action(Signal::USR1, Disposition::Ignore, ActionFlags::empty(), 0)
        .context("ignore")?;
    ensure_equal!(signal::pending(), Ok(0), "what was pending");
    signal::set_action(Signal::USR1, Disposition::Default, ActionFlags::empty(), 0)
        .context("default")?;
    signal::set_mask(0).context("unblock")?;
    Ok(())
}

fn terminal_signals_stop() -> Outcome {
    for signal in [Signal::TSTP, Signal::TTIN, Signal::TTOU] {
        let sleeper = child::start(|| {
            time::sleep(60_000);
            0
        })?;
        process::kill(sleeper, signal).context("kill")?;
        ensure_equal!(
            process::wait(sleeper, WUNTRACED),
            Ok(Some((sleeper, WaitStatus::Stopped(signal)))),
            "by default"
        );
        process::kill(sleeper, Signal::KILL).context("kill")?;
        ensure_equal!(
            child::finish(sleeper, 10_000)?,
            WaitStatus::Signalled(Signal::KILL),
            "the end"
        );
        catch(signal, note, ActionFlags::empty())?;
        send(signal)?;
    }
    ensure_equal!(count(), 3, "caught");
    Ok(())
}

fn wrong_arguments_are_refused() -> Outcome {
    let action = |number: i32| {
        // SAFETY: no memory is named.
        unsafe { syscall::call(number::SIGACTION, &[number as u64, 0, 0]) }.err()
    };
    for number in [0, -1, 9, 17, 32, i32::MAX] {
        ensure_equal!(action(number), Some(Errno::EINVAL), "signal {number}");
    }
    ensure_equal!(action(1), None, "one that exists");
    // SAFETY: the kernel reads where nothing is.
    let unmapped = unsafe { syscall::call(number::SIGACTION, &[1, 64, 0]) }.err();
    ensure_equal!(unmapped, Some(Errno::EFAULT), "an action that is not there");
    ensure_equal!(
        signal::change_mask(4, 0),
        Err(Errno::EINVAL),
        "how to change a mask"
    );
    let stack = |flags, size| {
        let stack = SignalStack {
            address: 0x10_0000,
            size,
            flags,
            pad: 0,
        };
        // SAFETY: no handler asks for it.
        unsafe { signal::set_stack(Some(&stack)) }.err()
    };
    ensure_equal!(stack(2, MINSIGSTKSZ), Some(Errno::EINVAL), "flags");
    ensure_equal!(
        stack(0, MINSIGSTKSZ - 1),
        Some(Errno::ENOMEM),
        "a small one"
    );
    Ok(())
}

/// Instructions that the compiler does not make.
#[cfg(target_os = "none")]
mod unit {
    use core::arch::{asm, naked_asm};

    /// Reads a word where there may be none, by an instruction that does nothing else: it can be skipped.
    pub(super) fn load(address: u64) -> u64 {
        let value;
        // SAFETY: a failing load ends in a handler, or ends this process.
        unsafe { asm!("ldr {}, [{}]", out(reg) value, in(reg) address, options(nostack)) };
        value
    }

    /// Writes a word where that may not be allowed.
    pub(super) fn store(address: u64, value: u64) {
        // SAFETY: as above; nobody else uses the address.
        unsafe { asm!("str {}, [{}]", in(reg) value, in(reg) address, options(nostack)) };
    }

    /// An undefined instruction.
    pub(super) fn undefined() {
        // SAFETY: a handler skips it, or the process ends.
        unsafe { asm!("udf #0", options(nostack)) };
    }

    /// A breakpoint.
    pub(super) fn breakpoint() {
        // SAFETY: as above.
        unsafe { asm!("brk #7", options(nostack)) };
    }

    /// Fills general registers and flags, meets an undefined instruction, and says whether they are as before.
    pub(super) fn general_survives(seed: u64) -> bool {
        let difference: u64;
        // SAFETY: every register written is declared, and the handler skips the instruction.
        unsafe {
            asm!(
                "mov x1, x0", "add x2, x0, #2", "add x3, x0, #3", "add x4, x0, #4", "add x5, x0, #5",
                "add x6, x0, #6", "add x7, x0, #7", "add x8, x0, #8", "add x9, x0, #9", "add x10, x0, #10",
                "add x11, x0, #11", "add x12, x0, #12", "add x13, x0, #13", "add x14, x0, #14",
                "add x15, x0, #15", "add x16, x0, #16", "add x17, x0, #17", "add x20, x0, #20",
                "add x21, x0, #21", "add x22, x0, #22", "add x23, x0, #23", "add x24, x0, #24",
                "add x25, x0, #25", "add x26, x0, #26", "add x27, x0, #27", "add x28, x0, #28",
                "add x30, x0, #30",
                "cmp x1, x0",
                "udf #0",
                "cset x1, ne",
                "sub x2, x2, #2", "sub x3, x3, #3", "sub x4, x4, #4", "sub x5, x5, #5", "sub x6, x6, #6",
                "sub x7, x7, #7", "sub x8, x8, #8", "sub x9, x9, #9", "sub x10, x10, #10",
                "sub x11, x11, #11", "sub x12, x12, #12", "sub x13, x13, #13", "sub x14, x14, #14",
                "sub x15, x15, #15", "sub x16, x16, #16", "sub x17, x17, #17", "sub x20, x20, #20",
                "sub x21, x21, #21", "sub x22, x22, #22", "sub x23, x23, #23", "sub x24, x24, #24",
                "sub x25, x25, #25", "sub x26, x26, #26", "sub x27, x27, #27", "sub x28, x28, #28",
                "sub x30, x30, #30",
                "eor x2, x2, x0", "orr x1, x1, x2", "eor x3, x3, x0", "orr x1, x1, x3",
                "eor x4, x4, x0", "orr x1, x1, x4", "eor x5, x5, x0", "orr x1, x1, x5",
                "eor x6, x6, x0", "orr x1, x1, x6", "eor x7, x7, x0", "orr x1, x1, x7",
                "eor x8, x8, x0", "orr x1, x1, x8", "eor x9, x9, x0", "orr x1, x1, x9",
                "eor x10, x10, x0", "orr x1, x1, x10", "eor x11, x11, x0", "orr x1, x1, x11",
                "eor x12, x12, x0", "orr x1, x1, x12", "eor x13, x13, x0", "orr x1, x1, x13",
                "eor x14, x14, x0", "orr x1, x1, x14", "eor x15, x15, x0", "orr x1, x1, x15",
                "eor x16, x16, x0", "orr x1, x1, x16", "eor x17, x17, x0", "orr x1, x1, x17",
                "eor x20, x20, x0", "orr x1, x1, x20", "eor x21, x21, x0", "orr x1, x1, x21",
                "eor x22, x22, x0", "orr x1, x1, x22", "eor x23, x23, x0", "orr x1, x1, x23",
                "eor x24, x24, x0", "orr x1, x1, x24", "eor x25, x25, x0", "orr x1, x1, x25",
                "eor x26, x26, x0", "orr x1, x1, x26", "eor x27, x27, x0", "orr x1, x1, x27",
                "eor x28, x28, x0", "orr x1, x1, x28", "eor x30, x30, x0", "orr x1, x1, x30",
                in("x0") seed, out("x1") difference,
                out("x2") _, out("x3") _, out("x4") _, out("x5") _, out("x6") _, out("x7") _,
                out("x8") _, out("x9") _, out("x10") _, out("x11") _, out("x12") _, out("x13") _,
                out("x14") _, out("x15") _, out("x16") _, out("x17") _, out("x20") _, out("x21") _,
                out("x22") _, out("x23") _, out("x24") _, out("x25") _, out("x26") _, out("x27") _,
                out("x28") _, out("x30") _,
                options(nostack),
            );
        }
        difference == 0
    }

    /// Address of an instruction that uses the stack.
    pub(super) fn touch_stack() -> u64 {
        #[unsafe(naked)]
        unsafe extern "C" fn touch() -> ! {
            naked_asm!("ldr x0, [sp]", "udf #0")
        }
        touch as *const () as u64
    }
}

#[cfg(not(target_os = "none"))]
mod unit {
    pub(super) fn load(_address: u64) -> u64 {
        0
    }
    pub(super) fn store(_address: u64, _value: u64) {}
    pub(super) fn undefined() {}
    pub(super) fn breakpoint() {}
    pub(super) fn general_survives(_seed: u64) -> bool {
        true
    }
    pub(super) fn touch_stack() -> u64 {
        0
    }
}

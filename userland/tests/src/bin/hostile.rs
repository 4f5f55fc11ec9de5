//! Programs that mean harm: bad addresses, every call with senseless arguments, senseless messages, and taking whatever
//! there is. They end or are refused; the kernel goes on, and everything is back afterwards.

#![cfg_attr(target_os = "none", no_std, no_main)]

extern crate alloc;

use alloc::vec::Vec;

use bsd_sys::signal::Signal;
use bsd_sys::syscall as number;
use bsd_sys::wait::WaitStatus;
use libsystem::fs::File;
use libsystem::{mach_call, process, syscall, time};
use mach::defs::layout::{DescriptorLayout, RoutineLayout};
use mach::port::PortRight;
use mach::traps;
use tests::child::{self, must_crash};
use tests::counts::Counts;
use tests::random::Random;
use tests::raw::{self, ANON, PRIVATE, R, UNIX03, W, page};
use tests::shared::Words;
use tests::{Context as _, Outcome, ensure, ensure_equal};

tests::program! {
    a_null_dereference_is_a_segmentation_fault,
    writing_to_read_only_memory_is_a_bus_error,
    every_bsd_call_takes_senseless_arguments,
    every_mach_trap_takes_senseless_arguments,
    senseless_messages_are_refused,
    every_kernel_routine_takes_senseless_arguments,
    memory_is_taken_until_it_is_refused,
    addresses_are_taken_until_they_are_refused,
    ports_are_taken_until_they_are_refused,
    descriptors_are_taken_until_they_are_refused,
    processes_are_made_until_they_are_refused,
    the_system_still_works,
}

/// Does something twice; what the second time takes must come back.
fn comes_back(mut work: impl FnMut() -> Outcome) -> Outcome {
    work()?;
    let before = Counts::now()?;
    work()?;
    before.must_return()
}

fn a_null_dereference_is_a_segmentation_fault() -> Outcome {
    must_crash(Signal::SEGV, "reading null", || raw::touch(0))?;
    must_crash(Signal::SEGV, "writing the kernel's half", || {
        raw::store(0xffff_ff80_0000_0000, 1)
    })
}

fn writing_to_read_only_memory_is_a_bus_error() -> Outcome {
    let base = raw::anonymous(1, R).context("mmap")?;
    must_crash(Signal::BUS, "writing read-only memory", || {
        raw::store(base, 1)
    })
}

/// How often each number is called.
const CALLS: u64 = 12;
/// Milliseconds until a child that waits for something is killed.
const PATIENCE: u64 = 250;

/// Ends a child, whatever it does: a fork of it goes with its process group.
fn end(child: i32) -> Outcome {
    let limit = time::now() + PATIENCE * 1_000_000;
    while time::now() < limit {
        if process::wait(child, bsd_sys::wait::WNOHANG)
            .context("wait4")?
            .is_some()
        {
            return Ok(());
        }
        time::sleep(1);
    }
    process::kill(child, Signal::KILL).context("kill")?;
    child::finish(child, 10_000).map(drop)
}

/// What no test may do: it would end the test's own parents, or the machine, as root may.
fn is_excluded(call: u32) -> bool {
    call == number::REBOOT || call == number::KILL
}

fn calls_with_noise(first: i32, last: i32, step: usize) -> Outcome {
    let base = raw::anonymous(2, R | W).context("mmap")?;
    for call in (first..=last).step_by(step) {
        if call >= 0 && is_excluded(call as u32) {
            continue;
        }
        let child = child::start(|| {
            // Nothing of it shall reach the console.
            for descriptor in 0..3u64 {
                // SAFETY: no memory is named.
                let _ = unsafe { syscall::call(number::CLOSE, &[descriptor]) };
            }
            let own = process::id();
            let mut random = Random::new(call as u64);
            for _ in 0..CALLS {
                let arguments: [u64; 8] = core::array::from_fn(|_| random.argument(base));
                // SAFETY: none. Whatever it does to this process is what the test is for.
                unsafe {
                    if call < 0 {
                        syscall::trap(call, &arguments);
                    } else {
                        let _ = syscall::call(call as u32, &arguments);
                    }
                }
                if process::id() != own {
                    return 0;
                }
            }
            0
        })?;
        end(child)?;
    }
    raw::munmap(base, 2 * page()).context("munmap")?;
    Ok(())
}

fn every_bsd_call_takes_senseless_arguments() -> Outcome {
    calls_with_noise(0, 600, 9)?;
    let before = Counts::now()?;
    calls_with_noise(0, 600, 1)?;
    before.must_return()
}

fn every_mach_trap_takes_senseless_arguments() -> Outcome {
    calls_with_noise(-200, -1, 7)?;
    let before = Counts::now()?;
    calls_with_noise(-200, -1, 1)?;
    before.must_return()
}

/// First ids of the interfaces that the kernel serves.
const INTERFACES: [u64; 12] = [
    64, 200, 400, 2000, 2060, 2200, 2400, 2800, 3200, 3400, 3600, 4800,
];

/// Sends and receives messages made of noise, to ports that mean something and to names that do not.
fn send_noise(seed: u64, count: u64) {
    let mut random = Random::new(seed);
    let Ok(own) = mach_call::port::allocate_with_send() else {
        return;
    };
    let names = [
        mach_call::task_self().0,
        mach_call::thread_self().0,
        mach_call::host_self().0,
        own.0,
        0,
        !0,
        0x1303,
    ];
    let Ok(base) = raw::anonymous(4, R | W) else {
        return;
    };
    for _ in 0..count {
        let size = 24 + 4 * random.below(40);
        let words = size / 4;
        for index in 0..words {
            let word = random.argument(base) as u32;
            // SAFETY: within the four pages, which hold nothing else.
            unsafe { ((base + index * 4) as *mut u32).write_volatile(word) };
        }
        let disposition = |random: &mut Random| 16 + random.below(7);
        let complex = (random.below(2) << 31) as u32;
        let bits = complex | (disposition(&mut random) | disposition(&mut random) << 8) as u32;
        let id = INTERFACES[random.below(12) as usize] + random.below(48);
        let header = [
            bits,
            size as u32,
            names[random.below(7) as usize],
            names[random.below(7) as usize],
            0,
            id as u32,
            random.below(4) as u32,
        ];
        // Descriptors: kind in the top byte of the third word of each.
        let fields = header.into_iter().enumerate();
        for (index, word) in fields {
            // SAFETY: as above.
            unsafe { ((base as usize + index * 4) as *mut u32).write_volatile(word) };
        }
        let receive = random.below(3) == 0;
        let options = 0x1 | 0x10 | if receive { 0x2 | 0x100 } else { 0 };
        let arguments = [base, options, size, 2 * page(), u64::from(own.0), 0, 0];
        // SAFETY: the buffer is four pages; what the message does to this process is what the test is for.
        unsafe { syscall::trap(traps::MACH_MSG, &arguments) };
    }
}

fn senseless_messages_are_refused() -> Outcome {
    let mut seed = 0;
    comes_back(|| {
        for _ in 0..24 {
            seed += 1;
            let status = child::run(8_000, || {
                send_noise(seed, 600);
                0
            });
            // A message may end or suspend the process that sends it to itself.
            if let Err(reason) = status
                && !reason.starts_with("no end within 8000 ms")
            {
                return Err(reason);
            }
        }
        Ok(())
    })
}

/// Every routine that the kernel serves to ordinary programs.
fn routines() -> impl Iterator<Item = &'static RoutineLayout> {
    use mach::defs::{
        mach_host, mach_port, mach_vm, memory_entry, pager_control, task, thread_act, vm_map,
    };
    let interfaces = [
        mach_host::LAYOUT,
        mach_port::LAYOUT,
        mach_vm::LAYOUT,
        memory_entry::LAYOUT,
        pager_control::LAYOUT,
        task::LAYOUT,
        thread_act::LAYOUT,
        vm_map::LAYOUT,
    ];
    // Whoever suspends or ends itself learns nothing more.
    let ends = |name: &str| name.ends_with("_suspend") || name.ends_with("_terminate");
    interfaces
        .into_iter()
        .flatten()
        .filter(move |routine| !ends(routine.name))
}

/// What is in the names of routines that soon take a process's own memory away: they are called less often.
const DESTRUCTIVE: [&str; 7] = [
    "deallocate",
    "protect",
    "behavior",
    "map",
    "write",
    "copy",
    "attribute",
];

/// Puts words into a buffer of the test's own.
struct Buffer {
    base: u64,
    used: u64,
}

impl Buffer {
    fn put(&mut self, word: u32) {
        // SAFETY: the buffer is several pages that hold nothing else, and no message is longer.
        unsafe { ((self.base + self.used) as *mut u32).write_volatile(word) };
        self.used += 4;
    }
}

/// Calls a routine with a message of the right shape and arguments that mean nothing.
fn call_with_noise(
    routine: &RoutineLayout,
    own: u32,
    names: &[u32],
    base: u64,
    random: &mut Random,
) {
    const MAKE_SEND_ONCE: u32 = 21;
    const COPY_SEND: u32 = 19;
    let request = &routine.request;
    let size = if random.below(2) == 0 {
        request.min_size()
    } else {
        request.max_size()
    }
    .min(3000) as u32;
    let complex = u32::from(request.is_complex()) << 31;
    let destination = names[random.below(names.len() as u64) as usize];
    let mut buffer = Buffer { base, used: 0 };
    for word in [
        complex | COPY_SEND | MAKE_SEND_ONCE << 8,
        size,
        destination,
        own,
        0,
        routine.id as u32,
    ] {
        buffer.put(word);
    }
    if request.is_complex() {
        buffer.put(request.descriptor_count() as u32);
    }
    for (_, descriptor) in request.descriptors {
        for _ in 0..descriptor.count() {
            let right = names[random.below(names.len() as u64) as usize];
            match descriptor {
                DescriptorLayout::Memory | DescriptorLayout::Ports(_) => {
                    let address = random.argument(base);
                    buffer.put(address as u32);
                    buffer.put((address >> 32) as u32);
                    // Copied virtually, not deallocated; kind in the top byte.
                    let ports = matches!(descriptor, DescriptorLayout::Ports(_));
                    buffer.put(if ports {
                        2 << 24 | COPY_SEND << 16
                    } else {
                        1 << 24 | 1 << 8
                    });
                    buffer.put(random.below(0x9000) as u32);
                }
                DescriptorLayout::Port(_) | DescriptorLayout::PortArray(..) => {
                    buffer.put(right);
                    buffer.put(0);
                    buffer.put(COPY_SEND << 16);
                }
            }
        }
    }
    while buffer.used < u64::from(size) {
        let word = random.argument(base);
        buffer.put(word as u32);
        if random.below(2) == 0 && buffer.used < u64::from(size) {
            buffer.put((word >> 32) as u32);
        }
    }
    // Send, receive the answer, wait for neither.
    let arguments = [
        base,
        0x1 | 0x2 | 0x10 | 0x100,
        u64::from(size),
        2 * page(),
        u64::from(own),
        0,
        0,
    ];
    // SAFETY: the buffer is four pages; what the call does to this process is what the test is for.
    unsafe { syscall::trap(traps::MACH_MSG, &arguments) };
}

fn every_kernel_routine_takes_senseless_arguments() -> Outcome {
    let mut seed = 1000;
    let mut round = |children: u64| -> Outcome {
        for _ in 0..children {
            seed += 1;
            let status = child::run(8_000, || {
                let mut random = Random::new(seed);
                let Ok(own) = mach_call::port::allocate_with_send() else {
                    return 1;
                };
                let names = [
                    mach_call::task_self().0,
                    mach_call::task_self().0,
                    mach_call::thread_self().0,
                    mach_call::host_self().0,
                    own.0,
                    0,
                ];
                let Ok(base) = raw::anonymous(8, R | W) else {
                    return 1;
                };
                let chosen: Vec<&RoutineLayout> = routines().collect();
                for _ in 0..1000 {
                    let routine = chosen[random.below(chosen.len() as u64) as usize];
                    if DESTRUCTIVE.iter().any(|word| routine.name.contains(word))
                        && random.below(16) != 0
                    {
                        continue;
                    }
                    call_with_noise(routine, own.0, &names, base, &mut random);
                }
                0
            });
            if let Err(reason) = status
                && !reason.starts_with("no end within 8000 ms")
            {
                return Err(reason);
            }
        }
        Ok(())
    };
    round(8)?;
    let before = Counts::now()?;
    round(32)?;
    before.must_return()
}

fn memory_is_taken_until_it_is_refused() -> Outcome {
    comes_back(|| {
        let words = Words::new()?;
        let status = child::run(45_000, || {
            loop {
                let Ok(base) = raw::anonymous(256, R | W) else {
                    return 1;
                };
                for index in 0..256 {
                    raw::store(base + index * page(), 1);
                    words.set(0, words.get(0) + 1);
                }
            }
        })?;
        ensure!(words.get(0) > 1000, "it got only {} pages", words.get(0));
        // Killed for it, most probably.
        let refused = [
            WaitStatus::Signalled(Signal::KILL),
            WaitStatus::Signalled(Signal::BUS),
            WaitStatus::Exited(1),
        ];
        ensure!(
            refused.contains(&status),
            "it ended with {status:?} after {} pages",
            words.get(0)
        );
        Ok(())
    })
}

fn addresses_are_taken_until_they_are_refused() -> Outcome {
    comes_back(|| {
        let status = child::run(30_000, || {
            let mut size = 1u64 << 46;
            let mut taken = 0u64;
            // In ever smaller pieces, to the last page or to 5000 pieces.
            while size >= page() && taken < 5000 {
                match raw::mmap(0, size, R | W, PRIVATE | ANON | UNIX03, -1, 0) {
                    Ok(_) => taken += 1,
                    Err(bsd_sys::Errno::ENOMEM) => size /= 2,
                    Err(_) => return 1,
                }
            }
            0
        })?;
        ensure_equal!(status, WaitStatus::Exited(0), "the process");
        Ok(())
    })
}

fn ports_are_taken_until_they_are_refused() -> Outcome {
    comes_back(|| {
        let status = child::run(30_000, || {
            for _ in 0..30_000 {
                match mach_call::port::allocate(PortRight::Receive) {
                    Ok(_) => {}
                    Err(mach::KernReturn::NO_SPACE | mach::KernReturn::RESOURCE_SHORTAGE) => {
                        return 0;
                    }
                    Err(_) => return 1,
                }
            }
            0
        })?;
        ensure_equal!(status, WaitStatus::Exited(0), "the process");
        Ok(())
    })
}

fn descriptors_are_taken_until_they_are_refused() -> Outcome {
    comes_back(|| {
        let status = child::run(30_000, || {
            let mut files = Vec::new();
            loop {
                match File::open("/dev/console") {
                    Ok(file) => files.push(file),
                    Err(bsd_sys::Errno::EMFILE | bsd_sys::Errno::ENFILE) => return 0,
                    Err(_) => return 1,
                }
                if files.len() > 100_000 {
                    return 2;
                }
            }
        })?;
        ensure_equal!(status, WaitStatus::Exited(0), "the process");
        Ok(())
    })
}

fn processes_are_made_until_they_are_refused() -> Outcome {
    comes_back(|| {
        let words = Words::new()?;
        let mut children = Vec::new();
        while children.len() < 150 {
            match child::start(|| words.wait(0, "the end").map_or(1, |_| 0)) {
                Ok(child) => children.push(child),
                Err(_) => break,
            }
        }
        words.set(0, 1);
        for child in children {
            child::finish(child, 30_000)?;
        }
        Ok(())
    })
}

fn the_system_still_works() -> Outcome {
    let child = process::spawn("/bin/true", &["true"]).context("spawn")?;
    ensure_equal!(
        child::finish(child, 20_000)?,
        WaitStatus::Exited(0),
        "/bin/true"
    );
    let file = File::open("/tests/hostile").context("open")?;
    let mut bytes = [0; 4];
    file.read_at(&mut bytes, 0).context("pread")?;
    ensure_equal!(&bytes, b"\x7fELF", "a file's first bytes");
    Ok(())
}

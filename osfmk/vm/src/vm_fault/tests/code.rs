//! Code signing in whole faults: when a page is looked at, and what takes its word away.

use std::sync::atomic::AtomicUsize;

use super::*;
use crate::code_signing::{CodePolicy, CodeSignature, Verdict};

const FETCH: VmProt = VmProt::READ.union(VmProt::EXECUTE);

/// Signed is what a fresh store holds.
#[derive(Default)]
struct Signature {
    asked: AtomicUsize,
}

impl CodeSignature for Signature {
    fn covers(&self, offset: u64, length: u64, read: &mut dyn FnMut(u64, &mut [u8])) -> bool {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let mut bytes = vec![0; length as usize];
        read(0, &mut bytes);
        let signed = |(at, byte): (usize, &u8)| *byte == contents(offset as usize + at);
        bytes.iter().enumerate().all(signed)
    }

    fn name(&self) -> [u8; 20] {
        [1; 20]
    }
}

struct Policy {
    enforces: bool,
    verdict: Verdict,
    asked: AtomicUsize,
}

impl CodePolicy for Policy {
    fn enforces(&self) -> bool {
        self.enforces
    }

    fn invalid_page(&self, _address: u64) -> Verdict {
        self.asked.fetch_add(1, Ordering::SeqCst);
        self.verdict
    }
}

impl Task {
    /// A task with rules for code.
    fn with_policy(verdict: Verdict, enforces: bool) -> (Task, Arc<Policy>) {
        let policy = Arc::new(Policy {
            enforces,
            verdict,
            asked: AtomicUsize::new(0),
        });
        let task = Task::new();
        task.map.set_code_policy(policy.clone());
        (task, policy)
    }

    /// As a program's text is mapped.
    fn map_code(&self, at: u64, pages: u64, file: &ObjectRef) {
        self.map_private(at, pages, file);
        self.map
            .protect(at, at + pages * PAGE, FETCH, ProtectMode::Current)
            .unwrap();
    }

    fn fetch(&self, at: u64) -> Result<(), KernReturn> {
        fault(&self.map, at, FETCH, false)
    }

    fn is_entered(&self, at: u64) -> bool {
        self.map.pmap().extract(at).is_some()
    }
}

/// A signed file of four pages, one byte of page 1 changed, and what is done with it.
fn with_signed_file(test: impl FnOnce(&ObjectRef, &Signature)) {
    leaves_nothing_behind(|| {
        let store = store(4);
        store.lock().unwrap()[PAGE_SIZE + 5] ^= 1;
        let (file, pager) = honest(&store);
        let signature = Arc::new(Signature::default());
        file.set_code_signature(signature.clone());
        test(&file, &signature);
        drop(file);
        prim::reaper::quiesce();
        pager.join().unwrap();
    });
}

fn count(counter: &AtomicUsize) -> usize {
    counter.load(Ordering::SeqCst)
}

#[test]
fn a_page_is_hashed_once_when_it_first_becomes_executable() {
    with_signed_file(|file, signature| {
        let (one, policy) = Task::with_policy(Verdict::Refuse, true);
        let (two, _) = Task::with_policy(Verdict::Refuse, true);
        one.map_private(BASE, 4, file);
        assert_eq!(one.byte(BASE), contents(0));
        assert_eq!(count(&signature.asked), 0, "it was only read");
        one.map_code(BASE + 8 * PAGE, 4, file);
        two.map_code(BASE, 4, file);
        assert_eq!(one.fetch(BASE + 8 * PAGE), Ok(()));
        assert_eq!(two.fetch(BASE), Ok(()));
        assert_eq!(two.fetch(BASE), Ok(()));
        assert_eq!(count(&signature.asked), 1);
        assert_eq!(two.fetch(BASE + 2 * PAGE), Ok(()));
        assert_eq!(count(&signature.asked), 2);
        assert_eq!(count(&policy.asked), 0);
    });
}

#[test]
fn the_policy_decides_about_a_page_that_is_not_what_was_signed() {
    with_signed_file(|file, signature| {
        for (verdict, result) in [
            (Verdict::Refuse, Err(KernReturn::CODESIGN_ERROR)),
            (Verdict::End, Err(KernReturn::ABORTED)),
            (Verdict::Admit, Ok(())),
        ] {
            let (task, policy) = Task::with_policy(verdict, false);
            task.map_code(BASE, 4, file);
            assert_eq!(task.fetch(BASE + PAGE), result);
            assert_eq!(task.is_entered(BASE + PAGE), result.is_ok());
            assert_eq!(count(&policy.asked), 1);
        }
        assert_eq!(count(&signature.asked), 1, "it stays tainted");
    });
}

#[test]
fn a_map_without_a_policy_is_not_checked() {
    with_signed_file(|file, signature| {
        let task = Task::new();
        task.map_code(BASE, 4, file);
        assert_eq!(task.fetch(BASE + PAGE), Ok(()));
        assert_eq!(count(&signature.asked), 0);
    });
}

#[test]
fn a_write_to_the_file_takes_the_page_away_from_who_executes_it() {
    with_signed_file(|file, signature| {
        let (task, policy) = Task::with_policy(Verdict::Refuse, false);
        // Shared, so that the write is seen.
        task.map_shared(BASE, 4, file);
        task.map
            .protect(BASE, BASE + 4 * PAGE, FETCH, ProtectMode::Current)
            .unwrap();
        assert_eq!(task.fetch(BASE), Ok(()));
        fill(file, 0, 99);
        assert!(!task.is_entered(BASE));
        assert_eq!(task.fetch(BASE), Err(KernReturn::CODESIGN_ERROR));
        let good: Vec<u8> = (0..PAGE_SIZE).map(contents).collect();
        file.write_from_kernel(0, &good, OPTIONS).unwrap();
        assert_eq!(task.fetch(BASE), Ok(()), "it is what was signed again");
        assert_eq!((count(&signature.asked), count(&policy.asked)), (3, 1));
    });
}

#[test]
fn a_page_that_was_ever_mapped_writable_is_not_signed() {
    with_signed_file(|file, _| {
        let (runner, _) = Task::with_policy(Verdict::Refuse, false);
        let writer = Task::new();
        runner.map_shared(BASE, 4, file);
        runner
            .map
            .protect(BASE, BASE + 4 * PAGE, FETCH, ProtectMode::Current)
            .unwrap();
        writer.map_shared(BASE, 4, file);
        assert_eq!(runner.fetch(BASE), Ok(()));
        assert_eq!(writer.byte(BASE), contents(0), "not even written");
        assert!(!runner.is_entered(BASE), "its code could change any time");
        assert_eq!(runner.fetch(BASE), Err(KernReturn::CODESIGN_ERROR));
    });
}

#[test]
fn an_old_page_that_moves_to_a_copy_object_keeps_what_is_known_of_it() {
    with_signed_file(|file, signature| {
        let (task, policy) = Task::with_policy(Verdict::Refuse, true);
        task.map_code(BASE, 4, file);
        assert_eq!(task.fetch(BASE), Ok(()));
        // One page that was looked at, one that was not, and the changed one.
        (0..3).for_each(|page| fill(file, page, 99));
        assert_eq!(task.fetch(BASE), Ok(()), "the old page");
        assert_eq!(task.fetch(BASE + 2 * PAGE), Ok(()));
        assert_eq!(task.byte(BASE + 2 * PAGE), contents(2 * PAGE_SIZE));
        assert_eq!(task.fetch(BASE + PAGE), Err(KernReturn::CODESIGN_ERROR));
        assert_eq!((count(&signature.asked), count(&policy.asked)), (3, 1));
    });
}

#[test]
fn anonymous_code_needs_a_signature_only_where_that_is_enforced() {
    leaves_nothing_behind(|| {
        for (enforces, result) in [(false, Ok(())), (true, Err(KernReturn::CODESIGN_ERROR))] {
            let (task, _) = Task::with_policy(Verdict::Refuse, enforces);
            task.allocate(BASE, 1);
            task.store(BASE, &[1]).unwrap();
            task.map
                .protect(BASE, BASE + PAGE, FETCH, ProtectMode::Current)
                .unwrap();
            assert_eq!(task.fetch(BASE), result);
        }
    });
}

#[test]
fn code_of_a_pager_without_a_signature_is_refused() {
    leaves_nothing_behind(|| {
        let (file, pager) = honest(&store(2));
        let (task, _) = Task::with_policy(Verdict::Refuse, false);
        task.map_code(BASE, 2, &file);
        assert_eq!(task.byte(BASE + PAGE), contents(PAGE_SIZE));
        assert_eq!(task.fetch(BASE), Err(KernReturn::CODESIGN_ERROR));
        drop((task, file));
        prim::reaper::quiesce();
        pager.join().unwrap();
    });
}

#[test]
fn a_jit_region_is_written_and_executed_without_a_look() {
    leaves_nothing_behind(|| {
        let (task, policy) = Task::with_policy(Verdict::Refuse, true);
        let request = EnterRequest::anonymous(Placement::Fixed(BASE), PAGE);
        let mut request = request.protected(VmProt::ALL, VmProt::ALL);
        request.flags = crate::vm_map::EnterFlags::JIT;
        task.map.enter(request).unwrap();
        task.store(BASE, &[1]).unwrap();
        assert_eq!(task.fetch(BASE), Ok(()));
        task.store(BASE, &[2]).unwrap();
        assert_eq!(task.fetch(BASE), Ok(()));
        assert_eq!(count(&policy.asked), 0);
    });
}

#[test]
fn another_signature_has_every_page_judged_anew() {
    struct Nothing;
    impl CodeSignature for Nothing {
        fn covers(&self, _: u64, _: u64, _: &mut dyn FnMut(u64, &mut [u8])) -> bool {
            false
        }
        fn name(&self) -> [u8; 20] {
            [2; 20]
        }
    }
    with_signed_file(|file, _| {
        let (task, _) = Task::with_policy(Verdict::Refuse, false);
        task.map_code(BASE, 4, file);
        assert_eq!(task.fetch(BASE), Ok(()));
        file.set_code_signature(Arc::new(Nothing));
        assert!(!task.is_entered(BASE));
        assert_eq!(task.fetch(BASE), Err(KernReturn::CODESIGN_ERROR));
    });
}

//! Fork: parent and child have copies of their own, a chain of forks gives everything back, and chains of shadow
//! objects stay short.

#![cfg_attr(target_os = "none", no_std, no_main)]
#![forbid(unsafe_code)]

extern crate alloc;

use libsystem::fs::File;
use tests::child::{self, must_succeed};
use tests::raw::{self, ANON, PRIVATE, R, SHARED, UNIX03, W, page};
use tests::shared::Words;
use tests::{Context as _, Outcome, counts, ensure, ensure_equal, region};

tests::program! {
    anonymous_memory_is_private_to_each_side,
    shared_memory_is_seen_by_both,
    untouched_memory_becomes_private_too,
    memory_mapped_after_the_fork_is_the_childs_alone,
    a_private_file_mapping_is_private_to_each_side,
    a_chain_of_100_forks_sees_every_generation,
    a_chain_of_forks_gives_everything_back,
    shadow_chains_stay_short,
    many_children_write_at_once,
}

fn anonymous_memory_is_private_to_each_side() -> Outcome {
    let (page, pages) = (page(), 16);
    let base = raw::anonymous(pages, R | W).context("mmap")?;
    (0..pages).for_each(|index| raw::store(base + index * page, index as u8));
    must_succeed(20_000, || {
        for index in 0..pages {
            ensure_equal!(
                raw::load(base + index * page),
                index as u8,
                "page {index} in the child"
            );
            raw::store(base + index * page, 0xcc);
        }
        Ok(())
    })?;
    for index in 0..pages {
        ensure_equal!(
            raw::load(base + index * page),
            index as u8,
            "page {index} in the parent"
        );
    }
    // And the other direction: what the parent writes after the fork, the child does not see.
    let words = Words::new()?;
    let child = child::start(|| {
        let _ = words.wait(0, "the parent's write");
        i32::from(raw::load(base) != 0)
    })?;
    raw::store(base, 0xdd);
    words.set(0, 1);
    ensure_equal!(
        child::finish(child, 20_000)?.shell_status(),
        0,
        "the child sees the old byte"
    );
    Ok(())
}

fn shared_memory_is_seen_by_both() -> Outcome {
    let base = raw::mmap(0, page(), R | W, SHARED | ANON | UNIX03, -1, 0).context("mmap")?;
    must_succeed(10_000, || {
        raw::store(base, 5);
        Ok(())
    })?;
    ensure_equal!(raw::load(base), 5, "the child's byte");
    Ok(())
}

fn untouched_memory_becomes_private_too() -> Outcome {
    let base = raw::anonymous(2, R | W).context("mmap")?;
    must_succeed(10_000, || {
        raw::store(base, 5);
        Ok(())
    })?;
    ensure_equal!(raw::load(base), 0, "the parent's byte");
    Ok(())
}

fn memory_mapped_after_the_fork_is_the_childs_alone() -> Outcome {
    let words = Words::new()?;
    must_succeed(10_000, || {
        let base = raw::anonymous(1, R | W).context("mmap")?;
        raw::store(base, 1);
        words.set(0, base);
        Ok(())
    })?;
    ensure_equal!(
        raw::mincore(words.get(0), 1).map(|states| states[0] & 1),
        Ok(0),
        "the parent's page there"
    );
    Ok(())
}

fn a_private_file_mapping_is_private_to_each_side() -> Outcome {
    let file = File::open("/tests/fork_copies").context("open")?;
    let length = 4 * page();
    let base =
        raw::mmap(0, length, R | W, PRIVATE | UNIX03, file.descriptor(), 0).context("mmap")?;
    let original = raw::load(base + page());
    raw::store(base, 1);
    must_succeed(20_000, || {
        ensure_equal!(
            (raw::load(base), raw::load(base + page())),
            (1, original),
            "what the child inherits"
        );
        raw::store(base, 2);
        raw::store(base + page(), 3);
        Ok(())
    })?;
    ensure_equal!(
        (raw::load(base), raw::load(base + page())),
        (1, original),
        "the parent's bytes"
    );
    let mut bytes = [0; 2];
    file.read_at(&mut bytes, 0).context("pread")?;
    ensure_equal!(bytes, [0x7f, b'E'], "the file's bytes");
    Ok(())
}

/// Forks to that depth: each process changes its own page and checks the others.
fn chain(base: u64, depth: u64, total: u64) -> Outcome {
    let page = page();
    raw::store(base + depth * page, 0xff);
    for index in 0..total {
        let expected = if index <= depth { 0xff } else { index as u8 };
        ensure_equal!(
            raw::load(base + index * page),
            expected,
            "page {index} at depth {depth}"
        );
    }
    if depth + 1 == total {
        return Ok(());
    }
    must_succeed(45_000, || chain(base, depth + 1, total))?;
    ensure_equal!(
        raw::load(base + (depth + 1) * page),
        (depth + 1) as u8,
        "the child's page at depth {depth}"
    );
    Ok(())
}

fn run_chain(total: u64) -> Outcome {
    let page = page();
    let base = raw::anonymous(total, R | W).context("mmap")?;
    (0..total).for_each(|index| raw::store(base + index * page, index as u8));
    chain(base, 0, total)?;
    raw::munmap(base, total * page).context("munmap")?;
    Ok(())
}

fn a_chain_of_100_forks_sees_every_generation() -> Outcome {
    run_chain(100)
}

fn a_chain_of_forks_gives_everything_back() -> Outcome {
    counts::leaves_nothing(|| must_succeed(45_000, || run_chain(60)))
}

fn shadow_chains_stay_short() -> Outcome {
    let base = raw::anonymous(4, R | W).context("mmap")?;
    raw::store(base, 0);
    let mut deepest = 0;
    for round in 1..=50u8 {
        must_succeed(10_000, || {
            ensure_equal!(raw::load(base), round - 1, "what the child inherits");
            raw::store(base, 0xee);
            Ok(())
        })?;
        raw::store(base, round);
        deepest = deepest.max(region::shadow_depth(base)?);
    }
    ensure!(deepest <= 3, "the chain became {deepest} objects deep");
    Ok(())
}

fn many_children_write_at_once() -> Outcome {
    let (page, pages) = (page(), 32);
    let base = raw::anonymous(pages, R | W).context("mmap")?;
    (0..pages).for_each(|index| raw::store(base + index * page, 1));
    let mut children = alloc::vec::Vec::new();
    for number in 0..8u8 {
        children.push(child::start(|| {
            for round in 0..20 {
                for index in 0..pages {
                    raw::store(base + index * page, number + round);
                }
                if (0..pages).any(|index| raw::load(base + index * page) != number + round) {
                    return 1;
                }
            }
            0
        })?);
    }
    for child in children {
        ensure_equal!(child::finish(child, 40_000)?.shell_status(), 0, "a child");
    }
    ensure!(
        (0..pages).all(|index| raw::load(base + index * page) == 1),
        "the parent's pages changed"
    );
    Ok(())
}

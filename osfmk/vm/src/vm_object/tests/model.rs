//! Random sequences of copies and writes over chains of objects, against a naive model of the bytes.
//!
//! A *space* is what a map entry would be: an object, an offset, `needs_copy`. The model of a space is the byte that
//! each of its pages is filled with; for a shared source it is one array that all sharers see.

use proptest::prelude::*;
use std::cell::RefCell;
use std::rc::Rc;

use super::*;
use crate::vm_pageout::fake_swap::with_swap;

const PAGES: u64 = 5;

#[derive(Clone, Debug)]
enum Action {
    Write { space: usize, page: u64, byte: u8 },
    Read { space: usize, page: u64 },
    Fork { space: usize },
    Share { space: usize },
    Drop { space: usize },
    PageOut,
    PushOut { space: usize, first: u64 },
}

fn action() -> impl Strategy<Value = Action> {
    let space = 0..64_usize;
    prop_oneof![
        4 => (space.clone(), 0..PAGES, any::<u8>()).prop_map(|(space, page, byte)| Action::Write { space, page, byte }),
        2 => (space.clone(), 0..PAGES).prop_map(|(space, page)| Action::Read { space, page }),
        2 => space.clone().prop_map(|space| Action::Fork { space }),
        1 => space.clone().prop_map(|space| Action::Share { space }),
        2 => space.clone().prop_map(|space| Action::Drop { space }),
        2 => Just(Action::PageOut),
        2 => (space, 0..PAGES).prop_map(|(space, first)| Action::PushOut { space, first }),
    ]
}

struct Space {
    object: ObjectRef,
    offset: u64,
    needs_copy: bool,
    model: Rc<RefCell<Vec<u8>>>,
}

impl Space {
    fn fresh() -> Space {
        let object = ObjectRef::anonymous(PAGES * PAGE).unwrap();
        Space {
            object,
            offset: 0,
            needs_copy: false,
            model: Rc::new(RefCell::new(vec![0; PAGES as usize])),
        }
    }

    fn page(&self, page: u64) -> u64 {
        self.offset / PAGE + page
    }

    /// Ends `needs_copy`, as the map does before a write and before sharing.
    fn own(mut self) -> Space {
        if self.needs_copy {
            (self.object, self.offset) = shadow(self.object, self.offset, PAGES);
            self.needs_copy = false;
        }
        self
    }

    fn write(self, page: u64, byte: u8) -> Space {
        let space = self.own();
        fill(&space.object, space.page(page), byte);
        space.model.borrow_mut()[page as usize] = byte;
        space
    }

    fn check(&self, page: u64) {
        assert_eq!(
            byte_of(&self.object, self.page(page)),
            self.model.borrow()[page as usize],
            "page {page}"
        );
    }

    fn fork(&mut self) -> Space {
        let model = Rc::new(RefCell::new(self.model.borrow().clone()));
        if let Some(object) = self.object.copy_quickly() {
            self.needs_copy = true;
            return Space {
                object,
                offset: self.offset,
                needs_copy: true,
                model,
            };
        }
        let copy = self
            .object
            .copy_strategically(self.offset, PAGES * PAGE, false)
            .unwrap();
        Space {
            object: copy.object,
            offset: copy.offset,
            needs_copy: copy.needs_copy,
            model,
        }
    }

    /// A second mapping of the same memory.
    fn share(self) -> (Space, Space) {
        let space = self.own();
        space.object.make_shareable();
        let second = Space {
            object: space.object.clone(),
            offset: space.offset,
            needs_copy: false,
            model: space.model.clone(),
        };
        (space, second)
    }
}

fn run(actions: Vec<Action>) {
    let mut spaces = vec![Space::fresh()];
    for action in actions {
        let count = spaces.len();
        match action {
            _ if count == 0 => spaces.push(Space::fresh()),
            Action::Write { space, page, byte } => {
                let space = spaces.swap_remove(space % count);
                spaces.push(space.write(page, byte));
            }
            Action::Read { space, page } => spaces[space % count].check(page),
            Action::Fork { space } => {
                let child = spaces[space % count].fork();
                spaces.push(child);
            }
            Action::Share { space } => {
                let (first, second) = spaces.swap_remove(space % count).share();
                spaces.extend([first, second]);
            }
            Action::Drop { space } => drop(spaces.swap_remove(space % count)),
            Action::PageOut => _ = crate::vm_pageout::scan_once(usize::MAX / 4),
            Action::PushOut { space, first } => {
                let space = &spaces[space % count];
                crate::vm_pageout::push_out(&space.object, space.page(first), space.page(PAGES))
                    .unwrap();
            }
        }
        prim::reaper::quiesce();
        spaces.iter().for_each(|space| space.object.validate());
    }
    for space in &spaces {
        (0..PAGES).for_each(|page| space.check(page));
        assert!(
            space.object.shadow_depth() <= 2 * spaces.len() as u32 + 2,
            "depth is bounded by what lives"
        );
    }
}

/// Once, the chain grew by two objects with each round of sharing, copying and ending.
#[test]
fn a_source_without_users_does_not_stay_below_its_copy() {
    let (fork, share, drop) = (
        |space| Action::Fork { space },
        |space| Action::Share { space },
        |space| Action::Drop { space },
    );
    let round = [share(0), drop(0), fork(0), drop(0)];
    leaves_nothing_behind(|| run(round.iter().cycle().take(40).cloned().collect()));
    let write = Action::Write {
        space: 2,
        page: 0,
        byte: 0,
    };
    let mixed = [
        &round[..],
        &[
            fork(0),
            share(0),
            fork(0),
            drop(2),
            write,
            drop(2),
            fork(0),
            fork(1),
        ],
        &[
            drop(2),
            fork(0),
            drop(3),
            drop(0),
            drop(0),
            fork(0),
            drop(0),
        ],
        &[share(0), drop(0), fork(0), drop(0)],
    ]
    .concat();
    leaves_nothing_behind(|| run(mixed));
}

proptest! {
    #![proptest_config(cases(150))]

    #[test]
    fn every_space_sees_its_own_bytes_through_any_sequence_of_copies(actions in prop::collection::vec(action(), 1..60)) {
        leaves_nothing_behind(|| with_swap(|_| run(actions)));
    }
}

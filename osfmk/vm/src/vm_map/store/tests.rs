//! The store against a naive sorted vector, and the O(log n) promise in nodes visited.

use super::{EntryStore, Found, HoleRequest, Span};
use std::vec::Vec;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Piece {
    start: u64,
    end: u64,
}

impl Span for Piece {
    fn start(&self) -> u64 {
        self.start
    }
    fn end(&self) -> u64 {
        self.end
    }
    fn set_bounds(&mut self, start: u64, end: u64) {
        (self.start, self.end) = (start, end);
    }
}

/// A small generator; the sequence of a seed never changes.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % below
    }
}

/// The naive model: a sorted vector.
#[derive(Default)]
struct Model(Vec<Piece>);

impl Model {
    fn is_free(&self, start: u64, end: u64) -> bool {
        self.0
            .iter()
            .all(|piece| piece.end <= start || end <= piece.start)
    }

    fn insert(&mut self, piece: Piece) {
        self.0.push(piece);
        self.0.sort_by_key(|piece| piece.start);
    }

    fn find_hole(&self, request: HoleRequest) -> Option<u64> {
        let mut candidates = Vec::from([request.from]);
        candidates.extend(
            self.0
                .iter()
                .map(|piece| piece.end)
                .filter(|end| *end >= request.from),
        );
        candidates
            .into_iter()
            .map(|start| (start + request.mask) & !request.mask)
            .filter(|start| {
                start + request.size <= request.limit && self.is_free(*start, start + request.size)
            })
            .min()
    }
}

fn compare(store: &EntryStore<Piece>, model: &Model) {
    store.validate().unwrap();
    assert!(store.iter().copied().eq(model.0.iter().copied()));
}

#[test]
fn random_operations_agree_with_a_sorted_vector() {
    for seed in 1..=8 {
        let mut dice = Dice(seed * 0x0e37_79b9_7f4a_7c15);
        let mut store = EntryStore::new();
        let mut model = Model::default();
        for step in 0..3000 {
            match dice.roll(6) {
                0 | 1 => {
                    let start = dice.roll(2000);
                    let piece = Piece {
                        start,
                        end: start + 1 + dice.roll(6),
                    };
                    assert_eq!(
                        store.is_free(piece.start, piece.end),
                        model.is_free(piece.start, piece.end)
                    );
                    if model.is_free(piece.start, piece.end) {
                        store.reserve(1).unwrap();
                        store.insert(piece);
                        model.insert(piece);
                    }
                }
                2 if !model.0.is_empty() => {
                    let position = dice.roll(model.0.len() as u64) as usize;
                    let piece = model.0.remove(position);
                    let index = store.containing(piece.start).unwrap();
                    assert_eq!(store.remove(index), piece);
                    store.trim();
                }
                3 if !model.0.is_empty() => {
                    let position = dice.roll(model.0.len() as u64) as usize;
                    let floor = if position == 0 {
                        0
                    } else {
                        model.0[position - 1].end
                    };
                    let ceiling = model.0.get(position + 1).map_or(2100, |piece| piece.start);
                    let start = floor + dice.roll(ceiling - floor);
                    let end = start + 1 + dice.roll(ceiling - start);
                    let index = store.containing(model.0[position].start).unwrap();
                    store.set_bounds(index, start, end);
                    model.0[position] = Piece { start, end };
                }
                4 => {
                    let address = dice.roll(2100);
                    let expected = model.0.iter().rev().find(|piece| piece.start <= address);
                    match store.lookup(address) {
                        Found::Inside(index) => {
                            assert!(address < store.get(index).end);
                            assert_eq!(Some(store.get(index)), expected);
                        }
                        Found::After(index) => {
                            assert_eq!(index.map(|index| store.get(index)), expected)
                        }
                    }
                }
                _ => {
                    let request = HoleRequest {
                        from: dice.roll(2000),
                        limit: 2200,
                        size: 1 + dice.roll(40),
                        mask: (1 << dice.roll(5)) - 1,
                    };
                    assert_eq!(
                        store.find_hole(request),
                        model.find_hole(request),
                        "{request:?} at step {step}"
                    );
                }
            }
            if step % 10 == 0 {
                compare(&store, &model);
            }
        }
        compare(&store, &model);
    }
}

#[test]
fn one_hundred_thousand_entries_cost_a_logarithm_each() {
    const COUNT: u64 = 100_000;
    let mut dice = Dice(42);
    let mut store = EntryStore::new();
    let mut places: Vec<u64> = (0..COUNT).map(|place| place * 10).collect();
    for left in (1..places.len()).rev() {
        places.swap(left, dice.roll(left as u64 + 1) as usize);
    }
    store.take_visits();
    for &start in &places {
        store.reserve(1).unwrap();
        store.insert(Piece {
            start,
            end: start + 8,
        });
    }
    let per_insert = store.take_visits() / COUNT;
    assert!(per_insert < 300, "{per_insert} nodes visited per insertion");
    store.validate().unwrap();
    store.take_visits();
    for &start in &places {
        assert!(store.containing(start + 3).is_some());
    }
    let per_lookup = store.take_visits() / COUNT;
    assert!(per_lookup <= 24, "{per_lookup} nodes visited per lookup");
    // One hole of 12 in the middle, everything else too small: the search must go straight to it.
    let middle = store.containing(COUNT / 2 * 10).unwrap();
    store.remove(middle);
    store.take_visits();
    let hole = store
        .find_hole(HoleRequest {
            from: 0,
            limit: u64::MAX,
            size: 12,
            mask: 0,
        })
        .unwrap();
    assert_eq!(hole, (COUNT / 2 - 1) * 10 + 8);
    let search = store.take_visits();
    assert!(
        search < 120,
        "{search} nodes visited in the search for a hole"
    );
    for &start in &places {
        if let Some(index) = store.containing(start) {
            store.remove(index);
        }
    }
    let per_removal = store.take_visits() / COUNT;
    assert!(per_removal < 400, "{per_removal} nodes visited per removal");
    store.validate().unwrap();
    store.trim();
    assert!(
        store.nodes.capacity() <= 128,
        "{} slots kept by an empty store",
        store.nodes.capacity()
    );
}

#[test]
fn a_hole_among_many_is_filled_and_emptied_without_touching_the_whole_path() {
    const COUNT: u64 = 100_000;
    const TURNS: u64 = 1000;
    let mut store = EntryStore::new();
    // In no order: a tree grown in order is full at the bottom, and every new leaf makes all of the path higher.
    for start in (0..COUNT).map(|place| (place * 61_803 % COUNT) * 20) {
        store.reserve(1).unwrap();
        store.insert(Piece {
            start,
            end: start + 10,
        });
    }
    let mut dice = Dice(7);
    store.take_visits();
    for _ in 0..TURNS {
        let start = dice.roll(COUNT) * 20 + 10;
        let end = start + 10;
        assert!(store.is_free(start, end));
        assert!(matches!(store.lookup(start), Found::After(Some(_))));
        store.reserve(1).unwrap();
        store.insert(Piece { start, end });
        let index = store.at_or_after(start).unwrap();
        assert!(store.containing(end - 1).is_some());
        store.remove(index);
    }
    // The way down three times, 17 to 20 nodes each, and few on the way up.
    let per_turn = store.take_visits() / TURNS;
    assert!(per_turn < 220, "{per_turn} nodes visited per turn");
    store.validate().unwrap();
}

#[test]
fn ascending_insertion_stays_balanced() {
    let mut store = EntryStore::new();
    for start in 0..4096 {
        store.reserve(1).unwrap();
        store.insert(Piece {
            start: start * 2,
            end: start * 2 + 1,
        });
    }
    store.validate().unwrap();
    assert!(store.node(store.root).height <= 17);
}

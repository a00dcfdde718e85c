//! The events that are near, in an indexed four-ary heap.

use crate::units::convert::{count_u32, index};

const ARITY: usize = 4;
/// Position of what is not in the heap.
const IDLE: u32 = u32::MAX;

/// When an event is due, where it stands among those of its instant, and which it is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    /// Nanoseconds since the start.
    pub(super) time: u64,
    /// Rank in the upper eight bits, sequence below: one comparison decides both.
    pub(super) order: u64,
    pub(super) slot: u32,
}

impl Entry {
    /// One number to compare by, so that choosing the least of several needs no jump.
    fn key(&self) -> u128 {
        (u128::from(self.time) << 64) | u128::from(self.order)
    }

    fn precedes(&self, other: &Self) -> bool {
        self.key() < other.key()
    }
}

/// Entries by key, and where each stands.
#[derive(Debug, Default)]
pub(super) struct Heap {
    entries: Vec<Entry>,
    /// By slot: its index in `entries`.
    positions: Vec<u32>,
    /// The first entry has come out and nothing has taken its place yet. What follows an event is
    /// mostly another one, which then goes straight there; until then the place has the least key, so
    /// that nothing rises into it.
    vacant: bool,
}

impl Heap {
    /// Makes room for another slot.
    pub(super) fn add_slot(&mut self) {
        self.positions.push(IDLE);
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len() - usize::from(self.vacant)
    }

    pub(super) fn holds(&self, slot: u32) -> bool {
        self.positions[index(slot)] != IDLE
    }

    /// The least entry.
    pub(super) fn first(&mut self) -> Option<Entry> {
        if self.vacant {
            self.vacant = false;
            let last = self.entries.pop().expect("the vacant place is one of them");
            if !self.entries.is_empty() {
                self.drop_to_the_bottom(last);
            }
        }
        self.entries.first().copied()
    }

    /// Takes the least entry out, which [`Heap::first`] has just found.
    pub(super) fn take_first(&mut self) {
        let first = &mut self.entries[0];
        self.positions[index(first.slot)] = IDLE;
        (first.time, first.order) = (0, 0);
        self.vacant = true;
    }

    /// Puts an entry in whose slot is not in it.
    pub(super) fn insert(&mut self, entry: Entry) {
        if self.vacant {
            self.vacant = false;
            self.sink(0, entry);
        } else {
            self.entries.push(entry);
            self.rise(self.entries.len() - 1, entry);
        }
    }

    /// Puts an entry in the place of the one with the same slot.
    pub(super) fn replace(&mut self, entry: Entry) {
        self.put(index(self.positions[index(entry.slot)]), entry);
    }

    /// Takes the entry of a slot out.
    pub(super) fn remove(&mut self, slot: u32) {
        let position = index(std::mem::replace(&mut self.positions[index(slot)], IDLE));
        let last = self.entries.pop().expect("an entry that has a position is in the heap");
        if position < self.entries.len() {
            self.put(position, last);
        }
    }

    /// Puts an entry where another stood, and restores the order.
    fn put(&mut self, position: usize, entry: Entry) {
        if entry.precedes(&self.entries[position]) {
            self.rise(position, entry);
        } else {
            self.sink(position, entry);
        }
    }

    fn place(&mut self, position: usize, entry: Entry) {
        self.entries[position] = entry;
        self.positions[index(entry.slot)] = count_u32(position);
    }

    fn rise(&mut self, mut position: usize, entry: Entry) {
        while position > 0 {
            let parent = (position - 1) / ARITY;
            let above = self.entries[parent];
            if !entry.precedes(&above) {
                break;
            }
            self.place(position, above);
            position = parent;
        }
        self.place(position, entry);
    }

    fn sink(&mut self, mut position: usize, entry: Entry) {
        while let Some((child, below)) = self.least_child(position) {
            if !below.precedes(&entry) {
                break;
            }
            self.place(position, below);
            position = child;
        }
        self.place(position, entry);
    }

    /// Fills the first place with an entry that stood last and so belongs near the bottom: the way down
    /// is not compared with it (Wegener's bottom-up heapsort).
    fn drop_to_the_bottom(&mut self, entry: Entry) {
        let mut position = 0;
        while let Some((child, below)) = self.least_child(position) {
            self.place(position, below);
            position = child;
        }
        self.rise(position, entry);
    }

    fn least_child(&self, position: usize) -> Option<(usize, Entry)> {
        let first = position * ARITY + 1;
        let children = self.entries.get(first..)?;
        if let Some(four) = children.first_chunk::<ARITY>() {
            let left = usize::from(four[1].precedes(&four[0]));
            let right = 2 + usize::from(four[3].precedes(&four[2]));
            let least = if four[right].precedes(&four[left]) { right } else { left };
            return Some((first + least, four[least]));
        }
        let (child, entry) = children.iter().enumerate().min_by_key(|(_, entry)| entry.key())?;
        Some((first + child, *entry))
    }
}

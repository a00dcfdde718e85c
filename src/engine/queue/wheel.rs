//! The events that are farther ahead, by the stretch of time they fall into.
//!
//! A calendar queue (Brown 1988) of fixed stretches: putting an event in is writing two words, whatever
//! the number of events. When a stretch begins, its events go to the heap, which orders them; so the heap
//! stays as small as one stretch.

use crate::engine::queue::heap::Entry;
use crate::units::convert::{count_u32, index, u64_from_usize};

/// Length of a stretch as a power of two of nanoseconds: 8.4 ms.
const SHIFT: u32 = 23;
/// Stretches that the wheel holds: half a minute.
const STRETCHES: usize = 4_096;
const STRETCHES_U64: u64 = 4_096;
const WORD: usize = 64;
/// End of a list.
const NONE: u32 = u32::MAX;

/// What a slot remembers while its event is in the wheel.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Waiting {
    time: u64,
    order: u64,
    next: u32,
}

/// Lists of slots by stretch.
#[derive(Debug)]
pub(super) struct Wheel {
    /// First slot of each stretch; stretch `n` is at `n` modulo their number.
    heads: Vec<u32>,
    /// Which stretches have any, one bit each.
    occupied: [u64; STRETCHES / WORD],
    /// Which words of `occupied` are not zero.
    words: u64,
    /// The first stretch that has any; `u64::MAX` when none has.
    first: u64,
    len: usize,
}

impl Wheel {
    pub(super) fn new() -> Self {
        Self {
            heads: vec![NONE; STRETCHES],
            occupied: [0; STRETCHES / WORD],
            words: 0,
            first: u64::MAX,
            len: 0,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Whether an instant is for the wheel: not in the present stretch, nor too far ahead.
    pub(super) const fn takes(now: u64, time: u64) -> bool {
        let ahead = (time >> SHIFT) - (now >> SHIFT);
        ahead > 0 && ahead < STRETCHES_U64
    }

    /// Puts an entry in that [`Wheel::takes`] says is for it.
    pub(super) fn push<'w>(&mut self, entry: &Entry, waiting: impl FnOnce(u32) -> &'w mut Waiting) {
        let stretch = entry.time >> SHIFT;
        let at = place_of(stretch);
        let Entry { time, order, slot } = *entry;
        *waiting(slot) = Waiting { time, order, next: self.heads[at] };
        self.heads[at] = slot;
        self.occupied[at / WORD] |= 1 << (at % WORD);
        self.words |= 1 << (at / WORD);
        self.first = self.first.min(stretch);
        self.len += 1;
    }

    /// Whether a stretch that has any begins at an instant or before.
    pub(super) const fn is_due(&self, time: u64) -> bool {
        self.first <= time >> SHIFT
    }

    /// Whether nothing is in it.
    pub(super) const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Takes everything of the first stretch out.
    pub(super) fn take_first(
        &mut self,
        waiting: impl Fn(u32) -> Waiting,
        mut take: impl FnMut(Entry),
    ) {
        let at = place_of(self.first);
        let mut slot = std::mem::replace(&mut self.heads[at], NONE);
        while slot != NONE {
            let Waiting { time, order, next } = waiting(slot);
            take(Entry { time, order, slot });
            self.len -= 1;
            slot = next;
        }
        self.occupied[at / WORD] &= !(1 << (at % WORD));
        if self.occupied[at / WORD] == 0 {
            self.words &= !(1 << (at / WORD));
        }
        self.first = self.after(self.first);
    }

    /// The next stretch after one that has any. All are less than a turn ahead.
    fn after(&self, stretch: u64) -> u64 {
        let next = stretch + 1;
        let from = place_of(next);
        let (word, bit) = (from / WORD, from % WORD);
        let here = self.occupied[word] >> bit;
        if here != 0 {
            return next + u64::from(here.trailing_zeros());
        }
        if self.words == 0 {
            return u64::MAX;
        }
        let turned = self.words.rotate_right(count_u32(word + 1));
        let found = (word + 1 + index(turned.trailing_zeros())) % WORD;
        let at = found * WORD + index(self.occupied[found].trailing_zeros());
        let ahead = (at + STRETCHES - from) % STRETCHES;
        next + u64_from_usize(ahead)
    }
}

/// Where the list of a stretch begins.
fn place_of(stretch: u64) -> usize {
    usize::try_from(stretch % STRETCHES_U64).expect("less than the number of stretches")
}

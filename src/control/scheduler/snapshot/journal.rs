//! The journal of pods that came and went, bounded, read from any position.

use crate::control::scheduler::snapshot::{NodeSlot, ShapeId};

/// A pod came to a node or left it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) slot: NodeSlot,
    pub(crate) shape: ShapeId,
    pub(crate) terminating: bool,
    pub(crate) added: bool,
}

/// How many changes are kept. Whoever is further behind counts again from the nodes: by then that
/// costs no more than reading on.
const KEPT: usize = 1 << 16;

/// The latest changes in order.
#[derive(Debug, Clone, Default)]
pub(crate) struct Journal {
    changes: Vec<Change>,
    /// Position of the first change that is kept.
    start: u64,
}

impl Journal {
    pub(super) fn push(&mut self, change: Change) {
        if self.changes.len() >= 2 * KEPT {
            self.changes.drain(..KEPT);
            self.start += u64::try_from(KEPT).expect("a constant that fits");
        }
        self.changes.push(change);
    }

    /// The position after the latest change.
    pub(crate) fn end(&self) -> u64 {
        self.start + u64::try_from(self.changes.len()).expect("a length fits 64 bits")
    }

    /// The changes from a position on, or `None` when some of them are no longer kept.
    pub(crate) fn since(&self, position: u64) -> Option<&[Change]> {
        let skipped = usize::try_from(position.checked_sub(self.start)?).ok()?;
        self.changes.get(skipped..)
    }
}

//! Runs the plugins over a snapshot, and remembers per shape what need not be worked out again.
//!
//! Pods of one shape share everything: the filters and scores that look at one node are remembered
//! until that node changes, and counts over the cluster are kept in step by the snapshot's journal.
//! [`Framework::forget`] drops all memory; decisions are the same with and without.

use crate::control::scheduler::entry::{self, ObjectEntry, RoomEntry, ask_for_the_same};
use crate::control::scheduler::filter::{self, PreFiltered, Refusal, pre_filter};
use crate::control::scheduler::rejection::{Plugin, Rejection};
use crate::control::scheduler::rules::Rules;
use crate::control::scheduler::score::{Candidates, PLUGINS, image_locality};
use crate::control::scheduler::snapshot::{NodeSlot, PodInfo, ShapeId, Snapshot};
use crate::control::scheduler::tables::Tables;

/// The plugins of the default profile over one snapshot.
///
/// A framework belongs to one snapshot for life: it remembers that snapshot's stamps and journal,
/// and a clone of the snapshot goes its own way.
#[derive(Debug, Clone, Default)]
pub struct Framework {
    rules: Vec<Rules>,
    memory: Vec<Memory>,
    /// What is left on the nodes, as pods see it that ask for the same.
    rooms: Vec<Room>,
    /// Which of them the pods of each shape see.
    room_of: Vec<usize>,
    raw: Vec<i64>,
}

/// What is remembered for all shapes that ask for the same as one of them.
#[derive(Debug, Clone)]
struct Room {
    asked_by: ShapeId,
    entries: Vec<RoomEntry>,
}

/// What is remembered for one shape.
#[derive(Debug, Clone, Default)]
struct Memory {
    tables: Tables,
    objects: Vec<ObjectEntry>,
    images: Vec<u8>,
    images_seen: u64,
}

/// What became of the nodes in one search.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Filtered {
    /// Nodes that take the pod, in the order they were examined.
    pub feasible: Vec<NodeSlot>,
    /// Nodes that were examined and do not.
    pub rejected: Vec<(NodeSlot, Rejection)>,
    /// Nodes left out because a PreFilter narrowed the search.
    pub narrowed_out: usize,
    /// The pod was turned down before any node was examined.
    pub refusal: Option<Refusal>,
}

/// Which nodes a search examines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Search {
    /// Where in the list it starts.
    pub start: usize,
    /// `percentageOfNodesToScore`; 0 adapts to the number of nodes.
    pub percentage: i32,
}

impl Search {
    /// Every node, from the first one.
    pub const ALL: Self = Self { start: 0, percentage: 100 };

    /// How many feasible nodes suffice (schedule_one.go `numFeasibleNodesToFind`).
    #[must_use]
    pub fn wanted(self, nodes: usize) -> usize {
        const MINIMUM: usize = 100;
        if nodes < MINIMUM || self.percentage >= 100 {
            return nodes;
        }
        let percentage = match usize::try_from(self.percentage) {
            Ok(0) | Err(_) => 50_usize.saturating_sub(nodes / 125).max(5),
            Ok(given) => given,
        };
        (nodes * percentage / 100).max(MINIMUM)
    }
}

/// One plugin's weighted scores of the feasible nodes.
pub type PluginScores = (Plugin, Vec<i64>);

impl Framework {
    /// A framework that remembers nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Drops all memory, so that the next answers are worked out from the snapshot alone.
    pub fn forget(&mut self) {
        self.memory.clear();
        self.rooms.iter_mut().for_each(|room| room.entries.clear());
    }

    /// Whether one node takes a pod, by all filters.
    ///
    /// # Errors
    /// Why it does not.
    pub fn check(
        &mut self,
        snapshot: &mut Snapshot,
        pod: &PodInfo,
        slot: NodeSlot,
    ) -> Result<(), Rejection> {
        snapshot.nodes();
        let (rules, memory, room) = self.prepare(snapshot, pod.shape);
        let before = pre_filter(snapshot, rules, &memory.tables, pod);
        let before = before.map_err(|refusal| refusal.rejection)?;
        if before.narrowed.as_ref().is_some_and(|narrowed| !narrowed.contains(&slot)) {
            return Err(Rejection::Narrowed);
        }
        let cycle = Cycle::new(snapshot, rules, &memory.tables, before, pod);
        cycle.filter(memory, room, slot).map_or(Ok(()), Err)
    }

    /// The first of these nodes that takes a pod, by all filters, with the number it comes with.
    ///
    /// [`Snapshot::nodes`] must have been called since the last change of nodes.
    pub fn first_fit(
        &mut self,
        snapshot: &Snapshot,
        pod: &PodInfo,
        mut candidates: impl Iterator<Item = (usize, NodeSlot)>,
    ) -> Option<(usize, NodeSlot)> {
        let (rules, memory, room) = self.prepare(snapshot, pod.shape);
        let before = pre_filter(snapshot, rules, &memory.tables, pod).ok()?;
        let narrowed = before.narrowed.clone();
        let cycle = Cycle::new(snapshot, rules, &memory.tables, before, pod);
        candidates.find(|(_, slot)| {
            narrowed.as_ref().is_none_or(|narrowed| narrowed.contains(slot))
                && cycle.filter(memory, room, *slot).is_none()
        })
    }

    /// Looks for nodes that take a pod (schedule_one.go `findNodesThatFitPod`). `known` are answers
    /// for single nodes that were found by other means and stand.
    pub fn find(
        &mut self,
        snapshot: &mut Snapshot,
        pod: &PodInfo,
        search: Search,
        known: &[(NodeSlot, Rejection)],
        found: &mut Filtered,
    ) {
        snapshot.nodes();
        found.feasible.clear();
        found.rejected.clear();
        found.narrowed_out = 0;
        found.refusal = None;
        let (rules, memory, room) = self.prepare(snapshot, pod.shape);
        let before = match pre_filter(snapshot, rules, &memory.tables, pod) {
            Ok(before) => before,
            Err(refusal) => {
                found.refusal = Some(refusal);
                return;
            }
        };
        let all = snapshot.listed();
        let narrowed = before.narrowed.clone();
        let nodes = narrowed.as_deref().unwrap_or(all);
        found.narrowed_out = all.len() - nodes.len();
        let wanted = search.wanted(nodes.len());
        let start = if nodes.is_empty() { 0 } else { search.start % nodes.len() };
        let cycle = Cycle::new(snapshot, rules, &memory.tables, before, pod);
        for slot in nodes[start..].iter().chain(&nodes[..start]) {
            let answered = known.iter().find(|(other, _)| other == slot);
            let rejection = match answered {
                Some((_, rejection)) => Some(*rejection),
                None => cycle.filter(memory, room, *slot),
            };
            if let Some(rejection) = rejection {
                found.rejected.push((*slot, rejection));
                continue;
            }
            found.feasible.push(*slot);
            if found.feasible.len() == wanted {
                break;
            }
        }
    }

    /// Scores feasible nodes, just found, in their order; `detail` receives each plugin's part.
    pub fn score(
        &mut self,
        snapshot: &Snapshot,
        pod: &PodInfo,
        feasible: &[NodeSlot],
        totals: &mut Vec<i64>,
        mut detail: Option<&mut Vec<PluginScores>>,
    ) {
        let mut raw = std::mem::take(&mut self.raw);
        let (rules, memory, room) = self.prepare(snapshot, pod.shape);
        let images_changed = snapshot.images_changed(&rules.shape.images);
        if memory.images_seen != images_changed {
            memory.images = image_locality::all(rules, snapshot);
            memory.images_seen = images_changed;
        }
        let candidates = Candidates {
            snapshot,
            rules,
            tables: &memory.tables,
            objects: &memory.objects,
            rooms: &room.entries,
            images: &memory.images,
            feasible,
        };
        totals.clear();
        totals.resize(feasible.len(), 0);
        for (plugin, weight, score) in PLUGINS {
            raw.clear();
            if !score(&candidates, &mut raw) {
                continue;
            }
            for (total, score) in totals.iter_mut().zip(&raw) {
                *total += weight * score;
            }
            if let Some(detail) = &mut detail {
                detail.push((plugin, raw.iter().map(|score| weight * score).collect()));
            }
        }
        self.raw = raw;
    }

    /// The rules of a shape and what is remembered for it, in step with the snapshot.
    fn prepare(&mut self, snapshot: &Snapshot, shape: ShapeId) -> (&Rules, &mut Memory, &mut Room) {
        self.rules(snapshot);
        if self.memory.len() <= shape.index() {
            self.memory.resize_with(shape.index() + 1, Memory::default);
        }
        let memory = &mut self.memory[shape.index()];
        memory.tables.sync(snapshot, &self.rules, shape);
        if memory.objects.len() < snapshot.slot_count() {
            memory.objects.resize(snapshot.slot_count(), ObjectEntry::default());
        }
        let room = &mut self.rooms[self.room_of[shape.index()]];
        if room.entries.len() < snapshot.slot_count() {
            room.entries.resize(snapshot.slot_count(), RoomEntry::default());
        }
        (&self.rules[shape.index()], memory, room)
    }

    /// The rules of every shape.
    pub(super) fn rules(&mut self, snapshot: &Snapshot) -> &[Rules] {
        for shape in (self.rules.len()..snapshot.shape_count()).map(ShapeId::at) {
            self.rules.push(Rules::of(snapshot, snapshot.shape(shape)));
            let asks = |room: &Room| {
                ask_for_the_same(snapshot.shape(room.asked_by), snapshot.shape(shape))
            };
            let known = self.rooms.iter().position(asks);
            self.room_of.push(known.unwrap_or(self.rooms.len()));
            if known.is_none() {
                self.rooms.push(Room { asked_by: shape, entries: Vec::new() });
            }
        }
        &self.rules
    }
}

/// One pod's pass through the filters.
struct Cycle<'a> {
    snapshot: &'a Snapshot,
    rules: &'a Rules,
    before: PreFiltered,
    pod: &'a PodInfo,
    /// Each node can be answered for by itself.
    node_alone: bool,
}

impl<'a> Cycle<'a> {
    fn new(
        snapshot: &'a Snapshot,
        rules: &'a Rules,
        tables: &Tables,
        before: PreFiltered,
        pod: &'a PodInfo,
    ) -> Self {
        let node_alone = tables.filter_nothing() && pod.claims().is_empty();
        Self { snapshot, rules, before, pod, node_alone }
    }

    #[inline]
    fn filter(&self, memory: &mut Memory, room: &mut Room, slot: NodeSlot) -> Option<Rejection> {
        let Self { snapshot, rules, before, pod, node_alone } = self;
        let stamp = snapshot.stamps()[slot.index()];
        let (object, room) = (&mut memory.objects[slot.index()], &mut room.entries[slot.index()]);
        let rejection = entry::rejection(object, room, rules, stamp, || snapshot.node(slot));
        if *node_alone || rejection.is_some() {
            return rejection;
        }
        filter::cluster(snapshot, rules, &memory.tables, before, pod, slot)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// E15 of the worked cases.
    #[test]
    fn large_clusters_are_sampled() {
        let adaptive = Search { start: 0, percentage: 0 };
        let rows =
            [(99, 99), (100, 100), (250, 120), (1000, 420), (5000, 500), (5625, 281), (6000, 300)];
        for (nodes, wanted) in rows {
            assert_eq!(adaptive.wanted(nodes), wanted, "{nodes} nodes");
        }
        assert_eq!(Search::ALL.wanted(1000), 1000);
    }
}

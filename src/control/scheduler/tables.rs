//! Counts of pods by topology domain, kept in step with the snapshot's journal.
//!
//! Each shape has its own tables: how many pods that its constraints mean are in which domain. A
//! pod that comes or goes changes them by what its own shape means to this one, worked out once per
//! pair of shapes.

use crate::control::scheduler::rules::{Rules, SpreadRule, TermRule};
use crate::control::scheduler::snapshot::{
    Change, KeyId, NO_DOMAIN, NodeInfo, NodeSlot, ShapeId, Snapshot,
};
use crate::units::convert::{count_u32, index};

/// Counts by domain of one topology key.
#[derive(Debug, Clone)]
pub(crate) struct Table {
    /// Domain that counts for each node slot; `NO_DOMAIN` where the node does not count.
    places: Vec<u32>,
    counts: Vec<i64>,
    /// Contributions there are, also those that cancel out.
    entries: i64,
    /// Domains that some counting node lies in.
    present: Vec<u32>,
    /// How many domains any node lies in, nodes without the key being one together.
    in_use: usize,
}

impl Table {
    fn new(snapshot: &Snapshot, places: Vec<u32>, domains: usize) -> Self {
        let mut here = vec![false; domains];
        for slot in snapshot.members() {
            let place = places[slot.index()];
            if place != NO_DOMAIN {
                here[index(place)] = true;
            }
        }
        let present = (0..domains).filter(|domain| here[*domain]).map(count_u32).collect();
        Self { places, counts: vec![0; domains], entries: 0, present, in_use: usize::MAX }
    }

    /// Nodes that carry the key, by their domain.
    fn by_key(snapshot: &Snapshot, key: KeyId) -> Self {
        Self::new(snapshot, snapshot.domains(key).to_vec(), snapshot.domain_count(key))
    }

    /// Every node a domain of its own.
    fn by_node(snapshot: &Snapshot) -> Self {
        let slots = snapshot.slot_count();
        Self::new(snapshot, (0..count_u32(slots)).collect(), slots)
    }

    /// Nodes that `includes` says count, by their domain. A node without the key counts where the
    /// label is empty: kube-scheduler reads a label that is absent as an empty one.
    fn by_key_where(
        snapshot: &Snapshot,
        key: KeyId,
        includes: impl Fn(NodeSlot, &NodeInfo) -> bool,
    ) -> Self {
        let mut places = vec![NO_DOMAIN; snapshot.slot_count()];
        let domains = snapshot.domains(key);
        let blank = snapshot.blank_domain(key).unwrap_or(NO_DOMAIN);
        let domain = |slot: NodeSlot| match domains[slot.index()] {
            NO_DOMAIN => blank,
            domain => domain,
        };
        for slot in snapshot.members() {
            if includes(slot, snapshot.node(slot)) {
                places[slot.index()] = domain(slot);
            }
        }
        let mut in_use: Vec<u32> = snapshot.members().map(domain).collect();
        in_use.sort_unstable();
        in_use.dedup();
        let in_use = in_use.len();
        Self { in_use, ..Self::new(snapshot, places, snapshot.domain_count(key)) }
    }

    fn add(&mut self, slot: NodeSlot, delta: i64, pods: i64) {
        let place = self.places[slot.index()];
        if place != NO_DOMAIN {
            self.counts[index(place)] += pods * delta;
            self.entries += pods;
        }
    }

    /// The count of a domain.
    pub(crate) fn count(&self, domain: u32) -> i64 {
        self.counts[index(domain)]
    }

    /// The counts of all domains.
    pub(crate) fn counts(&self) -> &[i64] {
        &self.counts
    }

    /// Whether anything contributes.
    pub(crate) fn is_touched(&self) -> bool {
        self.entries > 0
    }

    /// How many domains there are among counting nodes.
    pub(crate) fn domains(&self) -> usize {
        self.present.len()
    }

    /// At most so many different domains can be met.
    pub(crate) fn in_use(&self) -> usize {
        self.in_use
    }

    /// The smallest count of a domain among counting nodes.
    pub(crate) fn minimum(&self) -> Option<i64> {
        self.present.iter().map(|domain| self.count(*domain)).min()
    }
}

/// What one more pod of a shape adds to a table.
#[derive(Debug, Clone, Copy)]
struct Effect {
    table: u32,
    delta: i64,
    /// Terminating pods do not count.
    live_only: bool,
}

/// The tables of one shape.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tables {
    all: Vec<Table>,
    hard: usize,
    soft: usize,
    affinity: usize,
    anti_affinity: usize,
    /// Anti-affinity of other pods against this shape, by key.
    existing: Vec<(KeyId, u32)>,
    /// Preferences, in both directions, by key.
    preferences: Vec<(KeyId, u32)>,
    effects: Vec<Option<Box<[Effect]>>>,
    layout: Option<u64>,
    position: u64,
}

impl Tables {
    /// Brings the tables of a shape in step: by the journal if it reaches back far enough and no
    /// node came, went or changed its labels, else by counting anew.
    pub(crate) fn sync(&mut self, snapshot: &Snapshot, rules: &[Rules], own: ShapeId) {
        let changes = snapshot.journal().since(self.position);
        match changes {
            Some(changes) if self.layout == Some(snapshot.layout()) => {
                for change in changes {
                    self.apply(snapshot, rules, own, *change);
                }
            }
            _ => self.rebuild(snapshot, rules, own),
        }
        self.position = snapshot.journal().end();
        self.layout = Some(snapshot.layout());
    }

    /// Counts anew. What the shapes mean to each other stands, and with it which tables there are.
    fn rebuild(&mut self, snapshot: &Snapshot, rules: &[Rules], own: ShapeId) {
        let mine = &rules[own.index()];
        let mut all = spread_tables(snapshot, mine, &mine.hard, true, false);
        all.extend(spread_tables(snapshot, mine, &mine.soft, mine.soft_requires_keys, true));
        let keyed = mine.affinity.iter().chain(&mine.anti_affinity).map(|term| term.key);
        let mut by_others: Vec<(KeyId, u32)> =
            self.existing.iter().chain(&self.preferences).copied().collect();
        by_others.sort_by_key(|(_, table)| *table);
        let keyed = keyed.chain(by_others.into_iter().map(|(key, _)| key));
        all.extend(keyed.map(|key| Table::by_key(snapshot, key)));
        self.all = all;
        (self.hard, self.soft) = (mine.hard.len(), mine.soft.len());
        (self.affinity, self.anti_affinity) = (mine.affinity.len(), mine.anti_affinity.len());
        for other in (0..rules.len()).map(ShapeId::at) {
            let known = self.effects.get(other.index()).and_then(Option::as_deref);
            if known.is_some_and(<[Effect]>::is_empty) {
                continue;
            }
            let mut placements = snapshot.placements(other).peekable();
            if placements.peek().is_none() || self.effects(snapshot, rules, own, other).is_empty() {
                continue;
            }
            for (slot, placed) in placements {
                self.put(slot, other, i64::from(placed.living), false);
                self.put(slot, other, i64::from(placed.terminating), true);
            }
        }
    }

    fn apply(&mut self, snapshot: &Snapshot, rules: &[Rules], own: ShapeId, change: Change) {
        if !self.effects(snapshot, rules, own, change.shape).is_empty() {
            let count = if change.added { 1 } else { -1 };
            self.put(change.slot, change.shape, count, change.terminating);
        }
    }

    /// What one more pod of a shape adds, worked out the first time.
    fn effects(
        &mut self,
        snapshot: &Snapshot,
        rules: &[Rules],
        own: ShapeId,
        other: ShapeId,
    ) -> &[Effect] {
        let other = other.index();
        if self.effects.len() <= other {
            self.effects.resize(rules.len().max(other + 1), None);
        }
        if self.effects[other].is_none() {
            let effects = self.effects_of(snapshot, &rules[own.index()], &rules[other]);
            self.effects[other] = Some(effects.into());
        }
        self.effects[other].as_deref().unwrap_or_default()
    }

    /// So many more pods of a shape whose effects are known, or fewer.
    fn put(&mut self, slot: NodeSlot, shape: ShapeId, count: i64, terminating: bool) {
        let effects = self.effects[shape.index()].as_deref().unwrap_or_default();
        for effect in effects {
            if !(effect.live_only && terminating) {
                self.all[index(effect.table)].add(slot, effect.delta, count);
            }
        }
    }

    /// What a pod of `other` means to pods of `mine`.
    fn effects_of(&mut self, snapshot: &Snapshot, mine: &Rules, other: &Rules) -> Vec<Effect> {
        let around = snapshot.surroundings();
        let mut effects = Vec::new();
        let mut put = |table: usize, delta: i64, live_only: bool| {
            effects.push(Effect { table: count_u32(table), delta, live_only });
        };
        for (position, rule) in mine.hard.iter().chain(&mine.soft).enumerate() {
            if rule.counts(&other.shape) {
                put(position, 1, true);
            }
        }
        let first = self.hard + self.soft;
        if mine.matches_all_affinity(&other.shape, around) {
            (0..self.affinity).for_each(|term| put(first + term, 1, false));
        }
        for (position, term) in mine.anti_affinity.iter().enumerate() {
            if term.matches(&other.shape, around) {
                put(first + self.affinity + position, 1, false);
            }
        }
        for term in other.anti_affinity.iter().filter(|t| t.matches(&mine.shape, around)) {
            put(self.existing_table(snapshot, term.key), 1, false);
        }
        // interpodaffinity/scoring.go `processExistingPod`; required affinity of the other pod
        // weighs `hardPodAffinityWeight`, 1 by default.
        let required = other.affinity.iter().map(|term| (1, term));
        let preferred = other.preferred.iter().map(|(weight, term)| (*weight, term));
        let meant_by_other = required.chain(preferred);
        let meant: Vec<(i64, &TermRule)> =
            meant_by_other.filter(|(_, term)| term.matches(&mine.shape, around)).collect();
        let wanted = mine.preferred.iter().map(|(weight, term)| (*weight, term));
        let wanted = wanted.filter(|(_, term)| term.matches(&other.shape, around));
        for (weight, term) in wanted.chain(meant) {
            put(self.preference_table(snapshot, term.key), weight, false);
        }
        effects
    }

    fn existing_table(&mut self, snapshot: &Snapshot, key: KeyId) -> usize {
        table_of(&mut self.existing, &mut self.all, snapshot, key)
    }

    fn preference_table(&mut self, snapshot: &Snapshot, key: KeyId) -> usize {
        table_of(&mut self.preferences, &mut self.all, snapshot, key)
    }

    /// Whether no filter has anything to count: no hard constraint, no required term of either
    /// side.
    pub(crate) fn filter_nothing(&self) -> bool {
        self.hard + self.affinity + self.anti_affinity + self.existing.len() == 0
    }

    /// One table per hard constraint.
    pub(crate) fn hard(&self) -> &[Table] {
        &self.all[..self.hard]
    }

    /// One table per soft constraint.
    pub(crate) fn soft(&self) -> &[Table] {
        &self.all[self.hard..self.hard + self.soft]
    }

    /// One table per required affinity term: pods that match all of them.
    pub(crate) fn affinity(&self) -> &[Table] {
        let first = self.hard + self.soft;
        &self.all[first..first + self.affinity]
    }

    /// One table per required anti-affinity term.
    pub(crate) fn anti_affinity(&self) -> &[Table] {
        let first = self.hard + self.soft + self.affinity;
        &self.all[first..first + self.anti_affinity]
    }

    /// Anti-affinity of pods that are there against this shape, by key.
    pub(crate) fn existing(&self) -> impl Iterator<Item = (KeyId, &Table)> {
        self.existing.iter().map(|(key, table)| (*key, &self.all[index(*table)]))
    }

    /// Preferences by key.
    pub(crate) fn preferences(&self) -> impl Iterator<Item = (KeyId, &Table)> {
        self.preferences.iter().map(|(key, table)| (*key, &self.all[index(*table)]))
    }
}

fn table_of(
    known: &mut Vec<(KeyId, u32)>,
    all: &mut Vec<Table>,
    snapshot: &Snapshot,
    key: KeyId,
) -> usize {
    if let Some((_, table)) = known.iter().find(|(other, _)| *other == key) {
        return index(*table);
    }
    all.push(Table::by_key(snapshot, key));
    known.push((key, count_u32(all.len() - 1)));
    all.len() - 1
}

/// Which nodes count for a spread constraint: those that have all keys, where keys are required,
/// and that the constraint's policies let in (podtopologyspread/common.go
/// `matchNodeInclusionPolicies`). A soft constraint over host names looks at each node by itself.
fn spread_tables(
    snapshot: &Snapshot,
    mine: &Rules,
    constraints: &[SpreadRule],
    requires_keys: bool,
    soft: bool,
) -> Vec<Table> {
    let has_keys = |slot: NodeSlot| {
        let has = |rule: &SpreadRule| snapshot.domains(rule.key)[slot.index()] != NO_DOMAIN;
        !requires_keys || constraints.iter().all(has)
    };
    let table = |rule: &SpreadRule| {
        if soft && rule.is_hostname {
            return Table::by_node(snapshot);
        }
        Table::by_key_where(snapshot, rule.key, |slot, node| {
            has_keys(slot)
                && (!rule.honors_affinity || mine.node_affinity_matches(node))
                && (!rule.honors_taints || mine.tolerates(&node.taints))
        })
    };
    constraints.iter().map(table).collect()
}

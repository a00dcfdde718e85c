//! The DaemonSet controller: one pod on each node that takes it, and the rolling update.
//!
//! kube-controller-manager, daemon_controller.go `NodeShouldRunDaemonPod`, `podsShouldBeOnNode`,
//! `manage`; daemon/update.go `rollingUpdate`; daemon/util `AddOrUpdateDaemonPodTolerations`.
//! Resources play no part: a pod is made for a node whether it fits or not.

mod live;

use crate::cluster::admission::daemon_tolerations;
use crate::cluster::api::Labels;
use crate::cluster::api::meta::IntOrPercent;
use crate::cluster::api::pod::PodSpec;
use crate::cluster::api::scheduling::{
    NodeSelectorTerm, Taint, TaintEffect, Toleration, node_selector_matches,
};
use crate::cluster::api::workload::DaemonSetRollingUpdate;
use crate::cluster::pod::PodPhase;
use crate::model::id::{NodeId, PodId};
use crate::units::convert::count_i32;
use crate::units::{SimDuration, SimTime};

pub use live::{Status, look, reconcile, status};

/// Pods made, and pods deleted, in one synchronisation at most (daemon_controller.go
/// `BurstReplicas`).
pub const BURST: usize = 250;

/// First and longest wait before a failed pod of a node is deleted again
/// (daemon_controller.go, `failedPodsBackoff`).
pub const FAILED_PODS_BACKOFF: (SimDuration, SimDuration) =
    (SimDuration::from_secs(1), SimDuration::from_secs(15 * 60));

/// A node as the controller sees it.
#[derive(Debug, Clone, Copy)]
pub struct NodeSeen<'a> {
    /// Which.
    pub node: NodeId,
    /// Its name.
    pub name: &'a str,
    /// Its labels.
    pub labels: &'a Labels,
    /// Its taints, that of a cordon among them.
    pub taints: &'a [Taint],
}

/// A pod as the controller sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PodSeen<'a> {
    /// Which.
    pub pod: PodId,
    /// Its name, which decides between pods of one age.
    pub name: &'a str,
    /// The node that it is meant for, which may be gone.
    pub node: NodeId,
    /// Whether it is bound to that node yet.
    pub scheduled: bool,
    /// Whether it is of the present template.
    pub updated: bool,
    /// `status.phase`.
    pub phase: PodPhase,
    /// Last transition of the Ready condition, when it is True.
    pub ready_since: Option<SimTime>,
    /// `metadata.creationTimestamp`.
    pub created: SimTime,
    /// Whether its deletion began.
    pub terminating: bool,
    /// Whether it failed and its node is in back-off.
    pub in_backoff: bool,
}

/// What the controller looks at in one synchronisation.
#[derive(Debug, Clone, Copy)]
pub struct Observation<'a> {
    /// Now.
    pub now: SimTime,
    /// The present template's pod spec as written.
    pub template: &'a PodSpec,
    /// `spec.minReadySeconds`.
    pub min_ready: SimDuration,
    /// `spec.updateStrategy`; `None` is OnDelete.
    pub rolling_update: Option<DaemonSetRollingUpdate>,
    /// All nodes, in the order in which a choice takes them.
    pub nodes: &'a [NodeSeen<'a>],
    /// All pods of the set.
    pub pods: &'a [PodSeen<'a>],
}

/// Whether a node takes the set's pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fit {
    /// A pod is to be there.
    pub should_run: bool,
    /// A pod that is there may stay.
    pub should_continue: bool,
}

/// What one synchronisation comes to. The real controller takes the choices in the random order of
/// a map; whoever carries them out here takes the first ones, which are those of the lowest names.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[must_use]
pub struct Sync {
    /// Nodes that get a pod, for certain.
    pub create: Vec<NodeId>,
    /// Pods that are deleted, for certain.
    pub delete: Vec<PodId>,
    /// Nodes of which some get a pod, and how many.
    pub create_some: Choice<NodeId>,
    /// Pods of which some are deleted, and how many.
    pub delete_some: Choice<PodId>,
    /// Whether this is the rolling update's work; it waits until the nodes are as they should be.
    pub by_update: bool,
    /// `status.desiredNumberScheduled`.
    pub desired: i32,
    /// `maxSurge` in pods.
    pub max_surge: i32,
    /// `maxUnavailable` in pods.
    pub max_unavailable: i32,
}

/// So many of these.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice<T> {
    /// How many; fewer than there are to choose from, or none.
    pub count: usize,
    /// To choose from.
    pub from: Vec<T>,
}

impl<T> Default for Choice<T> {
    fn default() -> Self {
        Self { count: 0, from: Vec::new() }
    }
}

impl<T: Copy> Choice<T> {
    /// One more of these; whoever takes the first ones takes one of each.
    fn add_one_of(&mut self, more: &[T]) {
        self.from.extend(more);
        let first = self.from.len() - more.len();
        self.from[self.count..=first].rotate_right(1);
        self.count += 1;
    }
}

impl Sync {
    /// All nodes that get a pod now, choices taken, at most a burst.
    pub fn creations(&self) -> impl Iterator<Item = NodeId> {
        let chosen = self.create_some.from.iter().take(self.create_some.count);
        self.create.iter().chain(chosen).copied().take(BURST)
    }

    /// All pods that are deleted now, choices taken, at most a burst.
    pub fn deletions(&self) -> impl Iterator<Item = PodId> {
        let chosen = self.delete_some.from.iter().take(self.delete_some.count);
        self.delete.iter().chain(chosen).copied().take(BURST)
    }

    fn is_idle(&self) -> bool {
        self.create.is_empty() && self.delete.is_empty() && self.delete_some.count == 0
    }
}

/// Synchronises a DaemonSet: pods where they should be, and when they are, the rolling update.
pub fn sync(seen: &Observation<'_>) -> Sync {
    let pods = pods_by_node(seen);
    let work = Work { seen, places: places(seen, &pods) };
    let runs = |place: &&Place<'_>| place.fit.is_some_and(|fit| fit.should_run);
    let desired = count_i32(work.places.iter().filter(runs).count());
    let (max_surge, max_unavailable) = limits(seen.rolling_update, desired);
    let mut sync = Sync { desired, max_surge, max_unavailable, ..Sync::default() };
    work.manage(&mut sync);
    if sync.is_idle() && seen.rolling_update.is_some() {
        sync.by_update = true;
        if max_surge == 0 {
            work.update_in_place(&mut sync);
        } else {
            work.update_by_surge(&mut sync);
        }
    }
    sync
}

/// Whether a node takes the set's pod, now and if it were there already.
#[must_use]
pub fn fit(template: &PodSpec, tolerations: &[Toleration], node: &NodeSeen<'_>) -> Fit {
    let named = template.node_name.as_deref().is_none_or(|name| name == node.name);
    let wanted = template
        .affinity
        .node_required
        .as_ref()
        .is_none_or(|terms| terms.iter().any(|term| term_matches(term, node)));
    let selected = named && wanted && node_selector_matches(&template.node_selector, node.labels);
    let tolerates = |effects: &[TaintEffect]| {
        let mut taints = node.taints.iter().filter(|taint| effects.contains(&taint.effect));
        taints.all(|taint| tolerations.iter().any(|toleration| toleration.tolerates(taint)))
    };
    Fit {
        should_run: selected && tolerates(&[TaintEffect::NoSchedule, TaintEffect::NoExecute]),
        should_continue: selected && tolerates(&[TaintEffect::NoExecute]),
    }
}

fn term_matches(term: &NodeSelectorTerm, node: &NodeSeen<'_>) -> bool {
    let stated = !term.match_expressions.is_empty() || !term.match_fields.is_empty();
    let label = |key: &str| node.labels.get(key).map(|value| &**value);
    let field = |key: &str| (key == "metadata.name").then_some(node.name);
    stated
        && term.match_expressions.iter().all(|wanted| wanted.matches_value(label(&wanted.key)))
        && term.match_fields.iter().all(|wanted| wanted.matches_value(field(&wanted.key)))
}

/// `maxSurge` and `maxUnavailable` in pods; both percentages are rounded up, unlike a Deployment's.
fn limits(rolling_update: Option<DaemonSetRollingUpdate>, desired: i32) -> (i32, i32) {
    let scaled = |of: fn(DaemonSetRollingUpdate) -> IntOrPercent| {
        rolling_update.map_or(0, |update| of(update).scaled(desired, true))
    };
    let (surge, unavailable) = (scaled(|it| it.max_surge), scaled(|it| it.max_unavailable));
    let impossible = desired > 0 && surge == 0 && unavailable == 0;
    (surge, if impossible { 1 } else { unavailable })
}

/// The pods, those of a node together; ended ones that are being deleted do not count.
fn pods_by_node<'a>(seen: &Observation<'a>) -> Vec<&'a PodSeen<'a>> {
    let counts = |pod: &&PodSeen<'_>| {
        let ended = matches!(pod.phase, PodPhase::Succeeded | PodPhase::Failed);
        !(ended && pod.terminating)
    };
    let mut pods: Vec<&PodSeen<'_>> = seen.pods.iter().filter(counts).collect();
    pods.sort_by_key(|pod| pod.node);
    pods
}

/// A node and the pods that are meant for it.
struct Place<'a> {
    node: NodeId,
    /// `None` when the node is gone.
    fit: Option<Fit>,
    pods: &'a [&'a PodSeen<'a>],
}

/// The nodes in their order, then those that are gone and have pods still.
fn places<'a>(seen: &Observation<'a>, pods: &'a [&'a PodSeen<'a>]) -> Vec<Place<'a>> {
    let tolerations = daemon_tolerations(seen.template);
    let ids = seen.nodes.iter().map(|node| node.node).chain(pods.last().map(|pod| pod.node));
    let mut by_id: Vec<&[&PodSeen<'_>]> =
        vec![&[]; ids.map(|id| id.index() + 1).max().unwrap_or(0)];
    for group in pods.chunk_by(|one, other| one.node == other.node) {
        by_id[group[0].node.index()] = group;
    }
    let mut places: Vec<Place<'_>> = Vec::with_capacity(seen.nodes.len());
    for node in seen.nodes {
        let fit = Some(fit(seen.template, &tolerations, node));
        let pods = std::mem::take(&mut by_id[node.node.index()]);
        places.push(Place { node: node.node, fit, pods });
    }
    // What was not taken belongs to nodes that are gone.
    let left = by_id.into_iter().filter(|pods| !pods.is_empty());
    places.extend(left.map(|pods| Place { node: pods[0].node, fit: None, pods }));
    places
}

struct Work<'a> {
    seen: &'a Observation<'a>,
    places: Vec<Place<'a>>,
}

/// The one pod of the present and the one of an older template on a node.
type NewAndOld<'a> = (Option<&'a PodSeen<'a>>, Option<&'a PodSeen<'a>>);

impl<'a> Work<'a> {
    fn is_available(&self, pod: &PodSeen<'_>) -> bool {
        let min_ready = self.seen.min_ready;
        pod.ready_since
            .is_some_and(|since| min_ready.is_zero() || since + min_ready <= self.seen.now)
    }

    fn allows_surge(&self) -> bool {
        self.seen.rolling_update.is_some_and(|update| update.max_surge.scaled(1, true) > 0)
    }

    /// Pods where they are missing; none where they should not be; one where there are several.
    fn manage(&self, sync: &mut Sync) {
        for place in &self.places {
            match place.fit {
                None => {
                    let unbound = place.pods.iter().filter(|pod| !pod.scheduled);
                    sync.delete.extend(unbound.map(|pod| pod.pod));
                }
                Some(fit) if place.pods.is_empty() => {
                    if fit.should_run {
                        sync.create.push(place.node);
                    }
                }
                Some(fit) if fit.should_continue => {
                    self.manage_node(place.node, place.pods, fit.should_run, sync);
                }
                Some(_) => {
                    let living = place.pods.iter().filter(|pod| !pod.terminating);
                    sync.delete.extend(living.map(|pod| pod.pod));
                }
            }
        }
    }

    fn manage_node(
        &self,
        node: NodeId,
        pods: &[&'a PodSeen<'a>],
        should_run: bool,
        sync: &mut Sync,
    ) {
        let (mut running, mut failed) = (Vec::new(), Vec::new());
        for pod in pods.iter().copied().filter(|pod| !pod.terminating) {
            match pod.phase {
                PodPhase::Failed if pod.in_backoff => {}
                PodPhase::Failed => failed.push(pod.pod),
                PodPhase::Succeeded => sync.delete.push(pod.pod),
                PodPhase::Pending | PodPhase::Running => running.push(pod),
            }
        }
        match failed[..] {
            [] => {}
            [one] => sync.delete.push(one),
            // The first of them starts the back-off of the node, and the others wait for it.
            [_, _, ..] => sync.delete_some.add_one_of(&failed),
        }
        running.sort_by_key(|pod| (!pod.scheduled, pod.created, pod.name));
        if !self.allows_surge() {
            sync.delete.extend(running.iter().skip(1).map(|pod| pod.pod));
        } else if running.is_empty() {
            if should_run {
                sync.create.push(node);
            }
        } else if running.len() > 1 {
            self.keep_new_and_old(&running, sync);
        }
    }

    /// With surge, the oldest of each template stay, until the new one is available or when the old
    /// one is of no use.
    fn keep_new_and_old(&self, running: &[&PodSeen<'_>], sync: &mut Sync) {
        let oldest = |updated| running.iter().find(|pod| pod.updated == updated);
        let (new, old) = (oldest(true), oldest(false));
        for pod in running {
            let kept = [new, old].into_iter().flatten().any(|kept| kept.pod == pod.pod);
            if !kept {
                sync.delete.push(pod.pod);
            }
        }
        if let (Some(new), Some(old)) = (new, old)
            && (old.ready_since.is_none() || self.is_available(new))
        {
            sync.delete.push(old.pod);
        }
    }

    /// The nodes in the order of choices: those that have pods or should have one.
    fn nodes_to_update(&self) -> impl Iterator<Item = &Place<'a>> {
        let runs = |place: &Place<'_>| place.fit.is_some_and(|fit| fit.should_run);
        self.places.iter().filter(move |place| !place.pods.is_empty() || runs(place))
    }

    /// The pods that are not terminating, unless there are two of a kind.
    fn new_and_old(pods: &[&'a PodSeen<'a>]) -> Option<NewAndOld<'a>> {
        let (mut new, mut old) = (None, None);
        for &pod in pods.iter().filter(|pod| !pod.terminating) {
            let place = if pod.updated { &mut new } else { &mut old };
            if place.replace(pod).is_some() {
                return None;
            }
        }
        Some((new, old))
    }

    /// Without surge: old pods that are not available are replaced freely and count; available ones
    /// as far as `maxUnavailable` allows.
    fn update_in_place(&self, sync: &mut Sync) {
        let mut unavailable = 0;
        let mut candidates = Vec::new();
        for place in self.nodes_to_update() {
            match Self::new_and_old(place.pods) {
                Some((Some(new), None)) => {
                    if !self.is_available(new) {
                        unavailable += 1;
                    }
                }
                Some((None, Some(old))) if self.is_available(old) => candidates.push(old.pod),
                Some((None, Some(old))) => {
                    unavailable += 1;
                    sync.delete.push(old.pod);
                }
                None | Some((None, None) | (Some(_), Some(_))) => unavailable += 1,
            }
        }
        let room = sync.max_unavailable - unavailable;
        choose(room, candidates, &mut sync.delete, &mut sync.delete_some);
    }

    /// With surge: a new pod is made beside an old one, which goes when the new one is available.
    /// Old pods on nodes that would not get one any more go as far as enough others are available.
    fn update_by_surge(&self, sync: &mut Sync) {
        let (mut surge, mut available) = (0, 0);
        let (mut candidates, mut misplaced) = (Vec::new(), Vec::new());
        for &Place { node, fit, pods } in self.nodes_to_update() {
            let Some((new, old)) = Self::new_and_old(pods) else {
                surge += 1;
                continue;
            };
            if old.or(new).is_some_and(|pod| self.is_available(pod)) {
                available += 1;
            }
            let should_run = fit.is_some_and(|fit| fit.should_run);
            match (new, old) {
                (_, None) => {}
                // The node is gone and its pod not yet: the real controller gives up with an error.
                (None, Some(_)) if fit.is_none() => {
                    (sync.create, sync.delete) = (Vec::new(), Vec::new());
                    return;
                }
                (None, Some(old)) => match (self.is_available(old), should_run) {
                    (true, true) => candidates.push(node),
                    (true, false) => misplaced.push(old.pod),
                    (false, true) => sync.create.push(node),
                    (false, false) => sync.delete.push(old.pod),
                },
                (Some(new), Some(old)) if self.is_available(new) => sync.delete.push(old.pod),
                (Some(_), Some(_)) => surge += 1,
            }
        }
        choose(sync.max_surge - surge, candidates, &mut sync.create, &mut sync.create_some);
        choose(available - sync.desired, misplaced, &mut sync.delete, &mut sync.delete_some);
    }
}

/// Takes all candidates for certain when there is room for them, else leaves a choice.
fn choose<T>(room: i32, candidates: Vec<T>, certain: &mut Vec<T>, some: &mut Choice<T>) {
    let count = usize::try_from(room).unwrap_or_default();
    if count >= candidates.len() {
        certain.extend(candidates);
    } else if count > 0 {
        *some = Choice { count, from: candidates };
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn of_two_failed_pods_of_a_node_one_waits_for_the_back_off() {
        let mut some = Choice::default();
        some.add_one_of(&[PodId(1), PodId(2), PodId(3)]);
        some.add_one_of(&[PodId(8), PodId(9)]);
        assert_eq!((some.count, &some.from[..2]), (2, &[PodId(1), PodId(8)][..]));
        let labels = Labels::new();
        let node = NodeSeen { node: NodeId(0), name: "n", labels: &labels, taints: &[] };
        let failed = |id: u32| PodSeen {
            pod: PodId(id),
            name: "p",
            node: NodeId(0),
            scheduled: true,
            updated: true,
            phase: PodPhase::Failed,
            ready_since: None,
            created: SimTime::ZERO,
            terminating: false,
            in_backoff: false,
        };
        let got = sync(&Observation {
            now: SimTime::from_secs(60),
            template: &PodSpec::default(),
            min_ready: SimDuration::ZERO,
            rolling_update: None,
            nodes: &[node],
            pods: &[failed(4), failed(5)],
        });
        assert_eq!(got.deletions().collect::<Vec<_>>(), [PodId(4)]);
        assert_eq!(got.delete_some, Choice { count: 1, from: vec![PodId(4), PodId(5)] });
    }

    #[test]
    fn a_choice_is_taken_from_its_beginning_and_a_burst_is_limited() {
        let some = Choice { count: 2, from: vec![PodId(5), PodId(6), PodId(7)] };
        let sync = Sync { delete: vec![PodId(1)], delete_some: some, ..Sync::default() };
        assert_eq!(sync.deletions().collect::<Vec<_>>(), [PodId(1), PodId(5), PodId(6)]);
        let many = Sync { create: (0..1000).map(NodeId).collect(), ..Sync::default() };
        assert_eq!(many.creations().count(), BURST);
    }

    #[test]
    fn a_cordoned_or_silent_node_keeps_its_daemons_and_an_affinity_term_must_state_something() {
        let taint = |key: &str, effect| Taint { key: Arc::from(key), value: Arc::from(""), effect };
        let taints = [
            taint("node.kubernetes.io/unschedulable", TaintEffect::NoSchedule),
            taint("node.kubernetes.io/unreachable", TaintEffect::NoExecute),
        ];
        let labels = Labels::new();
        let node = NodeSeen { node: NodeId(0), name: "n", labels: &labels, taints: &taints };
        let mut template = PodSpec::default();
        let fits = |template: &PodSpec| fit(template, &daemon_tolerations(template), &node);
        assert_eq!(fits(&template), Fit { should_run: true, should_continue: true });
        template.affinity.node_required = Some(vec![NodeSelectorTerm::default()]);
        assert_eq!(fits(&template), Fit { should_run: false, should_continue: false });
    }
}

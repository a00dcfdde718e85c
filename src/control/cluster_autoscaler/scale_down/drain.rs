//! Evicting the pods of a node and waiting for them to go (core/scaledown/actuation/drain.go,
//! priority.go).

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::super::cloud::{Cloud, Command};
use super::super::observation::{Observation, Pod};
use super::super::options::Options;
use crate::model::id::{NodeId, PodId};
use crate::units::{SimDuration, SimTime};

const RETRY: SimDuration = SimDuration::from_secs(10);
const POLL: SimDuration = SimDuration::from_secs(5);
const HEADROOM: SimDuration = SimDuration::from_secs(30);

/// The eviction API's answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EvictionAnswer {
    /// The pod goes, or is gone.
    Accepted,
    /// Not now (429).
    Refused,
}

/// A drain under way.
#[derive(Debug, Clone)]
pub(crate) struct Drain {
    node: NodeId,
    waves: VecDeque<Wave>,
    phase: Phase,
}

/// Pods that are evicted together.
#[derive(Debug, Clone, Default)]
struct Wave {
    /// Longest grace period (s); 0 is no limit.
    grace: u64,
    /// The drain fails when one of them cannot be evicted.
    all: Vec<Arc<Pod>>,
    /// They are tried.
    best_effort: Vec<Arc<Pod>>,
}

#[derive(Debug, Clone)]
enum Phase {
    /// The next wave has not begun.
    Begin,
    /// Evictions are asked for.
    Evicting { began: SimTime, open: BTreeMap<PodId, Option<SimTime>>, failed: Vec<PodId> },
    /// All were accepted; the pods are waited for.
    Vanishing { began: SimTime, next: SimTime },
}

/// How a drain stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Progress {
    /// Not done.
    Waiting,
    /// All pods are gone.
    Done,
    /// Evictions of these pods were refused for too long.
    Refused(Vec<PodId>),
    /// These pods did not go.
    Remained(Vec<PodId>),
}

impl Drain {
    /// The drain of a node with these pods; `empty` is for nodes on which only pods of DaemonSets
    /// are left, which are evicted as well as possible.
    pub(crate) fn new(node: NodeId, pods: &[Arc<Pod>], empty: bool, options: &Options) -> Self {
        let daemons_by_default = if empty {
            options.daemonset_eviction_for_empty_nodes
        } else {
            options.daemonset_eviction_for_occupied_nodes
        };
        let mut waves = waves(options);
        for pod in pods.iter().filter(|pod| !pod.is_mirror()) {
            let wave = &mut waves[wave_of(pod, options)];
            if !pod.is_daemon() {
                if !empty {
                    wave.all.push(Arc::clone(pod));
                }
            } else if evicts_daemon(pod, daemons_by_default) {
                if options.drain_priority_config.is_empty() || empty {
                    wave.best_effort.push(Arc::clone(pod));
                } else {
                    wave.all.push(Arc::clone(pod));
                }
            }
        }
        waves.retain(|wave| !(wave.all.is_empty() && wave.best_effort.is_empty()));
        Self { node, waves: waves.into(), phase: Phase::Begin }
    }

    /// Goes on as far as possible.
    pub(crate) fn step(
        &mut self,
        seen: &Observation,
        options: &Options,
        cloud: &mut Cloud,
    ) -> Progress {
        loop {
            let Some(wave) = self.waves.front() else {
                return Progress::Done;
            };
            let next = match &mut self.phase {
                Phase::Begin => {
                    let pods = wave.all.iter().chain(&wave.best_effort);
                    let open = pods.map(|pod| (pod.id, Some(seen.now))).collect();
                    Some(Phase::Evicting { began: seen.now, open, failed: Vec::new() })
                }
                Phase::Evicting { began, open, failed } => {
                    let until = *began + options.max_pod_eviction_time;
                    failed.extend(give_up(wave, open, *began, until, seen.now));
                    ask(self.node, wave, open, seen.now, cloud);
                    if !open.is_empty() {
                        return Progress::Waiting;
                    }
                    if !failed.is_empty() {
                        return Progress::Refused(std::mem::take(failed));
                    }
                    Some(Phase::Vanishing { began: seen.now, next: seen.now })
                }
                Phase::Vanishing { began, next } => {
                    if *next > seen.now {
                        return Progress::Waiting;
                    }
                    let left = remaining(self.node, wave, seen);
                    let longest = SimDuration::from_secs(wave.grace) + HEADROOM;
                    if seen.now.since(*began) >= longest {
                        // Too late even when they went since the last look.
                        return Progress::Remained(left);
                    } else if left.is_empty() {
                        None
                    } else {
                        *next = seen.now + POLL;
                        return Progress::Waiting;
                    }
                }
            };
            if next.is_none() {
                self.waves.pop_front();
            }
            self.phase = next.unwrap_or(Phase::Begin);
        }
    }

    /// When it is to go on without an answer.
    pub(crate) fn due(&self) -> Option<SimTime> {
        match &self.phase {
            Phase::Begin => Some(SimTime::ZERO),
            Phase::Evicting { open, .. } if open.is_empty() => Some(SimTime::ZERO),
            Phase::Evicting { open, .. } => open.values().copied().flatten().min(),
            Phase::Vanishing { next, .. } => Some(*next),
        }
    }

    /// Takes an answer in; false when the pod was not asked for.
    pub(crate) fn answered(&mut self, pod: PodId, answer: EvictionAnswer, now: SimTime) -> bool {
        let Phase::Evicting { open, .. } = &mut self.phase else {
            return false;
        };
        if open.get(&pod) != Some(&None) {
            return false;
        }
        match answer {
            EvictionAnswer::Accepted => {
                open.remove(&pod);
            }
            // Given up only after the pause, as upstream sleeps before it looks at the clock.
            EvictionAnswer::Refused => {
                open.insert(pod, Some(now + RETRY));
            }
        }
        true
    }
}

/// Drops evictions whose time is over; returns those without which the drain fails.
fn give_up(
    wave: &Wave,
    open: &mut BTreeMap<PodId, Option<SimTime>>,
    began: SimTime,
    until: SimTime,
    now: SimTime,
) -> Vec<PodId> {
    if now < until || now == began {
        return Vec::new();
    }
    let over: Vec<PodId> = open
        .iter()
        .filter(|(_, due)| due.is_some_and(|due| due <= now))
        .map(|(pod, _)| *pod)
        .collect();
    open.retain(|pod, _| !over.contains(pod));
    over.into_iter().filter(|pod| wave.all.iter().any(|other| other.id == *pod)).collect()
}

/// Asks for evictions that are due. `None` stands for an answer that is awaited.
fn ask(
    node: NodeId,
    wave: &Wave,
    open: &mut BTreeMap<PodId, Option<SimTime>>,
    now: SimTime,
    cloud: &mut Cloud,
) {
    for pod in wave.all.iter().chain(&wave.best_effort) {
        let Some(due) = open.get_mut(&pod.id).filter(|due| due.is_some_and(|due| due <= now))
        else {
            continue;
        };
        let own = pod.template.spec.termination_grace;
        let most = SimDuration::from_secs(wave.grace);
        let grace = if wave.grace > 0 { own.min(most) } else { own };
        cloud.api(Command::Evict { pod: pod.id, node, grace });
        *due = None;
    }
}

/// Evicted pods that are still on the node.
fn remaining(node: NodeId, wave: &Wave, seen: &Observation) -> Vec<PodId> {
    let there = |pod: &Arc<Pod>| seen.pods.iter().any(|p| p.id == pod.id && p.node == Some(node));
    wave.all.iter().filter(|pod| there(pod)).map(|pod| pod.id).collect()
}

/// One wave, or one for each configured priority, in ascending order.
fn waves(options: &Options) -> Vec<Wave> {
    let mut graces: Vec<(i32, u64)> = options.drain_priority_config.clone();
    graces.sort_by_key(|(priority, _)| *priority);
    if graces.is_empty() {
        graces.push((i32::MAX, options.max_graceful_termination_sec));
    }
    graces.into_iter().map(|(_, grace)| Wave { grace, ..Wave::default() }).collect()
}

/// The wave of a pod: that of its priority, or the next lower one configured.
fn wave_of(pod: &Pod, options: &Options) -> usize {
    let mut priorities: Vec<i32> =
        options.drain_priority_config.iter().map(|(priority, _)| *priority).collect();
    priorities.sort_unstable();
    let above = priorities.partition_point(|priority| *priority <= pod.priority_or_zero());
    above.saturating_sub(1)
}

fn evicts_daemon(pod: &Pod, by_default: bool) -> bool {
    let own = pod.annotation("cluster-autoscaler.kubernetes.io/enable-ds-eviction");
    own.map_or(by_default, |value| value == "true")
}

//! Preemption: which pods of lower priority must go so that a pod finds room.
//!
//! Source: plugins/defaultpreemption/default_preemption.go and framework/preemption/preemption.go.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use crate::cluster::Budget;
use crate::control::scheduler::diagnosis::{count, histogram};
use crate::control::scheduler::framework::{Filtered, Framework};
use crate::control::scheduler::nomination::Nominations;
use crate::control::scheduler::rejection::Rejection;
use crate::control::scheduler::snapshot::{NodeSlot, PodInfo, Snapshot};
use crate::model::id::PodId;
use crate::units::SimTime;

const NOT_HELPFUL: &str = "Preemption is not helpful for scheduling";
const NO_VICTIMS: &str = "No preemption victims found for incoming pod";
const NEVER: &str = "not eligible due to preemptionPolicy=Never.";
const WAITS: &str = "not eligible due to a terminating pod on the nominated node.";

/// At least so many candidates are looked for (apis/config/v1/defaults.go
/// `SetDefaults_DefaultPreemptionArgs`), or this share of the nodes if that is more.
const MINIMUM_CANDIDATES: usize = 100;
const MINIMUM_PERCENTAGE: usize = 10;

/// A node and the pods that must go from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Where the pod is to go.
    pub slot: NodeSlot,
    /// Who must go, the most important first.
    pub victims: Vec<PodId>,
    /// How many of them a disruption budget would protect.
    pub violations: usize,
    /// The highest priority among them, the sum over them, and when the earliest started of those
    /// with the highest priority started.
    cost: Cost,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Cost {
    highest: i32,
    sum: i64,
    earliest_start: SimTime,
}

/// What preemption looks at.
pub(crate) struct Preemption<'a> {
    pub(crate) framework: &'a mut Framework,
    pub(crate) snapshot: &'a mut Snapshot,
    pub(crate) nominations: &'a Nominations,
    pub(crate) budgets: &'a [Budget],
    pub(crate) pod: &'a PodInfo,
}

/// A pod that would have to go, and what decides in which order.
#[derive(Debug, Clone)]
struct Potential {
    pod: PodInfo,
    priority: i32,
}

impl Potential {
    /// Pods that have not started yet count as started now: after all others.
    fn started(&self) -> SimTime {
        self.pod.started.map_or(SimTime::MAX, SimTime::floor_to_second)
    }
}

impl Preemption<'_> {
    /// Finds the node where preemption does the least harm.
    ///
    /// # Errors
    /// kube-scheduler's words when there is none.
    pub(crate) fn run(
        &mut self,
        found: &Filtered,
        offset: impl FnOnce(usize) -> usize,
    ) -> Result<Candidate, String> {
        self.eligible(found)?;
        let nodes = self.snapshot.node_count();
        let might_help: Vec<NodeSlot> = found
            .rejected
            .iter()
            .filter(|(_, rejection)| !rejection.is_unresolvable())
            .map(|(slot, _)| *slot)
            .collect();
        let (candidates, refused) = self.candidates(&might_help, offset);
        if let Some(best) = pick(candidates) {
            return Ok(best);
        }
        Err(self.words(nodes, might_help.len(), &refused))
    }

    fn eligible(&self, found: &Filtered) -> Result<(), String> {
        let shape = self.snapshot.shape(self.pod.shape);
        if shape.template.spec.never_preempts {
            return Err(NEVER.to_owned());
        }
        let Some(slot) = self.nominations.slot_of(self.snapshot, self.pod.id) else {
            return Ok(());
        };
        let rejection = found.rejected.iter().find(|(other, _)| *other == slot);
        if rejection.is_some_and(|(_, rejection)| rejection.is_unresolvable()) {
            return Ok(());
        }
        let leaving = self.snapshot.node(slot).pods.iter().any(|other| {
            other.terminating
                && self.nominations.is_victim(other.id)
                && self.snapshot.shape(other.shape).priority() < shape.priority()
        });
        if leaving { Err(WAITS.to_owned()) } else { Ok(()) }
    }

    /// Tries nodes from a random one on, until there are enough candidates and one of them breaks
    /// no budget (`DryRunPreemption`). `None` among the refusals is a node without victims.
    fn candidates(
        &mut self,
        nodes: &[NodeSlot],
        offset: impl FnOnce(usize) -> usize,
    ) -> (Vec<Candidate>, BTreeMap<Option<Rejection>, usize>) {
        let mut refused = BTreeMap::new();
        let own = self.snapshot.shape(self.pod.shape).priority();
        if nodes.is_empty() {
            return (Vec::new(), refused);
        }
        if self.snapshot.lowest_priority().is_none_or(|lowest| lowest >= own) {
            refused.insert(None, nodes.len());
            return (Vec::new(), refused);
        }
        let share = nodes.len() * MINIMUM_PERCENTAGE / 100;
        let wanted = share.max(MINIMUM_CANDIDATES).min(nodes.len());
        let start = offset(nodes.len()) % nodes.len();
        let mut candidates: Vec<Candidate> = Vec::new();
        for slot in nodes[start..].iter().chain(&nodes[..start]) {
            match self.dry_run(*slot) {
                Ok(candidate) => candidates.push(candidate),
                Err(why) => *refused.entry(why).or_insert(0) += 1,
            }
            let clean = candidates.iter().any(|candidate| candidate.violations == 0);
            if clean && candidates.len() >= wanted {
                break;
            }
        }
        (candidates, refused)
    }

    /// Who must go from one node (`SelectVictimsOnNode`): everyone of lower priority goes, then as
    /// many as possible come back, those first whose budget would be broken.
    fn dry_run(&mut self, slot: NodeSlot) -> Result<Candidate, Option<Rejection>> {
        let own = self.snapshot.shape(self.pod.shape).priority();
        let mut potential: Vec<Potential> = self
            .snapshot
            .node(slot)
            .pods
            .iter()
            .map(|pod| Potential {
                pod: pod.clone(),
                priority: self.snapshot.shape(pod.shape).priority(),
            })
            .filter(|potential| potential.priority < own)
            .collect();
        if potential.is_empty() {
            return Err(None);
        }
        self.snapshot.fork();
        for victim in &potential {
            self.snapshot.remove_pod(slot, victim.pod.id);
        }
        let outcome = match self.check(slot) {
            Err(rejection) => Err(Some(rejection)),
            Ok(()) => {
                potential.sort_by_key(|victim| (Reverse(victim.priority), victim.started()));
                Ok(self.reprieve(slot, potential))
            }
        };
        self.snapshot.revert();
        outcome
    }

    fn reprieve(&mut self, slot: NodeSlot, potential: Vec<Potential>) -> Candidate {
        let (violating, others) = self.split_by_budgets(potential);
        let mut victims = Vec::new();
        let mut violations = 0;
        let guarded = violating.into_iter().map(|victim| (true, victim));
        for (violates, victim) in guarded.chain(others.into_iter().map(|victim| (false, victim))) {
            self.snapshot.add_pod(slot, victim.pod.clone());
            if self.check(slot).is_err() {
                self.snapshot.remove_pod(slot, victim.pod.id);
                violations += usize::from(violates);
                victims.push(victim);
            }
        }
        victims.sort_by_key(|victim| (Reverse(victim.priority), victim.started()));
        let highest = victims.first().map_or(i32::MIN, |victim| victim.priority);
        let with_highest = victims.iter().filter(|victim| victim.priority == highest);
        let cost = Cost {
            highest,
            // Shifted so that no priority is negative: more victims always cost more.
            sum: victims.iter().map(|v| i64::from(v.priority) + (1 << 31)).sum(),
            earliest_start: with_highest.map(Potential::started).min().unwrap_or(SimTime::MAX),
        };
        let victims = victims.iter().map(|victim| victim.pod.id).collect();
        Candidate { slot, victims, violations, cost }
    }

    /// Pods whose going would break a budget, and the others. Unlike for the eviction API an empty
    /// selector selects nothing here (`filterPodsWithPDBViolation`).
    fn split_by_budgets(&self, potential: Vec<Potential>) -> (Vec<Potential>, Vec<Potential>) {
        let mut allowed: Vec<i32> =
            self.budgets.iter().map(|budget| budget.status.disruptions_allowed).collect();
        potential.into_iter().partition(|victim| {
            let shape = self.snapshot.shape(victim.pod.shape);
            let mut violates = false;
            for (budget, allowed) in self.budgets.iter().zip(&mut allowed) {
                let selects = budget.spec.meta.namespace == shape.namespace
                    && !shape.labels.is_empty()
                    && budget.spec.selector.as_ref().is_some_and(|selector| {
                        !selector.is_empty() && selector.matches(&shape.labels)
                    });
                if selects && !budget.disrupted.contains_key(&victim.pod.id) {
                    *allowed -= 1;
                    violates |= *allowed < 0;
                }
            }
            violates
        })
    }

    fn check(&mut self, slot: NodeSlot) -> Result<(), Rejection> {
        self.nominations.check(self.framework, self.snapshot, self.pod, slot)
    }

    fn words(
        &self,
        nodes: usize,
        tried: usize,
        refused: &BTreeMap<Option<Rejection>, usize>,
    ) -> String {
        let by_rejection: BTreeMap<Rejection, usize> =
            refused.iter().filter_map(|(why, nodes)| Some(((*why)?, *nodes))).collect();
        let mut counts = count(&by_rejection, self.snapshot.shape(self.pod.shape));
        if let Some(nodes) = refused.get(&None) {
            counts.insert(NO_VICTIMS.to_owned(), *nodes);
        }
        if nodes > tried {
            counts.insert(NOT_HELPFUL.to_owned(), nodes - tried);
        }
        histogram(nodes, &counts)
    }
}

/// `pickOneNodeForPreemption`: fewest broken budgets, then the least important most important
/// victim, the smallest sum, the fewest victims, the latest start.
fn pick(candidates: Vec<Candidate>) -> Option<Candidate> {
    let order = |candidate: &Candidate| {
        let cost = candidate.cost;
        let count = candidate.victims.len();
        (candidate.violations, cost.highest, cost.sum, count, Reverse(cost.earliest_start))
    };
    candidates.into_iter().min_by_key(order)
}

#[cfg(test)]
mod tests;

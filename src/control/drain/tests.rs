//! Drains against budgets, second by second.

use std::collections::BTreeMap;

use super::*;
use crate::cluster::api::budget::Allowance;
use crate::cluster::api::meta::IntOrPercent;
use crate::cluster::pod::PodPhase;
use crate::control::disruption::{self, Observation, Owner, OwnerKind, Owners, StoredStatus};
use crate::control::eviction::{self, BudgetSeen, Effect, Request};
use crate::model::id::BudgetId;

/// Pods of one budget; an evicted one is gone after 5 s.
struct World {
    budget: StoredStatus,
    allowance: Allowance,
    ready: BTreeMap<PodId, bool>,
    gone_at: BTreeMap<PodId, SimTime>,
    /// How many budgets select each pod.
    budgets: usize,
    granted: Vec<(u64, PodId)>,
    refusals: Vec<(u64, PodId)>,
}

struct NoOwners;

impl Owners for NoOwners {
    type Ref = ();

    fn kind(&self, (): ()) -> OwnerKind {
        OwnerKind::Scalable
    }

    fn find(&self, (): ()) -> Option<Owner<()>> {
        None
    }
}

impl World {
    fn new(pods: u32, min_available: i32) -> Self {
        Self {
            budget: StoredStatus::default(),
            allowance: Allowance::MinAvailable(IntOrPercent::Int(min_available)),
            ready: (0..pods).map(|pod| (PodId(pod), true)).collect(),
            gone_at: BTreeMap::new(),
            budgets: 1,
            granted: Vec::new(),
            refusals: Vec::new(),
        }
    }

    fn second(&mut self, now: SimTime) {
        let gone = |pod: &PodId| self.gone_at.get(pod).is_some_and(|&at| at <= now);
        self.ready.retain(|pod, _| !gone(pod));
        let pods: Vec<disruption::PodSeen<'_, ()>> = self
            .ready
            .iter()
            .map(|(&pod, &ready)| disruption::PodSeen {
                pod,
                name: "pod",
                ready,
                terminating: self.gone_at.contains_key(&pod),
                owner: None,
            })
            .collect();
        let sync = disruption::sync(&Observation {
            now,
            allowance: Some(self.allowance),
            generation: 1,
            status: &self.budget,
            pods: &pods,
            owners: &NoOwners,
        });
        self.budget = sync.write.unwrap_or_else(|| self.budget.clone());
    }

    fn evict(&mut self, now: SimTime, pod: PodId) -> Option<Refusal> {
        let seconds = now.as_nanos() / 1_000_000_000;
        let seen = eviction::PodSeen {
            pod,
            phase: PodPhase::Running,
            ready: self.ready[&pod],
            scheduled: true,
            grace: SimDuration::from_secs(30),
            deletion: None,
        };
        let budget = BudgetSeen {
            budget: BudgetId(0),
            name: "pdb",
            generation: 1,
            always_allow_unhealthy: false,
            status: &self.budget,
        };
        match eviction::evict(now, Request::default(), &seen, &vec![budget; self.budgets]) {
            Ok(granted) => {
                assert!(matches!(granted.effect, Effect::Terminates(_)));
                let (_, status) = granted.spent.expect("the budget paid");
                self.budget = status;
                self.gone_at.insert(pod, now + SimDuration::from_secs(5));
                self.granted.push((seconds, pod));
                None
            }
            Err(refusal) => {
                self.refusals.push((seconds, pod));
                Some(refusal)
            }
        }
    }

    /// Does what a drain of one node with these pods asks for at this instant.
    fn serve(&mut self, now: SimTime, drain: &mut Drain, pods: &[PodSeen]) -> Step {
        loop {
            match drain.next(now) {
                Step::Cordon(_) => {}
                Step::List(_) => drain.listed(now, pods),
                Step::Evict(pod) => {
                    let refusal = self.evict(now, pod);
                    drain.evicted(now, pod, refusal.as_ref());
                }
                Step::Delete(pod) => drain.evicted(now, pod, None),
                Step::Look(pod) => drain.looked(now, pod, !self.ready.contains_key(&pod)),
                step @ (Step::WaitUntil(_) | Step::Finished) => return step,
            }
        }
    }
}

fn pod(id: u32) -> PodSeen {
    PodSeen {
        pod: PodId(id),
        controller: Controller::Other,
        ended: false,
        has_empty_dir: false,
        deletion: None,
    }
}

fn drain(spec: DrainSpec, node: u32) -> Drain {
    Drain::new(spec, vec![NodeId(node)])
}

/// E28 of the worked cases.
#[test]
fn two_drains_share_one_budget_and_retry_every_five_seconds() {
    let mut world = World::new(5, 3);
    let mut drains = [drain(DrainSpec::default(), 0), drain(DrainSpec::default(), 1)];
    let pods = [[pod(0), pod(1)], [pod(2), pod(3)]];
    for second in 0..40 {
        let now = SimTime::from_secs(second);
        if second == 12 {
            world.ready.extend([(PodId(10), true), (PodId(11), true)]);
        }
        world.second(now);
        for (drain, pods) in drains.iter_mut().zip(&pods) {
            let _ = world.serve(now, drain, pods);
        }
        if second == 7 {
            let waiting: Vec<_> = drains[1].refused().map(|it| (it.pod, it.since)).collect();
            assert_eq!(waiting, [(PodId(2), SimTime::ZERO), (PodId(3), SimTime::ZERO)]);
        }
    }
    let granted: Vec<(u64, u32)> = world.granted.iter().map(|(at, pod)| (*at, pod.0)).collect();
    assert_eq!(granted, [(0, 0), (0, 1), (15, 2), (15, 3)]);
    let refused: Vec<u64> = world.refusals.iter().map(|(at, _)| *at).collect();
    assert_eq!(refused, [0, 0, 5, 5, 10, 10]);
    assert!(drains[1].outcomes()[0].failures.is_empty());
    assert_eq!(drains[1].outcomes()[0].ended, SimTime::from_secs(20));
}

/// E29, as kubectl sees it.
#[test]
fn several_budgets_fail_a_pod_at_once_and_the_node_after_the_others() {
    let mut world = World { budgets: 2, ..World::new(2, 1) };
    let mut drain = drain(DrainSpec::default(), 0);
    world.second(SimTime::ZERO);
    let step = world.serve(SimTime::ZERO, &mut drain, &[pod(0)]);
    assert_eq!(step, Step::Finished);
    let failures = &drain.outcomes()[0].failures;
    assert_eq!(failures[..], [(PodId(0), Failure::Refused(Refusal::SeveralBudgets))]);
}

#[test]
fn a_budget_that_never_allows_is_refused_until_the_timeout() {
    let mut world = World::new(2, 2);
    let timeout = Some(SimDuration::from_secs(12));
    let mut drain = drain(DrainSpec { timeout, ..DrainSpec::default() }, 0);
    let mut ended = None;
    for second in 0..40 {
        let now = SimTime::from_secs(second);
        world.second(now);
        if world.serve(now, &mut drain, &[pod(0)]) == Step::Finished {
            ended = ended.or(Some(second));
        }
    }
    assert_eq!((ended, world.refusals.len()), (Some(12), 3));
    let message = "The disruption budget pdb needs 2 healthy pods and has 2 currently";
    let failure = Failure::TimedOutRefused { message: Arc::from(message) };
    assert_eq!(drain.outcomes()[0].failures, [(PodId(0), failure)]);
    let wanted = Remedy::NeverAtThisSize { expected: 2, desired: 2 };
    assert_eq!(remedy(Some(world.allowance), &world.budget), wanted);
}

#[test]
fn filters_skip_pass_or_stop() {
    let now = SimTime::from_secs(100);
    let strict = DrainSpec {
        ignore_daemon_sets: false,
        delete_empty_dir_data: false,
        ..DrainSpec::default()
    };
    let daemon = PodSeen { controller: Controller::DaemonSet, ..pod(1) };
    let scratch = PodSeen { has_empty_dir: true, ..pod(2) };
    let bare = PodSeen { controller: Controller::Nobody, ..pod(3) };
    let is_static = PodSeen { controller: Controller::Kubelet, ..pod(4) };
    let ended = PodSeen { ended: true, ..bare };
    let rows = [
        (DrainSpec::default(), daemon, None),
        (strict, daemon, Some(Failure::DaemonSet)),
        (DrainSpec::default(), scratch, None),
        (strict, scratch, Some(Failure::EmptyDir)),
        (DrainSpec::default(), bare, Some(Failure::Uncontrolled)),
        (DrainSpec { force: true, ..strict }, bare, None),
        (strict, ended, None),
        (strict, is_static, None),
    ];
    for (spec, seen, failure) in rows {
        let mut drain = drain(spec, 0);
        drain.listed(now, &[pod(0), seen]);
        let mut stopped = Vec::new();
        if drain.cordoned == 0 {
            assert_eq!(drain.next(now), Step::Cordon(NodeId(0)));
        }
        if drain.next(now) == Step::Finished {
            stopped.clone_from(&drain.outcomes()[0].failures);
        }
        let wanted: Vec<_> = failure.into_iter().map(|failure| (seen.pod, failure)).collect();
        assert_eq!(stopped, wanted, "{seen:?}");
    }
}

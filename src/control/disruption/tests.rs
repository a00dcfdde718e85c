//! Budgets and evictions in worked cases.

use super::*;
use crate::cluster::api::meta::IntOrPercent::{Int, Percent};
use crate::cluster::pod::PodPhase;
use crate::control::eviction::{self, BudgetSeen, Effect, Refusal, Request};
use crate::model::id::BudgetId;

/// One owner of all pods.
struct OneOwner(OwnerKind, i32);

impl Owners for OneOwner {
    type Ref = ();

    fn kind(&self, (): ()) -> OwnerKind {
        self.0
    }

    fn find(&self, (): ()) -> Option<Owner<()>> {
        Some(Owner { replicas: self.1, controller: None })
    }
}

fn pods(ready: &[bool]) -> Vec<PodSeen<'static, ()>> {
    let pod = |(index, &ready): (usize, &bool)| PodSeen {
        pod: PodId::at(index),
        name: "pod",
        ready,
        terminating: false,
        owner: Some(()),
    };
    ready.iter().enumerate().map(pod).collect()
}

fn at(seconds: u64) -> SimTime {
    SimTime::from_secs(seconds)
}

/// The status after a look at these pods.
fn look(
    now: u64,
    allowance: Allowance,
    owner: &OneOwner,
    ready: &[bool],
    before: &StoredStatus,
) -> (StoredStatus, Option<SimDuration>) {
    let sync = sync(&Observation {
        now: at(now),
        allowance: Some(allowance),
        generation: 1,
        status: before,
        pods: &pods(ready),
        owners: owner,
    });
    (sync.write.unwrap_or_else(|| before.clone()), sync.recheck)
}

fn status(allowance: Allowance, replicas: i32, ready: &[bool]) -> StoredStatus {
    let owner = OneOwner(OwnerKind::Scalable, replicas);
    look(0, allowance, &owner, ready, &StoredStatus::default()).0
}

/// The answer to the eviction of a running pod.
fn evict(status: &StoredStatus, ready: bool, always: bool) -> Result<StoredStatus, Refusal> {
    evict_in(PodPhase::Running, status, ready, always)
}

fn evict_in(
    phase: PodPhase,
    status: &StoredStatus,
    ready: bool,
    always: bool,
) -> Result<StoredStatus, Refusal> {
    let pod = eviction::PodSeen {
        pod: PodId(0),
        phase,
        ready,
        scheduled: true,
        grace: SimDuration::from_secs(30),
        deletion: None,
    };
    let budget = BudgetSeen {
        budget: BudgetId(0),
        name: "pdb",
        generation: 1,
        always_allow_unhealthy: always,
        status,
    };
    let granted = eviction::evict(at(0), Request::default(), &pod, &[budget])?;
    assert!(matches!(granted.effect, Effect::Terminates(_)));
    Ok(granted.spent.map_or_else(|| status.clone(), |(_, status)| status))
}

/// E24 and E25 of the worked cases: rounding, and pods beyond the wanted number.
#[test]
fn both_percentages_round_up_and_a_surge_does_not_count_as_expected() {
    use Allowance::{MaxUnavailable, MinAvailable};
    let rows = [
        (MinAvailable(Percent(50)), 7, 7, 4, 3),
        (MaxUnavailable(Percent(30)), 7, 7, 4, 3),
        (MaxUnavailable(Percent(1)), 1, 1, 0, 1),
        (MinAvailable(Percent(1)), 1, 1, 1, 0),
        (MaxUnavailable(Int(1)), 4, 5, 3, 2),
        (MinAvailable(Percent(75)), 4, 5, 3, 2),
    ];
    for (allowance, replicas, ready, desired, allowed) in rows {
        let figures = status(allowance, replicas, &vec![true; ready]).figures;
        let got = (figures.desired_healthy, figures.disruptions_allowed);
        assert_eq!(got, (desired, allowed), "{allowance:?} of {replicas}");
    }
}

/// E26.
#[test]
fn a_singleton_that_crashes_cannot_be_evicted_unless_unhealthy_pods_always_may() {
    let stored = status(Allowance::MaxUnavailable(Int(1)), 1, &[false]);
    assert_eq!(stored.figures.disruptions_allowed, 0);
    assert_eq!(evict(&stored, false, false).map_err(|refusal| refusal.code()), Err(429));
    assert_eq!(evict(&stored, false, true), Ok(stored.clone()));
    // A pod that does not run yet serves nobody, and goes whatever its budget says.
    assert_eq!(evict_in(PodPhase::Pending, &stored, false, false), Ok(stored));
}

/// E27.
#[test]
fn an_unready_pod_goes_for_free_while_the_others_suffice() {
    let enough = status(Allowance::MinAvailable(Int(2)), 3, &[true, true, false]);
    assert_eq!(evict(&enough, false, false), Ok(enough.clone()));
    assert_eq!(evict(&enough, true, false).map_err(|refusal| refusal.code()), Err(429));
    let short = status(Allowance::MinAvailable(Int(2)), 3, &[true, false, false]);
    assert_eq!(evict(&short, false, false).map_err(|refusal| refusal.code()), Err(429));
}

/// E30.
#[test]
fn an_approved_eviction_that_is_not_carried_out_lapses_after_two_minutes() {
    let allowance = Allowance::MinAvailable(Int(1));
    let owner = OneOwner(OwnerKind::Scalable, 2);
    let spent = evict(&status(allowance, 2, &[true, true]), true, false).expect("one may go");
    let (mut stored, recheck) = look(1, allowance, &owner, &[true, true], &spent);
    assert_eq!(recheck, Some(SimDuration::from_secs(119)));
    for (now, allowed) in [(60, 0), (119, 0), (120, 1)] {
        stored = look(now, allowance, &owner, &[true, true], &stored).0;
        assert_eq!(stored.figures.disruptions_allowed, allowed, "after {now} s");
    }
}

/// E31.
#[test]
fn pods_of_a_job_can_only_be_counted_against_a_whole_number() {
    let job = OneOwner(OwnerKind::Unscalable { resource: "jobs.batch" }, 0);
    let none = StoredStatus::default();
    let (share, _) = look(0, Allowance::MinAvailable(Percent(50)), &job, &[true; 3], &none);
    let condition = share.condition.expect("a failed look is written");
    assert_eq!(condition.message(), "jobs.batch does not implement the scale subresource");
    let (whole, _) = look(0, Allowance::MinAvailable(Int(1)), &job, &[true; 3], &none);
    assert_eq!((whole.figures.expected_pods, whole.figures.disruptions_allowed), (3, 2));
}

/// Sums of `spec.replicas` wrap around as the int32 values of the real controller do; a budget over
/// more pods than that allows nothing.
#[test]
fn sizes_beyond_32_bits_wrap() {
    struct Two;
    impl Owners for Two {
        type Ref = u8;
        fn kind(&self, _: u8) -> OwnerKind {
            OwnerKind::Scalable
        }
        fn find(&self, _: u8) -> Option<Owner<u8>> {
            Some(Owner { replicas: i32::MAX, controller: None })
        }
    }
    let pod = |owner: u8| PodSeen {
        pod: PodId(u32::from(owner)),
        name: "pod",
        ready: true,
        terminating: false,
        owner: Some(owner),
    };
    let cases = [
        (Allowance::MaxUnavailable(Int(1)), (-2, 0)),
        (Allowance::MinAvailable(Percent(50)), (-2, -1)),
    ];
    for (allowance, figures) in cases {
        let sync = sync(&Observation {
            now: at(0),
            allowance: Some(allowance),
            generation: 1,
            status: &StoredStatus::default(),
            pods: &[pod(0), pod(1)],
            owners: &Two,
        });
        let status = sync.write.expect("the first look is written").figures;
        assert_eq!((status.expected_pods, status.desired_healthy), figures);
        assert_eq!(status.disruptions_allowed, 0);
    }
}

/// apiserver registry/rest/delete.go `BeforeDelete`: a deletion under way is only shortened, not into
/// the past, and one that has no grace left ends with the next request, whatever that asks for.
#[test]
fn a_deletion_under_way_is_shortened_or_ended() {
    let deleting = |deadline, grace| eviction::PodSeen {
        pod: PodId(0),
        phase: PodPhase::Running,
        ready: true,
        scheduled: true,
        grace: SimDuration::from_secs(30),
        deletion: Some(eviction::PendingDeletion {
            deadline: at(deadline),
            grace: SimDuration::from_secs(grace),
        }),
    };
    let ends = |deadline, grace| {
        let grace = SimDuration::from_secs(grace);
        Effect::Terminates(eviction::PendingDeletion { deadline: at(deadline), grace })
    };
    let cases = [
        (130, 30, None, Effect::Unchanged),
        (130, 30, Some(30), Effect::Unchanged),
        (130, 30, Some(10), ends(110, 10)),
        (120, 30, Some(1), ends(105, 1)),
        (120, 30, Some(0), Effect::Gone),
        (100, 0, None, Effect::Gone),
        (100, 0, Some(60), Effect::Gone),
    ];
    for (deadline, grace, asked, expected) in cases {
        let asked = asked.map(SimDuration::from_secs);
        let pod = deleting(deadline, grace);
        assert_eq!(
            eviction::delete(at(105), asked, &pod),
            expected,
            "{deadline} {grace} {asked:?}"
        );
    }
}

//! A history keeps what changed, counts what repeats, and remembers lives.

use super::*;
use crate::model::action::PodDeletion;
use crate::model::id::{PoolId, WorkloadId};
use crate::model::record::HpaCondition;

fn history(keep: Keep) -> History {
    let names = Names {
        workloads: vec![Arc::from("gateway")],
        pools: vec![Arc::from("general")],
        hpas: vec![Arc::from("gateway")],
        ..Names::default()
    };
    History::with_names(names, SimTime::from_secs(60), keep)
}

fn sync(desired: i32, proposal: i32, reason: &str) -> Record {
    let limited =
        HpaCondition { kind: Arc::from("ScalingLimited"), status: true, reason: Arc::from(reason) };
    Record::HpaSynced(
        HpaId(0),
        Box::new(HpaSync {
            current: desired,
            desired,
            proposal: Some(proposal),
            conditions: vec![limited],
            ..HpaSync::default()
        }),
    )
}

#[test]
fn syncs_that_say_the_same_are_one_entry_with_the_newest_figures() {
    let mut history = history(Keep::Changes);
    let mut tell = |secs, record| history.record(SimTime::from_secs(secs), record);
    tell(15, sync(20, 21, "TooManyReplicas"));
    tell(30, sync(20, 25, "TooManyReplicas"));
    // Other voices between do not break the run.
    tell(31, Record::PodGone(PodId(9)));
    tell(45, sync(20, 22, "TooManyReplicas"));
    tell(60, sync(20, 18, "DesiredWithinRange"));
    let syncs: Vec<_> = history.all_syncs(HpaId(0)).collect();
    assert_eq!(syncs.len(), 2);
    let (entry, sync) = syncs[0];
    assert_eq!((entry.first, entry.last), (SimTime::from_secs(15), SimTime::from_secs(45)));
    assert_eq!((entry.count, sync.proposal, entry.proposals), (3, Some(22), Some((21, 25))));
    assert_eq!(history.syncs(HpaId(0), SimTime::from_secs(50), SimTime::MAX).count(), 1);
}

#[test]
fn everything_is_kept_when_asked() {
    let mut history = history(Keep::Everything);
    for secs in 0..10 {
        history.record(SimTime::from_secs(secs), sync(20, 21, "TooManyReplicas"));
    }
    assert_eq!(history.entries().len(), 10);
}

#[test]
fn lives_are_told_by_name() {
    let mut history = history(Keep::Changes);
    let secs = SimTime::from_secs;
    let (pod, node) = (PodId(0), NodeId(0));
    let message: Arc<str> = Arc::from("0/1 nodes are available: 1 Insufficient cpu.");
    let refused = Record::PodUnschedulable { pod, message: Arc::clone(&message) };
    let name = Arc::from("gateway-7");
    history.record(secs(0), Record::PodCreated { pod, workload: WorkloadId(0), name });
    history.record(secs(1), refused.clone());
    history.record(secs(10), refused);
    history.record(secs(10), Record::NodeRequested { node, pool: PoolId(0) });
    history.record(secs(70), Record::NodeBecameReady(node));
    let waited = SimDuration::from_secs(71);
    history.record(secs(71), Record::PodBound { pod, node, waited });
    history.record(secs(83), Record::PodImagesPulled { pod, took: SimDuration::from_secs(12) });
    history.record(secs(90), Record::PodBecameReady(pod));
    history.record(secs(95), Record::PodBecameUnready(pod));
    history.record(secs(97), Record::PodBecameReady(pod));
    history.record(secs(99), Record::PodTerminating { pod, because: PodDeletion::ScaleDown });
    let life = history.pod_named("gateway-7").expect("it was told of");
    assert_eq!(life.unschedulable, [Refusal { first: secs(1), last: secs(10), count: 2, message }]);
    assert_eq!(life.bound, Some((secs(71), node)));
    assert_eq!(life.pulled, Some((secs(83), SimDuration::from_secs(12))));
    assert_eq!(life.ready, Some(secs(90)));
    assert_eq!(life.unready, [(secs(95), Some(secs(97)))]);
    assert_eq!(life.terminating, Some((secs(99), PodDeletion::ScaleDown)));
    let node = history.node_named("general-1").expect("it was told of");
    assert_eq!((node.requested, node.ready), (secs(10), Some(secs(70))));
}

//! consolidation-ca and consolidation-karpenter: one day, two ways to give nodes back.

use super::*;

static CA: LazyLock<Seen> = LazyLock::new(|| witness(shipped("consolidation-ca", 60), true));
static KARPENTER: LazyLock<Seen> =
    LazyLock::new(|| witness(shipped("consolidation-karpenter", 60), true));

/// Nodes that Karpenter takes away, with instant and reason.
fn disrupted() -> Vec<(SimTime, NodeId, &'static str)> {
    let of = |(at, record): (SimTime, &Record)| match record {
        Record::NodeDisrupted { node, because } => Some((at, *node, *because)),
        _ => None,
    };
    KARPENTER.records().filter_map(of).collect()
}

fn evicted(seen: &Seen, because: PodDeletion) -> impl Iterator<Item = (&PodLife, SimTime)> {
    let of = move |pod: &PodLife| pod.terminating.filter(|(_, why)| *why == because);
    seen.history.pods().filter_map(move |pod| of(pod).map(|(at, _)| (pod, at)))
}

#[test]
fn both_days_obey_the_laws() {
    for seen in [&*CA, &*KARPENTER] {
        seen.assert_conserved();
        seen.assert_little();
    }
}

#[test]
fn the_cluster_autoscaler_takes_a_node_ten_minutes_after_its_need() {
    let mut taken = 0;
    for (at, record) in CA.records() {
        if let Record::Decided { reason: Reason::ScaleDown { unneeded_since, .. }, .. } = record {
            taken += 1;
            assert!(at.since(*unneeded_since) >= minutes(10), "{record:?}");
        }
    }
    assert!(taken > 0, "the evening needs fewer nodes");
    assert_eq!(evicted(&CA, PodDeletion::NodeDisruption).count(), 0);
}

#[test]
fn karpenter_moves_pods_only_when_their_new_node_is_there() {
    let taken = disrupted();
    assert!(taken.iter().any(|(.., because)| *because == "Underutilized"), "{taken:?}");
    for (pod, at) in evicted(&KARPENTER, PodDeletion::NodeDisruption) {
        let (_, node) = pod.bound.expect("it ran");
        let of = |(when, which, _): &&(SimTime, NodeId, &str)| *which == node && *when <= at;
        assert!(taken.iter().find(of).is_some(), "{} leaves a node that stays", pod.name);
    }
    // Fifteen seconds lie between the plan and the deed, and a budget of a tenth holds for each pool.
    for (at, node, because) in &taken {
        let pool = KARPENTER.scenario.pools[KARPENTER.node(*node).pool.index()].node_pool.clone();
        let same = |other: &&(SimTime, NodeId, &str)| {
            let id = KARPENTER.node(other.1).pool;
            KARPENTER.scenario.pools[id.index()].node_pool == pool
        };
        let at_once = taken.iter().filter(same).filter(|(when, ..)| when == at).count();
        assert!(at_once <= 2, "{at_once} nodes of {pool:?} at {at} ({because})");
    }
}

#[test]
fn karpenter_pays_less_for_the_quiet_that_follows() {
    let rate = |seen: &Seen| -> f64 {
        let samples = seen.measured.series().pools.iter().filter_map(|pool| pool.last());
        let paid = samples.filter_map(|sample| sample.paid_per_hour);
        paid.map(|paid| paid.to_string().parse::<f64>().expect("an amount is a number")).sum()
    };
    let (ca, karpenter) = (rate(&CA), rate(&KARPENTER));
    assert!(karpenter < 0.9 * ca, "{karpenter} an hour, {ca} with the autoscaler");
    let failed = |seen: &Seen| seen.measured.calls().ends.total();
    assert!(failed(&CA) > 0 && failed(&KARPENTER) > 0);
}

//! drain, night and zone-outage: nodes that go, by hand, by the autoscaler and by accident.

use super::*;

#[test]
fn an_eviction_is_refused_while_the_budget_says_0_and_goes_on_when_it_does_not() {
    let refused: Vec<(SimTime, PodId)> = DRAIN
        .records()
        .filter_map(|(at, record)| match record {
            Record::EvictionRefused {
                pod, reason: Reason::BudgetRefused { budget, .. }, ..
            } => (DRAIN.history.names().budget(*budget) == "ml-service").then_some((at, *pod)),
            _ => None,
        })
        .collect();
    assert!(refused.len() > 10, "{} refusals", refused.len());
    let pod = DRAIN.pod(refused[0].1);
    assert!(refused.iter().all(|(_, other)| *other == pod.id), "one pod waits for all");
    for pair in refused.windows(2) {
        assert_eq!(pair[1].0.since(pair[0].0), SimDuration::from_secs(5), "kubectl's pause");
    }
    let budget = DRAIN.budget("ml-service");
    let allowed_at = |at: SimTime| {
        let last = budget.iter().rev().find(|(changed, _)| *changed <= at);
        last.expect("a budget is told of from the start").1.disruptions_allowed
    };
    assert!(refused.iter().all(|(at, _)| allowed_at(*at) == 0));
    let (evicted, because) = pod.terminating.expect("the drain goes on");
    assert_eq!(because, PodDeletion::Drain);
    let last = refused[refused.len() - 1].0;
    assert_eq!(evicted.since(last), SimDuration::from_secs(5), "the next attempt succeeds");
    let freed = budget.iter().find(|(at, status)| *at > last && status.disruptions_allowed > 0);
    let (freed, _) = freed.expect("something must have made room");
    assert!(*freed <= evicted);
    // What made room is a pod that became ready, on a node that had to come first.
    let healed = DRAIN
        .pods_of("ml-service")
        .find(|other| other.ready.is_some_and(|ready| ready > last && ready <= *freed));
    let healed = healed.expect("a replacement is ready");
    let (_, node) = healed.bound.expect("it is ready");
    assert!(DRAIN.node(node).requested > DRAIN.at(10), "a new node: {healed:?}");
    assert!(budget.iter().all(|(_, status)| status.current_healthy >= 2), "minAvailable is kept");
}

#[test]
fn every_drain_ends_with_empty_nodes_of_its_pool() {
    let ended = DRAIN.records().filter(|(_, r)| matches!(r, Record::DisruptionEnded(_))).count();
    assert_eq!(ended, DRAIN.scenario.disruptions.len());
    let mut pools: Vec<&str> = Vec::new();
    for node in DRAIN.history.nodes().filter(|node| node.cordoned.is_some()) {
        let drained = |pod: &&PodLife| pod.bound.is_some_and(|(_, on)| on == node.id);
        let moved =
            |pod: &PodLife| pod.terminating.is_some_and(|(_, why)| why == PodDeletion::Drain);
        if DRAIN.history.pods().filter(drained).any(moved) {
            pools.push(DRAIN.pool_of(node));
        }
        let left = DRAIN.history.pods().filter(drained).filter(|pod| pod.gone.is_none());
        for pod in left {
            let owner = &DRAIN.scenario.workloads[pod.workload.index()];
            assert_eq!(owner.kind_name(), "DaemonSet", "{pod:?} is left on {}", node.name);
        }
    }
    pools.sort_unstable();
    pools.dedup();
    assert_eq!(pools, ["general", "gpu-t4", "system"]);
}

#[test]
fn no_node_goes_sooner_than_ten_minutes_after_it_became_unneeded() {
    let mut pools: Vec<&str> = Vec::new();
    for (at, reason) in NIGHT.autoscaler() {
        let Reason::ScaleDown { node, unneeded_since } = reason else { continue };
        assert!(at.since(*unneeded_since) >= minutes(10), "{reason:?} at {at}");
        // The same from what was told, not from what the decision says of itself.
        let told = NIGHT.records().filter_map(|(when, record)| match record {
            Record::NodeUnneeded { node: other, since } if other == node && when <= at => {
                Some(*since)
            }
            _ => None,
        });
        let since =
            told.last().flatten().expect("it was told to be unneeded, and not needed since");
        assert!(
            at.since(since) >= minutes(10),
            "{} went at {at}",
            NIGHT.history.names().node(*node)
        );
        let node = NIGHT.node(*node);
        assert!(node.removing.is_some_and(|removing| removing >= at), "{node:?}");
        pools.push(NIGHT.pool_of(node));
    }
    pools.sort_unstable();
    assert_eq!(pools, ["general", "general", "gpu-t4"]);
}

#[test]
fn nodes_follow_their_pods_and_pods_follow_the_load() {
    let sizes = NIGHT.sizes("gateway");
    let [(first, 7, 6), (second, 6, 5)] = sizes[..] else { panic!("{sizes:?}") };
    for (at, _, to) in sizes {
        // Five minutes of patience: no proposal of the window before was larger.
        let window = NIGHT.syncs("gateway", at.before(SimDuration::from_secs(299)), at);
        assert!(window.len() >= 19, "a sync every 15 s: {}", window.len());
        assert!(window.iter().all(|(_, sync)| sync.proposal <= Some(to)), "{window:?}");
        let before =
            NIGHT.syncs("gateway", at.before(SimDuration::from_secs(331)), at.before(minutes(5)));
        assert!(before.iter().any(|(_, sync)| sync.proposal > Some(to)), "{before:?}");
    }
    assert!(second.since(first) > minutes(5));
    let last = NIGHT.history.nodes().filter_map(|node| node.removing).max().expect("nodes go");
    let models = NIGHT.sizes("ml-service");
    let [(fewer, 5, 4)] = models[..] else { panic!("{models:?}") };
    assert!(last.since(fewer) >= minutes(10), "the T4 goes after its pod has");
    let moved =
        |pod: &PodLife| pod.terminating.is_some_and(|(_, why)| why == PodDeletion::NodeScaleDown);
    assert!(NIGHT.history.pods().any(moved), "nodes are emptied before they go");
}

#[test]
fn a_third_of_the_nodes_goes_and_their_pods_stay_bound_until_they_are_evicted() {
    let lost: Vec<&NodeLife> =
        OUTAGE.history.nodes().filter(|node| !node.lost.is_empty()).collect();
    assert_eq!(lost.len(), 5);
    let came_back = |node: &&NodeLife| node.lost[0].1 == Some(OUTAGE.at(35));
    assert!(lost.iter().all(|node| node.lost[0].0 == OUTAGE.at(15)));
    assert!(lost.iter().filter(|node| node.gone.is_none()).all(came_back), "{lost:?}");
    let mut evicted = 0;
    for node in lost {
        let there = |pod: &&PodLife| {
            let on = pod.bound.is_some_and(|(at, on)| on == node.id && at < OUTAGE.at(15));
            on && pod.terminating.is_none_or(|(at, _)| at >= OUTAGE.at(15))
        };
        for pod in OUTAGE.history.pods().filter(there) {
            let Some((at, _)) = pod.terminating.filter(|(at, _)| *at < OUTAGE.at(35)) else {
                continue;
            };
            // 40 to 50 s until the node is seen as lost, 300 s of toleration; one node of a zone
            // every 10 s is tainted (`--node-eviction-rate`).
            let after = at.since(OUTAGE.at(15));
            assert!(after >= SimDuration::from_secs(340), "{} goes after {after}", pod.name);
            assert!(after <= SimDuration::from_secs(400), "{} goes after {after}", pod.name);
            evicted += 1;
        }
    }
    assert!(evicted >= 15, "{evicted} pods");
}

#[test]
fn the_pools_maximum_bounds_what_can_be_replaced() {
    let stopped = OUTAGE.autoscaler().filter_map(|(_, reason)| match reason {
        Reason::NoScaleUp { pod, pools } => Some((pod, pools)),
        _ => None,
    });
    let at_max = stopped.filter(|(_, pools)| {
        pools.iter().any(|(pool, why)| {
            OUTAGE.history.names().pool(*pool) == "gpu-t4" && *why == NoScaleUp::MaxSizeReached
        })
    });
    let owner = |pod: &PodId| OUTAGE.history.names().workload(OUTAGE.pod(*pod).workload);
    let owners: Vec<&str> = at_max.map(|(pod, _)| owner(pod)).collect();
    assert!(!owners.is_empty(), "a GPU pod stays without a node");
    assert!(owners.iter().all(|owner| ["ml-service", "render-service"].contains(owner)));
    let new = OUTAGE.history.nodes().filter(|node| node.requested > OUTAGE.at(15));
    let new: Vec<&str> = new.map(|node| OUTAGE.pool_of(node)).collect();
    assert!(new.contains(&"general") && new.contains(&"gpu-t4"), "{new:?}");
}

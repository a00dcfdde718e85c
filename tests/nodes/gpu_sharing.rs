//! GPUs that a device plugin hands out several times: what the scheduler counts, what the kubelet refuses.

use aurelius_sim::model::Record;
use aurelius_sim::units::SimTime;

use super::small::small;
use super::{Told, shipped};

/// E43 of the worked cases: each T4 is handed out twice, so seven pods that want one live on four nodes.
/// A job that wants two gets a node of its own and is refused there, twice, and has failed then.
#[test]
fn slices_are_placed_and_a_request_for_two_is_refused() {
    let told = shipped("gpu-sharing");
    let start = SimTime::ZERO + told.scenario.warm_up;
    let shared = |told: &Told| {
        let nodes = told.history.pods().filter(|pod| {
            let name = &told.scenario.workloads[pod.workload.index()].meta.name;
            ["ml-service", "render-service"].contains(&&**name)
        });
        nodes.filter_map(|pod| pod.bound.map(|(_, node)| node)).collect::<Vec<_>>()
    };
    let mut nodes = shared(&told);
    assert_eq!(nodes.len(), 7);
    nodes.sort();
    nodes.dedup();
    assert_eq!(nodes.len(), 4);
    let refused = told.events("UnexpectedAdmissionError");
    assert_eq!(refused.len(), 2, "{refused:?}");
    for (at, _, why) in &refused {
        assert!(*at > start);
        assert_eq!(
            why,
            "Allocate failed due to rpc error: code = Unknown desc = request for 'nvidia.com/gpu: 2' too \
             large: maximum request size for shared resources is 1, which is unexpected"
        );
    }
    let ended = told.history.entries().iter().find_map(|entry| {
        let Record::JobEnded { failure, name, .. } = &entry.record else { return None };
        name.starts_with("model-retrain").then_some(*failure)
    });
    assert_eq!(ended, Some(Some("BackoffLimitExceeded")));
}

/// A ReplicaSet does not count failures: it makes the next pod, which is refused as well, for ever, as fast
/// as its controller may write. That holds from the beginning, too, where pods start in no time.
#[test]
fn a_deployment_of_refused_pods_makes_the_next_until_the_end() {
    let told = small(&[
        ("m6i.large", "g4dn.xlarge, gpuSharing: {replicas: 2, failRequestsGreaterThanOne: true}"),
        ("memory: LIMIT}", "memory: LIMIT, nvidia.com/gpu: 2}"),
        ("memory: ASKED}", "memory: ASKED, nvidia.com/gpu: 2}"),
        ("DURATION", "1m"),
    ]);
    let refused = told.events("UnexpectedAdmissionError").len();
    assert!((300..=400).contains(&refused), "{refused} in a minute at most every 150 ms");
    let web: Vec<_> = told.history.pods().filter(|pod| pod.name.starts_with("web-")).collect();
    assert!(web.iter().all(|pod| pod.started.is_none() && pod.gone.is_none()));
    assert!(web.len() >= refused);
}

//! gpu-surge: how late GPUs come, and why they come at all.

use super::*;

#[test]
fn the_t4_pool_grows_because_of_a_named_pod_that_waits() {
    let ups: Vec<_> = SURGE.autoscaler().filter_map(|(at, reason)| scale_up(at, reason)).collect();
    assert!(!ups.is_empty());
    for (decided, pod, pool) in &ups {
        assert_eq!(*pool, "gpu-t4");
        let pod = SURGE.pod(*pod);
        assert_eq!(SURGE.history.names().workload(pod.workload), "ml-service");
        assert!(pod.unschedulable[0].first < *decided, "the scheduler had refused it: {pod:?}");
        assert!(pod.unschedulable[0].message.contains("Insufficient nvidia.com/gpu"), "{pod:?}");
        assert!(pod.bound.is_none_or(|(bound, _)| bound > *decided), "it waited: {pod:?}");
        let requested =
            |node: &&NodeLife| node.requested == *decided && SURGE.pool_of(node) == *pool;
        assert!(SURGE.history.nodes().any(|node| requested(&node)), "no node was asked for");
    }
    let of_pool = SURGE.history.nodes().filter(|node| SURGE.pool_of(node) == "gpu-t4");
    let (minimum, more): (Vec<_>, Vec<_>) =
        of_pool.partition(|node| node.requested == SimTime::ZERO);
    // Forty tasks at work at once keep seven ML pods below their memory target, beside three that render:
    // what workers have reserved beyond that is messages, and makes nobody grow.
    assert_eq!((minimum.len(), more.len()), (7, 3));
}

fn scale_up(at: SimTime, reason: &Reason) -> Option<(SimTime, PodId, &'static str)> {
    if let Reason::ScaleUp { pod, pool, .. } = reason {
        Some((at, *pod, SURGE.history.names().pool(*pool)))
    } else {
        None
    }
}

#[test]
fn a_pod_waits_for_its_node_its_gpu_and_its_image_in_that_order() {
    let (_, id, _) = SURGE
        .autoscaler()
        .find_map(|(at, reason)| scale_up(at, reason))
        .expect("the pool grows in the test above");
    let pod = SURGE.pod(id);
    let (bound, node) = pod.bound.expect("there is room below the maximum");
    let node = SURGE.node(node);
    let ready = node.ready.expect("pods are bound to nodes that are ready");
    let gpus = node.gpus.expect("pods with GPUs are bound to nodes that show theirs");
    let (pulled, took) = pod.pulled.expect("the surge goes on for long enough");
    let chain =
        [pod.created, node.requested, ready, gpus, bound, pulled, pod.ready.expect("as above")];
    assert!(chain.is_sorted(), "{pod:?} {node:?}");
    // Bound by what it waited for: the scheduler answers within a second.
    assert!(bound.since(gpus) < SimDuration::from_secs(1), "{pod:?} {node:?}");
    assert!(took > minutes(1), "five gigabytes do not come at once: {pod:?}");
    let late = pod.ready.expect("as above").since(pod.created);
    assert!(late > minutes(4), "a GPU pod in {late}");
}

#[test]
fn the_autoscaler_of_pods_sees_memory_and_never_the_gpu() {
    let sizes = SURGE.sizes("ml-service");
    let (at, from, to) = sizes[0];
    assert!(at > SURGE.at(10) && from == 4 && to > 4, "{sizes:?}");
    // Three minutes of patience: all proposals of the window before were larger already.
    let window = SURGE.syncs("ml-service", at.before(SimDuration::from_secs(175)), at);
    assert!(window.len() >= 11 && window.iter().all(|(_, sync)| sync.proposal > Some(from)));
    let (_, sync) = window[window.len() - 1];
    let proposals: Vec<_> = sync.metrics.iter().map(|m| (&*m.label, m.proposal)).collect();
    let cpu = proposals.iter().find(|(label, _)| label.starts_with("cpu")).expect("it has one");
    let memory =
        proposals.iter().find(|(label, _)| label.starts_with("memory")).expect("it has one");
    assert!(cpu.1 < Some(4) && memory.1 >= Some(to), "{proposals:?}");
    assert!(SURGE.crossed().iter().any(|text| text.contains("name:segment")), "readers wait");
}

//! Machines that are lost: with the disk of a database, and as spot machines.

use super::{minutes, shipped};
use aurelius_sim::model::action::PodDeletion;
use aurelius_sim::units::{SimDuration, SimTime};

fn seconds(value: u64) -> SimDuration {
    SimDuration::from_secs(value)
}

fn between(at: SimTime, from: SimTime, least: u64, most: u64, what: &str) {
    let after = at.since(from);
    assert!(after >= seconds(least) && after <= seconds(most), "{what} after {after}");
}

/// Found silent after 40-60 s, deleted 300 s later; the object stays until the Node object goes at
/// 15 min and the collector comes by, 40-60 s later; the disk is freed 6 min after that.
#[test]
fn the_pod_of_a_database_on_a_lost_node_stays_until_the_node_object_goes() {
    let told = shipped("node-loss");
    let failed = told.begins()[0];
    let lives: Vec<_> = told.history.pods().filter(|pod| &*pod.name == "postgresql-0").collect();
    let [lost, next] = lives.as_slice() else { panic!("{lives:?}") };
    between(lost.unready[0].0, failed, 40, 65, "unready");
    let (deleted, because) = lost.terminating.expect("it is deleted");
    assert_eq!(because, PodDeletion::NodeLost);
    between(deleted, failed, 340, 370, "deleted");
    let object_gone = failed + minutes(15);
    let gone = lost.gone.expect("the collector removes it");
    between(gone, object_gone, 40, 60, "collected");
    between(next.created, gone, 0, 1, "made anew");
    let detached = told.events("ForceDetach");
    let of = |(_, claim, _): &&(SimTime, String, String)| claim == "production/data-postgresql-0";
    let (forced, ..) = detached.iter().find(of).expect("its disk is taken off by force");
    between(*forced, gone, 360, 360, "detached by force");
    let errors = told.events("FailedAttachVolume");
    let of = |(_, pod, _): &&(SimTime, String, String)| pod == "postgresql-0";
    let (.., message) = errors.iter().find(of).expect("its successor waits for the disk");
    assert_eq!(
        message,
        "Multi-Attach error for volume \"pvc-data-postgresql-0\" Volume is already exclusively \
         attached to one node and can't be attached to another"
    );
    let ready = next.ready.expect("it comes back");
    assert!(ready > *forced && ready < *forced + minutes(5), "ready at {ready}");
    // Deployments did not wait: whatever else was deleted was replaced within seconds.
    let others = told.history.pods().filter(|pod| {
        matches!(pod.terminating, Some((_, PodDeletion::NodeLost))) && &*pod.name != "postgresql-0"
    });
    for pod in others {
        let (at, _) = pod.terminating.expect("filtered for it");
        let replaced = told.history.pods().any(|other| {
            other.workload == pod.workload && other.created >= at && other.created < at + seconds(2)
        });
        let stateful = told.scenario.workloads[pod.workload.index()].kind_name() == "StatefulSet";
        assert!(replaced != stateful, "{} was replaced: {replaced}", pod.name);
    }
}

#[test]
fn a_termination_handler_moves_pods_before_the_machine_goes() {
    let told = shipped("spot-reclaim");
    let [handled, silent] = told.begins()[..] else { panic!("two events") };
    let notices = told.events("SpotInterruption");
    assert_eq!(notices.len(), 2, "{notices:?}");
    let node = |name: &str| told.history.node_named(name).expect("it was there");
    let (first, second) = (node(&notices[0].1), node(&notices[1].1));
    assert!(notices[0].1.starts_with("gpu-t4-"));
    // With a handler the node is cordoned and its pods go at the notice; the machine goes at its end.
    assert_eq!(first.cordoned, Some(handled));
    assert_eq!(first.lost[0].0, handled + minutes(2));
    let moved = |node, since: SimTime| {
        let mut pods = told
            .history
            .pods()
            .filter(move |pod| pod.bound.is_some_and(|(at, on)| on == node && at <= since));
        pods.find(|pod| told.history.names().pod(pod.id).contains("-service-")).cloned()
    };
    let pod = moved(first.id, handled).expect("a GPU node runs a pod");
    let (deleted, because) = pod.terminating.expect("it is drained");
    assert_eq!(because, PodDeletion::Drain);
    assert!(deleted >= handled && deleted < handled + minutes(2), "{deleted}");
    // Without one nothing happens before; then the pods are found unready, the Node object goes,
    // and the collector of pods takes what is left.
    assert_eq!(second.cordoned, None);
    assert_eq!(second.lost[0].0, silent + minutes(2));
    let gone = second.gone.expect("its object goes");
    between(gone, silent + minutes(2), 40, 70, "the Node object");
    let pod = moved(second.id, silent).expect("a GPU node runs a pod");
    assert!(matches!(pod.terminating, Some((_, PodDeletion::Orphaned))), "{pod:?}");
    between(pod.gone.expect("it is collected"), gone, 40, 60, "the pod");
    // The group asks for another machine each time.
    let asked = told.history.nodes().filter(|node| {
        node.requested == handled + minutes(2) || node.requested == silent + minutes(2)
    });
    assert_eq!(asked.count(), 2);
}

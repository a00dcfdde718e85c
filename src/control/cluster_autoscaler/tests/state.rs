//! What the autoscaler remembers of groups: requests, back-off, readiness.

use super::super::cloud::Command;
use super::super::status::ScaleUpResult;
use super::*;

/// A group of new nodes of a core each, and a pod that needs one.
fn pending(flags: &[(&str, &str)]) -> (Scene, PoolId) {
    let mut scene = Scene::new(flags);
    let group = scene.group(0, 10, 0, 1000);
    scene.pod(900, None);
    (scene, group)
}

fn instance(name: &str) -> Instance {
    Instance { name: text(name), state: InstanceState::Creating, error: None }
}

/// A node that was asked for is expected, and no second one is asked for; a target that someone
/// else raised is not.
#[test]
fn only_own_requests_are_expected() {
    let (mut scene, group) = pending(&[]);
    assert_eq!(scene.run(0).upcoming[&group], 1);
    scene.group_mut(group).target = 1;
    let status = scene.run(10);
    assert_eq!(status.scale_up.result, ScaleUpResult::NotNeeded);
    assert_eq!(status.scale_up.fit_on_existing.len(), 1);

    let mut scene = Scene::new(&[]);
    let group = scene.group(0, 10, 1, 1000);
    scene.pod(900, Some(NodeId(0)));
    scene.pod(900, None);
    scene.group_mut(group).target = 4;
    assert_eq!(scene.run(0).scale_up.plan[0].to, 5);
}

/// An instance that never registers: time is up after 900 s, the group backs off and the request is
/// given up, which is refused as the instance exists; one loop later it is deleted.
#[test]
fn an_instance_that_never_registers_times_out_first() {
    let (mut scene, group) = pending(&[]);
    scene.run(0);
    scene.group_mut(group).target = 1;
    scene.run(10);
    scene.group_mut(group).instances.push(instance("silent"));
    let status = scene.run_through(20, 900);
    assert_eq!(status.backed_off, []);
    let status = scene.run(910);
    assert_eq!(status.backed_off, [group]);
    let refused = &status.calls[0];
    assert_eq!(refused.command, Command::DecreaseTargetSize { group, by: 1 });
    assert!(refused.refused.is_some());
    let status = scene.run_through(920, 930);
    let instances = vec![text("silent")];
    assert_eq!(status.calls[0].command, Command::DeleteNodes { group, instances });
}

/// An instance the cloud cannot make is deleted at once, and its group left alone for five minutes.
#[test]
fn an_error_of_the_cloud_backs_the_group_off() {
    let (mut scene, group) = pending(&[]);
    scene.run(0);
    scene.group_mut(group).target = 1;
    let error = Some(text("STOCKOUT"));
    scene.group_mut(group).instances.push(Instance { error, ..instance("broken") });
    let status = scene.run(10);
    assert_eq!(status.backed_off, [group]);
    let instances = vec![text("broken")];
    assert_eq!(status.calls[0].command, Command::DeleteNodes { group, instances });
    scene.group_mut(group).instances.clear();
    scene.group_mut(group).target = 0;
    assert_eq!(scene.run(310).scale_up.result, ScaleUpResult::NoOptionsAvailable);
    assert_eq!(scene.run(320).scale_up.result, ScaleUpResult::Successful);
}

/// A refusal does not start the pause after a scale-up.
#[test]
fn a_refused_increase_is_no_scale_up() {
    let (mut scene, group) = pending(&[]);
    scene.group_mut(group).refuses_increase = Some(text("quota"));
    let status = scene.run(0);
    assert_eq!(status.scale_up.result, ScaleUpResult::Error);
    assert_eq!(status.backed_off, [group]);
    assert_ne!(status.scale_down.result, super::super::status::ScaleDownResult::InCooldown);
}

/// Five of ten nodes unready for long, or four of eight: nothing is scaled. Three of eight are borne.
#[test]
fn too_many_unready_nodes_stop_everything() {
    for (all, unready, stopped) in [(10, 5, true), (8, 3, false), (8, 4, true), (10, 4, false)] {
        let mut scene = Scene::new(&[]);
        scene.group(0, 20, all, 1000);
        for node in 0..unready {
            scene.node_mut(NodeId(node)).ready = false;
        }
        let status = scene.run(0);
        assert_eq!(status.cluster_unhealthy, stopped, "{unready} of {all}");
        assert_eq!(unneeded(&status).is_empty(), stopped, "{unready} of {all}");
    }
}

/// With the provider's label a ready node without its accelerators is still on its way; without the
/// label it is a node that does not help, and another one is asked for.
#[test]
fn a_node_waits_for_its_accelerators_if_it_is_labelled() {
    for (labelled, result) in [(true, ScaleUpResult::NotNeeded), (false, ScaleUpResult::Successful)]
    {
        let mut scene = Scene::new(&[]);
        let group = scene.group(0, 5, 0, 1000);
        let gpu = text("nvidia.com/gpu");
        let label = (text("cloud.google.com/gke-accelerator"), text("t4"));
        let template = scene.group_mut(group).template.as_mut().expect("groups have templates");
        template.allocatable.set(&gpu, 1);
        template.capacity.set(&gpu, 1);
        template.labels.extend(labelled.then(|| label.clone()));
        let mut pod = PodTemplate::default();
        pod.spec.containers.push(crate::cluster::api::pod::Container {
            requests: crate::units::ResourceList {
                extended: vec![(Arc::clone(&gpu), 1)],
                ..crate::units::ResourceList::default()
            },
            ..crate::cluster::api::pod::Container::default()
        });
        scene.pods_of(1, 100, None, pod);
        assert_eq!(scene.run(0).scale_up.result, ScaleUpResult::Successful);
        scene.group_mut(group).target = 1;
        let node = scene.node(Some(group), 1000);
        scene.node_mut(node).created = at(100);
        scene.node_mut(node).ready_since = at(180);
        scene.node_mut(node).shape.labels.extend(labelled.then_some(label));
        assert_eq!(scene.run(200).scale_up.result, result, "labelled: {labelled}");
    }
}

/// The minimum is not enforced, unless asked for.
#[test]
fn the_minimum_is_only_enforced_on_demand() {
    for (enforce, calls) in [("false", 0), ("true", 1)] {
        let mut scene = Scene::new(&[("enforce-node-group-min-size", enforce)]);
        let group = scene.group(3, 5, 1, 1000);
        let status = scene.run(0);
        let grown = Command::IncreaseSize { group, by: 2 };
        let count = status.calls.iter().filter(|call| call.command == grown).count();
        assert_eq!(count, calls, "{enforce}");
    }
}

/// Nothing changed: the next loop is a scan interval later. After a scale-up two follow at once.
#[test]
fn productive_loops_are_followed_at_once() {
    let (mut scene, _) = pending(&[]);
    let idle = scene.autoscaler.next_loop(at(0), at(10));
    assert_eq!(idle, at(20));
    scene.run(10);
    assert_eq!(scene.autoscaler.next_loop(at(0), at(10)), at(10));
    assert_eq!(scene.autoscaler.next_loop(at(10), at(11)), at(11));
    assert_eq!(scene.autoscaler.next_loop(at(11), at(12)), at(22));
}

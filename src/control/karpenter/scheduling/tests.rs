//! Plans on hand-made clusters.

use std::sync::Arc;

use crate::cluster::api::TaintEffect;
use crate::cluster::api::pod::HostPort;
use crate::cluster::api::scheduling::{
    NodeInclusionPolicy, NodeSelectorTerm, PodAffinityTerm, TopologySpreadConstraint,
    WhenUnsatisfiable,
};
use crate::cluster::api::selector::SelectorRequirement;
use crate::cluster::api::{Container, LabelSelector, Labels, PodTemplate, SelectorOperator, Taint};
use crate::control::karpenter::fixture::{MIB, Scene};
use crate::control::karpenter::instance::tests::{custom, machine};
use crate::control::karpenter::instance::{CapacityType, InstanceOption};
use crate::control::karpenter::observation::OwnerKind;
use crate::control::karpenter::pool::NodePool;
use crate::control::karpenter::pool::tests::plain;
use crate::control::karpenter::requirement::{CAPACITY_TYPE, Requirement, ZONE};
use crate::control::scheduler::{Claim, ClaimBinding};
use crate::units::{Bytes, MilliCpu, ResourceList, Resources};

fn sizes() -> Vec<Arc<InstanceOption>> {
    vec![
        machine("m5.large", 2, 0.10),
        machine("m5.xlarge", 4, 0.20),
        machine("m5.2xlarge", 8, 0.40),
    ]
}

fn requires(pool: &mut NodePool, key: &str, values: &[&str]) {
    let values = values.iter().map(|value| Arc::from(*value));
    pool.requirements.add(key, Requirement::one_of(values));
}

fn selects(template: &mut PodTemplate, key: &str, value: &str) {
    template.spec.node_selector.insert(Arc::from(key), Arc::from(value));
}

fn labelled(template: &mut PodTemplate, app: &str) {
    template.labels.insert(Arc::from("app"), Arc::from(app));
}

fn of_app(app: &str) -> Option<LabelSelector> {
    Some(LabelSelector::of_labels(Labels::from([(Arc::from("app"), Arc::from(app))])))
}

fn near(app: &str, key: &str) -> PodAffinityTerm {
    PodAffinityTerm {
        label_selector: of_app(app),
        namespaces: Vec::new(),
        namespace_selector: None,
        topology_key: Arc::from(key),
        match_label_keys: Vec::new(),
        mismatch_label_keys: Vec::new(),
    }
}

fn spread(app: &str, key: &str, hard: bool) -> TopologySpreadConstraint {
    TopologySpreadConstraint {
        max_skew: 1,
        topology_key: Arc::from(key),
        when_unsatisfiable: if hard {
            WhenUnsatisfiable::DoNotSchedule
        } else {
            WhenUnsatisfiable::ScheduleAnyway
        },
        label_selector: of_app(app),
        min_domains: None,
        node_affinity_policy: NodeInclusionPolicy::Honor,
        node_taints_policy: NodeInclusionPolicy::Ignore,
        match_label_keys: Vec::new(),
    }
}

fn term(key: &str, value: &str) -> NodeSelectorTerm {
    let requirement = SelectorRequirement {
        key: Arc::from(key),
        operator: SelectorOperator::In,
        values: vec![Arc::from(value)],
    };
    NodeSelectorTerm { match_expressions: vec![requirement], match_fields: Vec::new() }
}

/// Pods that wait, as one plan after the other holds them.
fn scene() -> Scene {
    Scene::new(vec![plain("default", sizes())])
}

#[test]
fn a_plan_keeps_every_type_that_holds_its_pods() {
    let mut scene = scene();
    scene.waits("small", 500, 100, |_| {});
    assert_eq!(scene.planned(), ["default [m5.large m5.xlarge m5.2xlarge]: small"]);
    // A second one joins; a third is too much for the smallest type, which is ruled out.
    scene.waits("other", 1000, 100, |_| {});
    scene.waits("third", 1000, 100, |_| {});
    assert_eq!(scene.planned(), ["default [m5.xlarge m5.2xlarge]: other small third"]);
}

#[test]
fn the_largest_pods_come_first_and_the_emptiest_plan_is_filled() {
    let mut scene = scene();
    for (name, milli) in [("a", 1000), ("b", 7000), ("c", 7000), ("d", 900)] {
        scene.waits(name, milli, 100, |_| {});
    }
    // Two plans for b and c; a goes to the first of them, d to the other, which has fewer pods.
    assert_eq!(scene.planned(), ["default [m5.2xlarge]: c d", "default [m5.2xlarge]: a b"]);
}

#[test]
fn nodes_that_exist_come_before_new_ones_and_initialized_before_others() {
    let mut scene = scene();
    let first = scene.node("n1", 0, "m5.large", ("a", "on-demand"));
    scene.node("n2", 0, "m5.large", ("a", "on-demand"));
    scene.state(first).initialized = None;
    scene.waits("p1", 1500, 100, |_| {});
    scene.waits("p2", 1500, 100, |_| {});
    scene.waits("p3", 1500, 100, |_| {});
    let planned = scene.planned();
    assert_eq!(planned[..2], ["n2: p1", "n1: p2"]);
    assert_eq!(planned[2], "default [m5.large m5.xlarge m5.2xlarge]: p3");
}

#[test]
fn a_node_that_will_be_deleted_is_no_place() {
    let mut scene = scene();
    let node = scene.node("n1", 0, "m5.large", ("a", "on-demand"));
    scene.state(node).marked = true;
    scene.waits("p", 500, 100, |_| {});
    assert_eq!(scene.planned(), ["default [m5.large m5.xlarge m5.2xlarge]: p"]);
}

#[test]
fn heavy_pools_are_tried_first_and_light_ones_when_they_do_not_do() {
    let gpu = |name: &str| {
        let mut size = Resources::new(MilliCpu(4000), Bytes(16384 * MIB));
        size.set(&Arc::from("nvidia.com/gpu"), 1);
        custom(name, size, &[("a", 0.5)], None)
    };
    let heavy = NodePool { weight: 10, ..plain("heavy", vec![gpu("g4dn.xlarge")]) };
    let mut scene = Scene::new(vec![plain("light", sizes()), heavy]);
    scene.waits("any", 500, 100, |_| {});
    scene.waits("large", 7900, 100, |_| {});
    let planned = scene.planned();
    assert!(planned.contains(&"heavy [g4dn.xlarge]: any".to_owned()), "{planned:?}");
    assert!(planned.contains(&"light [m5.2xlarge]: large".to_owned()), "{planned:?}");
}

#[test]
fn taints_keep_pods_from_a_pool_unless_they_only_start_with_it() {
    let taint = |key: &str| Taint {
        key: Arc::from(key),
        value: Arc::from(""),
        effect: TaintEffect::NoSchedule,
    };
    let mut pool = plain("default", sizes());
    pool.startup_taints = vec![taint("cilium")];
    let mut scene = Scene::new(vec![pool]);
    scene.waits("p", 500, 100, |_| {});
    assert_eq!(scene.planned(), ["default [m5.large m5.xlarge m5.2xlarge]: p"]);
    // The same on a node that has the startup taint still.
    let node = scene.node("n", 0, "m5.large", ("a", "on-demand"));
    scene.node_mut(node).taints = vec![taint("cilium"), taint("readiness.k8s.io/net")];
    scene.state(node).initialized = None;
    assert_eq!(scene.planned(), ["n: p"]);
    scene.pool(0).taints = vec![taint("only")];
    scene.seen.nodes.clear();
    scene.states.clear();
    let planned = scene.planned();
    assert_eq!(planned, ["nowhere: p (did not tolerate taint only:NoSchedule (NodePool=default))"]);
}

#[test]
fn gpus_of_a_node_that_is_not_initialized_count_as_if_they_were_there() {
    let mut size = Resources::new(MilliCpu(4000), Bytes(16384 * MIB));
    size.set(&Arc::from("nvidia.com/gpu"), 1);
    let options = vec![custom("g4dn.xlarge", size.clone(), &[("a", 0.5)], None)];
    let mut scene = Scene::new(vec![plain("gpu", options)]);
    let node = scene.node("n", 0, "g4dn.xlarge", ("a", "on-demand"));
    scene.node_mut(node).allocatable.set(&Arc::from("nvidia.com/gpu"), 0);
    let pod = scene.waits("p", 500, 100, |_| {});
    let mut wanted = Resources::new(MilliCpu(500), Bytes(100 * MIB));
    wanted.set(&Arc::from("nvidia.com/gpu"), 1);
    scene.pod(pod).requests = Arc::new(wanted);
    assert_eq!(scene.planned(), ["gpu [g4dn.xlarge]: p"]);
    scene.state(node).initialized = None;
    assert_eq!(scene.planned(), ["n: p"]);
}

#[test]
fn labels_narrow_a_plan_and_clash_with_it() {
    let mut scene = scene();
    scene.waits("spot", 1000, 100, |it| selects(it, CAPACITY_TYPE, "spot"));
    scene.waits("od", 900, 100, |it| selects(it, CAPACITY_TYPE, "on-demand"));
    scene.waits("a", 800, 100, |it| selects(it, ZONE, "a"));
    let planned = scene.planned();
    assert_eq!(planned.len(), 2, "spot and on-demand are two nodes: {planned:?}");
    // A label nobody gives is no place, one that the pool gives is.
    scene.seen.pods.clear();
    scene.waits("p", 500, 100, |it| selects(it, "team", "ml"));
    let nowhere = "nowhere: p (incompatible requirements, label \"team\" does not have known values \
                   (NodePool=default))";
    assert_eq!(scene.planned(), [nowhere]);
    scene.pool(0).labels.insert(Arc::from("team"), Arc::from("ml"));
    assert_eq!(scene.planned(), ["default [m5.large m5.xlarge m5.2xlarge]: p"]);
}

#[test]
fn what_is_not_to_be_had_is_not_planned() {
    let mut scene = scene();
    for zone in ["a", "b"] {
        for capacity in [CapacityType::Spot, CapacityType::OnDemand] {
            scene.unavailable.insert((Arc::from("m5.large"), Arc::from(zone), capacity));
        }
    }
    scene.waits("p", 500, 100, |_| {});
    assert_eq!(scene.planned(), ["default [m5.xlarge m5.2xlarge]: p"]);
    scene.seen.pods.clear();
    scene.waits("large", 9000, 100, |_| {});
    let planned = scene.planned();
    assert!(planned[0].contains("no instance type has enough resources"), "{planned:?}");
}

#[test]
fn daemon_sets_take_room_on_the_types_they_come_to() {
    let mut scene = scene();
    let daemon = scene.waits("agent", 600, 100, |_| {});
    let mut daemon = scene.seen.pods.remove(daemon.index());
    Arc::make_mut(&mut daemon).owner = OwnerKind::DaemonSet;
    scene.seen.daemons.push(daemon);
    scene.waits("p", 1500, 100, |_| {});
    assert_eq!(scene.planned(), ["default [m5.xlarge m5.2xlarge]: p"]);
    // Only on the larger type: the smaller one is free again.
    let template = &mut Arc::make_mut(&mut scene.seen.daemons[0]).template;
    selects(Arc::make_mut(template), "karpenter.k8s.aws/instance-size", "2xlarge");
    assert_eq!(scene.planned(), ["default [m5.large m5.xlarge m5.2xlarge]: p"]);
}

#[test]
fn room_is_kept_on_nodes_for_daemon_sets_that_have_not_come() {
    let mut scene = scene();
    let node = scene.node("n", 0, "m5.large", ("a", "on-demand"));
    let id = scene.waits("agent", 600, 100, |_| {});
    let mut daemon = scene.seen.pods.remove(id.index());
    Arc::make_mut(&mut daemon).owner = OwnerKind::DaemonSet;
    scene.seen.daemons.push(daemon);
    let pod = scene.waits("p", 1500, 100, |_| {});
    assert!(scene.planned()[0].starts_with("default"), "{:?}", scene.planned());
    // Once it is there its own request counts, and not twice.
    let there = scene.waits("agent-1", 600, 100, |_| {});
    scene.put(there, node);
    scene.pod(there).owner = OwnerKind::DaemonSet;
    scene.pod(pod).requests = Arc::new(Resources::new(MilliCpu(1400), Bytes(100 * MIB)));
    assert_eq!(scene.planned(), ["n: p"]);
}

#[test]
fn limits_leave_out_types_and_count_the_largest_of_a_plan() {
    let mut scene = scene();
    scene.pool(0).limits = ResourceList { cpu: Some(MilliCpu(9000)), ..ResourceList::default() };
    scene.node("n", 0, "m5.xlarge", ("a", "on-demand"));
    scene.waits("p1", 3500, 100, |_| {});
    scene.waits("p2", 3500, 100, |_| {});
    // Five cores are left: 8 do not fit. p1 goes to the node, p2 to a new one; then one is left.
    assert_eq!(scene.planned(), ["n: p1", "default [m5.xlarge]: p2"]);
    scene.waits("p3", 1500, 100, |_| {});
    let planned = scene.planned();
    let limit = "all available instance types exceed limits for nodepool";
    assert!(planned.iter().any(|it| it.contains(limit)), "{planned:?}");
    scene.pool(0).limits =
        ResourceList { extended: vec![(Arc::from("nodes"), 1)], ..ResourceList::default() };
    let planned = scene.planned();
    assert!(planned.iter().any(|it| it.contains("node limits have been exhausted")), "{planned:?}");
}

#[test]
fn hard_spreads_open_a_node_in_every_zone() {
    let mut scene = scene();
    let mut template = PodTemplate::default();
    labelled(&mut template, "web");
    template.spec.topology_spread = vec![spread("web", ZONE, true)];
    let (template, shape) = (Arc::new(template), scene.shape());
    for name in ["p1", "p2", "p3", "p4"] {
        scene.of_template(name, 500, 100, &template, shape);
    }
    let planned = scene.planned();
    let small = "default [m5.large m5.xlarge m5.2xlarge]";
    assert_eq!(planned, [format!("{small}: p2 p4"), format!("{small}: p1 p3")]);
    // With three pods in zone a the next ones all go to b.
    let node = scene.node("full", 0, "m5.2xlarge", ("a", "on-demand"));
    for pod in 0..3 {
        scene.put(crate::model::id::PodId(pod), node);
    }
    scene.of_template("p5", 500, 100, &template, shape);
    let planned = scene.planned();
    assert_eq!(planned, [format!("{small}: p4 p5")], "both in zone b, none on the node with room");
}

#[test]
fn anti_affinity_by_host_needs_a_node_for_each_pod() {
    let mut scene = scene();
    let mut template = PodTemplate::default();
    labelled(&mut template, "db");
    template.spec.affinity.pod_anti_required = vec![near("db", "kubernetes.io/hostname")];
    let (template, shape) = (Arc::new(template), scene.shape());
    for name in ["p1", "p2", "p3"] {
        scene.of_template(name, 100, 100, &template, shape);
    }
    assert_eq!(scene.planned().len(), 3);
    // A pod that is there keeps its own kind away, and the kind that it keeps away from it.
    let node = scene.node("n", 0, "m5.2xlarge", ("a", "on-demand"));
    scene.put(crate::model::id::PodId(0), node);
    scene.waits("web", 50, 50, |it| labelled(it, "web"));
    let planned = scene.planned();
    assert_eq!(planned[0], "n: web");
    assert_eq!(planned.len(), 3, "{planned:?}");
}

#[test]
fn affinity_brings_pods_to_those_they_are_fond_of() {
    let mut scene = scene();
    scene.waits("cache", 1500, 100, |it| {
        labelled(it, "cache");
        selects(it, ZONE, "b");
    });
    scene.waits("web", 1000, 100, |it| {
        it.spec.affinity.pod_required = vec![near("cache", "kubernetes.io/hostname")];
    });
    assert_eq!(scene.planned(), ["default [m5.xlarge m5.2xlarge]: cache web"]);
    // Without anyone of that name there is no place, unless it is fond of itself.
    scene.seen.pods.remove(0);
    assert!(scene.planned()[0].contains("pod affinity"), "{:?}", scene.planned());
    scene.seen.pods.clear();
    let mut template = PodTemplate::default();
    labelled(&mut template, "pair");
    template.spec.affinity.pod_required = vec![near("pair", ZONE)];
    let (template, shape) = (Arc::new(template), scene.shape());
    scene.of_template("p1", 500, 100, &template, shape);
    scene.of_template("p2", 500, 100, &template, shape);
    assert_eq!(scene.planned(), ["default [m5.large m5.xlarge m5.2xlarge]: p1 p2"]);
}

#[test]
fn preferences_count_as_demands_until_the_pod_fits_nowhere() {
    let mut scene = scene();
    scene.node("n", 0, "m5.2xlarge", ("a", "on-demand"));
    let prefers = |zone: &'static str| {
        move |it: &mut PodTemplate| it.spec.affinity.node_preferred = vec![(1, term(ZONE, zone))]
    };
    // A new node is opened although one has room: the wish for zone b can be met.
    scene.waits("p", 500, 100, prefers("b"));
    assert_eq!(scene.planned(), ["default [m5.large m5.xlarge m5.2xlarge]: p"]);
    scene.seen.pods.clear();
    scene.waits("p", 500, 100, prefers("c"));
    assert_eq!(scene.planned(), ["n: p"], "nobody has a zone c");
    scene.spec.options.preferences = crate::control::karpenter::pool::PreferencePolicy::Ignore;
    scene.seen.pods.clear();
    scene.waits("p", 500, 100, prefers("b"));
    assert_eq!(scene.planned(), ["n: p"]);
}

#[test]
fn alternatives_of_a_demand_are_tried_in_turn() {
    let mut scene = scene();
    scene.waits("p", 500, 100, |it| {
        it.spec.affinity.node_required = Some(vec![term(ZONE, "z"), term(ZONE, "b")]);
    });
    assert_eq!(scene.planned(), ["default [m5.large m5.xlarge m5.2xlarge]: p"]);
}

#[test]
fn a_wish_to_keep_away_is_overcome_last() {
    let mut pool = plain("default", sizes());
    pool.taints = vec![Taint {
        key: Arc::from("rather-not"),
        value: Arc::from(""),
        effect: TaintEffect::PreferNoSchedule,
    }];
    let mut scene = Scene::new(vec![pool]);
    scene.waits("p", 500, 100, |_| {});
    assert_eq!(scene.planned(), ["default [m5.large m5.xlarge m5.2xlarge]: p"]);
}

#[test]
fn a_pod_waits_for_another_of_its_batch() {
    // The small pod needs the large one's zone, and comes before it in the queue.
    let mut scene = scene();
    scene.waits("large", 1500, 100, |it| {
        labelled(it, "large");
        it.spec.affinity.pod_required = vec![near("small", ZONE)];
    });
    scene.waits("small", 100, 100, |it| {
        labelled(it, "small");
        selects(it, ZONE, "b");
    });
    let planned = scene.planned();
    assert_eq!(planned, ["default [m5.large m5.xlarge m5.2xlarge]: large small"]);
}

#[test]
fn volumes_pull_pods_to_their_zone_and_limits_keep_them_from_a_node() {
    let claim = |name: &str, zone: &str| Claim {
        name: Arc::from(name),
        read_write_once_pod: false,
        driver: Some(Arc::from("ebs.csi.aws.com")),
        binding: ClaimBinding::Bound {
            node_affinity: Some(vec![term(ZONE, zone)]),
            labels: Labels::new(),
        },
    };
    let mut scene = scene();
    let node = scene.node("n", 0, "m5.2xlarge", ("a", "on-demand"));
    scene.node_mut(node).max_volumes = Some(1);
    let there = scene.waits("there", 100, 100, |_| {});
    scene.put(there, node);
    scene.pod(there).claims = Some(Arc::from([claim("default/x", "a")]));
    let pod = scene.waits("p", 500, 100, |_| {});
    scene.pod(pod).claims = Some(Arc::from([claim("default/x", "a")]));
    assert_eq!(scene.planned(), ["n: p"], "the same volume counts once");
    scene.pod(pod).claims = Some(Arc::from([claim("default/y", "a")]));
    assert!(scene.planned()[0].starts_with("default"), "a second one is too many");
    scene.node_mut(node).max_volumes = None;
    scene.pod(pod).claims = Some(Arc::from([claim("default/y", "b")]));
    assert!(scene.planned()[0].starts_with("default"), "its zone is another");
    let missing = Claim { binding: ClaimBinding::Missing, ..claim("default/z", "a") };
    scene.pod(pod).claims = Some(Arc::from([missing]));
    assert!(scene.planned()[0].contains("persistentvolumeclaim default/z not found"));
}

#[test]
fn host_ports_are_taken_once_on_a_node() {
    let mut scene = scene();
    let mut template = PodTemplate::default();
    let port = HostPort { ip: Arc::from("0.0.0.0"), protocol: Arc::from("TCP"), port: 80 };
    let container = Container { host_ports: vec![port], ..Container::default() };
    template.spec.containers = vec![container];
    let (template, shape) = (Arc::new(template), scene.shape());
    scene.of_template("p1", 100, 100, &template, shape);
    scene.of_template("p2", 100, 100, &template, shape);
    assert_eq!(scene.planned().len(), 2);
}

#[test]
fn min_values_keep_types_open_or_nothing_is_planned() {
    let mut pool = plain("default", sizes());
    requires(&mut pool, "karpenter.k8s.aws/instance-size", &["large", "xlarge", "2xlarge"]);
    let key = "karpenter.k8s.aws/instance-size";
    let mut open = pool.requirements.get(key).expect("it was set above").clone();
    open.min_values = Some(3);
    pool.requirements.replace(key, open);
    let mut scene = Scene::new(vec![pool]);
    scene.waits("p1", 500, 100, |_| {});
    assert_eq!(scene.planned(), ["default [m5.large m5.xlarge m5.2xlarge]: p1"]);
    // It would leave only two types.
    scene.seen.pods.clear();
    scene.waits("p2", 3000, 100, |_| {});
    let planned = scene.planned();
    assert!(planned[0].contains("minValues requirement is not met"), "{planned:?}");
    scene.spec.options.min_values = crate::control::karpenter::pool::MinValuesPolicy::BestEffort;
    assert_eq!(scene.planned(), ["default [m5.xlarge m5.2xlarge]: p2"]);
}

#[test]
fn an_overdrawn_node_takes_nothing_at_all() {
    let mut scene = scene();
    let node = scene.node("n", 0, "m5.large", ("a", "on-demand"));
    let large = scene.waits("large", 100, 9000, |_| {});
    scene.put(large, node);
    scene.waits("p", 100, 0, |_| {});
    assert!(scene.planned()[0].starts_with("default"), "its memory is overdrawn");
}

#[test]
fn pods_without_pools_are_told_so() {
    let mut scene = Scene::new(Vec::new());
    scene.waits("p", 100, 100, |_| {});
    assert_eq!(scene.planned(), ["nowhere: p (no dynamic nodepools found)"]);
}

/// A limit of 100 cores and types of 4 and 96. The first plan may become either, so 96 are taken off the
/// limit: 4 are left, and the second plan of the round is of the small type alone.
#[test]
fn a_plan_is_charged_its_largest_type() {
    let sizes = vec![machine("m5.xlarge", 4, 0.20), machine("m5.24xlarge", 96, 4.80)];
    let mut scene = Scene::new(vec![plain("default", sizes)]);
    scene.pool(0).limits = ResourceList { cpu: Some(MilliCpu(100_000)), ..ResourceList::default() };
    let mut template = PodTemplate::default();
    labelled(&mut template, "db");
    template.spec.affinity.pod_anti_required = vec![near("db", "kubernetes.io/hostname")];
    let (template, shape) = (Arc::new(template), scene.shape());
    for name in ["p1", "p2"] {
        scene.of_template(name, 3500, 100, &template, shape);
    }
    let planned = scene.planned();
    assert_eq!(planned.len(), 2, "{planned:?}");
    assert!(
        planned.iter().any(|it| it.starts_with("default [m5.xlarge m5.24xlarge]:")),
        "{planned:?}"
    );
    assert!(planned.iter().any(|it| it.starts_with("default [m5.xlarge]:")), "{planned:?}");
}

/// Five replicas that would rather not share a host get five nodes: a wish counts as a demand as long as a
/// new node fulfils it.
#[test]
fn a_wish_for_a_host_of_its_own_costs_a_node_each() {
    let mut scene = scene();
    let mut template = PodTemplate::default();
    labelled(&mut template, "web");
    template.spec.affinity.pod_anti_preferred = vec![(100, near("web", "kubernetes.io/hostname"))];
    let (template, shape) = (Arc::new(template), scene.shape());
    for n in 0..5 {
        scene.of_template(&format!("p{n}"), 100, 100, &template, shape);
    }
    assert_eq!(scene.planned().len(), 5);
    scene.spec.options.preferences = crate::control::karpenter::pool::PreferencePolicy::Ignore;
    assert_eq!(scene.planned().len(), 1, "those who ignore wishes need one");
}

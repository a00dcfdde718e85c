//! What is disrupted, and what is not, on hand-made clusters.

use std::sync::Arc;

use super::candidate::{candidates, eviction_cost};
use super::validation::{Invalid, validate};
use super::*;
use crate::cluster::api::meta::IntOrPercent;
use crate::cluster::api::{LabelSelector, Labels, PodTemplate};
use crate::control::karpenter::fixture::{MINUTE, Scene, at};
use crate::control::karpenter::instance::tests::{custom, machine};
use crate::control::karpenter::instance::{CapacityType, InstanceOption};
use crate::control::karpenter::observation::{self, DO_NOT_DISRUPT, OwnerKind};
use crate::control::karpenter::pool::tests::plain;
use crate::control::karpenter::pool::{Budget, NodePool};
use crate::control::karpenter::requirement::{CAPACITY_TYPE, Requirement};
use crate::model::id::{BudgetId, PodId};
use crate::units::{Bytes, MilliCpu, Resources};

fn sizes() -> Vec<Arc<InstanceOption>> {
    vec![
        machine("m5.large", 2, 0.10),
        machine("m5.xlarge", 4, 0.20),
        machine("m5.2xlarge", 8, 0.40),
    ]
}

/// Any number of nodes may go.
fn unlimited(pool: NodePool) -> NodePool {
    NodePool { budgets: Vec::new(), ..pool }
}

fn on_demand(mut pool: NodePool) -> NodePool {
    pool.requirements.add(CAPACITY_TYPE, Requirement::one_of([Arc::from("on-demand")]));
    pool
}

fn scene() -> Scene {
    Scene::new(vec![on_demand(unlimited(plain("default", sizes())))])
}

/// A running pod of so many millicores on a node.
fn runs(scene: &mut Scene, name: &str, milli: i64, node: NodeId) -> PodId {
    let pod = scene.waits(name, milli, 100, |_| {});
    scene.put(pod, node);
    pod
}

fn annotated(scene: &mut Scene, pod: PodId, key: &str, value: &str) {
    let template = &mut scene.pod(pod).template;
    Arc::make_mut(template).annotations.insert(Arc::from(key), Arc::from(value));
}

fn found(scene: &Scene, method: Method) -> Option<Command> {
    scene.with(|sight| find(sight, method, false).command)
}

/// The command of a method in words, with the types that may come.
fn told(scene: &Scene, method: Method) -> String {
    let Some(command) = found(scene, method) else { return "nothing".to_owned() };
    let types: Vec<String> = command
        .replacements
        .iter()
        .map(|claim| claim.choices.iter().map(|it| &**it.name()).collect::<Vec<_>>().join(" "))
        .collect();
    if types.is_empty() {
        command.to_string()
    } else {
        format!("{command} of {}", types.join("; "))
    }
}

/// Why a node stays, as the last pass of single-node consolidation says.
fn why(scene: &Scene, node: NodeId) -> Option<String> {
    scene.with(|sight| {
        let found = find(sight, Method::SingleNode, false);
        let stay = found.stay.into_iter().find(|(id, _)| *id == node);
        stay.map(|(_, stay)| match stay {
            Stay::Blocked(why) | Stay::Unconsolidatable(why) => why,
        })
    })
}

#[test]
fn evicting_a_pod_costs_by_priority_and_deletion_cost() {
    let mut scene = scene();
    let mut cost = |deletion: Option<&str>, priority: i32| {
        let pod = scene.waits("p", 1, 1, |template| {
            template.spec.priority = priority;
            let key: Arc<str> = Arc::from("controller.kubernetes.io/pod-deletion-cost");
            if let Some(value) = deletion {
                template.annotations.insert(key, Arc::from(value));
            }
        });
        eviction_cost(scene.pod(pod))
    };
    let rows = [
        (None, 0, 1.0),
        (Some("134217728"), 0, 2.0),
        (Some("-134217728"), 0, 0.0),
        (Some("-2147483647"), 0, -10.0),
        (Some("2147483647"), 0, 10.0),
        (Some("much"), 0, 1.0),
        (None, 33_554_432, 2.0),
        (None, 1_000_000_000, 10.0),
        (None, -2_000_000_000, -10.0),
    ];
    for (deletion, priority, expected) in rows {
        let found = cost(deletion, priority);
        assert!((found - expected).abs() < 1e-9, "{deletion:?} {priority}: {found}");
    }
}

#[test]
fn empty_nodes_go_all_at_once_within_budgets() {
    let mut scene = scene();
    for name in ["n1", "n2", "n3"] {
        scene.node(name, 0, "m5.large", ("a", "on-demand"));
    }
    assert_eq!(told(&scene, Method::Emptiness), "delete: [n1, n2, n3]");
    scene.pool(0).budgets = vec![Budget { nodes: IntOrPercent::Int(2), ..Budget::usual() }];
    assert_eq!(told(&scene, Method::Emptiness), "delete: [n1, n2]");
    // Pods of DaemonSets do not count, nor do those whose eviction costs nothing.
    let agent = runs(&mut scene, "agent", 100, NodeId(0));
    scene.pod(agent).owner = OwnerKind::DaemonSet;
    let cheap = runs(&mut scene, "cheap", 100, NodeId(1));
    annotated(&mut scene, cheap, "controller.kubernetes.io/pod-deletion-cost", "-134217728");
    runs(&mut scene, "dear", 100, NodeId(2));
    scene.pool(0).budgets.clear();
    assert_eq!(told(&scene, Method::Emptiness), "delete: [n1, n2]");
}

#[test]
fn a_node_is_spared_while_pods_come_or_are_expected() {
    let mut scene = scene();
    let node = scene.node("n", 0, "m5.large", ("a", "on-demand"));
    scene.pool(0).consolidate_after = Some(MINUTE);
    scene.state(node).last_pod_event = Some(at(3600 - 59));
    assert_eq!(told(&scene, Method::Emptiness), "nothing", "a minute has not passed");
    scene.state(node).last_pod_event = Some(at(3600 - 60));
    assert_eq!(told(&scene, Method::Emptiness), "delete: [n]");
    scene.state(node).nominated_until = at(3601);
    assert_eq!(told(&scene, Method::Emptiness), "nothing", "a pod is expected");
    scene.state(node).nominated_until = at(3600);
    scene.pool(0).consolidate_after = None;
    assert_eq!(told(&scene, Method::Emptiness), "nothing", "Never");
}

#[test]
fn nodes_and_pods_can_forbid_it() {
    let mut scene = scene();
    let node = scene.node("n", 0, "m5.2xlarge", ("a", "on-demand"));
    scene.node("other", 0, "m5.2xlarge", ("a", "on-demand"));
    let pod = runs(&mut scene, "p", 500, node);
    runs(&mut scene, "q", 5000, NodeId(1));
    assert_eq!(told(&scene, Method::SingleNode), "delete: [n]");
    annotated(&mut scene, pod, DO_NOT_DISRUPT, "true");
    let says = "Pod has \"karpenter.sh/do-not-disrupt\" annotation (Pod=default/p)";
    assert_eq!(why(&scene, node).as_deref(), Some(says));
    // For a time: it has run for an hour.
    annotated(&mut scene, pod, DO_NOT_DISRUPT, "61m");
    assert_eq!(why(&scene, node).as_deref(), Some(says));
    for over in ["60m", "1h", "nonsense", "-5m", "0s"] {
        annotated(&mut scene, pod, DO_NOT_DISRUPT, over);
        assert_eq!(told(&scene, Method::SingleNode), "delete: [n]", "{over}");
    }
    let annotations = &mut scene.node_mut(node).annotations;
    annotations.insert(Arc::from(DO_NOT_DISRUPT), Arc::from("true"));
    assert!(why(&scene, node).expect("it stays").contains("Disruption is blocked"));
}

fn budget(id: u32, name: &str, allowed: i32) -> observation::Budget {
    observation::Budget {
        id: BudgetId(id),
        name: Arc::from(name),
        namespace: Arc::from("default"),
        selector: Some(LabelSelector::of_labels(Labels::new())),
        disruptions_allowed: allowed,
        fully_blocking: false,
        always_allow_unhealthy: false,
    }
}

#[test]
fn disruption_budgets_of_pods_keep_nodes() {
    let mut scene = scene();
    let node = scene.node("n", 0, "m5.2xlarge", ("a", "on-demand"));
    let other = scene.node("other", 0, "m5.2xlarge", ("a", "on-demand"));
    let pod = runs(&mut scene, "p", 500, node);
    runs(&mut scene, "q", 5000, other);
    scene.seen.budgets = vec![budget(0, "web", 0)];
    let says = "Pdb prevents pod evictions (PodDisruptionBudget=default/web)";
    assert_eq!(why(&scene, node).as_deref(), Some(says));
    scene.seen.budgets[0].disruptions_allowed = 1;
    assert_eq!(told(&scene, Method::SingleNode), "delete: [n]");
    // A pod that is not ready may go when the budget says so.
    scene.seen.budgets[0].disruptions_allowed = 0;
    scene.seen.budgets[0].always_allow_unhealthy = true;
    assert_eq!(told(&scene, Method::SingleNode), "nothing");
    scene.pod(pod).unready = true;
    assert_eq!(told(&scene, Method::SingleNode), "delete: [n]");
    scene.seen.budgets = vec![budget(0, "one", 9), budget(1, "two", 9)];
    let says = "Eviction does not support multiple PDBs \
                (PodDisruptionBudget(s)=[default/one default/two])";
    assert_eq!(why(&scene, node).as_deref(), Some(says));
}

#[test]
fn a_node_goes_when_its_pods_fit_elsewhere_or_on_a_cheaper_one() {
    let mut scene = scene();
    let node = scene.node("n", 0, "m5.2xlarge", ("a", "on-demand"));
    runs(&mut scene, "p", 3000, node);
    let replace = "replace: [n] -> [1 replacement] of m5.xlarge";
    assert_eq!(told(&scene, Method::SingleNode), replace);
    // The same price is not cheaper.
    let alone = scene.node("m", 0, "m5.xlarge", ("a", "on-demand"));
    runs(&mut scene, "q", 3000, alone);
    assert_eq!(why(&scene, alone).as_deref(), None, "n is found first");
    scene.seen.pods.clear();
    runs(&mut scene, "p", 7000, node);
    runs(&mut scene, "q", 3000, alone);
    assert_eq!(told(&scene, Method::SingleNode), "nothing");
    assert_eq!(why(&scene, alone).as_deref(), Some("Can't replace with a cheaper node"));
    // Two nodes for one are never made.
    scene.seen.pods.clear();
    for pod in ["p1", "p2", "p3", "p4"] {
        scene.waits(pod, 7000, 100, |_| {});
    }
    scene.put(PodId(0), node);
    runs(&mut scene, "q", 3000, alone);
    let says = why(&scene, alone).expect("it stays");
    assert_eq!(says, "Can't remove without creating 4 candidates");
}

#[test]
fn pods_that_would_fit_nowhere_hold_their_node() {
    let mut scene = scene();
    let node = scene.node("n", 0, "m5.2xlarge", ("a", "on-demand"));
    let pod = runs(&mut scene, "p", 3000, node);
    let template = &mut scene.pod(pod).template;
    let selector = &mut Arc::make_mut(template).spec.node_selector;
    selector.insert(Arc::from("team"), Arc::from("gone"));
    let says = why(&scene, node).expect("it stays");
    assert!(says.starts_with("Not all pods would schedule, default/p => "), "{says}");
    // A pod that waited before does not hold anyone.
    scene.waits("never", 99_000, 100, |_| {});
    let template = &mut scene.pod(pod).template;
    Arc::make_mut(template).spec.node_selector.clear();
    assert_eq!(told(&scene, Method::SingleNode), "replace: [n] -> [1 replacement] of m5.xlarge");
}

#[test]
fn nothing_is_built_on_a_node_that_is_not_initialized() {
    let mut scene = scene();
    let node = scene.node("n", 0, "m5.large", ("a", "on-demand"));
    let fresh = scene.node("fresh", 0, "m5.2xlarge", ("a", "on-demand"));
    scene.state(fresh).initialized = None;
    runs(&mut scene, "p", 500, node);
    let says = "Not all pods would schedule, default/p => would schedule against uninitialized \
                node/fresh";
    assert_eq!(why(&scene, node).as_deref(), Some(says));
}

#[test]
fn pods_of_candidates_leave_settling_nodes_alone() {
    let mut scene = scene();
    let node = scene.node("n", 0, "m5.large", ("a", "on-demand"));
    let other = scene.node("other", 0, "m5.2xlarge", ("a", "on-demand"));
    runs(&mut scene, "p", 500, node);
    runs(&mut scene, "q", 5000, other);
    scene.pool(0).consolidate_after = Some(MINUTE);
    assert_eq!(told(&scene, Method::SingleNode), "delete: [n]");
    scene.state(other).last_pod_event = Some(at(3590));
    assert_eq!(why(&scene, node).as_deref(), Some("Can't replace with a cheaper node"));
    // A pod that waits may go there.
    scene.waits("w", 500, 100, |_| {});
    assert_eq!(scene.planned(), ["n: w"]);
}

#[test]
fn several_nodes_are_replaced_by_one_cheaper() {
    let mut scene = scene();
    for name in ["n1", "n2", "n3"] {
        let node = scene.node(name, 0, "m5.xlarge", ("a", "on-demand"));
        runs(&mut scene, name, 1500, node);
    }
    // 4.5 cores: three of 0.20 for one of 0.40.
    let all = "replace: [n1, n2, n3] -> [1 replacement] of m5.2xlarge";
    assert_eq!(told(&scene, Method::MultiNode), all);
    scene.pool(0).budgets = vec![Budget { nodes: IntOrPercent::Int(2), ..Budget::usual() }];
    // One pod of the two finds room on the third node, the other on a small one.
    let two = "replace: [n1, n2] -> [1 replacement] of m5.large";
    assert_eq!(told(&scene, Method::MultiNode), two);
    // Halving intervals takes what does not do for two as not doing for three: 5 cores would need a
    // node for the price of both, although for 7.5 it would do.
    scene.pool(0).budgets.clear();
    for pod in 0..3 {
        scene.pod(PodId(pod)).requests = Arc::new(Resources::new(MilliCpu(2500), Bytes(1)));
    }
    assert_eq!(told(&scene, Method::MultiNode), "nothing");
}

#[test]
fn replacing_several_nodes_by_one_of_their_own_type_is_no_gain() {
    let mut scene = scene();
    let large = scene.node("large", 0, "m5.2xlarge", ("a", "on-demand"));
    let small = scene.node("small", 0, "m5.large", ("a", "on-demand"));
    // Together they would fit a 2xlarge only, which is there already.
    runs(&mut scene, "p", 6000, large);
    runs(&mut scene, "q", 1500, small);
    assert_eq!(told(&scene, Method::MultiNode), "nothing");
    assert_eq!(told(&scene, Method::SingleNode), "delete: [small]");
}

#[test]
fn on_demand_may_become_spot_and_spot_only_with_the_gate() {
    let mut scene = Scene::new(vec![unlimited(plain("default", sizes()))]);
    let node = scene.node("n", 0, "m5.2xlarge", ("a", "on-demand"));
    runs(&mut scene, "p", 7000, node);
    let command = found(&scene, Method::SingleNode).expect("spot is cheaper");
    let requirements = &command.replacements[0].requirements;
    assert_eq!(requirements.get(CAPACITY_TYPE).expect("it is set").to_string(), "In [spot]");
    assert!((command.savings() - 0.24).abs() < 1e-9, "0.40 less 0.16");
    let mut scene = Scene::new(vec![unlimited(plain("default", sizes()))]);
    let node = scene.node("n", 0, "m5.2xlarge", ("a", "spot"));
    runs(&mut scene, "p", 3000, node);
    let says = "SpotToSpotConsolidation is disabled, can't replace a spot node with a spot node";
    assert_eq!(why(&scene, node).as_deref(), Some(says));
    scene.spec.options.spot_to_spot = true;
    let says = "SpotToSpotConsolidation requires 15 cheaper instance type options than the current \
                candidate to consolidate, got 1";
    assert_eq!(why(&scene, node).as_deref(), Some(says));
}

#[test]
fn spot_for_spot_is_launched_from_the_fifteen_cheapest() {
    let size = Resources::new(MilliCpu(4000), Bytes(1 << 34));
    let mut options: Vec<Arc<InstanceOption>> = (0..20_u32)
        .map(|n| {
            let price = 0.1 + f64::from(n) / 1000.0;
            custom(&format!("m{n:02}.xlarge"), size.clone(), &[("a", price)], Some(0.4))
        })
        .collect();
    options.push(machine("m5.2xlarge", 8, 0.40));
    let mut scene = Scene::new(vec![unlimited(plain("default", options))]);
    scene.spec.options.spot_to_spot = true;
    let node = scene.node("n", 0, "m5.2xlarge", ("a", "spot"));
    runs(&mut scene, "p", 3000, node);
    let command = found(&scene, Method::SingleNode).expect("there are twenty cheaper types");
    let names: Vec<&str> = command.replacements[0].choices.iter().map(|it| &**it.name()).collect();
    assert_eq!(names.len(), 15);
    assert_eq!((names[0], names[14]), ("m00.xlarge", "m14.xlarge"));
}

#[test]
fn policies_and_budgets_hold_nodes() {
    let mut scene = scene();
    let node = scene.node("n", 0, "m5.2xlarge", ("a", "on-demand"));
    runs(&mut scene, "p", 3000, node);
    scene.pool(0).policy = ConsolidationPolicy::WhenEmpty;
    let says = "NodePool \"default\" has consolidation policy WhenEmpty, but node is not empty";
    assert_eq!(why(&scene, node).as_deref(), Some(says));
    scene.pool(0).policy = ConsolidationPolicy::WhenEmptyOrUnderutilized;
    scene.pool(0).budgets = vec![Budget { nodes: IntOrPercent::Int(0), ..Budget::usual() }];
    let found = scene.with(|sight| find(sight, Method::SingleNode, false));
    assert_eq!((found.command.is_none(), found.settled), (true, false), "budgets may open again");
    assert_eq!(found.blocked_pools, [0]);
    // Nodes that are going already count, and those that are not ready.
    scene.pool(0).budgets = vec![Budget { nodes: IntOrPercent::Int(1), ..Budget::usual() }];
    let going = scene.node("going", 0, "m5.large", ("a", "on-demand"));
    assert_ne!(told(&scene, Method::SingleNode), "nothing");
    scene.state(going).marked = true;
    assert_eq!(told(&scene, Method::SingleNode), "nothing");
    scene.state(going).marked = false;
    scene.node_mut(going).ready = false;
    assert_eq!(told(&scene, Method::SingleNode), "nothing");
    // Those that are not initialized neither count nor use it up.
    scene.state(going).initialized = None;
    assert_ne!(told(&scene, Method::SingleNode), "nothing");
}

#[test]
fn balanced_asks_whether_the_saving_is_worth_the_pods() {
    let mut scene = scene();
    scene.pool(0).policy = ConsolidationPolicy::Balanced;
    let busy = scene.node("busy", 0, "m5.xlarge", ("a", "on-demand"));
    let idle = scene.node("idle", 0, "m5.xlarge", ("a", "on-demand"));
    for n in 0..6 {
        runs(&mut scene, &format!("b{n}"), 300, busy);
    }
    runs(&mut scene, "i", 300, idle);
    // Half of the cost for 2/9 of the disruption: 2.25.
    assert_eq!(told(&scene, Method::SingleNode), "delete: [idle]");
    // For 14 of 16: 0.57; for 26 of 28 and a fifth of the cost: not worth it.
    for n in 0..12 {
        runs(&mut scene, &format!("c{n}"), 20, idle);
    }
    for n in 0..3 {
        let node = scene.node(&format!("other{n}"), 0, "m5.xlarge", ("a", "on-demand"));
        runs(&mut scene, &format!("o{n}"), 3500, node);
    }
    let command = found(&scene, Method::SingleNode);
    let names = command.map(|it| it.to_string());
    assert_ne!(names.as_deref(), Some("delete: [idle]"), "13 of 27 for a fifth: 0.39");
}

#[test]
fn drifted_nodes_go_one_by_one_the_empty_and_the_oldest_first() {
    let mut scene = scene();
    for (name, since) in [("young", 30), ("old", 10), ("empty", 50)] {
        let node = scene.node(name, 0, "m5.large", ("a", "on-demand"));
        scene.state(node).drifted = Some(at(since));
        if name != "empty" {
            runs(&mut scene, name, 1500, node);
        }
    }
    assert_eq!(told(&scene, Method::Drift), "delete: [empty]");
    scene.state(NodeId(2)).drifted = None;
    scene.state(NodeId(2)).marked = true;
    // A drifted node needs a replacement, however dear.
    let words = told(&scene, Method::Drift);
    assert!(words.starts_with("replace: [old] -> [1 replacement]"), "{words}");
    // What must not be evicted holds it, unless its node has a time for that.
    annotated(&mut scene, PodId(0), DO_NOT_DISRUPT, "true");
    annotated(&mut scene, PodId(1), DO_NOT_DISRUPT, "true");
    assert_eq!(told(&scene, Method::Drift), "nothing");
    scene.pool(0).termination_grace = Some(MINUTE);
    let words = told(&scene, Method::Drift);
    assert!(words.starts_with("delete: [old]"), "its pod is not planned for: {words}");
    assert_eq!(told(&scene, Method::SingleNode), "nothing", "consolidation does not overrule it");
}

#[test]
fn a_second_look_drops_what_no_longer_holds() {
    let mut scene = scene();
    let node = scene.node("n", 0, "m5.2xlarge", ("a", "on-demand"));
    let pod = runs(&mut scene, "p", 1000, node);
    let command = found(&scene, Method::SingleNode).expect("a cheaper one does");
    let again = |scene: &Scene| {
        scene.with(|sight| validate(sight, command.clone()).map(|it| it.to_string()))
    };
    assert_eq!(again(&scene), Ok("replace: [n] -> [1 replacement]".to_owned()));
    scene.state(node).nominated_until = at(9999);
    assert_eq!(again(&scene), Err(Invalid::Churn), "a pod is expected");
    scene.state(node).nominated_until = at(0);
    scene.pool(0).budgets = vec![Budget { nodes: IntOrPercent::Int(0), ..Budget::usual() }];
    assert_eq!(again(&scene), Err(Invalid::Budget));
    scene.pool(0).budgets.clear();
    // Another pod came: the types of the command would not hold both.
    let more = runs(&mut scene, "more", 3500, node);
    assert_eq!(again(&scene), Err(Invalid::Scheduling));
    // The pods have another place now.
    scene.seen.pods.remove(more.index());
    let other = scene.node("other", 0, "m5.2xlarge", ("a", "on-demand"));
    assert_eq!(again(&scene), Err(Invalid::Scheduling), "a deletion would do");
    scene.state(other).marked = true;
    assert!(again(&scene).is_ok());
    scene.pod(pod).owner = OwnerKind::DaemonSet;
    assert_eq!(again(&scene), Err(Invalid::Churn), "it is empty now, which is another method's");
}

#[test]
fn of_empty_nodes_those_that_stayed_empty_go() {
    let mut scene = scene();
    let one = scene.node("n1", 0, "m5.large", ("a", "on-demand"));
    scene.node("n2", 0, "m5.large", ("a", "on-demand"));
    let command = found(&scene, Method::Emptiness).expect("both are empty");
    runs(&mut scene, "p", 100, one);
    let valid = scene.with(|sight| validate(sight, command.clone()));
    assert_eq!(valid.expect("one is left").to_string(), "delete: [n2]");
    runs(&mut scene, "q", 100, NodeId(1));
    assert_eq!(scene.with(|sight| validate(sight, command).err()), Some(Invalid::Churn));
}

#[test]
fn pods_that_budgets_never_let_go_get_no_new_capacity() {
    let mut scene = scene();
    let node = scene.node("n", 0, "m5.large", ("a", "on-demand"));
    runs(&mut scene, "p", 500, node);
    scene.state(node).deleted = Some(at(3600));
    let count = |scene: &Scene| scene.with(|sight| pods_of_deleting(&sight.world).len());
    assert_eq!(count(&scene), 1);
    scene.seen.budgets = vec![budget(0, "web", 0)];
    assert_eq!(count(&scene), 1, "for now is not for ever");
    scene.seen.budgets[0].fully_blocking = true;
    assert_eq!(count(&scene), 0);
    let mut template = PodTemplate::default();
    template.annotations.insert(Arc::from(DO_NOT_DISRUPT), Arc::from("true"));
    scene.seen.budgets.clear();
    scene.pod(PodId(0)).template = Arc::new(template);
    assert_eq!(count(&scene), 0);
}

/// Twenty nodes: a tenth, two, may go, and the two that are not ready are those two.
#[test]
fn nodes_that_are_not_ready_use_the_budget_up() {
    let mut scene = scene();
    scene.pool(0).budgets = vec![Budget::usual()];
    for n in 0..20 {
        scene.node(&format!("n{n:02}"), 0, "m5.large", ("a", "on-demand"));
    }
    assert_eq!(told(&scene, Method::Emptiness), "delete: [n00, n01]");
    scene.node_mut(NodeId(18)).ready = false;
    assert_eq!(told(&scene, Method::Emptiness), "delete: [n00]");
    scene.node_mut(NodeId(19)).ready = false;
    assert_eq!(told(&scene, Method::Emptiness), "nothing");
}

/// A pod whose deletion cost is -2^27 costs 1 - 1 = 0 to evict, one of the priority -2^25 as well. A node of
/// nothing but such pods is empty, and goes although its pods fit nowhere else.
#[test]
fn a_node_of_pods_that_cost_nothing_is_empty_wherever_they_go() {
    for by_priority in [false, true] {
        let mut scene = scene();
        let node = scene.node("n", 0, "m5.2xlarge", ("a", "on-demand"));
        for name in ["p1", "p2"] {
            let pod = runs(&mut scene, name, 3900, node);
            if by_priority {
                let template = &mut scene.pod(pod).template;
                Arc::make_mut(template).spec.priority = -33_554_432;
            } else {
                annotated(
                    &mut scene,
                    pod,
                    "controller.kubernetes.io/pod-deletion-cost",
                    "-134217728",
                );
            }
        }
        assert_eq!(told(&scene, Method::Emptiness), "delete: [n]", "by priority: {by_priority}");
    }
}

/// Price over 1 and what the pods cost: 0.384 / (1 + 3) = 0.096 of one, 0.096 / 1 = 0.096 of an empty one,
/// 0.192 / (1 + 10) = 0.0175 of the last. Equals go by name.
#[test]
fn nodes_worth_most_for_each_disruption_come_first() {
    let sizes = vec![
        machine("m5.large", 2, 0.096),
        machine("m5.xlarge", 4, 0.192),
        machine("m5.2xlarge", 8, 0.384),
    ];
    let mut scene = Scene::new(vec![on_demand(unlimited(plain("default", sizes)))]);
    for (name, machine, pods) in
        [("cheap", "m5.xlarge", 10), ("dear", "m5.2xlarge", 3), ("empty", "m5.large", 0)]
    {
        let node = scene.node(name, 0, machine, ("a", "on-demand"));
        for n in 0..pods {
            runs(&mut scene, &format!("{name}-{n}"), 10, node);
        }
    }
    let order = scene.with(|sight| {
        let (mut all, _) = candidates(sight, Method::SingleNode.class());
        consolidation::sort(&mut all);
        all.iter().map(|it| (it.node.name.to_string(), it.ratio())).collect::<Vec<_>>()
    });
    let names: Vec<&str> = order.iter().map(|(name, _)| &**name).collect();
    assert_eq!(names, ["dear", "empty", "cheap"]);
    for ((name, ratio), expected) in order.iter().zip([0.384 / 4.0, 0.096, 0.192 / 11.0]) {
        assert!((ratio - expected).abs() < 1e-12, "{name}: {ratio}");
    }
}

/// Three nodes of 0.096 cost 0.288, and two of their pods fit the third node. A machine for all three of 0.192
/// is cheaper, one of 0.384 is not. Where one of their own type is to be had it would do, too: then only
/// cheaper ones than it may come, there are none, and two nodes go while one stays.
#[test]
fn a_replacement_costs_less_than_what_goes_and_is_no_copy_of_it() {
    let sizes = vec![
        machine("m5.large", 2, 0.096),
        machine("m5.xlarge", 4, 0.192),
        machine("m5.2xlarge", 8, 0.384),
    ];
    for (sold_out, expected) in [
        (true, "replace: [n1, n2, n3] -> [1 replacement] of m5.xlarge"),
        (false, "delete: [n1, n2]"),
    ] {
        let mut scene = Scene::new(vec![on_demand(unlimited(plain("default", sizes.clone())))]);
        for name in ["n1", "n2", "n3"] {
            let node = scene.node(name, 0, "m5.large", ("a", "on-demand"));
            runs(&mut scene, &format!("of-{name}"), 600, node);
        }
        for zone in ["a", "b"].into_iter().filter(|_| sold_out) {
            let key = (Arc::from("m5.large"), Arc::from(zone), CapacityType::OnDemand);
            scene.unavailable.insert(key);
        }
        assert_eq!(told(&scene, Method::MultiNode), expected, "sold out: {sold_out}");
    }
}

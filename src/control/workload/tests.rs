//! Live workloads on a small cluster whose kubelets are quick: what the controllers do together.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::*;
use crate::cluster::api::budget::{Allowance, PodDisruptionBudgetSpec};
use crate::cluster::api::meta::{IntOrPercent, Labels, ObjectMeta};
use crate::cluster::api::pod::PodTemplate;
use crate::cluster::api::pool::{InstanceType, NodePoolSpec};
use crate::cluster::api::selector::LabelSelector;
use crate::cluster::api::workload::{
    DaemonSetRollingUpdate, DeploymentStrategy, StatefulSetUpdate, WorkloadSpec,
};
use crate::cluster::{ConditionStatus, Occurrence, Pod, PodOwner};
use crate::control::disruption::Budgets;
use crate::control::drain::{Drain, DrainSpec};
use crate::engine::Dist;
use crate::model::Action;
use crate::model::action::PodDeletion;
use crate::model::id::{BudgetId, NodeId, PodId, PoolId};
use crate::model::record::Record;
use crate::units::{Bytes, MilliCpu, Origin, Resources, SimDuration};

/// How long a pod takes from being made to being ready, and from deletion to being gone (s).
const LIFE_STEP: u64 = 3;

struct World {
    cluster: Cluster,
    controllers: WorkloadControllers,
    budgets: Budgets,
    now: SimTime,
    since: BTreeMap<PodId, SimTime>,
    log: Vec<(u64, Record)>,
}

fn labels(app: &str) -> Labels {
    Labels::from([(Arc::from("app"), Arc::from(app))])
}

fn meta(name: &str) -> ObjectMeta {
    let (name, namespace) = (Arc::from(name), Arc::from("default"));
    ObjectMeta { name, namespace, ..ObjectMeta::default() }
}

fn workload(name: &str, replicas: i32, kind: WorkloadKind) -> Arc<WorkloadSpec> {
    Arc::new(WorkloadSpec {
        meta: meta(name),
        selector: LabelSelector::of_labels(labels(name)),
        replicas,
        replicas_origin: Origin::default(),
        min_ready: SimDuration::ZERO,
        template: Arc::new(PodTemplate { labels: labels(name), ..PodTemplate::default() }),
        kind,
    })
}

fn deployment(replicas: i32) -> Arc<WorkloadSpec> {
    let quarter = IntOrPercent::Percent(25);
    let strategy =
        DeploymentStrategy::RollingUpdate { max_surge: quarter, max_unavailable: quarter };
    let kind = WorkloadKind::Deployment {
        strategy,
        progress_deadline: Some(SimDuration::from_secs(600)),
        revision_history_limit: 10,
        paused: false,
    };
    workload("web", replicas, kind)
}

fn pool(nodes: u32) -> Arc<NodePoolSpec> {
    let room = Resources::new(MilliCpu(64_000), Bytes(1 << 36));
    let instance = InstanceType {
        name: Arc::from("large"),
        capacity: room.clone(),
        allocatable: room,
        max_pods: 110,
        max_volumes: None,
        gpu_kind: None,
        on_demand_per_hour: None,
        spot_per_hour: None,
        price_date: Arc::from(""),
    };
    Arc::new(NodePoolSpec {
        name: Arc::from("general"),
        origin: Origin::default(),
        instance: Arc::new(instance),
        min: nodes,
        max: nodes,
        max_origin: Origin::default(),
        initial: nodes,
        zones: vec![Arc::from("a")],
        labels: Labels::new(),
        taints: Vec::new(),
        launch: Dist::fixed(SimDuration::ZERO),
        node_ready: None,
        gpu_ready: None,
        gpu_sharing: None,
        spot: false,
        autoscaled: false,
        node_pool: None,
    })
}

impl World {
    fn new(nodes: u32, workloads: &[Arc<WorkloadSpec>], max_unavailable: Option<i32>) -> Self {
        let budget = max_unavailable.map(|count| {
            Arc::new(PodDisruptionBudgetSpec {
                meta: meta("pdb"),
                allowance: Some(Allowance::MaxUnavailable(IntOrPercent::Int(count))),
                allowance_origin: Origin::default(),
                selector: Some(LabelSelector::of_labels(labels("web"))),
                always_allow_unhealthy: false,
            })
        });
        let budgets: Vec<_> = budget.into_iter().collect();
        let cluster = Cluster::new(&[pool(nodes)], workloads, &budgets);
        let mut world = Self {
            controllers: WorkloadControllers::new(&cluster),
            budgets: Budgets::new(&cluster),
            cluster,
            now: SimTime::from_secs(100),
            since: BTreeMap::new(),
            log: Vec::new(),
        };
        for node in 0..nodes {
            world.apply(&[Action::AddNode(PoolId(0))]);
            world.occur(Occurrence::NodeReady(NodeId(node)));
        }
        world
    }

    fn tell(&mut self, records: Vec<Record>) {
        let second = self.now.as_nanos() / 1_000_000_000;
        self.log.extend(records.into_iter().map(|record| (second, record)));
    }

    fn apply(&mut self, actions: &[Action]) {
        let mut records = Vec::new();
        for action in actions {
            self.cluster.apply(self.now, action, &mut records);
        }
        self.tell(records);
    }

    fn occur(&mut self, fact: Occurrence) {
        let mut records = Vec::new();
        self.cluster.occur(self.now, fact, &mut records);
        self.tell(records);
    }

    /// One second: pods live on, then every controller looks until nobody wants another look.
    fn second(&mut self) {
        self.now += SimDuration::from_secs(1);
        self.live();
        for id in (0..self.cluster.workloads().len()).map(WorkloadId::at) {
            for _ in 0..20 {
                let decision = self.controllers.reconcile(self.now, &self.cluster, id);
                self.apply(&decision.actions);
                if decision.actions.is_empty() {
                    break;
                }
            }
        }
        for id in (0..self.cluster.budgets().len()).map(BudgetId::at) {
            let (action, _) = self.budgets.sync(self.now, &self.cluster, id);
            self.apply(action.as_slice());
        }
        self.cluster.check_invariants(self.now);
    }

    /// Unbound pods are bound to the emptiest schedulable node; bound ones become ready, and those
    /// that terminate are gone, after a while.
    fn live(&mut self) {
        let pods: Vec<PodId> = self.cluster.pods().map(|pod| pod.id).collect();
        for id in pods {
            let pod = self.cluster.pod(id).expect("just listed");
            let state = (pod.node.is_some(), pod.is_ready(), pod.is_terminating());
            let due = |since: SimTime| since + SimDuration::from_secs(LIFE_STEP) <= self.now;
            match state {
                (_, _, true) => {
                    if due(pod.deletion.expect("it terminates").began) {
                        self.occur(Occurrence::PodGone(id));
                    }
                }
                (false, ..) => {
                    let place = match pod.owner {
                        PodOwner::Daemon(_, node) => Some(node),
                        PodOwner::ReplicaSet(..) | PodOwner::Ordinal(..) | PodOwner::Job(..) => {
                            let open = self.cluster.nodes().filter(|node| !node.unschedulable);
                            open.min_by_key(|node| node.pods.len()).map(|node| node.id)
                        }
                    };
                    if let Some(node) = place {
                        self.apply(&[Action::BindPod { pod: id, node }]);
                        self.occur(Occurrence::PodTaken(id));
                        self.occur(Occurrence::PodStarted(id));
                        self.since.insert(id, self.now);
                    }
                }
                (true, false, false) if due(self.since[&id]) => {
                    self.occur(Occurrence::PodReady(id, ConditionStatus::True));
                }
                (true, _, false) => {}
            }
        }
    }

    fn run(&mut self, seconds: u64) {
        for _ in 0..seconds {
            self.second();
        }
    }

    fn ready(&self, id: u32) -> usize {
        self.cluster.pods_of(WorkloadId(id)).filter(|pod| pod.is_ready()).count()
    }
}

#[test]
fn a_deployment_comes_up_grows_and_shrinks_with_its_size() {
    let mut world = World::new(3, &[deployment(4)], None);
    for (replicas, ready) in [(4, 4), (9, 9), (2, 2), (0, 0)] {
        world.apply(&[Action::ScaleWorkload { workload: WorkloadId(0), replicas }]);
        world.run(12);
        assert_eq!(world.ready(0), ready);
        assert_eq!(world.cluster.pod_count(), ready);
    }
    let status = world.controllers.deployment_status(WorkloadId(0)).expect("a Deployment");
    assert_eq!((status.replicas, status.available, status.unavailable), (0, 0, 0));
}

#[test]
fn a_pod_that_is_deleted_is_replaced_before_it_is_gone() {
    let mut world = World::new(2, &[deployment(2)], None);
    world.run(10);
    let pod = world.cluster.pods().next().expect("two are there").id;
    let because = PodDeletion::Scenario;
    world.apply(&[Action::DeletePod { pod, grace: None, because }]);
    world.second();
    assert_eq!(world.cluster.pod_count(), 3);
    world.run(10);
    assert_eq!((world.cluster.pod_count(), world.ready(0)), (2, 2));
}

#[test]
fn an_ordered_stateful_set_comes_up_one_by_one_and_shrinks_from_the_top() {
    let kind = WorkloadKind::StatefulSet {
        parallel: false,
        update: StatefulSetUpdate::RollingUpdate { partition: 0 },
        ordinals_start: 0,
        claims: Vec::new(),
    };
    let mut world = World::new(2, &[workload("db", 3, kind)], None);
    world.run(30);
    world.apply(&[Action::ScaleWorkload { workload: WorkloadId(0), replicas: 1 }]);
    world.run(30);
    let mut made = Vec::new();
    let mut gone = Vec::new();
    for (at, record) in &world.log {
        if let Record::PodCreated { name, .. } = record {
            made.push((*at, Arc::clone(name)));
        } else if let Record::PodGone(pod) = record {
            gone.push(*pod);
        }
    }
    let names: Vec<&str> = made.iter().map(|(_, name)| &**name).collect();
    assert_eq!(names, ["db-0", "db-1", "db-2"]);
    assert!(made.windows(2).all(|pair| pair[0].0 + LIFE_STEP < pair[1].0), "{made:?}");
    assert_eq!(gone, [PodId(2), PodId(1)]);
}

#[test]
fn a_daemon_set_has_a_pod_on_every_node_cordoned_or_not() {
    let update = DaemonSetRollingUpdate {
        max_surge: IntOrPercent::Int(0),
        max_unavailable: IntOrPercent::Int(1),
    };
    let kind = WorkloadKind::DaemonSet { rolling_update: Some(update) };
    let mut world = World::new(2, &[workload("agent", 1, kind)], None);
    world.apply(&[Action::Cordon(NodeId(1))]);
    world.run(8);
    let nodes: Vec<Option<NodeId>> = world.cluster.pods().map(|pod: &Pod| pod.node).collect();
    assert_eq!(nodes, [Some(NodeId(0)), Some(NodeId(1))]);
    world.apply(&[Action::AddNode(PoolId(0))]);
    world.occur(Occurrence::NodeReady(NodeId(2)));
    world.run(8);
    assert_eq!(world.ready(0), 3);
}

#[test]
fn a_drain_moves_pods_one_by_one_through_their_budget() {
    let mut world = World::new(3, &[deployment(6)], Some(1));
    world.run(10);
    let mut drain = Drain::new(DrainSpec::default(), vec![NodeId(0)]);
    let mut least = usize::MAX;
    let mut next = Some(world.now);
    while let Some(at) = next {
        while world.now < at {
            world.second();
            least = least.min(world.ready(0));
        }
        let progress = drain.advance(world.now, &world.cluster, &mut world.budgets);
        world.apply(&progress.actions);
        next = progress.next;
        assert!(world.now < SimTime::from_secs(1000), "the drain goes on for ever");
    }
    assert_eq!(drain.outcomes().len(), 1);
    assert!(drain.outcomes()[0].failures.is_empty());
    assert!(world.cluster.pods_on(NodeId(0)).next().is_none());
    world.run(10);
    // Replaced pods are ready, and never was more than one of six missing, beside the one that
    // terminates and is ready still.
    assert_eq!(world.ready(0), 6);
    assert!(least >= 5, "{least}");
}

#[test]
fn a_budget_that_allows_nothing_keeps_a_drain_waiting() {
    let mut world = World::new(2, &[deployment(2)], Some(0));
    world.run(10);
    let mut drain = Drain::new(DrainSpec::default(), vec![NodeId(0)]);
    let mut refusals = 0;
    for _ in 0..20 {
        world.second();
        let progress = drain.advance(world.now, &world.cluster, &mut world.budgets);
        refusals += progress.refused.len();
        world.apply(&progress.actions);
    }
    assert_eq!(refusals, 4, "at 0, 5, 10 and 15 s");
    let waiting: Vec<_> = drain.refused().collect();
    assert_eq!((waiting.len(), waiting[0].attempts), (1, 4));
}

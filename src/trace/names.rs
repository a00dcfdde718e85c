//! Names of everything a record points to by id.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::model::id::{BudgetId, DisruptionId, HpaId, NodeId, PodId, PoolId, WorkloadId};
use crate::scenario::Scenario;
use crate::units::convert::index;

/// Names by id. What a scenario holds is known from the start; pods and nodes are added as they
/// are told of. An id that was never told of has the name `?`, so that a record can always be read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Names {
    /// `gateway`, by [`WorkloadId`].
    pub workloads: Vec<Arc<str>>,
    /// Node pools, by [`PoolId`].
    pub pools: Vec<Arc<str>>,
    /// PodDisruptionBudgets, by [`BudgetId`].
    pub budgets: Vec<Arc<str>>,
    /// HorizontalPodAutoscalers, by [`HpaId`].
    pub hpas: Vec<Arc<str>>,
    /// Timed disruptions in words, by [`DisruptionId`].
    pub disruptions: Vec<Arc<str>>,
    /// Pods.
    pub pods: BTreeMap<PodId, Arc<str>>,
    /// Nodes.
    pub nodes: BTreeMap<NodeId, Arc<str>>,
    /// Nodes asked for so far, by [`PoolId`].
    pub nodes_of_pool: Vec<u32>,
}

impl Names {
    /// The names a scenario knows before the run.
    #[must_use]
    pub fn of(scenario: &Scenario) -> Self {
        Self {
            workloads: scenario.workloads.iter().map(|w| Arc::clone(&w.meta.name)).collect(),
            pools: scenario.pools.iter().map(|pool| Arc::clone(&pool.name)).collect(),
            budgets: scenario.budgets.iter().map(|b| Arc::clone(&b.meta.name)).collect(),
            hpas: scenario.hpas.iter().map(|hpa| Arc::clone(&hpa.meta.name)).collect(),
            disruptions: scenario
                .disruptions
                .iter()
                .map(|disruption| Arc::from(disruption.target.to_string()))
                .collect(),
            pods: BTreeMap::new(),
            nodes: BTreeMap::new(),
            nodes_of_pool: vec![0; scenario.pools.len()],
        }
    }

    /// A pod was made.
    pub(super) fn pod_created(&mut self, pod: PodId, name: &Arc<str>) {
        self.pods.insert(pod, Arc::clone(name));
    }

    /// A node was asked for: nodes of a pool are called `POOL-1`, `POOL-2` and so on in the order
    /// in which they are asked for, as the cluster names them.
    pub(super) fn node_requested(&mut self, node: NodeId, pool: PoolId) {
        if self.nodes_of_pool.len() <= pool.index() {
            self.nodes_of_pool.resize(pool.index() + 1, 0);
        }
        self.nodes_of_pool[pool.index()] += 1;
        let name = format!("{}-{}", self.pool(pool), self.nodes_of_pool[pool.index()]);
        self.nodes.insert(node, Arc::from(name));
    }

    /// A pod's name.
    #[must_use]
    pub fn pod(&self, id: PodId) -> &str {
        self.pods.get(&id).map_or("?", |name| name)
    }

    /// A node's name.
    #[must_use]
    pub fn node(&self, id: NodeId) -> &str {
        self.nodes.get(&id).map_or("?", |name| name)
    }

    /// A workload's name.
    #[must_use]
    pub fn workload(&self, id: WorkloadId) -> &str {
        named(&self.workloads, id.0)
    }

    /// A pool's name.
    #[must_use]
    pub fn pool(&self, id: PoolId) -> &str {
        named(&self.pools, id.0)
    }

    /// A budget's name.
    #[must_use]
    pub fn budget(&self, id: BudgetId) -> &str {
        named(&self.budgets, id.0)
    }

    /// An HPA's name.
    #[must_use]
    pub fn hpa(&self, id: HpaId) -> &str {
        named(&self.hpas, id.0)
    }

    /// A disruption in words.
    #[must_use]
    pub fn disruption(&self, id: DisruptionId) -> &str {
        named(&self.disruptions, id.0)
    }
}

fn named(names: &[Arc<str>], id: u32) -> &str {
    names.get(index(id)).map_or("?", |name| name)
}

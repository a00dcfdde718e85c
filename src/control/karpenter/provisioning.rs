//! Plans for pods that wait, claims for what is planned, machines for claims.
//!
//! sigs.k8s.io/karpenter, pkg/controllers/provisioning/provisioner.go;
//! pkg/controllers/nodeclaim/lifecycle/launch.go.

use std::sync::Arc;

use rand::RngExt;

use super::batch::Trigger;
use super::disruption::{pending, pods_of_deleting};
use super::instance::Choice;
use super::launch::launch;
use super::observation::{Observation, Pod};
use super::requirement::{HOSTNAME, Operator, is_well_known};
use super::scheduling::{PlannedClaim, Results};
use super::state::world;
use super::{Karpenter, Order, UNAVAILABLE, Whose, say};
use crate::cluster::api::Labels;
use crate::units::{ResourceList, SimTime};

/// A claim that has no machine yet.
#[derive(Debug, Clone)]
pub(super) struct Launching {
    pub(super) name: Arc<str>,
    pub(super) plan: PlannedClaim,
    pub(super) created: SimTime,
    /// When the cloud answers.
    pub(super) due: SimTime,
}

impl Karpenter {
    /// Gathers who waits, and plans when the window is over.
    pub(super) fn provision_due(&mut self, seen: &Observation, orders: &mut Vec<Order>) {
        let now = seen.now;
        let options = self.spec.options;
        let states = &self.states;
        self.batch.gather(now, |trigger| match trigger {
            Trigger::Pod(id) => {
                let found = seen.pods.binary_search_by_key(&id, |pod| pod.id);
                found.is_ok_and(|at| seen.pods[at].is_provisionable())
            }
            Trigger::Node(id) => states.get(&id).is_some_and(|state| state.is_deleting()),
        });
        if self.batch.take(now, options.batch_idle, options.batch_max) && self.is_synced() {
            self.provision(seen, orders);
        }
    }

    /// Plans for all pods that wait and for those on nodes that go.
    pub(super) fn provision(&mut self, seen: &Observation, orders: &mut Vec<Order>) {
        let unavailable = self.known_unavailable();
        let world = world(&self.spec, seen, &self.states, &unavailable, &self.domain_groups);
        let mut pods = pending(&world);
        pods.extend(pods_of_deleting(&world));
        if pods.is_empty() {
            return;
        }
        let results = world.plan(&pods, &std::collections::BTreeSet::new(), false);
        self.record(seen, &results, orders);
        for plan in results.claims {
            let pods = plan.pods.clone();
            if let Some(name) = self.create(seen, plan, "provisioned", orders) {
                let target: Arc<str> = Arc::from(format!("nodeclaim/{name}"));
                self.tell_nominations(&pods, &target, orders);
            }
        }
    }

    /// Says where pods should go, and spares the nodes they should go to (`Results.Record`).
    pub(super) fn record(
        &mut self,
        seen: &Observation,
        results: &Results,
        orders: &mut Vec<Order>,
    ) {
        for (pod, error) in results.errors.values() {
            let message: Arc<str> = Arc::from(format!("Failed to schedule pod, {error}"));
            if self.told_pods.get(&pod.id) != Some(&message) {
                self.told_pods.insert(pod.id, Arc::clone(&message));
                let about = Whose::Pod(pod.id);
                orders.push(Order::Say { about, event: "FailedScheduling", message });
            }
        }
        for (node, pods) in &results.existing {
            self.nominate(*node, seen.now);
            let name = seen.nodes.iter().find(|it| it.id == *node).map(|it| &*it.name);
            let target: Arc<str> = Arc::from(format!("node/{}", name.unwrap_or_default()));
            self.tell_nominations(pods, &target, orders);
        }
    }

    fn tell_nominations(&mut self, pods: &[Arc<Pod>], target: &Arc<str>, orders: &mut Vec<Order>) {
        for pod in pods {
            let message: Arc<str> = Arc::from(format!("Pod should schedule on: {target}"));
            if self.told_pods.get(&pod.id) != Some(&message) {
                self.told_pods.insert(pod.id, Arc::clone(&message));
                let about = Whose::Pod(pod.id);
                orders.push(Order::Say { about, event: "Nominated", message });
            }
        }
    }

    /// Makes a claim, unless the pool uses more than its limits already; its name.
    pub(super) fn create(
        &mut self,
        seen: &Observation,
        plan: PlannedClaim,
        reason: &str,
        orders: &mut Vec<Order>,
    ) -> Option<Arc<str>> {
        let pool = Arc::clone(&self.spec.pools[plan.pool]);
        let about = || Whose::Pool(Arc::clone(&pool.name));
        if let Some(exceeded) = exceeded(&pool.limits, plan.pool, seen) {
            orders.push(say(about(), "LimitExceeded", exceeded));
            return None;
        }
        let number = self.next_claim.entry(Arc::clone(&pool.name)).or_insert(0);
        *number += 1;
        let name: Arc<str> = Arc::from(format!("{}-{number}", pool.name));
        let message = format!(
            "created nodeclaim {name} ({reason}) for {} pod{}, requests cpu {} memory {}, \
             instance types {}",
            plan.pods.len(),
            if plan.pods.len() == 1 { "" } else { "s" },
            plan.requests.cpu,
            plan.requests.memory,
            type_list(&plan.choices),
        );
        orders.push(say(about(), "NodeClaimCreated", message));
        let mut stream = self.streams.of(&format!("karpenter/launch-call/{name}"));
        let due = seen.now + self.launch_call.sample_span(&mut stream);
        self.launching.push(Launching { name: Arc::clone(&name), plan, created: seen.now, due });
        self.touch(seen.now);
        Some(name)
    }

    /// Machines for the claims whose answer from the cloud has come.
    pub(super) fn launch_due(&mut self, seen: &Observation, orders: &mut Vec<Order>) {
        let due: Vec<Launching> =
            self.launching.iter().filter(|it| it.due <= seen.now).cloned().collect();
        // Under a quota one launch decides on the next, which then sees it.
        let at_once = if seen.quotas { 1 } else { due.len() };
        for claim in due.iter().take(at_once) {
            self.launch(seen, claim, orders);
        }
    }

    fn launch(&mut self, seen: &Observation, claim: &Launching, orders: &mut Vec<Order>) {
        let now = seen.now;
        let (plan, name) = (&claim.plan, &claim.name);
        let known = self.known_unavailable();
        let launched = launch(plan, name, &known, &seen.refused, &self.streams);
        let pool = Arc::clone(&self.spec.pools[plan.pool]);
        for (offering, code) in launched.missing {
            let (machine, zone, capacity) = &offering;
            let message = format!(
                "{code}: {machine} ({capacity}) in {zone}; not asked for \
                 again for 3 minutes"
            );
            orders.push(say(Whose::Pool(Arc::clone(&pool.name)), "InsufficientCapacity", message));
            self.unavailable.insert(offering, now + UNAVAILABLE);
        }
        let machine = launched.machine.and_then(|(machine, at)| {
            let option = pool.options.iter().find(|it| it.machine.name == machine)?;
            Some((machine, option.offerings.get(at)?))
        });
        let Some((machine, offering)) = machine else {
            let message = format!(
                "NodeClaim {name} event: insufficient capacity, all requested instance types were \
                 unavailable during launch"
            );
            let about = Whose::Pool(Arc::clone(&pool.name));
            orders.push(say(about, "InsufficientCapacityError", message));
            self.launching.retain(|it| it.name != *name);
            // Its pods are looked at again when they are due; other machines may do.
            return;
        };
        let message = format!(
            "launched nodeclaim {name}: {machine} ({}) in {} at {:.4} per hour",
            offering.capacity, offering.zone, offering.price
        );
        orders.push(say(Whose::Pool(Arc::clone(&pool.name)), "NodeClaimLaunched", message));
        orders.push(Order::Launch {
            claim: Arc::clone(name),
            pool: offering.pool,
            zone: Arc::clone(&offering.zone),
            labels: self.custom_labels(claim),
            annotations: pool.annotations.clone(),
        });
    }

    /// Labels of one's own that a plan has narrowed to a value
    /// (nodeclaimtemplate.go `resolveCustomLabelsFromRequirements`).
    fn custom_labels(&self, claim: &Launching) -> Labels {
        let mut labels = Labels::new();
        for (key, requirement) in claim.plan.requirements.iter() {
            let simulated =
                matches!(&**key, "karpenter.sh/registered" | "karpenter.sh/initialized");
            if is_well_known(key) || &**key == HOSTNAME || simulated {
                continue;
            }
            let value = match requirement.operator() {
                Operator::In => requirement.values().first().cloned(),
                Operator::Exists | Operator::NotIn => {
                    let mut stream =
                        self.streams.of(&format!("karpenter/label/{}/{key}", claim.name));
                    let number: u32 = stream.random();
                    Some(Arc::from(number.to_string()))
                        .filter(|value: &Arc<str>| requirement.has(value))
                }
                Operator::DoesNotExist => None,
            };
            if let Some(value) = value {
                labels.insert(Arc::clone(key), value);
            }
        }
        labels
    }

    /// The first plan of a run: what a cluster that has been running has long since launched.
    pub fn boot(&mut self, seen: &Observation) -> Vec<Order> {
        let mut orders = Vec::new();
        self.meet_nodes(seen, &mut orders);
        self.provision(seen, &mut orders);
        for claim in self.launching.clone() {
            self.launch(seen, &claim, &mut orders);
        }
        orders.retain(|order| matches!(order, Order::Launch { .. }));
        orders
    }
}

/// The sentence about a limit that the nodes of a pool exceed (nodepool.go `ExceededBy`).
fn exceeded(limits: &ResourceList, pool: usize, seen: &Observation) -> Option<String> {
    let mine = || seen.nodes.iter().filter(|node| node.claim.is_some_and(|it| it.pool == pool));
    let over = |name: &str, usage: i64, limit: i64| {
        (usage > limit).then(|| {
            format!(
                "resource usage exceeds limit (resource-name={name}, usage={usage}, limit={limit})"
            )
        })
    };
    let cpu = limits
        .cpu
        .and_then(|limit| over("cpu (m)", mine().map(|node| node.capacity.cpu.0).sum(), limit.0));
    let memory = limits
        .memory
        .and_then(|limit| over("memory", mine().map(|node| node.capacity.memory.0).sum(), limit.0));
    let disk = limits.ephemeral_storage.and_then(|limit| {
        let usage = mine().map(|node| node.capacity.ephemeral_storage.0).sum();
        over("ephemeral-storage", usage, limit.0)
    });
    let extended = limits.extended.iter().find_map(|(name, limit)| {
        let amount = |node: &Arc<super::observation::Node>| match &**name {
            "nodes" => 1,
            "pods" => node.max_pods,
            other => node.capacity.get(other),
        };
        over(name, mine().map(amount).sum(), *limit)
    });
    cpu.or(memory).or(disk).or(extended)
}

/// The first five types, and how many others.
pub(super) fn type_list(choices: &[Choice]) -> String {
    const SHOWN: usize = 5;
    let names: Vec<&str> = choices.iter().take(SHOWN).map(|it| &**it.name()).collect();
    let mut list = names.join(", ");
    if choices.len() > SHOWN {
        list.push_str(&format!(" and {} other(s)", choices.len() - SHOWN));
    }
    list
}

//! Where pods would go: to nodes that exist, to nodes that are planned, or to new ones.
//!
//! sigs.k8s.io/karpenter, pkg/controllers/provisioning/scheduling/scheduler.go, queue.go,
//! nodeclaim.go. Pods are taken largest first; a pod that fits nowhere gives up one wish after the
//! other, and is tried again with all of them while others still find places. This is a simulation of
//! fit, not kube-scheduler's choice: pods need not land where the plan puts them.

pub(crate) mod existing;
pub(crate) mod misfit;
mod pods;
pub(crate) mod template;
#[cfg(test)]
mod tests;
pub(crate) mod topology;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use existing::{Place, Volumes, add_volumes};
use misfit::{Misfit, PodError, TypeMisfit};
use pods::{VariantId, Variants, ports_conflict};
use template::{Load, Template, filter};
use topology::{DomainGroups, Topology, tolerates};

use super::instance::{Choice, min_values, order_by_price};
use super::observation::{Observation, Pod};
use super::pool::{KarpenterSpec, MinValuesPolicy};
use super::requirement::{HOSTNAME, Requirement, Requirements, Undefined};
use crate::cluster::api::pod::HostPort;
use crate::control::scheduler::ClaimBinding;
use crate::model::id::{NodeId, PodId};
use crate::units::{Bytes, MilliCpu, ResourceList, Resources};

/// Machine types that one launch names at most (`MaxInstanceTypes`).
const MOST_TYPES: usize = 600;

/// What all plans of one look share.
#[derive(Debug)]
pub(crate) struct World<'a> {
    pub(crate) spec: &'a KarpenterSpec,
    pub(crate) seen: &'a Observation,
    pub(crate) domain_groups: &'a DomainGroups,
    pub(crate) templates: Vec<Template>,
    /// Nodes that are not being deleted: initialized ones first, then by name.
    pub(crate) places: Vec<Place>,
    /// Nodes that are being deleted.
    pub(crate) deleting: BTreeSet<NodeId>,
}

/// A node that shall be launched.
#[derive(Debug, Clone)]
pub(crate) struct PlannedClaim {
    /// Index of the NodePool.
    pub(crate) pool: usize,
    pub(crate) requirements: Requirements,
    /// Machine types, cheapest first.
    pub(crate) choices: Vec<Choice>,
    pub(crate) pods: Vec<Arc<Pod>>,
    /// What its pods and DaemonSets ask for.
    pub(crate) requests: Resources,
}

impl PlannedClaim {
    /// Keeps the types whose launch costs less than a price at worst; whether `minValues` still holds
    /// (`RemoveInstanceTypeOptionsByPriceAndMinValues`).
    pub(crate) fn keep_cheaper_than(&mut self, price: f64) -> bool {
        let requirements = &self.requirements;
        self.choices.retain(|choice| choice.worst_launch_price(requirements) < price);
        min_values(&self.choices, requirements).short.is_empty()
    }
}

/// What a plan comes to.
#[derive(Debug, Clone, Default)]
pub(crate) struct Results {
    pub(crate) claims: Vec<PlannedClaim>,
    /// Pods that go to nodes there are, by node.
    pub(crate) existing: Vec<(NodeId, Vec<Arc<Pod>>)>,
    pub(crate) errors: BTreeMap<PodId, (Arc<Pod>, PodError)>,
}

impl Results {
    /// Whether all pods that run found a place; those that waited before may wait on
    /// (`AllNonPendingPodsScheduled`).
    pub(crate) fn all_settled(&self) -> bool {
        self.errors.values().all(|(pod, _)| pod.is_provisionable())
    }

    /// The error of the first pod that ran and found none.
    pub(crate) fn unsettled(&self) -> Option<&(Arc<Pod>, PodError)> {
        self.errors.values().find(|(pod, _)| !pod.is_provisionable())
    }
}

/// A plan in the making.
struct Solver<'a> {
    world: &'a World<'a>,
    variants: Variants,
    topology: Topology<'a>,
    existing: Vec<Existing>,
    claims: Vec<Claim>,
    /// What the limits of each pool leave, by index of the template.
    remaining: Vec<ResourceList>,
    enforce_consolidate_after: bool,
    next_host: u32,
}

/// A node with what is planned on it.
struct Existing {
    /// Index into the world's places.
    place: usize,
    free: Resources,
    free_pods: i64,
    /// What the pods planned on it added to its labels.
    requirements: Option<Requirements>,
    ports: Vec<HostPort>,
    volumes: Option<Volumes>,
    pods: Vec<Arc<Pod>>,
}

/// A node that is planned.
struct Claim {
    template: usize,
    host: Arc<str>,
    requirements: Requirements,
    types: Vec<usize>,
    load: Load,
    ports: Vec<HostPort>,
    pods: Vec<Arc<Pod>>,
}

/// A pod in the queue.
struct Queued {
    pod: Arc<Pod>,
    variant: VariantId,
    /// Alternatives of what its volumes ask of a node.
    volumes: Arc<[Requirements]>,
    /// How long the queue was when it was last put back.
    last_length: Option<usize>,
}

/// Where a pod was put, or all the reasons why not.
type Added = Result<(), Vec<(Option<Arc<str>>, Misfit)>>;

impl World<'_> {
    /// Plans for pods, as if the nodes in `without` were not there.
    pub(crate) fn plan(
        &self,
        pods: &[Arc<Pod>],
        without: &BTreeSet<NodeId>,
        enforce_consolidate_after: bool,
    ) -> Results {
        if self.spec.pools.is_empty() {
            let error = || PodError(vec![(None, Misfit::NoPools)]);
            let errors = pods.iter().map(|pod| (pod.id, (Arc::clone(pod), error())));
            return Results { errors: errors.collect(), ..Results::default() };
        }
        let mut solver = Solver::new(self, pods, without, enforce_consolidate_after);
        let errors = solver.solve(pods);
        solver.finish(errors)
    }
}

impl<'a> Solver<'a> {
    fn new(
        world: &'a World<'a>,
        pods: &[Arc<Pod>],
        without: &BTreeSet<NodeId>,
        enforce_consolidate_after: bool,
    ) -> Self {
        let policy = world.spec.options.preferences;
        let wish = |taint: &crate::cluster::api::Taint| {
            taint.effect == crate::cluster::api::TaintEffect::PreferNoSchedule
        };
        let tolerate = world.spec.pools.iter().any(|pool| pool.taints.iter().any(wish));
        let places = world.places.iter().enumerate();
        let staying = places.filter(|(_, place)| !without.contains(&place.node.id));
        let existing: Vec<Existing> = staying
            .map(|(at, place)| Existing {
                place: at,
                free: place.free.clone(),
                free_pods: place.free_pods,
                requirements: None,
                ports: Vec::new(),
                volumes: None,
                pods: Vec::new(),
            })
            .collect();
        let nodes = existing.iter().map(|it| &world.places[it.place].node);
        let registered = nodes.filter(|node| node.registered).map(|node| node.id).collect();
        let moving = pods.iter().map(|pod| pod.id).collect();
        let remaining = |template: &Template| {
            let mut rest = template.pool.limits.clone();
            for it in &existing {
                let node = &world.places[it.place].node;
                let pool = node.claim.map(|claim| &world.spec.pools[claim.pool].name);
                if pool == Some(&template.pool.name) {
                    subtract(&mut rest, &node.capacity, node.max_pods);
                }
            }
            rest
        };
        Self {
            world,
            variants: Variants::new(policy, tolerate),
            topology: Topology::new(world.seen, registered, world.domain_groups, policy, moving),
            remaining: world.templates.iter().map(remaining).collect(),
            existing,
            claims: Vec::new(),
            enforce_consolidate_after,
            next_host: 0,
        }
    }

    /// Takes pods until a whole round places nobody (`Solve`, queue.go).
    fn solve(&mut self, pods: &[Arc<Pod>]) -> BTreeMap<PodId, (Arc<Pod>, PodError)> {
        let mut errors = BTreeMap::new();
        let mut queue = std::collections::VecDeque::new();
        let mut sorted = pods.to_vec();
        sorted.sort_by(|a, b| {
            let size = |pod: &Pod| (pod.requests.cpu, pod.requests.memory);
            size(b).cmp(&size(a)).then_with(|| (a.created, a.id).cmp(&(b.created, b.id)))
        });
        sorted.dedup_by_key(|pod| pod.id);
        for pod in sorted {
            match volume_requirements(&pod) {
                Ok(volumes) => {
                    let variant = self.variants.of(&pod);
                    self.topology.rule(&mut self.variants, variant);
                    queue.push_back(Queued { pod, variant, volumes, last_length: None });
                }
                Err(misfit) => {
                    errors.insert(pod.id, (pod, PodError(vec![(None, misfit)])));
                }
            }
        }
        while let Some(mut next) = queue.pop_front() {
            if next.last_length == Some(queue.len() + 1) {
                break;
            }
            match self.place(&next) {
                Ok(()) => {
                    errors.remove(&next.pod.id);
                }
                Err(why) => {
                    errors.insert(next.pod.id, (Arc::clone(&next.pod), PodError(why)));
                    next.last_length = Some(queue.len() + 1);
                    queue.push_back(next);
                }
            }
        }
        errors
    }

    /// Places a pod, giving up its wishes one by one (`trySchedule`).
    fn place(&mut self, queued: &Queued) -> Added {
        let mut variant = queued.variant;
        loop {
            let why = match self.add(queued, variant) {
                Ok(()) => return Ok(()),
                Err(why) => why,
            };
            match self.variants.relax(variant) {
                Some(next) => variant = next,
                None => return Err(why),
            }
            self.topology.rule(&mut self.variants, variant);
        }
    }

    fn add(&mut self, queued: &Queued, variant: VariantId) -> Added {
        for at in 0..self.existing.len() {
            if let Some(requirements) = self.fits_existing(at, queued, variant) {
                self.add_to_existing(at, queued, variant, requirements);
                return Ok(());
            }
        }
        self.claims.sort_by_key(|claim| claim.pods.len());
        for at in 0..self.claims.len() {
            let strict = MinValuesPolicy::Strict;
            if let Ok((requirements, types)) =
                self.fits_claim(&self.claims[at], queued, variant, strict)
            {
                self.add_to_claim(at, queued, variant, requirements, types);
                return Ok(());
            }
        }
        if self.world.templates.is_empty() {
            return Err(vec![(None, Misfit::NoTypes)]);
        }
        let mut why = Vec::new();
        for at in 0..self.world.templates.len() {
            match self.add_to_new(at, queued, variant) {
                Ok(()) => return Ok(()),
                Err(misfit) => {
                    why.push((Some(Arc::clone(&self.world.templates[at].pool.name)), misfit));
                }
            }
        }
        Err(why)
    }

    /// What a node's labels come to with a pod on it, when it fits (existingnode.go `CanAdd`).
    fn fits_existing(
        &self,
        at: usize,
        queued: &Queued,
        variant_id: VariantId,
    ) -> Option<Requirements> {
        let it = &self.existing[at];
        let place = &self.world.places[it.place];
        let pod = &queued.pod;
        let leaves_settled =
            || pod.running && !pod.node.is_some_and(|node| self.world.deleting.contains(&node));
        if place.settling && self.enforce_consolidate_after && leaves_settled() {
            return None;
        }
        if !fits(&pod.requests, &it.free) || it.free_pods < 1 {
            return None;
        }
        let variant = self.variants.get(variant_id);
        let ports = &variant.ports;
        let volumes = it.volumes.as_ref().unwrap_or(&place.volumes);
        let stands_free = tolerates(&variant.template.spec.tolerations, &place.taints)
            && !ports_conflict(&place.ports, ports)
            && !ports_conflict(&it.ports, ports)
            && place.attaches(volumes, pod.claims.as_deref());
        let node = it.requirements.as_ref().unwrap_or(&place.requirements);
        if !stands_free || node.compatible(&variant.requirements, Undefined::Denied).is_err() {
            return None;
        }
        let mut base = node.clone();
        base.add_all(&variant.requirements);
        queued.volumes.iter().find_map(|volumes| {
            base.compatible(volumes, Undefined::Denied).ok()?;
            let mut all = base.clone();
            all.add_all(volumes);
            let narrowed =
                self.topology.narrow(&self.variants, variant_id, &place.taints, &all).ok()?;
            all.compatible(&narrowed, Undefined::Denied).ok()?;
            all.add_all(&narrowed);
            Some(all)
        })
    }

    fn add_to_existing(
        &mut self,
        at: usize,
        queued: &Queued,
        variant: VariantId,
        requirements: Requirements,
    ) {
        let it = &mut self.existing[at];
        let place = &self.world.places[it.place];
        it.pods.push(Arc::clone(&queued.pod));
        it.free -= &queued.pod.requests;
        it.free_pods -= 1;
        it.ports.extend(self.variants.get(variant).ports.iter().cloned());
        if let Some(claims) = &queued.pod.claims {
            add_volumes(it.volumes.get_or_insert_with(|| place.volumes.clone()), Some(claims));
        }
        self.topology.record(&self.variants, variant, &place.taints, &requirements);
        it.requirements = Some(requirements);
    }

    /// What a plan comes to with a pod in it, when it fits (nodeclaim.go `CanAdd`).
    fn fits_claim(
        &self,
        claim: &Claim,
        queued: &Queued,
        variant_id: VariantId,
        policy: MinValuesPolicy,
    ) -> Result<(Requirements, Vec<usize>), Misfit> {
        let template = &self.world.templates[claim.template];
        let variant = self.variants.get(variant_id);
        let tolerations = &variant.template.spec.tolerations;
        let untolerated = |taint: &&crate::cluster::api::Taint| {
            !tolerations.iter().any(|toleration| toleration.tolerates(taint))
        };
        if let Some(taint) = template.pool.taints.iter().find(untolerated) {
            return Err(Misfit::Taint(taint.clone()));
        }
        let undefined = Undefined::WellKnownAllowed;
        claim
            .requirements
            .compatible(&variant.requirements, undefined)
            .map_err(Misfit::Requirements)?;
        let mut base = claim.requirements.clone();
        base.add_all(&variant.requirements);
        let mut load = claim.load.clone();
        load.add(&queued.pod);
        let mut last = Misfit::NoTypes;
        for volumes in queued.volumes.iter() {
            match self.fits_with_volumes(claim, (variant_id, policy), &base, volumes, &load) {
                Ok(fit) => return Ok(fit),
                Err(misfit) => last = misfit,
            }
        }
        Err(last)
    }

    fn fits_with_volumes(
        &self,
        claim: &Claim,
        (variant, policy): (VariantId, MinValuesPolicy),
        base: &Requirements,
        volumes: &Requirements,
        load: &Load,
    ) -> Result<(Requirements, Vec<usize>), Misfit> {
        let template = &self.world.templates[claim.template];
        let undefined = Undefined::WellKnownAllowed;
        base.compatible(volumes, undefined).map_err(Misfit::Volumes)?;
        let mut all = base.clone();
        all.add_all(volumes);
        let narrowed = self
            .topology
            .narrow(&self.variants, variant, &template.pool.taints, &all)
            .map_err(Misfit::Topology)?;
        all.compatible(&narrowed, undefined).map_err(Misfit::Requirements)?;
        all.add_all(&narrowed);
        let ports = &self.variants.get(variant).ports;
        let types = if ports_conflict(&claim.ports, ports) {
            Err(TypeMisfit::default())
        } else {
            filter(&template.types, &claim.types, &mut all, ports, load, policy)
        };
        match types {
            Ok(types) => Ok((all, types)),
            Err(misfit) => Err(Misfit::Types(misfit, Box::new((all, load.requests.clone())))),
        }
    }

    fn add_to_claim(
        &mut self,
        at: usize,
        queued: &Queued,
        variant: VariantId,
        requirements: Requirements,
        types: Vec<usize>,
    ) {
        let claim = &mut self.claims[at];
        let taints = &self.world.templates[claim.template].pool.taints;
        claim.pods.push(Arc::clone(&queued.pod));
        claim.types = types;
        claim.load.add(&queued.pod);
        claim.ports.extend(self.variants.get(variant).ports.iter().cloned());
        self.topology.register_host(&claim.host);
        self.topology.record(&self.variants, variant, taints, &requirements);
        claim.requirements = requirements;
    }

    fn add_to_new(
        &mut self,
        template_at: usize,
        queued: &Queued,
        variant: VariantId,
    ) -> Result<(), Misfit> {
        let template = &self.world.templates[template_at];
        let remaining = &self.remaining[template_at];
        if remaining.extended("nodes") == Some(0) {
            return Err(Misfit::NodeLimit);
        }
        let small_enough = |at: &usize| {
            let machine = &template.types[*at].choice.option.machine;
            within(remaining, &machine.capacity, machine.max_pods)
        };
        let types: Vec<usize> = (0..template.types.len()).filter(small_enough).collect();
        if types.is_empty() {
            return Err(Misfit::Limits);
        }
        self.next_host += 1;
        let host: Arc<str> = Arc::from(format!("hostname-placeholder-{:04}", self.next_host));
        let mut requirements = template.requirements.clone();
        requirements.add(HOSTNAME, Requirement::one_of([Arc::clone(&host)]));
        let claim = Claim {
            template: template_at,
            host,
            requirements,
            types,
            load: Load::default(),
            ports: Vec::new(),
            pods: Vec::new(),
        };
        let policy = self.world.spec.options.min_values;
        let (requirements, types) = self.fits_claim(&claim, queued, variant, policy)?;
        self.claims.push(claim);
        let largest = largest(template, &types);
        let at = self.claims.len() - 1;
        self.add_to_claim(at, queued, variant, requirements, types);
        subtract(&mut self.remaining[template_at], &largest.0, largest.1);
        Ok(())
    }

    /// The plan as it is handed on (`FinalizeScheduling`, `TruncateInstanceTypes`).
    fn finish(self, mut errors: BTreeMap<PodId, (Arc<Pod>, PodError)>) -> Results {
        let mut claims = Vec::new();
        for mut claim in self.claims {
            let template = &self.world.templates[claim.template];
            claim.requirements.remove(HOSTNAME);
            let mut choices: Vec<Choice> =
                claim.types.iter().map(|at| template.types[*at].choice.clone()).collect();
            order_by_price(&mut choices, &claim.requirements);
            choices.truncate(MOST_TYPES);
            let short = min_values(&choices, &claim.requirements).short;
            if !short.is_empty() && self.world.spec.options.min_values == MinValuesPolicy::Strict {
                let misfit = TypeMisfit::short_of(short.into_keys().collect());
                let detail = (claim.requirements.clone(), claim.load.requests.clone());
                let misfit = Misfit::Types(misfit, Box::new(detail));
                let why = PodError(vec![(Some(Arc::clone(&template.pool.name)), misfit)]);
                for pod in claim.pods {
                    errors.insert(pod.id, (pod, why.clone()));
                }
                continue;
            }
            let daemons = claim.types.iter().map(|at| &template.types[*at].daemons.requests);
            let least = daemons.cloned().reduce(|one, two| smaller(&one, &two));
            let mut requests = claim.load.requests;
            requests += &least.unwrap_or_default();
            let pools = &self.world.spec.pools;
            let pool = pools.iter().position(|pool| pool.name == template.pool.name);
            claims.push(PlannedClaim {
                pool: pool.expect("templates are made of the pools of the spec"),
                requirements: claim.requirements,
                choices,
                pods: claim.pods,
                requests,
            });
        }
        let used = self.existing.into_iter().filter(|it| !it.pods.is_empty());
        let existing = used.map(|it| (self.world.places[it.place].node.id, it.pods)).collect();
        Results { claims, existing, errors }
    }
}

/// Whether requests fit what is left. Where anything is overdrawn nothing fits, not even what asks
/// for none of it (pkg/utils/resources `Fits`).
fn fits(requests: &Resources, free: &Resources) -> bool {
    let overdrawn = free.cpu < MilliCpu(0)
        || free.memory < Bytes(0)
        || free.ephemeral_storage < Bytes(0)
        || free.extended().any(|(_, amount)| amount < 0);
    !overdrawn && requests.fits_in(free)
}

/// Lessens what limits leave by a node.
fn subtract(rest: &mut ResourceList, capacity: &Resources, pods: i64) {
    if let Some(cpu) = &mut rest.cpu {
        *cpu -= capacity.cpu;
    }
    if let Some(memory) = &mut rest.memory {
        *memory -= capacity.memory;
    }
    if let Some(disk) = &mut rest.ephemeral_storage {
        *disk -= capacity.ephemeral_storage;
    }
    for (name, left) in &mut rest.extended {
        *left -= amount_of(name, capacity, pods);
    }
}

/// Whether a node is within what limits leave (`filterByRemainingResources`).
fn within(rest: &ResourceList, capacity: &Resources, pods: i64) -> bool {
    rest.cpu.is_none_or(|left| capacity.cpu <= left)
        && rest.memory.is_none_or(|left| capacity.memory <= left)
        && rest.ephemeral_storage.is_none_or(|left| capacity.ephemeral_storage <= left)
        && rest.extended.iter().all(|(name, left)| {
            // Nodes are counted on their own: a type has none of them.
            let amount = if &**name == "nodes" { 0 } else { amount_of(name, capacity, pods) };
            amount <= *left
        })
}

fn amount_of(name: &str, capacity: &Resources, pods: i64) -> i64 {
    match name {
        "nodes" => 1,
        "pods" => pods,
        other => capacity.get(other),
    }
}

/// The largest amount of each resource among machine types: any of them may be launched
/// (`subtractMax`).
fn largest(template: &Template, types: &[usize]) -> (Resources, i64) {
    let machines = types.iter().map(|at| &template.types[*at].choice.option.machine);
    machines.fold((Resources::default(), 0), |(all, pods), machine| {
        (all.max(&machine.capacity), pods.max(machine.max_pods))
    })
}

/// The smaller amount of each resource that both have (pkg/utils/resources `MinResources`).
fn smaller(one: &Resources, two: &Resources) -> Resources {
    let mut least = Resources::new(one.cpu.min(two.cpu), one.memory.min(two.memory));
    least.ephemeral_storage = one.ephemeral_storage.min(two.ephemeral_storage);
    for (name, amount) in one.extended() {
        least.set(name, amount.min(two.get(name)));
    }
    least
}

/// What the volumes of a pod ask of a node, as alternatives (volumetopology.go `GetRequirements`).
fn volume_requirements(pod: &Pod) -> Result<Arc<[Requirements]>, Misfit> {
    let mut alternatives = vec![Requirements::new()];
    for claim in pod.claims.iter().flat_map(|claims| claims.iter()) {
        let terms = match &claim.binding {
            ClaimBinding::Missing => {
                return Err(Misfit::MissingClaim(Arc::clone(&claim.name)));
            }
            ClaimBinding::Deleting => {
                return Err(Misfit::DeletedClaim(Arc::clone(&claim.name)));
            }
            ClaimBinding::Immediate => continue,
            ClaimBinding::WaitsForConsumer { allowed_topologies } => allowed_topologies,
            ClaimBinding::Bound { node_affinity, .. } => match node_affinity {
                Some(terms) => terms,
                None => continue,
            },
        };
        if terms.is_empty() {
            continue;
        }
        let mut merged = Vec::new();
        for have in &alternatives {
            for term in terms {
                let wanted = Requirements::of_expressions(&term.match_expressions);
                if have.intersects(&wanted).is_ok() {
                    let mut both = have.clone();
                    both.add_all(&wanted);
                    merged.push(both);
                }
            }
        }
        alternatives = merged;
    }
    Ok(alternatives.into())
}

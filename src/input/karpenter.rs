//! Karpenter of a cluster: NodePools and node classes with the machines of the catalogue.
//!
//! Labels and sizes of machines as karpenter-provider-aws, pkg/providers/instancetype/types.go, gives
//! them, as far as a catalogue knows them.

use std::collections::BTreeSet;
use std::sync::Arc;

use rust_decimal::prelude::ToPrimitive;

use super::catalogue::Catalogue;
use super::cluster_profile::{ClusterProfile, gpu_ready};
use super::codes;
use super::cron;
use super::decode::{Context, Value, nearest};
use super::diagnostic::Diagnostic;
use super::kubernetes::karpenter::{NodePoolObject, Threshold};
use super::kubernetes::{NodeClassObject, Objects};
use crate::cluster::api::{InstanceType, Labels, NodePoolSpec};
use crate::control::karpenter::instance::{CapacityType, InstanceOption, Offering};
use crate::control::karpenter::pool::{Budget, MinValuesPolicy, Options, PreferencePolicy};
use crate::control::karpenter::requirement::{
    CAPACITY_TYPE, INSTANCE_TYPE, NODE_POOL, Requirement, Requirements, Undefined, ZONE,
};
use crate::control::karpenter::{KarpenterSpec, NodePool};
use crate::engine::Dist;
use crate::model::id::PoolId;
use crate::scenario::{Karpenter, Provider};
use crate::units::{Bytes, MilliCpu, Origin, Resources, SimDuration};

const MIB: i64 = 1 << 20;
const GIB: i64 = 1 << 30;
const AWS: &str = "karpenter.k8s.aws/";

/// `karpenter` of a cluster profile.
#[derive(Debug, Clone)]
pub(super) struct Profile {
    options: Options,
    launch_call: Dist,
    /// Instance running to node Ready (s), and to GPUs allocatable.
    launch: Dist,
    gpu_launch: Dist,
    gpu_ready: Dist,
}

/// NodePools found right, with the schedules of their budgets still to be laid on the clock.
#[derive(Debug)]
pub(super) struct Draft {
    profile: Profile,
    pools: Vec<NodePool>,
    /// Pool, budget, schedule and duration.
    schedules: Vec<(usize, usize, Arc<str>, SimDuration)>,
}

fn lognormal(median: f64, sigma: f64) -> Dist {
    Dist::lognormal_median_sigma(median, sigma).expect("the defaults are positive and finite")
}

/// Reads `karpenter` of a cluster profile: its presence says that Karpenter runs.
pub(super) fn profile(value: &Value<'_>) -> Option<Profile> {
    let usual = Options::default();
    let fields = value.fields()?;
    let idle = fields.read_or("batch-idle-duration", usual.batch_idle, Value::duration);
    let longest = fields.read_or("batch-max-duration", usual.batch_max, Value::duration);
    let policies = [("Respect", PreferencePolicy::Respect), ("Ignore", PreferencePolicy::Ignore)];
    let preferences =
        fields.read_or("preference-policy", usual.preferences, |it| it.word(&policies));
    let policies =
        [("Strict", MinValuesPolicy::Strict), ("BestEffort", MinValuesPolicy::BestEffort)];
    let min_values = fields.read_or("min-values-policy", usual.min_values, |it| it.word(&policies));
    let gates = fields.read_or("feature-gates", usual.spot_to_spot, gates);
    let call = fields.read_or("launchCall", lognormal(2.0, 0.3), Value::distribution);
    let launch = fields.read_or("launch", lognormal(40.0, 0.35), Value::distribution);
    let gpu_launch = fields.read_or("gpuLaunch", lognormal(95.0, 0.30), Value::distribution);
    let gpu_ready = gpu_ready(&fields);
    fields.finish("karpenter");
    Some(Profile {
        options: Options {
            batch_idle: idle?,
            batch_max: longest?,
            preferences: preferences?,
            min_values: min_values?,
            spot_to_spot: gates?,
        },
        launch_call: call?,
        launch: launch?,
        gpu_launch: gpu_launch?,
        gpu_ready: gpu_ready?.unwrap_or_else(|| lognormal(20.0, 0.4)),
    })
}

fn gates(value: &Value<'_>) -> Option<bool> {
    let fields = value.fields()?;
    let spot = fields.read_or("SpotToSpotConsolidation", false, Value::boolean);
    // No reservations, repairs, overlays or buffers are simulated: only their being off is right.
    for gate in ["NodeRepair", "NodeOverlay", "StaticCapacity", "CapacityBuffer"] {
        if let Some(value) = fields.optional(gate)
            && value.boolean() == Some(true)
        {
            value.report(value.error(codes::UNSUPPORTED, "is true, which is not simulated"));
        }
    }
    fields.ignore(&["ReservedCapacity"]);
    fields.finish("feature-gates");
    spot
}

/// Puts NodePools and machines together, and adds the pools of the cluster that their nodes will be
/// in. Without `karpenter` in the profile NodePools decide nothing.
pub(super) fn attach(
    context: Context<'_>,
    objects: &mut Objects,
    profile: &mut ClusterProfile,
) -> Option<()> {
    let Some(own) = profile.karpenter.clone() else {
        for (kind, count) in
            [("NodePool", objects.node_pools.len()), ("EC2NodeClass", objects.node_classes.len())]
        {
            if count > 0 {
                *objects.ignored.entry(kind.to_owned()).or_default() += count;
            }
        }
        return Some(());
    };
    let mut draft = Draft { profile: own, pools: Vec::new(), schedules: Vec::new() };
    let mut complete = true;
    if profile.provider != Provider::Eks {
        let message = "karpenter: is simulated for provider eks only";
        context.diagnostics.push(Diagnostic::error(codes::UNSUPPORTED, message.to_owned()));
        complete = false;
    }
    if objects.node_pools.is_empty() {
        let message = "karpenter runs and no manifest has a NodePool: it launches nothing";
        context.diagnostics.push(Diagnostic::warning(codes::UNKNOWN_REFERENCE, message.to_owned()));
    }
    for object in &objects.node_pools {
        complete &= node_pool(context, object, objects, profile, &mut draft).is_some();
    }
    profile.draft = Some(draft);
    complete.then_some(())
}

fn node_pool(
    context: Context<'_>,
    object: &NodePoolObject,
    objects: &Objects,
    profile: &mut ClusterProfile,
    draft: &mut Draft,
) -> Option<()> {
    let name = &object.meta.name;
    if profile.pools.iter().any(|pool| pool.name == *name) {
        let message = format!("NodePool/{name} has the name of a node pool of the cluster profile");
        context.diagnostics.push(Diagnostic::error(codes::DUPLICATE_NAME, message));
        return None;
    }
    let class = objects.node_classes.iter().find(|it| it.meta.name == object.class.0);
    let Some(class) = class else {
        unknown_class(context, object, objects);
        return None;
    };
    unknown_labels(context, object);
    let provenance = (&object.meta.origin, name);
    umbrella(provenance, profile);
    let catalogue = profile.catalogue.clone();
    let mut options = Vec::new();
    for machine in catalogue.values() {
        let option = option(object, class, machine, profile, &draft.profile);
        options.extend(option.map(Arc::new));
    }
    let mut budgets = Vec::new();
    match &object.budgets {
        None => budgets.push(Budget::usual()),
        Some(written) => {
            for budget in written {
                if let Some((cron, duration)) = &budget.schedule {
                    let at = (draft.pools.len(), budgets.len());
                    draft.schedules.push((at.0, at.1, Arc::clone(cron), *duration));
                }
                budgets.push(Budget {
                    reasons: budget.reasons.clone(),
                    nodes: budget.nodes,
                    active: budget.schedule.as_ref().map(|_| Vec::new()),
                });
            }
        }
    }
    let pool = NodePool {
        name: Arc::clone(name),
        origin: object.meta.origin.clone(),
        weight: object.weight,
        limits: object.limits.clone(),
        labels: class_label(object),
        annotations: object.labels.1.clone(),
        taints: object.taints.0.clone(),
        startup_taints: object.taints.1.clone(),
        requirements: object.requirements.clone(),
        expire_after: object.expire_after,
        termination_grace: object.termination_grace,
        policy: object.policy,
        consolidate_after: object.consolidate_after,
        budgets,
        options,
    };
    if !has_machine(&pool) {
        let message = format!(
            "NodePool/{name} ({}): its requirements leave no machine type of the catalogue",
            object.meta.origin
        );
        let warning = Diagnostic::warning(codes::UNKNOWN_INSTANCE, message);
        let detail = format!("requirements: {}", pool.requirements);
        context.diagnostics.push(warning.note(detail));
    }
    draft.pools.push(pool);
    Some(())
}

fn class_label(object: &NodePoolObject) -> Labels {
    let mut labels = object.labels.0.clone();
    labels.insert(Arc::from(format!("{AWS}ec2nodeclass")), Arc::clone(&object.class.0));
    labels
}

fn unknown_class(context: Context<'_>, object: &NodePoolObject, objects: &Objects) {
    let (wanted, span) = &object.class;
    let message = format!(
        "NodePool/{}: names the EC2NodeClass `{wanted}`, which does not exist",
        object.meta.name
    );
    let mut error = Diagnostic::error(codes::UNKNOWN_REFERENCE, message).primary(*span, "");
    let known = objects.node_classes.iter().map(|class| &*class.meta.name);
    if let Some(near) = nearest(wanted, known) {
        error = error.replace("a similar name exists", *span, near);
    }
    context.diagnostics.push(error.note("Karpenter would ignore the pool: it is not ready"));
}

/// Labels of machines that the real provider knows and a catalogue does not: a demand on them is
/// taken to be met by all types.
fn unknown_labels(context: Context<'_>, object: &NodePoolObject) {
    const UNKNOWN: [&str; 8] = [
        "instance-local-nvme",
        "instance-ebs-bandwidth",
        "instance-network-bandwidth",
        "instance-cpu-sustained-clock-speed-mhz",
        "instance-accelerator-name",
        "instance-accelerator-manufacturer",
        "instance-accelerator-count",
        "instance-gpu-memory",
    ];
    for (key, _) in object.requirements.iter() {
        let known = key.strip_prefix(AWS).is_none_or(|name| !UNKNOWN.contains(&name));
        if known {
            continue;
        }
        let message = format!(
            "NodePool/{}: requires `{key}`, which the instance catalogue does not state; taken to be \
             met by every type",
            object.meta.name
        );
        context.diagnostics.push(Diagnostic::warning(codes::UNSUPPORTED, message));
    }
}

fn has_machine(pool: &NodePool) -> bool {
    let mut wanted = pool.requirements.clone();
    wanted.add_all(&Requirements::of_labels(&pool.labels));
    pool.options.iter().any(|option| {
        option.requirements.intersects(&wanted).is_ok()
            && option.offerings.iter().any(|offering| offering.suits(&wanted))
    })
}

/// The pool that events name: it has no nodes of its own, and all of its NodePool belong to it.
fn umbrella((origin, name): (&Origin, &Arc<str>), profile: &mut ClusterProfile) {
    let Some(machine) = profile.catalogue.values().next().cloned() else { return };
    let spec = cluster_pool(origin, name, Arc::clone(name), machine, profile);
    profile.pools.push(spec);
}

fn cluster_pool(
    origin: &Origin,
    node_pool: &Arc<str>,
    name: Arc<str>,
    instance: Arc<InstanceType>,
    profile: &ClusterProfile,
) -> NodePoolSpec {
    NodePoolSpec {
        name,
        origin: origin.clone(),
        instance,
        min: 0,
        max: 0,
        max_origin: origin.clone(),
        initial: 0,
        zones: profile.zones.clone(),
        labels: Labels::new(),
        taints: Vec::new(),
        launch: Dist::fixed(SimDuration::ZERO),
        node_ready: None,
        gpu_ready: None,
        spot: false,
        autoscaled: false,
        gpu_sharing: None,
        node_pool: Some(Arc::clone(node_pool)),
    }
}

/// A machine as this pool may launch it: `None` when nothing of it has a price, or when the pool's
/// requirements rule it out for good.
fn option(
    object: &NodePoolObject,
    class: &NodeClassObject,
    machine: &Arc<InstanceType>,
    profile: &mut ClusterProfile,
    own: &Profile,
) -> Option<InstanceOption> {
    let prices = [
        (CapacityType::OnDemand, machine.on_demand_per_hour),
        (CapacityType::Spot, machine.spot_per_hour),
    ];
    let prices: Vec<(CapacityType, f64)> = prices
        .into_iter()
        .filter_map(|(capacity, price)| Some((capacity, price?.to_f64()?)))
        .collect();
    let labels = machine_labels(machine);
    let mut requirements = Requirements::of_labels(&labels);
    if let Some(region) = region(&profile.zones) {
        requirements.add("topology.kubernetes.io/region", Requirement::one_of([region]));
    }
    requirements.add(ZONE, Requirement::one_of(profile.zones.iter().cloned()));
    let capacities = prices.iter().map(|(capacity, _)| Arc::from(capacity.name()));
    requirements.add(CAPACITY_TYPE, Requirement::one_of(capacities));
    // A type that the pool itself rules out is never launched by it: leave it out of the cluster.
    requirements.compatible(&object.requirements, Undefined::WellKnownAllowed).ok().or_else(
        || {
            // Labels of the pool's own that no machine has are the pool's to give.
            requirements.intersects(&object.requirements).ok()
        },
    )?;
    let machine = Arc::new(with_class(machine, class));
    let mut offerings = Vec::new();
    for (capacity, price) in prices {
        if !object.requirements.allows(CAPACITY_TYPE, capacity.name()) {
            continue;
        }
        let pool = PoolId::at(profile.pools.len());
        let short = machine.name.clone();
        let name: Arc<str> = Arc::from(format!("{}-{short}-{capacity}", object.meta.name));
        let spec = cluster_pool(
            &object.meta.origin,
            &object.meta.name,
            name,
            Arc::clone(&machine),
            profile,
        );
        profile.pools.push(NodePoolSpec {
            labels: node_labels(object, &labels, capacity, &profile.zones),
            taints: object.taints.0.iter().chain(&object.taints.1).cloned().collect(),
            launch: if machine.capacity.has_extended() {
                own.gpu_launch.clone()
            } else {
                own.launch.clone()
            },
            gpu_ready: machine.capacity.has_extended().then(|| own.gpu_ready.clone()),
            spot: capacity == CapacityType::Spot,
            ..spec
        });
        for zone in &profile.zones {
            offerings.push(Offering { zone: Arc::clone(zone), capacity, price, pool });
        }
    }
    (!offerings.is_empty()).then_some(InstanceOption { machine, requirements, offerings })
}

/// Labels of a node beside those of its zone and those a plan adds.
fn node_labels(
    object: &NodePoolObject,
    machine: &Labels,
    capacity: CapacityType,
    zones: &[Arc<str>],
) -> Labels {
    let mut labels = machine.clone();
    labels.extend(class_label(object));
    let mut set = |key: &str, value: &str| {
        labels.insert(Arc::from(key), Arc::from(value));
    };
    set(NODE_POOL, &object.meta.name);
    set(CAPACITY_TYPE, capacity.name());
    set("karpenter.sh/registered", "true");
    set("karpenter.sh/initialized", "true");
    if let Some(region) = region(zones) {
        set("topology.kubernetes.io/region", &region);
    }
    labels
}

/// The region of zones such as `us-east-1a`.
fn region(zones: &[Arc<str>]) -> Option<Arc<str>> {
    let region = zones.first()?.trim_end_matches(|letter: char| letter.is_ascii_lowercase());
    (!region.is_empty()).then(|| Arc::from(region))
}

/// Labels of a machine type (types.go `computeRequirements`).
fn machine_labels(machine: &InstanceType) -> Labels {
    let mut labels = Labels::new();
    let mut set = |key: &str, value: &str| {
        labels.insert(Arc::from(key), Arc::from(value));
    };
    let name = &*machine.name;
    let (family, size) = name.split_once('.').unwrap_or((name, ""));
    let letters: String = family.chars().take_while(char::is_ascii_lowercase).collect();
    let rest = &family[letters.len()..];
    let generation: String = rest.chars().take_while(char::is_ascii_digit).collect();
    let suffix = &rest[generation.len()..];
    set(INSTANCE_TYPE, name);
    set("kubernetes.io/os", "linux");
    let arm = suffix.contains('g') || family == "a1";
    set("kubernetes.io/arch", if arm { "arm64" } else { "amd64" });
    let manufacturer = if arm {
        "aws"
    } else if suffix.contains('a') {
        "amd"
    } else {
        "intel"
    };
    let aws = |key: &str| format!("{AWS}instance-{key}");
    set(&aws("cpu-manufacturer"), manufacturer);
    set(&aws("category"), &letters);
    set(&aws("generation"), &generation);
    set(&aws("family"), family);
    set(&aws("size"), size);
    set(&aws("cpu"), &(machine.capacity.cpu.0 / 1000).to_string());
    set(&aws("memory"), &(machine.capacity.memory.0 / MIB).to_string());
    set(&aws("hypervisor"), "nitro");
    set(&aws("capability-flex"), if family.contains("-flex") { "true" } else { "false" });
    let gpus = machine.capacity.get("nvidia.com/gpu");
    if gpus > 0 {
        set(&aws("gpu-count"), &gpus.to_string());
        set(&aws("gpu-manufacturer"), "nvidia");
        let kind = machine.gpu_kind.as_deref().and_then(|kind| kind.rsplit('-').next());
        if let Some(gpu) = gpu_name(family).or(kind) {
            set(&aws("gpu-name"), gpu);
        }
    }
    labels
}

/// The GPU of a family, in the spelling of Karpenter's label.
fn gpu_name(family: &str) -> Option<&'static str> {
    Some(match family {
        "g4dn" => "t4",
        "g5" => "a10g",
        "g5g" => "t4g",
        "g6" | "gr6" => "l4",
        "g6e" => "l40s",
        "p3" | "p3dn" => "v100",
        "p4d" | "p4de" => "a100",
        "p5" => "h100",
        "p5e" | "p5en" => "h200",
        _ => return None,
    })
}

/// The machine with what the node class says of kubelet and disk (types.go `pods`,
/// `kubeReservedResources`, `evictionThreshold`, `ephemeralStorage`). The catalogue states what the
/// usual class leaves; the differences are added to it.
fn with_class(machine: &InstanceType, class: &NodeClassObject) -> InstanceType {
    let mut changed = machine.clone();
    let cores = machine.capacity.cpu.0 / 1000;
    let per_core = class.pods_per_core.filter(|it| *it > 0).map(|it| it.saturating_mul(cores));
    let pods = class.max_pods.unwrap_or(machine.max_pods);
    changed.max_pods = per_core.map_or(pods, |most| pods.min(most));
    let reserve = |pods: i64| Bytes((11 * pods + 255) * MIB);
    let allocatable = &mut changed.allocatable;
    let own = &class.kube_reserved;
    let usual_memory = reserve(machine.max_pods);
    allocatable.memory += usual_memory;
    let less = |from: Bytes, what: Bytes| Bytes(from.0.saturating_sub(what.0));
    let kept = own.memory.unwrap_or(reserve(changed.max_pods));
    allocatable.memory = less(allocatable.memory, kept);
    let mut cpu = allocatable.cpu.0;
    if let Some(kept) = own.cpu {
        cpu = (cpu + kube_reserved_cpu(machine.capacity.cpu).0).saturating_sub(kept.0);
    }
    let system = class.system_reserved.cpu.unwrap_or_default();
    allocatable.cpu = MilliCpu(cpu.saturating_sub(system.0));
    let system = class.system_reserved.memory.unwrap_or_default();
    allocatable.memory = less(allocatable.memory, system);
    if let Some(threshold) = class.eviction.0 {
        let usual = Bytes(allocatable.memory.0.saturating_add(100 * MIB));
        allocatable.memory = less(usual, amount(threshold, machine.capacity.memory));
    }
    let disk = class.disk.unwrap_or(machine.capacity.ephemeral_storage);
    changed.capacity.ephemeral_storage = disk;
    let kept = own.ephemeral_storage.unwrap_or(Bytes(GIB));
    let spare = class.eviction.1.map_or(Bytes(tenth(disk.0)), |it| amount(it, disk));
    let system = class.system_reserved.ephemeral_storage.unwrap_or_default();
    let left = less(less(less(disk, kept), spare), system);
    changed.allocatable = at_least_zero(&changed.allocatable);
    changed.allocatable.ephemeral_storage = left.max(Bytes(0));
    changed
}

fn tenth(of: i64) -> i64 {
    of / 10 + i64::from(of % 10 != 0)
}

fn at_least_zero(of: &Resources) -> Resources {
    let mut clipped = of.clone();
    clipped.cpu = clipped.cpu.max(MilliCpu(0));
    clipped.memory = clipped.memory.max(Bytes(0));
    clipped
}

fn amount(threshold: Threshold, of: Bytes) -> Bytes {
    match threshold {
        Threshold::Amount(bytes) => bytes,
        Threshold::Share(share) => Bytes(crate::units::convert::round_i64(share * of.as_f64())),
    }
}

/// What the kubelet keeps of the cores when the class does not say: 6 % of the first, 1 % of the
/// second, 0.5 % of the next two, 0.25 % of the rest.
fn kube_reserved_cpu(cpu: MilliCpu) -> MilliCpu {
    let parts = [(0, 1000, 600), (1000, 2000, 100), (2000, 4000, 50), (4000, i64::MAX, 25)];
    let part = |(from, to, share): (i64, i64, i64)| (cpu.0.min(to) - from).max(0) * share / 10_000;
    MilliCpu(parts.into_iter().map(part).sum())
}

/// Karpenter with its budgets on the clock of the run; the schedules that nobody can place because the
/// scenario states no start.
pub(super) fn lay(
    draft: Draft,
    start: Option<cron::Start<'_>>,
    warm_up: SimDuration,
    total: SimDuration,
) -> (Karpenter, Vec<String>) {
    let Draft { profile, mut pools, schedules } = draft;
    let mut idle = BTreeSet::new();
    for (pool, budget, text, duration) in schedules {
        let parsed = cron::parse(&text).ok();
        match start.zip(parsed) {
            Some((start, cron)) => {
                let windows = cron::windows(&cron, start, warm_up, total, duration);
                pools[pool].budgets[budget].active = Some(windows);
            }
            None => {
                idle.insert(format!("budgets with a schedule of NodePool/{}", pools[pool].name));
            }
        }
    }
    let pools = pools.into_iter().map(Arc::new).collect();
    let spec = KarpenterSpec::new(pools, profile.options);
    (Karpenter { spec, launch_call: profile.launch_call }, idle.into_iter().collect())
}

/// Machines that a profile knows, for NodePools.
pub(super) type Machines = Arc<Catalogue>;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::api::ObjectMeta;
    use crate::units::ResourceList;

    fn class() -> NodeClassObject {
        NodeClassObject {
            meta: ObjectMeta::default(),
            disk: None,
            max_pods: None,
            pods_per_core: None,
            kube_reserved: ResourceList::default(),
            system_reserved: ResourceList::default(),
            eviction: (None, None),
        }
    }

    fn m5_large() -> InstanceType {
        let mut capacity = Resources::new(MilliCpu(2000), Bytes(8192 * MIB));
        capacity.ephemeral_storage = Bytes(20 * GIB);
        InstanceType {
            name: Arc::from("m5.large"),
            allocatable: Resources::new(MilliCpu(1930), Bytes(6903 * MIB)),
            capacity,
            max_pods: 29,
            max_volumes: None,
            gpu_kind: None,
            on_demand_per_hour: None,
            spot_per_hour: None,
            price_date: Arc::from(""),
        }
    }

    #[test]
    fn kubelets_keep_a_falling_share_of_the_cores() {
        for (cores, kept) in [(1, 60), (2, 70), (4, 80), (8, 90), (16, 110), (64, 230)] {
            let reserved = kube_reserved_cpu(MilliCpu(cores * 1000));
            assert_eq!(reserved, MilliCpu(kept), "{cores} cores");
        }
    }

    #[test]
    fn a_class_changes_what_a_machine_offers() {
        let machine = m5_large();
        let usual = with_class(&machine, &class());
        assert_eq!(usual.allocatable.cpu, MilliCpu(1930));
        assert_eq!(usual.allocatable.memory, Bytes(6903 * MIB));
        assert_eq!(usual.allocatable.ephemeral_storage, Bytes(17 * GIB), "20 less 1 and a tenth");
        let many = with_class(&machine, &NodeClassObject { max_pods: Some(110), ..class() });
        assert_eq!(many.max_pods, 110);
        let less = usual.allocatable.memory - many.allocatable.memory;
        assert_eq!(less, Bytes(81 * 11 * MIB), "11 MiB for each pod more");
        let few = with_class(&machine, &NodeClassObject { pods_per_core: Some(5), ..class() });
        assert_eq!(few.max_pods, 10);
        let mut tight = class();
        tight.system_reserved.memory = Some(Bytes(i64::MAX));
        tight.kube_reserved.cpu = Some(MilliCpu(i64::MAX / 2));
        let nothing = with_class(&machine, &tight);
        assert_eq!(nothing.allocatable.memory, Bytes(0), "never less than nothing");
        assert_eq!(nothing.allocatable.cpu, MilliCpu(0));
    }

    #[test]
    fn names_of_machines_tell_their_labels() {
        let rows = [
            ("m5.large", "m", "5", "m5", "large", "intel", "amd64"),
            ("c6a.4xlarge", "c", "6", "c6a", "4xlarge", "amd", "amd64"),
            ("m7g.medium", "m", "7", "m7g", "medium", "aws", "arm64"),
            ("m7i-flex.xlarge", "m", "7", "m7i-flex", "xlarge", "intel", "amd64"),
            ("g4dn.2xlarge", "g", "4", "g4dn", "2xlarge", "intel", "amd64"),
        ];
        for (name, category, generation, family, size, maker, arch) in rows {
            let machine = InstanceType { name: Arc::from(name), ..m5_large() };
            let labels = machine_labels(&machine);
            let label = |key: &str| labels.get(&*format!("{AWS}instance-{key}")).map(|it| &**it);
            assert_eq!(label("category"), Some(category), "{name}");
            assert_eq!(label("generation"), Some(generation), "{name}");
            assert_eq!(label("family"), Some(family), "{name}");
            assert_eq!(label("size"), Some(size), "{name}");
            assert_eq!(label("cpu-manufacturer"), Some(maker), "{name}");
            assert_eq!(labels.get("kubernetes.io/arch").map(|it| &**it), Some(arch), "{name}");
        }
    }
}

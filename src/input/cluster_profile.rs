//! Documents of kind ClusterProfile: pools, timings, images, flags and prices of a cluster.

use std::collections::BTreeMap;
use std::sync::Arc;

use rust_decimal::Decimal;

use super::capacity::{Known, capacity, known_zone, report_instance};
use super::catalogue::Catalogue;
use super::codes;
use super::decode::{Fields, Value, nearest};
use super::diagnostic::Diagnostic;
use super::gpu_sharing::{gpu_sharing, share};
use super::karpenter;
use super::kubernetes::meta::strings;
use super::kubernetes::scheduling::taint;
use super::live_cluster::LiveCluster;
use super::source::Span;
use crate::cluster::VolumeMode;
use crate::cluster::api::{InstanceType, Labels, NodePoolSpec};
use crate::control::cluster_autoscaler::Options;
use crate::control::cluster_autoscaler::options::{Expander, GroupOptions, OptionError};
use crate::control::hpa::HpaConfig;
use crate::engine::Dist;
use crate::scenario::{
    CapacitySpec, ImageSizes, Prices, Provider, PullPolicy, Timings, VolumeProfile,
};
use crate::units::{Bytes, SimDuration};

/// Size of an image that no profile states.
const IMAGE_SIZE: Bytes = Bytes(500_000_000);

/// A cluster profile, pools as the scenario has changed them.
pub(super) struct ClusterProfile {
    pub(super) name: Arc<str>,
    pub(super) provider: Provider,
    pub(super) zones: Vec<Arc<str>>,
    pub(super) pools: Vec<NodePoolSpec>,
    /// What each pool overrides of the Cluster Autoscaler's flags.
    pub(super) group_options: Vec<GroupOptions>,
    pub(super) machines: Vec<Arc<InstanceType>>,
    pub(super) capacity: CapacitySpec,
    pub(super) timings: Timings,
    pub(super) images: ImageSizes,
    pub(super) metric_resolution: SimDuration,
    pub(super) autoscaler: Options,
    /// Karpenter, when it runs here.
    pub(super) karpenter: Option<karpenter::Profile>,
    /// Its NodePools, once the manifests are read.
    pub(super) draft: Option<karpenter::Draft>,
    pub(super) catalogue: karpenter::Machines,
    /// Flags that were read and change nothing, by path.
    pub(super) ignored_flags: Vec<Arc<str>>,
    pub(super) hpa_config: HpaConfig,
    pub(super) prices: Prices,
    pub(super) volumes: VolumeProfile,
    pub(super) pulls: PullPolicy,
}

/// The provider of a profile, read ahead: the catalogue's rows depend on it.
pub(super) fn provider(value: &Value<'_>) -> Option<Provider> {
    let providers = [("eks", Provider::Eks), ("gke", Provider::Gke), ("aks", Provider::Aks)];
    value.word(&providers)
}

/// Reads the fields behind `apiVersion`, `kind` and `metadata`; `name` comes from the latter.
pub(super) fn cluster_profile(
    fields: &Fields<'_>,
    name: Option<Arc<str>>,
    catalogue: Option<&Catalogue>,
    live: Option<LiveCluster>,
) -> Option<ClusterProfile> {
    fields.read("manifests", |value| value.list(Value::non_empty));
    let machines = if fields.value().node().get("nodes").is_some() {
        live_machines(fields, live)
    } else {
        stated_machines(fields, catalogue)
    };
    let known = machines
        .as_ref()
        .map(|machines| Known { machines: &machines.types, zones: &machines.zones });
    let capacity = fields.read_or("capacity", CapacitySpec::default(), |value| {
        capacity(value, known.unwrap_or_default())
    });
    let timings = timings(fields);
    let images = fields.read_or("images", BTreeMap::new(), |value| amounts(value, Value::bytes));
    let image_default = fields.read_or("imageDefaultSize", IMAGE_SIZE, Value::bytes);
    let metric_resolution = fields.read_or("metricsServer", SimDuration::from_secs(15), |value| {
        let fields = value.fields()?;
        let resolution = fields.read_or("resolution", SimDuration::from_secs(15), Value::duration);
        fields.finish("metricsServer");
        resolution
    });
    let karpenter = fields.read("karpenter", karpenter::profile);
    let provider = machines.as_ref().map(|machines| machines.provider);
    let autoscaler = fields
        .read_or("clusterAutoscaler", Default::default(), |value| autoscaler(value, provider));
    let hpa_config = fields.read_or("horizontalPodAutoscaler", HpaConfig::default(), hpa_config);
    let prices = prices(fields);
    let volumes =
        fields.read_or("volumes", VolumeProfile::usual(VolumeMode::Enforced), volume_profile);
    let pulls = fields.read_or("kubelet", PullPolicy::default(), pulls);
    let (autoscaler, ignored_flags) = autoscaler?;
    let Machines { provider, zones, pools, group_options, types } = machines?;
    Some(ClusterProfile {
        name: name?,
        provider,
        zones,
        pools,
        group_options,
        machines: types,
        capacity: capacity?,
        timings: timings?,
        images: ImageSizes { by_name: images?, default: image_default? },
        metric_resolution: metric_resolution?,
        karpenter: karpenter?,
        draft: None,
        catalogue: Arc::new(catalogue.cloned().unwrap_or_default()),
        autoscaler,
        ignored_flags,
        hpa_config: hpa_config?,
        prices: prices?,
        volumes: volumes?,
        pulls: pulls?,
    })
}

/// Where pods can run.
struct Machines {
    provider: Provider,
    zones: Vec<Arc<str>>,
    pools: Vec<NodePoolSpec>,
    group_options: Vec<GroupOptions>,
    /// Machine types that can be had.
    types: Vec<Arc<InstanceType>>,
}

/// Pools as the profile writes them.
fn stated_machines(fields: &Fields<'_>, catalogue: Option<&Catalogue>) -> Option<Machines> {
    let provider = fields.required("provider").and_then(|value| provider(&value));
    fields.required("catalogue").and_then(|value| value.non_empty());
    let zones = fields
        .required("zones")
        .and_then(|value| value.list(|zone| zone.non_empty().map(Arc::from)));
    let empty = Vec::new();
    let known_zones = zones.as_ref().unwrap_or(&empty);
    let pools = fields.required("nodePools").and_then(|pools| {
        let read = pools.list(|pool| node_pool(pool, catalogue, known_zones))?;
        let (read, options): (Vec<_>, Vec<_>) = read.into_iter().unzip();
        unique_pools(&pools, &read)?;
        Some((read, options))
    });
    let types = catalogue.into_iter().flat_map(Catalogue::values).cloned().collect();
    let (pools, group_options) = pools?;
    Some(Machines { provider: provider?, zones: zones?, pools, group_options, types })
}

/// Pools as the nodes of a live cluster show them; the catalogue is only asked for prices.
fn live_machines(fields: &Fields<'_>, live: Option<LiveCluster>) -> Option<Machines> {
    let stated = fields.read("provider", provider);
    fields.read("catalogue", Value::non_empty);
    fields.required("nodes").and_then(|value| value.list(Value::non_empty));
    for name in ["zones", "nodePools"] {
        if let Some(value) = fields.optional(name) {
            let message = "must not be there: the nodes of the cluster say it";
            let error = value.error(codes::EXCLUSIVE_FIELDS, message);
            value.report(error.primary(value.key_span(), ""));
        }
    }
    let LiveCluster { pools, zones, provider } = live?;
    let types = types_of(&pools);
    let provider = stated?.or(provider).unwrap_or(Provider::Eks);
    Some(Machines { provider, zones, pools, group_options: Vec::new(), types })
}

fn types_of(pools: &[NodePoolSpec]) -> Vec<Arc<InstanceType>> {
    pools.iter().map(|pool| Arc::clone(&pool.instance)).collect()
}

/// A profile of nothing but the nodes of a live cluster: everything else is as by default.
pub(super) fn profile_of(live: LiveCluster, name: Arc<str>) -> ClusterProfile {
    ClusterProfile {
        name,
        provider: live.provider.unwrap_or(Provider::Eks),
        zones: live.zones,
        machines: types_of(&live.pools),
        capacity: CapacitySpec::default(),
        pools: live.pools,
        group_options: Vec::new(),
        timings: default_timings(),
        images: ImageSizes { by_name: BTreeMap::new(), default: IMAGE_SIZE },
        metric_resolution: SimDuration::from_secs(15),
        autoscaler: Options::default(),
        karpenter: None,
        draft: None,
        catalogue: Arc::default(),
        ignored_flags: Vec::new(),
        hpa_config: HpaConfig::default(),
        prices: no_prices(),
        volumes: VolumeProfile::usual(VolumeMode::Enforced),
        pulls: PullPolicy::default(),
    }
}

/// `volumes`: how claims are served, and how long that takes.
fn volume_profile(value: &Value<'_>) -> Option<VolumeProfile> {
    let fields = value.fields()?;
    let usual = VolumeProfile::usual(VolumeMode::Enforced);
    let mode = fields.read_or("mode", usual.mode, volume_mode);
    let provision = fields.read_or("provision", usual.provision, Value::distribution);
    let attach = fields.read_or("attach", usual.attach, Value::distribution);
    let detach = fields.read_or("detach", usual.detach, Value::distribution);
    fields.finish("volumes");
    Some(VolumeProfile { mode: mode?, provision: provision?, attach: attach?, detach: detach? })
}

/// `enforced` or `trusted`.
pub(super) fn volume_mode(value: &Value<'_>) -> Option<VolumeMode> {
    value.word(&[("enforced", VolumeMode::Enforced), ("trusted", VolumeMode::Trusted)])
}

/// `kubelet`: how images are pulled.
fn pulls(value: &Value<'_>) -> Option<PullPolicy> {
    let fields = value.fields()?;
    let serial = fields.read_or("serialize-image-pulls", true, Value::boolean);
    let node = fields.read("node-pull-bytes-per-second", Value::bytes);
    fields.finish("kubelet");
    Some(PullPolicy {
        serial: serial?,
        node_bytes_per_s: node?.map(|bytes| bytes.as_f64()).filter(|bytes| *bytes > 0.0),
    })
}

fn unique_pools(value: &Value<'_>, pools: &[NodePoolSpec]) -> Option<()> {
    for (at, pool) in pools.iter().enumerate() {
        if pools[..at].iter().any(|earlier| earlier.name == pool.name) {
            let again = value.descend(&format!("[{at}].name"));
            let message = format!("is `{}`, a name that an earlier pool has", pool.name);
            value.report(again.error(codes::DUPLICATE_NAME, &message));
            return None;
        }
    }
    Some(())
}

fn node_pool(
    value: &Value<'_>,
    catalogue: Option<&Catalogue>,
    zones: &[Arc<str>],
) -> Option<(NodePoolSpec, GroupOptions)> {
    let fields = value.fields()?;
    let name = fields.required("name").and_then(|name| name.non_empty().map(Arc::from));
    let instance_value = fields.required("instance");
    let instance_name = instance_value.as_ref().and_then(Value::non_empty);
    let count = |value: &Value<'_>| value.integer(0..=100_000_u32);
    let max_value = fields.required("max");
    let min = fields.read_or("min", 0, count);
    let max = max_value.as_ref().and_then(count);
    let initial = fields.read("initial", count);
    let own_zones =
        fields.read_or("zones", zones.to_vec(), |value| value.list(|zone| known_zone(zone, zones)));
    let labels = fields.read_or("labels", Labels::new(), strings);
    let taints = fields.read_or("taints", Vec::new(), |value| value.list(taint));
    let launch = fields.read_or("launch", lognormal(40.0, 0.35), Value::distribution);
    let node_ready = fields.read("nodeReady", Value::distribution);
    let gpu_ready = gpu_ready(&fields);
    let sharing_value = fields.optional("gpuSharing");
    let sharing = sharing_value.as_ref().map_or(Some(None), |it| gpu_sharing(it).map(Some));
    let spot = fields.read_or("spot", false, Value::boolean);
    let autoscaled = fields.read("autoscaled", Value::boolean);
    let options = fields.read_or("clusterAutoscaler", GroupOptions::default(), group_options);
    fields.finish("a node pool");
    let (instance_value, instance_name) = (instance_value?, instance_name?);
    let catalogue = catalogue?;
    let Some(instance) = catalogue.get(instance_name) else {
        report_instance(&instance_value, instance_name, catalogue);
        return None;
    };
    let (min, max) = (min?, max?);
    let initial = initial?.unwrap_or(min);
    check_bounds(value, min, max, initial)?;
    let mut spec = NodePoolSpec {
        name: name?,
        origin: value.origin(),
        instance: Arc::clone(instance),
        min,
        max,
        max_origin: max_value?.origin(),
        initial,
        zones: own_zones?,
        labels: labels?,
        taints: taints?,
        launch: launch?,
        node_ready: node_ready?,
        gpu_ready: gpu_ready?,
        gpu_sharing: None,
        spot: spot?,
        autoscaled: autoscaled?.unwrap_or(min < max),
        node_pool: None,
    };
    if let Some((value, sharing)) = sharing_value.zip(sharing?) {
        share(&value, sharing, &mut spec)?;
    }
    Some((spec, options?))
}

/// When the GPUs of a node that is Ready can be allocated: `gpuReady` says how long that takes, or
/// `gpuDriver` who brings the driver. With the driver in the machine `image` only the device plugin has
/// to start (assumption: 20 s at the median). An `operator` installs driver, container toolkit and plugin
/// by pods of every new node: 150 s with drivers built before (fitted to the 3-5 min that the NVIDIA GPU
/// operator's makers name for the whole stack, NVIDIA/gpu-operator#707).
pub(super) fn gpu_ready(fields: &Fields<'_>) -> Option<Option<Dist>> {
    match fields.at_most_one(&["gpuReady", "gpuDriver"])? {
        None => Some(None),
        Some(("gpuDriver", value)) => {
            let words = [("image", lognormal(20.0, 0.4)), ("operator", lognormal(150.0, 0.3))];
            value.word(&words).map(Some)
        }
        Some((_, value)) => value.distribution().map(Some),
    }
}

/// `clusterAutoscaler` of a pool: flags that hold otherwise for its nodes.
fn group_options(value: &Value<'_>) -> Option<GroupOptions> {
    let fields = value.fields()?;
    let share = |name| fields.read(name, |value| value.number(0.0..=1.0));
    let threshold = share("scale-down-utilization-threshold");
    let gpu_threshold = share("scale-down-gpu-utilization-threshold");
    let span = |name| fields.read(name, Value::duration);
    let unneeded = span("scale-down-unneeded-time");
    let unready = span("scale-down-unready-time");
    let provision = span("max-node-provision-time");
    let startup = span("max-node-startup-time");
    let daemons = fields.read("ignore-daemonsets-utilization", Value::boolean);
    let zero_or_max = fields.read_or("zero-or-max-node-scaling", false, Value::boolean);
    fields.finish("the flags that a pool may override");
    Some(GroupOptions {
        scale_down_utilization_threshold: threshold?,
        scale_down_gpu_utilization_threshold: gpu_threshold?,
        scale_down_unneeded_time: unneeded?,
        scale_down_unready_time: unready?,
        max_node_provision_time: provision?,
        max_node_startup_time: startup?,
        ignore_daemonsets_utilization: daemons?,
        zero_or_max_node_scaling: zero_or_max?,
    })
}

/// Whether a pool's figures are in order: min at most max, initial between them.
pub(super) fn check_bounds(value: &Value<'_>, min: u32, max: u32, initial: u32) -> Option<()> {
    let message = if min > max {
        format!("has min {min} above max {max}")
    } else if !(min..=max).contains(&initial) {
        format!("has initial {initial}, which is not between min {min} and max {max}")
    } else {
        return Some(());
    };
    value.report(value.error(codes::OUT_OF_RANGE, &message));
    None
}

fn lognormal(median: f64, sigma: f64) -> Dist {
    Dist::lognormal_median_sigma(median, sigma).expect("the defaults are positive and finite")
}

fn default_timings() -> Timings {
    Timings {
        scheduling_cycle: SimDuration::from_millis(2),
        controller_reaction: SimDuration::from_millis(50),
        image_pull_base: Dist::fixed(SimDuration::from_secs(3)),
        image_pull_per_gb: lognormal(35.0, 0.30),
        container_start: lognormal(1.8, 0.44),
        endpoint_propagation: lognormal(0.15, 0.5),
        cloud_delay: lognormal(20.0, 0.35),
        node_deletion: lognormal(60.0, 0.3),
    }
}

fn timings(fields: &Fields<'_>) -> Option<Timings> {
    let defaults = default_timings();
    fields.read_or("timings", defaults.clone(), |value| {
        let fields = value.fields()?;
        let scheduling_cycle =
            fields.read_or("schedulingCycle", defaults.scheduling_cycle, Value::duration);
        let controller_reaction =
            fields.read_or("controllerReaction", defaults.controller_reaction, Value::duration);
        let dist = |name, default| fields.read_or(name, default, Value::distribution);
        let image_pull_base = dist("imagePullBase", defaults.image_pull_base);
        let image_pull_per_gb = dist("imagePullPerGb", defaults.image_pull_per_gb);
        let container_start = dist("containerStart", defaults.container_start);
        let endpoint_propagation = dist("endpointPropagation", defaults.endpoint_propagation);
        let cloud_delay = dist("cloudDelay", defaults.cloud_delay);
        let node_deletion = dist("nodeDeletion", defaults.node_deletion);
        fields.finish("timings");
        Some(Timings {
            scheduling_cycle: scheduling_cycle?,
            controller_reaction: controller_reaction?,
            image_pull_base: image_pull_base?,
            image_pull_per_gb: image_pull_per_gb?,
            container_start: container_start?,
            endpoint_propagation: endpoint_propagation?,
            cloud_delay: cloud_delay?,
            node_deletion: node_deletion?,
        })
    })
}

/// A mapping of free names to amounts.
fn amounts<'a, T>(
    value: &Value<'a>,
    read: fn(&Value<'a>) -> Option<T>,
) -> Option<BTreeMap<Arc<str>, T>> {
    let read: Vec<Option<_>> = value
        .entries()?
        .iter()
        .map(|(name, value)| Some((Arc::from(name.text), read(value)?)))
        .collect();
    read.into_iter().collect()
}

/// Flags of the Cluster Autoscaler by their own names with their texts: what they mean is the
/// controller's business. Returns the names of those that change nothing, too.
fn autoscaler(value: &Value<'_>, provider: Option<Provider>) -> Option<(Options, Vec<Arc<str>>)> {
    let mut options = Options::default();
    let mut ignored = Vec::new();
    let mut complete = true;
    for (name, value) in value.entries()? {
        let texts = match value.node().sequence() {
            // A flag that may be given several times.
            Some(items) => items.iter().map(|item| item.scalar()).collect(),
            None => vec![value.node().scalar()],
        };
        let Some(texts) = texts.into_iter().collect::<Option<Vec<_>>>() else {
            complete = value.wrong_type::<()>("a single value, or a list of them").is_some();
            continue;
        };
        if Options::is_ignored(name.text) {
            ignored.push(Arc::from(format!("clusterAutoscaler.{}", name.text)));
        }
        let mut fits = true;
        for text in texts {
            if let Err(error) = options.set(name.text, &text.text) {
                fits = false;
                report_flag(&value, name.text, name.span, &error);
            }
        }
        if name.text == "expander" && fits {
            fits = check_expander(&value, &options, provider);
        }
        complete &= fits;
    }
    complete.then_some((options, ignored))
}

fn report_flag(value: &Value<'_>, name: &str, span: Span, error: &OptionError) {
    let (code, span) = match error {
        OptionError::Unknown => (codes::UNKNOWN_FIELD, span),
        OptionError::NotSimulated => (codes::UNSUPPORTED, span),
        OptionError::Invalid(_) => (codes::OUT_OF_RANGE, value.node().span),
    };
    let message = format!("{}{}: {error}", value.prefix(), value.path());
    let mut diagnostic = Diagnostic::error(code, message).primary(span, "");
    if *error == OptionError::Unknown
        && let Some(near) = nearest(name, Options::flags())
    {
        diagnostic = diagnostic.replace("a flag with a similar name exists", span, near);
    }
    value.report(diagnostic);
}

/// Only clouds with a price list of their own let the price expander start
/// (cloudprovider/*/: `Pricing`).
fn check_expander(value: &Value<'_>, options: &Options, provider: Option<Provider>) -> bool {
    let priced = provider.is_none_or(|provider| provider == Provider::Gke);
    if priced || !options.expander.contains(&Expander::Price) {
        return true;
    }
    let message = "is `price`, with which cluster-autoscaler does not start on this provider";
    let error = value.error(codes::UNSUPPORTED, message);
    value.report(error.note("the provider has no price list for it; only GCE does").help(
        "use `least-waste`, or `priority` with a ConfigMap that names the cheaper pools first",
    ));
    false
}

fn hpa_config(value: &Value<'_>) -> Option<HpaConfig> {
    let default = HpaConfig::default();
    let fields = value.fields()?;
    let nanos = |name, default| {
        fields.read_or(name, default, |value| {
            let span = value.duration()?;
            Some(i64::try_from(span.as_nanos()).unwrap_or(i64::MAX))
        })
    };
    let sync = nanos("horizontal-pod-autoscaler-sync-period", default.sync_period_ns);
    let window = nanos(
        "horizontal-pod-autoscaler-downscale-stabilization",
        default.downscale_stabilization_ns,
    );
    let cpu = nanos(
        "horizontal-pod-autoscaler-cpu-initialization-period",
        default.cpu_initialization_period_ns,
    );
    let readiness = nanos(
        "horizontal-pod-autoscaler-initial-readiness-delay",
        default.initial_readiness_delay_ns,
    );
    let tolerance =
        fields.read_or("horizontal-pod-autoscaler-tolerance", default.tolerance, |value| {
            value.number(0.0..=1.0)
        });
    fields.finish("the flags of the HPA controller");
    Some(HpaConfig {
        sync_period_ns: sync?,
        downscale_stabilization_ns: window?,
        tolerance: tolerance?,
        cpu_initialization_period_ns: cpu?,
        initial_readiness_delay_ns: readiness?,
        ..default
    })
}

fn no_prices() -> Prices {
    Prices {
        currency: Arc::from("USD"),
        control_plane_per_hour: Decimal::ZERO,
        volume_per_gb_month: BTreeMap::new(),
        iops_month: BTreeMap::new(),
    }
}

fn prices(fields: &Fields<'_>) -> Option<Prices> {
    let none = no_prices();
    fields.read_or("prices", none.clone(), |value| {
        let fields = value.fields()?;
        let currency =
            fields.read_or("currency", none.currency, |value| value.non_empty().map(Arc::from));
        let control_plane =
            fields.read_or("controlPlanePerHour", none.control_plane_per_hour, Value::money);
        let volumes =
            fields.read_or("volumes", BTreeMap::new(), |value| amounts(value, Value::money));
        let iops = fields.read_or("iops", BTreeMap::new(), |value| amounts(value, Value::money));
        fields.finish("prices");
        Some(Prices {
            currency: currency?,
            control_plane_per_hour: control_plane?,
            volume_per_gb_month: volumes?,
            iops_month: iops?,
        })
    })
}

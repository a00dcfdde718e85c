//! Documents of kind Scenario: what is run, from which files, under which load, with which
//! thresholds.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::alerts::alerts;
use super::capacity::known_zone;
use super::capacity::{Known, machine_filter};
use super::cluster_profile::{ClusterProfile, check_bounds, gpu_ready, volume_mode};
use super::codes;
use super::cron;
use super::decode::{Fields, Value};
use super::gpu_sharing::{gpu_sharing, share};
use super::hospital_day;
use super::kubernetes::meta::strings;
use super::kubernetes::{Objects, REPLICAS_MOST};
use super::load::{Surroundings, loads};
use super::own_document::single;
use super::pool_events::PoolEvent;
use super::releases::follow_releases;
use super::rollouts::Release;
use super::thresholds::thresholds;
use super::yaml::{Entry, Kind, Node};
use crate::cluster::api::{NodePoolSpec, WorkloadKind, WorkloadSpec};
use crate::load::LoadSpec;
use crate::model::id::{PoolId, WorkloadId};
use crate::scenario::alerts::AlertsSpec;
use crate::scenario::{
    DisruptionSpec, DisruptionTarget, HpaObject, Provider, ServiceModel, ThresholdSpec,
};
use crate::service::ServiceGraph;
use crate::units::SimDuration;

/// What a scenario document says, with everything it refers to resolved.
pub(super) struct ScenarioDocument {
    pub(super) name: Arc<str>,
    pub(super) description: Arc<str>,
    pub(super) initial_replicas: Vec<i32>,
    pub(super) start: Option<Arc<str>>,
    pub(super) zone: chrono_tz::Tz,
    pub(super) duration: SimDuration,
    pub(super) warm_up: SimDuration,
    pub(super) model: ServiceModel,
    pub(super) loads: Vec<LoadSpec>,
    pub(super) disruptions: Vec<DisruptionSpec>,
    pub(super) thresholds: Vec<ThresholdSpec>,
    pub(super) alerts: Option<AlertsSpec>,
    pub(super) seed: u64,
}

impl ScenarioDocument {
    /// The wall clock at the start of measuring, if it is stated.
    pub(super) fn wall_clock(&self) -> Option<cron::Start<'_>> {
        self.start.as_deref().map(|text| cron::Start { text, zone: self.zone })
    }
}

/// Bounds of a tick of the fluid model.
const TICK_LEAST: SimDuration = SimDuration::from_millis(10);
const TICK_MOST: SimDuration = SimDuration::from_secs(60);

/// Seed of a scenario that states none.
const SEED: u64 = 42;

/// Reads the fields behind `apiVersion`, `kind` and `metadata`; `name` comes from the latter. What
/// is absent because its own document was wrong is `None`, and then no reference into it is judged.
pub(super) fn scenario(
    fields: &Fields<'_>,
    name: Option<Arc<str>>,
    release: &Release<'_>,
    profile: Option<&mut ClusterProfile>,
    services: Option<&ServiceGraph>,
) -> Option<ScenarioDocument> {
    let (objects, hpas) = (release.objects, release.hpas);
    let description = fields.read_or("description", Arc::from(""), Value::shared);
    inputs(fields, release.stated);
    let start = fields.read("start", clock);
    let zone = fields.read_or("timeZone", chrono_tz::Tz::UTC, |value| {
        let named = cron::zone(value.non_empty()?);
        named.map_err(|why| value.report(value.error(codes::INVALID_VALUE, &why))).ok()
    });
    let measured = fields.required("duration").and_then(|value| positive_duration(&value));
    let warm_up = fields.read_or("warmUp", SimDuration::ZERO, Value::duration);
    let model = fields.read_or("model", ServiceModel::Requests, |value| model(value, services));
    let model = tick(fields, model);
    let time_of_day =
        start.as_ref().and_then(|start| start.as_ref()).map_or(SimDuration::ZERO, |start| start.1);
    let written = start.as_ref().and_then(|start| start.as_ref()).map(|start| &*start.0);
    let weekday = written.and_then(hospital_day::weekday);
    let around =
        Surroundings { services, duration: measured.unwrap_or_default(), time_of_day, weekday };
    let loads = load_of(fields, release, around);
    let replicas = fields.read_or("replicas", BTreeMap::new(), |value| replicas(value, objects));
    let provider = profile.as_ref().map(|profile| profile.provider);
    let (overridden, known, pools) = match profile {
        Some(profile) => {
            let done = fields.read("overrides", |value| overrides(value, profile));
            let known = Known { machines: &profile.machines, zones: &profile.zones };
            (done.map(|_| ()), Some(known), Some(profile.pools.as_slice()))
        }
        None => (fields.read("overrides", |_| Some(())).map(|_| ()), None, None),
    };
    let events = Events { release, pools, known, provider, services };
    let disruptions = fields.read_or("events", Vec::new(), |value| events.all(value));
    let thresholds = fields.read_or("thresholds", Vec::new(), thresholds);
    let alerts = fields.read("alerts", |value| alerts(value, release.rules));
    let seed = fields.read_or("seed", SEED, |value| value.integer(0..=u64::MAX));
    let (replicas, start) = (replicas?, start?);
    overridden?;
    let mut disruptions = disruptions?;
    disruptions.sort_by_key(|disruption| disruption.at);
    follow_releases(&mut disruptions, objects, hpas, release.later);
    Some(ScenarioDocument {
        name: name?,
        description: description?,
        initial_replicas: initial_replicas(objects, hpas, &replicas),
        start: start.map(|(text, _)| text),
        zone: zone?,
        duration: measured?,
        warm_up: warm_up?,
        model: model?,
        loads: loads?,
        disruptions,
        thresholds: thresholds?,
        alerts: alerts?,
        seed: seed?,
    })
}

/// The scenario's own load, or that of the document that stands in for it.
fn load_of(
    fields: &Fields<'_>,
    release: &Release<'_>,
    around: Surroundings<'_>,
) -> Option<Vec<LoadSpec>> {
    let Some(document) = release.load else {
        return fields.required("load").and_then(|value| loads(&value, around));
    };
    fields.ignore(&["load"]);
    let mut read =
        |fields: &Fields<'_>, _| fields.required("load").and_then(|value| loads(&value, around));
    single(fields.value().context(), document, "Load", &mut read)
}

/// `inputs` was followed when the files were read; here its shape is checked.
fn inputs(fields: &Fields<'_>, stated: bool) -> Option<()> {
    let inputs = fields.required("inputs")?.fields()?;
    let manifests = inputs.read("manifests", |value| value.list(Value::non_empty));
    let chart = inputs.read("chart", Value::non_empty);
    let values = inputs.read("values", |value| value.list(Value::non_empty));
    inputs.read("release", Value::non_empty);
    inputs.read("namespace", Value::non_empty);
    if matches!((manifests, chart, values), (Some(None), Some(None), Some(None))) && !stated {
        let value = inputs.value();
        let error = value.error(codes::MISSING_FIELD, "needs `manifests`, `chart` or `values`");
        value.report(error.primary(value.key_span(), ""));
    }
    inputs.required("services").and_then(|value| value.list(Value::non_empty));
    inputs.required("cluster").and_then(|value| value.non_empty());
    inputs.read("load", Value::non_empty);
    inputs.finish("inputs");
    Some(())
}

fn positive_duration(value: &Value<'_>) -> Option<SimDuration> {
    let span = value.duration()?;
    if span.is_zero() {
        value.report(value.error(codes::OUT_OF_RANGE, "must be above zero"));
        return None;
    }
    Some(span)
}

fn model(value: &Value<'_>, services: Option<&ServiceGraph>) -> Option<ServiceModel> {
    let fluid = ServiceModel::Fluid { tick: ServiceModel::TICK };
    let model = value.word(&[("requests", ServiceModel::Requests), ("fluid", fluid)])?;
    let outside = services.filter(|_| model == fluid).and_then(ServiceGraph::beyond_rates);
    if let Some(what) = outside {
        let message = format!("is `fluid`, which does not simulate {what}; use `requests`");
        value.report(value.error(codes::UNSUPPORTED, &message));
        return None;
    }
    Some(model)
}

/// `tick`, which only the fluid model has.
fn tick(fields: &Fields<'_>, model: Option<ServiceModel>) -> Option<ServiceModel> {
    let stated = fields.read("tick", |value| {
        let tick = value.duration()?;
        if tick < TICK_LEAST || tick > TICK_MOST {
            let message = format!("is {tick}, must be from {TICK_LEAST} to {TICK_MOST}");
            value.report(value.error(codes::OUT_OF_RANGE, &message));
            return None;
        }
        if model == Some(ServiceModel::Requests) {
            let message = "is for `model: fluid`; the request model has no ticks";
            value.report(value.error(codes::INVALID_VALUE, message));
            return None;
        }
        Some(tick)
    })?;
    match (model?, stated) {
        (ServiceModel::Fluid { .. }, Some(tick)) => Some(ServiceModel::Fluid { tick }),
        (model, _) => Some(model),
    }
}

/// `YYYY-MM-DDTHH:MM:SS` with the time of day in it.
fn clock(value: &Value<'_>) -> Option<(Arc<str>, SimDuration)> {
    let text = value.string()?;
    let time = date_and_time(text);
    if time.is_none() {
        let message = format!("is `{text}`, must be a date and time such as 2026-11-23T08:00:00");
        value.report(value.error(codes::INVALID_VALUE, &message));
    }
    time.map(|time| (Arc::from(text), time))
}

fn date_and_time(text: &str) -> Option<SimDuration> {
    let (date, time) = text.split_once('T')?;
    let numbers = |text: &str, separator, widths: [usize; 3]| {
        let parts: Vec<&str> = text.split(separator).collect();
        let fits = |(part, width): (&&str, usize)| {
            part.len() == width && part.bytes().all(|byte| byte.is_ascii_digit())
        };
        (parts.len() == 3 && parts.iter().zip(widths).all(fits)).then_some(())?;
        let numbers: Option<Vec<u64>> = parts.iter().map(|part| part.parse().ok()).collect();
        numbers
    };
    let date = numbers(date, '-', [4, 2, 2])?;
    let time = numbers(time, ':', [2, 2, 2])?;
    let leap =
        date[0].is_multiple_of(4) && (!date[0].is_multiple_of(100) || date[0].is_multiple_of(400));
    let days = match date[1] {
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => 31,
    };
    let holds = (1..=12).contains(&date[1]) && (1..=days).contains(&date[2]);
    let holds = holds && time[0] < 24 && time[1] < 60 && time[2] < 60;
    holds.then(|| SimDuration::from_secs(time[0] * 3600 + time[1] * 60 + time[2]))
}

/// Sizes by position of the workload.
fn replicas(value: &Value<'_>, objects: &Objects) -> Option<BTreeMap<usize, i32>> {
    let mut sizes = BTreeMap::new();
    let mut complete = true;
    for (name, value) in value.entries()? {
        let workload = named_workload(&value, name.text, objects);
        match (workload, value.integer(0..=REPLICAS_MOST)) {
            (Some(workload), Some(size)) => {
                sizes.insert(workload, size);
            }
            _ => complete = false,
        }
    }
    complete.then_some(sizes)
}

fn named_workload(value: &Value<'_>, name: &str, objects: &Objects) -> Option<usize> {
    let found = objects.named(name, None);
    if found.is_none() && !objects.is_broken(name) {
        let known = objects.workloads.iter().map(|workload| &*workload.meta.name);
        value.report(value.unknown_reference(name, "workload", known));
    }
    found
}

/// The size at the start: as the scenario states, else that at which KEDA holds it, else the minimum of
/// its HPA, else `spec.replicas`.
fn initial_replicas(
    objects: &Objects,
    hpas: &[Arc<HpaObject>],
    stated: &BTreeMap<usize, i32>,
) -> Vec<i32> {
    let size = |(at, workload): (usize, &WorkloadSpec)| {
        let minimum = hpas.iter().find(|hpa| hpa.target == WorkloadId::at(at));
        let minimum = minimum.map(|hpa| hpa.spec.min_replicas.unwrap_or(1));
        let own = match workload.kind {
            WorkloadKind::DaemonSet { .. } | WorkloadKind::Job(_) => 0,
            WorkloadKind::Deployment { .. }
            | WorkloadKind::StatefulSet { .. }
            | WorkloadKind::ReplicaSet => workload.replicas,
        };
        let paused = objects.paused_replicas(workload);
        stated.get(&at).copied().or(paused).or(minimum).unwrap_or(own)
    };
    objects.workloads.iter().enumerate().map(size).collect()
}

/// `overrides.nodePools`: sizes of pools by name; `overrides.volumes`: how claims are served.
fn overrides(value: &Value<'_>, profile: &mut ClusterProfile) -> Option<()> {
    let fields = value.fields()?;
    let mode = fields.read_or("volumes", profile.volumes.mode, volume_mode);
    let pools = &mut profile.pools;
    let done = fields.read("nodePools", |value| {
        // Every entry shall be read, so the results are gathered before they are judged.
        let done: Vec<Option<()>> = value
            .entries()?
            .iter()
            .map(|(name, value)| override_pool(name.text, value, pools))
            .collect();
        done.into_iter().collect::<Option<Vec<()>>>()
    });
    fields.finish("overrides");
    profile.volumes.mode = mode?;
    done.map(|_| ())
}

fn override_pool(name: &str, value: &Value<'_>, pools: &mut [NodePoolSpec]) -> Option<()> {
    let fields = value.fields()?;
    let count = |value: &Value<'_>| value.integer(0..=100_000_u32);
    let min = fields.read("min", count);
    let max_value = fields.optional("max");
    let max = max_value.as_ref().map_or(Some(None), |value| count(value).map(Some));
    let initial = fields.read("initial", count);
    let spot = fields.read("spot", Value::boolean);
    let labels = fields.read("labels", strings);
    let launch = fields.read("launch", Value::distribution);
    let node_ready = fields.read("nodeReady", Value::distribution);
    let gpu_ready = gpu_ready(&fields);
    let sharing_value = fields.optional("gpuSharing");
    let sharing = sharing_value.as_ref().map_or(Some(None), |it| gpu_sharing(it).map(Some));
    fields.finish("an override of a node pool");
    let Some(pool) = pools.iter_mut().find(|pool| *pool.name == *name) else {
        let known: Vec<&str> = pools.iter().map(|pool| &*pool.name).collect();
        value.report(value.unknown_reference(name, "node pool", known));
        return None;
    };
    if pool.node_pool.is_some() {
        let message =
            "is a NodePool of Karpenter, which has no size: change its limits or its requirements";
        value.report(value.error(codes::UNSUPPORTED, message));
        return None;
    }
    let (min, max) = (min?.unwrap_or(pool.min), max?.unwrap_or(pool.max));
    let initial = initial?.unwrap_or_else(|| pool.initial.clamp(min.min(max), max));
    check_bounds(value, min, max, initial)?;
    if let Some(value) = max_value {
        pool.max_origin = value.origin();
    }
    // A pool that could not grow was not autoscaled; room given to it says that it shall be.
    pool.autoscaled |= pool.min == pool.max && min < max;
    (pool.min, pool.max, pool.initial) = (min, max, initial);
    pool.spot = spot?.unwrap_or(pool.spot);
    if let Some(labels) = labels? {
        pool.labels = labels;
    }
    if let Some(launch) = launch? {
        pool.launch = launch;
    }
    pool.node_ready = node_ready?.or(pool.node_ready.take());
    pool.gpu_ready = gpu_ready?.or(pool.gpu_ready.take());
    match sharing_value.zip(sharing?) {
        Some((value, sharing)) => share(&value, sharing, pool),
        None => Some(()),
    }
}

/// What events may refer to; absent where the profile was wrong.
struct Events<'a> {
    release: &'a Release<'a>,
    pools: Option<&'a [NodePoolSpec]>,
    known: Option<Known<'a>>,
    provider: Option<Provider>,
    services: Option<&'a ServiceGraph>,
}

const EVENTS: [&str; 12] = [
    "drain",
    "failNode",
    "failZone",
    "cordon",
    "scale",
    "deletePod",
    "rollout",
    "upgrade",
    "upgradePool",
    "reclaimSpot",
    "slow",
    "capacityShortage",
];

/// The names that are more than one word, as people who write YAML for Python spell them.
const SPELLINGS: [(&str, &str); 6] = [
    ("fail_node", "failNode"),
    ("fail_zone", "failZone"),
    ("delete_pod", "deletePod"),
    ("upgrade_pool", "upgradePool"),
    ("reclaim_spot", "reclaimSpot"),
    ("capacity_shortage", "capacityShortage"),
];

impl Events<'_> {
    /// What an event is, however its name is spelled.
    fn kind<'v>(&self, fields: &Fields<'v>) -> Option<(&'static str, Value<'v>)> {
        let other = fields.at_most_one(&SPELLINGS.map(|(spelled, _)| spelled))?;
        let Some((spelled, body)) = other else { return fields.exactly_one(&EVENTS) };
        if let Some((name, _)) = fields.at_most_one(&EVENTS)? {
            let message = format!("has both `{spelled}` and `{name}`, which exclude each other");
            let error = body.error(codes::EXCLUSIVE_FIELDS, &message);
            body.report(error.primary(body.key_span(), ""));
            return None;
        }
        let known = SPELLINGS.iter().find(|(it, _)| *it == spelled);
        known.map(|(_, name)| (*name, body))
    }

    fn all(&self, value: &Value<'_>) -> Option<Vec<DisruptionSpec>> {
        let items = value.items()?;
        let read: Vec<Option<_>> =
            items.iter().enumerate().map(|(at, event)| self.event(event, at)).collect();
        read.into_iter().collect()
    }

    fn event(&self, value: &Value<'_>, position: usize) -> Option<DisruptionSpec> {
        let fields = value.fields()?;
        let at = fields.required("at").and_then(|value| value.duration());
        let kind = self.kind(&fields);
        let lasting = fields.optional("for");
        let duration = lasting.as_ref().map_or(Some(None), |value| value.duration().map(Some));
        fields.finish("an event");
        let (name, body) = kind?;
        let ends = ["failNode", "failZone", "capacityShortage", "slow"].contains(&name);
        if let Some(lasting) = lasting.filter(|_| !ends) {
            let message = format!("must not be there: `{name}` does not end by itself");
            value.report(
                lasting.error(codes::EXCLUSIVE_FIELDS, &message).primary(lasting.key_span(), ""),
            );
            return None;
        }
        let target = match name {
            "rollout" => match self.written_out(name, &body) {
                Some(long) => self.release.rollout(&body.standing_for(&long)),
                None => self.release.rollout(&body),
            },
            "upgrade" => self.release.upgrade(&body, position),
            _ => self.target(name, &body, duration?),
        };
        Some(DisruptionSpec { at: at?, target: target?, origin: value.origin() })
    }

    fn target(
        &self,
        name: &str,
        body: &Value<'_>,
        duration: Option<SimDuration>,
    ) -> Option<DisruptionTarget> {
        if name == "failZone" {
            let zone = known_zone(body, self.known?.zones)?;
            return Some(DisruptionTarget::FailZone { zone, duration });
        }
        let long = self.written_out(name, body);
        let body = &long.as_ref().map_or_else(|| body.clone(), |node| body.standing_for(node));
        let fields = body.fields()?;
        if name == "capacityShortage" {
            let of = machine_filter(&fields, self.known?);
            fields.finish("the event `capacityShortage`");
            return Some(DisruptionTarget::CapacityShortage { of: of?, duration });
        }
        let count =
            |fields: &Fields<'_>| fields.read_or("count", 1, |value| value.integer(1..=u32::MAX));
        let target = match name {
            "drain" | "failNode" | "upgradePool" | "reclaimSpot" => {
                let target = self.pool_target(name, &fields, duration);
                fields.finish(&format!("the event `{name}`"));
                target?
            }
            "slow" => {
                let services = self.services;
                let target = super::station::slow_event(&fields, services, duration);
                fields.finish("the event `slow`");
                target?
            }
            "cordon" => {
                let node = fields.required("node").and_then(|node| self.node(&node));
                fields.finish("the event `cordon`");
                DisruptionTarget::Cordon { node: node?.1 }
            }
            _ => {
                let one = if name == "deletePod" { fields.optional("pod") } else { None };
                if let Some(value) = one {
                    let pod = self.pod(&value);
                    fields.finish("the event `deletePod`");
                    let (workload, pod) = pod?;
                    return Some(DisruptionTarget::DeletePod {
                        workload,
                        count: 1,
                        pod: Some(pod),
                    });
                }
                let workload = fields.required("workload").and_then(|value| self.workload(&value));
                if name == "scale" {
                    let replicas = fields
                        .required("replicas")
                        .and_then(|value| value.integer(0..=REPLICAS_MOST));
                    fields.finish("the event `scale`");
                    DisruptionTarget::Scale { workload: workload?, replicas: replicas? }
                } else {
                    let count = count(&fields);
                    fields.finish("the event `deletePod`");
                    DisruptionTarget::DeletePod { workload: workload?, count: count?, pod: None }
                }
            }
        };
        Some(target)
    }

    /// An event of a pool, or of one of its nodes.
    fn pool_target(
        &self,
        name: &str,
        fields: &Fields<'_>,
        duration: Option<SimDuration>,
    ) -> Option<DisruptionTarget> {
        let one = match name {
            "drain" | "failNode" => fields.optional("node"),
            _ => None,
        };
        let (pool, node) = match &one {
            Some(value) if fields.optional("pool").is_some() => {
                let message = "has both `node` and `pool`, which exclude each other";
                value.report(value.error(codes::EXCLUSIVE_FIELDS, message));
                (None, None)
            }
            Some(value) => self.node(value).unzip(),
            None => (fields.required("pool").and_then(|pool| self.pool(&pool)), None),
        };
        let named = |value: &Value<'_>| self.workload(value);
        let (pools, provider) = (self.pools, self.provider);
        let around = PoolEvent { name, node, pool, pools, provider };
        around.target(fields, duration, &named)
    }

    /// The long form of an event that is written as a name alone (`fail_node: gpu-1`): what the name is
    /// of follows from the event, and from what there is. Nothing for an event without such a form.
    fn written_out(&self, name: &str, body: &Value<'_>) -> Option<Node> {
        if name != "capacityShortage" {
            body.may_be_text();
        }
        let text = body.node().text()?;
        let is_pool = || self.pools?.iter().find(|pool| *pool.name == *text);
        let key = match name {
            "drain" | "failNode" if is_pool().is_none() && self.numbered(text).is_some() => "node",
            "drain" | "failNode" | "upgradePool" | "reclaimSpot" => "pool",
            "cordon" => "node",
            "deletePod" if self.pod_of(text).is_some() => "pod",
            "deletePod" | "scale" | "rollout" => "workload",
            "slow" => "service",
            _ => return None,
        };
        let (key_span, value) = (body.span(), body.node().clone());
        let entry = Entry { key: Arc::from(key), key_span, value };
        Some(Node { kind: Kind::Mapping(Arc::from([entry])), ..body.node().clone() })
    }

    /// A pod of a name, and whose it is: pods are called `WORKLOAD-1`, those of StatefulSets from 0 on.
    /// A workload with that name comes first.
    fn pod_of(&self, name: &str) -> Option<WorkloadId> {
        let objects = self.release.objects;
        let (of, number) = name.rsplit_once('-')?;
        let numbered = number.parse::<u32>().is_ok() && objects.named(name, None).is_none();
        objects.named(of, None).filter(|_| numbered).map(WorkloadId::at)
    }

    fn pod(&self, value: &Value<'_>) -> Option<(WorkloadId, Arc<str>)> {
        let name = value.non_empty()?;
        if let Some(workload) = self.pod_of(name) {
            return Some((workload, Arc::from(name)));
        }
        let workloads = self.release.objects.workloads.iter();
        let first: Vec<String> = workloads.map(|it| format!("{}-1", it.meta.name)).collect();
        value.report(value.unknown_reference(name, "pod", first.iter().map(String::as_str)));
        None
    }

    fn workload(&self, value: &Value<'_>) -> Option<WorkloadId> {
        named_workload(value, value.non_empty()?, self.release.objects).map(WorkloadId::at)
    }

    /// A node that may exist: the nodes of a pool are called `POOL-1`, `POOL-2` and so on.
    fn node(&self, value: &Value<'_>) -> Option<(PoolId, Arc<str>)> {
        let name = value.non_empty()?;
        let pools = self.pools?;
        let Some(pool) = self.numbered(name) else {
            let first: Vec<String> = pools.iter().map(|pool| format!("{}-1", pool.name)).collect();
            let names = first.iter().map(String::as_str);
            value.report(value.unknown_reference(name, "node", names));
            return None;
        };
        Some((pool, Arc::from(name)))
    }

    /// The pool of a node, by the node's name.
    fn numbered(&self, name: &str) -> Option<PoolId> {
        let of = |pool: &NodePoolSpec| {
            let number = name.strip_prefix(&*pool.name).and_then(|rest| rest.strip_prefix('-'));
            number.is_some_and(|number| number.parse::<u32>().is_ok())
        };
        self.pools?.iter().position(of).map(PoolId::at)
    }

    fn pool(&self, value: &Value<'_>) -> Option<PoolId> {
        let name = value.non_empty()?;
        let pools = self.pools?;
        let found = pools.iter().position(|pool| *pool.name == *name);
        if found.is_none() {
            value.report(value.unknown_reference(
                name,
                "node pool",
                pools.iter().map(|pool| &*pool.name),
            ));
        }
        found.map(PoolId::at)
    }
}
